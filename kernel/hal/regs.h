// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the registers that a trap saved, as machine-independent code sees them.
 *
 * <arch/regs.h> defines struct hal_regs (the frame that entry code builds on the kernel stack; for
 * a trap from user mode it lies at the very top of the thread's kernel stack) and these inlines:
 *
 *     bool     regs_user(r)              did the trap come from user mode?
 *     vaddr_t  regs_ip(r)                program counter;            regs_set_ip(r, v)
 *     vaddr_t  regs_sp(r)                stack pointer;              regs_set_sp(r, v)
 *     vaddr_t  regs_fp(r)                frame pointer, for backtraces
 *     uint64_t regs_arg(r, n)            system-call argument n, 0..5
 *     long     regs_nr(r)                system-call number, -1 when the trap was no system call;
 *                                        regs_set_nr(r, v)
 *     long     regs_return(r)            the call's return value;    regs_set_return(r, v)
 *     void     regs_restart(r)           set ip and registers so that the same call is made again
 *                                        (with the number last set by regs_set_nr)
 *
 * After upcall_syscall the first argument must still be readable by regs_restart: the entry code
 * keeps it (arm64: orig_x0; x86_64: rdi is never overwritten).
 */
#pragma once

#include <lib/types.h>
#include <arch/regs.h>

/* Fresh user registers: everything zero, ip and sp as given, interrupts on. */
void regs_init_user(struct hal_regs *r, vaddr_t ip, vaddr_t sp);
/* One line for each group of registers, through `line`.  Any context. */
void regs_dump(const struct hal_regs *r, void (*line)(const char *text));
