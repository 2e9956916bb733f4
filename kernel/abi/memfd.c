// SPDX-License-Identifier: CC0-1.0
/* Purpose: memfd_create.  Source: memfd_create(2). */
#include <abi/syscalls_gen.h>

#include <fs/fdtable.h>
#include <fs/memfd.h>
#include <hal/usercopy.h>

#include <linux/memfd.h>

#define MEMFD_NAME_MAX 249 /* NAME_MAX less "memfd:" */

long sys_memfd_create(const char __user *uname, unsigned flags)
{
    char name[MEMFD_NAME_MAX + 1];
    struct file *f;

    if (flags & ~(unsigned)(MFD_CLOEXEC | MFD_ALLOW_SEALING))
        return -EINVAL; /* huge pages among them */
    ssize_t n = user_copy_string(name, uname, sizeof name);
    if (n < 0)
        return n;
    if (n > MEMFD_NAME_MAX)
        return -EINVAL;
    int fd = fd_reserve(0, flags & MFD_CLOEXEC);
    if (fd < 0)
        return fd;
    err_t err = memfd_create_file(name, flags & MFD_ALLOW_SEALING, &f);
    if (err != 0) {
        fd_unreserve(fd);
        return err;
    }
    fd_fill(fd, f);
    return fd;
}
