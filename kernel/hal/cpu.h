// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the per-CPU record and the processor's own controls.
 *
 * <arch/cpu.h> provides as inlines:
 *     struct cpu *cpu_current(void)    the running CPU; preemption must be off to keep the answer
 *     bool     hal_irqs_enabled(void)
 *     void     hal_irq_enable(void), hal_irq_disable(void)
 *     unsigned long hal_irq_save(void)          disable, return the earlier state
 *     void     hal_irq_restore(unsigned long)
 *     void     hal_relax(void)         in a spin loop (host: a scheduling point)
 *     void     hal_idle(void)          wait for an interrupt; called with interrupts off, enables
 *                                      them atomically with the wait, returns with them on
 *     uint64_t hal_cycles(void)        free-running counter (TSC, CNTVCT_EL0)
 */
#pragma once

#include <lib/atomic.h>
#include <lib/types.h>
#include <hal/context.h>

#define CPU_MAX 256

struct thread;
struct hal_space;

#define CPU_CACHES_MAX 6

enum cache_type { CACHE_NONE, CACHE_DATA, CACHE_INSTRUCTION, CACHE_UNIFIED };

/* Where a CPU sits: ids of its package, die or cluster, core (x86: in the package), thread in that;
 * and its caches.
 * From CPUID leaves 4, 0xb, 0x1f (0x8000001d, 0x8000001e on AMD); cpu-map, PPTT, MPIDR, CCSIDR. */
struct cpu_topology {
    uint32_t package, die, core, thread;
    struct cpu_cache {
        enum cache_type type;
        uint8_t level;
        uint16_t line, ways;
        uint32_t sets, size; /* bytes */
        uint32_t sharing; /* CPUs with the same hw_id >> sharing have it in common; 32: all */
    } caches[CPU_CACHES_MAX];
};

extern const bool hal_die_is_cluster; /* what `die` tells is called a cluster here */

struct cpu {
    struct cpu *self;
    struct hal_context *current;
    uintptr_t arch_scratch[2]; /* for entry code */
    unsigned id; /* 0.. in order of discovery */
    unsigned node; /* NUMA node */
    uint64_t hw_id; /* APIC id, MPIDR */
    unsigned irq_depth; /* own CPU, interrupts off */
    bool irq_user; /* the present outermost interrupt came from user mode; set by entry/ */
    struct hal_space *space; /* loaded address space, NULL: kernel's alone; own CPU, irqs off */
    struct hal_context *fpu_owner; /* whose FPU state the registers hold; own CPU, irqs off */
    struct thread *idle; /* never on a run queue */

    /* Belong to the layers named; this one only keeps the pointers. */
    struct runqueue *rq; /* sched/ */
    struct timer_queue *timers; /* sched/ */
    struct frame_cache *frames; /* mm/ */
    struct heap_cache *heap; /* mm/ */

    struct arch_cpu arch; /* <arch/context.h>; entry code knows its place */
    struct cpu_topology topology; /* written by the CPU itself in hal_cpu_init, then constant */

    uint32_t *irq_counts; /* core/irq.c; written by this CPU, interrupts off */
    unsigned irq_unhandled; /* handlers of the present interrupt whose device was not meant; own CPU */
};

extern struct cpu *cpus[CPU_MAX]; /* filled at discovery, read-only afterwards */
extern unsigned cpu_count;

#include <arch/cpu.h>

/* Sets up the calling CPU's tables (GDT, TSS, IDT; vectors) and makes `cpu` the current one. */
void hal_cpu_init(struct cpu *cpu);
/* Stops this CPU for ever, interrupts off. */
__noreturn void hal_halt(void);
/* Text for /proc/cpuinfo, lines as Linux prints them, into buf; returns the length. */
size_t hal_cpuinfo(const struct cpu *cpu, char *buf, size_t size);

static inline void preempt_disable(void)
{
    hal_current()->preempt_count++;
    compiler_barrier();
}

/* Does not reschedule by itself: see <sched/sched.h> preempt_enable. */
static inline void preempt_enable_no_resched(void)
{
    compiler_barrier();
    hal_current()->preempt_count--;
}
