// SPDX-License-Identifier: CC0-1.0
/* Purpose: the vDSO inside the kernel, in whole pages. */
    .section .rodata.vdso, "a"
    .balign 4096
    .globl vdso_image_start, vdso_image_end
    .hidden vdso_image_start, vdso_image_end
vdso_image_start:
    .incbin VDSO_PATH
    .balign 4096
vdso_image_end:
