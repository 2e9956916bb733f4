// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the PC's first serial line, COM1, a 16550 (National PC16550D): first the log's early
 * console, then ttyS0.
 *
 * Model: output waits until the transmitter's FIFO is empty and then fills it with 16 bytes at once.
 * Input comes by interrupt (FIFO half full, or bytes standing in it for four characters' time) and
 * goes to whoever listens.
 * Locking: that of serial.c.
 */
#define LOG_TAG "uart16550"
#include <core/irq.h>
#include <core/log.h>
#include <dev/serial/earlycon.h>
#include <dev/serial/serial.h>
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

static uint16_t port; /* 0: not there; set by the early console or the driver */

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

/* Received bytes stay in the FIFO, then in the sender's, until the interrupt is on again. */
static void receiver_set(bool on)
{
    port_write8(port + UART_IER, on ? IER_RECEIVE : 0);
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

static struct serial_line line = SERIAL_LINE(bytes_write, fifo_read);

static void on_interrupt(unsigned irq, void *arg)
{
    (void)irq;
    (void)arg;
    serial_receive(&line);
}

static void uart_throttle(const struct console_service *c __maybe_unused, bool on)
{
    receiver_set(!on);
}

static const struct console_service console = {
    .tty_name = "ttyS0",
    .major = 4,
    .minor = 64,
    .data = &line,
    .write = serial_write,
    .listen = serial_listen,
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

static void early_start(paddr_t at)
{
    if (!uart_probe((uint16_t)at))
        return;
    port = (uint16_t)at;
    line_init(port);
    serial_early_start(&line);
}
EARLYCON(uart16550, "pc,com1", early_start);

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
    receiver_set(true);
    return console_add(&console, 100);
}

/* A panic before the log has found its consoles must still be seen, so not earlier. */
static err_t uart_late(struct subsystem *self)
{
    (void)self;
    serial_early_stop();
    return 0;
}

static const char *const needs[] = { "irqchip", NULL };
static struct subsystem uart_subsystem = {
    .name = "uart16550",
    .privilege = PRIV_DRIVER,
    .needs = needs,
    .early_init = uart_start,
    .late_init = uart_late,
};
REGISTER_SUBSYSTEM(uart_subsystem);
