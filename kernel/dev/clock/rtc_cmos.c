// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the PC's real-time clock (Motorola MC146818A): what time it is at boot.
 *
 * Model: registers behind an index and a data port, binary or BCD, 12 or 24 hours, as register B
 * says; the firmware tells which one holds the century.  They are read twice until two readings
 * agree and no update was in progress.  UTC.
 * Locking: LOCK_DEVICE around each reading.
 */
#define LOG_TAG "rtc_cmos"
#include <dev/clock/rtc_cmos.h>

#include <core/hardware.h>
#include <core/spinlock.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <lib/string.h>
#include <sched/clock.h>
#include <svc/subsystem.h>

#define CMOS_INDEX 0x70
#define CMOS_DATA 0x71
#define REG_A 0x0a
#define REG_B 0x0b
#define A_UPDATING 0x80
#define HOUR_PM 0x80
#define READ_TRIES 100000

static const uint8_t field_register[RTC_CENTURY] = { 0x00, 0x02, 0x04, 0x07, 0x08, 0x09 };

static struct spinlock rtc_lock = SPINLOCK_INIT(LOCK_DEVICE);

static uint8_t cmos_read(uint8_t reg)
{
    port_write8(CMOS_INDEX, reg);
    return port_read8(CMOS_DATA);
}

static void fields_read(uint8_t f[RTC_FIELDS])
{
    uint8_t century = hardware()->century;

    for (unsigned i = 0; i < RTC_CENTURY; i++)
        f[i] = cmos_read(field_register[i]);
    f[RTC_CENTURY] = century ? cmos_read(century) : 0;
}

/* Return: 0; -EIO: no two readings agree. */
static err_t fields_read_stable(uint8_t f[RTC_FIELDS])
{
    uint8_t again[RTC_FIELDS];

    for (unsigned i = 0; i < READ_TRIES; i++) {
        if (cmos_read(REG_A) & A_UPDATING)
            continue;
        fields_read(f);
        fields_read(again);
        if (memcmp(f, again, RTC_FIELDS) == 0)
            return 0;
    }
    return -EIO;
}

static unsigned from_bcd(unsigned v)
{
    return (v >> 4) * 10 + (v & 15);
}

static void fields_decode(uint8_t f[RTC_FIELDS], uint8_t b)
{
    bool pm = !(b & RTC_B_24_HOURS) && (f[RTC_HOUR] & HOUR_PM);

    if (!(b & RTC_B_24_HOURS))
        f[RTC_HOUR] &= (uint8_t)~HOUR_PM;
    for (unsigned i = 0; i < RTC_FIELDS && !(b & RTC_B_BINARY); i++)
        f[i] = (uint8_t)from_bcd(f[i]);
    if (!(b & RTC_B_24_HOURS))
        f[RTC_HOUR] = (uint8_t)(f[RTC_HOUR] % 12 + (pm ? 12 : 0));
}

/* Days since 1970-01-01 of the Gregorian calendar; the year begins in March, so the leap day ends it. */
static int64_t days_since_1970(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month > 2 ? year : year - 1;
    unsigned m = month > 2 ? month - 3 : month + 9;

    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

err_t rtc_cmos_decode(uint8_t f[RTC_FIELDS], uint8_t b, int64_t *seconds)
{
    int64_t year;

    fields_decode(f, b);
    if (f[RTC_SECOND] > 60 || f[RTC_MINUTE] > 59 || f[RTC_HOUR] > 23 || f[RTC_DAY] < 1 || f[RTC_DAY] > 31 ||
        f[RTC_MONTH] < 1 || f[RTC_MONTH] > 12 || f[RTC_YEAR] > 99)
        return -EINVAL;
    year = f[RTC_YEAR] + (f[RTC_CENTURY] >= 19 && f[RTC_CENTURY] <= 29 ? f[RTC_CENTURY] * 100 : 2000);
    *seconds = ((days_since_1970(year, f[RTC_MONTH], f[RTC_DAY]) * 24 + f[RTC_HOUR]) * 60 + f[RTC_MINUTE]) * 60 +
               f[RTC_SECOND];
    return 0;
}

static err_t rtc_read(int64_t *seconds)
{
    unsigned long flags = spin_lock_irqsave(&rtc_lock);
    uint8_t f[RTC_FIELDS];
    err_t err = fields_read_stable(f);
    uint8_t b = cmos_read(REG_B);

    spin_unlock_irqrestore(&rtc_lock, flags);
    return err ? err : rtc_cmos_decode(f, b, seconds);
}

static const struct wall_clock rtc = { .name = "rtc_cmos", .rating = 100, .read = rtc_read };

static err_t rtc_start(struct subsystem *self)
{
    (void)self;
    if (!hardware()->has_rtc)
        return -ENODEV;
    if (cmos_read(REG_A) == 0xff && cmos_read(REG_B) == 0xff)
        return -ENODEV;
    clock_wall_register(&rtc);
    return 0;
}

static err_t rtc_stop(struct subsystem *self)
{
    (void)self;
    clock_wall_unregister(&rtc);
    return 0;
}

static const char *const needs[] = { "?tsc", NULL };
static struct subsystem rtc_subsystem = {
    .name = "rtc_cmos",
    .privilege = PRIV_DRIVER,
    .needs = needs,
    .early_init = rtc_start,
    .stop = rtc_stop,
};
REGISTER_SUBSYSTEM(rtc_subsystem);
