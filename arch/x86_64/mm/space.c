// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: root tables: making them, loading them, and forgetting translations.
 *
 * Model: every root shares the kernel half of boot_pml4, whose entries never change after boot,
 * and maps itself at RECURSIVE_SLOT.  cpu->space is the space whose root CR3 holds; a kernel thread
 * leaves it loaded, so that going back costs nothing.  Without PCIDs a load of CR3 forgets all but
 * global translations (SDM vol. 3, 4.10.4.1).
 * Locking: cpu->space: own CPU, interrupts off.
 */
#include <cpu/msr.h>
#include <hal/boot.h>
#include <hal/cpu.h>
#include <mm/tables.h>

#define FLUSH_PAGES_MAX 32
#define CR4_PGE (1ul << 7)
#define KERNEL_SLOTS_MAX 72

struct hal_space kernel_space;
struct mmu_frame_source table_source;

static uint64_t image_offset; /* constant after tables_start */
static uint16_t kernel_slots[KERNEL_SLOTS_MAX]; /* constant after tables_freeze */
static unsigned kernel_slot_count;

void mmu_set_frame_source(const struct mmu_frame_source *source)
{
    table_source = *source;
}

paddr_t image_to_phys(const void *va)
{
    return (vaddr_t)va - KERNEL_BASE + image_offset;
}

void tables_start(uint64_t offset)
{
    image_offset = offset;
    kernel_space.root = image_to_phys(boot_pml4);
    boot_pml4[0] = 0; /* the boot code's identity map */
    tlb_flush_all_local();
}

void tables_freeze(void)
{
    kernel_slot_count = 0;
    for (unsigned i = MMU_ENTRIES / 2; i < RECURSIVE_SLOT; i++)
        if (boot_pml4[i] && kernel_slot_count < KERNEL_SLOTS_MAX)
            kernel_slots[kernel_slot_count++] = (uint16_t)i;
}

err_t mmu_space_init(struct hal_space *s)
{
    paddr_t pa = table_source.alloc();
    pte_t *root;

    if (pa == PADDR_NONE)
        return -ENOMEM;
    *s = (struct hal_space){ .root = pa };
    root = phys_to_virt(pa);
    for (unsigned i = 0; i < kernel_slot_count; i++)
        root[kernel_slots[i]] = boot_pml4[kernel_slots[i]];
    root[RECURSIVE_SLOT] = pte_make_table(pa, false);
    return 0;
}

static void active_set(struct hal_space *s, const struct cpu *cpu)
{
    atomic_fetch_or(&s->active[cpu->id / 64], BIT(cpu->id % 64));
}

static void active_clear(struct hal_space *s, const struct cpu *cpu)
{
    atomic_fetch_and(&s->active[cpu->id / 64], ~BIT(cpu->id % 64));
}

void mmu_space_switch(struct hal_space *s)
{
    struct cpu *cpu = cpu_current();
    struct hal_space *old = cpu->space;

    if (!s || s == old)
        return;
    active_set(s, cpu);
    cpu->space = s;
    cr3_write(s->root);
    if (old)
        active_clear(old, cpu);
}

/* A CPU on which a kernel thread left the space loaded must let go of it first. */
void mmu_space_fini(struct hal_space *s)
{
    unsigned long flags = hal_irq_save();
    struct cpu *cpu = cpu_current();

    if (cpu->space == s) {
        cpu->space = NULL;
        cr3_write(kernel_space.root);
    }
    hal_irq_restore(flags);
    table_source.free(s->root);
    s->root = PADDR_NONE;
}

void tlb_flush_local(void)
{
    cr3_write(cr3_read());
}

void tlb_flush_all_local(void)
{
    uint64_t cr4 = cr4_read();

    cr4_write(cr4 & ~CR4_PGE);
    cr4_write(cr4);
}

static void tlb_flush_page_local(vaddr_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

void mmu_flush_page(struct hal_space *s, vaddr_t va)
{
    if (space_loaded(s, va))
        tlb_flush_page_local(va);
}

void mmu_flush_range(struct hal_space *s, vaddr_t start, vaddr_t end)
{
    if (!space_loaded(s, start))
        return;
    if (PAGES(end - start) > FLUSH_PAGES_MAX) {
        if (start >= DIRECT_BASE)
            tlb_flush_all_local();
        else
            tlb_flush_local();
        return;
    }
    for (vaddr_t va = start & PAGE_MASK; va < end; va += PAGE_SIZE)
        tlb_flush_page_local(va);
}

void mmu_flush_space(struct hal_space *s)
{
    if (s == &kernel_space)
        tlb_flush_all_local();
    else if (space_loaded(s, 0))
        tlb_flush_local();
}

/* x86 keeps its instruction caches coherent (SDM vol. 3, 11.6). */
void mmu_sync_icache(const void *va, size_t n)
{
    (void)va;
    (void)n;
}
