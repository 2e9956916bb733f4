// SPDX-License-Identifier: CC0-1.0
/* Purpose: which ITS PCI functions send to, by the IORT: straight, by way of an SMMU, in parts, and nonsense. */
#include <boot/acpi.h>

#include <core/hardware.h>
#include <core/ktest.h>
#include <core/log.h>

#define ITS_ID 7
#define ITS_BASE 0x8080000
#define TABLE_BYTES 512
#define GROUP 0
#define COMPLEX 2
#define SMMU3 4

static uint8_t bytes[TABLE_BYTES];
static uint32_t used;
static struct hardware_info info;
static struct hw_draft draft;
static uint64_t log_seq;

static void put32(uint32_t at, uint32_t value)
{
    memcpy(bytes + at, &value, sizeof value);
}

/* A machine with two hosts and an ITS, and an empty table. */
static void begin(void)
{
    memset(bytes, 0, sizeof bytes);
    used = 48;
    put32(40, used);
    hw_draft_init(&draft, &info, 0);
    hw_table_begin(&draft, "IORT");
    hw_its_add(&draft, 0, ITS_BASE, ITS_ID);
    (void)hw_pci_host_add(&draft, 0, 0x100000000, 256 * MiB, 0, 0, 255);
    (void)hw_pci_host_add(&draft, 0, 0x200000000, 256 * MiB, 1, 0, 255);
    log_seq = log_next_seq();
}

static bool complained(const char *about)
{
    return ktest_logged(log_seq, "IORT at offset", about);
}

/* Return: its offset.  Its mappings follow at once. */
static uint32_t node(uint8_t type, uint32_t data, uint32_t mappings)
{
    uint32_t at = used, head = 16 + 4 * data, size = head + 20 * mappings;

    bytes[at] = type;
    bytes[at + 1] = (uint8_t)size;
    bytes[at + 2] = (uint8_t)(size >> 8);
    put32(at + 8, mappings);
    put32(at + 12, head);
    used += size;
    put32(36, bytes[36] + 1u);
    return at;
}

static uint32_t group(uint32_t its)
{
    uint32_t at = node(GROUP, 2, 0);

    put32(at + 16, 1);
    put32(at + 20, its);
    return at;
}

static uint32_t complex(uint32_t segment, uint32_t mappings)
{
    uint32_t at = node(COMPLEX, 5, mappings);

    put32(at + 28, segment);
    return at;
}

static void mapping(uint32_t of, unsigned n, uint32_t input, uint32_t more, uint32_t output, uint32_t to)
{
    uint32_t at = of + bytes[of + 12] + 20 * n;

    put32(at, input);
    put32(at + 4, more);
    put32(at + 8, output);
    put32(at + 12, to);
}

static void read(uint32_t size)
{
    struct acpi_table t = { .signature = "IORT", .bytes = bytes, .size = size };

    acpi_read_iort(&t, &draft);
}

/* Return: the device that a requester of the segment is; UINT32_MAX: it has no ITS. */
static uint32_t device_of(unsigned segment, uint16_t requester)
{
    uint32_t its, device;

    return hw_msi_device(&info.pci_hosts[segment], requester, &its, &device) ? device : UINT32_MAX;
}

KTEST(iort, straight)
{
    uint32_t its, root;

    begin();
    its = group(ITS_ID);
    root = complex(0, 1);
    mapping(root, 0, 0, 0xffff, 0, its);
    root = complex(1, 2);
    mapping(root, 0, 0x100, 0xff, 0x10000, its);
    mapping(root, 1, 0x300, 0, 5, its);
    read(used);
    KTEST_EQ(draft.complaints, 0);
    KTEST_EQ(device_of(0, 0), 0);
    KTEST_EQ(device_of(0, 0xffff), 0xffff);
    KTEST_EQ(device_of(1, 0xff), UINT32_MAX);
    KTEST_EQ(device_of(1, 0x100), 0x10000);
    KTEST_EQ(device_of(1, 0x1ff), 0x100ff);
    KTEST_EQ(device_of(1, 0x200), UINT32_MAX);
    KTEST_EQ(device_of(1, 0x300), 5);
    KTEST_EQ(device_of(1, 0x301), UINT32_MAX);
}

