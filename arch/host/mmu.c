// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: page tables in software, and the kernel's mappings in earnest.
 *
 * Model: tables have the shape of the real ones and lie in RAM.  For user spaces they are all there
 * is: user copies walk them (usercopy.c).  What is mapped into the kernel's space is also mapped
 * into the process, at the same address, onto the same RAM.
 */
#include <hal/boot.h>
#include <hal/mmu.h>
#include <lib/string.h>

#include "host.h"

struct hal_space kernel_space;
static const struct mmu_frame_source *frames;

void mmu_set_frame_source(const struct mmu_frame_source *source)
{
    frames = source;
}

static pte_t *table_of(paddr_t pa)
{
    return phys_to_virt(pa);
}

static pte_t pte_table(paddr_t pa)
{
    return pa | PTE_PRESENT | PTE_TABLE;
}

static bool va_valid(vaddr_t va)
{
    return va < 1ul << 48;
}

pte_t *mmu_walk(struct hal_space *s, vaddr_t va, unsigned *level)
{
    static pte_t nothing; /* never written: for addresses that no table covers */
    pte_t *e, v;

    *level = MMU_LEVELS - 1;
    if (!va_valid(va))
        return &nothing;
    e = table_of(s->root) + MMU_INDEX(va, *level);
    /* Each entry is read once: user accesses walk while another CPU takes tables out. */
    while (pte_is_table(v = pte_load(e), *level)) {
        --*level;
        e = table_of(pte_addr(v)) + MMU_INDEX(va, *level);
    }
    return e;
}

err_t mmu_walk_alloc(struct hal_space *s, vaddr_t va, unsigned level, pte_t **out)
{
    unsigned at;
    pte_t *e;

    if (!va_valid(va))
        return -EINVAL;
    for (e = mmu_walk(s, va, &at); at > level;) {
        paddr_t table;

        if (pte_present(pte_load(e)))
            return -EEXIST;
        table = frames->alloc();
        if (table == PADDR_NONE)
            return -ENOMEM;
        pte_store(e, pte_table(table));
        s->table_pages++;
        at--;
        e = table_of(table) + MMU_INDEX(va, at);
    }
    /* A walk that went below `level` found a table where the page was to stand. */
    if (at < level)
        return -EEXIST;
    *out = e;
    return 0;
}

/* Takes the tables in [start, end) below `table` out, into a chain through their first entries (which
 * are not present to a walk that is still on its way); true when `table` is empty afterwards. */
static bool prune(pte_t *table, unsigned level, vaddr_t base, vaddr_t start, vaddr_t end,
                  paddr_t *chain)
{
    uint64_t size = MMU_LEVEL_SIZE(level);
    bool empty = true;

    for (unsigned i = 0; i < MMU_ENTRIES; i++) {
        vaddr_t va = base + i * size;
        pte_t e = pte_load(&table[i]);

        if (e == 0)
            continue;
        if (pte_is_table(e, level) && va < end && va + size > start) {
            bool child = prune(table_of(pte_addr(e)), level - 1, va, start, end, chain);

            if (va >= start && va + size <= end) {
                if (!child)
                    os_fatal("mmu_prune: %#lx..%#lx is still mapped", va, va + size);
                pte_store(&table[i], 0);
                pte_store(table_of(pte_addr(e)), *chain);
                *chain = pte_addr(e);
                continue;
            }
        }
        empty = false;
    }
    return empty;
}

void mmu_prune(struct hal_space *s, vaddr_t start, vaddr_t end)
{
    paddr_t chain = 0, next;

    prune(table_of(s->root), MMU_LEVELS - 1, 0, start, end, &chain);
    if (chain != 0)
        host_tlb_flush(s, 0, UINTPTR_MAX); /* walks that were inside are over then */
    for (; chain != 0; chain = next) {
        next = *table_of(chain);
        *table_of(chain) = 0;
        frames->free(chain);
        s->table_pages--;
    }
}

err_t mmu_space_init(struct hal_space *s)
{
    paddr_t root = frames->alloc();

    if (root == PADDR_NONE)
        return -ENOMEM;
    *s = (struct hal_space){ .root = root };
    return 0;
}

void mmu_space_fini(struct hal_space *s)
{
    host_tlb_leave(s);
    for (unsigned i = 0; i < MMU_ENTRIES; i++)
        if (pte_load(&table_of(s->root)[i]) != 0)
            os_fatal("mmu_space_fini: the space still has tables");
    frames->free(s->root);
    s->root = 0;
}

void mmu_space_switch(struct hal_space *s)
{
    if (hal_irqs_enabled())
        os_fatal("mmu_space_switch with interrupts on");
    if (s != NULL)
        atomic_fetch_or(&s->active[host_cpu->id / 64], BIT(host_cpu->id % 64));
    host_cpu->space = s;
}

