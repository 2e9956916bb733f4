// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: see <boot/mptable.h>.
 *
 * Model: a pointer of 16 bytes, "_MP_", lies in the BIOS's memory and leads to a table of entries, each of
 * which begins with its type and has the size of its type.  The table does not say which global interrupt
 * the first pin of an I/O APIC is: they are counted on, 24 pins each.  ACPI says the same and more, so
 * this is read only where ACPI does not speak.
 */
#define LOG_TAG "mptable"
#include <boot/mptable.h>

#include <core/log.h>
#include <lib/string.h>

#define POINTER_BYTES 16
#define POINTER_TABLE 4
#define POINTER_PARAGRAPHS 8
#define HEADER_BYTES 44
#define HEADER_LENGTH 4
#define HEADER_LAPIC 36
#define TABLE_BYTES_MAX 65535

#define LOW_END (KiB)
#define BASE_END 0xa0000
#define EBDA_SEGMENT 0x40e
#define BIOS_START 0xf0000
#define BIOS_END 0x100000

#define ENABLED 1u
#define APIC_ID_ALL 0xffu
#define PINS 24
#define ISA_IRQS 16
#define LINT_MAX 1
#define BUSES 256

enum { ENTRY_CPU, ENTRY_BUS, ENTRY_IOAPIC, ENTRY_INTERRUPT, ENTRY_LOCAL, ENTRY_TYPES };
enum { KIND_INT, KIND_NMI };
enum { BUS_UNKNOWN, BUS_ISA, BUS_PCI };

static const uint8_t entry_bytes[ENTRY_TYPES] = { 20, 8, 8, 8, 8 };

struct mptable {
    struct hw_draft *draft;
    const uint8_t *bytes; /* the present entry */
    uint32_t offset;
    uint8_t bus[BUSES];
};

static uint32_t u32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static uint16_t u16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static bool sum_is_zero(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;

    while (n-- > 0)
        sum = (uint8_t)(sum + *p++);
    return sum == 0;
}

static enum hw_polarity polarity_of(uint16_t flags, enum hw_polarity of_bus)
{
    return (flags & 3) == 1 ? HW_ACTIVE_HIGH : (flags & 3) == 3 ? HW_ACTIVE_LOW : of_bus;
}

static enum hw_trigger trigger_of(uint16_t flags, enum hw_trigger of_bus)
{
    return (flags >> 2 & 3) == 1 ? HW_EDGE : (flags >> 2 & 3) == 3 ? HW_LEVEL : of_bus;
}

/* --- entries ----------------------------------------------------------------------------------- */

static void read_cpu(struct mptable *t)
{
    struct hw_cpu cpu = hw_cpu_make(t->bytes[1], t->bytes[1], HW_START_SIPI);

    if (t->bytes[3] & ENABLED)
        hw_cpu_add(t->draft, t->offset, &cpu);
}

static void read_bus(struct mptable *t)
{
    const uint8_t *name = t->bytes + 2;

    if (memcmp(name, "ISA", 3) == 0 || memcmp(name, "EISA", 4) == 0)
        t->bus[t->bytes[1]] = BUS_ISA;
    else if (memcmp(name, "PCI", 3) == 0)
        t->bus[t->bytes[1]] = BUS_PCI;
}

static void read_ioapic(struct mptable *t)
{
    struct hardware_info *info = t->draft->info;
    struct hw_ioapic chip = { t->bytes[1], u32(t->bytes + 4), info->ioapic_count * PINS };

    if (!(t->bytes[3] & ENABLED))
        return;
    for (uint32_t i = 0; i < info->ioapic_count; i++)
        if (info->ioapics[i].addr == chip.addr || info->ioapics[i].id == chip.id) {
            hw_complain(t->draft, t->offset, "I/O APIC %u is there twice", chip.id);
            return;
        }
    if (chip.addr == 0)
        hw_complain(t->draft, t->offset, "I/O APIC %u has no address", chip.id);
    else if (info->ioapic_count == HW_IOAPICS_MAX)
        hw_complain(t->draft, t->offset, "more than %u I/O APICs", HW_IOAPICS_MAX);
    else
        info->ioapics[info->ioapic_count++] = chip;
}

