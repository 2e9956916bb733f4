// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: interrupts of PCI functions: messages (MSI, MSI-X: PCI 3.0, 6.8) and the four lines.
 *
 * Model: a message is an address and a value that the function writes; the machine's message controller
 * hands out interrupts and says what their message is, also when one is routed to another CPU.  MSI is
 * used with one message.  A line is what the device tree, or a _PRT that is a constant, maps the pin to,
 * after the pins were turned at each bridge on the way (PCI-to-PCI Bridge 1.2, 9.1); on a PC the number
 * that firmware left in the function, which is right for the 8259A's inputs.  What a PC's I/O APIC gets
 * beside those is computed by ACPI's byte code, which is not run.
 * Locking: vectors are the driver's own from alloc to free; the controller calls back with its lock held.
 */
#define LOG_TAG "pci"
#include <dev/bus/pci_internal.h>

#include <core/hardware.h>
#include <core/log.h>
#include <core/params.h>
#include <hal/io.h>
#include <mm/heap.h>

#define MSI_CONTROL 2
#define MSI_ADDRESS 4
#define MSI_ENABLE 0x0001u
#define MSI_MULTIPLE 0x0070u /* how many messages are granted */
#define MSI_WIDE 0x0080u
#define MSI_MASKABLE 0x0100u
#define MSIX_CONTROL 2
#define MSIX_TABLE 4
#define MSIX_ENABLE 0x8000u
#define MSIX_MASK_ALL 0x4000u
#define MSIX_SIZE 0x07ffu
#define MSIX_ENTRY_BYTES 16
#define MSIX_ENTRY_ADDRESS 0
#define MSIX_ENTRY_DATA 8
#define MSIX_ENTRY_CONTROL 12
#define MSIX_ENTRY_MASKED 1u
#define EXPRESS_FLAGS 2
#define EXPRESS_TYPE(flags) ((flags) >> 4 & 15)
#define EXPRESS_TO_PCI 7
#define PC_LINES 16
#define PIN_COUNT 4

struct pci_vectors {
    struct msi_target target; /* unless INTx */
    struct pci_device *p;
    unsigned kind, count; /* PCI_IRQ_* */
    volatile uint8_t *table; /* MSI-X's */
    size_t table_bytes;
    unsigned irqs[];
};

static const struct msi_controller *controller; /* NULL: the machine has none; set at start */

PARAM(nomsi, "let PCI functions interrupt by lines alone", NULL);

void pci_irq_start(const struct subsystem *who)
{
    if (params_find("nomsi") || service_find_msi_controller(who, &controller) != 0)
        controller = NULL;
}

/* --- lines --- */

/* The function and pin as the host's bus sees them. */
static unsigned root_pin(const struct pci_device **p)
{
    unsigned pin = (*p)->pin;

    for (; (*p)->bus->bridge; *p = (*p)->bus->bridge)
        pin = (pin - 1 + ((*p)->devfn >> 3)) % PIN_COUNT + 1;
    return pin;
}

static unsigned table_line(const struct pci_device *p)
{
    const struct hw_pci_host *hw = p->bus->host->hw;
    unsigned pin = root_pin(&p);

    for (uint32_t i = 0; i < hw->irq_count; i++)
        if (hw->irqs[i].pin == pin && hw->irqs[i].devfn == (p->devfn & hw->devfn_mask))
            return hw->irqs[i].irq;
    return 0;
}

unsigned pci_intx(const struct pci_device *p)
{
    const struct hw_pci_host *hw = p->bus->host->hw;
    unsigned line;

    if (p->pin == 0)
        return 0;
    if (hw && (hw->from_tree || hw->irq_count))
        return table_line(p);
    if (!hardware()->pci_ports) /* not a PC: the register means nothing */
        return 0;
    line = pci_read8(p, PCI_LINE);
    return line < PC_LINES ? line : 0;
}

/* --- MSI --- */

static void msi_write(struct msi_target *t, unsigned index, const struct msi_message *m)
{
    const struct pci_device *p = container_of(t, struct pci_vectors, target)->p;
    uint16_t control = pci_read16(p, p->msi + MSI_CONTROL);

    (void)index;
    pci_write(p, p->msi + MSI_ADDRESS, 4, (uint32_t)m->address);
    if (control & MSI_WIDE)
        pci_write(p, p->msi + MSI_ADDRESS + 4, 4, (uint32_t)(m->address >> 32));
    pci_write(p, p->msi + (control & MSI_WIDE ? 12 : 8), 2, m->data);
}

