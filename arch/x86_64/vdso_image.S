// SPDX-License-Identifier: CC0-1.0
/* Purpose: the linked vDSO as whole pages of the kernel image. */
    .section .rodata.vdso, "a"
    .balign 4096
    .globl vdso_image, vdso_image_end
    .hidden vdso_image, vdso_image_end
vdso_image:
    .incbin VDSO_PATH
vdso_image_end:
    .balign 4096

    .section .note.GNU-stack, "", @progbits
