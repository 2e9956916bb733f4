// SPDX-License-Identifier: CC0-1.0
/* Purpose: the EFI stub's record: whole, absurd, and mutated. */
#include <boot/efi.h>

#include <boot/efi_map.h>
#include <core/ktest.h>
#include <core/log.h>
#include <lib/string.h>

#define CMDLINE "console=ttyAMA0 root=/dev/null"
#define MAP_OFFSET 512
#define ENTRY 48

static uint8_t block[1024];
static struct boot_record rec;
static struct efi_handoff hand;
static const struct loader_handoff handoff = { .protocol = LOADER_EFI, .image_start = 0x40200000,
                                               .image_end = 0x40400000 };

_Static_assert(sizeof(struct efi_handoff) + sizeof CMDLINE <= MAP_OFFSET, "the parts lie side by side");

static void descriptor(unsigned i, uint32_t type, uint64_t start, uint64_t pages)
{
    struct efi_descriptor d = { .type = type, .start = start, .pages = pages, .attributes = 8 };

    memcpy(block + MAP_OFFSET + i * ENTRY, &d, sizeof d);
}

static struct efi_handoff *build(void)
{
    struct efi_handoff *h = (struct efi_handoff *)block;

    memset(block, 0, sizeof block);
    *h = (struct efi_handoff){
        .magic = EFI_HANDOFF_MAGIC, .size = sizeof block,
        .cmdline_offset = sizeof *h, .cmdline_size = sizeof CMDLINE - 1,
        .map_offset = MAP_OFFSET, .map_size = 3 * ENTRY, .descriptor_size = ENTRY,
        .system_table = 0x4ffd0018, .rsdp = 0x4c430018, .initrd = 0x48000000, .initrd_size = 12345,
        .screen = { .addr = 0x10000000, .size = 1024 * 768 * 4, .width = 1000, .height = 768,
                    .pixels_per_line = 1024, .format = EFI_PIXELS_BGRX },
        .time = { .year = 2024, .month = 2, .day = 29, .hour = 12, .minute = 30, .second = 5,
                  .zone = EFI_ZONE_NONE },
        .vendor = "EDK II",
    };
    memcpy(block + sizeof *h, CMDLINE, sizeof CMDLINE - 1);
    descriptor(0, EFI_CONVENTIONAL, 0x40000000, 0x8000);
    descriptor(1, EFI_LOADER_DATA, 0x48000000, 0x4430);
    descriptor(2, EFI_ACPI_RECLAIM, 0x4c430000, 16);
    return h;
}

static err_t parse(void)
{
    record_init(&rec, &handoff);
    return efi_read_record(block, sizeof block, &rec, &hand);
}

KTEST(boot_efi, whole)
{
    (void)build();
    KTEST_EQ(parse(), 0);
    KTEST_EQ(record_finish(&rec), 0);
    KTEST_EQ(strcmp(rec.cmdline, CMDLINE), 0);
    KTEST_EQ(strcmp(rec.loader, "EDK II"), 0);
    KTEST_EQ(rec.firmware, FIRMWARE_EFI64);
    KTEST_EQ(rec.efi_system_table, 0x4ffd0018);
    KTEST_EQ(rec.rsdp, 0x4c430018);
    KTEST_EQ(rec.boot_time, 1709209805);
    KTEST_EQ(rec.module_count, 1);
    KTEST_EQ(rec.modules[0].start, 0x48000000);
    KTEST_EQ(rec.modules[0].size, 12345);
    KTEST_EQ(rec.fb.pitch, 4096);
    KTEST_EQ(rec.fb.red_shift, 16);
    KTEST_EQ(rec.fb.blue_shift, 0);
    KTEST_EQ(rec.range_count, 3);
    KTEST_EQ(rec.ranges[0].kind, MEM_FRAMEBUFFER);
    KTEST_EQ(rec.ranges[1].size, 0xc430000);
    KTEST_EQ(rec.ranges[2].kind, MEM_ACPI);
}

KTEST(boot_efi, heads_that_make_no_sense)
{
    uint32_t *const fields[] = { &build()->size, &build()->cmdline_offset, &build()->cmdline_size,
                                 &build()->map_offset, &build()->map_size, &build()->seed_size,
                                 &build()->descriptor_size };
    unsigned level = log_console_level();

    log_console_level_set(0);
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
        for (unsigned shift = 0; shift < 2; shift++) {
            (void)build();
            *fields[i] = shift ? UINT32_MAX : 0x80000000u;
            if (fields[i] != &((struct efi_handoff *)block)->descriptor_size)
                KTEST_EQ(parse(), -EINVAL);
            else
                KTEST_EQ(parse(), 0); /* a map of one entry */
        }
    build()->cmdline_offset = 8; /* into the head */
    KTEST_EQ(parse(), -EINVAL);
    build()->magic++;
    KTEST_EQ(parse(), -EINVAL);
    build()->map_size = 0;
    KTEST_EQ(parse(), -EINVAL);
    build()->descriptor_size = 8;
    KTEST_EQ(parse(), -EINVAL);
    (void)build();
    record_init(&rec, &handoff);
    KTEST_EQ(efi_read_record(block, sizeof(struct efi_handoff) - 1, &rec, &hand), -EINVAL);
    log_console_level_set(level);
}

KTEST(boot_efi, screens_that_cannot_be)
{
    unsigned level = log_console_level();

    log_console_level_set(0);
    build()->screen.format = EFI_PIXELS_NONE;
    KTEST_EQ(parse(), 0);
    KTEST_EQ(rec.fb.width, 0);
    build()->screen.pixels_per_line = 999; /* shorter than a line */
    KTEST_EQ(parse(), 0);
    KTEST_EQ(rec.fb.width, 0);
    build()->screen.height = UINT32_MAX;
    KTEST_EQ(parse(), 0);
    KTEST_EQ(rec.fb.width, 0);
    build()->screen.format = EFI_PIXELS_MASKS; /* no colours */
    KTEST_EQ(parse(), 0);
    KTEST_EQ(rec.fb.width, 0);
    log_console_level_set(level);
}

KTEST(boot_efi, colours_by_masks)
{
    struct efi_screen *s = &build()->screen;

    s->format = EFI_PIXELS_MASKS;
    s->red = 0xf800;
    s->green = 0x07e0;
    s->blue = 0x001f;
    KTEST_EQ(parse(), 0);
    KTEST_EQ(rec.fb.bpp, 16);
    KTEST_EQ(rec.fb.pitch, 2048);
    KTEST_EQ(rec.fb.red_shift, 11);
    KTEST_EQ(rec.fb.red_bits, 5);
    KTEST_EQ(rec.fb.green_shift, 5);
    KTEST_EQ(rec.fb.green_bits, 6);
    KTEST_EQ(rec.fb.blue_bits, 5);
}

KTEST(boot_efi, times)
{
    struct efi_time at = { .year = 1970, .month = 1, .day = 1, .second = 7, .zone = EFI_ZONE_NONE };

    KTEST_EQ(efi_time_seconds(&at), 7);
    at.zone = 60; /* local time is an hour behind UTC */
    KTEST_EQ(efi_time_seconds(&at), 3607);
    at.zone = -60;
    KTEST_EQ(efi_time_seconds(&at), 0);
    at = (struct efi_time){ .year = 2000, .month = 13, .day = 1 };
    KTEST_EQ(efi_time_seconds(&at), 0);
    at = (struct efi_time){ .year = 0 };
    KTEST_EQ(efi_time_seconds(&at), 0);
}
