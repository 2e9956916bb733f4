// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the drivers of virtio's disks, entropy sources and keyboards: the input is what a device says
 * that means harm, its configuration too, and when.
 * Run: scripts/fuzz.sh virtio_drivers SECONDS.
 *
 * Model: the head chooses the driver and says what the device is.  Each byte after it is a step: the device serves
 * a chain with any answer and any length, lies in its rings, changes its configuration, interrupts; requests come;
 * a timer runs; the device goes and comes.  After each step: no lock is held, the queues keep their
 * invariants.  Each request is answered once, with an error if the device is gone; in the end nothing is left.
 */
#include "device.h"

#include <core/random.h>
#include <dev/input/keyboard.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <svc/block.h>

#include <linux/input-event-codes.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void *malloc(size_t n);
void free(void *p);

#define QUEUES 2
#define PIECES_MAX 12
#define REQUESTS_MAX 24
#define AWAKENINGS 3

struct request {
    struct block_request r;
    struct dma_segment seg[PIECES_MAX + 2];
};

static struct fake_device f;
static struct block_device *disk;
static unsigned requests; /* that wait for their answer */
static unsigned awakenings;
static uint8_t memory[PIECES_MAX][PAGE_SIZE];

/* ---- what the drivers call -------------------------------------------------------------------- */

unsigned keyboard_key(unsigned code, bool down)
{
    expect(code < BTN_MISC);
    return input_byte();
}

void random_add(const void *data, size_t n, unsigned credit_bits)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum ^= ((const uint8_t *)data)[i];
    expect(credit_bits <= 8 * n + (sum & 0));
}

static err_t disk_added(struct block_device *b)
{
    expect(!disk && b->logical >= SECTOR_BYTES && b->segments_max > 0 && b->io_min >= b->physical);
    disk = b;
    b->client = &disk;
    return 0;
}

static void disk_removing(struct block_device *b)
{
    expect(disk == b);
}

static void disk_gone(struct block_device *b)
{
    expect(disk == b);
    disk = NULL;
}

static const struct block_client client = { .added = disk_added, .removing = disk_removing, .gone = disk_gone };

void wait_begin(struct waitq *q, struct waiter *w, enum thread_state state)
{
}

void wait_end(struct waitq *q, struct waiter *w)
{
}

void wait_abort(struct waitq *q, struct waiter *w)
{
}

unsigned waitq_wake(struct waitq *q, unsigned n, uintptr_t key)
{
    return 0;
}

/* Somebody waits for an answer: the device has some time for it, then the driver loses its patience. */
err_t wait_sleep(enum thread_state state, ns_t deadline)
{
    while_asleep();
    if (awakenings > AWAKENINGS)
        expect(timer_run()); /* else nobody would wake it */
    return 0;
}

/* ---- what the device does -------------------------------------------------------------------- */

static void chain_serve(unsigned queue, bool sound)
{
    struct fake_chain c;
    uint32_t written = 0;

    if (!device_take(&f, queue, &c))
        return;
    for (unsigned i = c.out; i < c.count; i++) {
        input_bytes(c.piece[i].data, MIN(c.piece[i].bytes, 8u));
        written += c.piece[i].bytes;
    }
    if (sound && c.count > c.out)
        c.piece[c.count - 1].data[c.piece[c.count - 1].bytes - 1] = VIRTIO_BLK_S_OK;
    fake_give(&f, queue, c.head, sound ? written : input_number(4));
}

static void device_step(unsigned what)
{
    switch (what) {
    case 0:
    case 1:
        chain_serve(input_byte() % QUEUES, true);
        break;
    case 2:
        chain_serve(input_byte() % QUEUES, false);
        break;
    case 3:
        device_lies(&f, QUEUES);
        break;
    case 4:
        input_bytes(f.config + input_byte() % 56, 4);
        virtio_interrupt(&f.v, true);
        break;
    default:
        break;
    }
    fake_interrupt(&f);
}

static void asleep(void)
{
    if (awakenings++ < AWAKENINGS)
        device_step(input_byte() % 6);
}

/* ---- requests --------------------------------------------------------------------------------- */

static void request_done(struct block_request *r, err_t err)
{
    struct request *q = container_of(r, struct request, r);

    expect(requests > 0 && (err == 0 || err == -EIO || err == -EOPNOTSUPP));
    requests--;
    free(q);
}

static void request_begin(void)
{
    struct request *q;

    if (!disk || requests == REQUESTS_MAX)
        return;
    q = malloc(sizeof *q);
    q->r = (struct block_request){ .device = disk, .op = input_byte() % BLOCK_OPS, .sector = input_byte(),
                                   .seg = q->seg, .done = request_done };
    if (q->r.op != BLOCK_FLUSH)
        q->r.sectors = input_byte();
    if (q->r.op == BLOCK_READ || q->r.op == BLOCK_WRITE || q->r.op == BLOCK_IDENTIFY)
        q->r.count = 1 + input_byte() % PIECES_MAX;
    for (unsigned i = 0; i < q->r.count; i++)
        q->seg[1 + i] = (struct dma_segment){ virt_to_phys(memory[i]), 512 };
    requests++;
    block_submit(&q->r);
}

/* ---- all of it -------------------------------------------------------------------------------- */

static bool begin(void)
{
    static const struct {
        const char *name;
        uint32_t id;
    } drivers[] = { { "virtio_blk", VIRTIO_ID_BLOCK }, { "virtio_rng", VIRTIO_ID_RNG },
                    { "virtio_input", VIRTIO_ID_INPUT } };
    unsigned which = input_byte() % ARRAY_SIZE(drivers);
    uint64_t features = input_number(2);

    /* The ring's two are 28 and 29. */
    fake_init(&f, drivers[which].id, features | (uint64_t)(input_byte() & 3) << VIRTIO_RING_F_INDIRECT_DESC);
    f.entries[0] = 1u << input_byte() % 7;
    f.entries[1] = 1u << input_byte() % 7;
    input_bytes(f.config, 48);
    awakenings = 0;
    return driver_begin(&f, drivers[which].name) == 0;
}

static bool step(void)
{
    unsigned what = input_byte();

    if (what % 16 < 8) {
        device_step(what % 8);
    } else if (what % 16 < 14) {
        request_begin();
    } else if (what % 16 == 14) {
        (void)timer_run();
    } else if (what == 0xff) {
        driver_end(&f);
        expect(requests == 0 && !disk);
        return begin();
    }
    driver_check(&f);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool known;
    bool live;

    if (!known)
        block_client_set(&client);
    known = true;
    input_begin(data, size);
    while_asleep = asleep;
    live = begin();
    while (live && input_left())
        live = step();
    if (live)
        driver_end(&f);
    expect(requests == 0 && !disk);
    return 0;
}
