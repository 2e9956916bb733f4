// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: turns what a loader handed over into the neutral struct boot_record.
 *
 * Model: each loader protocol has a parser (pvh.c, multiboot2.c, fdt.c ...) that registers itself:
 *
 *     static err_t pvh_parse(const struct loader_handoff *h, struct boot_record *rec);
 *     BOOT_PROTOCOL(pvh, LOADER_PVH, pvh_parse);
 *
 * The parser calls the record_* functions below for what it finds, in any order; overlapping,
 * empty, wrapping and unsorted ranges are all allowed.  boot_parse() finds the parser, runs it on an
 * empty record and finishes the record.  Parsers read loader memory only through record_map(),
 * which refuses what the early direct map does not cover.
 * Context: boot, one CPU, before the allocators.
 */
#pragma once

#include <hal/boot.h>
#include <lib/registry.h>
#include <lib/types.h>

struct boot_protocol {
    enum loader_protocol protocol;
    const char *name;
    /* Return: 0; -EINVAL when the data make no sense (logged by the parser, the boot panics). */
    err_t (*parse)(const struct loader_handoff *h, struct boot_record *rec);
};
REGISTRY_DECLARE(boot_protocol, const struct boot_protocol);

#define BOOT_PROTOCOL(id, number, fn)                                                              \
    static const struct boot_protocol boot_protocol_##id = { .protocol = (number), .name = #id,    \
                                                             .parse = (fn) };                      \
    REGISTRY_ADD(boot_protocol, boot_protocol_##id)

/* Parses `h` into *rec.  Return: 0; -ENOENT: unknown protocol; -EINVAL: bad data or no memory. */
err_t __must_check boot_parse(const struct loader_handoff *h, struct boot_record *rec);

/* An empty record with the image's place and the protocol's name from `h`. */
void record_init(struct boot_record *rec, const struct loader_handoff *h);
/* Loader memory [pa, pa + size) through the early direct map; NULL when it is not wholly inside. */
const void *record_map(const struct loader_handoff *h, paddr_t pa, uint64_t size);
/* The same through the RAM of a record whose parser has mapped it all (ram_mapped). */
#define RECORD_RAM_KINDS                                                                           \
    (BIT(MEM_USABLE) | BIT(MEM_LOADER) | BIT(MEM_FIRMWARE) | BIT(MEM_ACPI) | BIT(MEM_NVS))
const void *record_map_ram(const struct boot_record *rec, paddr_t pa, uint64_t size);
/* How many bytes from `pa` on record_map_ram() would map, `max` at most. */
uint64_t record_ram_room(const struct boot_record *rec, paddr_t pa, uint64_t max);

/* Adds a memory range.  Ends beyond 2^52 are clipped; where ranges overlap the least usable kind
 * wins.  When the table is full the highest usable memory is given up: lost, never invented. */
void record_add_range(struct boot_record *rec, paddr_t start, uint64_t size, enum mem_kind kind,
                      unsigned node);
/* Gives usable memory within [start, start + size) another node; ranges are cut at its ends.  When
 * the table has no room for the pieces nothing changes. */
void record_set_node(struct boot_record *rec, paddr_t start, uint64_t size, unsigned node);
/* Adds a module (initramfs first).  Empty or wrapping ones and those beyond the table are dropped
 * with a log line.  `name` may be NULL; at most `max` bytes of it are read. */
void record_add_module(struct boot_record *rec, paddr_t start, uint64_t size, const char *name,
                       size_t max);
/* At most `max` bytes are read; control bytes become spaces; what does not fit is cut and logged. */
void record_set_cmdline(struct boot_record *rec, const char *text, size_t max);
/* "NAME VERSION": what follows the first blank is the version when it begins with a digit. */
void record_set_loader(struct boot_record *rec, const char *name, size_t max);
void record_set_loader_version(struct boot_record *rec, const char *version, size_t max);
/* Takes a framebuffer whose numbers make sense.  Return: 0; -EINVAL: they do not, nothing changed. */
err_t __must_check record_set_framebuffer(struct boot_record *rec,
                                          const struct boot_framebuffer *fb);
/* What the loader and EFI's boot services occupied becomes usable: nothing more is read from it but
 * what else the record names.  record_finish() does it, too. */
void record_reclaim(struct boot_record *rec);
/* Is [start, start + size) usable memory without kernel and modules? */
bool record_is_free(const struct boot_record *rec, paddr_t start, uint64_t size);
/* Reclaims, and leaves out modules and a framebuffer that lie where they cannot.  The kernel's
 * own memory is usable whatever the maps say.  Return: 0; -EINVAL: no usable memory beside it. */
err_t __must_check record_finish(struct boot_record *rec);
/* The invariants of a finished record: sorted, no overlap, no empty range, no equal neighbours. */
bool record_check(const struct boot_record *rec);
