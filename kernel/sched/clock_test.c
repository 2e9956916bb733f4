// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of <sched/clock.h>: from one source to another, with counters that are made up. */
#include <sched/clock.h>

#include <core/ktest.h>
#include <core/log.h>
#include <lib/string.h>
#include <sched/timer.h>

#define FAST_HZ NS_PER_SEC
#define SLOW_HZ 1000000
#define JUMP_MAX_NS (200 * NS_PER_USEC) /* what a switch may add */

static uint64_t fast_now, slow_now;

static uint64_t fast_read(void)
{
    return fast_now;
}

static uint64_t slow_read(void)
{
    return slow_now;
}

/* Each CPU has its own, as far as the clock knows; not all 64 bits, or it is taken for hal_cycles(). */
static struct clock_source fast = {
    .name = "fast", .read = fast_read, .hz = FAST_HZ, .mask = UINT64_MAX >> 1, .user_readable = true
};
static struct clock_source slow = {
    .name = "slow", .read = slow_read, .hz = SLOW_HZ, .mask = 0xffffff
};

/* The time must not have gone back, nor far ahead. */
static ns_t time_after(struct ktest *t, ns_t before)
{
    ns_t now = clock_monotonic();

    if (now < before || now - before > JUMP_MAX_NS)
        ktest_fail(t, __FILE__, __LINE__, "%lld ns between two readings", (long long)(now - before));
    return now;
}

static void select_there_and_back(struct ktest *t)
{
    ns_t now;

    now = clock_monotonic();
    KTEST_EQ(clock_source_select(fast.name), 0);
    now = clock_monotonic(); /* what the real one has counted meanwhile is its own affair */
    fast_now += NS_PER_MSEC;
    KTEST_EQ(clock_monotonic() - now, NS_PER_MSEC);
    now = clock_monotonic();
    KTEST_EQ(clock_source_select(slow.name), 0);
    now = time_after(t, now);
    slow_now += 1000;
    now = time_after(t, now + NS_PER_MSEC);
    KTEST_EQ(clock_source_select(fast.name), 0);
    now = time_after(t, now);
    fast_now -= 50; /* another CPU's counter is a little behind */
    (void)time_after(t, now - 50);
    fast_now += 50;
    KTEST_EQ(clock_source_select(slow.name), 0);
    (void)time_after(t, now);
}

KTEST(clock, no_step_between_sources)
{
    const char *real = clock_source_name();
    unsigned long flags = hal_irq_save();
    ns_t before = clock_monotonic();

    fast_now = 1000;
    slow_now = 0xffffff - 500; /* soon wraps */
    clock_source_register(&fast);
    clock_source_register(&slow);
    select_there_and_back(t);
    KTEST_EQ(clock_source_select(real), 0);
    KTEST_TRUE(clock_monotonic() >= before + 2 * NS_PER_MSEC);
    KTEST_EQ(clock_source_unbind(fast.name), 0);
    KTEST_EQ(clock_source_unbind(slow.name), 0);
    KTEST_STR_EQ(clock_source_name(), real);
    hal_irq_restore(flags);
}

KTEST(clock, sources_are_named_best_first)
{
    unsigned slow_at = 0, fast_at = 0;

    fast.rating = 1;
    clock_source_register(&slow);
    clock_source_register(&fast);
    for (unsigned i = 0; clock_source_nth(i) != NULL; i++) {
        fast_at = clock_source_nth(i) == fast.name ? i : fast_at;
        slow_at = clock_source_nth(i) == slow.name ? i : slow_at;
    }
    KTEST_TRUE(fast_at < slow_at);
    KTEST_EQ(clock_source_unbind(fast.name), 0);
    KTEST_EQ(clock_source_unbind(slow.name), 0);
    fast.rating = 0;
}

/* In use, after a tick.  Interrupts off. */
static void source_begin(struct ktest *t, struct clock_source *s)
{
    clock_source_register(s);
    KTEST_EQ(clock_source_select(s->name), 0);
    clock_tick();
    KTEST_STR_EQ(clock_source_name(), s->name);
}

/* Another one (a PC may find a better meanwhile) has taken over, with a line, and the time has gone on by a few ticks at most. */
static void source_was_left(struct ktest *t, struct clock_source *s, ns_t before, const char *line,
                            uint64_t since)
{
    ns_t now = clock_monotonic();

    KTEST_TRUE(strcmp(clock_source_name(), s->name) != 0);
    KTEST_TRUE(now >= before && now - before < NS_PER_SEC);
    KTEST_TRUE(ktest_logged(since, "clock", line));
    KTEST_EQ(clock_source_unbind(s->name), -ENODEV);
}

KTEST(clock, source_that_runs_backwards)
{
    unsigned long flags = hal_irq_save();
    uint64_t since = log_next_seq();
    ns_t before;

    fast_now = 1ull << 40;
    source_begin(t, &fast);
    before = clock_monotonic();
    fast_now -= 50; /* another CPU's */
    clock_tick();
    KTEST_STR_EQ(clock_source_name(), fast.name);
    fast_now -= NS_PER_MSEC;
    clock_tick();
    source_was_left(t, &fast, before, "source fast runs backwards: no longer used", since);
    slow_now = 100;
    source_begin(t, &slow);
    before = clock_monotonic();
    slow_now = 0xffffff; /* 16 seconds ahead, or one back */
    KTEST_TRUE(clock_monotonic() - before > 10 * NS_PER_SEC);
    KTEST_TRUE(clock_doubt(false) - before < NS_PER_SEC);
    source_was_left(t, &slow, before, "source slow runs backwards: no longer used", since);
    hal_irq_restore(flags);
}

KTEST(clock, source_that_comes_round)
{
    unsigned long flags = hal_irq_save();
    ns_t before;

    slow_now = 0xffffff - 500;
    source_begin(t, &slow);
    before = clock_monotonic();
    slow_now = 499;
    clock_tick();
    KTEST_EQ(clock_doubt(false) - before, 1000 * NS_PER_USEC);
    KTEST_STR_EQ(clock_source_name(), slow.name);
    KTEST_EQ(clock_source_unbind(slow.name), 0);
    hal_irq_restore(flags);
}

KTEST(clock, source_that_stands_still)
{
    unsigned long flags = hal_irq_save();
    uint64_t since = log_next_seq();
    ns_t before;

    source_begin(t, &slow);
    before = clock_monotonic();
    KTEST_EQ(clock_doubt(false), before);
    KTEST_STR_EQ(clock_source_name(), slow.name);
    for (unsigned i = 0; i < 1000 && strcmp(clock_source_name(), slow.name) == 0; i++)
        timer_interrupt();
    source_was_left(t, &slow, before, "source slow stands still: no longer used", since);
    hal_irq_restore(flags);
}
