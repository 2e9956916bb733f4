// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what every PC has before anything is known about it: COM1 and the VGA text screen.
 * Their drivers look whether they are there.
 */
#pragma once

#include <dev/serial/earlycon.h>
#include <lib/string.h>

#define PC_COM1 0x3f8

static inline void pc_earlycon_start(void)
{
    registry_for_each(earlycon, e)
        if (strcmp((*e)->compatible, "pc,com1") == 0)
            (*e)->start(PC_COM1);
}
