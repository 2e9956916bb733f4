// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: free frames in a bitmap with summary levels; see region.h for the model.
 * Invariants (region_check): (1) a summary bit is set exactly when the word below is not 0; (2) a
 * bit of `full` is set exactly when its word of level[0] is all ones; (3) `free` counts the set
 * bits; (4) bits before `start` and behind `end` are 0.
 */
#include <core/panic.h>
#include <lib/bitmap.h>
#include <mm/region.h>

#include <hal/mmu.h>

#define ALL_FREE (~0ull)

#ifdef CONFIG_DEBUG
static uint64_t work; /* the owner's lock; for tests */
#define WORK_COUNT_N(n) ((void)(work += (n)))
#else
static const uint64_t work = 0;
#define WORK_COUNT_N(n) ((void)0)
#endif
#define WORK_COUNT() WORK_COUNT_N(1)

uint64_t region_work(void)
{
    return work;
}

size_t region_bitmap_bytes(pfn_t start, pfn_t end)
{
    size_t words = BITMAP_WORDS(end - ALIGN_DOWN(start, 64)), total = BITMAP_WORDS(words);

    for (;;) {
        total += words;
        if (words == 1)
            return total * sizeof(uint64_t);
        words = BITMAP_WORDS(words);
    }
}

void region_init(struct frame_region *r, pfn_t start, pfn_t end, unsigned node, void *bitmap)
{
    uint64_t *at = bitmap;
    size_t words;

    *r = (struct frame_region){ .start = start, .end = end, .base = ALIGN_DOWN(start, 64),
                                .node = node };
    r->bits = end - r->base;
    for (words = BITMAP_WORDS(r->bits);; words = BITMAP_WORDS(words)) {
        K_ASSERT(r->levels < REGION_LEVELS_MAX);
        r->level[r->levels] = at;
        r->words[r->levels++] = words;
        at += words;
        if (words == 1)
            break;
    }
    r->full = at;
}

/* Word `w` of the bitmap has just become non-zero. */
static void summary_set(struct frame_region *r, size_t w)
{
    for (unsigned k = 1; k < r->levels; k++) {
        uint64_t before = r->level[k][w / 64];

        WORK_COUNT();
        bitmap_set(r->level[k], w);
        if (before != 0)
            return; /* the levels above know already */
        w /= 64;
    }
}

/* Word `w` of the bitmap has just become zero. */
static void summary_clear(struct frame_region *r, size_t w)
{
    for (unsigned k = 1; k < r->levels; k++) {
        WORK_COUNT();
        bitmap_clear(r->level[k], w);
        if (r->level[k][w / 64] != 0)
            return;
        w /= 64;
    }
}

static void word_give(struct frame_region *r, size_t w, uint64_t mask)
{
    uint64_t before = r->level[0][w];

    WORK_COUNT();
    K_ASSERT((before & mask) == 0); /* freed twice otherwise */
    r->level[0][w] = before | mask;
    if (before == 0)
        summary_set(r, w);
    if ((before | mask) == ALL_FREE)
        bitmap_set(r->full, w);
}

static void word_take(struct frame_region *r, size_t w, uint64_t mask)
{
    uint64_t before = r->level[0][w];

    WORK_COUNT();
    K_DEBUG_ASSERT((before & mask) == mask);
    r->level[0][w] = before & ~mask;
    if (before == ALL_FREE)
        bitmap_clear(r->full, w);
    if ((before & ~mask) == 0)
        summary_clear(r, w);
}

/* Calls word_give or word_take for each word of [bit, bit + count). */
static void run_change(struct frame_region *r, size_t bit, size_t count,
                       void (*change)(struct frame_region *r, size_t w, uint64_t mask))
{
    while (count > 0) {
        size_t at = bit % 64, n = MIN(count, 64 - at);
        uint64_t mask = (n == 64 ? ALL_FREE : (1ull << n) - 1) << at;

        change(r, bit / 64, mask);
        bit += n;
        count -= n;
    }
}

