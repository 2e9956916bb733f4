// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the Limine protocol where the early direct map covers little more than the image (arm64): its
 * memory map is read first, and all RAM that it lists is mapped; then the rest is read as anywhere.
 * Model: what the loader says where its records lie is believed only in so far as the GiB around is mapped
 * as memory, like that of a device tree's address.
 * Context: boot, one CPU.
 */
#define LOG_TAG "limine"
#include <boot/limine.h>

#include <arch/early.h>
#include <boot/fdt.h>
#include <core/log.h>

#define ENTRIES_MAX 4096
#define ADDRESS_MAX BIT(46)

static const void *map(paddr_t pa, uint64_t n)
{
    if (pa == 0 || pa % 8 != 0 || pa >= ADDRESS_MAX || n > ADDRESS_MAX || !early_ram_map(pa, n))
        return NULL;
    return phys_to_virt(pa);
}

/* `n` bytes at an address of the loader's, mapped; NULL: they cannot be. */
static const void *reach(const struct limine_handoff *from, uint64_t addr, uint64_t n)
{
    return map(addr >= from->hhdm ? addr - from->hhdm : addr, n);
}

static void range_take(struct boot_record *rec, const struct limine_range *r)
{
    enum mem_kind kind = limine_kind(r->type);

    if (!(RECORD_RAM_KINDS & BIT(kind)) || r->size == 0 || r->start >= ADDRESS_MAX ||
        r->size > ADDRESS_MAX - r->start)
        return;
    if (!early_ram_map(r->start, r->size)) {
        log_warn("memory at %#llx is too far away", (unsigned long long)r->start);
        kind = MEM_RESERVED;
    }
    record_add_range(rec, r->start, r->size, kind, 0);
}

static void ram_map(struct boot_record *rec, const struct limine_handoff *from)
{
    const struct limine_list *list = reach(from, from->responses[LIMINE_MEMMAP], sizeof *list);
    uint64_t count = list ? MIN(list->count, (uint64_t)ENTRIES_MAX) : 0;
    const uint64_t *entries = count ? reach(from, list->entries, count * sizeof *entries) : NULL;

    for (uint64_t i = 0; entries && i < count; i++) {
        const struct limine_range *r = reach(from, entries[i], sizeof *r);

        if (r)
            range_take(rec, r);
    }
    rec->ram_mapped = true;
}

static err_t limine_start(const struct loader_handoff *h, struct boot_record *rec)
{
    const struct limine_handoff *from = phys_to_virt(h->info); /* head.S mapped it; the magic is there */
    paddr_t fdt;
    err_t err;

    ram_map(rec, from);
    err = limine_parse_far(h, rec, map);
    if (err != 0)
        return err;
    fdt = rec->fdt;
    rec->fdt = 0; /* until it has been read */
    if (fdt != 0)
        fdt_boot_complete(rec, fdt);
    return 0;
}
BOOT_PROTOCOL(limine, LOADER_LIMINE, limine_start);
