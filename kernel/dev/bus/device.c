// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the core of the device model; its rules stand in <dev/bus/device.h>.
 *
 * Model: the gate is one word: the number of uses, and a bit that says that it is closed.  Who enters
 * adds itself first and looks at the bit then; who closes sets the bit first and looks at the number
 * then: so whichever comes second sees the other.
 * Locking: device_mutex (lists, tree, states) is a leaf among the mutexes: nothing is called under it.
 * A driver that matches is read under it and bound under the device's `bind`:
 *
 *     binder                          driver_stop
 *     lock bind                       active = false
 *     active? yes                     for all devices:
 *     probe, driver = it                  lock bind (waits)
 *     unlock                              driver is it: take it away
 */
#define LOG_TAG "device"
#include <dev/bus/internal.h>

#include <core/log.h>
#include <core/panic.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>

#define GATE_CLOSED (1u << 31)

static struct mutex device_mutex = MUTEX_INIT(device_mutex);
static struct bus *buses; /* device_mutex */
static struct list roots = LIST_INIT(roots); /* devices without a parent; device_mutex */
static struct waitq departures = WAITQ_INIT(departures); /* wakes when a device is gone */

/* --- references and the gate --- */

void device_get(struct device *d)
{
    ref_get(&d->refs);
}

void device_put(struct device *d)
{
    struct device *parent = d->parent;

    if (!ref_put(&d->refs))
        return;
    K_ASSERT(d->state == DEVICE_NEW || d->state == DEVICE_GONE);
    if (d->bus && d->bus->release)
        d->bus->release(d);
    else
        kfree(d);
    if (parent)
        device_put(parent);
}

err_t device_enter(struct device *d)
{
    if (likely(!(atomic_fetch_add(&d->gate, 1) & GATE_CLOSED)))
        return 0;
    device_leave(d);
    return -ENODEV;
}

void device_leave(struct device *d)
{
    if (unlikely(atomic_sub_fetch(&d->gate, 1) == GATE_CLOSED))
        waitq_wake_all(&d->outside);
}

static void gate_open(struct device *d)
{
    atomic_fetch_and(&d->gate, ~GATE_CLOSED);
}

static void gate_close(struct device *d)
{
    atomic_fetch_or(&d->gate, GATE_CLOSED);
}

/* --- binding; bind held --- */

static bool matches(const struct device *d, const struct driver *driver)
{
    if (d->bus->match && !d->bus->match(d, driver))
        return false;
    return driver->match(d);
}

static bool may_bind(const struct device *d, const struct driver *driver)
{
    mutex_lock(&device_mutex);
    bool may = driver->active && d->state == DEVICE_ADDED;
    mutex_unlock(&device_mutex);
    return may && matches(d, driver);
}

static void bus_unbound(struct device *d)
{
    d->driver_data = NULL;
    if (d->bus->unbound)
        d->bus->unbound(d);
}

static err_t bind_locked(struct device *d, struct driver *driver)
{
    err_t err;

    if (d->driver)
        return -EBUSY;
    if (!may_bind(d, driver))
        return -ENODEV;
    if (d->bus->binding)
        d->bus->binding(d);
    err = driver->probe(d);
    if (err) {
        if (err != -ENODEV)
            log_warn("%s: %s fails with error %d", d->name, driver->subsystem.name, err);
        bus_unbound(d);
        return err;
    }
    atomic_store(&d->driver, (const struct driver *)driver);
    gate_open(d);
    view_bound(d);
    return 0;
}

static void unbind_locked(struct device *d)
{
    const struct driver *driver = d->driver;

    gate_close(d);
    if (driver->stop)
        driver->stop(d);
    wait_event(&d->outside, atomic_load(&d->gate) == GATE_CLOSED);
    view_unbound(d, driver);
    driver->remove(d);
    atomic_store(&d->driver, NULL);
    bus_unbound(d);
}

err_t device_bind(struct device *d, struct driver *driver)
{
    mutex_lock(&d->bind);
    err_t err = bind_locked(d, driver);
    mutex_unlock(&d->bind);
    return err;
}

err_t device_unbind(struct device *d, const struct driver *driver)
{
    err_t err = -ENODEV;

    mutex_lock(&d->bind);
    if (d->driver && (!driver || d->driver == driver)) {
        unbind_locked(d);
        err = 0;
    }
    mutex_unlock(&d->bind);
    return err;
}

/* --- snapshots of lists --- */

struct snapshot {
    void **items;
    size_t count;
};

static size_t list_length(const struct list *l)
{
    size_t n = 0;

    for (const struct list *e = l->next; e != l; e = e->next)
        n++;
    return n;
}

/* device_mutex held. */
static err_t snapshot_alloc(struct snapshot *s, const struct list *l)
{
    s->items = kmalloc((list_length(l) + 1) * sizeof *s->items);
    s->count = 0;
    return s->items ? 0 : -ENOMEM;
}

