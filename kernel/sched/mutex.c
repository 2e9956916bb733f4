// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the mutex and the reader-writer lock that sleep.
 *
 * Model: a mutex is one word: the holder's address, bit 0 set when someone may be waiting.  Nobody
 * waiting: one compare-and-swap each way.  A waiter queues itself, sets bit 0, sleeps; the unlocker
 * that sees bit 0 frees the word and wakes one.  The woken one takes the word with bit 0 set, since
 * others may be behind it; at worst that costs one look at an empty queue.
 * The rwlock counts readers upwards from 0, a writer is -1; the last one out wakes all readers and
 * one writer.  Readers that come while a writer waits stand back; those that a write found waiting go before
 * the next one.
 * Locking: the words are atomic.
 */
#include <sched/mutex.h>

#include <core/panic.h>

#define MUTEX_WAITERS 1ul

void mutex_init(struct mutex *m)
{
    m->holder = NULL;
    waitq_init(&m->waiters);
}

static struct thread *mutex_word(struct thread *holder, uintptr_t flags)
{
    return (struct thread *)((uintptr_t)holder | flags);
}

static struct thread *mutex_holder(const struct mutex *m)
{
    return (struct thread *)((uintptr_t)atomic_load_relaxed(&m->holder) & ~MUTEX_WAITERS);
}

bool mutex_held(const struct mutex *m)
{
    return mutex_holder(m) == thread_current();
}

bool mutex_try(struct mutex *m)
{
    struct thread *free = NULL;

    return atomic_cas(&m->holder, &free, thread_current());
}

/* Takes the mutex, or leaves word that someone waits. */
static bool mutex_try_waiting(struct mutex *m)
{
    struct thread *word = atomic_load_relaxed(&m->holder);

    for (;;) {
        if (!word) {
            if (atomic_cas(&m->holder, &word, mutex_word(thread_current(), MUTEX_WAITERS)))
                return true;
        } else if ((uintptr_t)word & MUTEX_WAITERS ||
                   atomic_cas(&m->holder, &word, mutex_word(word, MUTEX_WAITERS))) {
            return false;
        }
    }
}

static __noinline err_t mutex_wait(struct mutex *m, enum thread_state state)
{
    K_ASSERT(!mutex_held(m));
    return wait_event_state(&m->waiters, mutex_try_waiting(m), state, NS_NEVER, true);
}

void mutex_lock(struct mutex *m)
{
    if (unlikely(!mutex_try(m)))
        (void)mutex_wait(m, THREAD_SLEEPING);
}

err_t mutex_lock_intr(struct mutex *m)
{
    return likely(mutex_try(m)) ? 0 : mutex_wait(m, THREAD_SLEEPING_INTR);
}

void mutex_unlock(struct mutex *m)
{
    struct thread *self = thread_current();

    if (likely(atomic_cas(&m->holder, &self, NULL)))
        return;
    K_ASSERT(mutex_held(m));
    atomic_store(&m->holder, NULL);
    waitq_wake_one(&m->waiters);
}

void rwlock_init(struct rwlock *l)
{
    l->state = 0;
    l->writers_waiting = l->readers_waiting = l->turn = 0;
    waitq_init(&l->waiters);
}

static bool rwlock_try_read(struct rwlock *l)
{
    int32_t n = atomic_load_relaxed(&l->state);

    if (atomic_load_relaxed(&l->writers_waiting))
        return false;
    while (n >= 0)
        if (atomic_cas(&l->state, &n, n + 1))
            return true;
    return false;
}

/* Never below 0: one that came late may have used another's, which then waits for the next. */
static void turn_use(struct rwlock *l)
{
    uint32_t n = atomic_load_relaxed(&l->turn);

    while (n != 0)
        if (atomic_cas(&l->turn, &n, n - 1))
            return;
}

/* One that sleeps: it has its turn, or there are no writers. */
static bool rwlock_take_turn(struct rwlock *l)
{
    int32_t n = atomic_load(&l->state);

    if (atomic_load(&l->turn) == 0 && atomic_load_relaxed(&l->writers_waiting))
        return false;
    while (n >= 0)
        if (atomic_cas(&l->state, &n, n + 1)) {
            /* Nobody writes: who gives turns sees both or neither. */
            atomic_fetch_sub(&l->readers_waiting, 1);
            turn_use(l);
            return true;
        }
    return false;
}

/* Readers that came during a write go before the next one; else writers that take turns would keep them out for
 * ever.  Each of them takes the lock, sooner or later, so no turn is left over.  The lock is held for writing. */
static void rwlock_give_turns(struct rwlock *l)
{
    uint32_t n = atomic_load_relaxed(&l->readers_waiting);

    if (unlikely(n != 0))
        atomic_store_relaxed(&l->turn, n);
}

static bool rwlock_try_write(struct rwlock *l)
{
    int32_t free = 0;

    if (unlikely(atomic_load_relaxed(&l->turn) != 0))
        return false;
    return atomic_cas(&l->state, &free, -1);
}

static __noinline void rwlock_wait_read(struct rwlock *l)
{
    atomic_fetch_add(&l->readers_waiting, 1);
    wait_event(&l->waiters, rwlock_take_turn(l));
}

void rwlock_read(struct rwlock *l)
{
    if (unlikely(!rwlock_try_read(l)))
        rwlock_wait_read(l);
}

void rwlock_read_done(struct rwlock *l)
{
    int32_t left = atomic_sub_fetch(&l->state, 1);

    K_DEBUG_ASSERT(left >= 0);
    if (left == 0)
        waitq_wake_one(&l->waiters);
}

static __noinline void rwlock_wait_write(struct rwlock *l)
{
    atomic_fetch_add(&l->writers_waiting, 1);
    (void)wait_event_state(&l->waiters, rwlock_try_write(l), THREAD_SLEEPING, NS_NEVER, true);
    atomic_fetch_sub(&l->writers_waiting, 1);
}

void rwlock_write(struct rwlock *l)
{
    if (unlikely(!rwlock_try_write(l)))
        rwlock_wait_write(l);
}

void rwlock_write_done(struct rwlock *l)
{
    K_DEBUG_ASSERT(atomic_load_relaxed(&l->state) == -1);
    rwlock_give_turns(l);
    atomic_store(&l->state, 0);
    waitq_wake_one(&l->waiters);
}

void rwlock_downgrade(struct rwlock *l)
{
    K_DEBUG_ASSERT(atomic_load_relaxed(&l->state) == -1);
    rwlock_give_turns(l);
    atomic_store(&l->state, 1);
    waitq_wake_one(&l->waiters);
}
