// SPDX-License-Identifier: CC0-1.0
/* Purpose: the record of Xen's PVH boot protocol, as QEMU's -kernel passes it too. */
#pragma once

#include <boot/record.h>

#define PVH_MAGIC 0x336ec578u

/* struct hvm_start_info and what hangs on it: xen/include/public/arch-x86/hvm/start_info.h. */
struct pvh_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, cmdline, rsdp;
    /* from version 1 on */
    uint64_t memmap;
    uint32_t memmap_count, reserved;
};

struct pvh_module {
    uint64_t addr, size, cmdline, reserved;
};

struct pvh_range {
    uint64_t addr, size;
    uint32_t type, reserved;
};

/* Return: 0; -EINVAL: no such record, or without a memory map. */
err_t __must_check pvh_parse(const struct loader_handoff *h, struct boot_record *rec);
