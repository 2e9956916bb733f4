// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: taking translations out of all CPUs' TLBs (Arm ARM D5.10), and instruction caches.
 *
 * Model: the hardware broadcasts (inner shareable), so no CPU has to be interrupted: when the last DSB
 * is done, no CPU has the translation any more, nor an access under way that uses it.  User entries
 * are tagged by ASID; a space that never ran has none.  Above FLUSH_PAGES_MAX pages one operation
 * on the whole ASID is cheaper than many.
 * The caller itself sees the effect on user addresses when it returns to user mode.
 * Invariant: a space's ASID is read behind the first DSB (mm/asid.c says why).
 */
#include <arch/mm.h>
#include <hal/cpu.h>

#define FLUSH_PAGES_MAX 32

#define tlbi(op, value) __asm__ volatile("tlbi " #op ", %0" ::"r"((uint64_t)(value)) : "memory")

static bool va_is_kernel(vaddr_t va)
{
    return (int64_t)va < 0;
}

/* As an operand; 0: it never ran. */
static uint64_t asid_operand(const struct hal_space *s)
{
    return atomic_load_relaxed(&s->asid) << TTBR_ASID_SHIFT & asid_operand_mask;
}

static uint64_t va_operand(vaddr_t va)
{
    return (va >> PAGE_SHIFT) & TLBI_VA_MASK;
}

void mmu_flush_page(struct hal_space *s, vaddr_t va)
{
    uint64_t asid;

    dsb(ishst);
    if (va_is_kernel(va)) {
        tlbi(vaae1is, va_operand(va));
        dsb(ish);
        isb();
        return;
    }
    asid = asid_operand(s);
    if (asid == 0)
        return;
    tlbi(vae1is, va_operand(va) | asid);
    dsb(ish);
}

static void flush_all_kernel(void)
{
    dsb(ishst);
    __asm__ volatile("tlbi vmalle1is" ::: "memory");
    dsb(ish);
    isb();
}

static void flush_kernel_pages(vaddr_t va, size_t pages)
{
    dsb(ishst);
    for (; pages != 0; pages--, va += PAGE_SIZE)
        tlbi(vaae1is, va_operand(va));
    dsb(ish);
    isb();
}

static void flush_user_pages(const struct hal_space *s, vaddr_t va, size_t pages)
{
    uint64_t asid;

    dsb(ishst);
    asid = asid_operand(s);
    if (asid == 0)
        return;
    for (; pages != 0; pages--, va += PAGE_SIZE)
        tlbi(vae1is, va_operand(va) | asid);
    dsb(ish);
}

void mmu_flush_range(struct hal_space *s, vaddr_t start, vaddr_t end)
{
    bool kernel = va_is_kernel(start);
    vaddr_t first = start & PAGE_MASK;
    size_t pages = PAGES(end - first);

    if (pages > FLUSH_PAGES_MAX)
        mmu_flush_space(kernel ? &kernel_space : s);
    else if (kernel)
        flush_kernel_pages(first, pages);
    else
        flush_user_pages(s, first, pages);
}

void mmu_flush_space(struct hal_space *s)
{
    uint64_t asid;

    if (s == &kernel_space) {
        flush_all_kernel();
        return;
    }
    dsb(ishst);
    asid = asid_operand(s);
    if (asid == 0)
        return;
    tlbi(aside1is, asid);
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
