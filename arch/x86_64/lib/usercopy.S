// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the only instructions that touch user memory (see <hal/usercopy.h>).
 *
 * Model: as in memory.S.  Each access has a FIXUP, where a fault that nobody resolves goes on:
 * copies then finish byte by byte, so that exactly the bytes before the fault are done.
 * A range is accepted when it lies below USER_TOP, without wrapping.
 */
#include <arch/asm.h>
#include <arch/layout.h>

#define EFAULT 14

    .text

/* Leaves for `bad` unless [\addr, \addr + \size) is user space.  Clobbers %rax. */
.macro CHECK_RANGE addr, size, bad
    movabsq $USER_TOP, %rax
    subq \addr, %rax
    jb \bad
    cmpq \size, %rax
    jb \bad
.endm

/* size_t user_copy_in(void *dst, const void *src, size_t n): bytes left over */
FUNC user_copy_in
    CHECK_RANGE %rsi, %rdx, copy_none
    STAC
    cmpq $8, %rdx
    jb 4f
1:  movq -8(%rsi, %rdx), %r8
    leaq -8(%rdi, %rdx), %r9
    leaq -1(%rdx), %rcx
    shrq $3, %rcx
2:  rep movsq
    movq %r8, (%r9)
3:  CLAC
    xorl %eax, %eax
    ret
4:  cmpl $4, %edx
    jb copy_bytes
5:  movl (%rsi), %ecx
6:  movl -4(%rsi, %rdx), %r8d
    movl %ecx, (%rdi)
    movl %r8d, -4(%rdi, %rdx)
    jmp 3b
    FIXUP 1b, copy_bytes
    FIXUP 2b, copy_rest
    FIXUP 5b, copy_bytes
    FIXUP 6b, copy_bytes
ENDFUNC user_copy_in

copy_none:
    movq %rdx, %rax
    ret
copy_rest: /* %r9 + 8 is the end of dst */
    leaq 8(%r9), %rdx
    subq %rdi, %rdx
copy_bytes:
    testq %rdx, %rdx
    jz 3f
1:  movb (%rsi), %al
2:  movb %al, (%rdi)
    incq %rsi
    incq %rdi
    decq %rdx
    jnz 1b
3:  CLAC
    movq %rdx, %rax
    ret
    FIXUP 1b, 3b
    FIXUP 2b, 3b

/* size_t user_copy_out(void *dst, const void *src, size_t n): bytes left over */
FUNC user_copy_out
    CHECK_RANGE %rdi, %rdx, copy_none
    STAC
    cmpq $8, %rdx
    jb 4f
    movq -8(%rsi, %rdx), %r8
    leaq -8(%rdi, %rdx), %r9
    leaq -1(%rdx), %rcx
    shrq $3, %rcx
1:  rep movsq
2:  movq %r8, (%r9)
3:  CLAC
    xorl %eax, %eax
    ret
4:  cmpl $4, %edx
    jb copy_bytes
    movl (%rsi), %ecx
    movl -4(%rsi, %rdx), %r8d
5:  movl %ecx, (%rdi)
6:  movl %r8d, -4(%rdi, %rdx)
    jmp 3b
    FIXUP 1b, copy_rest
    FIXUP 2b, copy_rest
    FIXUP 5b, copy_bytes
    FIXUP 6b, copy_bytes
ENDFUNC user_copy_out

/* size_t user_zero(void *dst, size_t n): bytes left over */
FUNC user_zero
    movq %rsi, %rdx
    CHECK_RANGE %rdi, %rdx, copy_none
    STAC
    xorl %eax, %eax
    movq %rdx, %rcx
    shrq $3, %rcx
1:  rep stosq
    movl %edx, %ecx
    andl $7, %ecx
2:  rep stosb
    CLAC
    movq %rcx, %rax
    ret
3:  andl $7, %edx /* %rcx words and the tail are left: go on with bytes */
    leaq (%rdx, %rcx, 8), %rcx
4:  rep stosb
5:  CLAC
    movq %rcx, %rax
    ret
    FIXUP 1b, 3b
    FIXUP 2b, 5b
    FIXUP 4b, 5b
ENDFUNC user_zero

