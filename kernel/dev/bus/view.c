// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: devices, buses and drivers in /sys.
 *
 * Model:
 *     devices/PARENT/NAME/{uevent,modalias,numa_node,remove, the bus's and the driver's attributes}
 *     devices/PARENT/NAME/{subsystem,driver}      links
 *     bus/BUS/devices/NAME                        link
 *     bus/BUS/drivers/DRIVER/{bind,unbind,NAME}   NAME: link
 *     bus/BUS/rescan
 * Each file of a device holds a reference to it until its last reader has closed it.  Without the
 * service (no /sys), or without memory for a name, devices work all the same.
 * Locking: none; who calls holds the device's `bind`.
 * Source: Documentation/ABI/testing/{sysfs-bus-pci,sysfs-devices,sysfs-uevent}.
 */
#define LOG_TAG "device"
#include <dev/bus/internal.h>

#include <core/log.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/sysfs.h>

#include <linux/stat.h>

static const struct sysfs_service *sysfs; /* NULL: there is none; set once */

void view_start(const struct subsystem *self)
{
    if (service_find_sysfs(self, &sysfs) != 0)
        sysfs = NULL;
}

static void put(const struct sysfs_file *f)
{
    err_t err = sysfs ? sysfs->add(f) : -ENODEV;

    if (err && f->release)
        f->release(f->arg);
    if (err && sysfs)
        log_warn("/sys/%s is not there: error %d", f->path, err);
}

static __printf(1, 2) void put_directory(const char *format, ...)
{
    char path[DEVICE_PATH_MAX];
    va_list ap;

    va_start(ap, format);
    fmt_vsnprintf(path, sizeof path, format, ap);
    va_end(ap);
    put(&(struct sysfs_file){ .path = path, .mode = S_IFDIR | 0755 });
}

static __printf(1, 2) void take(const char *format, ...)
{
    char path[DEVICE_PATH_MAX];
    va_list ap;

    va_start(ap, format);
    fmt_vsnprintf(path, sizeof path, format, ap);
    va_end(ap);
    if (sysfs)
        sysfs->remove(path);
}

/* A link at `path` to `target`, both below /sys. */
static void put_link(const char *path, const char *target)
{
    char text[2 * DEVICE_PATH_MAX];
    size_t at = 0;

    for (const char *s = strchr(path, '/'); s && at + 4 < sizeof text; s = strchr(s + 1, '/'))
        at += (size_t)fmt_scnprintf(text + at, sizeof text - at, "../");
    fmt_snprintf(text + at, sizeof text - at, "%s", target);
    put(&(struct sysfs_file){ .path = path, .mode = S_IFLNK | 0777, .link = text });
}

/* --- attributes of devices --- */

struct shown {
    struct device *device; /* with a reference */
    const struct device_attribute *attribute;
};

static ssize_t shown_show(void *arg, char *out, size_t size)
{
    const struct shown *s = arg;

    return s->attribute->show(s->device, out, size);
}

static err_t shown_store(void *arg, const char *text, size_t n)
{
    const struct shown *s = arg;

    return s->attribute->store(s->device, text, n);
}

static ssize_t shown_read(void *arg, void *buf, size_t n, uint64_t offset, bool privileged)
{
    const struct shown *s = arg;

    return s->attribute->read(s->device, buf, n, offset, privileged);
}

static ssize_t shown_write(void *arg, const void *buf, size_t n, uint64_t offset)
{
    const struct shown *s = arg;

    return s->attribute->write(s->device, buf, n, offset);
}

static void shown_release(void *arg)
{
    struct shown *s = arg;

    device_put(s->device);
    kfree(s);
}

