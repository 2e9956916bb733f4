// SPDX-License-Identifier: CC0-1.0
/* Purpose: the scheduling policy with a clock of its own: no thread really runs here. */
#include <sched/runqueue.h>

#include <core/ktest.h>
#include <lib/string.h>

#include <linux/sched.h>

#define THREADS 8
static struct runqueue rq;
static struct thread threads[THREADS];
static const struct sched_class *class = &sched_class_mlfq;

static void setup(void)
{
    memset(&rq, 0, sizeof rq);
    memset(threads, 0, sizeof threads);
    rq.now = 1000 * NS_PER_SEC;
    class->init(&rq);
    for (unsigned i = 0; i < THREADS; i++) {
        list_init(&threads[i].run_link);
        threads[i].policy = SCHED_NORMAL;
        threads[i].level = threads[i].base_level = LEVEL_NORMAL;
        threads[i].slice_left = sched_slice(&threads[i]);
    }
}

static struct thread *ready(unsigned i)
{
    class->enqueue(&rq, &threads[i], false);
    return &threads[i];
}

/* Runs the next thread for `ns`, puts it back and tells who it was. */
static struct thread *run(ns_t ns)
{
    struct thread *t = class->pick(&rq);

    if (!t)
        return NULL;
    rq.now += ns;
    class->account(&rq, t, ns);
    t->runtime += ns;
    class->put_back(&rq, t, false);
    return t;
}

static void set_policy(unsigned i, int policy, int rt_priority, int nice)
{
    threads[i].policy = (uint8_t)policy;
    threads[i].rt_priority = (uint8_t)rt_priority;
    threads[i].nice = (int8_t)nice;
    sched_derive_level(&threads[i]);
}

KTEST(sched, empty)
{
    setup();
    KTEST_TRUE(class->pick(&rq) == NULL);
}

KTEST(sched, priority_order)
{
    setup();
    set_policy(0, SCHED_IDLE, 0, 0);
    set_policy(1, SCHED_NORMAL, 0, 15); /* LOW */
    set_policy(3, SCHED_NORMAL, 0, -15); /* HIGH */
    set_policy(4, SCHED_RR, 1, 0);
    set_policy(5, SCHED_FIFO, 99, 0);
    set_policy(6, SCHED_FIFO, 64, 0);
    set_policy(7, SCHED_FIFO, 63, 0);
    for (unsigned i = 0; i < THREADS; i++)
        ready(i);
    static const unsigned want[] = { 5, 6, 7, 4, 3, 2, 1, 0 };

    for (unsigned i = 0; i < THREADS; i++)
        KTEST_TRUE(class->pick(&rq) == &threads[want[i]]);
    KTEST_TRUE(class->pick(&rq) == NULL);
}

KTEST(sched, round_robin)
{
    ns_t slice;

    setup();
    for (unsigned i = 0; i < 3; i++) {
        threads[i].level = threads[i].base_level = LEVEL_LOW;
        threads[i].slice_left = sched_slice(&threads[i]);
        ready(i);
    }
    slice = sched_slice(&threads[0]);
    for (unsigned round = 0; round < 4; round++)
        for (unsigned i = 0; i < 3; i++) {
            /* Half a slice does not cost the turn. */
            KTEST_TRUE(run(slice / 2) == &threads[i]);
            KTEST_TRUE(run(slice / 2) == &threads[i]);
        }
}

KTEST(sched, yield_goes_behind)
{
    struct thread *th;

    setup();
    ready(0);
    ready(1);
    th = class->pick(&rq);
    KTEST_TRUE(th == &threads[0]);
    class->put_back(&rq, th, true);
    KTEST_TRUE(class->pick(&rq) == &threads[1]);
}

KTEST(sched, yield_gives_way_to_a_level_below)
{
    struct thread *th;

    setup();
    ready(0);
    KTEST_TRUE(run(sched_slice(&threads[0])) == &threads[0]); /* sinks to LOW */
    ready(1);
    th = class->pick(&rq);
    KTEST_TRUE(th == &threads[1]);
    KTEST_TRUE(class->yields(&rq, th));
    class->put_back(&rq, th, true);
    KTEST_TRUE(class->pick(&rq) == &threads[0]);
    KTEST_TRUE(class->pick(&rq) == &threads[1]);
}

