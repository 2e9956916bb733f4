// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: interrupts: to their handlers, and to another thread on the way back into the kernel.
 *
 * Model: handlers run with preemption off, so a wake-up in one only notes PENDING_RESCHED; it is
 * acted on here when the interrupted kernel code may be preempted, or in upcall_user_return.
 */
#include <core/irq.h>
#include <core/smp.h>
#include <core/spinlock.h>
#include <hal/cpu.h>
#include <hal/upcall.h>
#include <sched/clock.h>
#include <sched/sched.h>
#include <sched/timer.h>

__hot void upcall_irq(struct hal_regs *r, unsigned irq)
{
    struct hal_context *c = hal_current();
    struct cpu *cpu = cpu_current();
    bool user = regs_user(r);
    unsigned base;

    if (cpu->irq_depth++ == 0)
        cpu->irq_user = user;
    c->preempt_count++;
    base = lockrank_irq_enter();
    irq_dispatch(irq);
    if (unlikely(clock_polled))
        timer_interrupt();
    lockrank_irq_exit(base);
    c->preempt_count--;
    cpu->irq_depth--;
    if (!user && c->preempt_count == 0 && (atomic_load_relaxed(&c->pending) & PENDING_RESCHED))
        sched_preempt_irq();
}

void upcall_call_cpus(const uint64_t *set, void (*fn)(void *arg), void *arg)
{
    smp_call((const struct cpu_set *)set, fn, arg);
}
