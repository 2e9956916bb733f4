// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: EFI's system table and its configuration tables (UEFI 2.10, 4.3 and 4.6), read after the
 * boot services have been left; for loaders that hand over no more of the firmware than its memory
 * map and that table.
 */
#pragma once

#include <boot/record.h>

/* Where /chosen of a device tree says that they are (Linux Documentation/arch/arm/uefi.rst). */
struct efi_place {
    paddr_t system_table;
    paddr_t map; /* of memory: descriptors as the firmware wrote them */
    uint32_t map_size, descriptor_size;
};

/* Bytes of physical memory as long as the caller of efi_tables_read() runs; NULL: they cannot be
 * read. */
typedef const void *efi_reach_fn(paddr_t pa, uint64_t bytes);

/*
 * Reads memory map and tables into the record: memory, the firmware, ACPI's root pointer, the
 * screen of Linux's own table.  What makes no sense is left out with a line that names the table
 * and the address. Return: 0; -EINVAL: there is no memory map, or no usable memory in it.
 */
err_t __must_check efi_place_read(struct boot_record *rec, const struct efi_place *place,
                                  efi_reach_fn *reach);