static err_t devices_of(struct bus *bus, struct snapshot *s)
{
    struct device *d;

    mutex_lock(&device_mutex);
    err_t err = snapshot_alloc(s, &bus->devices);
    if (!err)
        list_for_each(d, &bus->devices, bus_link) {
            device_get(d);
            s->items[s->count++] = d;
        }
    mutex_unlock(&device_mutex);
    return err;
}

/* Drivers are static: they need no reference. */
static err_t drivers_of(struct bus *bus, struct snapshot *s)
{
    struct driver *driver;

    mutex_lock(&device_mutex);
    err_t err = snapshot_alloc(s, &bus->drivers);
    if (!err)
        list_for_each(driver, &bus->drivers, link)
            s->items[s->count++] = driver;
    mutex_unlock(&device_mutex);
    return err;
}

err_t device_for_each(struct bus *bus, err_t (*fn)(struct device *d, void *arg), void *arg)
{
    struct snapshot s;
    err_t err = devices_of(bus, &s);

    if (err)
        return err;
    for (size_t i = 0; i < s.count; i++) {
        if (!err)
            err = fn(s.items[i], arg);
        device_put(s.items[i]);
    }
    kfree(s.items);
    return err;
}

/* --- buses --- */

static struct bus *bus_find_locked(const char *name)
{
    struct bus *b = buses;

    while (b && strcmp(b->name, name) != 0)
        b = b->next;
    return b;
}

err_t bus_add(struct bus *bus)
{
    mutex_lock(&device_mutex);
    bool taken = bus_find_locked(bus->name) != NULL;
    if (!taken) {
        list_init(&bus->devices);
        list_init(&bus->drivers);
        bus->next = buses;
        buses = bus;
    }
    mutex_unlock(&device_mutex);
    if (taken)
        return -EEXIST;
    view_bus_add(bus);
    return 0;
}

void bus_remove(struct bus *bus)
{
    struct bus **link = &buses;

    mutex_lock(&device_mutex);
    K_ASSERT(list_empty(&bus->devices) && list_empty(&bus->drivers));
    while (*link && *link != bus)
        link = &(*link)->next;
    if (*link)
        *link = bus->next;
    mutex_unlock(&device_mutex);
    view_bus_remove(bus);
}

/* --- devices come --- */

void device_init(struct device *d, struct bus *bus, struct device *parent, const char *name, ...)
{
    va_list ap;

    va_start(ap, name);
    fmt_vsnprintf(d->name, sizeof d->name, name, ap);
    va_end(ap);
    if (parent)
        device_get(parent);
    d->parent = parent;
    d->bus = bus;
    d->node = parent ? parent->node : 0;
    d->has_node = parent && parent->has_node;
    d->dma_coherent = parent ? parent->dma_coherent : true;
    d->dma_limit = UINT64_MAX;
    d->gate = GATE_CLOSED;
    ref_init(&d->refs, 1);
    waitq_init(&d->outside);
    mutex_init(&d->bind);
    list_init(&d->children);
    list_init(&d->sibling);
    list_init(&d->bus_link);
}

static struct list *siblings_of(struct device *parent)
{
    return parent ? &parent->children : &roots;
}

/* device_mutex held. */
static struct device *child_find(struct device *parent, const char *name)
{
    struct device *c;

    list_for_each(c, siblings_of(parent), sibling)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

/* device_mutex held. */
static err_t tree_enter(struct device *d)
{
    if (d->parent && d->parent->state != DEVICE_ADDED)
        return -ENODEV;
    if (child_find(d->parent, d->name))
        return -EEXIST;
    list_add_tail(siblings_of(d->parent), &d->sibling);
    if (d->bus)
        list_add_tail(&d->bus->devices, &d->bus_link);
    device_get(d);
    atomic_store(&d->state, DEVICE_ADDED);
    return 0;
}

/* The first driver that takes it. */
static void device_offer(struct device *d)
{
    struct snapshot s;

    if (!d->bus || drivers_of(d->bus, &s) != 0)
        return;
    for (size_t i = 0; i < s.count; i++)
        if (device_bind(d, s.items[i]) == 0)
            break;
    kfree(s.items);
}

err_t device_add(struct device *d)
{
    K_ASSERT(d->state == DEVICE_NEW);
    /* Its view is made with `bind` held: who removes it meanwhile comes after. */
    mutex_lock(&d->bind);
    mutex_lock(&device_mutex);
    err_t err = tree_enter(d);
    mutex_unlock(&device_mutex);
    if (!err)
        view_device_add(d);
    mutex_unlock(&d->bind);
    if (!err)
        device_offer(d);
    return err;
}

/* --- devices go --- */

/* Whose removal it is: the first one's. */
static bool removal_begin(struct device *d)
{
    mutex_lock(&device_mutex);
    bool mine = d->state == DEVICE_ADDED;
    if (mine)
        atomic_store(&d->state, DEVICE_REMOVING);
    mutex_unlock(&device_mutex);
    return mine;
}

static struct device *first_child(struct device *d)
{
    mutex_lock(&device_mutex);
    struct device *c = list_first_or_null(&d->children, struct device, sibling);
    if (c)
        device_get(c);
    mutex_unlock(&device_mutex);
    return c;
}

static void children_remove(struct device *d)
{
    struct device *c;

    while ((c = first_child(d)) != NULL) {
        if (device_remove(c) != 0) /* somebody else does it */
            wait_event(&departures, atomic_load(&c->state) == DEVICE_GONE);
        device_put(c);
    }
}

static void tree_leave(struct device *d)
{
    mutex_lock(&device_mutex);
    list_del(&d->sibling);
    if (d->bus)
        list_del(&d->bus_link);
    atomic_store(&d->state, DEVICE_GONE);
    mutex_unlock(&device_mutex);
    waitq_wake_all(&departures);
}

err_t device_remove(struct device *d)
{
    if (!removal_begin(d))
        return -ENODEV;
    children_remove(d);
    mutex_lock(&d->bind);
    if (d->driver)
        unbind_locked(d);
    view_device_remove(d);
    mutex_unlock(&d->bind);
    if (d->bus && d->bus->removed)
        d->bus->removed(d);
    tree_leave(d);
    device_put(d);
    return 0;
}

/* --- looking --- */

struct device *device_child(struct device *parent, const char *name)
{
    mutex_lock(&device_mutex);
    struct device *d = child_find(parent, name);
    if (d)
        device_get(d);
    mutex_unlock(&device_mutex);
    return d;
}

struct device *device_find(const struct bus *bus, const char *name)
{
    struct device *d, *found = NULL;

