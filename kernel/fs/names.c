// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: changes of names: make, link, remove, rename.
 *
 * Model: each finds the directory, takes its mutex, looks the name up, checks, and calls the file
 * system's operation; then the dentry follows.
 * Locking: a directory's mutex; rename takes both, the ancestor first, under the superblock's
 * rename mutex when they differ; a directory that is removed or replaced is locked below its parent.
 * Source: mkdir(2), mknod(2), link(2), unlink(2), rmdir(2), rename(2), symlink(2).
 */
#include <fs/internal.h>

#include <fs/notify.h>
#include <fs/device.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <linux/capability.h>
#include <linux/fs.h>

static unsigned masked(unsigned mode)
{
    return mode & ~atomic_load_relaxed(&actor_current()->fs->umask);
}

err_t path_mkdir(const struct path *base, int dirfd, const char *name, unsigned mode)
{
    struct path dir;
    struct dentry *d;
    err_t err = path_create_begin(base, dirfd, name, true, &dir, &d);

    if (err != 0)
        return err;
    struct inode *i = dir.dentry->inode;
    err = i->ops->mkdir ? i->ops->mkdir(i, d, S_IFDIR | masked(mode & 01777)) : -EPERM;
    path_create_end(&dir, d);
    return err;
}

static err_t mknod_mode(unsigned *mode, unsigned dev)
{
    switch (*mode & S_IFMT) {
    case 0:
        *mode |= S_IFREG;
        return 0;
    case S_IFCHR:
        if (dev == 0) /* a whiteout: anybody may make it */
            return 0;
        return cred_capable(cred_current(), CAP_MKNOD) ? 0 : -EPERM;
    case S_IFBLK:
        return cred_capable(cred_current(), CAP_MKNOD) ? 0 : -EPERM;
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
        return 0;
    case S_IFDIR:
        return -EPERM;
    default:
        return -EINVAL;
    }
}

err_t path_mknod(const struct path *base, int dirfd, const char *name, unsigned mode, unsigned dev)
{
    struct path dir;
    struct dentry *d;
    err_t err = mknod_mode(&mode, dev);

    if (err == 0)
        err = path_create_begin(base, dirfd, name, false, &dir, &d);
    if (err != 0)
        return err;
    struct inode *i = dir.dentry->inode;
    mode = (mode & S_IFMT) | masked(mode & S_PERMISSIONS);
    err = i->ops->create ? i->ops->create(i, d, mode, dev) : -EPERM;
    path_create_end(&dir, d);
    return err;
}

err_t vfs_mkdir(int dirfd, const char *name, unsigned mode)
{
    return path_mkdir(NULL, dirfd, name, mode);
}

err_t vfs_mknod(int dirfd, const char *name, unsigned mode, unsigned dev)
{
    return path_mknod(NULL, dirfd, name, mode, dev);
}

err_t path_symlink(const struct path *base, const char *target, int dirfd, const char *name)
{
    struct path dir;
    struct dentry *d;

    if (!target[0])
        return -ENOENT;
    err_t err = path_create_begin(base, dirfd, name, false, &dir, &d);
    if (err != 0)
        return err;
    struct inode *i = dir.dentry->inode;
    err = i->ops->symlink ? i->ops->symlink(i, d, target) : -EPERM;
    path_create_end(&dir, d);
    return err;
}

err_t vfs_symlink(const char *target, int dirfd, const char *name)
{
    return path_symlink(NULL, target, dirfd, name);
}

/*
 * A name for somebody else's file would outlive the owner's wish to remove it, and pin set-id
 * programs: only for plain files that the caller may write anyhow (fs.protected_hardlinks).
 */
