// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: POSIX timers: timer_create(2) and its family.
 *
 * Model: a timer belongs to a process and tells it by a signal.  A periodic one is armed again as it
 * fires, on its own grid, but at most every PERIOD_MIN_NS; periods that are skipped, and those that
 * end while its last signal is still pending, are counted, and the count goes into si_overrun when
 * that signal is taken.
 * Locking: process->signal_lock guards the list and the timers; the callback runs in the interrupt.
 * A deleted timer is `dead` under the lock first, so that a callback under way leaves it alone; then
 * timer_cancel() waits for that callback.
 */
#include <abi/syscalls_gen.h>
#include <abi/time.h>
#include <abi/time_convert.h>
#include <hal/usercopy.h>
#include <mm/heap.h>
#include <proc/process.h>
#include <sched/clock.h>
#include <svc/subsystem.h>

#include <asm/siginfo.h>
#include <linux/time.h>

#define PERIOD_MIN_NS (100 * NS_PER_USEC)

struct posix_timer {
    struct timer timer; /* signal_lock */
    struct list link; /* signal_lock */
    struct process *process; /* constant */
    int id, clock, notify, sig; /* constant */
    pid_t tid; /* SIGEV_THREAD_ID: whom; constant */
    sigval_t value; /* constant */
    ns_t deadline; /* NS_NEVER: not set; signal_lock */
    ns_t interval; /* 0: once; signal_lock */
    uint64_t overrun; /* since its signal was sent; signal_lock */
    int overrun_last; /* of the signal that was taken last; signal_lock */
    bool signalled; /* its signal is pending; signal_lock */
    bool dead; /* signal_lock */
};

/* Moves the deadline behind `now`.  Return: how many periods ended, at least 1. */
static uint64_t next_period(struct posix_timer *t, ns_t now)
{
    uint64_t ended = 1;
    ns_t earliest = t->interval < PERIOD_MIN_NS ? now + PERIOD_MIN_NS : now;

    if (earliest > t->deadline)
        ended = MAX((earliest - t->deadline) / t->interval, 1ull);
    t->deadline += ended * t->interval;
    return ended;
}

/* Sends the signal unless it is pending still.  Return: whether to send. signal_lock held. */
static bool expire_locked(struct posix_timer *t)
{
    uint64_t ended = 1;
    bool send = !t->signalled;

    if (t->interval) {
        ended = next_period(t, clock_monotonic());
        timer_set(&t->timer, t->deadline);
    } else {
        t->deadline = NS_NEVER;
    }
    t->overrun += ended - send;
    t->signalled = true;
    return send;
}

static void send(struct posix_timer *t)
{
    siginfo_t info = { .si_signo = t->sig, .si_code = SI_TIMER };
    struct task *task;

    info.si_tid = t->id;
    info.si_value = t->value;
    if (t->notify != SIGEV_THREAD_ID) {
        (void)signal_send_process(t->process, t->sig, &info);
        return;
    }
    task = task_get(t->tid);
    if (!task)
        return;
    if (task->process == t->process)
        (void)signal_send_task(task, t->sig, &info);
    thread_put(&task->thread);
}

/* An ignored signal is not pending, and the next period must try again. */
static bool is_pending(struct posix_timer *t)
{
    struct process *p = t->process;
    struct task *task;

    if (p->pending.set & SIG_BIT(t->sig))
        return true;
    list_for_each(task, &p->tasks, process_link)
        if (task->pending.set & SIG_BIT(t->sig))
            return true;
    return false;
}

static void fire(struct timer *timer)
{
    struct posix_timer *t = container_of(timer, struct posix_timer, timer);
    struct process *p = t->process;
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    bool due = !t->dead && t->deadline <= clock_monotonic() && expire_locked(t);

    spin_unlock_irqrestore(&p->signal_lock, flags);
    if (!due)
        return;
    send(t);
    flags = spin_lock_irqsave(&p->signal_lock);
    if (!is_pending(t)) {
        t->signalled = false;
        t->overrun = 0;
    }
    spin_unlock_irqrestore(&p->signal_lock, flags);
}

