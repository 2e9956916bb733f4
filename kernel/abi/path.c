// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: names: making, removing, linking, renaming, mounting.
 */
#include <abi/syscalls_gen.h>

#include <abi/paths.h>
#include <fs/device.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>

#define UMOUNT_FLAGS 15 /* MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW */

err_t path_pair_get(struct path_pair *p, const char __user *a, const char __user *b)
{
    p->b = NULL;
    p->a = path_string(a, LOOKUP_EMPTY);
    if (IS_ERR(p->a))
        return PTR_ERR(p->a);
    p->b = path_string(b, LOOKUP_EMPTY);
    if (!IS_ERR(p->b))
        return 0;
    path_string_free(p->a);
    return PTR_ERR(p->b);
}

void path_pair_put(struct path_pair *p)
{
    path_string_free(p->a);
    path_string_free(p->b);
}

/* ---- making ---------------------------------------------------------------------------------- */

long sys_mkdirat(int dirfd, const char __user *path, unsigned mode)
{
    char *s = path_string(path, 0);

    if (IS_ERR(s))
        return PTR_ERR(s);
    err_t err = vfs_mkdir(dirfd, s, mode & 01777);
    path_string_free(s);
    return err;
}

long sys_mkdir(const char __user *path, unsigned mode)
{
    return sys_mkdirat(AT_FDCWD, path, mode);
}

static err_t check_node_type(unsigned mode)
{
    switch (mode & S_IFMT) {
    case 0:
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
        return 0;
    case S_IFCHR:
    case S_IFBLK:
        return cred_capable(cred_current(), CAP_MKNOD) ? 0 : -EPERM;
    case S_IFDIR:
        return -EPERM;
    default:
        return -EINVAL;
    }
}

long sys_mknodat(int dirfd, const char __user *path, unsigned mode, unsigned dev)
{
    err_t err = check_node_type(mode);

    if (err)
        return err;
    char *s = path_string(path, 0);
    if (IS_ERR(s))
        return PTR_ERR(s);
    if (!(mode & S_IFMT))
        mode |= S_IFREG;
    err = vfs_mknod(dirfd, s, mode & (S_IFMT | 07777), dev_decode(dev));
    path_string_free(s);
    return err;
}

long sys_mknod(const char __user *path, unsigned mode, unsigned dev)
{
    return sys_mknodat(AT_FDCWD, path, mode, dev);
}

long sys_symlinkat(const char __user *target, int dirfd, const char __user *path)
{
    struct path_pair p;
    err_t err = path_pair_get(&p, target, path);

    if (err)
        return err;
    err = p.a[0] == '\0' ? -ENOENT : vfs_symlink(p.a, dirfd, p.b);
    path_pair_put(&p);
    return err;
}

long sys_symlink(const char __user *target, const char __user *path)
{
    return sys_symlinkat(target, AT_FDCWD, path);
}

long sys_linkat(int olddir, const char __user *old, int newdir, const char __user *new, int flags)
{
    struct path_pair p;
    err_t err;

    if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if ((flags & AT_EMPTY_PATH) && !cred_capable(cred_current(), CAP_DAC_READ_SEARCH))
        return -ENOENT;
    err = path_pair_get(&p, old, new);
    if (err)
        return err;
    err = vfs_link(olddir, p.a, newdir, p.b, (unsigned)flags);
    path_pair_put(&p);
    return err;
}

long sys_link(const char __user *old, const char __user *new)
{
    return sys_linkat(AT_FDCWD, old, AT_FDCWD, new, 0);
}

/* ---- removing, renaming ---------------------------------------------------------------------- */

long sys_unlinkat(int dirfd, const char __user *path, int flags)
{
    if (flags & ~AT_REMOVEDIR)
        return -EINVAL;
    char *s = path_string(path, 0);
    if (IS_ERR(s))
        return PTR_ERR(s);
    err_t err = vfs_unlink(dirfd, s, flags);
    path_string_free(s);
    return err;
}

long sys_unlink(const char __user *path)
{
    return sys_unlinkat(AT_FDCWD, path, 0);
}

