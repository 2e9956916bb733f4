// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a CPU's run queue, for sched/ alone.
 *
 * Locking: `lock` (LOCK_RUNQ) guards all of it and the scheduling state of the threads whose
 * ctx.cpu is this CPU; interrupts are off while it is held.
 */
#pragma once

#include <core/spinlock.h>
#include <sched/sched.h>
#include <sched/timer.h>

#define RT_PRIORITIES 100 /* 1..99 are used */

/* class_mlfq's state. */
struct mlfq {
    struct list fifo[LEVEL_REALTIME]; /* IDLE..HIGH */
    struct list rt[RT_PRIORITIES];
    uint64_t rt_used[2]; /* bit p: rt[p] is not empty */
    unsigned levels; /* bit l: level l is not empty */
    ns_t boost_due;
};

struct runqueue {
    struct spinlock lock;
    struct cpu *cpu; /* constant */
    const struct sched_class *class; /* constant */
    unsigned queued; /* threads on the queue, without the running one */
    bool lazy; /* a WAKE_LAZY since the last tick: see whether the running thread should go */
    int blocked; /* gone to THREAD_SLEEPING from here, less those woken to here */
    uint64_t switches;
    ns_t now; /* the clock when it was last read here: at a switch or tick */
    struct cpu_times times;
    struct timer tick;
    struct mlfq mlfq;
};

/* Slices by level and the period of the boost; written by parameters before threads run. */
extern ns_t sched_slice_ns[LEVEL_COUNT];
extern ns_t sched_boost_ns;

extern const struct sched_class sched_class_mlfq;

/* thread_wake_state with interrupts off; the caller calls sched_check() when they are on again. */
bool thread_wake_irqs_off(struct thread *t, unsigned states);
/* Lets another thread run if a wake-up asked for it and preemption is allowed. */
static inline void sched_check(void)
{
    struct hal_context *c = hal_current();

    if (unlikely(c->pending & PENDING_RESCHED) && c->preempt_count == 0)
        preempt_resched_hook();
}

err_t __must_check thread_init_idle(struct thread *t, struct cpu *cpu);

/* Sets base_level (and level within its bounds) from policy and nice. */
void sched_derive_level(struct thread *t);
/* A new thread's first steps; arg is the struct thread. */
void sched_first_run(struct hal_context *prev, void *arg);
/* Fills what thread_init leaves to the scheduler: policy, level, affinity, CPU. */
void sched_inherit(struct thread *t, enum sched_level level);
