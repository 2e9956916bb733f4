// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the platform bus: devices that only the device tree knows of (/sys/devices/platform).
 * Model: a driver says which compatible string it can drive, and the enabled nodes with it become
 * devices, named as on Linux by address: "a003e00.virtio_mmio".  Resources are the node's registers and
 * interrupts.  A machine without a device tree has none.
 */
#pragma once

#include <dev/bus/device.h>
#include <dev/device_tree.h>

struct platform_device {
    struct device device; /* first */
    struct device_node node; /* constant */
    const char *compatible; /* by which it was found; constant */
};

extern struct bus platform_bus;

static inline struct platform_device *platform_of(const struct device *d)
{
    return container_of(d, struct platform_device, device);
}

/* Adds a device for each node that is not there yet; again after a removal brings it back.
 * compatible: stays for ever.  wanted: which nodes; NULL: all.  Return: 0, however many there are;
 * -ENOMEM. */
err_t __must_check platform_scan(const struct subsystem *who, const char *compatible,
                                 bool (*wanted)(const struct device_node *node));
/* Adds one that no device tree tells of: name, reg and irq of `node` count.  0 (also when it is there
 * already), -ENOMEM, -ENODEV: there is no platform bus. */
err_t __must_check platform_add(const struct device_node *node, const char *compatible, bool coherent);
