// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the 100 Hz tick, what it counts, and the loop of an idle CPU.
 *
 * Model: each CPU that computes has a tick, a timer of its own queue.  A tick that finds its CPU idle
 * is the last one; the switch to a thread starts it again, in its old phase.  A short sleep so costs
 * nothing, a long one no interrupts.
 * One CPU keeps the time of all (`keeper`): it moves the clock's base on and the load average.  It
 * hands the office on when its tick stops while others tick; the last one to stop keeps it and its
 * tick, at a slow pace, so that the counter never runs out of the clock's range:
 *
 *     keeper = id          ticks; does the work of every tick
 *     keeper = id | SLOW   all are idle; the next CPU whose tick starts takes over at once
 *     keeper = NOBODY      the next tick takes it; somebody ticks
 *
 * `ticking` counts the CPUs that tick; who brings it to 0 becomes the slow keeper, who brings it to 1
 * watches the one that is left, at the same pace (watchdog.c).
 * Locking: keeper and ticking are atomic; the tick belongs to its CPU, interrupts off.
 */
#include <sched/runqueue.h>

#include <core/smp.h>
#include <hal/cpu.h>
#include <lib/string.h>
#include <sched/clock.h>
#include <sched/watchdog.h>

#define SLOW_NS NS_PER_SEC
#define SLOW 0x10000u
#define NOBODY 0x20000u

void (*sched_tick_hook)(struct thread *t, bool user_mode);
static uint32_t keeper; /* atomic; CPU 0 to begin with */
static uint32_t ticking; /* atomic */
static uint32_t load_average[3]; /* keeper */
static ns_t load_due; /* keeper */

/* --- counting ---------------------------------------------------------------------------------- */

static void account_tick(struct runqueue *rq, struct thread *t, bool user_mode)
{
    if (t == rq->cpu->idle)
        return; /* its run time says it */
    if (!user_mode) {
        t->system_ticks++;
        rq->times.system += TICK_NS;
        return;
    }
    t->user_ticks++;
    if (t->nice > 0)
        rq->times.nice += TICK_NS;
    else
        rq->times.user += TICK_NS;
}

static void count_threads(unsigned *running, unsigned *blocked)
{
    int sleeping = 0;

    *running = 0;
    for (unsigned i = 0; i < cpu_count; i++) {
        struct runqueue *rq = cpus[i]->rq;

        if (!rq)
            continue;
        *running += atomic_load_relaxed(&rq->queued);
        if (cpu_online(i) && atomic_load_relaxed(&cpus[i]->current) != &cpus[i]->idle->ctx)
            ++*running;
        sleeping += atomic_load_relaxed(&rq->blocked);
    }
    *blocked = sleeping > 0 ? (unsigned)sleeping : 0;
}

/* load = load * e + active * (1 - e) each 5 s, e = exp(-5 / 60, 300, 900), 16 fraction bits. */
static void update_load(ns_t now)
{
    static const uint32_t decay[3] = { 60296, 64453, 65173 };
    unsigned running, blocked;

    if (now < load_due)
        return;
    load_due = now + 5 * NS_PER_SEC;
    count_threads(&running, &blocked);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t active = (uint64_t)(running + blocked) << 16;
        uint64_t load = load_average[i] * (uint64_t)decay[i] + active * (65536 - decay[i]);

        atomic_store_relaxed(&load_average[i], (uint32_t)((load + 32768) >> 16));
    }
}

void sched_get_stats(struct sched_stats *s)
{
    *s = (struct sched_stats){ .forks = sched_forks() };
    count_threads(&s->running, &s->blocked);
    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i]->rq)
            s->switches += atomic_load_relaxed(&cpus[i]->rq->switches);
    for (unsigned i = 0; i < 3; i++)
        s->load[i] = atomic_load_relaxed(&load_average[i]);
    s->total = thread_count();
}

void sched_cpu_times(unsigned cpu, struct cpu_times *t)
{
    unsigned long flags;
    struct runqueue *rq;

    *t = (struct cpu_times){ 0 };
    if (cpu >= cpu_count || !cpus[cpu]->rq)
        return;
    rq = cpus[cpu]->rq;
    flags = spin_lock_irqsave(&rq->lock);
    *t = rq->times;
    t->idle = rq->cpu->idle->runtime;
    if (cpu_online(cpu) && rq->cpu->idle->on_cpu) {
        ns_t now = clock_monotonic(), since = rq->cpu->idle->switched_in;

        t->idle += now > since ? now - since : 0;
    }
    spin_unlock_irqrestore(&rq->lock, flags);
}

