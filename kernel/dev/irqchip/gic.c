// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: finds out which GIC there is, and starts its driver; later the one for messages.
 * Locking: config_lock guards the configuration registers, which two lines share.
 */
#define LOG_TAG "gic"
#include <dev/irqchip/gic.h>

#include <core/hardware.h>
#include <core/log.h>
#include <core/spinlock.h>
#include <dev/services.h>
#include <hal/io.h>
#include <svc/subsystem.h>

static struct spinlock config_lock = SPINLOCK_INIT(LOCK_IRQCHIP);

void gic_config_set(volatile uint8_t *distributor, unsigned irq, bool edge)
{
    unsigned long flags = spin_lock_irqsave(&config_lock);
    uint32_t v = mmio_read32(distributor + GICD_CONFIG(irq));

    v = edge ? v | CONFIG_EDGE(irq) : v & ~CONFIG_EDGE(irq);
    mmio_write32(distributor + GICD_CONFIG(irq), v);
    spin_unlock_irqrestore(&config_lock, flags);
}

static void private_config(volatile uint8_t *lines, uint32_t irq, enum hw_trigger trigger)
{
    if (irq >= IRQ_PRIVATE && irq < IRQ_SHARED && trigger != HW_TRIGGER_BUS)
        gic_config_set(lines, irq, trigger == HW_EDGE);
}

void gic_timer_config(volatile uint8_t *lines)
{
    const struct hw_arch_timer *timer = &hardware()->arch_timer;

    private_config(lines, timer->phys_irq, timer->phys_trigger);
    private_config(lines, timer->virt_irq, timer->virt_trigger);
}

unsigned gic_lines(volatile uint8_t *distributor)
{
    unsigned lines = 32 * ((mmio_read32(distributor + GICD_TYPER) & 31) + 1);

    return MIN(lines, (unsigned)IRQ_SPURIOUS);
}

static err_t gic_start(struct subsystem *self)
{
    const struct hw_gic *hw = &hardware()->gic;
    err_t err = -ENODEV;

    if (hw->version == 2)
        err = gicv2_start(hw);
    else if (hw->version >= 3)
        err = gicv3_start(hw);
    if (err == -ENODEV && hw->version != 0) { /* the tables have one */
        log_err("version %u at %#llx does not answer", hw->version, (unsigned long long)hw->dist);
        err = -EIO;
    }
    if (err != 0)
        return err;
    return service_publish_irqchip(irq_chip()->name, irq_chip(), 100, PRIV_DRIVER);
}

static struct subsystem gic_subsystem = {
    .name = "gic", .privilege = PRIV_DRIVER, .early_init = gic_start,
    .core = "there is no other interrupt controller",
};
REGISTER_SUBSYSTEM(gic_subsystem);

/* An ITS is what messages of a GICv3 go to; a frame that raises shared lines serves either version. */
static err_t msi_start(struct subsystem *self)
{
    const struct hw_gic *hw = &hardware()->gic;
    err_t err = -ENODEV;

    (void)self;
    if (hw->version >= 3)
        err = gicv3_its_start(hw);
    return err != 0 && hw->msi_frame.start ? gicv2m_start(hw) : err;
}

static const char *const needs[] = { "gic", NULL };
static struct subsystem msi_subsystem = { .name = "msi", .privilege = PRIV_DRIVER, .needs = needs,
                                          .late_init = msi_start };
REGISTER_SUBSYSTEM(msi_subsystem);
