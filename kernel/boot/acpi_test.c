// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: ACPI's tables, sound and hostile, built from bytes: what is right is read right, what is
 * not costs one line that names table and offset, and nothing else.
 */
#include <boot/acpi.h>

#include <core/ktest.h>
#include <core/log.h>
#include <lib/checked.h>
#include <mm/frame.h>

#define LE16(v) (uint8_t)(v), (uint8_t)((v) >> 8)
#define LE32(v) LE16(v), LE16((uint32_t)(v) >> 16)
#define LE64(v) LE32(v), LE32((uint64_t)(v) >> 32)
#define ZERO4 0, 0, 0, 0
#define ZERO8 ZERO4, ZERO4
#define HEADER(revision) ZERO8, revision, 0, 0, 0, ZERO8, ZERO8, ZERO8
#define GAS(space, bits, addr) space, bits, 0, 0, LE64(addr)

static struct hardware_info info;
static struct hw_draft draft;
static uint64_t log_seq;

/* A draft whose complaints can be looked for. */
static struct hw_draft *begin(const char *table)
{
    hw_draft_init(&draft, &info, 0);
    draft.cpu_id_max = 254;
    hw_table_begin(&draft, table);
    log_seq = log_next_seq();
    return &draft;
}

/* Has a line with that text been logged since begin()? */
static bool complained(const char *about)
{
    return ktest_logged(log_seq, "", about);
}

static struct acpi_table table_of(const char *signature, const uint8_t *bytes, size_t size)
{
    struct acpi_table tab = { .bytes = bytes, .size = (uint32_t)size };

    str_copy(tab.signature, signature, sizeof tab.signature);
    return tab;
}
#define TABLE(signature, bytes) table_of(signature, bytes, sizeof(bytes))

/* --- the directory --- */

struct area {
    paddr_t pa;
    uint8_t *bytes;
    uint32_t used;
    struct loader_handoff handoff;
    struct boot_record rec;
    struct acpi_view view;
};

#define AREA_FRAMES 4
#define RSDP_AT 0
#define XSDT_AT 64
#define RSDT_AT 1024
#define TABLES_AT 2048

static struct area area;

static void sum_set(uint8_t *bytes, size_t n, size_t at)
{
    uint8_t sum = 0;

    bytes[at] = 0;
    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + bytes[i]);
    bytes[at] = (uint8_t)-sum;
}

static uint8_t *header_put(uint32_t at, const char *signature, uint32_t size)
{
    uint8_t *p = area.bytes + at;

    memcpy(p, signature, 4);
    memcpy(p + 4, &size, 4);
    sum_set(p, size, 9);
    return p;
}

/* A table of that size behind the others. */
static uint32_t table_put(const char *signature, uint32_t size)
{
    uint32_t at = area.used;

    header_put(at, signature, size);
    area.used += ALIGN_UP(size, 16u);
    return at;
}

static void roots_put(const uint32_t *tables, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t wide = area.pa + tables[i];
        uint32_t narrow = (uint32_t)wide;

        memcpy(area.bytes + XSDT_AT + ACPI_HEADER_BYTES + 8 * i, &wide, 8);
        memcpy(area.bytes + RSDT_AT + ACPI_HEADER_BYTES + 4 * i, &narrow, 4);
    }
    header_put(XSDT_AT, "XSDT", ACPI_HEADER_BYTES + 8 * count);
    header_put(RSDT_AT, "RSDT", ACPI_HEADER_BYTES + 4 * count);
}

static void rsdp_put(uint8_t revision)
{
    uint8_t *p = area.bytes + RSDP_AT;
    uint32_t rsdt = (uint32_t)area.pa + RSDT_AT, size = 36;
    uint64_t xsdt = area.pa + XSDT_AT;

    memcpy(p, "RSD PTR ", 8);
    p[15] = revision;
    memcpy(p + 16, &rsdt, 4);
    memcpy(p + 20, &size, 4);
    memcpy(p + 24, &xsdt, 8);
    sum_set(p, 20, 8);
    sum_set(p, 36, 32);
}

/* Frames, whose addresses fit into an RSDT on every machine that tests run on. */
static bool area_open(void)
{
    paddr_t pa = frame_alloc_contiguous(AREA_FRAMES, PAGE_SIZE, FRAME_ZERO);

    if (pa == PADDR_NONE)
        return false;
    memset(&area, 0, sizeof area);
    area.pa = pa;
    area.bytes = phys_to_virt(pa);
    area.used = TABLES_AT;
    area.handoff = (struct loader_handoff){ .early_start = pa,
                                            .early_end = pa + AREA_FRAMES * PAGE_SIZE };
    record_init(&area.rec, &area.handoff);
    area.rec.rsdp = pa + RSDP_AT;
    rsdp_put(2);
    begin("XSDT");
    return true;
}

static void area_close(void)
{
    frame_free_contiguous(area.pa, AREA_FRAMES);
}

static err_t area_read(void)
{
    return acpi_open(&area.view, &area.handoff, &area.rec, &draft);
}

