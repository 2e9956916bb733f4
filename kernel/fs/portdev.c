// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: ports as files: /dev/vportNpM, and in /sys as Linux shows them:
 *
 *     devices/PARENT/virtio-ports/vportNpM/{dev,uevent,name,device,subsystem}
 *     class/virtio-ports/vportNpM, dev/char/MAJOR:MINOR     links to it
 *
 * Model: reading gives what is there and waits while there is nothing; when the partner is away it is the end of
 * the file.  Writing waits for room, and for the partner.  A port that is removed gives ENODEV to who reads or
 * writes, and POLLHUP.
 * Locking: table_mutex: which port has a number; a port's own lock around its driver's functions.
 * Source: drivers/char/virtio_console.c as programs see it; Documentation/ABI of sysfs-class.
 */
#define LOG_TAG "port"
#include <svc/port.h>

#include <fs/device.h>
#include <fs/poll.h>
#include <fs/procfs.h>
#include <fs/uio.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/subsystem.h>
#include <svc/sysfs.h>

#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/stat.h>

#define NODE_MODE 0600
#define CHUNK PAGE_SIZE
#define VIEW_PATH_BYTES 320

struct node {
    struct port *port; /* with a reference */
    unsigned dev;
    struct node *next; /* table_mutex */
};

static struct mutex table_mutex = MUTEX_INIT(table_mutex);
static struct node *nodes; /* table_mutex: there are few */

static const struct pseudo_entry pseudo_class = {
    .filesystem = "sysfs", .file = { .path = "class/virtio-ports", .mode = S_IFDIR | 0755 }
};
REGISTRY_ADD(pseudo, pseudo_class);
static const struct pseudo_entry pseudo_dev_char = {
    .filesystem = "sysfs", .file = { .path = "dev/char", .mode = S_IFDIR | 0755 }
};
REGISTRY_ADD(pseudo, pseudo_dev_char);

static unsigned dev_of(const struct port *p)
{
    return DEV(p->major, p->minor);
}

static struct port *port_of(const struct file *f)
{
    return f->data;
}

/* ---- files ----------------------------------------------------------------------------------- */

/* One call of the driver, or two: bytes moved, and its state after that.  Return: -ENODEV when it is gone. */
static err_t port_move(struct port *p, void *in, const void *out, size_t n, size_t *moved, unsigned *state)
{
    err_t err = 0;

    *moved = *state = 0;
    spin_lock(&p->lock);
    if (p->gone) {
        err = -ENODEV;
    } else {
        if (in)
            *moved = p->ops->read(p, in, n);
        if (out && p->ops->state(p) & PORT_CONNECTED)
            *moved = p->ops->write(p, out, n);
        *state = p->ops->state(p);
    }
    spin_unlock(&p->lock);
    return err;
}

static unsigned port_state(struct port *p, bool *gone)
{
    size_t moved;
    unsigned state;

    *gone = port_move(p, NULL, NULL, 0, &moved, &state) != 0;
    return state;
}

static bool can_read(struct port *p)
{
    bool gone;
    unsigned state = port_state(p, &gone);

    return gone || state & PORT_READABLE || !(state & PORT_CONNECTED);
}

static bool can_write(struct port *p)
{
    bool gone;
    unsigned state = port_state(p, &gone);

    return gone || (state & (PORT_WRITABLE | PORT_CONNECTED)) == (PORT_WRITABLE | PORT_CONNECTED);
}

static ssize_t read_into(struct file *f, void *block, size_t n)
{
    struct port *p = port_of(f);
    unsigned state;
    size_t got;

    for (;;) {
        err_t err = port_move(p, block, NULL, n, &got, &state);

        if (err || got || !(state & PORT_CONNECTED))
            return err ? err : (ssize_t)got;
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        err = wait_event_intr(&p->queue, can_read(p));
        if (err)
            return err;
    }
}

static ssize_t port_read(struct file *f, struct uio *u, off_t *pos __maybe_unused)
{
    size_t size = MIN(u->left, (size_t)CHUNK);
    void *block = kmalloc(CHUNK);
    ssize_t n;

    if (!block)
        return -ENOMEM;
    n = size ? read_into(f, block, size) : 0;
    if (n > 0 && uio_copy_to(u, block, (size_t)n) != (size_t)n)
        n = -EFAULT;
    kfree(block);
    return n;
}

