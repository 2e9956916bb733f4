// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: pseudo-terminals: /dev/ptmx, and devpts with a node for each slave.
 *
 * Model: a pair is a tty (the slave) and a ring of bytes on their way to the master.
 *
 *     master write -> line discipline of the slave -> slave read
 *     slave write, echo -> output processing -> ring -> master read
 *
 * All mounts of devpts show the same pairs.  Source: pty(7), pts(4), ioctl_tty(2).
 * Locking: pty_table_mutex for the table; pty->lock (LOCK_TTY) for the ring and the packet status;
 * it comes after the slave's mutex.
 */
#define LOG_TAG "pty"
#include <fs/tty_impl.h>

#include <core/log.h>
#include <fs/device.h>
#include <fs/fdtable.h>
#include <fs/internal.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/subsystem.h>

#define PTY_MAX 1024
#define PTY_RING 8192
#define PTS_MAJOR 136
#define DEVPTS_MAGIC 0x1cd1
#define PTMX_NAME "ptmx"
#define PTMX_INO 2

struct pty {
    struct tty *slave; /* with a reference; constant */
    unsigned index;
    uint64_t serial; /* never used again, unlike the index */
    uid_t uid; /* of the opener */
    struct spinlock lock;
    struct ring out; /* lock */
    bool master_open; /* lock */
    bool slave_was_open; /* lock */
    bool locked; /* atomic; TIOCSPTLCK */
    bool packet; /* lock */
    uint8_t packet_status; /* lock */
    struct waitq master_queue; /* master's readers, writers and pollers */
    uint8_t bytes[PTY_RING];
};

static struct mutex pty_table_mutex = MUTEX_INIT(pty_table_mutex);
static struct pty *ptys[PTY_MAX]; /* pty_table_mutex; a pair is freed with its slave's tty */
static uint64_t pty_serial; /* pty_table_mutex */

static const struct file_ops pty_master_ops;
static const struct tty_driver_ops pty_ops;
static const struct filesystem devpts_filesystem;

bool tty_is_pty(const struct tty *t)
{
    return t->ops == &pty_ops;
}

static struct pty *pty_of(const struct tty *t)
{
    return (struct pty *)t->driver;
}

/* ---- the slave's driver side ----------------------------------------------------------------- */

static size_t pty_write(struct tty *t, const char *s, size_t n)
{
    struct pty *p = pty_of(t);

    spin_lock(&p->lock);
    size_t taken = p->master_open ? ring_write(&p->out, s, n) : n;
    spin_unlock(&p->lock);
    waitq_wake_all(&p->master_queue);
    return taken;
}

static size_t pty_write_room(struct tty *t)
{
    struct pty *p = pty_of(t);

    return p->master_open ? ring_space(&p->out) : TTY_BUFFER;
}

/* The last descriptor of the slave was closed: the master sees EIO and POLLHUP. */
static void pty_slave_closed(struct tty *t)
{
    waitq_wake_all(&pty_of(t)->master_queue);
}

static const struct tty_driver_ops pty_ops = {
    .write = pty_write, .write_room = pty_write_room, .resized = pty_slave_closed,
};

void pty_input_kick(struct tty *t)
{
    waitq_wake_all(&pty_of(t)->master_queue);
}

void pty_packet_event(struct tty *t, uint8_t event)
{
    static const uint8_t opposite[][2] = {
        { TIOCPKT_STOP, TIOCPKT_START }, { TIOCPKT_NOSTOP, TIOCPKT_DOSTOP },
    };
    struct pty *p;

    if (!tty_is_pty(t))
        return;
    p = pty_of(t);
    spin_lock(&p->lock);
    for (size_t i = 0; i < ARRAY_SIZE(opposite); i++)
        if (event == opposite[i][0] || event == opposite[i][1])
            p->packet_status &= (uint8_t) ~(opposite[i][0] | opposite[i][1]);
    p->packet_status |= event;
    if (event == TIOCPKT_FLUSHWRITE)
        p->out.tail = p->out.head;
    bool wake = p->packet;
    spin_unlock(&p->lock);
    if (wake)
        waitq_wake_all(&p->master_queue);
}

/* ---- making and freeing ---------------------------------------------------------------------- */

