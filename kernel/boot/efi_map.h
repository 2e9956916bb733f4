// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: EFI's memory map (UEFI 2.10, 7.2.3 GetMemoryMap) into the boot record; for every loader that
 * hands it over.
 */
#pragma once

#include <boot/record.h>

enum efi_memory {
    EFI_RESERVED = 0,
    EFI_LOADER_CODE = 1,
    EFI_LOADER_DATA = 2,
    EFI_BOOT_CODE = 3,
    EFI_BOOT_DATA = 4,
    EFI_RUNTIME_CODE = 5,
    EFI_RUNTIME_DATA = 6,
    EFI_CONVENTIONAL = 7,
    EFI_UNUSABLE = 8,
    EFI_ACPI_RECLAIM = 9,
    EFI_ACPI_NVS = 10,
    EFI_PERSISTENT = 14,
};

struct efi_descriptor { /* entries of the map may be longer */
    uint32_t type, pad;
    uint64_t start, virt, pages, attributes;
};
#define EFI_ATTRIBUTE_RUNTIME BIT(63)

/*
 * Adds the ranges of the map of `size` bytes at `map` (any alignment), whose entries are `entry_size`
 * bytes.  With `boot_services` they still run, and their memory stays reserved.  What makes no sense is
 * left out with a line that names `what` and the offset in the map.
 * Return: how many entries hold usable memory.
 */
unsigned efi_map_read(struct boot_record *rec, const char *what, const uint8_t *map, uint64_t size,
                      uint64_t entry_size, bool boot_services);
