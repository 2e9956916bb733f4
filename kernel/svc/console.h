// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the service of a text console: a serial line, a screen.
 * Published by drivers in dev/; used by the log (as a sink) and by fs/tty for /dev/ttyS0 and so on.
 */
#pragma once

#include <svc/service.h>

struct console_service {
    const char *tty_name; /* "ttyS0", "ttyAMA0", "tty0" */
    unsigned major, minor; /* Linux's numbers: ttyS0 4:64, ttyAMA0 204:64, tty0 4:0 */
    /* Writes n bytes, polling if it must.  Any context (a panic included). */
    void (*write)(const char *s, size_t n);
    /* Where received bytes go: fn(arg, data, n) in interrupt context.  NULL: none. */
    void (*set_input)(void (*fn)(void *arg, const uint8_t *data, size_t n), void *arg);
    /* Columns and rows; NULL or 0: unknown. */
    void (*size)(unsigned *columns, unsigned *rows);
    /* Pauses or resumes the receiver (the tty's buffer is full). NULL: the device just drops. */
    void (*throttle)(bool on);
};
SERVICE_TYPE(console, struct console_service);

/* Makes the consoles that console= names (or the best one) print the log.  Called by boot/ after
 * each pass of initialisation; does nothing for those that print already.  Context: thread. */
void console_log_attach(void);
/* When all have come: logs each console= that names none of them. */
void console_check_wanted(void);
/* Does it print the log? */
bool console_prints_log(const struct console_service *console);
