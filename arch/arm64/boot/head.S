// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: from the boot loader to C (Linux Documentation/arm64/booting.rst; Arm ARM D5).
 *
 * Model: entered anywhere at a 2 MiB boundary with the MMU off, x0 = FDT, EL2 or EL1.  Drops to
 * EL1, builds the early tables and turns the MMU on:
 *     TTBR0  identity, 1 GiB blocks: the GiBs that hold the image (used once more by mm/idmap.S)
 *     TTBR1  DIRECT_BASE, 1 GiB blocks: the GiBs that hold image and FDT
 *            KERNEL_BASE, 2 MiB blocks: the image
 * Everything up to the jump to virtual_entry is position independent.
 * A loader of Linux's that leaves EFI by itself comes with the MMU on: efi/leave.S turns it off.
 * The image is an EFI application, too: then efi/stub.c runs first and comes here with x0 = its
 * hand-off instead of the FDT; so does the Limine protocol's entry program.
 * Further CPUs begin at secondary_entry, or wait in `park` until boot/secondary.c calls them by their
 * affinity; they take the same way, with the kernel's final tables for TTBR1.
 * Invariants: (1) with the MMU off all memory is Device: only aligned accesses; (2) what was
 * written then is invalidated in the caches before the MMU goes on, as stale lines may hide it.
 */
#include <arch/asm.h>
#include <arch/layout.h>

#define BLOCK_NORMAL 0x701 /* block, AttrIndx 0, inner shareable, accessed; EL1 read-write-execute */
#define TABLE_BITS 3
#define PE_ALIGN 4096
#define PE_TEXT 4096 /* what lies before is called headers */

    .section .head.text, "ax"
    .globl image_head
    .hidden image_head
image_head:
    .inst 0xfa405a4d /* "MZ" to a PE loader; to the CPU: ccmp x18, #0, #0xd, pl */
    b entry
    .quad 0 /* text_offset: at a 2 MiB boundary */
    .quad __image_bytes
    .quad 0xa /* little endian, 4 KiB pages, anywhere in RAM */
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long pe_header - image_head

/* The same as an EFI application (Microsoft's PE specification): file and memory have the same offsets. */
pe_header:
    .ascii "PE\0\0"
    .short 0xaa64 /* ARM64 */
    .short 3 /* sections */
    .long 0, 0, 0
    .short pe_sections - pe_optional
    .short 0x206 /* executable, no line numbers, no debug information */
pe_optional:
    .short 0x20b /* PE32+ */
    .byte 0, 0
    .long pe_text_bytes, pe_rodata_bytes, 0
    .long pe_entry
    .long PE_TEXT
    .quad 0 /* image base: any */
    .long PE_ALIGN, PE_ALIGN /* sections in memory, in the file */
    .short 0, 0 /* of the operating system */
    .short 1, 1 /* of the image: takes an initrd by LoadFile2 (how GRUB 2.12 tells) */
    .short 0, 0 /* of the subsystem */
    .long 0
    .long __image_bytes
    .long PE_TEXT /* headers */
    .long 0
    .short 10 /* EFI application */
    .short 0x100 /* no page is written and executed */
    .quad 0, 0, 0, 0
    .long 0
    .long 6 /* directories: none filled */
    .quad 0, 0, 0, 0, 0, 0
pe_sections:
    .ascii ".text\0\0\0"
    .long pe_text_bytes, PE_TEXT, pe_text_bytes, PE_TEXT
    .long 0, 0, 0
    .long 0x60000020 /* code, read, execute */
    .ascii ".rodata\0"
    .long pe_rodata_bytes, pe_rodata, pe_rodata_bytes, pe_rodata
    .long 0, 0, 0
    .long 0x40000040 /* data, read */
    .ascii ".data\0\0\0"
    .long pe_data_bytes, pe_data, pe_data_file_bytes, pe_data
    .long 0, 0, 0
    .long 0xc0000040 /* data, read, write */

/* x21 = FDT or hand-off, x20 = physical start of the image, x19 = own affinity */
entry:
    mov x21, x0
    mrs x22, CurrentEL
    cmp x22, #(2 << 2)
    b.eq 2f
    mrs x9, sctlr_el1
    b 3f
2:  mrs x9, sctlr_el2
3:  tbz x9, #0, 4f
    mov x1, x0 /* a loader that left its MMU on, mapped one to one, as Linux's EFI stub does */
    adr_l x0, image_head
    mov x2, x0
    adr_l x3, __image_end
    b efi_leave /* and comes again */
4:
    mrs x22, CurrentEL
    cmp x22, #(2 << 2)
    b.ne 1f
    bl drop_to_el1
1:  msr SPSel, #1 /* the Limine protocol enters at EL1t */
    adr_l x20, image_head
    tst x20, #0x1fffff
    b.ne park
    msr DAIFSet, #15
    bl elect_boot_cpu
    bl tables_build
    bl tcr_choose
    adr_l x25, early_root1
    bl mmu_on
    ldr x8, =virtual_entry
    br x8

/* From PSCI: x0 = the struct cpu_start's physical address; from a spin table: 0.  MMU off, EL1 or 2. */
    .globl secondary_entry
    .hidden secondary_entry
