// SPDX-License-Identifier: CC0-1.0
/* Purpose: the record of the Multiboot2 protocol (specification 2.0, 3.6), as GRUB passes it. */
#pragma once

#include <boot/record.h>

enum mb2_type {
    MB2_END = 0,
    MB2_CMDLINE = 1,
    MB2_LOADER = 2,
    MB2_MODULE = 3,
    MB2_BASIC_MEMORY = 4,
    MB2_BIOS_DISK = 5,
    MB2_MEMMAP = 6,
    MB2_VBE = 7,
    MB2_FRAMEBUFFER = 8,
    MB2_ELF_SECTIONS = 9,
    MB2_APM = 10,
    MB2_EFI32 = 11,
    MB2_EFI64 = 12,
    MB2_SMBIOS = 13,
    MB2_RSDP_OLD = 14,
    MB2_RSDP_NEW = 15,
    MB2_NETWORK = 16,
    MB2_EFI_MEMMAP = 17,
    MB2_EFI_RUNS = 18, /* boot services were not left */
    MB2_EFI32_HANDLE = 19,
    MB2_EFI64_HANDLE = 20,
    MB2_LOAD_BASE = 21,
};

struct mb2_tag { /* each begins on a multiple of 8 */
    uint32_t type, size; /* size includes the tag itself */
};

struct mb2_module { /* then its string */
    uint32_t start, end;
};

struct mb2_basic_memory { /* KiB from 0 and from 1 MiB */
    uint32_t lower, upper;
};

struct mb2_memmap { /* then its entries */
    uint32_t entry_size, entry_version;
};

struct mb2_range {
    uint64_t addr, size;
    uint32_t type, reserved;
};

enum mb2_screen { MB2_INDEXED = 0, MB2_DIRECT = 1, MB2_TEXT = 2 };

struct __packed mb2_framebuffer {
    uint64_t addr;
    uint32_t pitch, width, height;
    uint8_t bpp, type;
    uint16_t reserved;
    uint8_t red_shift, red_bits, green_shift, green_bits, blue_shift, blue_bits; /* MB2_DIRECT */
};
#define MB2_FRAMEBUFFER_COMMON 24 /* bytes before the colours */

struct mb2_elf_sections { /* then the section headers */
    uint32_t count, entry_size, names;
};

struct mb2_efi_memmap { /* then its entries */
    uint32_t entry_size, entry_version;
};

/* VBE 3.0, ModeInfoBlock; behind 8 bytes of mode and interface and 512 of the controller. */
#define MB2_VBE_MODE_INFO 520
struct __packed vbe_mode {
    uint16_t attributes;
    uint8_t windows[14];
    uint16_t pitch, width, height;
    uint8_t character[2], planes, bpp, banks, memory_model, more[3];
    uint8_t red_bits, red_shift, green_bits, green_shift, blue_bits, blue_shift, spare[3];
    uint32_t addr;
};
#define VBE_USABLE 0x91 /* supported, graphics, linear framebuffer */
#define VBE_DIRECT_COLOUR 6

/* Return: 0; -EINVAL: no such record, or it names no usable memory.  Whatever else makes no sense is
 * left out with a line that names the tag and its offset. */
err_t __must_check multiboot2_parse(const struct loader_handoff *h, struct boot_record *rec);
