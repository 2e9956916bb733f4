// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: from a start-up IPI in real mode to C in long mode, on a further CPU.
 *
 * Model: `trampoline` is copied to a page below 1 MiB and finds its parts relative to %cs, which the
 * IPI's vector sets to that page.  It turns on PAE, long mode and paging in one step (AMD64 vol. 2,
 * 14.6.1: from real mode that is allowed) with tables that map the page at its own address, too.
 * At the kernel's addresses the CPU then looks whether it is the one that is awaited: one that comes
 * too late, when another has been asked meanwhile, has the wrong id or finds no ticket, and parks.
 */
#include <arch/asm.h>

#define CR0_START 0x80010033 /* PG WP NE ET MP PE */
#define CR4_START 0x6a0 /* OSXMMEXCPT OSFXSR PGE PAE */
#define EFER_LME_NXE 0x900
#define TICKET_OFFERED 1 /* boot/secondary.c */
#define TICKET_TAKEN 2
#define LEAF_TOPOLOGY 0xb

#define AT(label) (label - trampoline)

    .section .rodata, "a", @progbits
    .globl trampoline, trampoline_end, trampoline_root, trampoline_gdt_base, trampoline_jump
    .hidden trampoline, trampoline_end, trampoline_root, trampoline_gdt_base, trampoline_jump
    .balign 16
trampoline:
    .code16
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl AT(trampoline_gdt_limit)
    movl $CR4_START, %eax
    movl %eax, %cr4
    movl AT(trampoline_root), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME_NXE, %eax
    wrmsr
    movl $CR0_START, %eax
    movl %eax, %cr0
    ljmpl *AT(trampoline_jump)
    .code64
trampoline_long:
    movabsq $secondary_entry, %rax
    jmp *%rax

    .balign 8
trampoline_gdt:
    .quad 0, 0
    .quad 0x00af9b000000ffff /* KERNEL_CS, accessed: the page is not writable here */
    .quad 0x00cf93000000ffff /* KERNEL_DS */
trampoline_gdt_limit:
    .short trampoline_gdt_limit - trampoline_gdt - 1
trampoline_gdt_base:
    .long AT(trampoline_gdt) /* plus the page */
trampoline_jump:
    .long AT(trampoline_long) /* plus the page */
    .short ASM_KERNEL_CS
    .balign 4
trampoline_root:
    .long 0
trampoline_end:

    .text
FUNC secondary_entry
    movl $ASM_KERNEL_DS, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movq secondary_root(%rip), %rax
    movq %rax, %cr3
    /* Leaf 0xb gives all bits of the id; without it there are 8 (SDM vol. 2, CPUID). */
    xorl %eax, %eax
    cpuid
    cmpl $LEAF_TOPOLOGY, %eax
    jb 1f
    movl $LEAF_TOPOLOGY, %eax
    xorl %ecx, %ecx
    cpuid
    testl %ebx, %ebx
    jnz 2f
1:  movl $1, %eax
    cpuid
    movl %ebx, %edx
    shrl $24, %edx
2:  cmpl %edx, secondary_id(%rip)
    jne park
    movl $TICKET_OFFERED, %eax
    movl $TICKET_TAKEN, %ecx
    lock cmpxchgl %ecx, secondary_ticket(%rip)
    jne park
    movq secondary_stack(%rip), %rsp
    movq secondary_cpu(%rip), %rdi
    xorl %ebp, %ebp
    call secondary_start
    ud2
park:
    cli
    hlt
    jmp park
ENDFUNC secondary_entry

    .section .note.GNU-stack, "", @progbits
