// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: POSIX timers: timer_create(2) and its family.
 *
 * Model: a timer belongs to a process and tells it by a signal.  Its times are those of its base:
 * the monotonic clock, the real-time clock (absolute times alone: they follow a clock that is set), or
 * a clock of CPU time.  A periodic one is armed again as it fires, on its own grid, but at most every
 * PERIOD_MIN_NS; periods that are skipped, and those that end while its last signal is still pending,
 * are counted, and the count goes into si_overrun when that signal is taken.
 *
 *     base        what makes fire() run                          armed under
 *     MONOTONIC   `timer` at `until`                             signal_lock
 *     REALTIME    `timer` at `until`; `kick` when the clock      signal_lock; followers_lock
 *                 is set
 *     CPU         `kick` from the alarm                          the alarm's lock
 *
 * Locking: process->signal_lock guards the list and the timers; the callbacks run in the interrupt.
 * A deleted timer is `dead` under the lock first, so that a callback under way leaves it alone; then
 * timer_cancel() waits for that callback.  followers_lock (LOCK_INODE) is taken after it.
 */
#include <abi/syscalls_gen.h>
#include <abi/time.h>
#include <abi/time_convert.h>
#include <hal/usercopy.h>
#include <mm/heap.h>
#include <proc/cpualarm.h>
#include <proc/process.h>
#include <sched/clock.h>
#include <svc/subsystem.h>

#include <asm/siginfo.h>
#include <linux/time.h>

#define PERIOD_MIN_NS (100 * NS_PER_USEC)

enum base { BASE_MONOTONIC, BASE_REALTIME, BASE_CPU };

struct posix_timer {
    struct timer timer; /* signal_lock */
    struct timer kick; /* followers_lock or the alarm's lock */
    struct list follower; /* followers_lock */
    struct cpu_clock cpu; /* of BASE_CPU; constant */
    struct cpu_alarm alarm;
    enum base base; /* signal_lock */
    struct list link; /* signal_lock */
    struct process *process; /* constant */
    struct signal_info *signal; /* constant; its content changes while it is not queued */
    int id, clock, notify, sig; /* constant */
    pid_t tid; /* SIGEV_THREAD_ID: whom; constant */
    ns_t until; /* on its base; NS_NEVER: not set; signal_lock */
    ns_t interval; /* 0: once; signal_lock */
    uint64_t overrun; /* since its signal was sent; signal_lock */
    int overrun_last; /* of the signal that was taken last; signal_lock */
    bool dead; /* signal_lock */
};

static struct spinlock followers_lock = SPINLOCK_INIT(LOCK_INODE);
static struct list followers = LIST_INIT(followers); /* of BASE_REALTIME; followers_lock */

/* What its clock is ahead of the real-time clock. */
static int64_t ahead(const struct posix_timer *t)
{
    return t->clock == CLOCK_TAI ? abi_tai_offset() : 0;
}

/* The time of its base; not under signal_lock for that of CPU time. */
static ns_t base_now(const struct posix_timer *t)
{
    switch (atomic_load_relaxed(&t->base)) {
    case BASE_REALTIME:
        return (ns_t)(clock_realtime() + ahead(t));
    case BASE_CPU:
        return cpu_clock_read(&t->cpu);
    default:
        return clock_monotonic();
    }
}

/* `now` is the base's time.  signal_lock held. */
static void arm_locked(struct posix_timer *t, ns_t now)
{
    if (t->until == NS_NEVER || t->notify == SIGEV_NONE)
        return;
    if (t->base == BASE_CPU)
        cpu_alarm_set(&t->alarm, t->until, now);
    else if (t->base == BASE_REALTIME)
        timer_set(&t->timer, clock_realtime_to_monotonic((int64_t)t->until - ahead(t)));
    else
        timer_set(&t->timer, t->until);
}