static err_t pty_create(struct pty **out)
{
    struct pty *p = kzalloc(sizeof *p);
    char name[16];
    unsigned i = 0;

    if (!p)
        return -ENOMEM;
    mutex_lock(&pty_table_mutex);
    while (i < PTY_MAX && ptys[i])
        i++;
    if (i < PTY_MAX) {
        fmt_snprintf(name, sizeof name, "pts/%u", i);
        p->slave = tty_create(name, DEV(PTS_MAJOR, i), &pty_ops, p);
    }
    if (!p->slave) {
        mutex_unlock(&pty_table_mutex);
        kfree(p);
        return i < PTY_MAX ? -ENOMEM : -ENOSPC;
    }
    p->index = i;
    p->serial = ++pty_serial;
    p->uid = cred_current()->fsuid;
    p->locked = p->master_open = true;
    spin_init(&p->lock, LOCK_TTY);
    waitq_init(&p->master_queue);
    ring_init(&p->out, p->bytes, sizeof p->bytes);
    ptys[i] = p;
    mutex_unlock(&pty_table_mutex);
    *out = p;
    return 0;
}

/* The pair's memory lives as long as its slave's: tty_put calls this with the last reference. */
void pty_free(struct tty *t)
{
    kfree(pty_of(t));
}

static struct pty *pty_find(unsigned index)
{
    return index < PTY_MAX ? ptys[index] : NULL;
}

struct tty *pty_slave_find(unsigned dev)
{
    mutex_lock(&pty_table_mutex);
    struct pty *p = DEV_MAJOR(dev) == PTS_MAJOR ? pty_find(DEV_MINOR(dev)) : NULL;
    struct tty *t = p && !atomic_load(&p->locked) ? p->slave : NULL;
    if (t) {
        tty_get(t);
        p->slave_was_open = true;
    }
    mutex_unlock(&pty_table_mutex);
    return t;
}

/* ---- the master ------------------------------------------------------------------------------ */

static bool slave_gone(const struct pty *p)
{
    return p->slave_was_open && p->slave->opens == 0;
}

static bool master_readable(struct pty *p)
{
    return ring_used(&p->out) > 0 || (p->packet && p->packet_status) || slave_gone(p);
}

/* One piece for the master: a packet's status byte, or bytes. */
static size_t master_take(struct pty *p, uint8_t *block, size_t size)
{
    size_t n = 0;

    spin_lock(&p->lock);
    if (p->packet && p->packet_status) {
        block[n++] = p->packet_status;
        p->packet_status = 0;
    } else if (ring_used(&p->out) > 0) {
        if (p->packet)
            block[n++] = TIOCPKT_DATA;
        n += ring_read(&p->out, block + n, size - n);
    }
    spin_unlock(&p->lock);
    return n;
}

static ssize_t master_read(struct file *f, struct uio *u, off_t *pos __maybe_unused)
{
    struct tty *t = tty_of(f);
    struct pty *p = pty_of(t);
    uint8_t block[512];
    size_t n;

    if (u->left == 0)
        return 0;
    while ((n = master_take(p, block, MIN(u->left, sizeof block))) == 0) {
        if (slave_gone(p))
            return -EIO;
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        err_t err = wait_event_intr(&p->master_queue, master_readable(p));
        if (err)
            return err;
    }
    waitq_wake_all(&t->writers);
    return uio_copy_to(u, block, n) == n ? (ssize_t)n : -EFAULT;
}

static bool slave_takes_input(struct tty *t)
{
    return t->hung || (t->termios.c_lflag & ICANON) || t->head - t->tail < TTY_BUFFER;
}

static ssize_t master_write(struct file *f, struct uio *u, off_t *pos __maybe_unused)
{
    struct tty *t = tty_of(f);
    struct pty *p = pty_of(t);
    uint8_t block[256];
    ssize_t done = 0;

    while (u->left > 0) {
        size_t n = uio_copy_from(u, block, MIN(u->left, sizeof block)), used = 0;
        if (n == 0)
            return done > 0 ? done : -EFAULT;
        while ((used += ldisc_receive(t, block + used, n - used)) < n) {
            err_t err = f->flags & O_NONBLOCK
                            ? -EAGAIN
                            : wait_event_intr(&p->master_queue, slave_takes_input(t));
            if (err)
                return done + (ssize_t)used > 0 ? done + (ssize_t)used : err;
        }
        done += (ssize_t)n;
    }
    return done;
}

