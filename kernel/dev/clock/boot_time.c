// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the time of day by the boot loader's word, for machines whose clock only the firmware drives
 * (EFI without a device tree).
 * Locking: the record is constant.
 */
#define LOG_TAG "boot_time"
#include <sched/clock.h>
#include <svc/boot_info.h>
#include <svc/subsystem.h>

static err_t boot_time_read(int64_t *seconds)
{
    *seconds = (int64_t)(boot_info()->boot_time + clock_monotonic() / NS_PER_SEC);
    return 0;
}

static const struct wall_clock boot_clock = { .name = "boot_time", .rating = 10, .read = boot_time_read };

static err_t boot_time_start(struct subsystem *self)
{
    if (boot_info()->boot_time == 0)
        return -ENODEV;
    clock_wall_register(&boot_clock);
    return 0;
}

static const char *const needs[] = { "?arm_timer", "?tsc", NULL };
static struct subsystem boot_time_subsystem = {
    .name = "boot_time", .privilege = PRIV_DRIVER, .needs = needs, .early_init = boot_time_start
};
REGISTER_SUBSYSTEM(boot_time_subsystem);
