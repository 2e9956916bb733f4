// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files of /proc that only Devine has: services, counters.
 * Model: aligned tables with a heading, for people and awk alike; "-" stands for nothing, and what
 * may hold blanks comes last.
 */
#include <fs/procfs.h>

#include <core/counter.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <svc/service.h>

static const char *const privileges[] = { "user", "driver", "kernel" };

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
    text_printf(out, "# refused: %llu\n", (unsigned long long)services_refused());
}
PROC_FILE(services, "services", 0444, show_services);

/* ---- counters ---- */

/* What is in use now comes first; the others only grow. */
static void show_counters(struct textbuf *out, void *arg)
{
    text_printf(out, "%-32s %llu\n", "heap_bytes", (unsigned long long)heap_bytes_used());
    text_printf(out, "%-32s %llu\n", "frames_free", (unsigned long long)frame_free_count());
    registry_for_each(counter, c)
        text_printf(out, "%-32s %llu\n", (*c)->name,
                    (unsigned long long)atomic_load_relaxed(&(*c)->value));
}
PROC_FILE(counters, "counters", 0444, show_counters);