/* Moves the end behind `now`.  Return: how many periods ended, at least 1. */
static uint64_t next_period(struct posix_timer *t, ns_t now)
{
    uint64_t ended = 1;
    ns_t earliest = t->interval < PERIOD_MIN_NS ? now + PERIOD_MIN_NS : now;

    if (earliest >= t->until)
        ended = (earliest - t->until) / t->interval + 1;
    t->until += ended * t->interval;
    return ended;
}

/* Sends the signal unless it is pending still.  Return: whether to send. signal_lock held. */
static bool expire_locked(struct posix_timer *t, ns_t now)
{
    uint64_t ended = 1;
    bool send = !signal_is_queued(t->signal);

    if (t->interval) {
        ended = next_period(t, now);
        arm_locked(t, now);
    } else {
        t->until = NS_NEVER;
    }
    t->overrun += ended - send;
    return send;
}

static void send(struct posix_timer *t)
{
    struct task *task = NULL;

    if (t->notify == SIGEV_THREAD_ID) {
        task = task_get(t->tid);
        if (!task)
            return;
    }
    if (!task || task->process == t->process)
        (void)signal_send_prepared(t->process, task, t->signal);
    if (task)
        thread_put(&task->thread);
}

/* Context: interrupt. */
static void check(struct posix_timer *t)
{
    struct process *p = t->process;
    ns_t now = base_now(t);
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    bool due = !t->dead && t->until <= now && expire_locked(t, now);

    if (!t->dead && !due && t->until > now)
        arm_locked(t, now); /* it was set anew, or its clock was */
    spin_unlock_irqrestore(&p->signal_lock, flags);
    if (!due)
        return;
    send(t);
    flags = spin_lock_irqsave(&p->signal_lock);
    if (!signal_is_queued(t->signal)) /* ignored: the next period tries again */
        t->overrun = 0;
    spin_unlock_irqrestore(&p->signal_lock, flags);
}

static void fire(struct timer *timer)
{
    check(container_of(timer, struct posix_timer, timer));
}

static void kick_fire(struct timer *timer)
{
    check(container_of(timer, struct posix_timer, kick));
}

static void alarm_fire(struct cpu_alarm *a)
{
    timer_set(&container_of(a, struct posix_timer, alarm)->kick, clock_monotonic());
}

/* The real-time clock was set. */
static void kick_followers(void)
{
    unsigned long flags = spin_lock_irqsave(&followers_lock);
    struct posix_timer *t;

    list_for_each(t, &followers, follower)
        timer_set(&t->kick, clock_monotonic());
    spin_unlock_irqrestore(&followers_lock, flags);
}

static void set_follows(struct posix_timer *t, bool follows)
{
    unsigned long flags = spin_lock_irqsave(&followers_lock);

    if (follows && !list_linked(&t->follower))
        list_add_tail(&followers, &t->follower);
    else if (!follows && list_linked(&t->follower))
        list_del(&t->follower);
    spin_unlock_irqrestore(&followers_lock, flags);
}

static struct posix_timer *find_locked(struct process *p, int id)
{
    struct posix_timer *t;

    list_for_each(t, &p->posix_timers, link)
        if (t->id == id)
            return t;
    return NULL;
}

/* A signal is being taken off a queue; signal_lock held. */
static void signal_taken(struct process *p, siginfo_t *info)
{
    struct posix_timer *t = info->si_code == SI_TIMER ? find_locked(p, info->si_tid) : NULL;

    if (!t || signal_is_queued(t->signal))
        return;
    t->overrun_last = (int)MIN(t->overrun, (uint64_t)INT_MAX);
    t->overrun = 0;
    info->si_overrun = t->overrun_last;
}

/* --- creation and end -------------------------------------------------------------------------- */

