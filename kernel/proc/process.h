// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: processes and the tasks (threads of user programs) in them.
 *
 * Model: a task is a struct thread with an id, a signal mask and an actor; a process is what its
 * tasks share: address space, signal actions and pending signals, limits, children, job-control
 * place.  The process id is the id of its first task.  A process group is a list of processes with
 * a leader's id, a session a list of groups with perhaps a controlling terminal.
 * Life: ALIVE -> (last task ends) ZOMBIE -> (parent waits, or ignores SIGCHLD) freed.  Orphans go
 * to the nearest subreaper, else to process 1.
 * Locking: `tree_lock` (LOCK_PROC_TREE) guards parents, children, groups, sessions, ids and the
 * hash of ids; process->signal_lock (LOCK_SIGNAL) guards signal state; order: tree, then signal.
 */
#pragma once

#include <fs/actor.h>
#include <fs/fdtable.h>
#include <lib/list.h>
#include <proc/signal.h>
#include <sched/sched.h>
#include <sched/timer.h>
#include <sched/waitq.h>
#include <vm/space.h>

#include <linux/resource.h>

struct tty;

#define PID_MAX_DEFAULT 32768
#define PID_MAX_LIMIT 4194304

struct session {
    pid_t id;
    refcount_t refs;
    struct list groups; /* tree_lock */
    struct tty *tty; /* controlling terminal, with the tty's own reference rules; tree_lock */
};

struct pgroup {
    pid_t id;
    refcount_t refs;
    struct session *session; /* with a reference; constant */
    struct list members; /* process.group_link; tree_lock */
    struct list session_link; /* tree_lock */
};

struct rlimits {
    struct rlimit64 r[RLIM_NLIMITS]; /* process->signal_lock for writers; read atomically */
};

struct process {
    pid_t id; /* constant */
    refcount_t refs;
    struct space *space; /* constant but for execve and exit; tree_lock for foreign readers */
    struct sighand *sighand; /* may be shared (CLONE_SIGHAND without CLONE_THREAD) */
    struct spinlock signal_lock;

    struct list tasks; /* task.process_link; tree_lock */
    unsigned task_count; /* tree_lock */
    struct task *leader; /* first task; tree_lock */
    struct process *parent; /* tree_lock */
    struct list children, sibling; /* tree_lock */
    struct pgroup *group; /* tree_lock; with a reference */
    struct list group_link; /* tree_lock */
    struct list hash_link; /* of ids */

    enum { PROCESS_ALIVE, PROCESS_ZOMBIE, PROCESS_DEAD } state; /* tree_lock */
    int exit_status; /* as wait4 gives it; tree_lock */
    int exit_signal; /* to the parent, SIGCHLD or clone's */
    bool exiting; /* exit_group or a fatal signal; signal_lock */
    bool executed; /* has done execve (setpgid rule); tree_lock */
    bool dumpable, no_new_privs, subreaper;
    unsigned stop_state; /* none, stopped, continued, for wait; signal_lock */
    int stop_signal; /* signal_lock */
    bool stop_reported; /* signal_lock */
    unsigned stopping; /* tasks still to stop; signal_lock */

    struct signal_queue pending; /* for any task; signal_lock */
    struct waitq wait_children; /* wait4 sleepers */
    struct waitq pidfd_waiters;
    struct task *exec_task; /* a task in execve that waits for the others; signal_lock */

    struct rlimits limits;
    struct timer real_timer; /* ITIMER_REAL; with real_interval, signal_lock */
    ns_t real_interval;
    ns_t virtual_left, virtual_interval, prof_left, prof_interval; /* signal_lock */
    struct list posix_timers; /* signal_lock */
    struct rusage_sum { /* of ended tasks and of waited-for children; tree_lock */
        ns_t user, system;
        uint64_t minor_faults, major_faults, voluntary, forced, rss_max, in_blocks, out_blocks;
    } own, children_sum;
    ns_t started; /* monotonic */
    int oom_score_adj;
};

