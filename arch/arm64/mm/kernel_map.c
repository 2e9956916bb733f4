// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the kernel half: taking over the boot tables, and building the final ones.
 *
 * Model: the final root gets a new direct map (1G/2M/4K by alignment; the image's read-only part is
 * read-only there, too) and a new image map with rights by section; the rest (frame table, vmap),
 * which grew under the boot root, is carried over by its top-level entries.
 * Invariants: (1) nothing is writable and executable; (2) the boot stack has an unmapped page below.
 */
#include <arch/mm.h>
#include <hal/boot.h>
#include <hal/cpu.h>

extern pte_t early_root0[], early_root1[];
extern char boot_stack_guard[];

void mmu_early_init(void)
{
    kernel_space.root = image_to_phys(early_root1);
    sysreg_write(ttbr0_el1, image_to_phys(empty_root));
    isb();
    __asm__ volatile("tlbi vmalle1\n\tdsb nsh\n\tisb" ::: "memory");
}

/* Maps [va, va + size) with the largest pages that fit; what is mapped already stays as it is. */
static err_t range_map(struct hal_space *s, vaddr_t va, paddr_t pa, uint64_t size, unsigned prot)
{
    while (size != 0) {
        unsigned level = 2;
        err_t err;

        while (level > 0 &&
               (!IS_ALIGNED(va | pa, MMU_LEVEL_SIZE(level)) || size < MMU_LEVEL_SIZE(level)))
            level--;
        err = mmu_map(s, va, pa, level, prot);
        if (err == -EEXIST && level > 0) { /* smaller pages are there: fill around them */
            level = 0;
            err = mmu_map(s, va, pa, level, prot);
        }
        if (err != 0 && err != -EEXIST)
            return err;
        va += MMU_LEVEL_SIZE(level);
        pa += MMU_LEVEL_SIZE(level);
        size -= MMU_LEVEL_SIZE(level);
    }
    return 0;
}

static err_t direct_map(struct hal_space *s, paddr_t start, uint64_t size, unsigned prot)
{
    paddr_t end = MIN(start + size, DIRECT_END - DIRECT_BASE);

    start = ALIGN_DOWN(start, PAGE_SIZE);
    end = ALIGN_UP(end, PAGE_SIZE);
    if (start >= end)
        return 0;
    return range_map(s, DIRECT_BASE + start, start, end - start, prot);
}

/* One section of the image. */
static err_t image_map(struct hal_space *s, const char *start, const char *end, unsigned prot)
{
    return range_map(s, (vaddr_t)start, image_to_phys(start), (uint64_t)(end - start), prot);
}

static err_t image_map_all(struct hal_space *s)
{
    static const unsigned rw = MMU_READ | MMU_WRITE | MMU_GLOBAL;
    err_t err = image_map(s, __text_start, __text_end, MMU_READ | MMU_EXEC | MMU_GLOBAL);

    if (err == 0)
        err = image_map(s, __rodata_start, __rodata_end, MMU_READ | MMU_GLOBAL);
    if (err == 0)
        err = image_map(s, __data_start, boot_stack_guard, rw);
    if (err == 0)
        err = image_map(s, boot_stack_guard + PAGE_SIZE, __image_end, rw);
    return err;
}

/* What of the direct map memory of a kind gets; 0: it is none of ours.  ACPI's tables are read later. */
static unsigned kind_prot(enum mem_kind kind)
{
    switch (kind) {
    case MEM_USABLE: return MMU_READ | MMU_WRITE | MMU_GLOBAL;
    case MEM_ACPI:
    case MEM_NVS: return MMU_READ | MMU_GLOBAL;
    default: return 0;
    }
}

static err_t direct_map_all(struct hal_space *s, const struct boot_record *rec)
{
    static const unsigned rw = MMU_READ | MMU_WRITE | MMU_GLOBAL;
    err_t err = direct_map(s, image_phys, (uint64_t)(__rodata_end - __image_start),
                           MMU_READ | MMU_GLOBAL);

    for (unsigned i = 0; err == 0 && i < rec->range_count; i++)
        if (kind_prot(rec->ranges[i].kind) != 0)
            err = direct_map(s, rec->ranges[i].start, rec->ranges[i].size,
                             kind_prot(rec->ranges[i].kind));
    if (err == 0)
        err = direct_map(s, image_phys, (uint64_t)(__image_end - __image_start), rw);
    for (unsigned i = 0; err == 0 && i < rec->module_count; i++)
        err = direct_map(s, rec->modules[i].start, rec->modules[i].size, rw);
    if (err == 0 && rec->fdt != 0)
        err = direct_map(s, rec->fdt, rec->fdt_size, rw);
    return err;
}

/* Top-level entries that the final root takes from the boot root: neither direct map nor image. */
static void root_carry_over(pte_t *to, const pte_t *from)
{
    for (unsigned i = MMU_INDEX(FRAME_TABLE_BASE, 3); i < MMU_INDEX(KERNEL_BASE, 3); i++)
        to[i] = from[i];
}

err_t mmu_kernel_init(const struct boot_record *rec)
{
    struct hal_space boot = kernel_space, final;
    unsigned long flags;
    err_t err = mmu_space_init(&final);

    if (err != 0)
        return err;
    /* root_of() sends kernel addresses to kernel_space: build there, run on the boot tables. */
    kernel_space = final;
    err = image_map_all(&kernel_space);
    if (err == 0)
        err = direct_map_all(&kernel_space, rec);
    if (err != 0) {
        kernel_space = boot; /* the tables built so far are lost; the boot fails anyway */
        return err;
    }
    root_carry_over(phys_to_virt(final.root), phys_to_virt(boot.root));
    flags = hal_irq_save();
    ttbr1_replace(kernel_space.root, image_to_phys(early_root0));
    hal_irq_restore(flags);
    return 0;
}
