// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: file systems made of text: /proc and /sys.
 *
 * Model: a tree of nodes for each, built from the registry at boot and by pseudo_add later.  Inodes
 * are made from nodes when a name is looked up.  A text file is printed in one go when it is read from
 * its beginning, so one opening sees one state.
 * In /proc the root also shows the processes, which proc/ provides.
 * Nodes that may go are `removable`: their names are asked for anew at each look-up, and a node is freed
 * when it has left the tree and the last of its inodes is gone.
 * Locking: pseudo_mutex for the trees; a reader's mutex for its text.
 * Invariants: (1) what is below a removable node is removable; (2) children are in the order of their
 * positions.
 */
#include <fs/procfs.h>

#include <fs/poll.h>

#include <fs/internal.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/subsystem.h>

#include <linux/fs.h>
#include <linux/magic.h>
#include <asm/poll.h>

#define STORE_MAX 4096
#define PID_POS 0x10000 /* positions of processes in the root of /proc */

struct node {
    struct node *children, *last, *next; /* pseudo_mutex */
    refcount_t refs; /* the tree's and one of each inode */
    bool gone; /* from the tree; pseudo_mutex for writers, atomic for readers */
    off_t pos; /* in its directory, for readdir; constant */
    off_t next_pos; /* for the next child; pseudo_mutex */
    struct pseudo_file file;
    struct pseudo_data data; /* for its inodes */
    uint64_t ino;
    char *name;
};

struct pseudo_tree {
    struct node root;
    const struct filesystem *fs;
    bool filled; /* from the registry; pseudo_mutex */
};

static struct mutex pseudo_mutex = MUTEX_INIT(pseudo_mutex);
static uint64_t next_ino = 1; /* pseudo_mutex */
static struct pseudo_tree proc_tree, sys_tree;
static const struct proc_pid_ops *pid_ops; /* set once */
static const struct inode_ops dir_inode_ops, link_inode_ops, self_inode_ops, file_inode_ops;
static const struct inode_ops removable_dir_ops, removable_link_ops, removable_file_ops;
static const struct file_ops dir_ops;

void procfs_set_pid_ops(const struct proc_pid_ops *ops)
{
    atomic_store(&pid_ops, ops);
}

const struct proc_pid_ops *procfs_pid_ops(void)
{
    return atomic_load(&pid_ops);
}

/* ---- nodes ---- */

static struct node *node_child(struct node *dir, const char *name, size_t n)
{
    struct node *c = dir->children;

    while (c && (c->name[0] != name[0] || strncmp(c->name, name, n) != 0 || c->name[n] != '\0'))
        c = c->next;
    return c;
}

static void node_evict(struct inode *i);

static struct node *node_add(struct node *dir, const char *name, size_t n, unsigned mode)
{
    struct node *c = kzalloc(sizeof *c + n + 1);

    if (!c)
        return NULL;
    c->name = (char *)(c + 1);
    memcpy(c->name, name, n);
    ref_init(&c->refs, 1);
    c->file.mode = mode;
    c->data.file = &c->file;
    c->data.evict = node_evict;
    c->ino = ++next_ino;
    c->pos = dir->next_pos++;
    if (dir->last)
        dir->last->next = c;
    else
        dir->children = c;
    dir->last = c;
    return c;
}

static void node_put(struct node *n)
{
    if (!ref_put(&n->refs))
        return;
    if (n->file.release)
        n->file.release(n->file.arg);
    kfree(n);
}

static void node_unlink(struct node *dir, struct node *n)
{
    struct node **link = &dir->children, *before = NULL;

    while (*link != n) {
        before = *link;
        link = &before->next;
    }
    *link = n->next;
    if (dir->last == n)
        dir->last = before;
}

/* Takes all below `n`, and itself, out of use; they are chained by `next` onto *list. */
static void node_kill(struct node *n, struct node **list)
{
    struct node *c;

    while ((c = n->children) != NULL) {
        n->children = c->next;
        node_kill(c, list);
    }
    n->last = NULL;
    atomic_store(&n->gone, true);
    n->next = *list;
    *list = n;
}

