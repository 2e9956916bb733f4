// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: SRAT and SLIT (ACPI 6.5, 5.2.16 and 5.2.17): which CPU and which memory belong to which
 * proximity domain, and how far those are apart.
 */
#define LOG_TAG "acpi"
#include <boot/acpi.h>

#include <core/log.h>

#define SRAT_REVISION 8
#define SRAT_BYTES 48
#define ENABLED 1u

#define SLIT_COUNT 36
#define SLIT_BYTES 44

enum { ENTRY_LAPIC, ENTRY_MEMORY, ENTRY_X2APIC, ENTRY_GICC };

struct srat {
    struct hw_draft *draft;
    const struct acpi_table *madt;
    bool wide; /* domains have 32 bits since revision 2 */
};

static uint32_t domain_of(const struct srat *s, uint32_t domain)
{
    return s->wide ? domain : domain & 0xff;
}

/* A CPU gets its domain.  One that is switched off may be named, one that does not exist not. */
static void cpu_place(const struct srat *s, const struct acpi_entries *e, uint32_t id,
                      uint32_t domain)
{
    bool gicc = e->type == ENTRY_GICC;
    struct hw_cpu *cpu = gicc ? hw_cpu_by_uid(s->draft->info, id)
                              : hw_cpu_by_id(s->draft->info, id);

    if (!cpu) {
        if (!acpi_madt_names(s->madt, id, gicc))
            hw_complain(s->draft, e->offset, "there is no CPU %#x", id);
        return;
    }
    if (cpu->node != HW_NODE_NONE && cpu->node != domain)
        hw_complain(s->draft, e->offset, "CPU %#x is in domain %u already", id, cpu->node);
    else
        cpu->node = domain;
}

static void read_entry(const struct srat *s, const struct acpi_entries *e)
{
    const uint8_t *b = e->bytes;

    switch (e->type) {
    case ENTRY_LAPIC:
        if (acpi_entry_has(e, 16) && (acpi_u32(b + 4) & ENABLED))
            cpu_place(s, e, b[3],
                      domain_of(s, b[2] | (uint32_t)b[9] << 8 | (uint32_t)b[10] << 16 |
                                       (uint32_t)b[11] << 24));
        break;
    case ENTRY_MEMORY:
        if (acpi_entry_has(e, 40) && (acpi_u32(b + 28) & ENABLED))
            hw_memory_add(s->draft, e->offset, acpi_u64(b + 8), acpi_u64(b + 16),
                          domain_of(s, acpi_u32(b + 2)));
        break;
    case ENTRY_X2APIC:
        if (acpi_entry_has(e, 24) && (acpi_u32(b + 12) & ENABLED))
            cpu_place(s, e, acpi_u32(b + 8), domain_of(s, acpi_u32(b + 4)));
        break;
    case ENTRY_GICC:
        if (acpi_entry_has(e, 18) && (acpi_u32(b + 10) & ENABLED))
            cpu_place(s, e, acpi_u32(b + 6), acpi_u32(b + 2));
        break;
    }
}

void acpi_read_srat(const struct acpi_table *t, const struct acpi_table *madt, struct hw_draft *d)
{
    struct srat s = { .draft = d, .madt = madt, .wide = t->bytes[SRAT_REVISION] >= 2 };

    if (t->size < SRAT_BYTES) {
        hw_complain(d, 0, "the table has %u bytes", t->size);
        return;
    }
    acpi_for_each_entry(e, t, d, SRAT_BYTES)
        read_entry(&s, &e);
}

/* One byte for each pair of domains, row by row. */
void acpi_read_slit(const struct acpi_table *t, struct hw_draft *d)
{
    const struct hardware_info *info = d->info;
    uint64_t count = t->size >= SLIT_BYTES ? acpi_u64(t->bytes + SLIT_COUNT) : 0;

    if (count == 0 || count > t->size || count * count > t->size - SLIT_BYTES) {
        hw_complain(d, SLIT_COUNT, "%llu domains in %u bytes", (unsigned long long)count, t->size);
        return;
    }
    for (uint32_t i = 0; i < info->node_count; i++)
        for (uint32_t k = 0; k < info->node_count; k++) {
            uint32_t from = info->node_firmware_id[i], to = info->node_firmware_id[k];
            uint64_t at = SLIT_BYTES + from * count + to;

            if (from < count && to < count)
                hw_distance_set(d, at, from, to, t->bytes[at]);
        }
    hw_distances_end(d, SLIT_BYTES, count);
}
