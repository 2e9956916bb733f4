// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: one opening of a file: its life, and what read(2) and write(2) do above the file system.
 * Model: see vfs.h.  The position of a regular file or a directory that several descriptors or
 * threads share is kept by pos_mutex; streams have none.
 */
#include <fs/internal.h>

#include <core/panic.h>
#include <fs/notify.h>
#include <fs/pipe.h>
#include <fs/unix.h>
#include <mm/heap.h>
#include <vm/space.h>

#include <linux/capability.h>

#define DAY_NS (24 * 3600 * (int64_t)NS_PER_SEC)

static void no_hook(void)
{
}
void (*fs_sigpipe_hook)(void) = no_hook;
void (*fs_sigxfsz_hook)(void) = no_hook;

static uint64_t files; /* atomic */
uint64_t file_max; /* atomic */

uint64_t file_count(void)
{
    return atomic_load_relaxed(&files);
}

struct file *file_alloc(void)
{
    struct file *f;

    if (unlikely(atomic_load_relaxed(&files) >= atomic_load_relaxed(&file_max)) &&
        !cred_capable(cred_current(), CAP_SYS_ADMIN))
        return ERR_PTR(-ENFILE);
    f = kzalloc(sizeof *f);
    if (!f)
        return ERR_PTR(-ENOMEM);
    __atomic_fetch_add(&files, 1, __ATOMIC_RELAXED);
    ref_init(&f->refs, 1);
    mutex_init(&f->pos_mutex);
    spin_init(&f->lock, LOCK_PIPE);
    list_init(&f->epolls);
    f->cred = cred_current();
    cred_get(f->cred);
    return f;
}

