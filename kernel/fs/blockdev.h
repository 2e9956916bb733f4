// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the files of the block layer's upper half share: cache (blockcache.c), /dev (blockdev.c), /sys and
 * /proc (blockview.c).
 *
 * Model: a struct blockdev for each device that the drivers have added, and for as long as it is open.  Its
 * bytes are the pages of its memory object, so read, write and mmap see the same frames.
 * Locking: blockdevs_mutex: the list, and names that come and go (sleeps); blockdevs_lock (LOCK_FS) for the
 * list, too, for the shrinker.  write_mutex keeps writers apart; sync_mutex is held while pages are written
 * back: who has it finds none under way.  Order: write_mutex, sync_mutex.
 */
#pragma once

#include <fs/vfs.h>
#include <svc/block.h>

struct writeback;
struct textbuf;

struct blockdev {
    refcount_t refs; /* the list's one, one for each opening and for each request */
    struct block_device *b; /* with a reference; constant */
    unsigned dev; /* constant */
    uint64_t sequence; /* diskseq; constant */
    struct object object; /* size: the device's */
    struct mutex write_mutex, sync_mutex;
    struct writeback *slots; /* sync_mutex */
    uint64_t errors; /* times that writing back failed; atomic */
    bool errors_told; /* somebody has seen the last; atomic */
    bool unflushed; /* written since the last flush; atomic */
    bool resized; /* its size changed; atomic */
    uint32_t ahead_pages; /* how far is read ahead; atomic */
    uint32_t soft_size; /* BLKBSZSET; atomic */
    uint32_t openings; /* blockdevs_mutex */
    uint64_t evict_hand; /* shrinker alone */
    struct list link;
};

extern struct mutex blockdevs_mutex;
extern struct list blockdevs;
extern struct spinlock blockdevs_lock;

void blockdev_get(struct blockdev *d);
void blockdev_put(struct blockdev *d);

/* ---- blockcache.c ---- */

#define AHEAD_PAGES_DEFAULT 128 /* 512 KiB */
#define AHEAD_PAGES_MAX 1024

/* Where a reader is, for reading ahead; only a hint, so it has no lock. */
struct read_ahead {
    uint64_t next; /* page behind the last one that was read */
    uint64_t end; /* pages before it have been asked for */
    uint64_t window;
};

err_t cache_init(struct blockdev *d); /* 0, -ENOMEM */
void cache_fini(struct blockdev *d);
/* Page `index` is wanted, and those before `last`. */
void cache_read_ahead(struct blockdev *d, struct read_ahead *a, uint64_t index, uint64_t last);
/* Writes marked pages [from, to) back and waits; `flush`: until they lie on the medium.  What went wrong is
 * counted in d->errors.  May sleep.  Return: 0, -EIO. */
err_t cache_sync(struct blockdev *d, uint64_t from, uint64_t to, bool flush);
/* The same for all devices. */
err_t cache_sync_all(bool flush);
/* A writer made pages dirty: when there are too many it writes some back itself. */
void cache_balance(struct blockdev *d);
/* Reads or writes [pos, pos + n) without the cache, which stays coherent.  All are multiples of the logical
 * block.  Return: bytes, or an errno. */
ssize_t cache_direct(struct blockdev *d, struct uio *u, uint64_t pos, size_t n, bool write);
/* Clears [pos, pos + n), multiples of the logical block, on the device: BLOCK_DISCARD, BLOCK_ZERO.  What the cache
 * has of it goes.  write_mutex held.  Return: 0, -EIO, -EOPNOTSUPP, -EINTR with a part of it done. */
err_t cache_clear(struct blockdev *d, enum block_op op, uint64_t pos, uint64_t n);
/* Throws pages away that nobody uses and that need not be written. */
void cache_drop(struct blockdev *d);
err_t cache_start(void); /* threads and shrinker */
/* The device's size changed; any context. */
void cache_resized(struct blockdev *d);

/* ---- blockview.c ---- */

err_t view_add(struct blockdev *d);
void view_remove(struct blockdev *d);
void block_majors_show(struct textbuf *out); /* lines of /proc/devices */
