// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the subsystem `pci`: hosts are found at its start, their functions become devices, and again
 * when /sys/bus/pci/rescan is written.
 *
 * Model: a scan finds, places and adds, all under pci_mutex; fresh functions are handed over parents
 * first.  A function that is removed leaves its bus and gives its addresses back; its registers stay
 * as they are, so that a rescan finds it where it was.  When the subsystem stops, all are removed, and its next
 * start finds them there again.
 * Locking: pci_mutex, above `bind` of devices that are being added, below that of those being removed
 * (which are others).
 */
#define LOG_TAG "pci"
#include <dev/bus/pci_internal.h>

#include <core/log.h>
#include <mm/heap.h>

static struct mutex pci_mutex = MUTEX_INIT(pci_mutex);
static struct pci_host *hosts; /* pci_mutex */

void pci_lock(void)
{
    mutex_lock(&pci_mutex);
}

void pci_unlock(void)
{
    mutex_unlock(&pci_mutex);
}

/* --- as a bus of devices --- */

static void pci_release(struct device *d)
{
    struct pci_device *p = pci_of(d);

    kfree(p->below);
    kfree(p);
}

static void pci_removed(struct device *d)
{
    mutex_lock(&pci_mutex);
    pci_forget(pci_of(d));
    mutex_unlock(&pci_mutex);
}

static void pci_binding(struct device *d)
{
    struct pci_device *p = pci_of(d);

    p->command = pci_read16(p, PCI_COMMAND);
    pci_write(p, PCI_COMMAND, 2, p->command | COMMAND_IO | COMMAND_MEMORY);
}

static void pci_unbound(struct device *d)
{
    struct pci_device *p = pci_of(d);

    pci_irq_vectors_free(p);
    pci_write(p, PCI_COMMAND, 2, p->command & ~COMMAND_MASTER);
}

/* Bridges are this file's own. */
static bool pci_match(const struct device *d, const struct driver *driver)
{
    (void)driver;
    return pci_of(d)->header == 0;
}

struct bus pci_bus_type = {
    .name = "pci", .match = pci_match, .binding = pci_binding, .unbound = pci_unbound,
    .removed = pci_removed, .release = pci_release, .modalias = pci_modalias, .uevent = pci_uevent,
    .rescan = pci_rescan,
};

void pci_master_set(struct pci_device *p, bool on)
{
    uint16_t command = pci_read16(p, PCI_COMMAND);

    pci_write(p, PCI_COMMAND, 2, on ? command | COMMAND_MASTER : command & ~COMMAND_MASTER);
}

/* --- resources --- */

const struct device_resource *pci_bar_resource(const struct pci_device *p, unsigned bar)
{
    for (unsigned i = 0; i < p->device.resource_count; i++) {
        const struct device_resource *r = &p->device.resources[i];

        if (r->index == bar && (r->kind == RESOURCE_MEMORY || r->kind == RESOURCE_PORTS))
            return r;
    }
    return NULL;
}

void *pci_map(const struct pci_device *p, unsigned bar, uint64_t offset, size_t bytes)
{
    return device_map(pci_bar_resource(p, bar), offset, bytes);
}

static void bar_resource_add(struct pci_device *p, unsigned n)
{
    const struct pci_bar *b = &p->bars[n];
    bool ports = b->flags & BAR_IO;

    device_resource_add(&p->device, &(struct device_resource){
        .kind = ports ? RESOURCE_PORTS : RESOURCE_MEMORY, .index = n, .size = b->size,
        .start = ports ? b->claim.start
                       : pci_cpu_address(p->bus, pci_bar_space(b), &b->claim),
        .flags = (n == PCI_ROM ? RESOURCE_READ_ONLY : 0) |
                 (!ports && b->flags & BAR_PREFETCH ? RESOURCE_PREFETCH : 0) |
                 (!ports && b->flags & BAR_WIDE ? RESOURCE_WIDE : 0) });
}

static void resources_add(struct pci_device *p)
{
    for (unsigned n = 0; n <= PCI_ROM; n++)
        if (p->bars[n].claim.size)
            bar_resource_add(p, n);
    if (p->irq)
        device_resource_add(&p->device, &(struct device_resource){ .kind = RESOURCE_IRQ, .size = 1,
                                                                   .start = p->irq });
}

/* --- scans --- */

/* A reference to each fresh one, as those that come may be removed meanwhile. */
static bool fresh_add(struct pci_device *p, void *arg)
{
    unsigned *added = arg;

    if (!p->fresh)
        return true;
    p->fresh = false;
    resources_add(p);
    if (device_add(&p->device) == 0) {
        (*added)++;
    } else { /* its bridge is going */
        pci_forget(p);
    }
    device_put(&p->device);
    return true;
}

static unsigned host_scan(struct pci_host *host)
{
    unsigned added = 0;

    pci_scan(host);
    pci_place(host);
    pci_walk(&host->root, fresh_add, &added);
    return added;
}

err_t pci_rescan(void)
{
    mutex_lock(&pci_mutex);
    for (struct pci_host *h = hosts; h; h = h->next)
        host_scan(h);
    mutex_unlock(&pci_mutex);
    return 0;
}

/* --- the subsystem --- */

static void hosts_start(void)
{
    mutex_lock(&pci_mutex);
    for (struct pci_host *h = hosts; h; h = h->next) {
        if (device_add(&h->device) != 0)
            continue;
        log_info("%s: %u functions", h->device.name, host_scan(h));
        if (h->main)
            pci_reserve(h);
    }
    mutex_unlock(&pci_mutex);
}

static err_t pci_start(struct subsystem *self)
{
    err_t err;

    pci_bus_type.attributes = pci_attributes;
    pci_bus_type.attribute_count = pci_attribute_count;
    pci_irq_start(self);
    hosts = pci_hosts_find(self);
    if (!hosts)
        return -ENODEV;
    err = bus_add(&pci_bus_type);
    if (err)
        return err;
    hosts_start();
    return 0;
}

/* Those who have drivers need it, so no driver is left here. */
static err_t pci_stop(struct subsystem *self __maybe_unused)
{
    struct pci_host *h;

    mutex_lock(&pci_mutex);
    h = hosts;
    hosts = NULL;
    mutex_unlock(&pci_mutex);
    while (h) {
        struct pci_host *next = h->next;

        (void)device_remove(&h->device); /* its functions go with it */
        device_put(&h->device);
        h = next;
    }
    bus_remove(&pci_bus_type);
    return 0;
}

static const char *const needs[] = { "devices", "?msi", NULL };
static struct subsystem pci_subsystem = { .name = "pci", .privilege = PRIV_DRIVER, .needs = needs,
                                          .late_init = pci_start, .stop = pci_stop };
REGISTER_SUBSYSTEM(pci_subsystem);