/* --- the tick ---------------------------------------------------------------------------------- */

void sched_tick(bool user_mode)
{
    struct thread *t = thread_current();
    struct runqueue *rq = t->ctx.cpu->rq;

    spin_lock_raw(&rq->lock);
    if ((rq_charge(rq, t, clock_monotonic()) || rq->lazy) && rq->queued)
        atomic_fetch_or(&t->ctx.pending, PENDING_RESCHED);
    rq->lazy = false;
    account_tick(rq, t, user_mode);
    spin_unlock_raw(&rq->lock);
    if (sched_smp && t != rq->cpu->idle)
        place_balance(rq);
    if (t->process && sched_tick_hook)
        sched_tick_hook(t, user_mode);
}

/* Does this CPU keep the time?  It does from now on when nobody, or a slow one, did. */
static bool keeper_is(unsigned id)
{
    uint32_t k = atomic_load_relaxed(&keeper);

    if (k != id && k & (SLOW | NOBODY) && atomic_cas(&keeper, &k, id))
        return true;
    return k == id;
}

static void keep_time(ns_t now)
{
    clock_tick();
    update_load(now);
}

/* The first tick after `now` in the phase of `timer`, whose deadline may lie on either side. */
static ns_t tick_after(const struct timer *timer, ns_t now)
{
    ns_t at = timer->deadline;

    if (at > now)
        return at - (at - now - 1) / TICK_NS * TICK_NS;
    at += TICK_NS;
    return likely(at > now) ? at : at + (now - at) / TICK_NS * TICK_NS + TICK_NS;
}

/* How often the time must be kept though all are idle: a clock of few bits cannot wait long. */
static ns_t slow_ns(void)
{
    return MIN(SLOW_NS, clock_tick_horizon());
}

/* The tick of an idle CPU ends, unless it is the last that keeps the time. */
static void tick_stop(struct runqueue *rq)
{
    uint32_t self = rq->cpu->id, left;

    rq->tick_stopped = true;
    (void)atomic_cas(&keeper, &self, NOBODY);
    left = atomic_sub_fetch(&ticking, 1);
    if (left == 0)
        atomic_store(&keeper, rq->cpu->id | SLOW);
    if (left == 0 || (left == 1 && watchdog_on()))
        timer_set(&rq->tick, tick_after(&rq->tick, rq->now + slow_ns()));
}

/* A second later: still keeps the time of all, or watches the one that ticks; else it is over. */
static void tick_slow(struct runqueue *rq)
{
    ns_t now = clock_monotonic();

    if (atomic_load_relaxed(&keeper) == (rq->cpu->id | SLOW))
        keep_time(now);
    else if (atomic_load_relaxed(&ticking) != 1)
        return;
    if (!watchdog_look_at_all(rq, now, atomic_load_relaxed(&ticking)))
        now += slow_ns();
    timer_set(&rq->tick, tick_after(&rq->tick, now));
}

static void tick(struct timer *timer)
{
    struct runqueue *rq = container_of(timer, struct runqueue, tick);
    bool waits = atomic_load_relaxed(&hal_current()->pending) & PENDING_RESCHED;
    ns_t now;

    if (rq->tick_stopped) {
        tick_slow(rq);
        return;
    }
    rq->beats++;
    now = clock_monotonic();
    if (keeper_is(rq->cpu->id))
        keep_time(now);
    watchdog_tick(rq, waits, now, atomic_load_relaxed(&ticking));
    sched_tick(rq->cpu->irq_user);
    if (thread_current() == rq->cpu->idle && !atomic_load_relaxed(&rq->queued))
        tick_stop(rq);
    else
        timer_set(timer, tick_after(timer, rq->now));
}

void tick_restart(struct runqueue *rq)
{
    ns_t now = clock_monotonic();

    rq->tick_stopped = false;
    rq->beats++;
    rq->watch_looked = now; /* it did not tick: the time before is nobody's */
    atomic_fetch_add(&ticking, 1);
    if (keeper_is(rq->cpu->id))
        keep_time(now);
    timer_set(&rq->tick, tick_after(&rq->tick, now));
}

void tick_init(struct runqueue *rq)
{
    timer_init(&rq->tick, tick);
}

void tick_start(void)
{
    struct runqueue *rq = cpu_current()->rq;

    atomic_fetch_add(&ticking, 1);
    timer_set(&rq->tick, clock_monotonic() + TICK_NS);
}
