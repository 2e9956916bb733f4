// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the PL011 serial line (ARM DDI 0183): the log's first console, and ttyAMA0.
 *
 * Model: output waits for room in the transmit FIFO.  Input comes by interrupt (FIFO filling up, or
 * bytes standing in it for 32 bit times) and goes to whoever listens.  Before the driver
 * starts, boot/ may have started the early console on the same registers; the driver takes
 * its place.
 * Locking: that of serial.c.
 */
#define LOG_TAG "pl011"
#include <arch/early.h>
#include <core/hardware.h>
#include <core/irq.h>
#include <core/log.h>
#include <dev/device_tree.h>
#include <dev/serial/earlycon.h>
#include <dev/serial/serial.h>
#include <hal/io.h>
#include <lib/string.h>
#include <mm/vmap.h>
#include <svc/console.h>
#include <svc/subsystem.h>

#define UART_DR 0x00
#define UART_FR 0x18
#define UART_IBRD 0x24
#define UART_FBRD 0x28
#define UART_LCRH 0x2c
#define UART_CR 0x30
#define UART_IFLS 0x34
#define UART_IMSC 0x38
#define UART_MIS 0x40
#define UART_ICR 0x44
#define UART_SIZE 0x1000

#define FR_RX_EMPTY BIT(4)
#define FR_TX_FULL BIT(5)
#define DR_ERRORS 0xf00 /* framing, parity, break, overrun */
#define LCRH_8N1_FIFO 0x70
#define CR_ENABLE 0x301 /* UART, transmitter, receiver */
#define INT_RX BIT(4)
#define INT_RX_TIMEOUT BIT(6)
#define INT_ALL 0x7ff
#define BAUD 115200
#define TX_PATIENCE 1000000 /* polls before a byte is given up: a line that is held must not hang us */

static volatile uint8_t *registers; /* set by the early console, then by the driver */

static void byte_put(uint8_t c)
{
    unsigned patience = TX_PATIENCE;

    while ((mmio_read32(registers + UART_FR) & FR_TX_FULL) && patience-- != 0)
        hal_relax();
    mmio_write32(registers + UART_DR, c);
}

static void bytes_put(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        byte_put((uint8_t)s[i]);
}

static void receiver_set(bool on)
{
    mmio_write32(registers + UART_IMSC, on ? INT_RX | INT_RX_TIMEOUT : 0);
}

static size_t fifo_read(uint8_t *buf, size_t max)
{
    size_t n = 0;

    while (n < max && !(mmio_read32(registers + UART_FR) & FR_RX_EMPTY)) {
        uint32_t c = mmio_read32(registers + UART_DR);

        if (!(c & DR_ERRORS))
            buf[n++] = (uint8_t)c;
    }
    return n;
}

static struct serial_line line = SERIAL_LINE(bytes_put, fifo_read);

static void on_interrupt(unsigned irq, void *arg)
{
    uint32_t causes = mmio_read32(registers + UART_MIS);

    if (causes == 0)
        irq_unhandled();
    mmio_write32(registers + UART_ICR, causes);
    serial_receive(&line);
}

static void pl011_throttle(const struct console_service *c __maybe_unused, bool on)
{
    receiver_set(!on);
}

static const struct console_service console = {
    .tty_name = "ttyAMA0",
    .major = 204,
    .minor = 64,
    .data = &line,
    .write = serial_write,
    .listen = serial_listen,
    .throttle = pl011_throttle,
};

static void early_start(paddr_t pa)
{
    volatile uint8_t *mapped = early_device_map(pa);
    uint32_t flags;

    if (!mmio_probe32(mapped + UART_FR, &flags))
        return; /* the driver says so */
    registers = mapped;
    serial_early_start(&line);
}
EARLYCON(pl011, "arm,pl011", early_start);
EARLYCON(sbsa, "arm,sbsa-uart", early_start);

/* --- the driver --- */