KTEST(acpi, roots)
{
    uint32_t tables[2];

    KTEST_REQUIRE(area_open());
    tables[0] = table_put("HPET", 56);
    tables[1] = table_put("APIC", 44);
    roots_put(tables, 2);
    for (uint8_t revision = 0; revision <= 2; revision += 2) {
        rsdp_put(revision);
        KTEST_EQ(area_read(), 0);
        KTEST_EQ(area.view.count, 2);
        KTEST_TRUE(acpi_find(&area.view, "APIC", 0) != NULL);
        KTEST_TRUE(acpi_find(&area.view, "APIC", 1) == NULL);
        KTEST_EQ(acpi_find(&area.view, "HPET", 0)->size, 56);
    }
    area.bytes[RSDP_AT + 9] ^= 1;
    KTEST_EQ(area_read(), -ENODEV);
    area.rec.rsdp = 0;
    KTEST_EQ(area_read(), -ENODEV);
    area_close();
}

KTEST(acpi, broken_xsdt_leaves_rsdt)
{
    uint32_t table;

    KTEST_REQUIRE(area_open());
    table = table_put("HPET", 56);
    roots_put(&table, 1);
    area.bytes[XSDT_AT + 20] ^= 1;
    KTEST_EQ(area_read(), 0);
    KTEST_EQ(area.view.count, 1);
    KTEST_TRUE(complained("RSDP: XSDT at"));
    area.bytes[RSDT_AT + 20] ^= 1;
    KTEST_EQ(area_read(), -ENODEV);
    area_close();
}

KTEST(acpi, broken_tables_are_left_out)
{
    uint32_t tables[6], huge = UINT32_MAX, tiny = 8;

    KTEST_REQUIRE(area_open());
    tables[0] = table_put("SUMM", 64);
    area.bytes[tables[0] + 40] ^= 1;
    tables[1] = table_put("HUGE", 64);
    memcpy(area.bytes + tables[1] + 4, &huge, 4);
    tables[2] = table_put("TINY", 64);
    memcpy(area.bytes + tables[2] + 4, &tiny, 4);
    tables[3] = AREA_FRAMES * PAGE_SIZE; /* just behind */
    tables[4] = AREA_FRAMES * PAGE_SIZE - 40; /* begins inside */
    huge = 64;
    memcpy(area.bytes + tables[4] + 4, &huge, 4);
    tables[5] = table_put("GOOD", 64);
    roots_put(tables, 6);
    KTEST_EQ(area_read(), 0);
    KTEST_EQ(area.view.count, 1);
    KTEST_STR_EQ(area.view.tables[0].signature, "GOOD");
    KTEST_EQ(draft.complaints, 5);
    KTEST_TRUE(complained("XSDT at offset 0x24: table SUMM"));
    KTEST_TRUE(complained("has a wrong checksum"));
    KTEST_TRUE(complained("XSDT at offset 0x2c: table HUGE"));
    KTEST_TRUE(complained("XSDT at offset 0x34: table TINY"));
    KTEST_TRUE(complained("XSDT at offset 0x3c: table ????"));
    KTEST_TRUE(complained("ends where nothing is mapped"));
    area_close();
}

KTEST(acpi, table_over_the_kernel)
{
    uint32_t table;

    KTEST_REQUIRE(area_open());
    table = table_put("HPET", 56);
    roots_put(&table, 1);
    area.rec.image_start = area.pa + table + 8;
    area.rec.image_end = area.rec.image_start + 8;
    KTEST_EQ(area_read(), 0);
    KTEST_EQ(area.view.count, 0);
    KTEST_TRUE(complained("lies over the kernel"));
    area_close();
}

KTEST(acpi, table_in_usable_memory_stays)
{
    uint32_t table;

    KTEST_REQUIRE(area_open());
    table = table_put("HPET", 56);
    roots_put(&table, 1);
    record_add_range(&area.rec, area.pa, AREA_FRAMES * PAGE_SIZE, MEM_USABLE, 0);
    KTEST_EQ(area_read(), 0);
    acpi_reserve(&area.view, &area.rec);
    KTEST_EQ(area.rec.range_count, 2);
    KTEST_EQ(area.rec.ranges[0].kind, MEM_ACPI);
    KTEST_EQ(area.rec.ranges[0].size, PAGE_SIZE);
    area_close();
}

KTEST(acpi, too_many_tables)
{
    uint32_t tables[ACPI_TABLES_MAX + 2];

    KTEST_REQUIRE(area_open());
    for (unsigned i = 0; i < ARRAY_SIZE(tables); i++)
        tables[i] = table_put("SSDT", ACPI_HEADER_BYTES);
    roots_put(tables, ARRAY_SIZE(tables));
    KTEST_EQ(area_read(), 0);
    KTEST_EQ(area.view.count, ACPI_TABLES_MAX);
    KTEST_TRUE(complained("more than 64 tables"));
    area_close();
}

/* --- MADT --- */

