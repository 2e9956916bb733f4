// SPDX-License-Identifier: CC0-1.0
/* Purpose: the host's part of struct hal_context and struct cpu. */
#pragma once

#include <lib/types.h>

/* The sanitizers' frames are large. */
#define KERNEL_STACK_SIZE (64 * 1024ul)

struct hal_context;

struct arch_context {
    void (*entry)(struct hal_context *prev, void *arg); /* of a context that has never run */
    void *arg;
    void *fake_stack; /* the address sanitizer's */
};

#define HOST_TLB_ENTRIES 256

/* What a CPU remembers of a page table, as hardware does: only mmu_flush_* make it forget. */
struct host_tlb_entry {
    paddr_t root; /* of the space; 0: empty entry */
    vaddr_t page;
    uint64_t pte;
    unsigned level;
};

struct arch_cpu {
    bool irqs_on;
    bool started;
    bool idle; /* waits for an interrupt */
    bool in_access; /* between a translation and the use of it: one instruction on a machine */
    uint64_t irqs; /* pending interrupts, one bit each */
    uint64_t timer_at; /* virtual time of the timer interrupt; NS_NEVER: off */
    uintptr_t sp; /* while another CPU runs */
    struct hal_context *suspended; /* the context that was running then */
    void *fake_stack;
    struct host_tlb_entry tlb[HOST_TLB_ENTRIES];
};
