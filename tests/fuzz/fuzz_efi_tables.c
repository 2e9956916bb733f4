// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz EFI's memory map and tables as they are left behind the boot services.
 * Model: the input is what /chosen says (four numbers of 32 bits: system table, map, its size, its descriptors'),
 * then the firmware's memory, which begins at BASE.
 * Run: scripts/fuzz.sh efi_tables SECONDS.
 */
#include <boot/efi_tables.h>

#include <lib/string.h>

#include "machine.h"

#define BASE 0x10000

void *malloc(size_t n);
void free(void *p);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *memory;
static size_t memory_size;

static const void *reach(paddr_t pa, uint64_t bytes)
{
    if (pa < BASE || pa - BASE > memory_size || bytes > memory_size - (pa - BASE))
        return NULL;
    return memory + (pa - BASE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_record rec;
    static const struct loader_handoff h = { .protocol = LOADER_LINUX_FDT,
                                             .image_start = 0x40200000,
                                             .image_end = 0x40400000 };
    struct efi_place place;
    uint32_t words[4];
    uint8_t *copy;

    if (size < sizeof words)
        return 0;
    memcpy(words, data, sizeof words);
    place = (struct efi_place){ words[0], words[1], words[2], words[3] };
    memory_size = size - sizeof words;
    memory = copy = malloc(memory_size + 1);
    memcpy(copy, data + sizeof words, memory_size);
    record_init(&rec, &h);
    if (efi_place_read(&rec, &place, reach) == 0) {
        expect(record_check(&rec));
        (void)record_finish(&rec);
        expect(record_check(&rec));
        expect(rec.fb.width == 0 || rec.fb.pitch >= rec.fb.width);
    }
    free(copy);
    return 0;
}
