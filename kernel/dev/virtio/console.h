// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the two halves of the console device share: control (console.c) and the ports' data
 * (console_port.c).
 * Locking: control_mutex: which ports there are, what they are shown as.  control_lock (LOCK_DEVICE): messages to
 * the device.  A port: `lock` (LOCK_CONSOLE: the log writes with any lock held) for its buffers, listen_lock
 * (LOCK_DEVICE) for who is told, held around the telling; never both.
 */
#pragma once

#include <dev/virtio/virtio.h>
#include <svc/console.h>
#include <svc/port.h>
#include <svc/work.h>

#define CONSOLE_PORTS_MAX 32
#define CONSOLE_RX_BUFFERS 8u
#define CONSOLE_RX_BYTES 512u
#define CONSOLE_TX_BYTES 4096u /* a power of two */
#define CONSOLE_LOG_RESERVE 512u /* of them the log leaves to the terminal, whose room() stays true that long */
#define CONSOLE_LOG_PATIENCE (10 * NS_PER_MSEC) /* for a device that takes no output, once per stall */

struct console_device;

/* A port as programs see it: its record lives longer than the device when it is open. */
struct console_stream {
    struct port port; /* first */
    struct console_port *owner; /* while the port is not gone */
};

struct console_port {
    struct console_device *device; /* constant, as all to the next blank line */
    unsigned id;
    struct virtio_queue *rx, *tx;

    uint8_t *rx_memory, *tx_memory; /* NULL until the port comes for the first time; then constant */
    struct spinlock lock;
    struct {
        uint16_t number, bytes;
    } full[CONSOLE_RX_BUFFERS]; /* received, oldest first from full_at on; lock, as all to the next blank line */
    unsigned full_at, full_count;
    unsigned consumed; /* bytes of the oldest */
    unsigned idle; /* receive buffers that the queue had no place for */
    uint32_t head, tail, out; /* positions in tx_memory; bytes that are with the device */
    bool stalled; /* the log has waited in vain; until something comes back */
    bool stopped; /* no more buffers to the device */
    bool guest_open; /* a terminal or a program has it: else what comes is dropped */
    uint64_t dropped; /* bytes of the log */

    bool host_open; /* atomic */
    bool throttled; /* atomic */
    uint32_t size; /* columns | rows << 16; atomic */

    struct spinlock listen_lock;
    const struct console_listener *listener; /* listen_lock */
    void *listener_arg; /* listen_lock */
    struct console_stream *stream; /* control_mutex and listen_lock for writers; either for readers */

    /* What the device wants and what there is; control_mutex, the first two atomic for who reads without */
    bool wanted, is_console;
    bool console_added;
    unsigned hvc;
    char tty_name[8];
    char label[PORT_LABEL_BYTES];
    struct console_service console;

    uint8_t ready_due; /* an answer to PORT_ADD: 0 none, 1 no, 2 yes; control_lock */
    uint8_t open_due, open_said; /* PORT_OPEN: what is to be said, what was; control_lock */
};

struct console_device {
    struct virtio_device *v; /* constant, as all to the next blank line */
    bool multiport;
    unsigned port_count;
    struct console_port *ports;
    struct virtio_queue *control_in, *control_out; /* NULL without MULTIPORT */
    struct console_control_memory *memory; /* likewise */

    struct mutex control_mutex;
    struct spinlock control_lock;
    unsigned in_idle; /* buffers that the queue had no place for; control_lock, as all below */
    unsigned out_busy; /* messages that are with the device, a bit each */
    bool ready_due; /* DEVICE_READY is to be said */
    uint32_t refused; /* an id that cannot be had, to be told the device; VIRTIO_CONSOLE_BAD_ID: none */
    bool stopped; /* the work is not queued any more */
    struct work work;
};

/* ---- console_port.c -------------------------------------------------------------------------- */

void console_rx_handler(struct virtio_queue *q);
void console_tx_handler(struct virtio_queue *q);
void console_port_init(struct console_port *p, struct console_device *c, unsigned id);
/* Buffers, and all that can be received into handed to the device.  Return: 0; -ENOMEM.  control_mutex. */
err_t __must_check console_port_begin(struct console_port *p);
/* The port is shown as a stream (and as a console); control_mutex. */
err_t __must_check console_stream_add(struct console_port *p);
err_t __must_check console_tty_add(struct console_port *p);
void console_port_hide(struct console_port *p); /* both, when they are; control_mutex */
void console_port_connected(struct console_port *p, bool host_open);
void console_port_resized(struct console_port *p, unsigned columns, unsigned rows);
void console_port_drain(struct console_port *p); /* takes all back; any context */
void console_port_free(struct console_port *p);

/* ---- console.c ------------------------------------------------------------------------------- */

/* The device is to be told that somebody has the port open, or nobody; any context but a panic. */
void console_open_tell(struct console_port *p, bool open);
