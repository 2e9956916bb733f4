// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what each exception means, in the machine-independent words of <hal/upcall.h>.
 * Context: entered with interrupts off; turned on for what user mode caused, since it may sleep.
 */
#include <trap/idt.h>

#include <cpu/msr.h>
#include <hal/cpu.h>
#include <hal/mmu.h>
#include <hal/upcall.h>

#include <linux/signal.h>

#define PF_PRESENT 1u
#define PF_WRITE 2u
#define PF_USER 4u
#define PF_RESERVED 8u
#define PF_FETCH 16u
#define PF_ALL (PF_PRESENT | PF_WRITE | PF_USER)

#define DR6_SINGLE_STEP (1ul << 14)
#define DR6_CLEAR 0xffff0ff0ul

#define FP_INVALID 0x01u
#define FP_ZERO_DIVIDE 0x04u
#define FP_OVERFLOW 0x08u
#define FP_UNDERFLOW 0x10u
#define FP_DENORMAL 0x02u
#define FP_INEXACT 0x20u

static const char *const vector_name[VECTOR_IRQ] = {
    [VECTOR_DE] = "divide error",
    [VECTOR_DB] = "debug exception",
    [VECTOR_NMI] = "non-maskable interrupt",
    [VECTOR_BP] = "breakpoint",
    [VECTOR_OF] = "overflow",
    [VECTOR_BR] = "bound range exceeded",
    [VECTOR_UD] = "invalid opcode",
    [VECTOR_NM] = "floating point not available",
    [VECTOR_DF] = "double fault",
    [VECTOR_TS] = "invalid TSS",
    [VECTOR_NP] = "segment not present",
    [VECTOR_SS] = "stack segment fault",
    [VECTOR_GP] = "general protection fault",
    [VECTOR_PF] = "page fault",
    [VECTOR_MF] = "x87 floating-point exception",
    [VECTOR_AC] = "alignment check",
    [VECTOR_MC] = "machine check",
    [VECTOR_XM] = "SIMD floating-point exception",
    [VECTOR_VE] = "virtualisation exception",
    [VECTOR_CP] = "control protection exception",
};

static void note_user_trap(const struct hal_regs *r, uint64_t error, uint64_t cr2)
{
    struct arch_context *arch = &hal_current()->arch;

    arch->trap = r->trap;
    arch->error = error;
    arch->cr2 = cr2;
}

/* FAULT_* for each error code without its reserved-bit flag. */
#define ACCESS(error)                                                                              \
    [error] = ((error) & PF_WRITE ? FAULT_WRITE : (error) & PF_FETCH ? FAULT_EXEC : FAULT_READ) |  \
              ((error) & PF_PRESENT ? FAULT_PRESENT : 0) | ((error) & PF_USER ? FAULT_USER : 0)
#define ACCESS_ALL(base)                                                                           \
    ACCESS((base) + 0), ACCESS((base) + 1), ACCESS((base) + 2), ACCESS((base) + 3),                \
        ACCESS((base) + 4), ACCESS((base) + 5), ACCESS((base) + 6), ACCESS((base) + 7)

static const uint8_t fault_access[PF_FETCH + PF_RESERVED] = { ACCESS_ALL(0), ACCESS_ALL(PF_FETCH) };
#undef ACCESS
#undef ACCESS_ALL

__hot void trap_page_fault(struct hal_regs *r)
{
    vaddr_t addr = cr2_read();
    unsigned error = (unsigned)r->orig_ax;

    r->orig_ax = (uint64_t)-1;
    if (unlikely(error & PF_RESERVED))
        upcall_fatal(r, "page fault: reserved bits in a page table", addr, error);
    if (regs_user(r))
        note_user_trap(r, error, addr);
    if (r->flags & RFLAGS_IF)
        hal_irq_enable();
    if (likely(upcall_fault(r, addr, fault_access[error & (PF_FETCH | PF_ALL)])))
        return;
    if (addr < USER_TOP && fault_fixup(r))
        return;
    upcall_fatal(r, "page fault in the kernel", addr, error);
}

