// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the frame that the exception vectors build (trap/vectors.S), and its views.
 * Invariant: the size is a multiple of 16, because SP must be; offsets are asserted in
 * trap/offsets.c against <arch/asm.h>.
 */
#pragma once

#include <lib/types.h>

struct hal_regs {
    uint64_t x[31];
    uint64_t sp; /* SP_EL0; of a trap from the kernel, its own SP */
    uint64_t pc; /* ELR_EL1 */
    uint64_t pstate; /* SPSR_EL1 */
    uint64_t orig_x0; /* x0 at a system call, before the result overwrote it */
    int64_t nr; /* system-call number, -1: none */
};

#define PSTATE_MODE_MASK 0x1full
#define PSTATE_EL0T 0x0ull
#define PSTATE_EL1H 0x5ull
#define PSTATE_F BIT(6)
#define PSTATE_I BIT(7)
#define PSTATE_A BIT(8)
#define PSTATE_D BIT(9)
#define PSTATE_BTYPE (3ull << 10)
#define PSTATE_SSBS BIT(12)
#define PSTATE_IL BIT(20)
#define PSTATE_SS BIT(21)
#define PSTATE_PAN BIT(22)
#define PSTATE_UAO BIT(23)
#define PSTATE_DIT BIT(24)
#define PSTATE_TCO BIT(25)
#define PSTATE_NZCV (0xfull << 28)

static inline bool regs_user(const struct hal_regs *r)
{
    return (r->pstate & PSTATE_MODE_MASK) == PSTATE_EL0T;
}

static inline vaddr_t regs_ip(const struct hal_regs *r)
{
    return r->pc;
}

static inline void regs_set_ip(struct hal_regs *r, vaddr_t v)
{
    r->pc = v;
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
    return r->x[29];
}

static inline uint64_t regs_arg(const struct hal_regs *r, unsigned n)
{
    return n == 0 ? r->orig_x0 : r->x[n];
}

static inline long regs_nr(const struct hal_regs *r)
{
    return (int)r->nr; /* Linux looks at 32 bits */
}

static inline void regs_set_nr(struct hal_regs *r, long nr)
{
    r->nr = nr;
    if (nr >= 0) /* -1 only marks the frame as no system call */
        r->x[8] = (uint64_t)nr;
}

static inline long regs_return(const struct hal_regs *r)
{
    return (long)r->x[0];
}

static inline void regs_set_return(struct hal_regs *r, long v)
{
    r->x[0] = (uint64_t)v;
}

static inline void regs_restart(struct hal_regs *r)
{
    r->x[0] = r->orig_x0;
    r->pc -= 4; /* SVC is one instruction */
}
