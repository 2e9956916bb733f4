// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: page faults and exceptions: resolved, turned into a signal, or fatal.
 *
 * Model: a fault of a program, or of the kernel in a user copy, goes to the address space.  The
 * kernel's own faults are never resolved here: false lets the architecture apply its fix-up.
 */
#define LOG_TAG "trap"
#include <core/log.h>
#include <core/panic.h>
#include <core/smp.h>
#include <hal/cpu.h>
#include <hal/upcall.h>
#include <mm/vmap.h>
#include <proc/user.h>
#include <sched/thread.h>

#include <asm/siginfo.h>
#include <linux/signal.h>

/* May a kernel access sleep on a user page now? */
static bool kernel_may_fault(const struct thread *t, vaddr_t addr)
{
    return t->space && !t->fault_disable && addr < USER_TOP && t->ctx.preempt_count == 0 &&
           hal_irqs_enabled();
}

__hot bool upcall_fault(struct hal_regs *r, vaddr_t addr, unsigned access)
{
    struct thread *t = thread_current();
    enum fault_result result = FAULT_SIGSEGV_MAPERR;

    if (unlikely(!(access & FAULT_USER))) {
        /* A far return, say, of a program: the CPU reads with its own rights for it. */
        if (regs_user(r)) {
            user_fault_signal(r, addr, access | FAULT_USER, FAULT_SIGSEGV_MAPERR);
            return true;
        }
        if (!kernel_may_fault(t, addr))
            return false;
    }
    if (likely(addr < USER_TOP))
        result = space_fault(t->space, addr, access);
    if (likely(result == FAULT_RESOLVED))
        return true;
    if (result == FAULT_RETRY_SIGNAL)
        return access & FAULT_USER; /* the fatal signal is delivered on the way out */
    if (!(access & FAULT_USER))
        return false;
    user_fault_signal(r, addr, access, result);
    return true;
}

struct trap_kind {
    const char *name;
    int sig, code; /* code 0: the architecture's */
};

static const struct trap_kind trap_kinds[] = {
    [TRAP_DIVIDE] = { "divide error", SIGFPE, FPE_INTDIV },
    [TRAP_FP] = { "floating-point exception", SIGFPE, 0 },
    [TRAP_ILLEGAL] = { "invalid instruction", SIGILL, ILL_ILLOPC },
    [TRAP_BREAKPOINT] = { "breakpoint", SIGTRAP, TRAP_BRKPT },
    [TRAP_STEP] = { "single step", SIGTRAP, TRAP_TRACE },
    [TRAP_ALIGN] = { "alignment check", SIGBUS, BUS_ADRALN },
    [TRAP_PROTECTION] = { "general protection", SIGSEGV, SI_KERNEL },
    [TRAP_OVERFLOW] = { "bounds or overflow trap", SIGSEGV, SI_KERNEL },
    [TRAP_MACHINE] = { "machine check", 0, 0 },
    [TRAP_NMI] = { "NMI", 0, 0 },
    [TRAP_DOUBLE] = { "double fault", 0, 0 },
};

void upcall_exception(struct hal_regs *r, enum hal_trap trap, int code, vaddr_t addr,
                      uint64_t info)
{
    const struct trap_kind *kind = &trap_kinds[trap];

    if (trap == TRAP_NMI) {
        if (ipi_receive_nmi(r))
            return;
        log_warn("non-maskable interrupt of unknown cause at %#lx", regs_ip(r));
        return;
    }
    if (!regs_user(r) || kind->sig == 0)
        upcall_fatal(r, kind->name, addr, info);
    user_trap_signal(r, kind->name, kind->sig, code ? code : kind->code, addr);
}

static const char *fatal_reason(vaddr_t addr, const char *what)
{
    if (vmap_is_guard(addr))
        return "kernel stack overflow";
    return what;
}

void upcall_fatal(struct hal_regs *r, const char *what, vaddr_t addr, uint64_t info)
{
    panic_regs(r, "%s: address %#lx, info %#llx, ip %#lx", fatal_reason(addr, what), addr,
               (unsigned long long)info, regs_ip(r));
}
