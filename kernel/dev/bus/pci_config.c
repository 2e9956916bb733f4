// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: configuration space: single accesses, and the lists of capabilities in it.
 * Model: capabilities are a linked list that the device keeps, so each step is bounded: offsets stay in
 * the list's part of the space, and none is visited twice.
 * Locking: none; accesses are the host's matter.
 */
#define LOG_TAG "pci"
#include <dev/bus/pci_internal.h>

#include <core/log.h>
#include <lib/bitmap.h>

#define FIRST_OFFSET 0x40
#define EXTENDED_ID(head) ((uint16_t)(head))
#define EXTENDED_NEXT(head) ((head) >> 20 & ~3u)

static bool access_ok(const struct pci_device *p, unsigned offset, unsigned size)
{
    return (size == 1 || size == 2 || size == 4) && offset % size == 0 &&
           offset < p->config_size;
}

uint32_t pci_read(const struct pci_device *p, unsigned offset, unsigned size)
{
    const struct pci_host *host = p->bus->host;

    if (!access_ok(p, offset, size))
        return UINT32_MAX;
    return host->ops->read(host, p->bus->number, p->devfn, offset, size);
}

void pci_write(const struct pci_device *p, unsigned offset, unsigned size, uint32_t value)
{
    const struct pci_host *host = p->bus->host;

    if (access_ok(p, offset, size))
        host->ops->write(host, p->bus->number, p->devfn, offset, size, value);
}

static unsigned loops(const struct pci_device *p, unsigned at)
{
    log_once(LOG_WARN, "%s: capabilities at %#x loop or leave their space: the rest is left out",
             p->device.name, at);
    return 0;
}

/* Where the list begins; 0: there is none. */
static unsigned list_head(const struct pci_device *p)
{
    if (!(pci_read16(p, PCI_STATUS) & STATUS_CAPABILITIES))
        return 0;
    return pci_read8(p, p->header == 2 ? PCI_CARDBUS_CAPABILITIES : PCI_CAPABILITIES) & ~3u;
}

unsigned pci_capability(const struct pci_device *p, uint8_t id, unsigned from)
{
    uint64_t seen[BITMAP_WORDS(256 / 4)] = { 0 };
    bool behind = from == 0;

    for (unsigned at = list_head(p); at != 0; at = pci_read8(p, at + 1) & ~3u) {
        if (at < FIRST_OFFSET || bitmap_test(seen, at / 4))
            return loops(p, at);
        bitmap_set(seen, at / 4);
        if (behind && pci_read8(p, at) == id)
            return at;
        behind |= at == from;
    }
    return 0;
}

unsigned pci_capability_extended(const struct pci_device *p, uint16_t id, unsigned from)
{
    uint64_t seen[BITMAP_WORDS(4096 / 4)] = { 0 };
    bool behind = from == 0;
    uint32_t head;

    if (p->config_size <= PCI_EXTENDED)
        return 0;
    for (unsigned at = PCI_EXTENDED; at != 0; at = EXTENDED_NEXT(head)) {
        if (at < PCI_EXTENDED || bitmap_test(seen, at / 4))
            return loops(p, at);
        bitmap_set(seen, at / 4);
        head = pci_read32(p, at);
        if (head == 0 || head == UINT32_MAX)
            return 0;
        if (behind && EXTENDED_ID(head) == id)
            return at;
        behind |= at == from;
    }
    return 0;
}
