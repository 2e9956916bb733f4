// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: PCI as its drivers see it (PCI Local Bus 3.0, PCI Express Base 5.0).
 *
 * Model: a function is a device of pci_bus.  Its BARs are resources of struct device, whose `index` is the
 * BAR's number (6: the ROM): memory in CPU addresses, already placed.  What could not be placed, or
 * overlaps, is no resource.  Memory and port decoding is switched on while a driver is bound, bus
 * mastering by the driver (pci_master_set) and off again when it leaves.
 *
 *     probe:  registers = pci_map(p, 0, 0);  pci_master_set(p, true);
 *             n = pci_irq_vectors_alloc(p, 1, 4, PCI_IRQ_ALL);  irq_register(pci_irq_vector(p, 0), ...)
 *     stop:   reset the device;  irq_unregister(...)
 *     remove: pci_irq_vectors_free(p);  device_unmap(registers, ...)
 *
 * Configuration space belongs to whoever can write it, the device included: nothing that is read from it
 * is taken for granted, capabilities are followed within bounds.
 * Locking: pci_mutex (pci.c) guards buses and placement; vectors belong to the driver (bind held).
 */
#pragma once

#include <dev/bus/device.h>

#define PCI_BARS 6
#define PCI_ROM 6 /* index of its resource */
#define PCI_VECTORS_MAX 256

struct pci_host;
struct pci_bus;
struct pci_vectors;

struct pci_claim { /* a piece of a window that somebody has */
    struct list link; /* of the window, by address; pci_mutex */
    uint64_t start, size; /* on the bus; pci_mutex; size 0: nothing */
};

struct pci_bar {
    uint64_t size; /* 0: there is none; constant */
    uint8_t flags; /* the low four bits of the register; constant */
    struct pci_claim claim; /* where it is; nowhere: it was left out */
};

struct pci_device {
    struct device device; /* first; name "0000:00:01.0" */
    struct pci_bus *bus; /* constant */
    uint8_t devfn; /* slot * 8 + function; constant, as what follows */
    uint8_t header; /* 0: endpoint; 1: bridge to another bus; 2: CardBus bridge */
    uint8_t revision, pin; /* pin 0: no INTx */
    uint16_t vendor, id, subsystem_vendor, subsystem_id;
    uint32_t class; /* class, subclass, interface */
    uint16_t config_size; /* 256, 4096 */
    uint8_t express, msi, msix; /* capabilities; 0: none */
    struct pci_bar bars[PCI_BARS + 1];
    struct pci_bus *below; /* of a bridge; pci_mutex */
    struct list link; /* of its bus; pci_mutex */
    bool fresh; /* not in the device tree yet; pci_mutex */
    unsigned irq; /* what INTx comes as; 0: none; constant once added */
    uint16_t command; /* as it was before a driver came; bind */
    struct pci_vectors *vectors; /* NULL: none; the driver's */
};

extern struct bus pci_bus_type;

static inline struct pci_device *pci_of(const struct device *d)
{
    return container_of(d, struct pci_device, device);
}

/* --- configuration space --- */

/* size: 1, 2, 4, at a multiple of it.  What does not exist reads as all ones and swallows writes.
 * Context: any. */
uint32_t pci_read(const struct pci_device *p, unsigned offset, unsigned size);
void pci_write(const struct pci_device *p, unsigned offset, unsigned size, uint32_t value);
static inline uint8_t pci_read8(const struct pci_device *p, unsigned offset)
{
    return (uint8_t)pci_read(p, offset, 1);
}
static inline uint16_t pci_read16(const struct pci_device *p, unsigned offset)
{
    return (uint16_t)pci_read(p, offset, 2);
}
static inline uint32_t pci_read32(const struct pci_device *p, unsigned offset)
{
    return pci_read(p, offset, 4);
}
/* Offset of the next capability with that id behind `from` (0: the first); 0: none.  Lists that loop or
 * leave their space end there, with a line. */
unsigned pci_capability(const struct pci_device *p, uint8_t id, unsigned from);
unsigned pci_capability_extended(const struct pci_device *p, uint16_t id, unsigned from);

/* --- registers --- */

/* The resource of a BAR, or NULL. */
const struct device_resource *pci_bar_resource(const struct pci_device *p, unsigned bar);
/* Maps `bytes` (0: all) of a memory BAR from `offset` on; unmap with device_unmap().  NULL: cannot. */
void *__must_check pci_map(const struct pci_device *p, unsigned bar, uint64_t offset, size_t bytes);
/* Lets the device do DMA and send messages, or not. */
void pci_master_set(struct pci_device *p, bool on);

/* --- interrupts --- */

enum { PCI_IRQ_INTX = 1u << 0, PCI_IRQ_MSI = 1u << 1, PCI_IRQ_MSIX = 1u << 2,
       PCI_IRQ_ALL = PCI_IRQ_INTX | PCI_IRQ_MSI | PCI_IRQ_MSIX };

/*
 * Gives the device between min and max interrupts of the best kind that it and the machine have among
 * `kinds`: MSI-X, MSI, INTx (a single one, which may be shared: the handler says irq_unhandled() when
 * its device did not raise it).  They are for irq_register(), irq_route() and irq_unregister(), which
 * masks; bus mastering must be on for messages to be sent.
 * Return: how many; -ENOSPC: fewer than min; -EBUSY: it has some; -ENOMEM.
 */
int __must_check pci_irq_vectors_alloc(struct pci_device *p, unsigned min, unsigned max,
                                       unsigned kinds);
unsigned pci_irq_vector(const struct pci_device *p, unsigned n);
/* Which kind it got: PCI_IRQ_*; 0: none. */
unsigned pci_irq_kind(const struct pci_device *p);
/* After irq_unregister() of all.  None: nothing happens.  Also done when a driver forgets it. */
void pci_irq_vectors_free(struct pci_device *p);
