// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a lock that sleeps, and a reader-writer lock that sleeps.  Thread context only, no
 * spinlock held.  Uncontended: one compare-and-swap.  The holder is known; unlocking by another
 * thread is an assertion.  Mutexes are always taken before spinlocks.
 */
#pragma once

#include <sched/waitq.h>

struct mutex {
    struct thread *holder; /* atomic; bit 0: there are waiters */
    struct waitq waiters;
};

#define MUTEX_INIT(name) { NULL, WAITQ_INIT((name).waiters) }
void mutex_init(struct mutex *m);
void mutex_lock(struct mutex *m);
bool __must_check mutex_try(struct mutex *m);
err_t __must_check mutex_lock_intr(struct mutex *m); /* 0, -ERESTARTSYS */
void mutex_unlock(struct mutex *m);
bool mutex_held(const struct mutex *m); /* by the running thread */

struct rwlock {
    int32_t state; /* atomic: -1 written, 0 free, n readers */
    uint32_t writers_waiting; /* atomic; readers that come yield to them */
    uint32_t readers_waiting; /* atomic: that sleep, or are about to */
    uint32_t turn; /* atomic: how many of those go before the next writer */
    struct waitq waiters;
};

#define RWLOCK_INIT(name) { 0, 0, 0, 0, WAITQ_INIT((name).waiters) }
void rwlock_init(struct rwlock *l);
void rwlock_read(struct rwlock *l);
void rwlock_read_done(struct rwlock *l);
void rwlock_write(struct rwlock *l);
void rwlock_write_done(struct rwlock *l);
/* From writer to reader without letting another writer in. */
void rwlock_downgrade(struct rwlock *l);
