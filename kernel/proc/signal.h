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

#include <linux/signal.h>

struct task;
struct process;
struct pgroup;

#define SIG_COUNT 64
#define SIG_BIT(sig) (1ull << ((sig)-1))

struct signal_info { /* one queued signal */
    struct list link;
    siginfo_t info;
};

struct signal_queue {
    uint64_t set; /* bit n-1: signal n is pending */
    struct list infos; /* signal_info; a standard signal without one has SI_USER, pid 0 */
    struct siginfo_slot *unused;
};

struct sighand {
    refcount_t refs;
    struct sigaction action[SIG_COUNT]; /* of signal n at n-1; signal_lock */
};

/* Fills siginfo for kill and friends, from the running task. */
void signal_info_user(siginfo_t *info, int sig, int code);
/* Sends to a task, a process, a group.  info NULL: from the kernel (SI_KERNEL).
 * Context: any; interrupts allowed (not for groups). Return: 0, -EAGAIN (queue full, real-time only). */
err_t signal_send_task(struct task *t, int sig, const siginfo_t *info);
err_t signal_send_process(struct process *p, int sig, const siginfo_t *info);
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