static err_t tree_add(struct pseudo_tree *t, const struct pseudo_file *f)
{
    struct node *dir = &t->root;
    const char *s = f->path, *slash;

    for (; (slash = strchr(s, '/')) != NULL; s = slash + 1) {
        size_t n = (size_t)(slash - s);
        struct node *c = node_child(dir, s, n);

        if (!c) {
            c = node_add(dir, s, n, S_IFDIR | (f->removable ? 0755 : 0555));
            if (!c)
                return -ENOMEM;
            c->file.removable = f->removable;
        }
        if (!S_ISDIR(c->file.mode))
            return -ENOTDIR;
        dir = c;
    }
    if (dir->file.removable && !f->removable)
        return -EINVAL;
    struct node *c = node_child(dir, s, strlen(s));
    if (c)
        return S_ISDIR(f->mode) && S_ISDIR(c->file.mode) ? 0 : -EEXIST;
    c = node_add(dir, s, strlen(s), 0);
    if (!c)
        return -ENOMEM;
    c->file = *f;
    c->file.path = c->name; /* the caller's may go */
    c->data.arg = f->arg;
    if ((f->mode & S_IFMT) == 0)
        c->file.mode |= S_IFREG;
    return 0;
}

static struct pseudo_tree *tree_named(const char *name)
{
    return strcmp(name, "proc") == 0 ? &proc_tree : strcmp(name, "sysfs") == 0 ? &sys_tree : NULL;
}

/* The registry's files, at first use. */
static err_t tree_fill(struct pseudo_tree *t)
{
    err_t err = 0;

    if (t->filled)
        return 0;
    t->filled = true;
    t->root.ino = 1;
    ref_init(&t->root.refs, 1);
    t->root.data.evict = node_evict;
    t->root.file.mode = S_IFDIR | 0555;
    t->root.data.file = &t->root.file;
    registry_for_each(pseudo, e)
    {
        if (tree_named((*e)->filesystem) != t)
            continue;
        err_t one = tree_add(t, &(*e)->file);
        err = err ? err : one;
    }
    return err;
}

err_t pseudo_add(const char *filesystem, const struct pseudo_file *f)
{
    struct pseudo_tree *t = tree_named(filesystem);

    if (!t)
        return -EINVAL;
    mutex_lock(&pseudo_mutex);
    err_t err = tree_fill(t);
    if (err == 0)
        err = tree_add(t, f);
    mutex_unlock(&pseudo_mutex);
    return err;
}

/* The node of a path and its directory, or NULL. */
static struct node *tree_find(struct pseudo_tree *t, const char *path, struct node **dir)
{
    struct node *n = &t->root;
    const char *s = path;

    while (n && *s) {
        const char *slash = strchr(s, '/');
        size_t length = slash ? (size_t)(slash - s) : strlen(s);

        *dir = n;
        n = node_child(n, s, length);
        s += length + (slash != NULL);
    }
    return n;
}

void pseudo_remove(const char *filesystem, const char *path)
{
    struct pseudo_tree *t = tree_named(filesystem);
    struct node *dir = NULL, *list = NULL, *n;

    if (!t)
        return;
    mutex_lock(&pseudo_mutex);
    n = tree_find(t, path, &dir);
    if (n && dir && n->file.removable) {
        node_unlink(dir, n);
        node_kill(n, &list);
    }
    mutex_unlock(&pseudo_mutex);
    while ((n = list) != NULL) { /* nobody follows `next` of what is gone */
        list = n->next;
        node_put(n);
    }
}

/* ---- inodes ---- */

struct inode *pseudo_inode(struct superblock *sb, unsigned mode, struct pseudo_data *data)
{
    struct inode *i = inode_create(sb, NULL, mode);

    if (IS_ERR(i))
        return i;
    i->uid = 0;
    i->gid = 0;
    i->data = data;
    i->ops = &file_inode_ops;
    i->fops = S_ISREG(mode) ? &pseudo_text_ops : &no_device_ops;
    return i;
}

static const struct inode_ops *node_inode_ops(const struct node *n)
{
    if (n->file.ops)
        return n->file.ops;
    if (S_ISDIR(n->file.mode))
        return n->file.removable ? &removable_dir_ops : &dir_inode_ops;
    if (S_ISLNK(n->file.mode) && n->file.removable)
        return &removable_link_ops;
    if (S_ISLNK(n->file.mode))
        return n->file.link ? &link_inode_ops : &self_inode_ops;
    return n->file.removable ? &removable_file_ops : &file_inode_ops;
}

/* pseudo_mutex held, or the node is a root. */
static struct inode *node_inode(struct superblock *sb, struct node *n)
{
    struct inode *i = pseudo_inode(sb, n->file.mode, &n->data);

    if (IS_ERR(i))
        return i;
    ref_get(&n->refs);
    i->ino = n->ino;
    i->object.size = n->file.size;
    i->ops = node_inode_ops(n);
    if (S_ISDIR(n->file.mode)) {
        i->fops = &dir_ops;
        i->nlink = 2;
    }
    if (n->file.fops)
        i->fops = n->file.fops;
    return i;
}