/* Return: how many, all unless an error ends it; an errno when that were none. */
static ssize_t write_from(struct file *f, const uint8_t *block, size_t n)
{
    struct port *p = port_of(f);
    size_t done = 0, moved;
    unsigned state;
    err_t err = 0;

    while (done < n && !err) {
        err = port_move(p, NULL, block + done, n - done, &moved, &state);
        done += moved;
        if (err || moved)
            continue;
        err = f->flags & O_NONBLOCK ? -EAGAIN : wait_event_intr(&p->queue, can_write(p));
    }
    return done ? (ssize_t)done : err;
}

static ssize_t port_write(struct file *f, struct uio *u, off_t *pos __maybe_unused)
{
    uint8_t *block = kmalloc(CHUNK);
    ssize_t done = 0, n = 0;

    if (!block)
        return -ENOMEM;
    while (u->left > 0 && n >= 0) {
        size_t size = uio_copy_from(u, block, MIN(u->left, (size_t)CHUNK));

        n = size ? write_from(f, block, size) : -EFAULT;
        done += n > 0 ? n : 0;
        if (n != (ssize_t)size)
            break;
    }
    kfree(block);
    return done ? done : n;
}

static unsigned port_poll(struct file *f, struct poll_table *pt)
{
    struct port *p = port_of(f);
    unsigned mask = 0, state;
    bool gone;

    poll_wait(pt, f, &p->queue);
    state = port_state(p, &gone);
    if (gone)
        return POLLHUP;
    if (state & PORT_READABLE || !(state & PORT_CONNECTED))
        mask |= POLLIN | POLLRDNORM;
    if ((state & (PORT_WRITABLE | PORT_CONNECTED)) == (PORT_WRITABLE | PORT_CONNECTED))
        mask |= POLLOUT;
    return state & PORT_CONNECTED ? mask : mask | POLLHUP;
}

static void port_close(struct file *f)
{
    struct port *p = port_of(f);

    spin_lock(&p->lock);
    if (!p->gone)
        p->ops->close(p);
    p->opened = false;
    spin_unlock(&p->lock);
    port_put(p);
}

static struct port *port_find(unsigned dev)
{
    struct port *p = NULL;

    mutex_lock(&table_mutex);
    for (struct node *n = nodes; n && !p; n = n->next)
        if (n->dev == dev)
            p = n->port;
    if (p)
        port_get(p);
    mutex_unlock(&table_mutex);
    return p;
}

static err_t port_open(struct inode *inode, struct file *f);

static const struct file_ops port_ops = {
    .open = port_open, .read = port_read, .write = port_write, .poll = port_poll, .release = port_close,
};

static err_t port_open(struct inode *inode, struct file *f)
{
    struct port *p = port_find(inode->rdev);
    err_t err;

    if (!p)
        return -ENXIO;
    spin_lock(&p->lock);
    err = p->gone ? -ENXIO : p->opened ? -EBUSY : p->ops->open(p);
    if (!err)
        p->opened = true;
    spin_unlock(&p->lock);
    if (err) {
        port_put(p);
        return err;
    }
    f->data = p;
    f->ops = &port_ops;
    return 0;
}

/* ---- /sys ------------------------------------------------------------------------------------ */

static ssize_t show_dev(void *arg, char *out, size_t size)
{
    const struct port *p = arg;

    return fmt_scnprintf(out, size, "%u:%u\n", p->major, p->minor);
}

static ssize_t show_uevent(void *arg, char *out, size_t size)
{
    const struct port *p = arg;

    return fmt_scnprintf(out, size, "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\n", p->major, p->minor, p->name);
}

static ssize_t show_label(void *arg, char *out, size_t size)
{
    const struct port *p = arg;

    return fmt_scnprintf(out, size, "%s\n", p->label);
}

static void file_release(void *arg)
{
    port_put(arg);
}

static __printf(3, 4) char *path_make(char *out, const struct port *p, const char *format, ...)
{
    va_list ap;
    int n = fmt_scnprintf(out, VIEW_PATH_BYTES, "%s/%s/%s", p->parent, p->class_name, p->name);

    va_start(ap, format);
    fmt_vsnprintf(out + n, VIEW_PATH_BYTES - (size_t)n, format, ap);
    va_end(ap);
    return out;
}

/* What cannot be shown is not there; the port works all the same. */
static void file_add(const struct sysfs_service *sysfs, struct port *p, const char *name,
                     ssize_t (*show)(void *arg, char *out, size_t size))
{
    char path[VIEW_PATH_BYTES];

    port_get(p);
    if (sysfs->add(&(struct sysfs_file){ .path = path_make(path, p, "/%s", name), .mode = 0444, .show = show,
                                         .arg = p, .release = file_release }) != 0)
        port_put(p);
}

