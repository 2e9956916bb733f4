// SPDX-License-Identifier: CC0-1.0
/* Purpose: an interrupt that never stops is held off and tried again; on machines, whose clock goes on meanwhile. */
#include <sched/irq_storm.h>

#include <core/ktest.h>
#include <core/log.h>
#include <hal/cpu.h>
#include <sched/clock.h>
#include <sched/timer.h>

#define LINE 12 /* nobody's on any machine but a PC's, and there a mouse's */
#define STORM_MAX 20000000u

static void on_interrupt(unsigned irq, void *arg)
{
    (void)irq;
    ++*(unsigned *)arg;
}

static bool storm_until_held(void)
{
    unsigned long flags = hal_irq_save();

    for (unsigned i = 0; i < STORM_MAX && !irq_storm_holds(LINE); i++)
        irq_handle(LINE);
    hal_irq_restore(flags);
    return irq_storm_holds(LINE);
}

KTEST(irq_storm, held_off_and_tried_again)
{
    uint64_t since = log_next_seq();
    unsigned calls = 0;
    ns_t end;

    if (irq_chip() == NULL || clock_event_current() == NULL)
        return;
    KTEST_EQ(irq_register(LINE, "storm", on_interrupt, &calls), 0);
    KTEST_TRUE(storm_until_held());
    KTEST_TRUE(calls > IRQ_STORM_LOOKS * IRQ_LOOK);
    KTEST_TRUE(ktest_logged(since, "irq", "line 12 ("));
    end = clock_monotonic() + 10 * NS_PER_SEC;
    while (irq_storm_holds(LINE) && clock_monotonic() < end)
        KTEST_EQ(sleep_until(clock_monotonic() + 20 * NS_PER_MSEC, false), 0);
    KTEST_TRUE(!irq_storm_holds(LINE));
    irq_unregister(LINE, on_interrupt, &calls);
}
