// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the serial console by SPCR (Serial Port Console Redirection Table 4) or, when that names none,
 * by the first port of DBG2 (Debug Port Table 2, 1.2).
 * Model: of the ports that both can name those that ARM machines have; a PC's are found by their own driver.
 */
#define LOG_TAG "acpi"
#include <boot/acpi.h>

#include <core/log.h>

#define GAS_MEMORY 0

#define SPCR_TYPE 36
#define SPCR_GAS 40
#define SPCR_IRQ_KIND 52
#define SPCR_IRQ 54
#define SPCR_BYTES 80
#define SPCR_CLOCK 76 /* from revision 3 on */
#define SPCR_CLOCK_REVISION 3
#define IRQ_KIND_GIC 8u
#define REVISION 8

#define DBG2_OFFSET 36
#define DBG2_COUNT 40
#define DBG2_BYTES 44
#define PORT_BYTES 22
#define PORT_SERIAL 0x8000
#define PORTS_MAX 16

enum { UART_PL011 = 3, UART_SBSA_2X = 13, UART_SBSA = 14 };

static const char *compatible_of(unsigned type)
{
    switch (type) {
    case UART_PL011: return "arm,pl011";
    case UART_SBSA_2X:
    case UART_SBSA: return "arm,sbsa-uart";
    default: return NULL;
    }
}

/* The address in a generic address at `at`, which lies inside the table; 0: none that can be mapped. */
static paddr_t registers_at(const struct acpi_table *t, uint32_t at, struct hw_draft *d)
{
    paddr_t addr = acpi_u64(t->bytes + at + 4);

    if (t->bytes[at] == GAS_MEMORY && addr != 0 && addr < BIT(48))
        return addr;
    hw_complain(d, at, "registers at %#llx in space %u", (unsigned long long)addr, t->bytes[at]);
    return 0;
}

/* A shared or private interrupt of the GIC, or 0. */
static uint32_t interrupt_of(const struct acpi_table *t, struct hw_draft *d)
{
    uint32_t irq = acpi_u32(t->bytes + SPCR_IRQ);

    if (!(t->bytes[SPCR_IRQ_KIND] & IRQ_KIND_GIC))
        return 0;
    if (irq >= 16 && irq < 1020)
        return irq;
    hw_complain(d, SPCR_IRQ, "the GIC has no interrupt %u for a device", irq);
    return 0;
}

void acpi_read_spcr(const struct acpi_table *t, struct hw_draft *d)
{
    struct hw_console c = { 0 };

    if (t->size < SPCR_BYTES) {
        hw_complain(d, 0, "the table has %u bytes", t->size);
        return;
    }
    c.compatible = compatible_of(t->bytes[SPCR_TYPE]);
    if (!c.compatible)
        return;
    c.addr = registers_at(t, SPCR_GAS, d);
    c.irq = interrupt_of(t, d);
    if (t->bytes[REVISION] >= SPCR_CLOCK_REVISION)
        c.hz = acpi_u32(t->bytes + SPCR_CLOCK);
    if (c.addr != 0 && !d->info->console.compatible)
        d->info->console = c;
}

/* The port at `at`, of which `left` bytes remain.  Return: its length; 0: it makes no sense. */
static uint32_t port_read(const struct acpi_table *t, struct hw_draft *d, uint32_t at, uint32_t left)
{
    const uint8_t *p = t->bytes + at;
    uint32_t bytes = left >= PORT_BYTES ? acpi_u16(p + 1) : 0, gas;
    const char *compatible;
    paddr_t addr;

    if (bytes < PORT_BYTES || bytes > left) {
        hw_complain(d, at, "a port of %u bytes: the rest is left out", bytes);
        return 0;
    }
    gas = acpi_u16(p + 18);
    compatible = compatible_of(acpi_u16(p + 14));
    if (acpi_u16(p + 12) != PORT_SERIAL || !compatible || p[3] == 0 || gas + 12 > bytes)
        return bytes;
    addr = registers_at(t, at + gas, d);
    if (addr != 0 && !d->info->console.compatible)
        d->info->console = (struct hw_console){ .compatible = compatible, .addr = addr };
    return bytes;
}

void acpi_read_dbg2(const struct acpi_table *t, struct hw_draft *d)
{
    uint32_t at, count, bytes = 1;

    if (t->size < DBG2_BYTES) {
        hw_complain(d, 0, "the table has %u bytes", t->size);
        return;
    }
    at = acpi_u32(t->bytes + DBG2_OFFSET);
    count = MIN(acpi_u32(t->bytes + DBG2_COUNT), (uint32_t)PORTS_MAX);
    for (; count > 0 && bytes != 0 && at <= t->size; count--, at += bytes)
        bytes = port_read(t, d, at, t->size - at);
}
