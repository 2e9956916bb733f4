// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: virtio 1.x devices (OASIS "Virtual I/O Device Version 1.2"), and the legacy ones before it.
 *
 * Model: three parts that know each other by this header alone:
 *     transport   registers of one kind (MMIO, PCI): makes a struct virtio_device and adds it to virtio_bus
 *     core        what all drivers have in common: negotiates, starts, removes, gives up
 *     driver      block, entropy, console: requests on queues
 * A queue (ring.c) hands pieces of memory to the device and gets them back with the token that the
 * driver gave.  Nothing that the device writes is believed: an index that jumps, an id that is not out, a
 * length beyond the buffer, or an answer that does not come in time break the device for good: it is
 * reset, one line is logged, and its driver gets all tokens back to fail them.
 *
 *     added -> probe -> DRIVER_OK -> start ----> detach -> reset -> drain | free     (stop | remove)
 *                                     \-> broken: reset -> drain                     (any context)
 *
 * Locking: bindings are the device model's.  A queue is its driver's: all functions of ring.c want the lock
 * that virtio_queue_create() was given (LOCK_DEVICE, or LOCK_CONSOLE for requests of one or two pieces without a
 * time limit; interrupts off).
 * Invariants: (1) a token is with the device, or with the driver, never with both; (2) what the device may
 * still write is not freed: memory of rings lives until the device has been reset, and for ever when
 * it does not answer the reset.
 */
#pragma once

#include <core/spinlock.h>
#include <dev/bus/device.h>
#include <lib/segment.h>
#include <sched/timer.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#define VIRTIO_QUEUES_MAX 66 /* of one device that we use: a console's with 32 ports */
#define VIRTIO_ENTRIES_MAX 256 /* of one queue that we use */

struct virtio_device;
struct virtio_driver;

struct virtio_queue {
    struct virtio_device *device;
    unsigned index; /* constant, as all to the next blank line */
    uint16_t size; /* entries, a power of two */
    struct spinlock *lock; /* the driver's */
    void (*handler)(struct virtio_queue *q); /* interrupt: tokens may have come back; may be NULL */
    ns_t timeout; /* for each request; 0: the device may take as long as it likes */
    struct vring_desc *desc;
    struct vring_avail *avail;
    struct vring_used *used;
    struct dma_buffer memory; /* of all three */
    void *notify; /* the transport's */

    struct virtio_slot *slots; /* by number of the first descriptor; lock, as the rest */
    uint16_t *next; /* chain of descriptors; ours alone, the device cannot change it */
    uint16_t free_head, free_count, in_flight;
    uint16_t avail_idx, kicked; /* our avail->idx, and what it was at the last kick */
    uint16_t seen; /* how far used->ring has been taken */
};

struct virtio_transport {
    const char *name;
    uint64_t (*features)(struct virtio_device *d);
    void (*set_features)(struct virtio_device *d, uint64_t features);
    uint8_t (*status)(struct virtio_device *d);
    void (*set_status)(struct virtio_device *d, uint8_t status);
    /* Status 0, and waits (shortly) until the device agrees.  Any context.  0; -EIO: it does not. */
    err_t (*reset)(struct virtio_device *d);
    unsigned (*queue_entries)(struct virtio_device *d, unsigned index); /* 0: there is none */
    err_t (*queue_start)(struct virtio_queue *q); /* tells the device where the rings are */
    void (*notify)(struct virtio_queue *q); /* any context */
    void (*config_read)(struct virtio_device *d, unsigned offset, void *buf, size_t n);
    void (*config_write)(struct virtio_device *d, unsigned offset, const void *buf, size_t n);
    uint32_t (*config_generation)(struct virtio_device *d);
    err_t (*irq_start)(struct virtio_device *d); /* from now on virtio_interrupt() is called */
    void (*irq_stop)(struct virtio_device *d); /* no handler runs any more when it returns */
    void (*release)(struct virtio_device *d); /* frees the record */
};

struct virtio_device {
    struct device device; /* first; "virtio0", a child of what carries it */
    const struct virtio_transport *transport; /* set by the transport before adding, as the next three */
    uint32_t id, vendor; /* VIRTIO_ID_* */
    unsigned number; /* of its name; constant from virtio_device_add() on */
    bool legacy; /* no VIRTIO_F_VERSION_1, rings in one piece by page number */
    size_t config_bytes; /* what config_read can reach */

    uint64_t features; /* negotiated */
    const struct virtio_driver *driver; /* from probe to remove; NULL: none */
    void *data; /* the driver's */
    struct virtio_queue *queues[VIRTIO_QUEUES_MAX]; /* set in probe, constant until removal */
    unsigned queues_end; /* no queue from this one on; likewise */
    bool broken; /* atomic; for good */
    bool dead; /* it did not answer a reset; atomic */
    const char *complaint; /* what it was caught at; atomic, first one stays */
    bool watching; /* timer is armed; atomic */
    struct timer timer; /* for requests that take too long */
};

