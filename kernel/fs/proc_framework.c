// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files of /proc that only Devine has: subsystems, services, counters.
 * Model: aligned tables with a heading, for people and awk alike; "-" stands for nothing, and what
 * may hold blanks comes last.
 */
#include <fs/procfs.h>

#include <core/counter.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <svc/service.h>

static const char *const privileges[] = { "user", "driver", "kernel" };

/* ---- subsystems ---- */

static void needs_join(const struct subsystem *s, char *buf, size_t size)
{
    size_t n = 0;

    str_copy(buf, "-", size);
    for (const char *const *need = s->needs; need && *need; need++)
        n += (size_t)fmt_scnprintf(buf + n, size - n, "%s%s", n ? "," : "", *need);
}

static void show_reason(struct textbuf *out, const struct subsystem *s)
{
    const char *need = s->failed_need ? s->failed_need : "";

    if (s->state == SUBSYSTEM_DEGRADED)
        text_printf(out, "without %s\n", need);
    else if (s->state != SUBSYSTEM_FAILED)
        text_printf(out, "-\n");
    else if (s->error == -ENODEV)
        text_printf(out, "not on this machine\n");
    else if (s->error == -ELOOP)
        text_printf(out, "cycle of needs through %s\n", need);
    else if (s->failed_need && s->error == -ENOENT)
        text_printf(out, "%s is not there\n", need);
    else
        text_printf(out, "error %d\n", s->error);
}

static bool show_subsystem(struct subsystem *s, void *arg)
{
    static const char *const states[] = { "registered", "starting", "up", "degraded",
                                          "failed", "stopping", "stopped" };
    bool absent = s->state == SUBSYSTEM_FAILED && s->error == -ENODEV;
    char needs[256];

    needs_join(s, needs, sizeof needs);
    text_printf(arg, "%-14s %-10s %-9s %8llu  %-24s ", s->name, absent ? "absent" : states[s->state],
                privileges[s->privilege], (unsigned long long)(s->init_ns / NS_PER_USEC), needs);
    show_reason(arg, s);
    return true;
}

static void show_subsystems(struct textbuf *out, void *arg)
{
    text_printf(out, "%-14s %-10s %-9s %8s  %-24s %s\n", "NAME", "STATE", "PRIVILEGE", "INIT-US",
                "NEEDS", "REASON");
    subsystem_for_each(show_subsystem, out);
}
PROC_FILE(subsystems, "subsystems", 0444, show_subsystems);

/* ---- services ---- */

static bool show_service(const struct service *s, void *arg)
{
    text_printf(arg, "%-14s %-16s %6u %-9s %-14s %7u %7u\n", s->type, s->name, s->rating,
                privileges[s->privilege], s->owner ? s->owner->name : "-",
                atomic_load_relaxed(&s->users), atomic_load_relaxed(&s->refused));
    return true;
}

static void show_services(struct textbuf *out, void *arg)
{
    text_printf(out, "%-14s %-16s %6s %-9s %-14s %7s %7s\n", "TYPE", "PROVIDER", "RATING",
                "PRIVILEGE", "OWNER", "USERS", "REFUSED");
    service_for_each(show_service, out);
}
PROC_FILE(services, "services", 0444, show_services);

/* ---- counters ---- */

static void show_counters(struct textbuf *out, void *arg)
{
    registry_for_each(counter, c)
        text_printf(out, "%-32s %llu\n", (*c)->name,
                    (unsigned long long)atomic_load_relaxed(&(*c)->value));
}
PROC_FILE(counters, "counters", 0444, show_counters);
