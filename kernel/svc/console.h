// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: text consoles: a serial line, a screen, a port of a virtual machine; what their drivers (dev/) give
 * and what the log and the terminals (fs/) use.
 *
 * Model: a driver adds a console when its device is there and removes it when that goes, at any time.  The log
 * prints on those that console= names, or on the best-rated one while none of them is there; one client (fs/)
 * makes terminals of them.
 *
 *     driver: console_add -> service published, log prints (and what it has, again), client: added
 *             console_remove -> client: removing (hangs up), log stops, service withdrawn
 *             gone: nobody calls the record's functions any more
 *
 * Locking: the list, the client and the sinks: console_mutex (svc/console.c), held over the client's functions.
 */
#pragma once

#include <svc/service.h>

/* What a console tells its listener.  Any context but a panic, interrupts off, no lock of LOCK_DEVICE's rank or
 * below but one of that rank. */
struct console_listener {
    void (*input)(void *arg, const uint8_t *data, size_t n);
    void (*room)(void *arg); /* output has left: room() and pending() may say something else now */
    void (*resized)(void *arg); /* size() says something else now */
};

struct console_service {
    const char *tty_name; /* "ttyS0", "ttyAMA0", "tty1", "hvc0" */
    /* Another name of it for console=, and a second node that opens it but never becomes a controlling
     * terminal ("tty0" 4:0, the screen that is in front); NULL: none. */
    const char *alias;
    unsigned major, minor; /* Linux's numbers: ttyS0 4:64, ttyAMA0 204:64, tty1 4:1, hvc0 229:0 */
    unsigned alias_minor;
    void *data; /* the driver's */
    /* Takes bytes; returns how many.  Without room(): all, polling if it must.  Any context (a panic included). */
    size_t (*write)(const struct console_service *c, const char *s, size_t n);
    /* The same for the log, whose text asks nothing of a terminal: no answer comes; what a device does not take
     * soon is lost, and counted by the driver.  NULL: write. */
    void (*write_log)(const struct console_service *c, const char *s, size_t n);
    size_t (*room)(const struct console_service *c); /* what write would take now; any context; NULL: all */
    size_t (*pending)(const struct console_service *c); /* taken and not sent; any context; NULL: never any */
    /* Who is told from now on, in place of the one before; NULL: nobody.  Nobody is inside the old one's
     * functions when it returns.  Context: thread.  NULL: the console has nothing to tell. */
    void (*listen)(const struct console_service *c, const struct console_listener *l, void *arg);
    /* Columns and rows; NULL or 0: unknown. */
    void (*size)(const struct console_service *c, unsigned *columns, unsigned *rows);
    /* Pauses or resumes the receiver (the tty's buffer is full). NULL: the device just drops. */
    void (*throttle)(const struct console_service *c, bool on);
};
SERVICE_TYPE(console, struct console_service);

/* preference: the console of the highest is the one behind /dev/console. */
struct console_client {
    err_t (*added)(const struct console_service *c, uint64_t preference); /* may sleep */
    /* No more calls of the record's functions begin on behalf of the client when it returns; may sleep. */
    void (*removing)(const struct console_service *c);
};

/* The one client; it is told of the consoles that are there already.  Return: the first error of added(). */
err_t __must_check console_client_set(const struct console_client *client);

/*
 * c: constant until it is removed, its names, too.  rating: of the service.  Context: boot, or a thread.
 * Return: 0; -ENOMEM; what service_publish_console() says; what the client says: then it is not added.
 */
err_t __must_check console_add(const struct console_service *c, unsigned rating);
/* Of one that was added.  Context: thread. */
void console_remove(const struct console_service *c);

/* Is `value`, a console='s (options may follow a comma, a blank ends it), a name of it? */
bool console_is_named(const struct console_service *console, const char *value);
/* The value of the last console= of the command line that names it, with its options; NULL: none does. */
const char *console_wanted(const struct console_service *console);
/* In the order they came; fn returns false to stop.  Context: thread; fn may sleep, not add or remove. */
struct console_info {
    const struct console_service *console;
    bool prints_log, preferred; /* preferred: behind /dev/console */
};
void console_for_each(bool (*fn)(const struct console_info *info, void *arg), void *arg);

/* Makes the consoles that console= names (or the best one) print the log.  Called by boot/ after
 * each pass of initialisation; does nothing for those that print already.  Context: boot, or a thread. */
void console_log_attach(void);
/* When all have come: logs each console= that names none of them. */
void console_check_wanted(void);
