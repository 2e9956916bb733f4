// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the serial drivers have in common.
 *
 * Model: a driver owns a struct serial_line and gives it two functions that touch the device.  One line
 * may be the console before the drivers start (`early_line`).
 * Locking: LOCK_CONSOLE around each run of output; input_lock (LOCK_DEVICE) around the listener's functions.
 */
#include <core/panic.h>
#include <core/params.h>
#include <dev/serial/serial.h>

#define RX_BATCH 32

static struct serial_line *early_line; /* boot */

size_t serial_write(const struct console_service *c, const char *s, size_t n)
{
    struct serial_line *line = c->data;
    unsigned long flags;

    line->used = true;
    if (atomic_load_relaxed(&panicking)) { /* the lock's holder may be the one that panics */
        line->put(s, n);
        return n;
    }
    flags = spin_lock_irqsave(&line->lock);
    line->put(s, n);
    spin_unlock_irqrestore(&line->lock, flags);
    return n;
}

void serial_listen(const struct console_service *c, const struct console_listener *l, void *arg)
{
    struct serial_line *line = c->data;
    unsigned long flags = spin_lock_irqsave(&line->input_lock);

    line->listener = l;
    line->listener_arg = arg;
    spin_unlock_irqrestore(&line->input_lock, flags);
}

void serial_receive(struct serial_line *line)
{
    uint8_t buf[RX_BATCH];
    size_t n;

    while ((n = line->take(buf, sizeof buf)) != 0) {
        unsigned long flags = spin_lock_irqsave(&line->input_lock);

        if (line->listener)
            line->listener->input(line->listener_arg, buf, n);
        spin_unlock_irqrestore(&line->input_lock, flags);
    }
}

/* ---- before the driver ----------------------------------------------------------------------- */

static void early_write(struct log_sink *sink, const char *text, size_t n)
{
    (void)sink;
    for (size_t i = 0; i < n && !early_line->used; i++) {
        if (text[i] == '\n')
            early_line->put("\r", 1);
        early_line->put(text + i, 1);
    }
}

static struct log_sink early_sink = { .name = "earlycon", .write = early_write, .level = LOG_ERR };

void serial_early_start(struct serial_line *line)
{
    early_line = line;
    log_sink_add(&early_sink, true);
}

void serial_early_stop(void)
{
    if (!early_line)
        return;
    log_sink_remove(&early_sink);
    early_line = NULL;
}

static err_t set_earlycon(const char *value)
{
    struct serial_line *line = early_line;

    (void)value;
    if (!line)
        return 0;
    serial_early_stop();
    early_sink.level = LOG_DEBUG;
    serial_early_start(line);
    return 0;
}
PARAM(earlycon, "print the log from its first line on, before drivers start", set_earlycon);
