// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: where things lie on the host.
 *
 * Model: physical memory is one sparse file of memory; the kernel's addresses are real addresses of
 * the process, mapped onto it with mmap: the direct map, the frame table and the vmap area.  All
 * lie above the address sanitizer's shadow.  User addresses exist in page tables only, so they may
 * overlap everything else.
 */
#pragma once

#include <lib/types.h>

#define USER_TOP 0x00007ffffffff000ul

#define DIRECT_BASE 0x0000200000000000ul
#define DIRECT_SIZE (1ul << 42)
#define FRAME_TABLE_BASE 0x0000280000000000ul
#define FRAME_TABLE_SIZE (1ul << 34) /* 2^30 frames of 16 bytes: 4 TiB */
#define VMAP_BASE 0x00002a0000000000ul
#define VMAP_END 0x00002a4000000000ul /* 256 GiB */

/* All RAM is reachable from the first instruction on. */
#define EARLY_DIRECT_START 0ul
#define EARLY_DIRECT_END DIRECT_SIZE
