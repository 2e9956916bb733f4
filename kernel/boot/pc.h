// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what every PC has before anything is known about it: COM1 and the VGA text screen.
 * Their drivers look whether they are there.
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
