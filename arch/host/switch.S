// SPDX-License-Identifier: CC0-1.0
/* Purpose: the change of stacks on the host: callee-saved registers on the old stack, no more. */

    .text
    .globl host_switch_stack, host_stack_entry
    .hidden host_switch_stack, host_stack_entry
    .type host_switch_stack, %function
    .type host_stack_entry, %function

#if defined __x86_64__
host_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret

/* Entered by the ret above with rsp a multiple of 16, as before a call. */
host_stack_entry:
    xorl %ebp, %ebp
    call host_context_main
    ud2
#elif defined __aarch64__
host_switch_stack:
    stp x29, x30, [sp, #-160]!
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x2, sp
    str x2, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp], #160
    ret

host_stack_entry:
    mov x29, xzr
    bl host_context_main
    brk #0
#else
#error "the host is x86_64 or arm64"
#endif

    .size host_switch_stack, . - host_switch_stack
    .section .note.GNU-stack, "", %progbits
