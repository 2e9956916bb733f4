// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what can be done to a descriptor: duplicates, flags, locks, device control.
 * Source: dup(2), fcntl(2), flock(2), ioctl(2).
 */
#include <abi/syscalls_gen.h>

#include <fs/fdtable.h>
#include <fs/flock.h>
#include <fs/memfd.h>
#include <fs/pipe.h>
#include <fs/vfs.h>
#include <hal/usercopy.h>
#include <proc/process.h>

#include <asm/ioctls.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/stat.h>

static long fd_duplicate(int fd, int min, bool cloexec)
{
    struct fd f = fd_get_raw(fd);

    if (!f.file)
        return -EBADF;
    file_get(f.file);
    int n = fd_install(f.file, min, cloexec);
    if (n < 0)
        file_put(f.file);
    fd_put(f);
    return n;
}

long sys_dup(int fd)
{
    return fd_duplicate(fd, 0, false);
}

long sys_dup3(int fd, int new, int flags)
{
    if (flags & ~O_CLOEXEC || fd == new)
        return -EINVAL;
    struct fd f = fd_get_raw(fd);
    if (!f.file)
        return -EBADF;
    file_get(f.file);
    int n = fd_replace(new, f.file, flags & O_CLOEXEC);
    if (n < 0)
        file_put(f.file);
    fd_put(f);
    return n;
}

long sys_dup2(int fd, int new)
{
    struct fd f;

    if (fd != new)
        return sys_dup3(fd, new, 0);
    f = fd_get_raw(fd);
    if (!f.file)
        return -EBADF;
    fd_put(f);
    return new;
}

/* ---- fcntl ---- */

#define SETFL_FLAGS (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | FASYNC)

static err_t flags_set(struct file *f, unsigned flags)
{
    const struct cred *c = cred_current();
    unsigned changed;

    flags &= SETFL_FLAGS;
    if (flags & O_NOATIME & ~f->flags && c->fsuid != f->inode->uid &&
        !cred_capable(c, CAP_FOWNER))
        return -EPERM;
    if (flags & O_DIRECT & ~f->flags)
        return -EINVAL; /* no file here can do without its pages */
    spin_lock(&f->lock);
    changed = (f->flags ^ flags) & SETFL_FLAGS;
    f->flags = (f->flags & ~(unsigned)SETFL_FLAGS) | flags;
    spin_unlock(&f->lock);
    if (changed && f->ops->set_flags)
        f->ops->set_flags(f, f->flags);
    return 0;
}

/* Another thread may have closed `fd` meanwhile, before there was a lock that its close could take
 * away: then this one goes at once, else it would stay for ever. */
static err_t lock_still_open(int fd, struct file *f, struct flock *fl, bool ofd)
{
    struct fdtable *t = actor_current()->files;
    struct file *now;

    if (fl->l_type == F_UNLCK || !fdtable_shared(t))
        return 0;
    now = fdtable_file(t, fd);
    if (now)
        file_put(now); /* compared only */
    if (now == f)
        return 0;
    fl->l_type = F_UNLCK;
    (void)file_record_lock(f, fl, ofd, process_current()->id, false);
    return -EBADF;
}

static long lock_fcntl(int fd, struct file *f, unsigned cmd, struct flock __user *arg)
{
    bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
    bool wait = cmd == F_SETLKW || cmd == F_OFD_SETLKW;
    struct flock fl;
    err_t err;

    if (copy_from_user(&fl, arg, sizeof fl) != 0)
        return -EFAULT;
    if (cmd != F_GETLK && cmd != F_OFD_GETLK)
        err = file_record_lock(f, &fl, ofd, process_current()->id, wait);
    else
        err = file_record_query(f, &fl, ofd);
    if (cmd != F_GETLK && cmd != F_OFD_GETLK)
        return err ? err : lock_still_open(fd, f, &fl, ofd);
    return err ? err : copy_to_user(arg, &fl, sizeof fl);
}

static err_t owner_set(struct file *f, long id)
{
    if (id > INT_MAX || id <= INT_MIN)
        return -EINVAL;
    spin_lock(&f->lock);
    f->owner = (pid_t)id;
    spin_unlock(&f->lock);
    return 0;
}

static err_t owner_set_ex(struct file *f, const struct f_owner_ex __user *arg)
{
    struct f_owner_ex o;

    if (copy_from_user(&o, arg, sizeof o) != 0)
        return -EFAULT;
    if (o.type == F_OWNER_PGRP)
        return owner_set(f, -(long)o.pid);
    return o.type == F_OWNER_PID ? owner_set(f, o.pid) : -EINVAL; /* one thread alone: no */
}

static err_t owner_get_ex(const struct file *f, struct f_owner_ex __user *arg)
{
    struct f_owner_ex o = { .type = f->owner < 0 ? F_OWNER_PGRP : F_OWNER_PID,
                            .pid = f->owner < 0 ? -f->owner : f->owner };

    return copy_to_user(arg, &o, sizeof o);
}

