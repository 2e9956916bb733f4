// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: EFI's tables as a loader leaves them behind the boot services; sound and hostile.
 * Model: `area` is the firmware's memory, which begins at BASE; its runtime services were moved to
 * VIRTUAL.
 */
#include <boot/efi_tables.h>

#include <boot/efi_map.h>
#include <core/ktest.h>
#include <lib/string.h>

#include <linux/screen_info.h>

#define BASE (64 * MiB)
#define VIRTUAL 0x20000000ull

static struct {
    struct {
        uint64_t signature, skipped[12], count, tables;
    } system;
    struct {
        uint8_t guid[16];
        uint64_t table;
    } tables[3];
    struct screen_info screen;
    struct efi_descriptor map[2];
} area __aligned(8);
static struct boot_record rec;

static paddr_t at(const void *p)
{
    return BASE + (paddr_t)((const char *)p - (const char *)&area);
}

static const void *reach(paddr_t pa, uint64_t bytes)
{
    if (pa < BASE || pa - BASE > sizeof(area) || bytes > sizeof(area) - (pa - BASE))
        return NULL;
    return (const char *)&area + (pa - BASE);
}

static void table(unsigned i, const uint8_t *guid, uint64_t addr)
{
    memcpy(area.tables[i].guid, guid, 16);
    area.tables[i].table = addr;
}

static void begin(struct efi_place *place)
{
    static const struct loader_handoff h = { .protocol = LOADER_LINUX_FDT };
    static const uint8_t acpi20[] = { 0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
                                      0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 };
    static const uint8_t acpi10[] = { 0x30, 0x2d, 0x9d, 0xeb, 0x88, 0x2d, 0xd3, 0x11,
                                      0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d };
    static const uint8_t screen[] = { 0x0a, 0xc2, 0x3f, 0xe0, 0xdc, 0x85, 0x6e, 0x40,
                                      0xb9, 0x0e, 0x4a, 0xb5, 0x02, 0x37, 0x1d, 0x95 };

    memset(&area, 0, sizeof(area));
    record_init(&rec, &h);
    area.map[0] = (struct efi_descriptor){ EFI_CONVENTIONAL, 0, 16 * MiB, 0, 4096, 8 };
    area.map[1] =
        (struct efi_descriptor){ EFI_RUNTIME_DATA, 0, BASE, VIRTUAL, 2, EFI_ATTRIBUTE_RUNTIME };
    area.system.signature = 0x5453595320494249ull;
    area.system.count = 3;
    area.system.tables = at(area.tables) - BASE + VIRTUAL; /* as the firmware turns it */
    table(0, acpi20, 0x7000);
    table(1, acpi10, 0x6000); /* the newer one counts, whichever comes first */
    table(2, screen, at(&area.screen));
    area.screen = (struct screen_info){ .lfb_width = 800,
                                        .lfb_height = 600,
                                        .lfb_depth = 32,
                                        .lfb_base = 0x10000000,
                                        .ext_lfb_base = 1,
                                        .lfb_linelength = 3200,
                                        .red_size = 8,
                                        .red_pos = 16,
                                        .green_size = 8,
                                        .green_pos = 8,
                                        .blue_size = 8 };
    *place =
        (struct efi_place){ at(&area.system), at(area.map), sizeof(area.map), sizeof(area.map[0]) };
}

KTEST(boot_efi_tables, all)
{
    struct efi_place place;

    begin(&place);
    KTEST_REQUIRE(efi_place_read(&rec, &place, reach) == 0);
    KTEST_EQ(rec.firmware, FIRMWARE_EFI64);
    KTEST_EQ(rec.efi_system_table, BASE);
    KTEST_EQ(rec.rsdp, 0x7000);
    KTEST_EQ(rec.range_count, 2);
    KTEST_EQ(rec.ranges[0].kind, MEM_USABLE);
    KTEST_EQ(rec.ranges[1].kind, MEM_RUNTIME);
    KTEST_EQ(rec.fb.addr, 0x110000000);
    KTEST_EQ(rec.fb.pitch, 3200);
    begin(&place);
    area.tables[0].guid[0]++;
    KTEST_REQUIRE(efi_place_read(&rec, &place, reach) == 0);
    KTEST_EQ(rec.rsdp, 0x6000);
}

/* Without a map there is no memory; without the rest there is. */
KTEST(boot_efi_tables, hostile)
{
    struct efi_place place;

    begin(&place);
    place.map_size = UINT32_MAX;
    KTEST_EQ(efi_place_read(&rec, &place, reach), -EINVAL);
    place.map_size = sizeof(area.map);
    place.map = UINT64_MAX;
    KTEST_EQ(efi_place_read(&rec, &place, reach), -EINVAL);
    place.map = at(area.map);
    place.descriptor_size = 0;
    KTEST_EQ(efi_place_read(&rec, &place, reach), -EINVAL);
    begin(&place);
    area.system.signature++;
    KTEST_EQ(efi_place_read(&rec, &place, reach), 0);
    KTEST_EQ(rec.efi_system_table, 0);
    begin(&place);
    area.system.tables = UINT64_MAX - 8;
    KTEST_EQ(efi_place_read(&rec, &place, reach), 0);
    KTEST_EQ(rec.rsdp, 0);
    begin(&place);
    area.system.count = UINT64_MAX;
    KTEST_EQ(efi_place_read(&rec, &place, reach), 0);
    KTEST_EQ(rec.rsdp, 0);
    begin(&place);
    place.system_table = BASE + sizeof(area) - 8;
    area.screen.lfb_linelength = 1;
    KTEST_EQ(efi_place_read(&rec, &place, reach), 0);
    KTEST_EQ(rec.rsdp, 0);
    begin(&place);
    area.screen.lfb_linelength = 1;
    KTEST_EQ(efi_place_read(&rec, &place, reach), 0);
    KTEST_EQ(rec.fb.width, 0);
    KTEST_EQ(rec.rsdp, 0x7000);
}
