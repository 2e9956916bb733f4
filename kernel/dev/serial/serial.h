// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the serial drivers have in common: output under a lock, who gets the input, and the
 * console before there is a driver.
 */
#pragma once

#include <core/log.h>
#include <core/spinlock.h>
#include <svc/console.h>

struct serial_line {
    /* The driver's part: sends n bytes, polling; takes up to max received ones out of the FIFO. */
    void (*put)(const char *s, size_t n);
    size_t (*take)(uint8_t *buf, size_t max);
    struct spinlock lock; /* around each run of output, but for a panic's */
    struct spinlock input_lock; /* LOCK_DEVICE: the two below, and around each call */
    const struct console_listener *listener; /* NULL: none */
    void *listener_arg;
    bool used; /* boot: somebody writes to the tty, so the early console keeps quiet */
};

#define SERIAL_LINE(put_fn, take_fn)                                                               \
    {                                                                                              \
        .put = (put_fn), .take = (take_fn), .lock = SPINLOCK_INIT(LOCK_CONSOLE),                   \
        .input_lock = SPINLOCK_INIT(LOCK_DEVICE)                                                   \
    }

/* Those of a console whose `data` is a line. */
size_t serial_write(const struct console_service *c, const char *s, size_t n);
void serial_listen(const struct console_service *c, const struct console_listener *l, void *arg);
/* Hands on what has been received.  Context: the line's interrupt. */
void serial_receive(struct serial_line *line);

/* Makes the line the log's console until there are drivers: for errors and panics only, as the driver's
 * console prints again all that is in the log; with the parameter `earlycon` for every line.  Context: boot. */
void serial_early_start(struct serial_line *line);
/* Ends that, if it was started. */
void serial_early_stop(void);
