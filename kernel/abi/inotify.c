// SPDX-License-Identifier: CC0-1.0
/* Purpose: inotify_init, inotify_add_watch, inotify_rm_watch.  Source: inotify(7). */
#include <abi/syscalls_gen.h>

#include <fs/fdtable.h>
#include <fs/notify.h>

#include <linux/fcntl.h>

#define MASK_KNOWN                                                                                 \
    (IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW |       \
     IN_EXCL_UNLINK | IN_MASK_ADD | IN_MASK_CREATE | IN_ISDIR | IN_ONESHOT)

long sys_inotify_init1(int flags)
{
    struct file *f;
    err_t err;
    int fd;

    if (flags & ~(IN_CLOEXEC | IN_NONBLOCK))
        return -EINVAL;
    err = notify_create((unsigned)flags & IN_NONBLOCK, &f);
    if (err)
        return err;
    fd = fd_install(f, 0, flags & IN_CLOEXEC);
    if (fd < 0)
        file_put(f);
    return fd;
}

long sys_inotify_init(void)
{
    return sys_inotify_init1(0);
}

static long add_watch(struct file *f, const char __user *path, uint32_t mask)
{
    unsigned lookup = (mask & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) |
                      (mask & IN_ONLYDIR ? LOOKUP_DIRECTORY : 0);
    struct path p;
    long ret;

    if ((mask & IN_MASK_ADD && mask & IN_MASK_CREATE) || !file_is_notify(f))
        return -EINVAL;
    ret = path_lookup_user(AT_FDCWD, path, lookup, &p);
    if (ret)
        return ret;
    ret = inode_permission(p.dentry->inode, 4 /* read */, cred_current());
    if (!ret)
        ret = notify_add(f, p.dentry->inode, mask);
    path_put(&p);
    return ret;
}

long sys_inotify_add_watch(int fd, const char __user *path, unsigned mask)
{
    struct fd f;
    long ret;

    if (mask & ~(unsigned)MASK_KNOWN || !mask)
        return -EINVAL;
    f = fd_get(fd);
    if (!f.file)
        return -EBADF;
    ret = add_watch(f.file, path, mask);
    fd_put(f);
    return ret;
}

long sys_inotify_rm_watch(int fd, int wd)
{
    struct fd f = fd_get(fd);
    err_t err;

    if (!f.file)
        return -EBADF;
    err = file_is_notify(f.file) ? notify_remove(f.file, wd) : -EINVAL;
    fd_put(f);
    return err;
}
