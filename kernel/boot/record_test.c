// SPDX-License-Identifier: CC0-1.0
/* Purpose: the boot record under sane and hostile input. */
#include <boot/record.h>

#include <core/ktest.h>
#include <lib/string.h>

static struct boot_record rec;
static const struct loader_handoff handoff = { .image_start = 2 * MiB, .image_end = 4 * MiB,
                                               .early_start = 0, .early_end = 1 * GiB };

static bool range_is(unsigned i, paddr_t start, paddr_t end, enum mem_kind kind)
{
    return i < rec.range_count && rec.ranges[i].start == start &&
           rec.ranges[i].size == end - start && rec.ranges[i].kind == kind;
}

KTEST(boot_record, sorts_and_merges)
{
    record_init(&rec, &handoff);
    record_add_range(&rec, 8 * MiB, 8 * MiB, MEM_USABLE, 0);
    record_add_range(&rec, 0, 4 * MiB, MEM_USABLE, 0);
    record_add_range(&rec, 4 * MiB, 4 * MiB, MEM_USABLE, 0);
    record_add_range(&rec, 32 * MiB, 4 * MiB, MEM_USABLE, 0);
    KTEST_EQ(rec.range_count, 2);
    KTEST_TRUE(range_is(0, 0, 16 * MiB, MEM_USABLE));
    KTEST_TRUE(range_is(1, 32 * MiB, 36 * MiB, MEM_USABLE));
    KTEST_TRUE(record_check(&rec));
    KTEST_EQ(record_finish(&rec), 0);
}

KTEST(boot_record, reserved_wins_in_any_order)
{
    for (unsigned order = 0; order < 2; order++) {
        record_init(&rec, &handoff);
        if (order == 0)
            record_add_range(&rec, 5 * MiB, MiB, MEM_RESERVED, 0);
        record_add_range(&rec, 0, 16 * MiB, MEM_USABLE, 0);
        if (order == 1)
            record_add_range(&rec, 5 * MiB, MiB, MEM_RESERVED, 0);
        KTEST_EQ(rec.range_count, 3);
        KTEST_TRUE(range_is(0, 0, 5 * MiB, MEM_USABLE));
        KTEST_TRUE(range_is(1, 5 * MiB, 6 * MiB, MEM_RESERVED));
        KTEST_TRUE(range_is(2, 6 * MiB, 16 * MiB, MEM_USABLE));
        KTEST_TRUE(record_check(&rec));
    }
}

/* A map that covers the kernel: the kernel's memory stays its own, the rest is believed. */
KTEST(boot_record, a_map_over_the_kernel)
{
    for (unsigned i = 0; i < 3; i++) {
        record_init(&rec, &handoff);
        record_add_range(&rec, 16 * MiB, 16 * MiB, MEM_USABLE, 0);
        if (i == 1)
            record_add_range(&rec, 0, 8 * MiB, MEM_RESERVED, 0);
        if (i == 2) {
            record_add_range(&rec, 3 * MiB, 8 * KiB, MEM_BAD, 0);
            record_add_range(&rec, 0, 3 * MiB, MEM_USABLE, 0);
        }
        KTEST_REQUIRE(record_finish(&rec) == 0);
        KTEST_TRUE(record_check(&rec));
        KTEST_TRUE(range_is(rec.range_count - 1, 16 * MiB, 32 * MiB, MEM_USABLE));
        if (i == 0)
            KTEST_TRUE(range_is(0, 2 * MiB, 4 * MiB, MEM_USABLE));
        if (i == 1)
            KTEST_TRUE(range_is(1, 2 * MiB, 4 * MiB, MEM_USABLE) &&
                       range_is(2, 4 * MiB, 8 * MiB, MEM_RESERVED));
        if (i == 2)
            KTEST_TRUE(range_is(0, 0, 4 * MiB, MEM_USABLE));
    }
}

