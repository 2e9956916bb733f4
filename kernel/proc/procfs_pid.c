// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the tree of /proc/PID: directories, links, inodes.
 *
 * Model: one table of entries serves each process' directory (all of them) and each task's (those
 * marked).  An inode holds a reference to its struct process, never to more: everything else is looked
 * up when it is read, so an open file of a dead process just has nothing to say.
 * Dentries are volatile: asked for again (revalidate) at each look-up.
 */
#include <proc/pidfd.h>
#include <proc/procfs_pid.h>

#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/pid.h>

#include <linux/fcntl.h>
#include <linux/stat.h>

#define DT_DIR 4
#define DT_LNK 10
#define DT_REG 8
#define FIRST_POS 2 /* after . and .. */

static const struct inode_ops dir_ops;
static const struct file_ops dir_file_ops;

/* ---- inodes -------------------------------------------------------------------------------- */

static struct pid_node *node_of(const struct inode *i)
{
    return i->data;
}

static void node_evict(struct inode *i)
{
    struct pid_node *n = node_of(i);

    process_put(n->process);
    kfree(n);
}

static bool alive(const struct pid_node *n)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    bool ok = n->process->state != PROCESS_DEAD;

    if (ok && n->tid) {
        struct task *t = task_find(n->tid);

        ok = t && t->process == n->process;
    }
    brlock_read_irqrestore(&tree_lock, flags);
    return ok;
}

static bool revalidate(struct dentry *d)
{
    return d->inode && alive(node_of(d->inode));
}

/* The files belong to whom the process acts for; to root when others must not look into it. */
static void getattr(struct inode *i)
{
    struct pid_node *n = node_of(i);
    const struct cred *c = process_cred_get(n->process);
    bool root = !c || (!n->process->dumpable && n->entry);

    spin_lock(&i->lock);
    i->uid = root ? 0 : c->euid;
    i->gid = root ? 0 : c->egid;
    spin_unlock(&i->lock);
    if (c)
        cred_put(c);
}

static err_t make(struct superblock *sb, const struct pid_node *like, const struct pid_entry *e,
                  struct inode **out)
{
    struct pid_node *n = kmalloc(sizeof *n);
    struct inode *i;
    unsigned mode = e ? e->mode : S_IFDIR | 0555;

    if (!n)
        return -ENOMEM;
    *n = *like;
    n->entry = e;
    n->data = (struct pseudo_data){ .file = e ? &e->text : NULL, .arg = n, .evict = node_evict };
    i = pseudo_inode(sb, mode, &n->data);
    if (IS_ERR(i)) {
        kfree(n);
        return PTR_ERR(i);
    }
    process_ref(n->process);
    if (!e) {
        i->ops = &dir_ops;
        i->fops = &dir_file_ops;
        i->nlink = 2;
    } else {
        if (e->ops)
            i->ops = e->ops;
        if (e->fops)
            i->fops = e->fops;
    }
    getattr(i);
    *out = i;
    return 0;
}

static err_t attach(struct inode *dir, struct dentry *d, const struct pid_node *like,
                    const struct pid_entry *e)
{
    struct inode *i;
    err_t err = make(dir->sb, like, e, &i);

    if (!err)
        dentry_attach(d, i);
    return err;
}

static err_t make_process(struct superblock *sb, pid_t pid, struct inode **out)
{
    struct task *t = NULL;
    struct process *p = process_get(pid);
    struct pid_node n = { .pid = pid, .fd = -1 };
    err_t err;

    /* A thread's number shows its process, as on Linux (but is not listed). */
    if (!p) {
        t = task_get(pid);
        if (!t)
            return -ESRCH;
        p = t->process;
        process_ref(p);
        thread_put(&t->thread);
    }
    n.process = p;
    err = make(sb, &n, NULL, out);
    process_put(p);
    return err;
}

/* ---- the directory of a process or task ---------------------------------------------------- */

static bool listed(const struct pid_node *n, const struct pid_entry *e)
{
    return n->tid == 0 || e->task;
}

static err_t dir_lookup(struct inode *dir, struct dentry *d)
{
    const struct pid_node *n = node_of(dir);

    d->flags |= DENTRY_VOLATILE;
    for (unsigned k = 0; k < pid_entry_count; k++)
        if (listed(n, &pid_entries[k]) && strcmp(pid_entries[k].name, d->name) == 0)
            return attach(dir, d, n, &pid_entries[k]);
    return 0;
}

static unsigned dirent_type(unsigned mode)
{
    return S_ISDIR(mode) ? DT_DIR : S_ISLNK(mode) ? DT_LNK : DT_REG;
}

