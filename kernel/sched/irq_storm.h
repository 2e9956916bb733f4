// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: an interrupt that never stops, though its device takes it each time, is held off for a while.
 */
#pragma once

#include <core/irq.h>
#include <lib/types.h>

/* The line that a CPU suspects; own CPU, interrupts off. */
struct irq_storm {
    uint64_t progress; /* at the last look */
    ns_t at, since; /* the last look; the first of those in a row that saw nothing else run */
    unsigned irq;
    unsigned looks; /* in a row */
};

#define IRQ_STORM_LOOKS 16u
#define IRQ_STORM_PROGRESS (IRQ_LOOK / 64u) /* what the tick of a CPU that gets no further makes */
#define IRQ_STORM_LOOK_NS (IRQ_LOOK * 50 * NS_PER_USEC) /* slower ones leave time for the rest */
#define IRQ_STORM_NS (100 * NS_PER_MSEC)

/*
 * IRQ_LOOK more interrupts of a line came to this CPU, which has switched threads, gone round its idle loop and
 * taken timer interrupts `progress` times up to now.  Return: whether the line leaves room for nothing else.
 */
bool irq_storm_look(struct irq_storm *s, unsigned irq, uint64_t progress, ns_t now);
/* For irq_look_set(): looks at the calling CPU, and masks the line when it must be. */
void irq_storm_look_cpu(unsigned irq);
/* Is the line held off at present?  Any context. */
bool irq_storm_holds(unsigned irq);