#define MADT(flags) HEADER(3), LE32(0xfee00000u), LE32(flags)
#define LAPIC(uid, id, flags) 0, 8, uid, id, LE32(flags)
#define IOAPIC(id, addr, gsi) 1, 12, id, 0, LE32(addr), LE32(gsi)
#define OVERRIDE(bus, irq, gsi, flags) 2, 10, bus, irq, LE32(gsi), LE16(flags)
#define LAPIC_NMI(uid, flags, lint) 4, 6, uid, LE16(flags), lint
#define X2APIC(uid, id, flags) 9, 16, 0, 0, LE32(id), LE32(flags), LE32(uid)
#define X2APIC_NMI(uid, flags, lint) 10, 12, LE16(flags), LE32(uid), lint, 0, 0, 0
#define GICC(uid, flags, mpidr, gicr)                                                              \
    11, 76, 0, 0, ZERO4, LE32(uid), LE32(flags), ZERO4, ZERO4, ZERO8, LE64(0x8010000), ZERO8,      \
        ZERO8, ZERO4, LE64(gicr), LE64(mpidr)
#define GICD(version) 12, 24, 0, 0, ZERO4, LE64(0x8000000), ZERO4, version, 0, 0, 0
#define GICR(addr, size) 14, 16, 0, 0, LE64(addr), LE32(size)
#define ITS(addr) 15, 20, 0, 0, ZERO4, LE64(addr), ZERO4

KTEST(acpi, madt)
{
    static const uint8_t bytes[] = {
        MADT(1), LAPIC(0, 0, 1), LAPIC(1, 2, 1), LAPIC(2, 4, 0), LAPIC(3, 6, 2), LAPIC(4, 0xff, 1),
        X2APIC(5, 8, 1), IOAPIC(9, 0xfec00000u, 0), IOAPIC(10, 0xfec10000u, 24),
        OVERRIDE(0, 0, 2, 0), OVERRIDE(0, 9, 9, 0xd), LAPIC_NMI(0xff, 0, 1),
        X2APIC_NMI(UINT32_MAX, 5, 0), 3, 8, LE16(0xf), LE32(23), 5, 12, 0, 0, LE64(0x1fee00000ull), 99, 4, 0, 0,
    };
    struct acpi_table tab = TABLE("APIC", bytes);

    acpi_read_madt(&tab, begin("APIC"));
    KTEST_EQ(draft.complaints, 0);
    KTEST_EQ(info.cpu_count, 3);
    KTEST_EQ(info.cpus[1].hw_id, 2);
    KTEST_EQ(info.cpus[1].uid, 1);
    KTEST_EQ(info.cpus[1].start, HW_START_SIPI);
    KTEST_EQ(info.cpus[2].hw_id, 8);
    KTEST_TRUE(info.has_pic);
    KTEST_EQ(info.lapic, 0x1fee00000ull);
    KTEST_EQ(info.ioapic_count, 2);
    KTEST_EQ(info.ioapics[1].gsi_base, 24);
    KTEST_EQ(info.override_count, 2);
    KTEST_EQ(info.overrides[0].gsi, 2);
    KTEST_EQ(info.overrides[0].trigger, HW_TRIGGER_BUS);
    KTEST_EQ(info.overrides[1].polarity, HW_ACTIVE_HIGH);
    KTEST_EQ(info.overrides[1].trigger, HW_LEVEL);
    KTEST_EQ(info.nmi_source_count, 1);
    KTEST_EQ(info.nmi_sources[0].gsi, 23);
    KTEST_EQ(info.nmi_sources[0].polarity, HW_ACTIVE_LOW);
    KTEST_EQ(info.lapic_nmi_count, 2);
    KTEST_EQ(info.lapic_nmis[0].uid, UINT32_MAX);
    KTEST_EQ(info.lapic_nmis[0].lint, 1);
    KTEST_EQ(info.lapic_nmis[1].trigger, HW_EDGE);
}

KTEST(acpi, madt_entry_without_length)
{
    static const uint8_t bytes[] = { MADT(0), LAPIC(0, 0, 1), 0, 0, 0, 0, LAPIC(1, 1, 1) };
    static const uint8_t far[] = { MADT(0), LAPIC(0, 0, 1), 0, 200, 1, 1 };
    static const uint8_t tiny[] = { MADT(0), 0, 4, 7, 7, LAPIC(0, 0, 1), 9 };
    struct acpi_table tab = TABLE("APIC", bytes);

    acpi_read_madt(&tab, begin("APIC"));
    KTEST_EQ(info.cpu_count, 1);
    KTEST_EQ(draft.complaints, 1);
    KTEST_TRUE(complained("APIC at offset 0x34: an entry of 0 bytes"));
    tab = TABLE("APIC", far);
    acpi_read_madt(&tab, begin("APIC"));
    KTEST_EQ(info.cpu_count, 1);
    KTEST_TRUE(complained("APIC at offset 0x34: an entry of 200 bytes"));
    tab = TABLE("APIC", tiny);
    acpi_read_madt(&tab, begin("APIC"));
    KTEST_EQ(info.cpu_count, 1);
    KTEST_TRUE(complained("APIC at offset 0x2c: an entry of type 0 has 4 bytes, not 8"));
    tab.size = 40;
    acpi_read_madt(&tab, begin("APIC"));
    KTEST_EQ(draft.complaints, 1);
}

