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
