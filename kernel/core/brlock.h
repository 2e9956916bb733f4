// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a big-reader lock: spinning, for what all CPUs look at all the time and seldom change.
 *
 * Model: each CPU has a word of its own, on a cache line of its own, that says whether it reads.
 * Readers on different CPUs share no line that anybody writes; a writer looks at all the words.
 *
 *     reader                              writer
 *     own word = 1                        take the spinlock (one writer at a time)
 *     --- full barrier ---                writer = 1
 *     writer?  no: reads                  --- full barrier ---
 *       yes: own word = 0, queue for      wait until all other words are 0
 *       the spinlock, own word = 1,       changes
 *       give the spinlock back, reads     writer = 0, give the spinlock back
 *     own word = 0
 *
 * Of two that meet, one at least sees the other (Dekker).  A reader that meets a writer queues as
 * writers do, so neither side starves the other; the spinlock's fairness is theirs.
 * Locking: reading and writing keep preemption off; nothing sleeps there.  A lock that interrupt
 * handlers take, either side, is taken with _irqsave everywhere.  Readers do not nest, and a reader
 * does not become a writer.  In the order of locks both sides are the spinlock, and debug builds check
 * and count them as they do that one.
 * Source: "big-reader locks" of Linux 2.4 (lib/brlock.c); Dijkstra, EWD 123, for the two words.
 */
#pragma once

#include <core/spinlock.h>

#define BRLOCK_LINE 64 /* bytes that CPUs exchange at once, at least */

struct brlock {
    struct spinlock lock; /* the writer's; readers queue at it when there is one */
    uint32_t writer; /* a writer waits or changes; written under `lock` */
    struct brlock_reader {
        uint32_t reads; /* 0, 1; written by its own CPU */
    } __attribute__((aligned(BRLOCK_LINE))) readers[CPU_MAX]; /* by struct cpu's id */
};

#define BRLOCK_INIT(rank) { .lock = SPINLOCK_INIT(rank) }

/* The slow side of brlock_read(): there is a writer.  Waits for it, and returns reading. */
void brlock_read_wait(struct brlock *l);
/* A writer's wait for the readers of other CPUs. */
void brlock_drain(struct brlock *l);

static inline uint32_t *brlock_word(struct brlock *l)
{
    return &l->readers[hal_current()->cpu->id].reads;
}

/* Begins to read.  Context: any; the reader must not sleep. */
static inline void brlock_read(struct brlock *l)
{
    preempt_disable();
    arch_point();
    __atomic_store_n(brlock_word(l), 1, __ATOMIC_SEQ_CST);
    arch_point();
    if (unlikely(__atomic_load_n(&l->writer, __ATOMIC_SEQ_CST) != 0))
        brlock_read_wait(l);
    lockrank_acquire_shared(&l->lock);
}

static inline void brlock_read_done(struct brlock *l)
{
    lockrank_release_shared(&l->lock);
    arch_point();
    __atomic_store_n(brlock_word(l), 0, __ATOMIC_RELEASE);
    preempt_enable();
}

/* With the spinlock held: keeps readers out. */
static inline void brlock_exclude(struct brlock *l)
{
    arch_point();
    __atomic_store_n(&l->writer, 1, __ATOMIC_SEQ_CST);
    if (cpu_count > 1)
        brlock_drain(l);
}

/* Excludes readers and writers.  Context: as brlock_read(). */
static inline void brlock_write(struct brlock *l)
{
    spin_lock(&l->lock);
    brlock_exclude(l);
}

/* As brlock_write() unless there is a writer already; it does wait for readers.  Return: done? */
static inline bool __must_check brlock_write_try(struct brlock *l)
{
    if (!spin_try(&l->lock))
        return false;
    brlock_exclude(l);
    return true;
}

static inline void brlock_write_done(struct brlock *l)
{
    arch_point();
    __atomic_store_n(&l->writer, 0, __ATOMIC_RELEASE);
    spin_unlock(&l->lock);
}

/* As brlock_write() if there is no writer and readers go soon.  Context: any, also in the middle of a
 * reader, or with locks that a reader's interrupts wait for: it gives up then.  Return: done? */
bool __must_check brlock_write_soon(struct brlock *l);

/* Is each reader and writer gone that was there when this was called?  Then nobody has what was taken out
 * of sight before: it may be freed.  Waits a moment for each; false when one may be there still.  Context:
 * any but its readers. */
bool __must_check brlock_unread(const struct brlock *l);

static inline unsigned long __must_check brlock_read_irqsave(struct brlock *l)
{
    unsigned long flags = hal_irq_save();

    brlock_read(l);
    return flags;
}

/* Interrupts are on again before preemption is, as for spinlocks. */
static inline void brlock_read_irqrestore(struct brlock *l, unsigned long flags)
{
    lockrank_release_shared(&l->lock);
    arch_point();
    __atomic_store_n(brlock_word(l), 0, __ATOMIC_RELEASE);
    hal_irq_restore(flags);
    preempt_enable();
}

static inline unsigned long __must_check brlock_write_irqsave(struct brlock *l)
{
    unsigned long flags = spin_lock_irqsave(&l->lock);

    brlock_exclude(l);
    return flags;
}

static inline void brlock_write_irqrestore(struct brlock *l, unsigned long flags)
{
    arch_point();
    __atomic_store_n(&l->writer, 0, __ATOMIC_RELEASE);
    spin_unlock_irqrestore(&l->lock, flags);
}