static void file_destroy(struct file *f)
{
    if (!(f->fmode & FMODE_PATH))
        notify_dentry(f->path.dentry,
                      f->fmode & FMODE_WRITE ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
    if (unlikely(f->epolled)) /* even if no set has it: one may be about to let go of it */
        epoll_file_gone(f);
    if (unlikely(f->inode->flocks != NULL))
        flock_release_file(f);
    if (f->ops->release && !(f->fmode & FMODE_PATH))
        f->ops->release(f);
    if (f->fmode & FMODE_WRITER) {
        inode_write_put(f->inode);
        atomic_fetch_sub(&f->inode->sb->writers, 1);
    }
    if (f->fmode & FMODE_EXEC)
        file_allow_write(f);
    path_put(&f->path);
    cred_put(f->cred);
    kfree(f);
    __atomic_fetch_sub(&files, 1, __ATOMIC_RELAXED);
}

void file_get(struct file *f)
{
    ref_get(&f->refs);
}

void file_put(struct file *f)
{
    K_DEBUG_ASSERT(ref_read(&f->refs) < 0x40000000); /* neither freed nor given back too often */
    if (ref_put(&f->refs))
        file_destroy(f);
}

static void mapped_get(struct file *f)
{
    file_get(f);
    if (unlikely(f->ops->mapped != NULL))
        f->ops->mapped(f, 1);
}

static void mapped_put(struct file *f)
{
    if (unlikely(f->ops->mapped != NULL))
        f->ops->mapped(f, -1);
    file_put(f);
}

static const struct vm_file_ops mapped_file_ops = { .get = mapped_get, .put = mapped_put };

/* A tenth of memory at most, as Linux counts it: a KiB for each file, but never fewer than 8192. */
static uint64_t file_max_default(void)
{
    return MAX(frame_total() * (PAGE_SIZE / KiB) / 10, (uint64_t)8192);
}

/* What an opening costs beside itself: the name and inode of those that have none elsewhere. */
uint64_t file_weight(const struct file *f)
{
    const struct inode *i = f->inode;
    uint64_t bytes = 0;

    if (f->path.mount == mount_anonymous)
        bytes = sizeof *i + sizeof *f->path.dentry;
    if (file_is_pipe(f))
        bytes += pipe_weight(f);
    else if (unix_of(f))
        bytes += unix_weight(f);
    else if (i->nlink == 0 && S_ISREG(i->mode))
        bytes += atomic_load_relaxed(&i->object.pages) * PAGE_SIZE;
    return sizeof *f + bytes / MAX(ref_read(&f->path.dentry->refs), 1u);
}

void file_init(void)
{
    file_max = file_max_default();
    vm_file_ops = &mapped_file_ops;
}

void file_allow_write(struct file *f)
{
    struct inode *i = f->inode;

    spin_lock(&i->lock);
    if (f->fmode & FMODE_EXEC) {
        f->fmode &= ~(unsigned)FMODE_EXEC;
        i->deny_write--;
    }
    spin_unlock(&i->lock);
}

bool file_pos_lock(struct file *f)
{
    if (!(f->fmode & FMODE_SHARED_POS) || ref_read(&f->refs) == 1)
        return false;
    mutex_lock(&f->pos_mutex);
    return true;
}

void file_touch_read(struct file *f)
{
    struct inode *i = f->inode;
    unsigned long flags = f->path.mount->flags;

    if (unlikely(flags & (MS_NOATIME | MS_RDONLY) || f->flags & O_NOATIME))
        return;
    int64_t now = fs_now();
    if (!(flags & MS_STRICTATIME) && i->atime > i->mtime && i->atime > i->ctime &&
        now - i->atime < DAY_NS)
        return;
    spin_lock(&i->lock);
    i->atime = now;
    spin_unlock(&i->lock);
}

ssize_t file_limit(struct file *f, off_t pos, size_t n)
{
    uint64_t limit = atomic_load_relaxed(actor_current()->limit_fsize);

    if (pos < 0)
        return -EINVAL;
    if (unlikely((uint64_t)pos >= limit)) {
        fs_sigxfsz_hook();
        return -EFBIG;
    }
    if (unlikely(pos == INT64_MAX))
        return -EFBIG;
    limit = MIN(limit, (uint64_t)INT64_MAX);
    return (ssize_t)MIN((uint64_t)n, limit - (uint64_t)pos);
}

ssize_t file_read(struct file *f, struct uio *u)
{
    off_t none = 0;

    if (unlikely(!(f->fmode & FMODE_READ)))
        return -EBADF;
    if (unlikely(!f->ops->read))
        return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
    if (f->fmode & FMODE_STREAM)
        return f->ops->read(f, u, &none);
    bool locked = file_pos_lock(f);
    ssize_t n = f->ops->read(f, u, &f->pos);
    if (locked)
        mutex_unlock(&f->pos_mutex);
    return n;
}

ssize_t file_write(struct file *f, struct uio *u)
{
    off_t none = 0;

    if (unlikely(!(f->fmode & FMODE_WRITE)))
        return -EBADF;
    if (unlikely(!f->ops->write))
        return -EINVAL;
    if (f->fmode & FMODE_STREAM)
        return f->ops->write(f, u, &none);
    bool locked = file_pos_lock(f);
    ssize_t n = f->ops->write(f, u, &f->pos);
    if (locked)
        mutex_unlock(&f->pos_mutex);
    return n;
}

ssize_t file_read_at(struct file *f, void *buf, size_t n, uint64_t offset)
{
    struct uio u;
    off_t pos = (off_t)offset;

    if (!f->ops->read)
        return -EINVAL;
    uio_init_kernel(&u, buf, n);
    return f->ops->read(f, &u, &pos);
}

ssize_t file_write_at(struct file *f, const void *buf, size_t n, uint64_t offset)
{
    struct uio u;
    off_t pos = (off_t)offset;

    if (!f->ops->write)
        return -EINVAL;
    uio_init_kernel(&u, (void *)buf, n);
    return f->ops->write(f, &u, &pos);
}

/* ---- files without a name ---- */

err_t path_anonymous(const char *name, unsigned mode, struct path *out)
{
    struct superblock *sb = mount_anonymous->sb;
    struct inode *i = inode_create(sb, NULL, mode);

    if (IS_ERR(i))
        return PTR_ERR(i);
    i->fops = &no_device_ops;
    struct dentry *d = dentry_make_anonymous(sb, name, i);
    if (!d) {
        inode_put(i);
        return -ENOMEM;
    }
    mount_get(mount_anonymous);
    *out = (struct path){ mount_anonymous, d };
    return 0;
}

struct file *file_on_path(const struct path *p, const struct file_ops *ops, void *data,
                          unsigned flags)
{
    struct file *f = file_alloc();

    if (IS_ERR(f))
        return f;
    path_get(p);
    f->path = *p;
    f->inode = p->dentry->inode;
    f->ops = ops;
    f->data = data;
    f->flags = flags & ~(unsigned)O_CLOEXEC;
    f->fmode = ((flags & O_ACCMODE) + 1) & (FMODE_READ | FMODE_WRITE);
    f->fmode |= !ops->seek || ops->seek == file_seek_nowhere ? FMODE_STREAM
                                                             : FMODE_SHARED_POS | FMODE_PREAD;
    return f;
}

off_t file_seek_nowhere(struct file *f __maybe_unused, off_t offset __maybe_unused,
                        int whence __maybe_unused)
{
    return 0;
}

err_t file_create_anon(const char *name, const struct file_ops *ops, void *data, unsigned flags,
                       struct file **out)
{
    struct path p;
    err_t err = path_anonymous(name, 0600, &p);

    if (err != 0)
        return err;
    *out = file_on_path(&p, ops, data, flags);
    path_put(&p);
    return IS_ERR(*out) ? PTR_ERR(*out) : 0;
}
