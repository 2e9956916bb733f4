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
 *
 * Also read by the assembler and the linker script.
 */
#pragma once

#ifdef __ASSEMBLER__
#define LAYOUT_UL(x) x
#else
#define LAYOUT_UL(x) x##ul
#endif

#define USER_BOTTOM LAYOUT_UL(0x10000) /* the lowest address that mmap gives by itself */
#define USER_TOP LAYOUT_UL(0x00007ffffffff000) /* first address that user space cannot have */
#define USER_STACK_TOP USER_TOP
#define USER_MMAP_TOP LAYOUT_UL(0x00007ffff7fff000) /* mmap grows down from here, less ASLR's share */
#define USER_EXEC_BASE LAYOUT_UL(0x0000555555554000) /* position-independent programs */

#define DIRECT_BASE LAYOUT_UL(0xffff800000000000)
#define DIRECT_END LAYOUT_UL(0xffffa00000000000)
#define FRAME_TABLE_BASE LAYOUT_UL(0xffffa00000000000)
#define FRAME_TABLE_END LAYOUT_UL(0xffffa08000000000)
#define VMAP_BASE LAYOUT_UL(0xffffc00000000000)
#define VMAP_END LAYOUT_UL(0xffffc08000000000)
#define KERNEL_BASE LAYOUT_UL(0xffffff0000000000)
#define RECURSIVE_SLOT LAYOUT_UL(511)
#define IMAGE_OFFSET LAYOUT_UL(0x200000) /* of the image from KERNEL_BASE, and its load address */
#define IMAGE_MAX LAYOUT_UL(0x4000000) /* what the boot code maps of it */
#define RECURSIVE_BASE LAYOUT_UL(0xffffff8000000000)

/* Physical memory that the boot code maps at DIRECT_BASE. */
#define EARLY_DIRECT_START LAYOUT_UL(0)
#define EARLY_DIRECT_END LAYOUT_UL(0x100000000)
