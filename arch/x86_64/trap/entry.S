// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: every way into the kernel and out of it again.
 *
 * Model: each entry builds a struct hal_regs on the thread's kernel stack and calls C.
 *   - SYSCALL: %gs is swapped, the stack comes from this CPU's TSS.
 *   - Exceptions and interrupts: a stub of 16 bytes for each vector pushes an error code (0 where
 *     the CPU pushes none) and the vector; %gs is swapped when the trap came from user mode.
 *   - NMI, #DF, #MC, #DB: may interrupt the few instructions where the mode is the kernel's but %gs
 *     or %rsp still the user's.  They run on IST stacks whose lowest word names the CPU, and save
 *     and restore GS_BASE whatever it was.  From user mode they move to the thread's stack.
 * Return to user: interrupts off, no pending bit.  C preserves the callee-saved registers, so the
 * way back of a frame that nobody changed (its trap word tells: <arch/regs.h>) reloads only the
 * others, and its address is known to be good.  A changed frame is reloaded in full and checked:
 * SYSRET when it is as SYSCALL would leave it, else IRET with our own selectors, so that it cannot
 * fault.
 */
#include <arch/asm.h>

/* Everything below orig_ax; the vector is in %rdi and the user's %rdi in its slot. */
.macro PUSH_REGS_BELOW_DI
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rax
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
.endm

/* The trap word and all registers up to %rdi; leaves %rsp at orig_ax. */
.macro POP_REGS
    popq %r15
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
.endm

/* As above without those that C preserves. */
.macro POP_CALLER_REGS
    addq $(REGS_R11 - REGS_TRAP), %rsp
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
.endm

    .text

/* SDM vol. 2, SYSCALL: %rcx is the return address, %r11 the flags; FMASK turned interrupts off. */
FUNC syscall_entry
    swapgs
    movq %rsp, %gs:CPU_SCRATCH
    movq %gs:CPU_TSS_RSP0, %rsp
    pushq $ASM_USER_DS
    pushq %gs:CPU_SCRATCH
    sti
    pushq %r11
    pushq $ASM_USER_CS
    pushq %rcx
    pushq %rax
    pushq %rdi
    PUSH_REGS_BELOW_DI
    pushq $TRAP_SYSCALL
    movq %rsp, %rdi
    call upcall_syscall
    cli
    movq %gs:CPU_CURRENT, %rax
    cmpl $0, CTX_PENDING(%rax)
    jne user_pending
    cmpq $TRAP_SYSCALL, REGS_TRAP(%rsp)
    jne user_leave
    POP_CALLER_REGS /* %rcx and %r11 are ip and flags */
    movq (REGS_SP - REGS_ORIG_AX)(%rsp), %rsp
    swapgs
    sysretq

user_pending:
    movq %rsp, %rdi
    call upcall_user_return
user_leave:
    movq REGS_IP(%rsp), %rcx
    movq REGS_FLAGS(%rsp), %r11
    cmpq %rcx, REGS_CX(%rsp)
    jne user_iret
    cmpq %r11, REGS_R11(%rsp)
    jne user_iret
    testl $0x10100, %r11d /* RF cannot be restored by SYSRET, TF would trap too early */
    jne user_iret
    shrq $47, %rcx /* SYSRET to a non-canonical address faults in kernel mode (SDM, SYSRET) */
    jne user_bad_ip
    POP_REGS
    movq (REGS_SP - REGS_ORIG_AX)(%rsp), %rsp
    swapgs
    sysretq

user_iret:
    shrq $47, %rcx
    jne user_bad_ip
    movq $ASM_USER_CS, REGS_CS(%rsp)
    movq $ASM_USER_DS, REGS_SS(%rsp)
    POP_REGS
    addq $8, %rsp
    swapgs
    iretq

user_bad_ip:
    movq %rsp, %rdi
    sti
    call trap_bad_ip
    cli
    jmp user_return
ENDFUNC syscall_entry

/* From any trap out of user mode that is no system call. */
.macro USER_RETURN
    cli
    movq %gs:CPU_CURRENT, %rax
    cmpl $0, CTX_PENDING(%rax)
    jne user_pending
    cmpq $TRAP_CHANGED, REGS_TRAP(%rsp)
    je user_leave
    POP_CALLER_REGS
    addq $8, %rsp
    swapgs
    iretq
.endm

user_return:
    USER_RETURN

FUNC hal_enter_user
    cli
    movq %gs:CPU_CURRENT, %rax
    movq CTX_STACK_TOP(%rax), %rsp
    subq $REGS_SIZE, %rsp
    xorl %ebp, %ebp
    cmpl $0, CTX_PENDING(%rax)
    jne user_pending
    jmp user_leave
ENDFUNC hal_enter_user

/* For each vector: on the stack are the vector, the error code and the CPU's frame. */
.macro TRAP_COMMON name, handler
\name:
    xchgq %rdi, (%rsp)
    PUSH_REGS_BELOW_DI
    pushq %rdi
    cld
    CLAC
    movq %rsp, %rdi
    testb $3, REGS_CS(%rsp)
    jz 1f
    swapgs
    call \handler
    USER_RETURN
1:  call \handler
    cli
    POP_CALLER_REGS
    addq $8, %rsp
    iretq
.endm

TRAP_COMMON page_fault_common, trap_page_fault
TRAP_COMMON irq_common, trap_irq
TRAP_COMMON exception_common, trap_exception

ist_common:
    xchgq %rdi, (%rsp)
    PUSH_REGS_BELOW_DI
    pushq %rdi
    cld
    CLAC
    testb $3, REGS_CS(%rsp)
    jnz 1f
    movl $MSR_GS_BASE, %ecx
    rdmsr
    movl %eax, %r14d
    movl %edx, %r15d
    movq %rsp, %rdi
    movq %rsp, %rax
    andq $-ASM_IST_STACK_SIZE, %rax
    movl 4(%rax), %edx
    movl (%rax), %eax
    wrmsr
    call trap_exception
    movl $MSR_GS_BASE, %ecx
    movl %r14d, %eax
    movl %r15d, %edx
    wrmsr
    POP_REGS
    addq $8, %rsp
    iretq
1:  swapgs
    movq %rsp, %rsi
    movq %gs:CPU_TSS_RSP0, %rdi
    subq $REGS_SIZE, %rdi
    movq %rdi, %rsp
    movl $(REGS_SIZE / 8), %ecx
    rep movsq
    movq %rsp, %rdi
    call trap_exception
    jmp user_return

    .balign 16
    .globl trap_stubs
    .hidden trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16, 0xcc
    /* #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX push an error code */
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || \
          vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    .if vector == 14
    jmp page_fault_common
    .elseif vector >= 32
    jmp irq_common
    .elseif vector == 1 || vector == 2 || vector == 8 || vector == 18
    jmp ist_common
    .else
    jmp exception_common
    .endif
    .set vector, vector + 1
    .endr

    .section .note.GNU-stack, "", @progbits
