// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: joins virtio devices with their drivers, and parts them: by removal, or because the device can
 * not be trusted any more.
 * Model, locking: see virtio.h.  The timer of a device looks at its queues when the oldest request could be
 * too old, not at each request.
 */
#define LOG_TAG "virtio"
#include <dev/virtio/virtio.h>

#include <core/log.h>
#include <core/number.h>
#include <core/params.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <sched/clock.h>

#define RING_FEATURES (BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX))
/* The last: addresses are the platform's, which are physical ones where no IOMMU is switched on. */
#define MODERN_FEATURES (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_ACCESS_PLATFORM))
#define GENERATION_TRIES 8
#define DEVICES_MAX 1024

NUMBER_POOL(numbers, DEVICES_MAX); /* of names */

ns_t virtio_timeout_ns = 30 * NS_PER_SEC; /* as Linux's for block requests; set at boot */

static err_t set_timeout(const char *value)
{
    uint64_t ms;

    if (!value || str_to_u64(&value, 10, &ms) != 0 || *value || ms == 0 || ms > 3600000)
        return -EINVAL;
    virtio_timeout_ns = ms * NS_PER_MSEC;
    return 0;
}
PARAM_NAMED(virtio_timeout, "virtio.timeout_ms",
            "how long a virtio device may take for a request before it is given up", set_timeout);

/* ---- giving up ------------------------------------------------------------------------------- */

static void device_reset(struct virtio_device *d)
{
    if (d->transport->reset(d) == 0)
        return;
    if (!atomic_xchg(&d->dead, true))
        log_err("%s does not answer a reset: its rings stay allocated", virtio_name(d));
}

void virtio_device_fail(struct virtio_device *d, const char *why)
{
    if (atomic_xchg(&d->broken, true))
        return;
    log_err("%s is given up: %s", virtio_name(d), why);
    device_reset(d);
    if (d->driver)
        d->driver->drain(d);
}

void virtio_device_judge(struct virtio_device *d)
{
    const char *complaint = atomic_load(&d->complaint);

    if (unlikely(complaint != NULL))
        virtio_device_fail(d, complaint);
}

/* ---- requests that take too long ------------------------------------------------------------- */

void virtio_device_watch(struct virtio_device *d, ns_t deadline)
{
    if (atomic_load_relaxed(&d->watching) || virtio_broken(d) || atomic_xchg(&d->watching, true))
        return;
    timer_set(&d->timer, deadline);
}

/* When the first request of all queues is too late; NS_NEVER: none is out. */
static ns_t first_deadline(struct virtio_device *d)
{
    ns_t first = NS_NEVER;

    for (unsigned i = 0; i < d->queues_end; i++) {
        struct virtio_queue *q = d->queues[i];
        unsigned long flags;
        ns_t oldest;

        if (!q || q->timeout == 0)
            continue;
        flags = spin_lock_irqsave(q->lock);
        oldest = virtio_queue_oldest(q);
        spin_unlock_irqrestore(q->lock, flags);
        if (oldest != NS_NEVER)
            first = MIN(first, oldest + q->timeout);
    }
    return first;
}

/* Interrupt.  The flag falls first: a request that begins meanwhile sets the timer itself. */
static void watch_timer(struct timer *t)
{
    struct virtio_device *d = container_of(t, struct virtio_device, timer);
    ns_t first;

    atomic_store(&d->watching, false);
    atomic_fence();
    first = first_deadline(d);
    if (first <= clock_monotonic())
        virtio_device_fail(d, "a request was not answered in time");
    else if (first != NS_NEVER)
        virtio_device_watch(d, first);
}

/* ---- interrupts ------------------------------------------------------------------------------ */

void virtio_queue_interrupt(struct virtio_queue *q)
{
    if (q->handler && !virtio_broken(q->device))
        q->handler(q);
    virtio_device_judge(q->device);
}

void virtio_interrupt(struct virtio_device *d, bool config)
{
    for (unsigned i = 0; i < d->queues_end; i++)
        if (d->queues[i])
            virtio_queue_interrupt(d->queues[i]);
    if (config && d->driver && d->driver->config_changed && !virtio_broken(d))
        d->driver->config_changed(d);
}

