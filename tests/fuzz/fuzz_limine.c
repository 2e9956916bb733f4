// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the Limine protocol's responses. The input is the loader's memory, the hand-over first; numbers
 *   that begin with "at" are offsets in it and become addresses, so that records can point to each other.
 * Run: scripts/fuzz.sh limine SECONDS.
 */
#include <boot/limine.h>

#include <lib/string.h>

#include "machine.h"

void *malloc(size_t n);
void free(void *p);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    static struct boot_record rec;
    uint8_t *memory = malloc(size + 1);
    struct loader_handoff h = { .protocol = LOADER_LIMINE, .info = virt_to_phys(memory),
                                .image_start = 2 * MiB, .image_end = 4 * MiB,
                                .early_start = virt_to_phys(memory),
                                .early_end = virt_to_phys(memory) + size };
    uint64_t hhdm = 0;

    memcpy(memory, data, size);
    if (size >= 24)
        memcpy(&hhdm, memory + 16, 8);
    addresses_fix(memory, size, hhdm);
    record_init(&rec, &h);
    if (limine_parse(&h, &rec) == 0 && record_finish(&rec) == 0)
        expect(rec.range_count > 0);
    expect(record_check(&rec));
    free(memory);
    return 0;
}