static err_t may_link(struct inode *i)
{
    if (inode_owner_or_capable(i))
        return 0;
    if (!S_ISREG(i->mode) || i->mode & S_ISUID ||
        (i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ||
        inode_permission(i, MAY_READ | MAY_WRITE, cred_current()) != 0)
        return -EPERM;
    return 0;
}

/* A file that has lost its last name stays without; one that never had any may get one, once. */
static err_t link_locked(struct inode *dir, struct dentry *d, struct inode *target)
{
    err_t err = -ENOENT;

    mutex_lock(&target->mutex);
    if (target->nlink != 0 || target->linkable)
        err = dir->ops->link(dir, d, target);
    if (err == 0)
        target->linkable = false;
    mutex_unlock(&target->mutex);
    if (err == 0)
        notify_inode(target, IN_ATTRIB);
    return err;
}

err_t path_link(const struct path *old, const struct path *base, int newdir, const char *new)
{
    struct inode *target = old->dentry->inode;
    struct path dir;
    struct dentry *d;
    err_t err = path_create_begin(base, newdir, new, false, &dir, &d);

    if (err != 0)
        return err;
    struct inode *i = dir.dentry->inode;
    if (dir.mount != old->mount)
        err = -EXDEV;
    else if ((err = may_link(target)) != 0 || S_ISDIR(target->mode) || !i->ops->link)
        err = -EPERM;
    else
        err = link_locked(i, d, target);
    path_create_end(&dir, d);
    return err;
}

err_t vfs_link(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
    unsigned lookup = flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0;
    struct path p;

    if (flags & ~(unsigned)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (flags & AT_EMPTY_PATH) {
        if (!old[0] && !cred_capable(cred_current(), CAP_DAC_READ_SEARCH))
            return -ENOENT;
        lookup |= LOOKUP_EMPTY;
    }
    err_t err = path_lookup_from(NULL, olddir, old, lookup, &p);
    if (err != 0)
        return err;
    err = path_link(&p, NULL, newdir, new);
    path_put(&p);
    return err;
}

/* ---- removing ---- */

/* May the caller take `d` out of its directory? */
static err_t may_delete(const struct path *dir, struct dentry *d)
{
    struct inode *i = dir->dentry->inode;
    err_t err = mount_want_write(dir->mount);

    if (err == 0)
        err = inode_permission(i, MAY_WRITE | MAY_EXEC, cred_current());
    return err == 0 ? inode_sticky(i, d->inode) : err;
}

static err_t remove_directory(struct inode *dir, struct dentry *d)
{
    struct inode *i = d->inode;
    err_t err;

    if (!S_ISDIR(i->mode))
        return -ENOTDIR;
    if (d->mounts)
        return -EBUSY;
    mutex_lock(&i->mutex);
    err = dir->ops->rmdir ? dir->ops->rmdir(dir, d) : -EPERM;
    mutex_unlock(&i->mutex);
    return err;
}

static err_t remove_file(struct inode *dir, struct dentry *d, bool trailing)
{
    if (S_ISDIR(d->inode->mode))
        return -EISDIR;
    if (trailing)
        return -ENOTDIR;
    if (d->mounts)
        return -EBUSY;
    return dir->ops->unlink ? dir->ops->unlink(dir, d) : -EPERM;
}

static err_t remove_locked(struct path_walk *w, bool directory)
{
    struct inode *dir = w->here.dentry->inode;
    struct dentry *d = dentry_lookup_locked(w->here.dentry, w->name, w->length);
    uint32_t mask = IN_DELETE;
    err_t err;

    if (IS_ERR(d))
        return PTR_ERR(d);
    err = d->inode ? may_delete(&w->here, d) : -ENOENT;
    if (err == 0)
        err = directory ? remove_directory(dir, d) : remove_file(dir, d, w->trailing);
    if (err == 0) {
        mask |= notify_isdir(d->inode);
        if (!directory)
            notify_inode(d->inode, IN_ATTRIB); /* its link count */
        dentry_delete(d);
    }
    dentry_put(d);
    if (err == 0)
        notify_child(dir, w->name, w->length, mask);
    return err;
}

err_t path_unlink(const struct path *base, int dirfd, const char *name, int at_flags)
{
    bool directory = at_flags & AT_REMOVEDIR;
    struct path_walk w;

    if (at_flags & ~AT_REMOVEDIR)
        return -EINVAL;
    err_t err = walk_parent(&w, base, dirfd, name, 0);
    if (err == 0 && w.kind != NAME_PLAIN) {
        err = -EISDIR;
        if (directory)
            err = w.kind == NAME_DOT ? -EINVAL : w.kind == NAME_DOTDOT ? -ENOTEMPTY : -EBUSY;
    }
    if (err == 0)
        err = mount_want_write(w.here.mount);
    if (err == 0) {
        struct inode *dir = w.here.dentry->inode;

        mutex_lock(&dir->mutex);
        err = remove_locked(&w, directory);
        mutex_unlock(&dir->mutex);
    }
    walk_end(&w);
    return err;
}

err_t vfs_unlink(int dirfd, const char *name, int at_flags)
{
    return path_unlink(NULL, dirfd, name, at_flags);
}

/* ---- rename ---- */

struct rename {
    struct path_walk from, to;
    struct dentry *old, *new;
    struct superblock *sb; /* whose rename mutex is held */
    unsigned flags;
};

static void lock_two(struct inode *a, struct inode *b)
{
    mutex_lock(&a->mutex);
    mutex_lock(&b->mutex);
}

static void rename_lock(struct rename *r)
{
    struct dentry *a = r->from.here.dentry, *b = r->to.here.dentry;

    if (a == b) {
        mutex_lock(&a->inode->mutex);
        return;
    }
    r->sb = a->sb;
    mutex_lock(&r->sb->rename_mutex);
    if (dentry_is_ancestor(a, b) || (!dentry_is_ancestor(b, a) && a < b))
        lock_two(a->inode, b->inode);
    else
        lock_two(b->inode, a->inode);
}

static void rename_unlock(struct rename *r)
{
    struct dentry *a = r->from.here.dentry, *b = r->to.here.dentry;

    mutex_unlock(&a->inode->mutex);
    if (a == b)
        return;
    mutex_unlock(&b->inode->mutex);
    mutex_unlock(&r->sb->rename_mutex);
}

static err_t rename_lookup(struct rename *r)
{
    r->old = dentry_lookup_locked(r->from.here.dentry, r->from.name, r->from.length);
    if (IS_ERR(r->old)) {
        err_t err = PTR_ERR(r->old);

        r->old = NULL;
        return err;
    }
    if (!r->old->inode)
        return -ENOENT;
    r->new = dentry_lookup_locked(r->to.here.dentry, r->to.name, r->to.length);
    if (IS_ERR(r->new)) {
        err_t err = PTR_ERR(r->new);

        r->new = NULL;
        return err;
    }
    if (r->flags & RENAME_NOREPLACE && r->new->inode)
        return -EEXIST;
    return r->flags & RENAME_EXCHANGE && !r->new->inode ? -ENOENT : 0;
}

static err_t rename_check_tree(struct rename *r)
{
    bool exchange = r->flags & RENAME_EXCHANGE;

    if (!S_ISDIR(r->old->inode->mode) &&
        (r->from.trailing || (r->to.trailing && !exchange)))
        return -ENOTDIR;
    if (exchange && r->to.trailing && !S_ISDIR(r->new->inode->mode))
        return -ENOTDIR;
    if (dentry_is_ancestor(r->old, r->to.here.dentry))
        return -EINVAL;
    if (r->new->inode && dentry_is_ancestor(r->new, r->from.here.dentry))
        return exchange ? -EINVAL : -ENOTEMPTY;
    return 0;
}

/* A directory that changes its parent must be writable: its ".." changes. */
static err_t rename_check_move(struct rename *r, struct dentry *d)
{
    if (!S_ISDIR(d->inode->mode) || r->from.here.dentry == r->to.here.dentry)
        return 0;
    return inode_permission(d->inode, MAY_WRITE, cred_current());
}

static err_t rename_check(struct rename *r)
{
    err_t err = may_delete(&r->from.here, r->old);

    if (err == 0 && r->new->inode)
        err = may_delete(&r->to.here, r->new);
    else if (err == 0)
        err = inode_permission(r->to.here.dentry->inode, MAY_WRITE | MAY_EXEC, cred_current());
    if (err != 0)
        return err;
    if (r->new->inode && !(r->flags & RENAME_EXCHANGE) &&
        S_ISDIR(r->old->inode->mode) != S_ISDIR(r->new->inode->mode))
        return S_ISDIR(r->new->inode->mode) ? -EISDIR : -ENOTDIR;
    if (r->old->mounts || r->new->mounts)
        return -EBUSY;
    err = rename_check_move(r, r->old);
    if (err == 0 && r->flags & RENAME_EXCHANGE)
        err = rename_check_move(r, r->new);
    return err;
}

static err_t rename_commit(struct rename *r)
{
    struct inode *from = r->from.here.dentry->inode, *to = r->to.here.dentry->inode;
    bool exchange = r->flags & RENAME_EXCHANGE;
    struct inode *replaced = exchange ? NULL : r->new->inode;
    bool lock_replaced = replaced && S_ISDIR(replaced->mode);
    char *space = NULL;

    if (!from->ops->rename)
        return -EPERM;
    if (!exchange && r->to.length >= DNAME_INLINE) {
        space = kmalloc(r->to.length + 1);
        if (!space)
            return -ENOMEM;
    }
    if (lock_replaced)
        mutex_lock(&replaced->mutex);
    err_t err = from->ops->rename(from, r->old, to, r->new, r->flags & RENAME_EXCHANGE);
    if (lock_replaced)
        mutex_unlock(&replaced->mutex);
    if (err != 0) {
        kfree(space);
        return err;
    }
    if (exchange) {
        dentry_exchange(r->old, r->new);
        return 0;
    }
    dentry_delete(r->new);
    dentry_move(r->old, r->to.here.dentry, r->to.name, r->to.length, space);
    return 0;
}

/* One file went from one name to the other. */
static void rename_tell(const struct path_walk *from, const struct path_walk *to, struct inode *i)
{
    uint32_t cookie = notify_cookie(), isdir = notify_isdir(i);

    notify_child_slow(from->here.dentry->inode, from->name, from->length, IN_MOVED_FROM | isdir,
                      cookie);
    notify_child_slow(to->here.dentry->inode, to->name, to->length, IN_MOVED_TO | isdir, cookie);
    notify_inode(i, IN_MOVE_SELF);
}

/* `moved` and `replaced` (may be NULL) are the inodes of the two names before. */
static void rename_tell_all(struct rename *r, struct inode *moved, struct inode *replaced)
{
    rename_tell(&r->from, &r->to, moved);
    if (!replaced)
        return;
    if (r->flags & RENAME_EXCHANGE)
        rename_tell(&r->to, &r->from, replaced);
    else if (!S_ISDIR(replaced->mode))
        notify_inode(replaced, IN_ATTRIB);
}

static err_t rename_locked(struct rename *r)
{
    err_t err = rename_lookup(r);

    if (err == 0)
        err = rename_check_tree(r);
    if (err == 0 && r->new->inode == r->old->inode)
        return 0; /* two names of one file: nothing to do */
    if (err == 0)
        err = rename_check(r);
    if (err != 0)
        return err;
    struct inode *moved = r->old->inode, *replaced = r->new->inode;
    err = rename_commit(r);
    if (err == 0 && notify_wanted())
        rename_tell_all(r, moved, replaced);
    return err;
}

static err_t rename_places(const struct rename *r)
{
    if (r->from.here.mount != r->to.here.mount)
        return -EXDEV;
    if (r->from.kind != NAME_PLAIN)
        return -EBUSY;
    if (r->to.kind != NAME_PLAIN)
        return r->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    return mount_want_write(r->from.here.mount);
}

err_t vfs_rename(int olddir, const char *old, int newdir, const char *new, unsigned flags)
{
    struct rename r = { .flags = flags };

    if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    err_t err = walk_parent(&r.from, NULL, olddir, old, 0);
    if (err == 0) {
        err = walk_parent(&r.to, NULL, newdir, new, 0);
        if (err == 0)
            err = rename_places(&r);
        if (err == 0) {
            rename_lock(&r);
            err = rename_locked(&r);
            rename_unlock(&r);
        }
        if (r.new)
            dentry_put(r.new);
        if (r.old)
            dentry_put(r.old);
        walk_end(&r.to);
    }
    walk_end(&r.from);
    return err;
}
