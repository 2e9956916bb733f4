// SPDX-License-Identifier: CC0-1.0
/* Purpose: the watchdog of CPUs that hang; see watchdog.c. */
#pragma once

#include <lib/types.h>

struct runqueue;

/* From the tick, interrupts off: looks whether another CPU still beats. */
void watchdog_look(struct runqueue *rq, ns_t now);
/* From the slow beat of the last idle CPU. */
void watchdog_look_at_all(struct runqueue *rq, ns_t now);
/* From the tick: `waits`: PENDING_RESCHED was set when it came. */
void watchdog_own(struct runqueue *rq, bool waits, ns_t now);
bool watchdog_on(void);
unsigned watchdog_told(void); /* hangs that were named so far */
