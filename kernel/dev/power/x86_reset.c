// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: restarting a PC: the keyboard controller's reset line, then the chip set's reset control
 * register, then a triple fault.
 * Context: any, a panic included.
 */
#define LOG_TAG "x86_reset"
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

static void reset(void)
{
    hal_irq_disable();
    by_keyboard();
    by_chipset();
    by_triple_fault();
}

static const struct power_service service = { .reboot = reset };

static err_t reset_start(struct subsystem *self)
{
    (void)self;
    return service_publish_power("x86_reset", &service, 50, PRIV_DRIVER);
}

static struct subsystem reset_subsystem = {
    .name = "x86_reset",
    .privilege = PRIV_DRIVER,
    .early_init = reset_start,
};
REGISTER_SUBSYSTEM(reset_subsystem);
