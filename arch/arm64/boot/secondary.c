// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: further CPUs from boot/head.S to kmain_secondary (<hal/smp.h> has the whole way).
 *
 * Model: each attempt gets a record of its own, never used again: a CPU that comes after it was given
 * up must still find that out.  The record's address is what a starter passes on in x0.
 * Locking: the boot thread; a record's `state` decides between arrival and withdrawal.
 * Invariant: what the new CPU reads before its caches are on was cleaned to memory.
 */
#include <arch/mm.h>
#include <arch/start.h>
#include <arch/features.h>
#include <hal/boot.h>
#include <hal/cpu.h>
#include <hal/smp.h>
#include <hal/upcall.h>

enum { START_PREPARED, START_ARRIVED, START_WITHDRAWN };

#define AREA_BYTES (PAGE_SIZE + KERNEL_STACK_SIZE) /* the context, then its stack */

struct cpu_start cpu_starts[CPU_MAX]; /* boot/head.S, too */
static unsigned starts_used;
extern volatile struct cpu_pen cpu_pen;
extern char secondary_entry[];

__noreturn void arch_start_secondary(struct cpu_start *s);

void cache_clean_to_memory(const volatile void *p, size_t n)
{
    size_t line = 4ul << ((sysreg_read(ctr_el0) >> 16) & 15);

    for (vaddr_t va = ALIGN_DOWN((vaddr_t)p, line); va < (vaddr_t)p + n; va += line)
        __asm__ volatile("dc civac, %0" ::"r"(va) : "memory");
    dsb(sy);
}

size_t hal_cpu_area_size(void)
{
    return AREA_BYTES;
}

err_t hal_cpu_prepare(struct cpu *cpu, void *area, paddr_t *entry, uint64_t *arg)
{
    struct hal_context *context = area;
    uintptr_t top = (uintptr_t)area + AREA_BYTES;
    struct cpu_start *s = &cpu_starts[starts_used];

    if (starts_used == CPU_MAX)
        return -ENOMEM;
    starts_used++;
    *context = (struct hal_context){ .stack_top = top, .cpu = cpu, .preempt_count = 1 };
    cpu->current = context;
    *s = (struct cpu_start){ .root = kernel_space.root, .tcr = sysreg_read(tcr_el1),
                             .stack_top = top, .context = context, .state = START_PREPARED };
    cache_clean_to_memory(s, sizeof *s);
    *entry = image_to_phys(secondary_entry);
    *arg = image_to_phys(s);
    return 0;
}

static struct cpu_start *start_of(const struct cpu *cpu)
{
    for (unsigned i = starts_used; i-- > 0;)
        if (cpu_starts[i].context->cpu == cpu)
            return &cpu_starts[i];
    return NULL;
}

bool hal_cpu_withdraw(struct cpu *cpu)
{
    struct cpu_start *s = start_of(cpu);
    uint32_t state = START_PREPARED;

    return s == NULL || atomic_cas(&s->state, &state, START_WITHDRAWN);
}

void hal_cpus_prepared(void)
{
}

void cpu_pen_call(uint64_t affinity, uint64_t arg)
{
    cpu_pen.start = arg;
    cache_clean_to_memory(&cpu_pen, sizeof cpu_pen);
    cpu_pen.affinity = affinity;
    cache_clean_to_memory(&cpu_pen, sizeof cpu_pen);
    __asm__ volatile("sev" ::: "memory");
}

static void identity_map_leave(void)
{
    sysreg_write(ttbr0_el1, image_to_phys(empty_root));
    isb();
    __asm__ volatile("tlbi vmalle1\n\tdsb nsh\n\tisb" ::: "memory");
}

void arch_start_secondary(struct cpu_start *s)
{
    struct cpu *cpu = hal_current()->cpu;
    uint32_t state = START_PREPARED;
    const char *unfit;

    identity_map_leave();
    if (!atomic_cas(&s->state, &state, START_ARRIVED))
        hal_halt();
    unfit = features_unfit(cpu);
    if (unfit != NULL)
        upcall_cpu_unfit(cpu, unfit);
    hal_cpu_init(cpu);
    kmain_secondary(cpu);
}
