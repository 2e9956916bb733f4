// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: processes and the tasks (threads of user programs) in them.
 *
 * Model: a task is a struct thread with an id, a signal mask and an actor; a process is what its
 * tasks share: address space, signal actions and pending signals, limits, children, job-control
 * place.  The process id is the id of its first task.  A process group is a list of processes with
 * a leader's id, a session a list of groups with perhaps a controlling terminal.  All four are found
 * by their ids through one table (proc/pid.h).
 * Life: ALIVE -> (last task ends) ZOMBIE -> (parent waits, or ignores SIGCHLD) DEAD, freed with the
 * last reference; each task holds one.  Orphans go to the nearest subreaper, else to process 1.
 * Locking: `tree_lock` (LOCK_PROC_TREE, interrupts off: the terminal signals groups from interrupts)
 * guards parents, children, groups, sessions, ids: a big-reader lock.  Its readers look things up, and
 * they fork, end and wait in the simple cases, with finer locks below it: the parent's family_lock
 * for its list of children and what becomes of them, the group's lock for its list of members.  Writers
 * do the rest: threads, orphans, jobs, and all that goes through lists of groups.  "tree_lock" at
 * a field: written by writers, or by readers with that finer lock.  process->signal_lock (LOCK_SIGNAL,
 * interrupts off) guards signal state; order: tree, family, group, signal.  The list of tasks changes
 * under tree_lock and signal_lock: readers of tree_lock go through it with signal_lock.
 * What a reader has found is there until it ends reading, though another takes it out of the tree
 * meanwhile: its last reference waits for the readers (process_bury).
 */
#pragma once

#include <core/brlock.h>
#include <fs/actor.h>
#include <fs/fdtable.h>
#include <lib/list.h>
#include <proc/signal.h>
#include <sched/mutex.h>
#include <sched/sched.h>
#include <sched/timer.h>
#include <sched/waitq.h>
#include <vm/space.h>

#include <linux/resource.h>

struct tty;

#define PID_MAX 32768
#define NOFILE_MAX 1048576 /* fs.nr_open */

struct session {
    pid_t id;
    refcount_t refs;
    struct list groups; /* tree_lock */
    struct tty *tty; /* controlling terminal, with the tty's own reference rules; tree_lock */
};

/* Forks on different CPUs add to different parts. */
#define GROUP_PARTS 8

struct pgroup {
    pid_t id;
    refcount_t refs; /* one for each member; a reader of tree_lock takes all but the last */
    struct session *session; /* with a reference; constant */
    struct list session_link; /* tree_lock */
    int64_t oom_pages; /* of all members, while a victim is chosen; tree_lock */
    struct group_part {
        struct spinlock lock; /* LOCK_GROUP */
        struct list members; /* process.group_link; lock to change, a writer of tree_lock to go through;
                              * zeroed: none was ever added */
    } parts[GROUP_PARTS];
};

struct rlimits {
    struct rlimit64 r[RLIM_NLIMITS]; /* process->signal_lock for writers; read atomically */
};

enum process_state { PROCESS_ALIVE, PROCESS_ZOMBIE, PROCESS_DEAD };
enum stop_state { STOP_NONE, STOP_STOPPED, STOP_CONTINUED };

struct process {
    pid_t id; /* constant */
    refcount_t refs;
    struct space *space; /* constant but for execve and exit; changed under tree_lock and signal_lock */
    struct sighand *sighand; /* may be shared (CLONE_SIGHAND without CLONE_THREAD); tree_lock and signal_lock */
    struct spinlock signal_lock;

    struct list tasks; /* task.process_link; tree_lock and signal_lock */
    unsigned task_count; /* as tasks */
    unsigned live; /* tasks that still use the space and the terminal; signal_lock */
    struct task *leader; /* the task that has the process' id, NULL once it ended; as tasks */
    struct process *parent; /* tree_lock */
    pid_t parent_id; /* of parent, 0: none; tree_lock for writers, read atomically (getppid) */
    struct spinlock family_lock; /* LOCK_FAMILY */
    struct list children, sibling; /* tree_lock, the parent's family_lock; zombies stand first */
    struct pgroup *group; /* tree_lock; with a reference */
    struct list group_link; /* tree_lock, the lock of the group's part */
    struct group_part *group_part; /* which one; as group_link */

