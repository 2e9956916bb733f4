// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: finds the functions of a host's buses, sizes their BARs and numbers the buses below bridges.
 *
 * Model: PCI 3.0, 6.2.5.1 (sizing) and the PCI-to-PCI bridge specification 1.2, 3.2.5 (buses).  Bridges
 * whose numbers make sense keep them and are walked first; the others get the numbers behind the
 * highest in use.  A bus has a higher number than the one above it, and no number is given twice: so a
 * walk ends, whatever the registers claim.
 * Locking: pci_mutex.
 */
#define LOG_TAG "pci"
#include <dev/bus/pci_internal.h>

#include <core/log.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>

#define SLOTS 32
#define FUNCTIONS 8
#define CLASS_HOST 0x0600
#define ROM_MASK 0x7ffu

void pci_complain(struct pci_host *host, const char *format, ...)
{
    char text[160];
    va_list ap;

    if (host->complaints++ >= PCI_COMPLAINTS_MAX)
        return;
    va_start(ap, format);
    fmt_vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    log_warn("%s%s", text,
             host->complaints == PCI_COMPLAINTS_MAX ? "; further ones are not told" : "");
}

/* --- BARs --- */

/* What the register says when all ones are written to it. */
static uint32_t register_probe(const struct pci_device *p, unsigned offset, uint32_t ones)
{
    uint32_t old = pci_read32(p, offset), probed;

    pci_write(p, offset, 4, ones);
    probed = pci_read32(p, offset);
    pci_write(p, offset, 4, old);
    return probed;
}

/* The bits that can be set are those above the size. */
static uint64_t size_of(uint64_t mask)
{
    uint64_t size = mask & -mask;

    return size != 0 && mask == -size ? size : 0;
}

static void bar_keep(struct pci_device *p, unsigned n, uint64_t mask, uint8_t flags)
{
    struct pci_bar *b = &p->bars[n];

    if (mask == 0)
        return;
    b->size = size_of(mask);
    b->flags = flags;
    if (b->size == 0)
        pci_complain(p->bus->host, "%s: BAR %u has a size that is none: it is left out",
                     p->device.name, n);
}

/* Return: how many registers it takes. */
static unsigned bar_size(struct pci_device *p, unsigned n, unsigned count)
{
    uint32_t low = register_probe(p, PCI_BAR(n), UINT32_MAX);
    uint64_t mask;

    if (low & BAR_IO) {
        mask = low & ~3u;
        if (mask >> 16 == 0) /* decodes 16 bits */
            mask |= mask ? 0xffff0000u : 0;
        bar_keep(p, n, mask | (mask ? 0xffffffff00000000ull : 0), low & 3);
        return 1;
    }
    if (!(low & BAR_WIDE)) {
        mask = low & ~15u;
        bar_keep(p, n, mask | (mask ? 0xffffffff00000000ull : 0), low & 15);
        return 1;
    }
    if (n + 1 == count) {
        pci_complain(p->bus->host, "%s: BAR %u has no upper half: it is left out", p->device.name, n);
        return 1;
    }
    mask = (uint64_t)register_probe(p, PCI_BAR(n + 1), UINT32_MAX) << 32 | (low & ~15u);
    bar_keep(p, n, mask, low & 15);
    return 2;
}

static void rom_size(struct pci_device *p)
{
    unsigned offset = p->header == 1 ? PCI_BRIDGE_ROM : PCI_ROM_ADDRESS;
    uint64_t mask = register_probe(p, offset, ~ROM_MASK) & ~ROM_MASK;

    bar_keep(p, PCI_ROM, mask | (mask ? 0xffffffff00000000ull : 0), 0);
}

/* While sizes are asked for, the device must not answer at what is no address. */
static void bars_size(struct pci_device *p)
{
    unsigned count = p->header == 0 ? PCI_BARS : p->header == 1 ? 2 : 0;
    uint16_t command = pci_read16(p, PCI_COMMAND);
    bool host_bridge = p->class >> 8 == CLASS_HOST;

    if (count == 0)
        return;
    if (!host_bridge)
        pci_change(p, PCI_COMMAND, 2, command & ~(COMMAND_IO | COMMAND_MEMORY));
    for (unsigned n = 0; n < count;)
        n += bar_size(p, n, count);
    rom_size(p);
    if (!host_bridge)
        pci_change(p, PCI_COMMAND, 2, command);
}

/* --- functions --- */

