// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a read of device registers that may not be there (<hal/io.h>).
 * Model: what nothing answers is an external abort, which the CPU takes at the load itself where that is
 * synchronous; the extable leads on.
 */
#include <arch/asm.h>

    .arch armv8-a
    .text

/* bool mmio_probe32(const volatile void *p, uint32_t *out) */
func mmio_probe32
probe_start:
    ldr w2, [x0]
    dsb sy
probe_end:
    str w2, [x1]
    mov w0, #1
    ret
probe_nothing:
    mov w0, #0
    ret
    extable probe_start, probe_end, probe_nothing, 1
endfunc mmio_probe32
