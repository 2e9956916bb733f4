// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: numbers of tasks, processes, groups and sessions.
 *
 * Model: one name space of numbers.  A bitmap says which are taken (next fit, so a number comes back
 * late); a table of pages of slots says by whom: up to a task, a process, a group and a session share
 * one.  A number is free again when its slot is empty.
 * Locking: tree_lock for everything: look-ups are its readers.
 */
#pragma once

#include <proc/process.h>

struct pid_slot {
    struct task *task;
    struct process *process;
    struct pgroup *group;
    struct session *session;
};

/* Takes a number. Return: > 0; -EAGAIN: all are taken; -ENOMEM. */
pid_t __must_check pid_alloc(void);
/* Takes this one. Return: 0; -EEXIST, -EINVAL, -ENOMEM. */
err_t __must_check pid_alloc_exact(pid_t pid);
/* The slot of any number; NULL when nothing can be there. */
struct pid_slot *pid_slot(pid_t pid);
/* Gives the number back if its slot is empty. */
void pid_release(pid_t pid);
/* First number >= from that is taken, or 0. */
pid_t pid_next(pid_t from);
/* The number given out last. */
pid_t pid_last(void);
