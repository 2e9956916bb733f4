// SPDX-License-Identifier: CC0-1.0
/* Purpose: interleavings of wait queues: tokens that are handed over must all arrive. */
#include <boot/explore.h>

#include <sched/clock.h>
#include <sched/timer.h>
#include <sched/waitq.h>

#define TOKENS 3 /* for each consumer */

static struct waitq queue = WAITQ_INIT(queue);
static unsigned tokens; /* atomic */
static unsigned taken; /* atomic */

static bool token_take(void)
{
    unsigned n = atomic_load(&tokens);

    while (n != 0)
        if (atomic_cas(&tokens, &n, n - 1)) {
            (void)atomic_fetch_add(&taken, 1);
            return true;
        }
    return false;
}

static void token_give(void)
{
    (void)atomic_fetch_add(&tokens, 1);
    (void)waitq_wake_one(&queue);
}

static const char *wait_check(void)
{
    return tokens == 0 ? NULL : "tokens are left";
}

/* --- one for each, exclusive and plain --- */

static void event_work(unsigned id)
{
    for (unsigned i = 0; i < TOKENS; i++) {
        if (id % 2 == 0)
            token_give();
        else if (id == 1)
            wait_event(&queue, token_take());
        else
            (void)wait_event_state(&queue, token_take(), THREAD_SLEEPING, NS_NEVER, true);
    }
}

EXPLORE(event, .name = "waitq.event", .workers = 4, .work = event_work, .check = wait_check);
EXPLORE(event_free, .name = "waitq.event_moving", .workers = 6, .flags = EXPLORE_FREE,
        .work = event_work, .check = wait_check);

static void event_late(unsigned id)
{
    for (unsigned i = 0; i < TOKENS; i++) {
        if (id % 2 == 0) {
            (void)waitq_wake_one(&queue); /* before there is anything to wake for */
            (void)atomic_fetch_add(&tokens, 1);
        } else {
            (void)wait_event_state(&queue, token_take(), THREAD_SLEEPING, NS_NEVER, true);
        }
    }
}

EXPLORE(event_late, .name = "waitq.event!wakes_before_the_predicate", .broken = true, .workers = 4,
        .work = event_late);

/* As wait_event(), but looks at the predicate before it has queued itself only. */
static void event_unseen(unsigned id)
{
    for (unsigned i = 0; i < TOKENS; i++) {
        struct waiter w = { .exclusive = true };

        if (id % 2 == 0) {
            token_give();
            continue;
        }
        while (!token_take()) {
            wait_begin(&queue, &w, THREAD_SLEEPING);
            (void)wait_sleep(THREAD_SLEEPING, NS_NEVER);
            wait_end(&queue, &w);
        }
    }
}

EXPLORE(event_unseen, .name = "waitq.event!no_second_look", .broken = true, .workers = 4,
        .work = event_unseen);

/* --- waiters that give up --- */

/* Some wait with a deadline, some get signals: a token for which one of them was woken as it gave up
 * must go to another one. */
static void abort_work(unsigned id)
{
    for (unsigned i = 0; i < TOKENS; i++) {
        ns_t soon = clock_monotonic() + 200 + explore_random(4000);
        err_t err;

        if (id == 0) {
            token_give();
            continue;
        }
        if (id == 1) {
            (void)wait_event_state(&queue, token_take(), THREAD_SLEEPING, NS_NEVER, true);
            continue;
        }
        err = wait_event_state(&queue, token_take(), THREAD_SLEEPING_INTR,
                               id == 2 ? soon : NS_NEVER, true);
        if (err == 0)
            token_give(); /* back: it was for id 1 */
        explore_must(err == 0 || err == (id == 2 ? -ETIMEDOUT : -ERESTARTSYS));
        atomic_fetch_and(&thread_current()->ctx.pending, ~(uint32_t)PENDING_SIGNAL);
    }
}

/* Signals worker 3. */
static void abort_signal(unsigned id)
{
    struct thread *t = explore_worker(3);

    if (id != 4) {
        abort_work(id);
        return;
    }
    /* Until it is done: its last wait, too, needs an end. */
    while (t->state != THREAD_STOPPED) {
        atomic_fetch_or(&t->ctx.pending, PENDING_SIGNAL);
        (void)thread_wake_state(t, 1u << THREAD_SLEEPING_INTR);
        (void)sleep_until(clock_monotonic() + 2000 + explore_random(4000), false);
    }
}

EXPLORE(abort, .name = "waitq.abort", .workers = 5, .work = abort_signal, .check = wait_check);

/* As waiters do that forget that they may have been woken. */
static void abort_swallows(unsigned id)
{
    struct waiter w = { .exclusive = true };
    err_t err = 0;

    if (id != 2) {
        if (id < 2)
            abort_work(id);
        return;
    }
    for (unsigned i = 0; i < 4 * TOKENS; i++) {
        wait_begin(&queue, &w, THREAD_SLEEPING_INTR);
        if (atomic_load(&tokens) == 0)
            err = wait_sleep(THREAD_SLEEPING_INTR, clock_monotonic() + 200 + explore_random(4000));
        wait_end(&queue, &w);
        (void)err;
    }
}

EXPLORE(abort_swallows, .name = "waitq.abort!swallows_a_wake_up", .broken = true, .workers = 3,
        .work = abort_swallows);
