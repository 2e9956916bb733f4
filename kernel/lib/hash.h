// SPDX-License-Identifier: CC0-1.0
/* Purpose: FNV-1a for strings and bytes, and a mixer for integers (hash tables, type names). */
#pragma once

#include <lib/types.h>

#define FNV1A_64_INIT 0xcbf29ce484222325ull
#define FNV1A_64_PRIME 0x100000001b3ull
#define FNV1A_32_INIT 0x811c9dc5u
#define FNV1A_32_PRIME 0x01000193u

uint64_t fnv1a_64(const void *data, size_t n);
uint32_t fnv1a_32(const void *data, size_t n);
/* Goes on from `h` (start with FNV1A_64_INIT). */
uint64_t fnv1a_64_more(uint64_t h, const void *data, size_t n);
uint64_t fnv1a_64_str(const char *s);

/* Spreads an integer key over all 64 bits; take the top ones. */
static inline uint64_t hash_u64(uint64_t x)
{
    x ^= x >> 32;
    x *= 0x9e3779b97f4a7c15ull;
    return x ^ x >> 29;
}
