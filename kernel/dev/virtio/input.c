// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: keyboards by virtio (virtio 1.2, 5.8).
 *
 * Model: queue 0 always holds empty events for the device to fill: type, code and value of Linux's input
 * layer.  Of those only keys are looked at, so that mice and tablets, which share the device id, are quiet.
 * Queue 1 takes the lights, one event each; while some are under way the next wish waits.
 * Locking: lock (LOCK_DEVICE); keys are handed on without it.
 */
#define LOG_TAG "virtio-input"
#include <dev/virtio/virtio.h>

#include <core/log.h>
#include <dev/input/keyboard.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/subsystem.h>

#include <linux/input-event-codes.h>
#include <linux/virtio_ids.h>

#define EVENTS 64u
#define LIGHTS 2u

struct input_event_le { /* little-endian */
    uint16_t type, code;
    uint32_t value;
};

struct shared { /* with the device */
    struct input_event_le event[EVENTS];
    struct input_event_le light[LIGHTS];
};

struct input {
    struct spinlock lock; /* LOCK_DEVICE */
    struct virtio_queue *events, *status; /* constant */
    struct shared *shared; /* each entry the device's while its token is out, else lock */
    unsigned lights_out; /* tokens; lock */
    unsigned lost; /* entries that are never offered again; lock */
    unsigned wanted, sent; /* KEY_LED_*; lock */
    bool stopped; /* lock */
};

static void event_offer(struct input *in, struct input_event_le *e)
{
    struct dma_segment seg = { virt_to_phys(e), sizeof *e };

    if (virtio_queue_add(in->events, &seg, 0, 1, e) != 0)
        in->lost++; /* the device is broken: it is given up for good */
}

static void light_send(struct input *in, unsigned n, unsigned code, bool on)
{
    struct input_event_le *e = &in->shared->light[n];
    struct dma_segment seg = { virt_to_phys(e), sizeof *e };

    *e = (struct input_event_le){ EV_LED, (uint16_t)code, on };
    if (virtio_queue_add(in->status, &seg, 1, 0, e) == 0)
        in->lights_out++;
}

static void lights_send_locked(struct input *in)
{
    if (in->stopped || in->lights_out || in->wanted == in->sent)
        return;
    in->sent = in->wanted;
    light_send(in, 0, LED_NUML, in->wanted & KEY_LED_NUM);
    light_send(in, 1, LED_CAPSL, in->wanted & KEY_LED_CAPS);
    virtio_queue_kick(in->status);
}

static void status_handler(struct virtio_queue *q)
{
    struct input *in = q->device->data;
    unsigned long flags = spin_lock_irqsave(&in->lock);
    uint32_t bytes;

    do {
        while (virtio_queue_take(q, &bytes))
            in->lights_out--;
    } while (virtio_queue_rearm(q));
    lights_send_locked(in);
    spin_unlock_irqrestore(&in->lock, flags);
}

/* Takes what has come, up to EVENTS, into out.  Return: how many. */
static unsigned events_take(struct input *in, struct input_event_le out[EVENTS])
{
    unsigned long flags = spin_lock_irqsave(&in->lock);
    struct input_event_le *e;
    unsigned n = 0;
    uint32_t bytes;

    do {
        while (n < EVENTS && (e = virtio_queue_take(in->events, &bytes)) != NULL) {
            if (bytes == sizeof *e)
                out[n++] = *e;
            if (!in->stopped)
                event_offer(in, e);
        }
    } while (n < EVENTS && virtio_queue_rearm(in->events));
    virtio_queue_kick(in->events);
    spin_unlock_irqrestore(&in->lock, flags);
    return n;
}

static void lights_want(struct input *in, unsigned leds)
{
    unsigned long flags = spin_lock_irqsave(&in->lock);

    in->wanted = leds;
    lights_send_locked(in);
    spin_unlock_irqrestore(&in->lock, flags);
}

static void events_handler(struct virtio_queue *q)
{
    struct input *in = q->device->data;
    struct input_event_le event[EVENTS];
    unsigned n;

    do {
        n = events_take(in, event);
        for (unsigned i = 0; i < n; i++)
            if (event[i].type == EV_KEY && event[i].code < BTN_MISC)
                lights_want(in, keyboard_key(event[i].code, event[i].value != 0));
    } while (n == EVENTS);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void input_destroy(struct input *in)
{
    kfree(in->shared);
    kfree(in);
}

static err_t input_probe(struct virtio_device *d)
{
    struct input *in = kzalloc(sizeof *in);
    err_t err = -ENOMEM;

    if (!in)
        return -ENOMEM;
    spin_init(&in->lock, LOCK_DEVICE);
    in->shared = kzalloc(sizeof *in->shared);
    if (in->shared)
        err = virtio_queue_create(d, 0, &in->lock, events_handler, false);
    if (err == 0)
        err = virtio_queue_create(d, 1, &in->lock, status_handler, false);
    if (err != 0) {
        input_destroy(in);
        return err;
    }
    in->events = d->queues[0];
    in->status = d->queues[1];
    d->data = in;
    return 0;
}

static err_t input_start(struct virtio_device *d)
{
    struct input *in = d->data;
    unsigned long flags = spin_lock_irqsave(&in->lock);

    for (unsigned i = 0; i < EVENTS; i++)
        event_offer(in, &in->shared->event[i]);
    virtio_queue_kick(in->events);
    spin_unlock_irqrestore(&in->lock, flags);
    return 0;
}

static void input_detach(struct virtio_device *d)
{
    struct input *in = d->data;
    unsigned long flags = spin_lock_irqsave(&in->lock);

    in->stopped = true;
    spin_unlock_irqrestore(&in->lock, flags);
}

static void input_drain(struct virtio_device *d)
{
    struct input *in = d->data;
    unsigned long flags = spin_lock_irqsave(&in->lock);

    in->stopped = true;
    while (virtio_queue_detach(in->events))
        ;
    while (virtio_queue_detach(in->status))
        ;
    spin_unlock_irqrestore(&in->lock, flags);
}

static void input_free(struct virtio_device *d)
{
    struct input *in = d->data;

    if (d->dead) /* it may still write: the memory stays its own */
        in->shared = NULL;
    input_destroy(in);
}

static struct virtio_driver input_driver = { .driver = VIRTIO_DRIVER("virtio_input", virtio_needs),
                                             .id = VIRTIO_ID_INPUT,
                                             .probe = input_probe,
                                             .start = input_start,
                                             .detach = input_detach,
                                             .drain = input_drain,
                                             .free = input_free };
REGISTER_VIRTIO_DRIVER(input_driver);
