// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: one page of device registers, mapped with tables of the image's own, before any frame can
 * be had.  mmu_kernel_init carries the top-level entry over.
 */
#include <arch/early.h>
#include <arch/mm.h>
#include <hal/boot.h>

#define EARLY_DEVICE_VA 0xfffff00000000000ul /* between vmap and image */

static pte_t tables[3][MMU_ENTRIES] __aligned(PAGE_SIZE); /* levels 2, 1, 0 */

volatile void *early_device_map(paddr_t pa)
{
    pte_t *table = phys_to_virt(kernel_space.root);

    for (unsigned level = 3; level > 0; level--) {
        pte_t *next = tables[3 - level];

        pte_store(&table[MMU_INDEX(EARLY_DEVICE_VA, level)],
                  image_to_phys(next) | PTE_VALID | PTE_TABLE);
        table = next;
    }
    pte_store(&table[MMU_INDEX(EARLY_DEVICE_VA, 0)],
              pte_make(ALIGN_DOWN(pa, PAGE_SIZE), MMU_READ | MMU_WRITE | MMU_DEVICE, 0));
    return (volatile void *)(EARLY_DEVICE_VA + pa % PAGE_SIZE);
}
