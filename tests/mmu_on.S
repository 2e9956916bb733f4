// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a loader for QEMU's virt that starts an Image as those do who come from EFI: MMU and caches on, memory
 *   one to one, x0 = FDT. QEMU starts it as an Image itself; the next one lies 2 MiB behind. suite_loaders_arm64.py.
 */
    .text
start:
    b 1f
    .long 0
    .quad 0 /* text_offset */
    .quad end - start
    .quad 0xa, 0, 0, 0
    .ascii "ARM\x64"
    .long 0
1:  adr x1, tables
    add x2, x1, #4096
    orr x3, x2, #3
    str x3, [x1]
    mov x3, #0x401 /* the first GiB: Device, accessed */
    str x3, [x2]
    ldr x3, =0x40000705 /* the second: normal, inner shareable, accessed */
    str x3, [x2, #8]
    ldr x3, =0xff00
    msr mair_el1, x3
    ldr x3, =0x5b5103510 /* 48 bits, 4 KiB pages, write-back walks */
    msr tcr_el1, x3
    msr ttbr0_el1, x1
    dsb sy
    isb
    tlbi vmalle1
    dsb sy
    isb
    ldr x3, =0x30d0199d
    msr sctlr_el1, x3
    isb
    adr x4, start
    add x4, x4, #0x200, lsl #12 /* program */
    mov x1, xzr
    mov x2, xzr
    mov x3, xzr
    br x4
    .ltorg
    .balign 4096
tables:
    .skip 8192
    .balign 0x200000
    .incbin PROGRAM
end:
