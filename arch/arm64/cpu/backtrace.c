// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: return addresses by the frame records of AAPCS64: [x29] = caller's x29, [x29 + 8] = lr.
 * Model: a chain must rise strictly inside the running thread's stack (or the panic stack, whose
 * records end where they leave it).
 */
#include <hal/context.h>

struct frame_record {
    uintptr_t fp, lr;
};

static bool record_valid(uintptr_t fp, uintptr_t low, uintptr_t high)
{
    return fp >= low && fp % 16 == 0 && fp <= high - sizeof(struct frame_record);
}

void hal_backtrace(uintptr_t ip, uintptr_t fp, unsigned max, void (*step)(uintptr_t ip))
{
    uintptr_t top = hal_current()->stack_top, low = top - KERNEL_STACK_SIZE;

    if (ip != 0 && max != 0) {
        step(ip);
        max--;
    }
    while (max-- != 0 && record_valid(fp, low, top)) {
        const struct frame_record *f = (const struct frame_record *)fp;

        if (f->lr == 0)
            return;
        step(f->lr - 4);
        low = fp + sizeof *f;
        fp = f->fp;
    }
}
