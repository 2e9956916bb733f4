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

#define USER_BOTTOM 0x10000ul
#define USER_TOP 0x00007ffffffff000ul
#define USER_STACK_TOP USER_TOP
#define USER_MMAP_TOP 0x00007ffff7fff000ul
#define USER_EXEC_BASE 0x0000555555554000ul

#define DIRECT_BASE 0x0000200000000000ul
#define DIRECT_END 0x0000240000000000ul
#define FRAME_TABLE_BASE 0x0000280000000000ul
#define FRAME_TABLE_END 0x0000280400000000ul /* 2^30 frames of 16 bytes: 4 TiB */
#define VMAP_BASE 0x00002a0000000000ul
#define VMAP_END 0x00002a4000000000ul /* 256 GiB */

/* All RAM is reachable from the first instruction on. */
#define EARLY_DIRECT_START 0ul
#define EARLY_DIRECT_END (DIRECT_END - DIRECT_BASE)
