// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: do the CPUs' time-stamp counters agree?
 *
 * Model: the caller reads its own, calls another CPU that reads its, and reads its own again: a
 * reading that does not lie between the two proves that the counters differ (after F. Cristian,
 * "Probabilistic clock synchronization", 1989).  What the duration of a call hides is less than the
 * margin by which the clock's base lies in the past (sched/clock.c).
 * A counter that firmware has set off by IA32_TSC_ADJUST gets the caller's offset first (SDM vol. 3,
 * 17.17.3).
 * Locking: interrupts off during each round, so that the caller stays on its CPU.
 */
#include <dev/clock/tsc.h>

#include <arch/msr.h>
#include <core/smp.h>
#include <hal/cpu.h>

#define ROUNDS 4
#define LEAF7_EBX_ADJUST (1u << 1)

struct reading {
    bool adjust; /* there is such a register */
    uint64_t offset; /* wanted */
    uint64_t tsc;
};

/* Neither before what comes before, nor after what comes after (SDM vol. 2, RDTSC). */
static uint64_t cycles_ordered(void)
{
    uint64_t now;

    __asm__ volatile("mfence; lfence" : : : "memory");
    now = hal_cycles();
    __asm__ volatile("lfence" : : : "memory");
    return now;
}

static void read_here(void *arg)
{
    struct reading *r = arg;

    if (r->adjust && msr_read(MSR_TSC_ADJUST) != r->offset)
        msr_write(MSR_TSC_ADJUST, r->offset);
    r->tsc = cycles_ordered();
}

/* By how much the reading lies outside. */
static uint64_t outside(uint64_t before, uint64_t reading, uint64_t after)
{
    if (reading < before)
        return before - reading;
    return reading > after ? reading - after : 0;
}

static uint64_t check_one(unsigned id, struct reading *r)
{
    struct cpu_set set = { { 0 } };
    uint64_t worst = 0;

    bitmap_set(set.bits, id);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned long flags = hal_irq_save();
        uint64_t before = cycles_ordered();

        smp_call(&set, read_here, r);
        worst = MAX(worst, outside(before, r->tsc, cycles_ordered()));
        hal_irq_restore(flags);
    }
    return worst;
}

uint64_t tsc_sync_check(void)
{
    struct reading r = { .adjust = false };
    uint64_t worst = 0;

    if (cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ebx & LEAF7_EBX_ADJUST)) {
        r.adjust = true;
        r.offset = msr_read(MSR_TSC_ADJUST);
    }
    for (unsigned id = 0; id < cpu_count; id++)
        if (id != cpu_current()->id && cpu_online(id))
            worst = MAX(worst, check_one(id, &r));
    return worst;
}
