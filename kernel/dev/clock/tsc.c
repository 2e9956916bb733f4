// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the time-stamp counter as clock source (SDM vol. 3, 17.17).
 *
 * Model: its rate comes from the CPU (CPUID 0x15), from the hypervisor (leaf 0x40000010), or is
 * measured against the PIT: over 1 ms at boot, which is good to about a thousandth, and again over
 * 40 ms while the rest starts, after which a second source of the better rate takes its place.
 * A hypervisor may take the CPU away for so long that the PIT wraps, which looks like a rate many
 * times too high. So each measurement must agree with another one: the two halves of the first with
 * each other, the longer one with the first. Else it is made again.
 * Locking: boot and one timer callback.
 */
#define LOG_TAG "tsc"
#include <arch/cpu.h>
#include <core/log.h>
#include <dev/clock/pit.h>
#include <dev/services.h>
#include <hal/cpu.h>
#include <sched/timer.h>
#include <svc/subsystem.h>

#define HALF_COUNTS (PIT_HZ / 2000)
#define QUICK_TRIES 64
#define REFINE_NS (40 * NS_PER_MSEC) /* the PIT wraps after 54 */
#define SAMPLES 4
#define LEAF_TSC 0x15
#define LEAF_HYPERVISOR 0x40000000u
#define LEAF_HYPERVISOR_TSC 0x40000010u
#define LEAF1_ECX_HYPERVISOR (1u << 31)

struct sample {
    uint64_t tsc;
    uint32_t counts;
};

static struct clock_source tsc_early = {
    .name = "tsc-early",
    .rating = 299,
    .read = hal_cycles,
    .mask = UINT64_MAX,
    .user_readable = true,
};
static struct clock_source tsc_source = {
    .name = "tsc",
    .rating = 300,
    .read = hal_cycles,
    .mask = UINT64_MAX,
    .user_readable = true,
};
static struct sample first;
static struct timer refine_timer;
static unsigned refine_tries = 8;

static void leaf_read(uint32_t leaf, uint32_t out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(0));
}

/* What CPU or hypervisor say; 0: nothing. */
static uint64_t rate_told(void)
{
    uint32_t r[4];

    leaf_read(0, r);
    if (r[0] >= LEAF_TSC) {
        leaf_read(LEAF_TSC, r); /* TSC / crystal = ebx / eax, crystal = ecx Hz */
        if (r[0] && r[1] && r[2])
            return (uint64_t)r[2] * r[1] / r[0];
    }
    leaf_read(1, r);
    if (!(r[2] & LEAF1_ECX_HYPERVISOR))
        return 0;
    leaf_read(LEAF_HYPERVISOR, r);
    if (r[0] < LEAF_HYPERVISOR_TSC || r[0] > LEAF_HYPERVISOR + 0xffff)
        return 0;
    leaf_read(LEAF_HYPERVISOR_TSC, r);
    return r[0] * 1000ull;
}

/* Both clocks at one moment: the closest of a few attempts. */
static struct sample sample_take(void)
{
    struct sample best = { 0 };
    uint64_t shortest = UINT64_MAX;

    for (int i = 0; i < SAMPLES; i++) {
        uint64_t before = hal_cycles();
        uint32_t counts = pit_reference_read();
        uint64_t after = hal_cycles();

        if (after - before < shortest) {
            shortest = after - before;
            best = (struct sample){ before + (after - before) / 2, counts };
        }
    }
    return best;
}

static uint64_t rate_between(struct sample a, struct sample b)
{
    if (b.counts <= a.counts || b.tsc <= a.tsc)
        return 0;
    return (b.tsc - a.tsc) * PIT_HZ / (b.counts - a.counts);
}

/* Whether two rates differ by less than one part in `part`. */
static bool rates_agree(uint64_t a, uint64_t b, uint64_t part)
{
    return (a > b ? a - b : b - a) < a / part;
}

/* Waits until the PIT has counted HALF_COUNTS more; false: it does not count. */
static bool half_wait(uint32_t from)
{
    uint64_t give_up = hal_cycles() + (1ull << 32);

    while (pit_reference_read() - from < HALF_COUNTS)
        if (hal_cycles() > give_up)
            return false;
    return true;
}

static uint64_t rate_measure(void)
{
    uint64_t lowest = UINT64_MAX; /* what goes wrong makes it higher */

    for (int i = 0; i < QUICK_TRIES; i++) {
        pit_reference_start();
        first = sample_take();
        if (!half_wait(first.counts))
            return 0;
        struct sample middle = sample_take();
        if (!half_wait(middle.counts))
            return 0;
        struct sample last = sample_take();
        uint64_t hz = rate_between(first, last);

        if (hz != 0 && rates_agree(rate_between(first, middle), rate_between(middle, last), 8))
            return hz;
        if (hz != 0 && hz < lowest)
            lowest = hz;
    }
    return lowest == UINT64_MAX ? 0 : lowest;
}

static void refine_begin(void)
{
    pit_reference_start();
    first = sample_take();
    timer_set(&refine_timer, clock_monotonic() + REFINE_NS);
}

static void refine(struct timer *t)
{
    uint64_t hz = rate_between(first, sample_take());

    (void)t;
    if (hz == 0 || !rates_agree(hz, x86_tsc_hz, 32)) {
        if (--refine_tries > 0)
            refine_begin();
        return;
    }
    x86_tsc_hz = hz;
    tsc_source.hz = hz;
    clock_source_register(&tsc_source);
}

static err_t tsc_start(struct subsystem *self)
{
    struct clock_source *source = &tsc_source;
    uint64_t hz = rate_told();

    (void)self;
    if (hz == 0) {
        source = &tsc_early;
        hz = rate_measure();
    }
    if (hz == 0) {
        log_err("the time-stamp counter does not count, or the PIT does not");
        return -ENODEV;
    }
    x86_tsc_hz = hz;
    source->hz = hz;
    clock_source_register(source);
    return service_publish_clock_source("tsc", &tsc_source, tsc_source.rating, PRIV_DRIVER);
}

static err_t tsc_late(struct subsystem *self)
{
    (void)self;
    if (tsc_source.hz == 0) {
        timer_init(&refine_timer, refine);
        refine_begin();
    }
    return 0;
}

static struct subsystem tsc_subsystem = {
    .name = "tsc",
    .privilege = PRIV_DRIVER,
    .early_init = tsc_start,
    .late_init = tsc_late,
};
REGISTER_SUBSYSTEM(tsc_subsystem);
