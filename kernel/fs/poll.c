// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a thread that sleeps on many wait queues at once.
 *
 * Model: each queue gets an entry whose callback notes that something happened and wakes the thread.
 *
 *     poller                                waker
 *     ask all files, queueing entries       make ready
 *     state = SLEEPING                      callback: triggered = true, wake
 *     triggered? then do not sleep
 *
 * Locking: `triggered` is atomic; the entries are the thread's own.
 */
#include <fs/poll.h>

#include <fs/vfs.h>
#include <mm/heap.h>

#include <asm/poll.h>

static bool poller_fire(struct waiter *w, uintptr_t key)
{
    struct poller_entry *e = container_of(w, struct poller_entry, waiter);

    if (!(key & e->wanted))
        return false;
    atomic_store(&e->poller->triggered, 1);
    return thread_wake(e->poller->thread);
}

static void poller_queue(struct poll_table *pt, struct file *f, struct waitq *q)
{
    struct poller *p = container_of(pt, struct poller, table);
    struct poller_entry *e;

    if (p->used < POLLER_INLINE) {
        e = &p->entries[p->used++];
    } else {
        e = kmalloc(sizeof *e);
        if (!e) {
            p->error = -ENOMEM;
            return;
        }
        e->next = p->more;
        p->more = e;
    }
    e->waiter = (struct waiter){ .callback = poller_fire };
    list_init(&e->waiter.link);
    e->queue = q;
    e->poller = p;
    e->wanted = p->wanted;
    waitq_add(q, &e->waiter);
}

void poller_init(struct poller *p)
{
    p->table.queue = poller_queue;
    p->thread = thread_current();
    p->triggered = 0;
    p->queued = false;
    p->error = 0;
    p->used = 0;
    p->more = NULL;
}

unsigned poller_ask(struct poller *p, struct file *f, unsigned wanted)
{
    p->wanted = wanted | POLLERR | POLLHUP;
    if (!f->ops->poll)
        return wanted & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM);
    return f->ops->poll(f, p->queued ? NULL : &p->table) & p->wanted;
}

err_t poller_sleep(struct poller *p, ns_t deadline)
{
    err_t err = 0;

    p->queued = true;
    if (p->error)
        return p->error;
    atomic_store_relaxed(&p->thread->state, THREAD_SLEEPING_INTR);
    atomic_fence();
    if (!atomic_load(&p->triggered))
        err = wait_sleep(THREAD_SLEEPING_INTR, deadline);
    atomic_store_relaxed(&p->thread->state, THREAD_RUNNABLE);
    atomic_store(&p->triggered, 0);
    return err;
}

void poller_done(struct poller *p)
{
    for (unsigned i = 0; i < p->used; i++)
        waitq_remove(p->entries[i].queue, &p->entries[i].waiter);
    while (p->more) {
        struct poller_entry *e = p->more;

        p->more = e->next;
        waitq_remove(e->queue, &e->waiter);
        kfree(e);
    }
}