static void put_attribute(struct device *d, const struct device_attribute *a)
{
    uint64_t bytes = a->size ? a->size(d) : 0;
    char path[DEVICE_PATH_MAX];
    struct shown *s;
    size_t at;

    if (a->size && bytes == 0)
        return;
    s = kmalloc(sizeof *s);
    if (!s)
        return;
    device_get(d);
    *s = (struct shown){ d, a };
    device_path(d, path, sizeof path);
    at = strlen(path);
    fmt_snprintf(path + at, sizeof path - at, "/%s", a->name);
    put(&(struct sysfs_file){
        .path = path, .mode = a->mode, .size = bytes, .arg = s, .release = shown_release,
        .show = a->show ? shown_show : NULL, .store = a->store ? shown_store : NULL,
        .read = a->read ? shown_read : NULL, .write = a->write ? shown_write : NULL,
    });
}

static void put_attributes(struct device *d, const struct device_attribute *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put_attribute(d, &list[i]);
}

static ssize_t numa_node_show(struct device *d, char *out, size_t size)
{
    return fmt_scnprintf(out, size, "%d\n", d->has_node ? (int)d->node : -1);
}

static ssize_t modalias_show(struct device *d, char *out, size_t size)
{
    ssize_t n = d->bus->modalias(d, out, size - 1);

    if (n > 0)
        out[n++] = '\n';
    return n;
}

static ssize_t uevent_show(struct device *d, char *out, size_t size)
{
    const struct driver *driver = atomic_load(&d->driver);
    ssize_t n = 0;

    if (driver)
        n += fmt_scnprintf(out, size, "DRIVER=%s\n", driver->subsystem.name);
    if (d->bus && d->bus->uevent)
        n += d->bus->uevent(d, out + n, size - (size_t)n);
    if (d->bus && d->bus->modalias) {
        n += fmt_scnprintf(out + n, size - (size_t)n, "MODALIAS=");
        n += modalias_show(d, out + n, size - (size_t)n);
    }
    return n;
}

static bool is_one(const char *text)
{
    uint64_t v;

    return str_to_u64(&text, 0, &v) == 0 && v == 1 && (*text == '\0' || *text == '\n');
}

static err_t remove_store(struct device *d, const char *text, size_t n)
{
    (void)n;
    if (!is_one(text))
        return -EINVAL;
    return device_remove(d);
}

static const struct device_attribute common[] = {
    { .name = "uevent", .mode = 0444, .show = uevent_show },
}, on_bus[] = {
    { .name = "numa_node", .mode = 0444, .show = numa_node_show },
    { .name = "remove", .mode = 0200, .store = remove_store },
}, with_modalias[] = {
    { .name = "modalias", .mode = 0444, .show = modalias_show },
};

/* --- buses --- */

static err_t rescan_store(void *arg, const char *text, size_t n)
{
    const struct bus *bus = arg;

    (void)n;
    return is_one(text) ? bus->rescan() : -EINVAL;
}

void view_bus_add(struct bus *bus)
{
    char path[DEVICE_PATH_MAX];

    put_directory("bus/%s/devices", bus->name);
    put_directory("bus/%s/drivers", bus->name);
    if (!bus->rescan)
        return;
    fmt_snprintf(path, sizeof path, "bus/%s/rescan", bus->name);
    put(&(struct sysfs_file){ .path = path, .mode = 0200, .store = rescan_store, .arg = bus });
}

void view_bus_remove(struct bus *bus)
{
    take("bus/%s", bus->name);
}

/* --- drivers --- */

/* The device that a write to bind or unbind names, with a reference. */
static struct device *device_named(const struct driver *driver, const char *text, size_t n)
{
    char name[DEVICE_NAME_MAX];

    if (n > 0 && text[n - 1] == '\n')
        n--;
    if (n == 0 || n >= sizeof name)
        return NULL;
    memcpy(name, text, n);
    name[n] = '\0';
    return device_find(driver->bus, name);
}

static err_t bind_store(void *arg, const char *text, size_t n)
{
    struct driver *driver = arg;
    struct device *d = device_named(driver, text, n);
    err_t err;

    if (!d)
        return -ENODEV;
    err = device_bind(d, driver);
    device_put(d);
    return err;
}

