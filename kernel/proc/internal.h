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
/* Undoes task_create before thread_init. */
void task_destroy(struct task *t);

/* Links a task (and its process, when it is the first) into all lists.  tree_lock held. */
void task_link_locked(struct task *t);
void tasks_minus_one_locked(void);
/* Hands the memory limits to the process' address space. */
void process_limits_to_space(struct process *p);
/* RLIMIT_NPROC accounting; tree_lock held. */
err_t user_count_add(uid_t uid, uint64_t limit); /* -EAGAIN, -ENOMEM */
void user_count_sub(uid_t uid);

/* The parent of a vfork goes on. */
void task_vfork_done(struct task *t);
/* Robust futexes and the clear_tid word, while the old memory is still there. */
void task_leave_user(struct task *t);
/* Cancels ITIMER_REAL and the POSIX timers. */
void process_stop_timers(struct process *p);
/* In the interrupt of ITIMER_REAL. */
void itimer_real_fire(struct timer *timer);
/* A zombie or an auto-reaped process leaves the tree; tree_lock held; the caller puts the
 * reference afterwards. */
void process_reap_locked(struct process *p);

/* Once, before process 1. */
void futex_init(void);
void oom_init(void);
void itimer_init(void);
void procfs_pid_init(void);
