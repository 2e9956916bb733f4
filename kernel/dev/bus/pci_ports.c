// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: PCI's configuration space through a PC's ports (PCI 3.0, 3.2.2.3.2): an address at 0xcf8, a
 * window of four bytes at 0xcfc.
 * Locking: ports_lock for the pair.
 */
#define LOG_TAG "pci"
#include <dev/bus/pci_internal.h>

#include <core/spinlock.h>
#include <hal/io.h>
#include <svc/subsystem.h>

#define PORT_ADDRESS 0xcf8
#define PORT_DATA 0xcfc
#define ADDRESS_ENABLE 0x80000000u

static struct spinlock ports_lock = SPINLOCK_INIT(LOCK_PCI);

static void address_set(unsigned bus, unsigned devfn, unsigned offset)
{
    port_write32(PORT_ADDRESS, ADDRESS_ENABLE | bus << 16 | devfn << 8 | (offset & 0xfc));
}

static uint32_t ports_read(const struct pci_host *host, unsigned bus, unsigned devfn, unsigned offset,
                           unsigned size)
{
    uint16_t port = (uint16_t)(PORT_DATA + (offset & 3));
    unsigned long flags = spin_lock_irqsave(&ports_lock);
    uint32_t v;

    (void)host;
    address_set(bus, devfn, offset);
    v = size == 1 ? port_read8(port) : size == 2 ? port_read16(port) : port_read32(port);
    spin_unlock_irqrestore(&ports_lock, flags);
    return v;
}

static void ports_write(const struct pci_host *host, unsigned bus, unsigned devfn, unsigned offset,
                        unsigned size, uint32_t value)
{
    uint16_t port = (uint16_t)(PORT_DATA + (offset & 3));
    unsigned long flags = spin_lock_irqsave(&ports_lock);

    (void)host;
    address_set(bus, devfn, offset);
    if (size == 1)
        port_write8(port, (uint8_t)value);
    else if (size == 2)
        port_write16(port, (uint16_t)value);
    else
        port_write32(port, value);
    spin_unlock_irqrestore(&ports_lock, flags);
}

static const struct pci_ops ops = { .read = ports_read, .write = ports_write };

/* The address reads back where there is such a pair. */
static err_t ports_start(struct subsystem *self)
{
    uint32_t old = port_read32(PORT_ADDRESS), found;

    (void)self;
    port_write32(PORT_ADDRESS, ADDRESS_ENABLE);
    found = port_read32(PORT_ADDRESS);
    port_write32(PORT_ADDRESS, old);
    if (found != ADDRESS_ENABLE)
        return -ENODEV;
    return service_publish_pci_ports("ports", &ops, 100, PRIV_DRIVER);
}

static struct subsystem ports_subsystem = { .name = "pci-ports", .privilege = PRIV_DRIVER,
                                            .early_init = ports_start };
REGISTER_SUBSYSTEM(ports_subsystem);
