// SPDX-License-Identifier: CC0-1.0
/* Purpose: the system calls of epoll; the sets themselves are in fs/epoll.c.  Source: epoll(7). */
#include <abi/syscalls_gen.h>

#include <abi/time_convert.h>
#include <fs/epoll.h>
#include <fs/fdtable.h>
#include <hal/usercopy.h>
#include <proc/signal.h>
#include <sched/clock.h>

#include <linux/fcntl.h>

#define EVENTS_MAX (INT_MAX / (int)sizeof(struct epoll_event))

long sys_epoll_create1(int flags)
{
    struct file *f;

    if (flags & ~EPOLL_CLOEXEC)
        return -EINVAL;
    int fd = fd_reserve(0, flags & EPOLL_CLOEXEC);
    if (fd < 0)
        return fd;
    err_t err = epoll_create_file(0, &f);
    if (err != 0) {
        fd_unreserve(fd);
        return err;
    }
    fd_fill(fd, f);
    return fd;
}

long sys_epoll_create(int size)
{
    return size <= 0 ? -EINVAL : sys_epoll_create1(0);
}

long sys_epoll_ctl(int epfd, int op, int fd, struct epoll_event __user *uevent)
{
    struct epoll_event e = { 0 };
    err_t err = -EBADF;

    if (op != EPOLL_CTL_DEL && copy_from_user(&e, uevent, sizeof e) != 0)
        return -EFAULT;
    struct fd ep = fd_get(epfd);
    struct fd f = fd_get(fd);
    if (ep.file && f.file)
        err = epoll_control(ep.file, op, f.file, fd, &e);
    fd_put(f);
    fd_put(ep);
    return err;
}

static long wait_events(int epfd, struct epoll_event __user *events, int max, ns_t deadline)
{
    struct fd ep;
    long ret = -EINVAL;

    if (max <= 0 || max > EVENTS_MAX)
        return -EINVAL;
    ep = fd_get(epfd);
    if (!ep.file)
        return -EBADF;
    if (file_is_epoll(ep.file))
        ret = epoll_wait_events(ep.file, events, max, deadline);
    fd_put(ep);
    return ret == -ERESTARTSYS ? -EINTR : ret; /* never restarted: signal(7) */
}

static ns_t deadline_ms(int timeout)
{
    if (timeout <= 0)
        return timeout < 0 ? NS_NEVER : 0;
    return deadline_after(clock_monotonic(), timeout * (int64_t)NS_PER_MSEC);
}

long sys_epoll_wait(int epfd, struct epoll_event __user *events, int max, int timeout)
{
    return wait_events(epfd, events, max, deadline_ms(timeout));
}

static long wait_masked(int epfd, struct epoll_event __user *events, int max, ns_t deadline,
                        const sigset_t __user *mask, size_t size)
{
    uint64_t set;

    if (!mask)
        return wait_events(epfd, events, max, deadline);
    if (size != sizeof set)
        return -EINVAL;
    err_t err = user_load_u64((const uint64_t __user *)mask, &set);
    if (err != 0)
        return err;
    signal_mask_begin(set);
    long ret = wait_events(epfd, events, max, deadline);
    signal_mask_end(ret == -EINTR);
    return ret;
}

long sys_epoll_pwait(int epfd, struct epoll_event __user *events, int max, int timeout,
                     const sigset_t __user *mask, size_t size)
{
    return wait_masked(epfd, events, max, deadline_ms(timeout), mask, size);
}

long sys_epoll_pwait2(int epfd, struct epoll_event __user *events, int max,
                      const struct __kernel_timespec __user *timeout, const sigset_t __user *mask,
                      size_t size)
{
    ns_t deadline = NS_NEVER;
    int64_t ns;

    if (timeout) {
        err_t err = timespec_read(timeout, &ns);

        if (err != 0)
            return err;
        deadline = ns == 0 ? 0 : deadline_after(clock_monotonic(), ns);
    }
    return wait_masked(epfd, events, max, deadline, mask, size);
}