secondary_entry:
    mov x21, x0
    mrs x0, CurrentEL
    cmp x0, #(2 << 2)
    b.ne 1f
    bl drop_to_el1
1:  msr SPSel, #1
    msr DAIFSet, #15
    bl affinity_read
    cbz x21, park
secondary_go:
    ldr x25, [x21, #START_ROOT]
    ldr x26, [x21, #START_TCR]
    adr_l x22, cpu_starts
    sub x22, x21, x22 /* where it lies in cpu_starts: the same at both addresses */
    bl mmu_on
    ldr x8, =secondary_virtual
    br x8

/*
 * One CPU goes on, the others sleep (loaders without PSCI let all of them in).  Without caches
 * there are no exclusive accesses: each writes its affinity, waits, and looks who wrote last.
 */
elect_boot_cpu:
    mov x4, x30
    bl affinity_read
    mov x30, x4
    adr_l x1, boot_mpidr
    ldr x0, [x1]
    cmn x0, #1
    b.ne park
    str x19, [x1]
    dsb sy
    mov x0, #64
1:  subs x0, x0, #1
    b.ne 1b
    ldr x0, [x1]
    cmp x0, x19
    b.ne park
    ret

/* Until the running CPU writes our affinity into the pen (its record first, both by way of memory). */
park:
    adr_l x1, cpu_pen
    ldr x0, [x1]
    cmp x0, x19
    b.ne 1f
    ldr x21, [x1, #8]
    cbnz x21, secondary_go
1:  wfe
    b park

affinity_read:
    mrs x19, mpidr_el1
    ldr x0, =0xff00ffffff
    and x19, x19, x0
    ret

/* EL2 -> EL1, with EL2 out of the way.  Returns to the caller at EL1. */
drop_to_el1:
    mov x0, #(1 << 31) /* HCR_EL2.RW: EL1 is AArch64, nothing else is trapped */
    msr hcr_el2, x0
    isb /* the layout of what follows depends on HCR_EL2.E2H, which a loader may have set */
    mrs x0, cnthctl_el2
    orr x0, x0, #3 /* physical counter and timer for EL1 */
    msr cnthctl_el2, x0
    msr cntvoff_el2, xzr
    mov x0, #0x33ff /* RES1: no trap of floating point */
    msr cptr_el2, x0
    msr hstr_el2, xzr
    msr vttbr_el2, xzr
    mrs x0, midr_el1
    msr vpidr_el2, x0
    mrs x0, mpidr_el1
    msr vmpidr_el2, x0
    mrs x0, id_aa64dfr0_el1 /* all performance counters belong to EL1 */
    ubfx x1, x0, #8, #4
    mov x2, #0
    cbz x1, 1f
    cmp x1, #15
    b.eq 1f
    mrs x2, pmcr_el0
    ubfx x2, x2, #11, #5
1:  msr mdcr_el2, x2
    mrs x0, id_aa64pfr0_el1 /* GICv3 system registers: let EL1 have them */
    ubfx x0, x0, #24, #4
    cbz x0, 2f
    mrs x0, S3_4_C12_C9_5 /* ICC_SRE_EL2 */
    mov x1, #9 /* SRE, Enable */
    orr x0, x0, x1
    msr S3_4_C12_C9_5, x0
    isb
    mrs x0, S3_4_C12_C9_5
    tbz x0, #0, 2f /* the firmware keeps them for itself */
    msr S3_4_C12_C11_0, xzr /* ICH_HCR_EL2 */
2:  ldr x0, =0x30d00800 /* SCTLR_EL1: RES1 bits, MMU and caches off */
    msr sctlr_el1, x0
    mov x0, #0x3c5 /* EL1h, all masked */
    msr spsr_el2, x0
    msr elr_el2, x30
    eret

/* Clobbers x0-x15. */
tables_build:
    mov x15, x30
    adr_l x0, early_tables
    adr_l x1, early_tables_end
    bl cache_invalidate
    adr_l x0, early_tables
1:  stp xzr, xzr, [x0], #16
    cmp x0, x1
    b.lo 1b

    adr_l x10, early_pool /* the next free table */
    adr_l x9, early_root0
    mov x11, #0
    mov x2, x20
    bl map_gib
    adr_l x2, __image_end
    bl map_gib

    adr_l x9, early_root1
    ldr x11, =DIRECT_BASE
    mov x2, x20
    bl map_gib
    adr_l x2, __image_end
    bl map_gib
    lsr x2, x21, #46 /* no RAM is up there: do not believe it */
    cmp x2, #0
    csel x21, x21, xzr, eq
    cbz x21, 2f
    mov x2, x21
    bl map_gib
    add x2, x21, #0x200000 /* an FDT has 2 MiB at most */
    bl map_gib

    /* The image: root -> early_l1 -> early_l2 -> 64 blocks of 2 MiB. */
2:  adr_l x3, early_l1
    orr x4, x3, #TABLE_BITS
    mov x5, #((KERNEL_BASE >> 39) & 511)
    str x4, [x9, x5, lsl #3]
    adr_l x4, early_l2
    orr x5, x4, #TABLE_BITS
    str x5, [x3]
    mov x5, #BLOCK_NORMAL
    orr x5, x5, x20
    adr_l x6, __image_end
3:  str x5, [x4], #8
    add x5, x5, #0x200000
    cmp x5, x6
    b.lo 3b

    dmb sy
    adr_l x0, early_tables
    bl cache_invalidate
    ret x15

/* Maps the GiB of physical address x2 at x11 + that, in the root x9; x10 = pool.  Clobbers x3-x6. */
map_gib:
    add x3, x2, x11
    ubfx x4, x3, #39, #9
    ldr x5, [x9, x4, lsl #3]
    cbnz x5, 1f
    orr x5, x10, #TABLE_BITS
    str x5, [x9, x4, lsl #3]
    add x10, x10, #4096
1:  and x5, x5, #~TABLE_BITS
    ubfx x4, x3, #30, #9
    and x6, x2, #~0x3fffffff
    add x6, x6, #BLOCK_NORMAL
    str x6, [x5, x4, lsl #3]
    ret

/* Drops the cache lines of [x0, x1).  Keeps x1; clobbers x0, x2, x3. */
cache_invalidate:
    mrs x2, ctr_el0
    ubfx x2, x2, #16, #4
    mov x3, #4
    lsl x2, x3, x2
1:  dc ivac, x0
    add x0, x0, x2
    cmp x0, x1
    b.lo 1b
    dsb sy
    ret

/*
 * x26 = TCR_EL1 (Arm ARM D13): 48-bit halves, 4 KiB granule, inner shareable write-back walks, top byte
 * ignored for EL0, ASIDs as wide as they go.
 */
tcr_choose:
    ldr x26, =0x20b5103510
    mrs x1, id_aa64mmfr0_el1
    and x2, x1, #15
    cmp x2, #5
    mov x3, #5
    csel x2, x2, x3, lo
    bfi x26, x2, #32, #3 /* IPS, at most 48 bits */
    ubfx x2, x1, #4, #4
    cmp x2, #2
    b.ne 1f
    orr x26, x26, #(1 << 36) /* AS: 16-bit ASIDs */
1:  ret

/* Control registers, then the MMU: identity map, x25 = TTBR1, x26 = TCR. */
func mmu_on
    tlbi vmalle1
    dsb nsh
    ldr x0, =0x4404ff /* MAIR: 0 normal write-back, 1 Device-nGnRE, 2 normal non-cacheable */
    msr mair_el1, x0
    msr tcr_el1, x26
    adr_l x0, early_root0
    msr ttbr0_el1, x0
    msr ttbr1_el1, x25
    mov x0, #(3 << 20) /* floating point stays open */
    msr cpacr_el1, x0
    msr mdscr_el1, xzr
    isb
    ic iallu
    dsb nsh
    isb
    ldr x0, =0x34d5d99d /* M C SA SA0 ITD SED EOS I DZE UCT nTWI nTWE EIS SPAN UCI nTLSMD LSMAOE TSCXT */
    msr sctlr_el1, x0
    isb
    ret
endfunc mmu_on

    .ltorg

    .text
virtual_entry:
    adr_l x0, __bss_start
    adr_l x1, __bss_end
1:  stp xzr, xzr, [x0], #16
    stp xzr, xzr, [x0], #16
    cmp x0, x1
    b.lo 1b
    adr_l x0, boot_stack_top
    mov sp, x0
    adr_l x0, vectors
    msr vbar_el1, x0
    isb
    mov x29, xzr
    mov x0, x21
    mov x1, x20
    mov x2, x22
    bl arch_start

/* x22 = the record's place in cpu_starts */
secondary_virtual:
    adr_l x0, cpu_starts
    add x0, x0, x22
    ldr x1, [x0, #START_STACK]
    mov sp, x1
    ldr x1, [x0, #START_CONTEXT]
    msr tpidr_el1, x1
    adr_l x1, vectors
    msr vbar_el1, x1
    isb
    mov x29, xzr
    bl arch_start_secondary

    .section .data.boot, "aw"
    .balign 8
boot_mpidr:
    .quad -1
    .balign 256 /* a cache line of its own, however long */
    .globl cpu_pen
    .hidden cpu_pen
cpu_pen: /* whom we call, and its struct cpu_start: struct cpu_pen */
    .quad -1, 0
    .balign 256

    .section .bss.stack, "aw", %nobits
    .balign 4096
    .globl boot_stack_guard, boot_stack_top
    .hidden boot_stack_guard, boot_stack_top
boot_stack_guard: /* unmapped by mmu_kernel_init */
    .skip 4096
    .skip STACK_SIZE_ASM
boot_stack_top:

    .section .early_tables, "aw", %nobits
    .balign 4096
early_tables:
    .globl early_root0, early_root1
    .hidden early_root0, early_root1
early_root0:
    .skip 4096
early_root1:
    .skip 4096
early_l1:
    .skip 4096
early_l2:
    .skip 4096
early_pool: /* two for the identity map, four for the direct map */
    .skip 6 * 4096
early_tables_end:
