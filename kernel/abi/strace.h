// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: strace=1: each system call in the log, decoded after the kinds of syscalls.tbl.
 */
#pragma once

#include <hal/regs.h>
#include <lib/types.h>

extern bool syscall_trace; /* strace=1; constant after boot */
/* Makes the call of `r` and logs it. Return: what the call returned. */
long strace_call(struct hal_regs *r);
