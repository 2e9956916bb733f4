// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz PVH's start info. The input is the whole block; its addresses are offsets in the block, which are
 *   made addresses here, as no fuzzer guesses those. What is accepted keeps the invariants of the neutral record.
 * Run: scripts/fuzz.sh pvh SECONDS.
 */
#include <boot/pvh.h>

#include <lib/string.h>

#include "machine.h"

void *malloc(size_t n);
void free(void *p);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void relocate(uint8_t *block, uint64_t at, size_t size)
{
    uint64_t value;

    if (at > size || size - at < sizeof value)
        return;
    memcpy(&value, block + at, sizeof value);
    if (value != 0)
        value += virt_to_phys(block);
    memcpy(block + at, &value, sizeof value);
}

static void pointers_make(uint8_t *block, size_t size)
{
    struct pvh_info info;

    if (size < sizeof info)
        return;
    memcpy(&info, block, sizeof info);
    for (uint64_t i = 0; i < MIN(info.module_count, 64u) && info.modules < size; i++)
        relocate(block, info.modules + i * sizeof(struct pvh_module) + offsetof(struct pvh_module, cmdline), size);
    relocate(block, offsetof(struct pvh_info, modules), size);
    relocate(block, offsetof(struct pvh_info, cmdline), size);
    relocate(block, offsetof(struct pvh_info, memmap), size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_record rec;
    uint8_t *block = malloc(size + 1); /* aligned, and of just that size */
    struct loader_handoff h = { .protocol = LOADER_PVH, .info = virt_to_phys(block),
                                .image_start = 2 * MiB, .image_end = 4 * MiB,
                                .early_start = virt_to_phys(block),
                                .early_end = virt_to_phys(block) + size };

    memcpy(block, data, size);
    pointers_make(block, size);
    record_init(&rec, &h);
    if (pvh_parse(&h, &rec) == 0 && record_finish(&rec) == 0)
        expect(rec.range_count > 0);
    expect(record_check(&rec));
    free(block);
    return 0;
}