/*
 * ssize_t user_copy_string(char *dst, const char *src, size_t size)
 * By words while eight bytes are left in dst: a word has a zero byte iff
 * (w - 0x01..01) & ~w & 0x80..80 is not 0, and its lowest set bit is in the first one.
 * A word may reach past the NUL into a page that is not there; then bytes decide.
 */
FUNC user_copy_string
    movabsq $USER_TOP, %r11
    subq %rsi, %r11
    jbe 9f
    cmpq %rdx, %r11
    cmovaq %rdx, %r11 /* how many bytes may be looked at */
    xorl %ecx, %ecx
    movabsq $0x0101010101010101, %r9
    movabsq $0x8080808080808080, %r10
    STAC
1:  leaq 8(%rcx), %rax
    cmpq %r11, %rax
    ja 4f
2:  movq (%rsi, %rcx), %r8
    movq %r8, (%rdi, %rcx)
    movq %r8, %rax
    subq %r9, %rax
    notq %r8
    andq %r10, %rax
    andq %r8, %rax
    jnz 3f
    addq $8, %rcx
    jmp 1b
3:  bsfq %rax, %rax
    shrl $3, %eax
    addq %rcx, %rax
    CLAC
    ret
4:  cmpq %r11, %rcx
    jae 7f
5:  movb (%rsi, %rcx), %al
    movb %al, (%rdi, %rcx)
    testb %al, %al
    jz 6f
    incq %rcx
    jmp 4b
6:  CLAC
    movq %rcx, %rax
    ret
7:  cmpq %rdx, %rcx /* no NUL in size bytes, or user space ended */
    je 6b
8:  CLAC
9:  movq $-EFAULT, %rax
    ret
    FIXUP 2b, 4b
    FIXUP 5b, 8b
ENDFUNC user_copy_string

/* One word; \reg is the register that holds it. */
.macro USER_LOAD name, size, reg
FUNC \name
    CHECK_RANGE %rdi, $\size, word_bad
    STAC
1:  mov (%rdi), \reg
    CLAC
    mov \reg, (%rsi)
    xorl %eax, %eax
    ret
    FIXUP 1b, word_fault
ENDFUNC \name
.endm

.macro USER_STORE name, size, reg
FUNC \name
    CHECK_RANGE %rdi, $\size, word_bad
    STAC
1:  mov \reg, (%rdi)
    CLAC
    xorl %eax, %eax
    ret
    FIXUP 1b, word_fault
ENDFUNC \name
.endm

USER_LOAD user_load_u32, 4, %ecx
USER_LOAD user_load_u64, 8, %rcx
USER_STORE user_store_u32, 4, %esi
USER_STORE user_store_u64, 8, %rsi

/* err_t user_cas_u32(uint32_t *p, uint32_t expected, uint32_t v, uint32_t *old) */
FUNC user_cas_u32
    CHECK_RANGE %rdi, $4, word_bad
    movl %esi, %eax
    STAC
1:  lock cmpxchgl %edx, (%rdi)
    CLAC
    movl %eax, (%rcx)
    xorl %eax, %eax
    ret
    FIXUP 1b, word_fault
ENDFUNC user_cas_u32

/*
 * err_t user_fpu_save(void *area, bool xsave), err_t user_fpu_load(const void *area, bool xsave)
 * The running thread's registers; the range was checked.  A state that the CPU refuses is -EFAULT.
 */
FUNC user_fpu_save
    movl %esi, %ecx
    movl $-1, %eax
    movl %eax, %edx
    STAC
    testl %ecx, %ecx
    jz 2f
1:  xsave64 (%rdi)
    jmp 3f
2:  fxsave64 (%rdi)
3:  CLAC
    xorl %eax, %eax
    ret
    FIXUP 1b, word_fault
    FIXUP 2b, word_fault
ENDFUNC user_fpu_save

FUNC user_fpu_load
    movl %esi, %ecx
    movl $-1, %eax
    movl %eax, %edx
    STAC
    testl %ecx, %ecx
    jz 2f
1:  xrstor64 (%rdi)
    jmp 3f
2:  fxrstor64 (%rdi)
3:  CLAC
    xorl %eax, %eax
    ret
    FIXUP 1b, word_fault
    FIXUP 2b, word_fault
ENDFUNC user_fpu_load

word_fault:
    CLAC
word_bad:
    movl $-EFAULT, %eax
    ret

    .section .note.GNU-stack, "", @progbits
