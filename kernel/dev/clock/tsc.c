// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the time-stamp counter as clock source (SDM vol. 3, 19.7).
 *
 * Model: a rate that was measured in a hurry gives `tsc-early`; while the rest starts it is measured
 * again, and `tsc` takes its place.  It is trusted when all CPUs' counters agree and when it is
 * invariant, else it is watched by another source (sched/clock_watch.c), and left when it goes wrong.
 * `tsc=unstable` never trusts it, `tsc=reliable` does not look.
 * Locking: boot and one timer callback.
 */
#define LOG_TAG "tsc"
#include <dev/clock/tsc.h>

#include <arch/cpu.h>
#include <arch/msr.h>
#include <core/log.h>
#include <core/params.h>
#include <dev/services.h>
#include <hal/cpu.h>
#include <lib/string.h>
#include <sched/clock_watch.h>
#include <sched/timer.h>
#include <svc/subsystem.h>

#define REFINE_NS (40 * NS_PER_MSEC) /* the PIT wraps after 54 */
#define RATE_ASSUMED NS_PER_SEC
#define LEAF_POWER 0x80000007u
#define POWER_EDX_INVARIANT (1u << 8)

static struct clock_source tsc_early = {
    .name = "tsc-early",
    .rating = 299,
    .read = hal_cycles,
    .mask = UINT64_MAX,
    .user_readable = true,
};
static struct clock_source tsc_source = {
    .name = "tsc",
    .rating = 300,
    .read = hal_cycles,
    .mask = UINT64_MAX,
    .user_readable = true,
};
static const struct clock_source *reference; /* another source; NULL: none; constant after start */
static struct timer refine_timer;
static unsigned refine_tries = 8;
static bool unstable, reliable, unwatched; /* parameters; the first also what was found out */

static err_t set_tsc(const char *value)
{
    if (value && strcmp(value, "unstable") == 0)
        unstable = true;
    else if (value && strcmp(value, "reliable") == 0)
        reliable = true;
    else if (value && strcmp(value, "nowatchdog") == 0)
        unwatched = true;
    else
        return -EINVAL;
    return 0;
}
PARAM(tsc, "the time-stamp counter is unstable or reliable, or needs nowatchdog", set_tsc);

static bool invariant(void)
{
    return cpuid(0x80000000, 0).eax >= LEAF_POWER &&
           (cpuid(LEAF_POWER, 0).edx & POWER_EDX_INVARIANT);
}

static const struct clock_source *reference_find(const struct subsystem *self)
{
    static const char *const names[] = { "hpet", "acpi_pm", "pit" };
    const struct clock_source *s;

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (service_find_clock_source_named(self, names[i], &s) == 0)
            return s;
    return NULL;
}

/* The final rate is known. */
static void source_start(void)
{
    if (unstable)
        return;
    clock_source_register(&tsc_source);
    if (tsc_early.hz != 0)
        (void)clock_source_unbind(tsc_early.name); /* `tsc` is there to take over */
    if (reference && !invariant() && !reliable && !unwatched)
        clock_watch_start(&tsc_source, reference);
}

static void refine_begin(void)
{
    tsc_rate_begin(reference);
    timer_set(&refine_timer, clock_monotonic() + REFINE_NS);
}

static void refine(struct timer *t)
{
    uint64_t hz = tsc_rate_end(x86_tsc_hz);

    (void)t;
    if (hz == 0 && --refine_tries > 0) {
        refine_begin();
        return;
    }
    if (hz != 0)
        x86_tsc_hz = hz;
    tsc_source.hz = x86_tsc_hz;
    source_start();
}

static err_t tsc_start(struct subsystem *self)
{
    uint64_t hz = tsc_rate_told();
    bool told = hz != 0;

    reference = reference_find(self);
    if (!told)
        hz = reference ? tsc_rate_measure(reference) : tsc_rate_by_rtc();
    if (hz == 0 && reference) {
        log_err("the time-stamp counter does not count, or %s does not", reference->name);
        return -ENODEV;
    }
    if (hz == 0) {
        hz = RATE_ASSUMED;
        log_err("nothing is there to measure by: %llu Hz assumed, the time will be wrong",
                (unsigned long long)hz);
    }
    x86_tsc_hz = hz;
    if (told || !reference)
        tsc_source.hz = hz;
    else
        tsc_early.hz = hz;
    if (!unstable)
        clock_source_register(tsc_source.hz ? &tsc_source : &tsc_early);
    return service_publish_clock_source("tsc", &tsc_source, tsc_source.rating, PRIV_DRIVER);
}

/* All CPUs run. */
static void agreement_check(void)
{
    uint64_t off = reliable ? 0 : tsc_sync_check();

    if (off == 0)
        return;
    unstable = true;
    log_warn("the CPUs' counters differ by %llu cycles or more: not used as a clock",
             (unsigned long long)off);
    if (clock_source_unbind(tsc_source.hz ? tsc_source.name : tsc_early.name) == -EBUSY)
        log_err("there is no other clock");
}

static err_t tsc_late(struct subsystem *self)
{
    (void)self;
    if (!unstable)
        agreement_check();
    if (tsc_source.hz == 0) {
        timer_init(&refine_timer, refine);
        refine_begin();
    } else if (reference && !unstable && !invariant() && !reliable && !unwatched) {
        clock_watch_start(&tsc_source, reference);
    }
    return 0;
}

static const char *const needs[] = { "?hpet", "?acpi_pm", "?pit", NULL };
static struct subsystem tsc_subsystem = {
    .name = "tsc",
    .privilege = PRIV_DRIVER,
    .needs = needs,
    .early_init = tsc_start,
    .late_init = tsc_late,
};
REGISTER_SUBSYSTEM(tsc_subsystem);
