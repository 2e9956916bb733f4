// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: mmap: limits, placement, and the new region.
 *
 * Model: without MAP_FIXED a mapping goes to the hint when that is free, else into the highest hole
 * that fits below s->mmap_top, else (nothing there) anywhere below USER_TOP.  A new anonymous
 * mapping that touches one of its kind just moves that one's border: no allocation, no tree work.
 * Locking: s->lock for writing.
 */
#include <linux/mman.h>
#include <vm/internal.h>

bool range_free(struct space *s, vaddr_t start, vaddr_t end)
{
    struct region *r = space_find(s, start);
    vaddr_t low;

    if (r == NULL)
        return true;
    low = r->start;
    if (r->flags & VM_STACK)
        low = low > STACK_GUARD_BYTES ? low - STACK_GUARD_BYTES : 0;
    return low >= end;
}

err_t map_place(struct space *s, vaddr_t addr, size_t length, int map_flags,
                vaddr_t below, vaddr_t *out)
{
    bool fixed = map_flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
    struct region *r;

    if (length > USER_TOP)
        return -ENOMEM;
    if (fixed) {
        if (!IS_ALIGNED(addr, PAGE_SIZE))
            return -EINVAL;
        if (!range_valid(addr, length))
            return -ENOMEM;
        if (addr < USER_BOTTOM)
            return -EPERM;
        r = (map_flags & MAP_FIXED_NOREPLACE) ? space_find(s, addr) : NULL;
        if (r != NULL && r->start < addr + length)
            return -EEXIST;
        *out = addr;
        return 0;
    }
    addr = ALIGN_UP(MIN(addr, USER_TOP), PAGE_SIZE);
    if (addr != 0)
        addr = MAX(addr, USER_BOTTOM);
    if (addr != 0 && range_valid(addr, length) && (below == 0 || addr + length <= below) &&
        range_free(s, addr, addr + length)) {
        *out = addr;
        return 0;
    }
    addr = region_find_gap(s, length, USER_BOTTOM, below != 0 ? below : s->mmap_top, &r);
    if (addr == 0 && below == 0)
        addr = region_find_gap(s, length, USER_BOTTOM, USER_TOP, &r);
    s->placed_below = r;
    *out = addr;
    return addr != 0 ? 0 : -ENOMEM;
}

/*
 * RLIMIT_AS, RLIMIT_DATA, and what can never be had: a private writable mapping larger than all
 * memory (Linux's heuristic overcommit, Documentation/mm/overcommit-accounting).
 */
err_t map_check_limits(struct space *s, uint64_t bytes, unsigned flags)
{
    uint64_t pages = bytes >> PAGE_SHIFT;

    if (s->region_count > atomic_load_relaxed(&vm_max_map_count))
        return -ENOMEM;
    if (s->total_pages + pages > atomic_load_relaxed(&s->limit_as) >> PAGE_SHIFT)
        return -ENOMEM;
    if ((flags & (VM_WRITE | VM_SHARED | VM_STACK)) == VM_WRITE &&
        s->data_pages + pages > atomic_load_relaxed(&s->limit_data) >> PAGE_SHIFT)
        return -ENOMEM;
    if ((flags & VM_WRITE) && !(flags & (VM_NORESERVE | VM_SPECIAL)) && pages > frame_total())
        return -ENOMEM;
    return 0;
}

/* The first region above `addr`, where nothing is. */
static struct region *region_above(struct space *s, vaddr_t addr, vaddr_t end)
{
    struct region *r = s->placed_below;

    if (r != NULL && r->start >= end && r->start - r->gap <= addr)
        return r;
    return space_find(s, addr);
}

/* Grows a neighbour of the same kind instead of making a region.  Return: it, or NULL. */
static struct region *map_extend(struct space *s, const struct region *want)
{
    struct region *next = region_above(s, want->start, want->end), *prev;

    if (next != NULL && region_alike(want, next)) {
        region_set_bounds(next, want->start, next->end);
        next->has_anon |= want->has_anon;
        return next->gap == 0 ? region_merge(next) : next;
    }
    prev = next != NULL ? region_prev(next)
                        : tree_entry_or_null(tree_last(&s->regions), struct region, node);
    if (prev != NULL && region_alike(prev, want)) {
        region_set_bounds(prev, prev->start, want->end);
        prev->has_anon |= want->has_anon;
        return prev;
    }
    return NULL;
}

/* A free range and a filled-in region on the stack -> one in the tree.  NULL: out of memory. */
struct region *map_commit(struct space *s, struct region *want)
{
    struct region *r = map_extend(s, want);

    if (r == NULL) {
        r = region_clone(want, s);
        if (r == NULL)
            return NULL;
        region_insert(s, r);
    }
    atomic_store_relaxed(&s->last_found, r);
    return r;
}

static err_t map_locked(struct space *s, const struct map_request *q, struct region *want,
                        size_t length, vaddr_t *out)
{
    struct region *r;
    vaddr_t addr;
    err_t err = map_place(s, q->addr, length, q->map_flags, q->below, &addr);

    if (err)
        return err;
    want->flags |= s->map_flags_all;
    err = map_check_limits(s, length, want->flags);
    if (err)
        return err;
    if ((want->flags & VM_LOCKED) && !q->may_lock &&
        ((s->locked_pages << PAGE_SHIFT) + length > atomic_load_relaxed(&s->limit_memlock)))
        return -EAGAIN;
    if (q->map_flags & MAP_FIXED) {
        err = unmap_locked(s, addr, addr + length);
        if (err)
            return err;
    }
    want->start = addr;
    want->end = addr + length;
    r = map_commit(s, want);
    if (r == NULL)
        return -ENOMEM;
    *out = addr;
    return 0;
}

err_t space_map(struct space *s, const struct map_request *q, vaddr_t *out)
{
    size_t length = ALIGN_UP(q->length, PAGE_SIZE);
    struct region want = { .flags = q->vm_flags, .object = q->object, .offset = q->offset,
                           .file = q->file, .name = q->name, .space = s };
    struct object *made = NULL;
    bool locked;
    err_t err;

    if (q->length == 0 || !IS_ALIGNED(q->offset, PAGE_SIZE))
        return -EINVAL;
    if (length == 0)
        return -ENOMEM;
    if (q->offset + length < q->offset)
        return -EOVERFLOW;
    if (q->map_flags & MAP_GROWSDOWN)
        want.flags |= VM_STACK;
    if ((want.flags & VM_SHARED) && want.object == NULL) {
        want.object = made = object_create(NULL, NULL, length);
        if (made == NULL)
            return -ENOMEM;
        want.offset = 0;
    }
    rwlock_write(&s->lock);
    err = map_locked(s, q, &want, length, out);
    locked = want.flags & VM_LOCKED;
    rwlock_write_done(&s->lock);
    if (made != NULL)
        object_put(made); /* the region has its own reference */
    if (err == 0 && (locked || (q->map_flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE))
        (void)space_populate(s, *out, length, (want.flags & (VM_WRITE | VM_SHARED)) == VM_WRITE);
    return err;
}
