// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: where things lie in the 48-bit virtual address space (Arm ARM D5.2; 4 KiB granule).
 *
 *     0x0000'0000'0000'0000  user half (TTBR0), up to USER_TOP
 *     0xffff'0000'0000'0000  DIRECT_BASE: physical memory, 160 TiB
 *     0xffff'a000'0000'0000  FRAME_TABLE_BASE: struct frame of every frame
 *     0xffff'c000'0000'0000  VMAP_BASE: stacks, devices
 *     0xffff'ff00'0000'0000  KERNEL_BASE: the image
 *
 * Also read by the assembler and the linker script: plain numbers only.
 */
#pragma once

#ifdef __ASSEMBLER__
#define LAYOUT_UL(x) x
#else
#define LAYOUT_UL(x) x##ul
#endif

#define DIRECT_BASE LAYOUT_UL(0xffff000000000000)
#define DIRECT_END LAYOUT_UL(0xffffa00000000000)
#define FRAME_TABLE_BASE LAYOUT_UL(0xffffa00000000000)
#define VMAP_BASE LAYOUT_UL(0xffffc00000000000)
#define VMAP_END LAYOUT_UL(0xffffe00000000000)
#define KERNEL_BASE LAYOUT_UL(0xffffff0000000000)

/* The last page of the user half stays free, so that a small overrun cannot reach bit 48. */
#define USER_TOP LAYOUT_UL(0x0000fffffffff000)
#define USER_BOTTOM LAYOUT_UL(0x10000) /* the lowest address that mmap gives by itself */
#define USER_STACK_TOP USER_TOP
#define USER_MMAP_TOP LAYOUT_UL(0x0000fffff7fff000) /* mmap grows down from here, less ASLR's share */
#define USER_EXEC_BASE LAYOUT_UL(0x0000aaaaaaaaa000) /* position-independent programs */
