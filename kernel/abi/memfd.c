// SPDX-License-Identifier: CC0-1.0
/* Purpose: memfd_create: a file of shared memory without a name in any directory. */
#include <abi/syscalls_gen.h>
#include <fs/fdtable.h>
#include <hal/usercopy.h>
#include <lib/string.h>

#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/stat.h>

#define MEMFD_PREFIX "/memfd:"
#define MEMFD_NAME_MAX (255 - (sizeof("memfd:") - 1)) /* as Linux: without the NUL */

static err_t memfd_name(const char __user *user, char *name, size_t size)
{
    ssize_t n;

    str_copy(name, MEMFD_PREFIX, size);
    n = user_copy_string(name + sizeof(MEMFD_PREFIX) - 1, user, MEMFD_NAME_MAX + 1);
    if (n < 0)
        return n;
    return n > (ssize_t)MEMFD_NAME_MAX ? -EINVAL : 0;
}

long sys_memfd_create(const char __user *user, unsigned flags)
{
    char name[sizeof(MEMFD_PREFIX) + MEMFD_NAME_MAX + 1];
    struct file *f;
    err_t err;
    int fd;

    if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING))
        return -EINVAL;
    err = memfd_name(user, name, sizeof name);
    if (err)
        return err;
    err = file_create_anon(name, &object_file_ops, NULL, O_RDWR | O_LARGEFILE, &f);
    if (err)
        return err;
    f->inode->mode = S_IFREG | 0777;
    f->inode->seals = flags & MFD_ALLOW_SEALING ? 0 : F_SEAL_SEAL;
    fd = fd_install(f, 0, flags & MFD_CLOEXEC);
    if (fd < 0)
        file_put(f);
    return fd;
}
