// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: work on many page-table entries at once: remove, protect, copy for fork, move.
 *
 * Model: each walks leaf table by leaf table (mmu_walk once for 512 entries), holds pt_lock for one
 * leaf table at a time, and steps over what has no table.  An entry of level 0 that is not 0 holds
 * a frame, whether the hardware may use it or not (PROT_NONE).  Of a region only what was touched is
 * walked (region_touch).
 * Removed frames are gathered and given back only after the flush, because another CPU may go on
 * using a translation until then (invariant 1 of hal/mmu.h).
 * Locking: the caller keeps the regions as they are (space->lock, or the mutexes of its object's
 * mappings when a truncation comes from the object's side).
 */
#include <vm/internal.h>

#define GATHER_MAX 128

struct gather {
    struct space *s;
    bool flush;
    vaddr_t low, high; /* what to flush */
    unsigned n;
    paddr_t frames[GATHER_MAX];
};

static void gather_done(struct gather *g)
{
    if (g->flush && g->high > g->low) {
        if (g->high - g->low == PAGE_SIZE)
            mmu_flush_page(&g->s->hal, g->low);
        else
            mmu_flush_range(&g->s->hal, g->low, g->high);
    }
    frame_put_bulk(g->frames, g->n);
    g->n = 0;
    g->low = g->high;
}

/* Should the entry go, and whose frame is it?  *cached: an object's. */
static bool zap_wants(const struct object *o, pte_t e, unsigned flags, bool *cached)
{
    const struct frame *f = frame_of(pte_addr(e));

    *cached = o != NULL && !pte_special(e) && (f->flags & FRAME_IS_CACHE);
    return likely(!(flags & ZAP_CACHE_ONLY)) || (*cached && f->owner == o);
}

/* Empties up to GATHER_MAX entries of a run; returns where it stopped. pt_lock held. */
static vaddr_t zap_run(struct gather *g, struct region *r, pte_t *first, vaddr_t start,
                       vaddr_t stop, unsigned flags)
{
    pte_t *end = first + ((stop - start) >> PAGE_SHIFT), *pte = first, *lowest = NULL, *last = NULL;
    const struct object *o = r->object;
    unsigned n = g->n, cached_frames = 0;
    bool cached;

    for (; pte < end && n < GATHER_MAX; pte++) {
        pte_t e = pte_load(pte);

        if (e == 0) {
            pte = entries_skip(pte + 1, end) - 1;
            continue;
        }
        if (!zap_wants(o, e, flags, &cached))
            continue;
        pte_store(pte, 0);
        cached_frames += cached;
        if (!pte_special(e))
            g->frames[n++] = pte_addr(e);
        if (lowest == NULL)
            lowest = pte;
        last = pte;
    }
    if (lowest != NULL && g->high == g->low)
        g->low = start + ((vaddr_t)(lowest - first) << PAGE_SHIFT);
    if (last != NULL)
        g->high = start + ((vaddr_t)(last - first + 1) << PAGE_SHIFT);
    r->space->resident_anon -= n - g->n - cached_frames;
    *(r->file != NULL ? &r->space->resident_file : &r->space->resident_shared) -= cached_frames;
    g->n = n;
    return start + ((vaddr_t)(pte - first) << PAGE_SHIFT);
}

/* [addr, stop) has become empty; pt_lock held since before. */
static void region_untouch(struct region *r, vaddr_t addr, vaddr_t stop)
{
    if (addr <= r->touched_low)
        r->touched_low = MAX(r->touched_low, stop);
    else if (stop >= r->touched_high)
        r->touched_high = addr;
}

/* Empties what is below one leaf table, or a part of it; returns where to go on. */
static vaddr_t zap_table(struct gather *g, struct region *r, vaddr_t addr, vaddr_t end,
                         unsigned flags)
{
    struct space *s = r->space;
    vaddr_t last = end, stop = end;

    spin_lock(&s->pt_lock);
    region_touched(r, &addr, &last);
    if (addr < last) {
        pte_t *pte = leaf_entries(s, addr, last, &stop);

        if (pte != NULL)
            stop = zap_run(g, r, pte, addr, stop, flags);
        if (!(flags & ZAP_CACHE_ONLY))
            region_untouch(r, addr, stop);
        if (stop >= last)
            stop = end;
    }
    spin_unlock(&s->pt_lock);
    return stop;
}

void table_zap(struct region *r, vaddr_t start, vaddr_t end, unsigned flags)
{
    struct gather g; /* large: not zeroed */

    g.s = r->space;
    g.low = g.high = 0;
    g.n = 0;
    g.flush = !(flags & ZAP_NO_FLUSH);

    /* A run ends early when the gatherer is full. */
    for (vaddr_t addr = start; addr < end;) {
        addr = zap_table(&g, r, addr, end, flags);
        if (g.n == GATHER_MAX)
            gather_done(&g);
    }
    gather_done(&g);
}

/* A table without entries has no region that remembers it: a neighbour had them. */
bool table_exists(struct region *r, vaddr_t start, vaddr_t end)
{
    vaddr_t low = start, high = end, stop;

    region_touched(r, &low, &high);
    if (low < high)
        return true;
    for (vaddr_t addr = start; addr < end; addr = stop)
        if (leaf_entries(r->space, addr, end, &stop) != NULL)
            return true;
    return false;
}

void table_prune(struct space *s, vaddr_t start, vaddr_t end)
{
    spin_lock(&s->pt_lock);
    mmu_prune(&s->hal, start, end);
    spin_unlock(&s->pt_lock);
}

/* ---- protection ---------------------------------------------------------------------------- */

/* May this entry of a private region be writable?  Only when the frame belongs to it alone. */
static bool entry_exclusive(pte_t e)
{
    paddr_t pa = pte_addr(e);

    return !pte_special(e) && !(frame_of(pa)->flags & FRAME_IS_CACHE) && frame_refs(pa) == 1;
}

static pte_t entry_protected(const struct region *r, pte_t e, unsigned prot)
{
    if ((prot & MMU_WRITE) && region_private(r) && !entry_exclusive(e))
        prot &= ~MMU_WRITE;
    if (region_tracks_dirty(r) && !pte_writable(e)) /* the fault marks the page */
        prot &= ~MMU_WRITE;
    if (pte_special(e))
        prot &= ~MMU_WRITE;
    return pte_protect(e, prot);
}

static void protect_run(struct region *r, pte_t *pte, vaddr_t addr, vaddr_t stop, vaddr_t *low,
                        vaddr_t *high)
{
    unsigned prot = region_prot(r);

    for (; addr < stop; addr += PAGE_SIZE, pte++) {
        pte_t e = pte_load(pte), new;

        if (e == 0)
            continue;
        new = entry_protected(r, e, prot);
        if (new == e)
            continue;
        if ((prot & MMU_EXEC) && !(pte_prot(e) & MMU_EXEC))
            mmu_sync_icache(phys_to_virt(pte_addr(e)), PAGE_SIZE);
        pte_store(pte, new);
        if (*high == *low)
            *low = addr;
        *high = addr + PAGE_SIZE;
    }
}

void table_protect(struct region *r, vaddr_t start, vaddr_t end)
{
    struct space *s = r->space;
    vaddr_t low = 0, high = 0, stop;

    region_touched(r, &start, &end);
    for (vaddr_t addr = start; addr < end; addr = stop) {
        pte_t *pte;

        spin_lock(&s->pt_lock);
        pte = leaf_entries(s, addr, end, &stop);
        if (pte != NULL)
            protect_run(r, pte, addr, stop, &low, &high);
        spin_unlock(&s->pt_lock);
    }
    if (high - low == PAGE_SIZE)
        mmu_flush_page(&s->hal, low);
    else if (high > low)
        mmu_flush_range(&s->hal, low, high);
}

/* ---- fork ---------------------------------------------------------------------------------- */

struct copy_sums {
    uint64_t anon, cached;
    bool changed; /* the parent lost write rights */
};

static void copy_run(struct region *r, pte_t *from, pte_t *to, size_t n, struct copy_sums *sums)
{
    unsigned prot = region_prot(r) & ~MMU_WRITE;
    bool revoke = region_private(r);

    for (size_t i = 0; i < n; i++) {
        pte_t e = pte_load(&from[i]);
        struct frame *f;

        if (e == 0) {
            i = entries_skip(from + i + 1, from + n) - from - 1;
            continue;
        }
        if (!pte_special(e)) {
            f = frame_of(pte_addr(e));
            __atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);
            if (f->flags & FRAME_IS_CACHE)
                sums->cached++;
            else
                sums->anon++;
            if (revoke && pte_writable(e)) {
                e = pte_protect(e, prot);
                pte_store(&from[i], e);
                sums->changed = true;
            }
        }
        pte_store(&to[i], e);
    }
}