static void function_read(struct pci_device *p)
{
    uint32_t ids = pci_read32(p, PCI_SUBSYSTEM);

    p->class = pci_read32(p, PCI_REVISION) >> 8;
    p->revision = pci_read8(p, PCI_REVISION);
    p->pin = pci_read8(p, PCI_PIN);
    if (p->pin > 4)
        p->pin = 0;
    if (p->header == 0) {
        p->subsystem_vendor = (uint16_t)ids;
        p->subsystem_id = (uint16_t)(ids >> 16);
    }
    p->express = (uint8_t)pci_capability(p, CAPABILITY_EXPRESS, 0);
    p->msi = (uint8_t)pci_capability(p, CAPABILITY_MSI, 0);
    p->msix = (uint8_t)pci_capability(p, CAPABILITY_MSIX, 0);
    /* Where there is no extended space the first word is all ones, or the lower part is seen again. */
    if (p->bus->host->config_size > PCI_EXTENDED && p->express) {
        p->config_size = p->bus->host->config_size;
        if (pci_read32(p, PCI_EXTENDED) == UINT32_MAX ||
            pci_read32(p, PCI_EXTENDED) == pci_read32(p, PCI_VENDOR))
            p->config_size = PCI_EXTENDED;
    }
    bars_size(p);
    if (p->pin)
        p->irq = pci_intx(p);
}

static struct pci_device *function_find(const struct pci_bus *bus, unsigned devfn)
{
    struct pci_device *p;

    list_for_each(p, &bus->devices, link)
        if (p->devfn == devfn)
            return p;
    return NULL;
}

/* vendor: what its first word reads as. */
static struct pci_device *function_make(struct pci_bus *bus, unsigned devfn, uint32_t ids)
{
    struct device *parent = bus->bridge ? &bus->bridge->device : &bus->host->device;
    struct pci_device *p;
    uint8_t header;

    if (bus->host->functions == PCI_FUNCTIONS_MAX) {
        pci_complain(bus->host, "more than %u functions: the rest is left out", PCI_FUNCTIONS_MAX);
        return NULL;
    }
    p = kzalloc(sizeof *p);
    if (!p)
        return NULL;
    device_init(&p->device, &pci_bus_type, parent, "%04x:%02x:%02x.%u", bus->host->segment,
                bus->number, devfn >> 3, devfn & 7);
    p->bus = bus;
    p->devfn = (uint8_t)devfn;
    p->config_size = PCI_EXTENDED;
    p->vendor = (uint16_t)ids;
    p->id = (uint16_t)(ids >> 16);
    header = pci_read8(p, PCI_HEADER) & (uint8_t)~HEADER_MULTIFUNCTION;
    if (header > 2) {
        pci_complain(bus->host, "%s: header type %#x: it is left out", p->device.name, header);
        device_put(&p->device);
        return NULL;
    }
    p->header = header;
    p->fresh = true;
    function_read(p);
    bus->host->functions++;
    list_add_tail(&bus->devices, &p->link);
    return p;
}

/* Return: whether there is something. */
static bool function_scan(struct pci_bus *bus, unsigned devfn)
{
    const struct pci_host *host = bus->host;
    uint32_t ids = host->ops->read(host, bus->number, devfn, PCI_VENDOR, 4);

    if ((uint16_t)ids == 0xffff || ids == 0)
        return false;
    if (!function_find(bus, devfn))
        (void)function_make(bus, devfn, ids);
    return true;
}

static void slot_scan(struct pci_bus *bus, unsigned slot)
{
    const struct pci_host *host = bus->host;
    unsigned devfn = slot * FUNCTIONS;

    if (!function_scan(bus, devfn) ||
        !(host->ops->read(host, bus->number, devfn, PCI_HEADER, 1) & HEADER_MULTIFUNCTION))
        return;
    for (unsigned function = 1; function < FUNCTIONS; function++)
        function_scan(bus, devfn + function);
}

void pci_forget(struct pci_device *p)
{
    for (unsigned i = 0; i <= PCI_ROM; i++)
        pci_unclaim(&p->bars[i].claim);
    if (p->below)
        for (unsigned i = 0; i < PCI_SPACES; i++)
            pci_unclaim(&p->below->upstream[i]);
    p->bus->host->functions--;
    list_del(&p->link);
}

/* --- bridges --- */

static void bus_scan(struct pci_bus *bus);

/* A bridge's window registers that it does not have read as zero, whatever is written. */
static bool has_register(const struct pci_device *p, unsigned offset, unsigned size, uint32_t ones)
{
    uint32_t old = pci_read(p, offset, size), now;

    if (old != 0)
        return true;
    pci_write(p, offset, size, ones);
    now = pci_read(p, offset, size);
    pci_write(p, offset, size, 0);
    return now != 0;
}

static struct pci_bus *bus_make(struct pci_device *bridge, unsigned number, unsigned last)
{
    struct pci_bus *b = kzalloc(sizeof *b);

