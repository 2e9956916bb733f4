// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the files of vm/ share among themselves.
 *
 * Locking order: space->lock (sleeps), object_maps' locks (sleep), space->pt_lock, object_lookups,
 * object->lock.
 */
#pragma once

#include <core/brlock.h>
#include <core/panic.h>
#include <core/spinlock.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <vm/space.h>

#ifndef USER_BOTTOM
#define USER_BOTTOM 0x10000ul /* vm.mmap_min_addr */
#endif

/* End of the last table that user space may have: USER_TOP need not be a multiple of its span. */
#define USER_TABLES_END ALIGN_UP(USER_TOP, MMU_LEVEL_SIZE(3))
#define STACK_GUARD_BYTES (256 * PAGE_SIZE)
#define LEAF_SPAN MMU_LEVEL_SIZE(1) /* what one table of level 0 maps */
#define FAULT_AROUND_PAGES 16u

#define VM_RIGHTS (VM_READ | VM_WRITE | VM_EXEC)
#define VM_MAY_SHIFT 5 /* VM_READ << 5 == VM_MAY_READ */

extern paddr_t vm_zero_frame; /* constant after vm_init */

/* ---- region.c: the tree ------------------------------------------------------------------- */

struct region *region_prev(const struct region *r);
/* A copy of `r` for `s`, in no tree and on no list, with references of its own; NULL. */
struct region *__must_check region_clone(const struct region *r, struct space *s);
void region_free(struct region *r); /* drops object and file */
/* Links a region whose bounds are set, and adds it to its object's mappings. */
void region_insert(struct space *s, struct region *r);
/* As region_insert, but the object's mappings are the caller's business. */
void region_link(struct space *s, struct region *r);
void region_remove(struct space *s, struct region *r);
void region_set_bounds(struct region *r, vaddr_t start, vaddr_t end);
/* Makes `at` a border: 0 or -ENOMEM. `r` keeps the lower part. */
err_t __must_check region_split(struct region *r, vaddr_t at);
/* Makes `start` and `end` borders where they lie within *r; *r is the part between them then. */
err_t __must_check region_isolate(struct region **r, vaddr_t start, vaddr_t end);
/* Gives the part of *r within [start, end) other flags that its entries do not depend on; *r is the
 * region that holds it then. */
err_t __must_check region_set_flags(struct space *s, struct region **r, vaddr_t start, vaddr_t end,
                                    unsigned flags);
/* Is [start, end) free, with room below a stack that could grow into it? */
bool range_free(struct space *s, vaddr_t start, vaddr_t end);
/* Joins r with its neighbours where they are alike; returns the region that holds r's bytes. */
struct region *region_merge(struct region *r);
bool region_alike(const struct region *low, const struct region *high);
/* Appends behind all others without repairing the gaps; regions_rebuild does that at the end. */
void region_append(struct space *s, struct region *r, struct region *last);
void regions_rebuild(struct space *s);
/* Highest place for `length` bytes within [low, high); 0: none.  *above: the region right above the
 * hole, NULL when there is none. */
vaddr_t region_find_gap(struct space *s, uint64_t length, vaddr_t low, vaddr_t high,
                        struct region **above);
bool region_check_tree(struct space *s);
/* Counts pages of `r` in (sign 1) or out (-1) of the space's sums. */
void region_account(struct space *s, const struct region *r, int64_t pages);

static inline uint64_t region_pages(const struct region *r)
{
    return (r->end - r->start) >> PAGE_SHIFT;
}

/* Index in the object of the page at addr. */
static inline uint64_t region_index(const struct region *r, vaddr_t addr)
{
    return (r->offset + (addr - r->start)) >> PAGE_SHIFT;
}

static inline bool region_private(const struct region *r)
{
    return !(r->flags & VM_SHARED);
}

/* Must a page be marked before an entry of r may write it? */
static inline bool region_tracks_dirty(const struct region *r)
{
    return !region_private(r) && r->object != NULL && r->object->pager != NULL &&
           r->object->pager->tracks_dirty;
}

/* Rights of an entry below r.  Whatever can be written or executed can be read, as on Linux. */
static inline unsigned region_prot(const struct region *r)
{
    unsigned rights = r->flags & VM_RIGHTS;

    return MMU_USER | rights | (rights ? MMU_READ : 0);
}

/*
 * What lies between the first and the last entry that a region ever got, so that nobody looks for entries
 * where none can be: a thread's stack has a few pages at one end of 8 MiB.
 */
