// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the MADT (ACPI 6.5, 5.2.12): CPUs and interrupt controllers.
 * Model: one row for each type of entry, with the least length; types without a row are passed over.
 */
#define LOG_TAG "acpi"
#include <boot/acpi.h>

#include <core/log.h>

#define MADT_LAPIC 36
#define MADT_FLAGS 40
#define MADT_BYTES 44
#define FLAG_PCAT 1u

#define CPU_ENABLED 1u
#define APIC_ID_NONE 0xffu
#define X2APIC_ID_NONE UINT32_MAX
#define UID_ALL_NARROW 0xffu
#define ISA_IRQS 16
#define LINT_MAX 1
#define MPIDR_AFFINITY 0xff00ffffffull
#define GICR_FRAME_BYTES (128 * KiB)

enum {
    ENTRY_LAPIC, ENTRY_IOAPIC, ENTRY_OVERRIDE, ENTRY_NMI_SOURCE, ENTRY_LAPIC_NMI, ENTRY_LAPIC_ADDR,
    ENTRY_X2APIC = 9, ENTRY_X2APIC_NMI, ENTRY_GICC, ENTRY_GICD, ENTRY_MSI_FRAME, ENTRY_GICR,
    ENTRY_ITS,
};

static enum hw_polarity polarity_of(uint16_t flags)
{
    static const enum hw_polarity by[] = { HW_POLARITY_BUS, HW_ACTIVE_HIGH, HW_POLARITY_BUS,
                                           HW_ACTIVE_LOW };

    return by[flags & 3];
}

static enum hw_trigger trigger_of(uint16_t flags)
{
    static const enum hw_trigger by[] = { HW_TRIGGER_BUS, HW_EDGE, HW_TRIGGER_BUS, HW_LEVEL };

    return by[flags >> 2 & 3];
}

/* Both fields have one value that means nothing. */
static void flags_check(const struct acpi_entries *e, uint16_t flags)
{
    if ((flags & 3) == 2 || (flags >> 2 & 3) == 2)
        hw_complain(e->draft, e->offset, "interrupt flags %#x: the bus's are taken", flags);
}

/* --- PC --- */

static void apic_cpu(const struct acpi_entries *e, uint32_t id, uint32_t uid, uint32_t flags)
{
    struct hw_cpu cpu = hw_cpu_make(id, uid, HW_START_SIPI);

    if (flags & CPU_ENABLED)
        hw_cpu_add(e->draft, e->offset, &cpu);
}

static void read_lapic(const struct acpi_entries *e)
{
    if (e->bytes[3] != APIC_ID_NONE)
        apic_cpu(e, e->bytes[3], e->bytes[2], acpi_u32(e->bytes + 4));
}

static void read_x2apic(const struct acpi_entries *e)
{
    uint32_t id = acpi_u32(e->bytes + 4);

    if (id != X2APIC_ID_NONE)
        apic_cpu(e, id, acpi_u32(e->bytes + 12), acpi_u32(e->bytes + 8));
}

static void read_ioapic(const struct acpi_entries *e)
{
    struct hardware_info *info = e->draft->info;
    struct hw_ioapic chip = { e->bytes[2], acpi_u32(e->bytes + 4), acpi_u32(e->bytes + 8) };

    for (uint32_t i = 0; i < info->ioapic_count; i++)
        if (info->ioapics[i].addr == chip.addr || info->ioapics[i].gsi_base == chip.gsi_base) {
            hw_complain(e->draft, e->offset, "I/O APIC %u is there twice", chip.id);
            return;
        }
    if (chip.addr == 0)
        hw_complain(e->draft, e->offset, "I/O APIC %u has no address", chip.id);
    else if (info->ioapic_count == HW_IOAPICS_MAX)
        hw_complain(e->draft, e->offset, "more than %u I/O APICs", HW_IOAPICS_MAX);
    else
        info->ioapics[info->ioapic_count++] = chip;
}

