// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: wait queues; the pieces of wait_event().
 *
 * Model: plain waiters and callbacks stand in front, exclusive waiters behind, oldest first.  The
 * waker wakes a thread first and then takes its waiter off the queue; a waiter that finds both its
 * links pointing to itself knows that the waker will not touch it any more.
 * Locking: the queue's; the wake-up takes LOCK_RUNQ below it.
 */
#include <sched/waitq.h>

#include <sched/clock.h>
#include <sched/runqueue.h>
#include <sched/timer.h>

void waitq_init(struct waitq *q)
{
    spin_init(&q->lock, LOCK_WAITQ);
    list_init(&q->waiters);
}

/* A zeroed waiter is off the queue, too. */
static bool waiter_queued(const struct waiter *w)
{
    return w->link.next && list_linked(&w->link);
}

static void waiter_link(struct waitq *q, struct waiter *w)
{
    if (w->exclusive)
        list_add_tail(&q->waiters, &w->link);
    else
        list_add_head(&q->waiters, &w->link);
}

void waitq_add(struct waitq *q, struct waiter *w)
{
    unsigned long flags = spin_lock_irqsave(&q->lock);

    if (!waiter_queued(w))
        waiter_link(q, w);
    spin_unlock_irqrestore(&q->lock, flags);
}

void waitq_remove(struct waitq *q, struct waiter *w)
{
    unsigned long flags = spin_lock_irqsave(&q->lock);

    if (waiter_queued(w))
        list_del(&w->link);
    spin_unlock_irqrestore(&q->lock, flags);
}

/* Return: whether it counts as a woken exclusive waiter. */
static __hot bool waiter_wake(struct waiter *w, uintptr_t key, unsigned *woken)
{
    bool exclusive = w->exclusive;

    if (w->callback) {
        if (!w->callback(w, key & ~WAITQ_LAZY))
            return false;
        ++*woken;
        return exclusive;
    }
    if (!thread_wake_irqs_off(w->thread, WAKE_NORMAL | (key & WAITQ_LAZY ? WAKE_LAZY : 0)))
        return false;
    /* The links are written last: see waiter_gone(). */
    struct list *next = w->link.next, *prev = w->link.prev;

    prev->next = next;
    next->prev = prev;
    atomic_store(&w->link.next, &w->link);
    atomic_store(&w->link.prev, &w->link);
    ++*woken;
    return exclusive;
}

__hot unsigned waitq_wake(struct waitq *q, unsigned n, uintptr_t key)
{
    unsigned long flags = hal_irq_save();
    struct waiter *w, *next;
    unsigned woken = 0;

    spin_lock_raw(&q->lock);
    list_for_each_safe(w, next, &q->waiters, link)
        if (waiter_wake(w, key, &woken) && --n == 0)
            break;
    spin_unlock_raw(&q->lock);
    hal_irq_restore(flags);
    sched_check();
    return woken;
}

/* Did a waker take it off, and is it done with it? */
static bool waiter_gone(const struct waiter *w)
{
    return atomic_load(&w->link.next) == &w->link && atomic_load(&w->link.prev) == &w->link;
}

__hot void wait_begin(struct waitq *q, struct waiter *w, enum thread_state state)
{
    struct thread *self = thread_current();
    unsigned long flags = hal_irq_save();

    spin_lock_raw(&q->lock);
    w->thread = self;
    if (!waiter_queued(w))
        waiter_link(q, w);
    atomic_store_relaxed(&self->state, state);
    self->wait_on = q;
    spin_unlock_raw(&q->lock);
    hal_irq_restore(flags);
    /* The state before the predicate; pairs with waitq_active() and thread_wake_state(). */
    atomic_fence();
}

__hot void wait_end(struct waitq *q, struct waiter *w)
{
    struct thread *self = thread_current();

    atomic_store_relaxed(&self->state, THREAD_RUNNABLE);
    self->wait_on = NULL;
    if (!waiter_gone(w))
        waitq_remove(q, w);
}

void wait_abort(struct waitq *q, struct waiter *w)
{
    unsigned long flags;
    bool swallowed;

    atomic_store_relaxed(&thread_current()->state, THREAD_RUNNABLE);
    thread_current()->wait_on = NULL;
    flags = spin_lock_irqsave(&q->lock);
    swallowed = w->exclusive && !waiter_queued(w);
    if (waiter_queued(w))
        list_del(&w->link);
    spin_unlock_irqrestore(&q->lock, flags);
    if (swallowed)
        waitq_wake_one(q);
}

bool thread_signal_pending(void)
{
    return atomic_load(&hal_current()->pending) & PENDING_SIGNAL;
}

struct wait_timer {
    struct timer timer;
    struct thread *thread;
};

static void wait_timer_fire(struct timer *timer)
{
    thread_wake(container_of(timer, struct wait_timer, timer)->thread);
}

static err_t sleep_with_deadline(ns_t deadline)
{
    struct wait_timer wt = { .thread = thread_current() };

    if (clock_monotonic() >= deadline)
        return -ETIMEDOUT;
    timer_init(&wt.timer, wait_timer_fire);
    timer_set(&wt.timer, deadline);
    schedule();
    return timer_cancel(&wt.timer) ? 0 : -ETIMEDOUT;
}

__hot err_t wait_sleep(enum thread_state state, ns_t deadline)
{
    if (state == THREAD_SLEEPING_INTR && unlikely(thread_signal_pending()))
        return -ERESTARTSYS;
    if (deadline != NS_NEVER)
        return sleep_with_deadline(deadline);
    schedule();
    return 0;
}

err_t sleep_until(ns_t deadline, bool interruptible)
{
    enum thread_state state = interruptible ? THREAD_SLEEPING_INTR : THREAD_SLEEPING;
    struct thread *self = thread_current();
    err_t err;

    do {
        atomic_store_relaxed(&self->state, state);
        atomic_fence();
        err = wait_sleep(state, deadline);
    } while (err == 0);
    atomic_store_relaxed(&self->state, THREAD_RUNNABLE);
    return err == -ETIMEDOUT ? 0 : err;
}
