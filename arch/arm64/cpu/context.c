// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a thread's machine context: first run, switch, floating point, thread pointer.
 *
 * Model: a thread's FPU state is in the CPU ("live") while PENDING_FPU is clear.  Switching away
 * saves it and notes in which CPU a copy stays (cpu->fpu_owner and arch.fpu_cpu must both agree);
 * switching back to that CPU before anybody else loaded its registers costs nothing.
 * Locking: own thread, interrupts off.
 */
#include <hal/cpu.h>
#include <lib/string.h>

#include <asm/sigcontext.h>

void fpu_save(struct fpsimd_context *area);
void fpu_load(const struct fpsimd_context *area);
struct hal_context *context_switch(struct hal_context *prev, struct hal_context *next);
void context_start(void);

/* What context_switch pops. */
struct switch_frame {
    uint64_t fp, lr, x19, x20, x21_28[8];
};

void hal_context_init(struct hal_context *ctx, uintptr_t stack_top,
                      void (*entry)(struct hal_context *prev, void *arg), void *arg)
{
    /* The user frame at the top stays free for the thread's first way to user mode. */
    struct switch_frame *f = (struct switch_frame *)(stack_top - sizeof(struct hal_regs)) - 1;

    *f = (struct switch_frame){
        .lr = (uintptr_t)context_start, .x19 = (uintptr_t)entry, .x20 = (uintptr_t)arg
    };
    ctx->sp = (uintptr_t)f;
    ctx->stack_top = stack_top;
    ctx->preempt_count = 1;
    ctx->arch.fpu_cpu = NULL;
    if (ctx->fpu != NULL)
        atomic_fetch_or(&ctx->pending, PENDING_FPU);
}

static bool fpu_live(const struct hal_context *c)
{
    return c->fpu != NULL && !(atomic_load_relaxed(&c->pending) & PENDING_FPU);
}

static void fpu_own(struct hal_context *c, struct cpu *cpu)
{
    cpu->fpu_owner = c;
    c->arch.fpu_cpu = cpu;
}

struct hal_context *hal_switch(struct hal_context *prev, struct hal_context *next)
{
    struct cpu *cpu = prev->cpu;

    if (fpu_live(prev)) {
        fpu_save(prev->fpu);
        fpu_own(prev, cpu);
    }
    if (next->fpu != NULL && (cpu->fpu_owner != next || next->arch.fpu_cpu != cpu))
        atomic_fetch_or(&next->pending, PENDING_FPU);
    prev->tls = sysreg_read(tpidr_el0);
    sysreg_write(tpidr_el0, next->tls);
    cpu->current = next;
    return context_switch(prev, next);
}

uintptr_t hal_tls_get(void)
{
    return sysreg_read(tpidr_el0);
}

void hal_tls_set(uintptr_t value)
{
    sysreg_write(tpidr_el0, value);
}

size_t hal_fpu_size(void)
{
    return sizeof(struct fpsimd_context);
}

void hal_fpu_init(void *area)
{
    struct fpsimd_context *f = area;

    memset(f, 0, sizeof *f);
    f->head.magic = FPSIMD_MAGIC;
    f->head.size = sizeof *f;
}

void hal_fpu_save_current(void *dst)
{
    struct hal_context *c = hal_current();
    struct fpsimd_context *f = dst;
    unsigned long flags = hal_irq_save();

    if (fpu_live(c))
        fpu_save(f);
    else
        memcpy(f, c->fpu, sizeof *f);
    hal_irq_restore(flags);
    f->head.magic = FPSIMD_MAGIC;
    f->head.size = sizeof *f;
}

static void fpu_take(struct hal_context *c, const struct fpsimd_context *f)
{
    fpu_load(f);
    fpu_own(c, c->cpu);
    atomic_fetch_and(&c->pending, ~(uint32_t)PENDING_FPU);
}

void hal_fpu_load_current(const void *src)
{
    unsigned long flags = hal_irq_save();

    fpu_take(hal_current(), src);
    hal_irq_restore(flags);
}

void hal_fpu_restore(void)
{
    struct hal_context *c = hal_current();

    fpu_take(c, c->fpu);
}

/* There is nothing of the kind. */
void hal_user_inherit(struct hal_context *child)
{
    (void)child;
}

void hal_user_reset(void)
{
}
