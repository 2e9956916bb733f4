// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz SRAT and SLIT: the input is a SRAT, as long as its header says, and then a SLIT.
 * Run: scripts/fuzz.sh srat SECONDS.
 */
#include <boot/acpi.h>

#include "machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hardware_info info;
    static struct hw_draft draft;
    struct acpi_table srat = { .signature = "SRAT", .bytes = data }, slit = { .signature = "SLIT" };

    if (size < ACPI_HEADER_BYTES)
        return 0;
    srat.size = MIN(MAX(acpi_u32(data + 4), (uint32_t)ACPI_HEADER_BYTES), (uint32_t)size);
    slit.bytes = data + srat.size;
    slit.size = (uint32_t)size - srat.size;
    hw_draft_init(&draft, &info, 0);
    for (uint32_t i = 0; i < 8; i++) {
        struct hw_cpu cpu = hw_cpu_make(i, i, HW_START_SIPI);

        hw_cpu_add(&draft, 0, &cpu);
    }
    hw_table_begin(&draft, "SRAT");
    acpi_read_srat(&srat, NULL, &draft);
    hw_nodes_finish(&draft);
    hw_table_begin(&draft, "SLIT");
    if (slit.size >= ACPI_HEADER_BYTES)
        acpi_read_slit(&slit, &draft);
    machine_check(&draft);
    return 0;
}
