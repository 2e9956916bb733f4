// SPDX-License-Identifier: CC0-1.0
/* Purpose: the bitmap with its summaries, alone and on a terabyte. */
#include <core/ktest.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/region.h>

#define START 70 /* not a multiple of 64 */
#define COUNT 5000

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void *bitmap_alloc(pfn_t start, pfn_t end)
{
    return kzalloc(region_bitmap_bytes(start, end));
}

/* Some tests are about one policy; any is good enough for the rest of the kernel meanwhile. */
static void policy_use(const char *name, const struct frame_policy **before)
{
    *before = frame_policy;
    registry_for_each(frame_policy, p)
        if (strcmp((*p)->name, name) == 0)
            atomic_store(&frame_policy, *p);
}

KTEST(region, takes_lowest_and_all)
{
    const struct frame_policy *used;
    void *bitmap = bitmap_alloc(START, START + COUNT);
    struct frame_region r;
    paddr_t out[100];
    pfn_t want = START;
    size_t n;

    KTEST_REQUIRE(bitmap != NULL);
    policy_use("lowest", &used);
    region_init(&r, START, START + COUNT, 0, bitmap);
    KTEST_TRUE(region_check(&r));
    KTEST_EQ(region_take(&r, out, 100), 0);
    region_give(&r, START, COUNT);
    KTEST_TRUE(region_check(&r));
    while ((n = region_take(&r, out, 100)) > 0)
        for (size_t i = 0; i < n; i++)
            KTEST_EQ(PFN(out[i]), want++);
    KTEST_EQ(want, START + COUNT);
    KTEST_TRUE(region_check(&r) && r.free == 0);
    atomic_store(&frame_policy, used);
    kfree(bitmap);
}

/* Each registered policy gives each frame once and keeps the levels right. */
KTEST(region, every_policy_gives_all)
{
    const struct frame_policy *used = frame_policy;
    void *bitmap = bitmap_alloc(START, START + COUNT);
    uint64_t *seen = kzalloc(BITMAP_WORDS(COUNT) * sizeof *seen);
    struct frame_region r;
    uint32_t seed = 1, returned = 0;
    paddr_t out[37];
    size_t n;

    KTEST_TRUE(registry_count(frame_policy) >= 2);
    registry_for_each(frame_policy, p)
    {
        if (!bitmap || !seen)
            break;
        memset(bitmap, 0, region_bitmap_bytes(START, START + COUNT));
        memset(seen, 0, BITMAP_WORDS(COUNT) * sizeof *seen);
        region_init(&r, START, START + COUNT, 0, bitmap);
        region_give(&r, START, COUNT);
        returned = 0;
        atomic_store(&frame_policy, *p);
        while ((n = region_take(&r, out, ARRAY_SIZE(out))) > 0) {
            KTEST_TRUE(region_check(&r));
            for (size_t i = 0; i < n; i++) {
                KTEST_TRUE(!bitmap_test(seen, PFN(out[i]) - START));
                bitmap_set(seen, PFN(out[i]) - START);
            }
            if (returned < COUNT / 10 && next_random(&seed) % 2 == 0) { /* some come back */
                returned++;
                region_give(&r, PFN(out[0]), 1);
                bitmap_clear(seen, PFN(out[0]) - START);
            }
        }
        atomic_store(&frame_policy, used);
        KTEST_EQ(bitmap_count(seen, COUNT), COUNT);
        KTEST_EQ(r.free, 0);
    }
    kfree(bitmap);
    kfree(seen);
}

KTEST(region, runs_are_aligned)
{
    void *bitmap = bitmap_alloc(START, START + COUNT);
    struct frame_region r;

    KTEST_REQUIRE(bitmap != NULL);
    region_init(&r, START, START + COUNT, 0, bitmap);
    region_give(&r, START, COUNT);
    KTEST_EQ(region_take_run(&r, 1, 1), START);
    KTEST_EQ(region_take_run(&r, 512, 512), 512);
    KTEST_EQ(region_take_run(&r, 64, 64), 128);
    KTEST_EQ(region_take_run(&r, 100, 64), 192); /* the last word is not used up */
    KTEST_EQ(region_take_run(&r, 3, 4), 72);
    KTEST_EQ(region_take_run(&r, COUNT, 1), PFN_NONE);
    KTEST_EQ(region_take_run(&r, 4096, 4096), PFN_NONE);
    region_give(&r, 512, 512);
    KTEST_EQ(region_take_run(&r, 512, 512), 512);
    KTEST_TRUE(region_check(&r));
    kfree(bitmap);
}

/* The model: one byte for each frame. */
static pfn_t model_run(const uint8_t *is_free, size_t count, uint64_t align)
{
    for (pfn_t at = ALIGN_UP(START, align); at + count <= START + COUNT; at += align) {
        size_t n = 0;

        while (n < count && is_free[at + n - START])
            n++;
        if (n == count)
            return at;
    }
    return PFN_NONE;
}

KTEST(region, random_against_model)
{
    uint8_t *is_free = kzalloc(COUNT);
    void *bitmap = bitmap_alloc(START, START + COUNT);
    struct frame_region r;
    uint32_t state = 7;

    KTEST_REQUIRE(bitmap != NULL && is_free != NULL);
    region_init(&r, START, START + COUNT, 0, bitmap);
    for (unsigned step = 0; step < 3000; step++) {
        size_t count = next_random(&state) % 8 == 0 ? next_random(&state) % 300 + 1 : 1;
        uint64_t align = 1ull << next_random(&state) % 8;
        pfn_t at = START + next_random(&state) % (COUNT - count);
        uint8_t before = is_free[at - START];

        if (next_random(&state) % 2 == 0) {
            pfn_t want = model_run(is_free, count, align), got = region_take_run(&r, count, align);

            KTEST_REQUIRE(KTEST_EQ(got, want));
            if (got != PFN_NONE)
                memset(is_free + (got - START), 0, count);
            continue;
        }
        for (size_t n = 1; n < count; n++) /* give a stretch that is all in use */
            if (is_free[at + n - START])
                count = n;
        if (!before) {
            region_give(&r, at, count);
            memset(is_free + (at - START), 1, count);
        }
    }
    KTEST_TRUE(region_check(&r));
    for (pfn_t pfn = START; pfn < START + COUNT; pfn++)
        KTEST_EQ(region_is_free(&r, pfn), is_free[pfn - START]);
    kfree(bitmap);
    kfree(is_free);
}

#define TIB_FRAMES (1ull << 28)
#define SPREAD 4001 /* frames between two that are taken */

/* Words that giving the whole region may cost, and taking its only free frame, wherever that lies. */
static void check_work(struct ktest *t, struct frame_region *r, pfn_t end)
{
    uint64_t before = region_work();
    paddr_t pa;

    region_give(r, 0, end);
    KTEST_TRUE(region_work() - before <= 2 * (end / 64) + end / 64 / 32); /* with summaries */
    KTEST_EQ(region_take_run(r, end, 1), 0);
    for (pfn_t at = 0; at < end; at += end / SPREAD) {
        region_give(r, at, 1);
        before = region_work();
        KTEST_EQ(region_take(r, &pa, 1), 1);
        KTEST_TRUE(region_work() - before <= 2 * r->levels);
        KTEST_EQ(PFN(pa), at);
    }
    region_give(r, 0, end);
    KTEST_EQ(r->free, end);
}

/* A terabyte, or what a quarter of this machine's memory can describe: all work is by words. */
KTEST(region, a_terabyte)
{
    uint64_t bytes = frame_free_count() / 4 * PAGE_SIZE;
    pfn_t end = TIB_FRAMES;
    const struct frame_policy *used;
    struct frame_region r;
    paddr_t pa;
    void *bitmap;

    while (region_bitmap_bytes(0, end) > bytes)
        end /= 2;
    bitmap = bitmap_alloc(0, end);
    KTEST_REQUIRE(bitmap != NULL);
    policy_use("lowest", &used);
    region_init(&r, 0, end, 0, bitmap);
    check_work(t, &r, end);
    KTEST_EQ(region_take_run(&r, end / 2 + 1, 1), 0);
    KTEST_EQ(region_take(&r, &pa, 1), 1);
    KTEST_EQ(PFN(pa), end / 2 + 1);
    KTEST_EQ(region_take_run(&r, end / 4, end / 4), end / 4 * 3);
    region_give(&r, 12345, 1);
    KTEST_EQ(region_take(&r, &pa, 1), 1);
    KTEST_EQ(PFN(pa), 12345);
    atomic_store(&frame_policy, used);
    kfree(bitmap);
}