err_t table_copy(struct region *r, struct region *to, bool *changed)
{
    struct space *s = r->space, *child = to->space;
    struct copy_sums sums = { .anon = 0 };
    vaddr_t start = r->start, last = r->end, stop;
    err_t err = 0;

    /*
     * The child's tables are touched without its lock: only a truncation could want them, and it
     * waits for the mutex of the object's mappings that the caller holds.
     */
    region_touched(r, &start, &last);
    for (vaddr_t addr = start; addr < last && err == 0; addr = stop) {
        pte_t *from, *end, *dest;

        spin_lock(&s->pt_lock);
        from = leaf_entries(s, addr, last, &stop);
        end = from != NULL ? from + ((stop - addr) >> PAGE_SHIFT) : NULL;
        if (entries_skip(from, end) < end) {
            err = mmu_walk_alloc(&child->hal, addr, 0, &dest);
            if (err == 0)
                copy_run(r, from, dest, (stop - addr) >> PAGE_SHIFT, &sums);
        }
        spin_unlock(&s->pt_lock);
    }
    *changed |= sums.changed;
    spin_lock(&child->pt_lock);
    child->resident_anon += sums.anon;
    *(to->file != NULL ? &child->resident_file : &child->resident_shared) += sums.cached;
    resident_note_max(child);
    spin_unlock(&child->pt_lock);
    return err;
}

/* ---- mremap -------------------------------------------------------------------------------- */

err_t table_move(struct space *s, vaddr_t from, vaddr_t to, size_t length)
{
    vaddr_t low = 0, high = 0, stop;
    err_t err = 0;

    for (vaddr_t addr = from; addr < from + length && err == 0; addr = stop) {
        pte_t *pte, *dest;

        spin_lock(&s->pt_lock);
        pte = leaf_entries(s, addr, from + length, &stop);
        for (vaddr_t a = addr; pte != NULL && a < stop; a += PAGE_SIZE, pte++) {
            pte_t e = pte_load(pte);

            if (e == 0)
                continue;
            err = mmu_walk_alloc(&s->hal, to + (a - from), 0, &dest);
            if (err)
                break;
            pte_store(pte, 0);
            pte_store(dest, e);
            if (high == low)
                low = a;
            high = a + PAGE_SIZE;
        }
        spin_unlock(&s->pt_lock);
    }
    if (high > low)
        mmu_flush_range(&s->hal, low, high);
    return err;
}
