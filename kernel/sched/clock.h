// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: time: clock sources, event devices, and the clocks that are made of them.
 *
 * Model: drivers register sources and devices with a rating; the best wins.  CLOCK_MONOTONIC =
 * base + (cycles - base_cycles) * mult >> shift under a sequence counter; the same record goes to
 * the vDSO.  CLOCK_REALTIME = monotonic + offset.
 */
#pragma once

#include <hal/cpu.h>
#include <lib/atomic.h>
#include <lib/list.h>
#include <lib/types.h>

struct clock_source {
    const char *name;
    unsigned rating; /* the highest wins */
    uint64_t (*read)(void);
    uint64_t hz;
    uint64_t mask; /* of valid bits */
    uint64_t reach; /* counts that read() may let pass between two calls; 0: the mask */
    bool user_readable; /* it is hal_cycles(), and the vDSO may read it itself (TSC, CNTVCT) */
    struct list link;
};

/* Counts after which an interval can no longer be told. */
static inline uint64_t clock_source_reach(const struct clock_source *s)
{
    return s->reach ? s->reach : s->mask;
}

struct clock_event {
    const char *name;
    unsigned rating;
    /* Interrupt (-> timer_interrupt()) at about `deadline`; NS_NEVER: none wanted.  Interrupts off.
     * A device with a limited range fires early; the queue then asks again. */
    void (*set_deadline)(struct clock_event *dev, ns_t now, ns_t deadline);
    /* Makes its interrupt come, before set_deadline is called for the first time.  NULL: it does.  Thread. */
    err_t (*begin)(struct clock_event *dev);
    bool per_cpu; /* each CPU has its own, set_deadline is about the caller's: a must with several */
    /* Starts the calling CPU's own.  NULL: needs nothing.  Interrupts off, on each further CPU. */
    void (*start_cpu)(struct clock_event *dev);
    struct list link;
};

struct wall_clock { /* an RTC */
    const char *name;
    unsigned rating;
    err_t (*read)(int64_t *seconds); /* since 1970 UTC */
};

/* No event device ticks: interrupts, switches and the idle CPU look what is due.  Constant after boot. */
extern bool clock_polled;

void clock_source_register(struct clock_source *s);
void clock_event_register(struct clock_event *e);
void clock_wall_register(const struct wall_clock *w);
/* Forgets it; the clock goes on as it was set. */
void clock_wall_unregister(const struct wall_clock *w);
const char *clock_source_name(void);
/* Name of the n-th source, the best first; NULL: there are fewer. */
const char *clock_source_nth(unsigned n);
/* When all have registered: logs it if clocksource= names none of them. */
void clock_source_check_wanted(void);
/* Makes that source the one in use; a better one that registers later still wins.  0, -EINVAL. */
err_t clock_source_select(const char *name);
/* Forgets a source; the best of the others takes over.  0, -ENODEV, -EBUSY (it is the only one). */
err_t clock_source_unbind(const char *name);
struct clock_event *clock_event_current(void);
/* Asks the device in use for an interrupt, and leaves out one that raises none, with a log line.
 * Context: the boot CPU alone, interrupts off (on meanwhile), before threads start. */
void clock_events_check(void);

/* The clock's present numbers; for clock_monotonic() and clock.c alone. */
struct clock_state {
    uint32_t seq; /* CLOCK_*; atomic */
    uint32_t mult, shift;
    uint64_t base; /* counter */
    ns_t mono; /* at base */
};
/* Bits of seq, which otherwise counts in steps. */
enum {
    CLOCK_WRITING = 1u << 0,
    CLOCK_DIRECT = 1u << 1, /* the source is hal_cycles() with all its bits */
    CLOCK_STEP = 1u << 2,
};
extern struct clock_state clock_state;
ns_t clock_monotonic_slow(void);

/* Any context; 0 before the first source. */
static inline ns_t clock_monotonic(void)
{
    const struct clock_state *c = &clock_state;
    uint32_t seq;
    ns_t ns;

    do {
        seq = atomic_load(&c->seq) & ~(uint32_t)CLOCK_WRITING;
        if (unlikely(!(seq & CLOCK_DIRECT)))
            return clock_monotonic_slow();
        ns = c->mono + ((hal_cycles() - c->base) * c->mult >> c->shift);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (unlikely(atomic_load_relaxed(&c->seq) != seq));
    return ns;
}
int64_t clock_realtime(void); /* ns since 1970 */
int64_t clock_realtime_offset(void); /* realtime - monotonic, ns */
void clock_realtime_set(int64_t ns);
ns_t clock_monotonic_coarse(void); /* of the last tick, as the vDSO's *_COARSE clocks */
/* Counts the settings of the real-time clock; and who wants to know of them (any context). */
unsigned clock_set_count(void);
struct clock_set_hook {
    void (*fn)(void);
    struct clock_set_hook *next;
};
void clock_set_hook_add(struct clock_set_hook *h);
/* From the tick: moves the base on, and tells the vDSO. */
void clock_tick(void);
/*
 * For the timer interrupt, which found the time the same as many times before (`stands`), or less than before, or
 * far ahead: a source that stands still or ran backwards is left for the next best, with one line.
 * Return: the time.  Context: any.
 */
ns_t clock_doubt(bool stands);
/* For how long the present source can do without, before its counter may come round. */
ns_t clock_tick_horizon(void);
/* As a CLOCK_MONOTONIC deadline; saturates, and 0 when it lies before boot. */
ns_t clock_realtime_to_monotonic(int64_t ns);
