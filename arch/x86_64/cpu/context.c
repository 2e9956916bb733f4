// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the context switch and the user thread pointers.
 *
 * Model: FS base is the ABI's thread pointer, GS base a second one that arch_prctl sets.  While a
 * user thread runs its FS base is in FS_BASE and its GS base in KERNEL_GS_BASE (SWAPGS put it
 * there); arch.fs_base and gs_base of the CPU say what was last written there, so that a switch
 * writes only what differs.  With FSGSBASE programs change both without asking, so they are read
 * back when the thread leaves.
 * Loading a selector changes the base, so a program that loads one finds both again.  %ds and %es
 * mean nothing to 64-bit programs and stay as they are.
 * Kernel threads never touch them.
 */
#include <hal/cpu.h>

#include <cpu/feature.h>
#include <cpu/fpu.h>
#include <cpu/msr.h>
#include <cpu/tls.h>

struct hal_context *context_switch(struct hal_context *prev, struct hal_context *next);
void context_start(void);

/* What context_switch pops, lowest address first. */
struct switch_frame {
    uintptr_t r15, r14, r13, r12, bx, bp, ip;
    uintptr_t end; /* no caller: keeps the stack aligned to 16 at the call in context_start */
};

void hal_context_init(struct hal_context *ctx, uintptr_t stack_top,
                      void (*entry)(struct hal_context *prev, void *arg), void *arg)
{
    /* Below the frame of the entry from user mode, which a user thread has at the top. */
    struct switch_frame *f = (struct switch_frame *)(stack_top - sizeof(struct hal_regs)) - 1;

    *f = (struct switch_frame){
        .r12 = (uintptr_t)entry,
        .r13 = (uintptr_t)arg,
        .ip = (uintptr_t)context_start,
    };
    ctx->sp = (uintptr_t)f;
    ctx->stack_top = stack_top;
    ctx->preempt_count = 1;
}

static uint32_t selectors_read(void)
{
    uint32_t fs, gs;

    __asm__ volatile("movl %%fs, %0\n\tmovl %%gs, %1" : "=r"(fs), "=r"(gs));
    return fs | gs << 16;
}

/* Both bases have to be written again.  The descriptors are the same on all CPUs.  Interrupts off;
 * between the two swaps %gs is the user's, and what comes through an IST stack does not mind. */
static __noinline void selectors_load(struct cpu *cpu, uint32_t v)
{
    __asm__ volatile("movl %0, %%fs\n\tswapgs\n\tmovl %1, %%gs\n\tswapgs" ::"r"(v & 0xffff), "r"(v >> 16)
                     : "memory");
    cpu->arch.fs_base = ~0ull;
    cpu->arch.gs_base = ~0ull;
}

static void tls_leave(struct cpu *cpu, struct hal_context *c)
{
    c->arch.selectors = selectors_read();
    if (!features.fsgsbase)
        return;
    c->tls = cpu->arch.fs_base = fs_base_read();
    c->arch.gs_base = cpu->arch.gs_base = msr_read(MSR_KERNEL_GS_BASE);
}

static void fs_base_load(struct cpu *cpu, uint64_t v)
{
    if (cpu->arch.fs_base == v)
        return;
    cpu->arch.fs_base = v;
    if (features.fsgsbase)
        fs_base_write(v);
    else
        msr_write(MSR_FS_BASE, v);
}

static void gs_base_load(struct cpu *cpu, uint64_t v)
{
    if (cpu->arch.gs_base == v)
        return;
    cpu->arch.gs_base = v;
    msr_write(MSR_KERNEL_GS_BASE, v);
}

struct hal_context *hal_switch(struct hal_context *prev, struct hal_context *next)
{
    struct cpu *cpu = cpu_current();

    fpu_switch(cpu, prev, next);
    if (prev->fpu)
        tls_leave(cpu, prev);
    if (next->fpu) {
        if (unlikely(selectors_read() != next->arch.selectors))
            selectors_load(cpu, next->arch.selectors);
        fs_base_load(cpu, next->tls);
        gs_base_load(cpu, next->arch.gs_base);
    }
    cpu->current = next;
    cpu->arch.tss.rsp[0] = next->stack_top;
    return context_switch(prev, next);
}

uintptr_t hal_tls_get(void)
{
    return features.fsgsbase ? fs_base_read() : hal_current()->tls;
}

/* Keeps both bases. */
static void selectors_set(uint32_t v)
{
    unsigned long flags = hal_irq_save();
    uint64_t fs = hal_tls_get(), gs = tls_gs_get();

    selectors_load(cpu_current(), v);
    fs_base_load(cpu_current(), fs);
    gs_base_load(cpu_current(), gs);
    hal_irq_restore(flags);
}

void hal_tls_set(uintptr_t value)
{
    unsigned long flags = hal_irq_save();
    uint32_t selectors = selectors_read();

    if (unlikely(selectors & 0xffff)) /* the base alone counts from now on, as on Linux */
        selectors_set(selectors & ~0xffffu);
    hal_current()->tls = value;
    /* A program may have loaded %fs itself, so what was written last says nothing here. */
    cpu_current()->arch.fs_base = ~value;
    fs_base_load(cpu_current(), value);
    hal_irq_restore(flags);
}

uint64_t tls_gs_get(void)
{
    return features.fsgsbase ? msr_read(MSR_KERNEL_GS_BASE) : hal_current()->arch.gs_base;
}

void tls_gs_set(uint64_t value)
{
    unsigned long flags = hal_irq_save();
    uint32_t selectors = selectors_read();

    if (unlikely(selectors >> 16))
        selectors_set(selectors & 0xffff);
    hal_current()->arch.gs_base = value;
    cpu_current()->arch.gs_base = ~value;
    gs_base_load(cpu_current(), value);
    hal_irq_restore(flags);
}

void hal_user_inherit(struct hal_context *child)
{
    child->arch.gs_base = tls_gs_get();
    child->arch.selectors = selectors_read();
}

void hal_user_reset(void)
{
    if (unlikely(selectors_read() != 0))
        selectors_set(0);
    if (tls_gs_get() != 0)
        tls_gs_set(0);
}
