// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: restarting a PC without tables: the keyboard controller's reset line, then the chip set's
 * reset control register, then a triple fault.
 * Model: three services, each worth less than the one before; ACPI's reset register (x86_acpi.c) is
 * worth more than all.  The keyboard controller is asked only where the firmware says there is one.
 * Context: interrupts off; a panic included.
 */
#define LOG_TAG "x86_reset"
#include <core/hardware.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <svc/power.h>
#include <svc/subsystem.h>

#define KEYBOARD_STATUS 0x64
#define KEYBOARD_BUSY 0x02
#define KEYBOARD_PULSE_RESET 0xfe
#define RESET_CONTROL 0xcf9
#define RESET_HARD 0x02
#define RESET_NOW 0x06
#define POLLS 100000

static void wait_a_moment(void)
{
    for (unsigned i = 0; i < POLLS; i++)
        hal_relax();
}

static void by_keyboard(void)
{
    for (unsigned i = 0; i < POLLS && (port_read8(KEYBOARD_STATUS) & KEYBOARD_BUSY); i++)
        hal_relax();
    port_write8(KEYBOARD_STATUS, KEYBOARD_PULSE_RESET);
    wait_a_moment();
}

static void by_chipset(void)
{
    port_write8(RESET_CONTROL, RESET_HARD);
    port_write8(RESET_CONTROL, RESET_NOW);
    wait_a_moment();
}

/* With an empty IDT each exception leads to the next, and the third resets the CPU. */
static void by_triple_fault(void)
{
    static const struct __packed {
        uint16_t limit;
        uint64_t base;
    } empty;

    __asm__ volatile("lidt %0; int3" : : "m"(empty));
}

static const struct power_service keyboard = { .reboot = by_keyboard };
static const struct power_service chipset = { .reboot = by_chipset };
static const struct power_service triple_fault = { .reboot = by_triple_fault };

static err_t reset_start(struct subsystem *self)
{
    err_t err = 0;

    (void)self;
    if (hardware()->has_8042)
        err = service_publish_power("i8042", &keyboard, 50, PRIV_DRIVER);
    if (!err)
        err = service_publish_power("port_cf9", &chipset, 40, PRIV_DRIVER);
    return err ? err : service_publish_power("triple_fault", &triple_fault, 10, PRIV_DRIVER);
}

static err_t reset_stop(struct subsystem *self)
{
    (void)self;
    service_withdraw_power("i8042");
    service_withdraw_power("port_cf9");
    service_withdraw_power("triple_fault");
    return 0;
}

static struct subsystem reset_subsystem = {
    .name = "x86_reset",
    .privilege = PRIV_DRIVER,
    .early_init = reset_start,
    .stop = reset_stop,
};
REGISTER_SUBSYSTEM(reset_subsystem);
