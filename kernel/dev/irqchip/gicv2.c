// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the ARM Generic Interrupt Controller, version 2 (ARM IHI 0048B).
 *
 * Model: a distributor shared by up to eight CPUs and an interface for each.  The registers of the
 * private lines are banked: each CPU finds its own at the same address.  The distributor knows CPUs
 * by the number of their interface, which each one reads off the targets of its private lines.
 * Acknowledge gives the number, end of interrupt drops it; for software interrupts with the sender's
 * number, so they are ended at once, where it is at hand.
 * Locking: the set- and clear-enable registers and the bytes of targets need none.
 */
#define LOG_TAG "gicv2"
#include <dev/irqchip/gic.h>

#include <core/log.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <mm/vmap.h>

#define GICD_TARGET(n) (0x800 + (n))
#define GICD_SGIR 0xf00
#define GICD_SIZE 0x1000
#define GICC_CTLR 0x00
#define GICC_PMR 0x04
#define GICC_BPR 0x08
#define GICC_IAR 0x0c
#define GICC_EOIR 0x10
#define GICC_SIZE 0x1000

#define IAR_NUMBER 0x3ff
#define SGIR_TARGETS_SHIFT 16

static volatile uint8_t *distributor, *interface; /* constant after start */
static unsigned irq_count;
static uint8_t targets[CPU_MAX]; /* each CPU's interface as a bit; written by itself before it is online */

static void gic_mask(unsigned irq)
{
    if (irq < irq_count)
        mmio_write32(distributor + GICD_DISABLE(irq), 1u << irq % 32);
}

static void gic_unmask(unsigned irq)
{
    if (irq < irq_count)
        mmio_write32(distributor + GICD_ENABLE(irq), 1u << irq % 32);
}

static int gic_claim(unsigned hint)
{
    uint32_t iar = mmio_read32(interface + GICC_IAR);
    unsigned irq = iar & IAR_NUMBER;

    if (irq < IPI_COUNT) {
        mmio_write32(interface + GICC_EOIR, iar);
        return (int)(IRQ_IPI + irq);
    }
    return irq < IRQ_SPURIOUS ? (int)irq : -1;
}

static void gic_end(unsigned irq)
{
    if (irq < IRQ_IPI)
        mmio_write32(interface + GICC_EOIR, irq);
}

static void gic_ipi(struct cpu *cpu, enum ipi ipi)
{
    mmio_write32(distributor + GICD_SGIR, (uint32_t)targets[cpu->id] << SGIR_TARGETS_SHIFT | ipi);
}

static err_t gic_route(unsigned irq, struct cpu *cpu)
{
    if (irq < IRQ_SHARED || irq >= irq_count || targets[cpu->id] == 0)
        return -EINVAL;
    mmio_write8(distributor + GICD_TARGET(irq), targets[cpu->id]);
    return 0;
}

static err_t gic_configure(unsigned irq, bool edge)
{
    if (irq < IRQ_SHARED || irq >= irq_count)
        return -EINVAL;
    gic_config_set(distributor, irq, edge);
    return 0;
}

/* The targets of the private lines read as the reader's own bit; with one CPU as 0. */
static uint8_t target_read(void)
{
    for (unsigned i = 0; i < IRQ_SHARED; i += 4) {
        uint32_t v = mmio_read32(distributor + GICD_TARGET(i));

        v |= v >> 16;
        v |= v >> 8;
        if ((uint8_t)v != 0)
            return (uint8_t)v;
    }
    return 1;
}

static void lines_silence(unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i += 32) {
        mmio_write32(distributor + GICD_DISABLE(i), UINT32_MAX);
        mmio_write32(distributor + GICD_UNPEND(i), UINT32_MAX);
        mmio_write32(distributor + GICD_DEACTIVATE(i), UINT32_MAX);
        mmio_write32(distributor + GICD_GROUP(i), 0);
    }
    for (unsigned i = first; i < end; i += 4)
        mmio_write32(distributor + GICD_PRIORITY(i), PRIORITY_NORMAL);
}

/* The private lines and the interface of the calling CPU. */
static void gic_start_cpu(void)
{
    uint8_t own = target_read();

    targets[cpu_current()->id] = own;
    lines_silence(0, IRQ_SHARED);
    gic_timer_config(distributor);
    mmio_write32(distributor + GICD_ENABLE(0), BIT(IPI_COUNT) - 1);
    mmio_write32(interface + GICC_PMR, PRIORITY_MASK);
    mmio_write32(interface + GICC_BPR, 7); /* no preemption among groups */
    mmio_write32(interface + GICC_CTLR, 1);
}

static void distributor_init(void)
{
    uint32_t boot = target_read() * 0x01010101u;

    irq_count = gic_lines(distributor);
    mmio_write32(distributor + GICD_CTLR, 0);
    lines_silence(IRQ_SHARED, irq_count);
    for (unsigned i = IRQ_SHARED; i < irq_count; i += 4)
        mmio_write32(distributor + GICD_TARGET(i), boot);
    for (unsigned i = IRQ_SHARED; i < irq_count; i += 16)
        mmio_write32(distributor + GICD_CONFIG(i), 0);
    mmio_write32(distributor + GICD_CTLR, 1);
}

static const struct irqchip gic = {
    .name = "GICv2", .mask = gic_mask, .unmask = gic_unmask, .claim = gic_claim, .end = gic_end,
    .ipi = gic_ipi, .start_cpu = gic_start_cpu, .route = gic_route, .configure = gic_configure
};

err_t gicv2_start(const struct hw_gic *hw)
{
    err_t err;

    if (hw->dist == 0 || hw->cpu == 0)
        return -ENODEV;
    err = vmap_registers("GIC distributor", hw->dist, GICD_SIZE, GICD_TYPER, &distributor);
    if (err == 0)
        err = vmap_registers("GIC CPU interface", hw->cpu, GICC_SIZE, GICC_PMR, &interface);
    if (err != 0)
        return err;
    distributor_init();
    gic_start_cpu();
    log_info("%u interrupts", irq_count);
    irq_chip_set(&gic);
    return 0;
}
