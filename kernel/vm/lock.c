// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: mlock, mlockall.
 * Model: nothing is ever paged out, so a lock is an account (RLIMIT_MEMLOCK), a flag that refuses
 * MADV_DONTNEED, and pages that are there from the start.
 * Locking: s->lock for writing to set flags, for reading to fault pages in.
 */
#include <linux/mman.h>
#include <vm/internal.h>

static err_t lock_part(struct space *s, struct region *r, vaddr_t start, vaddr_t end, bool on,
                       struct region **out)
{
    *out = r;
    if (!!(r->flags & VM_LOCKED) == on || (r->flags & VM_SPECIAL))
        return 0;
    return region_set_flags(s, out, start, end, r->flags ^ VM_LOCKED);
}

static err_t lock_locked(struct space *s, vaddr_t start, vaddr_t end, bool on)
{
    struct region *r = space_find(s, start);
    vaddr_t at = start;

    while (at < end) {
        vaddr_t stop;
        err_t err;

        if (r == NULL || r->start > at)
            return -ENOMEM;
        stop = MIN(r->end, end);
        err = lock_part(s, r, at, stop, on, &r);
        if (err)
            return err;
        at = stop;
        if (at < end && r->end <= at)
            r = region_next(r);
    }
    return 0;
}

/* Pages of [start, end) that are locked already. */
static uint64_t locked_in(struct space *s, vaddr_t start, vaddr_t end)
{
    uint64_t pages = 0;

    for (struct region *r = space_find(s, start); r != NULL && r->start < end; r = region_next(r))
        if (r->flags & VM_LOCKED)
            pages += (MIN(r->end, end) - MAX(r->start, start)) >> PAGE_SHIFT;
    return pages;
}

err_t space_lock_range(struct space *s, vaddr_t addr, size_t length, bool on, bool populate,
                       uint64_t limit)
{
    vaddr_t start = ALIGN_DOWN(addr, PAGE_SIZE);
    size_t bytes = ALIGN_UP(length + (addr - start), PAGE_SIZE);
    uint64_t pages = bytes >> PAGE_SHIFT;
    err_t err;

    if (bytes < length || start + bytes < start)
        return -EINVAL;
    if (bytes == 0)
        return 0;
    if (!range_valid(start, bytes))
        return -ENOMEM;
    if (on && limit == 0)
        return -EPERM;
    rwlock_write(&s->lock);
    if (on && s->locked_pages + pages > limit >> PAGE_SHIFT &&
        s->locked_pages + pages - locked_in(s, start, start + bytes) > limit >> PAGE_SHIFT)
        err = -ENOMEM;
    else
        err = lock_locked(s, start, start + bytes, on);
    rwlock_write_done(&s->lock);
    if (err == 0 && on && populate) {
        err = space_populate(s, start, bytes, false);
        if (err == -EINVAL || err == -EFAULT)
            err = -ENOMEM; /* no rights, or beyond the end of the file */
    }
    return err;
}

err_t space_lock_all(struct space *s, int flags, uint64_t limit)
{
    bool on = flags & MCL_CURRENT || flags == 0;
    struct region *r;
    err_t err = 0;

    if (flags != 0 && limit == 0)
        return -EPERM;
    rwlock_write(&s->lock);
    if ((flags & MCL_CURRENT) && s->total_pages > limit >> PAGE_SHIFT)
        err = -ENOMEM;
    if (err == 0)
        s->map_flags_all = flags & MCL_FUTURE ? VM_LOCKED : 0;
    r = err == 0 && on ? space_find(s, 0) : NULL;
    for (; r != NULL && err == 0; r = region_next(r))
        err = lock_part(s, r, r->start, r->end, flags != 0, &r);
    rwlock_write_done(&s->lock);
    for (vaddr_t at = 0; err == 0 && (flags & MCL_CURRENT) && !(flags & MCL_ONFAULT);) {
        vaddr_t start = 0, end = 0;

        rwlock_read(&s->lock);
        r = space_find(s, at);
        if (r != NULL) {
            start = MAX(r->start, at);
            end = r->end;
        }
        rwlock_read_done(&s->lock);
        if (r == NULL)
            break;
        (void)space_populate(s, start, end - start, false);
        at = end;
    }
    return err;
}