static void read_override(const struct acpi_entries *e)
{
    struct hardware_info *info = e->draft->info;
    uint16_t flags = acpi_u16(e->bytes + 8);
    struct hw_override o = { e->bytes[3], acpi_u32(e->bytes + 4), polarity_of(flags),
                             trigger_of(flags) };

    for (uint32_t i = 0; i < info->override_count; i++)
        if (info->overrides[i].irq == o.irq) {
            hw_complain(e->draft, e->offset, "ISA interrupt %u is connected twice", o.irq);
            return;
        }
    if (e->bytes[2] != 0 || o.irq >= ISA_IRQS) {
        hw_complain(e->draft, e->offset, "interrupt %u of bus %u is not ISA's", o.irq, e->bytes[2]);
    } else if (info->override_count == HW_OVERRIDES_MAX) {
        hw_complain(e->draft, e->offset, "more than %u overrides", HW_OVERRIDES_MAX);
    } else {
        flags_check(e, flags);
        info->overrides[info->override_count++] = o;
    }
}

static void apic_nmi(const struct acpi_entries *e, uint32_t uid, uint16_t flags, uint8_t lint)
{
    struct hardware_info *info = e->draft->info;

    if (lint > LINT_MAX) {
        hw_complain(e->draft, e->offset, "a local APIC has no LINT%u", lint);
    } else if (info->lapic_nmi_count == HW_LAPIC_NMIS_MAX) {
        hw_complain(e->draft, e->offset, "more than %u NMI lines", HW_LAPIC_NMIS_MAX);
    } else {
        flags_check(e, flags);
        info->lapic_nmis[info->lapic_nmi_count++] = (struct hw_lapic_nmi){
            uid, lint, polarity_of(flags), trigger_of(flags)
        };
    }
}

/* An NMI is an edge, whatever the flags say. */
static void read_nmi_source(const struct acpi_entries *e)
{
    struct hardware_info *info = e->draft->info;
    uint16_t flags = acpi_u16(e->bytes + 2);

    if (info->nmi_source_count == HW_NMI_SOURCES_MAX) {
        hw_complain(e->draft, e->offset, "more than %u NMI sources", HW_NMI_SOURCES_MAX);
        return;
    }
    flags_check(e, flags);
    info->nmi_sources[info->nmi_source_count++] =
        (struct hw_nmi_source){ acpi_u32(e->bytes + 4), polarity_of(flags) };
}

static void read_lapic_nmi(const struct acpi_entries *e)
{
    uint32_t uid = e->bytes[2] == UID_ALL_NARROW ? UINT32_MAX : e->bytes[2];

    apic_nmi(e, uid, acpi_u16(e->bytes + 3), e->bytes[5]);
}

static void read_x2apic_nmi(const struct acpi_entries *e)
{
    apic_nmi(e, acpi_u32(e->bytes + 4), acpi_u16(e->bytes + 2), e->bytes[8]);
}

static void read_lapic_addr(const struct acpi_entries *e)
{
    e->draft->info->lapic = acpi_u64(e->bytes + 4);
}

/* --- GIC --- */

static void read_gicc(const struct acpi_entries *e)
{
    struct hardware_info *info = e->draft->info;
    uint64_t mpidr = acpi_u64(e->bytes + 68);
    struct hw_cpu cpu = hw_cpu_make(mpidr, acpi_u32(e->bytes + 8),
                                    info->power.psci ? HW_START_PSCI : HW_START_NONE);

    if (!(acpi_u32(e->bytes + 12) & CPU_ENABLED))
        return;
    if (mpidr & ~MPIDR_AFFINITY) {
        hw_complain(e->draft, e->offset, "MPIDR %#llx cannot be", (unsigned long long)mpidr);
        return;
    }
    cpu.gic_redist = acpi_u64(e->bytes + 60);
    if (!info->gic.cpu)
        info->gic.cpu = acpi_u64(e->bytes + 32);
    hw_cpu_add(e->draft, e->offset, &cpu);
}

static void read_gicd(const struct acpi_entries *e)
{
    struct hw_gic *gic = &e->draft->info->gic;
    uint8_t version = e->bytes[20];

    if (gic->dist) {
        hw_complain(e->draft, e->offset, "a second distributor");
        return;
    }
    gic->dist = acpi_u64(e->bytes + 8);
    if (version > 4)
        hw_complain(e->draft, e->offset, "GIC version %u", version);
    else
        gic->version = version;
}

