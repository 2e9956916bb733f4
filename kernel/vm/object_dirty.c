// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: objects whose pages are a cache of something slower: reading several at once, marks of what was
 * written, giving memory back.
 *
 * Model: SLOT_DIRTY in a page's slot is its mark.  Whoever writes through the kernel marks after writing
 * and before it drops its reference; whoever writes through a mapping marks in the fault that gives the
 * right (fault.c).  Writing back takes marks and references, removes the mappings' entries, and then
 * reads the frames: a write that comes later marks anew.
 *
 * A page may be evicted when the tree's reference is the only one: references are taken under o->lock
 * or by readers of object_lookups, so under both nobody else can come to have one; and without a mark it is
 * the same as its source.
 * Locking: o->lock, object_lookups before it.  Invariants: o->dirty is the number of marks; a page with a mark stays.
 */
#include <vm/internal.h>
#include <vm/radix.h>

#define EVICT_BATCH 32
#define EVICT_LOOKS 512 /* slots that one call looks at, at most, for each page wanted */

uint64_t object_dirty_total(void)
{
    return frame_used(USE_DIRTY);
}

void object_dirty_count(struct object *o, const paddr_t *frame, size_t n, int by)
{
    atomic_store_relaxed(&o->dirty, o->dirty + (by < 0 ? -n : n));
    frame_use_count(frame, n, USE_DIRTY, by);
}

void object_slot_dirty(struct object *o, slot_t *slot)
{
    paddr_t pa = slot_frame(*slot);

    if (*slot & SLOT_DIRTY)
        return;
    *slot |= SLOT_DIRTY;
    object_dirty_count(o, &pa, 1, 1);
    if (o->pager != NULL && o->pager->dirtied != NULL)
        o->pager->dirtied(o);
}

void object_mark_dirty(struct object *o, uint64_t index)
{
    slot_t *slot;

    spin_lock(&o->lock);
    slot = object_slot(o, index);
    if (slot != NULL && (*slot & SLOT_PRESENT)) /* a truncation may have been faster */
        object_slot_dirty(o, slot);
    spin_unlock(&o->lock);
}

/* ---- reading ahead --------------------------------------------------------------------------- */

uint64_t object_next_absent(struct object *o, uint64_t from, uint64_t to)
{
    slot_t *slot = NULL;

    spin_lock(&o->lock);
    for (; from < to; from++) {
        slot = radix_after(o, slot, from);
        if (slot == NULL || *slot == 0)
            break;
    }
    spin_unlock(&o->lock);
    return from;
}

unsigned object_fill_begin(struct object *o, uint64_t index, const paddr_t *frame, unsigned n)
{
    unsigned done = 0;

    spin_lock(&o->lock);
    for (; done < n; done++) {
        slot_t *slot = radix_make(o, index + done);

        if (slot == NULL || *slot != 0)
            break;
        frame_get(frame[done]);
        object_frame_adopt(o, frame[done]);
        atomic_store(slot, frame[done] | SLOT_PRESENT | SLOT_BUSY);
    }
    object_pages_count(o, frame, done, 1);
    spin_unlock(&o->lock);
    return done;
}

/* Return: whether the tree's reference is to be dropped. */
static bool fill_end_one(struct object *o, uint64_t index, paddr_t pa, bool ok)
{
    slot_t *slot = object_slot(o, index);

    if (slot == NULL || *slot != (pa | SLOT_PRESENT | SLOT_BUSY))
        return false; /* a truncation took it */
    if (ok) {
        atomic_store(slot, pa | SLOT_PRESENT);
        return false;
    }
    *slot = 0;
    object_pages_count(o, &pa, 1, -1);
    object_frame_disown(pa);
    return true;
}

void object_fill_end(struct object *o, uint64_t index, const paddr_t *frame, unsigned n, bool ok)
{
    spin_lock(&o->lock);
    for (unsigned i = 0; i < n; i++)
        if (fill_end_one(o, index + i, frame[i], ok))
            frame_put(frame[i]); /* the caller has one more */
    spin_unlock(&o->lock);
    waitq_wake_all(&o->busy);
}

/* ---- writing back ---------------------------------------------------------------------------- */

static bool slot_marked(slot_t s)
{
    return slot_ready(s) && (s & SLOT_DIRTY);
}

/* First marked page in [from, to); `to`: none.  o->lock held. */
static uint64_t dirty_next(struct object *o, uint64_t from, uint64_t to)
{
    while (o->dirty > 0 && (from = radix_next(o, from)) < to) {
        slot_t *slot = object_slot(o, from);
        uint64_t group = MIN(to, (from | (RADIX_SLOTS - 1)) + 1);

        if (slot == &o->root)
            group = from + 1;
        for (; from < group; from++, slot++)
            if (slot_marked(*slot))
                return from;
    }
    return to;
}

unsigned object_dirty_take(struct object *o, uint64_t *index, uint64_t to, paddr_t *out, unsigned max)
{
    unsigned n = 0;

    spin_lock(&o->lock);
    uint64_t first = dirty_next(o, *index, to);
    for (uint64_t at = first; at < to && n < max; at++) {
        slot_t *slot = object_slot(o, at);

        if (slot == NULL || !slot_marked(*slot))
            break;
        *slot &= ~(slot_t)SLOT_DIRTY;
        out[n] = slot_frame(*slot);
        frame_get(out[n++]);
    }
    object_dirty_count(o, out, n, -1);
    spin_unlock(&o->lock);
    if (n > 0)
        object_unmap_pages(o, first, first + n);
    *index = first;
    return n;
}

/* ---- giving back ----------------------------------------------------------------------------- */

/* o->lock and object_lookups held: takes pages that may go, from *hand on.  Return: how many. */
static unsigned evict_take(struct object *o, uint64_t *hand, paddr_t *out, unsigned max, size_t *looks)
{
    unsigned n = 0;

    while (n < max && *looks > 0) {
        uint64_t index = radix_next(o, *hand);
        slot_t *slot;

        --*looks;
        if (index == UINT64_MAX) {
            if (*hand == 0)
                break;
            *hand = 0;
            continue;
        }
        *hand = index + 1;
        slot = object_slot(o, index);
        if (!slot_ready(*slot) || (*slot & SLOT_DIRTY) || frame_refs(slot_frame(*slot)) != 1)
            continue;
        out[n] = slot_frame(*slot);
        object_frame_disown(out[n++]);
        *slot = 0;
    }
    object_pages_count(o, out, n, -1);
    return n;
}

size_t object_evict(struct object *o, uint64_t *hand, size_t want)
{
    size_t got = 0, looks = MIN(want * 2 + EVICT_LOOKS, o->pages + 2);
    paddr_t batch[EVICT_BATCH];
    unsigned n;

    do {
        n = 0;
        if (!brlock_write_soon(&object_lookups))
            break;
        if (spin_try(&o->lock)) {
            n = evict_take(o, hand, batch, (unsigned)MIN(want - got, (size_t)EVICT_BATCH), &looks);
            spin_unlock(&o->lock);
        }
        brlock_write_done(&object_lookups);
        frame_put_bulk(batch, n);
        got += n;
    } while (n > 0 && got < want);
    return got;
}
