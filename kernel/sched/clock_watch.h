// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a clock source that may go wrong is compared with another one, and left when it does.
 */
#pragma once

#include <sched/clock.h>

struct clock_watch {
    struct clock_source *source;
    const struct clock_source *ref;
    uint64_t source_at, ref_at; /* counters at the last look */
    bool started; /* they are valid */
    unsigned wrong; /* looks in a row with a wrong rate */
};

enum clock_verdict { CLOCK_GOOD, CLOCK_BACKWARDS, CLOCK_WRONG_RATE };

/* One look.  Any context; one at a time for each watch. */
enum clock_verdict clock_watch_look(struct clock_watch *w);
/* Looks twice a second from now on, until the source is found wrong: then it is unbound, with one
 * log line.  Once: there is one watch.  Context: interrupts may be off. */
void clock_watch_start(struct clock_source *source, const struct clock_source *ref);