KTEST(acpi, madt_ids)
{
    static const uint8_t bytes[] = { MADT(0), LAPIC(0, 0, 1), X2APIC(1, 300, 1), LAPIC(2, 0, 1),
                                     X2APIC(3, 0, 1), X2APIC(4, UINT32_MAX, 1), LAPIC(5, 1, 1) };
    struct acpi_table tab = TABLE("APIC", bytes);

    acpi_read_madt(&tab, begin("APIC"));
    KTEST_EQ(info.cpu_count, 2);
    KTEST_EQ(info.cpus[0].uid, 0); /* the first of those with one id */
    KTEST_EQ(info.cpus[1].uid, 5);
    KTEST_EQ(draft.complaints, 3);
    KTEST_TRUE(complained("APIC at offset 0x34: CPU 0x12c cannot be addressed"));
    KTEST_TRUE(complained("APIC at offset 0x44: CPU 0 is there twice"));
    begin("APIC")->cpu_id_max = UINT32_MAX - 1;
    acpi_read_madt(&tab, &draft);
    KTEST_EQ(info.cpu_count, 3);
}

KTEST(acpi, madt_chips)
{
    static const uint8_t bytes[] = {
        MADT(0), IOAPIC(1, 0xfec00000u, 0), IOAPIC(1, 0xfec00000u, 24), IOAPIC(2, 0, 48),
        OVERRIDE(1, 3, 3, 0), OVERRIDE(0, 16, 3, 0), OVERRIDE(0, 4, 4, 0xa), OVERRIDE(0, 4, 5, 0),
        LAPIC_NMI(0, 0, 2),
    };
    struct acpi_table tab = TABLE("APIC", bytes);

    acpi_read_madt(&tab, begin("APIC"));
    KTEST_EQ(info.ioapic_count, 1);
    KTEST_EQ(info.override_count, 1);
    KTEST_EQ(info.overrides[0].gsi, 4);
    KTEST_EQ(info.overrides[0].trigger, HW_TRIGGER_BUS);
    KTEST_EQ(info.lapic_nmi_count, 0);
    KTEST_EQ(draft.complaints, 7);
    KTEST_TRUE(!info.has_pic);
}

KTEST(acpi, madt_too_many)
{
    static uint8_t bytes[ACPI_HEADER_BYTES + 8 + 20 * 12 + 300 * 16];
    struct acpi_table tab = TABLE("APIC", bytes);
    uint8_t *p = bytes + ACPI_HEADER_BYTES + 8;

    for (uint32_t i = 0; i < 20; i++, p += 12)
        memcpy(p, (uint8_t[]){ IOAPIC(i, 0xfec00000u + i * 0x1000, i * 24) }, 12);
    for (uint32_t i = 0; i < 300; i++, p += 16)
        memcpy(p, (uint8_t[]){ X2APIC(i, i, 1) }, 16);
    begin("APIC")->cpu_id_max = UINT32_MAX;
    draft.boot_id = 299;
    acpi_read_madt(&tab, &draft);
    hw_draft_finish(&draft);
    KTEST_EQ(info.ioapic_count, HW_IOAPICS_MAX);
    KTEST_EQ(info.cpu_count, HW_CPUS_MAX);
    KTEST_EQ(info.cpus_dropped, 300 - HW_CPUS_MAX);
    KTEST_EQ(info.cpus[0].hw_id, 299);
    KTEST_EQ(info.cpus[1].hw_id, 0);
    KTEST_TRUE(complained("more than 16 I/O APICs"));
    KTEST_TRUE(complained("more than 256 CPUs"));
}

KTEST(acpi, madt_gic)
{
    static const uint8_t bytes[] = {
        MADT(0), GICC(0, 1, 0, 0), GICC(1, 1, 0x100, 0), GICC(2, 0, 0x101, 0),
        GICC(3, 1, 0x80000000ull, 0), GICD(3), GICD(2), GICR(0x80a0000, 0x200000), GICR(0, 0x20000),
        ITS(0x8080000),
    };
    struct acpi_table tab = TABLE("APIC", bytes);

    begin("APIC")->cpu_id_max = UINT64_MAX;
    info.power.psci = true;
    acpi_read_madt(&tab, &draft);
    KTEST_EQ(info.cpu_count, 2);
    KTEST_EQ(info.cpus[1].hw_id, 0x100);
    KTEST_EQ(info.cpus[1].start, HW_START_PSCI);
    KTEST_EQ(info.gic.version, 3);
    KTEST_EQ(info.gic.dist, 0x8000000);
    KTEST_EQ(info.gic.redist_count, 1);
    KTEST_EQ(info.gic.its[0].base, 0x8080000);
    KTEST_EQ(draft.complaints, 3);
    KTEST_TRUE(complained("MPIDR 0x80000000 cannot be"));
    KTEST_TRUE(complained("a second distributor"));
}

