// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: attributes of files: permissions, owners, times, size; extended ones, which no file system
 * here has; and putting data on disk, which is where tmpfs already keeps it.
 */
#include <abi/syscalls_gen.h>

#include <abi/paths.h>
#include <fs/block.h>
#include <fs/notify.h>
#include <fs/fdtable.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>

#include <linux/fadvise.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/stat.h>
#include <linux/utime.h>
#include <linux/xattr.h>

static long change_path(int dirfd, const char __user *path, unsigned lookup,
                        const struct attributes *a)
{
    struct path p;
    err_t err = path_lookup_user(dirfd, path, lookup, &p);

    if (err)
        return err;
    err = vfs_setattr(&p, a);
    path_put(&p);
    return err;
}

static long change_file(int fd, const struct attributes *a)
{
    struct fd f = fd_get(fd);

    if (!f.file)
        return -EBADF;
    err_t err = vfs_setattr(&f.file->path, a);
    fd_put(f);
    return err;
}

/* ---- permissions, owners --------------------------------------------------------------------- */

static struct attributes mode_of(unsigned mode)
{
    return (struct attributes){ .valid = ATTR_MODE | ATTR_CTIME, .mode = mode & 07777 };
}

long sys_fchmodat(int dirfd, const char __user *path, unsigned mode)
{
    struct attributes a = mode_of(mode);

    return change_path(dirfd, path, LOOKUP_FOLLOW, &a);
}

long sys_chmod(const char __user *path, unsigned mode)
{
    return sys_fchmodat(AT_FDCWD, path, mode);
}

long sys_fchmod(int fd, unsigned mode)
{
    struct attributes a = mode_of(mode);

    return change_file(fd, &a);
}

static struct attributes owner_of(uid_t uid, gid_t gid)
{
    return (struct attributes){
        .valid = ATTR_CTIME | (uid != (uid_t)-1 ? ATTR_UID : 0) | (gid != (gid_t)-1 ? ATTR_GID : 0),
        .uid = uid,
        .gid = gid,
    };
}

