// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: see <core/smp.h>.
 * Locking: none: a record belongs to its CPU until a target finds the CPU's bit in its set, and again
 * when `left` is 0; the bits are set with release and taken with acquire order.
 */
#define LOG_TAG "smp"
#include <core/smp.h>

#include <core/irq.h>
#include <core/log.h>
#include <core/panic.h>

#define STOP_WAIT_NS (200 * NS_PER_MSEC) /* without progress */
#define STOP_SPINS 100000000ul /* for a clock that stands still */

static struct {
    void (*fn)(void *arg);
    void *arg;
    uint32_t left; /* targets that have not run it; atomic */
    uint64_t callers[CPU_MAX / 64]; /* whose records this CPU has to run; atomic */
} __aligned(64) calls[CPU_MAX];

struct cpu_set cpus_online = { { 1 } };
unsigned cpus_present = 1; /* written at boot */

unsigned cpus_online_count(void)
{
    return (unsigned)bitmap_count(cpus_online.bits, CPU_MAX);
}

static void set_add(struct cpu_set *set, unsigned id)
{
    atomic_fetch_or(&set->bits[id / 64], BIT(id % 64));
}

static void set_remove(struct cpu_set *set, unsigned id)
{
    atomic_fetch_and(&set->bits[id / 64], ~BIT(id % 64));
}

void cpu_set_online(struct cpu *cpu)
{
    set_add(&cpus_online, cpu->id);
}

void ipi_send(struct cpu *cpu, enum ipi ipi)
{
    const struct irqchip *chip = irq_chip();

    if (likely(chip != NULL && chip->ipi != NULL))
        chip->ipi(cpu, ipi);
}

/* --- calls ------------------------------------------------------------------------------------- */

static void callers_run(uint64_t callers, unsigned first)
{
    for (; callers != 0; callers &= callers - 1) {
        unsigned caller = first + (unsigned)__builtin_ctzll(callers);

        calls[caller].fn(calls[caller].arg);
        atomic_sub_fetch(&calls[caller].left, 1); /* its record may be gone now */
    }
}

__hot void smp_call_poll(void)
{
    unsigned self = cpu_current()->id;

    for (unsigned i = 0; i < CPU_MAX / 64; i++)
        if (unlikely(atomic_load_relaxed(&calls[self].callers[i]) != 0))
            callers_run(atomic_xchg(&calls[self].callers[i], 0), 64 * i);
}

static void call_ask(unsigned target, unsigned self)
{
    uint64_t before = atomic_fetch_or(&calls[target].callers[self / 64], BIT(self % 64));

    if (before == 0)
        ipi_send(cpus[target], IPI_CALL);
}

static void call_targets(const uint64_t targets[CPU_MAX / 64], unsigned self)
{
    for (unsigned i = 0; i < CPU_MAX / 64; i++)
        for (uint64_t w = targets[i]; w != 0; w &= w - 1)
            call_ask(64 * i + (unsigned)__builtin_ctzll(w), self);
}

__hot void smp_call(const struct cpu_set *set, void (*fn)(void *arg), void *arg)
{
    unsigned long flags = hal_irq_save();
    unsigned self = cpu_current()->id, left;
    uint64_t targets[CPU_MAX / 64];

    for (unsigned i = 0; i < CPU_MAX / 64; i++) {
        targets[i] = atomic_load_relaxed(&set->bits[i]) & atomic_load_relaxed(&cpus_online.bits[i]);
    }
    bitmap_clear(targets, self);
    left = (unsigned)bitmap_count(targets, CPU_MAX);
    if (left != 0 && !panicking) {
        calls[self].fn = fn;
        calls[self].arg = arg;
        atomic_store(&calls[self].left, left);
        call_targets(targets, self);
        while (atomic_load(&calls[self].left) != 0 && !atomic_load_relaxed(&panicking)) {
            smp_call_poll();
            hal_relax();
        }
    }
    hal_irq_restore(flags);
}

void smp_call_others(void (*fn)(void *arg), void *arg)
{
    smp_call(&cpus_online, fn, arg);
}

/* --- stopping ---------------------------------------------------------------------------------- */

static bool stopping; /* atomic; IPI_STOP was sent to all */
static bool stop_turn; /* atomic; one CPU prints at a time; held from smp_stop_begin() to its end */
static struct cpu_set backtrace_wanted; /* IPI_STOP means no more than that */

static void turn_take(void)
{
    while (atomic_xchg(&stop_turn, true))
        hal_relax();
}

void smp_stop_self(const struct hal_regs *r)
{
    struct cpu *cpu = cpu_current();

    if (panicking) {
        turn_take();
        log_emerg("CPU %u stops, it was here:", cpu->id);
        backtrace_log(LOG_EMERG, r);
        atomic_store(&stop_turn, false);
    }
    set_remove(&cpus_online, cpu->id);
    hal_halt();
}

/* IPI_STOP came, as an interrupt or an NMI. */
static void stop_receive(const struct hal_regs *r)
{
    struct cpu *cpu = cpu_current();

    if (atomic_load(&stopping))
        smp_stop_self(r);
    if (bitmap_test(backtrace_wanted.bits, cpu->id)) {
        set_remove(&backtrace_wanted, cpu->id);
        log_warn("CPU %u is here:", cpu->id);
        backtrace_log(LOG_WARN, r);
    }
}

void ipi_receive(enum ipi ipi)
{
    if (ipi == IPI_CALL)
        smp_call_poll();
    else if (ipi == IPI_STOP)
        stop_receive(NULL);
    /* IPI_RESCHED: the way out of the interrupt looks at the pending bits. */
}

bool ipi_receive_nmi(const struct hal_regs *r)
{
    bool ours = atomic_load(&stopping) || bitmap_test(backtrace_wanted.bits, cpu_current()->id);

    if (ours)
        stop_receive(r);
    return ours;
}

void smp_backtrace(struct cpu *cpu)
{
    set_add(&backtrace_wanted, cpu->id);
    ipi_send(cpu, IPI_STOP);
}

void smp_stop_begin(void)
{
    unsigned self = cpu_current()->id;

    turn_take();
    atomic_store(&stopping, true);
    for (unsigned i = 0; i < cpu_count; i++)
        if (i != self && cpu_online(i))
            ipi_send(cpus[i], IPI_STOP);
}

unsigned smp_stop_end(void)
{
    unsigned left = cpus_online_count();
    ns_t since = log_clock_ns();

    atomic_store(&stop_turn, false);
    for (unsigned long n = 0; left > 1 && n < STOP_SPINS; n++) {
        unsigned now = cpus_online_count();

        if (now != left)
            since = log_clock_ns();
        else if (log_clock_ns() - since >= STOP_WAIT_NS)
            break;
        left = now;
        hal_relax();
    }
    return left - 1;
}

unsigned smp_stop_others(void)
{
    smp_stop_begin();
    return smp_stop_end();
}
