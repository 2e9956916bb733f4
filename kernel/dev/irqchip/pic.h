// SPDX-License-Identifier: CC0-1.0
/* Purpose: what another interrupt controller does with the 8259s that it takes the place of. */
#pragma once

/* Masks all lines.  Firmware leaves some of them open, at vectors that are exceptions to us. */
void pic_silence(void);
