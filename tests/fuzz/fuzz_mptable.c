// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the MultiProcessor Specification's table: the input is the table with its header. Its name and
 * checksum are made right, as no fuzzer guesses them.
 * Run: scripts/fuzz.sh mptable SECONDS.
 */
#include <boot/mptable.h>

#include <lib/string.h>

#include "machine.h"

void *malloc(size_t n);
void free(void *p);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hardware_info info;
    static struct hw_draft draft;
    uint8_t *table, sum = 0;

    if (size < 8 || size > 65535)
        return 0;
    table = malloc(size);
    memcpy(table, data, size);
    memcpy(table, "PCMP", 4);
    for (size_t i = 0; i < size && i < (size_t)(table[4] | table[5] << 8); i++)
        sum = (uint8_t)(sum + table[i]);
    table[7] = (uint8_t)(table[7] - sum);
    hw_draft_init(&draft, &info, 0);
    draft.cpu_id_max = data[6] & 1 ? 254 : UINT64_MAX;
    if (mptable_read(table, size, &draft) != 0)
        expect(info.cpu_count == 0 && info.source == HW_FROM_PROBE);
    machine_check(&draft);
    free(table);
    return 0;
}
