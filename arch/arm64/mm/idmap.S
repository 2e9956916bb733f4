// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: replacing the kernel's own tables under its feet.
 *
 * Entries of other sizes for addresses that may be in the TLB need a break before the make (Arm ARM
 * D5.10.1), and the code that does it must not live there: it runs from the identity map of
 * boot/head.S, with the stack untouched.
 */
#include <arch/asm.h>

    .text
/* void ttbr1_replace(paddr_t root1, paddr_t identity_root0): interrupts off. */
func ttbr1_replace
    mrs x9, ttbr0_el1
    adr_l x10, image_phys
    ldr x10, [x10]
    adr_l x11, __image_start
    adr_l x12, idmap_replace
    sub x12, x12, x11
    add x12, x12, x10
    adr_l x13, empty_root
    sub x13, x13, x11
    add x13, x13, x10
    adr x14, 1f
    dsb ishst
    msr ttbr0_el1, x1
    isb
    tlbi vmalle1
    dsb nsh
    isb
    br x12
1:  msr ttbr0_el1, x9
    isb
    tlbi vmalle1
    dsb nsh
    isb
    ret
endfunc ttbr1_replace

    .section .text.idmap, "ax"
/* x0 = the new root, x13 = an empty one, x14 = where to go on. */
idmap_replace:
    msr ttbr1_el1, x13
    isb
    tlbi vmalle1
    dsb nsh
    isb
    msr ttbr1_el1, x0
    isb
    br x14
