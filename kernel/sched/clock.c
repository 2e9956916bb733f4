// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the clocks, made of the best source, event device and wall clock that were registered.
 *
 * Model: monotonic = mono + ((counter - base) & mask) * mult >> shift, in 64 bits.  mult stays below
 * 2^28 (an error of at most 4 ns each second), so that the product has room for minutes; long before
 * that the tick moves the base on.  The vDSO computes the same from the same numbers.
 * Locking: readers retry under the sequence counter (odd while it changes) and never block; writers
 * hold LOCK_TIMER with interrupts off.
 */
#define LOG_TAG "clock"
#include <sched/clock.h>

#include <core/log.h>
#include <core/spinlock.h>
#include <hal/cpu.h>
#include <hal/vdso.h>
#include <sched/timer.h>

#define MULT_BITS 28

static struct spinlock lock = SPINLOCK_INIT(LOCK_TIMER);
static uint32_t seq; /* atomic */
static struct {
    const struct clock_source *source; /* NULL: the clock stands at 0 */
    uint64_t (*read)(void);
    uint64_t base, mask;
    uint32_t mult, shift;
    ns_t mono; /* at base */
    ns_t coarse; /* at the last tick */
    uint64_t rebase_after; /* counts */
    int64_t real_offset; /* realtime - monotonic */
} now; /* lock, seq */

static struct list sources = LIST_INIT(sources); /* lock */
static struct list events = LIST_INIT(events); /* lock */
static struct clock_event *event; /* atomic; written under lock */
static const struct wall_clock *wall; /* lock */
static unsigned set_count; /* atomic */
static struct clock_set_hook *set_hooks; /* atomic; only grows */

static ns_t to_ns(uint64_t counts)
{
    return counts * now.mult >> now.shift;
}

__hot ns_t clock_monotonic(void)
{
    uint32_t s;
    ns_t ns;

    do {
        s = atomic_load(&seq) & ~1u;
        if (unlikely(!now.read))
            return 0;
        ns = now.mono + to_ns((now.read() - now.base) & now.mask);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (unlikely(atomic_load_relaxed(&seq) != s));
    return ns;
}

int64_t clock_realtime_offset(void)
{
    return atomic_load_relaxed(&now.real_offset);
}

int64_t clock_realtime(void)
{
    return (int64_t)clock_monotonic() + clock_realtime_offset();
}

ns_t clock_monotonic_coarse(void)
{
    return atomic_load_relaxed(&now.coarse);
}

unsigned clock_set_count(void)
{
    return atomic_load(&set_count);
}

ns_t clock_realtime_to_monotonic(int64_t ns)
{
    int64_t mono;

    if (__builtin_sub_overflow(ns, clock_realtime_offset(), &mono))
        return NS_NEVER - 1;
    return mono < 0 ? 0 : (ns_t)mono;
}

static unsigned long write_begin(void)
{
    unsigned long flags = spin_lock_irqsave(&lock);

    atomic_store_relaxed(&seq, seq + 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return flags;
}

static void publish(void)
{
    bool readable = now.source && now.source->user_readable;
    struct vdso_data d = {
        .mode = readable,
        .base_cycles = now.base,
        .mult = now.mult,
        .shift = now.shift,
        .mono_ns = now.mono,
        .real_offset_ns = (uint64_t)now.real_offset,
        .boot_offset_ns = 0,
        .coarse_ns = now.coarse,
    };

    vdso_update(&d);
}

static void write_end(unsigned long flags)
{
    publish();
    atomic_store(&seq, seq + 1);
    spin_unlock_irqrestore(&lock, flags);
}

/* Moves the base to the present.  Inside write_begin. */
static void rebase(void)
{
    uint64_t counts;

    if (!now.source)
        return;
    counts = (now.read() - now.base) & now.mask;
    now.mono += to_ns(counts);
    now.base = (now.base + counts) & now.mask;
    now.coarse = now.mono;
}

static void use_source(const struct clock_source *s)
{
    uint64_t counts;

    for (now.shift = 32; now.shift > 0; now.shift--) {
        uint64_t mult = ((NS_PER_SEC << now.shift) + s->hz / 2) / s->hz;

        now.mult = (uint32_t)mult;
        if (mult < BIT(MULT_BITS))
            break;
    }
    now.source = s;
    now.read = s->read;
    now.mask = s->mask;
    now.base = s->read() & s->mask;
    counts = BIT(62) / now.mult;
    now.rebase_after = MIN(counts, s->mask / 4);
}

void clock_source_register(struct clock_source *s)
{
    unsigned long flags;
    bool better;

    if (s->hz == 0 || s->hz > 64 * NS_PER_SEC) {
        log_err("source %s has an impossible rate of %llu Hz", s->name, (unsigned long long)s->hz);
        return;
    }
    flags = write_begin();
    better = !now.source || s->rating > now.source->rating;
    list_add_tail(&sources, &s->link);
    if (better) {
        rebase();
        use_source(s);
    }
    write_end(flags);
    log_set_clock(clock_monotonic);
    log_info("source %s, %llu Hz, rating %u%s", s->name, (unsigned long long)s->hz, s->rating,
             better ? ", in use" : "");
}

const char *clock_source_name(void)
{
    return now.source ? now.source->name : "none";
}

void clock_tick(void)
{
    unsigned long flags = write_begin();

    if (now.source) {
        uint64_t counts = (now.read() - now.base) & now.mask;

        if (counts >= now.rebase_after)
            rebase();
        else
            now.coarse = now.mono + to_ns(counts);
    }
    write_end(flags);
}

void clock_event_register(struct clock_event *e)
{
    unsigned long flags = spin_lock_irqsave(&lock);
    struct clock_event *old = event;
    bool better = !old || e->rating > old->rating;

    list_add_tail(&events, &e->link);
    if (better)
        atomic_store(&event, e);
    spin_unlock_irqrestore(&lock, flags);
    log_info("event device %s, rating %u%s", e->name, e->rating, better ? ", in use" : "");
    if (!better)
        return;
    flags = hal_irq_save();
    if (old)
        old->set_deadline(old, clock_monotonic(), NS_NEVER);
    timer_reprogram();
    hal_irq_restore(flags);
}

struct clock_event *clock_event_current(void)
{
    return atomic_load(&event);
}

static void set_offset(int64_t offset)
{
    unsigned long flags = write_begin();

    now.real_offset = offset;
    write_end(flags);
}

void clock_wall_register(const struct wall_clock *w)
{
    int64_t seconds;
    unsigned long flags;
    bool better;
    err_t err = w->read(&seconds);

    if (err || seconds < 0 || seconds > INT64_MAX / (int64_t)NS_PER_SEC) {
        log_warn("%s does not tell the time: error %d", w->name, err);
        return;
    }
    flags = spin_lock_irqsave(&lock);
    better = !wall || w->rating > wall->rating;
    if (better)
        wall = w;
    spin_unlock_irqrestore(&lock, flags);
    if (!better)
        return;
    set_offset(seconds * (int64_t)NS_PER_SEC - (int64_t)clock_monotonic());
    log_info("%s says %lld s since 1970", w->name, (long long)seconds);
}

void clock_set_hook_add(struct clock_set_hook *h)
{
    h->next = atomic_load(&set_hooks);
    while (!atomic_cas(&set_hooks, &h->next, h))
        hal_relax();
}

void clock_realtime_set(int64_t ns)
{
    set_offset(ns - (int64_t)clock_monotonic());
    atomic_fetch_add(&set_count, 1);
    for (struct clock_set_hook *h = atomic_load(&set_hooks); h; h = h->next)
        h->fn();
}
