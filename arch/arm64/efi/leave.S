// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: from the firmware's world (EL2 or EL1, MMU on, memory mapped one to one) into that which
 * boot/head.S expects: MMU and data cache off.
 * Invariant: between the two, nothing but instructions that were cleaned to memory is fetched, and no
 * data is touched.
 */
#include <arch/asm.h>

#define SCTLR_M 1
#define SCTLR_C 4

    .text
/* efi_leave(entry, argument, start, end) */
func efi_leave
    msr DAIFSet, #15
    mov x19, x0
    mov x20, x1
    mov x0, x2
    mov x1, x3
    bl memory_clean
    adr x0, 1f
    adr x1, leave_end
    bl memory_clean
    ic iallu
    dsb sy
    isb
    mrs x1, CurrentEL
    mov x0, x20
    cmp x1, #(2 << 2)
    b 1f
    .balign 64 /* what follows: one line, cleaned */
1:  b.ne 2f
    mrs x2, sctlr_el2
    bic x2, x2, #SCTLR_M
    bic x2, x2, #SCTLR_C
    msr sctlr_el2, x2
    isb
    br x19
2:  mrs x2, sctlr_el1
    bic x2, x2, #SCTLR_M
    bic x2, x2, #SCTLR_C
    msr sctlr_el1, x2
    isb
    br x19
leave_end:
endfunc efi_leave

/* Writes the lines of [x0, x1) to memory and drops them: what head.S writes there without caches must
 * not be hidden later.  Clobbers x0, x2, x3. */
memory_clean:
    mrs x2, ctr_el0
    ubfx x2, x2, #16, #4
    mov x3, #4
    lsl x2, x3, x2
    sub x3, x2, #1
    bic x0, x0, x3
1:  dc civac, x0
    add x0, x0, x2
    cmp x0, x1
    b.lo 1b
    dsb sy
    ret
