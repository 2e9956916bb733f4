// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the start from the EFI stub: its record, all RAM into the early direct map, what the device
 * tree adds, and the console that ACPI names.
 * Context: boot, one CPU.
 */
#define LOG_TAG "efi"
#include <boot/efi.h>

#include <arch/early.h>
#include <boot/fdt.h>
#include <boot/hardware.h>
#include <core/log.h>
#include <core/random.h>
#include <dev/serial/earlycon.h>
#include <lib/string.h>

void efi_ram_map(struct boot_record *rec)
{
    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range r = rec->ranges[i];

        if ((RECORD_RAM_KINDS & BIT(r.kind)) && !early_ram_map(r.start, r.size)) {
            log_warn("memory at %#llx is too far away", (unsigned long long)r.start);
            record_add_range(rec, r.start, r.size, MEM_RESERVED, 0);
        }
    }
    rec->ram_mapped = true;
}

/* The boot code mapped 2 MiB from the hand-off on, wherever it is. */
static err_t efi_start(const struct loader_handoff *h, struct boot_record *rec)
{
    static struct efi_handoff hand;
    err_t err = efi_read_record(phys_to_virt(h->info), EFI_HANDOFF_MAX, rec, &hand);

    if (err != 0)
        return err;
    random_add(hand.seed, hand.seed_size, hand.seed_size * 8);
    efi_ram_map(rec);
    if (hand.fdt != 0)
        fdt_boot_complete(rec, hand.fdt);
    return 0;
}
BOOT_PROTOCOL(efi, LOADER_EFI, efi_start);

/* A device tree's console has been started before. */
static err_t console_start(const struct loader_handoff *h, struct boot_record *rec, struct hw_draft *d)
{
    const struct hw_console *c = &d->info->console;

    if (!c->compatible || rec->fdt_is_machine)
        return -ENODEV;
    registry_for_each(earlycon, e)
        if (strcmp((*e)->compatible, c->compatible) == 0)
            (*e)->start(c->addr);
    return -ENODEV; /* nothing said about the machine */
}
HARDWARE_SOURCE(console, HW_RANK_CONSOLE, console_start);