/* A signal is being taken off a queue; signal_lock held. */
static void signal_taken(struct process *p, siginfo_t *info)
{
    struct posix_timer *t;

    list_for_each(t, &p->posix_timers, link) {
        if (t->sig != info->si_signo || !t->signalled)
            continue;
        if (info->si_code == SI_TIMER && info->si_tid != t->id)
            continue;
        t->signalled = false;
        t->overrun_last = (int)MIN(t->overrun, (uint64_t)INT_MAX);
        t->overrun = 0;
        if (info->si_code == SI_TIMER)
            info->si_overrun = t->overrun_last;
    }
}

/* --- creation and end -------------------------------------------------------------------------- */

static struct posix_timer *find_locked(struct process *p, int id)
{
    struct posix_timer *t;

    list_for_each(t, &p->posix_timers, link)
        if (t->id == id)
            return t;
    return NULL;
}

/* A timer that is off the list and dead. */
static void destroy(struct posix_timer *t)
{
    timer_cancel(&t->timer);
    kfree(t);
}

/* exit and execve end all timers. */
static void delete_all(struct process *p)
{
    for (;;) {
        unsigned long flags = spin_lock_irqsave(&p->signal_lock);
        struct posix_timer *t = list_first_or_null(&p->posix_timers, struct posix_timer, link);

        if (t) {
            list_del(&t->link);
            t->dead = true;
        }
        spin_unlock_irqrestore(&p->signal_lock, flags);
        if (!t)
            return;
        destroy(t);
    }
}

static bool clock_has_timers(int clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
           clock == CLOCK_TAI;
}

static err_t event_check(const sigevent_t *e)
{
    struct task *task;
    bool mine;

    if (e->sigev_notify == SIGEV_NONE)
        return 0;
    if (e->sigev_notify != SIGEV_SIGNAL && e->sigev_notify != SIGEV_THREAD &&
        e->sigev_notify != SIGEV_THREAD_ID)
        return -EINVAL;
    if (e->sigev_signo < 1 || e->sigev_signo > SIG_COUNT)
        return -EINVAL;
    if (e->sigev_notify != SIGEV_THREAD_ID)
        return 0;
    task = task_get(e->sigev_notify_thread_id);
    if (!task)
        return -EINVAL;
    mine = task->process == process_current();
    thread_put(&task->thread);
    return mine ? 0 : -EINVAL;
}

static void add_locked(struct process *p, struct posix_timer *t)
{
    do {
        t->id = (int)(p->posix_timer_next++ & INT_MAX);
    } while (find_locked(p, t->id));
    list_add_tail(&p->posix_timers, &t->link);
}

long sys_timer_create(int clock, struct sigevent __user *event, int __user *id)
{
    sigevent_t e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
    struct process *p = process_current();
    struct posix_timer *t;
    unsigned long flags;
    int64_t ns;
    err_t err = abi_clock_read(clock, &ns);

    if (err)
        return err;
    if (!clock_has_timers(clock))
        return -EOPNOTSUPP;
    if (event && copy_from_user(&e, event, sizeof e))
        return -EFAULT;
    err = event_check(&e);
    if (err)
        return err;
    t = kzalloc(sizeof *t);
    if (!t)
        return -EAGAIN;
    timer_init(&t->timer, fire);
    t->process = p;
    t->clock = clock;
    t->notify = e.sigev_notify;
    t->sig = e.sigev_notify == SIGEV_NONE ? 0 : e.sigev_signo;
    t->tid = e.sigev_notify == SIGEV_THREAD_ID ? e.sigev_notify_thread_id : 0;
    t->deadline = NS_NEVER;
    flags = spin_lock_irqsave(&p->signal_lock);
    add_locked(p, t);
    t->value = e.sigev_value;
    if (!event)
        t->value.sival_int = t->id;
    spin_unlock_irqrestore(&p->signal_lock, flags);
    if (!copy_to_user(id, &t->id, sizeof t->id))
        return 0;
    flags = spin_lock_irqsave(&p->signal_lock);
    list_del(&t->link);
    t->dead = true;
    spin_unlock_irqrestore(&p->signal_lock, flags);
    destroy(t);
    return -EFAULT;
}

