// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: all that architecture code may call above itself.  entry/ and boot/ define them.
 */
#pragma once

#include <lib/types.h>
#include <hal/regs.h>

struct cpu;

/* What a CPU exception means; each architecture maps its own numbers to these. */
enum hal_trap {
    TRAP_DIVIDE, /* integer division: SIGFPE FPE_INTDIV */
    TRAP_FP, /* floating point: SIGFPE; code = FPE_* */
    TRAP_ILLEGAL, /* undefined or privileged instruction: SIGILL ILL_ILLOPC */
    TRAP_BREAKPOINT, /* SIGTRAP TRAP_BRKPT */
    TRAP_STEP, /* SIGTRAP TRAP_TRACE */
    TRAP_ALIGN, /* SIGBUS BUS_ADRALN */
    TRAP_PROTECTION, /* x86 general protection, non-canonical address: SIGSEGV SI_KERNEL, addr 0 */
    TRAP_OVERFLOW, /* x86 INTO/BOUND: SIGSEGV */
    TRAP_MACHINE, /* machine check, SError: panic unless the CPU says it is contained */
    TRAP_NMI,
    TRAP_DOUBLE, /* double fault: panic */
};

enum {
    FAULT_READ = 1u << 0,
    FAULT_WRITE = 1u << 1,
    FAULT_EXEC = 1u << 2,
    FAULT_PRESENT = 1u << 3, /* a translation was there but forbade the access */
    FAULT_USER = 1u << 4, /* the access was made in user mode */
};

/* A system call.  Interrupts on, on the thread's kernel stack.  Sets the return register itself. */
void upcall_syscall(struct hal_regs *r);
/*
 * A page fault.  Interrupts as they were at the fault when they were on, else off.
 * Return: true when it is resolved or a signal is pending for a user access; false for a kernel
 * access that nobody resolves: the architecture then applies its user-copy fix-up or calls
 * upcall_fatal.
 */
bool upcall_fault(struct hal_regs *r, vaddr_t addr, unsigned access);
/* An exception; `code` is a si_code where the table above says so, `info` an error code or 0. */
void upcall_exception(struct hal_regs *r, enum hal_trap trap, int code, vaddr_t addr,
                      uint64_t info);
/* A kernel fault that nothing can mend: panics with `what`. */
__noreturn void upcall_fatal(struct hal_regs *r, const char *what, vaddr_t addr, uint64_t info);
/* An interrupt of vector or line `irq` (arm64: 0, the controller knows).  Interrupts off. */
void upcall_irq(struct hal_regs *r, unsigned irq);
/* On the way to user mode with hal_current()->pending != 0; interrupts off at entry and return,
 * and pending is 0 at return. */
void upcall_user_return(struct hal_regs *r);
/* The first C of the kernel, on the boot CPU, on the boot stack, with the early page tables. */
struct loader_handoff;
__noreturn void kmain(const struct loader_handoff *h);
/* Runs fn(arg) on the online CPUs of `set` (CPU_MAX / 64 words of ids) but this one, and waits:
 * smp_call() of <core/smp.h>, whose rules hold.  For TLB work. */
void upcall_call_cpus(const uint64_t *set, void (*fn)(void *arg), void *arg);
/* The first C on a further CPU, interrupts off, on its area's stack, hal_cpu_init() done. */
struct cpu;
__noreturn void kmain_secondary(struct cpu *cpu);
/* A further CPU found that it lacks something the others have come to rely on: says so and halts. */
__noreturn void upcall_cpu_unfit(struct cpu *cpu, const char *why);