/* The si_code of the first exception that is not masked (SDM vol. 1, 8.5 and 11.5). */
static int fp_code(unsigned flags)
{
    if (flags & FP_INVALID)
        return FPE_FLTINV;
    if (flags & FP_ZERO_DIVIDE)
        return FPE_FLTDIV;
    if (flags & FP_OVERFLOW)
        return FPE_FLTOVF;
    if (flags & (FP_UNDERFLOW | FP_DENORMAL))
        return FPE_FLTUND;
    return flags & FP_INEXACT ? FPE_FLTRES : 0;
}

static int x87_code(void)
{
    uint16_t status, control;

    __asm__ volatile("fnstsw %0; fnstcw %1; fnclex" : "=m"(status), "=m"(control));
    return fp_code(status & ~control);
}

static int simd_code(void)
{
    uint32_t mxcsr;

    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return fp_code(mxcsr & ~(mxcsr >> 7));
}

/* Returns whether a single step or a breakpoint instruction (INT1) raised #DB. */
static bool debug_was_step(void)
{
    uint64_t dr6;

    __asm__ volatile("movq %%dr6, %0" : "=r"(dr6));
    __asm__ volatile("movq %0, %%dr6" : : "r"(DR6_CLEAR));
    return (dr6 & DR6_SINGLE_STEP) != 0;
}

static void user_exception(struct hal_regs *r, uint64_t error)
{
    vaddr_t ip = r->ip;

    switch (r->trap) {
    case VECTOR_DE:
        return upcall_exception(r, TRAP_DIVIDE, FPE_INTDIV, ip, 0);
    case VECTOR_DB:
        return upcall_exception(r, debug_was_step() ? TRAP_STEP : TRAP_BREAKPOINT, TRAP_TRACE, ip, 0);
    case VECTOR_BP:
        return upcall_exception(r, TRAP_BREAKPOINT, TRAP_BRKPT, ip, 0);
    case VECTOR_OF:
    case VECTOR_BR:
        return upcall_exception(r, TRAP_OVERFLOW, SI_KERNEL, 0, 0);
    case VECTOR_UD:
    case VECTOR_NM:
        return upcall_exception(r, TRAP_ILLEGAL, ILL_ILLOPN, ip, 0);
    case VECTOR_NP:
    case VECTOR_SS:
    case VECTOR_AC:
        return upcall_exception(r, TRAP_ALIGN, BUS_ADRALN, 0, error);
    case VECTOR_MF:
        return upcall_exception(r, TRAP_FP, x87_code(), ip, 0);
    case VECTOR_XM:
        return upcall_exception(r, TRAP_FP, simd_code(), ip, 0);
    default:
        return upcall_exception(r, TRAP_PROTECTION, SI_KERNEL, 0, error);
    }
}

static void kernel_exception(struct hal_regs *r, uint64_t error)
{
    if (r->trap == VECTOR_DB && debug_was_step()) {
        r->flags &= ~RFLAGS_TF;
        return;
    }
    if (r->trap == VECTOR_GP && fault_fixup(r))
        return;
    upcall_fatal(r, vector_name[r->trap] ? vector_name[r->trap] : "unknown exception", r->ip, error);
}

void trap_exception(struct hal_regs *r)
{
    uint64_t error = r->orig_ax;

    r->orig_ax = (uint64_t)-1;
    switch (r->trap) {
    case VECTOR_NMI:
        return upcall_exception(r, TRAP_NMI, 0, 0, 0);
    case VECTOR_MC:
        return upcall_exception(r, TRAP_MACHINE, 0, 0, 0);
    case VECTOR_DF:
        return upcall_exception(r, TRAP_DOUBLE, 0, cr2_read(), error);
    default:
        break;
    }
    if (!regs_user(r))
        return kernel_exception(r, error);
    note_user_trap(r, error, hal_current()->arch.cr2);
    hal_irq_enable();
    user_exception(r, error);
}

__hot void trap_irq(struct hal_regs *r)
{
    r->orig_ax = (uint64_t)-1;
    upcall_irq(r, (unsigned)r->trap);
}

void trap_bad_ip(struct hal_regs *r)
{
    r->orig_ax = (uint64_t)-1;
    r->trap = VECTOR_GP;
    note_user_trap(r, 0, 0);
    r->trap = REGS_TRAP_CHANGED;
    upcall_exception(r, TRAP_PROTECTION, SI_KERNEL, 0, 0);
}
