// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: names a CPU that hangs.
 *
 * Model: two signs, each a second long (watchdog=).  A CPU that takes no timer interrupt holds
 * interrupts off: its `beats` stand still, and the ticks of other CPUs, which look at one CPU each,
 * see it.  A CPU that takes them and has PENDING_RESCHED set all the time holds preemption off: its
 * own tick sees it.  Each hang is told once, with a backtrace (smp_backtrace()).
 * A pause of the whole machine is none: a looker that was late itself begins anew.
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

#define LATE_NS (10 * TICK_NS)

static ns_t limit = NS_PER_SEC; /* 0: off; constant after boot */
static unsigned told; /* atomic: hangs so far */

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

static void look_at(struct cpu *cpu, ns_t now, bool anew)
{
    struct runqueue *rq = cpu->rq;
    uint32_t beats = atomic_load_relaxed(&rq->beats);
    ns_t since = atomic_load_relaxed(&rq->watch_since);

    if (anew || since == 0 || beats != atomic_load_relaxed(&rq->watch_beats) ||
        atomic_load_relaxed(&rq->tick_stopped)) {
        atomic_store_relaxed(&rq->watch_beats, beats);
        atomic_store_relaxed(&rq->watch_since, now);
        atomic_store_relaxed(&rq->watch_told, false);
        return;
    }
    if (now < since || now - since < limit || atomic_xchg(&rq->watch_told, true))
        return;
    atomic_fetch_add(&told, 1);
    log_warn("CPU %u has held interrupts off for %llu ms", cpu->id,
             (unsigned long long)((now - since) / NS_PER_MSEC));
    smp_backtrace(cpu);
}

void watchdog_look(struct runqueue *rq, ns_t now)
{
    unsigned count = atomic_load_relaxed(&cpu_count), id;
    bool late = now - rq->watch_looked > LATE_NS;

    rq->watch_looked = now;
    if (limit == 0 || !sched_smp)
        return;
    id = (rq->beats + rq->cpu->id) % count;
    if (id != rq->cpu->id && cpu_online(id))
        look_at(cpus[id], now, late);
}

void watchdog_look_at_all(struct runqueue *rq, ns_t now)
{
    unsigned count = atomic_load_relaxed(&cpu_count);

    for (unsigned id = 0; limit != 0 && id < count; id++)
        if (id != rq->cpu->id && cpu_online(id))
            look_at(cpus[id], now, false);
}

void watchdog_own(struct runqueue *rq, bool waits, ns_t now)
{
    if (!waits || rq->switches != rq->watch_switches || rq->watch_waits == 0 ||
        now - rq->watch_looked > LATE_NS) {
        rq->watch_switches = rq->switches;
        rq->watch_waits = now;
        rq->watch_waits_told = false;
        return;
    }
    if (limit == 0 || now - rq->watch_waits < limit || rq->watch_waits_told)
        return;
    rq->watch_waits_told = true;
    atomic_fetch_add(&told, 1);
    log_warn("CPU %u has not scheduled for %llu ms:", rq->cpu->id,
             (unsigned long long)((now - rq->watch_waits) / NS_PER_MSEC));
    backtrace_log(LOG_WARN, NULL);
}