void virtio_config_read(struct virtio_device *d, unsigned offset, void *buf, size_t n)
{
    uint32_t before, tries = GENERATION_TRIES;

    memset(buf, 0, n);
    if (offset >= d->config_bytes)
        return;
    n = MIN(n, d->config_bytes - offset);
    do {
        before = d->transport->config_generation(d);
        d->transport->config_read(d, offset, buf, n);
    } while (before != d->transport->config_generation(d) && --tries > 0);
}

void virtio_config_write(struct virtio_device *d, unsigned offset, const void *buf, size_t n)
{
    if (offset + n <= d->config_bytes)
        d->transport->config_write(d, offset, buf, n);
}

/* ---- binding --------------------------------------------------------------------------------- */

static void status_add(struct virtio_device *d, uint8_t bits)
{
    d->transport->set_status(d, (uint8_t)(d->transport->status(d) | bits));
}

static err_t negotiate(struct virtio_device *d, const struct virtio_driver *v)
{
    uint64_t offered = d->transport->features(d);

    if (!d->legacy && !(offered & BIT(VIRTIO_F_VERSION_1)))
        return -EPROTO;
    d->features = offered & (v->features | RING_FEATURES | (d->legacy ? 0 : MODERN_FEATURES));
    d->transport->set_features(d, d->features);
    if (d->legacy)
        return 0;
    status_add(d, VIRTIO_CONFIG_S_FEATURES_OK);
    return d->transport->status(d) & VIRTIO_CONFIG_S_FEATURES_OK ? 0 : -EPROTO;
}

static void queues_destroy(struct virtio_device *d)
{
    for (unsigned i = 0; i < d->queues_end; i++)
        if (d->queues[i])
            virtio_queue_destroy(d->queues[i]);
    d->queues_end = 0;
}

/* Silences the device and takes everything back. */
static void device_halt(struct virtio_device *d)
{
    atomic_store(&d->broken, true);
    device_reset(d);
    d->transport->irq_stop(d);
    (void)timer_cancel(&d->timer);
    (void)timer_cancel(&d->timer); /* its last run may have set it, before it saw `broken` */
    d->driver->drain(d);
}

