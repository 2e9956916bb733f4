// SPDX-License-Identifier: CC0-1.0
/* Purpose: arrays of bits in 64-bit words.  Locking: the owner's; none is atomic. */
#pragma once

#include <lib/types.h>

#define BITMAP_WORDS(bits) DIV_ROUND_UP((size_t)(bits), 64)
#define BITMAP_NONE SIZE_MAX

static inline bool bitmap_test(const uint64_t *map, size_t i)
{
    return map[i / 64] >> (i % 64) & 1;
}

static inline void bitmap_set(uint64_t *map, size_t i)
{
    map[i / 64] |= 1ull << (i % 64);
}

static inline void bitmap_clear(uint64_t *map, size_t i)
{
    map[i / 64] &= ~(1ull << (i % 64));
}

void bitmap_set_range(uint64_t *map, size_t from, size_t count);
void bitmap_clear_range(uint64_t *map, size_t from, size_t count);
/* First set (clear) bit at or after `from` and below `bits`, or BITMAP_NONE. */
size_t bitmap_find_set(const uint64_t *map, size_t bits, size_t from);
size_t bitmap_find_clear(const uint64_t *map, size_t bits, size_t from);
/* Number of set bits below `bits`. */
size_t bitmap_count(const uint64_t *map, size_t bits);
