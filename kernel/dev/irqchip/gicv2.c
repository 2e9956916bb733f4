// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the ARM Generic Interrupt Controller, version 2 (ARM IHI 0048B).
 *
 * Model: a distributor shared by all CPUs and an interface for each.  Numbers are the GIC's own: 0-15
 * from software, 16-31 private to a CPU, 32-1019 shared.  All have one priority, so nothing nests;
 * shared ones go to CPU interface 0.  Acknowledge gives the number, end of interrupt drops it.
 * Locking: the set- and clear-enable registers need none; LOCK_DEVICE is not taken on the hot path.
 */
#define LOG_TAG "gicv2"
#include <core/irq.h>
#include <core/log.h>
#include <dev/device_tree.h>
#include <dev/services.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <mm/vmap.h>
#include <svc/subsystem.h>

#define GICD_CTLR 0x000
#define GICD_TYPER 0x004
#define GICD_GROUP(n) (0x080 + (n) / 32 * 4)
#define GICD_ENABLE(n) (0x100 + (n) / 32 * 4)
#define GICD_DISABLE(n) (0x180 + (n) / 32 * 4)
#define GICD_UNPEND(n) (0x280 + (n) / 32 * 4)
#define GICD_PRIORITY(n) (0x400 + (n))
#define GICD_TARGET(n) (0x800 + (n))
#define GICD_SIZE 0x1000
#define GICC_CTLR 0x00
#define GICC_PMR 0x04
#define GICC_BPR 0x08
#define GICC_IAR 0x0c
#define GICC_EOIR 0x10
#define GICC_SIZE 0x1000

#define IRQ_SHARED 32
#define IRQ_SPURIOUS 1020 /* and above */
#define IAR_NUMBER 0x3ff
#define PRIORITY_NORMAL 0xa0a0a0a0u

static volatile uint8_t *distributor, *interface; /* constant after start */
static unsigned irq_count;

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
    unsigned irq = mmio_read32(interface + GICC_IAR) & IAR_NUMBER;

    return irq < IRQ_SPURIOUS ? (int)irq : -1;
}

static void gic_end(unsigned irq)
{
    mmio_write32(interface + GICC_EOIR, irq);
}

static const struct irqchip gic = {
    .name = "GICv2", .mask = gic_mask, .unmask = gic_unmask, .claim = gic_claim, .end = gic_end
};

static void distributor_init(void)
{
    unsigned lines = 32 * ((mmio_read32(distributor + GICD_TYPER) & 31) + 1);

    irq_count = MIN(lines, (unsigned)IRQ_SPURIOUS);
    mmio_write32(distributor + GICD_CTLR, 0);
    for (unsigned i = 0; i < irq_count; i += 32) {
        mmio_write32(distributor + GICD_DISABLE(i), UINT32_MAX);
        mmio_write32(distributor + GICD_UNPEND(i), UINT32_MAX);
        mmio_write32(distributor + GICD_GROUP(i), 0);
    }
    for (unsigned i = 0; i < irq_count; i += 4)
        mmio_write32(distributor + GICD_PRIORITY(i), PRIORITY_NORMAL);
    for (unsigned i = IRQ_SHARED; i < irq_count; i += 4)
        mmio_write32(distributor + GICD_TARGET(i), 0x01010101);
    mmio_write32(distributor + GICD_CTLR, 1);
}

static void interface_init(void)
{
    mmio_write32(interface + GICC_PMR, 0xf0);
    mmio_write32(interface + GICC_BPR, 7); /* no preemption among groups */
    mmio_write32(interface + GICC_CTLR, 1);
}

static err_t gic_find(struct subsystem *self, struct device_node *node)
{
    static const char *const names[] = { "arm,cortex-a15-gic", "arm,gic-400", "arm,cortex-a9-gic",
                                         "arm,cortex-a7-gic" };
    const struct device_tree_service *tree;

    if (service_find_device_tree(self, &tree) != 0)
        return -ENODEV;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (tree->find(names[i], 0, node) == 0 && node->reg_count >= 2)
            return 0;
    return -ENODEV;
}

static err_t gic_start(struct subsystem *self)
{
    struct device_node node;
    err_t err = gic_find(self, &node);

    if (err != 0)
        return err;
    distributor = vmap_device(node.reg[0].start, GICD_SIZE, MMU_READ | MMU_WRITE | MMU_DEVICE);
    interface = vmap_device(node.reg[1].start, GICC_SIZE, MMU_READ | MMU_WRITE | MMU_DEVICE);
    if (distributor == NULL || interface == NULL)
        return -ENOMEM;
    distributor_init();
    interface_init();
    log_info("%u interrupts", irq_count);
    irq_chip_set(&gic);
    return service_publish_irqchip(gic.name, &gic, 100, PRIV_DRIVER);
}

static const char *const needs[] = { "device_tree", NULL };
static struct subsystem gic_subsystem = {
    .name = "gicv2", .privilege = PRIV_DRIVER, .needs = needs, .early_init = gic_start
};
REGISTER_SUBSYSTEM(gic_subsystem);
