// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: virtio devices by registers in memory (virtio 1.2, 4.2), version 2 and the legacy version 1 that
 * QEMU's virt machine has by default.
 *
 * Model: a driver of the platform bus, whose devices carry one virtio device each.  Where they are, the
 * device tree says ("virtio,mmio"), ACPI ("LNRO0005"), or the command line, as on Linux:
 * virtio_mmio.device=SIZE@ADDRESS:IRQ[:ID].  Most places are empty (device id 0): those are left out.  An
 * interrupt is acknowledged before the queues are looked at, so that none is lost.
 * Locking: the selector registers (queue, features) are used in probe alone, one thread.
 */
#define LOG_TAG "virtio-mmio"
#include <dev/virtio/virtio.h>

#include <core/hardware.h>
#include <core/irq.h>
#include <core/log.h>
#include <core/params.h>
#include <dev/bus/platform.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <mm/vmap.h>

#include <linux/virtio_mmio.h>

#define MAGIC 0x74726976 /* "virt" */
#define RESET_TRIES 10000
#define ARGUMENTS_MAX 32
#define REGISTERS_MAX MiB

struct mmio_device {
    struct virtio_device v;
    volatile uint8_t *regs; /* while its driver is bound */
    size_t size;
    const struct device_resource *irq; /* NULL: it has none */
};

static const char compatible[] = "virtio,mmio";
static struct device_node arguments[ARGUMENTS_MAX]; /* of the command line; boot */
static unsigned argument_count; /* boot */

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
        if (PFN(q->memory.pa) > UINT32_MAX)
            return -ENOMEM;
        reg_write(d, VIRTIO_MMIO_QUEUE_ALIGN, PAGE_SIZE);
        reg_write(d, VIRTIO_MMIO_QUEUE_PFN, (uint32_t)PFN(q->memory.pa));
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
    volatile uint8_t *at = mmio_of(d)->regs + VIRTIO_MMIO_CONFIG + offset;
    const uint8_t *in = buf;
    uint32_t word;

    if (!d->legacy && n == sizeof word && IS_ALIGNED(offset, 4u)) {
        memcpy(&word, in, sizeof word);
        mmio_write32(at, word);
    } else {
        for (size_t i = 0; i < n; i++)
            mmio_write8(at + i, in[i]);
    }
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
    const struct device_resource *irq = mmio_of(d)->irq;

    if (!irq)
        return -ENXIO;
    if (irq_chip() && irq_chip()->configure) /* or it stays as it is */
        (void)irq_chip()->configure((unsigned)irq->start, irq->flags & RESOURCE_EDGE);
    return irq_register((unsigned)irq->start, virtio_name(d), on_interrupt, mmio_of(d));
}

static void mmio_irq_stop(struct virtio_device *d)
{
    irq_unregister((unsigned)mmio_of(d)->irq->start, on_interrupt, mmio_of(d));
}

