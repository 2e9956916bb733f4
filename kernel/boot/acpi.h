// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: ACPI's static tables (ACPI 6.5, chapter 5) into struct hardware_info.
 *
 * Model: acpi_open() makes a directory of the tables that the root pointer leads to.  In it are only
 * tables whose whole length is mapped and whose bytes sum to zero, so a reader of one table checks
 * its own offsets against `size` and nothing else.  Each reader takes one table and adds to the
 * draft.  No byte code is run: in the DSDT only _S5_ and a few devices are sought.
 * Context: boot, under the early direct map; later only addresses and sizes stay true.
 */
#pragma once

#include <boot/hardware.h>
#include <lib/string.h>

#define ACPI_TABLES_MAX 64
#define ACPI_TABLE_BYTES_MAX (4 * MiB)
#define ACPI_HEADER_BYTES 36

struct acpi_table {
    char signature[5];
    paddr_t addr;
    const uint8_t *bytes;
    uint32_t size;
};

struct acpi_view {
    const struct loader_handoff *handoff;
    const struct boot_record *rec;
    paddr_t rsdp;
    struct acpi_table tables[ACPI_TABLES_MAX];
    unsigned count;
};

/*
 * Finds the root pointer (the record's, else in a PC's BIOS area) and lists the tables, the DSDT
 * among them.  Return: 0; -ENODEV: there is no root pointer, or it leads nowhere.
 */
err_t __must_check acpi_open(struct acpi_view *v, const struct loader_handoff *h,
                             const struct boot_record *rec, struct hw_draft *d);
/* The nth table of that signature, or NULL. */
const struct acpi_table *acpi_find(const struct acpi_view *v, const char *signature, unsigned nth);
/* Reads all tables into the draft. */
void acpi_read_tables(const struct acpi_view *v, struct hw_draft *d);
/* Tables that lie in memory which the loader calls usable must stay: makes that MEM_ACPI. */
void acpi_reserve(const struct acpi_view *v, struct boot_record *rec);
/* The tables of this machine, for the file system: addresses and sizes; count 0: none. */
const struct acpi_view *acpi_tables(void);

void acpi_read_madt(const struct acpi_table *t, struct hw_draft *d);
void acpi_read_fadt(const struct acpi_table *t, struct hw_draft *d);
void acpi_read_hpet(const struct acpi_table *t, struct hw_draft *d);
void acpi_read_gtdt(const struct acpi_table *t, struct hw_draft *d);
void acpi_read_mcfg(const struct acpi_table *t, struct hw_draft *d);
/* Which ITS the functions of the hosts that are known send their messages to.  t: NULL: there is no
 * such table, so the first ITS has them all, by their own numbers. */
void acpi_read_iort(const struct acpi_table *t, struct hw_draft *d);
/* The serial console; one that is known stays. */
void acpi_read_spcr(const struct acpi_table *t, struct hw_draft *d);
void acpi_read_dbg2(const struct acpi_table *t, struct hw_draft *d);
void acpi_read_pptt(const struct acpi_table *t, struct hw_draft *d);
/* Processors and memory get their domains; before hw_nodes_finish().  madt: NULL or the MADT, which
 * tells processors that are switched off from those that do not exist. */
void acpi_read_srat(const struct acpi_table *t, const struct acpi_table *madt, struct hw_draft *d);
void acpi_read_slit(const struct acpi_table *t, struct hw_draft *d); /* after it */
/* Seeks _S5_ in a DSDT or SSDT.  Return: whether it stands there. */
bool acpi_read_s5(const struct acpi_table *t, struct hw_draft *d);
/* Adds the virtio devices and PCI's first buses that a DSDT or SSDT names. */
void acpi_read_devices(const struct acpi_table *t, struct hw_draft *d);

/* What the pins of PCI functions on GIC machines are connected to, as far as a _PRT in a DSDT or SSDT is a
 * constant; for the hosts that are known. */
void acpi_read_prt(const struct acpi_table *t, struct hw_draft *d);

/* Does the MADT name that processor at all, enabled or not?  gicc: by uid, else by APIC id. */
bool acpi_madt_names(const struct acpi_table *madt, uint32_t id, bool gicc);

static inline uint16_t acpi_u16(const uint8_t *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t acpi_u32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t acpi_u64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

/* Many tables are a head and then entries of one byte of type and one of length. */
struct acpi_entries {
    const struct acpi_table *table;
    struct hw_draft *draft;
    uint32_t next; /* offset of the one to come */
    uint32_t offset; /* of the present one */
    const uint8_t *bytes;
    uint8_t type, size;
};

/* Steps to the next entry; one that is too short or too long ends the table with a complaint. */
bool acpi_entry_next(struct acpi_entries *e);
#define acpi_for_each_entry(e, table_, draft_, head)                                               \
    for (struct acpi_entries e = { .table = (table_), .draft = (draft_), .next = (head) };         \
         acpi_entry_next(&e);)
/* Is the entry at least that long?  Complains when not. */
bool acpi_entry_has(const struct acpi_entries *e, unsigned size);
