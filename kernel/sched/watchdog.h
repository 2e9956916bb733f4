// SPDX-License-Identifier: CC0-1.0
/* Purpose: the watchdog of CPUs that hang; see watchdog.c. */
#pragma once

#include <lib/types.h>

struct runqueue;

/* What others saw of a CPU's beats; atomic. */
struct stand {
    ns_t since, lived; /* the beats are the same since then, by the clock and by the machine's progress; 0: unseen */
    uint32_t beats;
    bool told;
};

enum stand_verdict { STAND_NOT, STAND_PERHAPS, STAND_TELL };

/* Looks at `beats` at one moment: STAND_TELL, once, when they stand still for `most` by both clocks. */
enum stand_verdict stand_look(struct stand *s, uint32_t beats, ns_t now, ns_t lived, ns_t most);

/* From the tick, interrupts off: looks whether this CPU schedules (`waits`: PENDING_RESCHED was set when the tick
 * came), and whether another still beats.  So many CPUs tick. */
void watchdog_tick(struct runqueue *rq, bool waits, ns_t now, unsigned ticking);
/* From the slow beat of the last idle CPU.  Return: does one seem to stand still?  Then look again soon. */
bool watchdog_look_at_all(struct runqueue *rq, ns_t now, unsigned ticking);
bool watchdog_on(void);
unsigned watchdog_told(void); /* hangs that were named so far */
