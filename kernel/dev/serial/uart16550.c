// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the PC's first serial line, COM1, a 16550 (National PC16550D): first the log's early
 * console, then ttyS0.
 *
 * Model: output waits until the transmitter's FIFO is empty and then fills it with 16 bytes at once.
 * Input comes by interrupt (FIFO half full, or bytes standing in it for four characters' time) and
 * goes to whoever set_input() named.
 * Locking: LOCK_CONSOLE around each run of output; input runs in its interrupt alone, and `receive`
 * changes with interrupts off on the one CPU that they go to.
 */
#define LOG_TAG "uart16550"
#include <core/irq.h>
#include <core/log.h>
#include <core/params.h>
#include <core/panic.h>
#include <core/spinlock.h>
#include <dev/serial/earlycon.h>
#include <hal/io.h>
#include <svc/console.h>
#include <svc/subsystem.h>

#define UART_DATA 0
#define UART_IER 1
#define UART_FCR 2
#define UART_LCR 3
#define UART_MCR 4
#define UART_LSR 5
#define UART_SCRATCH 7

#define IER_RECEIVE 0x01
#define FCR_FIFO_8 0x87 /* on, cleared, interrupt at 8 bytes */
#define LCR_8N1 0x03
#define LCR_DIVISOR 0x80
#define MCR_DTR_RTS_OUT2 0x0b /* OUT2 lets the interrupt through on a PC */
#define LSR_READY 0x01
#define LSR_ERRORS 0x1e
#define LSR_EMPTY 0x20
#define DIVISOR_115200 1
#define FIFO_BYTES 16
#define COM1_PORT 0x3f8
#define COM1_IRQ 4
#define TX_PATIENCE 1000000 /* polls before bytes are given up: a line that is held must not hang us */
#define RX_BATCH 32

static uint16_t port; /* 0: not there; set by the early console or the driver */
static struct spinlock tx_lock = SPINLOCK_INIT(LOCK_CONSOLE);
static void (*receive)(void *arg, const uint8_t *data, size_t n);
static void *receive_arg;
static bool console_used; /* boot: somebody writes to ttyS0, so the early console keeps quiet */

static void fifo_write(const char *s, size_t n)
{
    unsigned patience = TX_PATIENCE;

    while (!(port_read8(port + UART_LSR) & LSR_EMPTY) && patience-- > 0)
        hal_relax();
    __asm__ volatile("rep outsb" : "+S"(s), "+c"(n) : "d"(port + UART_DATA) : "memory");
}

static void bytes_write(const char *s, size_t n)
{
    while (n > 0) {
        size_t run = MIN(n, (size_t)FIFO_BYTES);

        fifo_write(s, run);
        s += run;
        n -= run;
    }
}

static void uart_write(const char *s, size_t n)
{
    unsigned long flags;

    console_used = true;
    if (atomic_load_relaxed(&panicking)) { /* the lock's holder may be the one that panics */
        bytes_write(s, n);
        return;
    }
    flags = spin_lock_irqsave(&tx_lock);
    bytes_write(s, n);
    spin_unlock_irqrestore(&tx_lock, flags);
}

static void uart_set_input(void (*fn)(void *arg, const uint8_t *data, size_t n), void *arg)
{
    unsigned long flags = hal_irq_save();

    receive = fn;
    receive_arg = arg;
    hal_irq_restore(flags);
}

/* Received bytes stay in the FIFO, then in the sender's, until the interrupt is on again. */
static void uart_throttle(bool on)
{
    port_write8(port + UART_IER, on ? 0 : IER_RECEIVE);
}

static size_t fifo_read(uint8_t *buf, size_t max)
{
    size_t n = 0;
    uint8_t status;

    while (n < max && ((status = port_read8(port + UART_LSR)) & LSR_READY)) {
        uint8_t c = port_read8(port + UART_DATA);

        if (!(status & LSR_ERRORS))
            buf[n++] = c;
    }
    return n;
}

static void on_interrupt(unsigned irq, void *arg)
{
    uint8_t buf[RX_BATCH];
    size_t n;

    (void)irq;
    (void)arg;
    while ((n = fifo_read(buf, sizeof(buf))) != 0)
        if (receive)
            receive(receive_arg, buf, n);
}

static const struct console_service console = {
    .tty_name = "ttyS0",
    .major = 4,
    .minor = 64,
    .write = uart_write,
    .set_input = uart_set_input,
    .throttle = uart_throttle,
};

static bool uart_probe(uint16_t at)
{
    port_write8(at + UART_SCRATCH, 0x5a);
    if (port_read8(at + UART_SCRATCH) != 0x5a)
        return false;
    port_write8(at + UART_SCRATCH, 0xa5);
    return port_read8(at + UART_SCRATCH) == 0xa5;
}

static void line_init(uint16_t at)
{
    port_write8(at + UART_IER, 0);
    port_write8(at + UART_LCR, LCR_DIVISOR | LCR_8N1);
    port_write8(at + UART_DATA, DIVISOR_115200);
    port_write8(at + UART_IER, 0);
    port_write8(at + UART_LCR, LCR_8N1);
    port_write8(at + UART_FCR, FCR_FIFO_8);
    port_write8(at + UART_MCR, MCR_DTR_RTS_OUT2);
}

/* --- before the driver --- */

static void early_write(struct log_sink *sink, const char *text, size_t n)
{
    (void)sink;
    for (size_t i = 0; i < n && !console_used; i++) {
        if (text[i] == '\n')
            fifo_write("\r", 1);
        fifo_write(text + i, 1);
    }
}

static bool early_started; /* boot */
/* Errors and panics only: the driver's console prints everything again that is in the log. */
static struct log_sink early_sink = { .name = "earlycon", .write = early_write, .level = LOG_ERR };

static void early_start(paddr_t at)
{
    if (!uart_probe((uint16_t)at))
        return;
    port = (uint16_t)at;
    line_init(port);
    early_started = true;
    log_sink_add(&early_sink, true);
}
EARLYCON(uart16550, "pc,com1", early_start);

static err_t set_earlycon(const char *value)
{
    (void)value;
    if (!early_started)
        return 0;
    log_sink_remove(&early_sink);
    early_sink.level = LOG_DEBUG;
    log_sink_add(&early_sink, true);
    return 0;
}
PARAM(earlycon, "print the log from its first line on, before drivers start", set_earlycon);

/* --- the driver --- */

static err_t uart_start(struct subsystem *self)
{
    err_t err;

    (void)self;
    if (!port && !uart_probe(COM1_PORT))
        return -ENODEV;
    if (!port)
        line_init(COM1_PORT);
    port = COM1_PORT;
    err = irq_register(COM1_IRQ, "ttyS0", on_interrupt, NULL);
    if (err)
        return err;
    uart_throttle(false);
    return service_publish_console("ttyS0", &console, 100, PRIV_DRIVER);
}

/* A panic before the log has found its consoles must still be seen, so not earlier. */
static err_t uart_late(struct subsystem *self)
{
    (void)self;
    if (early_started)
        log_sink_remove(&early_sink);
    return 0;
}

static const char *const needs[] = { "pic", NULL };
static struct subsystem uart_subsystem = {
    .name = "uart16550",
    .privilege = PRIV_DRIVER,
    .needs = needs,
    .early_init = uart_start,
    .late_init = uart_late,
};
REGISTER_SUBSYSTEM(uart_subsystem);
