// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: PCI host bridges of the device tree: configuration space, windows, interrupt lines.
 *
 * Model: the bindings host-generic-pci.yaml and IEEE 1275's for PCI 2.1.  An address on the bus is three
 * cells: space and function, then 64 bits; a function's pin is one cell.  A line of interrupt-map is an
 * address and a pin, the controller's phandle, an address as the controller's own node counts, and
 * its specifier: three cells of a GIC.  Which ITS the messages of a function go to: see read_msi_map().
 */
#define LOG_TAG "fdt"
#include <boot/fdt_pci.h>

#include <core/log.h>
#include <lib/checked.h>
#include <lib/string.h>

#define OFFSET(v, n) ((uint64_t)(v)->node[n].offset)
#define PCI_CELLS 3
#define MAP_MASK_CELLS 4
#define GIC_CELLS 3
#define MSI_MAP_CELLS 4
#define REQUESTERS 0x10000
#define GIC_SHARED 32
#define GIC_SHARED_MAX 988
#define SPACE(hi) ((hi) >> 24 & 3)
#define DEVFN(hi) ((uint8_t)((hi) >> 8))

/* Cells that are taken from a property one after the other. */
struct cursor {
    const uint8_t *p;
    size_t left; /* cells */
};

static struct cursor cursor_of(const struct fdt_view *v, unsigned node, const char *name)
{
    size_t bytes;
    const uint8_t *p = fdt_property_get(v, node, name, &bytes);

    return (struct cursor){ p, p ? bytes / 4 : 0 };
}

/* The caller has looked whether there are so many. */
static uint64_t take(struct cursor *c, unsigned cells)
{
    uint64_t v = 0;

    for (; cells > 0; cells--, c->p += 4, c->left--)
        v = v << 32 | (uint32_t)c->p[0] << 24 | (uint32_t)c->p[1] << 16 | (uint32_t)c->p[2] << 8 |
            c->p[3];
    return v;
}

static void read_windows(const struct fdt_view *v, unsigned node, struct hw_draft *d,
                         struct hw_pci_host *host)
{
    struct cursor c = cursor_of(v, node, "ranges");
    struct fdt_cells up;

    if (fdt_cells(v, v->node[node].parent, &up) != 0)
        return;
    while (c.left >= PCI_CELLS + up.address + 2) {
        uint32_t hi = (uint32_t)take(&c, 1);
        struct hw_pci_window w = { .pci = take(&c, 2), .cpu = take(&c, up.address),
                                   .size = take(&c, 2) };
        uint64_t end;

        w.space = SPACE(hi) == 1 ? HW_PCI_IO : SPACE(hi) == 2 ? HW_PCI_MEMORY32 : HW_PCI_MEMORY64;
        if (SPACE(hi) == 0 || w.size == 0 || add_overflow(w.pci, w.size, &end) ||
            add_overflow(w.cpu, w.size, &end) || w.cpu + w.size > 1ull << 52)
            hw_complain(d, OFFSET(v, node), "%s: a range makes no sense", fdt_name(v, node));
        else if (host->window_count < HW_PCI_WINDOWS_MAX)
            host->windows[host->window_count++] = w;
    }
}

/* One line's parent part.  Return: whether there was all of it; *ok: and a GIC's shared line. */
static bool read_parent(const struct fdt_view *v, struct cursor *c, struct hw_pci_irq *irq, bool *ok)
{
    int controller = fdt_phandle_find(v, (uint32_t)take(c, 1));
    uint64_t address = 0, cells;
    uint32_t type, number, flags;

    if (controller < 0 || !fdt_u64(v, (unsigned)controller, "#interrupt-cells", &cells) ||
        cells != GIC_CELLS)
        return false;
    (void)fdt_u64(v, (unsigned)controller, "#address-cells", &address);
    if (address > 4 || c->left < address + GIC_CELLS)
        return false;
    while (address-- > 0)
        (void)take(c, 1);
    type = (uint32_t)take(c, 1);
    number = (uint32_t)take(c, 1);
    flags = (uint32_t)take(c, 1);
    *ok = type == 0 && number < GIC_SHARED_MAX;
    irq->irq = number + GIC_SHARED;
    irq->edge = flags & 3;
    return true;
}

static void read_irqs(const struct fdt_view *v, unsigned node, struct hw_draft *d,
                      struct hw_pci_host *host)
{
    struct cursor mask = cursor_of(v, node, "interrupt-map-mask");
    struct cursor c = cursor_of(v, node, "interrupt-map");

