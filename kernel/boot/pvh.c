// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: PVH's start_info into the boot record.
 * Model: every structure is copied out of loader memory after its extent was checked, so nothing
 * is assumed of alignment either.
 */
#define LOG_TAG "pvh"
#include <boot/pvh.h>

#include <boot/pc.h>
#include <core/log.h>
#include <lib/string.h>

#define PVH_RANGES_MAX 1024

static bool copy_in(const struct loader_handoff *h, paddr_t pa, void *out, size_t n)
{
    const void *p = record_map(h, pa, n);

    if (p)
        memcpy(out, p, n);
    return p != NULL;
}

/* A string of unknown length: up to the end of what is mapped.  *max is how much that is. */
static const char *string_at(const struct loader_handoff *h, paddr_t pa, size_t *max)
{
    *max = 0;
    if (pa == 0 || pa < h->early_start || pa >= h->early_end)
        return NULL;
    *max = MIN(h->early_end - pa, (uint64_t)BOOT_CMDLINE_MAX);
    return record_map(h, pa, *max);
}

static enum mem_kind kind_of(uint32_t type)
{
    static const enum mem_kind kinds[] = { MEM_RESERVED, MEM_USABLE, MEM_RESERVED, MEM_ACPI,
                                           MEM_NVS, MEM_BAD, MEM_RESERVED, MEM_PERSISTENT };

    return type < ARRAY_SIZE(kinds) ? kinds[type] : MEM_RESERVED;
}

static err_t parse_memmap(const struct loader_handoff *h, const struct pvh_info *info,
                          struct boot_record *rec)
{
    struct pvh_range r;

    if (info->version < 1 || info->memmap_count == 0 || info->memmap_count > PVH_RANGES_MAX) {
        log_err("start info of version %u has %u memory ranges", info->version,
                info->version < 1 ? 0 : info->memmap_count);
        return -EINVAL;
    }
    for (uint32_t i = 0; i < info->memmap_count; i++) {
        if (!copy_in(h, info->memmap + i * sizeof(r), &r, sizeof(r))) {
            log_err("memory map at %#llx lies outside of memory", (unsigned long long)info->memmap);
            return -EINVAL;
        }
        record_add_range(rec, r.addr, r.size, kind_of(r.type), 0);
    }
    return 0;
}

static void parse_modules(const struct loader_handoff *h, const struct pvh_info *info,
                          struct boot_record *rec)
{
    struct pvh_module m;
    const char *name;
    size_t max;

    for (uint32_t i = 0; i < MIN(info->module_count, (uint32_t)BOOT_MODULES_MAX); i++) {
        if (!copy_in(h, info->modules + i * sizeof(m), &m, sizeof(m))) {
            log_err("module list at %#llx lies outside of memory", (unsigned long long)info->modules);
            return;
        }
        name = string_at(h, m.cmdline, &max);
        record_add_module(rec, m.addr, m.size, name, max);
    }
}

err_t pvh_parse(const struct loader_handoff *h, struct boot_record *rec)
{
    struct pvh_info info = { 0 };
    const char *text;
    size_t max;
    err_t err;

    if (!copy_in(h, h->info, &info, offsetof(struct pvh_info, memmap)) ||
        info.magic != PVH_MAGIC) {
        log_err("no start info at %#llx", (unsigned long long)h->info);
        return -EINVAL;
    }
    if (info.version >= 1 && !copy_in(h, h->info, &info, sizeof(info)))
        return -EINVAL;
    err = parse_memmap(h, &info, rec);
    if (err)
        return err;
    text = string_at(h, info.cmdline, &max);
    if (text)
        record_set_cmdline(rec, text, max);
    parse_modules(h, &info, rec);
    rec->rsdp = info.rsdp;
    return 0;
}

static err_t pvh_start(const struct loader_handoff *h, struct boot_record *rec)
{
    err_t err;

    pc_earlycon_start();
    pc_reserve_first_page(rec);
    err = pvh_parse(h, rec);
    if (!err)
        pc_reserve_low_page(rec);
    return err;
}
BOOT_PROTOCOL(pvh, LOADER_PVH, pvh_start);
