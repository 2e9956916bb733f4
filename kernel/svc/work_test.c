// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of work that is left to a thread. */
#include <svc/work.h>

#include <core/ktest.h>
#include <sched/clock.h>
#include <sched/timer.h>

struct counted {
    struct work work;
    uint32_t begun, ended; /* atomic */
    ns_t takes;
};

static void count(struct work *w)
{
    struct counted *c = container_of(w, struct counted, work);

    atomic_fetch_add(&c->begun, 1);
    if (c->takes)
        (void)sleep_until(clock_monotonic() + c->takes, false);
    atomic_fetch_add(&c->ended, 1);
}

static bool comes_to(const uint32_t *what, uint32_t n)
{
    ns_t limit = clock_monotonic() + 10 * NS_PER_SEC;

    while (atomic_load(what) < n && clock_monotonic() < limit)
        (void)sleep_until(clock_monotonic() + NS_PER_MSEC, false);
    return atomic_load(what) == n;
}

KTEST(work, runs_once_for_each_time)
{
    struct counted c = { .takes = 0 };

    work_init(&c.work, count);
    for (uint32_t i = 1; i <= 20; i++) {
        work_queue(&c.work);
        if (!KTEST_TRUE(comes_to(&c.ended, i)))
            break;
    }
    work_cancel(&c.work);
}

KTEST(work, queued_while_it_runs_it_runs_again)
{
    struct counted c = { .takes = 20 * NS_PER_MSEC };

    work_init(&c.work, count);
    work_queue(&c.work);
    KTEST_TRUE(comes_to(&c.begun, 1));
    work_queue(&c.work);
    work_queue(&c.work);
    KTEST_TRUE(comes_to(&c.ended, 2));
    (void)sleep_until(clock_monotonic() + 30 * NS_PER_MSEC, false);
    KTEST_EQ(atomic_load(&c.begun), 2);
    work_cancel(&c.work);
}

KTEST(work, cancel_waits_for_the_end)
{
    struct counted c = { .takes = 20 * NS_PER_MSEC };

    work_init(&c.work, count);
    work_queue(&c.work);
    KTEST_TRUE(comes_to(&c.begun, 1));
    work_queue(&c.work);
    work_cancel(&c.work);
    KTEST_EQ(atomic_load(&c.ended), 1);
    KTEST_EQ(atomic_load(&c.begun), 1);
}
