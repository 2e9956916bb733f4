// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the PC's keyboard controller (Intel 8042) and the keyboard at its first port.
 *
 * Model: the controller translates to scan code set 1, and interrupts for each byte.  Commands to the
 * keyboard are polled at start, with a limit to each wait, and later (the lights) go byte by byte: each
 * next one when the keyboard acknowledged the one before, or never.
 * A controller whose buffer never empties, or a port where nobody answers, is left alone with a line.
 * Locking: early part: one thread, the line still silent; afterwards the interrupt handler alone.
 */
#define LOG_TAG "i8042"
#include <core/hardware.h>
#include <core/irq.h>
#include <core/log.h>
#include <dev/input/keyboard.h>
#include <hal/io.h>
#include <sched/clock.h>
#include <svc/subsystem.h>

#define DATA 0x60
#define STATUS 0x64
#define STATUS_OUTPUT 0x01 /* a byte waits to be read */
#define STATUS_INPUT 0x02 /* it has not taken ours yet */
#define STATUS_AUX 0x20 /* the byte is the mouse's */
#define COMMAND_READ_CONFIG 0x20
#define COMMAND_WRITE_CONFIG 0x60
#define COMMAND_DISABLE_MOUSE 0xa7
#define COMMAND_DISABLE_KEYBOARD 0xad
#define COMMAND_ENABLE_KEYBOARD 0xae
#define CONFIG_IRQ 0x01
#define CONFIG_MOUSE_IRQ 0x02
#define CONFIG_KEYBOARD_OFF 0x10
#define CONFIG_TRANSLATE 0x40
#define KEYBOARD_LEDS 0xed
#define KEYBOARD_SCAN 0xf4
#define ACK 0xfa
#define RESEND 0xfe

#define KEYBOARD_IRQ 1
#define STALE_MAX 64 /* bytes that may stand in the buffer */
#define BATCH 16 /* bytes that one interrupt reads: a buffer that never empties must not hold us */
#define WAIT_NS (50 * NS_PER_MSEC)
#define ACK_NS (500 * NS_PER_MSEC)

static struct {
    uint8_t prefix;
    unsigned leds; /* that shine, or were asked to */
    bool expecting; /* an acknowledgement, until `limit` */
    bool mask_next; /* the lights' own byte follows it */
    ns_t limit;
} kbd; /* interrupt */

/* Return: whether the status became `value` under `mask` in time. */
static bool status_wait(uint8_t mask, uint8_t value, ns_t patience)
{
    ns_t limit = clock_monotonic() + patience;

    while ((port_read8(STATUS) & mask) != value) {
        if (clock_monotonic() > limit)
            return false;
        hal_relax();
    }
    return true;
}

static bool send(uint16_t port, uint8_t byte)
{
    if (!status_wait(STATUS_INPUT, 0, WAIT_NS))
        return false;
    port_write8(port, byte);
    return true;
}

static bool receive(uint8_t *byte, ns_t patience)
{
    if (!status_wait(STATUS_OUTPUT, STATUS_OUTPUT, patience))
        return false;
    *byte = port_read8(DATA);
    return true;
}

static bool buffer_empty(void)
{
    for (unsigned i = 0; i < STALE_MAX; i++) {
        if (!(port_read8(STATUS) & STATUS_OUTPUT))
            return true;
        (void)port_read8(DATA);
    }
    return false;
}

/* A command to the keyboard.  Bytes that come in between are keys: they are dropped. */
static bool keyboard_command(uint8_t byte)
{
    uint8_t answer = 0;

    if (!send(DATA, byte))
        return false;
    for (unsigned i = 0; i < BATCH && receive(&answer, ACK_NS); i++)
        if (answer == ACK)
            return true;
    return false;
}

/* ---- interrupt ------------------------------------------------------------------------------- */

