// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: timers.
 *
 * Model: each CPU's queue is a red-black tree by deadline, equal ones in order of arming, with its
 * first at hand.  The event device is asked for the first deadline, and only when that comes before
 * the one it was asked for last: a timer that is cancelled in time (most time-outs) never costs
 * device work, at worst one interrupt that finds nothing to do.
 * Locking: LOCK_TIMER of the queue; `queue` of a timer changes under the lock of the queue that it
 * names, and is looked at again under it.  Callbacks run without the lock; `running` names the one
 * that runs, so that timer_cancel() on another CPU can wait for its end.  A timer that is armed again
 * while its callback runs stays with that CPU, so there is one place to look:
 *
 *     CPU 0                               CPU 1
 *     timer_interrupt: running = t
 *     t->fn(t): timer_set(t, later)       timer_cancel(t): disarms, sees running, waits,
 *     running = NULL                        looks again: disarmed for good
 * Invariants: (1) first is the tree's leftmost node; (2) armed exactly when in the tree;
 * (3) programmed <= first->deadline when a device exists, outside timer_interrupt().
 */
#include <sched/timer.h>

#include <core/panic.h>
#include <core/smp.h>
#include <core/spinlock.h>
#include <hal/cpu.h>
#include <mm/heap.h>
#include <sched/clock.h>

#define JUMP_NS (2 * NS_PER_SEC) /* longer than the time is left alone; a counter that runs back jumps farther */
#define STILL_MAX 100u

struct timer_queue {
    struct spinlock lock;
    struct tree tree;
    struct timer *first; /* NULL: none */
    ns_t programmed; /* what the event device was asked for; NS_NEVER: nothing */
    struct timer *running; /* whose callback runs */
    uint64_t interrupts; /* of the event device; own CPU, as the rest */
    ns_t now; /* the time at the last one */
    unsigned still; /* in a row that found the same time */
};

struct timer_queue *timer_queue_create(void)
{
    struct timer_queue *q = kzalloc(sizeof *q);

    if (!q)
        return NULL;
    spin_init(&q->lock, LOCK_TIMER);
    q->programmed = NS_NEVER;
    return q;
}

void timer_init(struct timer *t, timer_fn fn)
{
    *t = (struct timer){ .fn = fn };
}

static void queue_insert(struct timer_queue *q, struct timer *t)
{
    struct tree_node **link = &q->tree.root, *parent = NULL;
    bool leftmost = true;

    while (*link) {
        parent = *link;
        if (t->deadline < tree_entry(parent, struct timer, node)->deadline) {
            link = &parent->left;
        } else {
            link = &parent->right;
            leftmost = false;
        }
    }
    tree_insert(&q->tree, &t->node, parent, link);
    if (leftmost)
        q->first = t;
    t->armed = true;
}

static void queue_remove(struct timer_queue *q, struct timer *t)
{
    if (q->first == t)
        q->first = tree_entry_or_null(tree_next(&t->node), struct timer, node);
    tree_erase(&q->tree, &t->node);
    t->armed = false;
}

/* Asks the device of this CPU for the first deadline, if it would come too late otherwise. */
static void queue_program(struct timer_queue *q)
{
    struct clock_event *dev = clock_event_current();

    if (!dev || !q->first || q->first->deadline >= q->programmed)
        return;
    q->programmed = q->first->deadline;
    dev->set_deadline(dev, clock_monotonic(), q->programmed);
}

/* Locks the queue that `t` is, or last was, on; interrupts off.  NULL: it never was on one. */
static struct timer_queue *queue_lock(struct timer *t)
{
    for (;;) {
        struct timer_queue *q = atomic_load_relaxed(&t->queue);

        if (!q)
            return NULL;
        spin_lock_raw(&q->lock);
        if (likely(q == atomic_load_relaxed(&t->queue)))
            return q;
        spin_unlock_raw(&q->lock);
    }
}

/* Locks the queue where `t` is to be armed, and takes it off the one where it was; interrupts off. */
static struct timer_queue *queue_for(struct timer *t)
{
    struct timer_queue *mine = cpu_current()->timers, *q = queue_lock(t);

    if (q) {
        if (t->armed)
            queue_remove(q, t);
        if (q == mine || q->running == t)
            return q;
        atomic_store_relaxed(&t->queue, mine);
        spin_unlock_raw(&q->lock);
    }
    spin_lock_raw(&mine->lock);
    return mine;
}

void timer_set(struct timer *t, ns_t deadline)
{
    unsigned long flags = hal_irq_save();
    struct timer_queue *q;

    preempt_disable();
    q = queue_for(t);
    t->deadline = deadline;
    atomic_store_relaxed(&t->queue, q);
    queue_insert(q, t);
    queue_program(q); /* another CPU's is about to do so itself: `programmed` is 0 */
    spin_unlock_irqrestore(&q->lock, flags);
}

/* Disarms; interrupts off.  *busy: the callback runs on another CPU. */
static bool timer_disarm(struct timer *t, bool *busy)
{
    struct timer_queue *q = queue_lock(t);
    bool was_armed;

    *busy = false;
    if (!q)
        return false;
    was_armed = t->armed;
    if (was_armed)
        queue_remove(q, t);
    *busy = q->running == t && q != cpu_current()->timers;
    spin_unlock_raw(&q->lock);
    return was_armed;
}

bool timer_cancel(struct timer *t)
{
    bool was_armed = false, busy;

    do {
        unsigned long flags = hal_irq_save();

        was_armed |= timer_disarm(t, &busy);
        if (busy) {
            smp_call_poll();
            hal_relax();
        }
        hal_irq_restore(flags);
    } while (busy);
    return was_armed;
}

/* The same time again, less than before, or far ahead: is it the clock? */
static __cold ns_t time_doubt(struct timer_queue *q, ns_t now)
{
    bool stands = false;

    if (now == q->now)
        stands = ++q->still % STILL_MAX == 0;
    else
        q->still = 0;
    return now != q->now || stands ? clock_doubt(stands) : now;
}

void timer_interrupt(void)
{
    struct timer_queue *q = cpu_current()->timers;
    ns_t now = clock_monotonic();
    struct timer *t;

    if (!q)
        return;
    if (unlikely(now - q->now - 1 >= JUMP_NS))
        now = time_doubt(q, now);
    q->now = now;
    spin_lock_raw(&q->lock);
    q->interrupts++;
    q->programmed = 0; /* callbacks that arm timers leave the device alone for now */
    while ((t = q->first) != NULL && t->deadline <= now) {
        queue_remove(q, t);
        atomic_store(&q->running, t);
        spin_unlock_raw(&q->lock);
        t->fn(t);
        /* t may be gone. */
        spin_lock_raw(&q->lock);
        atomic_store(&q->running, NULL);
    }
    q->programmed = NS_NEVER;
    queue_program(q);
    spin_unlock_raw(&q->lock);
}

uint64_t timer_interrupts(void)
{
    return atomic_load_relaxed(&cpu_current()->timers->interrupts);
}

void timer_reprogram(void)
{
    struct timer_queue *q = cpu_current()->timers;
    unsigned long flags;

    if (!q)
        return;
    flags = spin_lock_irqsave(&q->lock);
    q->programmed = NS_NEVER;
    queue_program(q);
    spin_unlock_irqrestore(&q->lock, flags);
}
