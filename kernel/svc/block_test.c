// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of svc/block.c. */
#include <svc/block.h>

#include <core/ktest.h>

static unsigned released;

static void test_submit(struct block_device *b, struct block_request *r)
{
    block_done(r, 0);
}

static void test_release(struct block_device *b)
{
    released++;
}

static const struct block_ops ops = { .submit = test_submit, .release = test_release };

/* What is refused is its driver's to give back, as what was added. */
KTEST(block, absurd_limits)
{
    static const struct block_device sound = { .name = "absurd", .logical = 512, .physical = 512, .segments_max = 1,
                                               .segment_bytes_max = PAGE_SIZE, .ops = &ops };
    struct block_device b[5] = { sound, sound, sound, sound, sound };

    b[0].logical = 768;
    b[1].sectors = 1ull << 54;
    b[2].segments_max = 0;
    b[3].segment_bytes_max = 511;
    b[4].physical = 256;
    released = 0;
    for (unsigned i = 0; i < ARRAY_SIZE(b); i++) {
        KTEST_EQ(block_add(&b[i]), -EINVAL);
        block_put(&b[i]);
        KTEST_EQ(released, i + 1);
    }
}
