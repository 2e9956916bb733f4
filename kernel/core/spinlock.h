// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: mutual exclusion between CPUs and with interrupts, without sleeping.
 *
 * Model: debug builds have a ticket lock: next ticket in the upper half, the one being served in the
 * lower.  It is fair, so the rank checker and the host's interleavings see every order.  Elsewhere the
 * word is 0 or 1, and who comes first takes it: under a hypervisor that runs fewer CPUs than we see, a
 * fair lock waits for a CPU that does not run, for a time slice at each hand-over.  Holding
 * one keeps preemption off.  A lock that an interrupt handler takes is taken with _irqsave (or by
 * code that runs with interrupts off) everywhere.
 * Every lock has a rank of <core/lockrank.h>; debug builds check that ranks are taken in ascending
 * order on each CPU and panic with both names when not.
 */
#pragma once

#include <lib/atomic.h>
#include <lib/types.h>
#include <core/lockrank.h>
#include <hal/cpu.h>

struct spinlock {
    uint32_t word;
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
/* The slow side of spin_lock_raw(); `mine` is the ticket of a debug build. */
void spin_contend(struct spinlock *l, uint16_t mine);
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

#ifdef CONFIG_DEBUG
static inline void spin_word_take(struct spinlock *l)
{
    uint32_t t = __atomic_fetch_add(&l->word, 1u << 16, __ATOMIC_ACQUIRE);

    if (unlikely((uint16_t)(t >> 16) != (uint16_t)t))
        spin_contend(l, (uint16_t)(t >> 16));
}

static inline void spin_word_give(struct spinlock *l)
{
    /* Only the holder writes the lower half. */
    __atomic_store_n((uint16_t *)&l->word, (uint16_t)(*(uint16_t *)&l->word + 1), __ATOMIC_RELEASE);
}
#else
static inline void spin_word_take(struct spinlock *l)
{
    if (unlikely(__atomic_exchange_n(&l->word, 1, __ATOMIC_ACQUIRE) != 0))
        spin_contend(l, 0);
}

static inline void spin_word_give(struct spinlock *l)
{
    __atomic_store_n(&l->word, 0, __ATOMIC_RELEASE);
}
#endif

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
