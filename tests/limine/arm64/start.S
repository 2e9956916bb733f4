// SPDX-License-Identifier: CC0-1.0
/* Purpose: the arm64 test loader's first instructions (a Linux Image, x0 = FDT, MMU off, EL1) and its last (loader.c). */
    .section .text.start, "ax"
    .globl start
start:
    b 1f
    .long 0
    .quad 0
    .quad end_of_loader - start
    .quad 0xa, 0, 0, 0
    .ascii "ARM\x64"
    .long 0
1:  mov x20, x0
    adrp x1, bss_start
    add x1, x1, :lo12:bss_start
    adrp x2, bss_end
    add x2, x2, :lo12:bss_end
2:  stp xzr, xzr, [x1], #16
    cmp x1, x2
    b.lo 2b

    /* One to one: the first GiB are devices, the second is RAM. */
    adrp x1, first_root
    adrp x2, first_level1
    orr x3, x2, #3
    str x3, [x1]
    mov x3, #0x401 /* Device, accessed */
    str x3, [x2]
    ldr x3, =0x40000705 /* kind 1, inner shareable, accessed */
    str x3, [x2, #8]
    ldr x3, =0xff00 /* kind 0 Device, kind 1 normal: the other way round than everybody's */
    msr mair_el1, x3
    ldr x3, =0x5b5103510 /* both halves of 48 bits, 4 KiB pages, write-back walks, 48-bit addresses */
    msr tcr_el1, x3
    msr ttbr0_el1, x1
    dsb sy
    isb
    tlbi vmalle1
    dsb sy
    isb
    ldr x3, =0x30d0199d /* M C SA SA0 I, what is reserved as 1, and nothing else */
    msr sctlr_el1, x3
    isb
    adrp x1, stack_top
    mov sp, x1
    mov x0, x20
    bl load
3:  b 3b

/*
 * leave(root, empty root, stack, entry): at its address in the direct map.  Ends in the state that the protocol
 * describes: EL1t, the lower half maps nothing, all registers are 0.
 */
    .globl leave
leave:
    msr ttbr1_el1, x0
    isb
    adr x9, 1f
    movz x10, #0xffff, lsl #48
    movk x10, #0x9000, lsl #32
    add x9, x9, x10
    br x9
1:  msr ttbr0_el1, x1
    isb
    tlbi vmalle1
    dsb sy
    isb
    msr vbar_el1, xzr
    mov x4, #0
    mov sp, x4
    msr sp_el0, x2
    msr elr_el1, x3
    mov x4, #0x3c4 /* EL1t, all masked */
    msr spsr_el1, x4
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    mov x\n, xzr
    .endr
    eret

    .section .rodata
    .globl program, program_end, second, second_end
    .balign 4096
program:
    .incbin PROGRAM
program_end:
    .balign 8
second:
    .incbin SECOND
second_end:

    .bss
    .balign 4096
first_root: .skip 4096
first_level1: .skip 4096
    .skip 65536
stack_top:

    .section .note.GNU-stack, "", %progbits
