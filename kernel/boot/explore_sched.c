// SPDX-License-Identifier: CC0-1.0
/* Purpose: interleavings of the run queues: sleeping, waking, moving, ending. */
#include <boot/explore.h>

#include <hal/cpu.h>
#include <sched/clock.h>
#include <sched/sched.h>
#include <sched/timer.h>

#define ROUNDS 4
#define PROMPT_NS NS_PER_MSEC /* a tick is 10 */

static unsigned flag[EXPLORE_WORKERS]; /* atomic: something came for the worker */
static uint32_t runs[EXPLORE_WORKERS]; /* atomic: CPUs in its code, + 1 each */

/* Is the running worker somewhere else, too? */
static void runs_once(unsigned id)
{
    explore_must(atomic_fetch_add(&runs[id], 1) == 0);
    explore_must(thread_current() == explore_worker(id));
    explore_must(thread_current()->on_cpu);
    explore_must(atomic_fetch_sub(&runs[id], 1) == 1);
}

/* --- to and fro --- */

static void flag_await(unsigned id)
{
    while (atomic_xchg(&flag[id], 0) == 0) {
        atomic_store_relaxed(&thread_current()->state, THREAD_SLEEPING);
        atomic_fence();
        if (atomic_load(&flag[id]) == 0)
            schedule();
        atomic_store_relaxed(&thread_current()->state, THREAD_RUNNABLE);
    }
}

static void flag_give(unsigned id)
{
    atomic_store(&flag[id], 1);
    (void)thread_wake(explore_worker(id));
}

static void wake_work(unsigned id)
{
    unsigned peer = id ^ 1;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (id % 2 == 0)
            flag_give(peer);
        flag_await(id);
        runs_once(id);
        if (id % 2 == 1)
            flag_give(peer);
    }
}

EXPLORE(wake, .name = "runq.wake", .workers = 4, .work = wake_work);
EXPLORE(wake_free, .name = "runq.wake_moving", .workers = 6, .flags = EXPLORE_FREE,
        .work = wake_work);

/* Looks first and writes its state then: who wakes in between finds it awake. */
static void state_late(unsigned id)
{
    unsigned peer = id ^ 1;

    for (unsigned i = 0; i < ROUNDS; i++) {
        flag_give(peer);
        while (atomic_xchg(&flag[id], 0) == 0) {
            atomic_store_relaxed(&thread_current()->state, THREAD_SLEEPING);
            schedule();
        }
    }
}

EXPLORE(state_late, .name = "runq.wake!no_second_look", .broken = true, .workers = 2,
        .work = state_late);

/* --- promptly --- */

static ns_t woken_at; /* atomic */

/* Worker 0 wakes worker 1, whose CPU has nothing else to do: it runs long before any tick. */
static void prompt_work(unsigned id)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (id == 0) {
            (void)sleep_until(clock_monotonic() + 100000 + explore_random(100000), false);
            atomic_store(&woken_at, clock_monotonic());
            flag_give(1);
            flag_await(0);
        } else {
            flag_await(1);
            explore_must(clock_monotonic() - atomic_load(&woken_at) < PROMPT_NS);
            flag_give(0);
        }
    }
}

static void prompt_broken(void)
{
    host_faults = HOST_FAULT_NO_RESCHED_IPI;
}

EXPLORE(prompt, .name = "runq.idle_cpu_wakes", .workers = 2, .work = prompt_work);
EXPLORE(prompt_free, .name = "runq.idle_cpu_wakes_moving", .workers = 2, .flags = EXPLORE_FREE,
        .work = prompt_work);
EXPLORE(prompt_broken, .name = "runq.idle_cpu_wakes!no_interrupt", .broken = true, .workers = 2,
        .prepare = prompt_broken, .work = prompt_work);

/* --- moving --- */

static uint64_t allowed; /* CPUs of worker 0 while no change is under way; atomic */
static uint64_t present; /* worker 0: bit of the CPU that it last saw itself on; atomic */
static unsigned moves; /* atomic: changes that are over */

