// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: Linux's rt_sigframe: what a signal handler finds on its stack, and the way back.
 *
 * Model: from the top of the stack down
 *     (128 bytes red zone, System V ABI 3.2.2)
 *     floating-point state, 64-byte aligned: what XSAVE or FXSAVE wrote, in bytes 464-511 its sizes,
 *         behind an XSAVE area FP_XSTATE_MAGIC2
 *     struct frame; its first word is the handler's return address, so it lies at 16n + 8
 * What comes back from there is hostile: selectors stay the kernel's choice, flags are masked,
 * the floating-point state is checked before the CPU sees it.
 */
#include <hal/abi.h>

#include <cpu/feature.h>
#include <cpu/fpu.h>
#include <hal/context.h>
#include <hal/usercopy.h>
#include <lib/string.h>

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>

#define RED_ZONE 128
#define XSAVE_HEADER 64 /* SDM vol. 1, 13.4.2 */

struct frame_head {
    uint64_t restorer;
    struct ucontext uc;
};

struct frame {
    struct frame_head head;
    siginfo_t info;
};
_Static_assert(sizeof(struct ucontext) == 304, "Linux's struct ucontext");
_Static_assert(offsetof(struct frame, info) == 312, "Linux's struct rt_sigframe");
_Static_assert(sizeof(struct frame) == 440, "Linux's struct rt_sigframe");

static size_t fpstate_size(void)
{
    return features.xsave ? features.fpu_size + FP_XSTATE_MAGIC2_SIZE : features.fpu_size;
}

/* What Linux writes into the 48 bytes of the FXSAVE image that belong to software. */
static err_t software_bytes_out(vaddr_t at)
{
    struct _fpx_sw_bytes sw = { .magic1 = FP_XSTATE_MAGIC1 };
    vaddr_t to = at + offsetof(struct _fpstate, sw_reserved);

    if (!features.xsave)
        return user_store_u32(USER_PTR(uint32_t, to), 0);
    sw.extended_size = (uint32_t)fpstate_size();
    sw.xfeatures = features.xcr0;
    sw.xstate_size = features.fpu_size;
    if (copy_to_user(USER_PTR(void, to), &sw, sizeof(sw)))
        return -EFAULT;
    return user_store_u32(USER_PTR(uint32_t, at + features.fpu_size), FP_XSTATE_MAGIC2);
}

static err_t fpstate_out(vaddr_t at)
{
    if (features.xsave && user_zero(USER_PTR(void, at + sizeof(struct _fpstate)), XSAVE_HEADER))
        return -EFAULT;
    if (!fpu_save_user(at) &&
        copy_to_user(USER_PTR(void, at), fpu_sync_current(), features.fpu_size))
        return -EFAULT;
    return software_bytes_out(at);
}

/* Field by field: a literal would first clear all of it. */
static void sigcontext_fill(struct sigcontext *sc, const struct hal_regs *r,
                            const struct abi_signal_frame *f, vaddr_t fpstate)
{
    const struct arch_context *arch = &hal_current()->arch;

    sc->r8 = r->r8;
    sc->r9 = r->r9;
    sc->r10 = r->r10;
    sc->r11 = r->r11;
    sc->r12 = r->r12;
    sc->r13 = r->r13;
    sc->r14 = r->r14;
    sc->r15 = r->r15;
    sc->rdi = r->di;
    sc->rsi = r->si;
    sc->rbp = r->bp;
    sc->rbx = r->bx;
    sc->rdx = r->dx;
    sc->rax = r->ax;
    sc->rcx = r->cx;
    sc->rsp = r->sp;
    sc->rip = r->ip;
    sc->eflags = r->flags;
    sc->cs = USER_CS;
    sc->gs = 0;
    sc->fs = 0;
    sc->ss = USER_DS;
    sc->err = arch->error;
    sc->trapno = arch->trap;
    sc->oldmask = f->mask;
    sc->cr2 = arch->cr2;
    sc->fpstate = (struct _fpstate *)fpstate;
    memset(sc->reserved1, 0, sizeof(sc->reserved1));
}

size_t abi_signal_frame_size(void)
{
    return ALIGN_UP(fpstate_size() + 63 + sizeof(struct frame) + 15 + 8, 16);
}

