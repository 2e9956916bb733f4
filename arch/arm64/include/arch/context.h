// SPDX-License-Identifier: CC0-1.0
/* Purpose: the arm64 parts of a thread's context and of a CPU's record. */
#pragma once

#include <lib/types.h>

#define KERNEL_STACK_SHIFT 14
#define KERNEL_STACK_SIZE (1ul << KERNEL_STACK_SHIFT)

struct cpu;

struct arch_context {
    struct cpu *fpu_cpu; /* the CPU whose registers last held our FPU state; own thread */
};

/* Identification, read by hal_cpu_init on the CPU itself and constant afterwards. */
struct arch_cpu {
    uint64_t midr;
    uint64_t tlb_flush_pending; /* atomic; ASID rollover: flush before the next user space */
    uint64_t active_asid; /* atomic; 0 while a rollover is under way */
    uint64_t reserved_asid; /* under the ASID lock */
};