long sys_fchownat(int dirfd, const char __user *path, uid_t uid, gid_t gid, int flags)
{
    struct attributes a = owner_of(uid, gid);

    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    return change_path(dirfd, path,
                       (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
                           (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
                       &a);
}

long sys_chown(const char __user *path, uid_t uid, gid_t gid)
{
    return sys_fchownat(AT_FDCWD, path, uid, gid, 0);
}

long sys_lchown(const char __user *path, uid_t uid, gid_t gid)
{
    return sys_fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(int fd, uid_t uid, gid_t gid)
{
    struct attributes a = owner_of(uid, gid);

    return change_file(fd, &a);
}

/* ---- times ----------------------------------------------------------------------------------- */

#define UTIME_NOW ((1l << 30) - 1l)
#define UTIME_OMIT ((1l << 30) - 2l)

static err_t time_in(const struct __kernel_timespec *ts, unsigned which, int64_t now,
                     struct attributes *a, int64_t *to)
{
    if (ts->tv_nsec == UTIME_OMIT)
        return 0;
    if (ts->tv_nsec != UTIME_NOW && (ts->tv_nsec < 0 || ts->tv_nsec >= (long)NS_PER_SEC))
        return -EINVAL;
    a->valid |= which;
    *to = ts->tv_nsec == UTIME_NOW
              ? now
              : CLAMP(ts->tv_sec, -9000000000ll, 9000000000ll) * (int64_t)NS_PER_SEC + ts->tv_nsec;
    return 0;
}

static err_t times_of(const struct __kernel_timespec ts[2], struct attributes *a)
{
    int64_t now = clock_realtime();

    *a = (struct attributes){ .valid = ATTR_CTIME };
    if (!ts || (ts[0].tv_nsec == UTIME_NOW && ts[1].tv_nsec == UTIME_NOW)) {
        a->valid |= ATTR_ATIME | ATTR_MTIME | ATTR_TOUCH;
        a->atime = a->mtime = now;
        return 0;
    }
    err_t err = time_in(&ts[0], ATTR_ATIME, now, a, &a->atime);
    return err ? err : time_in(&ts[1], ATTR_MTIME, now, a, &a->mtime);
}

static long set_times(int dirfd, const char __user *path, const struct __kernel_timespec *ts,
                      int flags)
{
    struct attributes a;
    err_t err = times_of(ts, &a);

    if (err)
        return err;
    if (ts && ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
        return 0;
    if (!path && dirfd != AT_FDCWD)
        return flags ? -EINVAL : change_file(dirfd, &a);
    return change_path(dirfd, path,
                       (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
                           (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
                       &a);
}

long sys_utimensat(int dirfd, const char __user *path, const struct __kernel_timespec __user *times,
                   int flags)
{
    struct __kernel_timespec ts[2];

    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (times && copy_from_user(ts, times, sizeof ts))
        return -EFAULT;
    return set_times(dirfd, path, times ? ts : NULL, flags);
}

long sys_futimesat(int dirfd, const char __user *path,
                   const struct __kernel_old_timeval __user *times)
{
    struct __kernel_old_timeval tv[2];
    struct __kernel_timespec ts[2];

    if (times && copy_from_user(tv, times, sizeof tv))
        return -EFAULT;
    for (unsigned i = 0; times && i < 2; i++) {
        if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
            return -EINVAL;
        ts[i].tv_sec = tv[i].tv_sec;
        ts[i].tv_nsec = tv[i].tv_usec * 1000;
    }
    return set_times(dirfd, path, times ? ts : NULL, 0);
}

long sys_utimes(const char __user *path, const struct __kernel_old_timeval __user *times)
{
    return sys_futimesat(AT_FDCWD, path, times);
}

long sys_utime(const char __user *path, const struct utimbuf __user *times)
{
    struct utimbuf t;
    struct __kernel_timespec ts[2] = { { 0, 0 }, { 0, 0 } };

    if (times && copy_from_user(&t, times, sizeof t))
        return -EFAULT;
    if (times) {
        ts[0].tv_sec = t.actime;
        ts[1].tv_sec = t.modtime;
    }
    return set_times(AT_FDCWD, path, times ? ts : NULL, 0);
}

/* ---- size ------------------------------------------------------------------------------------ */

long sys_truncate(const char __user *path, off_t length)
{
    struct path p;

    if (length < 0)
        return -EINVAL;
    err_t err = path_lookup_user(AT_FDCWD, path, LOOKUP_FOLLOW, &p);
    if (err)
        return err;
    err = vfs_truncate(&p, (uint64_t)length);
    path_put(&p);
    return err;
}

long sys_ftruncate(int fd, off_t length)
{
    struct fd f;
    err_t err;

    if (length < 0)
        return -EINVAL;
    f = fd_get(fd);
    if (!f.file)
        return -EBADF;
    if (!(f.file->fmode & FMODE_WRITE) || !f.file->ops->truncate)
        err = -EINVAL;
    else
        err = f.file->ops->truncate(f.file, (uint64_t)length);
    if (err == 0)
        notify_dentry(f.file->path.dentry, IN_MODIFY);
    fd_put(f);
    return err;
}

static err_t allocate(struct file *f, int mode, off_t offset, off_t length)
{
    if (!(f->fmode & FMODE_WRITE))
        return -EBADF;
    if (S_ISFIFO(f->inode->mode))
        return -ESPIPE;
    if (S_ISDIR(f->inode->mode))
        return -EISDIR;
    if (!S_ISREG(f->inode->mode) && !S_ISBLK(f->inode->mode))
        return -ENODEV;
    if (!f->ops->fallocate)
        return -EOPNOTSUPP;
    return f->ops->fallocate(f, mode, (uint64_t)offset, (uint64_t)length);
}

long sys_fallocate(int fd, int mode, off_t offset, off_t length)
{
    struct fd f;

    if (offset < 0 || length <= 0)
        return -EINVAL;
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        return -EOPNOTSUPP;
    if ((mode & FALLOC_FL_PUNCH_HOLE) && (mode & FALLOC_FL_ZERO_RANGE || !(mode & FALLOC_FL_KEEP_SIZE)))
        return -EOPNOTSUPP;
    if (length > INT64_MAX - offset)
        return -EFBIG;
    f = fd_get(fd);
    if (!f.file)
        return -EBADF;
    err_t err = allocate(f.file, mode, offset, length);
    fd_put(f);
    return err;
}

/* ---- hints and write-back -------------------------------------------------------------------- */

long sys_fadvise64(int fd, off_t offset, off_t length, int advice)
{
    struct fd f = fd_get(fd);
    err_t err = 0;

    if (!f.file)
        return -EBADF;
    if (S_ISFIFO(f.file->inode->mode))
        err = -ESPIPE;
    else if (length < 0 || advice < POSIX_FADV_NORMAL || advice > POSIX_FADV_NOREUSE)
        err = -EINVAL; /* else: everything is in memory, there is nothing to be advised on */
    fd_put(f);
    return err;
}

long sys_readahead(int fd, off_t offset, size_t count)
{
    struct fd f = fd_get(fd);
    err_t err = 0;

    if (!f.file)
        return -EBADF;
    if (!(f.file->fmode & FMODE_READ))
        err = -EBADF;
    else if (!S_ISREG(f.file->inode->mode))
        err = -EINVAL;
    fd_put(f);
    return err;
}

static long sync_file(int fd)
{
    struct fd f = fd_get(fd);

    if (!f.file)
        return -EBADF;
    err_t err = f.file->ops->fsync ? f.file->ops->fsync(f.file) : -EINVAL;
    fd_put(f);
    return err;
}

long sys_fsync(int fd)
{
    return sync_file(fd);
}

long sys_fdatasync(int fd)
{
    return sync_file(fd);
}

long sys_sync(void)
{
    (void)block_sync_all(); /* sync(2) never fails; fsync tells of errors */
    return 0;
}

long sys_syncfs(int fd)
{
    struct fd f = fd_get(fd);

    if (!f.file)
        return -EBADF;
    fd_put(f);
    return block_sync_all(); /* file systems keep nothing: what there is to write is devices' */
}

long sys_sync_file_range(int fd, off_t offset, off_t n, unsigned flags)
{
    struct fd f;
    err_t err = 0;

    if (flags & ~7u || offset < 0 || n < 0 || n > INT64_MAX - offset)
        return -EINVAL;
    f = fd_get(fd);
    if (!f.file)
        return -EBADF;
    unsigned mode = f.file->inode->mode;
    if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode) && !S_ISBLK(mode))
        err = -ESPIPE;
    else if (S_ISBLK(mode) && f.file->ops->fsync && flags != 0)
        err = f.file->ops->fsync(f.file); /* more than is asked for */
    fd_put(f);
    return err;
}

/* ---- extended attributes --------------------------------------------------------------------- */

/* The name is checked as Linux does; then no file system has any. */
static err_t check_name(const char __user *name)
{
    char text[XATTR_NAME_MAX + 1];
    ssize_t n = user_copy_string(text, name, sizeof text);

    if (n < 0)
        return (err_t)n;
    return n == 0 || n == (ssize_t)sizeof text ? -ERANGE : -EOPNOTSUPP;
}

static long on_path(const char __user *path, unsigned lookup, const char __user *name)
{
    struct path p;
    err_t err = path_lookup_user(AT_FDCWD, path, lookup, &p);

    if (err)
        return err;
    path_put(&p);
    return name ? check_name(name) : 0;
}

static long on_file(int fd, const char __user *name)
{
    struct fd f = fd_get(fd);

    if (!f.file)
        return -EBADF;
    fd_put(f);
    return name ? check_name(name) : 0;
}

long sys_getxattr(const char __user *path, const char __user *name, void __user *value, size_t size)
{
    return on_path(path, LOOKUP_FOLLOW, name);
}

long sys_lgetxattr(const char __user *path, const char __user *name, void __user *value,
                   size_t size)
{
    return on_path(path, 0, name);
}

long sys_fgetxattr(int fd, const char __user *name, void __user *value, size_t size)
{
    return on_file(fd, name);
}

static err_t check_set(size_t size, int flags)
{
    if (flags & ~(XATTR_CREATE | XATTR_REPLACE))
        return -EINVAL;
    return size > XATTR_SIZE_MAX ? -E2BIG : 0;
}

long sys_setxattr(const char __user *path, const char __user *name, const void __user *value,
                  size_t size, int flags)
{
    err_t err = check_set(size, flags);

    return err ? err : on_path(path, LOOKUP_FOLLOW, name);
}

long sys_lsetxattr(const char __user *path, const char __user *name, const void __user *value,
                   size_t size, int flags)
{
    err_t err = check_set(size, flags);

    return err ? err : on_path(path, 0, name);
}

long sys_fsetxattr(int fd, const char __user *name, const void __user *value, size_t size,
                   int flags)
{
    err_t err = check_set(size, flags);

    return err ? err : on_file(fd, name);
}

long sys_listxattr(const char __user *path, char __user *list, size_t size)
{
    return on_path(path, LOOKUP_FOLLOW, NULL);
}

long sys_llistxattr(const char __user *path, char __user *list, size_t size)
{
    return on_path(path, 0, NULL);
}

long sys_flistxattr(int fd, char __user *list, size_t size)
{
    return on_file(fd, NULL);
}

long sys_removexattr(const char __user *path, const char __user *name)
{
    return on_path(path, LOOKUP_FOLLOW, name);
}

long sys_lremovexattr(const char __user *path, const char __user *name)
{
    return on_path(path, 0, name);
}

long sys_fremovexattr(int fd, const char __user *name)
{
    return on_file(fd, name);
}
