// SPDX-License-Identifier: CC0-1.0
/* Purpose: struct timespec <-> nanoseconds. */
#pragma once

#include <lib/checked.h>
#include <lib/types.h>
#include <sched/clock.h>

#include <linux/time_types.h>

static inline bool timespec_valid(const struct __kernel_timespec *ts)
{
    return ts->tv_sec >= 0 && (uint64_t)ts->tv_nsec < NS_PER_SEC;
}

/* Nanoseconds of a valid one; NS_NEVER - 1 when it is longer than that. */
static inline ns_t timespec_ns(const struct __kernel_timespec *ts)
{
    ns_t ns;

    if (mul_overflow((uint64_t)ts->tv_sec, NS_PER_SEC, &ns) ||
        add_overflow(ns, (uint64_t)ts->tv_nsec, &ns))
        return NS_NEVER - 1;
    return ns;
}

/* Monotonic deadline after that time. */
static inline ns_t timespec_deadline(const struct __kernel_timespec *ts)
{
    ns_t deadline;

    return add_overflow(clock_monotonic(), timespec_ns(ts), &deadline) ? NS_NEVER - 1 : deadline;
}
