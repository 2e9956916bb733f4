// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: memcpy, memmove, memset, memcmp.
 * Model: up to 64 bytes are two overlapping halves, all loads before all stores; above that 64 bytes
 * a turn, and the rest likewise.  Unaligned accesses are free on normal memory.
 */
#include <arch/asm.h>

    .text
/* x0 = dst, x1 = src, x2 = n.  Keeps x0. */
func memmove
    sub x3, x0, x1
    cmp x3, x2
    b.lo copy_down /* dst inside [src, src + n) */
    .globl memcpy
    .hidden memcpy
    .type memcpy, %function
memcpy:
    add x4, x1, x2
    add x5, x0, x2
    cmp x2, #16
    b.lo copy_small
    cmp x2, #64
    b.hi copy_long
    cmp x2, #32
    b.hi 1f
    ldp x6, x7, [x1]
    ldp x8, x9, [x4, #-16]
    stp x6, x7, [x0]
    stp x8, x9, [x5, #-16]
    ret
1:  ldp x6, x7, [x1]
    ldp x8, x9, [x1, #16]
    ldp x10, x11, [x4, #-32]
    ldp x12, x13, [x4, #-16]
    stp x6, x7, [x0]
    stp x8, x9, [x0, #16]
    stp x10, x11, [x5, #-32]
    stp x12, x13, [x5, #-16]
    ret
copy_small:
    tbz x2, #3, 1f
    ldr x6, [x1]
    ldr x7, [x4, #-8]
    str x6, [x0]
    str x7, [x5, #-8]
    ret
1:  tbz x2, #2, 1f
    ldr w6, [x1]
    ldr w7, [x4, #-4]
    str w6, [x0]
    str w7, [x5, #-4]
    ret
1:  cbz x2, 2f
    ldrb w6, [x1]
    ldrb w7, [x4, #-1]
    lsr x8, x2, #1
    ldrb w9, [x1, x8]
    strb w6, [x0]
    strb w9, [x0, x8]
    strb w7, [x5, #-1]
2:  ret
copy_long:
    mov x3, x0
    sub x2, x2, #64
1:  ldp x6, x7, [x1]
    ldp x8, x9, [x1, #16]
    ldp x10, x11, [x1, #32]
    ldp x12, x13, [x1, #48]
    stp x6, x7, [x3]
    stp x8, x9, [x3, #16]
    stp x10, x11, [x3, #32]
    stp x12, x13, [x3, #48]
    add x1, x1, #64
    add x3, x3, #64
    subs x2, x2, #64
    b.hi 1b
    /* x2 + 64 bytes (1..64) are left: they are the next bytes, so plain forward order holds. */
    add x2, x2, #64
    cmp x2, #16
    b.lo copy_rest
    cmp x2, #32
    b.hi 2f
    ldp x6, x7, [x1]
    ldp x8, x9, [x4, #-16]
    stp x6, x7, [x3]
    stp x8, x9, [x5, #-16]
    ret
2:  ldp x6, x7, [x1]
    ldp x8, x9, [x1, #16]
    ldp x10, x11, [x4, #-32]
    ldp x12, x13, [x4, #-16]
    stp x6, x7, [x3]
    stp x8, x9, [x3, #16]
    stp x10, x11, [x5, #-32]
    stp x12, x13, [x5, #-16]
    ret
copy_rest:
    tbz x2, #3, 1f
    ldr x6, [x1], #8
    str x6, [x3], #8
1:  tbz x2, #2, 1f
    ldr w6, [x1], #4
    str w6, [x3], #4
1:  tbz x2, #1, 1f
    ldrh w6, [x1], #2
    strh w6, [x3], #2
1:  tbz x2, #0, 1f
    ldrb w6, [x1]
    strb w6, [x3]
1:  ret

copy_down:
    add x4, x1, x2
    add x5, x0, x2
1:  cmp x2, #32
    b.lo 2f
    ldp x6, x7, [x4, #-16]
    ldp x8, x9, [x4, #-32]!
    stp x6, x7, [x5, #-16]
    stp x8, x9, [x5, #-32]!
    sub x2, x2, #32
    b 1b
2:  tbz x2, #4, 2f
    ldp x6, x7, [x4, #-16]!
    stp x6, x7, [x5, #-16]!
2:  tbz x2, #3, 2f
    ldr x6, [x4, #-8]!
    str x6, [x5, #-8]!
2:  tbz x2, #2, 2f
    ldr w6, [x4, #-4]!
    str w6, [x5, #-4]!
2:  tbz x2, #1, 2f
    ldrh w6, [x4, #-2]!
    strh w6, [x5, #-2]!
2:  tbz x2, #0, 2f
    ldrb w6, [x4, #-1]!
    strb w6, [x5, #-1]!
2:  ret
endfunc memmove

/* x0 = dst, w1 = byte, x2 = n.  Keeps x0. */
func memset
    and x1, x1, #0xff
    mov x3, #0x0101010101010101
    mul x1, x1, x3
    mov x3, x0
    subs x2, x2, #64
    b.lo 2f
1:  stp x1, x1, [x3]
    stp x1, x1, [x3, #16]
    stp x1, x1, [x3, #32]
    stp x1, x1, [x3, #48]
    add x3, x3, #64
    subs x2, x2, #64
    b.hs 1b
2:  tbz x2, #5, 1f
    stp x1, x1, [x3], #16
    stp x1, x1, [x3], #16
1:  tbz x2, #4, 1f
    stp x1, x1, [x3], #16
1:  tbz x2, #3, 1f
    str x1, [x3], #8
1:  tbz x2, #2, 1f
    str w1, [x3], #4
1:  tbz x2, #1, 1f
    strh w1, [x3], #2
1:  tbz x2, #0, 1f
    strb w1, [x3]
1:  ret
endfunc memset

func memcmp
1:  cmp x2, #8
    b.lo 2f
    ldr x3, [x0], #8
    ldr x4, [x1], #8
    sub x2, x2, #8
    cmp x3, x4
    b.eq 1b
    rev x3, x3
    rev x4, x4
    cmp x3, x4
    mov w0, #1
    cneg w0, w0, lo
    ret
2:  cbz x2, 3f
    ldrb w3, [x0], #1
    ldrb w4, [x1], #1
    sub x2, x2, #1
    subs w3, w3, w4
    b.eq 2b
    mov w0, w3
    ret
3:  mov w0, #0
    ret
endfunc memcmp