/* One that cannot be masked is silenced by its enable bit. */
static void msi_mask(struct msi_target *t, unsigned index, bool masked)
{
    const struct pci_device *p = container_of(t, struct pci_vectors, target)->p;
    uint16_t control = pci_read16(p, p->msi + MSI_CONTROL);

    (void)index;
    if (control & MSI_MASKABLE)
        pci_write(p, p->msi + (control & MSI_WIDE ? 16 : 12), 4, masked);
    control = (uint16_t)(control & ~(MSI_MULTIPLE | MSI_ENABLE));
    if (!masked || control & MSI_MASKABLE)
        control |= MSI_ENABLE;
    pci_write(p, p->msi + MSI_CONTROL, 2, control);
}

static void msi_off(const struct pci_device *p)
{
    if (p->msi)
        pci_write(p, p->msi + MSI_CONTROL, 2,
                  pci_read16(p, p->msi + MSI_CONTROL) & ~(MSI_ENABLE | MSI_MULTIPLE));
}

/* --- MSI-X --- */

static volatile uint8_t *entry_of(struct msi_target *t, unsigned index)
{
    return container_of(t, struct pci_vectors, target)->table + index * MSIX_ENTRY_BYTES;
}

static void msix_mask(struct msi_target *t, unsigned index, bool masked)
{
    volatile uint8_t *entry = entry_of(t, index);

    mmio_write32(entry + MSIX_ENTRY_CONTROL, masked ? MSIX_ENTRY_MASKED : 0);
    (void)mmio_read32(entry + MSIX_ENTRY_CONTROL); /* it has arrived */
}

/* The entry is masked while it changes (6.8.2.9). */
static void msix_write(struct msi_target *t, unsigned index, const struct msi_message *m)
{
    volatile uint8_t *entry = entry_of(t, index);
    uint32_t control = mmio_read32(entry + MSIX_ENTRY_CONTROL);

    msix_mask(t, index, true);
    mmio_write32(entry + MSIX_ENTRY_ADDRESS, (uint32_t)m->address);
    mmio_write32(entry + MSIX_ENTRY_ADDRESS + 4, (uint32_t)(m->address >> 32));
    mmio_write32(entry + MSIX_ENTRY_DATA, m->data);
    mmio_write32(entry + MSIX_ENTRY_CONTROL, control);
}

static void msix_control(const struct pci_device *p, uint16_t clear, uint16_t set)
{
    uint16_t control = pci_read16(p, p->msix + MSIX_CONTROL);

    pci_write(p, p->msix + MSIX_CONTROL, 2, (control & ~clear) | set);
}

/* The table lies in a BAR (0-5, 6.8.2.4); all of it is masked.  Its size is asked for once more, and the device may
 * say something else than when the messages were counted. */
static err_t msix_table(struct pci_vectors *v)
{
    uint32_t where = pci_read32(v->p, v->p->msix + MSIX_TABLE);
    unsigned size = (pci_read16(v->p, v->p->msix + MSIX_CONTROL) & MSIX_SIZE) + 1;

    if (size < v->count || (where & 7) >= PCI_BARS)
        return -EINVAL;
    v->table_bytes = size * MSIX_ENTRY_BYTES;
    v->table = pci_map(v->p, where & 7, where & ~7u, v->table_bytes);
    if (!v->table)
        return -EINVAL;
    msix_control(v->p, 0, MSIX_ENABLE | MSIX_MASK_ALL);
    for (unsigned i = 0; i < size; i++)
        msix_mask(&v->target, i, true);
    return 0;
}

static void msix_off(struct pci_vectors *v)
{
    msix_control(v->p, MSIX_ENABLE | MSIX_MASK_ALL, 0);
    if (v->table)
        device_unmap((void *)v->table, v->table_bytes);
    v->table = NULL;
}

/* Whose number messages carry: a bridge to a conventional bus answers for all behind it, one from PCI Express
 * as function 0 of that bus (PCIe to PCI Bridge 1.0, 2.3), any other as itself. */
