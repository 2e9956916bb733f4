// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: signal frames as Linux lays them out for arm64 (<asm/sigcontext.h>, <asm/ucontext.h>).
 *
 * Model, from the new stack pointer upwards:
 *     siginfo | ucontext: flags link stack mask ... sigcontext: registers, 4096 bytes of records |
 *     frame record (fp, lr) for debuggers
 * Of the records only fpsimd_context and the terminator are written; on the way back they are
 * searched for in any order.
 */
#include <hal/abi.h>
#include <hal/cpu.h>
#include <hal/mmu.h>
#include <hal/usercopy.h>
#include <lib/string.h>

#include <asm/sigcontext.h>
#include <asm/ucontext.h>

struct rt_sigframe {
    siginfo_t info;
    struct ucontext uc;
};

/* What of it is written: everything up to the terminator behind the one record. */
struct frame_front {
    siginfo_t info;
    uint64_t flags, link;
    stack_t stack;
    uint64_t mask;
    uint64_t unused[16];
    uint64_t fault_address, x[31], sp, pc, pstate, pad;
    struct fpsimd_context fp;
    struct _aarch64_ctx end;
    uint64_t end_pad;
} __aligned(16);

#define SAME(a, b) _Static_assert(offsetof(struct frame_front, a) == offsetof(struct rt_sigframe, b), #a)
SAME(stack, uc.uc_stack);
SAME(mask, uc.uc_sigmask);
SAME(fault_address, uc.uc_mcontext);
SAME(pstate, uc.uc_mcontext.pstate);
SAME(fp, uc.uc_mcontext.__reserved);

#define RECORDS_SIZE sizeof(((struct sigcontext *)0)->__reserved)
/* What a program may choose of its PSTATE. */
#define PSTATE_USER_BITS (PSTATE_NZCV | PSTATE_BTYPE | PSTATE_SSBS | PSTATE_DIT | PSTATE_TCO)
#define PSTATE_MASKS (PSTATE_D | PSTATE_A | PSTATE_I | PSTATE_F)

static uint64_t signal_fault_address(const struct abi_signal_frame *f)
{
    switch (f->sig) {
    case SIGSEGV:
    case SIGBUS:
    case SIGILL:
    case SIGFPE:
    case SIGTRAP:
        return (uint64_t)(uintptr_t)f->info->si_addr;
    default:
        return 0;
    }
}

static void front_fill(struct frame_front *front, const struct hal_regs *r,
                       const struct abi_signal_frame *f)
{
    front->info = *f->info;
    front->flags = front->link = 0;
    memset(&front->stack, 0, sizeof front->stack);
    front->stack.ss_sp = f->altstack.ss_sp;
    front->stack.ss_flags = f->altstack.ss_flags;
    front->stack.ss_size = f->altstack.ss_size;
    front->mask = f->mask;
    memset(front->unused, 0, sizeof front->unused);
    front->fault_address = signal_fault_address(f);
    memcpy(front->x, r->x, sizeof front->x);
    front->sp = r->sp;
    front->pc = r->pc;
    front->pstate = r->pstate;
    front->pad = 0;
    hal_fpu_save_current(&front->fp);
    front->end = (struct _aarch64_ctx){ 0 };
    front->end_pad = 0;
}

size_t abi_signal_frame_size(void)
{
    return ALIGN_UP(sizeof(struct rt_sigframe), 16) + 16 /* the record */ + 16 /* the top's alignment */;
}

err_t abi_signal_setup(struct hal_regs *r, const struct abi_signal_frame *f)
{
    vaddr_t record = ALIGN_DOWN(f->stack, 16) - 16;
    vaddr_t frame = record - ALIGN_UP(sizeof(struct rt_sigframe), 16);
    uint64_t link[2] = { r->x[29], r->x[30] };
    struct frame_front front;

    if (record > f->stack || frame > record)
        return -EFAULT;
    front_fill(&front, r, f);
    if (copy_to_user(USER_PTR(void, frame), &front, sizeof front) != 0 ||
        copy_to_user(USER_PTR(void, record), link, sizeof link) != 0)
        return -EFAULT;
    r->x[0] = (uint64_t)f->sig;
    if (f->flags & SA_SIGINFO) {
        r->x[1] = frame + offsetof(struct rt_sigframe, info);
        r->x[2] = frame + offsetof(struct rt_sigframe, uc);
    }
    r->x[29] = record;
    r->x[30] = f->restorer != 0 ? f->restorer : f->trampoline;
    r->sp = frame;
    r->pc = f->handler;
    r->pstate &= ~(PSTATE_BTYPE | PSTATE_TCO | PSTATE_SS);
    return 0;
}

/* Finds the floating-point record at any place among the 4096 bytes at `base`. */
static err_t record_find(vaddr_t base, struct fpsimd_context *fp)
{
    bool found = false;

    for (size_t at = 0; at <= RECORDS_SIZE - sizeof(struct _aarch64_ctx);) {
        struct _aarch64_ctx head;

        if (copy_from_user(&head, USER_PTR(void, base + at), sizeof head) != 0)
            return -EFAULT;
        if (head.magic == 0)
            return found && head.size == 0 ? 0 : -EINVAL;
        if (head.size < sizeof head || head.size % 16 != 0 || head.size > RECORDS_SIZE - at)
            return -EINVAL;
        if (head.magic == FPSIMD_MAGIC) {
            if (found || head.size != sizeof *fp)
                return -EINVAL;
            if (copy_from_user(fp, USER_PTR(void, base + at), sizeof *fp) != 0)
                return -EFAULT;
            found = true;
        } else if (head.magic != ESR_MAGIC) {
            return -EINVAL;
        }
        at += head.size;
    }
    return -EINVAL;
}

static bool front_is_usual(const struct frame_front *front)
{
    return front->fp.head.magic == FPSIMD_MAGIC && front->fp.head.size == sizeof front->fp &&
           front->end.magic == 0 && front->end.size == 0;
}

err_t abi_signal_return(struct hal_regs *r, uint64_t *mask, stack_t *altstack)
{
    const size_t skip = offsetof(struct frame_front, flags);
    struct frame_front front;
    err_t err = 0;

    if (r->sp % 16 != 0)
        return -EFAULT;
    if (copy_from_user((char *)&front + skip, USER_PTR(void, r->sp + skip), sizeof front - skip))
        return -EFAULT;
    if ((front.pstate & (PSTATE_MODE_MASK | PSTATE_MASKS)) != PSTATE_EL0T)
        err = -EINVAL;
    else if (!front_is_usual(&front))
        err = record_find(r->sp + offsetof(struct frame_front, fp), &front.fp);
    if (err == 0)
        hal_fpu_load_current(&front.fp);
    memcpy(r->x, front.x, sizeof front.x);
    r->sp = front.sp;
    r->pc = front.pc;
    r->pstate = front.pstate & PSTATE_USER_BITS;
    r->nr = -1;
    *mask = front.mask;
    *altstack = front.stack;
    return err;
}

long abi_arch_prctl(int code, uint64_t addr)
{
    return -ENOSYS; /* a call of x86_64 alone */
}
