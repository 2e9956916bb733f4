// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: puts the best of a PC's interrupt controllers to work: I/O APIC, else the 8259A behind a
 * local APIC, else the 8259A alone.  Who registers interrupts needs "irqchip".
 */
#define LOG_TAG "irqchip"
#include <dev/services.h>

static err_t irqchip_start(struct subsystem *self)
{
    const struct irqchip *best;
    err_t err = service_find_irqchip(self, &best);

    if (err)
        return err;
    irq_chip_set(best);
    return 0;
}

static const char *const needs[] = { "?pic", "?lapic", "?ioapic", NULL };
static struct subsystem irqchip_subsystem = {
    .name = "irqchip", .privilege = PRIV_DRIVER, .needs = needs, .early_init = irqchip_start,
    .core = "it chooses the interrupt controller",
};
REGISTER_SUBSYSTEM(irqchip_subsystem);
