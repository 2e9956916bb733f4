// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the rings of virtio: the input is what a device does that lies as it likes.
 * Run: scripts/fuzz.sh virtio SECONDS.
 *
 * Model: each byte is a step: the driver adds a request (its pieces are as long as the step says), takes
 * what came back, rearms; or the device writes its index, one of its entries, its flags, or scribbles over
 * the tables that it can see.  After each step the invariants of the queue hold; in the end each token has
 * come back exactly once, and nothing was read or written beyond its memory (ASan).
 */
#include "device.h"

#include <lib/string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENTRIES 8
#define TOKENS 64

ns_t virtio_timeout_ns = 1;
static bool out[TOKENS];
static unsigned notified;

/* ---- what ring.c calls ----------------------------------------------------------------------- */

void virtio_device_watch(struct virtio_device *d, ns_t deadline)
{
}

static unsigned fake_entries(struct virtio_device *d, unsigned index)
{
    return ENTRIES;
}

static err_t fake_start(struct virtio_queue *q)
{
    return 0;
}

static void fake_notify(struct virtio_queue *q)
{
    notified++;
}

static const struct virtio_transport transport = { .queue_entries = fake_entries,
                                                   .queue_start = fake_start,
                                                   .notify = fake_notify };

/* ---- steps ----------------------------------------------------------------------------------- */

static void give_back(const void *token)
{
    size_t n = (size_t)((const bool *)token - out);

    expect(n < TOKENS && out[n]);
    out[n] = false;
}

static void step_add(struct virtio_queue *q, uint8_t how)
{
    struct dma_segment seg[ENTRIES + 1];
    unsigned reads = how & 3, writes = how >> 2 & 7, n = 0;

    while (n < TOKENS && out[n])
        n++;
    for (unsigned i = 0; i < reads + writes && i <= ENTRIES; i++)
        seg[i] = (struct dma_segment){ 4096u * i, how * 3u };
    if (n == TOKENS || reads + writes > ENTRIES + 1)
        return;
    out[n] = virtio_queue_add(q, seg, reads, writes, &out[n]) == 0;
    virtio_queue_kick(q);
}

static void step_take(struct virtio_queue *q)
{
    uint32_t bytes = 0;
    void *token;

    for (unsigned i = 0; i < 2 * ENTRIES && (token = virtio_queue_take(q, &bytes)) != NULL; i++) {
        expect(bytes <= 7 * 255 * 3);
        give_back(token);
    }
    (void)virtio_queue_rearm(q);
}

static void step(struct virtio_queue *q, uint8_t what, const uint8_t value[4])
{
    uint16_t half = (uint16_t)(value[0] | value[1] << 8);
    uint32_t word = half | (uint32_t)value[2] << 16 | (uint32_t)value[3] << 24;

    switch (what % 9) {
    case 0:
    case 1:
        step_add(q, value[0]);
        break;
    case 2:
        step_take(q);
        break;
    case 3:
        q->used->idx = (uint16_t)(q->used->idx + value[0] % 3);
        break;
    case 4:
        q->used->idx = half;
        break;
    case 5:
        q->used->ring[value[0] % ENTRIES] = (struct vring_used_elem){ value[1] % (ENTRIES + 1), value[2] };
        break;
    case 6:
        q->used->ring[value[0] % ENTRIES].len = word;
        break;
    case 7:
        q->used->flags = half;
        *(uint16_t *)&q->used->ring[ENTRIES] = half;
        break;
    default: /* the tables that we write are its to see, and may be its to spoil */
        ((uint8_t *)q->desc)[half % q->memory.size] = value[2];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct virtio_device d;
    static struct spinlock lock;
    struct virtio_queue *q;
    void *token;

    if (size < 1)
        return 0;
    memset(&d, 0, sizeof d);
    memset(out, 0, sizeof out);
    d.transport = &transport;
    d.features = (data[0] & 1 ? BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0) |
                 (data[0] & 2 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0);
    expect(virtio_queue_create(&d, 0, &lock, NULL, false) == 0);
    q = d.queues[0];
    for (size_t at = 1; at + 5 <= size; at += 5) {
        step(q, data[at], data + at + 1);
        expect(virtio_queue_check(q));
    }
    d.broken = true;
    while ((token = virtio_queue_detach(q)) != NULL)
        give_back(token);
    for (unsigned i = 0; i < TOKENS; i++)
        expect(!out[i]);
    expect(virtio_queue_check(q));
    virtio_queue_destroy(q);
    return 0;
}
