// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the host's CPUs, their interrupts and the virtual clock.
 *
 * Model: each CPU is a coroutine; exactly one runs, the others stand at one of the points where the
 * running one may change: interrupts being turned on, hal_relax and hal_idle.  Which CPU comes next
 * is drawn from a generator seeded by DEVINE_SEED, so a failing interleaving can be replayed.
 * Virtual time moves a little at those points, and in idle to the next timer.
 * Invariant: all state here is touched by the running coroutine alone; there is no other thread.
 */
#include <hal/upcall.h>
#include <lib/fmt.h>
#include <lib/string.h>

#include "host.h"

#define POINT_NS 40 /* virtual time of one scheduling point */
#define RELAX_NS 200
#define RELAX_STUCK 200000000u /* relaxes without any interrupt: nobody will come */

struct cpu *cpus[CPU_MAX];
const bool hal_die_is_cluster = false;
unsigned cpu_count;
struct cpu *host_cpu;

static ns_t now_ns = 1000; /* so that 0 means: no clock yet */
static uint64_t random_state = 1;
static uint64_t relaxes;
static uint64_t explored_seed; /* 0: none */
ns_t host_time_limit = NS_NEVER;

/* --- the seeded generator: xorshift64*, Vigna 2014 --- */

uint64_t host_seed(void)
{
    static uint64_t seed;
    const char *text = os_getenv("DEVINE_SEED");

    if (explored_seed != 0)
        return explored_seed;
    if (seed == 0) {
        for (; text != NULL && *text >= '0' && *text <= '9'; text++)
            seed = seed * 10 + (uint64_t)(*text - '0');
        seed = seed == 0 ? 1 : seed;
    }
    return seed;
}

void host_random_seed(uint64_t seed)
{
    explored_seed = seed;
    /* splitmix64: near seeds shall not give near beginnings. */
    seed += 0x9e3779b97f4a7c15ull;
    seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9ull;
    seed = (seed ^ seed >> 27) * 0x94d049bb133111ebull;
    random_state = (seed ^ seed >> 31) | 1;
}

uint32_t host_random(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)(random_state * 0x2545f4914f6cdd1dull >> 32);
}

void host_stuck(const char *why)
{
    os_fatal("CPU %u is stuck: %s (seed %llu, virtual time %llu ns)", host_cpu->id, why,
             (unsigned long long)host_seed(), (unsigned long long)now_ns);
}

/* --- time --- */

ns_t host_clock_ns(void)
{
    return now_ns;
}

void host_time_pass(ns_t ns)
{
    now_ns += ns;
    if (now_ns > host_time_limit)
        host_stuck("the scenario does not end: a wake-up was lost?");
    for (unsigned i = 0; i < cpu_count; i++) {
        struct arch_cpu *a = &cpus[i]->arch;

        if (a->timer_at > now_ns)
            continue;
        a->timer_at = NS_NEVER;
        a->irqs |= BIT(HOST_IRQ_TIMER);
    }
}

void host_timer_set(ns_t at)
{
    host_cpu->arch.timer_at = at;
}

uint64_t hal_cycles(void)
{
    return now_ns++;
}

/* --- choosing the CPU that runs --- */

static bool cpu_can_run(const struct cpu *c)
{
    return c->arch.started && (!c->arch.idle || c->arch.irqs != 0);
}

static void cpu_run(struct cpu *to)
{
    struct cpu *from = host_cpu;

    if (to == from)
        return;
    host_trace_cpu(to);
    from->arch.suspended = host_current;
    host_cpu = to;
    host_current = to->arch.suspended;
    host_switch_told(&from->arch.sp, to->arch.sp, &from->arch.fake_stack, host_current->stack_top);
}

/* Any other CPU that can run, or NULL. */
static struct cpu *cpu_choose_other(void)
{
    unsigned start = host_random();

    for (unsigned i = 0; i < cpu_count; i++) {
        struct cpu *c = cpus[(start + i) % cpu_count];

        if (c != host_cpu && cpu_can_run(c))
            return c;
    }
    return NULL;
}

static void cpu_maybe_change(unsigned one_in)
{
    struct cpu *other;

    if (cpu_count < 2 || host_random() % one_in != 0)
        return;
    other = cpu_choose_other();
    if (other != NULL)
        cpu_run(other);
}

/* --- interrupts --- */

