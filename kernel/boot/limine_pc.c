// SPDX-License-Identifier: CC0-1.0
/* Purpose: the Limine protocol on a PC. */
#include <boot/limine.h>

#include <boot/pc.h>

static err_t limine_start(const struct loader_handoff *h, struct boot_record *rec)
{
    err_t err;

    pc_earlycon_start();
    pc_reserve_first_page(rec);
    err = limine_parse(h, rec);
    if (!err)
        pc_reserve_low_page(rec);
    return err;
}
BOOT_PROTOCOL(limine, LOADER_LIMINE, limine_start);
