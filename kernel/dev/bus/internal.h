// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the parts of the device model share: the core and its view in /sys.
 */
#pragma once

#include <dev/bus/device.h>

/* Names of buses, devices and drivers come and go in /sys; all without effect where there is none.
 * None is called with device_mutex held. */
void view_start(const struct subsystem *self);
void view_bus_add(struct bus *bus);
void view_bus_remove(struct bus *bus);
void view_driver_add(struct driver *driver);
void view_driver_remove(struct driver *driver);
void view_device_add(struct device *d);
void view_device_remove(struct device *d);
void view_bound(struct device *d); /* bind held */
void view_unbound(struct device *d, const struct driver *driver); /* likewise */

/* Offers the device to one driver.  Return: 0; -ENODEV: it does not match, or is gone; -EBUSY: it has
 * a driver; what probe returned. */
err_t device_bind(struct device *d, struct driver *driver);
/* Takes it away from `driver` (NULL: whichever).  Return: 0; -ENODEV: it does not drive it. */
err_t device_unbind(struct device *d, const struct driver *driver);
