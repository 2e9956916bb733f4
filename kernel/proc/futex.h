// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: futex(2): sleeping on a user word.
 * Model: a hash of buckets by key (space and address, or object and offset); a bucket's lock covers
 * the test of the word and the queueing.  Source: futex(2).
 */
#pragma once

#include <lib/types.h>

struct task;
/* Robust list, clear_tid wake-up of a task that ends. */
void futex_task_exit(struct task *t);
/* Wakes n waiters of the word. Return: how many, -EFAULT. */
long futex_wake_addr(vaddr_t addr, bool shared, unsigned n, uint32_t bits);
