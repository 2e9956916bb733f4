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
#include <hal/mmu.h>
#include <hal/usercopy.h>
#include <lib/atomic.h>
#include <lib/string.h>

#define FXSAVE_SIZE 512
#define FXSAVE_WRITTEN 416 /* SDM vol. 1, table 10-2: what follows is reserved or software's */
#define XSTATE_FP_SSE 3
#define FPU_AREA_MAX 2696 /* x87 to AVX-512 */
#define FCW_DEFAULT 0x37f
#define MXCSR_DEFAULT 0x1f80

/* lib/usercopy.S */
err_t user_fpu_save(void __user *area, bool xsave);
err_t user_fpu_load(const void __user *area, bool xsave);

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

/* Not XSAVEOPT: it leaves out what it believes to be in the area already. */
static void area_save_all(void *area)
{
    if (features.xsave)
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
}

static void area_save(void *area)
{
    if (features.xsaveopt)
        __asm__ volatile("xsaveopt64 (%0)" : : "r"(area), "a"(-1), "d"(-1) : "memory");
    else
        area_save_all(area);
}

/* The state of a new program. */
static const uint8_t fpu_fresh[FPU_AREA_MAX] __aligned(64) = {
    [offsetof(struct fxsave_area, fcw)] = FCW_DEFAULT & 0xff,
    [offsetof(struct fxsave_area, fcw) + 1] = FCW_DEFAULT >> 8,
    [offsetof(struct fxsave_area, mxcsr)] = MXCSR_DEFAULT & 0xff,
    [offsetof(struct fxsave_area, mxcsr) + 1] = MXCSR_DEFAULT >> 8,
};

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

/* What no save instruction writes: it must neither leak nor, in XSAVE's header, be refused. */
static void area_clear_gaps(void *area)
{
    size_t end = features.xsave ? sizeof(struct xsave_area) : FXSAVE_SIZE;

    memset((uint8_t *)area + FXSAVE_WRITTEN, 0, end - FXSAVE_WRITTEN);
}

void hal_fpu_save_current(void *dst)
{
    unsigned long flags = hal_irq_save();
    struct hal_context *c = hal_current();

    if (cpu_current()->fpu_owner == c && fpu_live(c)) {
        area_clear_gaps(dst);
        area_save_all(dst);
    } else {
        memcpy(dst, c->fpu, features.fpu_size);
    }
    hal_irq_restore(flags);
}

void *fpu_sync_current(void)
{
    unsigned long flags = hal_irq_save();
    struct hal_context *c = hal_current();

    if (cpu_current()->fpu_owner == c && fpu_live(c))
        area_save_all(c->fpu);
    hal_irq_restore(flags);
    return c->fpu;
}

void *fpu_detach_current(void)
{
    unsigned long flags = hal_irq_save();
    struct hal_context *c = hal_current();

    c->arch.fpu_cpu = NULL;
    atomic_fetch_or(&c->pending, PENDING_FPU);
    hal_irq_restore(flags);
    return c->fpu;
}

void fpu_reset_current(void)
{
    unsigned long flags = hal_irq_save();
    struct hal_context *c = hal_current();

    if (cpu_current()->fpu_owner == c && fpu_live(c))
        area_load(fpu_fresh);
    else
        hal_fpu_init(c->fpu);
    hal_irq_restore(flags);
}

void fpu_area_legacy(void *area)
{
    struct xsave_area *a = area;

    if (!features.xsave)
        return;
    memset(&a->xstate_bv, 0, features.fpu_size - FXSAVE_SIZE);
    a->xstate_bv = XSTATE_FP_SSE;
}

void hal_fpu_load_current(const void *src)
{
    unsigned long flags = hal_irq_save();
    struct hal_context *c = hal_current();

    c->arch.fpu_cpu = NULL;
    atomic_fetch_or(&c->pending, PENDING_FPU);
    if (src != c->fpu)
        memcpy(c->fpu, src, features.fpu_size);
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

static bool user_area_fits(vaddr_t at)
{
    return at < USER_TOP && features.fpu_size <= USER_TOP - at;
}

/*
 * Interrupts stay off, so that nobody else's registers get into the CPU: a fault is not resolved
 * then, and the caller takes the long way.
 */
bool fpu_save_user(vaddr_t at)
{
    unsigned long flags = hal_irq_save();
    struct hal_context *c = hal_current();
    bool ok = cpu_current()->fpu_owner == c && fpu_live(c) && user_area_fits(at) &&
              user_fpu_save(USER_PTR(void, at), features.xsave) == 0;

    hal_irq_restore(flags);
    return ok;
}

bool fpu_load_user(vaddr_t at)
{
    unsigned long flags = hal_irq_save();
    struct hal_context *c = hal_current();
    struct cpu *cpu = cpu_current();
    uint32_t mxcsr;
    bool ok = cpu->fpu_owner == c && fpu_live(c) && user_area_fits(at) &&
              /* An emulator may load what silicon refuses. */
              user_load_u32(USER_PTR(const uint32_t, at + offsetof(struct fxsave_area, mxcsr)),
                            &mxcsr) == 0 &&
              !(mxcsr & ~features.mxcsr_mask) &&
              user_fpu_load(USER_PTR(const void, at), features.xsave) == 0;

    hal_irq_restore(flags);
    return ok;
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
