// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: PCI functions in /sys, as lspci reads them.
 * Model: what was read at the scan is shown from memory; `config` is the function itself.  Its reader and
 * writer hold pci_mutex and look whether the device is still in the tree.
 * Source: Documentation/ABI/testing/sysfs-bus-pci; flags of <linux/ioport.h>.
 */
#include <dev/bus/pci_internal.h>

#include <lib/fmt.h>

#define PUBLIC_BYTES 64 /* of config, for everybody */
#define BRIDGE_LINES 4
#define FLAG_IO 0x00000100u
#define FLAG_MEMORY 0x00000200u
#define FLAG_PREFETCH 0x00002000u
#define FLAG_READ_ONLY 0x00004000u
#define FLAG_SIZE_ALIGN 0x00040000u
#define FLAG_START_ALIGN 0x00080000u
#define FLAG_WINDOW 0x00200000u
#define FLAG_WIDE 0x00100000u

#define SHOW(name_, format, value)                                                                 \
    static ssize_t name_##_show(struct device *d, char *out, size_t size)                          \
    {                                                                                              \
        const struct pci_device *p __maybe_unused = pci_of(d);                                     \
                                                                                                   \
        return fmt_scnprintf(out, size, format "\n", value);                                       \
    }
SHOW(vendor, "0x%04x", p->vendor)
SHOW(device, "0x%04x", p->id)
SHOW(subsystem_vendor, "0x%04x", p->subsystem_vendor)
SHOW(subsystem_device, "0x%04x", p->subsystem_id)
SHOW(revision, "0x%02x", p->revision)
SHOW(class, "0x%06x", p->class)
SHOW(dma_mask_bits, "%u", d->dma_limit == UINT64_MAX ? 64 : 64 - (unsigned)__builtin_clzll(d->dma_limit | 1))
SHOW(enable, "%d", device_is_bound(&p->device))

static ssize_t irq_show(struct device *d, char *out, size_t size)
{
    const struct pci_device *p = pci_of(d);
    unsigned irq = p->irq;

    mutex_lock(&d->bind);
    if (pci_irq_kind(p) == PCI_IRQ_MSI || pci_irq_kind(p) == PCI_IRQ_MSIX)
        irq = pci_irq_vector(p, 0);
    mutex_unlock(&d->bind);
    return fmt_scnprintf(out, size, "%u\n", irq);
}

/* --- resource --- */

static unsigned bar_flags(const struct pci_bar *b, unsigned n)
{
    if (n == PCI_ROM)
        return FLAG_MEMORY | FLAG_PREFETCH | FLAG_READ_ONLY | FLAG_SIZE_ALIGN;
    if (b->flags & BAR_IO)
        return FLAG_IO | FLAG_SIZE_ALIGN | b->flags;
    return FLAG_MEMORY | FLAG_SIZE_ALIGN | b->flags | (b->flags & BAR_PREFETCH ? FLAG_PREFETCH : 0) |
           (b->flags & BAR_WIDE ? FLAG_WIDE : 0);
}

static int line(char *out, size_t size, uint64_t start, uint64_t bytes, unsigned flags)
{
    return fmt_scnprintf(out, size, "0x%016llx 0x%016llx 0x%016llx\n", (unsigned long long)start,
                         (unsigned long long)(bytes ? start + bytes - 1 : 0),
                         (unsigned long long)flags);
}

static int bar_line(const struct pci_device *p, unsigned n, char *out, size_t size)
{
    const struct pci_bar *b = &p->bars[n];
    const struct device_resource *r = pci_bar_resource(p, n);

    if (!r)
        return line(out, size, 0, 0, 0);
    return line(out, size, r->start, r->size, bar_flags(b, n));
}

static int window_line(const struct pci_bus *b, enum pci_space space, char *out, size_t size)
{
    static const unsigned flags[] = { FLAG_IO | 1, FLAG_MEMORY, FLAG_MEMORY | FLAG_PREFETCH };
    const struct pci_claim *c = &b->upstream[space];

    if (c->size == 0)
        return line(out, size, 0, 0, 0);
    return line(out, size, space == PCI_IO ? c->start : pci_cpu_address(b->bridge->bus, space, c), c->size,
                flags[space] | FLAG_WINDOW | FLAG_START_ALIGN |
                    (space == PCI_PREFETCH && b->wide ? FLAG_WIDE | 1 : 0));
}