KTEST(boot_record, covers_several)
{
    record_init(&rec, &handoff);
    record_add_range(&rec, 1 * MiB, MiB, MEM_RESERVED, 0);
    record_add_range(&rec, 3 * MiB, MiB, MEM_ACPI, 0);
    record_add_range(&rec, 0, 6 * MiB, MEM_USABLE, 0);
    KTEST_EQ(rec.range_count, 5);
    record_add_range(&rec, 0, 6 * MiB, MEM_BAD, 0);
    KTEST_EQ(rec.range_count, 1);
    KTEST_TRUE(range_is(0, 0, 6 * MiB, MEM_BAD));
}

KTEST(boot_record, hostile_ranges)
{
    record_init(&rec, &handoff);
    record_add_range(&rec, 0, 0, MEM_USABLE, 0);
    record_add_range(&rec, UINT64_MAX, UINT64_MAX, MEM_USABLE, 0);
    record_add_range(&rec, BIT(52) - MiB, UINT64_MAX, MEM_USABLE, 0);
    KTEST_EQ(rec.range_count, 1);
    KTEST_TRUE(range_is(0, BIT(52) - MiB, BIT(52), MEM_USABLE));
    record_add_range(&rec, 0, UINT64_MAX, (enum mem_kind)77, 0);
    KTEST_EQ(rec.range_count, 1);
    KTEST_EQ(rec.ranges[0].kind, MEM_RESERVED);
    KTEST_TRUE(record_check(&rec));
    KTEST_EQ(record_finish(&rec), -EINVAL); /* no usable memory under the image */
}

KTEST(boot_record, full_table_loses_memory_only)
{
    record_init(&rec, &handoff);
    record_add_range(&rec, 0, 4096 * MiB, MEM_USABLE, 0);
    for (unsigned i = 0; i < 3 * BOOT_RANGES_MAX; i++) {
        record_add_range(&rec, (8 + 2ull * i) * MiB, MiB, MEM_RESERVED, 0);
        KTEST_REQUIRE(record_check(&rec));
    }
    KTEST_EQ(rec.range_count, BOOT_RANGES_MAX);
    /* No reserved piece may have become usable. */
    for (unsigned i = 0; i < rec.range_count; i++)
        if (rec.ranges[i].kind == MEM_USABLE && rec.ranges[i].start >= 8 * MiB &&
            rec.ranges[i].start < 8 * MiB + 6ull * BOOT_RANGES_MAX * MiB)
            KTEST_TRUE(rec.ranges[i].size <= MiB);
    KTEST_EQ(record_finish(&rec), 0);
}

KTEST(boot_record, random_ranges_keep_invariants)
{
    uint64_t x = 88172645463325252ull;

    record_init(&rec, &handoff);
    for (unsigned i = 0; i < 2000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        record_add_range(&rec, (x & 0xfff) << 12, (x >> 12 & 0xff) << 12, (x >> 20) % 7,
                         (unsigned)(x >> 30 & 1));
        KTEST_REQUIRE(record_check(&rec));
    }
}

KTEST(boot_record, modules)
{
    record_init(&rec, &handoff);
    record_add_range(&rec, 0, 64 * MiB, MEM_USABLE, 0);
    record_add_module(&rec, 16 * MiB, 4 * MiB, "initrd", 6);
    record_add_module(&rec, 3 * MiB, MiB, "over the kernel", 99);
    record_add_module(&rec, 63 * MiB, 4 * MiB, "beyond memory", 99);
    record_add_module(&rec, UINT64_MAX - 5, 100, "wraps", 99);
    record_add_module(&rec, 20 * MiB, 0, "empty", 99);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_REQUIRE(rec.module_count == 1);
    KTEST_STR_EQ(rec.modules[0].name, "initrd");
    for (unsigned i = 0; i < 2 * BOOT_MODULES_MAX; i++)
        record_add_module(&rec, 20 * MiB, MiB, NULL, 0);
    KTEST_EQ(rec.module_count, BOOT_MODULES_MAX);
}