KTEST(sched, sinks_and_rises)
{
    struct thread *th;

    setup();
    ready(0);
    KTEST_TRUE(run(sched_slice(&threads[0])) == &threads[0]);
    KTEST_EQ(threads[0].level, LEVEL_LOW);
    KTEST_TRUE(run(sched_slice(&threads[0])) == &threads[0]);
    KTEST_EQ(threads[0].level, LEVEL_LOW); /* not into IDLE */
    for (unsigned rise = 0; rise < 4; rise++) {
        th = class->pick(&rq);
        KTEST_REQUIRE(th == &threads[0]);
        th->slept_at = rq.now;
        rq.now += 1 * NS_PER_SEC;
        class->enqueue(&rq, th, true);
    }
    KTEST_EQ(threads[0].level, LEVEL_HIGH); /* base_level + 1, no higher */
}

KTEST(sched, short_sleeps_do_not_pay)
{
    struct thread *th;

    setup();
    ready(0);
    /* Runs 9 ms of each 10 ms: always asleep before its slice is over. */
    for (unsigned i = 0; i < 40; i++) {
        th = class->pick(&rq);
        rq.now += 9 * NS_PER_MSEC;
        class->account(&rq, th, 9 * NS_PER_MSEC);
        if (th->slice_left == 0) {
            class->put_back(&rq, th, false);
            continue;
        }
        th->slept_at = rq.now;
        rq.now += 1 * NS_PER_MSEC;
        class->enqueue(&rq, th, true);
    }
    KTEST_EQ(threads[0].level, LEVEL_LOW);
}

KTEST(sched, nobody_starves)
{
    setup();
    set_policy(0, SCHED_IDLE, 0, 0);
    set_policy(1, SCHED_NORMAL, 0, 19);
    set_policy(2, SCHED_NORMAL, 0, 0);
    set_policy(3, SCHED_NORMAL, 0, -20);
    for (unsigned i = 0; i < 4; i++)
        ready(i);
    for (unsigned i = 0; i < 3000; i++)
        run(1 * NS_PER_MSEC);
    for (unsigned i = 0; i < 4; i++)
        KTEST_TRUE(threads[i].runtime >= 3 * NS_PER_MSEC);
    /* And the weights show. */
    KTEST_TRUE(threads[3].runtime > threads[2].runtime);
    KTEST_TRUE(threads[2].runtime > 5 * threads[1].runtime);
    KTEST_TRUE(threads[1].runtime > threads[0].runtime);
}

KTEST(sched, preemption_only_upwards)
{
    setup();
    KTEST_TRUE(!class->preempts(&rq, &threads[0], &threads[1]));
    set_policy(0, SCHED_NORMAL, 0, -15);
    KTEST_TRUE(class->preempts(&rq, &threads[0], &threads[1]));
    KTEST_TRUE(!class->preempts(&rq, &threads[1], &threads[0]));
    set_policy(2, SCHED_FIFO, 10, 0);
    set_policy(3, SCHED_RR, 11, 0);
    KTEST_TRUE(class->preempts(&rq, &threads[3], &threads[2]));
    KTEST_TRUE(!class->preempts(&rq, &threads[2], &threads[3]));
    KTEST_TRUE(class->preempts(&rq, &threads[2], &threads[0]));
}

KTEST(sched, fifo_has_no_slice)
{
    setup();
    set_policy(0, SCHED_FIFO, 5, 0);
    set_policy(1, SCHED_FIFO, 5, 0);
    ready(0);
    ready(1);
    for (unsigned i = 0; i < 5; i++)
        KTEST_TRUE(run(10 * NS_PER_SEC) == &threads[0]);
    set_policy(2, SCHED_RR, 6, 0);
    set_policy(3, SCHED_RR, 6, 0);
    ready(2);
    ready(3);
    KTEST_TRUE(run(sched_slice(&threads[2])) == &threads[2]);
    KTEST_TRUE(run(sched_slice(&threads[3])) == &threads[3]);
    KTEST_TRUE(run(1) == &threads[2]);
}

KTEST(sched, dequeue_of_any)
{
    setup();
    set_policy(2, SCHED_RR, 7, 0);
    for (unsigned i = 0; i < 3; i++)
        ready(i);
    class->dequeue(&rq, &threads[0]);
    class->dequeue(&rq, &threads[2]);
    KTEST_TRUE(class->pick(&rq) == &threads[1]);
    KTEST_TRUE(class->pick(&rq) == NULL);
    KTEST_EQ(rq.mlfq.levels, 0);
}

