// SPDX-License-Identifier: CC0-1.0
/* Purpose: interleavings of calls between CPUs and of timers that are cancelled from elsewhere. */
#include <boot/explore.h>

#include <core/smp.h>
#include <core/spinlock.h>
#include <hal/cpu.h>
#include <sched/clock.h>
#include <sched/sched.h>
#include <sched/timer.h>

#define ROUNDS 3

/* --- smp_call --- */

struct call {
    unsigned caller;
    uint32_t ran; /* atomic: CPUs, a bit each */
};

static void call_here(void *arg)
{
    struct call *c = arg;
    uint32_t self = 1u << cpu_current()->id;

    explore_must(!hal_irqs_enabled());
    explore_must(cpu_current()->id != c->caller);
    explore_must(!(atomic_fetch_or(&c->ran, self) & self));
}

/* All call all, from below a spinlock and without one, interrupts on and off. */
static void call_work(unsigned id)
{
    static struct spinlock lock = SPINLOCK_INIT(LOCK_DEVICE);

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct cpu_set some = { { 1 + explore_random((1u << cpu_count) - 1) } };
        struct call c = { 0 };
        unsigned long flags = 0;

        if (i % 2 == id % 2)
            flags = spin_lock_irqsave(&lock);
        else
            preempt_disable();
        c.caller = cpu_current()->id;
        smp_call(&some, call_here, &c);
        explore_must(c.ran == (some.bits[0] & ~BIT(c.caller)));
        c.ran = 0x55aa; /* nobody touches it any more */
        explore_point();
        explore_must(c.ran == 0x55aa);
        if (i % 2 == id % 2)
            spin_unlock_irqrestore(&lock, flags);
        else
            preempt_enable();
    }
}

EXPLORE(call, .name = "call.all_to_all", .workers = 4, .work = call_work);
EXPLORE(call_free, .name = "call.all_to_all_moving", .workers = 6, .flags = EXPLORE_FREE,
        .work = call_work);

/* A call as one would write it at first: two CPUs wait for each other's answer, deaf. */
static struct {
    uint32_t wanted, left; /* atomic */
} deaf[2];

static void deaf_serve(unsigned self)
{
    if (atomic_xchg(&deaf[self].wanted, 0) != 0)
        atomic_fetch_sub(&deaf[self ^ 1].left, 1);
}

static void deaf_work(unsigned id)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned long flags = hal_irq_save();

        atomic_store(&deaf[id].left, 1);
        atomic_store(&deaf[id ^ 1].wanted, 1);
        while (atomic_load(&deaf[id].left) != 0)
            hal_relax();
        hal_irq_restore(flags);
        deaf_serve(id);
    }
    for (unsigned i = 0; i < 100; i++) {
        deaf_serve(id);
        hal_relax();
    }
}

EXPLORE(call_deaf, .name = "call.all_to_all!deaf_while_waiting", .broken = true, .workers = 2,
        .work = deaf_work);

/* Counts itself done before it has done it. */
static struct call *early_call;
static uint32_t early_left;

static void early_work(unsigned id)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct call c = { .caller = 0 };

        if (id == 0) {
            atomic_store(&early_left, 1);
            atomic_store(&early_call, &c);
            while (atomic_load(&early_left) != 0)
                hal_relax();
            explore_must(atomic_load(&c.ran) == 1);
            continue;
        }
        while (atomic_load(&early_call) == NULL)
            hal_relax();
        struct call *theirs = atomic_xchg(&early_call, NULL);

        atomic_store(&early_left, 0);
        atomic_store(&theirs->ran, 1);
    }
}

EXPLORE(call_early, .name = "call.all_to_all!answers_early", .broken = true, .workers = 2,
        .work = early_work);

/* --- timers --- */

struct alarm {
    struct timer timer;
    uint32_t fired; /* atomic */
    uint32_t dead; /* atomic: its owner thinks that it is over */
};

static struct alarm alarms[EXPLORE_WORKERS];
static bool cancel_looks_only;

static void alarm_fire(struct timer *t)
{
    struct alarm *a = container_of(t, struct alarm, timer);

    explore_must(!atomic_load(&a->dead));
    (void)atomic_fetch_add(&a->fired, 1);
    explore_point();
    explore_must(!atomic_load(&a->dead));
}

static bool alarm_cancel(struct alarm *a)
{
    if (cancel_looks_only)
        return atomic_load(&a->timer.armed) && timer_cancel(&a->timer);
    return timer_cancel(&a->timer);
}

/* Armed here, cancelled wherever the worker has got to by then. */
static void timer_work(unsigned id)
{
    struct alarm *a = &alarms[id];

    for (unsigned i = 0; i < ROUNDS; i++) {
        bool armed;

        timer_init(&a->timer, alarm_fire);
        atomic_store(&a->fired, 0);
        atomic_store(&a->dead, 0);
        timer_set(&a->timer, clock_monotonic() + explore_random(3000));
        if (explore_random(2) == 0)
            timer_set(&a->timer, clock_monotonic() + explore_random(3000));
        if (explore_random(2) == 0)
            (void)sleep_until(clock_monotonic() + explore_random(2000), false);
        else
            sched_yield();
        armed = alarm_cancel(a);
        atomic_store(&a->dead, 1);
        explore_must(!armed || atomic_load(&a->fired) <= 1);
        explore_must(armed || atomic_load(&a->fired) != 0);
        explore_point();
    }
}

EXPLORE(timer, .name = "call.timer_cancel", .workers = 4, .flags = EXPLORE_FREE,
        .work = timer_work);

/* One arms, the other cancels: two CPUs at any rate. */
static uint32_t armed_round; /* atomic */

static void timer_across(unsigned id)
{
    struct alarm *a = &alarms[0];

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (id == 0) {
            timer_init(&a->timer, alarm_fire);
            atomic_store(&a->dead, 0);
            timer_set(&a->timer, clock_monotonic() + explore_random(1500));
            atomic_store(&armed_round, 2 * i + 1);
            while (atomic_load(&armed_round) != 2 * i + 2)
                hal_relax();
        } else {
            while (atomic_load(&armed_round) != 2 * i + 1)
                hal_relax();
            for (unsigned n = explore_random(8); n > 0; n--)
                hal_relax();
            (void)alarm_cancel(a);
            atomic_store(&a->dead, 1);
            atomic_store(&armed_round, 2 * i + 2);
        }
    }
}

static void cancel_broken(void)
{
    cancel_looks_only = true;
}

EXPLORE(timer_across, .name = "call.timer_cancel_across", .workers = 2, .work = timer_across);
EXPLORE(timer_looks, .name = "call.timer_cancel!does_not_wait", .broken = true, .workers = 2,
        .prepare = cancel_broken, .work = timer_across);
