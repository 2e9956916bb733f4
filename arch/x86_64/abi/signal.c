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

#include <asm/sigcontext.h>
#include <asm/siginfo.h>
#include <asm/ucontext.h>

#define RED_ZONE 128

struct frame {
    uint64_t restorer;
    struct ucontext uc;
    siginfo_t info;
};
_Static_assert(sizeof(struct ucontext) == 304, "Linux's struct ucontext");
_Static_assert(offsetof(struct frame, info) == 312, "Linux's struct rt_sigframe");
_Static_assert(sizeof(struct frame) == 440, "Linux's struct rt_sigframe");

static size_t fpstate_size(void)
{
    return features.xsave ? features.fpu_size + FP_XSTATE_MAGIC2_SIZE : features.fpu_size;
}

static err_t fpstate_out(vaddr_t at)
{
    struct _fpstate *fp = fpu_sync_current();

    fp->sw_reserved = (struct _fpx_sw_bytes){ 0 };
    if (features.xsave) {
        uint32_t magic2 = FP_XSTATE_MAGIC2;

        fp->sw_reserved.magic1 = FP_XSTATE_MAGIC1;
        fp->sw_reserved.extended_size = (uint32_t)fpstate_size();
        fp->sw_reserved.xfeatures = features.xcr0;
        fp->sw_reserved.xstate_size = features.fpu_size;
        if (copy_to_user(USER_PTR(void, at + features.fpu_size), &magic2, sizeof(magic2)))
            return -EFAULT;
    }
    return copy_to_user(USER_PTR(void, at), fp, features.fpu_size);
}

static void sigcontext_fill(struct sigcontext *sc, const struct hal_regs *r,
                            const struct abi_signal_frame *f)
{
    const struct arch_context *arch = &hal_current()->arch;

    *sc = (struct sigcontext){
        .r8 = r->r8, .r9 = r->r9, .r10 = r->r10, .r11 = r->r11,
        .r12 = r->r12, .r13 = r->r13, .r14 = r->r14, .r15 = r->r15,
        .rdi = r->di, .rsi = r->si, .rbp = r->bp, .rbx = r->bx,
        .rdx = r->dx, .rax = r->ax, .rcx = r->cx, .rsp = r->sp,
        .rip = r->ip, .eflags = r->flags, .cs = USER_CS, .ss = USER_DS,
        .err = arch->error, .trapno = arch->trap, .oldmask = f->mask, .cr2 = arch->cr2,
    };
}

err_t abi_signal_setup(struct hal_regs *r, const struct abi_signal_frame *f)
{
    vaddr_t fpstate = f->stack == r->sp ? f->stack - RED_ZONE : f->stack, at;
    struct frame frame;

    if (f->restorer == 0)
        return -EFAULT;
    fpstate = ALIGN_DOWN(fpstate - fpstate_size(), 64);
    at = ALIGN_DOWN(fpstate - sizeof(frame), 16) - 8;
    if (fpstate_out(fpstate))
        return -EFAULT;
    sigcontext_fill(&frame.uc.uc_mcontext, r, f);
    frame.uc.uc_mcontext.fpstate = (struct _fpstate *)fpstate;
    frame.restorer = f->restorer;
    frame.uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (features.xsave ? UC_FP_XSTATE : 0);
    frame.uc.uc_link = NULL;
    frame.uc.uc_stack = f->altstack;
    frame.uc.uc_sigmask = f->mask;
    frame.info = *f->info;
    if (copy_to_user(USER_PTR(void, at), &frame, sizeof(frame)))
        return -EFAULT;
    fpu_reset_current();
    r->ax = 0; /* no vector registers in the arguments of a variadic handler */
    r->di = (uint64_t)f->sig;
    r->si = at + offsetof(struct frame, info);
    r->dx = at + offsetof(struct frame, uc);
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

/* Is the state at `at` an XSAVE area, as its first 512 bytes in `fp` claim? */
static bool fpstate_extended(const struct _fpstate *fp, vaddr_t at)
{
    const struct _fpx_sw_bytes *sw = &fp->sw_reserved;
    uint32_t magic2;

    if (!features.xsave || sw->magic1 != FP_XSTATE_MAGIC1 ||
        sw->xstate_size != features.fpu_size || sw->extended_size != fpstate_size())
        return false;
    return !copy_from_user(&magic2, USER_PTR(void, at + sw->xstate_size), sizeof(magic2)) &&
           magic2 == FP_XSTATE_MAGIC2;
}

static err_t fpstate_in(vaddr_t at)
{
    struct _fpstate *fp = fpu_detach_current();
    size_t rest = features.fpu_size - sizeof(*fp);

    if (copy_from_user(fp, USER_PTR(void, at), sizeof(*fp)))
        return -EFAULT;
    if (fpstate_extended(fp, at)) {
        if (copy_from_user(fp + 1, USER_PTR(void, at + sizeof(*fp)), rest))
            return -EFAULT;
    } else {
        fpu_area_legacy(fp);
    }
    return fpu_area_valid(fp) ? 0 : -EINVAL;
}

err_t abi_signal_return(struct hal_regs *r, uint64_t *mask, stack_t *altstack)
{
    vaddr_t at = r->sp - 8 + offsetof(struct frame, uc); /* the handler popped its return address */
    struct ucontext uc;
    err_t err = 0;

    if (copy_from_user(&uc, USER_PTR(void, at), sizeof(uc)))
        return -EFAULT;
    if (uc.uc_mcontext.fpstate)
        err = fpstate_in((vaddr_t)uc.uc_mcontext.fpstate);
    if (err || !uc.uc_mcontext.fpstate)
        fpu_reset_current();
    if (err)
        return err;
    sigcontext_take(r, &uc.uc_mcontext);
    *mask = uc.uc_sigmask;
    *altstack = uc.uc_stack;
    return 0;
}
