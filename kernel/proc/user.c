// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: faults of programs: the signal, and one line that explains a death.
 * Model: the line is said only when no handler will see the signal, and at most a few times a second.
 */
#define LOG_TAG "fault"
#include <proc/user.h>

#include <core/log.h>
#include <core/params.h>
#include <hal/upcall.h>
#include <lib/string.h>
#include <proc/process.h>
#include <sched/clock.h>

#include <asm/siginfo.h>

#define REPORT_BURST 10
#define REPORT_PERIOD_NS (5 * NS_PER_SEC)

/* Token bucket without a lock: a race lets one line more or less through. */
static bool report_allowed(void)
{
    static ns_t since;
    static unsigned said;
    ns_t now = clock_monotonic();

    if (now - atomic_load_relaxed(&since) > REPORT_PERIOD_NS) {
        atomic_store_relaxed(&since, now);
        atomic_store_relaxed(&said, 0u);
    }
    return atomic_fetch_add(&said, 1) < REPORT_BURST;
}

static bool will_die(const struct task *t, int sig)
{
    uintptr_t handler = t->process->sighand->action[sig - 1].handler;

    return handler <= SIGNAL_IGNORE || (t->blocked & SIG_BIT(sig));
}

static const char *access_name(unsigned access)
{
    if (access & FAULT_EXEC)
        return "execution of";
    return access & FAULT_WRITE ? "write to" : "read of";
}

static const char *fault_name(int sig)
{
    return sig == SIGBUS ? "bus error" : sig == SIGKILL ? "out of memory" : "segfault";
}

void user_fault_signal(const struct hal_regs *r, vaddr_t addr, unsigned access,
                       enum fault_result result)
{
    struct task *t = task_current();
    int sig = SIGSEGV, code = SEGV_MAPERR;

    if (result == FAULT_SIGSEGV_ACCERR)
        code = SEGV_ACCERR;
    if (result == FAULT_SIGBUS) {
        sig = SIGBUS;
        code = BUS_ADRERR;
    }
    if (result == FAULT_OOM)
        sig = SIGKILL;
    if (will_die(t, sig) && report_allowed()) {
        char where[160] = "";

        space_describe(t->thread.space, addr, where, sizeof where);
        log_info("%s[%d]: %s: %s %#lx at ip %#lx sp %#lx, %s", t->thread.name, t->id,
                 fault_name(sig), access_name(access), addr, regs_ip(r), regs_sp(r), where);
    }
    if (sig == SIGKILL)
        signal_send_task(t, SIGKILL, NULL);
    else
        signal_force(sig, code, addr);
}

void user_trap_signal(const struct hal_regs *r, const char *what, int sig, int code, vaddr_t addr)
{
    struct task *t = task_current();

    if (sig != SIGTRAP && will_die(t, sig) && report_allowed())
        log_info("%s[%d]: %s at ip %#lx sp %#lx", t->thread.name, t->id, what, regs_ip(r),
                 regs_sp(r));
    signal_force(sig, code, addr);
}
