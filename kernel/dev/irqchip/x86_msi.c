// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: interrupts that are messages to local APICs (SDM vol. 3, 11.11).
 *
 * Model: each has a vector of its own, as a line of an I/O APIC has, and goes to one CPU: the address
 * names its APIC, the data the vector.  Without interrupt remapping an address has 8 bits for that.
 * Masks and messages are the device's: its target is called.
 * Locking: messages_lock, over the calls to targets, so that none is called after its free().
 */
#define LOG_TAG "msi"
#include <dev/irqchip/lapic.h>

#include <core/smp.h>
#include <core/spinlock.h>
#include <dev/services.h>
#include <svc/subsystem.h>

#define ADDRESS_BASE 0xfee00000u
#define ADDRESS_TARGET_SHIFT 12
#define TARGET_MAX 254

static struct message {
    struct msi_target *target; /* NULL: free */
    unsigned index; /* the target's own number for it */
    uint8_t vector;
    uint8_t cpu; /* APIC id */
} messages[LAPIC_IRQ_FIRST - IRQ_MSI]; /* messages_lock */
static struct spinlock messages_lock = SPINLOCK_INIT(LOCK_IRQCHIP);

static unsigned irq_of(const struct message *m)
{
    return IRQ_MSI + (unsigned)(m - messages);
}

/* messages_lock held. */
static void message_write(const struct message *m)
{
    struct msi_message text = { ADDRESS_BASE | (uint32_t)m->cpu << ADDRESS_TARGET_SHIFT, m->vector };

    m->target->write(m->target, m->index, &text);
}

void lapic_msi_mask(unsigned irq, bool masked)
{
    struct message *m = &messages[irq - IRQ_MSI];
    unsigned long flags = spin_lock_irqsave(&messages_lock);

    if (m->target)
        m->target->mask(m->target, m->index, masked);
    spin_unlock_irqrestore(&messages_lock, flags);
}

err_t lapic_msi_route(unsigned irq, struct cpu *cpu)
{
    struct message *m = &messages[irq - IRQ_MSI];
    err_t err = -EINVAL;
    unsigned long flags;

    if (cpu->hw_id > TARGET_MAX)
        return -EINVAL;
    flags = spin_lock_irqsave(&messages_lock);
    if (m->target) {
        m->cpu = (uint8_t)cpu->hw_id;
        message_write(m);
        err = 0;
    }
    spin_unlock_irqrestore(&messages_lock, flags);
    return err;
}

/* Where irq_routed_to() says that it goes, which outlives the number's owner. */
static uint8_t target_of(unsigned irq)
{
    return (uint8_t)cpus[irq_routed_to(irq)]->hw_id;
}

/* messages_lock held.  Return: NULL when there is no number or no vector left. */
static struct message *message_alloc(struct msi_target *t, unsigned index)
{
    for (unsigned i = 0; i < ARRAY_SIZE(messages); i++) {
        struct message *m = &messages[i];

        if (m->target)
            continue;
        *m = (struct message){ .index = index, .cpu = target_of(irq_of(m)) };
        m->vector = lapic_vector_alloc(irq_of(m));
        if (m->vector == 0)
            return NULL;
        m->target = t;
        return m;
    }
    return NULL;
}

static void message_free(struct message *m)
{
    m->target->mask(m->target, m->index, true);
    m->target = NULL;
    lapic_vector_free(m->vector);
}

static void msi_free(struct msi_target *t, unsigned count, const unsigned *irqs)
{
    unsigned long flags = spin_lock_irqsave(&messages_lock);

    for (unsigned i = 0; i < count; i++)
        if (messages[irqs[i] - IRQ_MSI].target == t)
            message_free(&messages[irqs[i] - IRQ_MSI]);
    spin_unlock_irqrestore(&messages_lock, flags);
}

static err_t msi_alloc(struct msi_target *t, unsigned count, unsigned *irqs)
{
    unsigned long flags = spin_lock_irqsave(&messages_lock);
    unsigned n;

    for (n = 0; n < count; n++) {
        struct message *m = message_alloc(t, n);

        if (!m)
            break;
        message_write(m);
        irqs[n] = irq_of(m);
    }
    spin_unlock_irqrestore(&messages_lock, flags);
    if (n == count)
        return 0;
    msi_free(t, n, irqs);
    return -ENOSPC;
}

static const struct msi_controller controller = { .name = "lapic", .alloc = msi_alloc,
                                                  .free = msi_free };

static err_t msi_start(struct subsystem *self)
{
    (void)self;
    if (!lapic_present() || cpus[0]->hw_id > TARGET_MAX)
        return -ENODEV;
    return service_publish_msi_controller(controller.name, &controller, 100, PRIV_DRIVER);
}

static const char *const needs[] = { "lapic", NULL };
static struct subsystem msi_subsystem = { .name = "msi", .privilege = PRIV_DRIVER, .needs = needs,
                                          .late_init = msi_start };
REGISTER_SUBSYSTEM(msi_subsystem);
