// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the device model: what is there, who drives it, and how it goes away.
 *
 * Model: devices are a tree (/sys/devices).  Each stands on a bus, which knows how to find it and how to
 * talk to it (/sys/bus/NAME/devices); a bus embeds struct device in its own record, where its ids are.
 * A driver is a subsystem: when it starts it is offered all devices of its bus that have no driver, and
 * from then on each that is added; when it stops it gives them all back.
 *
 *     NEW --device_add--> ADDED <--probe, remove of drivers--> ADDED --device_remove--> REMOVING --> GONE
 *
 * Life and use are two things.  A reference (device_get) keeps the record, not the device.  Who calls
 * into a driver on behalf of a device goes through its gate: device_enter() fails with -ENODEV unless a
 * driver is bound, device_leave() ends the use.
 *
 * Hot removal, whoever asks for it (remove or unbind in /sys, rescan, a driver that stops):
 *  1. the children are removed, each by these rules, while their parent still works;
 *  2. the gate closes: device_enter() gives -ENODEV from here on;
 *  3. driver->stop() silences the device (no interrupt, no DMA after it) and completes what is under way
 *     with -EIO, so that all who are inside come out;
 *  4. the remover waits until nobody is inside.  A use is therefore short, or has a time-out;
 *  5. driver->remove() frees; the bus switches the device off (bus->unbound);
 *  6. the names in /sys go, and when the last reference does, bus->release() frees the record.
 *
 * Locking: device_mutex (bus/device.c) guards the tree, the lists of buses and all states; it is held over
 * no callback.  A device's own `bind` mutex serialises probe, stop and remove of that device; a thread
 * that holds it may take that of a descendant, never of an ancestor.
 * Context: threads, unless a function says otherwise.
 */
#pragma once

#include <lib/atomic.h>
#include <lib/list.h>
#include <sched/mutex.h>
#include <svc/subsystem.h>

#define DEVICE_NAME_MAX 40
#define DEVICE_RESOURCES_MAX 16
#define DEVICE_PATH_MAX 512

struct device;
struct driver;

/* --- resources --- */

enum resource_kind { RESOURCE_NONE, RESOURCE_MEMORY, RESOURCE_PORTS, RESOURCE_IRQ };
enum {
    RESOURCE_PREFETCH = 1u << 0, /* memory without side effects */
    RESOURCE_WIDE = 1u << 1, /* a BAR of 64 bits */
    RESOURCE_EDGE = 1u << 2, /* the line is triggered by edges */
    RESOURCE_READ_ONLY = 1u << 3, /* a ROM */
};

struct device_resource {
    enum resource_kind kind;
    unsigned flags; /* RESOURCE_* */
    unsigned index; /* which one by the bus's count: a BAR's number */
    uint64_t start; /* CPU address; port; interrupt of <core/irq.h> */
    uint64_t size; /* bytes; ports; 1 */
};

/* --- buses, drivers, devices --- */

/* A file of each device of a bus, or of each that a driver drives.  Callbacks as <svc/sysfs.h>'s;
 * the record stays while they run, whether the device is still there they must ask themselves. */
struct device_attribute {
    const char *name; /* may hold '/' */
    unsigned mode;
    ssize_t (*show)(struct device *d, char *out, size_t size);
    err_t (*store)(struct device *d, const char *text, size_t n);
    ssize_t (*read)(struct device *d, void *buf, size_t n, uint64_t offset, bool privileged);
    ssize_t (*write)(struct device *d, const void *buf, size_t n, uint64_t offset);
    uint64_t (*size)(const struct device *d); /* of a binary one; 0: this device does not have it */
};

struct bus {
    const char *name;
    /* May it be tried?  NULL: the driver's match alone decides. */
    bool (*match)(const struct device *d, const struct driver *driver);
    /* A driver will be tried: the device is made to answer.  bind held.  May be NULL. */
    void (*binding)(struct device *d);
    /* A driver left the device, or its probe failed: no DMA, no interrupts from here on.  bind held. */
    void (*unbound)(struct device *d);
    /* The device was asked to go and nothing uses it any more; it has left the tree.  May be NULL. */
    void (*removed)(struct device *d);
    /* Frees the record that `d` is in; any context that may free. */
    void (*release)(struct device *d);
    /* What modalias and uevent say: "pci:v00001AF4d..."; 0: nothing. */
    ssize_t (*modalias)(const struct device *d, char *out, size_t size);
    /* Lines of uevent after DRIVER= and before MODALIAS=; may be NULL. */
    ssize_t (*uevent)(const struct device *d, char *out, size_t size);
    /* A write of 1 to /sys/bus/NAME/rescan; NULL: there is no such file. */
    err_t (*rescan)(void);
    const struct device_attribute *attributes;
    unsigned attribute_count;

