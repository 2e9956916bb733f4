// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: from the loader's 32-bit flat mode to C in long mode at the kernel's own addresses.
 *
 * Model: PVH (QEMU -kernel; Xen's pvh.h) and Multiboot2 (GRUB; specification 2.0, 3.2) both enter
 * with paging off and flat segments.  The code runs wherever it was loaded: it finds out by a call
 * and addresses everything relative to that.  The image may be moved by multiples of 2 MiB.
 * A loader that is in long mode (the entry program of the Limine protocol) jumps to the image's first
 * byte, which leads to boot_long and back to the 32-bit way: one set of page tables serves all.
 * Registers: %esi loader protocol, %edi its record, %ebp the load address of the link base.
 */
#include <arch/asm.h>
#include <arch/layout.h>

#define MB2_MAGIC 0xe85250d6
#define MB2_BOOT_MAGIC 0x36d76289
#define NOTE_PHYS32_ENTRY 18
#define PROTOCOL_PVH 0 /* enum loader_protocol */
#define PROTOCOL_MULTIBOOT2 1
#define MB2_OPTIONAL 1

#define PAGE_TABLE 0x003 /* present, writable */
#define PAGE_LARGE 0x083 /* and 2 MiB */

#define CR0_PE (1 << 0)
#define CR0_MP (1 << 1)
#define CR0_ET (1 << 4)
#define CR0_NE (1 << 5)
#define CR0_WP (1 << 16)
#define CR0_PG (1 << 31)
#define CR4_PAE (1 << 5)
#define CR4_PGE (1 << 7)
#define CR4_PCIDE (1 << 17)
#define CR4_OSFXSR (1 << 9)
#define CR4_OSXMMEXCPT (1 << 10)
#define EFER_LME_NXE 0x900

#define CPUID1_NEEDED ((1 << 0) | (1 << 6) | (1 << 13) | (1 << 24) | (1 << 25) | (1 << 26))
#define CPUID81_NEEDED ((1 << 20) | (1 << 29)) /* NX, long mode */

#define PHYS(sym) ((sym) - KERNEL_BASE)

    .section .boot.header, "ax"
/* As in the header of an arm64 Image: code, then offset from 2 MiB and size in memory. */
    .code64
    jmp boot_long
    .balign 8
    .quad 0
    .quad __image_size

    .balign 8
header:
    .long MB2_MAGIC, 0, header_end - header, 0x100000000 - (MB2_MAGIC + 0 + (header_end - header))
    .balign 8
    .short 1, MB2_OPTIONAL /* what it should tell: command line, loader, modules, memory, */
    .long header_wishes_end - header_wishes + 8 /* framebuffer, EFI, ACPI, load address */
header_wishes:
    .long 1, 2, 3, 4, 6, 8, 12, 14, 15, 17, 21
header_wishes_end:
    .balign 8
    .short 3, 0 /* entry address */
    .long 12, PHYS(boot_multiboot2)
    .balign 8
    .short 5, MB2_OPTIONAL /* a framebuffer, if there can be one; the size is but a wish */
    .long 20, 1024, 768, 32
    .balign 8
    .short 6, 0 /* modules on page borders */
    .long 8
    .balign 8
    .short 10, 0 /* the image can be moved: to the lowest place */
    .long 24, IMAGE_OFFSET, 0xffffffff, 0x200000, 1
    .balign 8
    .short 0, 0
    .long 8
header_end:

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, NOTE_PHYS32_ENTRY
    .asciz "Xen"
    .quad PHYS(boot_pvh)

    .section .boot.text, "ax"
/*
 * From a loader in long mode: %esi protocol, %edi its record; the first 4 GiB are mapped at 0 and the
 * image runs there.  Leaves long mode.
 */
    .code64
boot_long:
    cli
    cld
    leaq boot_stack_top(%rip), %rsp
    movq %cr4, %rax
    andl $~CR4_PCIDE, %eax /* else paging cannot be turned off: SDM 3A, 4.10.1 */
    movq %rax, %cr4
    leaq boot_gdt(%rip), %rax
    movq %rax, boot_gdt_pointer + 2(%rip)
    lgdt boot_gdt_pointer(%rip)
    leaq boot_short(%rip), %rax
    pushq $ASM_BOOT_CS32
    pushq %rax
    lretq

    .code32
boot_short:
    movl $ASM_KERNEL_DS, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %cr0, %eax
    andl $~CR0_PG, %eax
    movl %eax, %cr0
    movl %edi, %ebx
    jmp boot32

    .globl boot_pvh
    .hidden boot_pvh
boot_pvh:
    movl $PROTOCOL_PVH, %esi
    jmp boot32

boot_multiboot2:
    cmpl $MB2_BOOT_MAGIC, %eax
    jne halt32
    movl $PROTOCOL_MULTIBOOT2, %esi

boot32:
    cli
    cld
    movl %ebx, %edi
    /* No stack yet: borrow the record's second word to learn where we run. */
    movl 4(%edi), %edx
    leal 8(%edi), %esp
    call here
here:
    popl %ebp
    movl %edx, 4(%edi)
    subl $PHYS(here), %ebp
    leal PHYS(boot_stack_top)(%ebp), %esp
    testl $0x1fffff, %ebp
    leal PHYS(text_moved)(%ebp), %eax
    jnz complain

    call check_cpu
    call make_tables

    movl $(CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
    movl %eax, %cr4
    leal PHYS(boot_pml4)(%ebp), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME_NXE, %eax
    wrmsr
    movl $(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG), %eax
    movl %eax, %cr0

    leal PHYS(boot_gdt)(%ebp), %eax
    movl %eax, PHYS(boot_gdt_pointer + 2)(%ebp)
    lgdt PHYS(boot_gdt_pointer)(%ebp)
    pushl $ASM_KERNEL_CS
    leal PHYS(boot64)(%ebp), %eax
    pushl %eax
    lret

/* A CPU that lacks what the kernel takes for granted is told off, not crashed. */
check_cpu:
    pushl %edi
    pushl %esi
    movl $0x80000000, %eax
    cpuid
    leal PHYS(text_no_long_mode)(%ebp), %esi
    cmpl $0x80000001, %eax
    jb cpu_bad
    movl $0x80000001, %eax
    cpuid
    andl $CPUID81_NEEDED, %edx
    cmpl $CPUID81_NEEDED, %edx
    jne cpu_bad
    leal PHYS(text_no_sse2)(%ebp), %esi
    movl $1, %eax
    cpuid
    andl $CPUID1_NEEDED, %edx
    cmpl $CPUID1_NEEDED, %edx
    jne cpu_bad
    popl %esi
    popl %edi
    ret
cpu_bad:
    movl %esi, %eax
    jmp complain

/*
 * The first 4 GiB at 0 (for the jump) and at DIRECT_BASE, the image at KERNEL_BASE, the recursive
 * slot, and empty tables for the two areas that grow later.
 */
make_tables:
    leal PHYS(boot_pd)(%ebp), %ebx
    xorl %ecx, %ecx
1:  movl %ecx, %eax
    shll $21, %eax
    orl $PAGE_LARGE, %eax
    movl %eax, (%ebx, %ecx, 8)
    incl %ecx
    cmpl $(EARLY_DIRECT_END >> 21), %ecx
    jb 1b

    leal PHYS(boot_pdpt_direct)(%ebp), %edx
    leal PAGE_TABLE(%ebx), %eax
    xorl %ecx, %ecx
2:  movl %eax, (%edx, %ecx, 8)
    addl $4096, %eax
    incl %ecx
    cmpl $(EARLY_DIRECT_END >> 30), %ecx
    jb 2b

    leal PHYS(boot_pd_image)(%ebp), %ebx
    leal PAGE_LARGE(%ebp), %eax
    xorl %ecx, %ecx
3:  movl %eax, (%ebx, %ecx, 8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $(IMAGE_MAX >> 21), %ecx
    jb 3b
    leal PHYS(boot_pdpt_image)(%ebp), %ecx
    leal PAGE_TABLE(%ebx), %eax
    movl %eax, (%ecx)

    leal PHYS(boot_pml4)(%ebp), %ebx
    leal PAGE_TABLE(%edx), %eax
    movl %eax, (%ebx)
    movl %eax, (256 * 8)(%ebx)
    leal PAGE_TABLE(%ecx), %eax
    movl %eax, (510 * 8)(%ebx)
    leal PAGE_TABLE(%ebx), %eax
    movl %eax, (511 * 8)(%ebx)
    leal PHYS(boot_pdpt_frames + PAGE_TABLE)(%ebp), %eax
    movl %eax, (320 * 8)(%ebx)
    leal PHYS(boot_pdpt_vmap + PAGE_TABLE)(%ebp), %eax
    movl %eax, (384 * 8)(%ebx)
    ret

/* Says %eax on COM1 and on the VGA text screen, and stops. */
complain:
    movl %eax, %esi
    movl $0xb8000, %edi
1:  lodsb
    testb %al, %al
    jz halt32
    movb %al, (%edi)
    movb $0x4f, 1(%edi)
    addl $2, %edi
    movb %al, %bl
    movw $0x3fd, %dx
    movl $0x10000, %ecx
2:  inb %dx, %al
    testb $0x20, %al
    loopz 2b
    movb %bl, %al
    movw $0x3f8, %dx
    outb %al, %dx
    jmp 1b
halt32:
    cli
    hlt
    jmp halt32

    .code64
boot64:
    movl $ASM_KERNEL_DS, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    movabsq $boot_high, %rax
    jmp *%rax
boot_high:
    leaq boot_stack_top(%rip), %rsp
    movl %esi, %eax
    movl %edi, %esi
    movl %eax, %edi
    movl %ebp, %edx
    xorl %ebp, %ebp
    call boot_start
    ud2

    .section .rodata
text_no_long_mode:
    .asciz "devine: this CPU has no long mode with no-execute pages\r\n"
text_no_sse2:
    .asciz "devine: this CPU has no SSE2\r\n"
text_moved:
    .asciz "devine: loaded at an address that is not a multiple of 2 MiB\r\n"

    .section .data.page, "aw"
    .balign 8
boot_gdt:
    .quad 0, 0
    .quad 0x00af9b000000ffff /* KERNEL_CS */
    .quad 0x00cf93000000ffff /* KERNEL_DS */
    .quad 0x00cf9b000000ffff /* BOOT_CS32 */
boot_gdt_pointer:
    .short boot_gdt_pointer - boot_gdt - 1
    .quad 0

    .section .bss.page, "aw", @nobits
    .balign 4096
    .globl boot_pml4, boot_stack_top
    .hidden boot_pml4, boot_stack_top
boot_pml4:        .skip 4096
boot_pdpt_direct: .skip 4096
boot_pdpt_image:  .skip 4096
boot_pdpt_frames: .skip 4096
boot_pdpt_vmap:   .skip 4096
boot_pd_image:    .skip 4096
boot_pd:          .skip 4096 * 4
boot_stack:       .skip 16384
boot_stack_top:

    .section .note.GNU-stack, "", @progbits
