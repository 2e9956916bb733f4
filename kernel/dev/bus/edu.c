// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: QEMU's `edu` device (docs/specs/edu.rst), the smallest PCI function that has registers, an
 * interrupt and DMA: it shows how a driver is written, and lets tests prove all of that on a machine.
 *
 * Model: files in the device's directory in /sys: a write of N to `factorial` computes N!, which is read
 * there; a write of a value to `interrupt` has the device raise it and waits until it came; a write to
 * `dma` sends a page through the device's buffer and back.  `interrupts` counts.
 * Locking: the gate keeps users out after a removal; `mutex` serialises them; the interrupt handler
 * shares but atomics and a wait queue.
 */
#define LOG_TAG "edu"
#include <dev/bus/pci.h>

#include <core/irq.h>
#include <core/log.h>
#include <hal/io.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>

#define VENDOR 0x1234
#define ID 0x11e8
#define REG_FACTORIAL 0x08
#define REG_STATUS 0x20
#define REG_INTERRUPT 0x24
#define REG_RAISE 0x60
#define REG_ACKNOWLEDGE 0x64
#define REG_DMA_FROM 0x80
#define REG_DMA_TO 0x88
#define REG_DMA_COUNT 0x90
#define REG_DMA_COMMAND 0x98
#define DMA_START 1u
#define DMA_TO_MEMORY 2u
#define DMA_BUFFER 0x40000
#define STATUS_BUSY 1u
#define BYTES 2048
#define TIMEOUT_NS NS_PER_SEC

struct edu {
    struct pci_device *pci;
    volatile uint8_t *registers;
    struct mutex mutex;
    struct waitq raised; /* wakes when an interrupt has come, or none will */
    bool stopped; /* atomic */
    uint32_t last, count; /* atomic: its value, and how many */
    struct dma_buffer page;
};

static void on_interrupt(unsigned irq, void *arg)
{
    struct edu *e = arg;
    uint32_t value = mmio_read32(e->registers + REG_INTERRUPT);

    (void)irq;
    if (value == 0) {
        irq_unhandled();
        return;
    }
    mmio_write32(e->registers + REG_ACKNOWLEDGE, value);
    atomic_store(&e->last, value);
    atomic_fetch_add(&e->count, 1);
    waitq_wake_all(&e->raised);
}

/* --- what can be asked of it; mutex held --- */

static err_t status_wait(struct edu *e)
{
    ns_t deadline = clock_monotonic() + TIMEOUT_NS;

    while (mmio_read32(e->registers + REG_STATUS) & STATUS_BUSY) {
        if (clock_monotonic() > deadline)
            return -EIO;
        hal_relax();
    }
    return 0;
}

static err_t interrupt_raise(struct edu *e, uint32_t value)
{
    uint32_t before = atomic_load(&e->count);

    if (value == 0)
        return -EINVAL;
    mmio_write32(e->registers + REG_RAISE, value);
    if (wait_event_deadline(&e->raised,
                            atomic_load(&e->count) != before || atomic_load(&e->stopped),
                            clock_monotonic() + TIMEOUT_NS) != 0)
        return -EIO;
    return atomic_load(&e->count) != before && atomic_load(&e->last) == value ? 0 : -EIO;
}

static err_t factorial_start(struct edu *e, uint32_t value)
{
    mmio_write32(e->registers + REG_FACTORIAL, value);
    return status_wait(e);
}

static err_t transfer(struct edu *e, uint64_t from, uint64_t to, uint32_t command)
{
    ns_t deadline = clock_monotonic() + TIMEOUT_NS;

    mmio_write64(e->registers + REG_DMA_FROM, from);
    mmio_write64(e->registers + REG_DMA_TO, to);
    mmio_write64(e->registers + REG_DMA_COUNT, BYTES);
    mmio_write64(e->registers + REG_DMA_COMMAND, DMA_START | command);
    while (mmio_read64(e->registers + REG_DMA_COMMAND) & DMA_START) {
        if (clock_monotonic() > deadline)
            return -EIO;
        hal_relax();
    }
    dma_rmb();
    return 0;
}

/* A pattern goes to the device's buffer from the first half of the page, and comes to the second. */
static err_t round_trip(struct edu *e, uint32_t seed)
{
    uint8_t *page = e->page.va;
    err_t err;

    for (unsigned i = 0; i < BYTES; i++)
        page[i] = (uint8_t)(seed + i * 7);
    memset(page + BYTES, 0, BYTES);
    dma_wmb();
    err = transfer(e, e->page.pa, DMA_BUFFER, 0);
    if (!err)
        err = transfer(e, DMA_BUFFER, e->page.pa + BYTES, DMA_TO_MEMORY);
    if (!err && memcmp(page, page + BYTES, BYTES) != 0)
        err = -EIO;
    return err;
}

