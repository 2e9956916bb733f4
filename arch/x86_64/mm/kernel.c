// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the final kernel half in place of what the boot code made.
 *
 * Model: a temporary root is filled through the (early) direct map and its top-level entries are
 * then put into boot_pml4, one store each; at every moment the running code stays mapped.  The
 * tables of struct frame and of vmap, made before, stay.
 * Direct map: RAM, firmware tables and modules of the record and the first MiB (BIOS data, VGA
 * text: the MTRRs keep devices there uncached), with the largest pages that fit.
 * Invariants: (1) nothing is writable and executable; (2) boot_pml4 does not change afterwards.
 */
#include <boot/start.h>
#include <cpu/feature.h>
#include <hal/boot.h>
#include <mm/tables.h>

#define LEGACY_END MiB
#define KERNEL_SLOT MMU_INDEX(KERNEL_BASE, 3)
#define DIRECT_SLOT MMU_INDEX(DIRECT_BASE, 3)
#define DIRECT_SLOTS ((DIRECT_END - DIRECT_BASE) >> MMU_LEVEL_SHIFT(3))

/* The largest level whose pages fit at pa with `left` bytes to map. */
static unsigned level_fit(paddr_t pa, uint64_t left)
{
    for (unsigned level = features.pages_1g ? 2 : 1; level > 0; level--)
        if (IS_ALIGNED(pa, MMU_LEVEL_SIZE(level)) && left >= MMU_LEVEL_SIZE(level))
            return level;
    return 0;
}

/* Pages of 4 KiB from e, number `index` of its table, on to the table's end at most; what is mapped already
 * stays.  Return: bytes. */
static uint64_t run_map(pte_t *e, unsigned index, paddr_t pa, uint64_t left, unsigned prot)
{
    uint64_t pages = MIN(left >> PAGE_SHIFT, (uint64_t)(MMU_ENTRIES - index));
    pte_t made = pte_make(pa, prot, 0);

    for (uint64_t i = 0; i < pages; i++)
        if (pte_empty(pte_load(&e[i])))
            pte_store(&e[i], made + (i << PAGE_SHIFT));
    return pages << PAGE_SHIFT;
}

/* Whole pages around [start, end); what is mapped already stays. */
static err_t direct_map(paddr_t root, paddr_t start, paddr_t end)
{
    const unsigned prot = MMU_READ | MMU_WRITE | MMU_GLOBAL;
    uint64_t done;

    end = MIN(ALIGN_UP(end, PAGE_SIZE), DIRECT_END - DIRECT_BASE);
    for (paddr_t pa = start & PAGE_MASK; pa < end; pa += done) {
        unsigned level = level_fit(pa, end - pa);
        pte_t *e;
        err_t err;

        do
            err = tables_walk_alloc(root, DIRECT_BASE + pa, level, &e);
        while (!err && pte_is_table(pte_load(e), level) && level-- > 0);
        done = MMU_LEVEL_SIZE(level);
        if (err == -EEXIST)
            continue;
        if (err)
            return err;
        if (level > 0 && pte_empty(pte_load(e)))
            pte_store(e, pte_make(pa, prot, level));
        else if (level == 0)
            done = run_map(e, MMU_INDEX(DIRECT_BASE + pa, 0), pa, end - pa, prot);
    }
    return 0;
}

static bool kind_mapped(enum mem_kind kind)
{
    return kind == MEM_USABLE || kind == MEM_ACPI || kind == MEM_NVS;
}

static err_t direct_map_all(paddr_t root, const struct boot_record *rec)
{
    err_t err = direct_map(root, 0, LEGACY_END);

    for (unsigned i = 0; !err && i < rec->range_count; i++) {
        const struct mem_range *r = &rec->ranges[i];

        if (kind_mapped(r->kind))
            err = direct_map(root, r->start, r->start + r->size);
    }
    for (unsigned i = 0; !err && i < rec->module_count; i++)
        err = direct_map(root, rec->modules[i].start, rec->modules[i].start + rec->modules[i].size);
    return err;
}

static err_t image_map(paddr_t root, const char *start, const char *end, unsigned prot)
{
    uint64_t done;

    for (const char *va = start; va < end; va += done) {
        uint64_t left = ALIGN_UP((uint64_t)(end - va), PAGE_SIZE);
        pte_t *e;
        err_t err = tables_walk_alloc(root, (vaddr_t)va, 0, &e);

        if (err)
            return err;
        done = run_map(e, MMU_INDEX((vaddr_t)va, 0), image_to_phys(va), left, prot | MMU_GLOBAL);
    }
    return 0;
}

static err_t image_map_all(paddr_t root)
{
    err_t err = image_map(root, __text_start, __text_end, MMU_READ | MMU_EXEC);

    if (!err)
        err = image_map(root, __rodata_start, __rodata_end, MMU_READ);
    if (!err)
        err = image_map(root, __data_start, __image_end, MMU_READ | MMU_WRITE);
    return err;
}

err_t mmu_kernel_init(const struct boot_record *rec)
{
    paddr_t root = table_source.alloc();
    const pte_t *made;
    err_t err;

    if (root == PADDR_NONE)
        return -ENOMEM;
    err = direct_map_all(root, rec);
    if (!err)
        err = image_map_all(root);
    if (err)
        return err; /* boot ends here: nobody counts the frames */
    made = phys_to_virt(root);
    for (unsigned i = 0; i < DIRECT_SLOTS; i++)
        if (made[DIRECT_SLOT + i])
            pte_store(&boot_pml4[DIRECT_SLOT + i], made[DIRECT_SLOT + i]);
    pte_store(&boot_pml4[KERNEL_SLOT], made[KERNEL_SLOT]);
    tlb_flush_all_local();
    table_source.free(root);
    tables_freeze();
    secondary_page_set(rec->low_page);
    return 0;
}
