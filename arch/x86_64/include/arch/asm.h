// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what assembly code needs to know of C's structures; cpu/offsets.c checks each number.
 * Also the markers that patching and fault fix-up find.
 */
#pragma once

#define CPU_SELF 0
#define CPU_CURRENT 8
#define CPU_SCRATCH 16
#define CPU_TSS_RSP0 120

#define CTX_SP 0
#define CTX_STACK_TOP 8
#define CTX_PENDING 28

#define REGS_TRAP 0
#define REGS_R11 56
#define REGS_CX 96
#define REGS_DI 120
#define REGS_ORIG_AX 128
#define REGS_IP 136
#define REGS_CS 144
#define REGS_FLAGS 152
#define REGS_SP 160
#define REGS_SS 168
#define REGS_SIZE 176

#define TRAP_SYSCALL -1 /* REGS_TRAP_SYSCALL */
#define TRAP_CHANGED -2 /* REGS_TRAP_CHANGED */

#define ASM_KERNEL_CS 0x10
#define ASM_KERNEL_DS 0x18
#define ASM_BOOT_CS32 0x20 /* while booting: flat 32-bit code */
#define ASM_USER_DS 0x2b
#define ASM_USER_CS 0x33
#define ASM_IST_STACK_SIZE 8192

#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_FMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_PAT 0x277

#ifdef __ASSEMBLER__
.macro FUNC name
    .globl \name
    .hidden \name
    .type \name, @function
    .balign 16
\name:
.endm

.macro ENDFUNC name
    .size \name, . - \name
.endm

/* Three bytes of nothing that become STAC or CLAC where the CPU has SMAP (cpu/smap.c). */
.macro SMAP_PATCH code
9990:
    .byte 0x0f, 0x1f, 0x00
    .pushsection smap_patches, "a"
    .long 9990b - ., \code
    .popsection
.endm

.macro CLAC
    SMAP_PATCH 0xca
.endm

.macro STAC
    SMAP_PATCH 0xcb
.endm

/* A fault on user memory at `at` goes on at `to` (trap/extable.c). */
.macro FIXUP at, to
    .pushsection fault_fixups, "a"
    .long \at - ., \to - .
    .popsection
.endm
#endif
