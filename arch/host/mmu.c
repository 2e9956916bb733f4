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
    pte_t *e;

    *level = MMU_LEVELS - 1;
    if (!va_valid(va))
        return &nothing;
    e = table_of(s->root) + MMU_INDEX(va, *level);
    while (pte_is_table(pte_load(e), *level)) {
        --*level;
        e = table_of(pte_addr(pte_load(e))) + MMU_INDEX(va, *level);
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

/* Frees the tables in [start, end) below `table`; true when `table` itself is empty afterwards. */
static bool prune(struct hal_space *s, pte_t *table, unsigned level, vaddr_t base, vaddr_t start,
                  vaddr_t end)
{
    uint64_t size = MMU_LEVEL_SIZE(level);
    bool empty = true;

    for (unsigned i = 0; i < MMU_ENTRIES; i++) {
        vaddr_t va = base + i * size;
        pte_t e = pte_load(&table[i]);

        if (e == 0)
            continue;
        if (pte_is_table(e, level) && va < end && va + size > start) {
            bool child = prune(s, table_of(pte_addr(e)), level - 1, va, start, end);

            if (va >= start && va + size <= end) {
                if (!child)
                    os_fatal("mmu_prune: %#lx..%#lx is still mapped", va, va + size);
                pte_store(&table[i], 0);
                frames->free(pte_addr(e));
                s->table_pages--;
                continue;
            }
        }
        empty = false;
    }
    return empty;
}

void mmu_prune(struct hal_space *s, vaddr_t start, vaddr_t end)
{
    prune(s, table_of(s->root), MMU_LEVELS - 1, 0, start, end);
    host_tlb_flush_space(s->root);
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
    host_tlb_flush_space(s->root);
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
    host_cpu->space = s;
    if (s != NULL)
        __atomic_fetch_or(&s->active[host_cpu->id / 64], BIT(host_cpu->id % 64), __ATOMIC_RELAXED);
}

/* --- the kernel's mappings, in the process --- */

static void process_map(vaddr_t va, paddr_t pa, uint64_t bytes, unsigned prot)
{
    unsigned os = (prot & MMU_READ ? OS_READ : 0) | (prot & MMU_WRITE ? OS_WRITE : 0);

    if (host_is_ram(pa, bytes))
        os_ram_map(va, bytes, pa, os);
    else
        os_device_map(va, bytes, os);
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
    if (s == &kernel_space)
        os_unmap(va, MMU_LEVEL_SIZE(level));
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
    host_tlb_flush_page(s->root, va);
}

void mmu_flush_range(struct hal_space *s, vaddr_t start, vaddr_t end)
{
    if (end - start > 64 * PAGE_SIZE) {
        host_tlb_flush_space(s->root);
        return;
    }
    for (; start < end; start += PAGE_SIZE)
        host_tlb_flush_page(s->root, start);
}

void mmu_flush_space(struct hal_space *s)
{
    host_tlb_flush_space(s->root);
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