/* Firmware that takes memory for itself once the loader has put a module there. */
KTEST(boot_record, module_that_reaches_into_reserved_memory)
{
    record_init(&rec, &handoff);
    record_add_range(&rec, 0, 64 * MiB, MEM_USABLE, 0);
    record_add_range(&rec, 60 * MiB, 4 * MiB, MEM_RESERVED, 0);
    record_add_range(&rec, 80 * MiB, MiB, MEM_RESERVED, 0);
    record_add_module(&rec, 56 * MiB, 5 * MiB + 100, "reaches", 99);
    record_add_module(&rec, 62 * MiB, MiB, "behind memory", 99);
    record_add_module(&rec, 80 * MiB, MiB, "no memory", 99);
    record_add_module(&rec, 59 * MiB, 6 * MiB, "beyond memory", 99);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_TRUE(record_check(&rec));
    KTEST_REQUIRE(rec.module_count == 2);
    KTEST_STR_EQ(rec.modules[0].name, "reaches");
    KTEST_STR_EQ(rec.modules[1].name, "behind memory");
    KTEST_TRUE(record_is_free(&rec, 40 * MiB, MiB));
    KTEST_TRUE(!record_is_free(&rec, 60 * MiB, PAGE_SIZE));
    KTEST_REQUIRE(rec.range_count == 6);
    KTEST_EQ(rec.ranges[1].start, 60 * MiB);
    KTEST_EQ(rec.ranges[1].size, MiB + PAGE_SIZE);
    KTEST_EQ(rec.ranges[1].kind, MEM_NVS);
    KTEST_EQ(rec.ranges[2].kind, MEM_RESERVED);
    KTEST_EQ(rec.ranges[3].kind, MEM_NVS);
}

KTEST(boot_record, texts)
{
    static char text[BOOT_CMDLINE_MAX + 10];

    record_init(&rec, &handoff);
    record_set_cmdline(&rec, "a\tb\nc", 100);
    KTEST_STR_EQ(rec.cmdline, "a b c");
    record_set_cmdline(&rec, "abcdef", 3);
    KTEST_STR_EQ(rec.cmdline, "abc");
    memset(text, 'x', sizeof text);
    record_set_cmdline(&rec, text, sizeof text);
    KTEST_EQ(strlen(rec.cmdline), BOOT_CMDLINE_MAX - 1);
    record_set_loader(&rec, text, sizeof text);
    KTEST_EQ(strlen(rec.loader), sizeof rec.loader - 1);
}

KTEST(boot_record, loader_and_version)
{
    record_init(&rec, &handoff);
    record_set_loader(&rec, "GRUB 2.06-13", 99);
    KTEST_STR_EQ(rec.loader, "GRUB");
    KTEST_STR_EQ(rec.loader_version, "2.06-13");
    record_set_loader(&rec, "Some loader 3", 99);
    KTEST_STR_EQ(rec.loader, "Some loader 3");
    KTEST_STR_EQ(rec.loader_version, "");
    record_set_loader_version(&rec, "8.1", 2);
    KTEST_STR_EQ(rec.loader_version, "8.");
}

KTEST(boot_record, what_the_loader_used_is_reclaimed)
{
    record_init(&rec, &handoff);
    record_add_range(&rec, 0, 4 * MiB, MEM_LOADER, 0);
    record_add_range(&rec, 4 * MiB, 4 * MiB, MEM_FIRMWARE, 0);
    record_add_range(&rec, 8 * MiB, 4 * MiB, MEM_RUNTIME, 0);
    record_add_range(&rec, 6 * MiB, 4 * MiB, MEM_USABLE, 0);
    KTEST_EQ(rec.range_count, 3);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_EQ(rec.range_count, 2);
    KTEST_TRUE(range_is(0, 0, 8 * MiB, MEM_USABLE));
    KTEST_TRUE(range_is(1, 8 * MiB, 12 * MiB, MEM_RUNTIME));
}

