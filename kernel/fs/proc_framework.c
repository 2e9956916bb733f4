// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files of /proc that only Devine has: subsystems, services, counters, the loader's record.
 * Model: aligned tables with a heading, for people and awk alike; "-" stands for nothing, and what
 * may hold blanks comes last.
 */
#include <fs/procfs.h>

#include <core/counter.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <svc/boot_info.h>
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

/* ---- boot ---- */

static void show_range(struct textbuf *out, const char *what, paddr_t start, uint64_t size,
                       const char *more)
{
    text_printf(out, "%-14s 0x%012llx-0x%012llx%s%s\n", what, (unsigned long long)start,
                (unsigned long long)(start + size), *more ? " " : "", more);
}

static void show_boot_pointers(struct textbuf *out, const struct boot_record *r)
{
    if (r->rsdp)
        text_printf(out, "%-14s 0x%012llx\n", "acpi-rsdp", (unsigned long long)r->rsdp);
    if (r->fdt)
        show_range(out, "device-tree", r->fdt, r->fdt_size, "");
    if (r->fb.width)
        text_printf(out, "%-14s 0x%012llx %ux%ux%u\n", "framebuffer", (unsigned long long)r->fb.addr,
                    r->fb.width, r->fb.height, r->fb.bpp);
}

/* What the loader said, as the kernel understood it. */
static void show_boot(struct textbuf *out, void *arg)
{
    static const char *const protocols[] = { "PVH", "Multiboot2", "Linux/FDT", "Limine", "host" };
    static const char *const kinds[] = { "usable", "reserved", "ACPI", "ACPI-NVS", "bad",
                                         "persistent" };
    const struct boot_record *r = boot_info();

    text_printf(out, "%-14s %s\n", "protocol", protocols[r->protocol]);
    text_printf(out, "%-14s %s\n", "loader", r->loader);
    text_printf(out, "%-14s %s\n", "command-line", r->cmdline);
    show_range(out, "kernel", r->image_start, r->image_end - r->image_start, "");
    for (unsigned i = 0; i < r->module_count; i++)
        show_range(out, "module", r->modules[i].start, r->modules[i].size, r->modules[i].name);
    show_boot_pointers(out, r);
    for (unsigned i = 0; i < r->range_count; i++) {
        char more[40];

        fmt_snprintf(more, sizeof more, "%s node %u", kinds[r->ranges[i].kind], r->ranges[i].node);
        show_range(out, "memory", r->ranges[i].start, r->ranges[i].size, more);
    }
}
PROC_FILE(boot, "boot", 0444, show_boot);
