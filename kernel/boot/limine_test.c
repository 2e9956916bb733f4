// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: records of the Limine protocol, laid out as its text says; sound and hostile.
 * Model: `area` is the loader's memory, and all that the early direct map covers; its direct map begins
 * at HHDM.
 */
#include <boot/limine.h>

#include <core/ktest.h>
#include <lib/string.h>

#define HHDM 0xffff000000000000ull

static struct {
    struct limine_handoff handoff;
    struct limine_loader loader;
    struct limine_list memmap, screens, modules;
    uint64_t memmap_list[6], screen_list[2], module_list[2];
    struct limine_range ranges[6];
    struct limine_screen screen_records[2];
    struct limine_file files[2], executable;
    struct limine_pointer file, cmdline, rsdp, efi_table;
    struct limine_time time;
    struct limine_number firmware;
    struct limine_efi_memmap efi_memmap;
    uint64_t descriptors[2][5];
    char name[8], version[8], text[16], path[16];
} area;
static struct boot_record rec;
static struct loader_handoff handoff;

static uint64_t high(const void *p)
{
    return HHDM + virt_to_phys(p);
}

static void range(unsigned i, uint64_t start, uint64_t size, uint64_t type)
{
    area.ranges[i] = (struct limine_range){ start, size, type };
    area.memmap_list[i] = high(&area.ranges[i]);
}

static void texts(void)
{
    str_copy(area.name, "Limine", sizeof(area.name));
    str_copy(area.version, "8.6.0", sizeof(area.version));
    str_copy(area.text, "quiet x=1", sizeof(area.text));
    str_copy(area.path, "/boot/initrd", sizeof(area.path));
    area.loader = (struct limine_loader){ 0, high(area.name), high(area.version) };
    area.executable = (struct limine_file){ .text = high(area.text), .path = high(area.path) };
    area.file = (struct limine_pointer){ 0, high(&area.executable) };
    area.handoff.responses[LIMINE_LOADER] = high(&area.loader);
    area.handoff.responses[LIMINE_FILE] = high(&area.file);
}

static void begin(void)
{
    memset(&area, 0, sizeof(area));
    area.handoff = (struct limine_handoff){ LIMINE_HANDOFF_MAGIC, 3, HHDM, { 0 } };
    range(0, 0x1000, 0x9e000, LIMINE_MEM_USABLE);
    range(1, 1 * MiB, 3 * MiB, LIMINE_MEM_USABLE);
    range(2, 4 * MiB, 1 * MiB, LIMINE_MEM_EXECUTABLE);
    range(3, 5 * MiB, 1 * MiB, LIMINE_MEM_LOADER);
    range(4, 6 * MiB, 1 * MiB, LIMINE_MEM_ACPI);
    range(5, 7 * MiB, 1 * MiB, LIMINE_MEM_RESERVED);
    area.memmap = (struct limine_list){ 0, 6, high(area.memmap_list) };
    area.handoff.responses[LIMINE_MEMMAP] = high(&area.memmap);
    texts();
    handoff = (struct loader_handoff){
        .protocol = LOADER_LIMINE,
        .info = virt_to_phys(&area.handoff),
        .image_start = 1 * MiB,
        .image_end = 2 * MiB,
        .early_start = virt_to_phys(&area),
        .early_end = virt_to_phys(&area) + sizeof(area),
    };
    record_init(&rec, &handoff);
}

static bool range_is(unsigned i, paddr_t start, paddr_t end, enum mem_kind kind)
{
    return i < rec.range_count && rec.ranges[i].start == start &&
           rec.ranges[i].size == end - start && rec.ranges[i].kind == kind;
}

