// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: VMSAv8-64 stage 1 descriptors, 4 KiB granule (Arm ARM D5.3).
 *
 * Model: levels are numbered as in <hal/mmu.h>: our 0 is the architecture's 3.
 *     63..59  58    55       54  53   47..12   11  10  9:8  7   6   4:2       1     0
 *             NONE  SPECIAL  UXN PXN  address  nG  AF  SH   RO  EL0 AttrIndx  table valid
 * A user page without any right (PROT_NONE) keeps its address with valid = 0 and NONE = 1, which
 * hardware ignores.  The access flag is always set, dirtiness is not tracked by hardware.
 * Invariants: (1) nothing executable for EL0 is executable for EL1; (2) software never makes a
 * page both writable and executable for EL1.
 */
#pragma once

#include <lib/types.h>

typedef uint64_t pte_t;

#define PTE_VALID BIT(0)
#define PTE_TABLE BIT(1) /* a page at level 0, a table above */
#define PTE_ATTR(n) ((pte_t)(n) << 2)
#define PTE_ATTR_MASK PTE_ATTR(7)
#define PTE_USER BIT(6)
#define PTE_READONLY BIT(7)
#define PTE_SHARED (3ull << 8)
#define PTE_ACCESSED BIT(10)
#define PTE_NOT_GLOBAL BIT(11)
#define PTE_PXN BIT(53)
#define PTE_UXN BIT(54)
#define PTE_SPECIAL BIT(55)
#define PTE_NONE BIT(58)
#define PTE_ADDR_MASK 0x0000fffffffff000ull

/* Slots of MAIR_EL1, which boot/head.S fills. */
#define MAIR_NORMAL 0
#define MAIR_DEVICE_nGnRE 1
#define MAIR_NORMAL_NC 2

/* The enumeration of <hal/mmu.h>, which includes this file before it defines it. */
#define PTE_MMU_READ 1u
#define PTE_MMU_WRITE 2u
#define PTE_MMU_EXEC 4u
#define PTE_MMU_USER 8u
#define PTE_MMU_GLOBAL 16u
#define PTE_MMU_DEVICE 32u
#define PTE_MMU_WRITE_COMBINE 64u
#define PTE_MMU_SPECIAL 128u

#define PTE_RIGHTS (PTE_VALID | PTE_READONLY | PTE_PXN | PTE_UXN | PTE_NONE)

/* The bits that say who may do what. */
static inline pte_t pte_rights(unsigned prot)
{
    pte_t e = PTE_PXN | PTE_UXN | PTE_VALID;

    if (!(prot & PTE_MMU_WRITE))
        e |= PTE_READONLY;
    if (prot & PTE_MMU_EXEC)
        e &= (prot & PTE_MMU_USER) ? ~PTE_UXN : ~PTE_PXN;
    if (!(prot & (PTE_MMU_READ | PTE_MMU_WRITE | PTE_MMU_EXEC)))
        e ^= PTE_VALID | PTE_NONE;
    return e;
}

static inline pte_t pte_make(paddr_t pa, unsigned prot, unsigned level)
{
    pte_t e = pa | pte_rights(prot) | PTE_ACCESSED | PTE_SHARED;

    if (level == 0)
        e |= PTE_TABLE;
    if (prot & PTE_MMU_DEVICE)
        e |= PTE_ATTR(MAIR_DEVICE_nGnRE);
    else if (prot & PTE_MMU_WRITE_COMBINE)
        e |= PTE_ATTR(MAIR_NORMAL_NC);
    if (prot & PTE_MMU_USER)
        e |= PTE_USER | ((prot & PTE_MMU_GLOBAL) ? 0 : PTE_NOT_GLOBAL);
    if (prot & PTE_MMU_SPECIAL)
        e |= PTE_SPECIAL;
    return e;
}

static inline bool pte_present(pte_t e)
{
    return (e & (PTE_VALID | PTE_NONE)) != 0;
}

static inline bool pte_is_table(pte_t e, unsigned level)
{
    return level > 0 && (e & (PTE_VALID | PTE_TABLE)) == (PTE_VALID | PTE_TABLE);
}

static inline paddr_t pte_addr(pte_t e)
{
    return e & PTE_ADDR_MASK;
}

static inline bool pte_writable(pte_t e)
{
    return (e & (PTE_VALID | PTE_READONLY)) == PTE_VALID;
}

/* What can be written or executed can be read, too: the hardware knows it no other way. */
static inline unsigned pte_prot(pte_t e)
{
    unsigned prot = 0;

    if (e & PTE_VALID)
        prot |= PTE_MMU_READ | ((e & PTE_READONLY) ? 0 : PTE_MMU_WRITE);
    if ((e & PTE_VALID) && !(e & ((e & PTE_USER) ? PTE_UXN : PTE_PXN)))
        prot |= PTE_MMU_EXEC;
    if (e & PTE_USER)
        prot |= PTE_MMU_USER;
    if (!(e & PTE_NOT_GLOBAL))
        prot |= PTE_MMU_GLOBAL;
    if ((e & PTE_ATTR_MASK) == PTE_ATTR(MAIR_DEVICE_nGnRE))
        prot |= PTE_MMU_DEVICE;
    if ((e & PTE_ATTR_MASK) == PTE_ATTR(MAIR_NORMAL_NC))
        prot |= PTE_MMU_WRITE_COMBINE;
    if (e & PTE_SPECIAL)
        prot |= PTE_MMU_SPECIAL;
    return prot;
}

static inline pte_t pte_protect(pte_t e, unsigned prot)
{
    prot |= (e & PTE_USER) ? PTE_MMU_USER : 0;
    return (e & ~PTE_RIGHTS) | pte_rights(prot);
}

/* One load, as __atomic_load_n() would be; but gcc 12 gives that one an addition for each offset. */
static inline pte_t pte_load(const pte_t *p)
{
    return *(const volatile pte_t *)p;
}

/*
 * A valid entry is made visible to the table walker; one of the kernel also to instructions that
 * already are in the pipeline (Arm ARM D5.10.1).  An empty one becomes effective by a flush.
 */
static inline void pte_store(pte_t *p, pte_t e)
{
    __atomic_store_n(p, e, __ATOMIC_RELAXED);
    if (!(e & PTE_VALID))
        return;
    __asm__ volatile("dsb ishst" ::: "memory");
    if (!(e & PTE_USER))
        __asm__ volatile("isb" ::: "memory");
}
