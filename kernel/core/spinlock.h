// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: mutual exclusion between CPUs and with interrupts, without sleeping.
 *
 * Model: one word: bit 0 says that it is held, bits 8 and up how many waiters are starved.
 *
 *     take, newcomer      0 -> held                          one compare-and-swap
 *     take, starved       n starved, not held -> n - 1 starved, held
 *     lose patience       n starved -> n + 1 starved         once, after PATIENCE rounds of looks
 *     release             byte 0 = 0
 *
 * Who comes first takes it, as long as nobody waits for long.  Once somebody is starved, newcomers
 * keep off the free lock: nobody passes a waiter more often than its patience lasts, and of the
 * starved each goes once and is a newcomer again.  A queue (tickets, MCS) would be fairer still, but
 * hands the lock to one CPU alone, and where a hypervisor runs fewer CPUs than we see, that one does
 * not run for a time slice, at each hand-over.  Here a free lock is for whichever starved waiter
 * runs, and who waits for one that does not run becomes starved, too, and takes it.
 * Holding a lock keeps preemption off.  A lock that an interrupt handler takes is taken with
 * _irqsave (or by code that runs with interrupts off) everywhere.
 * Every lock has a rank of <core/lockrank.h>; debug builds check that ranks are taken in ascending
 * order on each CPU and panic with both names when not.
 */
#pragma once

#include <lib/atomic.h>
#include <lib/types.h>
#include <core/lockrank.h>
#include <hal/cpu.h>

#define SPIN_HELD 1u
#define SPIN_STARVED 0x100u /* one waiter that has lost its patience */

struct spinlock {
    uint32_t word; /* SPIN_HELD | starved waiters * SPIN_STARVED */
#ifdef CONFIG_DEBUG
    enum lock_rank rank;
    bool in_irq; /* was taken by an interrupt handler */
    bool irqs_on; /* was taken with interrupts on: not both */
    struct cpu *holder;
#endif
};

#ifdef CONFIG_DEBUG
#define SPINLOCK_INIT(r) { .rank = (r) }
#else
#define SPINLOCK_INIT(r) { .word = 0 * (r) }
#endif

void spin_init(struct spinlock *l, enum lock_rank rank);
bool __must_check spin_try(struct spinlock *l);
bool spin_held(const struct spinlock *l); /* by anyone; exact in debug builds for this CPU */
/* The slow side of spin_lock_raw(): waits, and returns with the lock. */
void spin_contend(struct spinlock *l);
/* Called when preempt_count falls to 0 with PENDING_RESCHED set; sched/ registers it. */
extern void (*preempt_resched_hook)(void);

#ifdef CONFIG_DEBUG
void lockrank_acquire(struct spinlock *l);
void lockrank_release(struct spinlock *l);
/* Around an interrupt: its locks are ordered among themselves.  The second takes what the first gave. */
unsigned lockrank_irq_enter(void);
void lockrank_irq_exit(unsigned base);
/* Panics when the calling CPU holds a spinlock: it is going to sleep. */
void lockrank_may_sleep(void);
void lockrank_contended(const struct spinlock *l, uint64_t spins);
/* The readers' side of a lock that has one (brlock.h): several may hold it. */
void lockrank_acquire_shared(struct spinlock *l);
void lockrank_release_shared(struct spinlock *l);
#else
static inline void lockrank_may_sleep(void) {}
static inline void lockrank_contended(const struct spinlock *l, uint64_t spins) { (void)l, (void)spins; }
static inline unsigned lockrank_irq_enter(void) { return 0; }
static inline void lockrank_irq_exit(unsigned base) { (void)base; }
static inline void lockrank_acquire_shared(struct spinlock *l) { (void)l; }
static inline void lockrank_release_shared(struct spinlock *l) { (void)l; }
static inline void lockrank_acquire(struct spinlock *l) { (void)l; }
static inline void lockrank_release(struct spinlock *l) { (void)l; }
#endif

static inline void preempt_enable(void)
{
    struct hal_context *c = hal_current();

    compiler_barrier();
    if (--c->preempt_count == 0 && unlikely(c->pending & PENDING_RESCHED))
        preempt_resched_hook();
}

static inline void spin_word_take(struct spinlock *l)
{
    uint32_t w = 0;

    if (unlikely(!__atomic_compare_exchange_n(&l->word, &w, SPIN_HELD, false, __ATOMIC_ACQUIRE,
                                              __ATOMIC_RELAXED)))
        spin_contend(l);
}

/* The starved are counted in the other bytes. */
static inline void spin_word_give(struct spinlock *l)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "byte 0 is the low one");
    __atomic_store_n((uint8_t *)&l->word, 0, __ATOMIC_RELEASE);
}

/* Takes the lock; the caller has preemption or interrupts off already. */
static inline void spin_lock_raw(struct spinlock *l)
{
    arch_point();
    spin_word_take(l);
    lockrank_acquire(l);
}

static inline void spin_unlock_raw(struct spinlock *l)
{
    lockrank_release(l);
    arch_point();
    spin_word_give(l);
}

static inline void spin_lock(struct spinlock *l)
{
    preempt_disable();
    spin_lock_raw(l);
}

static inline void spin_unlock(struct spinlock *l)
{
    spin_unlock_raw(l);
    preempt_enable();
}

static inline unsigned long __must_check spin_lock_irqsave(struct spinlock *l)
{
    unsigned long flags = hal_irq_save();

    preempt_disable();
    spin_lock_raw(l);
    return flags;
}

static inline void spin_unlock_irqrestore(struct spinlock *l, unsigned long flags)
{
    spin_unlock_raw(l);
    hal_irq_restore(flags);
    preempt_enable();
}
