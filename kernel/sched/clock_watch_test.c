// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of <sched/clock_watch.h> with counters that are made up. */
#include <sched/clock_watch.h>

#include <core/ktest.h>

static uint64_t source_now, ref_now, ref_step; /* the reference moves on with each reading */

static uint64_t source_read(void)
{
    return source_now;
}

static uint64_t other_read(void)
{
    uint64_t v = ref_now;

    ref_now += ref_step;
    return v;
}

static struct clock_source source = {
    .name = "fast", .read = source_read, .hz = 2000000000, .mask = UINT64_MAX
};
static const struct clock_source ref = {
    .name = "slow", .read = other_read, .hz = 1000000, .mask = (1 << 24) - 1
};

/* A look after the reference has gone on by us, and the source by `cycles`. */
static enum clock_verdict look_after(struct clock_watch *w, uint64_t us, uint64_t cycles)
{
    ref_now += us;
    source_now += cycles;
    return clock_watch_look(w);
}

static struct clock_watch watch_begin(void)
{
    struct clock_watch w = { .source = &source, .ref = &ref };

    ref_step = 0;
    ref_now = (1 << 24) - 1000; /* soon wraps */
    source_now = 1ull << 40;
    (void)clock_watch_look(&w);
    return w;
}

KTEST(clock_watch, good)
{
    struct clock_watch w = watch_begin();

    for (unsigned i = 0; i < 100; i++)
        KTEST_EQ(look_after(&w, 500000, 1000000000 + 1000 * i), CLOCK_GOOD);
}

KTEST(clock_watch, backwards)
{
    struct clock_watch w = watch_begin();

    KTEST_EQ(look_after(&w, 500000, 1000000000), CLOCK_GOOD);
    KTEST_EQ(look_after(&w, 500000, -5ull), CLOCK_BACKWARDS);
}

KTEST(clock_watch, other_rate)
{
    struct clock_watch w = watch_begin();

    KTEST_EQ(look_after(&w, 500000, 1100000000), CLOCK_GOOD); /* once may be chance */
    KTEST_EQ(look_after(&w, 500000, 1000000000), CLOCK_GOOD);
    KTEST_EQ(look_after(&w, 500000, 900000000), CLOCK_GOOD);
    KTEST_EQ(look_after(&w, 500000, 900000000), CLOCK_WRONG_RATE);
}

/* A slow look, and one after the reference came round, prove nothing. */
KTEST(clock_watch, says_nothing)
{
    struct clock_watch w = watch_begin();

    ref_step = 1000;
    KTEST_EQ(look_after(&w, 500000, 5), CLOCK_GOOD);
    ref_step = 0;
    KTEST_EQ(look_after(&w, 500000, 5), CLOCK_GOOD);
    KTEST_EQ(look_after(&w, 20000000, 40000000000), CLOCK_GOOD);
    KTEST_EQ(look_after(&w, 20000000, 40000000000), CLOCK_GOOD);
    KTEST_EQ(w.wrong, 0);
}