/* Runs are cut at each step; the SMMU's own messages (flag 1) are nobody's requester. */
KTEST(iort, by_way_of_an_smmu)
{
    uint32_t its, smmu, root;

    begin();
    its = group(ITS_ID);
    smmu = node(SMMU3, 11, 3);
    mapping(smmu, 0, 0, 0xfff, 0x20000, its);
    mapping(smmu, 1, 0x1000, 0xfff, 0x50000, its);
    mapping(smmu, 2, 0, 0xffff, 9, its);
    put32(smmu + 16 + 4 * 11 + 20 * 2 + 16, 1);
    root = complex(0, 2);
    mapping(root, 0, 0x800, 0xfff, 0x800, smmu);
    mapping(root, 1, 0x8000, 0x7fff, 0, its);
    read(used);
    KTEST_EQ(draft.complaints, 0);
    KTEST_EQ(info.pci_hosts[0].msi_map_count, 3);
    KTEST_EQ(device_of(0, 0x7ff), UINT32_MAX);
    KTEST_EQ(device_of(0, 0x800), 0x20800);
    KTEST_EQ(device_of(0, 0xfff), 0x20fff);
    KTEST_EQ(device_of(0, 0x1000), 0x50000);
    KTEST_EQ(device_of(0, 0x17ff), 0x507ff);
    KTEST_EQ(device_of(0, 0x1800), UINT32_MAX);
    KTEST_EQ(device_of(0, 0x8001), 1);
    KTEST_EQ(device_of(1, 0x800), UINT32_MAX);
}

/* No table, or none to speak of: the first ITS has all. */
KTEST(iort, absent)
{
    begin();
    acpi_read_iort(NULL, &draft);
    KTEST_EQ(draft.complaints, 0);
    KTEST_EQ(device_of(1, 0x1234), 0x1234);
    begin();
    read(47);
    KTEST_EQ(draft.complaints, 1);
    KTEST_EQ(device_of(0, 0x1234), 0x1234);
}

KTEST(iort, nonsense)
{
    uint32_t its, smmu, root;

    begin();
    its = group(99);
    smmu = node(SMMU3, 11, 1);
    mapping(smmu, 0, 0, 0xffff, 0, smmu); /* to itself */
    root = complex(0, 4);
    mapping(root, 0, 0, 0xffff, 0, its);
    mapping(root, 1, 0, 0xffff, 0, smmu);
    mapping(root, 2, 0, 0xffff, 0, used + 1000);
    mapping(root, 3, 1, UINT32_MAX, 0, its);
    read(used);
    KTEST_EQ(draft.complaints, 4);
    KTEST_TRUE(complained("messages to ITS 0x63, which is not there"));
    KTEST_TRUE(complained("mappings lead on and on"));
    KTEST_TRUE(complained("a mapping leads to no node"));
    KTEST_TRUE(complained("a mapping of 0x1 and 0xffffffff more"));
    KTEST_EQ(info.pci_hosts[0].msi_map_count, 0);
}

KTEST(iort, nodes_that_are_none)
{
    uint32_t its, root;

    begin();
    its = group(ITS_ID);
    root = complex(0, 1);
    mapping(root, 0, 0, 0xff, 0, its);
    put32(root + 8, 0x10000000); /* mappings, of which one fits */
    root = complex(1, 0);
    bytes[root + 1] = 3; /* shorter than a node can be */
    read(used);
    KTEST_EQ(draft.complaints, 2);
    KTEST_TRUE(complained("with 268435456 mappings"));
    KTEST_TRUE(complained("a node that is none"));
    KTEST_EQ(device_of(0, 0xff), 0xff);
}

/* An empty group; then the table ends within the node that leads to it. */
KTEST(iort, ends_early)
{
    for (uint32_t cut = 0; cut < 2; cut++) {
        uint32_t its, root;

        begin();
        its = group(ITS_ID);
        put32(its + 16, 0);
        root = complex(0, 1);
        mapping(root, 0, 0, 0xff, 0, its);
        read(used - cut);
        KTEST_EQ(draft.complaints, 1);
        KTEST_TRUE(complained(cut ? "a node that is none" : "a group without an ITS"));
    }
}

#define MANY 3270u

static uint32_t large_node(uint8_t *large, uint32_t at, uint8_t type, uint32_t head)
{
    uint32_t size = head + 20 * MANY;

    memcpy(large + at, (uint8_t[]){ type, (uint8_t)size, (uint8_t)(size >> 8) }, 3);
    memcpy(large + at + 8, (uint32_t[]){ MANY, head }, 8);
    return size;
}

/* Two nodes with as many mappings as they have room for would be looked at for ever. */
KTEST(iort, bounded)
{
    static uint8_t large[2 * 65536];
    struct acpi_table tab = { .signature = "IORT", .bytes = large, .size = 48 };
    uint32_t smmu = 48, root;

    begin();
    memset(large, 0, sizeof large);
    memcpy(large + 36, (uint32_t[]){ 2, smmu }, 8);
    tab.size += large_node(large, smmu, SMMU3, 60);
    root = tab.size;
    tab.size += large_node(large, root, COMPLEX, 36);
    for (uint32_t i = 0; i < MANY; i++) {
        memcpy(large + smmu + 60 + 20 * i + 16, (uint32_t[]){ 1 }, 4);
        memcpy(large + root + 36 + 20 * i, (uint32_t[]){ 0, 0xffff, 0, smmu, 0 }, 20);
    }
    acpi_read_iort(&tab, &draft);
    KTEST_EQ(draft.complaints, 1);
    KTEST_TRUE(complained("more than 4096 mappings"));
    KTEST_EQ(info.pci_hosts[0].msi_map_count, 0);
}
