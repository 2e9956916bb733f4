// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: included before every file of the kernel: what is declared is in this image, too.
 * -fvisibility=hidden speaks of definitions only; without this the address of a function that is
 * merely declared is loaded from a global offset table.
 */
#ifndef __ASSEMBLER__
#pragma GCC visibility push(hidden)
#endif
