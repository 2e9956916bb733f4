// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz how virtio devices are found by their registers, on PCI (capabilities, plain and extended, MSI and
 * MSI-X tables) and in memory.
 * Model: the first byte chooses the carrier, and whether configuration space is bytes with the input's changes or
 * says something else at each read.  What is mapped is a piece of the heap of just that size, which begins as
 * the input says and is changed between the driver's steps.
 * Run: scripts/fuzz.sh virtio_registers SECONDS.
 */
#include <core/irq.h>
#include <dev/bus/pci_internal.h>
#include <dev/bus/platform.h>
#include <hal/cpu.h>
#include <hal/mmu.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>

#include "device.h"

#define CONFIG_BYTES 4096
#define MAPS_MAX 8
#define HANDLERS_MAX 8
#define STEPS_MAX 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t config[CONFIG_BYTES];
static bool stream; /* each read of the configuration takes the next bytes */
static unsigned forgets; /* a byte of it that is 0 from its second reading on */

/* --- registers --- */

static struct mapping {
    uint8_t *at;
    size_t size;
} maps[MAPS_MAX];

void *device_map(const struct device_resource *r, uint64_t offset, size_t bytes)
{
    struct mapping *m = maps;
    size_t said;

    if (!r || r->kind != RESOURCE_MEMORY || offset >= r->size)
        return NULL;
    if (bytes == 0)
        bytes = (size_t)(r->size - offset);
    if (bytes > r->size - offset)
        return NULL;
    while (m->at)
        expect(++m < maps + MAPS_MAX);
    *m = (struct mapping){ kzalloc(bytes), bytes };
    said = input_byte();
    input_bytes(m->at, MIN(bytes, said));
    return m->at;
}

void device_unmap(void *registers, size_t bytes)
{
    struct mapping *m = maps;

    while (m->at != registers)
        expect(++m < maps + MAPS_MAX);
    expect(m->size == bytes);
    kfree(m->at);
    m->at = NULL;
}

static void registers_change(void)
{
    struct mapping *m = &maps[input_byte() % MAPS_MAX];
    unsigned at = input_number(2), value = input_byte();

    if (m->at)
        m->at[at % m->size] = (uint8_t)value;
}

/* --- interrupts --- */

static struct {
    irq_handler_fn fn;
    void *arg;
    unsigned irq;
} handlers[HANDLERS_MAX];
static struct msi_target *target;
static unsigned target_count;

err_t irq_register(unsigned irq, const char *name, irq_handler_fn fn, void *arg)
{
    if (input_byte() % 16 == 15)
        return -ENOMEM;
    for (unsigned i = 0; i < HANDLERS_MAX; i++)
        if (!handlers[i].fn) {
            handlers[i].fn = fn;
            handlers[i].arg = arg;
            handlers[i].irq = irq;
            if (target && irq >= IRQ_MSI)
                target->mask(target, irq - IRQ_MSI, false);
            return 0;
        }
    return -ENOMEM;
}

void irq_unregister(unsigned irq, irq_handler_fn fn, void *arg)
{
    for (unsigned i = 0; i < HANDLERS_MAX; i++)
        if (handlers[i].fn == fn && handlers[i].irq == irq && handlers[i].arg == arg) {
            handlers[i].fn = NULL;
            if (target && irq >= IRQ_MSI)
                target->mask(target, irq - IRQ_MSI, true);
        }
}

void irq_unhandled(void)
{
}

const struct irqchip *irq_chip(void)
{
    return NULL;
}

static err_t msi_alloc(struct msi_target *t, unsigned count, unsigned *irqs)
{
    static const struct msi_message message = { .address = 0xfee00000, .data = 0x4041 };

    expect(!target && count >= 1 && count <= PCI_VECTORS_MAX);
    if (input_byte() % 8 == 7)
        return -ENOSPC;
    target = t;
    target_count = count;
    for (unsigned i = 0; i < count; i++) {
        irqs[i] = IRQ_MSI + i;
        t->write(t, i, &message);
        t->mask(t, i, true);
    }
    return 0;
}

static void msi_free(struct msi_target *t, unsigned count, const unsigned *irqs)
{
    expect(t == target && count == target_count);
    target = NULL;
}

err_t service_find_raw(const char *type, const char *name, const struct subsystem *who, const void **impl)
{
    static const struct msi_controller controller = { "fuzz", msi_alloc, msi_free };

    *impl = &controller;
    return 0;
}

const char *params_find(const char *name)
{
    return NULL;
}

/* --- the device model --- */

static struct virtio_device *child; /* bound */

const struct device_resource *device_resource(const struct device *d, enum resource_kind kind, unsigned nth)
{
    for (unsigned i = 0; i < d->resource_count; i++)
        if (d->resources[i].kind == kind && nth-- == 0)
            return &d->resources[i];
    return NULL;
}

