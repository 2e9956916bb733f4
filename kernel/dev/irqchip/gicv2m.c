// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: interrupts that are messages to a GICv2m frame (Arm Server Base System Architecture 3.0,
 * appendix E): a write of a shared line's number raises the line.
 * Model: the frame owns a range of shared lines, which are triggered by edges.  Masks and routes are the
 * distributor's; a device's own mask is off while it has the line.
 * Locking: lines_lock for the set of those that are taken.
 */
#define LOG_TAG "msi"
#include <dev/irqchip/gic.h>

#include <core/log.h>
#include <core/spinlock.h>
#include <dev/services.h>
#include <hal/io.h>
#include <lib/bitmap.h>
#include <mm/vmap.h>

#define MSI_TYPER 0x008
#define MSI_SET 0x040
#define FRAME_BYTES 0x1000
#define TYPER_FIRST(v) ((v) >> 16 & 0x3ff)
#define TYPER_COUNT(v) ((v) & 0x3ff)

static uint64_t taken[BITMAP_WORDS(IRQ_SPURIOUS)]; /* lines_lock */
static struct spinlock lines_lock = SPINLOCK_INIT(LOCK_DEVICE);
static unsigned first, count; /* constant after start */
static paddr_t doorbell; /* constant after start */

static unsigned line_take(void)
{
    unsigned long flags = spin_lock_irqsave(&lines_lock);
    unsigned irq = 0;

    for (unsigned i = first; i < first + count && irq == 0; i++)
        if (!bitmap_test(taken, i)) {
            bitmap_set(taken, i);
            irq = i;
        }
    spin_unlock_irqrestore(&lines_lock, flags);
    return irq;
}

static void line_give(unsigned irq)
{
    unsigned long flags = spin_lock_irqsave(&lines_lock);

    bitmap_clear(taken, irq);
    spin_unlock_irqrestore(&lines_lock, flags);
}

static void frame_free_lines(struct msi_target *t, unsigned n, const unsigned *irqs)
{
    for (unsigned i = 0; i < n; i++) {
        t->mask(t, i, true);
        line_give(irqs[i]);
    }
}

static err_t line_alloc(struct msi_target *t, unsigned index, unsigned *irq)
{
    struct msi_message m = { .address = doorbell };
    err_t err;

    *irq = line_take();
    if (*irq == 0)
        return -ENOSPC;
    err = irq_chip()->configure(*irq, true);
    if (err) {
        line_give(*irq);
        return err;
    }
    m.data = *irq;
    t->write(t, index, &m);
    t->mask(t, index, false);
    return 0;
}

static err_t frame_alloc_lines(struct msi_target *t, unsigned n, unsigned *irqs)
{
    for (unsigned i = 0; i < n; i++) {
        err_t err = line_alloc(t, i, &irqs[i]);

        if (err) {
            frame_free_lines(t, i, irqs);
            return err;
        }
    }
    return 0;
}

static const struct msi_controller controller = {
    .name = "GICv2m", .alloc = frame_alloc_lines, .free = frame_free_lines
};

/* Which lines: a table says so, or the frame does. */
static void lines_find(const struct hw_gic *hw, volatile uint8_t *frame)
{
    uint32_t typer = mmio_read32(frame + MSI_TYPER);

    first = hw->msi_count ? hw->msi_first : TYPER_FIRST(typer);
    count = hw->msi_count ? hw->msi_count : TYPER_COUNT(typer);
}

err_t gicv2m_start(const struct hw_gic *hw)
{
    volatile uint8_t *frame;
    err_t err;

    if (!hw->msi_frame.start || !irq_chip() || !irq_chip()->configure)
        return -ENODEV;
    err = vmap_registers("GICv2m frame", hw->msi_frame.start, FRAME_BYTES, MSI_TYPER, &frame);
    if (err)
        return err;
    lines_find(hw, frame);
    vmap_unmap_device((void *)frame, FRAME_BYTES);
    if (first < IRQ_SHARED || count == 0 || first + count > IRQ_SPURIOUS) {
        log_warn("the frame at %#llx has lines %u and %u more: it is left out",
                 (unsigned long long)hw->msi_frame.start, first, count);
        return -EINVAL;
    }
    doorbell = hw->msi_frame.start + MSI_SET;
    log_info("GICv2m, interrupts %u-%u", first, first + count - 1);
    return service_publish_msi_controller(controller.name, &controller, 100, PRIV_DRIVER);
}
