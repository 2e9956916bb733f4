// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: whole pages: zero by DC ZVA, copy by pairs of vector registers.
 *
 * The vector registers may hold a user's state, so the copy borrows four of them, puts them back and
 * keeps interrupts out meanwhile (300 instructions): no switch can see them in between.
 */
#include <arch/asm.h>

    .arch armv8-a
    .text
/* void page_zero(void *page) */
func page_zero
    mrs x1, dczid_el0
    tbnz x1, #4, 2f /* DZP: prohibited */
    and w1, w1, #15
    mov x2, #4
    lsl x2, x2, x1
    add x3, x0, #4096
    cmp x2, #64
    b.ne 3f
1:  dc zva, x0
    add x0, x0, #64
    dc zva, x0
    add x0, x0, #64
    dc zva, x0
    add x0, x0, #64
    dc zva, x0
    add x0, x0, #64
    cmp x0, x3
    b.ne 1b
    ret
3:  cmp x2, #4096
    b.hi 2f
4:  dc zva, x0
    add x0, x0, x2
    cmp x0, x3
    b.ne 4b
    ret
2:  mov x2, #4096
    mov w1, #0
    b memset
endfunc page_zero

/* void page_copy(void *dst, const void *src) */
func page_copy
    mrs x3, daif
    msr daifset, #2
    stp q0, q1, [sp, #-64]!
    stp q2, q3, [sp, #32]
    mov x2, #4096
1:  ldp q0, q1, [x1]
    ldp q2, q3, [x1, #32]
    stp q0, q1, [x0]
    stp q2, q3, [x0, #32]
    ldp q0, q1, [x1, #64]
    ldp q2, q3, [x1, #96]
    stp q0, q1, [x0, #64]
    stp q2, q3, [x0, #96]
    ldp q0, q1, [x1, #128]
    ldp q2, q3, [x1, #160]
    stp q0, q1, [x0, #128]
    stp q2, q3, [x0, #160]
    ldp q0, q1, [x1, #192]
    ldp q2, q3, [x1, #224]
    stp q0, q1, [x0, #192]
    stp q2, q3, [x0, #224]
    add x1, x1, #256
    add x0, x0, #256
    subs x2, x2, #256
    b.ne 1b
    ldp q2, q3, [sp, #32]
    ldp q0, q1, [sp], #64
    msr daif, x3
    ret
endfunc page_copy
