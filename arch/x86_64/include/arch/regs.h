// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the frame that entry code builds (see <hal/regs.h>).
 * Model: from `r15` on it is Linux's struct pt_regs, which ptrace and signal frames follow.  22
 * words, so the stack stays aligned to 16 bytes when C is called on top of it.
 * Invariant: who changes anything but sp, the return value and the call's number of a user frame
 * sets `trap` to REGS_TRAP_CHANGED; only then is the frame reloaded in full (trap/entry.S).
 */
#pragma once

#include <lib/types.h>

#define KERNEL_CS 0x10
#define KERNEL_DS 0x18
#define USER32_CS 0x23
#define USER_DS 0x2b
#define USER_CS 0x33

#define RFLAGS_CF (1ul << 0)
#define RFLAGS_FIXED (1ul << 1)
#define RFLAGS_PF (1ul << 2)
#define RFLAGS_AF (1ul << 4)
#define RFLAGS_ZF (1ul << 6)
#define RFLAGS_SF (1ul << 7)
#define RFLAGS_TF (1ul << 8)
#define RFLAGS_IF (1ul << 9)
#define RFLAGS_DF (1ul << 10)
#define RFLAGS_OF (1ul << 11)
#define RFLAGS_IOPL (3ul << 12)
#define RFLAGS_NT (1ul << 14)
#define RFLAGS_RF (1ul << 16)
#define RFLAGS_AC (1ul << 18)
#define RFLAGS_ID (1ul << 21)
/* What a program may set in itself by sigreturn or ptrace; Linux's FIX_EFLAGS. */
#define RFLAGS_USER                                                                                \
    (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_TF | RFLAGS_DF |           \
     RFLAGS_OF | RFLAGS_RF | RFLAGS_AC)

#define REGS_TRAP_SYSCALL ((uint64_t)-1) /* a system call's, unchanged */
#define REGS_TRAP_CHANGED ((uint64_t)-2)

struct hal_regs {
    uint64_t trap; /* vector, or REGS_TRAP_* */
    uint64_t r15, r14, r13, r12, bp, bx;
    uint64_t r11, r10, r9, r8, ax, cx, dx, si, di;
    uint64_t orig_ax; /* system-call number, -1 for other traps */
    uint64_t ip, cs, flags, sp, ss;
};

static inline bool regs_user(const struct hal_regs *r)
{
    return (r->cs & 3) != 0;
}

static inline vaddr_t regs_ip(const struct hal_regs *r)
{
    return r->ip;
}

static inline void regs_set_ip(struct hal_regs *r, vaddr_t v)
{
    r->ip = v;
    r->trap = REGS_TRAP_CHANGED;
}

static inline vaddr_t regs_sp(const struct hal_regs *r)
{
    return r->sp;
}

static inline void regs_set_sp(struct hal_regs *r, vaddr_t v)
{
    r->sp = v;
}

static inline vaddr_t regs_fp(const struct hal_regs *r)
{
    return r->bp;
}

static inline uint64_t regs_arg(const struct hal_regs *r, unsigned n)
{
    switch (n) {
    case 0:
        return r->di;
    case 1:
        return r->si;
    case 2:
        return r->dx;
    case 3:
        return r->r10;
    case 4:
        return r->r8;
    default:
        return r->r9;
    }
}

static inline long regs_nr(const struct hal_regs *r)
{
    return (int)r->orig_ax; /* Linux looks at 32 bits */
}

static inline void regs_set_nr(struct hal_regs *r, long nr)
{
    r->orig_ax = (uint64_t)nr;
}

static inline long regs_return(const struct hal_regs *r)
{
    return (long)r->ax;
}

static inline void regs_set_return(struct hal_regs *r, long v)
{
    r->ax = (uint64_t)v;
}

/* SYSCALL is two bytes long. */
static inline void regs_restart(struct hal_regs *r)
{
    r->ax = r->orig_ax;
    regs_set_ip(r, r->ip - 2);
}
