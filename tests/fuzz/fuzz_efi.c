// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the EFI stub's record.
 * Model: the input is the block as it is, but for its first words: magic and size are made right unless
 * the last byte is odd, as no fuzzer guesses them.
 * Run: scripts/fuzz.sh efi SECONDS.
 */
#include <boot/efi.h>

#include <lib/string.h>

#include "machine.h"

void *malloc(size_t n);
void free(void *p);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct boot_record rec;
    static struct efi_handoff hand;
    static const struct loader_handoff h = { .protocol = LOADER_EFI, .image_start = 0x40200000,
                                             .image_end = 0x40400000 };
    uint8_t *block = malloc(size + 1);
    uint64_t magic = EFI_HANDOFF_MAGIC;
    uint32_t length = (uint32_t)size;

    memcpy(block, data, size);
    if (size >= 16 && !(data[size - 1] & 1)) {
        memcpy(block, &magic, sizeof magic);
        memcpy(block + 8, &length, sizeof length);
    }
    record_init(&rec, &h);
    if (efi_read_record(block, size, &rec, &hand) == 0) {
        expect(record_check(&rec));
        expect(hand.seed_size <= EFI_SEED_BYTES);
        (void)record_finish(&rec);
        expect(record_check(&rec));
        expect(rec.fb.width == 0 || rec.fb.pitch >= rec.fb.width);
    }
    free(block);
    return 0;
}
