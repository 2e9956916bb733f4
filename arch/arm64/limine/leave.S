// SPDX-License-Identifier: CC0-1.0
/* Purpose: the way out of the loader's world is that of the EFI stub. */
#include "../efi/leave.S"

    .section .note.GNU-stack, "", %progbits