    struct list devices, drivers; /* device_mutex */
    struct bus *next; /* device_mutex */
};

struct driver {
    struct subsystem subsystem; /* first; see DRIVER_SUBSYSTEM */
    struct bus *bus;
    bool (*match)(const struct device *d);
    /*
     * Makes the device work; sets d->driver_data.  bind held, the gate still closed.
     * Return: 0; -ENODEV: not mine after all; any other errno: it is left without a driver, with a line.
     */
    err_t (*probe)(struct device *d);
    /* Steps 3 and 5 of removal; stop may be NULL.  Children that probe added: stop removes them. */
    void (*stop)(struct device *d);
    void (*remove)(struct device *d);
    const struct device_attribute *attributes;
    unsigned attribute_count;

    bool active; /* device_mutex */
    struct list link; /* of its bus; device_mutex */
};

/*
 *     static const char *const needs[] = { "pci", NULL };
 *     static struct driver edu_driver = { .subsystem = DRIVER_SUBSYSTEM("edu", needs),
 *                                         .bus = &pci_bus, .match = edu_match, ... };
 *     REGISTER_DRIVER(edu_driver);
 *
 * The driver's subsystem is in /proc/subsystems and obeys fail= and control like any other.  One with
 * work of its own to do at start has its own late_init, which calls driver_start().
 */
#define DRIVER_SUBSYSTEM(name_, needs_)                                                            \
    { .name = (name_), .privilege = PRIV_DRIVER, .needs = (needs_),                                \
      .late_init = driver_subsystem_start, .stop = driver_subsystem_halt,                         \
      .shutdown = driver_subsystem_stop }
#define REGISTER_DRIVER(record)                                                                    \
    static registry_subsystem_t registry_subsystem_##record REGISTRY_ORDERED                       \
        __attribute__((used, section("registry_subsystem"), aligned(sizeof(void *)))) =            \
            &record.subsystem
err_t driver_subsystem_start(struct subsystem *self);
err_t driver_subsystem_halt(struct subsystem *self); /* while the machine runs */
void driver_subsystem_stop(struct subsystem *self); /* as it goes down */

enum device_state { DEVICE_NEW, DEVICE_ADDED, DEVICE_REMOVING, DEVICE_GONE };

struct device {
    char name[DEVICE_NAME_MAX]; /* of its directory; constant */
    struct device *parent; /* NULL: a root of /sys/devices; with a reference; constant */
    struct bus *bus; /* NULL: a place in the tree that nobody drives; constant */
    /* Written by the bus before device_add() and with `bind` held and no driver; else constant. */
    struct device_resource resources[DEVICE_RESOURCES_MAX];
    unsigned resource_count;
    unsigned node; /* memory node that it is near; constant */
    bool has_node; /* the firmware says so; else `node` is the first; constant */
    bool dma_coherent; /* it sees what caches hold; constant.  See dma_alloc(). */
    uint64_t dma_limit; /* the highest address it can reach; probe may lower or raise it; bind */

    const struct driver *driver; /* NULL: none; bind for writers, atomic for readers */
    void *driver_data; /* the driver's from probe to remove */

    refcount_t refs;
    enum device_state state; /* device_mutex for writers, atomic for readers */
    uint32_t gate; /* atomic: who is inside, and whether it is closed */
    struct waitq outside; /* wakes when the last of them leaves */
    struct mutex bind;
    struct list children, sibling; /* device_mutex */
    struct list bus_link; /* device_mutex */
};

/* --- buses and their devices --- */

/* Makes /sys/bus/NAME.  Return: 0; -EEXIST. */
err_t __must_check bus_add(struct bus *bus);
/* Of a bus whose devices and drivers are gone. */
void bus_remove(struct bus *bus);

/* Fills in a zeroed record; the caller has its only reference and gives it up with device_put().
 * parent: NULL or a device that the caller has a reference to. */
