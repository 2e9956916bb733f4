// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: delivering: what a task does with its signals on the way to user mode.
 *
 * Model: signal_deliver() takes one signal after another until one has a handler (its frame is built,
 * and user mode runs it) or none is left (an interrupted call is restarted).  Stopping is a count:
 * whoever takes a stop signal marks all tasks of the process; each stops here, the last one tells the
 * parent.
 * Restart: the handler's presence decides between EINTR and the same call again (signal(7)); once
 * decided, regs_nr is -1 so that a second signal does not decide again.
 */
#include <proc/signal.h>

#include <hal/abi.h>
#include <lib/string.h>
#include <proc/job.h>
#include <proc/process.h>
#include <proc/rseq.h>

#include <asm/unistd.h>

/* ---- restart ------------------------------------------------------------------------------- */

static void restart_with_handler(struct hal_regs *r, const struct signal_action *a)
{
    if (regs_nr(r) < 0)
        return;
    switch (regs_return(r)) {
    case -ERESTARTSYS:
        if (!(a->flags & SA_RESTART)) {
            regs_set_return(r, -EINTR);
            break;
        }
        /* fall through */
    case -ERESTARTNOINTR:
        regs_restart(r);
        break;
    case -ERESTARTNOHAND:
    case -ERESTART_RESTARTBLOCK:
        regs_set_return(r, -EINTR);
        break;
    default:
        break;
    }
    regs_set_nr(r, -1);
}

static void restart_without_handler(struct hal_regs *r)
{
    if (regs_nr(r) < 0)
        return;
    switch (regs_return(r)) {
    case -ERESTART_RESTARTBLOCK:
        regs_set_nr(r, __NR_restart_syscall);
        /* fall through */
    case -ERESTARTSYS:
    case -ERESTARTNOINTR:
    case -ERESTARTNOHAND:
        regs_restart(r);
        break;
    default:
        break;
    }
    regs_set_nr(r, -1);
}

/* ---- handlers ------------------------------------------------------------------------------ */

static bool on_altstack(const stack_t *s, vaddr_t sp)
{
    vaddr_t base = (vaddr_t)s->ss_sp;

    if (s->ss_flags & SS_AUTODISARM)
        return false;
    return s->ss_size != 0 && sp > base && sp - base <= s->ss_size;
}

/* Where the frame goes: below sp, or the alternate stack's top. */
static void choose_stack(const struct task *t, const struct signal_action *a, vaddr_t sp,
                         struct abi_signal_frame *f)
{
    const stack_t *s = &t->altstack;
    bool nested = on_altstack(s, sp);
    bool entering = !nested && (a->flags & SA_ONSTACK) && !(s->ss_flags & SS_DISABLE) &&
                    s->ss_size != 0;

    f->stack = entering ? (vaddr_t)s->ss_sp + s->ss_size : sp;
    f->stack_floor = nested || entering ? (vaddr_t)s->ss_sp : 0;
}

static void call_handler(struct hal_regs *r, int sig, const siginfo_t *info,
                         const struct signal_action *a)
{
    struct task *t = task_current();
    size_t vdso_size, trampoline;
    struct abi_signal_frame f = {
        .sig = sig,
        .info = info,
        .handler = a->handler,
        .restorer = a->flags & SA_RESTORER ? a->restorer : 0,
        .flags = a->flags,
        .mask = t->restore_mask ? t->saved_mask : t->blocked,
        .altstack = t->altstack,
    };

    restart_with_handler(r, a);
    abi_vdso(&vdso_size, &trampoline);
    if (trampoline && t->thread.space->vdso)
        f.trampoline = t->thread.space->vdso + trampoline;
    choose_stack(t, a, regs_sp(r), &f);
    if (abi_signal_setup(r, &f)) {
        if (sig == SIGSEGV)
            process_exit_group(SIGSEGV);
        signal_force(SIGSEGV, SI_KERNEL, 0);
        return;
    }
    if (t->altstack.ss_flags & SS_AUTODISARM)
        t->altstack = (stack_t){ .ss_flags = SS_DISABLE };
    t->restore_mask = false;
    signal_set_mask(t->blocked | a->mask | (a->flags & SA_NODEFER ? 0 : SIG_BIT(sig)));
}

/* ---- stops --------------------------------------------------------------------------------- */

/* Marks all tasks to stop. signal_lock held. */
static void stop_begin(struct process *p, int sig)
{
    struct task *t;

    if (p->exiting || !p->stop_dequeued)
        return;
    p->stop_dequeued = false;
    if (p->stop_state != STOP_STOPPED)
        p->stop_signal = sig;
    p->stopping = 0;
    list_for_each(t, &p->tasks, process_link) {
        if (t->ended || t->thread.state == THREAD_STOPPED)
            continue;
        t->stop_pending = true;
        p->stopping++;
        signal_wake_task(t, false);
    }
}