/* --- SRAT, SLIT --- */

#define SRAT HEADER(3), LE32(1), ZERO8
#define SRAT_CPU(domain, id) 0, 16, domain, id, LE32(1), 0, 0, 0, 0, ZERO4
#define SRAT_MEMORY(domain, start, size, flags)                                                    \
    1, 40, LE32(domain), 0, 0, LE64(start), LE64(size), ZERO4, LE32(flags), ZERO8
#define SRAT_X2(domain, id) 2, 24, 0, 0, LE32(domain), LE32(id), LE32(1), ZERO8
#define SRAT_GICC(domain, uid) 3, 18, LE32(domain), LE32(uid), LE32(1), ZERO4

/* Two CPUs that are on, one that is off. */
static const uint8_t madt_two[] = { MADT(0), LAPIC(0, 0, 1), LAPIC(1, 1, 1), LAPIC(2, 2, 0) };

static void srat_read(const uint8_t *bytes, size_t size)
{
    struct acpi_table madt = TABLE("APIC", madt_two), tab = table_of("SRAT", bytes, size);

    acpi_read_madt(&madt, begin("APIC"));
    hw_table_begin(&draft, "SRAT");
    acpi_read_srat(&tab, &madt, &draft);
    hw_nodes_finish(&draft);
}

KTEST(acpi, srat)
{
    static const uint8_t bytes[] = {
        SRAT, SRAT_CPU(7, 0), SRAT_X2(300, 1), SRAT_CPU(9, 2), SRAT_MEMORY(300, 16 * MiB, 16 * MiB, 1),
        SRAT_MEMORY(7, 0, 8 * MiB, 1), SRAT_MEMORY(7, 8 * MiB, 8 * MiB, 1),
        SRAT_MEMORY(12, 64 * MiB, 8 * MiB, 0),
    };

    srat_read(bytes, sizeof bytes);
    KTEST_EQ(draft.complaints, 0);
    KTEST_EQ(info.node_count, 2); /* nobody who is on lives in 9 or 12 */
    KTEST_EQ(info.node_firmware_id[0], 7);
    KTEST_EQ(info.node_firmware_id[1], 300);
    KTEST_EQ(info.cpus[0].node, 0);
    KTEST_EQ(info.cpus[1].node, 1);
    KTEST_EQ(info.memory_count, 2); /* neighbours are joined */
    KTEST_EQ(info.memory[0].size, 16 * MiB);
    KTEST_EQ(info.memory[1].node, 1);
    KTEST_EQ(info.distance[0], 10);
    KTEST_EQ(info.distance[1], 20);
}

KTEST(acpi, srat_nonsense)
{
    static const uint8_t bytes[] = {
        SRAT, SRAT_CPU(0, 77), SRAT_CPU(1, 0), SRAT_CPU(2, 0), SRAT_MEMORY(0, 0, 8 * MiB, 1),
        SRAT_MEMORY(1, 4 * MiB, 8 * MiB, 1), SRAT_MEMORY(1, UINT64_MAX - MiB, 8 * MiB, 1),
        SRAT_MEMORY(1, 64 * MiB, 0, 1), 1, 0,
    };

    srat_read(bytes, sizeof bytes);
    KTEST_EQ(draft.complaints, 6);
    KTEST_TRUE(complained("SRAT at offset 0x30: there is no CPU 0x4d"));
    KTEST_TRUE(complained("SRAT at offset 0x50: CPU 0 is in domain 1 already"));
    KTEST_TRUE(complained("SRAT at offset 0x88: memory at 0x400000 overlaps an earlier entry"));
    KTEST_TRUE(complained("an entry of 0 bytes"));
    KTEST_EQ(info.memory_count, 1);
    KTEST_EQ(info.cpus[0].node, 1);
    KTEST_EQ(info.cpus[1].node, 0);
}

KTEST(acpi, srat_too_many_nodes)
{
    static uint8_t bytes[48 + 140 * 40];
    uint8_t *p = bytes + 48;

    bytes[8] = 3;
    for (uint32_t i = 0; i < 140; i++, p += 40)
        memcpy(p, (uint8_t[]){ SRAT_MEMORY(i, i * 2 * MiB, MiB, 1) }, 40);
    srat_read(bytes, sizeof bytes);
    KTEST_EQ(info.memory_count, HW_MEMORY_MAX);
    KTEST_EQ(info.node_count, HW_NODES_MAX);
    KTEST_TRUE(complained("more than 128 stretches of memory"));
    for (uint32_t i = 0; i < info.memory_count; i++)
        KTEST_TRUE(info.memory[i].node < info.node_count);
}