long sys_rmdir(const char __user *path)
{
    return sys_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

long sys_renameat2(int olddir, const char __user *old, int newdir, const char __user *new,
                   unsigned flags)
{
    struct path_pair p;
    err_t err;

    if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL; /* RENAME_WHITEOUT: no file system here has white-outs */
    if ((flags & RENAME_NOREPLACE) && (flags & RENAME_EXCHANGE))
        return -EINVAL;
    err = path_pair_get(&p, old, new);
    if (err)
        return err;
    err = vfs_rename(olddir, p.a, newdir, p.b, flags);
    path_pair_put(&p);
    return err;
}

long sys_renameat(int olddir, const char __user *old, int newdir, const char __user *new)
{
    return sys_renameat2(olddir, old, newdir, new, 0);
}

long sys_rename(const char __user *old, const char __user *new)
{
    return sys_renameat2(AT_FDCWD, old, AT_FDCWD, new, 0);
}

/* ---- symbolic links -------------------------------------------------------------------------- */

static ssize_t read_link(struct inode *i, char __user *buf, size_t size)
{
    if (!i->ops || !i->ops->readlink)
        return -EINVAL;
    char *text = kmalloc(PATH_BYTES);
    if (!text)
        return -ENOMEM;
    ssize_t n = i->ops->readlink(i, text, PATH_BYTES);
    if (n > 0 && (size_t)n > size)
        n = (ssize_t)size;
    if (n > 0 && copy_to_user(buf, text, (size_t)n))
        n = -EFAULT;
    kfree(text);
    return n;
}

static long link_read(int dirfd, const char __user *path, unsigned flags, char __user *buf, int size)
{
    struct path p;

    if (size <= 0)
        return -EINVAL;
    err_t err = path_lookup_user(dirfd, path, flags, &p);
    if (err)
        return err;
    struct inode *i = p.dentry->inode;
    long ret = S_ISLNK(i->mode) ? read_link(i, buf, (size_t)size) : -EINVAL;
    path_put(&p);
    return ret;
}

long sys_readlinkat(int dirfd, const char __user *path, char __user *buf, int size)
{
    return link_read(dirfd, path, LOOKUP_EMPTY, buf, size);
}

long sys_readlink(const char __user *path, char __user *buf, int size)
{
    return link_read(AT_FDCWD, path, 0, buf, size);
}

/* ---- mounting -------------------------------------------------------------------------------- */

/* A string that may be absent: NULL stays NULL. */
static char *optional_string(const char __user *s)
{
    return s ? path_string(s, LOOKUP_EMPTY) : NULL;
}

static void optional_free(char *s)
{
    if (s && !IS_ERR(s))
        path_string_free(s);
}

long sys_mount(const char __user *dev, const char __user *dir, const char __user *type,
               unsigned long flags, const void __user *data)
{
    if (!cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EPERM;
    if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
        flags &= ~(unsigned long)MS_MGC_MSK;
    char *kind = optional_string(type), *source = optional_string(dev);
    char *options = optional_string(data), *where = path_string(dir, 0);
    err_t err = IS_ERR(kind)      ? PTR_ERR(kind)
                : IS_ERR(source)  ? PTR_ERR(source)
                : IS_ERR(options) ? PTR_ERR(options)
                : IS_ERR(where)   ? PTR_ERR(where)
                                  : vfs_mount(source, where, kind, flags, options);

    optional_free(kind);
    optional_free(source);
    optional_free(options);
    optional_free(where);
    return err;
}

long sys_umount2(const char __user *path, int flags)
{
    if (flags & ~(UMOUNT_FLAGS))
        return -EINVAL;
    if (!cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EPERM;
    char *s = path_string(path, 0);
    if (IS_ERR(s))
        return PTR_ERR(s);
    err_t err = vfs_umount(s, flags);
    path_string_free(s);
    return err;
}

long sys_pivot_root(const char __user *new, const char __user *old)
{
    struct path_pair p;
    err_t err;

    if (!cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EPERM;
    err = path_pair_get(&p, new, old);
    if (err)
        return err;
    err = vfs_pivot_root(p.a, p.b);
    path_pair_put(&p);
    return err;
}
