// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the I/O APICs (Intel 82093AA, 290566): interrupts of devices, each to one CPU.
 *
 * Model: the firmware numbers the pins of all I/O APICs as global system interrupts.  Lines 0-15 keep
 * their ISA meaning, whatever pin an override connects them to; from 16 on a line is a global
 * interrupt.  A line gets a vector of its own when it is unmasked first.  Its pin's entry holds
 * vector, mode, mask and the target's APIC id.
 * Locking: ioapic_lock guards the register windows (index, then data) and lines[].
 */
#define LOG_TAG "ioapic"
#include <dev/irqchip/lapic.h>

#include <core/hardware.h>
#include <core/log.h>
#include <core/params.h>
#include <core/spinlock.h>
#include <dev/services.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <mm/vmap.h>

#define ISA_LINES 16
#define WINDOW_BYTES 0x20
#define WINDOW_INDEX 0x00
#define WINDOW_DATA 0x10
#define REG_VERSION 1
#define REG_ENTRY(pin) (0x10 + 2 * (pin))
#define ENTRY_NMI (4u << 8)
#define ENTRY_ACTIVE_LOW (1u << 13)
#define ENTRY_LEVEL (1u << 15)
#define ENTRY_MASKED (1u << 16)
#define TARGET_MAX 254

struct ioapic {
    volatile uint8_t *window;
    uint32_t gsi_base, pins;
};

static struct ioapic ioapics[HW_IOAPICS_MAX]; /* constant after start, but for what windows show */
static unsigned ioapic_count;
static struct spinlock ioapic_lock = SPINLOCK_INIT(LOCK_IRQCHIP);

static struct line {
    const struct ioapic *apic; /* NULL: no such line */
    uint8_t pin, vector; /* vector 0: never unmasked */
    uint8_t target; /* APIC id */
    uint32_t entry; /* lower half, without the vector */
} lines[IRQ_LINES]; /* ioapic_lock */

PARAM(noapic, "leave the I/O APICs alone: interrupts come from the 8259A", NULL);

static uint32_t reg_read(const struct ioapic *apic, unsigned reg)
{
    mmio_write32(apic->window + WINDOW_INDEX, reg);
    return mmio_read32(apic->window + WINDOW_DATA);
}

static void reg_write(const struct ioapic *apic, unsigned reg, uint32_t value)
{
    mmio_write32(apic->window + WINDOW_INDEX, reg);
    mmio_write32(apic->window + WINDOW_DATA, value);
}

/* The mask is the lower half's: it goes on first and comes off last. */
static void entry_write(const struct line *l)
{
    reg_write(l->apic, REG_ENTRY(l->pin), ENTRY_MASKED | l->entry | l->vector);
    reg_write(l->apic, REG_ENTRY(l->pin) + 1, (uint32_t)l->target << 24);
    if (!(l->entry & ENTRY_MASKED))
        reg_write(l->apic, REG_ENTRY(l->pin), l->entry | l->vector);
}

static struct line *line_find(unsigned irq)
{
    return irq < ARRAY_SIZE(lines) && lines[irq].apic ? &lines[irq] : NULL;
}

/* ioapic_lock held.  Return: whether the line has a vector. */
static bool vector_assign(struct line *l, unsigned irq)
{
    if (l->vector)
        return true;
    l->vector = lapic_vector_alloc(irq);
    return l->vector != 0;
}

static void ioapic_mask(unsigned irq)
{
    struct line *l = line_find(irq);
    unsigned long flags;

    if (lapic_is_message(irq))
        lapic_msi_mask(irq, true);
    if (!l)
        return;
    flags = spin_lock_irqsave(&ioapic_lock);
    l->entry |= ENTRY_MASKED;
    entry_write(l);
    spin_unlock_irqrestore(&ioapic_lock, flags);
}

static void ioapic_unmask(unsigned irq)
{
    struct line *l = line_find(irq);
    unsigned long flags;
    bool assigned;

    if (!l) {
        if (lapic_is_message(irq))
            lapic_msi_mask(irq, false);
        else if (irq < IRQ_LINES)
            log_warn("line %u is connected to no I/O APIC", irq);
        return;
    }
    flags = spin_lock_irqsave(&ioapic_lock);
    assigned = vector_assign(l, irq);
    if (assigned) {
        l->entry &= ~ENTRY_MASKED;
        entry_write(l);
    }
    spin_unlock_irqrestore(&ioapic_lock, flags);
    if (!assigned)
        log_warn("line %u stays masked: all vectors are taken", irq);
}

static void ioapic_end(unsigned irq)
{
    (void)irq;
    lapic_eoi();
}

static err_t ioapic_route(unsigned irq, struct cpu *cpu)
{
    struct line *l = line_find(irq);
    unsigned long flags;

    if (lapic_is_message(irq))
        return lapic_msi_route(irq, cpu);
    if (!l || cpu->hw_id > TARGET_MAX)
        return -EINVAL;
    flags = spin_lock_irqsave(&ioapic_lock);
    l->target = (uint8_t)cpu->hw_id;
    entry_write(l);
    spin_unlock_irqrestore(&ioapic_lock, flags);
    return 0;
}

static const struct irqchip chip = {
    .name = "IO-APIC",
    .mask = ioapic_mask,
    .unmask = ioapic_unmask,
    .claim = lapic_claim,
    .end = ioapic_end,
    .ipi = lapic_ipi,
    .start_cpu = lapic_start_cpu,
    .route = ioapic_route,
    .label = lapic_label,
    .message_name = "PCI-MSI",
};

