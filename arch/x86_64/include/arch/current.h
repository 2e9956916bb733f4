// SPDX-License-Identifier: CC0-1.0
/* Purpose: the running context, one load from the CPU's record at %gs. */
#pragma once

#include <lib/types.h>

struct hal_context;

/*
 * Neither volatile nor dependent on memory, so the compiler may reuse the answer, even across
 * hal_switch: a context that runs again finds itself.
 */
static inline struct hal_context *hal_current(void)
{
    struct hal_context *c;

    __asm__("movq %%gs:8, %0" : "=r"(c));
    return c;
}