/* Many pieces of the loader's are joined before any memory is given up. */
KTEST(boot_record, full_table_reclaims_first)
{
    record_init(&rec, &handoff);
    for (unsigned i = 0; i < 2 * BOOT_RANGES_MAX; i++)
        record_add_range(&rec, (uint64_t)i * MiB, MiB, i % 2 ? MEM_LOADER : MEM_USABLE, 0);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_EQ(rec.range_count, 1);
    KTEST_TRUE(range_is(0, 0, 2ull * BOOT_RANGES_MAX * MiB, MEM_USABLE));
}

static const struct boot_framebuffer screen = { .addr = 0xfd000000, .width = 1024, .height = 768,
                                                .pitch = 4096, .bpp = 32, .red_shift = 16,
                                                .red_bits = 8, .green_shift = 8, .green_bits = 8,
                                                .blue_bits = 8 };

KTEST(boot_record, framebuffer)
{
    struct boot_framebuffer fb = screen;

    record_init(&rec, &handoff);
    record_add_range(&rec, 0, 64 * MiB, MEM_USABLE, 0);
    KTEST_EQ(record_set_framebuffer(&rec, &fb), 0);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_EQ(rec.fb.pitch, 4096);
    KTEST_TRUE(range_is(1, 0xfd000000, 0xfd300000, MEM_FRAMEBUFFER));
    fb.addr = 3 * MiB; /* over the kernel */
    KTEST_EQ(record_set_framebuffer(&rec, &fb), 0);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_EQ(rec.fb.width, 0);
}

KTEST(boot_record, hostile_framebuffers)
{
    struct boot_framebuffer bad[] = { screen, screen, screen, screen, screen, screen, screen };

    bad[0].pitch = 4095;
    bad[1].bpp = 8;
    bad[2].height = UINT32_MAX;
    bad[3].addr = UINT64_MAX - 5;
    bad[4].red_shift = 25;
    bad[5].green_bits = 0;
    bad[6].addr = 0;
    record_init(&rec, &handoff);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        KTEST_EQ(record_set_framebuffer(&rec, &bad[i]), -EINVAL);
    KTEST_EQ(rec.fb.width, 0);
}

KTEST(boot_record, map_is_bounded)
{
    KTEST_TRUE(record_map(&handoff, 0, GiB) != NULL);
    KTEST_TRUE(record_map(&handoff, 0, GiB + 1) == NULL);
    KTEST_TRUE(record_map(&handoff, GiB, 0) == NULL);
    KTEST_TRUE(record_map(&handoff, GiB - 1, UINT64_MAX) == NULL);
    KTEST_TRUE(record_map(&handoff, UINT64_MAX, 2) == NULL);
}

KTEST(boot_record, unknown_protocol)
{
    struct loader_handoff h = handoff;

    h.protocol = (enum loader_protocol)99;
    KTEST_EQ(boot_parse(&h, &rec), -ENOENT);
}

KTEST(boot_record, ram_that_is_mapped)
{
    record_init(&rec, &handoff);
    record_add_range(&rec, 1 * MiB, 1 * MiB, MEM_USABLE, 0);
    record_add_range(&rec, 2 * MiB, 8192, MEM_ACPI, 0);
    record_add_range(&rec, 2 * MiB + 8192, 4096, MEM_RESERVED, 0);
    KTEST_TRUE(record_map_ram(&rec, 1 * MiB, 16) == NULL);
    rec.ram_mapped = true;
    KTEST_TRUE(record_map_ram(&rec, 1 * MiB, 1 * MiB + 8192) == phys_to_virt(1 * MiB));
    KTEST_TRUE(record_map_ram(&rec, 1 * MiB, 1 * MiB + 8193) == NULL);
    KTEST_TRUE(record_map_ram(&rec, 1 * MiB, 0) == NULL);
    KTEST_TRUE(record_map_ram(&rec, 1 * MiB, UINT64_MAX) == NULL);
    KTEST_EQ(record_ram_room(&rec, 2 * MiB - 5, 64 * KiB), 8197);
    KTEST_EQ(record_ram_room(&rec, 2 * MiB - 5, 100), 100);
    KTEST_EQ(record_ram_room(&rec, 2 * MiB + 8192, 100), 0);
}
