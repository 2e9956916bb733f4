// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the exception vectors, and the ways back (Arm ARM D1.10).
 *
 * Model: the kernel runs on SP_EL1 (EL1h); SP_EL0 belongs to the user all the time.  While a thread
 * is in user mode SP_EL1 stands at the top of its kernel stack, so an entry from EL0 builds its
 * struct hal_regs right there.  A system call is the first thing that the synchronous vector tests
 * for; its whole way in and out is about 60 instructions.
 * Interrupts: masked at entry; system calls unmask at once, everything else decides in C.
 */
#include <arch/asm.h>

/* Saves all registers; leaves x21 = interrupted SP, x22 = PC, x23 = PSTATE, x24 = ESR. */
.macro save_regs el
    sub sp, sp, #REGS_SIZE
    stp x0, x1, [sp, #REGS_X(0)]
    stp x2, x3, [sp, #REGS_X(2)]
    stp x4, x5, [sp, #REGS_X(4)]
    stp x6, x7, [sp, #REGS_X(6)]
    stp x8, x9, [sp, #REGS_X(8)]
    stp x10, x11, [sp, #REGS_X(10)]
    stp x12, x13, [sp, #REGS_X(12)]
    stp x14, x15, [sp, #REGS_X(14)]
    stp x16, x17, [sp, #REGS_X(16)]
    stp x18, x19, [sp, #REGS_X(18)]
    stp x20, x21, [sp, #REGS_X(20)]
    stp x22, x23, [sp, #REGS_X(22)]
    stp x24, x25, [sp, #REGS_X(24)]
    stp x26, x27, [sp, #REGS_X(26)]
    stp x28, x29, [sp, #REGS_X(28)]
    .if \el == 0
    mrs x21, sp_el0
    .else
    add x21, sp, #REGS_SIZE
    .endif
    mrs x22, elr_el1
    mrs x23, spsr_el1
    mrs x24, esr_el1
    stp x30, x21, [sp, #REGS_X(30)]
    stp x22, x23, [sp, #REGS_PC]
.endm

/* nr = -1: no system call */
.macro not_a_call
    mov x25, #-1
    stp xzr, x25, [sp, #REGS_ORIG_X0]
.endm

.macro restore_regs el
    ldp x22, x23, [sp, #REGS_PC]
    .if \el == 0
    ldp x30, x21, [sp, #REGS_X(30)]
    msr sp_el0, x21
    .else
    ldr x30, [sp, #REGS_X(30)]
    .endif
    msr elr_el1, x22
    msr spsr_el1, x23
    ldp x0, x1, [sp, #REGS_X(0)]
    ldp x2, x3, [sp, #REGS_X(2)]
    ldp x4, x5, [sp, #REGS_X(4)]
    ldp x6, x7, [sp, #REGS_X(6)]
    ldp x8, x9, [sp, #REGS_X(8)]
    ldp x10, x11, [sp, #REGS_X(10)]
    ldp x12, x13, [sp, #REGS_X(12)]
    ldp x14, x15, [sp, #REGS_X(14)]
    ldp x16, x17, [sp, #REGS_X(16)]
    ldp x18, x19, [sp, #REGS_X(18)]
    ldp x20, x21, [sp, #REGS_X(20)]
    ldp x22, x23, [sp, #REGS_X(22)]
    ldp x24, x25, [sp, #REGS_X(24)]
    ldp x26, x27, [sp, #REGS_X(26)]
    ldp x28, x29, [sp, #REGS_X(28)]
    add sp, sp, #REGS_SIZE
    eret
.endm

/* An entry that cannot happen: x27 = which of the 16. */
.macro bad_vector n
    .balign 128
    save_regs 1
    mov x27, #\n
    b trap_bad_entry
.endm

    .section .text.vectors, "ax"
    .balign 2048
    .globl vectors
    .hidden vectors
vectors:
    bad_vector 0 /* current EL with SP_EL0: the kernel never selects it */
    bad_vector 1
    bad_vector 2
    bad_vector 3

    .balign 128 /* current EL, SP_EL1: synchronous */
    add sp, sp, x0 /* x0 = the stack pointer, without a free register to put it in */
    sub x0, sp, x0
    msr tpidrro_el0, x1
    mrs x1, tpidr_el1
    ldr x1, [x1, #CTX_STACK_TOP]
    sub x1, x1, x0
    add x1, x1, #REGS_SIZE
    cmp x1, #STACK_SIZE_ASM
    b.hi kernel_stack_overflow
    mrs x1, tpidrro_el0
    msr tpidrro_el0, xzr
    sub x0, sp, x0
    sub sp, sp, x0
    b el1_sync
    .balign 128 /* IRQ */
    b el1_irq
    bad_vector 6 /* FIQ: belongs to the secure world */
    .balign 128 /* SError */
    b el1_serror

    .balign 128 /* lower EL, AArch64: synchronous */
    save_regs 0
    lsr x25, x24, #ESR_EC_SHIFT
    cmp x25, #ESR_EC_SVC64
    b.ne el0_other
    sxtw x8, w8
    b el0_svc
    .balign 128
    b el0_irq
    bad_vector 10
    .balign 128
    b el0_serror

    bad_vector 12 /* lower EL, AArch32: no such program is ever started */
    bad_vector 13
    bad_vector 14
    bad_vector 15

    .text
func el0_svc
    stp x0, x8, [sp, #REGS_ORIG_X0]
    mov x0, sp
    mov x29, xzr
    msr daifclr, #2
    bl upcall_syscall
user_return:
    msr daifset, #2
    mrs x1, tpidr_el1
    ldr w2, [x1, #CTX_PENDING]
    cbnz w2, 1f
2:  restore_regs 0
1:  mov x0, sp
    bl upcall_user_return
    b 2b
endfunc el0_svc

func el0_other
    not_a_call
    mov x0, sp
    mov x1, x24
    mrs x2, far_el1
    mov x29, xzr
    bl trap_user_sync
    b user_return
endfunc el0_other

func el0_irq
    save_regs 0
    not_a_call
    mov x0, sp
    mov w1, wzr
    mov x29, xzr
    bl upcall_irq
    b user_return
endfunc el0_irq

func el0_serror
    save_regs 0
    not_a_call
    mov x0, sp
    mov x1, x24
    mov x29, xzr
    bl trap_serror
    b user_return
endfunc el0_serror

func el1_sync
    save_regs 1
    not_a_call
    mov x0, sp
    mov x1, x24
    mrs x2, far_el1
    bl trap_kernel_sync
kernel_return:
    msr daifset, #2
    restore_regs 1
endfunc el1_sync

func el1_irq
    save_regs 1
    not_a_call
    mov x0, sp
    mov w1, wzr
    bl upcall_irq
    b kernel_return
endfunc el1_irq

func el1_serror
    save_regs 1
    not_a_call
    mov x0, sp
    mov x1, x24
    bl trap_serror
    b kernel_return
endfunc el1_serror

func trap_bad_entry
    not_a_call
    mov x0, sp
    mov x1, x27
    mov x2, x24
    bl trap_bad_vector
endfunc trap_bad_entry

/* x0 = the stack pointer that is too low, sp = that + the old x0, the old x1 in TPIDRRO_EL0. */
func kernel_stack_overflow
    msr tpidr_el0, x0
    sub x1, sp, x0
    adr_l x0, panic_stack_top
    mov sp, x0
    mov x0, x1
    mrs x1, tpidrro_el0
    save_regs 1
    not_a_call
    mrs x1, tpidr_el0
    str x1, [sp, #REGS_SP]
    mov x0, sp
    mrs x1, far_el1
    mov x2, x24
    bl trap_stack_overflow
endfunc kernel_stack_overflow

func hal_enter_user
    msr daifset, #2
    mrs x0, tpidr_el1
    ldr x1, [x0, #CTX_STACK_TOP]
    sub sp, x1, #REGS_SIZE
    b user_return
endfunc hal_enter_user

    .bss
    .balign 16
    .skip 8192
panic_stack_top:
