// SPDX-License-Identifier: CC0-1.0
/* Purpose: CPUs that hang are named: one that holds preemption off, one that holds interrupts off. */
#include <sched/watchdog.h>

#include <core/ktest.h>
#include <core/smp.h>
#include <core/spinlock.h>
#include <sched/clock.h>
#include <sched/sched.h>
#include <sched/waitq.h>

#define WAIT_NS (60 * NS_PER_SEC) /* at most: a host that is busy makes late ticks, and those begin anew */

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
