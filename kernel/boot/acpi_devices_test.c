// SPDX-License-Identifier: CC0-1.0
/* Purpose: devices of a DSDT, as QEMU writes them and as nobody should. */
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
    acpi_read_devices(&t, &draft);
    return info.virtio_count;
}

KTEST(acpi_devices, virtio)
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

KTEST(acpi_devices, virtio_wide_and_edge)
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

KTEST(acpi_devices, virtio_left_out)
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

KTEST(acpi_devices, pci_roots)
{
    static const uint8_t table[] = {
        HEADER, DEVICE, 0x0f, 'P', 'C', 'I', '0', 8, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x03,
        DEVICE, 0x29, 'P', 'C', '8', '0', 8, '_', 'U', 'I', 'D', 0x0a, 0x80, 8, '_', 'B', 'B', 'N', 0x0a,
        0x80, 8, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x08, 8, '_', 'P', 'X', 'M', 0x0a, 5, 0,
        DEVICE, 0x15, 'P', 'C', '8', '1', 8, '_', 'B', 'B', 'N', 0, 8, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0,
        0x0a, 0x08,
        DEVICE, 0x17, 'P', 'C', '8', '2', 8, '_', 'B', 'B', 'N', 0x0b, 0, 1, 8, '_', 'H', 'I', 'D', 0x0c,
        0x41, 0xd0, 0x0a, 0x08,
    };

    KTEST_EQ(read(table, sizeof table), 0u);
    KTEST_EQ(info.pci_root_count, 2u);
    KTEST_EQ(info.pci_roots[0].bus, 0);
    KTEST_EQ(info.pci_roots[0].node, HW_NODE_NONE);
    KTEST_EQ(info.pci_roots[1].bus, 0x80);
    KTEST_EQ(info.pci_roots[1].node, 5u); /* the firmware's number */
    KTEST_EQ(draft.complaints, 2u);
    hw_draft_finish(&draft);
    KTEST_EQ(info.pci_roots[1].node, HW_NODE_NONE); /* which no memory and no CPU has */
}

/* However it is cut off, nothing beyond is read (the sanitizer watches on the host). */
KTEST(acpi_devices, cut_off)
{
    static const uint8_t table[] = { HEADER, DEVICE, 0x34, 'V', 'R', '2', '3', HID, CRS };
    static uint8_t copy[sizeof table];

    for (size_t n = ACPI_HEADER_BYTES; n < sizeof table; n++) {
        memcpy(copy + sizeof copy - n, table, n);
        KTEST_EQ(read(copy + sizeof copy - n, n), 0u);
    }
    KTEST_EQ(read(table, sizeof table), 1u);
}