static struct node *node_of(const struct inode *i)
{
    return container_of((struct pseudo_data *)i->data, struct node, data);
}

static void node_evict(struct inode *i)
{
    node_put(node_of(i));
}

void *pseudo_arg(const struct inode *i)
{
    return node_of(i)->file.arg;
}

static void pseudo_evict(struct inode *i)
{
    struct pseudo_data *d = i->data;

    if (d && d->evict)
        d->evict(i);
}

/* A number without leading zeros, or 0. */
static pid_t name_pid(const struct dentry *d)
{
    uint64_t n;
    const char *s = d->name;

    if (s[0] < '1' || s[0] > '9' || d->length > 9 || str_to_u64(&s, 10, &n) != 0 || *s)
        return 0;
    return (pid_t)n;
}

static err_t lookup_pid(struct inode *dir, struct dentry *d)
{
    const struct proc_pid_ops *ops = procfs_pid_ops();
    pid_t pid = name_pid(d);
    struct inode *i;

    if (!pid || !ops || !ops->exists(pid, true))
        return 0;
    err_t err = ops->make(dir->sb, pid, &i);
    if (err == -ESRCH || err == -ENOENT)
        return 0;
    if (err == 0)
        dentry_attach(d, i);
    return err;
}

static err_t dir_lookup(struct inode *dir, struct dentry *d)
{
    struct node *parent = node_of(dir);
    struct inode *i = NULL;

    mutex_lock(&pseudo_mutex);
    struct node *n = node_child(parent, d->name, d->length);
    bool removable = n && n->file.removable;
    if (n)
        i = node_inode(dir->sb, n);
    mutex_unlock(&pseudo_mutex);
    if (IS_ERR(i))
        return PTR_ERR(i);
    if (i) {
        if (removable)
            d->flags |= DENTRY_VOLATILE;
        dentry_attach(d, i);
        return 0;
    }
    d->flags |= DENTRY_VOLATILE; /* it may come any time */
    return parent == &proc_tree.root ? lookup_pid(dir, d) : 0;
}

static bool node_revalidate(struct dentry *d)
{
    return !atomic_load(&node_of(d->inode)->gone);
}

/* The first child at `pos` or behind it, with a reference. */
static struct node *node_at(struct node *dir, off_t pos)
{
    mutex_lock(&pseudo_mutex);
    struct node *c = dir->children;
    while (c && c->pos < pos)
        c = c->next;
    if (c)
        ref_get(&c->refs);
    mutex_unlock(&pseudo_mutex);
    return c;
}

static bool emit_pids(struct dir_context *ctx)
{
    const struct proc_pid_ops *ops = procfs_pid_ops();
    char name[16];
    pid_t pid;

    if (!ops)
        return true;
    if (ctx->pos < PID_POS)
        ctx->pos = PID_POS;
    while ((pid = ops->next((pid_t)(ctx->pos - PID_POS))) != 0) {
        int n = fmt_snprintf(name, sizeof name, "%d", pid);

        if (!ctx->emit(ctx, name, (size_t)n, (uint64_t)pid << 20, 4 /* DT_DIR */))
            return false;
        ctx->pos = PID_POS + (off_t)pid + 1;
    }
    return true;
}

static err_t dir_readdir(struct file *f, struct dir_context *ctx)
{
    struct node *dir = node_of(f->inode), *n;
    bool root = dir == &proc_tree.root;

    if (!dir_emit_dots(f, ctx))
        return 0;
    while (!(root && ctx->pos >= PID_POS) && (n = node_at(dir, ctx->pos - 2)) != NULL) {
        bool more = ctx->emit(ctx, n->name, strlen(n->name), n->ino, (n->file.mode & S_IFMT) >> 12);

        if (more)
            ctx->pos = n->pos + 3;
        node_put(n);
        if (!more)
            return 0;
    }
    if (root)
        emit_pids(ctx);
    return 0;
}

bool pseudo_emit_dots(struct file *f, struct dir_context *ctx)
{
    return dir_emit_dots(f, ctx);
}

off_t pseudo_dir_seek(struct file *f, off_t offset, int whence)
{
    return dir_seek(f, offset, whence);
}

static ssize_t copy_link(char *buf, size_t size, const char *text)
{
    size_t n = MIN(size, strlen(text));

    memcpy(buf, text, n);
    return (ssize_t)n;
}

static ssize_t link_readlink(struct inode *i, char *buf, size_t size)
{
    return copy_link(buf, size, node_of(i)->file.link);
}

