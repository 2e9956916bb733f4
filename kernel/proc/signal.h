// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: signals: who gets them, what they do, when they are delivered.
 *
 * Model: a signal is queued on a task or a process (standard signals once, real-time ones in
 * order with their siginfo, RLIMIT_SIGPENDING), PENDING_SIGNAL is set in a task that may take it, and
 * that task delivers on its way to user mode (signal_deliver), or its interruptible sleep ends.
 * Locking: process->signal_lock (LOCK_SIGNAL, interrupts off: timers send from interrupts).
 * Source: signal(7), POSIX.1-2017 2.4.
 */
#pragma once

#include <core/spinlock.h>
#include <lib/atomic.h>
#include <lib/list.h>
#include <hal/regs.h>
#include <sched/waitq.h>

#include <linux/signal.h>

struct task;
struct process;
struct pgroup;

#define SIG_COUNT 64
#define SIG_BIT(sig) (1ull << ((sig)-1))

struct user_count;
struct signal_info { /* one queued signal */
    struct list link; /* signal_lock */
    struct user_count *user; /* whom it counts against; constant */
    bool kept; /* a timer's: who takes it off a queue leaves it alone; signal_lock */
    siginfo_t info;
};

struct signal_queue {
    uint64_t set; /* bit n-1: signal n is pending */
    struct list infos; /* signal_info; a standard signal without one has SI_USER, pid 0 */
};

/* struct sigaction as both architectures lay it out, with types that fit the kernel. */
struct signal_action {
    vaddr_t handler; /* SIGNAL_DEFAULT, SIGNAL_IGNORE or a user address */
    unsigned long flags;
    vaddr_t restorer;
    uint64_t mask;
};
_Static_assert(sizeof(struct signal_action) == sizeof(struct sigaction), "struct sigaction");
#define SIGNAL_DEFAULT 0ul
#define SIGNAL_IGNORE 1ul

struct sighand {
    refcount_t refs;
    bool shared; /* by processes; set under signal_lock before a second one has it, and never taken back */
    struct spinlock lock; /* with `shared`: signal_lock is one process' only */
    struct signal_action action[SIG_COUNT]; /* of signal n at n-1; signal_lock and, when shared, `lock` */
};

/* signal_lock held.  For more than one word of an action, or a change. */
static inline void sighand_lock(struct sighand *h)
{
    if (unlikely(h->shared))
        spin_lock(&h->lock);
}

static inline void sighand_unlock(struct sighand *h)
{
    if (unlikely(h->shared))
        spin_unlock(&h->lock);
}
/* Another process is about to have the running one's, too. */
void sighand_share(struct sighand *h);

static inline void signal_queue_init(struct signal_queue *q)
{
    q->set = 0;
    list_init(&q->infos);
}
/* Forgets all that is queued. signal_lock held, or nobody else knows the queue. */
void signal_queue_flush(struct signal_queue *q);
struct sighand *sighand_create(struct sighand *from); /* NULL: all default */
void sighand_put(struct sighand *h);
/* execve: handlers go back to the default, ignored ones stay. 0, -ENOMEM. */
err_t signal_exec_reset(struct task *t);
/* rt_sigaction: reads and (new not NULL) sets. -EINVAL. */
err_t signal_action(int sig, const struct signal_action *new, struct signal_action *old);

/* Sets of signals. */
#define SIGNALS_FORCED (SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP)) /* neither blocked nor handled */
#define SIGNALS_STOP                                                                               \
    (SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU))
#define SIGNALS_QUIET /* ignored by default */                                                     \
    (SIG_BIT(SIGCHLD) | SIG_BIT(SIGCONT) | SIG_BIT(SIGURG) | SIG_BIT(SIGWINCH))
#define SIGNALS_FAULT /* of the task's own doing, delivered first */                               \
    (SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | SIG_BIT(SIGFPE) |   \
     SIG_BIT(SIGSYS))

/* Fills siginfo for kill and friends, from the running task. */
void signal_info_user(siginfo_t *info, int sig, int code);
/* Sends to a task, a process, a group.  info NULL: from the kernel (SI_KERNEL).
 * Context: any; interrupts allowed (not for groups). Return: 0, -EAGAIN (queue full, real-time only). */
