// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: process groups and sessions, for proc/ alone; the public part is in process.h.
 * Locking: a writer of tree_lock for all functions named _locked, but group_join_locked: a reader will do.
 */
#pragma once

#include <proc/process.h>

/* A new session and group of process p's id, p its only member. 0, -ENOMEM. */
err_t session_create_locked(struct process *p);
/* The group and session 0, where process 1 starts: never freed, not in the table of ids. */
struct pgroup *group_boot(void);
/* Puts a new process into its parent's group. */
void group_join_locked(struct process *p, struct pgroup *g);
/* The member after p, NULL: the first.  Return: NULL: there is none.  A writer of tree_lock. */
struct process *group_next(const struct pgroup *g, const struct process *p);
/* Takes p out unless it is the last member; a reader of tree_lock.  Return: done? */
bool __must_check group_leave_shared(struct process *p);
/* Could p's parent continue members of p's group?  Then p's end may orphan it. */
bool group_is_guarded(const struct process *p);
/* Takes p out; the empty group goes away. */
void group_leave_locked(struct process *p);
/* Is the running process' group orphaned: no member has a parent in another group of the session? */
bool group_is_orphaned(void);
/* p ends, or has changed its parent: a group that became orphaned so and has stopped members gets
 * SIGHUP and SIGCONT (POSIX exit()).  `parent` as before the change. */
void group_check_orphaned_locked(struct process *p, struct process *parent, bool ends);
void job_init(void); /* registers with the terminals */
/* The session's leader ends: takes the terminal (its reference) out. */
struct tty *session_take_tty_locked(struct process *p);
