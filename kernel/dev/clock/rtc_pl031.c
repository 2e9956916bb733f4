// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the PL031 real-time clock (ARM DDI 0224): a counter of seconds since 1970.
 * Locking: one read of one register.
 */
#define LOG_TAG "rtc_pl031"
#include <core/log.h>
#include <dev/device_tree.h>
#include <hal/io.h>
#include <mm/vmap.h>
#include <sched/clock.h>
#include <svc/subsystem.h>

#define RTC_DR 0x00
#define RTC_CR 0x0c
#define CR_START 1
#define RTC_SIZE 0x1000

static volatile uint8_t *registers; /* constant after start */

static err_t rtc_read(int64_t *seconds)
{
    *seconds = mmio_read32(registers + RTC_DR);
    return 0;
}

static const struct wall_clock rtc = { .name = "rtc-pl031", .rating = 200, .read = rtc_read };

static err_t rtc_start(struct subsystem *self)
{
    const struct device_tree_service *tree;
    struct device_node node;
    err_t err;

    if (service_find_device_tree(self, &tree) != 0 || tree->find("arm,pl031", 0, &node) != 0 ||
        node.reg_count == 0)
        return -ENODEV;
    err = vmap_registers("PL031", node.reg[0].start, RTC_SIZE, RTC_DR, &registers);
    if (err != 0)
        return err;
    mmio_write32(registers + RTC_CR, CR_START); /* without effect when it runs */
    clock_wall_register(&rtc);
    return 0;
}

static err_t rtc_stop(struct subsystem *self)
{
    (void)self;
    clock_wall_unregister(&rtc);
    vmap_unmap_device((void *)registers, RTC_SIZE);
    registers = NULL;
    return 0;
}

static const char *const needs[] = { "device_tree", "arm_timer", NULL };
static struct subsystem rtc_subsystem = {
    .name = "rtc_pl031", .privilege = PRIV_DRIVER, .needs = needs, .early_init = rtc_start,
    .stop = rtc_stop,
};
REGISTER_SUBSYSTEM(rtc_subsystem);
