// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: open(2): from a path to an opening.
 *
 * Model: an existing file is found by one walk and opened (open_existing).  With O_CREAT a walk that
 * ends at an absent name goes on under the directory's mutex: the name is looked up once more, then
 * made.  Everything that can be refused is refused before anything changes; O_TRUNC comes last.
 * Source: open(2), openat2(2).
 */
#include <fs/internal.h>

#include <fs/notify.h>
#include <core/panic.h>
#include <fs/fdtable.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <linux/capability.h>

static unsigned open_may(unsigned flags)
{
    static const unsigned wants[] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE,
                                      MAY_READ | MAY_WRITE }; /* 3: checks both, gives neither */
    unsigned may = wants[flags & O_ACCMODE];

    return flags & O_TRUNC ? may | MAY_WRITE : may;
}

static err_t open_check_type(const struct path *p, unsigned flags, unsigned may)
{
    unsigned mode = p->dentry->inode->mode;

    switch (mode & S_IFMT) {
    case S_IFLNK:
        return -ELOOP;
    case S_IFDIR:
        return may & MAY_WRITE || flags & O_CREAT ? -EISDIR : 0;
    case S_IFCHR:
    case S_IFBLK:
        if (p->mount->flags & MS_NODEV)
            return -EACCES;
        break;
    case S_IFREG:
        if (may & MAY_WRITE)
            return mount_want_write(p->mount);
        break;
    default:
        break;
    }
    return flags & O_DIRECTORY ? -ENOTDIR : 0;
}

/* May the caller open it so?  `created`: it has just been made, with whatever mode. */
static err_t open_check(const struct path *p, unsigned flags, bool created)
{
    struct inode *i = p->dentry->inode;
    unsigned may = open_may(flags);
    err_t err = open_check_type(p, flags & ~(unsigned)(created ? O_CREAT : 0), may);

    if (err != 0)
        return err;
    if (flags & O_DIRECTORY && !S_ISDIR(i->mode))
        return -ENOTDIR;
    if (!created) {
        err = inode_permission(i, may, cred_current());
        if (err != 0)
            return err;
    }
    if (flags & O_DIRECT && S_ISREG(i->mode))
        return -EINVAL; /* its pages are all that there is */
    if (flags & O_NOATIME && !inode_owner_or_capable(i))
        return -EPERM;
    return 0;
}

static unsigned open_fmode(const struct inode *i, const struct file_ops *ops, unsigned flags)
{
    unsigned fmode = ((flags & O_ACCMODE) + 1) & (FMODE_READ | FMODE_WRITE);

    if (S_ISREG(i->mode) || S_ISDIR(i->mode) || S_ISBLK(i->mode))
        return fmode | FMODE_SHARED_POS | FMODE_PREAD;
    return fmode | (ops->seek ? FMODE_PREAD : 0) | FMODE_STREAM;
}

/* Counts a writer of a regular file. */
static err_t open_writer(struct file *f)
{
    if (!(f->fmode & FMODE_WRITE) || !S_ISREG(f->inode->mode))
        return 0;
    err_t err = inode_write_get(f->inode);
    if (err == 0) {
        f->fmode |= FMODE_WRITER;
        atomic_fetch_add(&f->inode->sb->writers, 1);
    }
    return err;
}

static err_t open_truncate(struct file *f)
{
    struct inode *i = f->inode;
    struct attributes a = { .valid = ATTR_SIZE | ATTR_MTIME | ATTR_CTIME | ATTR_TOUCH };
    err_t err = 0;

    if (!S_ISREG(i->mode))
        return 0;
    if (!(f->fmode & FMODE_WRITER) && (err = inode_write_get(i)) != 0)
        return err;
    mutex_lock(&i->mutex);
    inode_remove_privileges(i);
    err = i->ops && i->ops->setattr ? i->ops->setattr(i, &a) : inode_setattr(i, &a);
    mutex_unlock(&i->mutex);
    if (!(f->fmode & FMODE_WRITER))
        inode_write_put(i);
    if (err == 0)
        notify_dentry(f->path.dentry, IN_MODIFY);
    return err;
}

/* An opening of `p`, whose references it takes over (also when it fails); no checks. */
static err_t open_file(struct path *p, unsigned flags, struct file **out)
{
    struct file *f = file_alloc();
    err_t err = 0;

    if (IS_ERR(f)) {
        path_put(p);
        return PTR_ERR(f);
    }
    f->path = *p;
    f->inode = p->dentry->inode;
    f->flags = flags & ~(unsigned)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC);
    f->ops = f->inode->fops ? f->inode->fops : &no_device_ops;
    if (flags & O_PATH) {
        f->flags = flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW);
        f->fmode = FMODE_PATH;
        *out = f;
        return 0;
    }
    f->fmode = open_fmode(f->inode, f->ops, flags);
    if (f->ops == &object_file_ops || S_ISREG(f->inode->mode))
        err = open_writer(f);
    if (err == 0 && f->ops->open) {
        if (flags & O_NOCTTY) /* only the terminal's open looks at it */
            f->flags |= O_NOCTTY;
        err = f->ops->open(f->inode, f);
        f->flags &= ~(unsigned)O_NOCTTY;
        if (err != 0)
            f->ops = &no_device_ops; /* nothing to release */
        else if (!S_ISREG(f->inode->mode) && !S_ISDIR(f->inode->mode))
            f->fmode = (f->fmode & ~(unsigned)(FMODE_PREAD | FMODE_SHARED_POS)) |
                       open_fmode(f->inode, f->ops, flags);
    }
    if (err == 0 && flags & O_TRUNC)
        err = open_truncate(f);
    if (err != 0) {
        file_put(f);
        return err;
    }
    notify_dentry(f->path.dentry, IN_OPEN);
    *out = f;
    return 0;
}

