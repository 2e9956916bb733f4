// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: where BARs and the windows of bridges lie.
 *
 * Model: two passes over the tree, from the host down.  The first claims what firmware has set up: what
 * lies inside a window of its bus and overlaps nobody.  The second places the rest: for each bus, the
 * BARs on it and the windows of its bridges, sized by what is behind them, are placed by falling alignment,
 * which wastes nothing among sizes that are powers of two.  What finds no place is left out with a line.
 *
 *     PCI_IO         windows for ports                        granules of 4 KiB
 *     PCI_MEMORY     below 4 GiB                              of 1 MiB
 *     PCI_PREFETCH   above 4 GiB, else as PCI_MEMORY          of 1 MiB
 *
 * Addresses are the bus's; a window knows what to add for a CPU's.
 * Locking: pci_mutex.
 * Invariant: claims of one window are inside it, sorted, and do not overlap.
 * Source: PCI-to-PCI Bridge Architecture Specification 1.2, 3.2.5.
 */
#define LOG_TAG "pci"
#include <dev/bus/pci_internal.h>

#include <core/panic.h>
#include <lib/checked.h>
#include <mm/frame.h>
#include <mm/heap.h>

#define LIMIT_32 (4 * GiB)
#define LIMIT_16 0x10000ull
#define IO_GRANULE (4 * KiB)
#define MEMORY_GRANULE MiB
#define HOTPLUG_BYTES MiB /* memory windows of a bridge behind which nothing is yet */

/* --- windows and claims --- */

void pci_window_init(struct pci_window *w, enum pci_space space, uint64_t start, uint64_t size,
                     uint64_t to_cpu)
{
    *w = (struct pci_window){ .space = space, .start = start, .size = size, .place_start = start,
                              .place_end = start + size, .to_cpu = to_cpu };
    list_init(&w->claims);
}

static bool is_memory(enum pci_space space)
{
    return space != PCI_IO;
}

/* Over RAM nothing can be decoded. */
static bool over_ram(const struct pci_window *w, uint64_t start, uint64_t size)
{
    return is_memory(w->space) && (frame_is_ram(start + w->to_cpu) ||
                                   frame_is_ram(start + size - 1 + w->to_cpu));
}

static bool window_claim(struct pci_window *w, struct pci_claim *c, uint64_t start, uint64_t size)
{
    struct list *before = &w->claims;
    struct pci_claim *other;

    if (start < w->start || !range_fits(start - w->start, size, w->size) || over_ram(w, start, size))
        return false;
    list_for_each(other, &w->claims, link) {
        if (ranges_overlap(start, size, other->start, other->size))
            return false;
        if (other->start > start)
            break;
        before = &other->link;
    }
    c->start = start;
    c->size = size;
    list_add_head(before, &c->link);
    return true;
}

bool pci_claim(struct pci_bus *bus, enum pci_space space, struct pci_claim *c, uint64_t start,
               uint64_t size)
{
    K_ASSERT(c->size == 0);
    for (unsigned i = 0; i < bus->window_count; i++)
        if (is_memory(bus->windows[i].space) == is_memory(space) &&
            window_claim(&bus->windows[i], c, start, size))
            return true;
    return false;
}

void pci_unclaim(struct pci_claim *c)
{
    if (c->size)
        list_del(&c->link);
    *c = (struct pci_claim){ .size = 0 };
}

/* For good: what is removed below a peer leaves its addresses in its registers. */
void pci_reserve(const struct pci_host *peer)
{
    struct pci_host *main = peer->main;

    for (unsigned i = 0; i < peer->root.window_count; i++) {
        const struct pci_window *w = &peer->root.windows[i];
        const struct pci_claim *c;

        list_for_each(c, &w->claims, link) {
            struct pci_claim *copy = kzalloc(sizeof *copy);

            if (copy && pci_claim(&main->root, w->space, copy, c->start, c->size))
                continue;
            kfree(copy);
            pci_complain(main, "%s: what it has at %#llx another root has, too", peer->device.name,
                         (unsigned long long)c->start);
        }
    }
}

static const struct pci_window *window_of(const struct pci_bus *bus, enum pci_space space,
                                          const struct pci_claim *c)
{
    for (unsigned i = 0; i < bus->window_count; i++) {
        const struct pci_window *w = &bus->windows[i];

        if (is_memory(w->space) == is_memory(space) && c->start >= w->start &&
            c->start - w->start < w->size)
            return w;
    }
    return NULL;
}

uint64_t pci_cpu_address(const struct pci_bus *bus, enum pci_space space, const struct pci_claim *c)
{
    const struct pci_window *w = window_of(bus, space, c);

    return w ? c->start + w->to_cpu : c->start;
}