static ssize_t resource_show(struct device *d, char *out, size_t size)
{
    const struct pci_device *p = pci_of(d);
    int n = 0;

    pci_lock();
    for (unsigned i = 0; i <= PCI_ROM; i++)
        n += bar_line(p, i, out + n, size - (size_t)n);
    for (unsigned i = 0; p->below && i < BRIDGE_LINES; i++)
        n += i < PCI_SPACES ? window_line(p->below, i, out + n, size - (size_t)n)
                            : line(out + n, size - (size_t)n, 0, 0, 0);
    pci_unlock();
    return n;
}

/* --- config --- */

/* The largest piece at `offset` that is aligned and of what is left. */
static unsigned piece(uint64_t offset, size_t left)
{
    if (offset % 4 == 0 && left >= 4)
        return 4;
    return offset % 2 == 0 && left >= 2 ? 2 : 1;
}

/* Return: how many of n bytes there are at `offset`, or -ENODEV.  pci_mutex held. */
static ssize_t config_span(const struct pci_device *p, size_t n, uint64_t offset, uint64_t limit)
{
    if (atomic_load(&p->device.state) != DEVICE_ADDED)
        return -ENODEV;
    return offset >= limit ? 0 : (ssize_t)MIN((uint64_t)n, limit - offset);
}

static ssize_t config_read(struct device *d, void *buf, size_t n, uint64_t offset, bool privileged)
{
    const struct pci_device *p = pci_of(d);
    uint8_t *out = buf;
    ssize_t span;

    pci_lock();
    span = config_span(p, n, offset, privileged ? p->config_size : PUBLIC_BYTES);
    for (ssize_t i = 0; i < span;) {
        unsigned bytes = piece(offset + (uint64_t)i, (size_t)(span - i));
        uint32_t v = pci_read(p, (unsigned)(offset + (uint64_t)i), bytes);

        for (; bytes > 0; bytes--, v >>= 8)
            out[i++] = (uint8_t)v;
    }
    pci_unlock();
    return span;
}

static ssize_t config_write(struct device *d, const void *buf, size_t n, uint64_t offset)
{
    const struct pci_device *p = pci_of(d);
    const uint8_t *in = buf;
    ssize_t span;

    pci_lock();
    span = config_span(p, n, offset, p->config_size);
    for (ssize_t i = 0; i < span;) {
        unsigned bytes = piece(offset + (uint64_t)i, (size_t)(span - i)), at = (unsigned)(offset + (uint64_t)i);
        uint32_t v = 0;

        for (unsigned k = 0; k < bytes; k++)
            v |= (uint32_t)in[i++] << 8 * k;
        pci_write(p, at, bytes, v);
    }
    pci_unlock();
    return span;
}

static uint64_t config_size(const struct device *d)
{
    return pci_of(d)->config_size;
}

/* --- names --- */

ssize_t pci_modalias(const struct device *d, char *out, size_t size)
{
    const struct pci_device *p = pci_of(d);

    return fmt_scnprintf(out, size, "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X", p->vendor, p->id,
                         p->subsystem_vendor, p->subsystem_id, p->class >> 16, p->class >> 8 & 0xff,
                         p->class & 0xff);
}

ssize_t pci_uevent(const struct device *d, char *out, size_t size)
{
    const struct pci_device *p = pci_of(d);

    return fmt_scnprintf(out, size, "PCI_CLASS=%X\nPCI_ID=%04X:%04X\nPCI_SUBSYS_ID=%04X:%04X\n"
                                    "PCI_SLOT_NAME=%s\n",
                         p->class, p->vendor, p->id, p->subsystem_vendor, p->subsystem_id, d->name);
}

#define TEXT(name_) { .name = #name_, .mode = 0444, .show = name_##_show }
const struct device_attribute pci_attributes[] = {
    TEXT(vendor), TEXT(device), TEXT(subsystem_vendor), TEXT(subsystem_device), TEXT(revision),
    TEXT(class), TEXT(irq), TEXT(resource), TEXT(enable), TEXT(dma_mask_bits),
    { .name = "config", .mode = 0644, .read = config_read, .write = config_write, .size = config_size },
};
const unsigned pci_attribute_count = ARRAY_SIZE(pci_attributes);
