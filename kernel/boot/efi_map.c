// SPDX-License-Identifier: CC0-1.0
/* Purpose: see <boot/efi_map.h>. */
#define LOG_TAG "efi"
#include <boot/efi_map.h>

#include <core/log.h>
#include <lib/string.h>

#define EFI_PAGE 4096
#define COMPLAINTS_MAX 6

static enum mem_kind kind_of(const struct efi_descriptor *d, bool boot_services)
{
    if (d->attributes & EFI_ATTRIBUTE_RUNTIME)
        return MEM_RUNTIME;
    switch (d->type) {
    case EFI_CONVENTIONAL: return MEM_USABLE;
    case EFI_LOADER_CODE:
    case EFI_LOADER_DATA: return MEM_LOADER;
    case EFI_BOOT_CODE:
    case EFI_BOOT_DATA: return boot_services ? MEM_RESERVED : MEM_FIRMWARE;
    case EFI_RUNTIME_CODE:
    case EFI_RUNTIME_DATA: return MEM_RUNTIME;
    case EFI_UNUSABLE: return MEM_BAD;
    case EFI_ACPI_RECLAIM: return MEM_ACPI;
    case EFI_ACPI_NVS: return MEM_NVS;
    case EFI_PERSISTENT: return MEM_PERSISTENT;
    default: return MEM_RESERVED;
    }
}

static bool makes_sense(const struct efi_descriptor *d)
{
    return d->pages > 0 && d->pages <= BIT(52) / EFI_PAGE && d->start % EFI_PAGE == 0 &&
           d->start <= BIT(52) - d->pages * EFI_PAGE;
}

unsigned efi_map_read(struct boot_record *rec, const char *what, const uint8_t *map, uint64_t size,
                      uint64_t entry_size, bool boot_services)
{
    unsigned usable = 0, complaints = 0;
    struct efi_descriptor d;

    if (entry_size < sizeof(d)) {
        log_warn("%s has entries of %llu bytes: left out", what, (unsigned long long)entry_size);
        return 0;
    }
    for (uint64_t at = 0; size - at >= sizeof(d); at += entry_size) {
        enum mem_kind kind;

        memcpy(&d, map + at, sizeof(d));
        kind = kind_of(&d, boot_services);
        if (makes_sense(&d)) {
            record_add_range(rec, d.start, d.pages * EFI_PAGE, kind, 0);
            usable += kind == MEM_USABLE;
        } else if (complaints++ < COMPLAINTS_MAX) {
            log_warn("%s at offset %#llx: %#llx pages at %#llx cannot be: left out", what,
                     (unsigned long long)at, (unsigned long long)d.pages,
                     (unsigned long long)d.start);
        }
        if (entry_size > size - at)
            break;
    }
    return usable;
}