/* The lowest free place below `limit`; claims it. */
static bool window_place(struct pci_window *w, struct pci_claim *c, uint64_t size, uint64_t align,
                         uint64_t limit)
{
    uint64_t end = MIN(w->place_end, limit), at = ALIGN_UP(MAX(w->place_start, 1ull), align);
    const struct pci_claim *other;

    list_for_each(other, &w->claims, link) {
        if (other->start + other->size <= at)
            continue;
        if (other->start >= at && other->start - at >= size)
            break;
        at = ALIGN_UP(other->start + other->size, align);
        if (at < other->start) /* wrapped around */
            return false;
    }
    return at < end && end - at >= size && window_claim(w, c, at, size);
}

/* --- the registers --- */

static unsigned bar_offset(const struct pci_device *p, unsigned n)
{
    if (n < PCI_ROM)
        return PCI_BAR(n);
    return p->header == 1 ? PCI_BRIDGE_ROM : PCI_ROM_ADDRESS;
}

static uint64_t bar_read(const struct pci_device *p, unsigned n)
{
    const struct pci_bar *b = &p->bars[n];
    uint64_t v = pci_read32(p, bar_offset(p, n));

    if (n == PCI_ROM)
        return v & ~0x7ffull;
    if (b->flags & BAR_IO)
        return v & ~3ull;
    if (b->flags & BAR_WIDE)
        v |= (uint64_t)pci_read32(p, PCI_BAR(n + 1)) << 32;
    return v & ~15ull;
}

/* Return: whether the register took it. */
static bool bar_write(const struct pci_device *p, unsigned n, uint64_t address)
{
    uint16_t command = pci_read16(p, PCI_COMMAND);

    pci_change(p, PCI_COMMAND, 2, command & ~(COMMAND_IO | COMMAND_MEMORY));
    pci_write(p, bar_offset(p, n), 4, (uint32_t)address);
    if (p->bars[n].flags & BAR_WIDE && !(p->bars[n].flags & BAR_IO))
        pci_write(p, PCI_BAR(n + 1), 4, (uint32_t)(address >> 32));
    pci_change(p, PCI_COMMAND, 2, command);
    return bar_read(p, n) == address;
}

/* Firmware's window, or one that is shut: *size 0. */
static void bridge_window_read(const struct pci_bus *b, enum pci_space space, uint64_t *start,
                               uint64_t *size)
{
    const struct pci_device *p = b->bridge;
    uint64_t base, limit;

    if (space == PCI_IO) {
        uint16_t v = pci_read16(p, PCI_BRIDGE_IO);

        base = (v & 0xf0u) << 8;
        limit = (v & 0xf000u) | 0xfff;
        if ((v & 15) == 1) {
            base |= (uint64_t)pci_read16(p, PCI_BRIDGE_IO_HIGH) << 16;
            limit |= (uint64_t)pci_read16(p, PCI_BRIDGE_IO_HIGH + 2) << 16;
        }
    } else {
        uint32_t v = pci_read32(p, space == PCI_MEMORY ? PCI_BRIDGE_MEMORY : PCI_BRIDGE_PREFETCH);

        base = (uint64_t)(v & 0xfff0) << 16;
        limit = (v & 0xfff00000) | 0xfffff;
        if (space == PCI_PREFETCH && b->wide) {
            base |= (uint64_t)pci_read32(p, PCI_BRIDGE_PREFETCH_BASE_HIGH) << 32;
            limit |= (uint64_t)pci_read32(p, PCI_BRIDGE_PREFETCH_LIMIT_HIGH) << 32;
        }
    }
    *start = base;
    *size = base != 0 && limit > base ? limit - base + 1 : 0;
}

/* size 0 shuts it. */
static void bridge_window_write(const struct pci_bus *b, enum pci_space space, uint64_t start,
                                uint64_t size)
{
    const struct pci_device *p = b->bridge;
    uint64_t end = size ? start + size - 1 : 0;

    if (!b->has[space])
        return;
    if (size == 0)
        start = space == PCI_IO ? 0xf000 : 0xfff00000;
    if (space == PCI_IO) {
        pci_change(p, PCI_BRIDGE_IO, 2, (uint32_t)((start >> 8 & 0xf0) | (end & 0xf000)));
        pci_change(p, PCI_BRIDGE_IO_HIGH, 4, (uint32_t)((start >> 16) | (end & 0xffff0000)));
        return;
    }
    pci_change(p, space == PCI_MEMORY ? PCI_BRIDGE_MEMORY : PCI_BRIDGE_PREFETCH, 4,
              (uint32_t)((start >> 16 & 0xfff0) | (end & 0xfff00000)));
    if (space == PCI_PREFETCH && b->wide) {
        pci_change(p, PCI_BRIDGE_PREFETCH_BASE_HIGH, 4, (uint32_t)(start >> 32));
        pci_change(p, PCI_BRIDGE_PREFETCH_LIMIT_HIGH, 4, (uint32_t)(end >> 32));
    }
}

