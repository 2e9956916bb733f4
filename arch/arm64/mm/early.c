// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: additions to the boot tables before any frame can be had: one page of device registers,
 * and all RAM once it is known.  Tables come from the image.
 * Context: boot CPU, boot tables; mmu_kernel_init carries the device's top-level entry over.
 */
#include <arch/early.h>
#include <arch/mm.h>
#include <hal/boot.h>

#define EARLY_DEVICE_VA 0xfffff00000000000ul /* between vmap and image */
#define EARLY_TABLES 7 /* three for the device, each other one serves 512 GiB of RAM */

static pte_t tables[EARLY_TABLES][MMU_ENTRIES] __aligned(PAGE_SIZE);
static unsigned tables_used; /* the boot CPU, before there are others */

/* The table below *e, a new one if need be; NULL when there is none left. */
static pte_t *table_below(pte_t *e)
{
    if (!pte_present(pte_load(e))) {
        if (tables_used == EARLY_TABLES)
            return NULL;
        pte_store(e, image_to_phys(tables[tables_used++]) | PTE_VALID | PTE_TABLE);
    }
    return phys_to_virt(pte_addr(pte_load(e)));
}

volatile void *early_device_map(paddr_t pa)
{
    pte_t *table = phys_to_virt(kernel_space.root);

    for (unsigned level = 3; level > 0; level--)
        table = table_below(&table[MMU_INDEX(EARLY_DEVICE_VA, level)]);
    pte_store(&table[MMU_INDEX(EARLY_DEVICE_VA, 0)],
              pte_make(ALIGN_DOWN(pa, PAGE_SIZE), MMU_READ | MMU_WRITE | MMU_DEVICE, 0));
    return (volatile void *)(EARLY_DEVICE_VA + pa % PAGE_SIZE);
}

bool early_ram_map(paddr_t start, uint64_t size)
{
    pte_t *root = phys_to_virt(kernel_space.root);
    paddr_t end = MIN(start + size, DIRECT_END - DIRECT_BASE);
    bool all = end == start + size;

    for (paddr_t pa = ALIGN_DOWN(start, GiB); pa < end; pa += GiB) {
        pte_t *table = table_below(&root[MMU_INDEX(DIRECT_BASE + pa, 3)]);
        pte_t *e = table != NULL ? &table[MMU_INDEX(DIRECT_BASE + pa, 2)] : NULL;

        all = all && e != NULL;
        if (e != NULL && !pte_present(pte_load(e)))
            pte_store(e, pte_make(pa, MMU_READ | MMU_WRITE | MMU_GLOBAL, 2));
    }
    return all;
}
