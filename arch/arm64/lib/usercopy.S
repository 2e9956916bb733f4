// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the only instructions that touch user memory (<hal/usercopy.h>).
 *
 * Model: plain loads and stores, as EL1 may do exactly what EL0 may for user pages, but for execute.
 * A copy keeps the ends of both sides in x3 (destination) and x4 (source) and moves x0 on only after
 * a store: when a fault cannot be resolved the rest is x3 - x0, and is retried byte by byte to find
 * the exact end.
 * Long copies take 128 bytes a turn through four vector registers with interrupts off.  They never
 * resolve a fault there: its fixup puts the registers back, and the plain loop meets it again.
 */
#include <arch/asm.h>
#include <arch/layout.h>

#define VECTOR_MIN 512
#define VECTOR_TURN 4096 /* bytes with interrupts off */

    .arch armv8-a
    .text
/* Fails to `bad` unless [p, p + n) lies below USER_TOP. */
.macro user_check p, n, tmp, bad
    mov \tmp, #USER_TOP
    subs \tmp, \tmp, \n
    b.lo \bad
    cmp \p, \tmp
    b.hi \bad
.endm

/* size_t user_copy_in(void *dst, const void __user *src, size_t n) */
func user_copy_in
    user_check x1, x2, x9, copy_refused
    b copy
copy_refused:
    mov x0, x2
    ret
endfunc user_copy_in

/* size_t user_copy_out(void __user *dst, const void *src, size_t n) */
func user_copy_out
    user_check x0, x2, x9, copy_refused
copy:
    user_open 9
    add x3, x0, x2
    add x4, x1, x2
    cmp x2, #VECTOR_MIN
    b.hs copy_vector
copy_start:
copy_plain:
    subs x2, x2, #64
    b.lo 2f
