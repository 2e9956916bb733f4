// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: scenarios whose interleavings the host explores by seed.
 *
 * Model: a case has a few workers, threads that are made before the machine is saved; each runs
 * work(id), pinned to CPU id % CPUs unless EXPLORE_FREE.  What must hold all the time is said with
 * explore_must(), what must hold at the end by check(), after all workers are done.  A worker that
 * never gets done, a lock that never comes free, a panic: findings, too.
 * A case with a `!` in its name is deliberately broken; it is wrong when nothing is found.
 * Interleavings are sequentially consistent: a missing fence is not found here, a missing look is.
 */
#pragma once

#include <arch/host.h>
#include <lib/atomic.h>
#include <lib/registry.h>
#include <lib/types.h>

struct log_sink;
struct thread;

#define EXPLORE_WORKERS 6

enum {
    EXPLORE_FREE = 1u << 0, /* workers run where the scheduler wants */
    EXPLORE_ENDS = 1u << 1, /* workers return for good, and everything they had must come back */
};

struct explore_case {
    const char *name;
    bool broken;
    unsigned workers;
    unsigned flags; /* EXPLORE_* */
    void (*prepare)(void); /* NULL, or run by the driver before the workers start */
    void (*work)(unsigned id);
    const char *(*check)(void); /* NULL, or: what is wrong, NULL when nothing */
};
REGISTRY_DECLARE(explore, const struct explore_case);

#define EXPLORE(ident, ...)                                                                        \
    static const struct explore_case explore_case_##ident = { __VA_ARGS__ };                       \
    REGISTRY_ADD(explore, explore_case_##ident)

#define explore_must(cond)                                                                         \
    do {                                                                                           \
        if (!(cond))                                                                               \
            host_explore_end("not so: " #cond);                                                    \
    } while (0)

/* 0..n-1, decided by the seed. */
static inline unsigned explore_random(unsigned n)
{
    return host_random() % n;
}

/* Another CPU may go on here; between the steps of what is torn when no lock protects it. */
static inline void explore_point(void)
{
    arch_point();
}

struct thread *explore_worker(unsigned id);

/* Explores as the command line wants; log: what prints the log. */
__noreturn void explore_run(struct log_sink *log);