    enum process_state state; /* tree_lock, the parent's family_lock */
    int exit_status; /* as wait4 gives it; signal_lock until it is a zombie, then tree_lock */
    int exit_signal; /* to the parent, SIGCHLD or clone's, 0: none; tree_lock */
    bool exiting; /* exit_group or a fatal signal; signal_lock */
    bool executed; /* has done execve (setpgid rule); tree_lock */
    bool unkillable; /* process 1: signals without a handler do nothing; constant */
    bool dumpable, no_new_privs, subreaper, has_subreaper; /* written by itself */
    enum stop_state stop_state; /* signal_lock */
    int stop_signal; /* signal_lock */
    bool stop_reported; /* wait has seen stop_state; signal_lock */
    bool stop_dequeued; /* a stop signal was taken off and no SIGCONT came since; signal_lock */
    bool notify_continued; /* a task is to tell the parent; signal_lock */
    unsigned stopping; /* tasks still to stop; signal_lock */

    struct signal_queue pending; /* for any task; signal_lock */
    struct signal_watch *watch; /* NULL: nobody asked; set once, under signal_lock */
    struct waitq wait_children; /* wait4 sleepers; execve's wait for the other tasks */
    struct waitq pidfd_waiters; /* poll of a pidfd: woken when it becomes a zombie */
    struct task *exec_task; /* a task in execve that waits for the others; signal_lock */

    struct rlimits limits;
    struct mutex itimer_mutex; /* who sets ITIMER_REAL, in two steps, or reads it; before signal_lock */
    struct timer real_timer; /* ITIMER_REAL; armed under signal_lock, disarmed with itimer_mutex */
    ns_t real_interval; /* signal_lock */
    ns_t virtual_left, virtual_interval, prof_left, prof_interval; /* signal_lock */
    uint64_t cpu_ticks; /* of all its tasks; atomic */
    struct list posix_timers; /* signal_lock */
    struct list cpu_alarms; /* on its clocks; see cpualarm.h */
    unsigned posix_timer_next;
    struct rusage_sum { /* of ended tasks and of waited-for children; tree_lock */
        ns_t user, system;
        uint64_t minor_faults, major_faults, voluntary, forced, rss_max, in_blocks, out_blocks;
    } own, children_sum;
    ns_t started; /* monotonic */
    int oom_score_adj;
    int64_t oom_pages; /* its score, while a victim is chosen; tree_lock */
    unsigned long personality; /* written by itself */
    uid_t uid; /* real user of the last task that ended; tree_lock */
    char name[16]; /* of the last task that ended, for zombies; tree_lock */
};

struct task {
    struct thread thread; /* must be first */
    pid_t id; /* constant but for de_thread in execve; tree_lock */
    struct process *process; /* with a reference; constant */
    struct actor actor; /* thread.actor points here */
    struct list process_link; /* tree_lock and signal_lock */

    uint64_t blocked; /* signal mask, bit n-1; written by the task itself under signal_lock */
    uint64_t saved_mask; /* sigsuspend, ppoll: restored after the handler */
    bool restore_mask; /* (own) */
    bool killed; /* ends on its way to user mode; signal_lock */
    bool stop_pending; /* takes part in a group stop; signal_lock */
    bool ended; /* in task_exit: takes no signals any more; signal_lock */
    struct signal_queue pending; /* for this task; process->signal_lock */
    stack_t altstack; /* (own) */
    uint64_t wait_set; /* sigtimedwait; signal_lock */

    vaddr_t set_tid; /* CLONE_CHILD_SETTID: written by the child itself */
    vaddr_t clear_tid; /* set_tid_address, CLONE_CHILD_CLEARTID; (own) */
    vaddr_t robust_list; /* (own) */
    size_t robust_len;
    vaddr_t rseq;
    uint32_t rseq_len, rseq_sig, rseq_cpu; /* (own) */
    bool vforking; /* the parent waits for our exec or exit; cleared once, then the queue is woken */
    struct waitq vfork_waiters;
    struct user_count *user; /* whom it counts against; changed under tree_lock and signal_lock */
    struct list pi_held; /* states of futexes it owns; this and the next by futex_pi.c's lock */
    struct pi_waiter *pi_waiting; /* NULL: it waits for none */
    bool pi_ended; /* owns nothing any more, and never will */
    struct sem_undos *undos; /* of semaphores, with a reference; NULL: none yet; (own) */
    int parent_death_signal; /* prctl PR_SET_PDEATHSIG; tree_lock */
    unsigned timer_slack_ns; /* PR_SET_TIMERSLACK; has no effect but to be read back */
    unsigned timer_slack_default_ns; /* what 0 sets: the slack of the task that made this one */

    /* How restart_syscall goes on: fn(task) with `restart` as its notes. (own) */
    struct {
        long (*fn)(struct task *t);
        int clock, flags;
        ns_t deadline;
        vaddr_t a, b;
        uint32_t val, val2;
    } restart;
};

extern struct brlock tree_lock;

static inline struct task *task_current(void)
{
    return (struct task *)thread_current();
}

