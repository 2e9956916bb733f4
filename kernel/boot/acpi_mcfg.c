// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the MCFG (PCI Firmware Specification 3.2, 4.1.2): where configuration space is in memory.
 * Model: entries of one size, each a range of buses of one segment.
 */
#define LOG_TAG "acpi"
#include <boot/acpi.h>

#include <core/log.h>

#define MCFG_ENTRIES 44
#define ENTRY_BYTES 16
#define BUS_BYTES MiB

static void read_entry(const struct acpi_table *t, struct hw_draft *d, uint32_t at)
{
    const uint8_t *e = t->bytes + at;
    uint64_t base = acpi_u64(e);
    unsigned first = e[10], last = e[11];
    struct hw_pci_host *host;

    /* The base is bus 0's, even where that is not in the range. */
    if (base > UINT64_MAX - 256 * BUS_BYTES) {
        hw_complain(d, at, "configuration space at %#llx", (unsigned long long)base);
        return;
    }
    host = hw_pci_host_add(d, at, base + first * BUS_BYTES, 256 * BUS_BYTES, acpi_u16(e + 8), first,
                           last);
    if (host)
        host->coherent = true;
}

void acpi_read_mcfg(const struct acpi_table *t, struct hw_draft *d)
{
    if (t->size < MCFG_ENTRIES || (t->size - MCFG_ENTRIES) % ENTRY_BYTES != 0)
        hw_complain(d, 0, "the table has %u bytes", t->size);
    for (uint32_t at = MCFG_ENTRIES; at < t->size && t->size - at >= ENTRY_BYTES; at += ENTRY_BYTES)
        read_entry(t, d, at);
}
