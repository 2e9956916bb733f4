// SPDX-License-Identifier: CC0-1.0
/* Purpose: threads that really run: creation, waiting, mutexes, timers, sleeping. */
#include <sched/sched.h>

#include <core/ktest.h>
#include <lib/atomic.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/mutex.h>
#include <sched/timer.h>
#include <sched/waitq.h>

/* A thread that the test holds a reference of, so that it can wait for its end. */
struct helper {
    void (*fn)(struct helper *h);
    struct thread *thread;
    bool done; /* atomic */
    struct waitq ended;
    unsigned number;
};

static void helper_main(void *arg)
{
    struct helper *h = arg;

    h->fn(h);
    atomic_store(&h->done, true);
    waitq_wake_all(&h->ended);
}

static bool helper_start(struct helper *h, void (*fn)(struct helper *h))
{
    struct thread_params p = { .name = "ktest", .level = LEVEL_NORMAL, .entry = helper_main,
                               .arg = h };

    memset(h, 0, sizeof *h);
    h->fn = fn;
    waitq_init(&h->ended);
    h->thread = kzalloc(sizeof *h->thread);
    if (!h->thread)
        return false;
    if (thread_init(h->thread, &p)) {
        kfree(h->thread);
        return false;
    }
    thread_get(h->thread);
    thread_start(h->thread);
    return true;
}

/* Waits until the thread is dead to the last switch, so that frames and heap are as before. */
static void helper_join(struct helper *h)
{
    wait_event(&h->ended, atomic_load(&h->done));
    while (atomic_load(&h->thread->refs) != 1)
        sched_yield();
    thread_put(h->thread);
}

/* Other threads of the kernel come and go meanwhile. */
static bool count_helper(struct thread *t, void *arg)
{
    *(unsigned *)arg += strcmp(t->name, "ktest") == 0;
    return true;
}

static unsigned helpers(void)
{
    unsigned n = 0;

    thread_for_each(count_helper, &n);
    return n;
}

static unsigned ran; /* atomic */

static void count_up(struct helper *h __maybe_unused)
{
    atomic_fetch_add(&ran, 1);
}

KTEST(thread, create_run_end)
{
    struct helper h[4];

    ran = 0;
    for (unsigned i = 0; i < 4; i++)
        KTEST_REQUIRE(helper_start(&h[i], count_up));
    for (unsigned i = 0; i < 4; i++)
        helper_join(&h[i]);
    KTEST_EQ(ran, 4);
    KTEST_EQ(helpers(), 0);
}

KTEST(thread, discard)
{
    struct thread *th = kzalloc(sizeof *th);
    struct thread_params p = { .name = "never", .level = LEVEL_LOW, .entry = helper_main };

    KTEST_REQUIRE(th && thread_init(th, &p) == 0);
    thread_discard(th);
    kfree(th);
}

/* --- wait queues --- */

static struct waitq ping_q = WAITQ_INIT(ping_q), pong_q = WAITQ_INIT(pong_q);
static unsigned ping, pong; /* atomic */

static void ponger(struct helper *h __maybe_unused)
{
    for (unsigned i = 1; i <= 100; i++) {
        wait_event(&ping_q, atomic_load(&ping) == i);
        atomic_store(&pong, i);
        waitq_wake_one(&pong_q);
    }
}

KTEST(waitq, ping_pong)
{
    struct helper h;

    ping = pong = 0;
    KTEST_REQUIRE(helper_start(&h, ponger));
    for (unsigned i = 1; i <= 100; i++) {
        atomic_store(&ping, i);
        waitq_wake_one(&ping_q);
        wait_event(&pong_q, atomic_load(&pong) == i);
    }
    helper_join(&h);
    KTEST_TRUE(list_empty(&ping_q.waiters) && list_empty(&pong_q.waiters));
}

static unsigned tokens; /* atomic */
static unsigned waiting; /* atomic */

static bool take_token(void)
{
    unsigned n = atomic_load(&tokens);

    while (n)
        if (atomic_cas(&tokens, &n, n - 1))
            return true;
    return false;
}

static void exclusive_waiter(struct helper *h __maybe_unused)
{
    atomic_fetch_add(&waiting, 1);
    (void)wait_event_state(&ping_q, take_token(), THREAD_SLEEPING, NS_NEVER, true);
    atomic_fetch_add(&ran, 1);
}

KTEST(waitq, exclusive_one_at_a_time)
{
    struct helper h[3];

    ran = tokens = waiting = 0;
    for (unsigned i = 0; i < 3; i++)
        KTEST_REQUIRE(helper_start(&h[i], exclusive_waiter));
    while (atomic_load(&waiting) < 3 || list_empty(&ping_q.waiters))
        sched_yield();
    for (unsigned i = 1; i <= 3; i++) {
        atomic_fetch_add(&tokens, 1);
        /* One that comes late, or was woken for nothing, finds the token by itself. */
        while (atomic_load(&ran) < i && waitq_wake_one(&ping_q) == 0)
            sched_yield();
        while (atomic_load(&ran) < i)
            sched_yield();
        KTEST_EQ(ran, i);
    }
    for (unsigned i = 0; i < 3; i++)
        helper_join(&h[i]);
}

static bool count_callback(struct waiter *w __maybe_unused, uintptr_t key)
{
    ran += (unsigned)key;
    return true;
}

