// SPDX-License-Identifier: CC0-1.0
/* Purpose: formats, compared with what C99 says. */
#include <core/ktest.h>
#include <lib/fmt.h>
#include <lib/string.h>

#define FMT_EQ(want, ...)                                                                          \
    do {                                                                                           \
        char buf_[96];                                                                             \
        int n_ = fmt_snprintf(buf_, sizeof(buf_), __VA_ARGS__);                                    \
        KTEST_STR_EQ(buf_, want);                                                                  \
        KTEST_EQ(n_, strlen(want));                                                                \
    } while (0)

KTEST(fmt, integers)
{
    FMT_EQ("42 -42 +42  42", "%d %i %+d % d", 42, -42, 42, 42);
    FMT_EQ("   42|42   |00042", "%5d|%-5d|%05d", 42, 42, 42);
    FMT_EQ("-0042|  042", "%05d|%5.3d", -42, 42);
    FMT_EQ("ff FF 0xff 0XFF 377 0377", "%x %X %#x %#X %o %#o", 255, 255, 255, 255, 255, 255);
    FMT_EQ("0 0 |0|", "%x %#x %.0d|%.1d|", 0, 0, 0, 0);
    FMT_EQ("-9223372036854775808", "%lld", (long long)INT64_MIN);
    FMT_EQ("18446744073709551615", "%llu", (unsigned long long)UINT64_MAX);
    FMT_EQ("-1 255 65535", "%hhd %hhu %hu", (signed char)-1, (unsigned char)255,
           (unsigned short)65535);
    FMT_EQ("0x0000001234|7 8", "%#012x|%zu %ld", 0x1234, (size_t)7, 8l);
    FMT_EQ("0xdeadbeef", "%p", (void *)0xdeadbeef);
}

KTEST(fmt, strings)
{
    char *volatile null = NULL; /* the compiler must not see it */

    FMT_EQ("abc|  abc|abc  |ab", "%s|%5s|%-5s|%.2s", "abc", "abc", "abc", "abc");
    FMT_EQ("x% (null)", "%c%% %s", 'x', null);
    FMT_EQ("   ab", "%*.*s", 5, 2, "abc");
    FMT_EQ("ab   |", "%-*.2s|", 5, "abc");
}

KTEST(fmt, truncation)
{
    char buf[4] = "zzz";

    KTEST_EQ(fmt_snprintf(buf, sizeof(buf), "%d", 123456), 6);
    KTEST_STR_EQ(buf, "123");
    KTEST_EQ(fmt_scnprintf(buf, sizeof(buf), "%d", 123456), 3);
    KTEST_EQ(fmt_snprintf(buf, 0, "%s", "hello"), 5);
    KTEST_STR_EQ(buf, "123");
    KTEST_EQ(fmt_scnprintf(buf, sizeof(buf), "%s", "a"), 1);
}
