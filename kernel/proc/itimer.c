// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: setitimer(2), alarm(2), RLIMIT_CPU.
 * Model: ITIMER_REAL is a timer of the clock; VIRTUAL and PROF and the CPU limit count the ticks that
 * hit a task of the process.
 * Locking: process->signal_lock; the callbacks run in interrupts.  itimer_mutex keeps those who set ITIMER_REAL apart.
 */
#include <proc/process.h>

#include <proc/cpualarm.h>
#include <proc/internal.h>
#include <sched/clock.h>

#include <linux/time.h>

void itimer_real_fire(struct timer *timer)
{
    struct process *p = container_of(timer, struct process, real_timer);
    unsigned long flags;

    (void)signal_send_process(p, SIGALRM, NULL);
    flags = spin_lock_irqsave(&p->signal_lock);
    if (p->real_interval)
        timer_set(timer, timer->deadline + p->real_interval);
    spin_unlock_irqrestore(&p->signal_lock, flags);
}

static void read_real(struct process *p, struct itimer_value *v)
{
    ns_t now = clock_monotonic();

    v->interval = p->real_interval;
    v->value = 0;
    if (p->real_timer.armed)
        v->value = p->real_timer.deadline > now ? p->real_timer.deadline - now : 1;
}

err_t process_get_itimer(int which, struct itimer_value *out)
{
    struct process *p = process_current();
    unsigned long flags;
    err_t err = 0;

    mutex_lock(&p->itimer_mutex);
    flags = spin_lock_irqsave(&p->signal_lock);

    if (which == ITIMER_REAL)
        read_real(p, out);
    else if (which == ITIMER_VIRTUAL)
        *out = (struct itimer_value){ p->virtual_left, p->virtual_interval };
    else if (which == ITIMER_PROF)
        *out = (struct itimer_value){ p->prof_left, p->prof_interval };
    else
        err = -EINVAL;
    spin_unlock_irqrestore(&p->signal_lock, flags);
    mutex_unlock(&p->itimer_mutex);
    return err;
}

/* timer_cancel waits for the callback, which takes the signal_lock: who sets the timer excludes others by a mutex. */
static void set_real(struct process *p, const struct itimer_value *new, struct itimer_value *old)
{
    unsigned long flags;
    bool armed;
    ns_t now;

    mutex_lock(&p->itimer_mutex);
    armed = timer_cancel(&p->real_timer);
    flags = spin_lock_irqsave(&p->signal_lock);
    now = clock_monotonic();
    old->interval = p->real_interval;
    old->value = !armed ? 0 : p->real_timer.deadline > now ? p->real_timer.deadline - now : 1;
    p->real_interval = new->interval;
    if (new->value)
        timer_set(&p->real_timer, now + new->value);
    spin_unlock_irqrestore(&p->signal_lock, flags);
    mutex_unlock(&p->itimer_mutex);
}

static void set_ticks(struct process *p, ns_t *left, ns_t *interval, const struct itimer_value *new,
                      struct itimer_value *old)
{
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);

    *old = (struct itimer_value){ *left, *interval };
    *left = new->value;
    *interval = new->interval;
    spin_unlock_irqrestore(&p->signal_lock, flags);
}

err_t process_set_itimer(int which, const struct itimer_value *new, struct itimer_value *old)
{
    struct process *p = process_current();

    if (which == ITIMER_REAL)
        set_real(p, new, old);
    else if (which == ITIMER_VIRTUAL)
        set_ticks(p, &p->virtual_left, &p->virtual_interval, new, old);
    else if (which == ITIMER_PROF)
        set_ticks(p, &p->prof_left, &p->prof_interval, new, old);
    else
        return -EINVAL;
    return 0;
}

/* ---- CPU time ------------------------------------------------------------------------------ */

/* One tick less; true when the timer fires. */
static bool count_down(ns_t *left, ns_t interval)
{
    if (*left == 0)
        return false;
    if (*left > TICK_NS) {
        *left -= TICK_NS;
        return false;
    }
    *left = interval;
    return true;
}

static void check_cpu_limit(struct process *p)
{
    uint64_t soft = process_limit(p, RLIMIT_CPU), hard = p->limits.r[RLIMIT_CPU].rlim_max, ticks;

    if (soft == RLIM64_INFINITY)
        return;
    ticks = atomic_add_fetch(&p->cpu_ticks, 1);
    if (ticks % (NS_PER_SEC / TICK_NS) != 0)
        return;
    if (ticks / (NS_PER_SEC / TICK_NS) >= hard)
        (void)signal_send_process(p, SIGKILL, NULL);
    else if (ticks / (NS_PER_SEC / TICK_NS) >= soft)
        (void)signal_send_process(p, SIGXCPU, NULL);
}

static void tick(struct thread *t, bool user_mode)
{
    struct process *p = t->process;
    bool virtual = false, prof = false;

    if (unlikely(p->virtual_left || p->prof_left)) {
        unsigned long flags = spin_lock_irqsave(&p->signal_lock);

        virtual = user_mode && count_down(&p->virtual_left, p->virtual_interval);
        prof = count_down(&p->prof_left, p->prof_interval);
        spin_unlock_irqrestore(&p->signal_lock, flags);
    }
    if (virtual)
        (void)signal_send_process(p, SIGVTALRM, NULL);
    if (prof)
        (void)signal_send_process(p, SIGPROF, NULL);
    check_cpu_limit(p);
    if (unlikely(!list_empty(&p->cpu_alarms)))
        cpu_alarms_tick(p);
}

void itimer_init(void)
{
    sched_tick_hook = tick;
}