void device_init(struct device *d, struct bus *bus, struct device *parent, const char *name, ...)
{
    d->bus = bus;
    d->parent = parent;
    str_copy(d->name, "virtio0", sizeof d->name);
}

void device_put(struct device *d)
{
    expect(child != virtio_of(d));
    d->bus->release(d);
}

static const struct virtio_driver driver;

err_t device_add(struct device *d)
{
    if (input_byte() % 16 == 15)
        return -EEXIST;
    virtio_of(d)->driver = &driver;
    if (virtio_probe(d) == 0)
        child = virtio_of(d);
    return 0;
}

err_t device_remove(struct device *d)
{
    if (child == virtio_of(d)) {
        virtio_stop(d);
        virtio_remove(d);
        child = NULL;
    }
    return 0;
}

/* --- a driver of virtio devices --- */

static struct spinlock lock = { .rank = LOCK_DEVICE };
static uint8_t text[64];

static err_t fuzz_probe(struct virtio_device *d)
{
    err_t err = virtio_queue_create(d, input_byte() % VIRTIO_QUEUES_MAX, &lock, NULL, true);

    virtio_config_read(d, 0, text, 24);
    return err;
}

static err_t fuzz_start(struct virtio_device *d)
{
    struct virtio_queue *q = d->queues[d->queues_end - 1];
    struct dma_segment seg = { .addr = virt_to_phys(text), .bytes = sizeof text };
    unsigned long flags = spin_lock_irqsave(&lock);
    err_t err = virtio_queue_add(q, &seg, 0, 1, text);

    if (err == 0)
        virtio_queue_kick(q);
    spin_unlock_irqrestore(&lock, flags);
    return err;
}

static void fuzz_drain(struct virtio_device *d)
{
    unsigned long flags = spin_lock_irqsave(&lock);

    for (unsigned i = 0; i < d->queues_end; i++)
        while (d->queues[i] && virtio_queue_detach(d->queues[i]))
            ;
    spin_unlock_irqrestore(&lock, flags);
}

static void fuzz_nothing(struct virtio_device *d)
{
}

static void fuzz_config_changed(struct virtio_device *d)
{
    unsigned n = 1u << input_byte() % 5;

    virtio_config_read(d, input_number(2) / n * n, text, n);
}

static const struct virtio_driver driver = {
    .features = UINT64_MAX,
    .probe = fuzz_probe,
    .start = fuzz_start,
    .detach = fuzz_nothing,
    .drain = fuzz_drain,
    .free = fuzz_nothing,
    .config_changed = fuzz_config_changed,
};

/* --- steps --- */

static void step(void)
{
    unsigned what = input_byte(), n;

    switch (what % 4) {
    case 0:
        n = what / 4 % HANDLERS_MAX;
        if (handlers[n].fn) {
            unsigned long on = hal_irq_save();

            handlers[n].fn(handlers[n].irq, handlers[n].arg);
            hal_irq_restore(on);
        }
        break;
    case 1:
        n = 1u << what / 4 % 3;
        if (child)
            virtio_config_write(child, input_number(2) / n * n, text, n);
        break;
    default:
        registers_change();
    }
}

static const struct driver *driver_named(const char *name)
{
    registry_for_each(subsystem, s)
        if (strcmp((*s)->name, name) == 0)
            return container_of(*s, struct driver, subsystem);
    __builtin_trap();
}

static void carrier_drive(struct device *d, const struct driver *carrier)
{
    if (carrier->probe(d) != 0)
        return;
    for (unsigned i = 0; i < STEPS_MAX && input_left(); i++)
        step();
    carrier->stop(d);
    carrier->remove(d);
}

/* --- PCI --- */

static uint32_t config_read(const struct pci_host *host, unsigned bus, unsigned devfn, unsigned offset, unsigned size)
{
    uint32_t v = 0;

    expect(offset + size <= CONFIG_BYTES);
    if (stream)
        return input_number(size);
    memcpy(&v, config + offset, size);
    if (forgets && offset == forgets)
        config[offset] = 0;
    return v;
}

static void config_write(const struct pci_host *host, unsigned bus, unsigned devfn, unsigned offset, unsigned size,
                         uint32_t value)
{
    expect(offset + size <= CONFIG_BYTES);
    if (!stream)
        memcpy(config + offset, &value, size);
}