/* --- finding out ------------------------------------------------------------------------------- */

static const struct ioapic *gsi_owner(uint32_t gsi)
{
    for (unsigned i = 0; i < ioapic_count; i++)
        if (gsi - ioapics[i].gsi_base < ioapics[i].pins)
            return &ioapics[i];
    return NULL;
}

static void line_connect(unsigned irq, uint32_t gsi, bool low, bool level)
{
    const struct ioapic *apic = gsi_owner(gsi);

    if (!apic)
        return;
    lines[irq] = (struct line){
        .apic = apic,
        .pin = (uint8_t)(gsi - apic->gsi_base),
        .target = (uint8_t)MIN(cpu_current()->hw_id, (uint64_t)TARGET_MAX),
        .entry = ENTRY_MASKED | (low ? ENTRY_ACTIVE_LOW : 0) | (level ? ENTRY_LEVEL : 0),
    };
}

/* ISA's lines are edges that rise, unless told otherwise; PCI's are low levels. */
static void lines_connect(const struct hardware_info *hw)
{
    for (unsigned irq = 0; irq < ISA_LINES; irq++)
        line_connect(irq, irq, false, false);
    for (unsigned irq = ISA_LINES; irq < ARRAY_SIZE(lines); irq++)
        line_connect(irq, irq, true, true);
    for (uint32_t i = 0; i < hw->override_count; i++) {
        const struct hw_override *o = &hw->overrides[i];

        /* Whose pin another line takes has none any more: with the PIT on pin 2, line 2. */
        if (o->gsi < ISA_LINES && o->gsi != o->irq)
            lines[o->gsi].apic = NULL;
    }
    for (uint32_t i = 0; i < hw->override_count; i++) {
        const struct hw_override *o = &hw->overrides[i];

        if (o->irq < ISA_LINES)
            line_connect(o->irq, o->gsi, o->polarity == HW_ACTIVE_LOW, o->trigger == HW_LEVEL);
    }
}

/* Inputs that are NMIs go to the boot CPU, and are nobody's line. */
static void nmis_connect(const struct hardware_info *hw)
{
    for (uint32_t i = 0; i < hw->nmi_source_count; i++) {
        const struct hw_nmi_source *nmi = &hw->nmi_sources[i];
        const struct ioapic *apic = gsi_owner(nmi->gsi);
        uint8_t target = (uint8_t)MIN(cpu_current()->hw_id, (uint64_t)TARGET_MAX);
        unsigned pin;

        if (!apic)
            continue;
        pin = nmi->gsi - apic->gsi_base;
        for (unsigned irq = 0; irq < ARRAY_SIZE(lines); irq++)
            if (lines[irq].apic == apic && lines[irq].pin == pin)
                lines[irq].apic = NULL;
        reg_write(apic, REG_ENTRY(pin) + 1, (uint32_t)target << 24);
        reg_write(apic, REG_ENTRY(pin),
                  ENTRY_NMI | (nmi->polarity == HW_ACTIVE_LOW ? ENTRY_ACTIVE_LOW : 0));
    }
}

static void ioapic_add(const struct hw_ioapic *hw)
{
    struct ioapic *apic = &ioapics[ioapic_count];
    uint32_t version;

    *apic = (struct ioapic){ .gsi_base = hw->gsi_base };
    apic->window = vmap_device(hw->addr, WINDOW_BYTES, MMU_READ | MMU_WRITE | MMU_DEVICE);
    if (!apic->window)
        return;
    version = reg_read(apic, REG_VERSION);
    if (version == UINT32_MAX || version == 0) {
        log_warn("no I/O APIC answers at %#llx", (unsigned long long)hw->addr);
        vmap_unmap_device((void *)apic->window, WINDOW_BYTES);
        return;
    }
    apic->pins = (version >> 16 & 0xff) + 1;
    for (unsigned pin = 0; pin < apic->pins; pin++)
        reg_write(apic, REG_ENTRY(pin), ENTRY_MASKED);
    ioapic_count++;
    log_info("id %u at %#llx, interrupts %u-%u", hw->id, (unsigned long long)hw->addr, hw->gsi_base,
             hw->gsi_base + apic->pins - 1);
}

static err_t ioapic_start(struct subsystem *self)
{
    const struct hardware_info *hw = hardware();
    const struct irqchip *pic;

    if (params_find("noapic")) {
        if (service_find_irqchip_named(self, "8259A", &pic) == 0)
            return -ENODEV;
        log_warn("noapic is ignored: there is no 8259A");
    }
    for (uint32_t i = 0; i < hw->ioapic_count; i++)
        ioapic_add(&hw->ioapics[i]);
    if (ioapic_count == 0)
        return -ENODEV;
    lines_connect(hw);
    nmis_connect(hw);
    lapic_wire_cut();
    return service_publish_irqchip(chip.name, &chip, 300, PRIV_DRIVER);
}

static const char *const needs[] = { "lapic", NULL };
static struct subsystem ioapic_subsystem = {
    .name = "ioapic", .privilege = PRIV_DRIVER, .needs = needs, .early_init = ioapic_start
};
REGISTER_SUBSYSTEM(ioapic_subsystem);
