// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the entropy device (virtio 1.2, 5.4): feeds the random pool.
 *
 * Model: one buffer, which the device fills when it can: at start, and then each minute.  What comes is
 * mixed in; it counts for less than the pool needs to be ready, whatever the device sends, so the device is
 * never the sole source.  The same answer twice in a row counts for nothing.
 * Locking: lock (LOCK_DEVICE).
 */
#define LOG_TAG "virtio-rng"
#include <dev/virtio/virtio.h>

#include <core/log.h>
#include <core/random.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <hal/mmu.h>
#include <sched/clock.h>
#include <svc/subsystem.h>

#include <linux/virtio_ids.h>

#define BUFFER_BYTES 64
#define CREDIT_BITS 64 /* for a full buffer; the pool is ready at 256 */
#define CREDIT_LIMIT 128 /* in all */
#define PERIOD_NS (60 * NS_PER_SEC)

struct entropy {
    struct spinlock lock; /* LOCK_DEVICE */
    struct virtio_queue *queue; /* constant */
    uint8_t *buffer; /* the device's while a token is out, else lock */
    uint8_t last[BUFFER_BYTES]; /* lock */
    unsigned credited; /* lock */
    bool stopped; /* lock */
    struct timer timer;
};

static void entropy_ask(struct entropy *e)
{
    struct dma_segment seg = { virt_to_phys(e->buffer), BUFFER_BYTES };
    unsigned long flags = spin_lock_irqsave(&e->lock);

    if (!e->stopped && virtio_queue_add(e->queue, &seg, 0, 1, e) == 0)
        virtio_queue_kick(e->queue);
    spin_unlock_irqrestore(&e->lock, flags);
}

static void entropy_timer(struct timer *t)
{
    entropy_ask(container_of(t, struct entropy, timer));
}

static void entropy_receive(struct entropy *e, uint32_t bytes)
{
    bool repeated = bytes == BUFFER_BYTES && memcmp(e->last, e->buffer, BUFFER_BYTES) == 0;
    unsigned credit = bytes * CREDIT_BITS / BUFFER_BYTES;

    credit = repeated ? 0 : MIN(credit, CREDIT_LIMIT - e->credited);
    random_add(e->buffer, bytes, credit);
    e->credited += credit;
    memcpy(e->last, e->buffer, BUFFER_BYTES);
    memset(e->buffer, 0, BUFFER_BYTES);
}

static void entropy_handler(struct virtio_queue *q)
{
    struct entropy *e = q->device->data;
    unsigned long flags = spin_lock_irqsave(&e->lock);
    uint32_t bytes;

    do {
        while (virtio_queue_take(q, &bytes)) {
            entropy_receive(e, bytes);
            if (!e->stopped)
                timer_set(&e->timer, clock_monotonic() + PERIOD_NS);
        }
    } while (virtio_queue_rearm(q));
    spin_unlock_irqrestore(&e->lock, flags);
}

static err_t entropy_probe(struct virtio_device *d)
{
    struct entropy *e = kzalloc(sizeof *e);
    err_t err = -ENOMEM;

    if (!e)
        return -ENOMEM;
    spin_init(&e->lock, LOCK_DEVICE);
    timer_init(&e->timer, entropy_timer);
    e->buffer = kzalloc(BUFFER_BYTES);
    if (e->buffer)
        err = virtio_queue_create(d, 0, &e->lock, entropy_handler, false);
    if (err != 0) {
        kfree(e->buffer);
        kfree(e);
        return err;
    }
    e->queue = d->queues[0];
    d->data = e;
    return 0;
}

static err_t entropy_start(struct virtio_device *d)
{
    entropy_ask(d->data);
    return 0;
}

static void entropy_detach(struct virtio_device *d)
{
    struct entropy *e = d->data;
    unsigned long flags = spin_lock_irqsave(&e->lock);

    e->stopped = true;
    spin_unlock_irqrestore(&e->lock, flags);
    (void)timer_cancel(&e->timer);
}

static void entropy_drain(struct virtio_device *d)
{
    struct entropy *e = d->data;
    unsigned long flags = spin_lock_irqsave(&e->lock);

    e->stopped = true;
    while (virtio_queue_detach(e->queue))
        ;
    spin_unlock_irqrestore(&e->lock, flags);
}

static void entropy_free(struct virtio_device *d)
{
    struct entropy *e = d->data;

    if (!d->dead)
        kfree(e->buffer);
    kfree(e);
}

static struct virtio_driver entropy_driver = { .driver = VIRTIO_DRIVER("virtio_rng", virtio_needs),
                                               .id = VIRTIO_ID_RNG,
                                               .probe = entropy_probe,
                                               .start = entropy_start,
                                               .detach = entropy_detach,
                                               .drain = entropy_drain,
                                               .free = entropy_free };
REGISTER_VIRTIO_DRIVER(entropy_driver);