static inline struct process *process_current(void)
{
    return thread_current()->process; /* NULL: a kernel thread */
}

/* Look-ups by id; with tree_lock held; NULL when there is none.  _get: takes and gives the lock
 * itself and returns with a reference. */
struct process *process_find(pid_t pid);
struct task *task_find(pid_t tid);
struct pgroup *pgroup_find(pid_t pgid);
struct process *process_get(pid_t pid);
struct task *task_get(pid_t tid); /* thread_put(&t->thread) afterwards */
static inline void process_ref(struct process *p)
{
    ref_get(&p->refs);
}
void process_put(struct process *p);
/* The first task, or another; NULL: a zombie.  For readers of tree_lock. */
static inline struct task *process_any_task(struct process *p)
{
    struct task *t = atomic_load(&p->leader);
    struct list *first = t ? NULL : atomic_load(&p->tasks.next);

    return t ? t : first != &p->tasks ? list_entry(first, struct task, process_link) : NULL;
}
/* The space with a reference, NULL when it has none any more. */
struct space *process_space_get(struct process *p);
/* Credentials of a foreign process with a reference (of its first task); NULL: it is a zombie. */
const struct cred *process_cred_get(struct process *p);
/* Publishes new credentials for the running task, whose reference it takes over. */
void task_set_cred(struct task *t, const struct cred *c);
/* May the running task look into p (PTRACE_MODE_READ)?  0, -EPERM. */
err_t process_may_inspect(struct process *p);

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

/* unshare(2): own copies of the directories, of the descriptors. 0, -ENOMEM. */
err_t task_unshare(bool fs, bool files);

/* execve of the file `name`; the strings are user pointers, or
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
/* Marks every task but `except` to end and wakes it. signal_lock held. */
void process_kill_tasks_locked(struct process *p, struct task *except);

/* wait4, waitid. */
struct wait_request {
    enum wait_which { WAIT_ALL, WAIT_PID, WAIT_GROUP } which;
    pid_t id; /* WAIT_PID, WAIT_GROUP */
    unsigned options; /* WNOHANG ... of <linux/wait.h> */
    bool nonblock; /* a pidfd with O_NONBLOCK */
    /* Results: */
    pid_t pid; /* 0: nothing (WNOHANG) */
    uid_t uid;
    int status; /* as wait4 gives it */
    int code, value; /* as waitid gives it: CLD_*, si_status */
    struct rusage_sum usage;
};
/* Return: 0; -ECHILD; -ERESTARTSYS. */
err_t process_wait(struct wait_request *w);

/* Starts process 1 from the initramfs by rdinit=, init=, then the usual names; panics with the
 * names that were tried when there is none.  Called once by boot/, from a kernel thread. */
void proc_start_init(void);

bool task_capable(unsigned cap);
uint64_t process_limit(const struct process *p, unsigned resource); /* soft */
unsigned process_count(void);
unsigned task_total(void);
/* prlimit: reads and (new not NULL) sets.  0, -EINVAL, -EPERM. */
err_t process_set_limit(struct process *p, unsigned resource, const struct rlimit64 *new,
                        struct rlimit64 *old);
/* Usage of a live process with its tasks; of the running task alone. */
void process_usage(struct process *p, struct rusage_sum *out);
void task_usage(struct task *t, struct rusage_sum *out);
/* Of the children it has waited for. */
void process_children_usage(struct process *p, struct rusage_sum *out);
void rusage_add(struct rusage_sum *to, const struct rusage_sum *from);
/* setpgid, setsid. */
err_t process_set_group(pid_t pid, pid_t pgid);
pid_t process_set_session(void);
/* The session's controlling terminal of the running process, for /dev/tty; NULL: none. */
struct tty *process_tty(void);

/* setitimer, getitimer: ITIMER_REAL, VIRTUAL, PROF; value and interval in ns, value 0: off. */
struct itimer_value {
    ns_t value, interval;
};
err_t process_get_itimer(int which, struct itimer_value *out);
err_t process_set_itimer(int which, const struct itimer_value *new, struct itimer_value *old);

/* What semop(2) is to undo at the end, which clone shares (CLONE_SYSVSEM): the owner of semaphores registers.
 * share: the parent's, made if need be, with a reference more; NULL: out of memory.  put: the last one
 * undoes; the caller's process is the one that ends; may sleep. */
struct sem_undo_ops {
    struct sem_undos *(*share)(struct task *parent);
    void (*put)(struct sem_undos *u);
};
extern const struct sem_undo_ops *sem_undo_ops;
void task_put_undos(struct task *t); /* of the running task, or of one that never ran */

/* Called for each process that ends or starts another program; the owner of POSIX timers registers
 * it. */
extern void (*process_timers_hook)(struct process *p);