struct task {
    struct thread thread; /* must be first */
    pid_t id; /* constant */
    struct process *process; /* constant but for de_thread in execve */
    struct actor actor; /* thread.actor points here */
    struct list process_link; /* tree_lock */
    struct list hash_link; /* of ids; tree_lock */

    uint64_t blocked; /* signal mask, bit n-1; written by the task itself under signal_lock */
    uint64_t saved_mask; /* sigsuspend, ppoll: restored after the handler */
    bool restore_mask; /* (own) */
    struct signal_queue pending; /* for this task; process->signal_lock */
    stack_t altstack; /* (own) */
    uint64_t wait_set; /* sigtimedwait; signal_lock */

    vaddr_t clear_tid; /* set_tid_address, CLONE_CHILD_CLEARTID; (own) */
    vaddr_t robust_list; /* (own) */
    size_t robust_len;
    vaddr_t rseq;
    uint32_t rseq_len, rseq_sig;
    struct completion *vfork_done; /* the parent that waits for our exec or exit; tree_lock */
    int parent_death_signal; /* prctl PR_SET_PDEATHSIG */

    /* How restart_syscall goes on: fn(task) with `restart` as its notes. (own) */
    struct {
        long (*fn)(struct task *t);
        int clock, flags;
        ns_t deadline;
        vaddr_t a, b;
        uint32_t val, val2;
    } restart;
};

extern struct spinlock tree_lock;

static inline struct task *task_current(void)
{
    return (struct task *)thread_current();
}

static inline struct process *process_current(void)
{
    return task_current()->process;
}

/* Look-ups by id; with tree_lock held; NULL when there is none.  _get: takes and gives the lock
 * itself and returns with a reference. */
struct process *process_find(pid_t pid);
struct task *task_find(pid_t tid);
struct pgroup *pgroup_find(pid_t pgid);
struct process *process_get(pid_t pid);
struct task *task_get(pid_t tid); /* thread_put(&t->thread) afterwards */
void process_put(struct process *p);

/* clone(2), clone3, fork, vfork. */
struct clone_request {
    uint64_t flags; /* CLONE_* without the exit signal */
    int exit_signal;
    vaddr_t stack; /* top; 0: the parent's */
    uintptr_t tls;
    int __user *parent_tid, *child_tid, *pidfd;
    const pid_t *set_tid; /* clone3; kernel copy */
    size_t set_tid_count;
};
/* Return: the child's id; -EINVAL, -EAGAIN (RLIMIT_NPROC, ids), -ENOMEM, -EPERM. */
long task_clone(const struct clone_request *r);

/* execve of `file` (already opened for execution) named `name`; the strings are user pointers, or
 * kernel ones when `kernel` (init).  Returns only with an error, or 0 with the registers set. */
struct exec_strings {
    const char __user *const __user *argv, *const __user *envp;
    const char *const *kernel_argv, *const *kernel_envp; /* instead, NULL-ended */
};
err_t process_exec(int dirfd, const char *name, const struct exec_strings *s, int at_flags);

/* Ends the running task (exit) or its whole process (exit_group, fatal signals); status as wait4
 * gives it. */
__noreturn void task_exit(int status);
__noreturn void process_exit_group(int status);

/* Starts process 1 from the initramfs by rdinit=, init=, then the usual names; panics with the
 * names that were tried when there is none.  Called once by boot/, from a kernel thread. */
void proc_start_init(void);

bool task_capable(unsigned cap);
uint64_t process_limit(const struct process *p, unsigned resource); /* soft */
unsigned process_count(void);
/* setpgid, setsid. */
err_t process_set_group(pid_t pid, pid_t pgid);
pid_t process_set_session(void);
/* The session's controlling terminal of the running process, for /dev/tty; NULL: none. */
struct tty *process_tty(void);
