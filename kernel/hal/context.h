// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the machine's part of a thread: where its registers lie while it does not run.
 *
 * Model: struct hal_context is the first member of struct thread.  hal_current() is one
 * instruction (x86_64 %gs:, arm64 TPIDR_EL1, host a variable of the running coroutine).
 * A thread's kernel stack is [stack_top - KERNEL_STACK_SIZE, stack_top), a guard page below.
 *
 * Floating point: user registers stay in the CPU while its own thread runs in the kernel.
 * hal_switch saves them when the outgoing thread's are live, and sets PENDING_FPU in the incoming
 * thread unless they are still in this CPU; the return to user restores them.  Kernel threads
 * (fpu == NULL) never touch them.
 */
#pragma once

#include <lib/types.h>
#include <arch/context.h> /* struct arch_context, KERNEL_STACK_SIZE */
#include <hal/regs.h>

struct cpu;

/* Work to be done before the thread goes back to user mode; set with atomic_fetch_or. */
enum {
    PENDING_RESCHED = 1u << 0, /* another thread should run (checked on leaving interrupts, too) */
    PENDING_SIGNAL = 1u << 1, /* a signal may be deliverable */
    PENDING_FPU = 1u << 2, /* floating-point state is in memory, not in the CPU */
    PENDING_WORK = 1u << 3, /* task work: proc/ looks what */
    PENDING_MEMORY = 1u << 4, /* the frame allocator had nothing for it: see entry/return.c */
};

struct hal_context {
    uintptr_t sp; /* kernel stack pointer while not running */
    uintptr_t stack_top;
    struct cpu *cpu; /* where it runs or last ran; written by the scheduler */
    uint32_t preempt_count; /* written by the thread itself (and by interrupts on top of it) */
    uint32_t pending; /* PENDING_*; atomic */
    void *fpu; /* FPU area of hal_fpu_size() bytes, 64-byte aligned; NULL: kernel thread */
    uintptr_t tls; /* user thread pointer (FS base, TPIDR_EL0), current while not running */
    struct arch_context arch;
};

/* struct hal_context *hal_current(void) is an inline of <arch/context.h>'s companion: */
#include <arch/current.h>

/*
 * Prepares a context so that the first hal_switch to it calls entry(prev, arg) on its own stack
 * with interrupts off and preempt_count 1; prev is the context switched from.  entry never returns.
 */
void hal_context_init(struct hal_context *ctx, uintptr_t stack_top,
                      void (*entry)(struct hal_context *prev, void *arg), void *arg);
/*
 * Switches stacks, FPU and TLS bookkeeping from prev (the running one) to next and sets
 * hal_current().  Context: interrupts off.  The address space is switched by mmu_space_switch.
 * Return: the context that the CPU came from when `prev` runs again.
 */
struct hal_context *hal_switch(struct hal_context *prev, struct hal_context *next);

/* The frame of the thread's last entry from user mode, at the top of its kernel stack. */
static inline struct hal_regs *hal_user_regs(const struct hal_context *ctx)
{
    return (struct hal_regs *)(ctx->stack_top - sizeof(struct hal_regs));
}

/* Leaves for user mode with the registers in hal_user_regs(hal_current()); pending work first. */
__noreturn void hal_enter_user(void);

/* The machine's own part of a user thread beside registers, FPU and thread pointer (x86_64: the GS
 * base): a new thread inherits the running one's, a new program starts without. */
void hal_user_inherit(struct hal_context *child);
void hal_user_reset(void);

/* The running thread's user thread pointer. */
uintptr_t hal_tls_get(void);
void hal_tls_set(uintptr_t value);

/* Floating-point areas.  init: the state a new program starts with. */
size_t hal_fpu_size(void);
void hal_fpu_init(void *area);
/* Copies the running thread's current state into dst (fork, signal frames). */
void hal_fpu_save_current(void *dst);
/* Makes src the running thread's state (execve passes a fresh one, sigreturn a checked one). */
void hal_fpu_load_current(const void *src);
/* Restores the running thread's state into the CPU; called for PENDING_FPU with interrupts off. */
void hal_fpu_restore(void);

/*
 * Walks frame pointers from `fp` inside the given kernel stack and calls step(ip) for each return
 * address, at most `max`.  Safe on a broken stack.
 */
void hal_backtrace(uintptr_t ip, uintptr_t fp, unsigned max, void (*step)(uintptr_t ip));
