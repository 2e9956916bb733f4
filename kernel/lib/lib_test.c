// SPDX-License-Identifier: CC0-1.0
/* Purpose: bitmaps, hashes, rings, lists and strings. */
#include <core/ktest.h>
#include <lib/bitmap.h>
#include <lib/checked.h>
#include <lib/hash.h>
#include <lib/list.h>
#include <lib/ring.h>
#include <lib/string.h>

KTEST(bitmap, ranges)
{
    for (size_t from = 0; from < 140; from += 7)
        for (size_t count = 0; from + count <= 256; count += 13) {
            uint64_t map[4] = { 0 };

            bitmap_set_range(map, from, count);
            KTEST_EQ(bitmap_count(map, 256), count);
            KTEST_EQ(bitmap_find_set(map, 256, 0), count > 0 ? from : BITMAP_NONE);
            if (count > 0)
                KTEST_EQ(bitmap_find_clear(map, 256, from),
                         from + count < 256 ? from + count : BITMAP_NONE);
            bitmap_clear_range(map, from, count);
            KTEST_EQ(bitmap_count(map, 256), 0);
        }
}

KTEST(bitmap, ends)
{
    uint64_t map[2] = { 0, BIT(40) };

    KTEST_EQ(bitmap_find_set(map, 128, 0), 104);
    KTEST_EQ(bitmap_find_set(map, 104, 0), BITMAP_NONE);
    KTEST_EQ(bitmap_find_set(map, 128, 105), BITMAP_NONE);
    KTEST_EQ(bitmap_find_set(map, 128, 128), BITMAP_NONE);
    KTEST_EQ(bitmap_count(map, 104), 0);
    KTEST_EQ(bitmap_count(map, 105), 1);
}

/* draft-eastlake-fnv, test vectors. */
KTEST(hash, fnv1a_vectors)
{
    KTEST_EQ(fnv1a_64("", 0), 0xcbf29ce484222325ull);
    KTEST_EQ(fnv1a_64("a", 1), 0xaf63dc4c8601ec8cull);
    KTEST_EQ(fnv1a_64("foobar", 6), 0x85944171f73967e8ull);
    KTEST_EQ(fnv1a_64_str("foobar"), 0x85944171f73967e8ull);
    KTEST_EQ(fnv1a_64_more(fnv1a_64("foo", 3), "bar", 3), 0x85944171f73967e8ull);
    KTEST_EQ(fnv1a_32("a", 1), 0xe40c292cu);
    KTEST_EQ(fnv1a_32("foobar", 6), 0xbf9cf968u);
}

KTEST(ring, wraps)
{
    uint8_t buf[16], out[16];
    struct ring r;

    ring_init(&r, buf, sizeof(buf));
    for (unsigned round = 0; round < 50; round++) {
        KTEST_EQ(ring_write(&r, "0123456789abcdefgh", 11), 11);
        KTEST_EQ(ring_write(&r, "0123456789abcdefgh", 11), 5);
        KTEST_EQ(ring_space(&r), 0);
        KTEST_TRUE(!ring_put(&r, 'x'));
        KTEST_EQ(ring_read(&r, out, 11), 11);
        KTEST_EQ(memcmp(out, "0123456789a", 11), 0);
        KTEST_EQ(ring_read(&r, out, 16), 5);
        KTEST_EQ(memcmp(out, "01234", 5), 0);
        KTEST_TRUE(!ring_get(&r, out));
    }
}

KTEST(list, order_and_splice)
{
    struct node {
        struct list link;
        unsigned n;
    } node[4];
    struct list a = LIST_INIT(a), b = LIST_INIT(b);
    struct node *e, *tmp;
    unsigned want = 0;

    for (unsigned i = 0; i < 4; i++) {
        node[i].n = i;
        list_add_tail(i < 2 ? &a : &b, &node[i].link);
    }
    list_splice_tail(&a, &b);
    KTEST_TRUE(list_empty(&b));
    list_for_each(e, &a, link)
        KTEST_EQ(e->n, want++);
    KTEST_EQ(want, 4);
    list_for_each_safe(e, tmp, &a, link)
        list_del(&e->link);
    KTEST_TRUE(list_empty(&a) && !list_linked(&node[2].link));
    KTEST_TRUE(list_first_or_null(&a, struct node, link) == NULL);
}