KTEST(boot_limine, sound)
{
    begin();
    area.time = (struct limine_time){ 0, 1700000000 };
    area.handoff.responses[LIMINE_TIME] = high(&area.time);
    area.firmware = (struct limine_number){ 0, LIMINE_EFI64 };
    area.handoff.responses[LIMINE_FIRMWARE] = high(&area.firmware);
    area.rsdp = (struct limine_pointer){ 0, 0xf59d0 }; /* physical in base revision 3 */
    area.handoff.responses[LIMINE_RSDP] = high(&area.rsdp);
    area.efi_table = (struct limine_pointer){ 0, HHDM + 0x7000 }; /* virtual in the others */
    area.handoff.responses[LIMINE_EFI_TABLE] = high(&area.efi_table);
    KTEST_REQUIRE(limine_parse(&handoff, &rec) == 0);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_STR_EQ(rec.loader, "Limine");
    KTEST_STR_EQ(rec.loader_version, "8.6.0");
    KTEST_STR_EQ(rec.cmdline, "quiet x=1");
    KTEST_EQ(rec.boot_time, 1700000000);
    KTEST_EQ(rec.firmware, FIRMWARE_EFI64);
    KTEST_EQ(rec.rsdp, 0xf59d0);
    KTEST_EQ(rec.efi_system_table, 0x7000);
    KTEST_TRUE(range_is(1, 1 * MiB, 6 * MiB, MEM_USABLE)); /* with what was the loader's */
    KTEST_TRUE(range_is(2, 6 * MiB, 7 * MiB, MEM_ACPI));
    KTEST_TRUE(range_is(3, 7 * MiB, 8 * MiB, MEM_RESERVED));
}

KTEST(boot_limine, modules)
{
    begin();
    area.files[0] = (struct limine_file){ 0, HHDM + 4 * MiB, 5000, high(area.path), 0 };
    area.files[1] = (struct limine_file){ 0, HHDM + 4 * MiB + 8192, 100, high(area.path),
                                          high(area.text) };
    area.module_list[0] = high(&area.files[0]);
    area.module_list[1] = high(&area.files[1]);
    area.modules = (struct limine_list){ 0, 2, high(area.module_list) };
    area.handoff.responses[LIMINE_MODULES] = high(&area.modules);
    KTEST_REQUIRE(limine_parse(&handoff, &rec) == 0);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_REQUIRE(rec.module_count == 2);
    KTEST_EQ(rec.modules[0].start, 4 * MiB);
    KTEST_EQ(rec.modules[0].size, 5000);
    KTEST_STR_EQ(rec.modules[0].name, "/boot/initrd");
    KTEST_STR_EQ(rec.modules[1].name, "quiet x=1");
}

static const struct limine_screen screen = {
    .addr = HHDM + 0xfd000000, .width = 1024, .height = 768, .pitch = 4096, .bpp = 32, .model = 1,
    .red_bits = 8, .red_shift = 16, .green_bits = 8, .green_shift = 8, .blue_bits = 8,
};

/* The first that can be used is taken. */
KTEST(boot_limine, framebuffers)
{
    begin();
    area.screen_records[0] = area.screen_records[1] = screen;
    area.screen_records[0].width = 1ull << 33;
    area.screen_list[0] = high(&area.screen_records[0]);
    area.screen_list[1] = high(&area.screen_records[1]);
    area.screens = (struct limine_list){ 1, 2, high(area.screen_list) };
    area.handoff.responses[LIMINE_FRAMEBUFFER] = high(&area.screens);
    KTEST_REQUIRE(limine_parse(&handoff, &rec) == 0);
    KTEST_EQ(rec.fb.addr, 0xfd000000);
    KTEST_EQ(rec.fb.width, 1024);
    KTEST_EQ(rec.fb.red_shift, 16);
    begin();
    area.screen_records[0] = screen;
    area.screen_records[0].model = 0;
    area.screen_list[0] = high(&area.screen_records[0]);
    area.screens = (struct limine_list){ 0, 1, high(area.screen_list) };
    area.handoff.responses[LIMINE_FRAMEBUFFER] = high(&area.screens);
    KTEST_REQUIRE(limine_parse(&handoff, &rec) == 0);
    KTEST_EQ(rec.fb.width, 0);
}

KTEST(boot_limine, command_line_of_its_own)
{
    begin();
    area.cmdline = (struct limine_pointer){ 0, high(area.name) };
    area.handoff.responses[LIMINE_CMDLINE] = high(&area.cmdline);
    KTEST_REQUIRE(limine_parse(&handoff, &rec) == 0);
    KTEST_STR_EQ(rec.cmdline, "Limine");
}

