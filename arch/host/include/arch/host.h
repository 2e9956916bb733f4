// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the host adds to the contract of hal/, for its boot code and for tests.
 *
 * Model: there is no user mode.  A "program" is a C function of the test, whose address stands in
 * the user registers' ip: hal_enter_user calls it on the thread's kernel stack, and it makes
 * system calls with host_syscall.  User memory is real in the sense that it lies behind page
 * tables: programs reach it through host_user_read and host_user_write.
 */
#pragma once

#include <lib/types.h>
#include <hal/regs.h>

struct cpu;
struct boot_record;

/* Interrupt numbers that upcall_irq gets. */
/* HOST_IRQ_IPI + enum ipi: from other CPUs. */
enum { HOST_IRQ_TIMER = 0, HOST_IRQ_IPI = 1, HOST_IRQ_DEVICE = 4 /* .. 63 */ };

/* A boot record of this process's arena. */
void host_boot_record(struct boot_record *rec);
/* The pattern of tests from the command line. */
const char *host_test_pattern(void);
/* Writes to the process's standard output. */
void host_write(const char *s, size_t n);
__noreturn void host_exit(int status);
void host_backtrace(void); /* with names and lines, where the sanitizer is there */

/* Virtual time: goes on only at scheduling points, in idle (to the next timer), and by advance. */
ns_t host_clock_ns(void);
void host_clock_advance(ns_t by);
/* The running CPU's timer interrupt; NS_NEVER turns it off. */
void host_timer_set(ns_t at);
/* Makes interrupt `irq` pending at `cpu`. */
void host_irq_raise(struct cpu *cpu, unsigned irq);

/* The seed of the schedule, from DEVINE_SEED; chooses CPUs and moments of interrupts. */
uint64_t host_seed(void);
uint32_t host_random(void);
unsigned host_cpu_wanted(void); /* DEVINE_CPUS, 1 without it */
/* Starts a secondary CPU: kmain_secondary(cpu) runs on `stack_top`. */
void host_cpu_start(struct cpu *cpu, uintptr_t stack_top);

typedef void (*host_program_fn)(struct hal_regs *r);
/* From a program: a system call with the registers of the running thread. */
long host_syscall(long nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                  uint64_t a5);
/* From a program: a user access; a fault that cannot be resolved leaves its signal pending.
 * Return: bytes not done. */
size_t host_user_read(void *dst, vaddr_t src, size_t n);
size_t host_user_write(vaddr_t dst, const void *src, size_t n);

/* How many translations the running CPU's software TLB holds; for tests. */
unsigned host_tlb_count(void);

/*
 * --- interleavings by seed (arch/host/explore.c) ---
 *
 * A scenario is run again and again from the same saved state of the whole machine, each time with
 * another seed, which decides at each point (<arch/point.h>) which CPU goes on and when interrupts
 * come.  So one seed means one interleaving, whatever ran before it.
 */
struct host_scenario {
    const char *name; /* PROTOCOL.CASE, or PROTOCOL.CASE!FAULT for one that must be found */
    bool broken; /* deliberately: it is right when a finding comes */
};
/* The command line has --explore. */
bool host_explore_wanted(void);
/*
 * Saves the machine; returns once for each seed of each wanted scenario, with its number.
 * Context: the only busy thread, interrupts off.  list: static.
 */
unsigned host_explore_start(const struct host_scenario *list, unsigned count);
/* The run is over, from wherever it is; finding: NULL, or what is wrong. */
__noreturn void host_explore_end(const char *finding);
/* The present run is traced: what is said may be printed. */
bool host_explore_traced(void);
/* A line in the trace. */
void host_explore_note(const char *what, uint64_t value);
/* Faults for deliberately broken scenarios; cleared with each run. */
enum { HOST_FAULT_NO_RESCHED_IPI = 1, HOST_FAULT_NO_SHOOT_DOWN = 2 };
extern unsigned host_faults;
