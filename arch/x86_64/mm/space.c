// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: root tables: making them, loading them, taking them away.
 *
 * Model: every root shares the kernel half of boot_pml4, whose entries never change after boot,
 * and maps itself at RECURSIVE_SLOT.  cpu->space is the space whose root CR3 holds; a kernel thread
 * leaves it loaded, so that going back costs nothing.  Without PCIDs a load of CR3 forgets all but
 * global translations (SDM vol. 3, 4.10.4.1).  The bits of s->active are what mm/tlb.c goes by.
 * Locking: cpu->space: own CPU, interrupts off.
 */
#include <cpu/msr.h>
#include <hal/boot.h>
#include <hal/cpu.h>
#include <hal/upcall.h>
#include <mm/tables.h>

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

void space_drop_local(struct hal_space *s)
{
    struct cpu *cpu = cpu_current();

    if (cpu->space != s)
        return;
    cpu->space = NULL;
    cr3_write(kernel_space.root);
    active_clear(s, cpu);
}

static void drop_here(void *arg)
{
    space_drop_local(arg);
}

/* CPUs on which idle or kernel threads left the space loaded must let go of it first. */
void mmu_space_fini(struct hal_space *s)
{
    unsigned long flags = hal_irq_save();

    space_drop_local(s);
    if (unlikely(cpu_count > 1) && space_active(s))
        upcall_call_cpus(s->active, drop_here, s);
    hal_irq_restore(flags);
    table_source.free(s->root);
    s->root = PADDR_NONE;
}
