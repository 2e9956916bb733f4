// SPDX-License-Identifier: CC0-1.0
/* Purpose, model, locking: see work.h. */
#include <svc/work.h>

#include <core/spinlock.h>
#include <sched/thread.h>
#include <sched/waitq.h>
#include <svc/subsystem.h>

static struct spinlock work_lock = SPINLOCK_INIT(LOCK_WAITQ);
static struct list queue = LIST_INIT(queue); /* work_lock */
static struct waitq arrivals = WAITQ_INIT(arrivals), ends = WAITQ_INIT(ends);

void work_init(struct work *w, void (*fn)(struct work *w))
{
    *w = (struct work){ .fn = fn, .domain = subsystem_current() };
    list_init(&w->link);
}

void work_queue(struct work *w)
{
    unsigned long flags = spin_lock_irqsave(&work_lock);

    if (!list_linked(&w->link))
        list_add_tail(&queue, &w->link);
    spin_unlock_irqrestore(&work_lock, flags);
    waitq_wake_one(&arrivals);
}

/* Takes it off the queue.  Return: whether it does not run either. */
static bool work_is_idle(struct work *w)
{
    unsigned long flags = spin_lock_irqsave(&work_lock);
    bool idle = !w->running;

    if (list_linked(&w->link))
        list_del(&w->link);
    spin_unlock_irqrestore(&work_lock, flags);
    return idle;
}

void work_cancel(struct work *w)
{
    wait_event(&ends, work_is_idle(w));
}

static struct work *work_begin(void)
{
    unsigned long flags = spin_lock_irqsave(&work_lock);
    struct work *w = list_first_or_null(&queue, struct work, link);

    if (w) {
        list_del(&w->link);
        w->running = true;
    }
    spin_unlock_irqrestore(&work_lock, flags);
    return w;
}

static void work_end(struct work *w)
{
    unsigned long flags = spin_lock_irqsave(&work_lock);

    w->running = false;
    spin_unlock_irqrestore(&work_lock, flags);
    waitq_wake_all(&ends);
}

static void workd(void *arg __maybe_unused)
{
    struct thread *self = thread_current();
    const void *own = self->domain;
    struct work *w = NULL;

    for (;;) {
        (void)wait_event_state(&arrivals, (w = work_begin()) != NULL, THREAD_SLEEPING_INTR, NS_NEVER, false);
        if (!w)
            continue;
        self->domain = w->domain;
        w->fn(w);
        self->domain = own;
        work_end(w);
    }
}

static err_t work_start(struct subsystem *self __maybe_unused)
{
    return kthread_start("workd", LEVEL_NORMAL, workd, NULL) ? 0 : -ENOMEM;
}

static struct subsystem work_subsystem = { .name = "work", .privilege = PRIV_KERNEL, .late_init = work_start };
REGISTER_SUBSYSTEM(work_subsystem);
