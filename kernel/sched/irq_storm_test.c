// SPDX-License-Identifier: CC0-1.0
/* Purpose: an interrupt that never stops is told from a device that is busy. */
#include <sched/irq_storm.h>

#include <core/ktest.h>

#define FAST_NS (10 * NS_PER_MSEC) /* from look to look: 100,000 interrupts in a second */

/* How many looks, each so much later and with so much progress, it takes; 0: more than 1000. */
static unsigned looks_until(unsigned line, unsigned other, uint64_t progress, ns_t step)
{
    struct irq_storm s = { 0 };
    uint64_t sum = 5;
    ns_t now = NS_PER_SEC;

    for (unsigned i = 1; i <= 1000; i++) {
        now += step;
        sum += progress;
        if (irq_storm_look(&s, i & 1 ? line : other, sum, now))
            return i;
    }
    return 0;
}

KTEST(irq_storm, nothing_else_runs)
{
    KTEST_EQ(looks_until(40, 40, 0, FAST_NS), IRQ_STORM_LOOKS + 1);
    KTEST_EQ(looks_until(40, 40, IRQ_STORM_PROGRESS - 1, FAST_NS), IRQ_STORM_LOOKS + 1);
    KTEST_EQ(looks_until(40, 40, 0, NS_PER_MSEC), 101); /* for a tenth of a second */
    KTEST_TRUE(looks_until(40, 41, 0, FAST_NS) != 0); /* two at once: one of them */
}

KTEST(irq_storm, busy_devices)
{
    KTEST_EQ(looks_until(40, 40, IRQ_LOOK, FAST_NS), 0); /* each wakes a thread */
    KTEST_EQ(looks_until(40, 40, IRQ_STORM_PROGRESS, FAST_NS), 0);
    KTEST_EQ(looks_until(40, 40, 0, IRQ_STORM_LOOK_NS), 0); /* a program computes meanwhile */
}