static void affinity_set(uint64_t cpus_)
{
    uint64_t mask[CPU_MAX / 64] = { cpus_ };

    explore_must(sched_set_affinity(explore_worker(0), mask) == 0);
}

/* Notes where it is, so that a mover can see it. */
static void here_note(void)
{
    unsigned long flags = hal_irq_save();

    atomic_store(&present, BIT(cpu_current()->id));
    hal_irq_restore(flags);
}

static void affinity_work(unsigned id)
{
    if (id == 0) { /* sleeps, runs, yields */
        while (atomic_load(&moves) < 2 * ROUNDS) {
            unsigned long flags = hal_irq_save();
            unsigned before = atomic_load(&moves);
            uint64_t mask = atomic_load(&allowed);
            uint64_t here = BIT(cpu_current()->id);

            /* Interrupts were off since `before`: a change that was over by then has moved us. */
            if (mask != 0 && atomic_load(&moves) == before && atomic_load(&allowed) == mask)
                explore_must(mask & here);
            hal_irq_restore(flags);
            here_note();
            runs_once(0);
            if (explore_random(3) == 0)
                sched_yield();
            else if (explore_random(2) == 0)
                (void)sleep_until(clock_monotonic() + explore_random(2000), false);
        }
        return;
    }
    if (id == 1) { /* forbids and allows */
        for (unsigned i = 0; i < 2 * ROUNDS; i++) {
            uint64_t mask = 1 + explore_random((1u << cpu_count) - 1);

            atomic_store(&allowed, 0);
            affinity_set(mask);
            atomic_store(&allowed, mask);
            explore_point();
            (void)atomic_fetch_add(&moves, 1);
        }
        affinity_set(~0ull);
        return;
    }
    while (atomic_load(&moves) < 2 * ROUNDS) { /* wakes for nothing, changes policy */
        (void)thread_wake(explore_worker(0));
        explore_must(sched_set_nice(explore_worker(0), (int)explore_random(20)) == 0);
        sched_yield();
    }
}

EXPLORE(affinity, .name = "runq.affinity", .workers = 3, .flags = EXPLORE_FREE,
        .work = affinity_work);

/* --- ending --- */

static unsigned children; /* atomic: that ran */

static void child_main(void *arg)
{
    (void)arg;
    if (explore_random(2) == 0)
        sched_yield();
    (void)atomic_fetch_add(&children, 1);
}

/* Each starts children, which end, and is woken by the others while it ends itself. */
static void end_work(unsigned id)
{
    for (unsigned i = 0; i < 2; i++)
        explore_must(kthread_start("child", LEVEL_NORMAL, child_main, NULL) != NULL);
    if (id % 2 == 0)
        (void)sleep_until(clock_monotonic() + explore_random(3000), false);
    for (unsigned i = 0; i < 4; i++)
        (void)thread_wake(explore_worker(i));
}

/* References, so that who has ended can be woken. */
static void end_prepare(void)
{
    for (unsigned i = 0; i < 4; i++)
        thread_get(explore_worker(i));
}

static const char *end_check(void)
{
    ns_t late = clock_monotonic() + 20 * NS_PER_MSEC;

    for (unsigned i = 0; i < 4; i++) {
        struct thread *t = explore_worker(i);

        /* It may still stand in its last switch. */
        while (atomic_load(&t->on_cpu) || atomic_load(&t->ctx.stack_top) != 0)
            if (sleep_until(clock_monotonic() + 50 * NS_PER_USEC, false) != 0 ||
                clock_monotonic() > late)
                return "a thread that ended still holds its stack";
        if (t->state != THREAD_DEAD || thread_wake(t))
            return "a dead thread was woken";
        thread_put(t);
    }
    return children == 8 ? NULL : "a child did not run";
}

EXPLORE(end, .name = "runq.exit", .workers = 4, .flags = EXPLORE_FREE | EXPLORE_ENDS,
        .prepare = end_prepare, .work = end_work, .check = end_check);