static uint32_t requester_of(const struct pci_device *p)
{
    unsigned bus = p->bus->number, devfn = p->devfn;

    for (const struct pci_device *b = p->bus->bridge; b; p = b, b = b->bus->bridge) {
        bool express = b->express != 0;

        if (express && EXPRESS_TYPE(pci_read16(b, b->express + EXPRESS_FLAGS)) != EXPRESS_TO_PCI)
            continue;
        bus = express ? p->bus->number : b->bus->number;
        devfn = express ? 0 : b->devfn;
    }
    return (uint32_t)p->bus->host->segment << 16 | bus << 8 | devfn;
}

/* --- one kind after the other --- */

static void intx_set(const struct pci_device *p, bool on)
{
    uint16_t command = pci_read16(p, PCI_COMMAND);

    pci_write(p, PCI_COMMAND, 2, on ? command & ~COMMAND_NO_INTX : command | COMMAND_NO_INTX);
}

static err_t msix_alloc(struct pci_vectors *v)
{
    err_t err = msix_table(v);

    if (!err)
        err = controller->alloc(&v->target, v->count, v->irqs);
    if (err) {
        msix_off(v);
        return err;
    }
    msix_control(v->p, MSIX_MASK_ALL, MSIX_ENABLE);
    return 0;
}

static err_t msi_alloc(struct pci_vectors *v)
{
    return controller->alloc(&v->target, 1, v->irqs);
}

/* Return: how many it could have of that kind. */
static unsigned kind_most(const struct pci_device *p, unsigned kind)
{
    if (kind == PCI_IRQ_INTX)
        return p->irq != 0;
    if (!controller)
        return 0;
    if (kind == PCI_IRQ_MSI)
        return p->msi != 0;
    return p->msix ? (pci_read16(p, p->msix + MSIX_CONTROL) & MSIX_SIZE) + 1 : 0;
}

static err_t kind_alloc(struct pci_device *p, unsigned kind, unsigned count)
{
    struct pci_vectors *v = kzalloc(sizeof *v + count * sizeof v->irqs[0]);
    err_t err = 0;

    if (!v)
        return -ENOMEM;
    v->p = p;
    v->kind = kind;
    v->count = count;
    v->target.requester = requester_of(p);
    v->target.write = kind == PCI_IRQ_MSI ? msi_write : msix_write;
    v->target.mask = kind == PCI_IRQ_MSI ? msi_mask : msix_mask;
    if (kind == PCI_IRQ_INTX)
        v->irqs[0] = p->irq;
    else
        err = kind == PCI_IRQ_MSIX ? msix_alloc(v) : msi_alloc(v);
    if (err) {
        kfree(v);
        return err;
    }
    intx_set(p, kind == PCI_IRQ_INTX);
    p->vectors = v;
    return 0;
}

int pci_irq_vectors_alloc(struct pci_device *p, unsigned min, unsigned max, unsigned kinds)
{
    static const unsigned order[] = { PCI_IRQ_MSIX, PCI_IRQ_MSI, PCI_IRQ_INTX };

    if (p->vectors)
        return -EBUSY;
    max = MIN(max, (unsigned)PCI_VECTORS_MAX);
    for (unsigned i = 0; i < ARRAY_SIZE(order) && max != 0; i++) {
        unsigned most = kinds & order[i] ? MIN(kind_most(p, order[i]), max) : 0;

        /* The controller may run short: half as many will do where that is enough. */
        for (unsigned n = most; n != 0 && n >= min; n /= 2)
            if (kind_alloc(p, order[i], n) == 0)
                return (int)n;
    }
    log_warn("%s: there is no interrupt that it could have", p->device.name);
    return -ENOSPC;
}

unsigned pci_irq_vector(const struct pci_device *p, unsigned n)
{
    return p->vectors && n < p->vectors->count ? p->vectors->irqs[n] : 0;
}

unsigned pci_irq_kind(const struct pci_device *p)
{
    return p->vectors ? p->vectors->kind : 0;
}

void pci_irq_vectors_free(struct pci_device *p)
{
    struct pci_vectors *v = p->vectors;

    if (!v)
        return;
    p->vectors = NULL;
    if (v->kind == PCI_IRQ_MSI)
        msi_off(p);
    if (v->kind == PCI_IRQ_MSIX)
        msix_control(p, 0, MSIX_MASK_ALL);
    if (v->kind != PCI_IRQ_INTX)
        controller->free(&v->target, v->count, v->irqs);
    if (v->kind == PCI_IRQ_MSIX)
        msix_off(v);
    intx_set(p, true);
    kfree(v);
}
