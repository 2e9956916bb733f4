// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: opening, reading, writing, seeking, closing.  Source: open(2), openat2(2), read(2), readv(2), lseek(2).
 */
#include <abi/syscalls_gen.h>

#include <fs/fdtable.h>
#include <fs/internal.h>
#include <fs/uio.h>
#include <mm/heap.h>

#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>

#define IO_MAX (INT_MAX & PAGE_MASK) /* what one call moves at most */
#define OPEN_FLAGS                                                                                 \
    (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC |         \
     O_SYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | \
     O_TMPFILE | FASYNC)

/* ---- opening --------------------------------------------------------------------------------- */

static long open_name(int dirfd, const char __user *path, unsigned flags, unsigned mode,
                      unsigned lookup)
{
    char *name = path_string(path, 0);
    struct file *f;

    if (IS_ERR(name))
        return PTR_ERR(name);
    int fd = fd_reserve(0, flags & O_CLOEXEC);
    if (fd >= 0) {
        err_t err = path_open(NULL, dirfd, name, flags, mode, lookup, &f);
        if (err) {
            fd_unreserve(fd);
            fd = err;
        } else {
            fd_fill(fd, f);
        }
    }
    path_string_free(name);
    return fd;
}

long sys_openat(int dirfd, const char __user *path, int flags, unsigned mode)
{
    /* Unknown flags are ignored by open(2), as they always were: openat2 is for who must know. */
    return open_name(dirfd, path, ((unsigned)flags & OPEN_FLAGS) | O_LARGEFILE, mode & 07777, 0);
}

long sys_open(const char __user *path, int flags, unsigned mode)
{
    return sys_openat(AT_FDCWD, path, flags, mode);
}

