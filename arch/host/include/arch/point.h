// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a point where another CPU may go on: each atomic operation of the kernel is one while
 * interleavings are explored.  One load and test otherwise.
 */
#pragma once

extern unsigned host_point_odds; /* one point in so many may change the CPU; 0: none does */
void host_point(void);

static inline void arch_point(void)
{
    if (__builtin_expect(host_point_odds != 0, 0))
        host_point();
}