err_t abi_signal_setup(struct hal_regs *r, const struct abi_signal_frame *f)
{
    vaddr_t fpstate = f->stack == r->sp ? f->stack - RED_ZONE : f->stack, at;
    struct frame_head frame;

    if (f->restorer == 0)
        return -EFAULT;
    fpstate = ALIGN_DOWN(fpstate - fpstate_size(), 64);
    at = ALIGN_DOWN(fpstate - sizeof(struct frame), 16) - 8;
    if (f->stack_floor != 0 && at <= f->stack_floor)
        return -EFAULT;
    if (fpstate_out(fpstate))
        return -EFAULT;
    sigcontext_fill(&frame.uc.uc_mcontext, r, f, fpstate);
    frame.restorer = f->restorer;
    frame.uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (features.xsave ? UC_FP_XSTATE : 0);
    frame.uc.uc_link = NULL;
    frame.uc.uc_stack = f->altstack;
    frame.uc.uc_sigmask = f->mask;
    if (copy_to_user(USER_PTR(void, at), &frame, sizeof(frame)) ||
        copy_to_user(USER_PTR(void, at + offsetof(struct frame, info)), f->info, sizeof(*f->info)))
        return -EFAULT;
    fpu_reset_current();
    r->ax = 0; /* no vector registers in the arguments of a variadic handler */
    r->di = (uint64_t)f->sig;
    r->si = at + offsetof(struct frame, info);
    r->dx = at + offsetof(struct frame_head, uc);
    regs_set_ip(r, f->handler);
    r->sp = at;
    r->flags &= ~(RFLAGS_DF | RFLAGS_RF | RFLAGS_TF);
    r->orig_ax = (uint64_t)-1;
    return 0;
}

static void sigcontext_take(struct hal_regs *r, const struct sigcontext *sc)
{
    r->r8 = sc->r8;
    r->r9 = sc->r9;
    r->r10 = sc->r10;
    r->r11 = sc->r11;
    r->r12 = sc->r12;
    r->r13 = sc->r13;
    r->r14 = sc->r14;
    r->r15 = sc->r15;
    r->di = sc->rdi;
    r->si = sc->rsi;
    r->bp = sc->rbp;
    r->bx = sc->rbx;
    r->dx = sc->rdx;
    r->ax = sc->rax;
    r->cx = sc->rcx;
    r->sp = sc->rsp;
    regs_set_ip(r, sc->rip); /* trap_bad_ip sees to it that it is canonical */
    r->flags = (r->flags & ~RFLAGS_USER) | (sc->eflags & RFLAGS_USER);
    r->orig_ax = (uint64_t)-1; /* nothing to restart */
}

/* Is the state at `at` an XSAVE area, as its software bytes claim? */
static bool fpstate_extended(vaddr_t at)
{
    struct _fpx_sw_bytes sw;
    uint32_t magic2;

    if (copy_from_user(&sw, USER_PTR(void, at + offsetof(struct _fpstate, sw_reserved)),
                       sizeof(sw)) ||
        sw.magic1 != FP_XSTATE_MAGIC1 || sw.xstate_size != features.fpu_size ||
        sw.extended_size != fpstate_size())
        return false;
    return !user_load_u32(USER_PTR(uint32_t, at + features.fpu_size), &magic2) &&
           magic2 == FP_XSTATE_MAGIC2;
}

static err_t fpstate_in(vaddr_t at)
{
    bool whole = !features.xsave || fpstate_extended(at);
    struct _fpstate *fp;

    if (whole && IS_ALIGNED(at, 64) && fpu_load_user(at))
        return 0;
    fp = fpu_detach_current();
    if (copy_from_user(fp, USER_PTR(void, at), whole ? features.fpu_size : sizeof(*fp)))
        return -EFAULT;
    if (!whole)
        fpu_area_legacy(fp);
    return fpu_area_valid(fp) ? 0 : -EINVAL;
}

err_t abi_signal_return(struct hal_regs *r, uint64_t *mask, stack_t *altstack)
{
    vaddr_t at = r->sp - 8 + offsetof(struct frame_head, uc); /* the handler popped its return address */
    struct ucontext uc;
    err_t err = 0;

    if (copy_from_user(&uc, USER_PTR(void, at), sizeof(uc)))
        return -EFAULT;
    sigcontext_take(r, &uc.uc_mcontext);
    *mask = uc.uc_sigmask;
    *altstack = uc.uc_stack;
    if (uc.uc_mcontext.fpstate)
        err = fpstate_in((vaddr_t)uc.uc_mcontext.fpstate);
    if (err || !uc.uc_mcontext.fpstate)
        fpu_reset_current();
    return err;
}
