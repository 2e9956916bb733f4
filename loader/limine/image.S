// SPDX-License-Identifier: CC0-1.0
/* Purpose: the kernel's flat image inside of the entry program. */
    .section .kernel, "a"
    .balign 4096
    .globl kernel_image, kernel_image_end
    .hidden kernel_image, kernel_image_end
kernel_image:
    .incbin KERNEL_IMAGE
kernel_image_end:

    .section .note.GNU-stack, "", %progbits