/* A timer that is off the list and dead. */
static void destroy(struct posix_timer *t)
{
    timer_cancel(&t->timer);
    set_follows(t, false);
    if (t->cpu.process) {
        cpu_alarm_cancel(&t->alarm);
        timer_cancel(&t->kick);
        cpu_clock_put(&t->cpu);
    } else {
        timer_cancel(&t->kick);
    }
    if (t->signal)
        signal_prepared_put(t->process, t->signal);
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

static bool is_cpu_clock(int clock)
{
    return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID;
}

static bool clock_has_timers(int clock)
{
    return is_cpu_clock(clock) || clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
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

static struct posix_timer *create(int clock, const sigevent_t *e)
{
    struct posix_timer *t = kzalloc(sizeof *t);

    if (!t)
        return NULL;
    timer_init(&t->timer, fire);
    timer_init(&t->kick, kick_fire);
    list_init(&t->follower);
    t->process = process_current();
    t->clock = clock;
    t->notify = e->sigev_notify;
    t->sig = e->sigev_notify == SIGEV_NONE ? 0 : e->sigev_signo;
    t->tid = e->sigev_notify == SIGEV_THREAD_ID ? e->sigev_notify_thread_id : 0;
    t->until = NS_NEVER;
    return t;
}

/* The parts of a new timer that may fail. */
static err_t prepare(struct posix_timer *t)
{
    err_t err;

    if (is_cpu_clock(t->clock)) {
        err = cpu_clock_get(t->clock, &t->cpu);
        if (err)
            return err;
        t->base = BASE_CPU;
        cpu_alarm_init(&t->alarm, &t->cpu, alarm_fire);
    }
    t->signal = signal_prepare();
    return t->signal ? 0 : -EAGAIN;
}

static struct subsystem posix_timer_subsystem;

long sys_timer_create(int clock, struct sigevent __user *event, int __user *id)
{
    sigevent_t e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
    struct process *p = process_current();
    struct posix_timer *t;
    unsigned long flags;
    int64_t ns;
    int number;
    err_t err = subsystem_is_up(&posix_timer_subsystem) ? abi_clock_read(clock, &ns) : -ENODEV;

    if (err)
        return err;
    if (!clock_has_timers(clock))
        return -EOPNOTSUPP;
    if (event && copy_from_user(&e, event, sizeof e))
        return -EFAULT;
    err = event_check(&e);
    if (err)
        return err;
    t = create(clock, &e);
    if (!t)
        return -EAGAIN;
    err = prepare(t);
    if (err) {
        destroy(t);
        return err;
    }
    flags = spin_lock_irqsave(&p->signal_lock);
    add_locked(p, t);
    if (!event)
        e.sigev_value.sival_int = t->id;
    t->signal->info = (siginfo_t){ .si_signo = t->sig, .si_code = SI_TIMER };
    t->signal->info.si_tid = t->id;
    t->signal->info.si_value = e.sigev_value;
    number = t->id;
    spin_unlock_irqrestore(&p->signal_lock, flags);
    /* From here on another thread that guesses the number may delete it. */
    if (!copy_to_user(id, &number, sizeof number))
        return 0;
    (void)sys_timer_delete(number);
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

/* The timer `id` with signal_lock held and the time of its base in *now; NULL, and no lock: none.  A
 * clock of CPU time is read without the lock, and belongs to the timer for ever. */
static struct posix_timer *find_lock(struct process *p, int id, ns_t *now, unsigned long *flags)
{
    struct cpu_clock c = { 0 };
    struct posix_timer *t;

    *flags = spin_lock_irqsave(&p->signal_lock);
    t = find_locked(p, id);
    if (t && t->base != BASE_CPU)
        *now = base_now(t);
    if (t && t->base == BASE_CPU) {
        c = t->cpu;
        process_ref(c.process);
        if (c.task)
            thread_get(&c.task->thread);
        spin_unlock_irqrestore(&p->signal_lock, *flags);
        *now = cpu_clock_read(&c);
        cpu_clock_put(&c);
        *flags = spin_lock_irqsave(&p->signal_lock);
        t = find_locked(p, id); /* a thread may have deleted it */
    }
    if (!t)
        spin_unlock_irqrestore(&p->signal_lock, *flags);
    return t;
}

/* signal_lock held.  A timer that sends no signal is not armed: its periods pass here. */
static struct __kernel_itimerspec read_locked(struct posix_timer *t, ns_t now)
{
    struct __kernel_itimerspec its = { .it_interval = timespec_from_ns((int64_t)t->interval) };

    if (t->until == NS_NEVER || (t->base == BASE_CPU && cpu_clock_ended(&t->cpu)))
        return its;
    if (t->until <= now && t->notify == SIGEV_NONE) {
        if (t->interval == 0) {
            t->until = NS_NEVER;
            return its;
        }
        t->until += ((now - t->until) / t->interval + 1) * t->interval;
    }
    its.it_value = timespec_from_ns(t->until > now ? (int64_t)(t->until - now) : 1);
    return its;
}

/* A relative time on the real-time clock does not care what is done to it. */
static enum base base_for(const struct posix_timer *t, bool absolute)
{
    if (t->base == BASE_CPU)
        return BASE_CPU;
    return absolute && (t->clock == CLOCK_REALTIME || t->clock == CLOCK_TAI) ? BASE_REALTIME
                                                                             : BASE_MONOTONIC;
}

static void set_locked(struct posix_timer *t, bool absolute, int64_t first, int64_t interval,
                       ns_t now)
{
    enum base base = base_for(t, absolute);

    if (base != BASE_CPU)
        set_follows(t, base == BASE_REALTIME && first != 0);
    else
        cpu_alarm_cancel(&t->alarm);
    atomic_store_relaxed(&t->base, base);
    if (base == BASE_MONOTONIC)
        now = clock_monotonic();
    t->overrun = 0;
    t->overrun_last = 0;
    t->interval = (ns_t)interval;
    if (first == 0)
        t->until = NS_NEVER;
    else
        t->until = absolute ? (ns_t)first : deadline_after(now, first);
    arm_locked(t, now);
}

long sys_timer_settime(int id, int flags, const struct __kernel_itimerspec __user *value,
                       struct __kernel_itimerspec __user *old)
{
    struct process *p = process_current();
    struct __kernel_itimerspec its;
    struct posix_timer *t;
    int64_t first, interval;
    unsigned long irq;
    bool gone;
    ns_t now;

    if (!value)
        return -EINVAL;
    if (copy_from_user(&its, value, sizeof its))
        return -EFAULT;
    if (timespec_to_ns(&its.it_value, &first) || timespec_to_ns(&its.it_interval, &interval))
        return -EINVAL;
    t = find_lock(p, id, &now, &irq);
    if (!t)
        return -EINVAL;
    gone = t->base == BASE_CPU && cpu_clock_ended(&t->cpu);
    if (!gone) {
        its = read_locked(t, now);
        set_locked(t, flags & TIMER_ABSTIME, first, interval, now);
    }
    spin_unlock_irqrestore(&p->signal_lock, irq);
    if (gone)
        return -ESRCH;
    return old && copy_to_user(old, &its, sizeof its) ? -EFAULT : 0;
}

long sys_timer_gettime(int id, struct __kernel_itimerspec __user *value)
{
    struct process *p = process_current();
    struct __kernel_itimerspec its;
    struct posix_timer *t;
    unsigned long flags;
    ns_t now;

    t = find_lock(p, id, &now, &flags);
    if (!t)
        return -EINVAL;
    its = read_locked(t, now);
    spin_unlock_irqrestore(&p->signal_lock, flags);
    return copy_to_user(value, &its, sizeof its);
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
    static struct clock_set_hook hook = { .fn = kick_followers };

    clock_set_hook_add(&hook);
    process_timers_hook = delete_all;
    signal_taken_hook = signal_taken;
    return 0;
}

static struct subsystem posix_timer_subsystem = { .name = "posix_timers",
                                                  .privilege = PRIV_KERNEL,
                                                  .early_init = posix_timer_start };
REGISTER_SUBSYSTEM(posix_timer_subsystem);
