// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: space_check: walks regions and tables and compares them with what they should be.
 * Locking: s->lock for reading, pt_lock for all of the walk.  Slow: for tests.
 */
#include <vm/internal.h>

struct check {
    struct space *s;
    uint64_t anon, file, shared;
    bool ok;
};

static void check_entry(struct check *c, struct region *r, vaddr_t addr, pte_t e)
{
    paddr_t pa = pte_addr(e);
    struct frame *f = frame_of(pa);

    if (r == NULL || addr < r->start) { /* an entry outside all regions */
        c->ok = false;
        return;
    }
    if (addr < r->touched_low || addr >= r->touched_high)
        c->ok = false;
    if (pte_writable(e) && !(r->flags & VM_WRITE))
        c->ok = false;
    if (pte_special(e)) {
        c->ok &= !pte_writable(e) && (pa == vm_zero_frame || (r->flags & VM_SPECIAL));
        return;
    }
    if (f->refs == 0)
        c->ok = false;
    if (f->flags & FRAME_IS_CACHE) {
        c->ok &= f->owner == r->object && (!region_private(r) || !pte_writable(e));
        c->file += r->file != NULL;
        c->shared += r->file == NULL;
        return;
    }
    c->anon++;
    c->ok &= region_private(r) && r->has_anon != 0;
    if (pte_writable(e) && f->refs != 1)
        c->ok = false;
}

static void check_tables(struct check *c)
{
    vaddr_t stop;

    for (vaddr_t addr = 0; addr < USER_TOP; addr = stop) {
        pte_t *pte = leaf_entries(c->s, addr, USER_TOP, &stop);

        for (; pte != NULL && addr < stop; addr += PAGE_SIZE, pte++)
            if (pte_load(pte) != 0)
                check_entry(c, space_find(c->s, addr), addr, pte_load(pte));
    }
}

bool space_check(struct space *s)
{
    struct check c = { .s = s, .ok = true };

    rwlock_read(&s->lock);
    c.ok = region_check_tree(s);
    spin_lock(&s->pt_lock);
    check_tables(&c);
    c.ok &= c.anon == s->resident_anon && c.file == s->resident_file &&
            c.shared == s->resident_shared;
    spin_unlock(&s->pt_lock);
    rwlock_read_done(&s->lock);
    return c.ok;
}
