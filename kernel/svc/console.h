// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the service of a text console: a serial line, a screen.
 * Published by drivers in dev/; used by the log (as a sink) and by fs/tty for /dev/ttyS0 and so on.
 */
#pragma once

#include <svc/service.h>

struct console_service {
    const char *tty_name; /* "ttyS0", "ttyAMA0", "tty1" */
    /* Another name of it for console=, and a second node that opens it but never becomes a controlling
     * terminal ("tty0" 4:0, the screen that is in front); NULL: none. */
    const char *alias;
    unsigned major, minor; /* Linux's numbers: ttyS0 4:64, ttyAMA0 204:64, tty1 4:1 */
    unsigned alias_minor;
    /* Writes n bytes, polling if it must.  Any context (a panic included). */
    void (*write)(const char *s, size_t n);
    /* The same for the log, whose text asks nothing of a terminal: no answer comes.  NULL: write. */
    void (*write_log)(const char *s, size_t n);
    /* Where received bytes go: fn(arg, data, n) in interrupt context.  NULL: none. */
    void (*set_input)(void (*fn)(void *arg, const uint8_t *data, size_t n), void *arg);
    /* Columns and rows; NULL or 0: unknown. */
    void (*size)(unsigned *columns, unsigned *rows);
    /* Pauses or resumes the receiver (the tty's buffer is full). NULL: the device just drops. */
    void (*throttle)(bool on);
};
SERVICE_TYPE(console, struct console_service);

/* Is `value`, a console='s (options may follow a comma, a blank ends it), a name of it? */
bool console_is_named(const struct console_service *console, const char *value);
/* Makes the consoles that console= names (or the best one) print the log.  Called by boot/ after
 * each pass of initialisation; does nothing for those that print already.  Context: thread. */
void console_log_attach(void);
/* When all have come: logs each console= that names none of them. */
void console_check_wanted(void);
/* Does it print the log? */
bool console_prints_log(const struct console_service *console);
