// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: virtio devices by registers in memory (virtio 1.2, 4.2), version 2 and the legacy version 1 that
 * QEMU's virt machine has by default.
 *
 * Model: where they are, the device tree says ("virtio,mmio"), or the command line, as on Linux:
 * virtio_mmio.device=SIZE@ADDRESS:IRQ[:ID].  Most places are empty (device id 0).  An interrupt is
 * acknowledged before the queues are looked at, so that none is lost.
 * Locking: the selector registers (queue, features) are used in probe alone, one thread.
 */
#define LOG_TAG "virtio-mmio"
#include <dev/virtio/virtio.h>

#include <core/irq.h>
#include <core/log.h>
#include <core/params.h>
#include <dev/device_tree.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <mm/vmap.h>
#include <svc/subsystem.h>

#include <linux/virtio_mmio.h>

#define MAGIC 0x74726976 /* "virt" */
#define RESET_TRIES 10000
#define ARGUMENTS_MAX 32

struct mmio_place {
    paddr_t base;
    uint64_t size;
    unsigned irq;
    bool irq_known, edge;
};

struct mmio_device {
    struct virtio_device v;
    volatile uint8_t *regs;
    struct mmio_place place;
    struct mmio_device *next; /* boot and shutdown, one thread */
};

static struct mmio_device *found;
static struct mmio_place arguments[ARGUMENTS_MAX]; /* of the command line; boot */
static unsigned argument_count;

static struct mmio_device *mmio_of(struct virtio_device *d)
{
    return container_of(d, struct mmio_device, v);
}

static uint32_t reg_read(struct virtio_device *d, unsigned at)
{
    return mmio_read32(mmio_of(d)->regs + at);
}

static void reg_write(struct virtio_device *d, unsigned at, uint32_t value)
{
    mmio_write32(mmio_of(d)->regs + at, value);
}

/* ---- what the core asks for ------------------------------------------------------------------ */

static uint64_t mmio_features(struct virtio_device *d)
{
    uint64_t low;

    reg_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    low = reg_read(d, VIRTIO_MMIO_DEVICE_FEATURES);
    if (d->legacy)
        return low;
    reg_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    return low | (uint64_t)reg_read(d, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
}

static void mmio_set_features(struct virtio_device *d, uint64_t features)
{
    for (unsigned half = 0; half < (d->legacy ? 1u : 2u); half++) {
        reg_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
        reg_write(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32 * half));
    }
}

static uint8_t mmio_status(struct virtio_device *d)
{
    return (uint8_t)reg_read(d, VIRTIO_MMIO_STATUS);
}

static void mmio_set_status(struct virtio_device *d, uint8_t status)
{
    reg_write(d, VIRTIO_MMIO_STATUS, status);
}

static err_t mmio_reset(struct virtio_device *d)
{
    reg_write(d, VIRTIO_MMIO_STATUS, 0);
    for (unsigned i = 0; i < RESET_TRIES; i++) {
        if (mmio_status(d) == 0)
            return 0;
        hal_relax();
    }
    return -EIO;
}

static unsigned mmio_queue_entries(struct virtio_device *d, unsigned index)
{
    if (d->legacy)
        reg_write(d, VIRTIO_MMIO_GUEST_PAGE_SIZE, PAGE_SIZE);
    reg_write(d, VIRTIO_MMIO_QUEUE_SEL, index);
    if (reg_read(d, d->legacy ? VIRTIO_MMIO_QUEUE_PFN : VIRTIO_MMIO_QUEUE_READY) != 0)
        return 0; /* in use after a reset: nothing to build on */
    return reg_read(d, VIRTIO_MMIO_QUEUE_NUM_MAX);
}

static void address_write(struct virtio_device *d, unsigned at, const void *table)
{
    paddr_t pa = virt_to_phys(table);

    reg_write(d, at, (uint32_t)pa);
    reg_write(d, at + 4, (uint32_t)(pa >> 32));
}