static unsigned master_poll(struct file *f, struct poll_table *pt)
{
    struct tty *t = tty_of(f);
    struct pty *p = pty_of(t);
    unsigned mask = 0;

    poll_wait(pt, f, &p->master_queue);
    if (ring_used(&p->out) > 0)
        mask |= POLLIN | POLLRDNORM;
    if (p->packet && p->packet_status)
        mask |= POLLIN | POLLRDNORM | POLLPRI;
    if (slave_takes_input(t))
        mask |= POLLOUT | POLLWRNORM;
    return slave_gone(p) ? mask | POLLHUP : mask;
}

static void master_release(struct file *f)
{
    struct tty *t = tty_of(f);
    struct pty *p = pty_of(t);

    spin_lock(&p->lock);
    p->master_open = false;
    spin_unlock(&p->lock);
    mutex_lock(&pty_table_mutex);
    ptys[p->index] = NULL;
    mutex_unlock(&pty_table_mutex);
    tty_hangup(t);
    tty_put(t);
}

static err_t ptmx_open(struct inode *inode __maybe_unused, struct file *f)
{
    struct pty *p;
    err_t err = pty_create(&p);

    if (err)
        return err;
    f->data = p->slave;
    f->ops = &pty_master_ops;
    return 0;
}

static const struct file_ops pty_master_ops = {
    .read = master_read, .write = master_write, .poll = master_poll,
    .ioctl = tty_ioctl, .release = master_release,
};

static const struct file_ops ptmx_ops = { .open = ptmx_open };

static bool on_devpts(const struct path *p)
{
    return p->dentry->sb->type == &devpts_filesystem;
}

/* The root of the devpts that the master was opened from: its own, or "pts" beside /dev/ptmx. */
static err_t peer_root(const struct file *master, struct path *out)
{
    struct path dir = { .mount = master->path.mount };
    struct path pts;

    brlock_read(&fs_lock);
    dir.dentry = master->path.dentry->parent;
    mount_get(dir.mount);
    dentry_get_locked(dir.dentry);
    brlock_read_done(&fs_lock);
    if (on_devpts(&dir)) {
        *out = dir;
        return 0;
    }
    err_t err = path_lookup_from(&dir, AT_FDCWD, "pts", LOOKUP_DIRECTORY, &pts);
    path_put(&dir);
    if (err)
        return err;
    if (!on_devpts(&pts)) {
        path_put(&pts);
        return -ENODEV;
    }
    *out = pts;
    return 0;
}

static err_t peer_path(struct file *master, struct path *out)
{
    struct path root;
    char name[8];
    err_t err = peer_root(master, &root);

    if (err)
        return err;
    fmt_snprintf(name, sizeof name, "%u", pty_of(tty_of(master))->index);
    err = path_lookup_from(&root, AT_FDCWD, name, 0, out);
    path_put(&root);
    return err;
}

/* Opens the slave of a master, whoever may open it by name: TIOCGPTPEER. */
static long open_peer(struct file *master, unsigned long flags)
{
    struct path node;
    struct file *f;

    if (flags & ~(unsigned long)(O_ACCMODE | O_NOCTTY | O_NONBLOCK | O_CLOEXEC))
        return -EINVAL;
    err_t err = peer_path(master, &node);
    if (err == 0)
        err = path_open_granted(&node, (unsigned)flags, &f);
    if (err)
        return err;
    int fd = fd_install(f, 0, flags & O_CLOEXEC);
    if (fd < 0)
        file_put(f);
    return fd;
}

static long put_int(int value, unsigned long arg)
{
    return copy_to_user(USER_PTR(int, arg), &value, sizeof value);
}

static long get_int(unsigned long arg, int *value)
{
    return copy_from_user(value, USER_PTR(int, arg), sizeof *value);
}

static long set_packet(struct pty *p, unsigned long arg)
{
    int value;

    if (get_int(arg, &value))
        return -EFAULT;
    spin_lock(&p->lock);
    p->packet = value != 0;
    p->packet_status = 0;
    spin_unlock(&p->lock);
    return 0;
}

/* TIOCSIG: the master sends a signal to the foreground group. */
static long master_signal(struct tty *t, unsigned long sig)
{
    if (sig != SIGINT && sig != SIGQUIT && sig != SIGTSTP)
        return -EINVAL;
    return t->group > 0 && tty_proc_ops ? tty_proc_ops->signal_group(t->group, (int)sig) : 0;
}

