// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: names a CPU that hangs.
 *
 * Model: two signs, each a second long (watchdog=).  A CPU that takes no timer interrupt holds
 * interrupts off: its `beats` stand still, and the ticks of other CPUs, which look at one CPU each,
 * see it.  A CPU that takes them and has PENDING_RESCHED set all the time holds preemption off: its
 * own tick sees it.  Each hang is told once, with a backtrace (smp_backtrace()).
 *
 * A host that gives its time to others stops a virtual CPU for as long as it likes, and nothing tells the
 * guest so; but others' ticks come late, too, or not at all.  So a hang must last its time by the clock and
 * by `lived` as well, the machine's own progress: each tick adds the time since its CPU's last one, two ticks
 * at most, and a part of it when several tick.  While a CPU stood still, the others together have taken as
 * many ticks as fit into the limit.  A CPU's own sign goes by its own ticks alone.  (Nearly idle, one CPU looks at
 * all each second, and at each tick as soon as one seems to stand still: tick.c.)
 * Locking: watch_* of a run queue are atomic; two CPUs that look at once do no harm.
 */
#define LOG_TAG "watchdog"
#include <sched/watchdog.h>

#include <core/log.h>
#include <core/panic.h>
#include <core/params.h>
#include <core/smp.h>
#include <lib/string.h>
#include <sched/runqueue.h>

#define STEP_MAX (2 * TICK_NS)

static ns_t limit = NS_PER_SEC; /* 0: off; constant after boot */
static unsigned told; /* atomic: hangs so far */
static ns_t lived; /* atomic */

static err_t set_watchdog(const char *value)
{
    uint64_t seconds;
    err_t err;

    if (!value)
        return -EINVAL;
    err = str_to_u64(&value, 10, &seconds);
    if (err || *value)
        return err ? err : -EINVAL;
    if (seconds > 3600)
        return -ERANGE;
    limit = seconds * NS_PER_SEC;
    return 0;
}
PARAM(watchdog, "after how many seconds a CPU that hangs is named (1); 0: never", set_watchdog);

unsigned watchdog_told(void)
{
    return atomic_load(&told);
}

bool watchdog_on(void)
{
    return limit != 0;
}

enum stand_verdict stand_look(struct stand *s, uint32_t beats, ns_t now, ns_t lived_now, ns_t most)
{
    ns_t since = atomic_load_relaxed(&s->since), lived_then = atomic_load_relaxed(&s->lived);

    if (since == 0 || now < since || beats != atomic_load_relaxed(&s->beats)) {
        atomic_store_relaxed(&s->beats, beats);
        atomic_store_relaxed(&s->lived, lived_now);
        atomic_store_relaxed(&s->since, now);
        atomic_store_relaxed(&s->told, false);
        return STAND_NOT;
    }
    if (now - since < most || lived_now < lived_then + most)
        return now - since < most / 2 ? STAND_NOT : STAND_PERHAPS;
    return atomic_xchg(&s->told, true) ? STAND_NOT : STAND_TELL;
}

/* Return: may it be hanging? */
static bool look_at(struct cpu *cpu, ns_t now)
{
    struct runqueue *rq = cpu->rq;
    enum stand_verdict what;

    if (atomic_load_relaxed(&rq->tick_stopped)) {
        atomic_store_relaxed(&rq->stand.since, 0);
        return false;
    }
    what = stand_look(&rq->stand, atomic_load_relaxed(&rq->beats), now, atomic_load_relaxed(&lived),
                      limit);
    if (what != STAND_TELL)
        return what == STAND_PERHAPS;
    atomic_fetch_add(&told, 1);
    log_warn("CPU %u has held interrupts off for %llu ms", cpu->id,
             (unsigned long long)((now - rq->stand.since) / NS_PER_MSEC));
    smp_backtrace(cpu);
    return false;
}

/*
 * This CPU, one of `ticking` CPUs, looks; one of those may be the one that hangs.  Return: how much it has lived
 * since its last look, as far as the guest can tell.
 */
static ns_t live(struct runqueue *rq, ns_t now, unsigned ticking)
{
    ns_t passed = MIN(now - rq->watch_looked, STEP_MAX);

    rq->watch_looked = now;
    __atomic_fetch_add(&lived, passed / (MAX(ticking, 2u) - 1), __ATOMIC_RELAXED);
    return passed;
}

/* Does this CPU want to schedule, and not come to it? */
static void look_at_own(struct runqueue *rq, bool waits, ns_t now, ns_t passed)
{
    ns_t before = rq->watch_lived;

    if (!waits || rq->switches != rq->watch_switches) {
        rq->watch_switches = rq->switches;
        rq->watch_waits = now;
        rq->watch_lived = 0;
        return;
    }
    rq->watch_lived += passed;
    if (before >= limit || rq->watch_lived < limit)
        return;
    atomic_fetch_add(&told, 1);
    log_warn("CPU %u has not scheduled for %llu ms:", rq->cpu->id,
             (unsigned long long)((now - rq->watch_waits) / NS_PER_MSEC));
    backtrace_log(LOG_WARN, NULL);
}

void watchdog_tick(struct runqueue *rq, bool waits, ns_t now, unsigned ticking)
{
    unsigned count = atomic_load_relaxed(&cpu_count), id = (rq->beats + rq->cpu->id) % count;
    ns_t passed;

    if (limit == 0)
        return;
    passed = live(rq, now, ticking);
    look_at_own(rq, waits, now, passed);
    if (id != rq->cpu->id && cpu_online(id))
        (void)look_at(cpus[id], now);
}

bool watchdog_look_at_all(struct runqueue *rq, ns_t now, unsigned ticking)
{
    unsigned count = atomic_load_relaxed(&cpu_count);
    bool perhaps = false;

    if (limit == 0)
        return false;
    (void)live(rq, now, ticking);
    for (unsigned id = 0; id < count; id++)
        if (id != rq->cpu->id && cpu_online(id))
            perhaps |= look_at(cpus[id], now);
    return perhaps;
}
