// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: page-table entries of the host: software only, the shape of the real ones.
 * Model: bit 0 present, bit 1 table, bits 2-9 the MMU_* set, bits 12-51 the address.
 */
#pragma once

#include <lib/atomic.h>
#include <lib/types.h>

typedef uint64_t pte_t;

#define PTE_PRESENT BIT(0)
#define PTE_TABLE BIT(1)
#define PTE_PROT_SHIFT 2
#define PTE_PROT_MASK (0xffull << PTE_PROT_SHIFT)
#define PTE_ADDR_MASK 0x000ffffffffff000ull

static inline pte_t pte_make(paddr_t pa, unsigned prot, unsigned level)
{
    (void)level;
    return (pa & PTE_ADDR_MASK) | (pte_t)(prot & 0xff) << PTE_PROT_SHIFT | PTE_PRESENT;
}

static inline bool pte_present(pte_t e)
{
    return e & PTE_PRESENT;
}

static inline bool pte_is_table(pte_t e, unsigned level)
{
    return level > 0 && (e & (PTE_PRESENT | PTE_TABLE)) == (PTE_PRESENT | PTE_TABLE);
}

static inline paddr_t pte_addr(pte_t e)
{
    return e & PTE_ADDR_MASK;
}

static inline unsigned pte_prot(pte_t e)
{
    return (e & PTE_PROT_MASK) >> PTE_PROT_SHIFT;
}

static inline bool pte_writable(pte_t e)
{
    return e & (2u << PTE_PROT_SHIFT); /* MMU_WRITE */
}

/* Keeps everything but MMU_READ, MMU_WRITE and MMU_EXEC (the three lowest of the set). */
static inline pte_t pte_protect(pte_t e, unsigned prot)
{
    return (e & ~(7ull << PTE_PROT_SHIFT)) | (pte_t)(prot & 7) << PTE_PROT_SHIFT;
}

static inline pte_t pte_load(const pte_t *p)
{
    return atomic_load_relaxed(p);
}

static inline void pte_store(pte_t *p, pte_t e)
{
    atomic_store(p, e);
}
