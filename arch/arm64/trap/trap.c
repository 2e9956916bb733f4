// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tells what an exception was, from ESR_EL1 (Arm ARM D13.2.37), and calls upward.
 * Context: interrupts masked at entry; FAR_EL1 is read by the vectors before anything can fault.
 */
#include <arch/asm.h>
#include <arch/extable.h>
#include <hal/cpu.h>
#include <hal/mmu.h>
#include <hal/upcall.h>

#include <asm-generic/siginfo.h>

enum {
    EC_UNKNOWN = 0x00,
    EC_WFX = 0x01,
    EC_FP_ACCESS = 0x07,
    EC_ILLEGAL_STATE = 0x0e,
    EC_SYSREG = 0x18,
    EC_FETCH_USER = 0x20,
    EC_FETCH_KERNEL = 0x21,
    EC_PC_ALIGN = 0x22,
    EC_DATA_USER = 0x24,
    EC_DATA_KERNEL = 0x25,
    EC_SP_ALIGN = 0x26,
    EC_FP_EXCEPTION = 0x2c,
    EC_BREAK_USER = 0x30,
    EC_STEP_USER = 0x32,
    EC_WATCH_USER = 0x34,
    EC_BRK = 0x3c,
};

#define ESR_EC(esr) ((unsigned)((esr) >> ESR_EC_SHIFT) & 0x3f)
#define ESR_WRITE BIT(6)
#define ESR_CACHE_MAINTENANCE BIT(8)
#define ESR_FAULT_STATUS 0x3f
#define ESR_FP_VALID BIT(23)

/* Fault status codes: the low two bits are the level. */
#define FSC_TYPE(esr) ((esr)&0x3c)
#define FSC_TRANSLATION 0x04
#define FSC_ACCESS_FLAG 0x08
#define FSC_PERMISSION 0x0c
#define FSC_ALIGNMENT 0x21

void trap_user_sync(struct hal_regs *r, uint64_t esr, vaddr_t far);
void trap_kernel_sync(struct hal_regs *r, uint64_t esr, vaddr_t far);
void trap_serror(struct hal_regs *r, uint64_t esr);
__noreturn void trap_bad_vector(struct hal_regs *r, uint64_t which, uint64_t esr);
__noreturn void trap_stack_overflow(struct hal_regs *r, vaddr_t far, uint64_t esr);

/* The hardware ignores the top byte of user addresses, and so must who compares them. */
static vaddr_t address_untag(vaddr_t a)
{
    return (vaddr_t)((int64_t)(a << 8) >> 8);
}

static unsigned fault_access(uint64_t esr, bool fetch)
{
    unsigned access = fetch ? FAULT_EXEC : FAULT_READ;

    if (!fetch && (esr & ESR_WRITE) && !(esr & ESR_CACHE_MAINTENANCE))
        access = FAULT_WRITE;
    if (FSC_TYPE(esr) == FSC_PERMISSION)
        access |= FAULT_PRESENT;
    return access;
}

static bool fault_is_translation(uint64_t esr)
{
    unsigned type = FSC_TYPE(esr);

    /* 0..3 are address-size faults: a descriptor with an impossible address. */
    return type == FSC_TRANSLATION || type == FSC_PERMISSION || type == FSC_ACCESS_FLAG;
}

static void user_abort(struct hal_regs *r, uint64_t esr, vaddr_t far, bool fetch)
{
    if (fault_is_translation(esr))
        upcall_fault(r, address_untag(far), fault_access(esr, fetch) | FAULT_USER);
    else if ((esr & ESR_FAULT_STATUS) == FSC_ALIGNMENT)
        upcall_exception(r, TRAP_ALIGN, BUS_ADRALN, far, esr);
    else
        upcall_exception(r, TRAP_MACHINE, 0, far, esr);
}

/* Which of the IEEE exceptions: the lowest bits of the syndrome, when they are valid. */
static int fp_code(uint64_t esr)
{
    if (!(esr & ESR_FP_VALID))
        return FPE_FLTUNK;
    if (esr & BIT(0))
        return FPE_FLTINV;
    if (esr & BIT(1))
        return FPE_FLTDIV;
    if (esr & BIT(2))
        return FPE_FLTOVF;
    if (esr & BIT(3))
        return FPE_FLTUND;
    if (esr & BIT(4))
        return FPE_FLTRES;
    return FPE_FLTUNK;
}