struct virtio_driver {
    struct driver driver; /* first; see VIRTIO_DRIVER */
    uint32_t id;
    uint64_t features; /* those it knows, besides the ring's */
    unsigned entries_max; /* of its queues; 0: VIRTIO_ENTRIES_MAX */
    err_t (*probe)(struct virtio_device *d); /* makes queues and data; no requests yet */
    err_t (*start)(struct virtio_device *d); /* the device is live */
    void (*detach)(struct virtio_device *d); /* no more requests begin; may sleep */
    /* Takes all tokens back (virtio_queue_detach) and fails them.  Any context; more than once. */
    void (*drain)(struct virtio_device *d);
    void (*free)(struct virtio_device *d); /* of data; nothing refers to the device any more */
    void (*config_changed)(struct virtio_device *d); /* interrupt; may be NULL */
};

/* The first member of a driver: .driver = VIRTIO_DRIVER("virtio_blk", needs), then REGISTER_VIRTIO_DRIVER. */
#define VIRTIO_DRIVER(name_, needs_)                                                               \
    { .subsystem = DRIVER_SUBSYSTEM(name_, needs_), .bus = &virtio_bus,                      \
      .match = virtio_match, .probe = virtio_probe, .stop = virtio_stop, .remove = virtio_remove }
#define REGISTER_VIRTIO_DRIVER(record)                                                             \
    static registry_subsystem_t registry_subsystem_##record REGISTRY_ORDERED                       \
        __attribute__((used, section("registry_subsystem"), aligned(sizeof(void *)))) =            \
            &record.driver.subsystem

/* ---- core (virtio.c) ------------------------------------------------------------------------- */

extern struct bus virtio_bus;
extern const char *const virtio_needs[];
bool virtio_match(const struct device *d);
err_t virtio_probe(struct device *d);
void virtio_stop(struct device *d);
void virtio_remove(struct device *d);

static inline struct virtio_device *virtio_of(struct device *d)
{
    return container_of(d, struct virtio_device, device);
}
/* Names a zeroed record whose transport, id, ... are set, and adds it below `parent`.  The caller keeps a
 * reference.  Return: as device_add(). */
err_t __must_check virtio_device_add(struct virtio_device *d, struct device *parent);
/* For a carrier that loses its driver: when it returns, the device is removed, by whomever. */
void virtio_device_gone(struct virtio_device *d);
static inline const char *virtio_name(const struct virtio_device *d)
{
    return d->device.name;
}

static inline bool virtio_has(const struct virtio_device *d, unsigned bit)
{
    return d->features >> bit & 1;
}
static inline bool virtio_broken(const struct virtio_device *d)
{
    return atomic_load(&d->broken);
}
/* Fields of the configuration, all of one moment.  What lies beyond it reads as 0. */
void virtio_config_read(struct virtio_device *d, unsigned offset, void *buf, size_t n);
/* One field of it, at its natural alignment.  Any context, also of a device that is given up. */
void virtio_config_write(struct virtio_device *d, unsigned offset, const void *buf, size_t n);
/* From the transport's interrupt: queues, and configuration when `config`. */
void virtio_interrupt(struct virtio_device *d, bool config);
void virtio_queue_interrupt(struct virtio_queue *q); /* of one queue */
/* Gives the device up: reset, logged once, all tokens back to the driver.  Any context, the driver's lock not
 * held. */
void virtio_device_fail(struct virtio_device *d, const char *why);
/* Acts on what ring.c complained of.  Any context, the driver's lock not held. */
void virtio_device_judge(struct virtio_device *d);
/* A request with a time limit has begun: the timer must run.  Any context. */
void virtio_device_watch(struct virtio_device *d, ns_t deadline);

/* ---- queues (ring.c) ------------------------------------------------------------------------- */

/*
 * Makes d->queues[index].  timeout: true when each request must be answered in time (virtio.timeout_ms).
 * Return: 0; -ENOENT: the device has no such queue; -EINVAL: of an absurd size; -ENOMEM; -EIO.
 * Context: probe.
 */
err_t __must_check virtio_queue_create(struct virtio_device *d, unsigned index, struct spinlock *lock,
                                       void (*handler)(struct virtio_queue *q), bool timeout);
/* Frees it; the device has been reset. */
void virtio_queue_destroy(struct virtio_queue *q);
/*
 * Hands `out` pieces to read, then `in` pieces to write, to the device.
 * token: not NULL.  Return: 0; -ENOSPC: no room now; -EIO: the device is broken; -EINVAL: more pieces
 * than the queue could ever take.
 */
err_t __must_check virtio_queue_add(struct virtio_queue *q, const struct dma_segment *seg, unsigned out,
                                    unsigned in, void *token);
void virtio_queue_kick(struct virtio_queue *q); /* tells the device, when it wants to be told */
/* The next token that came back, with the number of bytes written, at most those given; NULL: none. */
void *virtio_queue_take(struct virtio_queue *q, uint32_t *written);
/* Asks for an interrupt at the next one.  Return: whether another has come meanwhile. */
bool virtio_queue_rearm(struct virtio_queue *q);
/* After a reset: one token that had not come back, NULL: no more. */
void *virtio_queue_detach(struct virtio_queue *q);
/* When the oldest request began; NS_NEVER: none is out. */
ns_t virtio_queue_oldest(const struct virtio_queue *q);
bool virtio_queue_check(const struct virtio_queue *q); /* the invariants hold; for tests */

extern ns_t virtio_timeout_ns;