err_t path_open_granted(struct path *p, unsigned flags, struct file **out)
{
    return open_file(p, flags, out);
}

static err_t open_existing(struct path *p, unsigned flags, struct file **out)
{
    err_t err = flags & O_PATH ? 0 : open_check(p, flags, false);

    if (flags & O_PATH && flags & O_DIRECTORY && !S_ISDIR(p->dentry->inode->mode))
        err = -ENOTDIR;
    if (err != 0) {
        path_put(p);
        return err;
    }
    return open_file(p, flags, out);
}

static err_t open_make(struct path *dir, struct dentry *d, unsigned mode)
{
    struct inode *i = dir->dentry->inode;
    unsigned umask = atomic_load_relaxed(&actor_current()->fs->umask);
    err_t err = mount_want_write(dir->mount);

    if (err == 0)
        err = inode_permission(i, MAY_WRITE | MAY_EXEC, cred_current());
    if (err == 0 && !i->ops->create)
        err = -EACCES;
    if (err == 0)
        err = i->ops->create(i, d, S_IFREG | (mode & S_PERMISSIONS & ~umask), 0);
    return err;
}

/* `w` stands at an absent name: makes it, unless somebody else has.  Return: 0 and the place with
 * references; -EAGAIN: it exists now, look again. */
static err_t open_create(struct path_walk *w, unsigned flags, unsigned mode, struct path *out)
{
    struct path *dir = &w->here;
    struct inode *i = dir->dentry->inode;
    err_t err = 0;

    if (w->kind != NAME_PLAIN)
        return flags & O_EXCL ? -EEXIST : -EISDIR;
    mutex_lock(&i->mutex);
    struct dentry *d = dentry_lookup_locked(dir->dentry, w->name, w->length);
    if (IS_ERR(d)) {
        err = PTR_ERR(d);
    } else if (d->inode) {
        err = flags & O_EXCL ? -EEXIST : -EAGAIN;
    } else {
        err = w->trailing ? -EISDIR : open_make(dir, d, mode);
        if (err == 0)
            notify_child(i, d->name, d->length, IN_CREATE);
    }
    mutex_unlock(&i->mutex);
    if (err == 0) {
        mount_get(dir->mount);
        *out = (struct path){ dir->mount, d };
    } else if (!IS_ERR(d)) {
        dentry_put(d);
    }
    return err;
}

static err_t open_or_create(const struct path *base, int dirfd, const char *name, unsigned flags,
                            unsigned mode, unsigned lookup, struct file **out)
{
    for (unsigned tries = 0; tries < 16; tries++) {
        struct path_walk w;
        struct path p;
        bool created = false;
        int err;

        if (flags & O_EXCL) {
            err = walk_parent(&w, base, dirfd, name, lookup & ~(unsigned)LOOKUP_FOLLOW);
            err = err == 0 ? WALK_ABSENT : err;
        } else {
            err = walk_lookup(&w, base, dirfd, name, lookup, &p);
            if (err == 0 && w.trailing && !S_ISDIR(p.dentry->inode->mode)) {
                path_put(&p);
                err = -ENOTDIR;
            }
        }
        if (err == WALK_ABSENT) {
            err = open_create(&w, flags, mode, &p);
            created = err == 0;
        }
        walk_end(&w);
        if (err == -EAGAIN)
            continue;
        if (err != 0)
            return err;
        if (!created)
            return open_existing(&p, flags, out);
        err = open_check(&p, flags & ~(unsigned)O_TRUNC, true);
        if (err != 0) {
            path_put(&p);
            return err;
        }
        return open_file(&p, flags & ~(unsigned)O_TRUNC, out);
    }
    return -ELOOP; /* a link to nowhere that always exists: see walk_link */
}

