// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: virtio devices on PCI (virtio 1.2, 4.1), modern ones and transitional ones in their modern shape.
 *
 * Model: a driver of the PCI bus.  Capabilities of the vendor's kind say in which BAR, where and how long the four
 * register sets are: common, notifications, interrupt status, the device's own.  The first of each kind that
 * lies where it says is used.  Interrupts: by MSI-X one for the queues and one for the configuration, or
 * one for both; else INTx, whose cause is read from the status, which acknowledges it.
 * Locking: the selector registers are used in probe alone, one thread.
 */
#define LOG_TAG "virtio-pci"
#include <dev/virtio/virtio.h>

#include <core/irq.h>
#include <core/log.h>
#include <dev/bus/pci.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <lib/checked.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>

#include <linux/virtio_pci.h>

#define VENDOR 0x1af4
#define ID_TRANSITIONAL 0x1000 /* and the 63 behind it: the device's id is the subsystem's */
#define ID_MODERN 0x1040 /* and the 63 behind it: plus the device's id */
#define ID_END 0x1080
#define CAPABILITY_VENDOR 0x09
#define REGISTERS_MAX (64 * KiB) /* of one set */
#define RESET_PATIENCE (100 * NS_PER_MSEC)
#define COMMON_BYTES sizeof(struct virtio_pci_common_cfg)

struct registers {
    volatile uint8_t *at; /* NULL: there are none */
    size_t size;
};

struct pci_virtio {
    struct virtio_device v;
    struct pci_device *p; /* while its driver is bound */
    struct registers common, notify, status, config;
    uint32_t notify_step; /* bytes from one queue's notification to the next's */
    unsigned vectors; /* interrupts that it has */
};

static struct pci_virtio *pci_virtio_of(struct virtio_device *d)
{
    return container_of(d, struct pci_virtio, v);
}

static volatile uint8_t *common_of(struct virtio_device *d)
{
    return pci_virtio_of(d)->common.at;
}

static bool uses_messages(const struct pci_virtio *m)
{
    return pci_irq_kind(m->p) == PCI_IRQ_MSIX;
}

/* ---- what the core asks for ------------------------------------------------------------------ */

static uint64_t pci_features(struct virtio_device *d)
{
    uint64_t low;

    mmio_write32(common_of(d) + VIRTIO_PCI_COMMON_DFSELECT, 0);
    low = mmio_read32(common_of(d) + VIRTIO_PCI_COMMON_DF);
    mmio_write32(common_of(d) + VIRTIO_PCI_COMMON_DFSELECT, 1);
    return low | (uint64_t)mmio_read32(common_of(d) + VIRTIO_PCI_COMMON_DF) << 32;
}

static void pci_set_features(struct virtio_device *d, uint64_t features)
{
    for (unsigned half = 0; half < 2; half++) {
        mmio_write32(common_of(d) + VIRTIO_PCI_COMMON_GFSELECT, half);
        mmio_write32(common_of(d) + VIRTIO_PCI_COMMON_GF, (uint32_t)(features >> 32 * half));
    }
}

static uint8_t pci_status(struct virtio_device *d)
{
    return mmio_read8(common_of(d) + VIRTIO_PCI_COMMON_STATUS);
}

static void pci_set_status(struct virtio_device *d, uint8_t status)
{
    mmio_write8(common_of(d) + VIRTIO_PCI_COMMON_STATUS, status);
}

/* 4.1.4.3.2: it is reset when the status reads as 0. */
static err_t pci_reset(struct virtio_device *d)
{
    ns_t limit = clock_monotonic() + RESET_PATIENCE;

    pci_set_status(d, 0);
    while (pci_status(d) != 0) {
        if (clock_monotonic() > limit)
            return -EIO;
        hal_relax();
    }
    return 0;
}

static unsigned pci_queue_entries(struct virtio_device *d, unsigned index)
{
    volatile uint8_t *c = common_of(d);

    if (index >= mmio_read16(c + VIRTIO_PCI_COMMON_NUMQ))
        return 0;
    mmio_write16(c + VIRTIO_PCI_COMMON_Q_SELECT, (uint16_t)index);
    if (mmio_read16(c + VIRTIO_PCI_COMMON_Q_ENABLE) != 0)
        return 0; /* in use after a reset: nothing to build on */
    return mmio_read16(c + VIRTIO_PCI_COMMON_Q_SIZE);
}

static void address_write(volatile uint8_t *at, const void *table)
{
    paddr_t pa = virt_to_phys(table);

    mmio_write32(at, (uint32_t)pa);
    mmio_write32(at + 4, (uint32_t)(pa >> 32));
}

/* The device says whether it has a place for the interrupt. */
static err_t vector_write(volatile uint8_t *at, uint16_t vector)
{
    mmio_write16(at, vector);
    return mmio_read16(at) == vector ? 0 : -EIO;
}

