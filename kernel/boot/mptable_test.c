// SPDX-License-Identifier: CC0-1.0
/* Purpose: the MultiProcessor Specification's table, sound and hostile, built from bytes. */
#include <boot/mptable.h>

#include <core/ktest.h>
#include <core/log.h>
#include <lib/string.h>

#define HEADER 44
#define CPU_ENTRY(id, flags) 0, id, 0x14, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
#define BUS_ENTRY(id, a, b, c) 1, id, a, b, c, ' ', ' ', ' '
#define IOAPIC_ENTRY(id, flags, high) 2, id, 0x11, flags, 0, 0, high, 0xfe
#define INT_ENTRY(kind, flags, bus, irq, apic, pin) 3, kind, flags, 0, bus, irq, apic, pin
#define LOCAL_ENTRY(kind, id, lint) 4, kind, 0, 0, 0, 0, id, lint

static struct hardware_info info;
static struct hw_draft draft;
static uint64_t log_seq;
static uint8_t table[512];

/* Lays a table of those entries; returns its size. */
static uint32_t table_put(const uint8_t *entries, uint32_t size)
{
    uint8_t sum = 0;

    hw_draft_init(&draft, &info, 0);
    draft.cpu_id_max = 254;
    log_seq = log_next_seq();
    memset(table, 0, sizeof table);
    memcpy(table, "PCMP", 4);
    table[4] = (uint8_t)(HEADER + size);
    table[5] = (uint8_t)((HEADER + size) >> 8);
    memcpy(table + 36, (const uint8_t[]){ 0, 0, 0xe0, 0xfe }, 4);
    memcpy(table + HEADER, entries, size);
    for (uint32_t i = 0; i < HEADER + size; i++)
        sum = (uint8_t)(sum + table[i]);
    table[7] = (uint8_t)(table[7] - sum);
    return HEADER + size;
}
#define TABLE(entries) table_put(entries, sizeof(entries))

KTEST(mptable, pc)
{
    static const uint8_t entries[] = {
        CPU_ENTRY(0, 3), CPU_ENTRY(1, 1), CPU_ENTRY(2, 0), BUS_ENTRY(0, 'P', 'C', 'I'),
        BUS_ENTRY(1, 'I', 'S', 'A'), IOAPIC_ENTRY(4, 1, 0xc0), INT_ENTRY(0, 0, 1, 0, 4, 2),
        INT_ENTRY(0, 0, 1, 4, 4, 4), INT_ENTRY(0, 1, 0, 12, 4, 10), INT_ENTRY(0, 0, 0, 16, 4, 10),
        INT_ENTRY(0, 0, 0, 16, 4, 20), INT_ENTRY(3, 0, 1, 9, 4, 9), LOCAL_ENTRY(3, 0, 0),
        LOCAL_ENTRY(1, 0xff, 1),
    };
    uint32_t size = TABLE(entries);

    KTEST_EQ(mptable_read(table, size, &draft), 0);
    KTEST_EQ(info.source, HW_FROM_MPTABLE);
    KTEST_EQ(info.lapic, 0xfee00000u);
    KTEST_EQ(info.cpu_count, 2u);
    KTEST_EQ(info.cpus[1].hw_id, 1u);
    KTEST_EQ(info.cpus[1].start, HW_START_SIPI);
    KTEST_EQ(info.ioapic_count, 1u);
    KTEST_EQ(info.ioapics[0].addr, 0xfec00000u);
    KTEST_EQ(info.override_count, 3u);
    KTEST_EQ(info.overrides[0].irq, 0);
    KTEST_EQ(info.overrides[0].gsi, 2u);
    KTEST_EQ(info.overrides[0].trigger, HW_EDGE);
    KTEST_EQ(info.overrides[2].irq, 10); /* PCI's, once */
    KTEST_EQ(info.overrides[2].gsi, 10u);
    KTEST_EQ(info.overrides[2].polarity, HW_ACTIVE_HIGH);
    KTEST_EQ(info.overrides[2].trigger, HW_LEVEL);
    KTEST_EQ(info.lapic_nmi_count, 1u);
    KTEST_EQ(info.lapic_nmis[0].uid, UINT32_MAX);
    KTEST_EQ(info.lapic_nmis[0].lint, 1);
}

KTEST(mptable, left_out)
{
    static const uint8_t entries[] = {
        IOAPIC_ENTRY(1, 1, 0xc0), IOAPIC_ENTRY(1, 1, 0xc1), IOAPIC_ENTRY(2, 0, 0xc2),
        CPU_ENTRY(0, 3), CPU_ENTRY(0, 1), BUS_ENTRY(0, 'I', 'S', 'A'), INT_ENTRY(0, 0, 0, 3, 9, 3),
        INT_ENTRY(0, 0, 0, 16, 1, 3), INT_ENTRY(0, 0, 7, 5, 1, 5), LOCAL_ENTRY(1, 0, 2), 9, 9, 9, 9,
    };
    uint32_t size = TABLE(entries);

    KTEST_EQ(mptable_read(table, size, &draft), 0);
    KTEST_EQ(info.ioapic_count, 1u);
    KTEST_EQ(info.cpu_count, 1u);
    KTEST_EQ(info.override_count, 0u);
    KTEST_EQ(info.lapic_nmi_count, 0u);
    KTEST_TRUE(ktest_logged(log_seq, "", "I/O APIC 1 is there twice"));
    KTEST_TRUE(ktest_logged(log_seq, "", "CPU 0 is there twice"));
    KTEST_TRUE(ktest_logged(log_seq, "", "leads to pin 3 of I/O APIC 9"));
    KTEST_TRUE(ktest_logged(log_seq, "", "no LINT2"));
    KTEST_TRUE(ktest_logged(log_seq, "", "no entry that is known: the rest is left out"));
}

KTEST(mptable, broken)
{
    static const uint8_t entries[] = { CPU_ENTRY(0, 3), CPU_ENTRY(1, 1) };
    uint32_t size = TABLE(entries);

    KTEST_EQ(mptable_read(table, size - 1, &draft), -ENODEV); /* it goes on where nothing is mapped */
    KTEST_EQ(mptable_read(table, 8, &draft), -ENODEV);
    table[HEADER + 1] ^= 1;
    KTEST_EQ(mptable_read(table, size, &draft), -ENODEV);
    KTEST_TRUE(ktest_logged(log_seq, "", "a wrong checksum"));
    KTEST_EQ(info.source, HW_FROM_PROBE);
    KTEST_EQ(info.cpu_count, 0u);
    size = TABLE(entries);
    KTEST_EQ(mptable_read(table, sizeof table, &draft), 0); /* more is mapped than it has */
    KTEST_EQ(info.cpu_count, 2u);
    table[4] = 43;
    KTEST_EQ(mptable_read(table, size, &draft), -ENODEV);
}
