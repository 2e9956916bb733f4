// SPDX-License-Identifier: CC0-1.0
/* Purpose: q0-q31, FPSR and FPCR to and from a struct fpsimd_context of <asm/sigcontext.h>. */
#include <arch/asm.h>

    .arch armv8-a
    .text
.macro each_pair op, base
    \op q0, q1, [\base]
    \op q2, q3, [\base, #32]
    \op q4, q5, [\base, #64]
    \op q6, q7, [\base, #96]
    \op q8, q9, [\base, #128]
    \op q10, q11, [\base, #160]
    \op q12, q13, [\base, #192]
    \op q14, q15, [\base, #224]
    \op q16, q17, [\base, #256]
    \op q18, q19, [\base, #288]
    \op q20, q21, [\base, #320]
    \op q22, q23, [\base, #352]
    \op q24, q25, [\base, #384]
    \op q26, q27, [\base, #416]
    \op q28, q29, [\base, #448]
    \op q30, q31, [\base, #480]
.endm

/* void fpu_save(struct fpsimd_context *) */
func fpu_save
    mrs x1, fpsr
    mrs x2, fpcr
    stp w1, w2, [x0, #8]
    add x0, x0, #16
    each_pair stp, x0
    ret
endfunc fpu_save

/* void fpu_load(const struct fpsimd_context *) */
func fpu_load
    ldp w1, w2, [x0, #8]
    add x0, x0, #16
    each_pair ldp, x0
    msr fpsr, x1
    msr fpcr, x2
    ret
endfunc fpu_load
