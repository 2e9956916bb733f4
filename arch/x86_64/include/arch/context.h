// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: x86_64's part of a thread and of a CPU.
 * Model: hardware tables live in struct arch_cpu, so a CPU needs nothing but its struct cpu and a
 * block of IST stacks.  An IST stack is aligned to its size and its lowest word holds the struct
 * cpu: a handler that cannot trust %gs finds its CPU by masking its stack pointer.
 */
#pragma once

#include <lib/types.h>

#define KERNEL_STACK_SIZE (16 * 1024ul)
#define IST_STACK_SIZE (8 * 1024ul)

enum ist { IST_NMI, IST_DOUBLE, IST_MACHINE, IST_DEBUG, IST_COUNT };

struct arch_context {
    uint64_t gs_base; /* user's; current while the thread does not run */
    uint32_t selectors; /* user's %fs, and %gs in the upper half; like gs_base */
    struct cpu *fpu_cpu; /* whose registers were loaded from `fpu` last; own CPU, irqs off */
    uint64_t trap, error, cr2; /* of the last exception from user mode, for signal frames */
};

struct x86_tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, iomap;
} __packed;

/* Descriptors as Linux numbers them, for programs see the selectors in signal frames. */
enum {
    GDT_KERNEL_CODE = 2,
    GDT_KERNEL_DATA = 3,
    GDT_USER32_CODE = 4, /* empty: no 32-bit programs, so nobody reaches CSTAR */
    GDT_USER_DATA = 5,
    GDT_USER_CODE = 6,
    GDT_TSS = 8, /* two entries */
    GDT_CPU_NUMBER = 15, /* limit = cpu | node << 12, read by the vDSO's getcpu with LSL */
    GDT_ENTRIES = 16
};

struct arch_cpu {
    uint32_t pad; /* puts tss.rsp[] on 8-byte boundaries */
    struct x86_tss tss;
    uint64_t gdt[GDT_ENTRIES] __attribute__((aligned(16)));
    uint64_t fs_base, gs_base; /* user values in the CPU; own CPU, interrupts off */
    uint8_t (*ist)[IST_STACK_SIZE]; /* IST_COUNT of them, set before hal_cpu_init */
    uint8_t watching; /* idle, and a store to current->pending wakes it (cpu/idle.c); atomic */
};
