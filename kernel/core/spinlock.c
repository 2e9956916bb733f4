// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the slow side of spinlocks, and in debug builds the check of their order.
 *
 * Model: each CPU keeps a stack of the locks that it holds; a lock of lower rank than the highest
 * held one, or of the same rank outside the two kinds that allow it in address order, is a panic.
 * Preemption is off while a lock is held, so a CPU's stack is touched by that CPU alone; an
 * interrupt on top of it leaves it as it was, and begins an order of its own: a lock that handlers
 * take is held with interrupts off, and nothing that is held with interrupts on is taken below it.
 * Each lock notes whether a handler ever took it and whether it was ever taken with interrupts on:
 * both would deadlock some day, and panics at once.
 */
#include <core/panic.h>
#include <core/smp.h>
#include <core/spinlock.h>

static void resched_nobody(void)
{
}

void (*preempt_resched_hook)(void) = resched_nobody;

void spin_init(struct spinlock *l, enum lock_rank rank)
{
    *l = (struct spinlock)SPINLOCK_INIT(rank);
}

/* Looks often for each hal_relax(): an emulator or hypervisor makes that one dear. */
#define LOOKS 64

/* Of LOOKS each: how long a waiter lets others pass. */
#define PATIENCE 16

/* claim: 0, or SPIN_STARVED for a waiter that is counted; then it no longer is. */
static bool word_try(struct spinlock *l, uint32_t claim)
{
    uint32_t w = atomic_load_relaxed(&l->word);

    if (w & SPIN_HELD || (w != 0 && claim == 0))
        return false;
    return atomic_cas(&l->word, &w, w - claim + SPIN_HELD);
}

static bool word_try_often(struct spinlock *l, uint32_t claim)
{
    for (unsigned i = 0; i < LOOKS; i++)
        if (word_try(l, claim))
            return true;
    return false;
}

void spin_contend(struct spinlock *l)
{
    bool poll = !hal_irqs_enabled();
    uint64_t spins = 0;
    uint32_t claim = 0;

    while (!word_try_often(l, claim)) {
        if (poll)
            smp_call_poll(); /* the holder may be waiting for us */
        hal_relax();
        if (++spins == PATIENCE)
            atomic_fetch_add(&l->word, claim = SPIN_STARVED);
    }
    lockrank_contended(l, spins);
}

#ifdef CONFIG_DEBUG

#define HELD_MAX 16

static struct held {
    unsigned depth;
    unsigned base; /* the first lock of this interrupt */
    struct spinlock *lock[HELD_MAX];
} held[CPU_MAX]; /* own CPU */

bool spin_held(const struct spinlock *l)
{
    return l->holder == cpu_current();
}

/* Two run queues or two futex buckets may be held, the lower address first. */
static bool same_rank_allowed(const struct spinlock *outer, const struct spinlock *inner)
{
    return (outer->rank == LOCK_RUNQ || outer->rank == LOCK_FUTEX) && outer != inner;
}

static void held_push(struct spinlock *l)
{
    struct held *h = &held[cpu_current()->id];

    if (h->depth < HELD_MAX)
        h->lock[h->depth++] = l;
    else
        panic("more than %d spinlocks are held", HELD_MAX);
}

static void lockrank_record(struct spinlock *l)
{
    held_push(l);
    l->holder = cpu_current();
}

static struct lock_stat stats[CPU_MAX][LOCK_RANK_COUNT]; /* own CPU; an interrupt may lose one */

void lockrank_contended(const struct spinlock *l, uint64_t spins)
{
    struct lock_stat *s = &stats[cpu_current()->id][l->rank];

    s->contended++;
    s->spins += spins;
}

bool lock_stat_get(enum lock_rank rank, struct lock_stat *out)
{
    *out = (struct lock_stat){ 0 };
    for (unsigned i = 0; i < cpu_count; i++) {
        out->taken += atomic_load_relaxed(&stats[i][rank].taken);
        out->contended += atomic_load_relaxed(&stats[i][rank].contended);
        out->spins += atomic_load_relaxed(&stats[i][rank].spins);
    }
    return true;
}

static void irq_state_check(struct spinlock *l)
{
    if (cpu_current()->irq_depth > 0)
        l->in_irq = true;
    else if (hal_irqs_enabled())
        l->irqs_on = true;
    if (l->in_irq && l->irqs_on && !panicking)
        panic("%s is taken by interrupt handlers, and with interrupts on", lock_rank_name[l->rank]);
}

void lockrank_may_sleep(void)
{
    struct held *h = &held[cpu_current()->id];

    if (h->depth > 0 && !panicking)
        panic("sleeps with %s held", lock_rank_name[h->lock[h->depth - 1]->rank]);
}

void lockrank_acquire_shared(struct spinlock *l)
{
    struct held *h = &held[cpu_current()->id];

    stats[cpu_current()->id][l->rank].taken++;
    irq_state_check(l);

    for (unsigned i = h->base; i < h->depth && !panicking; i++) {
        struct spinlock *outer = h->lock[i];

        if (outer->rank > l->rank || (outer->rank == l->rank && !same_rank_allowed(outer, l)))
            panic("lock order: %s taken while %s is held", lock_rank_name[l->rank],
                  lock_rank_name[outer->rank]);
    }
    held_push(l);
}

void lockrank_acquire(struct spinlock *l)
{
    lockrank_acquire_shared(l);
    l->holder = cpu_current();
}

void lockrank_release(struct spinlock *l)
{
    l->holder = NULL;
    lockrank_release_shared(l);
}

void lockrank_release_shared(struct spinlock *l)
{
    struct held *h = &held[cpu_current()->id];
    unsigned i = h->depth;

    while (i > 0 && h->lock[i - 1] != l)
        i--;
    if (i == 0) {
        if (!panicking)
            panic("%s released by a CPU that does not hold it", lock_rank_name[l->rank]);
        return;
    }
    for (; i < h->depth; i++)
        h->lock[i - 1] = h->lock[i];
    h->depth--;
}

unsigned lockrank_irq_enter(void)
{
    struct held *h = &held[cpu_current()->id];
    unsigned base = h->base;

    h->base = h->depth;
    return base;
}

void lockrank_irq_exit(unsigned base)
{
    struct held *h = &held[cpu_current()->id];

    if (h->depth != h->base && !panicking)
        panic("an interrupt handler left a spinlock held");
    h->base = base;
}

#else

bool lock_stat_get(enum lock_rank rank, struct lock_stat *out)
{
    (void)rank;
    *out = (struct lock_stat){ 0 };
    return false;
}

static inline void lockrank_record(struct spinlock *l)
{
    (void)l;
}

bool spin_held(const struct spinlock *l)
{
    return atomic_load_relaxed(&l->word) & SPIN_HELD;
}

#endif

/* Who only tries cannot deadlock: no check of the order. */
bool spin_try(struct spinlock *l)
{
    preempt_disable();
    if (word_try(l, 0)) {
        lockrank_record(l);
        return true;
    }
    preempt_enable();
    return false;
}
