// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: sendfile, copy_file_range, splice, tee, vmsplice.
 * Source: the man pages of the same names.
 */
#include <abi/syscalls_gen.h>

#include <fs/fdtable.h>
#include <fs/pipe.h>
#include <fs/splice.h>
#include <hal/usercopy.h>
#include <mm/heap.h>

#include <linux/fcntl.h>
#include <linux/stat.h>

#define SPLICE_F_MOVE 1u
#define SPLICE_F_NONBLOCK 2u
#define SPLICE_F_MORE 4u
#define SPLICE_F_GIFT 8u
#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

struct two {
    struct fd in, out;
};

static err_t two_get(struct two *t, int in, int out)
{
    t->in = fd_get(in);
    t->out = fd_get(out);
    return t->in.file && t->out.file ? 0 : -EBADF;
}

static void two_put(struct two *t)
{
    fd_put(t->in);
    fd_put(t->out);
}

/* An offset of the caller; *at is NULL when it gave none. */
static err_t offset_in(const off_t __user *user, struct file *f, off_t *value, off_t **at)
{
    uint64_t v;

    *at = NULL;
    if (!user)
        return 0;
    if (!(f->fmode & FMODE_PREAD))
        return -ESPIPE;
    if (user_load_u64((const uint64_t __user *)user, &v) != 0)
        return -EFAULT;
    *value = (off_t)v;
    *at = value;
    return *value < 0 ? -EINVAL : 0;
}

static err_t offset_out(off_t __user *user, off_t value)
{
    return user ? user_store_u64((uint64_t __user *)user, (uint64_t)value) : 0;
}

static ssize_t transfer(struct two *t, off_t __user *in_off, off_t __user *out_off, size_t n,
                        bool nonblock)
{
    off_t in, out, *in_at, *out_at;
    err_t err = offset_in(in_off, t->in.file, &in, &in_at);

    if (err == 0)
        err = offset_in(out_off, t->out.file, &out, &out_at);
    if (err != 0)
        return err;
    ssize_t got = file_transfer(t->in.file, in_at, t->out.file, out_at, MIN(n, UIO_BYTES_MAX),
                                nonblock);
    if (got >= 0 && (offset_out(in_off, in) != 0 || offset_out(out_off, out) != 0))
        return -EFAULT;
    return got;
}

long sys_sendfile(int out, int in, off_t __user *offset, size_t count)
{
    struct two t;
    ssize_t n = two_get(&t, in, out);

    if (n == 0 && (!(t.in.file->fmode & FMODE_READ) || !(t.out.file->fmode & FMODE_WRITE)))
        n = -EBADF;
    else if (n == 0 && (t.out.file->flags & O_APPEND || !(t.in.file->fmode & FMODE_PREAD)))
        n = -EINVAL;
    if (n == 0)
        n = transfer(&t, offset, NULL, count, t.out.file->flags & O_NONBLOCK);
    two_put(&t);
    return n;
}

static err_t copy_range_check(const struct two *t)
{
    const struct file *in = t->in.file, *out = t->out.file;

    if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
        return -EISDIR;
    if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode))
        return -EINVAL;
    if (!(in->fmode & FMODE_READ) || !(out->fmode & FMODE_WRITE) || out->flags & O_APPEND)
        return -EBADF;
    return 0;
}

/* Source and target of one file must not overlap. */
static err_t copy_range_overlap(const struct two *t, const off_t __user *in_off,
                                const off_t __user *out_off, size_t n)
{
    off_t in, out, *in_at, *out_at;
    err_t err;

    if (t->in.file->inode != t->out.file->inode)
        return 0;
    err = offset_in(in_off, t->in.file, &in, &in_at);
    if (err == 0)
        err = offset_in(out_off, t->out.file, &out, &out_at);
    if (err != 0)
        return err;
    off_t a = in_at ? in : t->in.file->pos, b = out_at ? out : t->out.file->pos;
    return (a < b ? (size_t)(b - a) : (size_t)(a - b)) < n ? -EINVAL : 0;
}

long sys_copy_file_range(int in, off_t __user *in_off, int out, off_t __user *out_off, size_t count,
                         unsigned flags)
{
    struct two t;
    ssize_t n = two_get(&t, in, out);

    if (n == 0)
        n = flags ? -EINVAL : copy_range_check(&t);
    if (n == 0)
        n = copy_range_overlap(&t, in_off, out_off, count);
    if (n == 0)
        n = transfer(&t, in_off, out_off, count, false);
    two_put(&t);
    return n;
}

long sys_splice(int in, off_t __user *in_off, int out, off_t __user *out_off, size_t count,
                unsigned flags)
{
    struct two t;
    ssize_t n;

    if (flags & ~SPLICE_FLAGS)
        return -EINVAL;
    if (count == 0)
        return 0;
    n = two_get(&t, in, out);
    if (n == 0) {
        bool from = file_is_pipe(t.in.file), to = file_is_pipe(t.out.file);

        if ((from && in_off) || (to && out_off))
            n = -ESPIPE;
        else if ((!from && !to) || t.in.file->inode == t.out.file->inode ||
                 t.out.file->flags & O_APPEND)
            n = -EINVAL;
        else
            n = transfer(&t, in_off, out_off, count, flags & SPLICE_F_NONBLOCK);
    }
    two_put(&t);
    return n;
}

long sys_tee(int in, int out, size_t count, unsigned flags)
{
    struct two t;
    ssize_t n;

    if (flags & ~SPLICE_FLAGS)
        return -EINVAL;
    if (count == 0)
        return 0;
    n = two_get(&t, in, out);
    if (n == 0 && (!(t.in.file->fmode & FMODE_READ) || !(t.out.file->fmode & FMODE_WRITE)))
        n = -EBADF;
    if (n == 0)
        n = pipe_tee(t.in.file, t.out.file, count, flags & SPLICE_F_NONBLOCK, false);
    two_put(&t);
    return n;
}

/* As much as there is room for: it waits for the first byte's room alone. */
static ssize_t pages_in(struct file *pipe, struct uio *u, bool nonblock)
{
    ssize_t room = u->left ? pipe_room(pipe, nonblock) : 0;

    if (room <= 0)
        return room;
    u->left = MIN(u->left, (size_t)room);
    return file_write(pipe, u);
}

/* The pages are copied; SPLICE_F_GIFT allows that. */
long sys_vmsplice(int fd, const struct iovec __user *iov, unsigned long count, unsigned flags)
{
    struct iovec few[UIO_INLINE], *heap;
    struct fd f;
    struct uio u;
    ssize_t n = -EBADF;

    if (flags & ~SPLICE_FLAGS)
        return -EINVAL;
    f = fd_get(fd);
    if (f.file && file_is_pipe(f.file)) {
        n = count > UIO_MAXIOV ? -EINVAL : uio_init_vector(&u, iov, (unsigned)count, few, &heap);
        if (n == 0) {
            n = f.file->fmode & FMODE_WRITE ? pages_in(f.file, &u, flags & SPLICE_F_NONBLOCK)
                                            : file_read(f.file, &u);
            kfree(heap);
        }
    }
    fd_put(f);
    return n;
}
