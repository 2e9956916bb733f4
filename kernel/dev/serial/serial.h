// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the serial drivers have in common: output under a lock, who gets the input, and the
 * console before there is a driver.
 */
#pragma once

#include <core/log.h>
#include <core/spinlock.h>

struct serial_line {
    /* The driver's part: sends n bytes, polling; takes up to max received ones out of the FIFO. */
    void (*put)(const char *s, size_t n);
    size_t (*take)(uint8_t *buf, size_t max);
    struct spinlock lock; /* around each run of output, but for a panic's */
    /* The interrupt reads them; they change with interrupts off on the one CPU that it goes to. */
    void (*receive)(void *arg, const uint8_t *data, size_t n);
    void *receive_arg;
    bool used; /* boot: somebody writes to the tty, so the early console keeps quiet */
};

#define SERIAL_LINE(put_fn, take_fn)                                                               \
    {                                                                                              \
        .put = (put_fn), .take = (take_fn), .lock = SPINLOCK_INIT(LOCK_CONSOLE)                    \
    }

/* Writes n bytes as they are.  Context: any, a panic included. */
void serial_write(struct serial_line *line, const char *s, size_t n);
/* Where received bytes go from now on; NULL: nowhere. */
void serial_set_input(struct serial_line *line, void (*fn)(void *, const uint8_t *, size_t), void *arg);
/* Hands on what has been received.  Context: the line's interrupt. */
void serial_receive(struct serial_line *line);

/* Makes the line the log's console until there are drivers: for errors and panics only, as the driver's
 * console prints again all that is in the log; with the parameter `earlycon` for every line.  Context: boot. */
void serial_early_start(struct serial_line *line);
/* Ends that, if it was started. */
void serial_early_stop(void);
