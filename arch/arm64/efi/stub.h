// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the stub's files share.
 * Context: an EFI application: the firmware's stack and page tables, interrupts as it likes, at any
 * address.  The image's own data is what gets copied into place: nothing here writes to it.
 */
#pragma once

#include "uefi.h"

struct stub {
    efi_handle image;
    const struct efi_system_table *system;
    const struct efi_boot_services *boot;
    const struct efi_loaded_image *loaded;
    const efi_char *options; /* the command line as it came: options_count units, no NUL needed */
    uint32_t options_count;
    char *cmdline; /* the same in UTF-8, from the pool */
    struct efi_handoff hand;
};

/* Prints a line for the user of the firmware. */
void stub_say(const struct stub *s, const efi_char *text);
/* Whole pages of loader data.  Return: status; *address is page aligned. */
efi_status stub_pages(const struct stub *s, uint64_t bytes, uint64_t *address);

/* The command line into s->options and s->cmdline. */
efi_status options_read(struct stub *s);
/*
 * The next `name`=FILE of the command line from *at on, as a path of the firmware's (backslashes) of at
 * most max - 1 units.  Return: whether there is one.
 */
bool options_path_next(const struct stub *s, const char *name, uint32_t *at, efi_char *path, uint32_t max);

/*
 * Loads the initramfs: by the protocol that a boot loader installs for it, else the files `initrd=` names.
 * Return: EFI_SUCCESS, also when there is none.
 */
efi_status initrd_load(struct stub *s);

/* leave.S: to physical address `entry` with x0 = argument, MMU and data cache off; memory from start to
 * end is seen there as it is seen here. */
__noreturn void efi_leave(uint64_t entry, uint64_t argument, uint64_t start, uint64_t end);
