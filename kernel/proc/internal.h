// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the files of proc/ share with each other alone.
 */
#pragma once

#include <proc/process.h>

/* An unlinked process / task, zeroed but for what every one has. NULL: out of memory. */
struct process *process_create(void);
struct task *task_create(struct process *p);
/* randomize_va_space: 0 nothing, 1 all but the heap, 2 all that execve places; atomic. */
extern unsigned exec_randomize;
/* pid_max: numbers that are given out are below; threads-max: how many tasks there may be; atomic. */
extern unsigned pid_limit, threads_limit;
/* Undoes task_create before thread_init. */
void task_destroy(struct task *t);

/* Links a task (and its process, when it is the first) into all lists.  tree_lock held. */
void task_link_locked(struct task *t);
void tasks_minus_one_locked(void);
/* Hands the memory limits to the process' address space. */
void process_limits_to_space(struct process *p);
/* What a real user has, for RLIMIT_NPROC and RLIMIT_SIGPENDING: it exists while there is something. */
struct user_count {
    struct user_count *next; /* tree_lock */
    uid_t uid;
    uint64_t tasks; /* atomic; nobody frees it while tree_lock is held by a reader */
    uint64_t signals; /* queued, and reserved by timers; atomic; raised only for a user with tasks */
};
/* One task more, of fewer than `limit`; tree_lock held. ERR_PTR: -EAGAIN, -ENOMEM. */
struct user_count *__must_check user_count_add(uid_t uid, uint64_t limit);
void user_count_sub(struct user_count *u); /* tree_lock held */
/* The same for a user of whom the caller is a task, and for readers of tree_lock: who looks for a user next
 * frees those that have nothing any more. */
struct user_count *__must_check user_count_more(struct user_count *u, uint64_t limit);
void user_count_less(struct user_count *u);

/* The parent of a vfork goes on. */
void task_vfork_done(struct task *t);
/* Puts *slot (the fs or the files of a task of `p`, by that task alone) to `own`; the old one is for the caller.
 * Foreign look-ups are readers of tree_lock with the signal_lock, or its writers. */
void *task_slot_swap(struct process *p, void **slot, void *own);
/* Robust futexes and the clear_tid word, while the old memory is still there. */
void task_leave_user(struct task *t);
/* Cancels ITIMER_REAL and the POSIX timers. */
void process_stop_timers(struct process *p);
/* In the interrupt of ITIMER_REAL. */
void itimer_real_fire(struct timer *timer);
/* A zombie or an auto-reaped process leaves the tree; the caller buries it afterwards.  Locks: tree_lock, its
 * reader with the parent's family_lock.  Return: done?  The last of a group needs a writer. */
bool __must_check process_reap_locked(struct process *p, bool writer);
/* After the tree_lock was given back: puts the tree's reference, of the exiting task one of its own, as soon
 * as no look-up can see it any more. */
void task_bury(struct task *t);
void process_bury(struct process *p);

/* Once, before process 1. */
void futex_init(void);
void oom_init(void);
/* What /proc/PID/oom_score says: 0 for those that are spared, else up to 2000.  Takes tree_lock. */
unsigned process_oom_score(const struct process *p);
void graves_init(void);
/* An ending process has left its space (tree_lock is held) ... */
void oom_space_goes(void);
/* ... and its memory is given back: who waits for some looks again. */
void oom_space_gone(void);
void itimer_init(void);
void procfs_pid_init(void);
