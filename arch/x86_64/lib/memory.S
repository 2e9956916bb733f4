// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the C library's memory functions and the page functions.
 *
 * Model: whole words by the string instructions, which cost one instruction a word where
 * instructions are counted, and the rest by one word that overlaps what was already done.  Not
 * `rep movsb`: fast on silicon with ERMS, eight times the work in an emulator.
 */
#include <arch/asm.h>

    .text

/* void *memmove(void *dst, const void *src, size_t n) */
FUNC memmove
    movq %rdi, %rax
    movq %rdi, %rcx
    subq %rsi, %rcx
    cmpq %rdx, %rcx /* unsigned: dst below src, or n or more above it */
    jae copy_forward
    cmpq $8, %rdx
    jb copy_small
    movq (%rsi), %r8
    leaq -8(%rsi, %rdx), %rsi
    leaq -8(%rdi, %rdx), %rdi
    leaq -1(%rdx), %rcx
    shrq $3, %rcx
    std
    rep movsq
    cld
    movq %r8, (%rax)
    ret
ENDFUNC memmove

/* void *memcpy(void *dst, const void *src, size_t n) */
FUNC memcpy
    movq %rdi, %rax
copy_forward:
    cmpq $8, %rdx
    jb copy_small
    movq -8(%rsi, %rdx), %r8
    leaq -8(%rdi, %rdx), %r9
    leaq -1(%rdx), %rcx
    shrq $3, %rcx
    rep movsq
    movq %r8, (%r9)
    ret
/* Loads everything before it stores, so overlap does no harm. */
copy_small:
    cmpl $4, %edx
    jb 1f
    movl (%rsi), %ecx
    movl -4(%rsi, %rdx), %r8d
    movl %ecx, (%rdi)
    movl %r8d, -4(%rdi, %rdx)
    ret
1:  testl %edx, %edx
    jz 2f
    movl %edx, %r10d
    shrl %r10d
    movzbl (%rsi), %ecx
    movzbl -1(%rsi, %rdx), %r8d
    movzbl (%rsi, %r10), %r9d
    movb %cl, (%rdi)
    movb %r9b, (%rdi, %r10)
    movb %r8b, -1(%rdi, %rdx)
2:  ret
ENDFUNC memcpy

/* void *memset(void *dst, int c, size_t n) */
FUNC memset
    movq %rdi, %r9
    movzbl %sil, %eax
    movabsq $0x0101010101010101, %r8
    imulq %r8, %rax
    cmpq $8, %rdx
    jb 1f
    movq %rax, -8(%rdi, %rdx)
    leaq -1(%rdx), %rcx
    shrq $3, %rcx
    rep stosq
    movq %r9, %rax
    ret
1:  cmpl $4, %edx
    jb 2f
    movl %eax, (%rdi)
    movl %eax, -4(%rdi, %rdx)
    movq %r9, %rax
    ret
2:  testl %edx, %edx
    jz 3f
    movb %al, (%rdi)
    movb %al, -1(%rdi, %rdx)
    shrl %edx
    movb %al, (%rdi, %rdx)
3:  movq %r9, %rax
    ret
ENDFUNC memset

/* int memcmp(const void *a, const void *b, size_t n) */
FUNC memcmp
    cmpq $8, %rdx
    jb 2f
    movq -8(%rdi, %rdx), %r8
    movq -8(%rsi, %rdx), %r9
    leaq -1(%rdx), %rcx
    shrq $3, %rcx
    jz 1f
    repe cmpsq
    je 1f
    movq -8(%rdi), %r8
    movq -8(%rsi), %r9
/* What differs first decides: the lowest address is the highest byte after the swap. */
1:  bswapq %r8
    bswapq %r9
    xorl %eax, %eax
    cmpq %r9, %r8
    seta %al
    sbbl $0, %eax
    ret
2:  xorl %ecx, %ecx
3:  cmpq %rdx, %rcx
    je 4f
    movzbl (%rdi, %rcx), %eax
    movzbl (%rsi, %rcx), %r8d
    incq %rcx
    subl %r8d, %eax
    jz 3b
    ret
4:  xorl %eax, %eax
    ret
ENDFUNC memcmp

/* void page_zero(void *page) */
FUNC page_zero
    xorl %eax, %eax
    movl $512, %ecx
    rep stosq
    ret
ENDFUNC page_zero

/* void page_copy(void *dst, const void *src) */
FUNC page_copy
    movl $512, %ecx
    rep movsq
    ret
ENDFUNC page_copy

    .section .note.GNU-stack, "", @progbits