KTEST(acpi, srat_gicc)
{
    static const uint8_t gic[] = { MADT(0), GICC(5, 1, 0, 0), GICC(6, 1, 1, 0), GICD(2) };
    static const uint8_t bytes[] = { SRAT, SRAT_GICC(3, 5), SRAT_GICC(4, 6), SRAT_GICC(4, 7) };
    struct acpi_table madt = TABLE("APIC", gic), tab = TABLE("SRAT", bytes);

    acpi_read_madt(&madt, begin("APIC"));
    acpi_read_srat(&tab, &madt, &draft);
    hw_nodes_finish(&draft);
    KTEST_EQ(info.cpus[1].node, 1);
    KTEST_EQ(draft.complaints, 1);
}

static void slit_read(const uint8_t *bytes, size_t size)
{
    static const uint8_t srat[] = { SRAT, SRAT_CPU(0, 0), SRAT_CPU(1, 1),
                                    SRAT_MEMORY(2, 0, 8 * MiB, 1) };
    struct acpi_table tab = table_of("SLIT", bytes, size);

    srat_read(srat, sizeof srat);
    hw_table_begin(&draft, "SLIT");
    acpi_read_slit(&tab, &draft);
}

static bool distances_are(const uint8_t *want)
{
    return info.node_count == 3 && memcmp(info.distance, want, 9) == 0;
}

KTEST(acpi, slit)
{
    static const uint8_t usual[] = { 10, 20, 20, 20, 10, 20, 20, 20, 10 };
    static const uint8_t far[] = { 10, 17, 28, 17, 10, 28, 28, 28, 10 };
    static const uint8_t one_way[] = { 10, 17, 28, 40, 10, 28, 28, 28, 10 };
    static const uint8_t good[] = { HEADER(1), LE64(3), 10, 17, 28, 17, 10, 28, 28, 28, 10 };
    static const uint8_t asymmetric[] = { HEADER(1), LE64(3), 10, 17, 28, 40, 10, 28, 28, 28, 10 };
    static const uint8_t zero[] = { HEADER(1), LE64(3), 0, 0, 0, 0, 0, 0, 0, 0, 0 };
    static const uint8_t near[] = { HEADER(1), LE64(3), 10, 17, 28, 17, 10, 9, 28, 28, 10 };
    static const uint8_t cut[] = { HEADER(1), LE64(3), 10, 17 };
    static const uint8_t many[] = { HEADER(1), LE64(0x100000000ull), 10, 17 };
    static const uint8_t fewer[] = { HEADER(1), LE64(2), 10, 33, 33, 10 };

    slit_read(good, sizeof good);
    KTEST_TRUE(distances_are(far));
    KTEST_EQ(draft.complaints, 0);
    slit_read(asymmetric, sizeof asymmetric); /* Linux takes it, too */
    KTEST_TRUE(distances_are(one_way));
    KTEST_EQ(draft.complaints, 1);
    KTEST_TRUE(complained("SLIT at offset 0x2f: node 1 to 0 is 40 away, and 17 on the way back"));
    slit_read(zero, sizeof zero);
    KTEST_TRUE(distances_are(usual));
    KTEST_EQ(draft.complaints, 1);
    KTEST_TRUE(complained("SLIT at offset 0x2c: node 0 to 0 cannot be 0 away"));
    slit_read(near, sizeof near);
    KTEST_TRUE(distances_are(usual));
    KTEST_TRUE(complained("SLIT at offset 0x31: node 1 to 2 cannot be 9 away"));
    slit_read(cut, sizeof cut);
    KTEST_TRUE(distances_are(usual));
    KTEST_EQ(draft.complaints, 1);
    slit_read(many, sizeof many);
    KTEST_EQ(draft.complaints, 1);
    slit_read(fewer, sizeof fewer);
    KTEST_EQ(info.distance[1], 33);
    KTEST_EQ(info.distance[2], 20);
}

/* --- FADT, _S5_, timers --- */

static uint8_t fadt[276];

static void fadt_put(unsigned at, uint64_t value, unsigned bytes)
{
    memcpy(fadt + at, &value, bytes);
}

static void gas_put(unsigned at, uint8_t space, uint8_t bits, uint64_t addr)
{
    memcpy(fadt + at, (uint8_t[]){ GAS(space, bits, addr) }, 12);
}

static void fadt_make(uint8_t revision)
{
    memset(fadt, 0, sizeof fadt);
    fadt[8] = revision;
    fadt_put(48, 0xb2, 4); /* SMI_CMD */
    fadt[52] = 0xf1;
    fadt_put(64, 0x604, 4); /* PM1a_CNT */
    fadt_put(76, 0x608, 4); /* PM_TMR */
    fadt[89] = 2;
    fadt[91] = 4;
    fadt[108] = 0x32;
    fadt_put(109, 0x2, 2);
    fadt_put(112, 1u << 8 | 1u << 10, 4);
    gas_put(116, 1, 8, 0xcf9);
    fadt[128] = 0xf;
}

static void fadt_read(size_t size)
{
    struct acpi_table tab = table_of("FACP", fadt, size);

    acpi_read_fadt(&tab, begin("FACP"));
}