long sys_timer_delete(int id)
{
    struct process *p = process_current();
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    struct posix_timer *t = find_locked(p, id);

    if (t) {
        list_del(&t->link);
        t->dead = true;
    }
    spin_unlock_irqrestore(&p->signal_lock, flags);
    if (!t)
        return -EINVAL;
    destroy(t);
    return 0;
}

/* --- setting and reading ----------------------------------------------------------------------- */

/* signal_lock held.  A timer that sends no signal is not armed: its periods pass here. */
static struct __kernel_itimerspec read_locked(struct posix_timer *t)
{
    struct __kernel_itimerspec its = { .it_interval = timespec_from_ns((int64_t)t->interval) };
    ns_t now = clock_monotonic();

    if (t->deadline == NS_NEVER)
        return its;
    if (t->deadline <= now && t->notify == SIGEV_NONE) {
        if (t->interval == 0) {
            t->deadline = NS_NEVER;
            return its;
        }
        t->deadline += ((now - t->deadline) / t->interval + 1) * t->interval;
    }
    its.it_value = timespec_from_ns(t->deadline > now ? (int64_t)(t->deadline - now) : 1);
    return its;
}

static void set_locked(struct posix_timer *t, bool absolute, int64_t first, int64_t interval)
{
    bool real = t->clock == CLOCK_REALTIME || t->clock == CLOCK_TAI;

    t->overrun = 0;
    t->overrun_last = 0;
    t->interval = (ns_t)interval;
    if (first == 0)
        t->deadline = NS_NEVER;
    else if (!absolute)
        t->deadline = deadline_after(clock_monotonic(), first);
    else
        t->deadline = real ? clock_realtime_to_monotonic(first) : (ns_t)first;
    if (t->deadline != NS_NEVER && t->notify != SIGEV_NONE)
        timer_set(&t->timer, t->deadline);
}

long sys_timer_settime(int id, int flags, const struct __kernel_itimerspec __user *value,
                       struct __kernel_itimerspec __user *old)
{
    struct process *p = process_current();
    struct __kernel_itimerspec its;
    struct posix_timer *t;
    int64_t first, interval;
    unsigned long irq;

    if (!value)
        return -EINVAL;
    if (copy_from_user(&its, value, sizeof its))
        return -EFAULT;
    if (timespec_to_ns(&its.it_value, &first) || timespec_to_ns(&its.it_interval, &interval))
        return -EINVAL;
    irq = spin_lock_irqsave(&p->signal_lock);
    t = find_locked(p, id);
    if (t) {
        its = read_locked(t);
        set_locked(t, flags & TIMER_ABSTIME, first, interval);
    }
    spin_unlock_irqrestore(&p->signal_lock, irq);
    if (!t)
        return -EINVAL;
    return old && copy_to_user(old, &its, sizeof its) ? -EFAULT : 0;
}

long sys_timer_gettime(int id, struct __kernel_itimerspec __user *value)
{
    struct process *p = process_current();
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    struct posix_timer *t = find_locked(p, id);
    struct __kernel_itimerspec its = { 0 };

    if (t)
        its = read_locked(t);
    spin_unlock_irqrestore(&p->signal_lock, flags);
    return t ? copy_to_user(value, &its, sizeof its) : -EINVAL;
}

long sys_timer_getoverrun(int id)
{
    struct process *p = process_current();
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    struct posix_timer *t = find_locked(p, id);
    long overrun = t ? t->overrun_last : -EINVAL;

    spin_unlock_irqrestore(&p->signal_lock, flags);
    return overrun;
}

static err_t posix_timer_start(struct subsystem *self __maybe_unused)
{
    process_timers_hook = delete_all;
    signal_taken_hook = signal_taken;
    return 0;
}

static struct subsystem posix_timer_subsystem = { .name = "posix_timers",
                                                  .privilege = PRIV_KERNEL,
                                                  .early_init = posix_timer_start };
REGISTER_SUBSYSTEM(posix_timer_subsystem);
