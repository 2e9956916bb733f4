// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: munmap.
 *
 * Model: make borders at both ends (may fail, nothing visible has changed), then remove whole
 * regions: entries first, while the region is still known to its object, then the region, then
 * the page tables that lie in the hole.  When only a region's end goes, its border moves.
 * Locking: s->lock for writing.
 */
#include <vm/internal.h>

/* Frees the tables of [start, end) as far as no neighbour needs them. */
static void prune_hole(struct space *s, vaddr_t start, vaddr_t end)
{
    struct region *next = space_find(s, start), *prev;
    vaddr_t floor, ceiling = next != NULL ? next->start : USER_TABLES_END;
    vaddr_t first = ALIGN_DOWN(start, LEAF_SPAN), last = ALIGN_UP(end, LEAF_SPAN);

    prev = next != NULL ? region_prev(next)
                        : tree_entry_or_null(tree_last(&s->regions), struct region, node);
    floor = prev != NULL ? prev->end : 0;
    if (first < floor)
        first += LEAF_SPAN;
    if (last > ceiling)
        last -= LEAF_SPAN;
    if (first >= last)
        return;
    /* A table of level 2 spans 512 GiB: nothing farther away can have become empty. */
    floor = MAX(floor, ALIGN_DOWN(start, MMU_LEVEL_SIZE(3)));
    ceiling = MIN(ceiling, ALIGN_UP(end, MMU_LEVEL_SIZE(3)));
    table_prune(s, floor, ceiling);
}

/* Removes [start, end) of r, at one of its ends or all of it. */
static bool unmap_part(struct space *s, struct region *r, vaddr_t start, vaddr_t end)
{
    bool tables = table_exists(r, start, end);

    table_zap(r, start, end, 0);
    if (start == r->start && end == r->end) {
        region_remove(s, r);
        region_free(r);
    } else if (start == r->start) {
        region_set_bounds(r, end, r->end);
    } else {
        region_set_bounds(r, r->start, start);
    }
    return tables;
}

err_t unmap_locked(struct space *s, vaddr_t start, vaddr_t end)
{
    struct region *r = space_find(s, start), *next;
    bool tables = false;

    if (r == NULL || r->start >= end)
        return 0;
    /* A hole in the middle of one region is the only case that needs memory. */
    if (r->start < start && r->end > end) {
        err_t err = region_split(r, end);

        if (err)
            return err;
    }
    for (; r != NULL && r->start < end; r = next) {
        next = r->end < end ? region_next(r) : NULL;
        tables |= unmap_part(s, r, MAX(start, r->start), MIN(end, r->end));
    }
    if (tables)
        prune_hole(s, start, end);
    return 0;
}

err_t space_unmap(struct space *s, vaddr_t addr, size_t length)
{
    err_t err;

    if (!IS_ALIGNED(addr, PAGE_SIZE) || length == 0 || !range_valid(addr, length))
        return -EINVAL;
    length = ALIGN_UP(length, PAGE_SIZE);
    rwlock_write(&s->lock);
    err = unmap_locked(s, addr, addr + length);
    rwlock_write_done(&s->lock);
    return err;
}

/* The first region of the mapping of such a file whose offset 0 is, or was, at addr. */
static struct region *mapping_first(struct space *s, vaddr_t addr,
                                    bool (*is)(const struct file *f))
{
    struct region *r = space_find(s, addr);

    while (r != NULL && !(r->file != NULL && is(r->file) && r->start - addr == r->offset))
        r = region_next(r);
    return r;
}

err_t space_unmap_mapping(struct space *s, vaddr_t addr, bool (*is)(const struct file *f))
{
    const struct file *file;
    struct region *r;
    err_t err = 0;

    rwlock_write(&s->lock);
    r = mapping_first(s, addr, is);
    file = r != NULL ? r->file : NULL;
    if (file == NULL)
        err = -EINVAL;
    while (err == 0 && r != NULL && r->file == file && r->start - addr == r->offset) {
        vaddr_t end = r->end;

        err = unmap_locked(s, r->start, end); /* a whole region: needs no memory */
        r = space_find(s, end);
    }
    rwlock_write_done(&s->lock);
    return err;
}