static void leds_ask(unsigned leds)
{
    if (leds == kbd.leds || (kbd.expecting && clock_monotonic() < kbd.limit) ||
        port_read8(STATUS) & STATUS_INPUT)
        return;
    kbd.leds = leds;
    kbd.expecting = kbd.mask_next = true;
    kbd.limit = clock_monotonic() + ACK_NS;
    port_write8(DATA, KEYBOARD_LEDS);
}

/* The keyboard counts Scroll, Num, Caps. */
static void acknowledged(void)
{
    bool mask = kbd.mask_next;

    kbd.expecting = kbd.mask_next = mask;
    kbd.mask_next = false;
    if (mask)
        port_write8(DATA, (uint8_t)((kbd.leds & KEY_LED_NUM ? 2 : 0) | (kbd.leds & KEY_LED_CAPS ? 4 : 0)));
}

static void byte_take(uint8_t byte)
{
    unsigned key;
    bool down;

    if (kbd.expecting && byte == ACK)
        return acknowledged();
    if (kbd.expecting && byte == RESEND) { /* it does not want to: the lights stay as they are */
        kbd.expecting = kbd.mask_next = false;
        return;
    }
    key = scancode_key(byte, &kbd.prefix, &down);
    if (key)
        leds_ask(keyboard_key(key, down));
}

static void on_interrupt(unsigned irq, void *arg)
{
    uint8_t status;

    (void)irq;
    (void)arg;
    for (unsigned i = 0; i < BATCH && (status = port_read8(STATUS)) & STATUS_OUTPUT; i++) {
        uint8_t byte = port_read8(DATA);

        if (!(status & STATUS_AUX))
            byte_take(byte);
    }
}

/* ---- start ----------------------------------------------------------------------------------- */

static const char *controller_start(void)
{
    uint8_t config;

    if (port_read8(STATUS) == 0xff)
        return "there is none";
    if (!send(STATUS, COMMAND_DISABLE_KEYBOARD) || !send(STATUS, COMMAND_DISABLE_MOUSE))
        return "it takes no command";
    if (!buffer_empty())
        return "its output buffer never empties";
    if (!send(STATUS, COMMAND_READ_CONFIG) || !receive(&config, WAIT_NS))
        return "it does not tell its configuration";
    config = (uint8_t)((config & ~(CONFIG_IRQ | CONFIG_MOUSE_IRQ | CONFIG_KEYBOARD_OFF)) |
                       CONFIG_TRANSLATE);
    if (!send(STATUS, COMMAND_WRITE_CONFIG) || !send(DATA, config) ||
        !send(STATUS, COMMAND_ENABLE_KEYBOARD))
        return "it takes no configuration";
    if (!keyboard_command(KEYBOARD_SCAN))
        return "no keyboard answers";
    if (!send(STATUS, COMMAND_WRITE_CONFIG) || !send(DATA, config | CONFIG_IRQ))
        return "it takes no configuration";
    return NULL;
}

static err_t i8042_start(struct subsystem *self)
{
    const char *why;
    err_t err;

    (void)self;
    if (!hardware()->has_8042)
        return -ENODEV;
    why = controller_start();
    if (why) {
        log_info("keyboard controller: %s", why);
        return -ENODEV;
    }
    err = irq_register(KEYBOARD_IRQ, "i8042", on_interrupt, NULL);
    if (err == 0)
        (void)buffer_empty(); /* an edge that came before would be the last */
    return err;
}

/* Its keys stay in it, and so does the configuration that the next start writes anew. */
static err_t i8042_stop(struct subsystem *self)
{
    (void)self;
    irq_unregister(KEYBOARD_IRQ, on_interrupt, NULL);
    (void)send(STATUS, COMMAND_DISABLE_KEYBOARD);
    kbd.expecting = kbd.mask_next = false;
    return 0;
}

static const char *const needs[] = { "irqchip", "keyboard", NULL };
static struct subsystem i8042_subsystem = {
    .name = "i8042", .privilege = PRIV_DRIVER, .needs = needs, .late_init = i8042_start,
    .stop = i8042_stop
};
REGISTER_SUBSYSTEM(i8042_subsystem);