err_t signal_send_task(struct task *t, int sig, const siginfo_t *info);
err_t signal_send_process(struct process *p, int sig, const siginfo_t *info);
/* All processes but process 1 and the caller's (kill -1). -ESRCH, -EPERM. */
err_t signal_send_all(int sig, const siginfo_t *info);
/* As signal_send_group with tree_lock held; `check`: only those that the running task may signal. */
err_t signal_send_group_locked(struct pgroup *g, int sig, const siginfo_t *info, bool check);
err_t signal_send_group(pid_t pgid, int sig, const siginfo_t *info); /* -ESRCH; tree_lock taken */
/* A fault of the running task: cannot be ignored or blocked (then the default action is taken). */
void signal_force(int sig, int code, vaddr_t addr);
/* May the running task send `sig` to p?  0, -EPERM. */
err_t signal_permitted(struct process *p, int sig);

/* On the way to user mode: delivers what is due, handles restarts (regs_nr), stops, dies. */
void signal_deliver(struct hal_regs *r);
/* Changes the running task's mask and looks again what is pending. */
void signal_set_mask(uint64_t mask);
/* For ppoll, pselect, sigsuspend, epoll_pwait: mask until the call is over; `restore` false when a
 * handler will run and sigreturn restores. */
void signal_mask_begin(uint64_t mask);
void signal_mask_end(bool interrupted);
bool signal_pending(void); /* for the running task, unblocked */
bool signal_fatal_pending(void); /* SIGKILL or a group exit */
uint64_t signal_pending_set(struct task *t); /* task's and process', blocked ones included */
/* Takes one signal of `set` off the queues (sigtimedwait, signalfd). Return: number or 0. */
int signal_take(struct task *t, uint64_t set, siginfo_t *info);
/* Waits for one of `set` until the deadline (rt_sigtimedwait). Return: number, -EAGAIN, -EINTR. */
int signal_wait(uint64_t set, siginfo_t *info, ns_t deadline);
/* SIGCHLD for a child that stopped or went on, and a wake-up for wait4; takes tree_lock. */
void signal_notify_job(struct process *p, int code, int status);
/* Fills a SIGCHLD siginfo; tree_lock held. */
void signal_info_child(siginfo_t *info, int sig, struct process *p, int code, int status);
/* A task leaves a group stop that is under way, because it ends.  signal_lock held. Return: whether
 * the stop is now complete, so that the caller owes signal_notify_job. */
bool signal_stop_leave(struct task *t);
/* The task takes no signals any more: those of the process that it knew of, others are told of.  signal_lock held. */
void signal_end_locked(struct task *t);
/* One signal off the queues of t, restricted to `set`. signal_lock held. Return: number or 0. */
int signal_dequeue_locked(struct task *t, uint64_t set, siginfo_t *info);
void signal_wake_task(struct task *t, bool stopped_too);
static inline bool signal_action_ignores(const struct signal_action *a, int sig)
{
    return a->handler == SIGNAL_IGNORE ||
           (a->handler == SIGNAL_DEFAULT && (SIGNALS_QUIET & SIG_BIT(sig)));
}
/* Is `sig` blocked or ignored by the running task (terminal's background rules)? */
bool signal_ignored_by_current(int sig);
/* Sets PENDING_SIGNAL when something is deliverable; signal_lock held, running task. */
void signal_recheck(struct task *t);

/* Who sleeps until a signal of a process is sent, blocked or not: signalfd.  It outlives the process
 * as long as somebody has a reference. */
struct signal_watch {
    refcount_t refs;
    struct waitq waiters; /* woken with POLLIN under signal_lock */
};
/* That of the running process, with a reference; made when it is first asked for. NULL: no memory. */
struct signal_watch *__must_check signal_watch_get(void);
void signal_watch_put(struct signal_watch *w);
void signal_watch_wake(void); /* that of the running process: a set of signalfd changed */

/*
 * A signal made before it is sent, for timers: it counts once against RLIMIT_SIGPENDING of the running
 * task's user, from here to the end, and sending it cannot fail.
 * signal_prepare: NULL: the limit is reached, or no memory.
 * signal_send_prepared: to the process, or to `t` alone; the caller has filled in `info` while it was not
 * queued.  Context: any.  Return: false when it is still queued from the last time.
 * signal_prepared_put: what is queued stays so.
 */
struct signal_info *__must_check signal_prepare(void);
bool signal_send_prepared(struct process *p, struct task *t, struct signal_info *i);
void signal_prepared_put(struct process *p, struct signal_info *i);
static inline bool signal_is_queued(const struct signal_info *i) /* signal_lock held */
{
    return list_linked(&i->link);
}

/* Called for each signal that is taken off a queue, before its siginfo is used, with p's signal_lock
 * held: the owner of POSIX timers registers it to fill in si_overrun. */
extern void (*signal_taken_hook)(struct process *p, siginfo_t *info);
