// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: page-table entries (see <hal/mmu.h>); Intel SDM vol. 3, 4.5.
 *
 * Model: three states.  0 is empty.  With PTE_P the hardware maps it or it points to a table.  With
 * PTE_MAPPED alone it keeps a frame that nobody may touch (made without READ, WRITE and EXEC).
 * x86 cannot express "writable but not readable" or "executable but not readable"; PTE_READ
 * remembers what was asked for.
 */
#pragma once

#include <lib/atomic.h>
#include <lib/types.h>

typedef uint64_t pte_t;

#define PTE_P (1ul << 0)
#define PTE_W (1ul << 1)
#define PTE_U (1ul << 2)
#define PTE_PWT (1ul << 3) /* alone: PAT entry 1, write combining (cpu/feature.c) */
#define PTE_PCD (1ul << 4) /* with PWT: PAT entry 3, uncached */
#define PTE_A (1ul << 5)
#define PTE_D (1ul << 6)
#define PTE_PS (1ul << 7) /* at levels 1 and 2: a large page */
#define PTE_G (1ul << 8)
#define PTE_MAPPED (1ul << 9) /* software: made by pte_make */
#define PTE_SPECIAL (1ul << 10) /* software: MMU_SPECIAL */
#define PTE_READ (1ul << 52) /* software: MMU_READ */
#define PTE_NX (1ul << 63)
#define PTE_ADDR 0x000ffffffffff000ul

/* The values of enum MMU_* in <hal/mmu.h>, which includes this file. */
#define PTE_PROT_READ 1u
#define PTE_PROT_WRITE 2u
#define PTE_PROT_EXEC 4u
#define PTE_PROT_USER 8u
#define PTE_PROT_GLOBAL 16u
#define PTE_PROT_DEVICE 32u
#define PTE_PROT_WC 64u
#define PTE_PROT_SPECIAL 128u
#define PTE_PROT_RWX 7u

#define PTE_RIGHTS (PTE_P | PTE_W | PTE_NX | PTE_READ)

/* The bits that say who may do what. Accessed and dirty are set at once: nobody asks for them. */
static inline pte_t pte_rights(unsigned prot)
{
    pte_t e = prot & PTE_PROT_RWX ? PTE_P : 0;

    if (prot & PTE_PROT_WRITE)
        e |= PTE_W;
    if (!(prot & PTE_PROT_EXEC))
        e |= PTE_NX;
    if (prot & PTE_PROT_READ)
        e |= PTE_READ;
    return e;
}

static inline pte_t pte_make(paddr_t pa, unsigned prot, unsigned level)
{
    pte_t e = pa | PTE_MAPPED | PTE_A | PTE_D | pte_rights(prot);

    if (prot & PTE_PROT_USER)
        e |= PTE_U;
    if (prot & PTE_PROT_GLOBAL)
        e |= PTE_G;
    if (prot & PTE_PROT_DEVICE)
        e |= PTE_PCD | PTE_PWT;
    if (prot & PTE_PROT_WC)
        e |= PTE_PWT;
    if (prot & PTE_PROT_SPECIAL)
        e |= PTE_SPECIAL;
    if (level > 0)
        e |= PTE_PS;
    return e;
}

/* Points to a table; rights are decided at the leaf. */
static inline pte_t pte_make_table(paddr_t table, bool user)
{
    return table | PTE_P | PTE_W | PTE_A | (user ? PTE_U : 0);
}

static inline bool pte_empty(pte_t e)
{
    return e == 0;
}

/* The hardware translates through it.  Not so for an entry that only keeps its frame. */
static inline bool pte_present(pte_t e)
{
    return (e & PTE_P) != 0;
}

static inline bool pte_is_table(pte_t e, unsigned level)
{
    return level > 0 && (e & (PTE_P | PTE_PS)) == PTE_P;
}

static inline paddr_t pte_addr(pte_t e)
{
    return e & PTE_ADDR;
}

static inline bool pte_writable(pte_t e)
{
    return (e & PTE_W) != 0;
}

static inline unsigned pte_prot(pte_t e)
{
    unsigned prot = 0;

    if (e & PTE_READ)
        prot |= PTE_PROT_READ;
    if (e & PTE_W)
        prot |= PTE_PROT_WRITE;
    if (!(e & PTE_NX))
        prot |= PTE_PROT_EXEC;
    if (e & PTE_U)
        prot |= PTE_PROT_USER;
    if (e & PTE_G)
        prot |= PTE_PROT_GLOBAL;
    if (e & PTE_PCD)
        prot |= PTE_PROT_DEVICE;
    else if (e & PTE_PWT)
        prot |= PTE_PROT_WC;
    if (e & PTE_SPECIAL)
        prot |= PTE_PROT_SPECIAL;
    return prot;
}

static inline pte_t pte_protect(pte_t e, unsigned prot)
{
    return (e & ~PTE_RIGHTS) | pte_rights(prot);
}

static inline pte_t pte_load(const pte_t *p)
{
    return atomic_load_relaxed(p);
}

/* x86 keeps stores in order and its walker is coherent. */
static inline void pte_store(pte_t *p, pte_t e)
{
    atomic_store_relaxed(p, e);
}
