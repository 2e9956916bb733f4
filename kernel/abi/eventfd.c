// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: eventfd: a counter that is waited for.
 * Locking: lock (LOCK_PIPE) for count; predicates read it without.
 * Source: eventfd(2).
 */
#include <abi/syscalls_gen.h>

#include <fs/fdtable.h>
#include <fs/poll.h>
#include <hal/usercopy.h>
#include <mm/heap.h>

#include <linux/fcntl.h>
#include <linux/poll.h>

#define EFD_SEMAPHORE 1
#define EFD_CLOEXEC O_CLOEXEC
#define EFD_NONBLOCK O_NONBLOCK
#define COUNT_MAX (UINT64_MAX - 1)

struct eventfd {
    struct spinlock lock;
    uint64_t count; /* lock */
    bool semaphore; /* constant */
    struct waitq wait;
};

/* Takes what a read takes.  Return: 0 when there is nothing. */
static uint64_t count_take(struct eventfd *e)
{
    spin_lock(&e->lock);
    uint64_t n = e->semaphore && e->count ? 1 : e->count;

    e->count -= n;
    spin_unlock(&e->lock);
    return n;
}

static ssize_t eventfd_read(struct file *f, struct uio *u, off_t *pos)
{
    struct eventfd *e = f->data;
    uint64_t n;

    if (u->left < sizeof n)
        return -EINVAL;
    while ((n = count_take(e)) == 0) {
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        err_t err = wait_event_intr(&e->wait, atomic_load(&e->count) != 0);
        if (err != 0)
            return err;
    }
    if (waitq_active(&e->wait))
        waitq_wake(&e->wait, UINT_MAX, POLLOUT | POLLWRNORM);
    return uio_copy_to(u, &n, sizeof n) < sizeof n ? -EFAULT : (ssize_t)sizeof n;
}

static bool count_add(struct eventfd *e, uint64_t n)
{
    spin_lock(&e->lock);
    bool fits = n <= COUNT_MAX - e->count;

    if (fits)
        e->count += n;
    spin_unlock(&e->lock);
    return fits;
}

static ssize_t eventfd_write(struct file *f, struct uio *u, off_t *pos)
{
    struct eventfd *e = f->data;
    uint64_t n;

    if (u->left < sizeof n)
        return -EINVAL;
    if (uio_copy_from(u, &n, sizeof n) < sizeof n)
        return -EFAULT;
    if (n == UINT64_MAX)
        return -EINVAL;
    while (!count_add(e, n)) {
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        err_t err = wait_event_intr(&e->wait, n <= COUNT_MAX - atomic_load(&e->count));
        if (err != 0)
            return err;
    }
    if (waitq_active(&e->wait))
        waitq_wake(&e->wait, UINT_MAX, POLLIN | POLLRDNORM);
    return sizeof n;
}

static unsigned eventfd_poll(struct file *f, struct poll_table *pt)
{
    struct eventfd *e = f->data;

    poll_wait(pt, f, &e->wait);
    uint64_t n = atomic_load(&e->count);
    return (n ? POLLIN | POLLRDNORM : 0) | (n < COUNT_MAX ? POLLOUT | POLLWRNORM : 0);
}

static void eventfd_release(struct file *f)
{
    kfree(f->data);
}

static const struct file_ops eventfd_ops = { .read = eventfd_read, .write = eventfd_write,
                                             .poll = eventfd_poll, .release = eventfd_release,
                                             .seek = file_seek_nowhere };

long sys_eventfd2(unsigned count, int flags)
{
    struct eventfd *e;
    struct file *f;

    if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
        return -EINVAL;
    int fd = fd_reserve(0, flags & EFD_CLOEXEC);
    if (fd < 0)
        return fd;
    e = kzalloc(sizeof *e);
    err_t err = -ENOMEM;
    if (e) {
        spin_init(&e->lock, LOCK_PIPE);
        waitq_init(&e->wait);
        e->count = count;
        e->semaphore = flags & EFD_SEMAPHORE;
        err = file_create_anon("anon_inode:[eventfd]", &eventfd_ops, e,
                               O_RDWR | ((unsigned)flags & EFD_NONBLOCK), &f);
    }
    if (err != 0) {
        kfree(e);
        fd_unreserve(fd);
        return err;
    }
    fd_fill(fd, f);
    return fd;
}

long sys_eventfd(unsigned count)
{
    return sys_eventfd2(count, 0);
}
