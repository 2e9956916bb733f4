// SPDX-License-Identifier: CC0-1.0
/* Purpose: the instructions of a context switch: System V's callee-saved registers and the stack. */
#include <arch/asm.h>

    .text

/* struct hal_context *context_switch(struct hal_context *prev, struct hal_context *next) */
FUNC context_switch
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, CTX_SP(%rdi)
    movq CTX_SP(%rsi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    movq %rdi, %rax
    ret
ENDFUNC context_switch

/* Where a context that never ran returns to: entry in %r12, its argument in %r13. */
FUNC context_start
    movq %rax, %rdi
    movq %r13, %rsi
    call *%r12
    ud2
ENDFUNC context_start

    .section .note.GNU-stack, "", @progbits