static err_t unbind_store(void *arg, const char *text, size_t n)
{
    const struct driver *driver = arg;
    struct device *d = device_named(driver, text, n);
    err_t err;

    if (!d)
        return -ENODEV;
    err = device_unbind(d, driver);
    device_put(d);
    return err;
}

void view_driver_add(struct driver *driver)
{
    const char *bus = driver->bus->name, *name = driver->subsystem.name;
    char path[DEVICE_PATH_MAX];

    put_directory("bus/%s/drivers/%s", bus, name);
    fmt_snprintf(path, sizeof path, "bus/%s/drivers/%s/bind", bus, name);
    put(&(struct sysfs_file){ .path = path, .mode = 0200, .store = bind_store, .arg = driver });
    fmt_snprintf(path, sizeof path, "bus/%s/drivers/%s/unbind", bus, name);
    put(&(struct sysfs_file){ .path = path, .mode = 0200, .store = unbind_store, .arg = driver });
}

void view_driver_remove(struct driver *driver)
{
    take("bus/%s/drivers/%s", driver->bus->name, driver->subsystem.name);
}

void view_bound(struct device *d)
{
    char own[DEVICE_PATH_MAX], from[DEVICE_PATH_MAX], to[DEVICE_PATH_MAX];
    const char *bus = d->bus->name, *name = d->driver->subsystem.name;

    device_path(d, own, sizeof own);
    fmt_snprintf(from, sizeof from, "%s/driver", own);
    fmt_snprintf(to, sizeof to, "bus/%s/drivers/%s", bus, name);
    put_link(from, to);
    fmt_snprintf(from, sizeof from, "bus/%s/drivers/%s/%s", bus, name, d->name);
    put_link(from, own);
    put_attributes(d, d->driver->attributes, d->driver->attribute_count);
}

void view_unbound(struct device *d, const struct driver *driver)
{
    char own[DEVICE_PATH_MAX];

    device_path(d, own, sizeof own);
    take("%s/driver", own);
    take("bus/%s/drivers/%s/%s", d->bus->name, driver->subsystem.name, d->name);
    for (unsigned i = 0; i < driver->attribute_count; i++)
        take("%s/%s", own, driver->attributes[i].name);
}

/* --- devices --- */

void view_device_add(struct device *d)
{
    char own[DEVICE_PATH_MAX], from[DEVICE_PATH_MAX], to[DEVICE_PATH_MAX];

    device_path(d, own, sizeof own);
    put_directory("%s", own);
    put_attributes(d, common, ARRAY_SIZE(common));
    if (!d->bus)
        return;
    put_attributes(d, on_bus, ARRAY_SIZE(on_bus));
    if (d->bus->modalias)
        put_attributes(d, with_modalias, ARRAY_SIZE(with_modalias));
    put_attributes(d, d->bus->attributes, d->bus->attribute_count);
    fmt_snprintf(from, sizeof from, "%s/subsystem", own);
    fmt_snprintf(to, sizeof to, "bus/%s", d->bus->name);
    put_link(from, to);
    fmt_snprintf(from, sizeof from, "bus/%s/devices/%s", d->bus->name, d->name);
    put_link(from, own);
}

void view_device_remove(struct device *d)
{
    char own[DEVICE_PATH_MAX];

    if (d->bus)
        take("bus/%s/devices/%s", d->bus->name, d->name);
    take("%s", device_path(d, own, sizeof own));
}

err_t device_file_add(struct device *d, const struct sysfs_file *file)
{
    struct sysfs_file f = *file;
    char path[DEVICE_PATH_MAX];
    size_t at;

    if (!sysfs)
        return -ENODEV;
    device_path(d, path, sizeof path);
    at = strlen(path);
    fmt_snprintf(path + at, sizeof path - at, "/%s", file->path);
    f.path = path;
    return sysfs->add(&f);
}

void device_file_remove(struct device *d, const char *name)
{
    char own[DEVICE_PATH_MAX];

    take("%s/%s", device_path(d, own, sizeof own), name);
}
