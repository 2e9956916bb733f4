// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: which free frame is given out next: frame_policy=lowest (the default) or highest.
 *
 * Model: both walk down the summary levels (region.h), one by the lowest set bit of each word, the other by the
 * highest.  `lowest` keeps memory packed at the bottom, so that long runs stay whole above; `highest` leaves
 * low addresses to devices that cannot reach others.
 * Locking: LOCK_FRAME, held by the caller.
 */
#define LOG_TAG "frame"
#include <core/choice.h>
#include <core/params.h>
#include <lib/string.h>
#include <mm/region.h>

static size_t lowest_word(struct frame_region *r)
{
    size_t w = 0;

    for (unsigned k = r->levels - 1; k > 0; k--)
        w = w * 64 + (size_t)__builtin_ctzll(r->level[k][w]);
    return w;
}

static size_t highest_word(struct frame_region *r)
{
    size_t w = 0;

    for (unsigned k = r->levels - 1; k > 0; k--)
        w = w * 64 + 63 - (size_t)__builtin_clzll(r->level[k][w]);
    return w;
}

static const struct frame_policy lowest = { .name = "lowest", .word = lowest_word };
REGISTRY_ADD(frame_policy, lowest);
static const struct frame_policy highest = { .name = "highest", .word = highest_word };
REGISTRY_ADD(frame_policy, highest);

const struct frame_policy *frame_policy = &lowest;

static const char *policy_nth(unsigned n)
{
    return n < registry_count(frame_policy) ? __start_registry_frame_policy[n]->name : NULL;
}

static err_t choose_policy(const char *value)
{
    if (!value)
        return -EINVAL;
    registry_for_each(frame_policy, p) {
        if (strcmp((*p)->name, value) == 0) {
            frame_policy = *p;
            return 0;
        }
    }
    choice_unknown("frame_policy", value, policy_nth);
    return 0;
}
PARAM(frame_policy, "which free frame is given out next: lowest, highest", choose_policy);
