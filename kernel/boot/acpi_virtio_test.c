// SPDX-License-Identifier: CC0-1.0
/* Purpose: virtio devices of a DSDT, as QEMU writes them and as nobody should. */
#include <boot/acpi.h>

#include <core/ktest.h>
#include <core/log.h>
#include <lib/string.h>

#define HEADER_ZERO 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define HEADER HEADER_ZERO, HEADER_ZERO
#define HID 8, '_', 'H', 'I', 'D', 0x0d, 'L', 'N', 'R', 'O', '0', '0', '0', '5', 0
#define MEMORY(page, size) 0x86, 9, 0, 1, 0, page, 0xb0, 0xfe, 0, size, 0, 0
#define INTERRUPT(flags, irq) 0x89, 6, 0, flags, 1, irq, 0, 0, 0
#define END 0x79, 0
#define CRS 8, '_', 'C', 'R', 'S', 0x11, 0x1a, 0x0a, 23, MEMORY(0x2e, 2), INTERRUPT(1, 47), END
#define DEVICE 0x5b, 0x82

static struct hardware_info info;
static struct hw_draft draft;
static uint64_t log_seq;

static uint32_t read(const uint8_t *bytes, size_t size)
{
    struct acpi_table t = { .signature = "DSDT", .bytes = bytes, .size = (uint32_t)size };

    hw_draft_init(&draft, &info, 0);
    hw_table_begin(&draft, "DSDT");
    log_seq = log_next_seq();
    acpi_read_virtio(&t, &draft);
    return info.virtio_count;
}

KTEST(acpi_virtio, found)
{
    static const uint8_t table[] = {
        HEADER, 0x10, 0x45, 0x05, '\\', '_', 'S', 'B', '_', /* in a scope */
        DEVICE, 0x4c, 0x04, 'V', 'R', '2', '3', HID, 8, '_', 'U', 'I', 'D', 0x0a, 23,
        0x14, 9, '_', 'S', 'T', 'A', 0, 0xa4, 0x0a, 0x0f, 8, '_', 'C', 'C', 'A', 1, CRS,
    };

    KTEST_EQ(read(table, sizeof table), 1u);
    KTEST_EQ(info.virtio[0].start, 0xfeb02e00u);
    KTEST_EQ(info.virtio[0].size, 0x200u);
    KTEST_EQ(info.virtio[0].irq, 47u);
    KTEST_TRUE(!info.virtio[0].edge);
}

KTEST(acpi_virtio, wide_and_edge)
{
    static const uint8_t table[] = {
        HEADER, DEVICE, 0x4f, 0x05, 'V', 'R', '0', '0',
        8, '_', 'C', 'R', 'S', 0x11, 0x44, 0x04, 0x0a, 0x40,
        0x8a, 0x2b, 0, 0, 0x0d, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 1, 0, 0, 0,
        0xff, 0x0f, 0, 0x40, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0,
        INTERRUPT(3, 5), END, 0, 0, 0, 0, 0, 0, 0, HID,
    };

    KTEST_EQ(read(table, sizeof table), 1u);
    KTEST_EQ(info.virtio[0].start, 0x140000000ull);
    KTEST_EQ(info.virtio[0].size, 0x1000u);
    KTEST_EQ(info.virtio[0].irq, 5u);
    KTEST_TRUE(info.virtio[0].edge);
}

KTEST(acpi_virtio, left_out)
{
    static const uint8_t without[] = { HEADER, DEVICE, 0x14, 'V', 'R', '2', '3', HID };
    static const uint8_t other[] = { HEADER, DEVICE, 0x34, 'V', 'R', '2', '3', 8, '_', 'H', 'I', 'D', 0x0d,
                                     'L', 'N', 'R', 'O', '0', '0', '0', '6', 0, CRS };
    static const uint8_t method[] = { HEADER, DEVICE, 0x1e, 'V', 'R', '2', '3', HID,
                                      0x14, 9, '_', 'C', 'R', 'S', 0, 0xa4, 0x0a, 0x0f };
    static const uint8_t huge[] = { HEADER, DEVICE, 0x34, 'V', 'R', '2', '3', HID, 8, '_', 'C', 'R', 'S',
                                    0x11, 0x1a, 0x0a, 23, 0x86, 9, 0, 1, 0, 0, 0, 0xfe, 0, 0, 0, 1,
                                    INTERRUPT(1, 4), END };

    KTEST_EQ(read(without, sizeof without), 0u);
    KTEST_TRUE(ktest_logged(log_seq, "", "a virtio device without registers"));
    KTEST_EQ(read(other, sizeof other), 0u);
    KTEST_EQ(read(method, sizeof method), 0u);
    KTEST_EQ(read(huge, sizeof huge), 0u);
}

/* However it is cut off, nothing beyond is read (the sanitizer watches on the host). */
KTEST(acpi_virtio, cut_off)
{
    static const uint8_t table[] = { HEADER, DEVICE, 0x34, 'V', 'R', '2', '3', HID, CRS };
    static uint8_t copy[sizeof table];

    for (size_t n = ACPI_HEADER_BYTES; n < sizeof table; n++) {
        memcpy(copy + sizeof copy - n, table, n);
        KTEST_EQ(read(copy + sizeof copy - n, n), 0u);
    }
    KTEST_EQ(read(table, sizeof table), 1u);
}