void region_touch_more(struct region *r, vaddr_t addr);

/* An entry is about to appear at addr; pt_lock held. */
static inline void region_touch(struct region *r, vaddr_t addr)
{
    if (addr < r->touched_low || addr >= r->touched_high)
        region_touch_more(r, addr);
}

/* Of [start, end), what may have entries: *start >= *end when nothing. */
static inline void region_touched(const struct region *r, vaddr_t *start, vaddr_t *end)
{
    *start = MAX(*start, r->touched_low);
    *end = MIN(*end, r->touched_high);
}

/* ---- table.c: entries --------------------------------------------------------------------- */

/*
 * The entries for [addr, end) within one leaf table.  *stop is where the run ends.  NULL: there is
 * no table up to *stop.
 */
static inline pte_t *leaf_entries(struct space *s, vaddr_t addr, vaddr_t end, vaddr_t *stop)
{
    unsigned level;
    pte_t *pte = mmu_walk(&s->hal, addr, &level);
    vaddr_t border = ALIGN_DOWN(addr, MMU_LEVEL_SIZE(level + (level == 0))) +
                     MMU_LEVEL_SIZE(level + (level == 0));

    *stop = MIN(border, end);
    return level == 0 ? pte : NULL;
}

/* The first entry at or after p that is not empty, or `end`: most tables are mostly empty. */
static inline pte_t *entries_skip(pte_t *p, pte_t *end)
{
    for (size_t n = (size_t)(end - p); n >= 8; n -= 8, p += 8)
        if ((pte_load(p) | pte_load(p + 1) | pte_load(p + 2) | pte_load(p + 3) | pte_load(p + 4) |
             pte_load(p + 5) | pte_load(p + 6) | pte_load(p + 7)) != 0)
            break;
    while (p < end && pte_load(p) == 0)
        p++;
    return p;
}

static inline bool pte_special(pte_t e)
{
    return (pte_prot(e) & MMU_SPECIAL) != 0;
}

enum {
    ZAP_CACHE_ONLY = 1u << 0, /* leave private copies (hole punching) */
    ZAP_NO_FLUSH = 1u << 1, /* the space is loaded nowhere and never will be */
};
/* Removes the entries of [start, end) below r, flushes, gives the frames back. */
void table_zap(struct region *r, vaddr_t start, vaddr_t end, unsigned flags);
/* Is there a table below [start, end) of r?  s->lock held for writing. */
bool table_exists(struct region *r, vaddr_t start, vaddr_t end);
/* Frees the tables below [start, end), which no region covers any more. */
void table_prune(struct space *s, vaddr_t start, vaddr_t end);
void table_protect(struct region *r, vaddr_t start, vaddr_t end);
/* Duplicates r's entries for its copy `to` in a child; *changed: the parent lost write rights and
 * is to be flushed.  0, -ENOMEM. */
err_t __must_check table_copy(struct region *r, struct region *to, bool *changed);
/* Moves entries of [from, from + length) to `to`, in one space.  0, -ENOMEM (some moved). */
err_t __must_check table_move(struct space *s, vaddr_t from, vaddr_t to, size_t length);
/* Counts a frame that enters (1) or leaves (-1); pt_lock held. */
static inline uint64_t *resident_counter(struct space *s, const struct region *r,
                                         const struct frame *f)
{
    if (!(f->flags & FRAME_IS_CACHE))
        return &s->resident_anon;
    return r->file != NULL ? &s->resident_file : &s->resident_shared;
}

static inline void resident_note_max(struct space *s)
{
    uint64_t now = s->resident_anon + s->resident_file + s->resident_shared;

    if (now > s->resident_max)
        s->resident_max = now;
}

/* ---- mempolicy.c, migrate.c --------------------------------------------------------------- */

extern bool mempolicies_used;
paddr_t region_page_alloc_policy(const struct region *r, vaddr_t addr, unsigned flags);

/* A frame for the page of r at addr, from where policies want it. */
static inline paddr_t region_page_alloc(const struct region *r, vaddr_t addr, unsigned flags)
{
    if (likely(!atomic_load_relaxed(&mempolicies_used)))
        return frame_alloc(flags);
    return region_page_alloc_policy(r, addr, flags);
}

/* -EIO: a page of [start, end) lies on a node that is not in the set.  s->lock held. */
err_t region_check_nodes(struct region *r, vaddr_t start, vaddr_t end, uint64_t nodes);
/* Moves the pages of [start, end) to where `p` wants them; how many did not go.  s->lock held for
 * reading. */
