// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: futex(2): sleeping on a user word.
 * Model: a hash of buckets by key (space and address, or object and offset); a bucket's lock covers
 * the test of the word and the queueing, so a wake-up after the word's change finds the sleeper.
 * Locking: LOCK_FUTEX, one bucket or two in ascending address.
 * Source: futex(2), get_robust_list(2).
 */
#pragma once

#include <lib/types.h>

struct task;

struct futex_word {
    vaddr_t addr;
    bool shared; /* FUTEX_PRIVATE_FLAG is not set */
};

/* Sleeps while *word is `val`, until one of `bits` is woken or `deadline` (monotonic, NS_NEVER: none).
 * 0; -EAGAIN (another value), -ETIMEDOUT, -ERESTARTSYS, -EINVAL, -EFAULT. */
long futex_wait(struct futex_word word, uint32_t val, ns_t deadline, uint32_t bits);
/* Wakes up to n waiters. Return: how many; -EINVAL, -EFAULT. */
long futex_wake(struct futex_word word, unsigned n, uint32_t bits);
/* Wakes `wake`, moves up to `move` of the rest to `to`; with `compare` only while *from is `val`.
 * Return: how many woken and moved (with compare), woken (without); -EAGAIN, -EFAULT, -EINVAL. */
long futex_requeue(struct futex_word from, struct futex_word to, unsigned wake, unsigned move,
                   bool compare, uint32_t val);
/* FUTEX_WAKE_OP: changes *b by `op`, wakes n_a of a, and n_b of b when b's old value fits. */
long futex_wake_op(struct futex_word a, struct futex_word b, unsigned n_a, unsigned n_b,
                   uint32_t op);
/* Takes a futex that lends priority: the word is 0 or its owner's id.  0; -EDEADLK, -ESRCH (the word names
 * nobody), -EAGAIN (try), -ETIMEDOUT, -ERESTARTNOINTR, -EINVAL, -EFAULT, -ENOMEM. */
long futex_lock_pi(struct futex_word word, ns_t deadline, bool try);
/* Gives it to the waiter of the highest priority.  0; -EPERM (another's), -EINVAL, -EFAULT. */
long futex_unlock_pi(struct futex_word word);
/* The task's own priority has changed. */
void futex_pi_adjust(struct task *t);
/* What a task that ends or starts another program holds goes to those who wait. */
void futex_pi_leave(struct task *t, bool ends);
void futex_pi_init(void); /* by futex_init */
/* The robust list of a task that ends or starts another program. */
void futex_task_exit(struct task *t);
/* Wakes n waiters of the word. Return: how many, -EFAULT. */
long futex_wake_addr(vaddr_t addr, bool shared, unsigned n, uint32_t bits);
