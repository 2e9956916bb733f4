// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: how system calls are declared.
 *
 * kernel/abi/syscalls.tbl names every call once; tools/syscalls.py makes of it
 *   - prototypes `long sys_NAME(typed arguments)` for every handler (abi/syscalls_gen.h),
 *   - for each a thunk that loads just its arguments from the saved registers,
 *   - the dispatch table `syscall_table[SYSCALL_COUNT]`, the names, and what strace=1 decodes.
 * A handler is defined in abi/AREA.c, returns a value >= 0 or a negative errno (or one of the
 * ERESTART codes of lib/types.h), and takes user pointers as `T __user *`.
 * Context of every handler: thread, interrupts on, no locks, may sleep.
 */
#pragma once

#include <lib/types.h>
#include <hal/regs.h>

typedef long (*syscall_fn)(struct hal_regs *r);

struct syscall_entry {
    syscall_fn call;
};
extern const syscall_fn syscall_table[]; /* absent numbers hold syscall_absent */
extern const unsigned syscall_count;
extern const char *const syscall_names[]; /* NULL: no such number */
long syscall_absent(struct hal_regs *r); /* -ENOSYS, logged once by name */

/* Decoding for strace=1: kinds of arguments, six letters for each call. */
extern const char *const syscall_kinds[];