static void mmio_release(struct virtio_device *d)
{
    kfree(mmio_of(d));
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

/* ---- the driver ------------------------------------------------------------------------------ */

/* Is there a device?  -ENODEV: an empty place, -EINVAL: something else. */
static err_t registers_check(const volatile uint8_t *regs, uint32_t *version, uint32_t *id)
{
    uint32_t magic;

    if (!mmio_probe32(regs + VIRTIO_MMIO_MAGIC_VALUE, &magic) || magic != MAGIC)
        return -EINVAL;
    *version = mmio_read32(regs + VIRTIO_MMIO_VERSION);
    if (*version < 1 || *version > 2)
        return -EINVAL;
    *id = mmio_read32(regs + VIRTIO_MMIO_DEVICE_ID);
    return *id == 0 ? -ENODEV : 0;
}

static err_t mmio_create(struct device *d, volatile uint8_t *regs, size_t size)
{
    uint32_t version = 0, id = 0;
    err_t err = registers_check(regs, &version, &id);
    struct mmio_device *m = err ? NULL : kzalloc(sizeof *m);

    if (!m)
        return err ? err : -ENOMEM;
    m->regs = regs;
    m->size = size;
    m->irq = device_resource(d, RESOURCE_IRQ, 0);
    m->v.transport = &mmio_transport;
    m->v.id = id;
    m->v.vendor = mmio_read32(regs + VIRTIO_MMIO_VENDOR_ID);
    m->v.legacy = version == 1;
    m->v.config_bytes = size - VIRTIO_MMIO_CONFIG;
    d->driver_data = m;
    err = virtio_device_add(&m->v, d);
    if (err != 0)
        device_put(&m->v.device);
    return err;
}

static err_t mmio_probe(struct device *d)
{
    const struct device_resource *r = device_resource(d, RESOURCE_MEMORY, 0);
    volatile uint8_t *regs;
    err_t err;

    if (!r || r->size <= VIRTIO_MMIO_CONFIG || r->size > REGISTERS_MAX)
        return -EINVAL;
    regs = device_map(r, 0, 0);
    if (!regs)
        return -ENOMEM;
    err = mmio_create(d, regs, r->size);
    if (err != 0)
        device_unmap((void *)regs, r->size);
    return err;
}

static void mmio_stop(struct device *d)
{
    struct mmio_device *m = d->driver_data;

    virtio_device_gone(&m->v);
}

static void mmio_remove(struct device *d)
{
    struct mmio_device *m = d->driver_data;

    device_unmap((void *)m->regs, m->size);
    device_put(&m->v.device);
}

static bool mmio_match(const struct device *d)
{
    return strcmp(platform_of(d)->compatible, compatible) == 0;
}

/* ---- where they are -------------------------------------------------------------------------- */

static bool place_taken(const struct device_node *node)
{
    volatile uint8_t *regs;
    uint32_t version, id;
    err_t err;

    if (node->reg_count == 0 || node->reg[0].size <= VIRTIO_MMIO_CONFIG)
        return false;
    regs = vmap_device(node->reg[0].start, VIRTIO_MMIO_CONFIG, MMU_READ | MMU_WRITE | MMU_DEVICE);
    if (!regs)
        return false;
    err = registers_check(regs, &version, &id);
    vmap_unmap_device((void *)regs, VIRTIO_MMIO_CONFIG);
    if (err != 0 && err != -ENODEV)
        log_warn("no virtio device at %#llx", (unsigned long long)node->reg[0].start);
    return err == 0;
}

/* SIZE@ADDRESS:IRQ[:ID], SIZE with K or M. */
static err_t set_device(const char *value)
{
    struct device_node n = { .name = "virtio_mmio", .reg_count = 1, .irq_count = 1, .irq_edge = 1 };
    uint64_t irq, id;

    if (!value || str_to_u64(&value, 0, &n.reg[0].size) != 0)
        return -EINVAL;
    if ((*value | 0x20) == 'k' || (*value | 0x20) == 'm')
        n.reg[0].size <<= (*value++ | 0x20) == 'k' ? 10 : 20;
    if (*value++ != '@' || str_to_u64(&value, 0, &n.reg[0].start) != 0 || *value++ != ':' ||
        str_to_u64(&value, 0, &irq) != 0 || irq >= IRQ_MAX)
        return -EINVAL;
    if (*value == ':' && (value++, str_to_u64(&value, 0, &id) != 0))
        return -EINVAL;
    if (*value || n.reg[0].size > REGISTERS_MAX || argument_count == ARGUMENTS_MAX)
        return -EINVAL;
    n.irq[0] = (unsigned)irq;
    arguments[argument_count++] = n;
    return 0;
}
PARAM_NAMED(virtio_mmio_device, "virtio_mmio.device",
            "SIZE@ADDRESS:IRQ[:ID] of a virtio device's registers; may be given several times", set_device);

static struct driver mmio_driver;

/* ISA's lines go by their own numbers, wherever they are connected. */
static unsigned line_of(const struct hardware_info *hw, uint32_t gsi)
{
    for (uint32_t i = 0; i < hw->override_count; i++)
        if (hw->overrides[i].gsi == gsi)
            return hw->overrides[i].irq;
    return gsi;
}

static err_t acpi_scan(const struct hardware_info *hw)
{
    err_t err = 0;

    for (uint32_t i = 0; i < hw->virtio_count && err == 0; i++) {
        const struct hw_virtio *v = &hw->virtio[i];
        struct device_node n = { .name = "LNRO0005", .reg_count = 1, .irq_count = 1,
                                 .reg[0] = { v->start, v->size }, .irq_edge = v->edge,
                                 .irq[0] = line_of(hw, v->irq) };

        if (n.irq[0] < IRQ_MAX && place_taken(&n))
            err = platform_add(&n, compatible, true);
    }
    return err;
}

static err_t mmio_start(struct subsystem *self)
{
    err_t err = driver_start(&mmio_driver);

    if (err == 0)
        err = platform_scan(self, compatible, place_taken);
    if (err == 0)
        err = acpi_scan(hardware());
    for (unsigned i = 0; i < argument_count && err == 0; i++)
        if (place_taken(&arguments[i]))
            err = platform_add(&arguments[i], compatible, true);
    return err;
}

static err_t place_leave(struct device *d, void *arg __maybe_unused)
{
    if (mmio_match(d))
        (void)device_remove(d); /* or somebody else does it */
    return 0;
}

static err_t mmio_halt(struct subsystem *self __maybe_unused)
{
    driver_stop(&mmio_driver);
    return device_for_each(&platform_bus, place_leave, NULL);
}

static const char *const needs[] = { "virtio", "platform", NULL };
static struct driver mmio_driver = { .subsystem = { .name = "virtio_mmio",
                                                    .privilege = PRIV_DRIVER,
                                                    .needs = needs,
                                                    .late_init = mmio_start,
                                                    .stop = mmio_halt,
                                                    .shutdown = driver_subsystem_stop },
                                     .bus = &platform_bus,
                                     .match = mmio_match,
                                     .probe = mmio_probe,
                                     .stop = mmio_stop,
                                     .remove = mmio_remove };
REGISTER_DRIVER(mmio_driver);
