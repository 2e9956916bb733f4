// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: where the two sides of a big-reader lock wait for each other.
 * Model, Locking: see brlock.h.
 */
#include <core/brlock.h>

#include <core/smp.h>

#define LOOKS 64 /* for each hal_relax(), as spinlocks do */

/* The mark is made while the spinlock is held: the next writer takes it after us and sees the mark. */
void brlock_read_wait(struct brlock *l)
{
    uint32_t *mine = brlock_word(l);

    atomic_store(mine, 0);
    arch_point();
    spin_word_take(&l->lock);
    atomic_store_relaxed(mine, 1);
    atomic_fence(); /* for brlock_unread() */
    spin_word_give(&l->lock);
}

static bool reads(const struct brlock_reader *r)
{
    for (unsigned i = 0; i < LOOKS; i++)
        if (__atomic_load_n(&r->reads, __ATOMIC_SEQ_CST) == 0)
            return false;
    return true;
}

/* Nothing comes after the words of this CPU: preemption is off, and readers do not nest. */
void brlock_drain(struct brlock *l)
{
    bool poll = !hal_irqs_enabled();
    uint64_t spins = 0;

    for (unsigned i = 0; i < cpu_count; i++) {
        arch_point();
        while (unlikely(reads(&l->readers[i]))) {
            if (poll)
                smp_call_poll(); /* the reader may be waiting for us */
            hal_relax();
            spins++;
        }
    }
    if (unlikely(spins != 0))
        lockrank_contended(&l->lock, spins);
}

/* A CPU whose word was 0 once has none left of the readers that were there. */
static bool readers_gone(const struct brlock *l)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        arch_point();
        if (unlikely(reads(&l->readers[i])))
            return false;
    }
    return true;
}

bool brlock_unread(const struct brlock *l)
{
    atomic_fence();
    return atomic_load(&l->writer) == 0 && readers_gone(l);
}

bool brlock_write_soon(struct brlock *l)
{
    if (!spin_try(&l->lock))
        return false;
    arch_point();
    __atomic_store_n(&l->writer, 1, __ATOMIC_SEQ_CST);
    if (readers_gone(l))
        return true;
    brlock_write_done(l);
    return false;
}
