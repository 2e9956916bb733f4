// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what a file is: stat, statx, statfs, access.  Source: stat(2), statx(2), access(2).
 */
#include <abi/syscalls_gen.h>

#include <abi/paths.h>
#include <fs/device.h>
#include <fs/fdtable.h>
#include <lib/string.h>

#include <asm/stat.h>
#include <asm/statfs.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#define NS(t) ((uint64_t)((t) % (int64_t)NS_PER_SEC))
#define SECONDS(t) ((t) / (int64_t)NS_PER_SEC)
#define F_OK_MODES 7

static void inode_refresh(struct inode *i)
{
    if (i->ops && i->ops->getattr)
        i->ops->getattr(i);
}

/* Bytes and 512-byte blocks that `i` shows. */
static uint64_t inode_bytes(struct inode *i)
{
    return atomic_load_relaxed(&i->object.size);
}

static uint64_t inode_blocks(struct inode *i)
{
    return atomic_load_relaxed(&i->object.pages) * (PAGE_SIZE / 512);
}

static long put_stat(struct inode *i, struct stat __user *to)
{
    struct stat st;

    inode_refresh(i);
    memset(&st, 0, sizeof st);
    st.st_dev = dev_encode(i->sb->dev);
    st.st_ino = i->ino;
    st.st_mode = i->mode;
    st.st_nlink = i->nlink;
    st.st_uid = i->uid;
    st.st_gid = i->gid;
    st.st_rdev = dev_encode(i->rdev);
    st.st_size = (long)inode_bytes(i);
    st.st_blksize = PAGE_SIZE;
    st.st_blocks = (long)inode_blocks(i);
    st.st_atime = (unsigned long)SECONDS(i->atime);
    st.st_atime_nsec = NS(i->atime);
    st.st_mtime = (unsigned long)SECONDS(i->mtime);
    st.st_mtime_nsec = NS(i->mtime);
    st.st_ctime = (unsigned long)SECONDS(i->ctime);
    st.st_ctime_nsec = NS(i->ctime);
    return copy_to_user(to, &st, sizeof st);
}

static long stat_path(int dirfd, const char __user *path, unsigned lookup, struct stat __user *st)
{
    struct path p;
    err_t err = path_lookup_user(dirfd, path, lookup, &p);

    if (err)
        return err;
    long ret = put_stat(p.dentry->inode, st);
    path_put(&p);
    return ret;
}

long sys_stat(const char __user *path, struct stat __user *st)
{
    return stat_path(AT_FDCWD, path, LOOKUP_FOLLOW, st);
}

long sys_lstat(const char __user *path, struct stat __user *st)
{
    return stat_path(AT_FDCWD, path, 0, st);
}

long sys_fstat(int fd, struct stat __user *st)
{
    struct fd f = fd_get_raw(fd);

    if (!f.file)
        return -EBADF;
    long ret = put_stat(f.file->inode, st);
    fd_put(f);
    return ret;
}

/* AT_EMPTY_PATH with an empty string: the descriptor itself, without a walk. */
static bool names_descriptor(int dirfd, const char __user *path, int flags)
{
    char first;

    return (flags & AT_EMPTY_PATH) && dirfd >= 0 && user_copy_in(&first, path, 1) == 0 &&
           first == '\0';
}

static unsigned lookup_flags(int at_flags)
{
    return (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
           (at_flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
}

long sys_newfstatat(int dirfd, const char __user *path, struct stat __user *st, int flags)
{
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH))
        return -EINVAL;
    if (names_descriptor(dirfd, path, flags))
        return sys_fstat(dirfd, st);
    return stat_path(dirfd, path, lookup_flags(flags), st);
}

static struct statx_timestamp timestamp(int64_t t)
{
    return (struct statx_timestamp){ .tv_sec = SECONDS(t), .tv_nsec = (uint32_t)NS(t) };
}

static long put_statx(const struct path *p, struct inode *i, unsigned mask,
                      struct statx __user *to)
{
    struct statx x;

