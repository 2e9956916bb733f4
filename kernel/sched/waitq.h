// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: sleeping until something is true.
 *
 * Model: a wait takes a predicate.  The waiter puts itself on the queue and sets its state, then
 * looks at the predicate, then sleeps; the waker makes the predicate true, then wakes: so whichever
 * comes second sees the other.
 *
 *     waiter                               waker
 *     queue self, state = SLEEPING
 *     predicate? no                        predicate = true
 *     schedule()                           wake: state = RUNNABLE
 *
 * Exclusive waiters are woken one at a time, oldest first; a waker takes the waiter that it woke off
 * the queue, so that a waiter usually leaves without the lock.  A queue may also hold callbacks
 * (poll, epoll), which stay until removed.
 * Locking: the queue's own (LOCK_WAITQ), taken with interrupts off.  Wakes from any context.
 */
#pragma once

#include <core/spinlock.h>
#include <lib/list.h>
#include <sched/sched.h>

struct waitq {
    struct spinlock lock;
    struct list waiters;
};

#define WAITQ_INIT(name) { SPINLOCK_INIT(LOCK_WAITQ), LIST_INIT((name).waiters) }

struct waiter {
    struct list link; /* queue's lock */
    struct thread *thread;
    bool exclusive;
    /* Instead of waking `thread`: called under the queue's lock, interrupts off; `key` is what the
     * waker passed (POLL* bits). Return: whether it counts as one woken. */
    bool (*callback)(struct waiter *w, uintptr_t key);
};

void waitq_init(struct waitq *q);
void waitq_add(struct waitq *q, struct waiter *w); /* callbacks: poll */
void waitq_remove(struct waitq *q, struct waiter *w); /* allowed when not queued */
/* Wakes all plain waiters and up to n exclusive ones.  `key` is for callbacks, but for
 * WAITQ_LAZY: see WAKE_LAZY.  Return: how many. */
#define WAITQ_LAZY (1ul << 63)
unsigned waitq_wake(struct waitq *q, unsigned n, uintptr_t key);
static inline bool waitq_active(struct waitq *q)
{
    atomic_fence();
    return !list_empty(&q->waiters);
}
static inline unsigned waitq_wake_all(struct waitq *q)
{
    return waitq_active(q) ? waitq_wake(q, UINT_MAX, ~WAITQ_LAZY) : 0;
}
static inline unsigned waitq_wake_one(struct waitq *q)
{
    return waitq_active(q) ? waitq_wake(q, 1, ~WAITQ_LAZY) : 0;
}

/* The pieces of a wait; use the macros below. */
void wait_begin(struct waitq *q, struct waiter *w, enum thread_state state);
void wait_end(struct waitq *q, struct waiter *w);
/* wait_end of a waiter that gives up: a wake-up that it swallowed meanwhile goes to the next. */
void wait_abort(struct waitq *q, struct waiter *w);
/* Sleeps until woken or until `deadline` (monotonic, NS_NEVER: none).
 * Return: 0 woken; -ETIMEDOUT; -ERESTARTSYS when interruptible and a signal is pending. */
err_t wait_sleep(enum thread_state state, ns_t deadline);
/* Is a signal pending for the running thread? */
bool thread_signal_pending(void);

/*
 * Waits until `cond` holds.  Value: 0; for the interruptible kinds -ERESTARTSYS; with a deadline
 * -ETIMEDOUT (cond is looked at once more first).  `cond` is evaluated many times, outside locks.
 */
#define wait_event_state(q, cond, state, deadline, excl)                                           \
    ({                                                                                             \
        err_t we_ret = 0;                                                                          \
        if (!(cond)) {                                                                             \
            struct waiter we_w = { .exclusive = (excl) };                                          \
            for (;;) {                                                                             \
                wait_begin(q, &we_w, state);                                                       \
                if (cond) {                                                                        \
                    we_ret = 0;                                                                    \
                    break;                                                                         \
                }                                                                                  \
                if (we_ret)                                                                        \
                    break;                                                                         \
                we_ret = wait_sleep(state, deadline);                                              \
                if (cond) { /* usually: no need to queue again */                                  \
                    we_ret = 0;                                                                    \
                    break;                                                                         \
                }                                                                                  \
            }                                                                                      \
            if (we_ret)                                                                            \
                wait_abort(q, &we_w);                                                              \
            else                                                                                   \
                wait_end(q, &we_w);                                                                \
        }                                                                                          \
        we_ret;                                                                                    \
    })
#define wait_event(q, cond) ((void)wait_event_state(q, cond, THREAD_SLEEPING, NS_NEVER, false))
#define wait_event_intr(q, cond)                                                                   \
    wait_event_state(q, cond, THREAD_SLEEPING_INTR, NS_NEVER, false)
#define wait_event_intr_excl(q, cond)                                                              \
    wait_event_state(q, cond, THREAD_SLEEPING_INTR, NS_NEVER, true)
#define wait_event_intr_deadline(q, cond, deadline)                                                \
    wait_event_state(q, cond, THREAD_SLEEPING_INTR, deadline, false)
#define wait_event_deadline(q, cond, deadline)                                                     \
    wait_event_state(q, cond, THREAD_SLEEPING, deadline, false)
