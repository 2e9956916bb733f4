// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what is left to do before a thread goes back to user mode.
 *
 * Model: each bit of pending has one meaning; all are worked off until none is left.  The FPU comes
 * last, with interrupts off from the restore to user mode: a switch in between would set the bit again.
 */
#include <hal/cpu.h>
#include <hal/upcall.h>
#include <lib/atomic.h>
#include <proc/signal.h>
#include <sched/sched.h>

static void work_with_irqs(struct hal_regs *r, uint32_t pending)
{
    hal_irq_enable();
    if (pending & PENDING_RESCHED)
        schedule();
    if (pending & (PENDING_SIGNAL | PENDING_WORK))
        signal_deliver(r);
    hal_irq_disable();
}

__hot void upcall_user_return(struct hal_regs *r)
{
    struct hal_context *c = hal_current();
    uint32_t pending;

    while ((pending = atomic_load_relaxed(&c->pending)) != 0) {
        if (pending & (PENDING_RESCHED | PENDING_SIGNAL | PENDING_WORK)) {
            work_with_irqs(r, pending);
            continue;
        }
        atomic_fetch_and(&c->pending, ~PENDING_FPU);
        hal_fpu_restore();
    }
}
