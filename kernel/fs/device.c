// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: character devices: which driver stands behind a number; nodes in /dev, those of block devices, too.
 * Model: a hash of numbers.  Opening a device's inode looks the driver up and hands the opening over
 * to it.  devtmpfs is a tmpfs that the kernel keeps from boot; every device that registers gets its
 * node there, those that came earlier when devtmpfs starts.
 * Locking: device_mutex for the table.
 */
#define LOG_TAG "device"
#include <fs/device.h>

#include <core/log.h>
#include <fs/blockdev.h>
#include <fs/internal.h>
#include <fs/procfs.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/subsystem.h>

#define DEVICE_BUCKETS 64

struct chrdev {
    struct chrdev *next; /* device_mutex */
    unsigned dev, mode; /* S_IFCHR or S_IFBLK, and permissions */
    const struct file_ops *ops; /* of character devices */
    void *data;
    char name[];
};

static struct mutex device_mutex = MUTEX_INIT(device_mutex);
static struct chrdev *buckets[DEVICE_BUCKETS]; /* device_mutex */
static struct mount *dev_mount; /* NULL before devtmpfs starts; device_mutex */

static struct chrdev **bucket_of(unsigned dev)
{
    return &buckets[(DEV_MAJOR(dev) * 31 + DEV_MINOR(dev)) % DEVICE_BUCKETS];
}

static struct chrdev *chrdev_find_locked(unsigned dev, unsigned type)
{
    struct chrdev *c = *bucket_of(dev);

    while (c && (c->dev != dev || (c->mode & S_IFMT) != type))
        c = c->next;
    return c;
}

/* Is what has its name the node itself?  Somebody may have put something else there. */
static bool node_is_there(const struct chrdev *c, const struct path *root)
{
    struct path p;
    bool is;

    if (path_lookup_from(root, AT_FDCWD, c->name, 0, &p) != 0)
        return false;
    is = p.dentry->inode->rdev == c->dev && (p.dentry->inode->mode & S_IFMT) == (c->mode & S_IFMT);
    path_put(&p);
    return is;
}

/* A file that stands where the node belongs gives way, as programs write to devices that are not there (yet). */
static err_t node_replace(const struct chrdev *c, const struct path *root)
{
    err_t err = path_unlink(root, AT_FDCWD, c->name, 0);

    if (err != 0)
        return err;
    log_notice("/dev/%s was a file that somebody had made: the device's node takes its place", c->name);
    return path_mknod(root, AT_FDCWD, c->name, (c->mode & S_IFMT) | 0600, c->dev);
}