/* EFI's map names the runtime services in what Limine calls reserved, and adds nothing usable. */
KTEST(boot_limine, efi_memory_map)
{
    const uint64_t runtime[] = { 6, 7 * MiB, 0, 16, BIT(63) }, usable[] = { 7, 64 * MiB, 0, 16, 0 };

    begin();
    memcpy(area.descriptors[0], runtime, sizeof(runtime));
    memcpy(area.descriptors[1], usable, sizeof(usable));
    area.efi_memmap = (struct limine_efi_memmap){ 0, high(area.descriptors),
                                                  sizeof(area.descriptors), 40, 1 };
    area.handoff.responses[LIMINE_EFI_MEMMAP] = high(&area.efi_memmap);
    KTEST_REQUIRE(limine_parse(&handoff, &rec) == 0);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_TRUE(range_is(3, 7 * MiB, 7 * MiB + 64 * KiB, MEM_RUNTIME));
    KTEST_EQ(rec.range_count, 5);
    area.efi_memmap.size = UINT64_MAX;
    record_init(&rec, &handoff);
    KTEST_EQ(limine_parse(&handoff, &rec), 0);
}

/* Where the map lies in memory that is neither RAM nor mapped, it is asked for; once, and not when absurd. */
static unsigned far_calls;

static const void *far_map(paddr_t pa, uint64_t bytes)
{
    far_calls++;
    return pa == 7 * MiB && bytes == sizeof(area.descriptors) ? area.descriptors : NULL;
}

KTEST(boot_limine, efi_memory_map_far_away)
{
    const uint64_t runtime[] = { 6, 7 * MiB, 0, 16, BIT(63) };

    begin();
    far_calls = 0;
    memcpy(area.descriptors[0], runtime, sizeof(runtime));
    area.efi_memmap = (struct limine_efi_memmap){ 0, HHDM + 7 * MiB, sizeof(area.descriptors), 40, 1 };
    area.handoff.responses[LIMINE_EFI_MEMMAP] = high(&area.efi_memmap);
    KTEST_REQUIRE(limine_parse_far(&handoff, &rec, far_map) == 0);
    KTEST_EQ(far_calls, 1);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_TRUE(range_is(3, 7 * MiB, 7 * MiB + 64 * KiB, MEM_RUNTIME));
    area.efi_memmap.size = UINT64_MAX;
    record_init(&rec, &handoff);
    KTEST_EQ(limine_parse_far(&handoff, &rec, far_map), 0);
    KTEST_EQ(far_calls, 1);
}

KTEST(boot_limine, no_hand_over)
{
    begin();
    area.handoff.magic++;
    KTEST_EQ(limine_parse(&handoff, &rec), -EINVAL);
    begin();
    handoff.info = handoff.early_end - 8;
    KTEST_EQ(limine_parse(&handoff, &rec), -EINVAL);
    begin();
    area.handoff.responses[LIMINE_MEMMAP] = 0;
    KTEST_EQ(limine_parse(&handoff, &rec), -EINVAL);
}

/* Addresses that lead nowhere, counts that lie: left out. */
KTEST(boot_limine, hostile)
{
    const uint64_t nowhere[] = { 1, HHDM, UINT64_MAX, HHDM - 1, high(&area + 1), high(&area + 1) - 8 };

    for (unsigned f = 0; f < LIMINE_FEATURES; f++)
        for (unsigned i = 0; i < ARRAY_SIZE(nowhere); i++) {
            begin();
            area.handoff.responses[f] = nowhere[i];
            KTEST_EQ(limine_parse(&handoff, &rec), f == LIMINE_MEMMAP ? -EINVAL : 0);
        }
    begin();
    area.memmap_list[3] = 0;
    area.memmap_list[4] = UINT64_MAX;
    KTEST_REQUIRE(limine_parse(&handoff, &rec) == 0);
    KTEST_EQ(record_finish(&rec), 0);
    begin();
    area.memmap.count = UINT64_MAX;
    KTEST_EQ(limine_parse(&handoff, &rec), 0);
    begin();
    area.memmap.entries = UINT64_MAX - 7;
    KTEST_EQ(limine_parse(&handoff, &rec), -EINVAL);
}
