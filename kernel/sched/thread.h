// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the thread: a kernel stack, a machine context, scheduling state and accounting.
 *
 * Model: proc/ embeds struct thread as the first member of its struct task; a kernel thread is a
 * bare one.  A thread is RUNNABLE (on a run queue or running), SLEEPING (on wait queues or a
 * timer), STOPPED (job control, sleeps until woken) or DEAD (its last switch is done).
 * Locking: the run queue of the CPU that `ctx.cpu` names (rq lock) guards the scheduling state, and
 * ctx.cpu changes only under the lock of the queue that it named before.  `lock` guards the name.
 * Fields that only the running thread itself touches are marked (own).
 * Life: thread_init() gives one reference; thread_exit() of the thread drops it after its last
 * switch, on the stack of whoever runs next.
 */
#pragma once

#include <lib/list.h>
#include <lib/tree.h>
#include <lib/types.h>
#include <core/spinlock.h>
#include <hal/context.h>
#include <hal/cpu.h>

/* The five levels of the scheduler. */
enum sched_level { LEVEL_IDLE, LEVEL_LOW, LEVEL_NORMAL, LEVEL_HIGH, LEVEL_REALTIME, LEVEL_COUNT };

enum thread_state {
    THREAD_NEW,
    THREAD_RUNNABLE,
    THREAD_SLEEPING, /* uninterruptible: D */
    THREAD_SLEEPING_INTR, /* a signal ends the sleep: S */
    THREAD_STOPPED, /* T */
    THREAD_DEAD, /* Z/X */
};

/* Where a thread that does not run is. */
enum thread_place {
    PLACE_NONE, /* on no queue */
    PLACE_QUEUED,
    PLACE_TRANSIT, /* between two queues, in the hands of one CPU that will put it on ctx.cpu's */
};

struct process; /* proc/ */
struct actor; /* fs/ */
struct mempolicy; /* vm/ */
struct space; /* vm/ */

struct thread {
    struct hal_context ctx; /* must be first */
    struct spinlock lock;
    enum thread_state state; /* rq lock; also written by the thread itself before it sleeps */
    bool on_cpu; /* runs, or is still executing its last switch; rq lock */
    uint8_t place; /* enum thread_place; rq lock */
    bool must_move; /* leaves this CPU when it is next switched from; rq lock */
    bool pinned; /* to its CPU for ever; constant once started */
    struct list run_link; /* rq lock */

    /* Scheduling; rq lock */
    enum sched_level level; /* where it is now */
    enum sched_level base_level; /* where feedback may bring it back to; LOW..HIGH move */
    uint8_t policy; /* SCHED_OTHER, BATCH, IDLE, FIFO, RR of <linux/sched.h> */
    uint8_t rt_priority; /* 1..99 for FIFO and RR */
    uint8_t lent; /* what others lend it, as sched_priority() gives it; 0: nothing */
    int8_t nice; /* -20..19 */
    bool reset_on_fork; /* SCHED_RESET_ON_FORK: children start with the ordinary policy */
    ns_t slice_left; /* rq lock */
    ns_t slept_at; /* when it last gave up the CPU to sleep; rq lock */
    uint64_t affinity[CPU_MAX / 64]; /* written under rq lock */

    struct mempolicy *mempolicy; /* vm/; with a reference; lock, the thread itself reads without */
    uint8_t interleaved; /* (own) node of its last interleaved page */
    bool nodes_exhausted; /* (own) an allocation failed for its policy alone */

    /* Accounting; rq lock */
    ns_t started; /* monotonic; constant */
    ns_t switched_in; /* when it got the CPU, or was last accounted */
    ns_t runtime; /* CPU time up to switched_in */
    uint64_t user_ticks, system_ticks; /* sampled: split of runtime into user and system */
    uint64_t voluntary_switches, forced_switches;
    uint64_t minor_faults, major_faults;

    struct process *process; /* NULL: kernel thread; constant */
    struct space *space; /* user address space to run in; changed by execve under irqs off */
    struct hal_space *hal_space; /* of `space`, NULL for kernel threads */
    struct actor *actor; /* fs/: credentials, directories, files it acts with; NULL: kernel thread */
    uint32_t switch_pending; /* (own) PENDING_* to set whenever it loses the CPU: rseq */
    uint32_t fault_disable; /* (own) faults in user copies fail instead of sleeping */
    uint32_t refs; /* atomic */
    char name[16]; /* lock */
    struct list all_link; /* of its part of all threads; for gdb, too */
    unsigned all_part; /* constant while it is there */

    /* What it waits for, for /proc/PID/wchan and the debugger; (own) */
    const void *wait_on;
    /* Frees the memory that holds the thread, after its last reference.  Must not sleep: it may run
     * in the middle of a switch, interrupts off. */
    void (*release)(struct thread *t);
    void (*entry)(void *arg); /* constant */
    void *arg; /* constant */
    /* (own) svc/: the subsystem that it works for; a kernel thread has that of who started it.  NULL: the core. */
    const void *domain;
    void *fpu_memory; /* the allocation that ctx.fpu lies in; constant */
};

static inline struct thread *thread_current(void)
{
    return (struct thread *)hal_current();
}

struct thread_params {
    const char *name;
    enum sched_level level;
    struct process *process;
    struct space *space;
    bool user; /* give it an FPU area: a copy of the running user thread's state, else a fresh one */
    void (*entry)(void *arg); /* runs with interrupts on, preemptible; never returns for user threads:
                                 ends in hal_enter_user(); a kernel thread may return: it then exits */
    void *arg;
    void (*release)(struct thread *t); /* NULL: kfree */
};

/*
 * Makes `t` (zeroed memory) a NEW thread with a stack of its own and one reference.
 * Policy, nice, affinity are inherited from the running thread when it is a user thread.
 * Return: 0, -ENOMEM.
 */
err_t __must_check thread_init(struct thread *t, const struct thread_params *p);
/* Undoes thread_init of a thread that never started. */
void thread_discard(struct thread *t);
/* Puts a NEW thread on a run queue. */
void thread_start(struct thread *t);
/* A kernel thread, started.  It is released when it ends. Return: NULL when out of memory. */
struct thread *__must_check kthread_start(const char *name, enum sched_level level,
                                          void (*entry)(void *arg), void *arg);
/* The same on one CPU for ever: sched_setaffinity refuses it. */
struct thread *__must_check kthread_start_on(struct cpu *cpu, const char *name,
                                             enum sched_level level, void (*entry)(void *arg),
                                             void *arg);
/* Ends the running thread; its last reference but the callers' is dropped after the last switch. */
__noreturn void thread_exit(void);

void thread_get(struct thread *t);
void thread_put(struct thread *t); /* may call release; any context */

/* CPU time so far, the running stretch included; user and system split.  Any thread. */
void thread_times(struct thread *t, ns_t *user, ns_t *system);
void thread_set_name(struct thread *t, const char *name);

unsigned thread_count(void); /* that exist and are not dead, kernel's included */
/* All threads, kernel's included: calls fn(t) for each until it returns false.  Must not sleep. */
void thread_for_each(bool (*fn)(struct thread *t, void *arg), void *arg);