/* --- the kernel's mappings, in the process --- */

static void process_map(vaddr_t va, paddr_t pa, uint64_t bytes, unsigned prot)
{
    unsigned os = (prot & MMU_READ ? OS_READ : 0) | (prot & MMU_WRITE ? OS_WRITE : 0);

    host_explore_remapped();
    if (host_is_ram(pa, bytes))
        os_ram_map(va, bytes, pa, os);
    else
        os_device_map(va, bytes, os);
}

void host_kernel_remap(vaddr_t va, paddr_t pa, unsigned prot)
{
    process_map(va, pa, PAGE_SIZE, prot);
}

void host_kernel_pages(vaddr_t start, vaddr_t end, void (*fn)(vaddr_t va, paddr_t pa, unsigned prot))
{
    unsigned level;

    for (vaddr_t va = start; va < end;) {
        pte_t e = pte_load(mmu_walk(&kernel_space, va, &level));
        uint64_t size = MMU_LEVEL_SIZE(level);

        for (uint64_t at = 0; pte_present(e) && at < size; at += PAGE_SIZE)
            fn(va + at, pte_addr(e) + at, pte_prot(e));
        va = ALIGN_DOWN(va, size) + size;
    }
}

err_t mmu_map(struct hal_space *s, vaddr_t va, paddr_t pa, unsigned level, unsigned prot)
{
    uint64_t size = MMU_LEVEL_SIZE(level);
    pte_t *e;
    err_t err;

    if (level > 2 || !IS_ALIGNED(va, size) || !IS_ALIGNED(pa, size))
        return -EINVAL;
    err = mmu_walk_alloc(s, va, level, &e);
    if (err != 0)
        return err;
    if (pte_load(e) != 0)
        return -EEXIST;
    pte_store(e, pte_make(pa, prot, level));
    if (s == &kernel_space)
        process_map(va, pa, size, prot);
    return 0;
}

/* The entry that maps `va` with a page of just this level, or NULL. */
static pte_t *leaf_at(struct hal_space *s, vaddr_t va, unsigned level)
{
    unsigned at;
    pte_t *e = mmu_walk(s, va, &at);

    return at == level && pte_present(pte_load(e)) ? e : NULL;
}

err_t mmu_unmap(struct hal_space *s, vaddr_t va, unsigned level)
{
    pte_t *e = leaf_at(s, va, level);

    if (e == NULL)
        return -ENOENT;
    pte_store(e, 0);
    mmu_flush_range(s, va, va + MMU_LEVEL_SIZE(level));
    if (s == &kernel_space) {
        host_explore_remapped();
        os_unmap(va, MMU_LEVEL_SIZE(level));
    }
    return 0;
}

err_t mmu_protect(struct hal_space *s, vaddr_t va, unsigned level, unsigned prot)
{
    pte_t *e = leaf_at(s, va, level);

    if (e == NULL)
        return -ENOENT;
    pte_store(e, pte_protect(pte_load(e), prot));
    mmu_flush_range(s, va, va + MMU_LEVEL_SIZE(level));
    if (s == &kernel_space)
        process_map(va, pte_addr(pte_load(e)), MMU_LEVEL_SIZE(level), prot);
    return 0;
}

err_t mmu_translate(struct hal_space *s, vaddr_t va, paddr_t *pa, unsigned *prot)
{
    unsigned level;
    pte_t e = pte_load(mmu_walk(s, va, &level));

    if (!pte_present(e))
        return -ENOENT;
    *pa = pte_addr(e) + (va & (MMU_LEVEL_SIZE(level) - 1));
    *prot = pte_prot(e);
    return 0;
}

void mmu_flush_page(struct hal_space *s, vaddr_t va)
{
    host_tlb_flush(s, va & PAGE_MASK, (va & PAGE_MASK) + PAGE_SIZE);
}

void mmu_flush_range(struct hal_space *s, vaddr_t start, vaddr_t end)
{
    host_tlb_flush(s, start, end);
}

void mmu_flush_space(struct hal_space *s)
{
    host_tlb_flush(s, 0, UINTPTR_MAX);
}

void mmu_sync_icache(const void *va, size_t n)
{
    (void)va, (void)n;
}

void page_zero(void *page)
{
    memset(page, 0, PAGE_SIZE);
}

void page_copy(void *dst, const void *src)
{
    memcpy(dst, src, PAGE_SIZE);
}

err_t mmu_kernel_init(const struct boot_record *rec)
{
    (void)rec; /* the direct map is there from the first instruction on */
    return 0;
}
