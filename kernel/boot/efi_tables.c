// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: see <boot/efi_tables.h>.
 * Model: the runtime services may have been moved to virtual addresses (SetVirtualAddressMap); the
 * firmware then turned its own pointers into such.  The memory map says which: an address inside of
 * a runtime descriptor's virtual range becomes the physical one, any other is physical already.
 */
#define LOG_TAG "efi"
#include <boot/efi_tables.h>

#include <boot/efi_map.h>
#include <core/log.h>
#include <lib/string.h>

#include <linux/screen_info.h>

#define PAGE 4096
#define ADDRESS_MAX BIT(48)
#define MAP_MAX MiB
#define TABLES_MAX 256
#define SIGNATURE 0x5453595320494249ull /* "IBI SYST" */

struct system_table { /* of a 64-bit machine */
    uint64_t signature;
    uint32_t revision, header_size, crc, reserved;
    uint64_t vendor;
    uint32_t vendor_revision, pad;
    uint64_t consoles[6], runtime_services, boot_services;
    uint64_t count, tables;
};
_Static_assert(offsetof(struct system_table, count) == 104, "as the specification lays it out");

struct config_table {
    uint8_t guid[16];
    uint64_t table;
};

static const uint8_t guid_acpi20[16] = { 0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
                                         0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 };
static const uint8_t guid_acpi10[16] = { 0x30, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
                                         0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d };
static const uint8_t guid_screen[16] = { 0x0a, 0xc2, 0x3f, 0xe0, 0xdc, 0x85, 0x6e, 0x40,
                                         0xb9, 0x0e, 0x4a, 0xb5, 0x02, 0x37, 0x1d, 0x95 };

struct parse {
    struct boot_record *rec;
    const struct efi_place *place;
    const uint8_t *map;
    efi_reach_fn *reach;
};

static paddr_t physical(const struct parse *p, uint64_t addr)
{
    struct efi_descriptor d;
    uint64_t size = p->place->map_size, step = p->place->descriptor_size;

    for (uint64_t at = 0; size - at >= sizeof(d); at += step) {
        memcpy(&d, p->map + at, sizeof(d));
        if ((d.attributes & EFI_ATTRIBUTE_RUNTIME) && d.virt != 0 && addr >= d.virt &&
            (addr - d.virt) / PAGE < d.pages)
            return d.start + (addr - d.virt);
        if (step > size - at)
            break;
    }
    return addr;
}

static bool copy_in(const struct parse *p, const char *what, uint64_t addr, void *out, size_t n)
{
    paddr_t pa = physical(p, addr);
    const void *from = pa != 0 && pa < ADDRESS_MAX ? p->reach(pa, n) : NULL;

    if (from)
        memcpy(out, from, n);
    else
        log_warn("%s at %#llx: out of reach: left out", what, (unsigned long long)addr);
    return from != NULL;
}

static void screen_read(const struct parse *p, uint64_t addr)
{
    struct screen_info s;
    struct boot_framebuffer fb;

    if (!copy_in(p, "screen", addr, &s, sizeof(s)) || s.lfb_width == 0)
        return;
    fb = (struct boot_framebuffer){
        .addr = s.lfb_base | (uint64_t)s.ext_lfb_base << 32,
        .width = s.lfb_width,
        .height = s.lfb_height,
        .pitch = s.lfb_linelength,
        .bpp = (uint8_t)MIN(s.lfb_depth, 255),
        .red_shift = s.red_pos,
        .red_bits = s.red_size,
        .green_shift = s.green_pos,
        .green_bits = s.green_size,
        .blue_shift = s.blue_pos,
        .blue_bits = s.blue_size,
    };
    if (record_set_framebuffer(p->rec, &fb) != 0)
        log_warn("screen at %#llx: no such framebuffer can be: left out", (unsigned long long)addr);
}

static void table_read(const struct parse *p, const struct config_table *t)
{
    if (memcmp(t->guid, guid_acpi20, sizeof(t->guid)) == 0)
        p->rec->rsdp = physical(p, t->table);
    else if (memcmp(t->guid, guid_acpi10, sizeof(t->guid)) == 0 && p->rec->rsdp == 0)
        p->rec->rsdp = physical(p, t->table);
    else if (memcmp(t->guid, guid_screen, sizeof(t->guid)) == 0)
        screen_read(p, t->table);
}

static void system_table_read(const struct parse *p)
{
    struct system_table s;
    struct config_table t;

    if (!copy_in(p, "system table", p->place->system_table, &s, sizeof(s)))
        return;
    if (s.signature != SIGNATURE || s.count > TABLES_MAX) {
        log_warn("system table at %#llx: it is none: left out",
                 (unsigned long long)p->place->system_table);
        return;
    }
    p->rec->efi_system_table = p->place->system_table;
    for (uint64_t i = 0; i < s.count; i++) {
        if (!copy_in(p, "configuration table", s.tables + i * sizeof(t), &t, sizeof(t)))
            return;
        table_read(p, &t);
    }
}

err_t efi_place_read(struct boot_record *rec, const struct efi_place *place, efi_reach_fn *reach)
{
    struct parse p = { .rec = rec, .place = place, .reach = reach };

    if (place->map != 0 && place->map < ADDRESS_MAX && place->map_size > 0 &&
        place->map_size <= MAP_MAX)
        p.map = reach(place->map, place->map_size);
    if (!p.map || efi_map_read(rec, "memory map", p.map, place->map_size, place->descriptor_size,
                               false) == 0) {
        log_err("no memory map at %#llx", (unsigned long long)place->map);
        return -EINVAL;
    }
    rec->firmware = FIRMWARE_EFI64;
    system_table_read(&p);
    return 0;
}
