// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: between Linux's time structures and nanoseconds.  Times too far away saturate: they are
 * as good as never.
 */
#pragma once

#include <hal/usercopy.h>
#include <lib/types.h>

#include <linux/time_types.h>

#define NS_MAX ((int64_t)INT64_MAX)

/* A time or a duration of a program.  Return: 0, -EINVAL (negative, or no valid fraction). */
static inline err_t __must_check timespec_to_ns(const struct __kernel_timespec *ts, int64_t *ns)
{
    if (ts->tv_sec < 0 || (uint64_t)ts->tv_nsec >= NS_PER_SEC)
        return -EINVAL;
    if (ts->tv_sec >= NS_MAX / (int64_t)NS_PER_SEC)
        *ns = NS_MAX;
    else
        *ns = ts->tv_sec * (int64_t)NS_PER_SEC + ts->tv_nsec;
    return 0;
}

/* Rounds down, also before 1970. */
static inline struct __kernel_timespec timespec_from_ns(int64_t ns)
{
    struct __kernel_timespec ts;

    ts.tv_sec = ns / (int64_t)NS_PER_SEC;
    ts.tv_nsec = ns % (int64_t)NS_PER_SEC;
    if (unlikely(ts.tv_nsec < 0)) {
        ts.tv_nsec += (int64_t)NS_PER_SEC;
        ts.tv_sec--;
    }
    return ts;
}

static inline err_t __must_check timeval_to_ns(const struct __kernel_old_timeval *tv, int64_t *ns)
{
    struct __kernel_timespec ts = { .tv_sec = tv->tv_sec, .tv_nsec = 0 };

    if ((unsigned long)tv->tv_usec >= 1000000)
        return -EINVAL;
    ts.tv_nsec = tv->tv_usec * 1000;
    return timespec_to_ns(&ts, ns);
}

static inline struct __kernel_old_timeval timeval_from_ns(int64_t ns)
{
    struct __kernel_timespec ts = timespec_from_ns(ns);

    return (struct __kernel_old_timeval){ .tv_sec = (__kernel_long_t)ts.tv_sec,
                                          .tv_usec = (__kernel_long_t)(ts.tv_nsec / 1000) };
}

/* Return: 0, -EFAULT, -EINVAL. */
static inline err_t __must_check timespec_read(const struct __kernel_timespec __user *user,
                                               int64_t *ns)
{
    struct __kernel_timespec ts;
    err_t err = copy_from_user(&ts, user, sizeof ts);

    return err ? err : timespec_to_ns(&ts, ns);
}

static inline err_t __must_check timespec_write(struct __kernel_timespec __user *user, int64_t ns)
{
    struct __kernel_timespec ts = timespec_from_ns(ns);

    return copy_to_user(user, &ts, sizeof ts);
}

/* base + ns without wrapping; NS_NEVER when it is out of reach. */
static inline ns_t deadline_after(ns_t base, int64_t ns)
{
    return ns >= NS_MAX - (int64_t)base ? NS_NEVER : base + (ns_t)ns;
}
