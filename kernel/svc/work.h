// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what an interrupt leaves to a thread.
 *
 * Model: one queue, one thread ("workd").  A work that is queued runs once, however often it was queued before it
 * began; queued while it runs, it runs again.  It works for the subsystem that made it.
 * Locking: work_lock (LOCK_WAITQ, interrupts off).
 */
#pragma once

#include <lib/list.h>

struct work {
    void (*fn)(struct work *w); /* thread; may sleep, but others wait for it meanwhile */
    const void *domain; /* constant */
    struct list link; /* work_lock, as all below */
    bool running;
};

void work_init(struct work *w, void (*fn)(struct work *w));
/* Any context; no lock of LOCK_WAITQ's rank or below. */
void work_queue(struct work *w);
/* It neither waits nor runs when this returns; the caller sees to it that nobody queues it any more.
 * Context: thread, not from the work itself. */
void work_cancel(struct work *w);
