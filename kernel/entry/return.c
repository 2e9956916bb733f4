// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what is left to do before a thread goes back to user mode.
 *
 * Model: each bit of pending has one meaning; all are worked off until none is left.  The FPU comes
 * last, with interrupts off from the restore to user mode: a switch in between would set the bit again.
 *
 * Memory: whatever a system call allocates for the kernel itself, its small allocations do not fail, as on
 * Linux, while there is somebody to kill for them.  But they never wait where they are, below locks that
 * a victim may need: the call fails and undoes what it has done, and here, where nothing is held, it
 * waits for memory and begins again.  Errors change nothing: a call that returns -ENOMEM may be repeated.
 */
#include <hal/cpu.h>
#include <hal/upcall.h>
#include <lib/atomic.h>
#include <proc/signal.h>
#include <sched/sched.h>
#include <vm/space.h>

#define PENDING_SLOW (PENDING_RESCHED | PENDING_SIGNAL | PENDING_WORK | PENDING_MEMORY)

/* An allocation failed since the thread came from user mode: was it for the call's own result? */
static void memory_was_short(struct hal_regs *r)
{
    struct hal_context *c = hal_current();

    atomic_fetch_and(&c->pending, ~(uint32_t)PENDING_MEMORY);
    if (regs_nr(r) < 0 || regs_return(r) != -ENOMEM || !space_wait_for_memory(thread_current()->space))
        return;
    regs_set_return(r, -ERESTARTNOINTR);
    atomic_fetch_or(&c->pending, PENDING_SIGNAL);
}

static void work_with_irqs(struct hal_regs *r, uint32_t pending)
{
    hal_irq_enable();
    if (unlikely(pending & PENDING_MEMORY))
        memory_was_short(r);
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
        if (pending & PENDING_SLOW) {
            work_with_irqs(r, pending);
            continue;
        }
        atomic_fetch_and(&c->pending, ~PENDING_FPU);
        hal_fpu_restore();
    }
}