/* The place of a new file without a name, in the file system of `dir`. */
static err_t tmpfile_make(const struct path *dir, unsigned mode, struct path *out)
{
    struct inode *parent = dir->dentry->inode, *i;
    unsigned umask = atomic_load_relaxed(&actor_current()->fs->umask);
    char *buf = kmalloc(PATH_BYTES + 32), *name;

    if (!buf)
        return -ENOMEM;
    name = path_name_from(dir, NULL, buf, PATH_BYTES, NULL);
    i = IS_ERR(name) ? ERR_PTR(PTR_ERR(name))
                     : parent->ops->tmpfile(parent, S_IFREG | (mode & S_PERMISSIONS & ~umask));
    if (!IS_ERR(i)) {
        size_t n = strlen(name);

        memmove(buf, name, n);
        fmt_snprintf(buf + n, 32, "%s#%llu", buf[n - 1] == '/' ? "" : "/",
                     (unsigned long long)i->ino);
        out->dentry = dentry_make_anonymous(dir->dentry->sb, buf, i);
        if (!out->dentry)
            inode_put(i);
    }
    kfree(buf);
    if (IS_ERR(i))
        return PTR_ERR(i);
    if (!out->dentry)
        return -ENOMEM;
    out->mount = dir->mount;
    mount_get(out->mount);
    return 0;
}

/* O_TMPFILE; O_EXCL: it never gets a name. */
static err_t open_tmpfile(const struct path *base, int dirfd, const char *name, unsigned flags,
                          unsigned mode, unsigned lookup, struct file **out)
{
    struct path dir, p;
    err_t err;

    if (!(flags & O_DIRECTORY) || flags & O_CREAT || !(open_may(flags) & MAY_WRITE))
        return -EINVAL;
    err = path_lookup_from(base, dirfd, name, lookup, &dir);
    if (err != 0)
        return err;
    err = mount_want_write(dir.mount);
    if (err == 0)
        err = inode_permission(dir.dentry->inode, MAY_WRITE | MAY_EXEC, cred_current());
    if (err == 0 && (!dir.dentry->inode->ops || !dir.dentry->inode->ops->tmpfile))
        err = -EOPNOTSUPP;
    if (err == 0)
        err = tmpfile_make(&dir, mode, &p);
    path_put(&dir);
    if (err != 0)
        return err;
    p.dentry->inode->linkable = !(flags & O_EXCL);
    flags &= ~(unsigned)(O_DIRECTORY | O_TRUNC);
    err = open_check(&p, flags & ~(unsigned)__O_TMPFILE, true);
    if (err != 0) {
        path_put(&p);
        return err;
    }
    err = open_file(&p, flags, out);
    if (err == 0)
        (*out)->flags |= O_DIRECTORY; /* as fcntl(F_GETFL) shows it */
    return err;
}

err_t path_open(const struct path *base, int dirfd, const char *name, unsigned flags,
                unsigned mode, unsigned lookup, struct file **out)
{
    struct path p;

    if (!(flags & O_NOFOLLOW))
        lookup |= LOOKUP_FOLLOW;
    if (flags & O_DIRECTORY)
        lookup |= LOOKUP_DIRECTORY;
    if (unlikely(flags & __O_TMPFILE && !(flags & O_PATH)))
        return open_tmpfile(base, dirfd, name, flags, mode, lookup, out);
    if (flags & O_PATH)
        flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if (flags & O_CREAT)
        return flags & O_DIRECTORY ? -EINVAL
                                   : open_or_create(base, dirfd, name, flags, mode, lookup, out);
    err_t err = path_lookup_from(base, dirfd, name, lookup, &p);
    if (err != 0)
        return err;
    return open_existing(&p, flags, out);
}

err_t file_open(int dirfd, const char *name, unsigned flags, unsigned mode, struct file **out)
{
    return path_open(NULL, dirfd, name, flags, mode, 0, out);
}

err_t file_open_lookup(int dirfd, const char *name, unsigned flags, unsigned mode, unsigned lookup,
                       struct file **out)
{
    return path_open(NULL, dirfd, name, flags, mode, lookup, out);
}

err_t file_open_path(const struct path *p, unsigned flags, struct file **out)
{
    struct path mine = *p;

    path_get(&mine);
    return open_existing(&mine, flags, out);
}

static err_t open_exec_check(const struct path *p)
{
    struct inode *i = p->dentry->inode;

    if (S_ISLNK(i->mode))
        return -ELOOP;
    if (!S_ISREG(i->mode) || p->mount->flags & MS_NOEXEC)
        return -EACCES;
    return inode_permission(i, MAY_EXEC, cred_current());
}

err_t file_open_exec(int dirfd, const char *name, unsigned at_flags, struct file **out)
{
    unsigned lookup = (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
                      (at_flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
    struct path p;
    struct file *f;
    err_t err = path_lookup_from(NULL, dirfd, name, lookup, &p);

    if (err != 0)
        return err;
    err = open_exec_check(&p);
    if (err != 0) {
        path_put(&p);
        return err;
    }
    err = open_file(&p, O_RDONLY, &f);
    if (err != 0)
        return err;
    struct inode *i = f->inode;
    spin_lock(&i->lock);
    if (i->writers) {
        err = -ETXTBSY;
    } else {
        i->deny_write++;
        f->fmode |= FMODE_EXEC;
    }
    spin_unlock(&i->lock);
    if (err != 0) {
        file_put(f);
        return err;
    }
    *out = f; /* not before: a caller that cleans up puts what it finds there */
    return 0;
}