long pty_master_ioctl(struct file *f, unsigned cmd, unsigned long arg, bool *handled)
{
    struct tty *t = tty_of(f);
    struct pty *p = pty_of(t);
    int value;

    if (f->ops != &pty_master_ops)
        return 0;
    *handled = true;
    switch (cmd) {
    case TIOCGPTN:
        return put_int((int)p->index, arg);
    case TIOCSPTLCK:
        if (get_int(arg, &value))
            return -EFAULT;
        atomic_store(&p->locked, value != 0);
        return 0;
    case TIOCGPTLCK:
        return put_int(atomic_load(&p->locked), arg);
    case TIOCGPTPEER:
        return open_peer(f, arg);
    case TIOCPKT:
        return set_packet(p, arg);
    case TIOCGPKT:
        return put_int(p->packet, arg);
    case TIOCSIG:
        return master_signal(t, arg);
    case FIONREAD:
        return put_int((int)ring_used(&p->out), arg);
    default:
        *handled = false;
        return 0;
    }
}

/* ---- devpts ---------------------------------------------------------------------------------- */

struct devpts_options {
    gid_t gid;
    bool gid_given;
    unsigned mode, ptmx_mode;
};

static bool number_of(const char *name, size_t length, unsigned *out)
{
    unsigned v = 0;

    if (length == 0 || length > 4 || (name[0] == '0' && length > 1))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
        v = v * 10 + (unsigned)(name[i] - '0');
    }
    *out = v;
    return true;
}

static struct inode *make_node(struct inode *dir, unsigned mode, unsigned dev, uint64_t ino,
                               const struct file_ops *ops)
{
    struct inode *i = inode_create(dir->sb, NULL, S_IFCHR | mode);

    if (!i)
        return NULL;
    i->ino = ino;
    i->rdev = dev;
    i->fops = ops;
    return i;
}

static err_t devpts_lookup(struct inode *dir, struct dentry *d)
{
    struct devpts_options *o = dir->sb->data;
    unsigned index;
    err_t err = 0;

    if (d->length == strlen(PTMX_NAME) && !memcmp(d->name, PTMX_NAME, d->length)) {
        struct inode *i = make_node(dir, o->ptmx_mode, DEV(5, 2), PTMX_INO, &ptmx_ops);
        if (!i)
            return -ENOMEM;
        dentry_attach(d, i);
        return 0;
    }
    if (!number_of(d->name, d->length, &index))
        return 0;
    mutex_lock(&pty_table_mutex);
    struct pty *p = pty_find(index);
    struct inode *i = p ? make_node(dir, o->mode, DEV(PTS_MAJOR, index), index + 3, &tty_file_ops)
                        : NULL;
    if (i) {
        i->data = (void *)(uintptr_t)p->serial;
        i->uid = p->uid;
        if (o->gid_given)
            i->gid = o->gid;
        dentry_attach(d, i);
    } else if (p) {
        err = -ENOMEM;
    }
    mutex_unlock(&pty_table_mutex);
    return err;
}

static bool devpts_revalidate(struct dentry *d)
{
    unsigned index;

    if (!number_of(d->name, d->length, &index))
        return true;
    mutex_lock(&pty_table_mutex);
    struct pty *p = pty_find(index);
    bool same = p ? d->inode && (uintptr_t)d->inode->data == p->serial : !d->inode;
    mutex_unlock(&pty_table_mutex);
    return same;
}

static const struct inode_ops devpts_dir_ops = {
    .lookup = devpts_lookup, .revalidate = devpts_revalidate,
};

static err_t devpts_readdir(struct file *f, struct dir_context *ctx)
{
    char name[8];

    if (ctx->pos == 0) {
        if (!ctx->emit(ctx, ".", 1, f->inode->ino, S_IFDIR >> 12))
            return 0;
        ctx->pos = 1;
    }
    if (ctx->pos == 1) {
        if (!ctx->emit(ctx, "..", 2, f->inode->ino, S_IFDIR >> 12))
            return 0;
        ctx->pos = 2;
    }
    if (ctx->pos == 2) {
        if (!ctx->emit(ctx, PTMX_NAME, strlen(PTMX_NAME), PTMX_INO, S_IFCHR >> 12))
            return 0;
        ctx->pos = 3;
    }
    for (; ctx->pos < PTY_MAX + 3; ctx->pos++) {
        unsigned index = (unsigned)ctx->pos - 3;
        if (!ptys[index])
            continue;
        int n = fmt_scnprintf(name, sizeof name, "%u", index);
        if (!ctx->emit(ctx, name, (size_t)n, index + 3, S_IFCHR >> 12))
            return 0;
    }
    return 0;
}