/* Up to where the driver has its queues and data. */
static err_t device_begin(struct virtio_device *d, const struct virtio_driver *v)
{
    err_t err = d->transport->reset(d);

    if (err != 0)
        return err;
    status_add(d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    status_add(d, VIRTIO_CONFIG_S_DRIVER);
    err = negotiate(d, v);
    return err ? err : v->probe(d);
}

static err_t device_go(struct virtio_device *d, const struct virtio_driver *v)
{
    err_t err = d->transport->irq_start(d);

    if (err != 0)
        return err;
    status_add(d, VIRTIO_CONFIG_S_DRIVER_OK);
    err = v->start(d);
    if (err != 0)
        device_halt(d);
    return err;
}

static const struct virtio_driver *driver_of(const struct driver *driver)
{
    return container_of(driver, struct virtio_driver, driver);
}

err_t virtio_probe(struct device *device)
{
    struct virtio_device *d = virtio_of(device);
    const struct virtio_driver *v = d->driver;
    err_t err;

    d->broken = d->dead = d->watching = false;
    d->complaint = NULL;
    timer_init(&d->timer, watch_timer);
    err = device_begin(d, v);
    if (err == 0) {
        err = device_go(d, v);
        if (err == 0)
            return 0;
        device_reset(d);
        queues_destroy(d);
        v->free(d);
    } else {
        device_reset(d);
        queues_destroy(d);
    }
    d->driver = NULL;
    d->transport->set_status(d, VIRTIO_CONFIG_S_FAILED);
    return err == -ENODEV ? -EIO : err;
}

void virtio_stop(struct device *device)
{
    struct virtio_device *d = virtio_of(device);

    d->driver->detach(d);
    device_halt(d);
}

void virtio_remove(struct device *device)
{
    struct virtio_device *d = virtio_of(device);
    const struct virtio_driver *v = d->driver;

    queues_destroy(d);
    v->free(d);
    d->driver = NULL;
}

/* ---- the bus --------------------------------------------------------------------------------- */

static bool bus_match(const struct device *device, const struct driver *driver)
{
    struct virtio_device *d = container_of(device, struct virtio_device, device);

    if (d->id != driver_of(driver)->id)
        return false;
    d->driver = driver_of(driver); /* bind is held: probe comes next */
    return true;
}

bool virtio_match(const struct device *d __maybe_unused)
{
    return true; /* the bus has looked at the id */
}

static void bus_release(struct device *d)
{
    number_give(&numbers, virtio_of(d)->number);
    virtio_of(d)->transport->release(virtio_of(d));
}

static ssize_t bus_modalias(const struct device *device, char *out, size_t size)
{
    const struct virtio_device *d = container_of(device, struct virtio_device, device);

    return fmt_scnprintf(out, size, "virtio:d%08Xv%08X", d->id, d->vendor);
}

static ssize_t show_id(struct device *d, char *out, size_t size)
{
    return fmt_scnprintf(out, size, "0x%04x\n", virtio_of(d)->id);
}

static ssize_t show_vendor(struct device *d, char *out, size_t size)
{
    return fmt_scnprintf(out, size, "0x%04x\n", virtio_of(d)->vendor);
}

static ssize_t show_status(struct device *d, char *out, size_t size)
{
    uint8_t status = 0;

    if (device_enter(d) == 0) { /* its registers are there */
        status = virtio_of(d)->transport->status(virtio_of(d));
        device_leave(d);
    }
    return fmt_scnprintf(out, size, "0x%08x\n", status);
}

/* One character for each bit, the lowest first, as Linux shows them. */
static ssize_t show_features(struct device *d, char *out, size_t size)
{
    uint64_t features = virtio_of(d)->features;
    size_t n = 0;

    for (; n < 64 && n + 2 < size; n++)
        out[n] = features >> n & 1 ? '1' : '0';
    out[n++] = '\n';
    return (ssize_t)n;
}

static const struct device_attribute attributes[] = {
    { .name = "device", .mode = 0444, .show = show_id },
    { .name = "vendor", .mode = 0444, .show = show_vendor },
    { .name = "status", .mode = 0444, .show = show_status },
    { .name = "features", .mode = 0444, .show = show_features },
};

struct bus virtio_bus = { .name = "virtio",
                          .match = bus_match,
                          .release = bus_release,
                          .modalias = bus_modalias,
                          .attributes = attributes,
                          .attribute_count = ARRAY_SIZE(attributes) };

err_t virtio_device_add(struct virtio_device *d, struct device *parent)
{
    err_t err = number_take(&numbers, &d->number);

    device_init(&d->device, &virtio_bus, parent, "virtio%u", d->number); /* also when the caller only puts it */
    return err ? err : device_add(&d->device);
}

void virtio_device_gone(struct virtio_device *d)
{
    if (device_remove(&d->device) != 0) /* it is gone, or somebody else is at it */
        while (atomic_load(&d->device.state) != DEVICE_GONE)
            (void)sleep_until(clock_monotonic() + NS_PER_MSEC, false);
}

static err_t virtio_start(struct subsystem *self __maybe_unused)
{
    return bus_add(&virtio_bus);
}

static err_t virtio_halt(struct subsystem *self __maybe_unused)
{
    if (!list_empty(&virtio_bus.devices) || !list_empty(&virtio_bus.drivers))
        return -EBUSY;
    bus_remove(&virtio_bus);
    return 0;
}

static void virtio_shutdown(struct subsystem *self)
{
    (void)virtio_halt(self); /* or it stays: the machine goes down */
}

const char *const virtio_needs[] = { "virtio", NULL };
static const char *const needs[] = { "devices", NULL };
static struct subsystem virtio_subsystem = { .name = "virtio",
                                             .privilege = PRIV_DRIVER,
                                             .needs = needs,
                                             .late_init = virtio_start,
                                             .shutdown = virtio_shutdown,
                                             .stop = virtio_halt };
REGISTER_SUBSYSTEM(virtio_subsystem);
