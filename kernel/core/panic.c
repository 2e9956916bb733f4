// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the last words of the kernel.
 *
 * Model: the first CPU that panics stops the others, says why, shows registers and back-trace, has the
 * others show theirs, and carries out `panic=`; a panic inside the panic stops the CPU at once.
 */
#define LOG_TAG "panic"
#include <core/log.h>
#include <core/panic.h>
#include <core/params.h>
#include <core/smp.h>
#include <hal/cpu.h>
#include <lib/atomic.h>
#include <lib/fmt.h>
#include <lib/string.h>

bool panicking; /* atomic; never false again */
static struct cpu *panic_cpu; /* the first that did */
static void (*panic_action)(bool reboot); /* set at boot */
static int64_t panic_timeout; /* seconds; -1: at once; 0: halt; atomic */
static int backtrace_level; /* of the back-trace being printed; a mixture does no harm */

void panic_set_action(void (*action)(bool reboot))
{
    panic_action = action;
}

int64_t panic_timeout_get(void)
{
    return atomic_load_relaxed(&panic_timeout);
}

void panic_timeout_set(int64_t seconds)
{
    atomic_store_relaxed(&panic_timeout, seconds);
}

static void line_emerg(const char *text)
{
    log_emerg("%s", text);
}

static void backtrace_step(uintptr_t ip)
{
    /* A return address may lie behind its function's last instruction. */
    struct symbol s = symbol_find(ip - 1);
    const char *tag = panicking ? LOG_TAG : "trace";

    if (s.name != NULL)
        log_write((enum log_level)backtrace_level, tag, "  [<%#lx>] %s+%#lx", ip, s.name,
                  s.offset + 1);
    else
        log_write((enum log_level)backtrace_level, tag, "  [<%#lx>]", ip);
}

__noinline void backtrace_log(int level, const struct hal_regs *r)
{
    /* A frame starts with the caller's frame pointer on every architecture. */
    uintptr_t caller_fp = *(uintptr_t *)__builtin_frame_address(0);

    backtrace_level = level;
    if (r != NULL)
        hal_backtrace(regs_ip(r), regs_fp(r), 32, backtrace_step);
    else
        hal_backtrace((uintptr_t)__builtin_return_address(0), caller_fp, 32, backtrace_step);
    compiler_barrier(); /* no tail call: it would reuse the frame that is being walked */
}

/* Waits without a scheduler; a clock that stands still ends the wait, too. */
static void panic_wait(ns_t for_ns)
{
    ns_t start = log_clock_ns();

    for (uint64_t spins = 0; spins < 1ull << 34; spins++) {
        ns_t now = log_clock_ns();

        if (now - start >= for_ns || (now == start && spins > 1u << 28))
            break;
        hal_relax();
    }
}

static __noreturn void panic_end(void)
{
    if (panic_timeout > 0) {
        log_emerg("rebooting in %lld seconds", (long long)panic_timeout);
        panic_wait((ns_t)panic_timeout * NS_PER_SEC);
    }
    if (panic_action != NULL)
        panic_action(panic_timeout != 0);
    hal_halt();
}

static __noreturn void panic_main(const struct hal_regs *r, const char *format, va_list ap)
{
    char why[256];
    unsigned left;

    hal_irq_disable();
    if (atomic_xchg(&panicking, true)) {
        if (panic_cpu != cpu_current())
            smp_stop_self(r);
        hal_halt(); /* a panic inside the panic */
    }
    panic_cpu = cpu_current();
    smp_stop_begin();
    fmt_vsnprintf(why, sizeof(why), format, ap);
    log_emerg("Kernel panic - not syncing: %s", why);
    log_emerg("CPU %u", cpu_current()->id);
    if (r != NULL)
        regs_dump(r, line_emerg);
    log_emerg("Call trace:");
    backtrace_log(LOG_EMERG, r);
    left = smp_stop_end();
    if (left != 0)
        log_emerg("%u CPUs did not stop", left);
    log_emerg("---[ end Kernel panic - not syncing: %s ]---", why);
    panic_end();
}

void panic(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    panic_main(NULL, format, ap);
}

void panic_regs(const struct hal_regs *r, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    panic_main(r, format, ap);
}

static err_t param_panic_set(const char *value)
{
    bool negative = value != NULL && *value == '-';
    uint64_t v;
    err_t err;

    if (value == NULL)
        return -EINVAL;
    value += negative;
    err = str_to_u64(&value, 10, &v);
    if (err != 0)
        return err;
    panic_timeout = negative ? -1 : (int64_t)MIN(v, 1000000);
    return 0;
}
PARAM_NAMED(panic, "panic", "seconds until the reboot after a panic; -1: at once, 0: never",
            param_panic_set);
