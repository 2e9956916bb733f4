// SPDX-License-Identifier: CC0-1.0
/* Purpose: arithmetic that says when it overflows.  Each returns true on overflow. */
#pragma once

#include <lib/types.h>

#define add_overflow(a, b, out) __builtin_add_overflow(a, b, out)
#define sub_overflow(a, b, out) __builtin_sub_overflow(a, b, out)
#define mul_overflow(a, b, out) __builtin_mul_overflow(a, b, out)

/* Does [start, start + len) lie in [0, limit) without wrapping? */
static inline bool range_fits(uint64_t start, uint64_t len, uint64_t limit)
{
    return start <= limit && len <= limit - start;
}

static inline bool ranges_overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a_len != 0 && b_len != 0 && a < b + b_len && b < a + a_len;
}