static void irqs_deliver(void)
{
    while (host_cpu->arch.irqs_on && host_cpu->arch.irqs != 0) {
        struct hal_regs r = { .ip = (uintptr_t)__builtin_return_address(0), .nr = -1,
                              .fp = (uintptr_t)__builtin_frame_address(0) };
        unsigned irq = (unsigned)__builtin_ctzll(host_cpu->arch.irqs);

        relaxes = 0;
        host_trace_irq(irq);
        host_cpu->arch.irqs &= ~BIT(irq);
        host_cpu->arch.irqs_on = false;
        upcall_irq(&r, irq);
        host_cpu->arch.irqs_on = true; /* maybe another CPU now: the thread may have moved */
    }
}

void host_point(void)
{
    if (host_random() % host_point_odds != 0)
        return;
    host_explore_count();
    host_time_pass(POINT_NS);
    if (!host_cpu->arch.in_access)
        irqs_deliver();
    cpu_maybe_change(1);
}

void host_clock_advance(ns_t by)
{
    host_time_pass(by);
    irqs_deliver();
}

void hal_irq_enable(void)
{
    host_cpu->arch.irqs_on = true;
    host_time_pass(POINT_NS);
    irqs_deliver();
    cpu_maybe_change(16);
}

void hal_relax(void)
{
    if (++relaxes > RELAX_STUCK)
        host_stuck("it spins and nothing happens");
    if (cpu_count < 2 && !host_cpu->arch.irqs_on && relaxes > 10000000)
        host_stuck("it spins with interrupts off, and there is no other CPU");
    host_explore_count();
    host_time_pass(RELAX_NS);
    irqs_deliver();
    cpu_maybe_change(1);
}

/* The earliest timer of all CPUs. */
static ns_t timer_next(void)
{
    ns_t first = NS_NEVER;

    for (unsigned i = 0; i < cpu_count; i++)
        first = MIN(first, cpus[i]->arch.timer_at);
    return first;
}

void hal_idle(void)
{
    if (host_cpu->arch.irqs_on)
        os_fatal("hal_idle with interrupts on");
    host_cpu->arch.idle = true;
    while (host_cpu->arch.irqs == 0) {
        struct cpu *other = cpu_choose_other();
        ns_t next = timer_next();

        if (other != NULL)
            cpu_run(other);
        else if (next == NS_NEVER)
            host_stuck("all CPUs are idle and no timer runs: nothing will ever happen again");
        else
            host_time_pass(next > now_ns ? next - now_ns : 0);
    }
    host_cpu->arch.idle = false;
    host_cpu->arch.irqs_on = true;
    irqs_deliver();
}

void host_irq_raise(struct cpu *cpu, unsigned irq)
{
    cpu->arch.irqs |= BIT(irq);
    if (cpu == host_cpu)
        irqs_deliver();
}

/* --- life --- */

void hal_cpu_init(struct cpu *cpu)
{
    cpu->self = cpu;
    cpu->arch = (struct arch_cpu){ .timer_at = NS_NEVER, .started = cpu->id == 0 };
    if (cpus[cpu->id] == NULL) {
        cpus[cpu->id] = cpu;
        cpu_count = MAX(cpu_count, cpu->id + 1);
    }
    if (cpu->id == 0)
        random_state = host_seed();
}

static void secondary_entry(struct hal_context *prev, void *arg)
{
    (void)prev;
    kmain_secondary(arg);
}

void host_cpu_start(struct cpu *cpu, uintptr_t stack_top)
{
    static struct hal_context boot[CPU_MAX];
    struct hal_context *ctx = &boot[cpu->id];

    hal_cpu_init(cpu);
    hal_context_init(ctx, stack_top, secondary_entry, cpu);
    ctx->cpu = cpu;
    cpu->current = ctx;
    cpu->arch.suspended = ctx;
    cpu->arch.sp = ctx->sp;
    cpu->arch.started = true;
}

/* The last one ends the process. */
void hal_halt(void)
{
    struct cpu *other;

    host_cpu->arch.started = false;
    other = cpu_choose_other();
    if (other != NULL)
        cpu_run(other);
    os_exit(1);
}

size_t hal_cpuinfo(const struct cpu *cpu, char *buf, size_t size)
{
    return (size_t)fmt_scnprintf(buf, size, "processor\t: %u\nmodel name\t: Devine host\n\n", cpu->id);
}
