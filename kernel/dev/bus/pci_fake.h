// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a PCI machine made of bytes, for tests and the fuzzer: functions whose registers can be written
 * where their mask says so, each on the root bus or behind a bridge.
 * Model: a configuration cycle reaches the functions behind a bridge when the bus is its secondary number;
 * a bus that several bridges claim is the first one's.
 */
#pragma once

#include <dev/bus/pci_internal.h>

#include <lib/string.h>
#include <mm/heap.h>

#define FAKE_FUNCTIONS_MAX 300
#define FAKE_ROOT (-1)

struct fake_function {
    int parent; /* index of a bridge, or FAKE_ROOT */
    uint8_t devfn;
    uint8_t config[256], mask[256];
};

struct fake_machine {
    unsigned count;
    uint64_t accesses;
    struct fake_function functions[FAKE_FUNCTIONS_MAX];
};

static inline struct fake_function *fake_find(struct fake_machine *m, unsigned bus, unsigned devfn)
{
    int parent = FAKE_ROOT;

    for (unsigned i = 0; bus != 0 && i < m->count && parent == FAKE_ROOT; i++)
        if ((m->functions[i].config[PCI_HEADER] & 0x7f) == 1 &&
            m->functions[i].config[PCI_BRIDGE_BUSES + 1] == bus)
            parent = (int)i;
    for (unsigned i = 0; i < m->count; i++)
        if (m->functions[i].parent == parent && m->functions[i].devfn == devfn &&
            (bus == 0) == (parent == FAKE_ROOT))
            return &m->functions[i];
    return NULL;
}

static inline uint32_t fake_read(const struct pci_host *host, unsigned bus, unsigned devfn,
                                 unsigned offset, unsigned size)
{
    struct fake_machine *m = host->data;
    struct fake_function *f = fake_find(m, bus, devfn);
    uint32_t v = UINT32_MAX;

    m->accesses++;
    if (f && offset + size <= sizeof f->config) {
        v = 0;
        memcpy(&v, f->config + offset, size);
    }
    return size == 4 ? v : v & ((1u << 8 * size) - 1);
}

static inline void fake_write(const struct pci_host *host, unsigned bus, unsigned devfn,
                              unsigned offset, unsigned size, uint32_t value)
{
    struct fake_machine *m = host->data;
    struct fake_function *f = fake_find(m, bus, devfn);

    m->accesses++;
    for (unsigned i = 0; f && i < size && offset + i < sizeof f->config; i++, value >>= 8) {
        uint8_t *at = &f->config[offset + i], mask = f->mask[offset + i];

        *at = (uint8_t)((*at & ~mask) | (value & mask));
    }
}

static const struct pci_ops fake_ops = { .read = fake_read, .write = fake_write };

static inline void fake_put(uint8_t *at, uint64_t v, unsigned bytes)
{
    memcpy(at, &v, bytes);
}

/* Registers that every function has. */
static inline struct fake_function *fake_add(struct fake_machine *m, int parent, unsigned devfn,
                                             unsigned header)
{
    struct fake_function *f = &m->functions[m->count++];

    *f = (struct fake_function){ .parent = parent, .devfn = (uint8_t)devfn };
    fake_put(f->config + PCI_VENDOR, 0x10001af4, 4);
    f->config[PCI_HEADER] = (uint8_t)header;
    f->mask[PCI_COMMAND] = 7;
    return f;
}

static inline struct fake_function *fake_bridge(struct fake_machine *m, int parent, unsigned devfn)
{
    struct fake_function *f = fake_add(m, parent, devfn, 1);

    memset(f->mask + PCI_BRIDGE_BUSES, 0xff, 3);
    memset(f->mask + PCI_BRIDGE_IO, 0xf0, 2);
    fake_put(f->mask + PCI_BRIDGE_MEMORY, 0xfff0fff0, 4);
    fake_put(f->mask + PCI_BRIDGE_PREFETCH, 0xfff0fff0, 4);
    fake_put(f->config + PCI_BRIDGE_PREFETCH, 0x00010001, 4);
    memset(f->mask + PCI_BRIDGE_PREFETCH_BASE_HIGH, 0xff, 8);
    return f;
}

/* A BAR of `size` bytes (0: leave it as it is). */
static inline void fake_bar(struct fake_function *f, unsigned n, unsigned flags, uint64_t size)
{
    f->config[PCI_BAR(n)] = (uint8_t)flags;
    fake_put(f->mask + PCI_BAR(n), -size & (flags & 1 ? ~3ull : ~15ull), flags & 4 && !(flags & 1) ? 8 : 4);
}

static inline void fake_teardown_bus(struct pci_bus *bus)
{
    struct pci_device *p;

    while ((p = list_first_or_null(&bus->devices, struct pci_device, link)) != NULL) {
        if (p->below)
            fake_teardown_bus(p->below);
        pci_forget(p);
        device_put(&p->device);
    }
}

/* What must be true of a bus after any scan.  Return: whether it is. */
static inline bool fake_check_bus(const struct pci_bus *bus)
{
    const struct pci_device *p;

    for (unsigned i = 0; i < bus->window_count; i++) {
        const struct pci_window *w = &bus->windows[i];
        const struct pci_claim *c;
        uint64_t at = w->start;

        list_for_each(c, &w->claims, link) {
            if (c->size == 0 || c->start < at || c->start - w->start > w->size ||
                c->size > w->size - (c->start - w->start))
                return false;
            at = c->start + c->size;
        }
    }
    list_for_each(p, &bus->devices, link) {
        for (unsigned n = 0; n <= PCI_ROM; n++)
            if (p->bars[n].claim.size &&
                (p->bars[n].claim.size != p->bars[n].size || p->bars[n].claim.start % p->bars[n].size))
                return false;
        if (p->below && (p->below->number <= bus->number || p->below->last > bus->last ||
                         p->below->last < p->below->number || !fake_check_bus(p->below)))
            return false;
    }
    return true;
}