    mutex_lock(&device_mutex);
    list_for_each(d, &bus->devices, bus_link)
        if (strcmp(d->name, name) == 0) {
            found = d;
            device_get(d);
            break;
        }
    mutex_unlock(&device_mutex);
    return found;
}

char *device_path(const struct device *d, char *out, size_t size)
{
    size_t at;

    if (d->parent)
        device_path(d->parent, out, size);
    else
        str_copy(out, "devices", size);
    at = strlen(out);
    fmt_snprintf(out + at, size - at, "/%s", d->name);
    return out;
}

const struct device_resource *device_resource(const struct device *d, enum resource_kind kind,
                                              unsigned nth)
{
    for (unsigned i = 0; i < d->resource_count; i++)
        if (d->resources[i].kind == kind && nth-- == 0)
            return &d->resources[i];
    return NULL;
}

err_t device_resource_add(struct device *d, const struct device_resource *r)
{
    if (d->resource_count == DEVICE_RESOURCES_MAX)
        return -ENOSPC;
    d->resources[d->resource_count++] = *r;
    return 0;
}

/* --- drivers --- */

static err_t offer_to(struct device *d, void *driver)
{
    device_bind(d, driver);
    return 0;
}

static err_t take_from(struct device *d, void *driver)
{
    device_unbind(d, driver);
    return 0;
}

err_t driver_start(struct driver *driver)
{
    mutex_lock(&device_mutex);
    bool was = driver->active;
    if (!was) {
        driver->active = true;
        list_add_tail(&driver->bus->drivers, &driver->link);
    }
    mutex_unlock(&device_mutex);
    if (was)
        return -EALREADY;
    view_driver_add(driver);
    return device_for_each(driver->bus, offer_to, driver);
}

/* Without memory for a snapshot: one device at a time. */
static struct device *driven_by(const struct driver *driver)
{
    struct device *d, *found = NULL;

    mutex_lock(&device_mutex);
    list_for_each(d, &driver->bus->devices, bus_link)
        if (d->driver == driver) {
            found = d;
            device_get(d);
            break;
        }
    mutex_unlock(&device_mutex);
    return found;
}

void driver_stop(struct driver *driver)
{
    struct device *d;

    mutex_lock(&device_mutex);
    bool was = driver->active;
    if (was) {
        driver->active = false;
        list_del(&driver->link);
    }
    mutex_unlock(&device_mutex);
    if (!was)
        return;
    if (device_for_each(driver->bus, take_from, driver) != 0)
        while ((d = driven_by(driver)) != NULL) {
            device_unbind(d, driver);
            device_put(d);
        }
    view_driver_remove(driver);
}

err_t driver_subsystem_start(struct subsystem *self)
{
    return driver_start(container_of(self, struct driver, subsystem));
}

err_t driver_subsystem_halt(struct subsystem *self)
{
    driver_stop(container_of(self, struct driver, subsystem));
    return 0;
}

void driver_subsystem_stop(struct subsystem *self)
{
    driver_stop(container_of(self, struct driver, subsystem));
}

static err_t devices_start(struct subsystem *self)
{
    view_start(self);
    return 0;
}

static const char *const needs[] = { "?sysfs-tree", NULL };
static struct subsystem devices_subsystem = { .name = "devices", .privilege = PRIV_DRIVER,
                                              .needs = needs, .late_init = devices_start };
REGISTER_SUBSYSTEM(devices_subsystem);
