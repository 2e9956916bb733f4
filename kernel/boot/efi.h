// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the EFI stub's hand-off (<hal/efi.h>) into the boot record.
 */
#pragma once

#include <boot/record.h>
#include <hal/efi.h>

/* The memory map of a machine with thousands of regions, and more command line than we take. */
#define EFI_HANDOFF_MAX (2 * MiB)

/*
 * Reads the block at `block`, of which `room` bytes can be read, and what it points to is for the caller.
 * Return: 0 with the copied head in *hand; -EINVAL: it makes no sense or lists no usable memory.
 */
err_t __must_check efi_read_record(const void *block, uint64_t room, struct boot_record *rec,
                                   struct efi_handoff *hand);
/* All RAM of the record into the early direct map; what does not fit is not used.  Context: boot. */
void efi_ram_map(struct boot_record *rec);
/* Seconds since 1970 UTC; 0: it is no date. */
uint64_t efi_time_seconds(const struct efi_time *time);