    if (!b)
        return NULL;
    b->host = bridge->bus->host;
    b->bridge = bridge;
    b->depth = bridge->bus->depth + 1;
    b->number = (uint8_t)number;
    b->last = (uint8_t)last;
    list_init(&b->devices);
    b->has[PCI_IO] = has_register(bridge, PCI_BRIDGE_IO, 2, 0xe0f0);
    b->has[PCI_MEMORY] = true;
    b->has[PCI_PREFETCH] = has_register(bridge, PCI_BRIDGE_PREFETCH, 4, 0xffe0fff0);
    b->wide = b->has[PCI_PREFETCH] && (pci_read16(bridge, PCI_BRIDGE_PREFETCH) & 15) == 1;
    bridge->below = b;
    return b;
}

/* Primary, secondary and subordinate bus.  Return: whether the bridge took them. */
static bool buses_write(struct pci_device *p, unsigned number, unsigned last)
{
    uint32_t value = p->bus->number | number << 8 | last << 16;
    uint32_t old = pci_read32(p, PCI_BRIDGE_BUSES);

    pci_write(p, PCI_BRIDGE_BUSES, 4, (old & 0xff000000) | value);
    return (pci_read32(p, PCI_BRIDGE_BUSES) & 0xffffff) == value;
}

static bool numbers_free(const struct pci_bus *bus, unsigned first, unsigned last)
{
    const struct pci_device *p;

    list_for_each(p, &bus->devices, link)
        if (p->below && first <= p->below->last && p->below->number <= last)
            return false;
    return first > bus->number && first <= last && last <= bus->last;
}

/* Firmware's numbers, when they make sense. */
static void bridge_keep(struct pci_device *p)
{
    uint32_t buses = pci_read32(p, PCI_BRIDGE_BUSES);
    unsigned primary = buses & 0xff, number = buses >> 8 & 0xff, last = buses >> 16 & 0xff;
    struct pci_bus *b;

    if (primary != p->bus->number || !numbers_free(p->bus, number, last))
        return;
    b = bus_make(p, number, last);
    if (b)
        bus_scan(b);
}

/* The highest number that the bus and its bridges have. */
static unsigned numbers_used(const struct pci_bus *bus)
{
    unsigned used = bus->number;
    const struct pci_device *p;

    list_for_each(p, &bus->devices, link)
        if (p->below)
            used = MAX(used, (unsigned)p->below->last);
    return used;
}

static void bridge_number(struct pci_device *p)
{
    unsigned used = numbers_used(p->bus);
    struct pci_bus *b;

    if (used == p->bus->last) {
        pci_complain(p->bus->host, "%s: no bus number is left for what is behind it", p->device.name);
        return;
    }
    if (!buses_write(p, used + 1, p->bus->last)) {
        pci_complain(p->bus->host, "%s: the bridge does not take bus numbers: what is behind it is left out",
                     p->device.name);
        buses_write(p, 0, 0);
        return;
    }
    b = bus_make(p, used + 1, p->bus->last);
    if (!b)
        return;
    bus_scan(b);
    b->last = (uint8_t)numbers_used(b);
    buses_write(p, b->number, b->last);
}

static bool is_bridge(const struct pci_device *p)
{
    return p->header == 1 && p->bus->depth + 1 < PCI_DEPTH_MAX;
}

static void bridges_scan(struct pci_bus *bus)
{
    struct pci_device *p;

    list_for_each(p, &bus->devices, link)
        if (p->below)
            bus_scan(p->below);
    list_for_each(p, &bus->devices, link)
        if (is_bridge(p) && !p->below)
            bridge_keep(p);
    list_for_each(p, &bus->devices, link)
        if (is_bridge(p) && !p->below)
            bridge_number(p);
        else if (p->header == 1 && !p->below)
            pci_complain(bus->host, "%s: bridges lie deeper than %u", p->device.name, PCI_DEPTH_MAX);
}

static void bus_scan(struct pci_bus *bus)
{
    for (unsigned slot = 0; slot < SLOTS; slot++)
        slot_scan(bus, slot);
    bridges_scan(bus);
}

void pci_scan(struct pci_host *host)
{
    host->complaints = 0;
    bus_scan(&host->root);
}

bool pci_walk(struct pci_bus *bus, bool (*fn)(struct pci_device *p, void *arg), void *arg)
{
    struct pci_device *p, *next;

    list_for_each_safe(p, next, &bus->devices, link) {
        struct pci_bus *below = p->below;

        if (!fn(p, arg) || (below && !pci_walk(below, fn, arg)))
            return false;
    }
    return true;
}
