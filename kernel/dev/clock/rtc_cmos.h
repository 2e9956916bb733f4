// SPDX-License-Identifier: CC0-1.0
/* Purpose: what the registers of the PC's real-time clock mean. */
#pragma once

#include <lib/types.h>

enum rtc_field {
    RTC_SECOND,
    RTC_MINUTE,
    RTC_HOUR,
    RTC_DAY,
    RTC_MONTH,
    RTC_YEAR,
    RTC_CENTURY, /* 0: not told */
    RTC_FIELDS
};

/* Register B: how the others are written. */
#define RTC_B_24_HOURS 0x02
#define RTC_B_BINARY 0x04

/*
 * Seconds since 1970 UTC of what the registers hold; `f` is changed.  Return: 0; -EINVAL: it is no
 * time of day, or no date.
 */
err_t __must_check rtc_cmos_decode(uint8_t f[RTC_FIELDS], uint8_t b, int64_t *seconds);
