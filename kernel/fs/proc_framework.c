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
#include <mm/vmap.h>
#include <mm/region.h>
#include <sched/clock.h>
#include <sched/sched.h>
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

/* ---- choices ---- */

static const char *frame_policy_nth(unsigned n)
{
    return n < registry_count(frame_policy) ? __start_registry_frame_policy[n]->name : NULL;
}

static const char *sched_nth(unsigned n)
{
    return n < registry_count(sched_class) ? __start_registry_sched_class[n]->name : NULL;
}

static void show_choice(struct textbuf *out, const char *what, const char *used,
                        const char *(*nth)(unsigned n))
{
    const char *name;

    text_printf(out, "%-14s %-12s ", what, used);
    for (unsigned i = 0; (name = nth(i)) != NULL; i++)
        text_printf(out, "%s%s", i ? "," : "", name);
    text_printf(out, "\n");
}

/* What can be chosen by NAME= on the command line, and what is in use. */
static void show_choices(struct textbuf *out, void *arg)
{
    text_printf(out, "%-14s %-12s %s\n", "PARAMETER", "IN-USE", "AVAILABLE");
    show_choice(out, "frame_policy", frame_policy->name, frame_policy_nth);
    show_choice(out, "sched", sched_policy_name(), sched_nth);
    show_choice(out, "clocksource", clock_source_name(), clock_source_nth);
}
PROC_FILE(choices, "choices", 0444, show_choices);

/* ---- counters ---- */

static void show_count(struct textbuf *out, const char *name, uint64_t value)
{
    text_printf(out, "%-32s %llu\n", name, (unsigned long long)value);
}

/* What is in use now comes first; the others only grow. */
static void show_counters(struct textbuf *out, void *arg)
{
    show_count(out, "heap_bytes", heap_bytes_used());
    show_count(out, "heap_bytes_of_maps", object_maps_bytes());
    show_count(out, "heap_frames", heap_frames());
    show_count(out, "heap_spare_bytes", heap_spare_bytes());
    show_count(out, "frames_total", frame_total());
    show_count(out, "frames_free", frame_free_count());
    show_count(out, "frames_of_tables", frame_used(USE_TABLES));
    show_count(out, "frames_of_kernel_tables", frame_kernel_tables());
    show_count(out, "frames_of_stacks", vmap_stacks() * (KERNEL_STACK_SIZE / PAGE_SIZE));
    show_count(out, "frames_of_files", frame_used(USE_PAGES));
    registry_for_each(counter, c)
        show_count(out, (*c)->name, atomic_load_relaxed(&(*c)->value));
}
PROC_FILE(counters, "counters", 0444, show_counters);
