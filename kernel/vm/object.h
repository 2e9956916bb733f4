// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a memory object: pages by offset, which know nothing of addresses.
 *
 * Model: a radix tree from page index to frame.  Two kinds of use: a file's page cache (fs/ makes
 * one for each inode and gives it a pager) and shared anonymous memory (no pager: absent pages are
 * zero).  Private anonymous memory has no object at all: its frames hang in page tables only, their
 * reference counts are the numbers of tables that hold them (vm/fault.c).
 * Locking: `lock` (LOCK_OBJECT) guards the tree and size; pages that are there are found without it, too
 * (object_lookups, internal.h); a page being read in is marked busy in the tree and others wait for it on
 * `busy`.  The mutexes of `maps` (they sleep; taken after an inode's mutex and a space's lock, before every
 * spinlock; see object_maps.c) guard the lists of regions and the place of each region in the object: its
 * start, end and offset change under both it and the space's lock.
 * Invariants: every frame in the tree carries one reference of the tree; pages >= size in pages
 * are not there.
 */
#pragma once

#include <core/spinlock.h>
#include <lib/atomic.h>
#include <lib/list.h>
#include <lib/tree.h>
#include <mm/frame.h>
#include <sched/mutex.h>
#include <sched/waitq.h>

/* Frame of a memory object that instruction fetches may already use (arm64); set under the pt_lock of who maps
 * it, which may be several at once. */
#define FRAME_IS_FETCHABLE (1u << 7)

struct object;
struct region;

struct pager {
    /* Fills one zeroed or dirty frame with page `index`.  May sleep.  NULL: zero fill. 0, -EIO, -ENOMEM */
    err_t (*read_page)(struct object *o, uint64_t index, paddr_t frame);
    /* Last reference is gone: the pager frees what it owns; the object itself is freed by vm/. */
    void (*release)(struct object *o);
    /* Pages that were written have to be written back: they are marked, and mappings may write only
     * those that are. */
    bool tracks_dirty;
    /* One more page is marked.  lock held: must be short. */
    void (*dirtied)(struct object *o);
};

/* A part of an object's mappings. */
struct object_maps {
    struct mutex lock;
    struct list regions; /* struct region.object_link; lock */
};

struct object {
    struct spinlock lock;
    refcount_t refs;
    const struct pager *pager;
    void *owner; /* the inode, for the pager */
    uint64_t size; /* bytes; lock */
    uint64_t root; /* radix tree (radix.h); lock to change, see there */
    uint64_t pages; /* frames in the tree; lock */
    struct object_maps maps;
    struct object_maps *maps_more; /* further parts; NULL until they are worth it; maps.lock, atomic */
    struct waitq busy;
    uint64_t dirty; /* marked pages; lock for writers, atomic */
    struct tree policies; /* mbind's, by ranges; lock */
    uint64_t identity; /* object_identity()'s, 0: nobody has asked; atomic */
};

/* A number that no other object ever has: keys of futexes outlive the mapping, and memory is used again. */
uint64_t object_identity(struct object *o);
/* Bytes of the heap that lists of regions of objects keep, which CPUs met at: as long as the object lives. */
uint64_t object_maps_bytes(void);

/* Calls fn for each region that maps the object until it returns false.  None comes, goes or moves
 * meanwhile.  May sleep. */
void object_maps_walk(struct object *o, bool (*fn)(struct region *r, void *arg), void *arg);

struct object *__must_check object_create(const struct pager *pager, void *owner, uint64_t size);
void object_get(struct object *o);
void object_put(struct object *o);
/* An object embedded in an inode: no allocation, never freed by vm/. */
void object_init(struct object *o, const struct pager *pager, void *owner, uint64_t size);
/* Frees all pages; no region maps it any more. */
void object_fini(struct object *o);

/*
 * The frame of page `index`, with a reference for the caller.
 * OBJECT_CREATE: absent pages are made (read by the pager, or zero); without it they give
 * PADDR_NONE and 0.  OBJECT_NOZERO: the caller overwrites the whole page, so the pager is not
 * asked; the page is zero until then, because others may see it at once.  (Cheaper: fill a frame
 * and give it to object_insert.)
 * May sleep.  Return: 0, -ENOMEM, -EIO.
 */
