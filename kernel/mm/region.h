// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the free frames of one stretch of RAM.
 *
 * Model: level[0] is the bitmap (1 = free); bit n of level[k + 1] tells whether word n of level[k]
 * has a set bit; the top level is one word.  `full` has a bit for each word of level[0] that is all
 * ones: long runs are sought there.  The first bit stands for frame `base`, a multiple of 64, so
 * that a word holds an aligned group.
 * Cost: finding, taking and giving a frame: at most `levels` words, whatever the size.
 * Locking: the owner's (LOCK_FRAME).
 */
#pragma once

#include <lib/registry.h>
#include <lib/types.h>

#define REGION_LEVELS_MAX 6 /* 64^6 frames: more than 48-bit addresses can name */

struct frame_region {
    pfn_t start, end; /* frames that are RAM */
    pfn_t base; /* of bit 0: start rounded down to 64 */
    size_t bits; /* end - base */
    uint64_t *level[REGION_LEVELS_MAX];
    size_t words[REGION_LEVELS_MAX];
    unsigned levels;
    uint64_t *full;
    size_t free; /* set bits */
    size_t cursor; /* the policy's own */
    unsigned node;
};

/* Bytes of bitmap that a region of frames [start, end) needs. */
size_t region_bitmap_bytes(pfn_t start, pfn_t end);
/* Sets up an empty region over zeroed memory of that size. */
void region_init(struct frame_region *r, pfn_t start, pfn_t end, unsigned node, void *bitmap);

/* Makes [pfn, pfn + count) free; all must have been in use. */
void region_give(struct frame_region *r, pfn_t pfn, size_t count);
/* Takes up to n free frames, in the order of the policy.  Return: how many. */
size_t region_take(struct frame_region *r, paddr_t *out, size_t n);
/* Takes `count` contiguous frames at a multiple of align_frames (power of two); PFN_NONE. */
pfn_t region_take_run(struct frame_region *r, size_t count, uint64_t align_frames);
#define PFN_NONE UINT64_MAX

static inline bool region_has(const struct frame_region *r, pfn_t pfn)
{
    return pfn >= r->start && pfn < r->end;
}

bool region_is_free(const struct frame_region *r, pfn_t pfn);
/* Words of bitmaps touched so far, by all regions; counted in debug builds alone. */
uint64_t region_work(void);
/* True when all levels agree with the bitmap. */
bool region_check(const struct frame_region *r);

/*
 * Which single frames are given out first: a policy names the next word of the bitmap, and the free frames of
 * that group of 64 go from the lowest on.  Runs of frames are always sought from the lowest address.
 */
struct frame_policy {
    const char *name;
    /* Index of a word of level[0] that is not 0; the region has a free frame.  O(levels). */
    size_t (*word)(struct frame_region *r);
};
REGISTRY_DECLARE(frame_policy, const struct frame_policy);
extern const struct frame_policy *frame_policy; /* in use: frame_policy=; constant after the command line */