/* Only what user mode may do at all; the rest of the classes is an undefined instruction to it. */
static void user_exception(struct hal_regs *r, uint64_t esr, vaddr_t far)
{
    switch (ESR_EC(esr)) {
    case EC_WFX:
        r->pc += 4;
        return;
    case EC_PC_ALIGN:
        upcall_exception(r, TRAP_ALIGN, BUS_ADRALN, far, esr);
        return;
    case EC_SP_ALIGN:
        upcall_exception(r, TRAP_ALIGN, BUS_ADRALN, r->sp, esr);
        return;
    case EC_FP_EXCEPTION:
        upcall_exception(r, TRAP_FP, fp_code(esr), r->pc, esr);
        return;
    case EC_BRK:
        upcall_exception(r, TRAP_BREAKPOINT, TRAP_BRKPT, r->pc, esr);
        return;
    case EC_BREAK_USER:
    case EC_WATCH_USER:
        upcall_exception(r, TRAP_BREAKPOINT, TRAP_HWBKPT, far, esr);
        return;
    case EC_STEP_USER:
        upcall_exception(r, TRAP_STEP, TRAP_TRACE, r->pc, esr);
        return;
    default:
        upcall_exception(r, TRAP_ILLEGAL, ILL_ILLOPC, r->pc, esr);
    }
}

void trap_user_sync(struct hal_regs *r, uint64_t esr, vaddr_t far)
{
    unsigned ec = ESR_EC(esr);

    hal_irq_enable();
    if (ec == EC_DATA_USER || ec == EC_FETCH_USER)
        user_abort(r, esr, far, ec == EC_FETCH_USER);
    else
        user_exception(r, esr, far);
}

static bool extable_fix(struct hal_regs *r)
{
    const struct extable_entry *e = extable_find(r->pc);

    if (e == NULL)
        return false;
    r->pc = extable_target(e);
    return true;
}

/* A data access of the kernel.  User memory is touched by instructions of the extable alone. */
static bool kernel_abort_handle(struct hal_regs *r, uint64_t esr, vaddr_t far)
{
    const struct extable_entry *e = extable_find(r->pc);

    if (e == NULL)
        return false;
    if (!e->no_fault && far < USER_TOP && fault_is_translation(esr)) {
        if (!(r->pstate & PSTATE_I))
            hal_irq_enable();
        if (upcall_fault(r, far, fault_access(esr, false)))
            return true;
    }
    return extable_fix(r);
}

static const char *kernel_fault_text(uint64_t esr, vaddr_t far)
{
    if (ESR_EC(esr) == EC_BRK)
        return "breakpoint in the kernel";
    if (ESR_EC(esr) == EC_FETCH_KERNEL)
        return "kernel jumped to memory that is not executable";
    if (ESR_EC(esr) != EC_DATA_KERNEL)
        return "exception in the kernel";
    if (!fault_is_translation(esr))
        return "external abort in the kernel";
    if (far < USER_TOP)
        return "kernel touched user memory outside the copy functions";
    return FSC_TYPE(esr) == FSC_PERMISSION ? "kernel wrote to read-only memory"
                                           : "kernel touched unmapped memory";
}

void trap_kernel_sync(struct hal_regs *r, uint64_t esr, vaddr_t far)
{
    if (ESR_EC(esr) == EC_DATA_KERNEL && kernel_abort_handle(r, esr, far))
        return;
    upcall_fatal(r, kernel_fault_text(esr, far), far, esr);
}

void trap_serror(struct hal_regs *r, uint64_t esr)
{
    upcall_exception(r, TRAP_MACHINE, 0, 0, esr);
}

void trap_bad_vector(struct hal_regs *r, uint64_t which, uint64_t esr)
{
    static const char *const names[16] = {
        "synchronous exception on SP_EL0", "IRQ on SP_EL0", "FIQ on SP_EL0", "SError on SP_EL0",
        "synchronous exception", "IRQ", "FIQ in the kernel", "SError",
        "user exception", "user IRQ", "FIQ in user mode", "user SError",
        "AArch32 exception", "AArch32 IRQ", "AArch32 FIQ", "AArch32 SError",
    };

    upcall_fatal(r, names[which & 15], 0, esr);
}

void trap_stack_overflow(struct hal_regs *r, vaddr_t far, uint64_t esr)
{
    upcall_fatal(r, "kernel stack overflow", far, esr);
}
