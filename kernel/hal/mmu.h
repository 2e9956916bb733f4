// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: page tables: four levels of 512 64-bit entries on every architecture.
 *
 * Model: level 0 entries map 4 KiB, level 1 a table or 2 MiB, level 2 a table or 1 GiB, level 3 a
 * table.  A walk returns a pointer to an entry; the caller reads and writes it with the pte_*
 * inlines of <arch/pte.h>, and may step the pointer up to the next multiple of 512 entries.  x86_64
 * reaches the loaded space's tables through the recursive window at PML4 511, others through the
 * direct map; arm64 uses LPAE descriptors.
 *
 * <arch/pte.h> provides as inlines (prot is a set of MMU_*; an entry of 0 is empty):
 *     pte_t    pte_make(paddr_t pa, unsigned prot, unsigned level)
 *     bool     pte_present(pte_t)         maps memory or points to a table
 *     bool     pte_is_table(pte_t, unsigned level)
 *     paddr_t  pte_addr(pte_t)
 *     unsigned pte_prot(pte_t)            the MMU_* it was made with
 *     bool     pte_writable(pte_t)
 *     pte_t    pte_protect(pte_t, unsigned prot)   same address, other MMU_READ/WRITE/EXEC
 *     pte_t    pte_load(const pte_t *)    atomic
 *     void     pte_store(pte_t *, pte_t)  atomic; makes the entry visible to the table walker
 *
 * Locking: the owner of the space serialises changes (vm/space.h's lock); walkers of hardware see
 * single atomic stores.  The kernel half is changed under vmap's lock alone.
 * Invariants: (1) an entry that was present is made empty or given other rights, and then flushed,
 * before its frame is reused; (2) top-level entries of the kernel half never change after boot.
 */
#pragma once

#include <lib/types.h>
#include <arch/layout.h>
#include <hal/cpu.h>
#include <arch/pte.h>

struct cpu;

enum {
    MMU_READ = 1u << 0,
    MMU_WRITE = 1u << 1,
    MMU_EXEC = 1u << 2,
    MMU_USER = 1u << 3,
    MMU_GLOBAL = 1u << 4, /* kept across address spaces */
    MMU_DEVICE = 1u << 5, /* uncached, strongly ordered */
    MMU_WRITE_COMBINE = 1u << 6, /* framebuffers */
    MMU_SPECIAL = 1u << 7, /* software bit: the frame is not reference-counted (zero page, vDSO) */
};

#define MMU_LEVELS 4
#define MMU_ENTRIES 512
#define MMU_LEVEL_SHIFT(level) (PAGE_SHIFT + 9 * (level))
#define MMU_LEVEL_SIZE(level) (1ul << MMU_LEVEL_SHIFT(level))
#define MMU_INDEX(va, level) (((va) >> MMU_LEVEL_SHIFT(level)) & (MMU_ENTRIES - 1))

#define PADDR_NONE UINT64_MAX

struct hal_space {
    paddr_t root;
    uint64_t asid; /* arm64: generation and ASID; x86_64: unused */
    uint32_t tables; /* arm64: which parts of the root hold tables; as the tables */
    uint64_t table_pages; /* besides the root; as the tables */
    uint64_t active[CPU_MAX / 64]; /* CPUs that may hold translations of it; atomic bits */
};

/* Where page tables come from.  alloc: a zeroed frame or PADDR_NONE.  Never sleep. */
struct mmu_frame_source {
    paddr_t (*alloc)(void);
    void (*free)(paddr_t table);
};
void mmu_set_frame_source(const struct mmu_frame_source *source);

/* The kernel's own half; valid from boot. */
extern struct hal_space kernel_space;

/*
 * The direct map covers all RAM of the boot record at DIRECT_BASE, with 1G/2M/4K pages by
 * alignment, writable, not executable.
 */
static inline void *phys_to_virt(paddr_t pa)
{
    return (void *)(DIRECT_BASE + pa);
}

/* Of a direct-map address only. */
static inline paddr_t virt_to_phys(const void *va)
{
    return (paddr_t)((vaddr_t)va - DIRECT_BASE);
}

/* Makes an empty user half with the kernel half shared.  Return: 0, -ENOMEM. */
err_t __must_check mmu_space_init(struct hal_space *s);
/* Frees the root; the user half holds no tables any more (mmu_prune of all of it came before). */
void mmu_space_fini(struct hal_space *s);
/*
 * Loads `s` (NULL: the kernel's alone) on this CPU unless it is loaded already.
 * Context: interrupts off.
 */
void mmu_space_switch(struct hal_space *s);

/*
 * The deepest existing entry for va: a mapping, or the first empty entry on the way; *level says
 * which.  Never allocates.  Never NULL.
 */
pte_t *mmu_walk(struct hal_space *s, vaddr_t va, unsigned *level);
/*
 * The entry for va at `level`, making the tables above it.  Return: 0; -ENOMEM; -EEXIST when a
 * larger page maps va already.
 */
err_t __must_check mmu_walk_alloc(struct hal_space *s, vaddr_t va, unsigned level, pte_t **out);
/*
 * Frees the tables that lie wholly in [start, end) of the user half; all entries below them must
 * be empty.  Flushes what the walker may have cached.  Cost: proportional to the tables that exist.
 */
void mmu_prune(struct hal_space *s, vaddr_t start, vaddr_t end);

/* Maps or unmaps one page of 4K, 2M or 1G (level 0, 1, 2); with the TLB work that it needs. */
err_t __must_check mmu_map(struct hal_space *s, vaddr_t va, paddr_t pa, unsigned level,
                           unsigned prot); /* 0, -ENOMEM, -EEXIST, -EINVAL (alignment) */
err_t mmu_unmap(struct hal_space *s, vaddr_t va, unsigned level); /* 0, -ENOENT */
err_t mmu_protect(struct hal_space *s, vaddr_t va, unsigned level, unsigned prot); /* 0, -ENOENT */
/* Return: 0 with *pa the byte's physical address and *prot the rights; -ENOENT. */
err_t mmu_translate(struct hal_space *s, vaddr_t va, paddr_t *pa, unsigned *prot);

/* Removes translations from every TLB that may hold them.  va of the user or the kernel half. */
void mmu_flush_page(struct hal_space *s, vaddr_t va);
void mmu_flush_range(struct hal_space *s, vaddr_t start, vaddr_t end);
void mmu_flush_space(struct hal_space *s);

/* After code was written through another mapping, before it runs (arm64; x86_64: nothing). */
void mmu_sync_icache(const void *va, size_t n);

/* Zero or copy one page through the direct map, the fastest way the CPU has. */
void page_zero(void *page);
void page_copy(void *dst, const void *src);