KTEST(string, lengths_at_all_alignments)
{
    char text[40];

    for (size_t at = 0; at < 9; at++)
        for (size_t n = 0; n < 20; n++) {
            memset(text, 'x', sizeof(text));
            text[at + n] = '\0';
            KTEST_EQ(strlen(text + at), n);
            KTEST_EQ(strnlen(text + at, 30), n);
            KTEST_EQ(strnlen(text + at, n / 2), n / 2);
            KTEST_TRUE(memchr(text + at, 0, 25) == text + at + n);
            KTEST_TRUE(n == 0 || memchr(text + at, 0, n) == NULL);
        }
}

KTEST(string, search_and_compare)
{
    const char *s = "kernel/lib/string.c";
    char buf[8];

    KTEST_TRUE(strchr(s, '/') == s + 6 && strrchr(s, '/') == s + 10);
    KTEST_TRUE(strchr(s, 'Z') == NULL && strchr(s, '\0') == s + strlen(s));
    KTEST_TRUE(strstr(s, "lib") == s + 7 && strstr(s, "libx") == NULL && strstr(s, "") == s);
    KTEST_TRUE(strcmp("abc", "abd") < 0 && strcmp("abc", "ab") > 0 && strcmp("", "") == 0);
    KTEST_TRUE(strcmp("\x80", "a") > 0);
    KTEST_TRUE(strncmp("abcX", "abcY", 3) == 0 && strncmp("abcX", "abcY", 4) < 0);
    KTEST_EQ(str_copy(buf, "0123456789", sizeof(buf)), 10);
    KTEST_STR_EQ(buf, "0123456");
    KTEST_TRUE(str_starts_with(s, "kernel/") && !str_starts_with("ker", "kernel"));
}

KTEST(string, patterns)
{
    KTEST_TRUE(str_match("*", "") && str_match("*", "abc") && str_match("", ""));
    KTEST_TRUE(str_match("a*c", "abbbc") && str_match("a*b*c", "a-b-b-c"));
    KTEST_TRUE(str_match("?b?", "abc") && !str_match("?b?", "abcd"));
    KTEST_TRUE(!str_match("a", "") && !str_match("", "a") && !str_match("a*d", "abc"));
}

KTEST(string, numbers)
{
    const char *s = "0x1fz";
    uint64_t v = 0;

    KTEST_EQ(str_to_u64(&s, 0, &v), 0);
    KTEST_EQ(v, 0x1f);
    KTEST_STR_EQ(s, "z");
    s = "017";
    KTEST_TRUE(str_to_u64(&s, 0, &v) == 0 && v == 15);
    s = "0x";
    KTEST_TRUE(str_to_u64(&s, 0, &v) == 0 && v == 0 && *s == 'x');
    s = "18446744073709551615";
    KTEST_TRUE(str_to_u64(&s, 10, &v) == 0 && v == UINT64_MAX);
    s = "18446744073709551616";
    KTEST_EQ(str_to_u64(&s, 10, &v), -ERANGE);
    s = "";
    KTEST_EQ(str_to_u64(&s, 10, &v), -EINVAL);
    KTEST_TRUE(str_to_size("64M", &v) == 0 && v == 64 * MiB);
    KTEST_EQ(str_to_size("64Mb", &v), -EINVAL);
    KTEST_EQ(str_to_size("0x4000000000G", &v), -ERANGE);
}

KTEST(checked, ranges)
{
    KTEST_TRUE(range_fits(0, 10, 10) && !range_fits(1, 10, 10) && !range_fits(11, 0, 10));
    KTEST_TRUE(!range_fits(UINT64_MAX, 2, UINT64_MAX));
    KTEST_TRUE(ranges_overlap(0, 2, 1, 2) && !ranges_overlap(0, 2, 2, 2) &&
               !ranges_overlap(0, 0, 0, 5));
}
