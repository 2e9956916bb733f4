// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the interfaces that drivers publish.
 */
#pragma once

#include <core/irq.h>
#include <sched/clock.h>
#include <svc/service.h>

/* A text console: serial line, screen.  Published by serial and video drivers; used by the log
 * (as a sink) and by dev/tty for /dev/ttyS0, /dev/ttyAMA0, /dev/tty0. */
struct console_service {
    const char *tty_name; /* "ttyS0", "ttyAMA0", "tty0" */
    unsigned major, minor; /* Linux's numbers: ttyS0 4:64, ttyAMA0 204:64, tty0 4:0 */
    /* Writes n bytes, polling if it must.  Any context (a panic included). */
    void (*write)(const char *s, size_t n);
    /* Where received bytes go: fn(arg, data, n) in interrupt context.  NULL: none. */
    void (*set_input)(void (*fn)(void *arg, const uint8_t *data, size_t n), void *arg);
    /* Columns and rows; 0: unknown. */
    void (*size)(unsigned *columns, unsigned *rows);
    /* Pauses or resumes the receiver (the tty's buffer is full). NULL: the device just drops. */
    void (*throttle)(bool on);
};
SERVICE_TYPE(console, struct console_service);

SERVICE_TYPE(irqchip, struct irqchip);
SERVICE_TYPE(clock_source, struct clock_source);
SERVICE_TYPE(clock_event, struct clock_event);

/* Power: each returns only when it could not. */
struct power_service {
    void (*off)(void);
    void (*reboot)(void);
};
SERVICE_TYPE(power, struct power_service);
/* By the best-rated service first, then the others, then hal_halt(). */
__noreturn void power_off(void);
__noreturn void power_reboot(void);
__noreturn void power_halt(void);