long sys_creat(const char __user *path, unsigned mode)
{
    return sys_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

static unsigned resolve_flags(uint64_t resolve)
{
    return (resolve & RESOLVE_NO_SYMLINKS ? LOOKUP_NO_SYMLINKS : 0) |
           (resolve & RESOLVE_BENEATH ? LOOKUP_BENEATH : 0) |
           (resolve & RESOLVE_IN_ROOT ? LOOKUP_IN_ROOT : 0) |
           (resolve & RESOLVE_NO_XDEV ? LOOKUP_NO_XDEV : 0) |
           (resolve & RESOLVE_NO_MAGICLINKS ? LOOKUP_NO_MAGICLINKS : 0);
}

long sys_openat2(int dirfd, const char __user *path, struct open_how __user *how, size_t size)
{
    struct open_how h;

    if (size < sizeof h)
        return -EINVAL;
    if (size > PAGE_SIZE)
        return -E2BIG;
    for (size_t at = sizeof h; at < size; at++) {
        char c;
        if (copy_from_user(&c, (const char __user *)how + at, 1))
            return -EFAULT;
        if (c)
            return -E2BIG;
    }
    if (copy_from_user(&h, how, sizeof h))
        return -EFAULT;
    const uint64_t known = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT |
                           RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
    if (h.flags & ~(uint64_t)OPEN_FLAGS || h.resolve & ~known || h.mode & ~07777ull)
        return -EINVAL;
    bool makes = (h.flags & O_CREAT) || (h.flags & O_TMPFILE) == O_TMPFILE;
    if ((!makes && h.mode) || ((h.resolve & RESOLVE_BENEATH) && (h.resolve & RESOLVE_IN_ROOT)))
        return -EINVAL;
    return open_name(dirfd, path, (unsigned)h.flags | O_LARGEFILE, (unsigned)h.mode,
                     resolve_flags(h.resolve));
}

long sys_close(int fd)
{
    return fd_close(fd);
}

/* ---- reading and writing --------------------------------------------------------------------- */

long sys_read(int fd, char __user *buf, size_t count)
{
    struct fd f = fd_get(fd);
    struct uio u;

    if (unlikely(!f.file))
        return -EBADF;
    uio_init_user(&u, USER_ADDR(buf), MIN(count, (size_t)IO_MAX));
    long n = (ssize_t)count < 0 ? -EINVAL : file_read(f.file, &u);
    fd_put(f);
    return n;
}

long sys_write(int fd, const char __user *buf, size_t count)
{
    struct fd f = fd_get(fd);
    struct uio u;

    if (unlikely(!f.file))
        return -EBADF;
    uio_init_user(&u, USER_ADDR(buf), MIN(count, (size_t)IO_MAX));
    long n = (ssize_t)count < 0 ? -EINVAL : file_write(f.file, &u);
    fd_put(f);
    return n;
}

/* At an offset, without the position. */
static ssize_t transfer_at(struct file *f, struct uio *u, off_t pos, bool write)
{
    if (pos < 0)
        return -EINVAL;
    if (!(f->fmode & FMODE_PREAD))
        return -ESPIPE;
    if (!(f->fmode & (write ? FMODE_WRITE : FMODE_READ)))
        return -EBADF;
    if (write)
        return f->ops->write ? f->ops->write(f, u, &pos) : -EINVAL;
    if (f->ops->read)
        return f->ops->read(f, u, &pos);
    return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
}

static long one_at(int fd, vaddr_t buf, size_t count, off_t pos, bool write)
{
    struct fd f;
    struct uio u;

    if (pos < 0)
        return -EINVAL;
    f = fd_get(fd);
    if (unlikely(!f.file))
        return -EBADF;
    uio_init_user(&u, buf, MIN(count, (size_t)IO_MAX));
    long n = transfer_at(f.file, &u, pos, write);
    fd_put(f);
    return n;
}

long sys_pread64(int fd, char __user *buf, size_t count, off_t pos)
{
    return one_at(fd, USER_ADDR(buf), count, pos, false);
}

long sys_pwrite64(int fd, const char __user *buf, size_t count, off_t pos)
{
    return one_at(fd, USER_ADDR(buf), count, pos, true);
}

/* pos NULL: the file's position. */
static long vector(int fd, const struct iovec __user *iov, int n, const off_t *pos, bool write)
{
    struct iovec fast[UIO_INLINE], *heap = NULL;
    struct fd f = fd_get(fd);
    struct uio u;

    if (!f.file)
        return -EBADF;
    long ret = n < 0 ? -EINVAL : uio_init_vector(&u, iov, (unsigned)n, fast, &heap);
    if (!ret && pos)
        ret = transfer_at(f.file, &u, *pos, write);
    else if (!ret)
        ret = write ? file_write(f.file, &u) : file_read(f.file, &u);
    kfree(heap);
    fd_put(f);
    return ret;
}

long sys_readv(int fd, const struct iovec __user *iov, int n)
{
    return vector(fd, iov, n, NULL, false);
}

long sys_writev(int fd, const struct iovec __user *iov, int n)
{
    return vector(fd, iov, n, NULL, true);
}

/* The offset comes in two halves; on 64-bit machines the first is all of it. */
long sys_preadv(int fd, const struct iovec __user *iov, int n, unsigned long lo, unsigned long hi)
{
    off_t pos = (off_t)lo;

    return pos < 0 ? -EINVAL : vector(fd, iov, n, &pos, false);
}

long sys_pwritev(int fd, const struct iovec __user *iov, int n, unsigned long lo, unsigned long hi)
{
    off_t pos = (off_t)lo;

    return pos < 0 ? -EINVAL : vector(fd, iov, n, &pos, true);
}

static long vector2(int fd, const struct iovec __user *iov, int n, off_t pos, int flags, bool write)
{
    if (flags)
        return -EOPNOTSUPP; /* RWF_*: none is supported */
    if (pos < -1)
        return -EINVAL;
    return vector(fd, iov, n, pos == -1 ? NULL : &pos, write);
}

long sys_preadv2(int fd, const struct iovec __user *iov, int n, unsigned long lo, unsigned long hi,
                 int flags)
{
    return vector2(fd, iov, n, (off_t)lo, flags, false);
}

long sys_pwritev2(int fd, const struct iovec __user *iov, int n, unsigned long lo,
                  unsigned long hi, int flags)
{
    return vector2(fd, iov, n, (off_t)lo, flags, true);
}

long sys_lseek(int fd, off_t offset, int whence)
{
    struct fd f = fd_get(fd);

    if (!f.file)
        return -EBADF;
    bool locked = file_pos_lock(f.file);
    long ret = whence < SEEK_SET || whence > SEEK_MAX ? -EINVAL
               : f.file->ops->seek                    ? f.file->ops->seek(f.file, offset, whence)
                                                      : -ESPIPE;
    if (locked)
        mutex_unlock(&f.file->pos_mutex);
    fd_put(f);
    return ret;
}
