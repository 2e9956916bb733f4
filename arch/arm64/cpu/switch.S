// SPDX-License-Identifier: CC0-1.0
/* Purpose: changing kernel stacks. AAPCS64: x19-x30 survive calls, the rest the caller has saved. */
#include <arch/asm.h>

    .text
/* struct hal_context *context_switch(prev, next): returns the one that the CPU came from. */
func context_switch
    stp x29, x30, [sp, #-96]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    mov x9, sp
    str x9, [x0, #CTX_SP]
    ldr x9, [x1, #CTX_SP]
    mov sp, x9
    msr tpidr_el1, x1
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp x29, x30, [sp], #96
    ret
endfunc context_switch

/* Where a new context begins: x0 = prev, x19 = entry, x20 = arg. */
func context_start
    mov x1, x20
    blr x19
    brk #1
endfunc context_start
