// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of <dev/clock/rtc_cmos.h>: BCD and binary, 12 and 24 hours, centuries. */
#include <dev/clock/rtc_cmos.h>

#include <core/ktest.h>
#include <lib/string.h>

#define T_2001_09_09 1000000000 /* 01:46:40 */
#define T_2100_03_01 4107542400 /* 00:00:00; 2100 is no leap year */
#define T_1970_01_01 0

static err_t decode(const uint8_t fields[RTC_FIELDS], uint8_t b, int64_t *seconds)
{
    uint8_t f[RTC_FIELDS];

    memcpy(f, fields, sizeof(f));
    *seconds = -1;
    return rtc_cmos_decode(f, b, seconds);
}

KTEST(rtc_cmos, bcd_and_binary)
{
    static const uint8_t bcd[] = { 0x40, 0x46, 0x01, 0x09, 0x09, 0x01, 0x20 };
    static const uint8_t binary[] = { 40, 46, 1, 9, 9, 1, 20 };
    int64_t s;

    KTEST_EQ(decode(bcd, RTC_B_24_HOURS, &s), 0);
    KTEST_EQ(s, T_2001_09_09);
    KTEST_EQ(decode(binary, RTC_B_24_HOURS | RTC_B_BINARY, &s), 0);
    KTEST_EQ(s, T_2001_09_09);
}

KTEST(rtc_cmos, twelve_hours)
{
    static const uint8_t hours[][2] = { { 0x12, 0 }, { 0x01, 1 }, { 0x11, 11 }, { 0x92, 12 },
                                        { 0x81, 13 }, { 0x91, 23 } };
    uint8_t f[] = { 0, 0, 0, 0x01, 0x01, 0x70, 0x19 };
    int64_t s;

    for (unsigned i = 0; i < ARRAY_SIZE(hours); i++) {
        f[RTC_HOUR] = hours[i][0];
        KTEST_EQ(decode(f, 0, &s), 0);
        KTEST_EQ(s, T_1970_01_01 + hours[i][1] * 3600);
    }
}

KTEST(rtc_cmos, centuries)
{
    static const uint8_t told[] = { 0, 0, 0, 0x01, 0x03, 0x00, 0x21 };
    static const uint8_t untold[] = { 0x40, 0x46, 0x01, 0x09, 0x09, 0x01, 0 };
    int64_t s;

    KTEST_EQ(decode(told, RTC_B_24_HOURS, &s), 0);
    KTEST_EQ(s, T_2100_03_01);
    KTEST_EQ(decode(untold, RTC_B_24_HOURS, &s), 0);
    KTEST_EQ(s, T_2001_09_09);
}

KTEST(rtc_cmos, no_date)
{
    static const uint8_t bad[][RTC_FIELDS] = {
        { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, { 0x61, 0, 0, 1, 1, 0, 0x20 },
        { 0, 0x60, 0, 1, 1, 0, 0x20 },               { 0, 0, 0x24, 1, 1, 0, 0x20 },
        { 0, 0, 0, 0, 1, 0, 0x20 },                  { 0, 0, 0, 1, 0x13, 0, 0x20 },
        { 0, 0, 0, 1, 0, 0, 0x20 },
    };
    int64_t s;

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        KTEST_EQ(decode(bad[i], RTC_B_24_HOURS, &s), -EINVAL);
}
