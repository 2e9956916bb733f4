// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what assembly needs to know of C's structures; trap/offsets.c asserts every number.
 */
#pragma once

#define REGS_X(n) ((n)*8)
#define REGS_SP 248
#define REGS_PC 256
#define REGS_ORIG_X0 272
#define REGS_SIZE 288

#define CTX_SP 0
#define CTX_STACK_TOP 8
#define CTX_PENDING 28

#define STACK_SIZE_ASM 16384

#define START_ROOT 0
#define START_TCR 8
#define START_STACK 16
#define START_CONTEXT 24

#define ESR_EC_SHIFT 26
#define ESR_EC_SVC64 0x15

#ifdef __ASSEMBLER__
.macro func name
    .globl \name
    .hidden \name
    .type \name, %function
    .balign 16
\name:
.endm

.macro endfunc name
    .size \name, . - \name
.endm

/* A fault on user memory between `start` and `end` goes on at `fixup`. */
.macro extable start, end, fixup, no_fault=0
    .pushsection extable, "a"
    .balign 4
    .long \start - ., \end - ., \fixup - ., \no_fault
    .popsection
.endm

/* The address of a symbol of the image, wherever the image runs. */
.macro adr_l reg, sym
    adrp \reg, \sym
    add \reg, \reg, :lo12:\sym
.endm

/* Open and close user memory to EL1 on CPUs with PAN; `n` is the number of a spare register.
 * Written as numbers: for ARMv8.0 the assembler refuses the name. */
.macro user_open n
    adrp x\n, cpu_has_pan
    ldrb w\n, [x\n, :lo12:cpu_has_pan]
    cbz w\n, 9991f
    .inst 0xd500409f /* msr pan, #0 */
9991:
.endm

.macro user_close n
    adrp x\n, cpu_has_pan
    ldrb w\n, [x\n, :lo12:cpu_has_pan]
    cbz w\n, 9992f
    .inst 0xd500419f /* msr pan, #1 */
9992:
.endm
#endif
