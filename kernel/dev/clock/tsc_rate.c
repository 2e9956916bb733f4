// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: how fast the time-stamp counter counts (SDM vol. 3, 19.7.3).
 *
 * Model: the CPU tells it (CPUID 0x15, or 0x16 where that leaves out the crystal's rate), or a
 * hypervisor does (leaf 0x40000010), or it is measured against another clock: quickly at boot, which
 * is good to about a thousandth, and longer while the rest starts.
 * A hypervisor may take the CPU away for so long that the other clock wraps, which looks like a rate
 * many times too high.  So each measurement must agree with another one: the two halves of the first
 * with each other, the longer one with the first.  Else it is made again.
 * Locking: boot, then one timer callback.
 */
#include <dev/clock/tsc.h>

#include <arch/msr.h>
#include <hal/cpu.h>
#include <hal/io.h>

#define HALF_PER_SEC 2000 /* half a quick measurement */
#define QUICK_TRIES 64
#define SAMPLES 4
#define GIVE_UP_CYCLES (1ull << 33)
#define LEAF_TSC 0x15
#define LEAF_FREQUENCY 0x16
#define LEAF_HYPERVISOR 0x40000000u
#define LEAF_HYPERVISOR_TSC 0x40000010u
#define LEAF1_ECX_HYPERVISOR (1u << 31)

#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71
#define CMOS_SECONDS 0x00
#define CMOS_ABSENT 0xff

struct sample {
    uint64_t tsc, counts;
};

static const struct clock_source *long_ref; /* of the longer measurement */
static struct sample long_first;

static uint64_t told_by_cpu(void)
{
    uint32_t leaves = cpuid(0, 0).eax;
    struct cpuid c;

    if (leaves < LEAF_TSC)
        return 0;
    c = cpuid(LEAF_TSC, 0); /* TSC / crystal = ebx / eax, crystal = ecx Hz */
    if (c.eax == 0 || c.ebx == 0)
        return 0;
    if (c.ecx != 0)
        return (uint64_t)c.ecx * c.ebx / c.eax;
    return leaves >= LEAF_FREQUENCY ? (cpuid(LEAF_FREQUENCY, 0).eax & 0xffff) * 1000000ull : 0;
}

uint64_t tsc_rate_told(void)
{
    uint64_t hz = told_by_cpu();
    uint32_t leaves;

    if (hz != 0 || !(cpuid(1, 0).ecx & LEAF1_ECX_HYPERVISOR))
        return hz;
    leaves = cpuid(LEAF_HYPERVISOR, 0).eax;
    if (leaves < LEAF_HYPERVISOR_TSC || leaves > LEAF_HYPERVISOR + 0xffff)
        return 0;
    return cpuid(LEAF_HYPERVISOR_TSC, 0).eax * 1000ull;
}

/* Both clocks at one moment: the closest of a few attempts. */
static struct sample sample_take(const struct clock_source *ref)
{
    struct sample best = { 0 };
    uint64_t shortest = UINT64_MAX;

    for (int i = 0; i < SAMPLES; i++) {
        uint64_t before = hal_cycles();
        uint64_t counts = ref->read();
        uint64_t after = hal_cycles();

        if (after - before < shortest) {
            shortest = after - before;
            best = (struct sample){ before + (after - before) / 2, counts };
        }
    }
    return best;
}

static uint64_t rate_between(const struct clock_source *ref, struct sample a, struct sample b)
{
    uint64_t counts = (b.counts - a.counts) & ref->mask;

    if (counts == 0 || b.tsc <= a.tsc || b.tsc - a.tsc > UINT64_MAX / ref->hz)
        return 0;
    return (b.tsc - a.tsc) * ref->hz / counts;
}

/* Whether two rates differ by less than one part in `part`. */
static bool rates_agree(uint64_t a, uint64_t b, uint64_t part)
{
    return (a > b ? a - b : b - a) < a / part;
}

/* Waits for half a quick measurement; false: the clock stands still. */
static bool half_wait(const struct clock_source *ref, uint64_t from)
{
    uint64_t give_up = hal_cycles() + GIVE_UP_CYCLES;

    while (((ref->read() - from) & ref->mask) < ref->hz / HALF_PER_SEC)
        if (hal_cycles() > give_up)
            return false;
    return true;
}

uint64_t tsc_rate_measure(const struct clock_source *ref)
{
    uint64_t lowest = UINT64_MAX; /* what goes wrong makes it higher */

    for (int i = 0; i < QUICK_TRIES; i++) {
        struct sample first = sample_take(ref), middle, last;
        uint64_t hz;

        if (!half_wait(ref, first.counts))
            return 0;
        middle = sample_take(ref);
        if (!half_wait(ref, middle.counts))
            return 0;
        last = sample_take(ref);
        hz = rate_between(ref, first, last);
        if (hz != 0 &&
            rates_agree(rate_between(ref, first, middle), rate_between(ref, middle, last), 8))
            return hz;
        if (hz != 0 && hz < lowest)
            lowest = hz;
    }
    return lowest == UINT64_MAX ? 0 : lowest;
}

void tsc_rate_begin(const struct clock_source *ref)
{
    long_ref = ref;
    long_first = sample_take(ref);
}

uint64_t tsc_rate_end(uint64_t about)
{
    uint64_t hz = rate_between(long_ref, long_first, sample_take(long_ref));

    return hz != 0 && rates_agree(hz, about, 32) ? hz : 0;
}

/* --- where there is nothing better ------------------------------------------------------------- */

static uint8_t cmos_second(void)
{
    port_write8(CMOS_INDEX, CMOS_SECONDS);
    return port_read8(CMOS_DATA);
}

/* The counter when the second changes; 0: it does not. */
static uint64_t second_await(void)
{
    uint64_t give_up = hal_cycles() + 4 * GIVE_UP_CYCLES;
    uint8_t second = cmos_second();

    while (cmos_second() == second)
        if (second == CMOS_ABSENT || hal_cycles() > give_up)
            return 0;
    return hal_cycles();
}

uint64_t tsc_rate_by_rtc(void)
{
    uint64_t first = second_await(), second = first ? second_await() : 0;

    return second > first ? second - first : 0;
}
