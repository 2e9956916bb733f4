// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: see <sched/clock_watch.h>.
 *
 * Model: each look reads the reference, the source and the reference again.  When that took long (an
 * interrupt of the host, say), it says nothing.  A counter of 64 bits that fell ran backwards; one
 * whose interval differs from the reference's by more than a part of it, twice in a row, has another
 * rate than it was measured to have.
 * Locking: the timer's callback.
 */
#define LOG_TAG "clock"
#include <sched/clock_watch.h>

#include <core/log.h>
#include <sched/timer.h>

#define LOOK_NS (NS_PER_SEC / 2)
#define BRACKET_NS (50 * NS_PER_USEC) /* a look that takes longer is made again */
#define TRIES 4
#define TOLERANCE_SHIFT 5 /* of the interval */
#define WRONG_MAX 2

static struct clock_watch watch;
static struct timer look_timer;

static ns_t counts_ns(const struct clock_source *s, uint64_t counts)
{
    uint64_t seconds = counts / s->hz;

    return seconds * NS_PER_SEC + counts % s->hz * NS_PER_SEC / s->hz;
}

/* Both counters at one moment.  Return: whether it was one. */
static bool both_read(const struct clock_watch *w, uint64_t *source, uint64_t *ref)
{
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t after;

        *ref = w->ref->read() & w->ref->mask;
        *source = w->source->read() & w->source->mask;
        after = w->ref->read() & w->ref->mask;
        if (counts_ns(w->ref, (after - *ref) & w->ref->mask) <= BRACKET_NS)
            return true;
    }
    return false;
}

static enum clock_verdict intervals_compare(struct clock_watch *w, ns_t source, ns_t ref)
{
    ns_t off = source > ref ? source - ref : ref - source;

    w->wrong = off > (source >> TOLERANCE_SHIFT) + BRACKET_NS ? w->wrong + 1 : 0;
    return w->wrong >= WRONG_MAX ? CLOCK_WRONG_RATE : CLOCK_GOOD;
}

enum clock_verdict clock_watch_look(struct clock_watch *w)
{
    uint64_t source, ref, source_was = w->source_at, ref_was = w->ref_at;
    bool started = w->started;
    ns_t passed;

    w->started = both_read(w, &source, &ref);
    w->source_at = source;
    w->ref_at = ref;
    if (!started || !w->started)
        return CLOCK_GOOD;
    if (w->source->mask == UINT64_MAX && source < source_was)
        return CLOCK_BACKWARDS;
    passed = counts_ns(w->source, (source - source_was) & w->source->mask);
    /* After so long one of the two may have come round, and nothing can be said. */
    if (passed > counts_ns(w->ref, clock_source_reach(w->ref) / 2))
        return CLOCK_GOOD;
    return intervals_compare(w, passed, counts_ns(w->ref, (ref - ref_was) & w->ref->mask));
}

static void look(struct timer *t)
{
    enum clock_verdict v = clock_watch_look(&watch);

    if (v == CLOCK_GOOD) {
        timer_set(t, clock_monotonic() + LOOK_NS);
        return;
    }
    if (clock_source_unbind(watch.source->name) != -ENODEV) /* or the clock has left it by itself */
        log_warn("source %s %s: no longer used, says %s", watch.source->name,
                 v == CLOCK_BACKWARDS ? "runs backwards" : "has changed its rate", watch.ref->name);
}

void clock_watch_start(struct clock_source *source, const struct clock_source *ref)
{
    watch = (struct clock_watch){ .source = source, .ref = ref };
    timer_init(&look_timer, look);
    timer_set(&look_timer, clock_monotonic() + LOOK_NS);
}
