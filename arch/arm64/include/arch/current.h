// SPDX-License-Identifier: CC0-1.0
/* Purpose: the running thread's context, kept in TPIDR_EL1. */
#pragma once

struct hal_context;

/* Not volatile and without a memory clobber: within one function the answer never changes, since
 * a thread is itself whatever CPU it runs on. */
static inline struct hal_context *hal_current(void)
{
    struct hal_context *c;

    __asm__("mrs %0, tpidr_el1" : "=r"(c));
    return c;
}
