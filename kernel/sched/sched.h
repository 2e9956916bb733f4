// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: which thread runs.
 *
 * Model: a run queue per CPU with a FIFO for each level and a bitmap of the levels that are not
 * empty: enqueue, dequeue and pick are O(1).  The highest level runs; within a level round-robin
 * with that level's slice (sched.slice_ms=, weighed by the nice value).  Feedback between LOW, NORMAL
 * and HIGH: a thread that uses up its slice sinks one level; one that slept as long as it had run
 * rises, at most to base_level + 1; every sched.boost_ms= those that have waited longest below HIGH
 * rise one level, so nobody starves.  SCHED_FIFO and RR live in REALTIME (sub-queues by rt_priority with a bitmap),
 * SCHED_IDLE in IDLE.  Policy is a table of operations (struct sched_class) chosen with sched= among
 * those registered; class_mlfq.c says more.
 * With several CPUs a woken or new thread goes to an idle one near the last, an idle CPU takes what
 * waits elsewhere, ticks even out (place.c).  The switch hands the run queue's lock from the outgoing
 * to the incoming thread.
 */
#pragma once

#include <lib/registry.h>
#include <sched/thread.h>

struct runqueue;

struct sched_class {
    const char *name;
    void (*init)(struct runqueue *rq);
    void (*enqueue)(struct runqueue *rq, struct thread *t, bool woken);
    void (*dequeue)(struct runqueue *rq, struct thread *t);
    /* The next thread to run, taken off the queue, or NULL. */
    struct thread *(*pick)(struct runqueue *rq);
    /* The running thread goes back to the queue because it yielded or was preempted. */
    void (*put_back)(struct runqueue *rq, struct thread *t, bool yielded);
    /* `ran` more ns of CPU time; true when another thread should get the CPU. */
    bool (*account)(struct runqueue *rq, struct thread *t, ns_t ran);
    /* Is there a queued thread that a yielding one would make way for?  Without the lock. */
    bool (*yields)(const struct runqueue *rq, const struct thread *t);
    /* Takes a thread that may run on `to` off the queue, the longest waiting of a high level
     * preferably; a bounded search, so NULL is no proof.  `realtime`: none but real-time threads. */
    struct thread *(*steal)(struct runqueue *rq, const struct cpu *to, bool realtime);
    /* Does a real-time thread wait that may run?  Without the lock it is a hint. */
    bool (*realtime_waits)(const struct runqueue *rq);
    /* Should `woken` take the CPU from `running`? */
    bool (*preempts)(struct runqueue *rq, const struct thread *woken, const struct thread *running);
};
REGISTRY_DECLARE(sched_class, const struct sched_class);
const char *sched_policy_name(void); /* of the one in use */

/*
 * Makes a run queue and the idle thread (with a guarded stack of its own) for the boot CPU, and goes
 * on as that thread: calls rest() on it, interrupts off, and idles when rest() returns.  The boot
 * stack is not used again.
 * Context: boot, after vmap_init().
 */
__noreturn void sched_start(void (*rest)(void));
/* The same for a further CPU, called on it. */
__noreturn void sched_start_cpu(struct cpu *cpu, void (*rest)(void));
/* A run queue, timer queue and idle thread for `cpu`, without running on them. Return: 0, -ENOMEM. */
err_t __must_check sched_init_cpu(struct cpu *cpu);
bool sched_running(void); /* sched_start was called: thread_current() is a thread */

/*
 * Gives up the CPU: the caller has set its own state.  Returns when it runs again.
 * A thread whose state is still THREAD_RUNNABLE goes back to its queue.
 * Context: thread, interrupts any (kept as they are), preempt_count 0, no spinlock held.
 */
void schedule(void);
/* sched_yield(2). */
void sched_yield(void);
/* From the tick, interrupts off: samples who runs, and ends slices. */
void sched_tick(bool user_mode);
/* Called by each tick that hits a thread of a process, interrupts off, no lock held: CPU-time timers
 * and limits.  Set once by proc/; NULL: none. */
extern void (*sched_tick_hook)(struct thread *t, bool user_mode);
/* On return from an interrupt to the kernel with preempt_count 0 and PENDING_RESCHED. */
void sched_preempt_irq(void);

/*
 * Makes a sleeping thread runnable if its state is in the set (bits 1u << THREAD_...).
 * Return: whether it did.  Any context.
 */
bool thread_wake_state(struct thread *t, unsigned states);
#define WAKE_NORMAL (1u << THREAD_SLEEPING | 1u << THREAD_SLEEPING_INTR)
#define WAKE_SIGNAL (1u << THREAD_SLEEPING_INTR)
/* Added to the set: the waker has more to do for the woken thread (a pipe's writer): it keeps the CPU
 * until it sleeps or the next tick, unless the woken one is real-time. */
#define WAKE_LAZY (1u << 31)
static inline bool thread_wake(struct thread *t)
{
    return thread_wake_state(t, WAKE_NORMAL);
}

/* sched_setscheduler, setpriority, sched_setaffinity.  Return: 0, -EINVAL. */
err_t sched_set_policy(struct thread *t, int policy, int rt_priority);
err_t sched_set_nice(struct thread *t, int nice);
/*
 * Priority as futexes lend it, what a thread has of its own and is lent together: 1..40 for nice 19..-20,
 * 41..139 for real-time 1..99; an idle thread has 0 of its own.  A thread that is lent more than it has is
 * scheduled by it until sched_lend() says otherwise, and its policy and nice value stay what they are.
 * Context: any lock before LOCK_RUNQ; sched_priority reads without a lock.
 */
#define PRIORITY_REALTIME 40u
unsigned sched_priority(const struct thread *t);
void sched_lend(struct thread *t, unsigned lent);
/* Among real-time threads: 1..99. */
static inline unsigned sched_rt_priority(const struct thread *t)
{
    unsigned lent = t->lent > PRIORITY_REALTIME ? t->lent - PRIORITY_REALTIME : 0;

    return MAX((unsigned)t->rt_priority, lent);
}
/* When it returns, `t` runs on an allowed CPU or not at all.  -EINVAL: no CPU that runs is allowed, or
 * the thread belongs to its CPU.  Context: thread, no spinlock held. */
err_t sched_set_affinity(struct thread *t, const uint64_t mask[CPU_MAX / 64]);
/* The running thread is going to lose what it has in caches (execve): it moves to an idle CPU when
 * others wait for this one.  Context: thread, no spinlock held. */
void sched_exec(void);
/* What real-time threads may use of each CPU in a period; atomic, at most the period or unlimited. */
#define SCHED_RT_UNLIMITED UINT64_MAX
extern ns_t sched_rt_runtime_ns, sched_rt_period_ns;
ns_t sched_level_slice(enum sched_level level); /* without nice values */
ns_t sched_slice(const struct thread *t); /* of its present level; slices are parameters */

struct sched_stats {
    uint64_t switches, forks;
    unsigned running, blocked, total;
    uint32_t load[3]; /* 1, 5, 15 minutes, fixed point with 16 fraction bits, as sysinfo(2) */
};
void sched_get_stats(struct sched_stats *s);
struct cpu_times {
    ns_t user, nice, system, idle, irq;
};
void sched_cpu_times(unsigned cpu, struct cpu_times *t);