/* The global interrupt of a pin; UINT32_MAX: of no I/O APIC that is known. */
static uint32_t gsi_of(const struct hardware_info *info, uint8_t id, uint8_t pin)
{
    for (uint32_t i = 0; i < info->ioapic_count; i++)
        if (info->ioapics[i].id == id)
            return info->ioapics[i].gsi_base + pin;
    return UINT32_MAX;
}

static void override_add(struct mptable *t, const struct hw_override *o)
{
    struct hardware_info *info = t->draft->info;

    for (uint32_t i = 0; i < info->override_count; i++)
        if (info->overrides[i].irq == o->irq)
            return; /* a line that several functions of PCI share */
    if (info->override_count == HW_OVERRIDES_MAX)
        hw_complain(t->draft, t->offset, "more than %u overrides", HW_OVERRIDES_MAX);
    else
        info->overrides[info->override_count++] = *o;
}

/* ISA's line comes where the entry says; PCI's is known by its pin, which firmware puts into functions. */
static void read_interrupt(struct mptable *t)
{
    bool isa = t->bus[t->bytes[4]] == BUS_ISA;
    uint16_t flags = u16(t->bytes + 2);
    uint32_t gsi = gsi_of(t->draft->info, t->bytes[6], t->bytes[7]);
    struct hw_override o = {
        .irq = isa ? t->bytes[5] : t->bytes[7],
        .gsi = gsi,
        .polarity = polarity_of(flags, isa ? HW_ACTIVE_HIGH : HW_ACTIVE_LOW),
        .trigger = trigger_of(flags, isa ? HW_EDGE : HW_LEVEL),
    };

    if (t->bytes[1] != KIND_INT || t->bus[t->bytes[4]] == BUS_UNKNOWN)
        return;
    if (gsi == UINT32_MAX || (isa && o.irq >= ISA_IRQS)) {
        hw_complain(t->draft, t->offset, "interrupt %u of bus %u leads to pin %u of I/O APIC %u",
                    t->bytes[5], t->bytes[4], t->bytes[7], t->bytes[6]);
        return;
    }
    if (gsi < ISA_IRQS || isa)
        override_add(t, &o);
}

static void read_local(struct mptable *t)
{
    struct hardware_info *info = t->draft->info;
    uint16_t flags = u16(t->bytes + 2);
    uint8_t id = t->bytes[6], lint = t->bytes[7];

    if (t->bytes[1] != KIND_NMI)
        return;
    if (lint > LINT_MAX)
        hw_complain(t->draft, t->offset, "a local APIC has no LINT%u", lint);
    else if (info->lapic_nmi_count == HW_LAPIC_NMIS_MAX)
        hw_complain(t->draft, t->offset, "more than %u NMI lines", HW_LAPIC_NMIS_MAX);
    else
        info->lapic_nmis[info->lapic_nmi_count++] = (struct hw_lapic_nmi){
            .uid = id == APIC_ID_ALL ? UINT32_MAX : id,
            .lint = lint,
            .polarity = polarity_of(flags, HW_POLARITY_BUS),
            .trigger = trigger_of(flags, HW_TRIGGER_BUS),
        };
}

/* --- the table --------------------------------------------------------------------------------- */

static const char *table_check(const uint8_t *p, uint64_t size)
{
    if (size < HEADER_BYTES || memcmp(p, "PCMP", 4) != 0)
        return "there is no table";
    if (u16(p + HEADER_LENGTH) < HEADER_BYTES || u16(p + HEADER_LENGTH) > size)
        return "an absurd length";
    if (!sum_is_zero(p, u16(p + HEADER_LENGTH)))
        return "a wrong checksum";
    return NULL;
}

/* Steps through the entries and gives those of `type` to `read`; buses and I/O APICs are needed by others.
 * The header's count of entries is not looked at: some firmware leaves it 0. */
