// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the registers of a user program on the host: see <arch/host.h> for what runs there.
 */
#pragma once

#include <lib/types.h>

struct hal_regs {
    uint64_t ip, sp, fp;
    uint64_t arg[6];
    int64_t nr; /* -1: no system call */
    int64_t ret;
    uint64_t user; /* 1: from user mode */
    uint64_t restart; /* make the same call again */
    uint64_t spare;
} __aligned(16);

static inline bool regs_user(const struct hal_regs *r)
{
    return r->user;
}

static inline vaddr_t regs_ip(const struct hal_regs *r)
{
    return r->ip;
}

static inline void regs_set_ip(struct hal_regs *r, vaddr_t v)
{
    r->ip = v;
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
    return r->fp;
}

static inline uint64_t regs_arg(const struct hal_regs *r, unsigned n)
{
    return r->arg[n];
}

static inline long regs_nr(const struct hal_regs *r)
{
    return r->nr;
}

static inline void regs_set_nr(struct hal_regs *r, long nr)
{
    r->nr = nr;
}

static inline long regs_return(const struct hal_regs *r)
{
    return r->ret;
}

static inline void regs_set_return(struct hal_regs *r, long v)
{
    r->ret = v;
}

static inline void regs_restart(struct hal_regs *r)
{
    r->restart = 1;
}