/* Makes the directories on the way to `name`, then the node. */
static err_t node_make(const struct chrdev *c)
{
    struct path root = { dev_mount, dev_mount->root };
    char part[64];
    err_t err;

    for (const char *slash = strchr(c->name, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t n = (size_t)(slash - c->name);

        if (n >= sizeof part)
            return -ENAMETOOLONG;
        str_copy(part, c->name, n + 1);
        err = path_mkdir(&root, AT_FDCWD, part, 0755);
        if (err != 0 && err != -EEXIST)
            return err;
    }
    err = path_mknod(&root, AT_FDCWD, c->name, (c->mode & S_IFMT) | 0600, c->dev);
    if (err == -EEXIST)
        err = node_replace(c, &root);
    if (err != 0)
        return err;
    struct path p; /* the mode as it was asked for, whatever the umask */
    err = path_lookup_from(&root, AT_FDCWD, c->name, 0, &p);
    if (err != 0)
        return err;
    p.dentry->inode->mode = c->mode;
    path_put(&p);
    return 0;
}

/* A device without a node is one all the same: it has its number, and mknod(1) is there. */
static void node_try(const struct chrdev *c)
{
    err_t err = node_make(c);

    if (err != 0)
        log_warn("/dev/%s cannot be made: error %d", c->name, -err);
}

static err_t device_register(const char *name, unsigned dev, unsigned mode, const struct file_ops *ops,
                             void *data)
{
    size_t n = strlen(name) + 1;
    struct chrdev *c = kzalloc(sizeof *c + n);
    err_t err = 0;

    if (!c)
        return -ENOMEM;
    c->dev = dev;
    c->mode = mode;
    c->ops = ops;
    c->data = data;
    memcpy(c->name, name, n);
    mutex_lock(&device_mutex);
    if (chrdev_find_locked(dev, mode & S_IFMT)) {
        err = -EBUSY;
    } else {
        if (dev_mount)
            node_try(c);
        c->next = *bucket_of(dev);
        *bucket_of(dev) = c;
    }
    mutex_unlock(&device_mutex);
    if (err != 0)
        kfree(c);
    return err;
}

err_t chrdev_register(const char *name, unsigned dev, unsigned mode, const struct file_ops *ops,
                      void *data)
{
    return device_register(name, dev, S_IFCHR | (mode & S_PERMISSIONS), ops, data);
}

err_t blkdev_node_add(const char *name, unsigned dev, unsigned mode)
{
    return device_register(name, dev, S_IFBLK | (mode & S_PERMISSIONS), NULL, NULL);
}

static void device_unregister(unsigned dev, unsigned type)
{
    struct chrdev **link = bucket_of(dev), *c;

    mutex_lock(&device_mutex);
    while (*link && ((*link)->dev != dev || ((*link)->mode & S_IFMT) != type))
        link = &(*link)->next;
    c = *link;
    if (c) {
        *link = c->next;
        if (dev_mount) {
            struct path root = { dev_mount, dev_mount->root };
            err_t err = node_is_there(c, &root) ? path_unlink(&root, AT_FDCWD, c->name, 0) : 0;

            if (err != 0 && err != -ENOENT)
                log_warn("/dev/%s cannot be removed: error %d", c->name, err);
        }
    }
    mutex_unlock(&device_mutex);
    kfree(c);
}

void chrdev_unregister(unsigned dev)
{
    device_unregister(dev, S_IFCHR);
}

void blkdev_node_remove(unsigned dev)
{
    device_unregister(dev, S_IFBLK);
}

static err_t chrdev_open(struct inode *inode, struct file *f)
{
    mutex_lock(&device_mutex);
    struct chrdev *c = chrdev_find_locked(inode->rdev, S_IFCHR);
    if (c) {
        f->ops = c->ops;
        f->data = c->data;
    }
    mutex_unlock(&device_mutex);
    if (!c)
        return -ENXIO;
    return f->ops->open ? f->ops->open(inode, f) : 0;
}

const struct file_ops chrdev_default_ops = { .open = chrdev_open };

static err_t no_device_open(struct inode *inode, struct file *f)
{
    return -ENXIO;
}

/* Behind sockets' names and the like; also what an opening has that failed. */
const struct file_ops no_device_ops = { .open = no_device_open };

static void show_devices(struct textbuf *out, void *arg)
{
    uint64_t seen[512 / 64] = { 0 };

    text_printf(out, "Character devices:\n");
    mutex_lock(&device_mutex);
    for (unsigned b = 0; b < DEVICE_BUCKETS; b++)
        for (struct chrdev *c = buckets[b]; c; c = c->next)
            if (DEV_MAJOR(c->dev) < 512 && S_ISCHR(c->mode))
                seen[DEV_MAJOR(c->dev) / 64] |= 1ull << DEV_MAJOR(c->dev) % 64;
    for (unsigned major = 0; major < 512; major++) {
        if (!(seen[major / 64] >> major % 64 & 1))
            continue;
        const char *name = NULL;
        size_t length = 0;
        for (unsigned b = 0; b < DEVICE_BUCKETS && !name; b++)
            for (struct chrdev *c = buckets[b]; c && !name; c = c->next)
                if (DEV_MAJOR(c->dev) == major && S_ISCHR(c->mode))
                    name = c->name;
        for (length = strlen(name); length > 1 && name[length - 1] >= '0' && name[length - 1] <= '9';)
            length--;
        text_printf(out, "%3u ", major);
        if (major == 1)
            text_append(out, "mem", 3);
        else
            text_append(out, name, length);
        text_append(out, "\n", 1);
    }
    mutex_unlock(&device_mutex);
    text_printf(out, "\nBlock devices:\n");
    block_majors_show(out);
}
PROC_FILE(devices, "devices", 0444, show_devices);

static err_t devtmpfs_start(struct subsystem *self)
{
    const struct filesystem *fs = filesystem_find("devtmpfs");
    struct mount *m;
    err_t err = fs ? mount_create(fs, "devtmpfs", 0, NULL, &m) : -ENODEV;

    if (err != 0)
        return err;
    mutex_lock(&device_mutex);
    dev_mount = m;
    for (unsigned b = 0; b < DEVICE_BUCKETS; b++)
        for (struct chrdev *c = buckets[b]; c; c = c->next)
            node_try(c);
    mutex_unlock(&device_mutex);
    return 0;
}

static const char *const devtmpfs_needs[] = { "vfs", NULL };
static struct subsystem devtmpfs_subsystem = { .name = "devtmpfs",
                                               .privilege = PRIV_KERNEL,
                                               .needs = devtmpfs_needs,
                                               .late_init = devtmpfs_start };
REGISTER_SUBSYSTEM(devtmpfs_subsystem);