__printf(4, 5) void device_init(struct device *d, struct bus *bus, struct device *parent,
                                const char *name, ...);
/*
 * Puts the device into the tree, which takes a reference of its own, and offers it to the drivers of
 * its bus.  Return: 0, with a driver or without; -ENODEV: the parent is being removed; -EEXIST: the
 * parent has a child of that name.
 */
err_t __must_check device_add(struct device *d);
/* See above.  Returns when the device is gone.  Not from inside its own gate, nor its own driver's
 * callbacks.  Return: 0; -ENODEV: somebody else removes it, or it was never added. */
err_t device_remove(struct device *d);

void device_get(struct device *d);
void device_put(struct device *d);
/* With a reference.  Any context.  Return: 0; -ENODEV. */
err_t __must_check device_enter(struct device *d);
void device_leave(struct device *d); /* any context */
static inline bool device_is_bound(const struct device *d)
{
    return atomic_load(&d->driver) != NULL;
}

/* With a reference, or NULL. */
struct device *__must_check device_find(const struct bus *bus, const char *name);
struct device *__must_check device_child(struct device *parent, const char *name);
/* Those of a bus that are there now, in the order they were added; fn may sleep and remove.
 * Return: 0; -ENOMEM; what fn returned when that was not 0, which ends it. */
err_t device_for_each(struct bus *bus, err_t (*fn)(struct device *d, void *arg), void *arg);
/* "devices/pci0000:00/0000:00:01.0", below /sys.  Return: out; it is cut off when it is too long. */
char *device_path(const struct device *d, char *out, size_t size);
/* The nth (from 0) of a kind, or NULL. */
const struct device_resource *device_resource(const struct device *d, enum resource_kind kind,
                                              unsigned nth);
/* For buses: adds one; -ENOSPC when there are too many. */
err_t device_resource_add(struct device *d, const struct device_resource *r);
/* Maps a memory resource's registers.  bytes: 0 for all.  NULL: none there, too short, no memory. */
void *__must_check device_map(const struct device_resource *r, uint64_t offset, size_t bytes);
void device_unmap(void *registers, size_t bytes);
/* A file in the device's directory, for classes ("net/eth0"): see <svc/sysfs.h>; path is relative. */
struct sysfs_file;
err_t __must_check device_file_add(struct device *d, const struct sysfs_file *file);
void device_file_remove(struct device *d, const char *name);

/* --- drivers --- */

/* Offers all free devices, and later ones.  Return: 0, however many it took; -EALREADY. */
err_t __must_check driver_start(struct driver *driver);
void driver_stop(struct driver *driver); /* gives all devices back; does not return before */

/* --- DMA --- */

/*
 * Memory that CPUs and a device share: physically contiguous, zeroed, cached.  Addresses are physical
 * ones: there is no IOMMU driver, and firmware that puts one or a dma-ranges offset in between is not
 * supported.
 * Coherence: PCs and all devices of QEMU (both architectures) snoop the CPUs' caches, and so do arm64
 * machines for devices whose tree says `dma-coherent` (buses set dma_coherent from it; under ACPI,
 * where it is said in byte code, devices are taken for coherent, as servers' must be).  For a device
 * that is not coherent dma_alloc() refuses with -EOPNOTSUPP, so that its driver does not bind: there is
 * no cache maintenance here.
 */
struct dma_buffer {
    void *va;
    paddr_t pa; /* what the device is told */
    size_t size; /* as asked for */
};
/* align: a power of two of at least 1; memory is a multiple of pages, so at least page-aligned.
 * Return: 0; -EINVAL (no bytes), -ENOMEM (also when none lies below dma_limit), -EOPNOTSUPP. */
err_t __must_check dma_alloc(const struct device *d, size_t bytes, size_t align,
                             struct dma_buffer *out);
/* After the device was silenced.  An empty buffer (va NULL) is nothing to free. */
void dma_free(struct dma_buffer *buffer);
/* The device's view of memory of the direct map (heap, frames), which must stay while it works on it.
 * Return: 0; -EFAULT: beyond dma_limit; -EOPNOTSUPP. */
err_t __must_check dma_address(const struct device *d, const void *va, size_t bytes, paddr_t *out);
/* Barriers between memory that is shared with a device: dma_rmb(), dma_wmb(), dma_mb() of <hal/io.h>.
 * Register accesses are ordered against memory by themselves. */