/* One task less to stop. signal_lock held. Return: was it the last? */
static bool stop_arrive(struct process *p)
{
    if (p->stopping == 0 || --p->stopping != 0 || p->stop_state == STOP_STOPPED)
        return false;
    p->stop_state = STOP_STOPPED;
    p->stop_reported = false;
    return true;
}

bool signal_stop_leave(struct task *t)
{
    if (!t->stop_pending)
        return false;
    t->stop_pending = false;
    return stop_arrive(t->process) && t->process->task_count > 1;
}

/* Takes part in a stop; returns after SIGCONT or SIGKILL.  Called with signal_lock, releases it. */
static void stop_here(struct task *t, unsigned long flags)
{
    struct process *p = t->process;
    bool last;

    t->stop_pending = false;
    last = stop_arrive(p);
    atomic_store_relaxed(&t->thread.state, THREAD_STOPPED);
    spin_unlock_irqrestore(&p->signal_lock, flags);
    if (last)
        signal_notify_job(p, CLD_STOPPED, p->stop_signal);
    schedule();
}

/* The terminal's stop signals do nothing to a group that nobody could wake. */
static void stop_signal(struct process *p, int sig)
{
    unsigned long flags;

    if (sig != SIGSTOP && group_is_orphaned())
        return;
    flags = spin_lock_irqsave(&p->signal_lock);
    stop_begin(p, sig);
    spin_unlock_irqrestore(&p->signal_lock, flags);
}

/* ---- delivery ------------------------------------------------------------------------------ */

static void default_action(struct process *p, int sig)
{
    if ((SIGNALS_QUIET & SIG_BIT(sig)) || p->unkillable)
        return;
    if (SIGNALS_STOP & SIG_BIT(sig))
        stop_signal(p, sig);
    else
        process_exit_group(sig);
}

/* Ends, stops, tells the parent.  With signal_lock; true when it was released, to look again. */
static bool deliver_job(struct task *t, unsigned long flags)
{
    struct process *p = t->process;

    if (unlikely(t->killed)) {
        int status = p->exiting ? p->exit_status : 0;

        spin_unlock_irqrestore(&p->signal_lock, flags);
        task_exit(status);
    }
    if (unlikely(t->stop_pending)) {
        stop_here(t, flags);
        return true;
    }
    if (unlikely(p->notify_continued)) {
        p->notify_continued = false;
        spin_unlock_irqrestore(&p->signal_lock, flags);
        signal_notify_job(p, CLD_CONTINUED, SIGCONT);
        return true;
    }
    return false;
}

/* The next signal that has an effect: its number and action; 0: none is left. */
static int deliver_next(struct task *t, siginfo_t *info, struct signal_action *action)
{
    struct process *p = t->process;

    for (;;) {
        unsigned long flags = spin_lock_irqsave(&p->signal_lock);
        struct signal_action *a;
        int sig;

        if (deliver_job(t, flags))
            continue;
        sig = signal_dequeue_locked(t, ~t->blocked, info);
        if (sig == 0) {
            spin_unlock_irqrestore(&p->signal_lock, flags);
            return 0;
        }
        a = &p->sighand->action[sig - 1];
        sighand_lock(p->sighand);
        *action = *a;
        if (a->handler > SIGNAL_IGNORE && (a->flags & SA_RESETHAND))
            a->handler = SIGNAL_DEFAULT;
        sighand_unlock(p->sighand);
        if (action->handler > SIGNAL_IGNORE)
            signal_recheck(t);
        if (SIGNALS_STOP & SIG_BIT(sig))
            p->stop_dequeued = true;
        spin_unlock_irqrestore(&p->signal_lock, flags);
        if (action->handler > SIGNAL_IGNORE)
            return sig;
        if (action->handler == SIGNAL_DEFAULT)
            default_action(p, sig);
    }
}

void signal_deliver(struct hal_regs *r)
{
    struct task *t = task_current();
    struct signal_action action;
    siginfo_t info;
    uint32_t pending;
    int sig;

    pending = atomic_fetch_and(&t->thread.ctx.pending, ~(uint32_t)(PENDING_SIGNAL | PENDING_WORK));
    if (t->rseq)
        rseq_resume(t, r);
    if (likely(!(pending & PENDING_SIGNAL)) && !t->restore_mask)
        return; /* it has just come back from a switch */
    sig = deliver_next(t, &info, &action);
    if (sig) {
        call_handler(r, sig, &info, &action);
        return;
    }
    restart_without_handler(r);
    if (t->restore_mask) {
        t->restore_mask = false;
        signal_set_mask(t->saved_mask);
    }
}
