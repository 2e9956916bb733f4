// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: where everything lies in the 48-bit address space (four levels).
 *
 *     PML4   0-255   user
 *     PML4 256-319   direct map of physical memory, up to 32 TiB
 *     PML4 320       table of struct frame
 *     PML4 384       vmap: kernel stacks, devices
 *     PML4 510       the kernel image
 *     PML4 511       the loaded table itself: the recursive window
 */
#pragma once

#include <lib/types.h>

#define USER_BOTTOM 0x10000ul /* the lowest address that mmap gives by itself */
#define USER_TOP 0x00007ffffffff000ul /* first address that user space cannot have */
#define USER_STACK_TOP USER_TOP
#define USER_MMAP_TOP 0x00007ffff7fff000ul /* mmap grows down from here, less ASLR's share */
#define USER_EXEC_BASE 0x0000555555554000ul /* position-independent programs */

#define DIRECT_BASE 0xffff800000000000ul
#define DIRECT_END 0xffffa00000000000ul
#define FRAME_TABLE_BASE 0xffffa00000000000ul
#define FRAME_TABLE_END 0xffffa08000000000ul
#define VMAP_BASE 0xffffc00000000000ul
#define VMAP_END 0xffffc08000000000ul
#define KERNEL_BASE 0xffffff0000000000ul
#define RECURSIVE_SLOT 511ul
#define RECURSIVE_BASE 0xffffff8000000000ul

/* Physical memory that the boot code maps at DIRECT_BASE. */
#define EARLY_DIRECT_START 0ul
#define EARLY_DIRECT_END 0x100000000ul
