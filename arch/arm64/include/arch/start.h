// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: how CPUs that nobody's firmware holds are called out of the kernel's own waiting loop.
 *
 * Model: loaders without PSCI may let all CPUs into the kernel at once; boot/head.S keeps those that do
 * not boot it in `park`, where they wait, with the MMU off, for their affinity to appear in the pen.
 * A CPU that a spin table sends to the entry of hal_cpu_prepare() finds its record there, too.
 */
#pragma once

#include <lib/types.h>

/* What a CPU needs before it has memory as C knows it; read with the MMU off. */
struct cpu_start {
    paddr_t root;
    uint64_t tcr;
    uintptr_t stack_top;
    struct hal_context *context;
    uint32_t state; /* atomic; used by C alone */
} __aligned(64);

struct cpu_pen {
    uint64_t affinity;
    paddr_t start; /* struct cpu_start */
};

/* Calls the CPU with this affinity; `arg` as hal_cpu_prepare() gave it.  One CPU at a time. */
void cpu_pen_call(uint64_t affinity, uint64_t arg);
/* Writes the lines of [p, p + n) back to memory and drops them: for readers without caches. */
void cache_clean_to_memory(const volatile void *p, size_t n);