/* /proc/self and /proc/thread-self. */
static ssize_t self_readlink(struct inode *i, char *buf, size_t size)
{
    const struct proc_pid_ops *ops = procfs_pid_ops();
    bool thread = strcmp(node_of(i)->name, "thread-self") == 0;
    char text[48];

    if (!ops || !ops->self(false))
        return -ENOENT;
    if (thread)
        fmt_snprintf(text, sizeof text, "%d/task/%d", ops->self(false), ops->self(true));
    else
        fmt_snprintf(text, sizeof text, "%d", ops->self(false));
    return copy_link(buf, size, text);
}

static err_t file_setattr(struct inode *i, const struct attributes *a)
{
    return a->valid & ATTR_SIZE ? 0 : inode_setattr(i, a); /* O_TRUNC of a setting */
}

static const struct inode_ops dir_inode_ops = { .lookup = dir_lookup, .setattr = file_setattr };
static const struct inode_ops link_inode_ops = { .readlink = link_readlink };
static const struct inode_ops self_inode_ops = { .readlink = self_readlink };
static const struct inode_ops file_inode_ops = { .setattr = file_setattr };
static const struct inode_ops removable_dir_ops = { .lookup = dir_lookup, .setattr = file_setattr,
                                                    .revalidate = node_revalidate };
static const struct inode_ops removable_link_ops = { .readlink = link_readlink,
                                                     .revalidate = node_revalidate };
static const struct inode_ops removable_file_ops = { .setattr = file_setattr,
                                                     .revalidate = node_revalidate };
static const struct file_ops dir_ops = { .readdir = dir_readdir, .seek = dir_seek };

/* ---- text ---- */

struct reader {
    struct mutex mutex;
    struct textbuf text; /* mutex */
    off_t base; /* where the text, or the piece of it, begins; mutex */
    bool made; /* mutex */
    uint64_t seen; /* count of file->changes that poll has told; atomic */
};

static err_t text_open(struct inode *inode, struct file *f)
{
    const struct pseudo_data *d = inode->data;
    struct reader *r;

    if ((f->fmode & FMODE_READ && !d->file->show) || (f->fmode & FMODE_WRITE && !d->file->store))
        return -EACCES;
    if (!(f->fmode & FMODE_READ))
        return 0;
    r = kzalloc(sizeof *r);
    if (!r)
        return -ENOMEM;
    mutex_init(&r->mutex);
    if (d->file->changes)
        r->seen = atomic_load(&d->file->changes->count);
    f->data = r;
    return 0;
}

static void text_release(struct file *f)
{
    struct reader *r = f->data;

    if (r)
        text_free(&r->text);
    kfree(r);
}

/* Makes the text that begins at `base`; a piece of it where r->text.next is set before or after. */
static void text_make(struct reader *r, const struct pseudo_data *d, off_t base)
{
    r->base = base;
    r->made = true;
    r->text.length = 0;
    r->text.error = 0;
    d->file->show(&r->text, d->arg);
}

/* Makes what there is at `pos`, from the start where it is behind. */
static void text_make_at(struct reader *r, const struct pseudo_data *d, off_t pos)
{
    if (!r->made || pos == 0 || pos < r->base) {
        r->text.next = 0;
        text_make(r, d, 0);
    }
    while (r->text.next != 0 && r->text.error == 0 && pos >= r->base + (off_t)r->text.length)
        text_make(r, d, r->base + (off_t)r->text.length);
}

static ssize_t text_read(struct file *f, struct uio *u, off_t *pos)
{
    struct reader *r = f->data;
    ssize_t n = 0;

    mutex_lock(&r->mutex);
    text_make_at(r, f->inode->data, *pos);
    if (r->text.error) {
        n = r->text.error;
    } else if (*pos < r->base + (off_t)r->text.length) {
        size_t at = (size_t)(*pos - r->base);
        size_t want = MIN(u->left, r->text.length - at);

        n = (ssize_t)uio_copy_to(u, r->text.data + at, want);
        if (n == 0 && want != 0)
            n = -EFAULT;
    }
    if (n > 0)
        *pos += n;
    mutex_unlock(&r->mutex);
    return n;
}

static ssize_t text_write(struct file *f, struct uio *u, off_t *pos)
{
    const struct pseudo_data *d = f->inode->data;
    size_t n = u->left;

    if (n >= STORE_MAX)
        return -EINVAL;
    char *buf = kmalloc(n + 1);
    if (!buf)
        return -ENOMEM;
    err_t err = uio_copy_from(u, buf, n) < n ? -EFAULT : 0;
    buf[n] = '\0';
    if (err == 0)
        err = d->file->store(buf, n, d->arg);
    kfree(buf);
    if (err == 0)
        *pos += (off_t)n;
    return err ? err : (ssize_t)n;
}

