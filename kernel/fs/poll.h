// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: waiting for one of many files.
 * Model: file_ops.poll says what is ready now and names its wait queues with poll_wait; the caller
 * (poll, select, epoll) decides what being woken means.
 */
#pragma once

#include <sched/waitq.h>

struct file;
struct poll_table {
    /* NULL: only ask, do not queue. */
    void (*queue)(struct poll_table *pt, struct file *f, struct waitq *q);
};

static inline void poll_wait(struct poll_table *pt, struct file *f, struct waitq *q)
{
    if (pt && pt->queue)
        pt->queue(pt, f, q);
}

/*
 * A thread that sleeps on many queues (poll, select):
 *     poller_init(&p);
 *     for (;;) { for each file: poller_ask(&p, f, wanted) ...; if (found) break;
 *                err = poller_sleep(&p, deadline); if (err) break; }
 *     poller_done(&p);
 * The first round queues it everywhere; later ones only ask.
 */
#define POLLER_INLINE 8
struct poller_entry;
struct poller {
    struct poll_table table;
    struct thread *thread;
    uint32_t triggered; /* atomic: a queue has woken us since the last sleep */
    bool queued; /* the first round is over */
    err_t error; /* -ENOMEM */
    unsigned wanted; /* of the file being asked */
    unsigned used;
    struct poller_entry {
        struct waiter waiter;
        struct waitq *queue;
        struct poller *poller;
        unsigned wanted;
        struct poller_entry *next; /* of the heap's */
    } entries[POLLER_INLINE];
    struct poller_entry *more;
};
void poller_init(struct poller *p);
/* What is ready of `wanted` (POLL* bits; POLLERR and POLLHUP are always). */
unsigned poller_ask(struct poller *p, struct file *f, unsigned wanted);
/* 0: look again; -ETIMEDOUT; -ERESTARTSYS; -ENOMEM. */
err_t poller_sleep(struct poller *p, ns_t deadline);
void poller_done(struct poller *p);
