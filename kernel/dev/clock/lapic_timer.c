// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: each CPU's own timer, in its local APIC (SDM vol. 3, 10.5.4): one-shot event devices.
 *
 * Model: a 32-bit count at the bus's rate, or with TSC-deadline a value that the time-stamp counter
 * reaches.  The count's rate is known as counts for each cycle of that counter, so a better rate of
 * the counter, found later, is a better rate here.
 * Locking: registers are the calling CPU's own, interrupts off; the rates are racy, any will do.
 */
#define LOG_TAG "lapic_timer"
#include <arch/cpu.h>
#include <arch/msr.h>
#include <core/log.h>
#include <dev/irqchip/lapic.h>
#include <dev/services.h>
#include <hal/cpu.h>
#include <sched/timer.h>
#include <svc/subsystem.h>

#define LEAF1_ECX_DEADLINE (1u << 24)
#define LVT_DEADLINE (2u << 17)
#define DIVIDE_BY_1 0xb
#define SAMPLES 4
#define WINDOWS_IN_SECOND 5000 /* that the count is measured over */
#define SPINS_MAX 10000000u
#define MEASURE_TRIES 5
#define DELTA_MAX NS_PER_SEC
/* A longer wait is cut by a part of itself that is more than the rate can be wrong by: it ends
 * early, and the rest is asked for again. */
#define DELTA_LONG (12 * NS_PER_MSEC)
#define CUT_SHIFT 6

static uint32_t lvt; /* of every CPU; constant after start */
static uint64_t counts_per_cycle; /* times 2^32; constant after start */
static uint64_t known_hz; /* the counter's, that the two below were made for */
static uint64_t counts_per_ns, cycles_per_ns; /* times 2^32 */

/* --- the rate ---------------------------------------------------------------------------------- */

static void rates_update(uint64_t hz)
{
    cycles_per_ns = (hz << 24) / NS_PER_SEC << 8;
    counts_per_ns = (uint64_t)((unsigned __int128)counts_per_cycle * cycles_per_ns >> 32);
    known_hz = hz;
}

struct sample {
    uint64_t cycles, ns;
    uint32_t count;
};

/* All clocks at one moment: the closest of a few attempts. */
static struct sample sample_take(void)
{
    struct sample best = { 0 };
    uint64_t shortest = UINT64_MAX;

    for (unsigned i = 0; i < SAMPLES; i++) {
        ns_t ns = clock_monotonic();
        uint64_t before = hal_cycles();
        uint32_t count = lapic_read(LAPIC_TIMER_CURRENT);
        uint64_t took = hal_cycles() - before;

        if (took >= shortest)
            continue;
        shortest = took;
        best = (struct sample){ before + took / 2, ns, count };
    }
    return best;
}

/* Lets the count run down for a while.  Return: whether it moves. */
static bool rate_measure(uint64_t tsc_hz)
{
    struct sample a, b;

    lapic_write(LAPIC_TIMER_INITIAL, UINT32_MAX);
    a = sample_take();
    for (unsigned n = 0; n < SPINS_MAX; n++)
        if (tsc_hz ? hal_cycles() - a.cycles > tsc_hz / WINDOWS_IN_SECOND
                   : clock_monotonic() - a.ns > NS_PER_SEC / WINDOWS_IN_SECOND)
            break;
    b = sample_take();
    if (a.count <= b.count || (tsc_hz ? b.cycles == a.cycles : b.ns == a.ns))
        return false;
    if (tsc_hz) {
        counts_per_cycle = ((uint64_t)(a.count - b.count) << 32) / (b.cycles - a.cycles);
        rates_update(tsc_hz);
    } else {
        counts_per_ns = ((uint64_t)(a.count - b.count) << 32) / (b.ns - a.ns);
    }
    return true;
}

/* --- the device -------------------------------------------------------------------------------- */

static void count_set_deadline(struct clock_event *dev, ns_t now, ns_t deadline)
{
    ns_t delta = deadline > now ? MIN(deadline - now, DELTA_MAX) : 0;
    uint64_t counts;

    (void)dev;
    if (unlikely(x86_tsc_hz != known_hz))
        rates_update(x86_tsc_hz);
    if (delta > DELTA_LONG)
        delta -= delta >> CUT_SHIFT;
    counts = (delta * counts_per_ns >> 32) + 1;
    lapic_write(LAPIC_TIMER_INITIAL, deadline == NS_NEVER ? 0 : (uint32_t)MIN(counts, UINT32_MAX));
}

static void tsc_set_deadline(struct clock_event *dev, ns_t now, ns_t deadline)
{
    ns_t delta = deadline > now ? MIN(deadline - now, DELTA_MAX) : 0;

    (void)dev;
    if (unlikely(x86_tsc_hz != known_hz))
        rates_update(x86_tsc_hz);
    if (deadline == NS_NEVER)
        msr_write(MSR_TSC_DEADLINE, 0);
    else
        msr_write(MSR_TSC_DEADLINE, hal_cycles() + (delta * cycles_per_ns >> 32) + 1);
}

static void start_cpu(struct clock_event *dev)
{
    (void)dev;
    lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
    lapic_write(LAPIC_LVT_TIMER, lvt);
    /* The mode must have changed before the MSR is written (SDM vol. 3, 10.5.4.1). */
    __asm__ volatile("mfence" : : : "memory");
}

static void on_interrupt(unsigned irq, void *arg)
{
    (void)irq, (void)arg;
    timer_interrupt();
}

static struct clock_event count_event = {
    .name = "lapic", .rating = 200, .set_deadline = count_set_deadline, .per_cpu = true,
    .start_cpu = start_cpu,
};
static struct clock_event deadline_event = {
    .name = "lapic-deadline", .rating = 250, .set_deadline = tsc_set_deadline, .per_cpu = true,
    .start_cpu = start_cpu,
};

/* --- start ------------------------------------------------------------------------------------- */

static err_t timer_choose(struct clock_event **event)
{
    bool deadline = (cpuid(1, 0).ecx & LEAF1_ECX_DEADLINE) && x86_tsc_hz != 0;

    lvt = LAPIC_VECTOR_TIMER;
    *event = &count_event;
    if (deadline) {
        lvt |= LVT_DEADLINE;
        *event = &deadline_event;
        return 0;
    }
    lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
    /* A host that let this CPU stand may have let the count run out. */
    for (unsigned i = 0; i < MEASURE_TRIES; i++)
        if (rate_measure(x86_tsc_hz))
            return 0;
    log_warn("the local APIC's timer does not count: left out");
    return -ENODEV;
}

static err_t timer_start(struct subsystem *self)
{
    struct clock_event *event;
    err_t err = timer_choose(&event);

    (void)self;
    if (!err)
        err = irq_register(LAPIC_IRQ_TIMER, "Local timer interrupts", on_interrupt, NULL);
    if (err)
        return err;
    start_cpu(event);
    if (counts_per_cycle != 0)
        log_info("%llu counts of the bus in 1024 cycles",
                 (unsigned long long)(counts_per_cycle >> 22));
    clock_event_register(event);
    return service_publish_clock_event(event->name, event, event->rating, PRIV_DRIVER);
}

static const char *const needs[] = { "lapic", "irqchip", "?tsc", NULL };
static struct subsystem timer_subsystem = {
    .name = "lapic_timer", .privilege = PRIV_DRIVER, .needs = needs, .early_init = timer_start
};
REGISTER_SUBSYSTEM(timer_subsystem);