    inode_refresh(i);
    memset(&x, 0, sizeof x);
    x.stx_mask = STATX_BASIC_STATS | (mask & STATX_MNT_ID);
    x.stx_blksize = PAGE_SIZE;
    x.stx_nlink = i->nlink;
    x.stx_uid = i->uid;
    x.stx_gid = i->gid;
    x.stx_mode = (uint16_t)i->mode;
    x.stx_ino = i->ino;
    x.stx_size = inode_bytes(i);
    x.stx_blocks = inode_blocks(i);
    x.stx_atime = timestamp(i->atime);
    x.stx_mtime = timestamp(i->mtime);
    x.stx_ctime = timestamp(i->ctime);
    x.stx_rdev_major = DEV_MAJOR(i->rdev);
    x.stx_rdev_minor = DEV_MINOR(i->rdev);
    x.stx_dev_major = DEV_MAJOR(i->sb->dev);
    x.stx_dev_minor = DEV_MINOR(i->sb->dev);
    x.stx_mnt_id = p->mount->id;
    x.stx_attributes_mask = STATX_ATTR_MOUNT_ROOT;
    if (p->dentry == p->mount->root)
        x.stx_attributes |= STATX_ATTR_MOUNT_ROOT;
    return copy_to_user(to, &x, sizeof x);
}

long sys_statx(int dirfd, const char __user *path, int flags, unsigned mask,
               struct statx __user *st)
{
    struct path p;

    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
        return -EINVAL;
    if (mask & STATX__RESERVED || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
        return -EINVAL;
    if (names_descriptor(dirfd, path, flags)) {
        struct fd f = fd_get_raw(dirfd);
        if (!f.file)
            return -EBADF;
        long ret = put_statx(&f.file->path, f.file->inode, mask, st);
        fd_put(f);
        return ret;
    }
    err_t err = path_lookup_user(dirfd, path, lookup_flags(flags), &p);
    if (err)
        return err;
    long ret = put_statx(&p, p.dentry->inode, mask, st);
    path_put(&p);
    return ret;
}

static long put_statfs(const struct path *p, struct statfs __user *to)
{
    struct statfs st;

    vfs_statfs(p, &st);
    return copy_to_user(to, &st, sizeof st);
}

long sys_statfs(const char __user *path, struct statfs __user *buf)
{
    struct path p;
    err_t err = path_lookup_user(AT_FDCWD, path, LOOKUP_FOLLOW, &p);

    if (err)
        return err;
    long ret = put_statfs(&p, buf);
    path_put(&p);
    return ret;
}

long sys_fstatfs(int fd, struct statfs __user *buf)
{
    struct fd f = fd_get_raw(fd);

    if (!f.file)
        return -EBADF;
    long ret = put_statfs(&f.file->path, buf);
    fd_put(f);
    return ret;
}

/* ---- access ---------------------------------------------------------------------------------- */

/*
 * access(2) asks for the real ids: the walk and the check are made with credentials of their own.
 * Return: those to be put back, or NULL when the ids are the same; ERR_PTR.
 */
static const struct cred *real_ids_begin(struct actor *a)
{
    const struct cred *old = a->cred;
    struct cred *c;

    if (old->fsuid == old->uid && old->fsgid == old->gid)
        return NULL;
    c = cred_copy(old);
    if (!c)
        return ERR_PTR(-ENOMEM);
    c->fsuid = c->uid;
    c->fsgid = c->gid;
    c->cap_effective = c->uid == 0 ? c->cap_permitted : 0;
    a->cred = c;
    return old;
}

static void real_ids_end(struct actor *a, const struct cred *old)
{
    if (!old)
        return;
    cred_put(a->cred);
    a->cred = old;
}

static long check_access(int dirfd, const char __user *path, unsigned mode, int flags)
{
    struct path p;
    err_t err = path_lookup_user(dirfd, path, lookup_flags(flags), &p);

    if (err)
        return err;
    struct inode *i = p.dentry->inode;
    if ((mode & 1) && S_ISREG(i->mode) && (p.mount->flags & MS_NOEXEC))
        err = -EACCES;
    if (!err)
        err = inode_permission(i, mode, cred_current());
    if (!err && (mode & 2) && ((p.mount->flags | i->sb->flags) & MS_RDONLY) &&
        (S_ISREG(i->mode) || S_ISDIR(i->mode) || S_ISLNK(i->mode)))
        err = -EROFS;
    path_put(&p);
    return err;
}

long sys_faccessat2(int dirfd, const char __user *path, int mode, int flags)
{
    struct actor *a = actor_current();
    const struct cred *old = NULL;

    if ((mode & ~F_OK_MODES) || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
        return -EINVAL;
    if (!(flags & AT_EACCESS))
        old = real_ids_begin(a);
    if (IS_ERR(old))
        return PTR_ERR(old);
    long ret = check_access(dirfd, path, (unsigned)mode, flags);
    real_ids_end(a, old);
    return ret;
}

long sys_faccessat(int dirfd, const char __user *path, int mode)
{
    return sys_faccessat2(dirfd, path, mode, 0);
}

long sys_access(const char __user *path, int mode)
{
    return sys_faccessat2(AT_FDCWD, path, mode, 0);
}
