// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the Limine boot protocol (base revisions 0 to 3), as far as the kernel asks, and what the
 * entry program of loader/limine hands to the kernel of it.
 *
 * Model: the loader scans the executable for requests, each known by its id, and puts a response's
 * address into each that it grants.  The entry program holds the requests; it gives their responses'
 * addresses to the kernel in one struct limine_handoff.  Addresses in responses are those of the
 * loader's higher-half direct map, but for those of the RSDP and EFI's system table, which base
 * revision 3 gives as physical.  Responses lie in memory of the kind LIMINE_MEM_LOADER.
 * Not asked for: the multiprocessor feature (the kernel starts CPUs itself; asking would have the loader
 * start them, and park them in its memory), SMBIOS (nobody reads it), the entry point (the ELF's own).
 */
#pragma once

#include <lib/types.h>

#define LIMINE_REVISION 3 /* the base revision asked for */
#define LIMINE_TAG_A 0xf9562b2d5c95a6c8ull /* of the base revision's tag */
#define LIMINE_TAG_B 0x6a7b384944536bdcull
#define LIMINE_ID_A 0xc7b1dd30df4c8b88ull /* every request's */
#define LIMINE_ID_B 0x0a82e883a194f07bull

/* The features asked for, in the order of struct limine_handoff. */
enum limine_feature {
    LIMINE_LOADER,
    LIMINE_HHDM,
    LIMINE_MEMMAP,
    LIMINE_FRAMEBUFFER,
    LIMINE_MODULES,
    LIMINE_RSDP,
    LIMINE_DTB,
    LIMINE_FILE,
    LIMINE_CMDLINE,
    LIMINE_ADDRESS,
    LIMINE_TIME,
    LIMINE_FIRMWARE,
    LIMINE_EFI_TABLE,
    LIMINE_EFI_MEMMAP,
    LIMINE_PAGING,
    LIMINE_STACK,
    LIMINE_FEATURES
};

/* The third and fourth word of each id. */
#define LIMINE_LOADER_ID 0xf55038d8e2a1202full, 0x279426fcf5f59740ull
#define LIMINE_HHDM_ID 0x48dcf1cb8ad2b852ull, 0x63984e959a98244bull
#define LIMINE_MEMMAP_ID 0x67cf3d9d378a806full, 0xe304acdfc50c3c62ull
#define LIMINE_FRAMEBUFFER_ID 0x9d5827dcd881dd75ull, 0xa3148604f6fab11bull
#define LIMINE_MODULES_ID 0x3e7e279702be32afull, 0xca1c4f3bd1280ceeull
#define LIMINE_RSDP_ID 0xc5e77b6b397e7b43ull, 0x27637845accdcf3cull
#define LIMINE_DTB_ID 0xb40ddb48fb54bac7ull, 0x545081493f81ffb7ull
#define LIMINE_FILE_ID 0xad97e90e83f1ed67ull, 0x31eb5d1c5ff23b69ull
#define LIMINE_CMDLINE_ID 0x4b161536e598651eull, 0xb390ad4a2f1f303aull
#define LIMINE_ADDRESS_ID 0x71ba76863cc55f63ull, 0xb2644a48c516a487ull
#define LIMINE_TIME_ID 0x502746e184c088aaull, 0xfbc5ec83e6327893ull
#define LIMINE_FIRMWARE_ID 0x8c2f75d90bef28a8ull, 0x7045a4688eac00c3ull
#define LIMINE_EFI_TABLE_ID 0x5ceba5163eaaf6d6ull, 0x0a6981610cf65fccull
#define LIMINE_EFI_MEMMAP_ID 0x7df62a431d6872d5ull, 0xa4fcdfb3e57306c8ull
#define LIMINE_PAGING_ID 0x95c1a0edab0944cbull, 0xa4e5cb3842f7488aull
#define LIMINE_STACK_ID 0x224ef0460a8e8926ull, 0xe1cb0fc25f46ea3dull

/* --- responses; addresses as numbers --- */

struct limine_loader {
    uint64_t revision, name, version;
};

struct limine_hhdm {
    uint64_t revision, offset;
};

struct limine_list { /* memory map, framebuffers, modules: addresses of `count` records */
    uint64_t revision, count, entries;
};

enum limine_memory {
    LIMINE_MEM_USABLE,
    LIMINE_MEM_RESERVED,
    LIMINE_MEM_ACPI,
    LIMINE_MEM_NVS,
    LIMINE_MEM_BAD,
    LIMINE_MEM_LOADER, /* "bootloader reclaimable" */
    LIMINE_MEM_EXECUTABLE, /* and modules */
    LIMINE_MEM_FRAMEBUFFER,
};

struct limine_range {
    uint64_t start, size, type;
};

struct limine_screen {
    uint64_t addr, width, height, pitch;
    uint16_t bpp;
    uint8_t model; /* 1: direct colours */
    uint8_t red_bits, red_shift, green_bits, green_shift, blue_bits, blue_shift;
    uint8_t unused[7];
    uint64_t edid_size, edid;
};

struct limine_file { /* begins so in every revision */
    uint64_t revision, addr, size, path, text;
};

struct limine_pointer { /* RSDP, DTB, executable file, its command line, EFI system table */
    uint64_t revision, addr;
};

struct limine_address {
    uint64_t revision, physical, virtual;
};

struct limine_time {
    uint64_t revision;
    int64_t seconds;
};

struct limine_number { /* type of firmware, paging mode */
    uint64_t revision, value;
};
enum limine_firmware { LIMINE_BIOS, LIMINE_EFI32, LIMINE_EFI64, LIMINE_SBI };

struct limine_efi_memmap {
    uint64_t revision, addr, size, entry_size, entry_version;
};

/* --- the hand-over --- */

#define LIMINE_HANDOFF_MAGIC 0x656e696d696c7664ull

struct limine_handoff {
    uint64_t magic;
    uint64_t revision; /* the base revision that is in force */
    uint64_t hhdm;
    uint64_t responses[LIMINE_FEATURES]; /* 0: not granted */
};
