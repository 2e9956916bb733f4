// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: madvise, mincore.
 *
 * Model: advice that drops pages works under the lock for reading, as faults do; advice that
 * changes flags needs it for writing, makes borders and merges.  Holes are remembered (-ENOMEM at
 * the end) and stepped over, as on Linux.  Hints about the order of accesses need no work: all
 * pages are in memory.
 */
#include <linux/mman.h>
#include <vm/internal.h>

struct advice {
    int number;
    unsigned set, clear; /* flags of the region */
    /* Does it; [start, end) inside r.  Lock for reading.  NULL: only flags, or nothing. */
    err_t (*apply)(struct region *r, vaddr_t start, vaddr_t end);
    /* May r take it? 0, -EINVAL, -EACCES */
    err_t (*allowed)(const struct region *r);
};

static err_t allowed_unlocked(const struct region *r)
{
    return r->flags & (VM_LOCKED | VM_SPECIAL) ? -EINVAL : 0;
}

static err_t allowed_anon(const struct region *r)
{
    return r->object != NULL || (r->flags & VM_SPECIAL) ? -EINVAL : 0;
}

static err_t allowed_plain(const struct region *r)
{
    return r->flags & VM_SPECIAL ? -EINVAL : 0;
}

static err_t allowed_remove(const struct region *r)
{
    if ((r->flags & (VM_LOCKED | VM_SPECIAL)) || r->object == NULL)
        return -EINVAL;
    return (r->flags & (VM_SHARED | VM_MAY_WRITE)) == (VM_SHARED | VM_MAY_WRITE) ? 0 : -EACCES;
}

static err_t drop_pages(struct region *r, vaddr_t start, vaddr_t end)
{
    table_zap(r, start, end, 0);
    return 0;
}

static err_t remove_pages(struct region *r, vaddr_t start, vaddr_t end)
{
    uint64_t offset = r->offset + (start - r->start);

    object_punch(r->object, offset, offset + (end - start));
    return 0;
}

static const struct advice advices[] = {
    { .number = MADV_NORMAL },
    { .number = MADV_RANDOM },
    { .number = MADV_SEQUENTIAL },
    { .number = MADV_WILLNEED },
    { .number = MADV_COLD, .allowed = allowed_unlocked },
    { .number = MADV_PAGEOUT, .allowed = allowed_unlocked },
    { .number = MADV_DONTNEED, .apply = drop_pages, .allowed = allowed_unlocked },
    { .number = MADV_FREE, .apply = drop_pages, .allowed = allowed_anon },
    { .number = MADV_REMOVE, .apply = remove_pages, .allowed = allowed_remove },
    { .number = MADV_DONTFORK, .set = VM_DONTFORK },
    { .number = MADV_DOFORK, .clear = VM_DONTFORK, .allowed = allowed_plain },
    { .number = MADV_WIPEONFORK, .set = VM_WIPEONFORK, .allowed = allowed_anon },
    { .number = MADV_KEEPONFORK, .clear = VM_WIPEONFORK, .allowed = allowed_plain },
    { .number = MADV_HUGEPAGE, .clear = VM_NOHUGE, .allowed = allowed_plain },
    { .number = MADV_NOHUGEPAGE, .set = VM_NOHUGE },
    { .number = MADV_DONTDUMP, .set = VM_DONTDUMP },
    { .number = MADV_DODUMP, .clear = VM_DONTDUMP, .allowed = allowed_plain },
    { .number = MADV_POPULATE_READ },
    { .number = MADV_POPULATE_WRITE },
};

static const struct advice *advice_find(int number)
{
    for (size_t i = 0; i < ARRAY_SIZE(advices); i++)
        if (advices[i].number == number)
            return &advices[i];
    return NULL;
}

/* Gives [start, end) of r other flags; *out is the region that holds it then. */
static err_t change_flags(struct space *s, struct region *r, vaddr_t start, vaddr_t end,
                          const struct advice *a, struct region **out)
{
    unsigned flags = (r->flags | a->set) & ~a->clear;

    *out = r;
    return flags == r->flags ? 0 : region_set_flags(s, out, start, end, flags);
}

static err_t advise_range(struct space *s, vaddr_t start, vaddr_t end, const struct advice *a)
{
    struct region *r = space_find(s, start);
    vaddr_t at = start;
    err_t hole = 0, err;

    while (r != NULL && at < end && r->start < end) {
        vaddr_t stop = MIN(r->end, end);

        if (r->start > at) {
            hole = -ENOMEM;
            at = r->start;
        }
        err = a->allowed != NULL ? a->allowed(r) : 0;
        if (err == 0 && (a->set | a->clear))
            err = change_flags(s, r, at, stop, a, &r);
        else if (err == 0 && a->apply != NULL)
            err = a->apply(r, at, stop);
        if (err)
            return err;
        at = stop;
        if (r->end <= at)
            r = region_next(r);
    }
    return at < end ? -ENOMEM : hole;
}

err_t space_advise(struct space *s, vaddr_t addr, size_t length, int number)
{
    const struct advice *a = advice_find(number);
    size_t bytes = ALIGN_UP(length, PAGE_SIZE);
    err_t err;

    if (a == NULL || !IS_ALIGNED(addr, PAGE_SIZE) || (length != 0 && bytes == 0) ||
        addr + bytes < addr)
        return -EINVAL;
    if (bytes == 0)
        return 0;
    if (!range_valid(addr, bytes))
        return -ENOMEM;
    if (number == MADV_POPULATE_READ || number == MADV_POPULATE_WRITE)
        return space_populate(s, addr, bytes, number == MADV_POPULATE_WRITE);
    if (a->set | a->clear) {
        rwlock_write(&s->lock);
        err = advise_range(s, addr, addr + bytes, a);
        rwlock_write_done(&s->lock);
    } else {
        rwlock_read(&s->lock);
        err = advise_range(s, addr, addr + bytes, a);
        rwlock_read_done(&s->lock);
    }
    return err;
}

/* ---- mincore ------------------------------------------------------------------------------- */

static bool object_has(struct object *o, uint64_t index)
{
    slot_t *slot;
    bool has;

    spin_lock(&o->lock);
    slot = object_slot(o, index);
    has = slot != NULL && slot_ready(*slot);
    spin_unlock(&o->lock);
    return has;
}

static uint8_t page_resident(struct space *s, struct region *r, vaddr_t addr)
{
    unsigned level;
    pte_t *pte = mmu_walk(&s->hal, addr, &level);

    if (level == 0 && pte_load(pte) != 0)
        return 1;
    return r->object != NULL && object_has(r->object, region_index(r, addr));
}

err_t space_mincore(struct space *s, vaddr_t addr, size_t pages, uint8_t *vec)
{
    err_t err = 0;

    rwlock_read(&s->lock);
    for (size_t i = 0; i < pages && err == 0; i++) {
        vaddr_t at = addr + (i << PAGE_SHIFT);
        struct region *r = space_find(s, at);

        if (r == NULL || r->start > at)
            err = -ENOMEM;
        else
            vec[i] = page_resident(s, r, at);
    }
    rwlock_read_done(&s->lock);
    return err;
}
