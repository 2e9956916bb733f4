// SPDX-License-Identifier: CC0-1.0
/* Purpose: EFI's memory map, sound and hostile. */
#include <boot/efi_map.h>

#include <core/ktest.h>
#include <lib/string.h>

#define ENTRY 48 /* as firmware has it: longer than what is defined */

static struct boot_record rec;
static const struct loader_handoff handoff = { .image_start = 2 * MiB, .image_end = 4 * MiB };
static uint8_t map[ENTRY * 10];
static size_t used;

static void begin(void)
{
    used = 0;
    memset(map, 0xee, sizeof map);
    record_init(&rec, &handoff);
}

static void entry(uint32_t type, uint64_t start, uint64_t pages, uint64_t attributes)
{
    struct efi_descriptor d = { type, 0, start, 0, pages, attributes };

    memcpy(map + used, &d, sizeof d);
    used += ENTRY;
}

static bool range_is(unsigned i, paddr_t start, paddr_t end, enum mem_kind kind)
{
    return i < rec.range_count && rec.ranges[i].start == start &&
           rec.ranges[i].size == end - start && rec.ranges[i].kind == kind;
}

KTEST(boot_efi_map, kinds)
{
    begin();
    entry(EFI_BOOT_CODE, 0, 16, 0);
    entry(EFI_CONVENTIONAL, 1 * MiB, 1024, 0xf);
    entry(EFI_LOADER_DATA, 5 * MiB, 256, 0xf);
    entry(EFI_ACPI_RECLAIM, 8 * MiB, 1, 0xf);
    entry(EFI_ACPI_NVS, 9 * MiB, 1, 0xf);
    entry(EFI_RUNTIME_DATA, 10 * MiB, 1, EFI_ATTRIBUTE_RUNTIME);
    entry(11, 11 * MiB, 1, EFI_ATTRIBUTE_RUNTIME); /* a device that runtime services use */
    entry(77, 12 * MiB, 1, 0);
    KTEST_EQ(efi_map_read(&rec, "map", map, used, ENTRY, false), 1);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_TRUE(range_is(0, 0, 64 * KiB, MEM_USABLE));
    KTEST_TRUE(range_is(1, 1 * MiB, 6 * MiB, MEM_USABLE));
    KTEST_TRUE(range_is(2, 8 * MiB, 8 * MiB + 4096, MEM_ACPI));
    KTEST_TRUE(range_is(3, 9 * MiB, 9 * MiB + 4096, MEM_NVS));
    KTEST_TRUE(range_is(4, 10 * MiB, 10 * MiB + 4096, MEM_RUNTIME));
    KTEST_TRUE(range_is(5, 11 * MiB, 11 * MiB + 4096, MEM_RUNTIME));
    KTEST_TRUE(range_is(6, 12 * MiB, 12 * MiB + 4096, MEM_RESERVED));
    KTEST_EQ(rec.range_count, 7);
}

KTEST(boot_efi_map, boot_services_that_run_keep_their_memory)
{
    begin();
    entry(EFI_CONVENTIONAL, 1 * MiB, 1024, 0);
    entry(EFI_BOOT_DATA, 8 * MiB, 1, 0);
    KTEST_EQ(efi_map_read(&rec, "map", map, used, ENTRY, true), 1);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_TRUE(range_is(1, 8 * MiB, 8 * MiB + 4096, MEM_RESERVED));
}

KTEST(boot_efi_map, hostile)
{
    begin();
    entry(EFI_CONVENTIONAL, UINT64_MAX - 4095, 16, 0);
    entry(EFI_CONVENTIONAL, 0, UINT64_MAX, 0);
    entry(EFI_CONVENTIONAL, 1, 1, 0);
    entry(EFI_CONVENTIONAL, 0, 0, 0);
    entry(EFI_CONVENTIONAL, BIT(52), 1, 0);
    KTEST_EQ(efi_map_read(&rec, "map", map, used, ENTRY, false), 0);
    KTEST_EQ(rec.range_count, 0);
    KTEST_EQ(efi_map_read(&rec, "map", map, used, 8, false), 0);
    KTEST_EQ(efi_map_read(&rec, "map", map, used, 0, false), 0);
    KTEST_EQ(efi_map_read(&rec, "map", map, 8, ENTRY, false), 0);
    KTEST_EQ(efi_map_read(&rec, "map", map, used, UINT64_MAX, false), 0);
}