static err_t dir_readdir(struct file *f, struct dir_context *ctx)
{
    const struct pid_node *n = node_of(f->inode);

    if (!pseudo_emit_dots(f, ctx))
        return 0;
    for (; ctx->pos - FIRST_POS < (off_t)pid_entry_count; ctx->pos++) {
        const struct pid_entry *e = &pid_entries[ctx->pos - FIRST_POS];
        uint64_t ino = (uint64_t)(n->tid ? n->tid : n->pid) << 20 | (uint64_t)ctx->pos;

        if (listed(n, e) &&
            !ctx->emit(ctx, e->name, strlen(e->name), ino, dirent_type(e->mode)))
            return 0;
    }
    return 0;
}

static const struct inode_ops dir_ops = { .lookup = dir_lookup, .getattr = getattr,
                                          .revalidate = revalidate };
static const struct file_ops dir_file_ops = { .readdir = dir_readdir, .seek = pseudo_dir_seek };

struct process *pidfd_directory_process(const struct file *f)
{
    if (f->inode->ops != &dir_ops)
        return NULL;
    const struct pid_node *n = f->inode->data;
    return n->entry == NULL && n->tid == 0 ? n->process : NULL;
}

/* A number as a name, or -1. */
static int name_number(const struct dentry *d)
{
    const char *s = d->name;
    uint64_t n;

    if ((s[0] == '0' && s[1]) || str_to_u64(&s, 10, &n) || *s || n > INT_MAX)
        return -1;
    return (int)n;
}

static bool emit_number(struct dir_context *ctx, int number, unsigned type, uint64_t ino)
{
    char name[16];
    int n = fmt_snprintf(name, sizeof name, "%d", number);

    return ctx->emit(ctx, name, (size_t)n, ino, type);
}

/* ---- task/ --------------------------------------------------------------------------------- */

static err_t task_lookup(struct inode *dir, struct dentry *d)
{
    struct pid_node n = *node_of(dir);

    d->flags |= DENTRY_VOLATILE;
    n.tid = name_number(d);
    if (n.tid <= 0 || !alive(&n))
        return 0;
    return attach(dir, d, &n, NULL);
}

/* The smallest id >= from among p's tasks, or 0. */
static pid_t next_task(struct process *p, pid_t from)
{
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    struct task *t;
    pid_t best = 0;

    list_for_each(t, &p->tasks, process_link)
        if (t->id >= from && (!best || t->id < best))
            best = t->id;
    spin_unlock_irqrestore(&p->signal_lock, flags);
    return best;
}

static err_t task_readdir(struct file *f, struct dir_context *ctx)
{
    struct pid_node *n = node_of(f->inode);
    pid_t tid;

    if (!pseudo_emit_dots(f, ctx))
        return 0;
    while ((tid = next_task(n->process, (pid_t)(ctx->pos - FIRST_POS))) != 0) {
        if (!emit_number(ctx, tid, DT_DIR, (uint64_t)tid << 20 | 1))
            return 0;
        ctx->pos = (off_t)tid + 1 + FIRST_POS;
    }
    return 0;
}

const struct inode_ops pid_task_ops = { .lookup = task_lookup, .getattr = getattr,
                                        .revalidate = revalidate };
const struct file_ops pid_task_dir_ops = { .readdir = task_readdir, .seek = pseudo_dir_seek };

/* ---- fd/ and fdinfo/ ----------------------------------------------------------------------- */

struct fdtable *pid_files(struct process *p)
{
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    struct task *t = p->leader ? p->leader : list_first_or_null(&p->tasks, struct task, process_link);
    struct fdtable *files = t ? t->actor.files : NULL;

    if (files)
        fdtable_get(files);
    spin_unlock_irqrestore(&p->signal_lock, flags);
    return files;
}

struct file *pid_file(struct process *p, int fd)
{
    struct fdtable *files = pid_files(p);
    struct file *f = files ? fdtable_file(files, fd) : NULL;

    if (files)
        fdtable_put(files);
    return f;
}

static err_t fd_lookup_entry(struct inode *dir, struct dentry *d, const struct pid_entry *e)
{
    struct pid_node n = *node_of(dir);
    struct file *f;
    err_t err;

    d->flags |= DENTRY_VOLATILE;
    err = process_may_inspect(n.process);
    if (err)
        return -EACCES;
    n.fd = name_number(d);
    f = n.fd >= 0 ? pid_file(n.process, n.fd) : NULL;
    if (!f)
        return 0;
    file_put(f);
    return attach(dir, d, &n, e);
}

static err_t fd_lookup(struct inode *dir, struct dentry *d)
{
    return fd_lookup_entry(dir, d, &pid_fd_link_entry);
}

static err_t fdinfo_lookup(struct inode *dir, struct dentry *d)
{
    return fd_lookup_entry(dir, d, &pid_fdinfo_entry);
}