KTEST(waitq, callbacks)
{
    struct waiter w = { .callback = count_callback };

    ran = 0;
    waitq_remove(&ping_q, &w); /* allowed: not queued */
    waitq_add(&ping_q, &w);
    waitq_add(&ping_q, &w); /* once is enough */
    KTEST_EQ(waitq_wake(&ping_q, 1, 7), 1);
    KTEST_EQ(waitq_wake(&ping_q, 1, 7), 1);
    KTEST_EQ(ran, 14);
    waitq_remove(&ping_q, &w);
    KTEST_TRUE(list_empty(&ping_q.waiters));
}

KTEST(waitq, deadline)
{
    ns_t begun = clock_monotonic();

    if (!clock_event_current())
        return; /* nobody would wake us */
    KTEST_EQ(wait_event_deadline(&ping_q, false, begun + 2 * NS_PER_MSEC), -ETIMEDOUT);
    KTEST_TRUE(clock_monotonic() >= begun + 2 * NS_PER_MSEC);
    KTEST_EQ(wait_event_deadline(&ping_q, true, begun), 0);
    KTEST_TRUE(list_empty(&ping_q.waiters));
}

/* --- mutexes --- */

static struct mutex mutex = MUTEX_INIT(mutex);
static unsigned shared; /* mutex */

static void adder(struct helper *h __maybe_unused)
{
    for (unsigned i = 0; i < 50; i++) {
        mutex_lock(&mutex);
        unsigned seen = shared;

        sched_yield(); /* others must not get in */
        shared = seen + 1;
        mutex_unlock(&mutex);
    }
}

KTEST(mutex, excludes)
{
    struct helper h[3];

    shared = 0;
    for (unsigned i = 0; i < 3; i++)
        KTEST_REQUIRE(helper_start(&h[i], adder));
    for (unsigned i = 0; i < 3; i++)
        helper_join(&h[i]);
    KTEST_EQ(shared, 150);
    KTEST_TRUE(mutex_try(&mutex));
    KTEST_TRUE(mutex_held(&mutex));
    KTEST_TRUE(!mutex_try(&mutex));
    mutex_unlock(&mutex);
    KTEST_TRUE(!mutex_held(&mutex));
}

static struct rwlock rwlock = RWLOCK_INIT(rwlock);

static void writer(struct helper *h __maybe_unused)
{
    for (unsigned i = 0; i < 50; i++) {
        rwlock_write(&rwlock);
        shared++;
        sched_yield();
        shared++;
        rwlock_downgrade(&rwlock);
        sched_yield();
        rwlock_read_done(&rwlock);
    }
}

static void reader(struct helper *h)
{
    for (unsigned i = 0; i < 50; i++) {
        rwlock_read(&rwlock);
        h->number |= shared & 1; /* a writer was inside */
        sched_yield();
        h->number |= shared & 1;
        rwlock_read_done(&rwlock);
    }
}

KTEST(mutex, readers_and_writers)
{
    struct helper w[2], r[2];

    shared = 0;
    for (unsigned i = 0; i < 2; i++) {
        KTEST_REQUIRE(helper_start(&w[i], writer));
        KTEST_REQUIRE(helper_start(&r[i], reader));
    }
    for (unsigned i = 0; i < 2; i++) {
        helper_join(&w[i]);
        helper_join(&r[i]);
        KTEST_EQ(r[i].number, 0);
    }
    KTEST_EQ(shared, 200);
    KTEST_EQ(rwlock.state, 0);
}

/* --- timers --- */

static unsigned fired[4], fired_count;

struct test_timer {
    struct timer timer;
    unsigned number;
};

static void note_timer(struct timer *t)
{
    fired[fired_count++ & 3] = container_of(t, struct test_timer, timer)->number;
}

KTEST(timer, order_and_cancel)
{
    struct test_timer tt[4];
    ns_t now = clock_monotonic();

    if (!clock_event_current())
        return;
    fired_count = 0;
    for (unsigned i = 0; i < 4; i++) {
        tt[i].number = i;
        timer_init(&tt[i].timer, note_timer);
    }
    KTEST_TRUE(!timer_cancel(&tt[0].timer)); /* never armed */
    timer_set(&tt[0].timer, now + 50 * NS_PER_MSEC);
    timer_set(&tt[1].timer, now + 30 * NS_PER_MSEC);
    timer_set(&tt[2].timer, now + 40 * NS_PER_MSEC);
    timer_set(&tt[3].timer, now + 3600 * NS_PER_SEC);
    timer_set(&tt[3].timer, now + 30 * NS_PER_MSEC); /* again: behind tt[1] */
    KTEST_TRUE(timer_cancel(&tt[2].timer));
    KTEST_EQ(sleep_until(now + 60 * NS_PER_MSEC, false), 0);
    KTEST_EQ(fired_count, 3);
    KTEST_EQ(fired[0], 1);
    KTEST_EQ(fired[1], 3);
    KTEST_EQ(fired[2], 0);
    KTEST_TRUE(!timer_cancel(&tt[0].timer));
}

KTEST(timer, past_deadline_fires)
{
    struct test_timer tt = { .number = 9 };

    if (!clock_event_current())
        return;
    fired_count = 0;
    timer_init(&tt.timer, note_timer);
    timer_set(&tt.timer, 1);
    KTEST_EQ(sleep_until(clock_monotonic() + NS_PER_MSEC, false), 0);
    KTEST_EQ(fired_count, 1);
}

KTEST(clock, monotonic_moves)
{
    ns_t a = clock_monotonic(), b;

    KTEST_EQ(sleep_until(a, false), 0); /* at once */
    b = clock_monotonic();
    KTEST_TRUE(b >= a);
    KTEST_TRUE(clock_monotonic_coarse() <= b);
}
