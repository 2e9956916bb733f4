// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: restartable sequences: the area in user memory says on which CPU the task runs, and a
 * critical section that was left by a signal or another thread starts over at its abort address.
 * Source: rseq(2), <linux/rseq.h>.
 */
#pragma once

#include <hal/regs.h>
#include <lib/types.h>

struct task;
/* 0, -EFAULT. */
long rseq_register(struct task *t, vaddr_t addr, uint32_t len, uint32_t sig);
long rseq_unregister(struct task *t);
/* On the way to user mode after the task lost the CPU, or before a handler runs; may send SIGSEGV. */
void rseq_resume(struct task *t, struct hal_regs *r);