static err_t fd_readdir(struct file *f, struct dir_context *ctx)
{
    struct pid_node *n = node_of(f->inode);
    unsigned type = f->inode->fops == &pid_fd_dir_ops ? DT_LNK : DT_REG;
    struct fdtable *files;
    int fd;

    if (process_may_inspect(n->process))
        return -EACCES;
    if (!pseudo_emit_dots(f, ctx))
        return 0;
    files = pid_files(n->process);
    while (files && (fd = fdtable_next(files, (int)(ctx->pos - FIRST_POS))) >= 0) {
        if (!emit_number(ctx, fd, type, (uint64_t)n->pid << 20 | 0x10000 | (unsigned)fd))
            break;
        ctx->pos = (off_t)fd + 1 + FIRST_POS;
    }
    if (files)
        fdtable_put(files);
    return 0;
}

static bool fd_revalidate(struct dentry *d)
{
    struct pid_node *n = d->inode ? node_of(d->inode) : NULL;
    struct file *f = n ? pid_file(n->process, n->fd) : NULL;

    if (f)
        file_put(f);
    return f != NULL;
}

const struct inode_ops pid_fd_ops = { .lookup = fd_lookup, .getattr = getattr,
                                      .revalidate = revalidate };
const struct inode_ops pid_fdinfo_ops = { .lookup = fdinfo_lookup, .getattr = getattr,
                                          .revalidate = revalidate };
const struct file_ops pid_fd_dir_ops = { .readdir = fd_readdir, .seek = pseudo_dir_seek };
const struct file_ops pid_fdinfo_dir_ops = { .readdir = fd_readdir, .seek = pseudo_dir_seek };

/* ---- links --------------------------------------------------------------------------------- */

static err_t link_follow(struct inode *i, struct path *out)
{
    struct pid_node *n = node_of(i);
    struct file *f;

    if (process_may_inspect(n->process))
        return -EACCES;
    if (n->fd < 0)
        return n->entry->follow(n->process, out);
    f = pid_file(n->process, n->fd);
    if (!f)
        return -ENOENT;
    *out = f->path;
    path_get(out);
    file_put(f);
    return 0;
}

static ssize_t link_readlink(struct inode *i, char *buf, size_t size)
{
    struct path path;
    char *page, *name;
    size_t n;
    err_t err = link_follow(i, &path);

    if (err)
        return err;
    page = kmalloc(PATH_BYTES);
    name = page ? path_name(&path, page, PATH_BYTES) : ERR_PTR(-ENOMEM);
    path_put(&path);
    if (IS_ERR(name)) {
        kfree(page);
        return PTR_ERR(name);
    }
    n = MIN(strlen(name), size);
    memcpy(buf, name, n);
    kfree(page);
    return (ssize_t)n;
}

const struct inode_ops pid_link_ops = { .follow = link_follow, .readlink = link_readlink,
                                        .getattr = getattr, .revalidate = revalidate };
static const struct inode_ops fd_link_ops = { .follow = link_follow, .readlink = link_readlink,
                                              .getattr = getattr, .revalidate = fd_revalidate };
static const struct inode_ops text_ops = { .getattr = getattr, .revalidate = revalidate };
const struct pid_entry pid_fd_link_entry = { .mode = S_IFLNK | 0700, .ops = &fd_link_ops };
const struct pid_entry pid_fdinfo_entry = { .mode = S_IFREG | 0400, .ops = &text_ops,
                                            .text = { .mode = 0400, .show = show_fdinfo } };

/* ---- the root ------------------------------------------------------------------------------ */

static pid_t pid_ops_next(pid_t from)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    pid_t pid = pid_next(from);

    while (pid && !process_find(pid))
        pid = pid_next(pid + 1);
    brlock_read_irqrestore(&tree_lock, flags);
    return pid;
}

static bool pid_ops_exists(pid_t pid, bool thread_of_any)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    bool found = process_find(pid) || (thread_of_any && task_find(pid));

    brlock_read_irqrestore(&tree_lock, flags);
    return found;
}

static pid_t pid_ops_self(bool thread)
{
    if (!process_current())
        return 0;
    return thread ? task_current()->id : process_current()->id;
}

/* What private writable regions could grow to, in pages. */
static uint64_t pid_ops_committed(void)
{
    uint64_t pages = 0;

    for (pid_t pid = pid_ops_next(1); pid > 0; pid = pid_ops_next(pid + 1)) {
        unsigned long flags = brlock_read_irqsave(&tree_lock);
        struct process *p = process_find(pid);

        if (p) {
            spin_lock(&p->signal_lock); /* keeps p->space */
            if (p->space)
                pages += atomic_load_relaxed(&p->space->data_pages) +
                         atomic_load_relaxed(&p->space->stack_pages);
            spin_unlock(&p->signal_lock);
        }
        brlock_read_irqrestore(&tree_lock, flags);
    }
    return pages;
}

static const struct proc_pid_ops pid_ops = { .next = pid_ops_next, .exists = pid_ops_exists,
                                             .self = pid_ops_self, .last = pid_last,
                                             .committed = pid_ops_committed,
                                             .make = make_process };

void procfs_pid_init(void)
{
    procfs_set_pid_ops(&pid_ops);
}
