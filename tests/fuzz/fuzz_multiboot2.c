// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz Multiboot2's record. The input is the whole block; what is accepted keeps the invariants of
 *   the neutral record.
 * Run: scripts/fuzz.sh multiboot2 SECONDS.
 */
#include <boot/multiboot2.h>

#include "loader.h"

paddr_t image_to_phys(const void *va)
{
    return virt_to_phys(va);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct loader_input in = loader_begin(LOADER_MULTIBOOT2, data, size);

    loader_end(&in, multiboot2_parse(&in.h, in.rec));
    return 0;
}
