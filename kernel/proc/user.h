// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what entry/ asks of processes: a program's fault becomes a signal with an explanation.
 */
#pragma once

#include <hal/regs.h>
#include <vm/space.h>

/* Ends a user access at `addr` (FAULT_* in `access`) that space_fault could not resolve: queues the
 * signal on the running task; says why in the log when the program will die of it. */
void user_fault_signal(const struct hal_regs *r, vaddr_t addr, unsigned access,
                       enum fault_result result);
/* The same for an exception other than a page fault; `what` names it. */
void user_trap_signal(const struct hal_regs *r, const char *what, int sig, int code, vaddr_t addr);
