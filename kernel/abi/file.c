// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: opening, closing, reading and writing.
 * Model: a call finds the file, describes the user's memory as a uio, and lets the file layer do it.
 * Source: open(2), openat2(2), close_range(2), read(2), readv(2), pread(2), lseek(2).
 */
#include <abi/syscalls_gen.h>

#include <arch/layout.h>
#include <fs/fdtable.h>
#include <fs/uio.h>
#include <fs/vfs.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/stat.h>

#define OPEN_HOW_SIZE_VER0 24

/* ---- read, write ---- */

typedef ssize_t (*transfer_fn)(struct file *f, struct uio *u);

/* Does [base, base + n) lie below the end of user memory?  Linux says so before anything else. */
static inline bool user_range(const void __user *base, size_t n)
{
    return likely(USER_ADDR(base) <= USER_TOP && n <= USER_TOP - USER_ADDR(base));
}

static __always_inline long transfer(int fd, const void __user *buf, size_t count, transfer_fn move)
{
    struct fd f = fd_get(fd);
    struct uio u;
    ssize_t n;

    if (unlikely(!f.file))
        return -EBADF;
    if (unlikely(!user_range(buf, count))) {
        fd_put(f);
        return -EFAULT;
    }
    uio_init_user(&u, USER_ADDR(buf), MIN(count, UIO_BYTES_MAX));
    n = move(f.file, &u);
    fd_put(f);
    return n;
}

__hot long sys_read(int fd, char __user *buf, size_t count)
{
    return transfer(fd, buf, count, file_read);
}

__hot long sys_write(int fd, const char __user *buf, size_t count)
{
    return transfer(fd, buf, count, file_write);
}

/* ---- at a position ---- */

static ssize_t file_transfer_at(struct file *f, struct uio *u, off_t pos, bool write)
{
    if (!(f->fmode & FMODE_PREAD))
        return -ESPIPE;
    if (!(f->fmode & (write ? FMODE_WRITE : FMODE_READ)))
        return -EBADF;
    if (S_ISDIR(f->inode->mode))
        return -EISDIR;
    if (write)
        return f->ops->write ? f->ops->write(f, u, &pos) : -EINVAL;
    return f->ops->read ? f->ops->read(f, u, &pos) : -EINVAL;
}

static long transfer_at(int fd, const void __user *buf, size_t count, off_t pos, bool write)
{
    struct fd f;
    struct uio u;

    if (pos < 0)
        return -EINVAL;
    f = fd_get(fd);
    if (!f.file)
        return -EBADF;
    ssize_t n = -EFAULT;
    if (user_range(buf, count)) {
        uio_init_user(&u, USER_ADDR(buf), MIN(count, UIO_BYTES_MAX));
        n = file_transfer_at(f.file, &u, pos, write);
    }
    fd_put(f);
    return n;
}

long sys_pread64(int fd, char __user *buf, size_t count, off_t pos)
{
    return transfer_at(fd, buf, count, pos, false);
}

long sys_pwrite64(int fd, const char __user *buf, size_t count, off_t pos)
{
    return transfer_at(fd, buf, count, pos, true);
}

/* ---- vectors ---- */

#define POS_CURRENT INT64_MIN

#define APPEND 2 /* as `write`: at the end */

static ssize_t file_transfer_vector(struct file *f, struct uio *u, off_t pos, unsigned write)
{
    if (unlikely(write == APPEND))
        return pos != POS_CURRENT && !(f->fmode & FMODE_PREAD) ? -ESPIPE
                                                               : file_append(f, u, pos == POS_CURRENT);
    if (pos != POS_CURRENT)
        return file_transfer_at(f, u, pos, write);
    return write ? file_write(f, u) : file_read(f, u);
}

static long transfer_vector(int fd, const struct iovec __user *iov, int n, off_t pos,
                            unsigned write)
{
    struct iovec few[UIO_INLINE], *heap;
    struct fd f = fd_get(fd);
    struct uio u;

    if (!f.file)
        return -EBADF;
    ssize_t ret = n < 0 ? -EINVAL : uio_init_vector(&u, iov, (unsigned)n, few, &heap);
    if (ret == 0) {
        ret = file_transfer_vector(f.file, &u, pos, write);
        kfree(heap);
    }
    fd_put(f);
    return ret;
}

