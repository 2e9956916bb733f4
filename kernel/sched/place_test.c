// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: threads that move between CPUs: affinity, wake-ups while they move, idle CPUs, timers.
 * Model: with one CPU the same tests run and show that nothing breaks; with several (the host's
 * DEVINE_CPUS and DEVINE_SEED, QEMU's -smp) they look for lost wake-ups and threads that run twice.
 */
#include <sched/sched.h>

#include <core/ktest.h>
#include <core/smp.h>
#include <core/spinlock.h>
#include <lib/atomic.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/timer.h>
#include <sched/waitq.h>

#define WORKERS 6
#define ROUNDS 60

struct worker {
    void (*fn)(struct worker *w);
    struct thread *thread;
    struct waitq ended, bell;
    bool done, stop; /* atomic */
    unsigned rung, heard; /* atomic */
    unsigned seen; /* atomic: CPU that it last ran on */
    bool wrong; /* ran where it was forbidden */
};

static struct worker workers[WORKERS];
static uint32_t running_bits; /* atomic: worker i is inside its critical stretch */

static unsigned here(void)
{
    unsigned id;

    preempt_disable();
    id = cpu_current()->id;
    preempt_enable();
    return id;
}

static void worker_main(void *arg)
{
    struct worker *w = arg;

    w->fn(w);
    atomic_store(&w->done, true);
    waitq_wake_all(&w->ended);
}

static bool worker_start(struct worker *w, void (*fn)(struct worker *w))
{
    struct thread_params p = { .name = "ktest", .level = LEVEL_NORMAL, .entry = worker_main,
                               .arg = w };

    memset(w, 0, sizeof *w);
    w->fn = fn;
    waitq_init(&w->ended);
    waitq_init(&w->bell);
    w->thread = kzalloc(sizeof *w->thread);
    if (!w->thread)
        return false;
    if (thread_init(w->thread, &p)) {
        kfree(w->thread);
        return false;
    }
    thread_get(w->thread);
    thread_start(w->thread);
    return true;
}

/* Waits for its end, to the last switch. */
static void worker_join_started(struct worker *w)
{
    wait_event(&w->ended, atomic_load(&w->done));
    while (atomic_load(&w->thread->refs) != 1)
        sched_yield();
    thread_put(w->thread);
}

static void worker_join(struct worker *w)
{
    atomic_store(&w->stop, true);
    waitq_wake_all(&w->bell);
    worker_join_started(w);
}

static void mask_of(uint64_t mask[CPU_MAX / 64], unsigned cpu)
{
    memset(mask, 0, CPU_MAX / 8);
    bitmap_set(mask, cpu);
}

/* The n-th CPU that is online. */
static unsigned nth_cpu(unsigned n)
{
    unsigned id = 0;

    n %= cpus_online_count();
    while (!cpu_online(id) || n-- > 0)
        id++;
    return id;
}

/* --- affinity ---------------------------------------------------------------------------------- */

static void spinner(struct worker *w)
{
    while (!atomic_load(&w->stop)) {
        atomic_store(&w->seen, here());
        atomic_fetch_add(&w->heard, 1);
        sched_yield();
    }
}

KTEST(place, affinity_of_the_running_thread)
{
    uint64_t mask[CPU_MAX / 64], all[CPU_MAX / 64];

    memset(all, 0xff, sizeof all);
    for (unsigned n = 0; n < 2 * cpus_online_count(); n++) {
        mask_of(mask, nth_cpu(n));
        KTEST_EQ(sched_set_affinity(thread_current(), mask), 0);
        KTEST_EQ(here(), nth_cpu(n));
        sched_yield();
        KTEST_EQ(here(), nth_cpu(n));
    }
    memset(mask, 0, sizeof mask);
    KTEST_EQ(sched_set_affinity(thread_current(), mask), -EINVAL);
    bitmap_set(mask, CPU_MAX - 1); /* not there */
    KTEST_EQ(sched_set_affinity(thread_current(), mask), cpu_online(CPU_MAX - 1) ? 0 : -EINVAL);
    KTEST_EQ(sched_set_affinity(thread_current(), all), 0);
}

KTEST(place, affinity_of_others)
{
    uint64_t mask[CPU_MAX / 64];

    for (unsigned i = 0; i < WORKERS; i++)
        KTEST_REQUIRE(worker_start(&workers[i], spinner));
    for (unsigned n = 0; n < ROUNDS; n++) {
        struct worker *w = &workers[n % WORKERS];
        unsigned heard;

        mask_of(mask, nth_cpu(n));
        KTEST_EQ(sched_set_affinity(w->thread, mask), 0);
        /* Running, queued or on its way: never again elsewhere. */
        KTEST_TRUE(!atomic_load(&w->thread->on_cpu) || w->thread->ctx.cpu->id == nth_cpu(n));
        heard = atomic_load(&w->heard);
        while (atomic_load(&w->heard) < heard + 2) /* one look may be an old one */
            sched_yield();
        KTEST_EQ(atomic_load(&w->seen), nth_cpu(n));
    }
    for (unsigned i = 0; i < WORKERS; i++)
        worker_join(&workers[i]);
}

static void pinned(struct worker *w)
{
    uint64_t all[CPU_MAX / 64];

    memset(all, 0xff, sizeof all);
    w->thread = thread_current();
    thread_get(w->thread);
    atomic_store(&w->seen, here());
    w->wrong = sched_set_affinity(thread_current(), all) != -EINVAL;
}

KTEST(place, thread_of_one_cpu)
{
    for (unsigned n = 0; n < cpus_online_count(); n++) {
        static struct worker w;

        memset(&w, 0, sizeof w);
        w.fn = pinned;
        waitq_init(&w.ended);
        w.seen = CPU_MAX;
        KTEST_REQUIRE(kthread_start_on(cpus[nth_cpu(n)], "ktest", LEVEL_NORMAL, worker_main, &w));
        worker_join_started(&w);
        KTEST_EQ(w.seen, nth_cpu(n));
        KTEST_TRUE(!w.wrong);
    }
}

/* --- wake-ups ---------------------------------------------------------------------------------- */

/* Answers each ring of its bell, and looks whether it runs twice at once. */
static void listener(struct worker *w)
{
    uint32_t bit = 1u << (w - workers);

    for (;;) {
        wait_event(&w->bell, atomic_load(&w->rung) != atomic_load(&w->heard) ||
                                 atomic_load(&w->stop));
        if (atomic_fetch_or(&running_bits, bit) & bit)
            w->wrong = true;
        if (atomic_load(&w->stop) && atomic_load(&w->rung) == atomic_load(&w->heard))
            break;
        hal_relax();
        atomic_store(&w->heard, atomic_load(&w->rung));
        atomic_fetch_and(&running_bits, ~bit);
    }
}

/* Wakes and moves at the same time: each ring must be heard. */
KTEST(place, wake_while_moving)
{
    uint64_t mask[CPU_MAX / 64];

    running_bits = 0;
    for (unsigned i = 0; i < WORKERS; i++)
        KTEST_REQUIRE(worker_start(&workers[i], listener));
    for (unsigned n = 1; n <= ROUNDS; n++) {
        for (unsigned i = 0; i < WORKERS; i++) {
            atomic_store(&workers[i].rung, n);
            waitq_wake_all(&workers[i].bell);
            mask_of(mask, nth_cpu(n * 7 + i));
            KTEST_EQ(sched_set_affinity(workers[i].thread, mask), 0);
        }
        for (unsigned i = 0; i < WORKERS; i++)
            while (atomic_load(&workers[i].heard) != n)
                sched_yield();
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        worker_join(&workers[i]);
        KTEST_TRUE(!workers[i].wrong);
    }
}

/* As many threads as CPUs that compute: each gets one. */
KTEST(place, idle_cpus_take_work)
{
    unsigned count = MIN(cpus_online_count() - 1, WORKERS), apart;
    ns_t end = clock_monotonic() + 10 * NS_PER_SEC;

    for (unsigned i = 0; i < count; i++)
        KTEST_REQUIRE(worker_start(&workers[i], spinner));
    do {
        uint64_t used[CPU_MAX / 64] = { 0 };

        sched_yield();
        bitmap_set(used, here());
        for (unsigned i = 0; i < count; i++)
            bitmap_set(used, atomic_load(&workers[i].seen));
        apart = (unsigned)bitmap_count(used, CPU_MAX);
    } while (apart < count + 1 && clock_monotonic() < end);
    KTEST_EQ(apart, count + 1);
    for (unsigned i = 0; i < count; i++)
        worker_join(&workers[i]);
}

/* A real-time thread that may use two CPUs, one of which runs another for good, runs on the other. */
static void realtime_spinner(struct worker *w)
{
    while (!atomic_load(&w->stop)) {
        atomic_fetch_add(&w->heard, 1);
        atomic_store(&w->seen, here());
        hal_relax();
    }
}

KTEST(place, realtime_threads_run_apart)
{
    uint64_t mask[CPU_MAX / 64] = { 0 }, all[CPU_MAX / 64], first[CPU_MAX / 64];
    ns_t end = clock_monotonic() + 10 * NS_PER_SEC;

    if (cpus_online_count() < 3)
        return; /* this thread needs one, too */
    memset(all, 0xff, sizeof all);
    mask_of(first, nth_cpu(0));
    bitmap_set(mask, nth_cpu(1));
    bitmap_set(mask, nth_cpu(2));
    KTEST_EQ(sched_set_affinity(thread_current(), first), 0);
    for (unsigned i = 0; i < 2; i++) {
        KTEST_REQUIRE(worker_start(&workers[i], realtime_spinner));
        KTEST_EQ(sched_set_affinity(workers[i].thread, mask), 0);
        KTEST_EQ(sched_set_policy(workers[i].thread, 1 /* SCHED_FIFO */, 10), 0);
    }
    while ((atomic_load(&workers[0].seen) == atomic_load(&workers[1].seen) ||
            atomic_load(&workers[0].heard) < 100 || atomic_load(&workers[1].heard) < 100) &&
           clock_monotonic() < end)
        sched_yield();
    KTEST_TRUE(atomic_load(&workers[0].heard) >= 100 && atomic_load(&workers[1].heard) >= 100);
    KTEST_TRUE(atomic_load(&workers[0].seen) != atomic_load(&workers[1].seen));
    for (unsigned i = 0; i < 2; i++)
        worker_join(&workers[i]);
    KTEST_EQ(sched_set_affinity(thread_current(), all), 0);
}

/* --- exec -------------------------------------------------------------------------------------- */

/* From a CPU where another thread waits to an idle one, long before a slice is over. */
KTEST(place, exec_leaves_a_loaded_cpu)
{
    uint64_t mask[CPU_MAX / 64], all[CPU_MAX / 64];
    unsigned first = nth_cpu(0), second = nth_cpu(1), tries = 0;

    if (first == second)
        return;
    memset(all, 0xff, sizeof all);
    mask_of(mask, first);
    KTEST_EQ(sched_set_affinity(thread_current(), mask), 0);
    KTEST_REQUIRE(worker_start(&workers[0], spinner));
    KTEST_EQ(sched_set_affinity(workers[0].thread, mask), 0);
    bitmap_set(mask, second);
    KTEST_EQ(sched_set_affinity(thread_current(), mask), 0);
    while (here() == first && tries++ < 100000) {
        hal_relax(); /* the second one gets to idle */
        sched_exec();
    }
    KTEST_EQ(here(), second);
    worker_join(&workers[0]);
    KTEST_EQ(sched_set_affinity(thread_current(), all), 0);
}

/* --- timers ------------------------------------------------------------------------------------ */

struct again {
    struct timer timer;
    unsigned fired; /* atomic */
    bool forbidden; /* atomic: timer_cancel() has returned */
    bool wrong;
};

static void fire_again(struct timer *t)
{
    struct again *a = container_of(t, struct again, timer);

    atomic_fetch_add(&a->fired, 1);
    hal_relax();
    timer_set(t, clock_monotonic() + 20 * NS_PER_USEC);
    hal_relax();
    if (atomic_load(&a->forbidden))
        a->wrong = true;
}

/* A timer that arms itself again is over when timer_cancel() returns, wherever that is called. */
KTEST(place, cancel_of_a_timer_that_comes_back)
{
    uint64_t mask[CPU_MAX / 64], all[CPU_MAX / 64];

    if (!clock_event_current())
        return;
    memset(all, 0xff, sizeof all);
    for (unsigned n = 0; n < ROUNDS; n++) {
        static struct again a;
        unsigned fired;

        memset(&a, 0, sizeof a);
        timer_init(&a.timer, fire_again);
        mask_of(mask, nth_cpu(n));
        KTEST_EQ(sched_set_affinity(thread_current(), mask), 0);
        timer_set(&a.timer, clock_monotonic() + 20 * NS_PER_USEC);
        while (atomic_load(&a.fired) < 3)
            sched_yield();
        mask_of(mask, nth_cpu(n + 1));
        KTEST_EQ(sched_set_affinity(thread_current(), mask), 0);
        timer_set(&a.timer, clock_monotonic() + 20 * NS_PER_USEC); /* from here, too */
        timer_cancel(&a.timer);
        atomic_store(&a.forbidden, true);
        fired = atomic_load(&a.fired);
        KTEST_EQ(sleep_until(clock_monotonic() + 100 * NS_PER_USEC, false), 0);
        KTEST_EQ(atomic_load(&a.fired), fired);
        KTEST_TRUE(!a.wrong && !a.timer.armed);
    }
    KTEST_EQ(sched_set_affinity(thread_current(), all), 0);
}

/* A CPU that slept long comes back with the right time, and its ticks. */
KTEST(place, clock_after_idling)
{
    ns_t begun = clock_monotonic(), coarse;
    struct cpu_times before, after;

    if (!clock_event_current())
        return;
    sched_cpu_times(0, &before);
    KTEST_EQ(sleep_until(begun + 150 * NS_PER_MSEC, false), 0);
    coarse = clock_monotonic_coarse();
    KTEST_TRUE(clock_monotonic() >= begun + 150 * NS_PER_MSEC);
    KTEST_TRUE(coarse + 30 * NS_PER_MSEC >= begun + 150 * NS_PER_MSEC);
    sched_cpu_times(0, &after);
    KTEST_TRUE(after.idle >= before.idle);
}