1:  ldp x5, x6, [x1]
    ldp x7, x8, [x1, #16]
    ldp x9, x10, [x1, #32]
    ldp x11, x12, [x1, #48]
    stp x5, x6, [x0]
    stp x7, x8, [x0, #16]
    stp x9, x10, [x0, #32]
    stp x11, x12, [x0, #48]
    add x1, x1, #64
    add x0, x0, #64
    subs x2, x2, #64
    b.hs 1b
2:  tbz x2, #5, 1f
    ldp x5, x6, [x1], #16
    ldp x7, x8, [x1], #16
    stp x5, x6, [x0], #16
    stp x7, x8, [x0], #16
1:  tbz x2, #4, 1f
    ldp x5, x6, [x1], #16
    stp x5, x6, [x0], #16
1:  tbz x2, #3, 1f
    ldr x5, [x1], #8
    str x5, [x0], #8
1:  tbz x2, #2, 1f
    ldr w5, [x1], #4
    str w5, [x0], #4
1:  tbz x2, #1, 1f
    ldrh w5, [x1], #2
    strh w5, [x0], #2
1:  tbz x2, #0, copy_end
    ldrb w5, [x1], #1
    strb w5, [x0], #1
copy_end:
    user_close 9
    sub x0, x3, x0
    ret

copy_bytes: /* fixup of the above */
    sub x2, x3, x0
    sub x1, x4, x2
copy_bytes_start:
1:  cmp x0, x3
    b.eq copy_end
    ldrb w5, [x1], #1
    strb w5, [x0], #1
    b 1b
copy_bytes_end:
    extable copy_start, copy_end, copy_bytes
    extable copy_bytes_start, copy_bytes_end, copy_end

/* x2 >= VECTOR_MIN bytes left.  x10 = the caller's DAIF, x9 = bytes of this turn. */
copy_vector:
    mrs x10, daif
    sub sp, sp, #64
3:  mov x9, #VECTOR_TURN
    cmp x2, x9
    csel x9, x2, x9, lo
    and x9, x9, #~127
    sub x2, x2, x9
    msr daifset, #2
    stp q0, q1, [sp]
    stp q2, q3, [sp, #32]
copy_vector_start:
1:  ldp q0, q1, [x1]
    ldp q2, q3, [x1, #32]
    stp q0, q1, [x0]
    stp q2, q3, [x0, #32]
    ldp q0, q1, [x1, #64]
    ldp q2, q3, [x1, #96]
    stp q0, q1, [x0, #64]
    stp q2, q3, [x0, #96]
    add x1, x1, #128
    add x0, x0, #128
    subs x9, x9, #128
    b.ne 1b
copy_vector_end:
    ldp q0, q1, [sp]
    ldp q2, q3, [sp, #32]
    msr daif, x10
    cmp x2, #128
    b.hs 3b
    add sp, sp, #64
    b copy_plain

/* The turn faulted with at least 128 bytes left: move those plainly, which resolves the fault. */
copy_vector_fault:
    ldp q0, q1, [sp]
    ldp q2, q3, [sp, #32]
    msr daif, x10
    add sp, sp, #64
copy_again_start:
    .rept 2
    ldp x5, x6, [x1]
    ldp x7, x8, [x1, #16]
    ldp x9, x10, [x1, #32]
    ldp x11, x12, [x1, #48]
    stp x5, x6, [x0]
    stp x7, x8, [x0, #16]
    stp x9, x10, [x0, #32]
    stp x11, x12, [x0, #48]
    add x1, x1, #64
    add x0, x0, #64
    .endr
copy_again_end:
    sub x2, x3, x0
    cmp x2, #VECTOR_MIN
    b.hs copy_vector
    b copy_plain
    extable copy_vector_start, copy_vector_end, copy_vector_fault, 1
    extable copy_again_start, copy_again_end, copy_bytes
endfunc user_copy_out

/* size_t user_zero(void __user *dst, size_t n) */
func user_zero
    user_check x0, x1, x9, 3f
    user_open 9
    add x3, x0, x1
zero_start:
    subs x1, x1, #64
    b.lo 2f
1:  stp xzr, xzr, [x0]
    stp xzr, xzr, [x0, #16]
    stp xzr, xzr, [x0, #32]
    stp xzr, xzr, [x0, #48]
    add x0, x0, #64
    subs x1, x1, #64
    b.hs 1b
2:  add x1, x1, #64
1:  cmp x1, #8
    b.lo zero_tail
    str xzr, [x0], #8
    sub x1, x1, #8
    b 1b
zero_tail:
1:  cmp x0, x3
    b.eq zero_end
    strb wzr, [x0], #1
    b 1b
zero_end:
    user_close 9
    sub x0, x3, x0
    ret
3:  mov x0, x1
    ret
    extable zero_start, zero_tail, zero_tail
    extable zero_tail, zero_end, zero_end
endfunc user_zero

/*
 * ssize_t user_copy_string(char *dst, const char __user *src, size_t size)
 * x3 = first dst, x4 = bytes that may be read, x5 = dst's size.  Eight bytes a turn; a word has a
 * zero byte when (w - 0x01..01) & ~w & 0x80..80 is not 0, and its lowest set bit marks the first.
 * A word that cannot be read (the string may end before the page) is read by bytes.
 */
func user_copy_string
    mov x3, x0
    mov x5, x2
    mov x9, #USER_TOP
    subs x4, x9, x1
    b.ls string_fault
    cmp x4, x2
    csel x4, x4, x2, lo
    mov x7, #0x0101010101010101
    user_open 9
string_words:
1:  cmp x4, #8
    b.lo string_bytes
    ldr x6, [x1]
    sub x8, x6, x7
    bic x8, x8, x6
    ands x8, x8, #0x8080808080808080
    str x6, [x0]
    b.ne 2f
    add x1, x1, #8
    add x0, x0, #8
    sub x4, x4, #8
    b 1b
2:  rbit x8, x8
    clz x8, x8
    add x0, x0, x8, lsr #3
    b string_done
string_bytes:
1:  cbz x4, string_long
    ldrb w6, [x1], #1
    strb w6, [x0]
    cbz w6, string_done
    add x0, x0, #1
    sub x4, x4, #1
    b 1b
string_done:
    user_close 9
    sub x0, x0, x3
    ret
string_long: /* no NUL: dst is full, or user memory ends */
    user_close 9
    sub x0, x0, x3
    cmp x0, x5
    b.ne string_fault
    ret
string_bad:
    user_close 9
string_fault:
    mov x0, #-14 /* -EFAULT */
    ret
    extable string_words, string_bytes, string_bytes
    extable string_bytes, string_done, string_bad
endfunc user_copy_string

/* err_t user_load_uN(const uintN_t __user *p, uintN_t *out): an unaligned word is a fault. */
.macro user_load name, bytes, reg
func \name
    tst x0, #(\bytes - 1)
    b.ne word_fault
    user_check x0, #\bytes, x9, word_fault
    user_open 9
\name\()_start:
    ldr \reg\()3, [x0]
\name\()_end:
    user_close 9
    str \reg\()3, [x1]
    mov w0, #0
    ret
    extable \name\()_start, \name\()_end, word_bad
endfunc \name
.endm

.macro user_store name, bytes, reg
func \name
    tst x0, #(\bytes - 1)
    b.ne word_fault
    user_check x0, #\bytes, x9, word_fault
    user_open 9
\name\()_start:
    str \reg\()1, [x0]
\name\()_end:
    user_close 9
    mov w0, #0
    ret
    extable \name\()_start, \name\()_end, word_bad
endfunc \name
.endm

    user_load user_load_u32, 4, w
    user_load user_load_u64, 8, x
    user_store user_store_u32, 4, w
    user_store user_store_u64, 8, x

/* err_t user_cas_u32(uint32_t __user *p, uint32_t expected, uint32_t v, uint32_t *old) */
func user_cas_u32
    tst x0, #3
    b.ne word_fault
    user_check x0, #4, x9, word_fault
    user_open 9
cas_start:
1:  ldaxr w4, [x0]
    cmp w4, w1
    b.ne 2f
    stlxr w5, w2, [x0]
    cbnz w5, 1b
    b 3f
cas_end:
2:  clrex
3:  user_close 9
    str w4, [x3]
    mov w0, #0
    ret
    extable cas_start, cas_end, word_bad
endfunc user_cas_u32

word_bad:
    user_close 9
word_fault:
    mov w0, #-14
    ret
