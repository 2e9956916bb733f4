// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the Limine protocol's responses. The input is the loader's memory, the hand-over first; numbers
 *   that begin with "at" are offsets in it and become addresses, so that records can point to each other.
 * Run: scripts/fuzz.sh limine SECONDS.
 */
#include <boot/limine.h>

#include "loader.h"

/* The third word is the direct map's address; behind it are addresses. */
static void addresses_fix(uint8_t *memory, size_t size, uint64_t hhdm)
{
    for (size_t at = 24; at + 8 <= size; at += 8) {
        uint64_t v;

        memcpy(&v, memory + at, 8);
        if (v >> 48 != 0x7461)
            continue;
        v = hhdm + virt_to_phys(memory) + (v & 0xffff);
        memcpy(memory + at, &v, 8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct loader_input in = loader_begin(LOADER_LIMINE, data, size);
    uint64_t hhdm = 0;

    if (size >= 24)
        memcpy(&hhdm, in.block + 16, 8);
    addresses_fix(in.block, size, hhdm);
    loader_end(&in, limine_parse(&in.h, in.rec));
    return 0;
}