static void window_open(struct pci_bus *b, enum pci_space space)
{
    const struct pci_claim *c = &b->upstream[space];
    uint64_t cpu = pci_cpu_address(b->bridge->bus, space, c);

    pci_window_init(&b->windows[b->window_count++], space, c->start, c->size, cpu - c->start);
}

static bool is_open(const struct pci_bus *b, enum pci_space space)
{
    return b->upstream[space].size != 0;
}

/* --- what firmware has placed --- */

static void bars_claim(struct pci_device *p)
{
    for (unsigned n = 0; n <= PCI_ROM; n++) {
        struct pci_bar *b = &p->bars[n];
        uint64_t at = b->size && b->claim.size == 0 ? bar_read(p, n) : 0;

        if (at == 0 || at % b->size != 0)
            continue;
        (void)pci_claim(p->bus, pci_bar_space(b), &b->claim, at, b->size);
    }
}

static void windows_claim(struct pci_bus *b)
{
    for (enum pci_space space = 0; space < PCI_SPACES; space++) {
        uint64_t start, size = 0;

        if (b->has[space] && !is_open(b, space))
            bridge_window_read(b, space, &start, &size);
        if (size && pci_claim(b->bridge->bus, space, &b->upstream[space], start, size))
            window_open(b, space);
    }
}

static void bus_claim(struct pci_bus *bus)
{
    struct pci_device *p;

    /* Bridges first: what is behind them must not lose its place to a neighbour. */
    list_for_each(p, &bus->devices, link)
        if (p->fresh && p->below)
            windows_claim(p->below);
    list_for_each(p, &bus->devices, link)
        if (p->fresh)
            bars_claim(p);
    list_for_each(p, &bus->devices, link)
        if (p->below)
            bus_claim(p->below);
}

/* --- the rest --- */

struct request {
    struct pci_device *p;
    unsigned bar; /* or, from PCI_ROM + 1 on, the bridge's window for a space */
    enum pci_space space;
    bool low; /* must lie below 4 GiB */
    uint64_t size, align;
};
#define REQUEST_WINDOW(space) (PCI_ROM + 1 + (unsigned)(space))

struct requests {
    struct request *list;
    unsigned count;
};

/* By falling alignment. */
static void request_add(struct requests *r, struct request new)
{
    unsigned i = r->count++;

    for (; i > 0 && r->list[i - 1].align < new.align; i--)
        r->list[i] = r->list[i - 1];
    r->list[i] = new;
}

static struct request need_of(struct pci_bus *b, enum pci_space space);

/* Prefetchable memory goes through the ordinary window of a bridge that has no other. */
static enum pci_space space_on(const struct pci_bus *bus, enum pci_space space)
{
    return space == PCI_PREFETCH && bus->bridge && !bus->has[PCI_PREFETCH] ? PCI_MEMORY : space;
}

static void bar_request(struct requests *r, struct pci_device *p, unsigned n)
{
    const struct pci_bar *b = &p->bars[n];

    if (b->size == 0 || b->claim.size != 0)
        return;
    request_add(r, (struct request){
        .p = p, .bar = n, .space = space_on(p->bus, pci_bar_space(b)), .size = b->size,
        .align = b->size, .low = !(b->flags & BAR_WIDE) || b->flags & BAR_IO || n == PCI_ROM });
}

static void window_request(struct requests *r, struct pci_bus *below, enum pci_space space)
{
    struct request need = need_of(below, space);

    if (need.size)
        request_add(r, need);
}

/* What of the bus has no place yet, of one space or (PCI_SPACES) of all. */
static err_t requests_gather(struct requests *r, struct pci_bus *bus, enum pci_space only)
{
    struct pci_device *p;
    size_t most = 0;

    list_for_each(p, &bus->devices, link)
        most += PCI_ROM + 1 + PCI_SPACES;
    *r = (struct requests){ .list = kmalloc((most + 1) * sizeof *r->list) };
    if (!r->list)
        return -ENOMEM;
    list_for_each(p, &bus->devices, link) {
        for (unsigned n = 0; n <= PCI_ROM && p->fresh; n++)
            if (only == PCI_SPACES || space_on(bus, pci_bar_space(&p->bars[n])) == only)
                bar_request(r, p, n);
        for (enum pci_space space = 0; p->below && space < PCI_SPACES; space++)
            if (only == PCI_SPACES || space_on(bus, space) == only)
                window_request(r, p->below, space);
    }
    return 0;
}

