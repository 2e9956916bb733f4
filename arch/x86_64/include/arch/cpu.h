// SPDX-License-Identifier: CC0-1.0
/* Purpose: the processor's own controls (see <hal/cpu.h>). */
#pragma once

#include <lib/atomic.h>
#include <lib/types.h>
#include <arch/regs.h>

struct cpu;

static inline struct cpu *cpu_current(void)
{
    struct cpu *c;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(c));
    return c;
}

static inline unsigned long hal_irq_flags(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
    return flags;
}

static inline bool hal_irqs_enabled(void)
{
    return (hal_irq_flags() & RFLAGS_IF) != 0;
}

static inline void hal_irq_enable(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void hal_irq_disable(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline unsigned long hal_irq_save(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
    return flags;
}

static inline void hal_irq_restore(unsigned long flags)
{
    if (flags & RFLAGS_IF)
        hal_irq_enable();
}

static inline void hal_relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/* How an idle CPU waits; chosen at boot (cpu/idle.c). */
enum x86_idle { X86_IDLE_HALT, X86_IDLE_MWAIT, X86_IDLE_POLL };
extern enum x86_idle x86_idle;
void x86_idle_watch(void);
/* struct arch_cpu's watching.  ASKED: as WATCHING; the idle CPU takes the mark away when it wakes up. */
enum { X86_NOT_WATCHING, X86_WATCHING, X86_WATCHING_ASKED };
/* Stores to what the idle CPU watches, and changes nothing. */
void x86_idle_touch(struct cpu *cpu);
/* Does the CPU idle, and will see by itself that its idle context has PENDING_RESCHED? */
bool x86_idle_watches(const struct cpu *cpu);

/* STI takes effect after the next instruction (SDM vol. 2, STI), so no interrupt slips between. */
static inline void hal_idle(void)
{
    if (atomic_load_relaxed(&x86_idle) == X86_IDLE_HALT)
        __asm__ volatile("sti; hlt" : : : "memory");
    else
        x86_idle_watch();
}

static inline uint64_t hal_cycles(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

/* Of the time-stamp counter, written by its driver when it knows; 0 before. */
extern uint64_t x86_tsc_hz;