long sys_readv(int fd, const struct iovec __user *iov, int n)
{
    return transfer_vector(fd, iov, n, POS_CURRENT, false);
}

long sys_writev(int fd, const struct iovec __user *iov, int n)
{
    return transfer_vector(fd, iov, n, POS_CURRENT, true);
}

/* `hi` is the upper half on machines whose registers are too small for an offset. */
long sys_preadv(int fd, const struct iovec __user *iov, int n, unsigned long lo, unsigned long hi)
{
    return (off_t)lo < 0 ? -EINVAL : transfer_vector(fd, iov, n, (off_t)lo, false);
}

long sys_pwritev(int fd, const struct iovec __user *iov, int n, unsigned long lo, unsigned long hi)
{
    return (off_t)lo < 0 ? -EINVAL : transfer_vector(fd, iov, n, (off_t)lo, true);
}

/* Hints and durability mean nothing for files in memory; no file promises not to wait. */
static long transfer_flags(int fd, const struct iovec __user *iov, int n, off_t pos, int flags,
                           bool write)
{
    if (pos < -1)
        return -EINVAL;
    if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND))
        return -EOPNOTSUPP;
    return transfer_vector(fd, iov, n, pos == -1 ? POS_CURRENT : pos,
                           write && flags & RWF_APPEND ? APPEND : write);
}

long sys_preadv2(int fd, const struct iovec __user *iov, int n, unsigned long lo, unsigned long hi,
                 int flags)
{
    return transfer_flags(fd, iov, n, (off_t)lo, flags, false);
}

long sys_pwritev2(int fd, const struct iovec __user *iov, int n, unsigned long lo, unsigned long hi,
                  int flags)
{
    return transfer_flags(fd, iov, n, (off_t)lo, flags, true);
}

long sys_lseek(int fd, off_t offset, int whence)
{
    struct fd f = fd_get(fd);
    off_t ret = -ESPIPE;

    if (!f.file)
        return -EBADF;
    if (whence < 0 || whence > SEEK_MAX) {
        ret = -EINVAL;
    } else if (f.file->ops->seek) {
        bool shared = ref_read(&f.file->refs) > 1 && f.file->fmode & FMODE_SHARED_POS;

        if (shared)
            mutex_lock(&f.file->pos_mutex);
        ret = f.file->ops->seek(f.file, offset, whence);
        if (shared)
            mutex_unlock(&f.file->pos_mutex);
    }
    fd_put(f);
    return ret;
}

/* ---- open ---- */

#define OPEN_FLAGS                                                                                 \
    (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | \
     FASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH |  \
     __O_TMPFILE)

static long open_install(int dirfd, const char *name, unsigned flags, unsigned mode,
                         unsigned lookup)
{
    struct file *f;
    int fd = fd_reserve(0, flags & O_CLOEXEC);

    if (fd < 0)
        return fd;
    err_t err = file_open_lookup(dirfd, name, flags, mode, lookup, &f);
    if (unlikely(err != 0)) {
        fd_unreserve(fd);
        return err;
    }
    fd_fill(fd, f);
    return fd;
}

static long open_user(int dirfd, const char __user *path, unsigned flags, unsigned mode,
                      unsigned lookup)
{
    char *name = path_string(path, 0);

    if (IS_ERR(name))
        return PTR_ERR(name);
    long fd = open_install(dirfd, name, flags, mode, lookup);
    path_string_free(name);
    return fd;
}

long sys_openat(int dirfd, const char __user *path, int flags, unsigned mode)
{
    return open_user(dirfd, path, ((unsigned)flags & OPEN_FLAGS) | O_LARGEFILE, mode & 07777, 0);
}

long sys_open(const char __user *path, int flags, unsigned mode)
{
    return sys_openat(AT_FDCWD, path, flags, mode);
}

