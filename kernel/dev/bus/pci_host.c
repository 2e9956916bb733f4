// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: host bridges: configuration space in memory (ECAM, PCIe 5.0 7.2.2) or through ports, and the
 * windows that come with it.
 *
 * Model: struct hardware_info lists hosts (ACPI's MCFG, the device tree); a PC without one is asked
 * through its ports.  A tree tells the windows.  A PC's tables tell them in byte code, which is not run:
 * there any address may be claimed that firmware has given out, and new places are looked for in the gap
 * below 4 GiB that boot found; an arm64 machine with ACPI gets no new places.
 * A host may have several first buses (QEMU's pxb, boards with several sockets), which ACPI's byte code names
 * with constants: each is a host of its own, a peer, where nothing new is placed.
 * Locking: none; hosts are made and closed under pci_mutex.
 */
#define LOG_TAG "pci"
#include <dev/bus/pci_internal.h>

#include <core/hardware.h>
#include <core/log.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <lib/fmt.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/vmap.h>

#define BUS_BYTES MiB
#define PORTS_START 0x1000 /* below are the board's own */
#define PORTS_END 0x10000
#define ADDRESS_END (1ull << 52)

static volatile uint8_t *ecam_at(const struct pci_host *host, unsigned bus, unsigned devfn,
                                 unsigned offset)
{
    return (volatile uint8_t *)host->data + (bus - host->bus_first) * BUS_BYTES + devfn * 4096 + offset;
}

static uint32_t ecam_read(const struct pci_host *host, unsigned bus, unsigned devfn, unsigned offset,
                          unsigned size)
{
    volatile uint8_t *at = ecam_at(host, bus, devfn, offset);

    uint32_t id = UINT32_MAX; /* nobody's */

    if (offset == 0 && size == 4) { /* is there a function?  Some bridges answer with an abort */
        (void)mmio_probe32(at, &id);
        return id;
    }
    return size == 1 ? mmio_read8(at) : size == 2 ? mmio_read16(at) : mmio_read32(at);
}

static void ecam_write(const struct pci_host *host, unsigned bus, unsigned devfn, unsigned offset,
                       unsigned size, uint32_t value)
{
    volatile uint8_t *at = ecam_at(host, bus, devfn, offset);

    if (size == 1)
        mmio_write8(at, (uint8_t)value);
    else if (size == 2)
        mmio_write16(at, (uint16_t)value);
    else
        mmio_write32(at, value);
}

static volatile uint8_t *ecam[HW_PCI_HOSTS_MAX]; /* NULL: not mapped yet; written by the subsystem's start alone */
static const struct pci_ops ecam_ops = { .read = ecam_read, .write = ecam_write };

static size_t ecam_bytes(const struct hw_pci_host *hw)
{
    return (hw->bus_last - hw->bus_first + 1u) * BUS_BYTES;
}

/* --- windows --- */

static void window_add(struct pci_bus *root, const struct hw_pci_window *w)
{
    if (root->window_count < PCI_WINDOWS_MAX)
        pci_window_init(&root->windows[root->window_count++],
                        w->space == HW_PCI_IO ? PCI_IO : PCI_MEMORY, w->pci, w->size, w->cpu - w->pci);
}

/* All there is; new places only where the machine says that nothing else is. */
static void windows_guess(struct pci_bus *root)
{
    const struct hw_region *hole = &hardware()->pci_hole;
    struct pci_window *w = &root->windows[0];

    pci_window_init(&w[0], PCI_IO, 0, PORTS_END, 0);
    w[0].place_start = PORTS_START;
    pci_window_init(&w[1], PCI_MEMORY, 0, ADDRESS_END, 0);
    w[1].place_start = hole->start;
    w[1].place_end = hole->start + hole->size;
    root->window_count = 2;
}

void pci_host_init(struct pci_host *host, const struct pci_ops *ops, void *data,
                   const struct hw_pci_host *hw)
{
    struct pci_bus *root = &host->root;

    host->ops = ops;
    host->data = data;
    host->hw = hw;
    host->segment = hw ? hw->segment : 0;
    host->bus_first = hw ? hw->bus_first : 0;
    host->bus_last = hw ? hw->bus_last : 255;
    host->config_size = hw ? 4096 : 256;
    root->host = host;
    root->number = host->bus_first;
    root->last = host->bus_last;
    list_init(&root->devices);
    device_init(&host->device, NULL, NULL, "pci%04x:%02x", host->segment, host->bus_first);
    host->device.dma_coherent = hw ? hw->coherent : true;
    if (!hw || !hw->from_tree) {
        windows_guess(root);
        return;
    }
    for (uint32_t i = 0; i < hw->window_count; i++)
        window_add(root, &hw->windows[i]);
}

/* --- finding them --- */

static struct pci_host *host_make(const struct pci_ops *ops, void *data, const struct hw_pci_host *hw)
{
    struct pci_host *host = kzalloc(sizeof *host);

    if (host)
        pci_host_init(host, ops, data, hw);
    return host;
}

/* Mapped once: who has a function's file open may come here after its host has gone. */
static void *ecam_map(const struct hw_pci_host *hw)
{
    volatile uint8_t **place = &ecam[hw - hardware()->pci_hosts];

    if (!*place && vmap_registers("PCI configuration space", hw->ecam, ecam_bytes(hw), 0, place) != 0)
        return NULL;
    return (void *)*place;
}

static struct pci_host *ecam_open(const struct hw_pci_host *hw)
{
    struct pci_host *host;
    void *registers;

    if (frame_is_ram(hw->ecam) || frame_is_ram(hw->ecam + ecam_bytes(hw) - 1)) {
        log_warn("configuration space at %#llx lies over memory: it is left out",
                 (unsigned long long)hw->ecam);
        return NULL;
    }
    registers = ecam_map(hw);
    host = registers ? host_make(&ecam_ops, registers, hw) : NULL;
    if (host)
        log_info("%s: buses %u-%u, configuration space at %#llx", host->device.name, host->bus_first,
                 host->bus_last, (unsigned long long)hw->ecam);
    return host;
}

static struct pci_host *ports_open(const struct subsystem *who)
{
    const struct pci_ops *ops;

    if (!hardware()->pci_ports || service_find_pci_ports(who, &ops) != 0)
        return NULL;
    return host_make(ops, NULL, NULL);
}

/* --- peers --- */

static void peer_init(struct pci_host *peer, struct pci_host *main, unsigned bus)
{
    struct pci_bus *root = &peer->root;

    if (main->hw)
        peer->data = (uint8_t *)main->data + (bus - main->bus_first) * BUS_BYTES;
    peer->main = main;
    peer->bus_first = root->number = (uint8_t)bus;
    fmt_snprintf(peer->device.name, sizeof peer->device.name, "pci%04x:%02x", peer->segment, bus);
    for (unsigned i = 0; i < root->window_count; i++)
        root->windows[i].place_start = root->windows[i].place_end = 0;
}

/* The highest root behind the host's first bus, up to `last`; NULL: none. */
static const struct hw_pci_root *root_next(const struct pci_host *main, unsigned last)
{
    const struct hw_pci_root *best = NULL;

    for (uint32_t i = 0; i < hardware()->pci_root_count; i++) {
        const struct hw_pci_root *r = &hardware()->pci_roots[i];

        if (r->segment == main->segment && r->bus > main->bus_first && r->bus <= last &&
            (!best || r->bus > best->bus))
            best = r;
    }
    return best;
}

static void node_set(struct pci_host *host)
{
    for (uint32_t i = 0; i < hardware()->pci_root_count; i++) {
        const struct hw_pci_root *r = &hardware()->pci_roots[i];

        if (r->segment != host->segment || r->bus != host->bus_first || r->node == HW_NODE_NONE)
            continue;
        host->device.node = r->node;
        host->device.has_node = true;
    }
}

/* Cuts the host's buses where another root begins.  Return: the first of the peers and itself. */
static struct pci_host *peers_make(struct pci_host *main)
{
    struct pci_host *first = main;
    const struct hw_pci_root *r;

    node_set(main);
    while ((r = root_next(main, main->bus_last)) != NULL) {
        struct pci_host *peer = host_make(main->ops, NULL, main->hw);

        if (peer) {
            peer->bus_last = peer->root.last = main->bus_last;
            peer_init(peer, main, r->bus);
            node_set(peer);
            peer->next = first;
            first = peer;
        }
        main->bus_last = main->root.last = (uint8_t)(r->bus - 1);
    }
    return first;
}

/* --- all of them --- */

struct pci_host *pci_hosts_find(const struct subsystem *who)
{
    struct pci_host *all = NULL, *host;

    for (uint32_t i = hardware()->pci_host_count; i-- > 0;) {
        host = ecam_open(&hardware()->pci_hosts[i]);
        if (!host)
            continue;
        host->next = all;
        all = peers_make(host);
    }
    if (all)
        return all;
    host = ports_open(who);
    return host ? peers_make(host) : NULL;
}