/* --- files --- */

static err_t number_store(struct device *d, const char *text, err_t (*fn)(struct edu *e, uint32_t v))
{
    uint64_t v;
    err_t err = str_to_u64(&text, 0, &v);

    if (err || v > UINT32_MAX || (*text != '\0' && *text != '\n'))
        return -EINVAL;
    err = device_enter(d);
    if (err)
        return err;
    struct edu *e = d->driver_data;
    mutex_lock(&e->mutex);
    err = fn(e, (uint32_t)v);
    mutex_unlock(&e->mutex);
    device_leave(d);
    return err;
}

static err_t interrupt_store(struct device *d, const char *text, size_t n)
{
    return number_store(d, text, interrupt_raise);
}

static err_t factorial_store(struct device *d, const char *text, size_t n)
{
    return number_store(d, text, factorial_start);
}

static err_t dma_store(struct device *d, const char *text, size_t n)
{
    return number_store(d, text, round_trip);
}

static ssize_t factorial_show(struct device *d, char *out, size_t size)
{
    err_t err = device_enter(d);
    uint32_t v;

    if (err)
        return err;
    v = mmio_read32(((struct edu *)d->driver_data)->registers + REG_FACTORIAL);
    device_leave(d);
    return fmt_scnprintf(out, size, "%u\n", v);
}

static ssize_t interrupts_show(struct device *d, char *out, size_t size)
{
    static const char *const kinds[] = { [PCI_IRQ_INTX] = "INTx", [PCI_IRQ_MSI] = "MSI",
                                         [PCI_IRQ_MSIX] = "MSI-X" };
    err_t err = device_enter(d);
    ssize_t n;

    if (err)
        return err;
    n = fmt_scnprintf(out, size, "%s %u\n", kinds[pci_irq_kind(pci_of(d))],
                      atomic_load(&((struct edu *)d->driver_data)->count));
    device_leave(d);
    return n;
}

static const struct device_attribute attributes[] = {
    { .name = "factorial", .mode = 0644, .show = factorial_show, .store = factorial_store },
    { .name = "interrupt", .mode = 0200, .store = interrupt_store },
    { .name = "interrupts", .mode = 0444, .show = interrupts_show },
    { .name = "dma", .mode = 0200, .store = dma_store },
};

/* --- binding --- */

static bool edu_match(const struct device *d)
{
    return pci_of(d)->vendor == VENDOR && pci_of(d)->id == ID;
}

/* Of what probe() has got so far. */
static void edu_free(struct edu *e)
{
    pci_irq_vectors_free(e->pci);
    dma_free(&e->page);
    if (e->registers)
        device_unmap((void *)e->registers, PAGE_SIZE);
    kfree(e);
}

static err_t edu_acquire(struct edu *e)
{
    err_t err;

    e->registers = pci_map(e->pci, 0, 0, PAGE_SIZE);
    if (!e->registers)
        return -ENODEV;
    err = dma_alloc(&e->pci->device, 2 * BYTES, 1, &e->page);
    if (!err && pci_irq_vectors_alloc(e->pci, 1, 1, PCI_IRQ_ALL) < 0)
        err = -ENOSPC;
    if (err)
        return err;
    pci_master_set(e->pci, true);
    return irq_register(pci_irq_vector(e->pci, 0), "edu", on_interrupt, e);
}

static err_t edu_probe(struct device *d)
{
    struct edu *e = kzalloc(sizeof *e);
    err_t err;

    if (!e)
        return -ENOMEM;
    e->pci = pci_of(d);
    mutex_init(&e->mutex);
    waitq_init(&e->raised);
    err = edu_acquire(e);
    if (err) {
        edu_free(e);
        return err;
    }
    d->driver_data = e;
    return 0;
}

/* No interrupt and no DMA from here on; who waits for one is let go. */
static void edu_stop(struct device *d)
{
    struct edu *e = d->driver_data;

    mmio_write32(e->registers + REG_ACKNOWLEDGE, UINT32_MAX);
    irq_unregister(pci_irq_vector(e->pci, 0), on_interrupt, e);
    pci_master_set(e->pci, false);
    atomic_store(&e->stopped, true);
    waitq_wake_all(&e->raised);
}

static void edu_remove(struct device *d)
{
    edu_free(d->driver_data);
}

static const char *const needs[] = { "pci", NULL };
static struct driver edu_driver = {
    .subsystem = DRIVER_SUBSYSTEM("edu", needs), .bus = &pci_bus_type, .match = edu_match,
    .probe = edu_probe, .stop = edu_stop, .remove = edu_remove,
    .attributes = attributes, .attribute_count = ARRAY_SIZE(attributes),
};
REGISTER_DRIVER(edu_driver);