static const struct file_ops devpts_dir_fops = { .readdir = devpts_readdir };

/* One `name=value` of the mount options. */
static err_t devpts_option(struct devpts_options *o, const char *s, size_t n)
{
    char word[32];
    const char *value;
    uint64_t v;

    if (n == 0)
        return 0;
    if (n >= sizeof word)
        return -EINVAL;
    memcpy(word, s, n);
    word[n] = '\0';
    if (!strcmp(word, "newinstance"))
        return 0;
    value = strchr(word, '=');
    if (!value++)
        return -EINVAL;
    bool is_mode = str_starts_with(word, "mode="), is_ptmx = str_starts_with(word, "ptmxmode=");
    if (str_to_u64(&value, is_mode || is_ptmx ? 8 : 10, &v) || *value || v > UINT32_MAX)
        return -EINVAL;
    if (is_mode)
        o->mode = (unsigned)v & 0777;
    else if (is_ptmx)
        o->ptmx_mode = (unsigned)v & 0777;
    else if (str_starts_with(word, "gid="))
        o->gid = (gid_t)v, o->gid_given = true;
    else if (str_starts_with(word, "max="))
        return v <= PTY_MAX ? 0 : -EINVAL;
    else
        return str_starts_with(word, "uid=") ? 0 : -EINVAL;
    return 0;
}

static err_t devpts_options_parse(struct devpts_options *o, const char *data)
{
    err_t err = 0;

    while (data && *data && !err) {
        const char *comma = strchr(data, ',');
        size_t n = comma ? (size_t)(comma - data) : strlen(data);
        err = devpts_option(o, data, n);
        data += n + (comma != NULL);
    }
    return err;
}

static err_t devpts_mount(const struct filesystem *fs __maybe_unused, struct superblock *sb,
                          const char *source __maybe_unused, const char *data)
{
    struct devpts_options *o = kzalloc(sizeof *o);
    struct inode *root;
    err_t err;

    if (!o)
        return -ENOMEM;
    o->mode = 0600;
    err = devpts_options_parse(o, data);
    root = err ? NULL : inode_create(sb, NULL, S_IFDIR | 0755);
    if (!root) {
        kfree(o);
        return err ? err : -ENOMEM;
    }
    root->ino = 1;
    root->nlink = 2;
    root->ops = &devpts_dir_ops;
    root->fops = &devpts_dir_fops;
    sb->data = o;
    sb->root = dentry_make_root(sb, root);
    if (sb->root)
        return 0;
    kfree(o);
    sb->data = NULL;
    return -ENOMEM;
}

static void devpts_unmount(struct superblock *sb)
{
    kfree(sb->data);
}

static void devpts_show(struct superblock *sb, struct textbuf *out)
{
    const struct devpts_options *o = sb->data;

    if (o->gid_given)
        text_printf(out, ",gid=%u", o->gid);
    text_printf(out, ",mode=%03o,ptmxmode=%03o", o->mode, o->ptmx_mode);
}

static const struct filesystem devpts_filesystem = {
    .name = "devpts", .nodev = true, .magic = DEVPTS_MAGIC, .mount = devpts_mount,
    .unmount = devpts_unmount, .show_options = devpts_show,
};
REGISTRY_ADD(filesystem, devpts_filesystem);

static err_t pty_start(struct subsystem *self __maybe_unused)
{
    return chrdev_register(PTMX_NAME, DEV(5, 2), 0666, &ptmx_ops, NULL);
}

/* Pairs that are open stay; no more are made. */
static err_t pty_stop(struct subsystem *self __maybe_unused)
{
    chrdev_unregister(DEV(5, 2));
    return 0;
}

static const char *const needs[] = { "vfs", "?devtmpfs", NULL };
static struct subsystem pty_subsystem = {
    .name = "pty", .privilege = PRIV_KERNEL, .needs = needs, .late_init = pty_start, .stop = pty_stop,
};
REGISTER_SUBSYSTEM(pty_subsystem);
