// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: numbers of tasks, processes, groups and sessions.
 *
 * Model: one name space of numbers.  A bitmap says which are taken (next fit, so a number comes back
 * late); a table of pages of slots says by whom: up to a task, a process, a group and a session share
 * one.  A number is free again when its slot is empty.
 * Locking: look-ups are readers of tree_lock, and what they find is there until they end reading.  Numbers
 * are taken and given back by readers of tree_lock, too, by atomic operations: who sets a number's bit has it,
 * and the last holder that leaves clears the bit.  A holder comes while there is another, or right after
 * the number was taken; its field of the slot is its own.
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
/* Somebody more is in the number's slot, before it is. */
void pid_hold(pid_t pid);
/* Takes `holder` (a task, process, group, session; NULL: none) out of the slot, and gives the number back
 * if that is empty. */
void pid_release(pid_t pid, const void *holder);
/* Frees tables without numbers; a writer of tree_lock. */
void pid_trim_locked(void);
/* First number >= from that is taken, or 0. */
pid_t pid_next(pid_t from);
/* The number given out last. */
pid_t pid_last(void);