static void read_gicr(const struct acpi_entries *e)
{
    struct hw_gic *gic = &e->draft->info->gic;
    struct hw_region r = { acpi_u64(e->bytes + 4), acpi_u32(e->bytes + 12) };

    if (r.start == 0 || r.size < GICR_FRAME_BYTES)
        hw_complain(e->draft, e->offset, "redistributors at %#llx with %#llx bytes",
                    (unsigned long long)r.start, (unsigned long long)r.size);
    else if (gic->redist_count == HW_GIC_REGIONS_MAX)
        hw_complain(e->draft, e->offset, "more than %u redistributor regions", HW_GIC_REGIONS_MAX);
    else
        gic->redist[gic->redist_count++] = r;
}

static void read_its(const struct acpi_entries *e)
{
    hw_its_add(e->draft, e->offset, acpi_u64(e->bytes + 8), acpi_u32(e->bytes + 4));
}

/* GICv2m: the first frame is enough. */
static void read_msi_frame(const struct acpi_entries *e)
{
    struct hw_gic *gic = &e->draft->info->gic;
    bool told = acpi_u32(e->bytes + 16) & 1;

    if (gic->msi_frame.start)
        return;
    gic->msi_frame = (struct hw_region){ acpi_u64(e->bytes + 8), 4 * KiB };
    gic->msi_count = told ? acpi_u16(e->bytes + 20) : 0;
    gic->msi_first = told ? acpi_u16(e->bytes + 22) : 0;
}

/* --- the table --- */

static const struct {
    uint8_t type, size;
    void (*read)(const struct acpi_entries *e);
} kinds[] = {
    { ENTRY_LAPIC, 8, read_lapic },
    { ENTRY_IOAPIC, 12, read_ioapic },
    { ENTRY_OVERRIDE, 10, read_override },
    { ENTRY_NMI_SOURCE, 8, read_nmi_source },
    { ENTRY_LAPIC_NMI, 6, read_lapic_nmi },
    { ENTRY_LAPIC_ADDR, 12, read_lapic_addr },
    { ENTRY_X2APIC, 16, read_x2apic },
    { ENTRY_X2APIC_NMI, 12, read_x2apic_nmi },
    { ENTRY_GICC, 76, read_gicc },
    { ENTRY_GICD, 24, read_gicd },
    { ENTRY_GICR, 16, read_gicr },
    { ENTRY_ITS, 20, read_its },
    { ENTRY_MSI_FRAME, 24, read_msi_frame },
};

static void read_entry(const struct acpi_entries *e)
{
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].type == e->type && acpi_entry_has(e, kinds[i].size))
            kinds[i].read(e);
}

/* A distributor of ACPI 5.0 does not say its version. */
static void gic_finish(struct hardware_info *info)
{
    struct hw_gic *gic = &info->gic;

    if (!gic->dist)
        gic->version = 0;
    else if (gic->version == 0)
        gic->version = gic->redist_count || (info->cpu_count && info->cpus[0].gic_redist) ? 3 : 2;
}

void acpi_read_madt(const struct acpi_table *t, struct hw_draft *d)
{
    if (t->size < MADT_BYTES) {
        hw_complain(d, 0, "the table has %u bytes", t->size);
        return;
    }
    if (acpi_u32(t->bytes + MADT_LAPIC))
        d->info->lapic = acpi_u32(t->bytes + MADT_LAPIC);
    d->info->has_pic = acpi_u32(t->bytes + MADT_FLAGS) & FLAG_PCAT;
    acpi_for_each_entry(e, t, d, MADT_BYTES)
        read_entry(&e);
    gic_finish(d->info);
}

/* Does the entry speak of that processor? */
static bool entry_names(const struct acpi_entries *e, uint32_t id, bool gicc)
{
    if (gicc)
        return e->type == ENTRY_GICC && e->size >= 12 && acpi_u32(e->bytes + 8) == id;
    if (e->type == ENTRY_LAPIC && e->size >= 4)
        return e->bytes[3] == id;
    return e->type == ENTRY_X2APIC && e->size >= 8 && acpi_u32(e->bytes + 4) == id;
}

bool acpi_madt_names(const struct acpi_table *madt, uint32_t id, bool gicc)
{
    struct hw_draft quiet = { .table = "APIC", .complaints = HW_COMPLAINTS_MAX };

    if (!madt || madt->size < MADT_BYTES)
        return false;
    acpi_for_each_entry(e, madt, &quiet, MADT_BYTES)
        if (entry_names(&e, id, gicc))
            return true;
    return false;
}
