// SPDX-License-Identifier: CC0-1.0
/* Purpose: the record of the Multiboot2 protocol (specification 2.0, 3.6), as GRUB passes it. */
#pragma once

#include <boot/record.h>

enum mb2_type {
    MB2_END = 0,
    MB2_CMDLINE = 1,
    MB2_LOADER = 2,
    MB2_MODULE = 3,
    MB2_MEMMAP = 6,
    MB2_FRAMEBUFFER = 8,
    MB2_RSDP_OLD = 14,
    MB2_RSDP_NEW = 15,
};

struct mb2_tag { /* each begins on a multiple of 8 */
    uint32_t type, size; /* size includes the tag itself */
};

struct mb2_module { /* then its string */
    uint32_t start, end;
};

struct mb2_memmap { /* then its entries */
    uint32_t entry_size, entry_version;
};

struct mb2_range {
    uint64_t addr, size;
    uint32_t type, reserved;
};

struct __packed mb2_framebuffer {
    uint64_t addr;
    uint32_t pitch, width, height;
    uint8_t bpp, type; /* 1: direct colour, 2: text */
    uint16_t reserved;
    uint8_t red_shift, red_bits, green_shift, green_bits, blue_shift, blue_bits;
};

/* Return: 0; -EINVAL: no such record, a tag that runs out of it, or no memory map. */
err_t __must_check multiboot2_parse(const struct loader_handoff *h, struct boot_record *rec);