/* A link at `path` to what is at `target`, both below /sys. */
static void link_add(const struct sysfs_service *sysfs, const char *path, const char *target)
{
    char text[VIEW_PATH_BYTES + 64];
    size_t n = 0;

    for (const char *s = strchr(path, '/'); s && n + 4 < sizeof text; s = strchr(s + 1, '/'))
        n += (size_t)fmt_scnprintf(text + n, sizeof text - n, "../");
    fmt_snprintf(text + n, sizeof text - n, "%s", target);
    (void)sysfs->add(&(struct sysfs_file){ .path = path, .mode = S_IFLNK | 0777, .link = text });
}

static void class_path(const struct port *p, char out[64])
{
    fmt_snprintf(out, 64, "class/%s/%s", p->class_name, p->name);
}

static void number_path(const struct port *p, char out[64])
{
    fmt_snprintf(out, 64, "dev/char/%u:%u", p->major, p->minor);
}

static void view_add(struct port *p)
{
    const struct sysfs_service *sysfs;
    char path[VIEW_PATH_BYTES], target[VIEW_PATH_BYTES];

    if (service_find_sysfs(NULL, &sysfs) != 0)
        return;
    file_add(sysfs, p, "dev", show_dev);
    file_add(sysfs, p, "uevent", show_uevent);
    link_add(sysfs, path_make(path, p, "/device"), p->parent);
    fmt_snprintf(target, sizeof target, "class/%s", p->class_name);
    link_add(sysfs, path_make(path, p, "/subsystem"), target);
    path_make(target, p, "%s", "");
    class_path(p, path);
    link_add(sysfs, path, target);
    number_path(p, path);
    link_add(sysfs, path, target);
}

/* Has the same device another one?  table_mutex is free. */
static bool parent_has_more(const struct port *p)
{
    bool more = false;

    mutex_lock(&table_mutex);
    for (const struct node *n = nodes; n; n = n->next)
        more |= n->port != p && strcmp(n->port->parent, p->parent) == 0;
    mutex_unlock(&table_mutex);
    return more;
}

static void view_remove(const struct port *p)
{
    const struct sysfs_service *sysfs;
    char path[VIEW_PATH_BYTES];

    if (service_find_sysfs(NULL, &sysfs) != 0)
        return;
    class_path(p, path);
    sysfs->remove(path);
    number_path(p, path);
    sysfs->remove(path);
    if (parent_has_more(p))
        path_make(path, p, "%s", "");
    else
        fmt_snprintf(path, sizeof path, "%s/%s", p->parent, p->class_name);
    sysfs->remove(path);
}

/* As on Linux the file is there once there is a name. */
static void client_labelled(struct port *p)
{
    const struct sysfs_service *sysfs;

    if (service_find_sysfs(NULL, &sysfs) == 0)
        file_add(sysfs, p, "name", show_label); /* it is there already: then it says the new one */
}

/* ---- they come and go ------------------------------------------------------------------------ */

static void node_insert(struct node *n, struct port *p)
{
    port_get(p);
    n->port = p;
    n->dev = dev_of(p);
    mutex_lock(&table_mutex);
    n->next = nodes;
    nodes = n;
    mutex_unlock(&table_mutex);
}

static void node_delete(const struct port *p)
{
    struct node **link = &nodes, *n;

    mutex_lock(&table_mutex);
    while (*link && (*link)->port != p)
        link = &(*link)->next;
    n = *link;
    if (n)
        *link = n->next;
    mutex_unlock(&table_mutex);
    if (n)
        port_put(n->port);
    kfree(n);
}

static err_t client_added(struct port *p)
{
    struct node *n = kzalloc(sizeof *n);
    err_t err;

    if (!n)
        return -ENOMEM;
    node_insert(n, p);
    err = chrdev_register(p->name, dev_of(p), NODE_MODE, &port_ops, NULL);
    if (err)
        node_delete(p);
    else
        view_add(p);
    return err;
}

static void client_removing(struct port *p)
{
    chrdev_unregister(dev_of(p));
    view_remove(p);
    node_delete(p);
}

static const struct port_client client = { .added = client_added, .removing = client_removing,
                                           .labelled = client_labelled };

static err_t portdev_start(struct subsystem *self __maybe_unused)
{
    port_client_set(&client);
    return 0;
}

static const char *const needs[] = { "vfs", "?devtmpfs", NULL };
static struct subsystem portdev_subsystem = {
    .name = "portdev", .privilege = PRIV_KERNEL, .needs = needs, .late_init = portdev_start,
};
REGISTER_SUBSYSTEM(portdev_subsystem);
