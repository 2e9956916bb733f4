// SPDX-License-Identifier: CC0-1.0
/* Purpose: times between Linux's structures and nanoseconds, the odd ones above all. */
#include <abi/time.h>
#include <abi/time_convert.h>
#include <core/ktest.h>
#include <sched/clock.h>

#include <linux/time.h>

static err_t convert(int64_t sec, int64_t nsec, int64_t *ns)
{
    struct __kernel_timespec ts = { .tv_sec = sec, .tv_nsec = nsec };

    return timespec_to_ns(&ts, ns);
}

KTEST(time, timespec_to_ns)
{
    int64_t ns = -1;

    KTEST_EQ(convert(1, 5, &ns), 0);
    KTEST_EQ(ns, NS_PER_SEC + 5);
    KTEST_EQ(convert(0, NS_PER_SEC - 1, &ns), 0);
    KTEST_EQ(convert(0, NS_PER_SEC, &ns), -EINVAL);
    KTEST_EQ(convert(0, -1, &ns), -EINVAL);
    KTEST_EQ(convert(-1, 0, &ns), -EINVAL);
    KTEST_EQ(convert(INT64_MAX, 0, &ns), 0);
    KTEST_EQ(ns, INT64_MAX);
    KTEST_EQ(convert(INT64_MAX / (int64_t)NS_PER_SEC, NS_PER_SEC - 1, &ns), 0);
    KTEST_EQ(ns, INT64_MAX);
}

KTEST(time, before_1970)
{
    struct __kernel_timespec ts = timespec_from_ns(-1);

    KTEST_EQ(ts.tv_sec, -1);
    KTEST_EQ(ts.tv_nsec, NS_PER_SEC - 1);
    ts = timespec_from_ns(-(int64_t)NS_PER_SEC);
    KTEST_EQ(ts.tv_sec, -1);
    KTEST_EQ(ts.tv_nsec, 0);
}

KTEST(time, timeval)
{
    struct __kernel_old_timeval tv = { .tv_sec = 2, .tv_usec = 999999 };
    int64_t ns = 0;

    KTEST_EQ(timeval_to_ns(&tv, &ns), 0);
    KTEST_EQ(ns, 2999999000);
    KTEST_EQ(timeval_from_ns(ns).tv_usec, 999999);
    tv.tv_usec = 1000000;
    KTEST_EQ(timeval_to_ns(&tv, &ns), -EINVAL);
    tv.tv_usec = -1;
    KTEST_EQ(timeval_to_ns(&tv, &ns), -EINVAL);
}

KTEST(time, deadlines_saturate)
{
    KTEST_EQ(deadline_after(10, 5), 15);
    KTEST_TRUE(deadline_after(10, INT64_MAX) == NS_NEVER);
    KTEST_TRUE(deadline_after(10, INT64_MAX - 10) == NS_NEVER);
    KTEST_EQ(deadline_after(10, INT64_MAX - 11), INT64_MAX - 1);
}

KTEST(time, clocks)
{
    int64_t ns;

    for (int clock = CLOCK_REALTIME; clock <= CLOCK_BOOTTIME; clock++)
        if (clock != CLOCK_PROCESS_CPUTIME_ID && clock != CLOCK_THREAD_CPUTIME_ID)
            KTEST_EQ(abi_clock_read(clock, &ns), 0);
    KTEST_EQ(abi_clock_read(CLOCK_TAI, &ns), 0);
    KTEST_EQ(abi_clock_read(CLOCK_SGI_CYCLE, &ns), -EINVAL);
    KTEST_EQ(abi_clock_read(99, &ns), -EINVAL);
    KTEST_EQ(abi_clock_read(~0 << 3 | 3, &ns), -EINVAL); /* of a descriptor */
}
