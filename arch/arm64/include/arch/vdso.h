// SPDX-License-Identifier: CC0-1.0
/* Purpose: what the kernel knows of the vDSO's inside; vdso/vdso.lds puts it there. */
#pragma once

#define VDSO_SIGRETURN_OFFSET 0x800
