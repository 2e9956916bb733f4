// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: where signal handlers return to.  Unwinders know the frame by these two instructions.
 */
    .section .text.sigreturn, "ax"
    .globl __kernel_rt_sigreturn
    .type __kernel_rt_sigreturn, %function
__kernel_rt_sigreturn:
    mov x8, #139
    svc #0
    .size __kernel_rt_sigreturn, . - __kernel_rt_sigreturn
    .section .note.GNU-stack, "", %progbits