static void entries_read(struct mptable *t, const uint8_t *p, unsigned type, bool complain,
                         void (*read)(struct mptable *t))
{
    uint32_t size = u16(p + HEADER_LENGTH), at = HEADER_BYTES;

    while (at < size) {
        uint8_t kind = p[at];

        if (kind >= ENTRY_TYPES || entry_bytes[kind] > size - at) {
            if (complain)
                hw_complain(t->draft, at, "no entry that is known: the rest is left out");
            return;
        }
        t->bytes = p + at;
        t->offset = at;
        if (kind == type)
            read(t);
        at += entry_bytes[kind];
    }
}

err_t mptable_read(const uint8_t *p, uint64_t size, struct hw_draft *d)
{
    static void (*const readers[ENTRY_TYPES])(struct mptable *t) = {
        read_cpu, read_bus, read_ioapic, read_interrupt, read_local,
    };
    struct mptable t = { .draft = d };
    const char *wrong = table_check(p, size);

    hw_table_begin(d, "MP table");
    if (wrong) {
        hw_complain(d, 0, "%s", wrong);
        return -ENODEV;
    }
    d->info->source = HW_FROM_MPTABLE;
    if (u32(p + HEADER_LAPIC))
        d->info->lapic = u32(p + HEADER_LAPIC);
    for (unsigned type = 0; type < ENTRY_TYPES; type++)
        entries_read(&t, p, type, type == 0, readers[type]);
    hw_table_end(d);
    return 0;
}

/* --- the pointer ------------------------------------------------------------------------------- */

static const uint8_t *pointer_at(const struct loader_handoff *h, paddr_t pa)
{
    const uint8_t *p = record_map(h, pa, POINTER_BYTES);

    return p && memcmp(p, "_MP_", 4) == 0 && p[POINTER_PARAGRAPHS] == 1 &&
           sum_is_zero(p, POINTER_BYTES) ? p : NULL;
}

static const uint8_t *pointer_scan(const struct loader_handoff *h, paddr_t start, paddr_t end)
{
    if (!record_map(h, start, end - start))
        return NULL;
    for (paddr_t pa = start; pa + POINTER_BYTES <= end; pa += POINTER_BYTES) {
        const uint8_t *p = pointer_at(h, pa);

        if (p)
            return p;
    }
    return NULL;
}

/* In the first KiB of the extended BIOS data, in the last of base memory, in the BIOS (section 4). */
static const uint8_t *pointer_find(const struct loader_handoff *h)
{
    const uint8_t *segment = record_map(h, EBDA_SEGMENT, 2);
    paddr_t ebda = segment ? (paddr_t)u16(segment) << 4 : 0;
    const uint8_t *found = NULL;

    if (ebda >= LOW_END && ebda <= BASE_END - KiB)
        found = pointer_scan(h, ebda, ebda + KiB);
    for (paddr_t at = 639 * KiB; !found && at >= 511 * KiB; at -= 128 * KiB)
        found = pointer_scan(h, at, at + KiB);
    return found ? found : pointer_scan(h, BIOS_START, BIOS_END);
}

err_t mptable_find(const struct loader_handoff *h, struct hw_draft *d)
{
    const uint8_t *pointer = pointer_find(h), *table;
    paddr_t at = pointer ? u32(pointer + POINTER_TABLE) : 0;
    uint64_t room = TABLE_BYTES_MAX;

    if (!at)
        return -ENODEV;
    while (!(table = record_map(h, at, room)) && room > HEADER_BYTES)
        room = MAX(room / 2, (uint64_t)HEADER_BYTES);
    return table ? mptable_read(table, room, d) : -ENODEV;
}

static err_t mptable_source(const struct loader_handoff *h, struct boot_record *rec,
                            struct hw_draft *d)
{
    (void)rec;
    return d->info->source == HW_FROM_PROBE ? mptable_find(h, d) : -ENODEV;
}
HARDWARE_SOURCE(mptable, HW_RANK_MPTABLE, mptable_source);
