// SPDX-License-Identifier: CC0-1.0
/* Purpose: CPUs that hang are named: one that holds preemption off, one that holds interrupts off. */
#include <sched/watchdog.h>

#include <core/ktest.h>
#include <core/smp.h>
#include <core/spinlock.h>
#include <sched/clock.h>
#include <sched/sched.h>
#include <sched/timer.h>
#include <sched/waitq.h>

#define WAIT_NS (60 * NS_PER_SEC) /* at most: on a host that is busy a second of progress takes longer */

static struct waitq ended = WAITQ_INIT(ended);
static bool done; /* atomic */
static struct thread *hanging; /* with a reference */

/* Until one more has been told. */
static void hang(unsigned before)
{
    ns_t end = clock_monotonic() + WAIT_NS;

    while (watchdog_told() == before && clock_monotonic() < end)
        hal_relax();
}

static void nothing(void *arg)
{
    hanging = thread_current();
    thread_get(hanging);
    atomic_store(&done, true);
    waitq_wake_all(&ended);
}

static void hang_without_interrupts(void *arg)
{
    unsigned long flags = hal_irq_save();

    hang(*(unsigned *)arg);
    hal_irq_restore(flags);
    nothing(NULL);
}

static void helper_join(void)
{
    wait_event(&ended, atomic_load(&done));
    while (atomic_load(&hanging->refs) != 1)
        sched_yield();
    thread_put(hanging);
}

/* `looks` at one that does not beat, `gap` apart, in which the machine made so much progress.  Return: the look
 * that told, or 0. */
static unsigned looks_until_told(struct stand *s, unsigned looks, ns_t gap, ns_t progress)
{
    ns_t now = NS_PER_SEC, lived = 0;

    (void)stand_look(s, 7, now, lived, NS_PER_SEC);
    for (unsigned i = 1; i <= looks; i++)
        if (stand_look(s, 7, now + i * gap, lived + i * progress, NS_PER_SEC) == STAND_TELL)
            return i;
    return 0;
}

KTEST(watchdog, standing_still_is_told_once)
{
    struct stand s = { 0 };

    KTEST_EQ(looks_until_told(&s, 99, TICK_NS, TICK_NS), 0);
    KTEST_EQ(stand_look(&s, 7, 2 * NS_PER_SEC - 1, NS_PER_SEC - 1, NS_PER_SEC), STAND_PERHAPS);
    KTEST_EQ(stand_look(&s, 7, 2 * NS_PER_SEC, NS_PER_SEC, NS_PER_SEC), STAND_TELL);
    KTEST_EQ(stand_look(&s, 7, 3 * NS_PER_SEC, 2 * NS_PER_SEC, NS_PER_SEC), STAND_NOT);
    KTEST_EQ(stand_look(&s, 8, 4 * NS_PER_SEC, 3 * NS_PER_SEC, NS_PER_SEC), STAND_NOT);
    KTEST_EQ(stand_look(&s, 8, 5 * NS_PER_SEC, 4 * NS_PER_SEC, NS_PER_SEC), STAND_TELL);
}

/* Looks come late and between them little happened: the host has other work. */
KTEST(watchdog, a_starved_machine_has_more_time)
{
    struct stand s = { 0 };

    KTEST_EQ(looks_until_told(&s, 200, 300 * NS_PER_MSEC, 20 * NS_PER_MSEC), 50);
    s = (struct stand){ 0 };
    KTEST_EQ(looks_until_told(&s, 2, 3600 * NS_PER_SEC, 20 * NS_PER_MSEC), 0); /* it was stopped */
    s = (struct stand){ 0 };
    (void)stand_look(&s, 7, NS_PER_SEC, 0, NS_PER_SEC);
    KTEST_EQ(stand_look(&s, 7, NS_PER_SEC - 1, NS_PER_SEC, NS_PER_SEC), STAND_NOT); /* the clock fell */
}

KTEST(watchdog, preemption_off)
{
    unsigned before = watchdog_told();

    if (!clock_event_current() || !watchdog_on())
        return;
    done = false;
    preempt_disable();
    KTEST_REQUIRE(kthread_start_on(cpu_current(), "ktest", LEVEL_HIGH, nothing, NULL));
    hang(before);
    preempt_enable();
    KTEST_TRUE(watchdog_told() > before);
    helper_join();
}

KTEST(watchdog, interrupts_off)
{
    unsigned before = watchdog_told(), other;

    if (!clock_event_current() || !watchdog_on() || cpus_online_count() < 2)
        return;
    preempt_disable();
    other = cpu_current()->id == 0;
    preempt_enable();
    done = false;
    KTEST_REQUIRE(kthread_start_on(cpus[other], "ktest", LEVEL_HIGH, hang_without_interrupts,
                                   &before));
    helper_join(); /* sleeps: the others are idle meanwhile, and one looks all the same */
    KTEST_TRUE(watchdog_told() > before);
}
