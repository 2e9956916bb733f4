// SPDX-License-Identifier: CC0-1.0
/* Purpose: the test loader's first instructions (PVH, 32 bits) and its last (tests/limine/loader.c). */
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad start

    .section .text
    .code32
    .globl start
start:
    cli
    movl $stack_top, %esp
    movl %ebx, %edi
    movl $0, %ecx
1:  movl %ecx, %eax
    shll $21, %eax
    orl $0x83, %eax
    movl %eax, first_pd(, %ecx, 8)
    incl %ecx
    cmpl $2048, %ecx
    jb 1b
    movl $first_pd + 3, first_pdpt
    movl $first_pd + 0x1003, first_pdpt + 8
    movl $first_pd + 0x2003, first_pdpt + 16
    movl $first_pd + 0x3003, first_pdpt + 24
    movl $first_pdpt + 3, first_pml4
    movl $0x20, %eax
    movl %eax, %cr4
    movl $first_pml4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl $0x80010011, %eax
    movl %eax, %cr0
    lgdt first_gdt_pointer
    ljmp $8, $1f
    .code64
1:  movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %edi, %edi
    call load
    ud2

/*
 * leave_copy(cr3, gdt pointer, stack, entry): runs in the direct map of both sets of tables, and ends in
 * the state that the protocol describes: all registers 0, a return address of 0 on the stack.
 */
    .globl leave_copy, leave_copy_end
leave_copy:
    movq %rdi, %cr3
    lgdt (%rsi)
    movl $0x30, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movq %rdx, %rsp
    pushq $0
    movq %rsp, %rax
    pushq $0x30
    pushq %rax
    pushq $2 /* flags */
    pushq $0x28
    pushq %rcx
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    iretq
leave_copy_end:

    .section .rodata
    .globl program, program_end, second, second_end
    .balign 8
program:
    .incbin PROGRAM
program_end:
    .balign 8
second:
    .incbin SECOND
second_end:

    .section .data
first_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
first_gdt_pointer:
    .short . - first_gdt - 1
    .quad first_gdt

    .section .bss
    .balign 4096
    .globl first_pml4
first_pml4: .skip 4096
first_pdpt: .skip 4096
first_pd: .skip 4 * 4096
    .skip 16384
stack_top:

    .section .note.GNU-stack, "", @progbits
