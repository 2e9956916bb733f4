// SPDX-License-Identifier: CC0-1.0
/* Purpose: what the page-table files share. */
#pragma once

#include <hal/cpu.h>
#include <hal/mmu.h>
#include <lib/types.h>

/* boot/entry.S: the kernel's root table, for ever. */
extern pte_t boot_pml4[MMU_ENTRIES];

extern struct mmu_frame_source table_source;

/* The kernel_space, from what boot/entry.S built; `offset` is physical minus (linked - KERNEL_BASE). */
void tables_start(uint64_t offset);
/* Remembers which slots of the kernel half are in use; they never change any more. */
void tables_freeze(void);

/* This CPU forgets all its translations, the global ones and the walker's caches included. */
void tlb_flush_all_local(void);

/* Loads the kernel's own root on this CPU if s is loaded.  Interrupts off. */
void space_drop_local(struct hal_space *s);

/* May any CPU hold translations of s? */
static inline bool space_active(const struct hal_space *s)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < CPU_MAX / 64; i++)
        any |= atomic_load_relaxed(&s->active[i]);
    return any != 0;
}

/* Is va's translation in what this CPU's CR3 holds?  The kernel's half is the same in all. */
static inline bool space_loaded(const struct hal_space *s, vaddr_t va)
{
    return cpu_current()->space == s || va >= DIRECT_BASE;
}

/* mmu_walk_alloc through the direct map, whatever is loaded. */
err_t __must_check tables_walk_alloc(paddr_t root, vaddr_t va, unsigned level, pte_t **out);

/*
 * A table entry keeps a summary of its table in bits that the hardware ignores: bit 52 + n says
 * that one of the entries 64n..64n+63 may point to a table.
 */
#define SUMMARY_SHIFT 52
#define SUMMARY_GROUP_SHIFT 6
#define SUMMARY_GROUPS 8
/* Of the root's user half, in hal_space.asid: bit n for the slots 4n..4n+3. */
#define ROOT_GROUP_SHIFT 2
