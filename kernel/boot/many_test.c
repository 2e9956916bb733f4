// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: as many threads as memory holds, up to ten thousand, on all CPUs at once: they are all
 * there, hand a word to and fro in pairs, and end.  (With DEVINE_CPUS=64 DEVINE_RAM_MIB=2048 it is all
 * of them; the runner of the tests sees to it that no frame is lost.)
 */
#define LOG_TAG "many"
#include <core/ktest.h>
#include <core/log.h>
#include <core/smp.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/vmap.h>
#include <sched/clock.h>
#include <sched/sched.h>
#include <sched/timer.h>
#include <sched/waitq.h>

#define THREADS_MAX 10000u
#define ROUNDS 4
#define TURNS_SLACK 50

struct pair {
    struct waitq changed;
    uint32_t turn; /* atomic; even: the first's */
    uint32_t present; /* atomic: who has asked for a side */
};

static struct waitq gate = WAITQ_INIT(gate);
static uint32_t arrived, opened, ended; /* atomic */
static uint32_t turns[CPU_MAX]; /* atomic: taken on that CPU */

static void pair_main(void *arg)
{
    struct pair *p = arg;
    uint32_t side = atomic_fetch_add(&p->present, 1);

    (void)atomic_fetch_add(&arrived, 1);
    wait_event(&gate, atomic_load(&opened) != 0);
    for (uint32_t i = side; i < 2 * ROUNDS; i += 2) {
        wait_event(&p->changed, atomic_load(&p->turn) == i);
        (void)atomic_fetch_add(&turns[cpu_current()->id], 1);
        (void)atomic_fetch_add(&p->turn, 1);
        (void)waitq_wake_all(&p->changed);
    }
    (void)atomic_fetch_add(&ended, 1);
}

/* What half of the free memory holds, in pairs. */
static unsigned pairs_wanted(void)
{
    uint64_t each = KERNEL_STACK_SIZE / PAGE_SIZE + 1;

    return (unsigned)MIN(THREADS_MAX, frame_free_count() / 2 / each) / 2;
}

static unsigned pairs_start(struct pair *pairs, unsigned n)
{
    unsigned started = 0;

    for (unsigned i = 0; i < 2 * n; i++) {
        if (i % 2 == 0)
            waitq_init(&pairs[i / 2].changed);
        if (kthread_start("pair", LEVEL_NORMAL, pair_main, &pairs[i / 2]) == NULL)
            break;
        started++;
    }
    return started;
}

/* Every CPU had its share, within a factor of four. */
static bool turns_even(uint64_t total)
{
    unsigned cpus_ = cpus_online_count();
    uint64_t share = total / cpus_;

    for (unsigned i = 0; i < cpus_; i++) {
        if (turns[i] + TURNS_SLACK < share / 4 || turns[i] > share * 4 + TURNS_SLACK) {
            log_warn("CPU %u took %u of %llu turns", i, turns[i], (unsigned long long)total);
            return false;
        }
    }
    return true;
}

KTEST(many, threads_in_pairs)
{
    unsigned n = pairs_wanted(), before = thread_count(), started;
    struct pair *pairs = kzalloc(n * sizeof(*pairs));

    KTEST_REQUIRE(pairs != NULL && n > 0);
    arrived = opened = ended = 0;
    for (unsigned i = 0; i < CPU_MAX; i++)
        turns[i] = 0;
    started = pairs_start(pairs, n);
    KTEST_EQ(started, 2 * n);
    while (atomic_load(&arrived) != started)
        (void)sleep_until(clock_monotonic() + NS_PER_MSEC, false);
    KTEST_EQ(thread_count(), before + started);
    atomic_store(&opened, 1);
    (void)waitq_wake_all(&gate);
    while (started == 2 * n && thread_count() != before)
        (void)sleep_until(clock_monotonic() + NS_PER_MSEC, false);
    KTEST_EQ(ended, 2 * n);
    KTEST_TRUE(turns_even(2ull * n * ROUNDS));
    log_info("%u threads on %u CPUs", 2 * n, cpus_online_count());
    kfree(pairs);
}
