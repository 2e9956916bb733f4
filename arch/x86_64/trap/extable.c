// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: where execution goes on when a user copy hits memory that cannot be had.
 * Model: one pair of addresses for each instruction that touches user memory (FIXUP in
 * <arch/asm.h>), a few dozen in all; looked through only when a program passed a bad pointer.
 */
#include <trap/idt.h>

struct fixup {
    int32_t at, to; /* each relative to itself */
};

extern const struct fixup __start_fault_fixups[], __stop_fault_fixups[];

bool fault_fixup(struct hal_regs *r)
{
    for (const struct fixup *f = __start_fault_fixups; f < __stop_fault_fixups; f++)
        if ((uintptr_t)&f->at + (uintptr_t)(intptr_t)f->at == r->ip) {
            r->ip = (uintptr_t)&f->to + (uintptr_t)(intptr_t)f->to;
            return true;
        }
    return false;
}