void region_give(struct frame_region *r, pfn_t pfn, size_t count)
{
    K_ASSERT(pfn >= r->start && pfn + count <= r->end);
    run_change(r, pfn - r->base, count, word_give);
    r->free += count;
}

size_t region_take(struct frame_region *r, paddr_t *out, size_t n)
{
    size_t taken = 0;

    while (taken < n && r->free > 0) {
        size_t w = frame_policy->word(r);
        uint64_t word = r->level[0][w], left = word;

        for (; left != 0 && taken < n; left &= left - 1)
            out[taken++] = PFN_ADDR(r->base + w * 64 + (size_t)__builtin_ctzll(left));
        WORK_COUNT_N(r->levels - 1);
        r->free -= bitmap_count(&(uint64_t){ word ^ left }, 64);
        word_take(r, w, word ^ left);
    }
    return taken;
}

/* --- runs --- */

/* Index of the first multiple of `align` frames at or after bit `i`. */
static size_t align_bit(const struct frame_region *r, size_t i, uint64_t align)
{
    return ALIGN_UP(r->base + i, align) - r->base;
}

/* A run of fewer than 64 frames, or of unaligned length: bit by bit, empty words skipped. */
static size_t run_find(const struct frame_region *r, size_t count, uint64_t align)
{
    size_t i = align_bit(r, r->start - r->base, align);

    while (i + count <= r->bits) {
        size_t used = bitmap_find_clear(r->level[0], i + count, i);

        if (used == BITMAP_NONE)
            return i;
        i = bitmap_find_set(r->level[0], r->bits, used);
        if (i == BITMAP_NONE)
            break;
        i = align_bit(r, i, align);
    }
    return BITMAP_NONE;
}

/* A run of whole aligned words: sought in `full`, 64 times faster. */
static size_t run_find_words(const struct frame_region *r, size_t count, uint64_t align)
{
    size_t words = r->bits / 64, need = DIV_ROUND_UP(count, 64);
    size_t w = align_bit(r, 0, align) / 64;

    while (w + need <= words) {
        size_t used = bitmap_find_clear(r->full, w + need, w);

        if (used == BITMAP_NONE)
            return w * 64;
        w = bitmap_find_set(r->full, words, used);
        if (w == BITMAP_NONE)
            break;
        w = align_bit(r, w * 64, align) / 64;
    }
    return BITMAP_NONE;
}

pfn_t region_take_run(struct frame_region *r, size_t count, uint64_t align_frames)
{
    size_t bit;

    if (count > r->free)
        return PFN_NONE;
    bit = align_frames >= 64 && count >= 64 ? run_find_words(r, count, align_frames)
                                            : run_find(r, count, align_frames);
    if (bit == BITMAP_NONE && align_frames >= 64 && count >= 64 && count % 64 != 0)
        bit = run_find(r, count, align_frames); /* the last word need not be all free */
    if (bit == BITMAP_NONE)
        return PFN_NONE;
    run_change(r, bit, count, word_take);
    r->free -= count;
    return r->base + bit;
}

/* --- checks --- */

bool region_is_free(const struct frame_region *r, pfn_t pfn)
{
    return region_has(r, pfn) && bitmap_test(r->level[0], pfn - r->base);
}

bool region_check(const struct frame_region *r)
{
    size_t outside = r->start - r->base;

    for (unsigned k = 1; k < r->levels; k++)
        for (size_t w = 0; w < r->words[k - 1]; w++)
            if (bitmap_test(r->level[k], w) != (r->level[k - 1][w] != 0))
                return false;
    for (size_t w = 0; w < r->words[0]; w++)
        if (bitmap_test(r->full, w) != (r->level[0][w] == ALL_FREE))
            return false;
    if (outside > 0 && bitmap_find_set(r->level[0], outside, 0) != BITMAP_NONE)
        return false;
    if (r->bits % 64 != 0 && r->level[0][r->words[0] - 1] >> (r->bits % 64) != 0)
        return false;
    return bitmap_count(r->level[0], r->bits) == r->free;
}
