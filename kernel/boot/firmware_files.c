// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: /sys/firmware: the bytes of ACPI's tables and of the device tree, for root, as iasl and
 * dtc read them under Linux.
 * Model: a table is mapped when it is read first: the direct map has those in memory of the record's
 * kinds ACPI and NVS, others get a mapping of their own that stays.
 * Locking: paths are constant after start; two first readers at once may both map, and one mapping
 * is kept.
 */
#define LOG_TAG "firmware"
#include <boot/acpi.h>

#include <fs/procfs.h>
#include <lib/checked.h>
#include <lib/fmt.h>
#include <mm/vmap.h>
#include <svc/boot_info.h>
#include <svc/subsystem.h>

static struct table_file {
    char path[48];
    const void *bytes; /* NULL: not read yet; atomic */
} files[ACPI_TABLES_MAX];

/* Is it within memory that the direct map covers? */
static bool is_direct(const struct acpi_table *t)
{
    const struct boot_record *rec = boot_info();

    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range *r = &rec->ranges[i];

        if ((r->kind == MEM_ACPI || r->kind == MEM_NVS) && t->addr >= r->start &&
            range_fits(t->addr - r->start, t->size, r->size))
            return true;
    }
    return false;
}

static const void *table_bytes(unsigned i)
{
    const struct acpi_table *t = &acpi_tables()->tables[i];
    const void *p = atomic_load(&files[i].bytes);

    if (p)
        return p;
    p = is_direct(t) ? phys_to_virt(t->addr)
                     : vmap_device(t->addr, t->size, MMU_READ | MMU_DEVICE);
    if (p)
        atomic_store(&files[i].bytes, p);
    return p;
}

static void show_table(struct textbuf *out, void *arg)
{
    unsigned i = (unsigned)(uintptr_t)arg;
    const char *bytes = table_bytes(i);

    if (bytes)
        text_append(out, bytes, acpi_tables()->tables[i].size);
    else
        out->error = -ENOMEM;
}

static void show_fdt(struct textbuf *out, void *arg __maybe_unused)
{
    text_append(out, phys_to_virt(boot_info()->fdt), boot_info()->fdt_size);
}

/* Of several with one name Linux numbers each: SSDT1, SSDT2. */
static void table_path(const struct acpi_view *v, unsigned i)
{
    const char *signature = v->tables[i].signature;
    unsigned nth = 1;
    char number[12] = "";

    for (unsigned k = 0; k < i; k++)
        nth += strcmp(v->tables[k].signature, signature) == 0;
    if (acpi_find(v, signature, 1))
        fmt_snprintf(number, sizeof number, "%u", nth);
    fmt_snprintf(files[i].path, sizeof files[i].path, "firmware/acpi/tables/%s%s", signature, number);
}

static err_t files_start(struct subsystem *self __maybe_unused)
{
    const struct acpi_view *v = acpi_tables();
    err_t err = 0;

    for (unsigned i = 0; i < v->count && !err; i++) {
        struct pseudo_file f = { .path = files[i].path, .mode = 0400, .show = show_table,
                                 .arg = (void *)(uintptr_t)i };

        table_path(v, i);
        err = pseudo_add("sysfs", &f);
    }
    if (!err && boot_info()->fdt) {
        static const struct pseudo_file f = { .path = "firmware/fdt", .mode = 0400,
                                              .show = show_fdt };

        err = pseudo_add("sysfs", &f);
    }
    return err;
}

static const char *const needs[] = { "sysfs", NULL };
static struct subsystem files_subsystem = {
    .name = "firmware_files", .privilege = PRIV_KERNEL, .needs = needs, .late_init = files_start
};
REGISTER_SUBSYSTEM(files_subsystem);