    if (mask.left != MAP_MASK_CELLS)
        return;
    host->devfn_mask = DEVFN((uint32_t)take(&mask, 1));
    while (c.left >= PCI_CELLS + 2) {
        struct hw_pci_irq irq = { .devfn = DEVFN((uint32_t)take(&c, 1)) & host->devfn_mask };
        bool ok;

        (void)take(&c, 2);
        irq.pin = (uint8_t)take(&c, 1);
        if (!read_parent(v, &c, &irq, &ok)) {
            hw_complain(d, OFFSET(v, node), "%s: the rest of interrupt-map makes no sense",
                        fdt_name(v, node));
            return;
        }
        if (ok && irq.pin >= 1 && irq.pin <= 4 && host->irq_count < HW_PCI_IRQS_MAX)
            host->irqs[host->irq_count++] = irq;
    }
}

/* pci-msi.txt: msi-map has lines of a first requester, whom they send to, its number for that one, and how
 * many there are; without one msi-parent says that all send to it under their own numbers.  Of
 * controllers that are no ITS there is nothing to map. */
static void read_msi_line(const struct fdt_view *v, unsigned node, struct hw_draft *d,
                          struct hw_pci_host *host, uint32_t phandle, const struct hw_msi_map *m)
{
    int controller = fdt_phandle_find(v, phandle);

    if (controller < 0)
        hw_complain(d, OFFSET(v, node), "%s: messages to %#x, which is nothing", fdt_name(v, node),
                    phandle);
    else if (fdt_compatible(v, (unsigned)controller, "arm,gic-v3-its") &&
             fdt_enabled(v, (unsigned)controller))
        hw_msi_map_add(d, OFFSET(v, node), host, phandle, m);
}

static void read_msi_map(const struct fdt_view *v, unsigned node, struct hw_draft *d,
                         struct hw_pci_host *host)
{
    struct cursor parent = cursor_of(v, node, "msi-parent"), c = cursor_of(v, node, "msi-map");
    struct hw_msi_map all = { .count = REQUESTERS };
    uint64_t mask;

    host->msi_mask = UINT16_MAX;
    if (fdt_u64(v, node, "msi-map-mask", &mask))
        host->msi_mask = (uint16_t)mask;
    if (!c.p && parent.left >= 1)
        read_msi_line(v, node, d, host, (uint32_t)take(&parent, 1), &all);
    if (c.left % MSI_MAP_CELLS != 0)
        hw_complain(d, OFFSET(v, node), "%s: msi-map has half a line", fdt_name(v, node));
    while (c.left >= MSI_MAP_CELLS) {
        struct hw_msi_map m = { .first = (uint32_t)take(&c, 1) };
        uint32_t phandle = (uint32_t)take(&c, 1);

        m.device = (uint32_t)take(&c, 1);
        m.count = (uint32_t)take(&c, 1);
        read_msi_line(v, node, d, host, phandle, &m);
    }
}

static void read_host(const struct fdt_view *v, unsigned node, struct hw_draft *d)
{
    struct cursor range = cursor_of(v, node, "bus-range");
    unsigned first = 0, last = 255;
    struct hw_pci_host *host;
    struct fdt_reg reg;
    uint64_t segment = 0;
    size_t size;

    if (fdt_regs(v, node, &reg, 1) != 1) {
        hw_complain(d, OFFSET(v, node), "%s: reg makes no sense", fdt_name(v, node));
        return;
    }
    if (range.left >= 2) {
        first = (unsigned)take(&range, 1);
        last = (unsigned)take(&range, 1);
    }
    if (!fdt_u64(v, node, "linux,pci-domain", &segment))
        segment = d->info->pci_host_count;
    host = hw_pci_host_add(d, OFFSET(v, node), reg.start, reg.size, (unsigned)MIN(segment, 0x10000ull),
                           first, last);
    if (!host)
        return;
    host->from_tree = true;
    host->coherent = fdt_property_get(v, node, "dma-coherent", &size) != NULL;
    read_windows(v, node, d, host);
    read_irqs(v, node, d, host);
    read_msi_map(v, node, d, host);
}

/* The GICv2m's frame: its registers tell which interrupts it has, unless the tree does. */
static void read_frame(const struct fdt_view *v, unsigned node, struct hw_draft *d)
{
    struct hw_gic *gic = &d->info->gic;
    struct fdt_reg reg;
    uint64_t first, count;

    if (gic->msi_frame.start || fdt_regs(v, node, &reg, 1) != 1)
        return;
    gic->msi_frame = (struct hw_region){ reg.start, reg.size };
    if (fdt_u64(v, node, "arm,msi-base-spi", &first) &&
        fdt_u64(v, node, "arm,msi-num-spis", &count) && first < 1020 && count <= 1020 - first) {
        gic->msi_first = (uint32_t)first;
        gic->msi_count = (uint32_t)count;
    }
}

void fdt_read_pci(const struct fdt_view *v, struct hw_draft *d)
{
    for (unsigned i = 1; i < v->count; i++) {
        if (!fdt_enabled(v, i))
            continue;
        if (fdt_compatible(v, i, "pci-host-ecam-generic"))
            read_host(v, i, d);
        else if (fdt_compatible(v, i, "arm,gic-v2m-frame"))
            read_frame(v, i, d);
    }
}
