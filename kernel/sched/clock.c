// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the clocks, made of the best source, event device and wall clock that were registered.
 *
 * Model: monotonic = mono + ((counter - base) & mask) * mult >> shift, in 64 bits.  mult stays below
 * 2^28 (an error of at most 4 ns each second), so that the product has room for minutes; long before
 * that the tick moves the base on.  The vDSO computes the same from the same numbers.
 * A counter that reads less than at the last tick would have come round almost wholly: the time would jump by
 * that.  The tick, and a timer interrupt before it believes a jump, see it: the time goes on from the last tick,
 * by the next best source (what was read in between is forgotten; reading is too hot a path to check).
 * Locking: readers retry under the sequence counter (CLOCK_WRITING while it changes; CLOCK_DIRECT in
 * it, so that nobody reads one source with another's numbers) and never block; writers
 * hold LOCK_TIMER with interrupts off.
 */
#define LOG_TAG "clock"
#include <sched/clock.h>

#include <core/choice.h>
#include <core/log.h>
#include <core/params.h>
#include <core/spinlock.h>
#include <hal/cpu.h>
#include <hal/vdso.h>
#include <lib/string.h>
#include <sched/timer.h>

#define MULT_BITS 28
#define MARGINS_PER_SEC 50000
#define STILL_READS 1000u
#define EVENT_TEST_NS NS_PER_USEC
#define EVENT_WAIT_NS (3 * NS_PER_SEC) /* a busy host may let the device, or this CPU, stand for long */
#define EVENT_SPINS_MAX 50000000ul /* for a clock that stands still */

static struct spinlock lock = SPINLOCK_INIT(LOCK_TIMER);
struct clock_state clock_state; /* lock, seq */
static struct {
    const struct clock_source *source; /* NULL: the clock stands at 0 */
    uint64_t (*read)(void);
    uint64_t mask;
    ns_t coarse; /* monotonic at the last tick */
    uint64_t last; /* counter at the last tick */
    uint64_t rebase_after; /* counts */
    uint64_t margin; /* counts: MARGINS_PER_SEC of a second */
    int64_t real_offset; /* realtime - monotonic */
} now; /* lock, clock_state.seq */

static struct list sources = LIST_INIT(sources); /* lock */
static struct list events = LIST_INIT(events); /* lock */
static struct clock_event *event; /* atomic; written under lock */
bool clock_polled;
static const struct wall_clock *wall; /* lock */
static const struct wall_clock *wall_told; /* who set the clock last; lock */
static unsigned set_count; /* atomic */
static struct clock_set_hook *set_hooks; /* atomic; only grows */

static ns_t to_ns(uint64_t counts)
{
    return counts * clock_state.mult >> clock_state.shift;
}

static uint64_t counts_since_base(void)
{
    return (now.read() - clock_state.base) & now.mask;
}

ns_t clock_monotonic_slow(void)
{
    uint32_t s;
    ns_t ns;

    do {
        s = atomic_load(&clock_state.seq) & ~(uint32_t)CLOCK_WRITING;
        if (!now.read)
            return 0;
        ns = clock_state.mono + to_ns(counts_since_base());
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (atomic_load_relaxed(&clock_state.seq) != s);
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

    atomic_store_relaxed(&clock_state.seq, clock_state.seq | CLOCK_WRITING);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return flags;
}

static void publish(bool readable)
{
    struct vdso_data d = {
        .mode = readable,
        .base_cycles = clock_state.base,
        .mult = clock_state.mult,
        .shift = clock_state.shift,
        .mono_ns = clock_state.mono,
        .real_offset_ns = (uint64_t)now.real_offset,
        .boot_offset_ns = 0,
        .coarse_ns = now.coarse,
    };

    vdso_update(&d);
}

static void write_end(unsigned long flags)
{
    bool direct = now.source && now.source->user_readable && now.mask == UINT64_MAX;
    uint32_t count = (clock_state.seq & ~(CLOCK_STEP - 1u)) + CLOCK_STEP;

    publish(now.source && now.source->user_readable);
    atomic_store(&clock_state.seq, count | (direct ? CLOCK_DIRECT : 0));
    spin_unlock_irqrestore(&lock, flags);
}

/* Moves the base to the present, less a margin: another CPU's counter may be a little behind, but
 * must not be behind the base.  Inside write_begin. */
static void rebase(void)
{
    uint64_t counts;

    if (!now.source)
        return;
    counts = counts_since_base();
    now.coarse = clock_state.mono + to_ns(counts);
    counts -= MIN(counts, now.margin);
    clock_state.mono += to_ns(counts);
    clock_state.base = (clock_state.base + counts) & now.mask;
}

/* Ends the use of the present source: what anybody has read by it has passed.  Inside write_begin. */
static void leave_source(void)
{
    if (!now.source)
        return;
    publish(false); /* programs would read it until write_end */
    rebase();
    clock_state.mono += 2 * to_ns(now.margin); /* what rebase() left, and a CPU that is ahead */
}

/* Inside write_begin. */
static void use_source(const struct clock_source *s)
{
    unsigned shift = 32;
    uint64_t mult;

    leave_source();
    for (;; shift--) {
        mult = ((NS_PER_SEC << shift) + s->hz / 2) / s->hz;
        if (mult < BIT(MULT_BITS) || shift == 0)
            break;
    }
    clock_state.mult = (uint32_t)mult;
    clock_state.shift = shift;
    now.source = s;
    now.read = s->read;
    now.mask = s->mask;
    now.rebase_after = MIN(BIT(62) / mult, clock_source_reach(s) / 4);
    now.margin = s->user_readable ? s->hz / MARGINS_PER_SEC : 0;
    now.last = s->read() & s->mask;
    clock_state.base = (now.last - now.margin) & s->mask;
    clock_state.mono -= MIN(clock_state.mono, to_ns(now.margin));
}

static char wanted[16]; /* clocksource=; empty: the best */

static err_t set_clocksource(const char *value)
{
    if (value == NULL || *value == '\0' || strlen(value) >= sizeof wanted)
        return -EINVAL;
    str_copy(wanted, value, sizeof wanted);
    return 0;
}
PARAM(clocksource, "the clock source to be used, however others are rated", set_clocksource);

/* Inside write_begin. */
static bool source_beats_present(const struct clock_source *s)
{
    if (now.source == NULL || strcmp(s->name, wanted) == 0)
        return true;
    return s->rating > now.source->rating && strcmp(now.source->name, wanted) != 0;
}

/* Behind those that are rated as high.  Inside write_begin. */
static void source_insert(struct clock_source *s)
{
    struct clock_source *other;

    list_for_each(other, &sources, link)
        if (other->rating < s->rating)
            break;
    list_add_tail(&other->link, &s->link);
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
    better = source_beats_present(s);
    source_insert(s);
    if (better)
        use_source(s);
    write_end(flags);
    log_set_clock(clock_monotonic);
    log_info("source %s, %llu Hz, rating %u%s", s->name, (unsigned long long)s->hz, s->rating,
             better ? ", in use" : "");
}

const char *clock_source_name(void)
{
    return now.source ? now.source->name : "none";
}

const char *clock_source_nth(unsigned n)
{
    const char *name = NULL;
    struct clock_source *s;
    unsigned long flags = spin_lock_irqsave(&lock);

    list_for_each(s, &sources, link)
        if (n-- == 0)
            name = s->name;
    spin_unlock_irqrestore(&lock, flags);
    return name;
}

/* Inside write_begin. */
static struct clock_source *source_named(const char *name)
{
    struct clock_source *s;

    list_for_each(s, &sources, link)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

static struct clock_source *source_best_but(const struct clock_source *not)
{
    struct clock_source *s, *best = NULL;

    list_for_each(s, &sources, link)
        if (s != not && (best == NULL || s->rating > best->rating))
            best = s;
    return best;
}

void clock_source_check_wanted(void)
{
    const char *name;

    if (wanted[0] == '\0')
        return;
    for (unsigned i = 0; (name = clock_source_nth(i)) != NULL; i++)
        if (strcmp(name, wanted) == 0)
            return;
    choice_unknown("clocksource", wanted, clock_source_nth);
}

err_t clock_source_select(const char *name)
{
    unsigned long flags = write_begin();
    const struct clock_source *s = source_named(name);

    if (s != NULL && s != now.source)
        use_source(s);
    write_end(flags);
    return s != NULL ? 0 : -EINVAL;
}

err_t clock_source_unbind(const char *name)
{
    unsigned long flags = write_begin();
    struct clock_source *s = source_named(name), *next = NULL;
    err_t err = -ENODEV;

    if (s != NULL) {
        next = source_best_but(s);
        err = next != NULL ? 0 : -EBUSY;
    }
    if (err == 0) {
        if (s == now.source)
            use_source(next);
        list_del(&s->link);
    }
    write_end(flags);
    return err;
}

/* --- sources that fail ------------------------------------------------------------------------- */

/* Did it, since the last tick?  By no more than an eighth of its range, else it may have gone on as well; and more
 * than another CPU's counter may be behind. */
static bool ran_back(uint64_t counter)
{
    uint64_t back = (now.last - counter) & now.mask;

    return unlikely(back > now.margin && back < now.mask / 8);
}

static bool stands_still(void)
{
    uint64_t first = now.read();

    for (unsigned i = 0; i < STILL_READS; i++)
        if (now.read() != first)
            return false;
    return true;
}

/* Goes on from the last tick with the next best source; with the same one where there is no other.
 * Inside write_begin.  Return: the one that was left. */
static struct clock_source *source_fail(void)
{
    struct clock_source *bad = source_named(now.source->name), *next = source_best_but(bad);

    clock_state.mono = now.coarse + TICK_NS; /* what was read since then is mostly below */
    clock_state.base = now.last = now.read() & now.mask;
    now.coarse = clock_state.mono;
    if (next == NULL)
        return bad;
    use_source(next);
    list_del(&bad->link);
    return bad;
}

static void fail_tell(const struct clock_source *bad, const char *how)
{
    static bool told; /* atomic: that there is no other */
    const char *next = clock_source_name();

    if (now.source != bad)
        log_warn("source %s %s: no longer used, %s takes over", bad->name, how, next);
    else if (!atomic_xchg(&told, true))
        log_err("source %s %s, and there is no other", bad->name, how);
}

ns_t clock_doubt(bool stands)
{
    const struct clock_source *bad = NULL;
    unsigned long flags = write_begin();
    bool back = now.source != NULL && ran_back(now.read() & now.mask) &&
                ran_back(now.read() & now.mask);

    stands = stands && now.source != NULL && stands_still();
    if (back || (stands && source_best_but(now.source) != NULL))
        bad = source_fail();
    else if (stands)
        bad = now.source;
    write_end(flags);
    if (bad != NULL)
        fail_tell(bad, back ? "runs backwards" : "stands still");
    return clock_monotonic();
}

void clock_tick(void)
{
    unsigned long flags = write_begin();
    bool back = false;

    if (now.source) {
        uint64_t counter = now.read() & now.mask, counts = (counter - clock_state.base) & now.mask;

        back = ran_back(counter);
        if (back)
            counts = 0; /* clock_doubt() sees to it */
        else
            now.last = counter;
        if (counts >= now.rebase_after)
            rebase();
        else if (!back)
            now.coarse = clock_state.mono + to_ns(counts);
    }
    write_end(flags);
    if (back)
        (void)clock_doubt(false);
}

ns_t clock_tick_horizon(void)
{
    return to_ns(atomic_load_relaxed(&now.rebase_after));
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

/* Interrupts on, nobody else on this CPU. */
static bool event_fires(struct clock_event *e)
{
    uint64_t before = timer_interrupts();
    ns_t start = clock_monotonic();

    hal_irq_disable();
    e->set_deadline(e, start, start + EVENT_TEST_NS);
    hal_irq_enable();
    for (unsigned long spins = 0; spins < EVENT_SPINS_MAX; spins++) {
        if (timer_interrupts() != before)
            return true;
        if (clock_monotonic() - start > EVENT_WAIT_NS)
            break;
        hal_relax();
    }
    return timer_interrupts() != before;
}

/* Leaves out a device; none is in use then.  Return: the next best; NULL: there is none. */
static struct clock_event *event_drop(struct clock_event *e)
{
    unsigned long flags = spin_lock_irqsave(&lock);
    struct clock_event *other, *best = NULL;

    list_del(&e->link);
    list_for_each(other, &events, link)
        if (!best || other->rating > best->rating)
            best = other;
    if (!e->begin)
        e->set_deadline(e, clock_monotonic(), NS_NEVER);
    atomic_store(&event, NULL);
    spin_unlock_irqrestore(&lock, flags);
    return best;
}

/* Takes it into use. */
static bool event_works(struct clock_event *e)
{
    bool fires;

    if (e->begin && e->begin(e) != 0)
        return false;
    e->begin = NULL;
    atomic_store(&event, e);
    hal_irq_enable();
    fires = event_fires(e);
    hal_irq_disable();
    return fires;
}

void clock_events_check(void)
{
    struct clock_event *e = event;

    preempt_disable();
    while (e != NULL && !event_works(e)) {
        log_warn("event device %s does not tick: left out", e->name);
        e = event_drop(e);
    }
    if (e == NULL) {
        log_err("nothing ticks: timers are late, and one CPU runs");
        clock_polled = true;
    }
    timer_reprogram();
    preempt_enable_no_resched();
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
    better = better && wall_told != w; /* one that comes back does not step the clock */
    if (better)
        wall_told = w;
    spin_unlock_irqrestore(&lock, flags);
    if (!better)
        return;
    set_offset(seconds * (int64_t)NS_PER_SEC - (int64_t)clock_monotonic());
    log_info("%s says %lld s since 1970", w->name, (long long)seconds);
}

void clock_wall_unregister(const struct wall_clock *w)
{
    unsigned long flags = spin_lock_irqsave(&lock);

    if (wall == w)
        wall = NULL;
    spin_unlock_irqrestore(&lock, flags);
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