/* How often each of the first two threads gets a tick within `ticks`. */
static void count_ticks(unsigned ticks, unsigned count[2])
{
    count[0] = count[1] = 0;
    for (unsigned i = 0; i < ticks; i++)
        count[run(10 * NS_PER_MSEC) == &threads[1]]++;
}

KTEST(sched, realtime_leaves_a_share)
{
    unsigned count[2];

    setup();
    set_policy(0, SCHED_FIFO, 50, 0);
    ready(0);
    ready(1);
    count_ticks(1000, count);
    KTEST_TRUE(count[1] >= 40 && count[1] <= 60);
    KTEST_TRUE(count[0] + count[1] == 1000);
    set_policy(0, SCHED_RR, 50, 0);
    count_ticks(1000, count);
    KTEST_TRUE(count[1] >= 40 && count[1] <= 60);
}

KTEST(sched, throttled_realtime_runs_when_alone)
{
    setup();
    set_policy(0, SCHED_FIFO, 50, 0);
    ready(0);
    for (unsigned i = 0; i < 97; i++)
        KTEST_TRUE(run(10 * NS_PER_MSEC) == &threads[0]);
    KTEST_TRUE(rq.mlfq.rt_throttled);
    KTEST_TRUE(class->preempts(&rq, &threads[1], &threads[0]));
    KTEST_TRUE(!class->preempts(&rq, &threads[0], &threads[1]));
    rq.now += NS_PER_SEC;
    KTEST_TRUE(run(10 * NS_PER_MSEC) == &threads[0]);
    KTEST_TRUE(!rq.mlfq.rt_throttled);
    KTEST_TRUE(!class->preempts(&rq, &threads[1], &threads[0]));
}

/* Other CPUs do not take what has had its share. */
KTEST(sched, throttled_realtime_does_not_wait)
{
    setup();
    set_policy(0, SCHED_FIFO, 50, 0);
    ready(0);
    ready(1);
    KTEST_TRUE(class->realtime_waits(&rq));
    for (unsigned i = 0; i < 97; i++)
        (void)run(10 * NS_PER_MSEC);
    KTEST_TRUE(rq.mlfq.rt_throttled);
    KTEST_TRUE(!class->realtime_waits(&rq));
    rq.now += NS_PER_SEC;
    (void)run(10 * NS_PER_MSEC);
    KTEST_TRUE(class->realtime_waits(&rq));
}

KTEST(sched, realtime_without_a_limit)
{
    unsigned count[2];

    setup();
    set_policy(0, SCHED_FIFO, 50, 0);
    ready(0);
    ready(1);
    sched_rt_runtime_ns = SCHED_RT_UNLIMITED;
    count_ticks(500, count);
    sched_rt_runtime_ns = 950 * NS_PER_MSEC;
    KTEST_EQ(count[1], 0u);
}

/* ---- sched=rr ---- */

static const struct sched_class *class_named(const char *name)
{
    registry_for_each(sched_class, c)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

/* Whoever computes and whoever sleeps: each has its turn, and none is taken the CPU by another. */
KTEST(sched, rr_knows_no_feedback)
{
    class = class_named("rr");
    if (!KTEST_TRUE(class != NULL)) {
        class = &sched_class_mlfq;
        return;
    }
    setup();
    threads[1].level = threads[1].base_level = LEVEL_HIGH;
    threads[2].level = threads[2].base_level = LEVEL_LOW;
    for (unsigned i = 0; i < 3; i++)
        (void)ready(i);
    for (unsigned turn = 0; turn < 9; turn++)
        KTEST_TRUE(run(sched_slice_ns[LEVEL_HIGH] * 2) == &threads[turn % 3]);
    threads[3].slept_at = rq.now - NS_PER_SEC;
    class->enqueue(&rq, &threads[3], true);
    KTEST_EQ(threads[3].level, LEVEL_NORMAL);
    KTEST_TRUE(!class->preempts(&rq, &threads[3], &threads[0]));
    set_policy(4, SCHED_FIFO, 5, 0);
    KTEST_TRUE(class->preempts(&rq, &threads[4], &threads[0]));
    class = &sched_class_mlfq;
}