struct mempolicy;
long region_conform(struct region *r, vaddr_t start, vaddr_t end, const struct mempolicy *p,
                    bool all);

/* ---- object_policy.c ---------------------------------------------------------------------- */

/* Policies hold for pages that belong to nothing but the object. */
static inline bool object_holds_policies(const struct object *o)
{
    return o->pager == NULL || o->pager->read_page == NULL;
}
/* The policy of page `index` with a reference; NULL. */
struct mempolicy *object_policy(struct object *o, uint64_t index);
/* For pages [start, end); NULL: none.  0, -ENOMEM. */
err_t __must_check object_set_policy(struct object *o, uint64_t start, uint64_t end,
                                     struct mempolicy *p);
void object_policies_free(struct object *o);

/* ---- object_maps.c ------------------------------------------------------------------------ */

void object_maps_init(struct object *o);
void object_maps_fini(struct object *o); /* no region maps it any more */
/* Keeps all out that go through the object's mappings, until the mutex of what it returns is given back:
 * the part where a new region belongs.  May sleep. */
struct object_maps *object_maps_lock(struct object *o);
/* `maps` is locked. */
void object_maps_add(struct object_maps *maps, struct region *r);
void object_maps_remove(struct region *r);

/* ---- object.c ----------------------------------------------------------------------------- */

/*
 * Who looks for pages without their object's lock reads under this one; who takes pages out of a tree that
 * others can reach writes under it, and holds the object's lock as well.  So a page that a reader finds ready
 * stays ready, and the tree's reference to it stays, until the reader is done.
 */
extern struct brlock object_lookups;

/* The slot of `index` or NULL; object->lock held, or a reader of object_lookups.  Slots of one aligned group of
 * 64 are adjacent, but for a root's that is a page. */
typedef uint64_t slot_t;
enum { SLOT_PRESENT = 1u << 0, SLOT_BUSY = 1u << 1, SLOT_DIRTY = 1u << 2 };
slot_t *object_slot(struct object *o, uint64_t index);
/* A frame enters or leaves the tree: its flags belong to the object.  object->lock held. */
void object_frame_adopt(struct object *o, paddr_t pa);
void object_frame_disown(paddr_t pa);
/* Removes the entries for one page from every mapping. */
void object_unmap_page(struct object *o, uint64_t index);
/* The same for pages [from, to). */
void object_unmap_pages(struct object *o, uint64_t from, uint64_t to);
/* `n` frames enter (by = 1) or leave (by = -1) the tree: o->pages and what nodes count.  object->lock held. */
void object_pages_count(struct object *o, const paddr_t *frame, size_t n, int by);
/* A page has another frame now.  object->lock held. */
void object_page_moved(const struct object *o, paddr_t from, paddr_t to, bool dirty);
/* Marks a page that is there.  object->lock held. */
void object_slot_dirty(struct object *o, slot_t *slot);
/* Marks of `n` pages, set (by = 1) or taken away (by = -1).  object->lock held. */
void object_dirty_count(struct object *o, const paddr_t *frame, size_t n, int by);
static inline bool slot_ready(slot_t s)
{
    return (s & (SLOT_PRESENT | SLOT_BUSY)) == SLOT_PRESENT;
}
static inline paddr_t slot_frame(slot_t s)
{
    return s & PAGE_MASK;
}
static inline uint64_t object_pages_limit(const struct object *o)
{
    return PAGES(atomic_load_relaxed(&o->size));
}

/* ---- fault.c ------------------------------------------------------------------------------ */

/* space_fault with lock held for reading already and no growth of stacks.  `force` lets a debugger
 * pass the region's rights where the region may have them. */
enum fault_result fault_locked(struct space *s, struct region *r, vaddr_t addr, unsigned access,
                               bool force);

/* ---- map.c, unmap.c ----------------------------------------------------------------------- */

/* All with lock held for writing. */
err_t unmap_locked(struct space *s, vaddr_t start, vaddr_t end);
err_t __must_check map_check_limits(struct space *s, uint64_t bytes, unsigned flags);
err_t __must_check map_place(struct space *s, vaddr_t addr, size_t length, int map_flags,
                             vaddr_t below, vaddr_t *out);
/* Reclaims [start, end) of what is there and accounts; then links r. */
struct region *map_commit(struct space *s, struct region *r);

static inline bool range_valid(vaddr_t addr, size_t length)
{
    return addr <= USER_TOP && length <= USER_TOP - addr;
}
