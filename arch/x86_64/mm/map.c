// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: single mappings of 4 KiB, 2 MiB and 1 GiB on top of the walks.
 * Locking: the owner of the space.
 */
#include <hal/mmu.h>

#define PHYS_LIMIT (1ul << 52)

err_t mmu_map(struct hal_space *s, vaddr_t va, paddr_t pa, unsigned level, unsigned prot)
{
    pte_t *e;
    err_t err;

    if (level >= MMU_LEVELS - 1 || pa >= PHYS_LIMIT || !IS_ALIGNED(va | pa, MMU_LEVEL_SIZE(level)))
        return -EINVAL;
    err = mmu_walk_alloc(s, va, level, &e);
    if (err)
        return err;
    if (!pte_empty(pte_load(e)))
        return -EEXIST;
    pte_store(e, pte_make(pa, prot, level)); /* an absent entry is in no TLB */
    return 0;
}

/* The mapping of va if it is one of `level`, else NULL. */
static pte_t *leaf_at(struct hal_space *s, vaddr_t va, unsigned level)
{
    unsigned l;
    pte_t *e = mmu_walk(s, va, &l);

    return l == level && !pte_empty(pte_load(e)) ? e : NULL;
}

err_t mmu_unmap(struct hal_space *s, vaddr_t va, unsigned level)
{
    pte_t *e = leaf_at(s, va, level);

    if (!e)
        return -ENOENT;
    pte_store(e, 0);
    mmu_flush_page(s, va);
    return 0;
}

err_t mmu_protect(struct hal_space *s, vaddr_t va, unsigned level, unsigned prot)
{
    pte_t *e = leaf_at(s, va, level);

    if (!e)
        return -ENOENT;
    pte_store(e, pte_protect(pte_load(e), prot));
    mmu_flush_page(s, va);
    return 0;
}

err_t mmu_translate(struct hal_space *s, vaddr_t va, paddr_t *pa, unsigned *prot)
{
    unsigned level;
    pte_t e = pte_load(mmu_walk(s, va, &level));

    if (pte_empty(e))
        return -ENOENT;
    *pa = ALIGN_DOWN(pte_addr(e), MMU_LEVEL_SIZE(level)) + (va & (MMU_LEVEL_SIZE(level) - 1));
    *prot = pte_prot(e);
    return 0;
}
