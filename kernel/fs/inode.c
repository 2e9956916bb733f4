// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a file's substance: life, permission, attributes, size.
 * Model: see vfs.h.  An inode lives as long as a dentry or an opening holds it; with the last
 * reference its pages and its place in the superblock's limits go.
 * Locking: `lock` for the small fields, `mutex` for size and directory changes.
 * Source: path_resolution(7), inode(7), chmod(2), chown(2), utimensat(2).
 */
#include <fs/internal.h>

#include <fs/notify.h>
#include <core/panic.h>
#include <fs/device.h>
#include <mm/heap.h>
#include <sched/clock.h>

#include <linux/capability.h>
#include <linux/fs.h>

int64_t fs_now(void)
{
    return clock_realtime();
}

/* A new file's group and mode in a directory with the set-group-id bit. */
static void inode_inherit(struct inode *i, const struct inode *dir, const struct cred *c)
{
    i->gid = c->fsgid;
    if (!dir || !(dir->mode & S_ISGID))
        return;
    i->gid = dir->gid;
    if (S_ISDIR(i->mode))
        i->mode |= S_ISGID;
    else if ((i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
             !cred_in_group(c, i->gid) && !cred_capable(c, CAP_FSETID))
        i->mode &= ~(unsigned)S_ISGID;
}

static uint64_t inodes; /* atomic */

uint64_t inode_count(void)
{
    return atomic_load_relaxed(&inodes);
}

struct inode *inode_create(struct superblock *sb, const struct inode *dir, unsigned mode)
{
    const struct cred *c = cred_current();

    if (sb->inodes_max && atomic_fetch_add(&sb->inodes_used, 1) >= sb->inodes_max) {
        atomic_fetch_sub(&sb->inodes_used, 1);
        return ERR_PTR(-ENOSPC);
    }
    struct inode *i = kzalloc(sizeof *i);
    if (!i) {
        if (sb->inodes_max)
            atomic_fetch_sub(&sb->inodes_used, 1);
        return ERR_PTR(-ENOMEM);
    }
    __atomic_fetch_add(&inodes, 1, __ATOMIC_RELAXED);
    ref_init(&i->refs, 1);
    i->mode = mode;
    i->uid = c->fsuid;
    inode_inherit(i, dir, c);
    i->nlink = 1;
    i->ino = atomic_add_fetch(&sb->next_ino, 1);
    i->atime = i->mtime = i->ctime = fs_now();
    spin_init(&i->lock, LOCK_INODE);
    mutex_init(&i->mutex);
    object_init(&i->object, sb->pager, i, 0);
    i->sb = sb;
    return i;
}

void inode_special(struct inode *i, unsigned rdev)
{
    i->rdev = rdev;
    switch (i->mode & S_IFMT) {
    case S_IFCHR:
        i->fops = &chrdev_default_ops;
        break;
    case S_IFBLK:
        i->fops = &blkdev_default_ops;
        break;
    case S_IFIFO:
        i->fops = &fifo_ops;
        break;
    default: /* sockets: nobody is behind them */
        i->fops = &no_device_ops;
    }
}

static void inode_destroy(struct inode *i)
{
    struct superblock *sb = i->sb;

    if (sb->type && sb->type->evict)
        sb->type->evict(i);
    if (i->flocks)
        flock_free(i);
    object_fini(&i->object);
    if (i->charged)
        atomic_fetch_sub(&sb->pages_used, i->charged);
    if (sb->inodes_max)
        atomic_fetch_sub(&sb->inodes_used, 1);
    kfree(i);
    __atomic_fetch_sub(&inodes, 1, __ATOMIC_RELAXED);
}

void inode_get(struct inode *i)
{
    ref_get(&i->refs);
}

void inode_put(struct inode *i)
{
    if (ref_put(&i->refs))
        inode_destroy(i);
}

void inode_touch(struct inode *i, unsigned which)
{
    int64_t now = fs_now();

    spin_lock(&i->lock);
    if (which & ATTR_ATIME)
        i->atime = now;
    if (which & ATTR_MTIME)
        i->mtime = now;
    if (which & ATTR_CTIME)
        i->ctime = now;
    spin_unlock(&i->lock);
}

/* What capabilities add to the mode bits. */
static bool inode_override(const struct inode *i, unsigned may, const struct cred *c)
{
    bool search = cred_capable(c, CAP_DAC_READ_SEARCH);

    if (S_ISDIR(i->mode))
        return (search && !(may & MAY_WRITE)) || cred_capable(c, CAP_DAC_OVERRIDE);
    if (search && may == MAY_READ)
        return true;
    return (!(may & MAY_EXEC) || i->mode & 0111) && cred_capable(c, CAP_DAC_OVERRIDE);
}

err_t inode_permission(struct inode *i, unsigned may, const struct cred *c)
{
    unsigned bits = atomic_load_relaxed(&i->mode);

    if (may & MAY_WRITE && unlikely(i->sb->flags & MS_RDONLY) &&
        (S_ISREG(bits) || S_ISDIR(bits) || S_ISLNK(bits)))
        return -EROFS;
    if (c->fsuid == i->uid)
        bits >>= 6;
    else if (cred_in_group(c, i->gid))
        bits >>= 3;
    if ((may & ~bits & 7) == 0 || inode_override(i, may, c))
        return 0;
    return -EACCES;
}

bool inode_owner_or_capable(const struct inode *i)
{
    const struct cred *c = cred_current();

    return c->fsuid == i->uid || cred_capable(c, CAP_FOWNER);
}

err_t inode_sticky(const struct inode *dir, const struct inode *victim)
{
    const struct cred *c = cred_current();

    if (!(dir->mode & S_ISVTX) || c->fsuid == victim->uid || c->fsuid == dir->uid ||
        cred_capable(c, CAP_FOWNER))
        return 0;
    return -EPERM;
}

err_t inode_write_get(struct inode *i)
{
    err_t err = 0;

    spin_lock(&i->lock);
    if (i->deny_write)
        err = -ETXTBSY;
    else
        i->writers++;
    spin_unlock(&i->lock);
    return err;
}

void inode_write_put(struct inode *i)
{
    spin_lock(&i->lock);
    K_DEBUG_ASSERT(i->writers > 0);
    i->writers--;
    spin_unlock(&i->lock);
}

void inode_remove_privileges(struct inode *i)
{
    unsigned mode = atomic_load_relaxed(&i->mode);

    if (likely(!(mode & (S_ISUID | S_ISGID))) || !S_ISREG(mode) ||
        cred_capable(cred_current(), CAP_FSETID))
        return;
    spin_lock(&i->lock);
    i->mode &= ~(unsigned)S_ISUID;
    if (i->mode & S_IXGRP)
        i->mode &= ~(unsigned)S_ISGID;
    spin_unlock(&i->lock);
}

/* ---- pages against the superblock's limit ---- */

err_t inode_charge(struct inode *i, uint64_t pages)
{
    struct superblock *sb = i->sb;
    uint64_t used = atomic_add_fetch(&sb->pages_used, pages);

    if (sb->pages_max && used > sb->pages_max) {
        atomic_fetch_sub(&sb->pages_used, pages);
        return -ENOSPC;
    }
    atomic_fetch_add(&i->charged, pages);
    return 0;
}

void inode_recharge(struct inode *i)
{
    uint64_t have = atomic_load_relaxed(&i->object.pages);
    uint64_t was = atomic_xchg(&i->charged, have);

    atomic_fetch_sub(&i->sb->pages_used, was - have);
}

/* ---- attributes ---- */

err_t inode_set_size(struct inode *i, uint64_t size)
{
    uint64_t old = atomic_load_relaxed(&i->object.size);

    K_DEBUG_ASSERT(mutex_held(&i->mutex));
    if ((i->seals & F_SEAL_SHRINK && size < old) || (i->seals & F_SEAL_GROW && size > old))
        return -EPERM;
    object_truncate(&i->object, size);
    if (i->charged)
        inode_recharge(i);
    return 0;
}

err_t inode_setattr(struct inode *i, const struct attributes *a)
{
    int64_t now = fs_now();

    if (a->valid & ATTR_SIZE) {
        err_t err = inode_set_size(i, a->size);

        if (err != 0)
            return err;
    }
    spin_lock(&i->lock);
    if (a->valid & ATTR_UID)
        i->uid = a->uid;
    if (a->valid & ATTR_GID)
        i->gid = a->gid;
    if (a->valid & ATTR_MODE)
        i->mode = (i->mode & S_IFMT) | (a->mode & S_PERMISSIONS);
    if (a->valid & ATTR_ATIME)
        i->atime = a->valid & ATTR_TOUCH ? now : a->atime;
    if (a->valid & ATTR_MTIME)
        i->mtime = a->valid & ATTR_TOUCH ? now : a->mtime;
    else if (a->valid & ATTR_SIZE)
        i->mtime = now;
    i->ctime = now;
    spin_unlock(&i->lock);
    return 0;
}

static err_t attributes_owner(struct inode *i, struct attributes *a, const struct cred *c)
{
    bool owner = c->fsuid == i->uid;

    if (a->valid & ATTR_UID && !(owner && a->uid == i->uid) && !cred_capable(c, CAP_CHOWN))
        return -EPERM;
    if (a->valid & ATTR_GID && !(owner && (a->gid == i->gid || cred_in_group(c, a->gid))) &&
        !cred_capable(c, CAP_CHOWN))
        return -EPERM;
    /* A change of hands takes set-id bits away; group's only where it means execution. */
    unsigned lost = S_ISUID | (i->mode & S_IXGRP ? S_ISGID : 0);
    if (!(a->valid & ATTR_MODE) && !S_ISDIR(i->mode) && i->mode & lost) {
        a->valid |= ATTR_MODE;
        a->mode = i->mode & ~lost;
    }
    return 0;
}

static err_t attributes_mode(struct inode *i, struct attributes *a, const struct cred *c)
{
    gid_t gid = a->valid & ATTR_GID ? a->gid : i->gid;

    if (!inode_owner_or_capable(i))
        return -EPERM;
    if (!cred_in_group(c, gid) && !cred_capable(c, CAP_FSETID))
        a->mode &= ~(unsigned)S_ISGID;
    return 0;
}

/* What a change of attributes looks like to who watches. */
static uint32_t attributes_event(const struct attributes *a)
{
    unsigned times = a->valid & (ATTR_ATIME | ATTR_MTIME);
    uint32_t mask = 0;

    if (a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) || times == (ATTR_ATIME | ATTR_MTIME))
        mask |= IN_ATTRIB;
    if (a->valid & ATTR_SIZE || times == ATTR_MTIME)
        mask |= IN_MODIFY;
    return times == ATTR_ATIME ? mask | IN_ACCESS : mask;
}