KTEST(acpi, fadt)
{
    fadt_make(1);
    fadt_put(109, 0, 2);
    fadt_read(116); /* of ACPI 1.0 */
    KTEST_EQ(info.power.pm1a_control.addr, 0x604);
    KTEST_EQ(info.power.pm1a_control.space, HW_SPACE_IO);
    KTEST_EQ(info.power.smi_command, 0xb2);
    KTEST_EQ(info.power.acpi_enable, 0xf1);
    KTEST_EQ(info.power.reset.space, HW_SPACE_NONE);
    KTEST_EQ(info.pm_timer.addr, 0x608);
    KTEST_EQ(info.pm_timer.bits, 32);
    KTEST_EQ(info.century, 0x32);
    KTEST_TRUE(info.has_8042);
    fadt_make(6);
    fadt_put(109, 1u << 2 | 1u << 5, 2);
    gas_put(172, 0, 16, 0xfed40000);
    fadt_read(sizeof fadt);
    KTEST_EQ(info.power.pm1a_control.addr, 0xfed40000);
    KTEST_EQ(info.power.pm1a_control.space, HW_SPACE_MEMORY);
    KTEST_EQ(info.power.reset.addr, 0xcf9);
    KTEST_EQ(info.power.reset_value, 0xf);
    KTEST_TRUE(!info.has_8042 && !info.has_vga && !info.has_rtc);
    KTEST_EQ(draft.complaints, 0);
    fadt_put(112, 1u << 20 | 1u << 10, 4); /* hardware-reduced */
    fadt_put(129, 3, 2);
    gas_put(244, 1, 8, 0x600);
    fadt_read(sizeof fadt);
    KTEST_EQ(info.power.pm1a_control.space, HW_SPACE_NONE);
    KTEST_EQ(info.power.sleep_control.addr, 0x600);
    KTEST_EQ(info.pm_timer.space, HW_SPACE_NONE);
    KTEST_TRUE(info.power.psci && info.power.psci_hvc);
}

KTEST(acpi, fadt_nonsense)
{
    fadt_make(3);
    fadt_put(48, 0x10000, 4);
    fadt_put(64, 0x12345678, 4);
    fadt[108] = 200;
    gas_put(116, 9, 8, 0xcf9);
    fadt_read(sizeof fadt);
    KTEST_EQ(draft.complaints, 4);
    KTEST_TRUE(complained("FACP at offset 0x40: there is no port 0x12345678"));
    KTEST_EQ(info.power.smi_command, 0);
    KTEST_EQ(info.power.pm1a_control.space, HW_SPACE_NONE);
    KTEST_EQ(info.power.reset.space, HW_SPACE_NONE);
    KTEST_EQ(info.century, 0);
    fadt_read(100);
    KTEST_EQ(draft.complaints, 1);
}

static bool s5_read(const uint8_t *bytes, size_t size)
{
    struct acpi_table tab = table_of("DSDT", bytes, size);

    begin("DSDT");
    info.power.pm1a_control.space = HW_SPACE_IO;
    return acpi_read_s5(&tab, &draft);
}
#define S5(...) s5_read((const uint8_t[]){ HEADER(2), __VA_ARGS__ },                               \
                        sizeof((const uint8_t[]){ HEADER(2), __VA_ARGS__ }))

