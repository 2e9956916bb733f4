// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: block devices: what their drivers (dev/) give and what the page cache, /dev and /sys (fs/) use.
 *
 * Model: a driver adds a device with its size and limits, and takes requests: pieces of memory for sectors
 * of 512 bytes.  Each request is answered exactly once, whatever happens: drivers have time limits.  One
 * client (fs/) is told of devices that come and go.
 *
 *     driver: block_add -> client: added            client: block_submit -> driver: submit
 *             block_remove -> client: removing              done <- driver (any context)
 *               (writes out, may still submit)
 *             gone: requests fail with -EIO
 * Locking: list of devices: block_mutex; a device's counters: `lock` (LOCK_DEVICE, interrupts off).
 */
#pragma once

#include <core/spinlock.h>
#include <lib/list.h>
#include <lib/segment.h>
#include <sched/waitq.h>

#define SECTOR_BYTES 512u
#define SECTOR_SHIFT 9
#define BLOCK_SERIAL_BYTES 20

struct block_device;
struct block_request;

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_ZERO, BLOCK_IDENTIFY, BLOCK_OPS };

struct block_request {
    struct block_device *device;
    enum block_op op;
    uint64_t sector;
    uint32_t sectors; /* 0 for a flush */
    unsigned count; /* pieces of data; 0 for a flush, a discard and what is to become zero */
    struct dma_segment *seg; /* [1..count]; [0] and [count + 1] are the driver's, at least three */
    void (*done)(struct block_request *r, err_t err); /* once; any context; 0 or -EIO, -EOPNOTSUPP */
    void *arg; /* for done() */

    struct list link; /* the driver's from submit to done */
    ns_t started;
    uint64_t driver[6] __aligned(16); /* the driver's; the device may see it */
};

struct block_ops {
    /* Any context, no spinlock from LOCK_DEVICE on; done() may come before it returns. */
    void (*submit)(struct block_device *b, struct block_request *r);
    void (*release)(struct block_device *b); /* last reference is gone: frees the record */
};

struct block_stats { /* as /proc/diskstats has them */
    uint64_t requests[BLOCK_OPS], sectors[BLOCK_OPS];
    ns_t time[BLOCK_OPS]; /* sum of all requests' */
    ns_t busy; /* while at least one was out */
    unsigned in_flight;
};

struct block_device {
    char name[32]; /* "vda"; constant, as all to the next blank line */
    unsigned major, minor;
    const char *driver_name; /* for /proc/devices: "virtblk" */
    char parent[256]; /* path of the device below /sys: "devices/.../virtio0" */
    char serial[BLOCK_SERIAL_BYTES + 1];
    uint32_t logical, physical, io_min, io_opt; /* bytes */
    unsigned segments_max; /* pieces of one request */
    uint32_t segment_bytes_max;
    uint32_t discard_sectors_max, zero_sectors_max; /* of one request; 0: it cannot */
    uint32_t discard_granularity; /* bytes; 0: it cannot */
    bool can_write, write_cache, rotational, removable;
    const struct block_ops *ops;

    uint64_t sectors; /* atomic: a device may be resized */
    bool read_only; /* atomic: BLKROSET; always when it can not be written */
    refcount_t refs;
    bool gone; /* atomic */
    struct spinlock lock; /* LOCK_DEVICE, interrupts off: stats, busy_since */
    struct block_stats stats;
    ns_t busy_since;
    void *client; /* fs/'s, from added to removing */
    struct list link; /* block_mutex */
};

struct block_client {
    err_t (*added)(struct block_device *b); /* may sleep */
    void (*removing)(struct block_device *b); /* may sleep, and submit */
    void (*gone)(struct block_device *b); /* after the last request */
    void (*resized)(struct block_device *b); /* any context */
};

/* Once; it is told of the devices that are there already. */
void block_client_set(const struct block_client *client);

/* The record is zeroed but for the constants and `sectors`; the caller's reference is the first.
 * Return: 0; -EINVAL: absurd limits; what the client says. */
err_t __must_check block_add(struct block_device *b);
/* No request is with the driver any more that began before; later ones fail.  The reference stays. */
void block_remove(struct block_device *b);
void block_resize(struct block_device *b, uint64_t sectors); /* any context */

void block_get(struct block_device *b);
void block_put(struct block_device *b);
/* Gives it to the driver, or calls done() at once with -EIO (gone, out of range, read-only). */
void block_submit(struct block_request *r);
/* For drivers. */
void block_done(struct block_request *r, err_t err);
/* Waits for the answer; done and arg are set here.  Context: thread. */
err_t block_submit_wait(struct block_request *r);
void block_stats_get(struct block_device *b, struct block_stats *out);
/* Who waits for requests sleeps here; each that is done and waited for wakes all. */
extern struct waitq block_done_queue;