void change_source_tell(struct change_source *c)
{
    atomic_fetch_add(&c->count, 1);
    if (waitq_active(&c->waiters))
        waitq_wake(&c->waiters, UINT_MAX, POLLERR | POLLPRI);
}

static unsigned text_poll(struct file *f, struct poll_table *pt)
{
    struct change_source *c = ((const struct pseudo_data *)f->inode->data)->file->changes;
    struct reader *r = f->data;
    uint64_t now;

    poll_wait(pt, f, &c->waiters);
    now = atomic_load(&c->count);
    if (!r || atomic_xchg(&r->seen, now) == now)
        return POLLIN | POLLRDNORM;
    return POLLIN | POLLRDNORM | POLLERR | POLLPRI;
}

const struct file_ops pseudo_polled_ops = {
    .read = text_read,
    .write = text_write,
    .seek = dir_seek,
    .open = text_open,
    .release = text_release,
    .poll = text_poll,
};

const struct file_ops pseudo_text_ops = {
    .read = text_read,
    .write = text_write,
    .seek = dir_seek,
    .open = text_open,
    .release = text_release,
};

/* ---- superblocks ---- */

static err_t pseudo_mount(struct pseudo_tree *t, struct superblock *sb)
{
    mutex_lock(&pseudo_mutex);
    err_t err = tree_fill(t);
    mutex_unlock(&pseudo_mutex);
    if (err != 0)
        return err;
    sb->next_ino = 1ull << 32; /* of inodes that are made by the way */
    struct inode *i = node_inode(sb, &t->root);
    if (IS_ERR(i))
        return PTR_ERR(i);
    sb->root = dentry_make_root(sb, i);
    if (!sb->root)
        inode_put(i);
    return sb->root ? 0 : -ENOMEM;
}

/* hidepid=0 and gid= are all that Linux would take without changing anything here. */
static err_t options_none(const char *data)
{
    return data && data[0] ? -EINVAL : 0;
}

static struct subsystem pseudo_subsystem;

static err_t proc_mount(const struct filesystem *fs, struct superblock *sb, const char *source,
                        const char *data)
{
    err_t err = subsystem_is_up(&pseudo_subsystem) ? options_none(data) : -ENODEV;

    return err ? err : pseudo_mount(&proc_tree, sb);
}

static err_t sys_mount(const struct filesystem *fs, struct superblock *sb, const char *source,
                       const char *data)
{
    err_t err = subsystem_is_up(&pseudo_subsystem) ? options_none(data) : -ENODEV;

    return err ? err : pseudo_mount(&sys_tree, sb);
}

static err_t pseudo_remount(struct superblock *sb, const char *data)
{
    return options_none(data);
}

static const struct filesystem proc_fs = {
    .name = "proc",
    .nodev = true,
    .single = true,
    .magic = PROC_SUPER_MAGIC,
    .mount = proc_mount,
    .remount = pseudo_remount,
    .evict = pseudo_evict,
};
REGISTRY_ADD(filesystem, proc_fs);

static const struct filesystem sys_fs = {
    .name = "sysfs",
    .nodev = true,
    .single = true,
    .magic = SYSFS_MAGIC,
    .mount = sys_mount,
    .remount = pseudo_remount,
    .evict = pseudo_evict,
};
REGISTRY_ADD(filesystem, sys_fs);

static const struct pseudo_entry pseudo_self = {
    .filesystem = "proc", .file = { .path = "self", .mode = S_IFLNK | 0777 }
};
REGISTRY_ADD(pseudo, pseudo_self);
static const struct pseudo_entry pseudo_thread_self = {
    .filesystem = "proc", .file = { .path = "thread-self", .mode = S_IFLNK | 0777 }
};
REGISTRY_ADD(pseudo, pseudo_thread_self);

static err_t pseudo_start(struct subsystem *self)
{
    mutex_lock(&pseudo_mutex);
    err_t err = tree_fill(&proc_tree), sys = tree_fill(&sys_tree);
    mutex_unlock(&pseudo_mutex);
    return err ? err : sys;
}

static const char *const pseudo_needs[] = { "vfs", NULL };
static struct subsystem pseudo_subsystem = { .name = "procfs",
                                             .privilege = PRIV_KERNEL,
                                             .needs = pseudo_needs,
                                             .late_init = pseudo_start };
REGISTER_SUBSYSTEM(pseudo_subsystem);