KTEST(acpi, s5)
{
    KTEST_TRUE(S5(8, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0));
    KTEST_TRUE(info.power.s5);
    KTEST_EQ(info.power.s5_type_a, 0);
    KTEST_TRUE(S5('_', '_', 8, '\\', '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 5, 0x0a, 7, 0, 0));
    KTEST_EQ(info.power.s5_type_a, 5);
    KTEST_EQ(info.power.s5_type_b, 7);
    KTEST_TRUE(S5(8, '_', 'S', '5', '_', 0x12, 0x4b, 0, 2, 0x0b, 3, 0, 0x0c, 1, 0, 0, 0));
    KTEST_EQ(info.power.s5_type_a, 3);
    KTEST_EQ(info.power.s5_type_b, 1);
    KTEST_TRUE(S5(8, '_', 'S', '5', '_', 0x12, 3, 1, 1)); /* one element is allowed */
    KTEST_EQ(info.power.s5_type_a, 1);
    /* The first is a string that looks like it; the second is the thing. */
    KTEST_TRUE(S5(0x0d, '_', 'S', '5', '_', 0, 8, '_', 'S', '5', '_', 0x12, 4, 2, 1, 1));
    KTEST_EQ(draft.complaints, 0);
}

KTEST(acpi, s5_broken)
{
    static const uint8_t whole[] = { HEADER(2), 8, '_', 'S', '5', '_', 0x12, 6, 4, 0, 0, 0, 0 };

    for (size_t n = ACPI_HEADER_BYTES; n < sizeof whole; n++)
        KTEST_TRUE(!s5_read(whole, n));
    KTEST_TRUE(!S5(8, '_', 'S', '5', '_', 0x12, 1, 4, 0, 0)); /* length ends before the count */
    KTEST_TRUE(!S5(8, '_', 'S', '5', '_', 0x12, 3, 4, 0, 0)); /* the second is outside */
    KTEST_TRUE(!S5(8, '_', 'S', '5', '_', 0x12, 4, 0, 0, 0)); /* empty */
    KTEST_TRUE(!S5(8, '_', 'S', '5', '_', 0x12, 0xcf, 0xff, 0xff, 0xff, 2, 0, 0));
    KTEST_TRUE(!S5(8, '_', 'S', '5', '_', 0x12, 5, 2, 0x0a, 9, 0));
    KTEST_TRUE(complained("DSDT at offset 0x25: _S5_ with sleep types 9 and 0"));
}

KTEST(acpi, timers)
{
    static const uint8_t hpet[] = { HEADER(1), ZERO4, GAS(0, 64, 0xfed00000), 0, 0, 0, 0 };
    static const uint8_t port[] = { HEADER(1), ZERO4, GAS(1, 64, 0x1000), 0, 0, 0, 0 };
    static const uint8_t gtdt[] = { HEADER(2), ZERO8, ZERO4, LE32(29), LE32(0), LE32(30), LE32(0),
                                    LE32(27), LE32(5), LE32(26), LE32(0) };
    static const uint8_t wrong[] = { HEADER(2), ZERO8, ZERO4, ZERO8, LE32(300), LE32(0), LE32(27),
                                     LE32(0) };
    struct acpi_table tab = TABLE("HPET", hpet);

    acpi_read_hpet(&tab, begin("HPET"));
    KTEST_EQ(info.hpet, 0xfed00000);
    tab = TABLE("HPET", port);
    acpi_read_hpet(&tab, begin("HPET"));
    KTEST_EQ(info.hpet, 0);
    KTEST_EQ(draft.complaints, 1);
    tab = TABLE("GTDT", gtdt);
    acpi_read_gtdt(&tab, begin("GTDT"));
    KTEST_EQ(info.arch_timer.phys_irq, 30);
    KTEST_EQ(info.arch_timer.virt_irq, 27);
    KTEST_EQ(info.arch_timer.virt_trigger, HW_EDGE);
    KTEST_TRUE(info.arch_timer.always_on);
    tab = TABLE("GTDT", wrong);
    acpi_read_gtdt(&tab, begin("GTDT"));
    KTEST_EQ(info.arch_timer.phys_irq, 0);
    KTEST_TRUE(complained("GTDT at offset 0x38: a timer's interrupt cannot be 300"));
}

/* --- PPTT --- */

#define NODE(flags, parent, uid) 0, 20, 0, 0, LE32(flags), LE32(parent), LE32(uid), ZERO4
#define NODE_AT(i) (ACPI_HEADER_BYTES + 20 * (i))

static void pptt_read(const uint8_t *bytes, size_t size)
{
    struct acpi_table tab = table_of("PPTT", bytes, size);

    begin("PPTT");
    for (uint32_t i = 0; i < 4; i++) {
        struct hw_cpu cpu = hw_cpu_make(i, i, HW_START_NONE);

        hw_cpu_add(&draft, 0, &cpu);
    }
    acpi_read_pptt(&tab, &draft);
}

KTEST(acpi, pptt)
{
    static const uint8_t bytes[] = {
        HEADER(2), NODE(1, 0, 0), NODE(0, NODE_AT(0), 0), NODE(0, NODE_AT(1), 0),
        NODE(0xe, NODE_AT(2), 0), NODE(0xe, NODE_AT(2), 1), NODE(1, 0, 0), NODE(0xa, NODE_AT(5), 2),
        NODE(0xa, NODE_AT(5), 3),
    };

    pptt_read(bytes, sizeof bytes);
    KTEST_EQ(draft.complaints, 0);
    KTEST_EQ(info.cpus[1].package, 0);
    KTEST_EQ(info.cpus[1].cluster, 0);
    KTEST_EQ(info.cpus[1].core, 0);
    KTEST_EQ(info.cpus[1].thread, 1);
    KTEST_EQ(info.cpus[3].package, 1);
    KTEST_EQ(info.cpus[3].cluster, UINT32_MAX);
    KTEST_EQ(info.cpus[3].core, 1);
    KTEST_EQ(info.cpus[3].thread, UINT32_MAX);
}

KTEST(acpi, pptt_broken)
{
    static const uint8_t bytes[] = {
        HEADER(2), NODE(0, NODE_AT(1), 0), NODE(0, NODE_AT(0), 0), NODE(0xa, NODE_AT(0), 0),
        NODE(0xa, 7, 1), NODE(0xa, 100000, 2), NODE(0xa, NODE_AT(5), 3),
    };

    pptt_read(bytes, sizeof bytes);
    KTEST_EQ(draft.complaints, 4);
    KTEST_TRUE(complained("PPTT at offset 0x4c: parents lead round in a circle"));
    KTEST_TRUE(complained("PPTT at offset 0x60: a parent is no node"));
    KTEST_EQ(info.cpus[0].package, UINT32_MAX);
}
