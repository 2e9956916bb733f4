// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: ranges, searches and counts over arrays of bits, a word at a time.
 * Model: `mask_from(i)` has the bits i.. of a word set, `mask_below(i)` the bits 0..i-1.
 */
#include <lib/bitmap.h>

static inline uint64_t mask_from(size_t i)
{
    return ~0ull << (i % 64);
}

/* Of a count of 1..64 bits: the last word's share when `end` is a multiple of 64 is all of it. */
static inline uint64_t mask_below(size_t end)
{
    return ~0ull >> (-end % 64);
}

void bitmap_set_range(uint64_t *map, size_t from, size_t count)
{
    size_t end = from + count, w = from / 64, last;

    if (count == 0)
        return;
    last = (end - 1) / 64;
    if (w == last) {
        map[w] |= mask_from(from) & mask_below(end);
        return;
    }
    map[w] |= mask_from(from);
    while (++w < last)
        map[w] = ~0ull;
    map[last] |= mask_below(end);
}

void bitmap_clear_range(uint64_t *map, size_t from, size_t count)
{
    size_t end = from + count, w = from / 64, last;

    if (count == 0)
        return;
    last = (end - 1) / 64;
    if (w == last) {
        map[w] &= ~(mask_from(from) & mask_below(end));
        return;
    }
    map[w] &= ~mask_from(from);
    while (++w < last)
        map[w] = 0;
    map[last] &= ~mask_below(end);
}

/* First bit that differs from `flip`'s: flip = 0 finds set bits, ~0 clear ones. */
static size_t find(const uint64_t *map, size_t bits, size_t from, uint64_t flip)
{
    size_t w, i;
    uint64_t word;

    if (from >= bits)
        return BITMAP_NONE;
    w = from / 64;
    word = (map[w] ^ flip) & mask_from(from);
    while (word == 0) {
        if (++w * 64 >= bits)
            return BITMAP_NONE;
        word = map[w] ^ flip;
    }
    i = w * 64 + (size_t)__builtin_ctzll(word);
    return i < bits ? i : BITMAP_NONE;
}

size_t bitmap_find_set(const uint64_t *map, size_t bits, size_t from)
{
    return find(map, bits, from, 0);
}

size_t bitmap_find_clear(const uint64_t *map, size_t bits, size_t from)
{
    return find(map, bits, from, ~0ull);
}

/* Set bits of a word, by pairs, nibbles and bytes; no library call, no instruction beyond the
 * baseline. */
static inline unsigned word_count(uint64_t x)
{
    x -= x >> 1 & 0x5555555555555555ull;
    x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
    return (unsigned)(x * 0x0101010101010101ull >> 56);
}

size_t bitmap_count(const uint64_t *map, size_t bits)
{
    size_t n = 0, w;

    for (w = 0; w < bits / 64; w++)
        n += word_count(map[w]);
    if (bits % 64 != 0)
        n += word_count(map[w] & mask_below(bits));
    return n;
}
