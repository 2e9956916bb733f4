// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the MADT: the input is the table with its header.
 * Run: scripts/fuzz.sh madt SECONDS.
 */
#include <boot/acpi.h>

#include "machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hardware_info info;
    static struct hw_draft draft;
    struct acpi_table t = { .signature = "APIC", .bytes = data, .size = (uint32_t)size };

    if (size < ACPI_HEADER_BYTES)
        return 0;
    hw_draft_init(&draft, &info, 0);
    draft.cpu_id_max = data[0] & 1 ? 254 : UINT64_MAX;
    info.power.psci = data[1] & 1;
    hw_table_begin(&draft, "APIC");
    acpi_read_madt(&t, &draft);
    for (uint32_t i = 0; i < info.cpu_count; i++) /* each CPU that is taken is named, by one or the other */
        expect(acpi_madt_names(&t, (uint32_t)info.cpus[i].hw_id, false) ||
               acpi_madt_names(&t, info.cpus[i].uid, true));
    machine_check(&draft);
    return 0;
}