long sys_creat(const char __user *path, unsigned mode)
{
    return sys_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* What openat2 is stricter about than open. */
static err_t how_check(const struct open_how *how)
{
    const uint64_t resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
                             RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;

    if (how->flags & ~(uint64_t)OPEN_FLAGS || how->resolve & ~resolve)
        return -EINVAL;
    if ((how->resolve & RESOLVE_BENEATH) && (how->resolve & RESOLVE_IN_ROOT))
        return -EINVAL;
    if (how->flags & (O_CREAT | __O_TMPFILE) ? how->mode & ~07777ull : how->mode != 0)
        return -EINVAL;
    if (how->flags & O_PATH &&
        how->flags & ~(uint64_t)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
        return -EINVAL;
    if (how->resolve & RESOLVE_CACHED)
        return how->flags & (O_TRUNC | O_CREAT | __O_TMPFILE) ? -EINVAL : -EAGAIN;
    return 0;
}

static unsigned how_lookup(uint64_t resolve)
{
    unsigned lookup = 0;

    lookup |= resolve & RESOLVE_NO_XDEV ? LOOKUP_NO_XDEV : 0;
    lookup |= resolve & RESOLVE_NO_MAGICLINKS ? LOOKUP_NO_MAGICLINKS : 0;
    lookup |= resolve & RESOLVE_NO_SYMLINKS ? LOOKUP_NO_SYMLINKS : 0;
    lookup |= resolve & RESOLVE_BENEATH ? LOOKUP_BENEATH : 0;
    lookup |= resolve & RESOLVE_IN_ROOT ? LOOKUP_IN_ROOT : 0;
    return lookup;
}

/* A structure that grows: bytes beyond what we know must be 0. */
static err_t how_copy(struct open_how *how, const struct open_how __user *from, size_t size)
{
    char rest[64];

    if (size < OPEN_HOW_SIZE_VER0)
        return -EINVAL;
    if (size > PAGE_SIZE)
        return -E2BIG;
    memset(how, 0, sizeof *how);
    if (copy_from_user(how, from, MIN(size, sizeof *how)) != 0)
        return -EFAULT;
    for (size_t at = sizeof *how; at < size;) {
        size_t n = MIN(size - at, sizeof rest);

        if (copy_from_user(rest, (const char __user *)from + at, n) != 0)
            return -EFAULT;
        for (size_t i = 0; i < n; i++)
            if (rest[i])
                return -E2BIG;
        at += n;
    }
    return 0;
}

long sys_openat2(int dirfd, const char __user *path, struct open_how __user *uhow, size_t size)
{
    struct open_how how;
    err_t err = how_copy(&how, uhow, size);

    if (err == 0)
        err = how_check(&how);
    if (err != 0)
        return err;
    return open_user(dirfd, path, (unsigned)how.flags | O_LARGEFILE, (unsigned)how.mode,
                     how_lookup(how.resolve));
}

/* ---- close ---- */

long sys_close(int fd)
{
    return fd_close(fd);
}

/* Gives the caller a table of its own. */
static err_t table_unshare(void)
{
    struct actor *a = actor_current();
    struct fdtable *old = a->files, *mine;

    if (!fdtable_shared(old))
        return 0;
    mine = fdtable_copy(old);
    if (!mine)
        return -ENOMEM;
    a->files = mine;
    fdtable_put(old);
    return 0;
}

long sys_close_range(unsigned first, unsigned last, unsigned flags)
{
    struct fdtable *t;
    err_t err = 0;

    if (flags & ~(unsigned)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
        return -EINVAL;
    if (flags & CLOSE_RANGE_UNSHARE)
        err = table_unshare();
    if (err != 0 || first > INT_MAX)
        return err;
    t = actor_current()->files;
    for (int fd = fdtable_next(t, (int)first); fd >= 0 && (unsigned)fd <= last;
         fd = fdtable_next(t, fd + 1)) {
        if (flags & CLOSE_RANGE_CLOEXEC)
            fd_cloexec(fd, 1);
        else if (fd_close(fd) != 0)
            continue; /* another thread was faster */
    }
    return 0;
}