enum { OBJECT_CREATE = 1u << 0, OBJECT_NOZERO = 1u << 1 };
err_t __must_check object_page(struct object *o, uint64_t index, unsigned flags, paddr_t *out);
/* Looks only; never sleeps; up to `max` consecutive present pages from `index` (with references)
 * for fault-around.  Return: how many. */
unsigned object_pages_present(struct object *o, uint64_t index, paddr_t *out, unsigned max);
/* A frame that is to become page `index`, from where memory policies want it.  PADDR_NONE. */
paddr_t __must_check object_frame_alloc(struct object *o, uint64_t index, unsigned flags);
/* Puts a frame (with the caller's reference, which the tree takes over) at an empty index: the
 * initramfs hands over its pages this way.  0, -EEXIST, -ENOMEM. */
err_t __must_check object_insert(struct object *o, uint64_t index, paddr_t frame);
/* Copies between the object and a kernel buffer; offsets within size.  May sleep. */
err_t object_read(struct object *o, uint64_t offset, void *buf, size_t n);
/* Instruction fetches see what the kernel has written into the frame. */
void object_frame_fetch(paddr_t pa);
/*
 * The kernel has written into `pages` frames of an object from `pa` on.
 *
 *     writer                           fault that maps for execution
 *       bytes                            FRAME_IS_FETCHABLE
 *       fence                            fence
 *       FRAME_IS_FETCHABLE? fetch        fetch (cleans and invalidates the caches)
 *
 * Whoever comes second sees the other's first step: fetches never find what was there before.
 */
static inline void object_written(paddr_t pa, unsigned pages)
{
    atomic_fence();
    for (; pages > 0; pages--, pa += PAGE_SIZE)
        if (unlikely(atomic_load_relaxed(&frame_of(pa)->flags) & FRAME_IS_FETCHABLE))
            object_frame_fetch(pa);
}
/* Sets the size; pages beyond go away and are unmapped everywhere (SIGBUS afterwards); the tail of
 * the last page is zeroed.  May sleep. */
void object_truncate(struct object *o, uint64_t size);
/* Frees whole pages in [start, end) bytes and zeroes partial ones (FALLOC_FL_PUNCH_HOLE). */
void object_punch(struct object *o, uint64_t start, uint64_t end);
/* First index >= from that holds a page (SEEK_DATA), or UINT64_MAX. */
uint64_t object_next_page(struct object *o, uint64_t from);

/* ---- objects whose pages lie somewhere else, too (object_dirty.c) ---- */

/* First index in [from, to) without a page, being read in or not; `to` when there is none. */
uint64_t object_next_absent(struct object *o, uint64_t from, uint64_t to);
/*
 * Reading ahead without the pager: frames become pages index, index + 1, ..., busy until
 * object_fill_end(); those who want one wait.  Stops at the first page that is there.  The caller's
 * references stay the caller's.  Return: how many.
 */
unsigned object_fill_begin(struct object *o, uint64_t index, const paddr_t *frame, unsigned n);
/* They hold what they should (ok), or go away again. */
void object_fill_end(struct object *o, uint64_t index, const paddr_t *frame, unsigned n, bool ok);
/* Marks a page, to which the caller has a reference, after writing to it. */
void object_mark_dirty(struct object *o, uint64_t index);
/*
 * Takes marked pages for writing them back: the first run of at most `max` consecutive ones within
 * [*index, to); *index becomes the first one's.  They are not marked any more, and no mapping can write
 * them without marking them again.  With references.  May sleep.  Return: how many, 0: there is none.
 */
unsigned object_dirty_take(struct object *o, uint64_t *index, uint64_t to, paddr_t *out, unsigned max);
/* Frees up to `want` pages that are neither marked nor used by anyone, from *hand on and round.  Never
 * sleeps; nothing when the object's lock is taken or pages are being looked for.  Return: how many. */
size_t object_evict(struct object *o, uint64_t *hand, size_t want);
/* Marked pages of all objects. */
uint64_t object_dirty_total(void);
