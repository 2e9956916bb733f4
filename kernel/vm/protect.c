// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: mprotect.
 *
 * Model: region by region, as Linux: make borders, change the flags, change the entries that exist,
 * merge with what has become alike.  A hole or a refusal ends it half way with an error.
 * Private pages become writable only when no one else has them (table_protect); others wait for
 * the write fault.
 * Locking: s->lock for writing.
 */
#include <linux/mman.h>
#include <vm/internal.h>

/* Gives [start, end), which lies inside r, new rights.  *out: the region that now holds it. */
static err_t protect_part(struct space *s, struct region *r, vaddr_t start, vaddr_t end,
                          unsigned prot, struct region **out)
{
    unsigned may = (r->flags >> VM_MAY_SHIFT) & VM_RIGHTS;
    unsigned flags = (r->flags & ~VM_RIGHTS) | prot;
    err_t err;

    *out = r;
    if (prot & ~may)
        return -EACCES;
    if (flags == r->flags)
        return 0;
    if ((flags & (VM_WRITE | VM_SHARED | VM_STACK)) == VM_WRITE && !(r->flags & VM_WRITE) &&
        s->data_pages + ((end - start) >> PAGE_SHIFT) >
            atomic_load_relaxed(&s->limit_data) >> PAGE_SHIFT)
        return -ENOMEM;
    err = region_isolate(&r, start, end);
    if (err)
        return err;
    region_account(s, r, -(int64_t)region_pages(r));
    r->flags = flags;
    r->entry = pte_make(0, region_prot(r), 0);
    region_account(s, r, region_pages(r));
    table_protect(r, r->start, r->end);
    *out = region_merge(r);
    return 0;
}

static err_t protect_locked(struct space *s, vaddr_t start, vaddr_t end, unsigned prot,
                            unsigned grows)
{
    struct region *r = space_find(s, start);
    vaddr_t at = start;
    err_t err;

    if (r != NULL && (grows & PROT_GROWSDOWN)) {
        if (r->start >= end)
            return -ENOMEM;
        if (!(r->flags & VM_STACK))
            return -EINVAL;
        at = r->start;
    }
    while (at < end) {
        vaddr_t stop;

        if (r == NULL || r->start > at)
            return -ENOMEM;
        stop = MIN(r->end, end);
        err = protect_part(s, r, at, stop, prot, &r);
        if (err)
            return err;
        at = stop;
        if (at < end && r->end <= at)
            r = region_next(r);
    }
    return 0;
}

err_t space_protect(struct space *s, vaddr_t addr, size_t length, unsigned prot)
{
    unsigned grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
    err_t err;

    prot &= ~grows;
    if (grows & PROT_GROWSUP) /* no region grows up on these architectures */
        return -EINVAL;
    if (!IS_ALIGNED(addr, PAGE_SIZE))
        return -EINVAL;
    if (length == 0)
        return 0;
    if (prot & ~VM_RIGHTS)
        return -EINVAL;
    length = ALIGN_UP(length, PAGE_SIZE);
    if (length == 0 || !range_valid(addr, length))
        return -ENOMEM;
    rwlock_write(&s->lock);
    err = protect_locked(s, addr, addr + length, prot, grows);
    rwlock_write_done(&s->lock);
    return err;
}