static void line_init(uint32_t hz)
{
    uint32_t divisor = hz * 4 / BAUD; /* clock / (16 * baud) in 1/64 */

    mmio_write32(registers + UART_IMSC, 0);
    if (hz >= 16 * BAUD) {
        mmio_write32(registers + UART_CR, 0);
        mmio_write32(registers + UART_IBRD, divisor >> 6);
        mmio_write32(registers + UART_FBRD, divisor & 63);
    }
    mmio_write32(registers + UART_LCRH, LCRH_8N1_FIFO);
    mmio_write32(registers + UART_IFLS, 0); /* interrupt from 1/8 of the FIFO on */
    mmio_write32(registers + UART_ICR, INT_ALL);
    mmio_write32(registers + UART_CR, CR_ENABLE);
    /* A sender that found the line busy before looks again when something is read (QEMU). */
    if (mmio_read32(registers + UART_FR) & FR_RX_EMPTY)
        (void)mmio_read32(registers + UART_DR);
}

struct found {
    volatile uint8_t *mapped;
    paddr_t start;
    unsigned irq; /* 0: none */
    bool edge;
    uint32_t hz;
};

static err_t line_map(struct found *f)
{
    return vmap_registers("PL011", f->start, UART_SIZE, UART_FR, &f->mapped);
}

static err_t node_map(const struct device_tree_service *tree, const struct device_node *node,
                      struct found *f)
{
    f->start = node->reg[0].start;
    f->irq = node->irq_count != 0 ? node->irq[0] : 0;
    f->edge = node->irq_edge & 1;
    f->hz = tree->clock_hz(node);
    return line_map(f);
}

/* Looks at the line that the loader calls the console, or at all others. */
static err_t tree_map(const struct device_tree_service *tree, bool preferred, struct found *f)
{
    struct device_node node;
    err_t err = -ENODEV;

    for (unsigned i = 0; err != 0 && tree->find("arm,pl011", i, &node) == 0; i++)
        if (node.reg_count != 0 && (node.reg[0].start == tree->stdout()) == preferred)
            err = node_map(tree, &node, f);
    return err;
}

/* ACPI's console; the smaller kin of SBSA has the same registers where it has any. */
static err_t acpi_find_line(struct found *f)
{
    const struct hw_console *c = &hardware()->console;

    if (!c->compatible ||
        (strcmp(c->compatible, "arm,pl011") != 0 && strcmp(c->compatible, "arm,sbsa-uart") != 0))
        return -ENODEV;
    *f = (struct found){ .start = c->addr, .irq = c->irq, .hz = c->hz };
    return line_map(f);
}

/* The loader's console, else the first line that is there. */
static err_t line_find(struct subsystem *self, struct found *f)
{
    const struct device_tree_service *tree;
    err_t err;

    if (service_find_device_tree(self, &tree) != 0)
        return acpi_find_line(f);
    err = tree_map(tree, true, f);
    return err != 0 ? tree_map(tree, false, f) : 0;
}

static err_t pl011_start(struct subsystem *self)
{
    struct found f;
    err_t err = line_find(self, &f);

    if (err != 0)
        return err;
    serial_early_stop();
    registers = f.mapped;
    line_init(f.hz);
    if (f.irq != 0 && irq_chip() != NULL) {
        if (irq_chip()->configure != NULL)
            (void)irq_chip()->configure(f.irq, f.edge); /* or it stays level */
        err = irq_register(f.irq, "ttyAMA0", on_interrupt, NULL);
        if (err != 0)
            return err;
        receiver_set(true);
    }
    return console_add(&console, 100);
}

static const char *const needs[] = { "?device_tree", "?gic", NULL };
static struct subsystem pl011_subsystem = {
    .name = "pl011", .privilege = PRIV_DRIVER, .needs = needs, .early_init = pl011_start
};
REGISTER_SUBSYSTEM(pl011_subsystem);
