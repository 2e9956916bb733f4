// SPDX-License-Identifier: CC0-1.0
/* Purpose: keeps the loader's record. */
#include <svc/boot_info.h>

static const struct boot_record *record;

const struct boot_record *boot_info(void)
{
    return record;
}

void boot_info_set(const struct boot_record *rec)
{
    record = rec;
}
