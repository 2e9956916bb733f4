// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: firmware without PSCI for QEMU's virt (secure=on, virtualization=on, GICv2), entered by all
 * CPUs at EL3: the kernel gets CPU 0, the others wait for their release words; with ALL_IN defined,
 * all go into the kernel at once.  suite_smp.py knows the addresses.
 */
#define KERNEL 0x40200000
#define TREE 0x4f000000
#define WORDS 0x4e000000
#define GICD 0x08000000
#define GICC 0x08010000

    .text
    mrs x20, mpidr_el1
    and x20, x20, #0xff
    mov x0, #0x531 /* SCR: below is AArch64 and non-secure, HVC */
    msr scr_el3, x0
    msr cptr_el3, xzr
    msr cntvoff_el2, xzr
    ldr x0, =62500000
    msr cntfrq_el0, x0

    ldr x1, =GICD /* all interrupts to group 1 */
    mov w2, #-1
    mov x3, #0x80
1:  str w2, [x1, x3]
    add x3, x3, #4
    cmp x3, #0xa8
    b.ne 1b
    mov w4, #3
    cbnz x20, 2f
    str w4, [x1]
2:  ldr x1, =GICC
    mov w2, #0xff
    str w2, [x1, #4]
    str w4, [x1]

    ldr x5, =KERNEL
    ldr x0, =TREE
#ifndef ALL_IN
    cbz x20, 4f
    mov x0, #0
    ldr x1, =WORDS
    add x1, x1, x20, lsl #3
3:  wfe
    ldr x5, [x1]
    cbz x5, 3b
#endif
4:  msr elr_el3, x5
    mov x1, #0x3c9 /* EL2h, all masked */
    msr spsr_el3, x1
    mov x1, xzr
    mov x2, xzr
    mov x3, xzr
    eret