static err_t mmio_queue_start(struct virtio_queue *q)
{
    struct virtio_device *d = q->device;

    reg_write(d, VIRTIO_MMIO_QUEUE_SEL, q->index);
    reg_write(d, VIRTIO_MMIO_QUEUE_NUM, q->size);
    if (d->legacy) {
        if (PFN(q->memory) > UINT32_MAX)
            return -ENOMEM;
        reg_write(d, VIRTIO_MMIO_QUEUE_ALIGN, PAGE_SIZE);
        reg_write(d, VIRTIO_MMIO_QUEUE_PFN, (uint32_t)PFN(q->memory));
        return 0;
    }
    address_write(d, VIRTIO_MMIO_QUEUE_DESC_LOW, q->desc);
    address_write(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, q->avail);
    address_write(d, VIRTIO_MMIO_QUEUE_USED_LOW, q->used);
    reg_write(d, VIRTIO_MMIO_QUEUE_READY, 1);
    return reg_read(d, VIRTIO_MMIO_QUEUE_READY) == 1 ? 0 : -EIO;
}

static void mmio_notify(struct virtio_queue *q)
{
    reg_write(q->device, VIRTIO_MMIO_QUEUE_NOTIFY, q->index);
}

/* Fields have their natural size (4.2.2.2); legacy ones are bytes. */
static void mmio_config_read(struct virtio_device *d, unsigned offset, void *buf, size_t n)
{
    volatile uint8_t *at = mmio_of(d)->regs + VIRTIO_MMIO_CONFIG + offset;
    uint8_t *out = buf;

    if (!d->legacy && IS_ALIGNED(offset | n, 4u)) {
        for (size_t i = 0; i < n; i += 4) {
            uint32_t word = mmio_read32(at + i);

            memcpy(out + i, &word, 4);
        }
    } else if (!d->legacy && n == 2) {
        uint16_t half = mmio_read16(at);

        memcpy(out, &half, 2);
    } else {
        for (size_t i = 0; i < n; i++)
            out[i] = mmio_read8(at + i);
    }
}

static void mmio_config_write(struct virtio_device *d, unsigned offset, const void *buf, size_t n)
{
    const uint8_t *in = buf;

    for (size_t i = 0; i < n && offset + i < d->config_bytes; i++)
        mmio_write8(mmio_of(d)->regs + VIRTIO_MMIO_CONFIG + offset + i, in[i]);
}

static uint32_t mmio_config_generation(struct virtio_device *d)
{
    return d->legacy ? 0 : reg_read(d, VIRTIO_MMIO_CONFIG_GENERATION);
}

static void on_interrupt(unsigned irq __maybe_unused, void *arg)
{
    struct mmio_device *m = arg;
    uint32_t causes = mmio_read32(m->regs + VIRTIO_MMIO_INTERRUPT_STATUS);

    if (causes == 0) {
        irq_unhandled();
        return;
    }
    mmio_write32(m->regs + VIRTIO_MMIO_INTERRUPT_ACK, causes);
    virtio_interrupt(&m->v, causes & VIRTIO_MMIO_INT_CONFIG);
}

static err_t mmio_irq_start(struct virtio_device *d)
{
    struct mmio_device *m = mmio_of(d);

    if (!m->place.irq_known)
        return -ENXIO;
    if (irq_chip() && irq_chip()->configure)
        (void)irq_chip()->configure(m->place.irq, m->place.edge); /* or it stays as it is */
    return irq_register(m->place.irq, d->name, on_interrupt, m);
}

static void mmio_irq_stop(struct virtio_device *d)
{
    irq_unregister(mmio_of(d)->place.irq, on_interrupt, mmio_of(d));
}

static void mmio_release(struct virtio_device *d)
{
    struct mmio_device *m = mmio_of(d), **link = &found;

    while (*link && *link != m)
        link = &(*link)->next;
    if (*link)
        *link = m->next;
    vmap_unmap_device((void *)m->regs, m->place.size);
    kfree(m);
}

static const struct virtio_transport mmio_transport = {
    .name = "virtio-mmio",
    .features = mmio_features,
    .set_features = mmio_set_features,
    .status = mmio_status,
    .set_status = mmio_set_status,
    .reset = mmio_reset,
    .queue_entries = mmio_queue_entries,
    .queue_start = mmio_queue_start,
    .notify = mmio_notify,
    .config_read = mmio_config_read,
    .config_write = mmio_config_write,
    .config_generation = mmio_config_generation,
    .irq_start = mmio_irq_start,
    .irq_stop = mmio_irq_stop,
    .release = mmio_release,
};

/* ---- discovery ------------------------------------------------------------------------------- */

