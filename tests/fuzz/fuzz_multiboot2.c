// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz Multiboot2's record. The input is the whole block; what is accepted keeps the invariants of
 *   the neutral record.
 * Run: scripts/fuzz.sh multiboot2 SECONDS.
 */
#include <boot/multiboot2.h>

#include <lib/string.h>

#include "machine.h"

void *malloc(size_t n);
void free(void *p);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

paddr_t image_to_phys(const void *va)
{
    return virt_to_phys(va);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_record rec;
    uint8_t *block = malloc(size + 1); /* aligned, and of just that size */
    struct loader_handoff h = { .protocol = LOADER_MULTIBOOT2, .info = virt_to_phys(block),
                                .image_start = 2 * MiB, .image_end = 4 * MiB,
                                .early_start = virt_to_phys(block),
                                .early_end = virt_to_phys(block) + size };

    memcpy(block, data, size);
    record_init(&rec, &h);
    if (multiboot2_parse(&h, &rec) == 0 && record_finish(&rec) == 0) {
        expect(rec.range_count > 0);
        expect(rec.fb.width == 0 || rec.fb.pitch >= rec.fb.width * (rec.fb.bpp / 8u));
    }
    expect(record_check(&rec));
    free(block);
    return 0;
}
