// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of core/number.c. */
#include <core/number.h>

#include <core/ktest.h>

NUMBER_POOL(pool, 70);

KTEST(number, lowest_free)
{
    unsigned n;

    for (unsigned i = 0; i < 70; i++) {
        KTEST_EQ(number_take(&pool, &n), 0);
        KTEST_EQ(n, i);
    }
    KTEST_EQ(number_take(&pool, &n), -ENOSPC);
    number_give(&pool, n); /* none */
    KTEST_EQ(number_take(&pool, &n), -ENOSPC);
    number_give(&pool, 68);
    number_give(&pool, 3);
    KTEST_EQ(number_take(&pool, &n), 0);
    KTEST_EQ(n, 3);
    for (unsigned i = 0; i < 70; i++)
        number_give(&pool, i);
}
