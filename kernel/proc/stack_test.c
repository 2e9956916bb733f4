// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of the argument block's limits. */
#include <proc/stack.h>

#include <core/ktest.h>
#include <lib/string.h>
#include <mm/heap.h>

KTEST(exec, arguments_are_limited)
{
    struct arg_block b = { .limit = 8192 };
    char *big = kmalloc(ARG_STRING_MAX + 1);

    KTEST_REQUIRE(big != NULL);
    KTEST_EQ(arg_add(&b, "one"), 0);
    KTEST_EQ(b.used, 4);
    memset(big, 'x', ARG_STRING_MAX);
    big[ARG_STRING_MAX] = '\0';
    KTEST_EQ(arg_add(&b, big), -E2BIG); /* longer than any string may be */
    big[8000] = '\0';
    KTEST_EQ(arg_add(&b, big), 0);
    KTEST_EQ(arg_add(&b, big), -E2BIG); /* too much in all */
    KTEST_STR_EQ(b.data, "one");
    arg_free(&b);
    kfree(big);
}
