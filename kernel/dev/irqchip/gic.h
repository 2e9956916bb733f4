// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the two generations of the ARM Generic Interrupt Controller share.
 *
 * Model: numbers are the GIC's own: 0-15 from software (enum ipi is the number), 16-31 private to a
 * CPU, 32-1019 shared, from 8192 on those of messages (LPIs), which are ours from IRQ_MSI on.  All have
 * one priority, so nothing nests.
 */
#pragma once

#include <core/irq.h>
#include <hal/hardware.h>

/* Registers at the same place in both. */
#define GICD_CTLR 0x000
#define GICD_TYPER 0x004
#define GICD_GROUP(n) (0x080 + (n) / 32 * 4)
#define GICD_ENABLE(n) (0x100 + (n) / 32 * 4)
#define GICD_DISABLE(n) (0x180 + (n) / 32 * 4)
#define GICD_UNPEND(n) (0x280 + (n) / 32 * 4)
#define GICD_DEACTIVATE(n) (0x380 + (n) / 32 * 4)
#define GICD_PRIORITY(n) (0x400 + (n))
#define GICD_CONFIG(n) (0xc00 + (n) / 16 * 4)
#define CONFIG_EDGE(n) (2u << (n) % 16 * 2)

#define IRQ_PRIVATE 16
#define IRQ_SHARED 32
#define IRQ_SPURIOUS 1020 /* and above */
#define LPI_FIRST 8192
#define LPI_COUNT (IRQ_MAX - IRQ_MSI)
#define PRIORITY_NORMAL 0xa0a0a0a0u
#define PRIORITY_MASK 0xf0

_Static_assert((int)IPI_COUNT <= (int)IRQ_PRIVATE, "a software interrupt for each");

/* Each sets the machine's chip.  Return: 0, -ENOMEM, -ENODEV; -EINVAL after a line that says why. */
err_t gicv2_start(const struct hw_gic *hw);
err_t gicv3_start(const struct hw_gic *hw);

/* Each publishes a controller of messages.  Return: 0, -ENODEV: there is none, -ENOMEM; other errors after
 * a line that says why. */
err_t gicv2m_start(const struct hw_gic *hw);
err_t gicv3_its_start(const struct hw_gic *hw);

/* An ITS' part of GICv3's struct irqchip, for interrupts from IRQ_MSI on. */
void gicv3_its_mask(unsigned irq, bool masked);
err_t gicv3_its_route(unsigned irq, struct cpu *cpu);

/* What gicv3.c knows for the others.  The redistributor's registers and where they are, of a CPU that is
 * online; GICD_TYPER. */
volatile uint8_t *gicv3_redistributor(const struct cpu *cpu, paddr_t *where);
uint32_t gicv3_typer(void);

/* Edge or level of one shared line; `distributor` has GICD_CONFIG.  LOCK_IRQCHIP inside. */
void gic_config_set(volatile uint8_t *distributor, unsigned irq, bool edge);
/* The timer's private lines as its table says that they are triggered; where that is fixed nothing changes.
 * `lines` has GICD_CONFIG of the calling CPU's private lines, which are disabled. */
void gic_timer_config(volatile uint8_t *lines);
/* How many lines the distributor says it has. */
unsigned gic_lines(volatile uint8_t *distributor);
