// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz PVH's start info. The input is the whole block; its addresses are offsets in the block, which are
 *   made addresses here, as no fuzzer guesses those. What is accepted keeps the invariants of the neutral record.
 * Run: scripts/fuzz.sh pvh SECONDS.
 */
#include <boot/pvh.h>

#include "loader.h"

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
    struct loader_input in = loader_begin(LOADER_PVH, data, size);

    pointers_make(in.block, size);
    loader_end(&in, pvh_parse(&in.h, in.rec));
    return 0;
}