static err_t pci_queue_start(struct virtio_queue *q)
{
    struct pci_virtio *m = pci_virtio_of(q->device);
    volatile uint8_t *c = m->common.at;
    uint64_t offset;

    mmio_write16(c + VIRTIO_PCI_COMMON_Q_SELECT, (uint16_t)q->index);
    offset = (uint64_t)mmio_read16(c + VIRTIO_PCI_COMMON_Q_NOFF) * m->notify_step;
    if (!range_fits(offset, sizeof(uint16_t), m->notify.size) || offset % sizeof(uint16_t))
        return -EINVAL;
    q->notify = (void *)(m->notify.at + offset);
    mmio_write16(c + VIRTIO_PCI_COMMON_Q_SIZE, q->size);
    address_write(c + VIRTIO_PCI_COMMON_Q_DESCLO, q->desc);
    address_write(c + VIRTIO_PCI_COMMON_Q_AVAILLO, q->avail);
    address_write(c + VIRTIO_PCI_COMMON_Q_USEDLO, q->used);
    if (uses_messages(m) && vector_write(c + VIRTIO_PCI_COMMON_Q_MSIX, (uint16_t)(m->vectors - 1)) != 0)
        return -EIO;
    mmio_write16(c + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
    return 0;
}

static void pci_notify(struct virtio_queue *q)
{
    mmio_write16(q->notify, (uint16_t)q->index);
}

/* Fields have their natural size (4.1.3.1). */
static void pci_config_read(struct virtio_device *d, unsigned offset, void *buf, size_t n)
{
    volatile uint8_t *at = pci_virtio_of(d)->config.at + offset;
    uint8_t *out = buf;

    if (IS_ALIGNED(offset | n, 4u)) {
        for (size_t i = 0; i < n; i += 4) {
            uint32_t word = mmio_read32(at + i);

            memcpy(out + i, &word, 4);
        }
    } else if (n == 2) {
        uint16_t half = mmio_read16(at);

        memcpy(out, &half, 2);
    } else {
        for (size_t i = 0; i < n; i++)
            out[i] = mmio_read8(at + i);
    }
}

static void pci_config_write(struct virtio_device *d, unsigned offset, const void *buf, size_t n)
{
    volatile uint8_t *at = pci_virtio_of(d)->config.at + offset;
    const uint8_t *in = buf;
    uint32_t word;

    if (n == sizeof word && IS_ALIGNED(offset, 4u)) {
        memcpy(&word, in, sizeof word);
        mmio_write32(at, word);
    } else {
        for (size_t i = 0; i < n; i++)
            mmio_write8(at + i, in[i]);
    }
}

static uint32_t pci_config_generation(struct virtio_device *d)
{
    return mmio_read8(common_of(d) + VIRTIO_PCI_COMMON_CFGGENERATION);
}

/* ---- interrupts ------------------------------------------------------------------------------ */

static void on_intx(unsigned irq __maybe_unused, void *arg)
{
    struct pci_virtio *m = arg;
    uint8_t causes = mmio_read8(m->status.at); /* acknowledges */

    if (causes == 0)
        irq_unhandled();
    else
        virtio_interrupt(&m->v, causes & VIRTIO_PCI_ISR_CONFIG);
}

static void on_queues(unsigned irq __maybe_unused, void *arg)
{
    struct pci_virtio *m = arg;

    virtio_interrupt(&m->v, m->vectors == 1); /* of a single one the cause is not known */
}

static void on_config(unsigned irq __maybe_unused, void *arg)
{
    struct pci_virtio *m = arg;

    virtio_interrupt(&m->v, true);
}

static irq_handler_fn handler_of(const struct pci_virtio *m, unsigned n)
{
    if (!uses_messages(m))
        return on_intx;
    return n + 1 == m->vectors ? on_queues : on_config;
}

static void pci_irq_stop(struct virtio_device *d)
{
    struct pci_virtio *m = pci_virtio_of(d);

    for (unsigned n = 0; n < m->vectors; n++)
        irq_unregister(pci_irq_vector(m->p, n), handler_of(m, n), m);
}

static err_t pci_irq_start(struct virtio_device *d)
{
    struct pci_virtio *m = pci_virtio_of(d);
    err_t err = 0;

    if (uses_messages(m))
        err = vector_write(m->common.at + VIRTIO_PCI_COMMON_MSIX, 0);
    for (unsigned n = 0; n < m->vectors && err == 0; n++)
        err = irq_register(pci_irq_vector(m->p, n), virtio_name(d), handler_of(m, n), m);
    if (err != 0)
        pci_irq_stop(d);
    return err;
}

static void pci_release(struct virtio_device *d)
{
    kfree(pci_virtio_of(d));
}

static const struct virtio_transport pci_transport = {
    .name = "virtio-pci",
    .features = pci_features,
    .set_features = pci_set_features,
    .status = pci_status,
    .set_status = pci_set_status,
    .reset = pci_reset,
    .queue_entries = pci_queue_entries,
    .queue_start = pci_queue_start,
    .notify = pci_notify,
    .config_read = pci_config_read,
    .config_write = pci_config_write,
    .config_generation = pci_config_generation,
    .irq_start = pci_irq_start,
    .irq_stop = pci_irq_stop,
    .release = pci_release,
};

/* ---- the driver ------------------------------------------------------------------------------ */

static uint32_t capability_read(const struct pci_device *p, unsigned at, size_t field)
{
    return pci_read32(p, at + (unsigned)field);
}

static void registers_unmap(struct registers *r)
{
    if (r->at)
        device_unmap((void *)r->at, r->size);
    *r = (struct registers){ 0 };
}

/* One capability's registers, unless there are some already; those of less than `least` bytes do not count. */
static void registers_map(const struct pci_device *p, unsigned at, struct registers *r, size_t least)
{
    unsigned bar = pci_read8(p, at + offsetof(struct virtio_pci_cap, bar));
    uint32_t offset = capability_read(p, at, offsetof(struct virtio_pci_cap, offset));
    uint32_t length = capability_read(p, at, offsetof(struct virtio_pci_cap, length));
    size_t size = MIN((size_t)length, REGISTERS_MAX);

    if (r->at || bar >= PCI_BARS || length < least || !IS_ALIGNED(offset, 4u))
        return;
    r->at = pci_map(p, bar, offset, size);
    r->size = r->at ? size : 0;
}

static void capabilities_read(struct pci_virtio *m, const struct pci_device *p)
{
    for (unsigned at = 0; (at = pci_capability(p, CAPABILITY_VENDOR, at)) != 0;) {
        switch (pci_read8(p, at + offsetof(struct virtio_pci_cap, cfg_type))) {
        case VIRTIO_PCI_CAP_COMMON_CFG:
            registers_map(p, at, &m->common, COMMON_BYTES);
            break;
        case VIRTIO_PCI_CAP_NOTIFY_CFG:
            if (m->notify.at)
                break;
            registers_map(p, at, &m->notify, sizeof(uint16_t));
            m->notify_step = capability_read(p, at, offsetof(struct virtio_pci_notify_cap,
                                                             notify_off_multiplier));
            break;
        case VIRTIO_PCI_CAP_ISR_CFG:
            registers_map(p, at, &m->status, 1);
            break;
        case VIRTIO_PCI_CAP_DEVICE_CFG:
            registers_map(p, at, &m->config, 1);
            break;
        default: /* others can be done without */
            break;
        }
    }
}

static void all_unmap(struct pci_virtio *m)
{
    registers_unmap(&m->common);
    registers_unmap(&m->notify);
    registers_unmap(&m->status);
    registers_unmap(&m->config);
}

static uint32_t id_of(const struct pci_device *p)
{
    return p->id >= ID_MODERN ? p->id - ID_MODERN : p->subsystem_id;
}

static err_t pci_begin(struct pci_virtio *m, struct pci_device *p)
{
    int n;

    capabilities_read(m, p);
    if (!m->common.at || !m->notify.at || !m->status.at) {
        if (p->id < ID_MODERN && !pci_capability(p, CAPABILITY_VENDOR, 0))
            log_warn("%s: a legacy virtio device (id %u) without virtio 1.x: not supported", p->device.name, id_of(p));
        else
            log_warn("%s: registers are missing: it has no modern shape", p->device.name);
        return -ENXIO;
    }
    pci_master_set(p, true);
    n = pci_irq_vectors_alloc(p, 1, 2, PCI_IRQ_INTX | PCI_IRQ_MSIX);
    if (n < 1)
        return n < 0 ? n : -ENOSPC;
    m->vectors = (unsigned)n;
    m->v.config_bytes = m->config.size;
    return virtio_device_add(&m->v, &p->device);
}

static err_t pci_probe(struct device *d)
{
    struct pci_device *p = pci_of(d);
    struct pci_virtio *m = kzalloc(sizeof *m);
    err_t err;

    if (!m)
        return -ENOMEM;
    m->p = p;
    m->v.transport = &pci_transport;
    m->v.id = id_of(p);
    m->v.vendor = p->subsystem_vendor;
    d->driver_data = m;
    err = pci_begin(m, p);
    if (err == 0)
        return 0;
    pci_irq_vectors_free(p);
    all_unmap(m);
    if (m->v.device.parent)
        device_put(&m->v.device);
    else
        kfree(m);
    return err;
}

static void pci_stop(struct device *d)
{
    struct pci_virtio *m = d->driver_data;

    virtio_device_gone(&m->v);
}

static void pci_remove(struct device *d)
{
    struct pci_virtio *m = d->driver_data;

    pci_irq_vectors_free(m->p);
    all_unmap(m);
    device_put(&m->v.device);
}

static bool pci_match(const struct device *d)
{
    const struct pci_device *p = pci_of(d);

    return p->vendor == VENDOR && p->id >= ID_TRANSITIONAL && p->id < ID_END && id_of(p) != 0;
}

static const char *const needs[] = { "virtio", "pci", NULL };
static struct driver pci_driver = { .subsystem = DRIVER_SUBSYSTEM("virtio_pci", needs),
                                    .bus = &pci_bus_type,
                                    .match = pci_match,
                                    .probe = pci_probe,
                                    .stop = pci_stop,
                                    .remove = pci_remove };
REGISTER_DRIVER(pci_driver);
