// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a CPU's run queue, for sched/ alone.
 *
 * Locking: `lock` (LOCK_RUNQ) guards all of it and the scheduling state of the threads whose
 * ctx.cpu is this CPU; interrupts are off while it is held.
 */
#pragma once

#include <core/spinlock.h>
#include <lib/atomic.h>
#include <sched/irq_storm.h>
#include <sched/sched.h>
#include <sched/timer.h>
#include <sched/watchdog.h>

#define RT_PRIORITIES 100 /* 1..99 are used */

/* class_mlfq's state. */
struct mlfq {
    struct list fifo[LEVEL_REALTIME]; /* IDLE..HIGH */
    struct list rt[RT_PRIORITIES];
    uint64_t rt_used[2]; /* bit p: rt[p] is not empty */
    unsigned levels; /* bit l: level l is not empty */
    ns_t boost_due;
    ns_t rt_ran, rt_period_end; /* what real-time threads have used of the period that ends then */
    bool rt_throttled; /* the others go first */
};

/* What a CPU does, as far as others care; kept with several CPUs only. */
enum rq_role { ROLE_NORMAL, ROLE_IDLE, ROLE_REALTIME };

/* CPUs around one, each set in the next: same last-level cache, same node, all. */
enum { NEAR_CACHE, NEAR_NODE, NEAR_ALL, NEAR_COUNT };

/* To be done when the present switch is over and the lock free; struct runqueue's `after`. */
enum {
    AFTER_MOVE = 1u << 0, /* the outgoing thread goes to another CPU */
    AFTER_PUSH = 1u << 1, /* a real-time thread waits behind another one */
    AFTER_PULL = 1u << 2, /* no real-time thread runs here any more: one that waits elsewhere may */
};

struct runqueue {
    struct spinlock lock;
    struct cpu *cpu; /* constant */
    const struct sched_class *class; /* constant */
    unsigned queued; /* threads on the queue, without the running one */
    bool lazy; /* a WAKE_LAZY since the last tick: see whether the running thread should go */
    uint8_t role; /* enum rq_role */
    uint8_t after; /* AFTER_* */
    bool tick_stopped; /* own CPU, interrupts off */
    int blocked; /* gone to THREAD_SLEEPING from here, less those woken to here */
    uint64_t switches;
    ns_t now; /* the clock when it was last read here: at a switch or tick */
    struct cpu_times times;
    struct timer tick;
    uint64_t near[NEAR_COUNT][CPU_MAX / 64]; /* bits are only added, atomically */
    uint32_t dice; /* own CPU, interrupts off */
    unsigned ticks; /* likewise */
    uint32_t beats; /* ticks taken and restarted; own CPU, read by the watchdogs of others */
    struct stand stand; /* watchdog.c: what others saw */
    ns_t watch_looked, watch_waits, watch_lived; /* own CPU, as the rest */
    uint64_t watch_switches;
    uint64_t idle_rounds; /* own CPU, as the next */
    struct irq_storm storm;
    struct mlfq mlfq;
};

/* A second CPU is, or is about to be, there: constant then. */
extern bool sched_smp;

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

static inline struct thread *thread_of(struct hal_context *ctx)
{
    return container_of(ctx, struct thread, ctx);
}

static inline bool cpu_allowed(const struct thread *t, const struct cpu *cpu)
{
    return atomic_load_relaxed(&t->affinity[cpu->id / 64]) >> (cpu->id % 64) & 1;
}

/*
 * Puts a thread in transit on the queue of its ctx.cpu, or of another CPU where that has been
 * forbidden meanwhile.  Interrupts off, no run queue locked.
 */
void sched_arrive(struct thread *t, bool woken);

/* --- place.c: interrupts off throughout --- */

/* Before `cpu` is online, on it: who is near. */
void place_init_cpu(struct cpu *cpu);
/* Where a thread that has just been woken runs; the lock of its queue `rq` is held. */
struct cpu *place_woken(struct runqueue *rq, const struct thread *t, bool lazy);
/* Where a new one starts. */
struct cpu *place_new(const struct thread *t);
/* Where one goes that leaves `from`, whose lock is held: an idle CPU, else one that it may use. */
struct cpu *place_leaving(struct cpu *from, const struct thread *t);
/* Is a CPU idle, as far as is known, that `t` may use? */
bool place_idle_any(const struct cpu *near, const struct thread *t);
/* `rq` (locked) is going to run `next`. */
void place_role(struct runqueue *rq, enum rq_role role);
static inline void place_note_role(struct runqueue *rq, const struct thread *next)
{
    enum rq_role role = next == rq->cpu->idle         ? ROLE_IDLE
                        : next->level == LEVEL_REALTIME ? ROLE_REALTIME
                                                        : ROLE_NORMAL;

    if (unlikely(role != rq->role || role == ROLE_REALTIME))
        place_role(rq, role);
}
/* A thread has been queued on `rq` (locked), where another one runs. */
void place_note_load(struct runqueue *rq);
/* What place_role() left to do; no lock held. */
void place_after(struct runqueue *rq, unsigned after);
/* The calling CPU, idle: takes a thread from another one.  Return: whether it did. */
bool place_steal(struct runqueue *rq);
/* The calling CPU, idle: may be chosen from now on.  It must look at PENDING_RESCHED afterwards. */
void place_note_idle(struct runqueue *rq);
/* From the tick of a CPU that is not idle: hands a thread to an idle one, or evens out. */
void place_balance(struct runqueue *rq);

/* --- tick.c --- */

/* The running thread leaves an idle CPU whose tick has stopped.  Interrupts off, no lock held. */
void tick_restart(struct runqueue *rq);
void tick_init(struct runqueue *rq);
uint64_t sched_forks(void);
/* Charges the running thread up to now; rq lock.  Return: whether its slice is over. */
static __always_inline bool rq_charge(struct runqueue *rq, struct thread *t, ns_t now)
{
    ns_t ran = now - t->switched_in;

    rq->now = now;
    t->switched_in = now;
    t->runtime += ran;
    return t != rq->cpu->idle && rq->class->account(rq, t, ran);
}

/* Sets base_level (and level within its bounds) from policy and nice. */
void sched_derive_level(struct thread *t);
/* A new thread's first steps; arg is the struct thread. */
void sched_first_run(struct hal_context *prev, void *arg);
/* Fills what thread_init leaves to the scheduler: policy, level, affinity, CPU. */
void sched_inherit(struct thread *t, enum sched_level level);