static long owner_fcntl(struct file *f, unsigned cmd, unsigned long arg)
{
    switch (cmd) {
    case F_GETOWN:
        return f->owner;
    case F_SETOWN:
        return owner_set(f, (int)arg);
    case F_GETOWN_EX:
        return owner_get_ex(f, USER_PTR(struct f_owner_ex, arg));
    case F_SETOWN_EX:
        return owner_set_ex(f, USER_PTR(struct f_owner_ex, arg));
    case F_GETSIG:
        return f->owner_signal;
    default: /* F_SETSIG */
        if (arg > SIG_COUNT)
            return -EINVAL;
        f->owner_signal = (int)arg;
        return 0;
    }
}

/* What works for O_PATH files, too. */
static bool fcntl_descriptor(int fd, struct file *f, unsigned cmd, unsigned long arg, long *ret)
{
    switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        *ret = arg > INT_MAX ? -EINVAL : fd_duplicate(fd, (int)arg, cmd == F_DUPFD_CLOEXEC);
        /* Unlike dup, a start at or above the limit is an error of the argument. */
        return true;
    case F_GETFD:
        *ret = fd_cloexec(fd, -1) ? FD_CLOEXEC : 0;
        return true;
    case F_SETFD:
        fd_cloexec(fd, (arg & FD_CLOEXEC) != 0);
        *ret = 0;
        return true;
    case F_GETFL:
        *ret = (long)f->flags;
        return true;
    default:
        return false;
    }
}

static long fcntl_file(int fd, struct file *f, unsigned cmd, unsigned long arg)
{
    switch (cmd) {
    case F_SETFL:
        return flags_set(f, (unsigned)arg);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return lock_fcntl(fd, f, cmd, USER_PTR(struct flock, arg));
    case F_GETOWN:
    case F_SETOWN:
    case F_GETOWN_EX:
    case F_SETOWN_EX:
    case F_GETSIG:
    case F_SETSIG:
        return owner_fcntl(f, cmd, arg);
    case F_GETPIPE_SZ:
        return pipe_size(f);
    case F_SETPIPE_SZ:
        return pipe_set_size(f, (unsigned)arg);
    case F_ADD_SEALS:
        return memfd_add_seals(f, (unsigned)arg);
    case F_GET_SEALS:
        return memfd_get_seals(f);
    case F_GETLEASE:
        return F_UNLCK;
    default:
        return -EINVAL;
    }
}

long sys_fcntl(int fd, unsigned cmd, unsigned long arg)
{
    struct fd f = fd_get_raw(fd);
    long ret;

    if (!f.file)
        return -EBADF;
    if (!fcntl_descriptor(fd, f.file, cmd, arg, &ret))
        ret = f.file->fmode & FMODE_PATH ? -EBADF : fcntl_file(fd, f.file, cmd, arg);
    fd_put(f);
    return ret;
}

long sys_flock(int fd, unsigned op)
{
    unsigned kind = op & ~(unsigned)LOCK_NB;
    struct fd f;

    if (kind != LOCK_SH && kind != LOCK_EX && kind != LOCK_UN)
        return -EINVAL;
    f = fd_get(fd);
    if (!f.file)
        return -EBADF;
    err_t err = file_flock(f.file, kind == LOCK_EX, kind == LOCK_UN, !(op & LOCK_NB));
    fd_put(f);
    return err;
}

/* ---- ioctl ---- */

static err_t flag_ioctl(struct file *f, unsigned long arg, unsigned flag)
{
    uint32_t on;
    err_t err = user_load_u32(USER_PTR(uint32_t, arg), &on);

    if (err != 0)
        return err;
    return flags_set(f, on ? f->flags | flag : f->flags & ~flag);
}

static long ioctl_file(struct file *f, unsigned cmd, unsigned long arg)
{
    struct inode *i = f->inode;

    if (S_ISREG(i->mode)) {
        if (cmd == FIONREAD)
            return user_store_u32(USER_PTR(uint32_t, arg),
                                  (uint32_t)(i->object.size - (uint64_t)f->pos));
        if (cmd == FIGETBSZ)
            return user_store_u32(USER_PTR(uint32_t, arg), PAGE_SIZE);
    }
    return f->ops->ioctl ? f->ops->ioctl(f, cmd, arg) : -ENOTTY;
}

long sys_ioctl(int fd, unsigned cmd, unsigned long arg)
{
    struct fd f = fd_get(fd);
    long ret = 0;

    if (!f.file)
        return -EBADF;
    switch (cmd) {
    case FIOCLEX:
    case FIONCLEX:
        fd_cloexec(fd, cmd == FIOCLEX);
        break;
    case FIONBIO:
        ret = flag_ioctl(f.file, arg, O_NONBLOCK);
        break;
    case FIOASYNC:
        ret = flag_ioctl(f.file, arg, FASYNC);
        break;
    default:
        ret = ioctl_file(f.file, cmd, arg);
    }
    fd_put(f);
    return ret;
}
