// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the first instructions hand to kmain, and what boot/ makes of it.
 *
 * Order on the boot CPU: arch entry (early page tables: image at KERNEL_BASE, physical memory from
 * EARLY_DIRECT_START to EARLY_DIRECT_END at DIRECT_BASE; hal_cpu_init of cpu 0 with a static struct
 * cpu and a boot context) -> kmain(handoff) -> boot/ parses into struct boot_record ->
 * mm starts on the record -> mmu_kernel_init builds the final kernel half -> subsystems.
 */
#pragma once

#include <lib/types.h>
#include <hal/mmu.h>

enum loader_protocol {
    LOADER_PVH,
    LOADER_MULTIBOOT2,
    LOADER_LINUX_FDT,
    LOADER_LIMINE,
    LOADER_HOST,
    LOADER_EFI, /* the kernel's own EFI stub; its record is of our making */
};

struct loader_handoff {
    enum loader_protocol protocol;
    paddr_t info; /* PVH start_info, Multiboot2 information, FDT, struct limine_handoff ...; inside
                   * the early direct map */
    paddr_t image_start, image_end; /* the kernel itself, .bss included, page aligned */
    paddr_t early_start, early_end; /* what the early direct map covers */
};

/*
 * What a stretch of physical memory is.  MEM_LOADER and MEM_FIRMWARE hold what only matters until the
 * record is complete (the loader's code and tables, EFI boot services after they were left): parsers
 * may use them, and in a finished record they have become MEM_USABLE.
 */
enum mem_kind {
    MEM_USABLE,
    MEM_RESERVED,
    MEM_ACPI, /* tables: usable for one who does not want them */
    MEM_NVS,
    MEM_BAD,
    MEM_PERSISTENT,
    MEM_RUNTIME, /* EFI runtime services */
    MEM_FRAMEBUFFER,
    MEM_LOADER,
    MEM_FIRMWARE,
    MEM_KINDS
};

static inline const char *mem_kind_name(enum mem_kind kind)
{
    static const char *const names[MEM_KINDS] = { "usable", "reserved", "acpi", "acpi-nvs", "bad",
                                                  "persistent", "runtime", "framebuffer",
                                                  "loader", "firmware" };

    return names[kind];
}

struct mem_range {
    paddr_t start;
    uint64_t size;
    enum mem_kind kind;
    unsigned node;
};

struct boot_module {
    paddr_t start;
    uint64_t size;
    char name[64];
};

/* Direct colours: each a run of `bits` from bit `shift` of a pixel of `bpp` (16, 24 or 32) bits. */
struct boot_framebuffer {
    paddr_t addr;
    uint32_t width, height, pitch;
    uint8_t bpp, red_shift, red_bits, green_shift, green_bits, blue_shift, blue_bits;
};

#define BOOT_RANGES_MAX 192
#define BOOT_MODULES_MAX 16
#define BOOT_CMDLINE_MAX 4096

enum boot_firmware { FIRMWARE_UNKNOWN, FIRMWARE_BIOS, FIRMWARE_EFI32, FIRMWARE_EFI64 };

/* The neutral record: sorted, non-overlapping ranges; everything bounds-checked. */
struct boot_record {
    enum loader_protocol protocol;
    char loader[64]; /* its own name, or the protocol's */
    char loader_version[32]; /* "": it did not say */
    char cmdline[BOOT_CMDLINE_MAX];
    struct mem_range ranges[BOOT_RANGES_MAX];
    unsigned range_count;
    struct boot_module modules[BOOT_MODULES_MAX]; /* the initramfs is module 0 */
    unsigned module_count;
    paddr_t image_start, image_end;
    uint64_t boot_time; /* seconds since 1970, UTC, when the loader left; 0: it did not say */
    enum boot_firmware firmware;
    paddr_t efi_system_table; /* 0: none */
    paddr_t rsdp; /* 0: none */
    paddr_t fdt; /* 0: none */
    uint64_t fdt_size;
    bool fdt_is_machine; /* it describes more than what the loader has chosen */
    bool ram_mapped; /* the early direct map covers all RAM, with ACPI's: RECORD_RAM_KINDS */
    struct boot_framebuffer fb; /* width 0: none */
    paddr_t low_page; /* x86_64: a reserved page below 1 MiB, where CPUs start; 0: none */
};

/*
 * Builds the final kernel half: image with W^X by its sections, direct map of the record's RAM,
 * empty vmap area with its top-level entries, and switches to it.  Uses the frame source.
 * Return: 0, -ENOMEM.
 */
err_t __must_check mmu_kernel_init(const struct boot_record *rec);

/* Physical address of an address inside the kernel image. */
paddr_t image_to_phys(const void *va);

/* Marks of the linker script. */
extern char __image_start[], __text_start[], __text_end[], __rodata_start[], __rodata_end[],
    __data_start[], __image_end[];