/* Is there a device?  -ENODEV: an empty place, -EINVAL: something else. */
static err_t registers_check(const volatile uint8_t *regs, uint32_t *version, uint32_t *id)
{
    if (mmio_read32(regs + VIRTIO_MMIO_MAGIC_VALUE) != MAGIC)
        return -EINVAL;
    *version = mmio_read32(regs + VIRTIO_MMIO_VERSION);
    if (*version < 1 || *version > 2)
        return -EINVAL;
    *id = mmio_read32(regs + VIRTIO_MMIO_DEVICE_ID);
    return *id == 0 ? -ENODEV : 0;
}

static err_t mmio_probe(const struct mmio_place *place)
{
    volatile uint8_t *regs;
    struct mmio_device *m;
    uint32_t version, id;
    err_t err;

    if (place->size <= VIRTIO_MMIO_CONFIG)
        return -EINVAL;
    regs = vmap_device(place->base, place->size, MMU_READ | MMU_WRITE | MMU_DEVICE);
    if (!regs)
        return -ENOMEM;
    err = registers_check(regs, &version, &id);
    m = err ? NULL : kzalloc(sizeof *m);
    if (!m) {
        vmap_unmap_device((void *)regs, place->size);
        return err ? err : -ENOMEM;
    }
    m->regs = regs;
    m->place = *place;
    m->v.transport = &mmio_transport;
    m->v.id = id;
    m->v.vendor = mmio_read32(regs + VIRTIO_MMIO_VENDOR_ID);
    m->v.legacy = version == 1;
    m->v.config_bytes = place->size - VIRTIO_MMIO_CONFIG;
    fmt_snprintf(m->v.bus_name, sizeof m->v.bus_name, "%llx.virtio_mmio",
                 (unsigned long long)place->base);
    m->next = found;
    found = m;
    virtio_device_add(&m->v);
    return 0;
}

static void place_try(const struct mmio_place *place)
{
    err_t err = mmio_probe(place);

    if (err != 0 && err != -ENODEV)
        log_warn("nothing usable at %#llx: error %d", (unsigned long long)place->base, err);
}

static void tree_probe(const struct device_tree_service *tree)
{
    static const char compatible[] = "virtio,mmio";
    struct device_node node;
    err_t err;

    for (unsigned i = 0; (err = tree->find(compatible, i, &node)) != -ENOENT; i++) {
        struct mmio_place place = { .irq_known = node.irq_count != 0 };

        if (err != 0 || node.reg_count == 0)
            continue;
        place.base = node.reg[0].start;
        place.size = node.reg[0].size;
        place.irq = node.irq[0];
        place.edge = node.irq_edge & 1;
        place_try(&place);
    }
}

/* SIZE@ADDRESS:IRQ[:ID], SIZE with K, M, G. */
static err_t set_device(const char *value)
{
    struct mmio_place p = { .irq_known = true, .edge = true };
    uint64_t irq, id;

    if (!value || str_to_u64(&value, 0, &p.size) != 0)
        return -EINVAL;
    if (*value == 'K' || *value == 'M' || *value == 'k' || *value == 'm')
        p.size <<= (*value++ | 0x20) == 'k' ? 10 : 20;
    if (*value++ != '@' || str_to_u64(&value, 0, &p.base) != 0 || *value++ != ':' ||
        str_to_u64(&value, 0, &irq) != 0 || irq >= IRQ_MAX)
        return -EINVAL;
    if (*value == ':' && (value++, str_to_u64(&value, 0, &id) != 0))
        return -EINVAL;
    if (*value || p.size > MiB || argument_count == ARGUMENTS_MAX)
        return -EINVAL;
    p.irq = (unsigned)irq;
    arguments[argument_count++] = p;
    return 0;
}
PARAM_NAMED(virtio_mmio_device, "virtio_mmio.device",
            "SIZE@ADDRESS:IRQ[:ID] of a virtio device's registers; may be given several times", set_device);

static err_t mmio_start(struct subsystem *self)
{
    const struct device_tree_service *tree;
    bool has_tree = service_find_device_tree(self, &tree) == 0;

    if (has_tree)
        tree_probe(tree);
    for (unsigned i = 0; i < argument_count; i++)
        place_try(&arguments[i]);
    return found ? 0 : -ENODEV;
}

static void mmio_shutdown(struct subsystem *self __maybe_unused)
{
    while (found)
        virtio_device_remove(&found->v);
}

static struct subsystem mmio_subsystem = { .name = "virtio_mmio",
                                           .privilege = PRIV_DRIVER,
                                           .late_init = mmio_start,
                                           .shutdown = mmio_shutdown };
REGISTER_SUBSYSTEM(mmio_subsystem);
