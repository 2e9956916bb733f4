// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: taking translations out of all CPUs' TLBs (Arm ARM D5.10), and instruction caches.
 *
 * Model: the hardware broadcasts (inner shareable), so no CPU has to be interrupted.  User entries
 * are tagged by ASID; a space that never ran has none.  Above FLUSH_PAGES_MAX pages one operation
 * on the whole ASID is cheaper than many.
 */
#include <arch/mm.h>
#include <hal/cpu.h>

#define FLUSH_PAGES_MAX 32

#define tlbi(op, value) __asm__ volatile("tlbi " #op ", %0" ::"r"((uint64_t)(value)) : "memory")

static bool va_is_kernel(vaddr_t va)
{
    return (int64_t)va < 0;
}

static uint64_t asid_operand(const struct hal_space *s)
{
    return s->asid << TTBR_ASID_SHIFT; /* the generation falls out at the top */
}

static uint64_t va_operand(vaddr_t va)
{
    return (va >> PAGE_SHIFT) & TLBI_VA_MASK;
}

void mmu_flush_page(struct hal_space *s, vaddr_t va)
{
    dsb(ishst);
    if (va_is_kernel(va))
        tlbi(vaae1is, va_operand(va));
    else if (s->asid != 0)
        tlbi(vae1is, va_operand(va) | asid_operand(s));
    dsb(ish);
    if (va_is_kernel(va))
        isb();
}

static void flush_all_kernel(void)
{
    dsb(ishst);
    __asm__ volatile("tlbi vmalle1is" ::: "memory");
    dsb(ish);
    isb();
}

void mmu_flush_range(struct hal_space *s, vaddr_t start, vaddr_t end)
{
    bool kernel = va_is_kernel(start);
    size_t pages = PAGES(end - (start & PAGE_MASK));

    if (pages > FLUSH_PAGES_MAX) {
        if (kernel)
            flush_all_kernel();
        else
            mmu_flush_space(s);
        return;
    }
    if (!kernel && s->asid == 0)
        return;
    dsb(ishst);
    for (vaddr_t va = start & PAGE_MASK; pages != 0; pages--, va += PAGE_SIZE) {
        if (kernel)
            tlbi(vaae1is, va_operand(va));
        else
            tlbi(vae1is, va_operand(va) | asid_operand(s));
    }
    dsb(ish);
    if (kernel)
        isb();
}

void mmu_flush_space(struct hal_space *s)
{
    if (s == &kernel_space) {
        flush_all_kernel();
        return;
    }
    if (s->asid == 0)
        return;
    dsb(ishst);
    tlbi(aside1is, asid_operand(s));
    dsb(ish);
}

/* CTR_EL0.IDC: no clean needed; DIC: no invalidation needed (Arm ARM D13.2.33). */
#define CTR_IDC BIT(28)
#define CTR_DIC BIT(29)

static void data_cache_clean(vaddr_t va, vaddr_t end, size_t line)
{
    for (va = ALIGN_DOWN(va, line); va + 4 * line <= end; va += 4 * line)
        __asm__ volatile("dc cvau, %0\n\tdc cvau, %1\n\tdc cvau, %2\n\tdc cvau, %3" ::"r"(va),
                         "r"(va + line), "r"(va + 2 * line), "r"(va + 3 * line)
                         : "memory");
    for (; va < end; va += line)
        __asm__ volatile("dc cvau, %0" ::"r"(va) : "memory");
}

void mmu_sync_icache(const void *p, size_t n)
{
    uint64_t ctr = sysreg_read(ctr_el0);

    if (!(ctr & CTR_IDC))
        data_cache_clean((vaddr_t)p, (vaddr_t)p + n, 4ul << ((ctr >> 16) & 15));
    dsb(ish);
    /* All of it: `p` is another name than the program's, and caches may be indexed by address. */
    if (!(ctr & CTR_DIC))
        __asm__ volatile("ic ialluis" ::: "memory");
    dsb(ish);
    isb();
}
