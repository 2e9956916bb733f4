// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: floating-point and vector registers of user threads; the kernel itself uses none.
 *
 * Model: an area is what FXSAVE or XSAVE writes (SDM vol. 1, 10.5 and 13.4).  A thread's registers
 * are live when cpu->fpu_owner is the thread and PENDING_FPU is clear.  They stay in the CPU after
 * they were saved, so a thread that comes back to find itself the owner, and was loaded nowhere
 * else since (fpu_cpu), needs no restore.
 * Locking: fpu_owner, fpu_cpu: own CPU, interrupts off.
 * Invariants: (1) of every user thread either the registers are live or the area is current.
 */
#include <cpu/fpu.h>

#include <cpu/feature.h>
#include <lib/atomic.h>
#include <lib/string.h>

#define FXSAVE_SIZE 512
#define FCW_DEFAULT 0x37f
#define MXCSR_DEFAULT 0x1f80

struct fxsave_area {
    uint16_t fcw, fsw;
    uint8_t ftw, reserved;
    uint16_t fop;
    uint64_t ip, dp;
    uint32_t mxcsr, mxcsr_mask;
    uint8_t rest[FXSAVE_SIZE - 32];
};

struct xsave_area {
    struct fxsave_area legacy;
    uint64_t xstate_bv, xcomp_bv, reserved[6];
};
_Static_assert(sizeof(struct xsave_area) == 576, "SDM vol. 1, 13.4.2");

static void area_save(void *area)
{
    if (features.xsaveopt)
        __asm__ volatile("xsaveopt64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
    else if (features.xsave)
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static void area_load(const void *area)
{
    if (features.xsave)
        __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

static bool fpu_live(const struct hal_context *c)
{
    return !(atomic_load_relaxed(&c->pending) & PENDING_FPU);
}

void fpu_switch(struct cpu *cpu, struct hal_context *prev, struct hal_context *next)
{
    if (prev->fpu && cpu->fpu_owner == prev && fpu_live(prev))
        area_save(prev->fpu);
    if (next->fpu && (cpu->fpu_owner != next || next->arch.fpu_cpu != cpu))
        atomic_fetch_or(&next->pending, PENDING_FPU);
}

size_t hal_fpu_size(void)
{
    return features.fpu_size;
}

void hal_fpu_init(void *area)
{
    struct fxsave_area *a = area;

    memset(area, 0, features.fpu_size);
    a->fcw = FCW_DEFAULT;
    a->mxcsr = MXCSR_DEFAULT;
}

/* XSAVE leaves most of its header as it finds it, and XRSTOR refuses garbage there. */
static void header_clear(void *area)
{
    struct xsave_area *a = area;

    if (features.xsave)
        memset(&a->xstate_bv, 0, sizeof(*a) - offsetof(struct xsave_area, xstate_bv));
}

void hal_fpu_save_current(void *dst)
{
    unsigned long flags = hal_irq_save();
    struct hal_context *c = hal_current();

    if (cpu_current()->fpu_owner == c && fpu_live(c)) {
        header_clear(dst);
        /* Not XSAVEOPT: it leaves out what has not changed since it was loaded elsewhere. */
        if (features.xsave)
            __asm__ volatile("xsave64 (%0)" : : "r"(dst), "a"(-1), "d"(-1) : "memory");
        else
            __asm__ volatile("fxsave64 (%0)" : : "r"(dst) : "memory");
    } else {
        memcpy(dst, c->fpu, features.fpu_size);
    }
    hal_irq_restore(flags);
}

void hal_fpu_load_current(const void *src)
{
    unsigned long flags = hal_irq_save();
    struct hal_context *c = hal_current();

    if (src != c->fpu)
        memcpy(c->fpu, src, features.fpu_size);
    c->arch.fpu_cpu = NULL;
    atomic_fetch_or(&c->pending, PENDING_FPU);
    hal_irq_restore(flags);
}

void hal_fpu_restore(void)
{
    struct hal_context *c = hal_current();
    struct cpu *cpu = cpu_current();

    area_load(c->fpu);
    cpu->fpu_owner = c;
    c->arch.fpu_cpu = cpu;
}

bool fpu_area_valid(const void *area)
{
    const struct xsave_area *a = area;

    if (a->legacy.mxcsr & ~features.mxcsr_mask)
        return false;
    if (!features.xsave)
        return true;
    if ((a->xstate_bv & ~features.xcr0) || a->xcomp_bv)
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(a->reserved); i++)
        if (a->reserved[i])
            return false;
    return true;
}
