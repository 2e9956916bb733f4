// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: waiting for work without HLT: with MONITOR and MWAIT (SDM vol. 2, MWAIT), or in a loop.
 *
 * Model: both see a store to the idle context's pending bits, so that who wants the CPU rescheduled
 * need not interrupt it.  `watching` tells so:
 *
 *     waker                                 idle CPU
 *     pending |= RESCHED  (locked)          watching = true   (XCHG)
 *     watching?  yes: that is all           MONITOR pending
 *                no: IPI                    pending & RESCHED?  no: MWAIT
 *                                           watching = false  (XCHG)
 *                                           pending & RESCHED?
 *
 * Each side has a full barrier between its store and its load, so one of them sees the other's.
 * Preemption is off meanwhile: what an interrupt wakes must not run with `watching` set.
 */
#include <hal/cpu.h>

#define POLLS 64 /* then the caller looks around */

enum x86_idle x86_idle; /* atomic; written by its driver, at last when all CPUs run */

static bool idle_wanted(const struct hal_context *self)
{
    return atomic_load_relaxed(&self->pending) & PENDING_RESCHED;
}

/* Who wants the CPU to look at something else than that bit must interrupt it. */
bool x86_idle_watches(const struct cpu *cpu)
{
    return atomic_load_relaxed(&cpu->arch.watching) &&
           idle_wanted((const struct hal_context *)cpu->idle); /* the context comes first */
}

static void idle_poll(const struct hal_context *self)
{
    hal_irq_enable();
    for (unsigned i = 0; i < POLLS && !idle_wanted(self); i++)
        hal_relax();
}

/* C1 by hint 0; an interrupt ends it as it ends HLT. */
static void idle_mwait(const struct hal_context *self)
{
    __asm__ volatile("monitor" : : "a"(&self->pending), "c"(0), "d"(0) : "memory");
    if (!idle_wanted(self))
        __asm__ volatile("sti; mwait" : : "a"(0), "c"(0) : "memory");
    hal_irq_enable();
}

void x86_idle_touch(struct cpu *cpu)
{
    struct hal_context *idle = (struct hal_context *)cpu->idle;

    __asm__ volatile("lock orl $0, %0" : "+m"(idle->pending) : : "memory");
}

void x86_idle_watch(void)
{
    struct cpu *cpu = cpu_current();
    struct hal_context *self = cpu->current;

    preempt_disable();
    (void)atomic_xchg(&cpu->arch.watching, X86_WATCHING);
    if (x86_idle == X86_IDLE_POLL)
        idle_poll(self);
    else
        idle_mwait(self);
    (void)atomic_xchg(&cpu->arch.watching, X86_NOT_WATCHING);
    preempt_enable_no_resched();
}
