// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what every PC has before anything is known about it: COM1 and the VGA text screen.
 * Their drivers look whether they are there.  And the first MiB, where CPUs start in real mode.
 */
#pragma once

#include <boot/record.h>
#include <dev/serial/earlycon.h>
#include <lib/string.h>

#define PC_COM1 0x3f8

static inline void pc_earlycon_start(void)
{
    registry_for_each(earlycon, e)
        if (strcmp((*e)->compatible, "pc,com1") == 0)
            (*e)->start(PC_COM1);
}

/* The real-mode interrupt table: never allocated, so that no frame has the address 0. */
static inline void pc_reserve_first_page(struct boot_record *rec)
{
    record_add_range(rec, 0, PAGE_SIZE, MEM_RESERVED, 0);
}

#define PC_LOW_END 0xa0000

/* Keeps a page for CPUs to start in; when ranges and modules are complete. */
static inline void pc_reserve_low_page(struct boot_record *rec)
{
    record_reclaim(rec);
    for (paddr_t pa = PC_LOW_END - PAGE_SIZE; pa > 0 && rec->low_page == 0; pa -= PAGE_SIZE)
        if (record_is_free(rec, pa, PAGE_SIZE))
            rec->low_page = pa;
    if (rec->low_page != 0)
        record_add_range(rec, rec->low_page, PAGE_SIZE, MEM_RESERVED, 0);
}
