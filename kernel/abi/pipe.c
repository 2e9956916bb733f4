// SPDX-License-Identifier: CC0-1.0
/* Purpose: pipe, pipe2.  Source: pipe(2). */
#include <abi/syscalls_gen.h>

#include <fs/fdtable.h>
#include <fs/pipe.h>
#include <hal/usercopy.h>

#include <linux/fcntl.h>

/* Takes the files over; the numbers reach the caller before anybody can use them. */
static err_t pipe_install(struct file *end[2], bool cloexec, int __user *out)
{
    int fds[2];

    fds[0] = fd_reserve(0, cloexec);
    if (fds[0] < 0)
        return fds[0];
    fds[1] = fd_reserve(0, cloexec);
    err_t err = fds[1] < 0 ? fds[1] : copy_to_user(out, fds, sizeof fds);
    if (err != 0) {
        fd_unreserve(fds[0]);
        if (fds[1] >= 0)
            fd_unreserve(fds[1]);
        return err;
    }
    fd_fill(fds[0], end[0]);
    fd_fill(fds[1], end[1]);
    return 0;
}

long sys_pipe2(int __user *fds, int flags)
{
    struct file *end[2];
    err_t err;

    if (flags & ~(O_CLOEXEC | O_NONBLOCK))
        return -EINVAL; /* packets (O_DIRECT) among them */
    err = pipe_create((unsigned)flags & O_NONBLOCK, end);
    if (err != 0)
        return err;
    err = pipe_install(end, flags & O_CLOEXEC, fds);
    if (err != 0) {
        file_put(end[0]);
        file_put(end[1]);
    }
    return err;
}

long sys_pipe(int __user *fds)
{
    return sys_pipe2(fds, 0);
}
