// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the EFI stub of an image hands to the kernel when it has left the firmware's boot
 * services (UEFI 2.10).
 *
 * Model: one block of physically contiguous memory in a type that the kernel may use again:
 *
 *     struct efi_handoff | command line (UTF-8, no NUL) | memory map (descriptors as the firmware wrote them)
 *
 * The stub copies and never judges; <boot/efi.h> reads it as it reads any loader's record.
 */
#pragma once

#include <lib/types.h>

#define EFI_HANDOFF_MAGIC 0x4649456e69766544ull /* "DevinEIF" */
#define EFI_SEED_BYTES 64
#define EFI_VENDOR_BYTES 32
#define EFI_PAGE_BYTES 4096

/* UEFI 2.10, 8.3 */
struct efi_time {
    uint16_t year;
    uint8_t month, day, hour, minute, second, pad1;
    uint32_t nanosecond;
    int16_t zone; /* minutes to add to get UTC; EFI_ZONE_NONE: it is UTC for all we know */
    uint8_t daylight, pad2;
};
#define EFI_ZONE_NONE 0x7ff

enum efi_pixels { EFI_PIXELS_RGBX, EFI_PIXELS_BGRX, EFI_PIXELS_MASKS, EFI_PIXELS_NONE };

struct efi_screen {
    uint64_t addr, size;
    uint32_t width, height, pixels_per_line; /* width 0: there is none */
    uint32_t format; /* enum efi_pixels */
    uint32_t red, green, blue, other; /* of EFI_PIXELS_MASKS */
};

struct efi_handoff {
    uint64_t magic;
    uint32_t size; /* of the block */
    uint32_t cmdline_offset, cmdline_size;
    uint32_t map_offset, map_size, descriptor_size;
    uint64_t system_table;
    uint64_t rsdp, fdt; /* 0: none */
    uint64_t initrd, initrd_size;
    struct efi_screen screen;
    struct efi_time time; /* year 0: not known */
    uint32_t seed_size;
    uint8_t seed[EFI_SEED_BYTES]; /* from the firmware's random numbers */
    char vendor[EFI_VENDOR_BYTES]; /* of the firmware; ASCII, ends with a NUL if it is shorter */
};