/* A function as QEMU has it: the registers' sets in BAR 4, the table in BAR 1; and two extended capabilities. */
static void config_make(void)
{
    static const uint8_t capabilities[] = {
        0x09, 0x50, 16, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, /* 0x40: common */
        0x09, 0x64, 20, 2, 4, 0, 0, 0, 0, 0x30, 0, 0, 0, 0x10, 0, 0, 4, 0, 0, 0, /* 0x50: notifications */
        0x09, 0x74, 16, 3, 4, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x10, 0, 0, /* 0x64: status */
        0x09, 0x84, 16, 4, 4, 0, 0, 0, 0, 0x20, 0, 0, 0, 0x10, 0, 0, /* 0x74: the device's own */
        0x11, 0x90, 3, 0, 1, 0, 0, 0, 1, 8, 0, 0, /* 0x84: MSI-X, 4 messages */
        0x05, 0, 0x80, 0, /* 0x90: MSI */
    };

    memset(config, 0, sizeof config);
    config[PCI_STATUS] = STATUS_CAPABILITIES;
    config[PCI_CAPABILITIES] = 0x40;
    memcpy(config + 0x40, capabilities, sizeof capabilities);
    memcpy(config + PCI_EXTENDED, (const uint8_t[]){ 1, 0, 1, 0x14 }, 4);
    memcpy(config + 0x140, (const uint8_t[]){ 3, 0, 1, 0 }, 4);
    for (unsigned n = input_byte() % 32; n > 0; n--) {
        unsigned at = input_number(2) % CONFIG_BYTES;

        config[at] = input_byte();
    }
}

/* Of each BAR a byte: 0: as it is; else a size, and whether it is ports, the ROM, or is not there. */
static void bars_make(struct device *d)
{
    static const uint64_t sizes[] = { 0, 4 * KiB, 0, 0, 16 * KiB, 0, 0 };

    for (unsigned n = 0; n <= PCI_ROM; n++) {
        unsigned how = input_byte();
        uint64_t size = how ? 16ull << how % 16 : sizes[n];

        if (size && how >> 4 != 15)
            d->resources[d->resource_count++] = (struct device_resource){
                .kind = how & 0x80 ? RESOURCE_PORTS : RESOURCE_MEMORY, .index = n, .start = 0x10000000ull * (n + 1),
                .size = size };
    }
}

static void capabilities_check(const struct pci_device *p)
{
    unsigned seen = 0;

    for (unsigned at = 0; (at = pci_capability(p, 9, at)) != 0; seen++)
        expect(at >= 0x40 && at < 0x100 && at % 4 == 0 && (stream || seen < 48));
    for (unsigned id = 0; id < 6; id++) {
        seen = 0;
        for (unsigned at = 0; (at = pci_capability_extended(p, (uint16_t)id, at)) != 0; seen++)
            expect(at >= PCI_EXTENDED && at < CONFIG_BYTES && at % 4 == 0 && (stream || seen < 960));
    }
}

static void pci_go(unsigned flags)
{
    static const struct pci_ops ops = { .read = config_read, .write = config_write };
    struct pci_host *host = kzalloc(sizeof *host);
    struct pci_device *p = kzalloc(sizeof *p);

    stream = flags & 2;
    forgets = flags & 64 ? input_byte() : 0;
    config_make();
    host->ops = &ops;
    host->root.host = host;
    p->bus = &host->root;
    p->config_size = flags & 4 ? 256 : CONFIG_BYTES;
    p->vendor = 0x1af4;
    p->id = flags & 8 ? 0x1000 : 0x1044;
    p->subsystem_id = 4;
    p->irq = flags & 16 ? 0 : 11;
    bars_make(&p->device);
    capabilities_check(p);
    p->msi = (uint8_t)pci_capability(p, CAPABILITY_MSI, 0);
    p->msix = (uint8_t)pci_capability(p, CAPABILITY_MSIX, 0);
    pci_irq_start(NULL);
    pci_bus_type.binding(&p->device);
    if (flags & 32) { /* a driver that wants many, of any kind */
        int n = pci_irq_vectors_alloc(p, 1, input_byte(), PCI_IRQ_ALL);

        for (int i = 0; i < n && target; i++)
            target->mask(target, (unsigned)i, input_byte() & 1);
    } else {
        carrier_drive(&p->device, driver_named("virtio_pci"));
    }
    pci_bus_type.unbound(&p->device);
    kfree(p);
    kfree(host);
}

/* --- registers in memory --- */

static void memory_go(unsigned flags)
{
    struct platform_device *p = kzalloc(sizeof *p);

    p->device.resources[0] = (struct device_resource){ .kind = RESOURCE_MEMORY, .start = 0xa000000,
                                                       .size = flags & 2 ? 0x200 : input_number(2) };
    p->device.resources[1] = (struct device_resource){ .kind = RESOURCE_IRQ, .start = 40, .size = 1 };
    p->device.resource_count = flags & 4 ? 1 : 2;
    carrier_drive(&p->device, driver_named("virtio_mmio"));
    kfree(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned flags;

    input_begin(data, size);
    flags = input_byte();
    if (flags & 1)
        memory_go(flags);
    else
        pci_go(flags);
    expect(!child && !target);
    for (unsigned i = 0; i < MAPS_MAX; i++)
        expect(!maps[i].at);
    for (unsigned i = 0; i < HANDLERS_MAX; i++)
        expect(!handlers[i].fn);
    return 0;
}
