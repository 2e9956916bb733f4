// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: how a further CPU gets from its first instruction to kmain_secondary(), and what CPUs
 * interrupt each other for.
 *
 * Model: who makes CPUs run is a driver (SIPI by the local APIC, PSCI, a spin table: the service
 * cpu_starter of <dev/services.h>); where they begin is the architecture's.  boot/smp.c does, for one
 * CPU at a time:
 *
 *     boot CPU                                        new CPU
 *     hal_cpu_prepare(cpu, area) -> entry, arg
 *     cpu_starter->start(hw, entry, arg)              entry: own stack, kernel tables, MMU on
 *     wait until it is online, or a second            takes its ticket; withdrawn: parks for ever
 *     hal_cpu_withdraw(cpu) when it did not come      hal_cpu_init(cpu); kmain_secondary(cpu)
 *
 * Interrupts between CPUs go through the interrupt controller: <core/smp.h> sends and receives them.
 */
#pragma once

#include <lib/types.h>

struct cpu;

enum ipi {
    IPI_RESCHED, /* look at your pending bits */
    IPI_CALL, /* look at your call queue */
    IPI_STOP, /* the kernel panicked or powers off: stop for ever.  An NMI where there are some */
    IPI_COUNT
};

/* Bytes of page-aligned, zeroed memory that each further CPU needs (boot stack, IST stacks). */
size_t hal_cpu_area_size(void);
/*
 * Makes ready for `cpu` (id, hw_id, node set, in cpus[]) to start.  `area`: direct-map address.
 * *entry: where it must begin, with the MMU off on arm64 (`arg` in x0), in real mode on x86_64
 * (4 KiB aligned, below 1 MiB).
 * Return: 0, -ENOMEM.
 */
err_t __must_check hal_cpu_prepare(struct cpu *cpu, void *area, paddr_t *entry, uint64_t *arg);
/* It did not come in time.  Return: true when it never will; false: it has just arrived. */
bool hal_cpu_withdraw(struct cpu *cpu);
/* All are up: what only starting needs (x86_64's low page) can go. */
void hal_cpus_prepared(void);