/* How large the window of a bridge must be that has none; size 0: not at all. */
static struct request need_of(struct pci_bus *b, enum pci_space space)
{
    uint64_t granule = space == PCI_IO ? IO_GRANULE : MEMORY_GRANULE, at = 0, align = granule;
    struct requests r;

    if (!b->has[space] || is_open(b, space) || requests_gather(&r, b, space) != 0)
        return (struct request){ .size = 0 };
    for (unsigned i = 0; i < r.count; i++) {
        align = MAX(align, r.list[i].align);
        at = ALIGN_UP(at, r.list[i].align) + r.list[i].size;
        if (at < r.list[i].size || at > 1ull << 60)
            at = 1ull << 60; /* it finds no place, and says so */
    }
    kfree(r.list);
    if (at == 0 && list_empty(&b->devices) && space != PCI_IO)
        at = HOTPLUG_BYTES;
    return (struct request){ .p = b->bridge, .bar = REQUEST_WINDOW(space),
                             .space = space_on(b->bridge->bus, space),
                             .size = ALIGN_UP(at, granule), .align = align,
                             .low = space == PCI_MEMORY || (space == PCI_PREFETCH && !b->wide) };
}

static bool is_high(const struct pci_window *w)
{
    return w->start >= LIMIT_32;
}

/* The first try is where such things belong, the second wherever they can be. */
static bool suits(const struct pci_window *w, const struct request *r, bool strict)
{
    if (is_memory(w->space) != is_memory(r->space))
        return false;
    if (r->space == PCI_IO)
        return true;
    if (w->space == PCI_PREFETCH && r->space != PCI_PREFETCH)
        return false; /* what has side effects is never fetched ahead */
    if (!strict)
        return true;
    return r->space == PCI_PREFETCH ? w->space == PCI_PREFETCH || is_high(w)
                                    : w->space == PCI_MEMORY && !is_high(w);
}

static bool request_place(struct pci_bus *bus, const struct request *r, struct pci_claim *c)
{
    uint64_t limit = r->space == PCI_IO && r->bar <= PCI_ROM ? LIMIT_16 : r->low ? LIMIT_32
                                                                              : UINT64_MAX;

    for (unsigned try = 0; try < 2; try++)
        for (unsigned i = 0; i < bus->window_count; i++)
            if (suits(&bus->windows[i], r, try == 0) &&
                window_place(&bus->windows[i], c, r->size, r->align, limit))
                return true;
    return false;
}

static void bar_place(const struct request *r)
{
    struct pci_bar *b = &r->p->bars[r->bar];

    if (!request_place(r->p->bus, r, &b->claim)) {
        if (r->bar != PCI_ROM)
            pci_complain(r->p->bus->host, "%s: BAR %u of %#llx bytes finds no place: it is left out",
                         r->p->device.name, r->bar, (unsigned long long)b->size);
        return;
    }
    if (bar_write(r->p, r->bar, b->claim.start))
        return;
    pci_complain(r->p->bus->host, "%s: BAR %u does not take an address: it is left out",
                 r->p->device.name, r->bar);
    pci_unclaim(&b->claim);
}

static void bridge_place(const struct request *r)
{
    enum pci_space space = r->bar - REQUEST_WINDOW(0);
    struct pci_bus *b = r->p->below;

    if (!request_place(r->p->bus, r, &b->upstream[space])) {
        pci_complain(r->p->bus->host, "%s: no place for a window of %#llx bytes", r->p->device.name,
                     (unsigned long long)r->size);
        return;
    }
    window_open(b, space);
}

static void requests_place(const struct requests *r)
{
    for (unsigned i = 0; i < r->count; i++)
        if (r->list[i].bar <= PCI_ROM)
            bar_place(&r->list[i]);
        else
            bridge_place(&r->list[i]);
}

/* All windows of a fresh bridge, those that stay shut included; then it lets through. */
static void bridge_program(struct pci_bus *b)
{
    struct pci_device *p = b->bridge;

    for (enum pci_space space = 0; space < PCI_SPACES; space++)
        bridge_window_write(b, space, b->upstream[space].start, b->upstream[space].size);
    pci_change(p, PCI_COMMAND, 2,
               pci_read16(p, PCI_COMMAND) | COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
}

static void bus_place(struct pci_bus *bus)
{
    struct requests r;
    struct pci_device *p;

    if (requests_gather(&r, bus, PCI_SPACES) != 0)
        return;
    requests_place(&r);
    kfree(r.list);
    list_for_each(p, &bus->devices, link)
        if (p->below) {
            bridge_program(p->below);
            bus_place(p->below);
        }
}

void pci_place(struct pci_host *host)
{
    bus_claim(&host->root);
    bus_place(&host->root);
}
