// SPDX-License-Identifier: CC0-1.0
/* Purpose: turns the placeholders of <arch/asm.h> into STAC and CLAC; before the image is W^X. */
#pragma once

void smap_patch(void);