/* Decides whether the caller may, and what else changes with it. */
static err_t attributes_check(struct inode *i, struct attributes *a)
{
    const struct cred *c = cred_current();
    err_t err = 0;

    if (a->valid & ATTR_MODE)
        err = attributes_mode(i, a, c);
    if (err == 0 && a->valid & (ATTR_UID | ATTR_GID))
        err = attributes_owner(i, a, c);
    if (err == 0 && a->valid & (ATTR_ATIME | ATTR_MTIME) && !inode_owner_or_capable(i)) {
        if (!(a->valid & ATTR_TOUCH))
            return -EPERM;
        err = inode_permission(i, MAY_WRITE, c);
    }
    return err;
}

err_t vfs_setattr(const struct path *p, const struct attributes *wanted)
{
    struct inode *i = p->dentry->inode;
    struct attributes a = *wanted;
    err_t err = mount_want_write(p->mount);

    if (err != 0)
        return err;
    mutex_lock(&i->mutex);
    err = attributes_check(i, &a);
    if (err == 0)
        err = i->ops && i->ops->setattr ? i->ops->setattr(i, &a) : inode_setattr(i, &a);
    mutex_unlock(&i->mutex);
    if (err == 0)
        notify_dentry(p->dentry, attributes_event(&a));
    return err;
}

err_t vfs_truncate(const struct path *p, uint64_t size)
{
    struct inode *i = p->dentry->inode;
    struct attributes a = { .valid = ATTR_SIZE, .size = size };

    if (S_ISDIR(i->mode))
        return -EISDIR;
    if (!S_ISREG(i->mode))
        return -EINVAL;
    err_t err = mount_want_write(p->mount);
    if (err == 0)
        err = inode_permission(i, MAY_WRITE, cred_current());
    if (err == 0)
        err = inode_write_get(i);
    if (err != 0)
        return err;
    mutex_lock(&i->mutex);
    if (size > i->object.size && size > atomic_load_relaxed(actor_current()->limit_fsize)) {
        mutex_unlock(&i->mutex);
        inode_write_put(i);
        fs_sigxfsz_hook();
        return -EFBIG;
    }
    inode_remove_privileges(i);
    err = i->ops && i->ops->setattr ? i->ops->setattr(i, &a) : inode_setattr(i, &a);
    mutex_unlock(&i->mutex);
    inode_write_put(i);
    if (err == 0)
        notify_dentry(p->dentry, IN_MODIFY);
    return err;
}
