// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: superblocks and the tree of mounts.
 *
 * Model: a mount joins a tree of dentries (root) to a place (parent mount, mountpoint dentry).  The
 * place is found by a hash of that pair, and only for dentries whose `mounts` is not 0.  A mount in
 * the tree has one reference for being there; children hold one on their parent, open files and
 * directories of processes one each: so a mount that is not in use has exactly one.
 * All mounts are private: there is no propagation.
 * Locking: mount_mutex serialises changes; the tree itself is under fs_lock.
 * Source: mount(2), umount2(2), pivot_root(2), proc(5).
 */
#include <fs/internal.h>
#include <fs/notify.h>
#include <fs/procfs.h>

#include <core/panic.h>
#include <fs/device.h>
#include <lib/hash.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <asm/statfs.h>
#include <linux/capability.h>

#define MOUNT_BUCKETS 64
#define MOUNTS_MAX 100000 /* as fs.mount-max */
#define BIND_LEVELS 32 /* of mounts on mounts that MS_REC copies; the copying recurses */
/* umount2(2); the UAPI headers leave them to the C library. */
#define MNT_FORCE 1
#define MNT_DETACH 2
#define MNT_EXPIRE 4
#define UMOUNT_NOFOLLOW 8
/* What a mount has for itself, and what belongs to the superblock. */
#define MOUNT_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | \
                     MS_RELATIME | MS_STRICTATIME | MS_NOSYMFOLLOW)
#define SB_FLAGS (MS_RDONLY | MS_SYNCHRONOUS | MS_MANDLOCK | MS_DIRSYNC | MS_SILENT | MS_POSIXACL | \
                  MS_I_VERSION | MS_LAZYTIME)
#define MS_PROPAGATION (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

struct mount *mount_first, *mount_anonymous;

struct change_source mount_changes = CHANGE_SOURCE_INIT(mount_changes);
static struct mutex mount_mutex = MUTEX_INIT(mount_mutex);
static struct mount *buckets[MOUNT_BUCKETS]; /* fs_lock */
static struct list mounts = LIST_INIT(mounts); /* fs_lock */
static unsigned mount_count; /* fs_lock */
static unsigned next_id = 1; /* mount_mutex */
static uint32_t next_device; /* atomic */
static struct superblock *singles; /* mount_mutex */

/* ---- superblocks ---- */

const struct filesystem *filesystem_find(const char *name)
{
    registry_for_each(filesystem, f)
        if (strcmp((*f)->name, name) == 0)
            return *f;
    return NULL;
}

unsigned device_anonymous(void)
{
    return DEV(0, atomic_add_fetch(&next_device, 1));
}

static err_t superblock_create(const struct filesystem *fs, const char *source, const char *data,
                               struct superblock **out)
{
    struct superblock *sb = kzalloc(sizeof *sb);

    if (!sb)
        return -ENOMEM;
    sb->type = fs;
    ref_init(&sb->refs, 1);
    sb->dev = device_anonymous();
    mutex_init(&sb->rename_mutex);
    err_t err = fs->mount(fs, sb, source, data);
    if (err != 0)
        kfree(sb);
    else
        *out = sb;
    return err;
}

static err_t superblock_get(const struct filesystem *fs, const char *source, const char *data,
                            struct superblock **out)
{
    for (struct superblock *sb = singles; fs->single && sb; sb = sb->next)
        if (sb->type == fs) {
            ref_get(&sb->refs);
            *out = sb;
            return 0;
        }
    err_t err = superblock_create(fs, source, data, out);
    if (err == 0 && fs->single) {
        ref_get(&(*out)->refs);
        (*out)->next = singles;
        singles = *out;
    }
    return err;
}

void superblock_put(struct superblock *sb)
{
    if (!ref_put(&sb->refs))
        return;
    notify_unmount(sb);
    dentry_tree_destroy(sb->root);
    if (sb->type->unmount)
        sb->type->unmount(sb);
    kfree(sb);
}

/* ---- mounts ---- */

static struct mount *mount_alloc(struct superblock *sb, struct dentry *root, const char *source,
                                 unsigned long flags)
{
    struct mount *m = kzalloc(sizeof *m);

    if (!m)
        return NULL;
    m->source = kstrdup(source ? source : "none");
    if (!m->source) {
        kfree(m);
        return NULL;
    }
    ref_init(&m->refs, 1);
    m->sb = sb;
    m->root = root;
    dentry_get(root);
    m->flags = flags & MOUNT_FLAGS;
    if (!(flags & (MS_NOATIME | MS_STRICTATIME)))
        m->flags |= MS_RELATIME;
    m->id = next_id++;
    list_init(&m->link);
    return m;
}

static err_t mount_create_locked(const struct filesystem *fs, const char *source,
                                 unsigned long flags, const char *data, struct mount **out)
{
    struct superblock *sb;
    err_t err = superblock_get(fs, source, data, &sb);

    if (err != 0)
        return err;
    *out = mount_alloc(sb, sb->root, source, flags);
    if (!*out) {
        superblock_put(sb);
        return -ENOMEM;
    }
    if (!fs->single)
        sb->flags = flags & SB_FLAGS;
    return 0;
}

err_t mount_create(const struct filesystem *fs, const char *source, unsigned long flags,
                   const char *data, struct mount **out)
{
    mutex_lock(&mount_mutex);
    err_t err = mount_create_locked(fs, source, flags, data, out);
    mutex_unlock(&mount_mutex);
    return err;
}

void mount_get(struct mount *m)
{
    ref_get(&m->refs);
}

/* As mount_put, but it is no use that keeps the mount from expiring. */
static void mount_put_unused(struct mount *m)
{
    if (!ref_put(&m->refs))
        return;
    K_DEBUG_ASSERT(!m->parent);
    dentry_put(m->root);
    superblock_put(m->sb);
    kfree(m->source);
    kfree(m);
}

void mount_put(struct mount *m)
{
    if (unlikely(atomic_load_relaxed(&m->expiring)))
        atomic_store(&m->expiring, false);
    mount_put_unused(m);
}

err_t mount_want_write(const struct mount *m)
{
    return unlikely((m->flags | m->sb->flags) & MS_RDONLY) ? -EROFS : 0;
}

static struct mount **bucket_of(const struct mount *parent, const struct dentry *d)
{
    return &buckets[hash_u64((uintptr_t)parent * 31 + (uintptr_t)d) >> 58];
}

struct mount *mount_on_locked(const struct mount *parent, const struct dentry *d)
{
    for (struct mount *m = *bucket_of(parent, d); m; m = m->hash_next)
        if (m->parent == parent && m->mountpoint == d)
            return m;
    return NULL;
}

/* Puts m at a place, whose references and m's it takes over. */
static void mount_attach_locked(struct mount *m, struct mount *parent, struct dentry *d)
{
    struct mount **b = bucket_of(parent, d);

    m->parent = parent;
    m->mountpoint = d;
    d->mounts++;
    m->hash_next = *b;
    *b = m;
    list_add_tail(&mounts, &m->link);
    mount_count++;
    change_source_tell(&mount_changes);
}

/* Takes m from its place; the caller gets the references to it, to the place and to m. */
static struct path mount_detach_locked(struct mount *m)
{
    struct mount **link = bucket_of(m->parent, m->mountpoint);
    struct path place = { m->parent, m->mountpoint };

    while (*link != m)
        link = &(*link)->hash_next;
    *link = m->hash_next;
    m->mountpoint->mounts--;
    m->parent = NULL;
    m->mountpoint = NULL;
    list_del(&m->link);
    mount_count--;
    change_source_tell(&mount_changes);
    return place;
}

static err_t mount_attach(struct mount *m, const struct path *place)
{
    err_t err = 0;

    brlock_write(&fs_lock);
    if (place->dentry->flags & DENTRY_DELETED)
        err = -ENOENT;
    else if (!place->mount->parent && place->mount != mount_first)
        err = -EINVAL; /* a mount that was detached meanwhile, or one of ours */
    else if (mount_count >= MOUNTS_MAX)
        err = -ENOSPC;
    if (err == 0) {
        path_get(place);
        mount_attach_locked(m, place->mount, place->dentry);
    }
    brlock_write_done(&fs_lock);
    return err;
}

static bool mount_below_locked(const struct mount *m, const struct mount *ancestor)
{
    while (m && m != ancestor)
        m = m->parent;
    return m != NULL;
}

static bool path_is_mount(const struct path *p)
{
    return p->dentry == p->mount->root;
}

/* ---- mount(2) ---- */

static err_t mount_new(const char *source, const struct path *place, const char *type,
                       unsigned long flags, const char *data)
{
    const struct filesystem *fs = type ? filesystem_find(type) : NULL;
    struct mount *m;

    if (!type)
        return -EINVAL;
    if (!fs)
        return -ENODEV;
    if (!S_ISDIR(place->dentry->inode->mode))
        return -ENOTDIR;
    err_t err = mount_create_locked(fs, source, flags, data, &m);
    if (err != 0)
        return err;
    if (path_is_mount(place) && place->mount->sb == m->sb)
        err = -EBUSY; /* the same on top of itself */
    if (err == 0)
        err = mount_attach(m, place);
    if (err != 0)
        mount_put(m);
    return err;
}

static struct mount *mount_clone(struct mount *m, struct dentry *root)
{
    struct mount *n = mount_alloc(m->sb, root, m->source, m->flags);

    if (n)
        ref_get(&m->sb->refs);
    return n;
}

/* Binds the mounts below `from` to the same places below its copy; `levels` of them are left. */
static err_t mount_bind_children(struct mount *from, struct dentry *top, struct mount *copy,
                                 unsigned levels)
{
    struct mount *m;

    /* The list changes while we add to it, but only at its end, and mount_mutex is held. */
    list_for_each(m, &mounts, link)
    {
        if (m->parent != from || m == copy || !dentry_is_ancestor(top, m->mountpoint))
            continue;
        if (levels == 0 || atomic_load_relaxed(&mount_count) >= MOUNTS_MAX)
            return -ENOSPC;
        struct mount *n = mount_clone(m, m->root);
        if (!n)
            return -ENOMEM;
        struct path place = { copy, m->mountpoint };
        path_get(&place);
        brlock_write(&fs_lock);
        mount_attach_locked(n, place.mount, place.dentry);
        brlock_write_done(&fs_lock);
        err_t err = mount_bind_children(m, m->root, n, levels - 1);
        if (err != 0)
            return err;
    }
    return 0;
}

static void mount_detach_tree(struct mount *top);

static err_t mount_bind(const char *source, const struct path *place, bool recursive)
{
    struct path from;

    if (!source || !source[0])
        return -EINVAL;
    err_t err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &from);
    if (err != 0)
        return err;
    if (S_ISDIR(from.dentry->inode->mode) != S_ISDIR(place->dentry->inode->mode))
        err = -ENOTDIR;
    else if (from.mount == mount_anonymous)
        err = -EINVAL;
    struct mount *m = err == 0 ? mount_clone(from.mount, from.dentry) : NULL;
    if (err == 0 && !m)
        err = -ENOMEM;
    if (err == 0) {
        err = mount_attach(m, place);
        if (err != 0)
            mount_put(m);
        else if (recursive && (err = mount_bind_children(from.mount, from.dentry, m,
                                                         BIND_LEVELS)) != 0)
            mount_detach_tree(m);
    }
    path_put(&from);
    return err;
}

static err_t mount_move(const char *source, const struct path *place)
{
    struct path from, old = { 0 };

    if (!source || !source[0])
        return -EINVAL;
    err_t err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &from);
    if (err != 0)
        return err;
    brlock_write(&fs_lock);
    if (!path_is_mount(&from) || !from.mount->parent)
        err = -EINVAL;
    else if (S_ISDIR(from.dentry->inode->mode) != S_ISDIR(place->dentry->inode->mode))
        err = -EINVAL;
    else if (place->mount != mount_first && !place->mount->parent)
        err = -EINVAL;
    else if (mount_below_locked(place->mount, from.mount))
        err = -ELOOP;
    if (err == 0) {
        old = mount_detach_locked(from.mount);
        path_get(place);
        mount_attach_locked(from.mount, place->mount, place->dentry);
    }
    brlock_write_done(&fs_lock);
    path_put(&old);
    path_put(&from);
    return err;
}

static err_t mount_remount(const struct path *p, unsigned long flags, const char *data)
{
    struct superblock *sb = p->mount->sb;
    err_t err = 0;

    if (!path_is_mount(p))
        return -EINVAL;
    if (!(flags & MS_BIND)) {
        if (flags & MS_RDONLY && !(sb->flags & MS_RDONLY) && atomic_load(&sb->writers) != 0)
            return -EBUSY;
        if (sb->type->remount)
            err = sb->type->remount(sb, data);
        if (err != 0)
            return err;
    }
    brlock_write(&fs_lock);
    if (!(flags & MS_BIND))
        sb->flags = flags & SB_FLAGS;
    unsigned long atime = MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME;
    unsigned long old = p->mount->flags;
    p->mount->flags = flags & MOUNT_FLAGS;
    if (!(flags & atime)) /* what is not said stays */
        p->mount->flags |= old & atime;
    else if (!(flags & (MS_NOATIME | MS_STRICTATIME)))
        p->mount->flags |= MS_RELATIME;
    brlock_write_done(&fs_lock);
    change_source_tell(&mount_changes);
    return 0;
}

/* All mounts are private already; other kinds do not exist here. */
static err_t mount_propagation(const struct path *p, unsigned long flags)
{
    unsigned long kind = flags & MS_PROPAGATION;

    if (flags & ~(MS_PROPAGATION | MS_REC | MS_SILENT) || !IS_POW2(kind) || !path_is_mount(p))
        return -EINVAL;
    return kind == MS_PRIVATE ? 0 : -EINVAL;
}

static err_t mount_do(const char *source, const struct path *place, const char *type,
                      unsigned long flags, const char *data)
{
    if (flags & MS_REMOUNT)
        return mount_remount(place, flags, data);
    if (flags & MS_BIND)
        return mount_bind(source, place, flags & MS_REC);
    if (flags & MS_PROPAGATION)
        return mount_propagation(place, flags);
    if (flags & MS_MOVE)
        return mount_move(source, place);
    return mount_new(source, place, type, flags, data);
}

err_t vfs_mount(const char *source, const char *dir, const char *type, unsigned long flags,
                const char *data)
{
    struct path place;

    if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
        flags &= ~(unsigned long)MS_MGC_MSK;
    if (!cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EPERM;
    if (flags & ~(MOUNT_FLAGS | SB_FLAGS | MS_REMOUNT | MS_BIND | MS_MOVE | MS_REC | MS_PROPAGATION))
        return -EINVAL;
    err_t err = path_lookup(AT_FDCWD, dir, LOOKUP_FOLLOW, &place);
    if (err != 0)
        return err;
    mutex_lock(&mount_mutex);
    err = mount_do(source, &place, type, flags, data);
    mutex_unlock(&mount_mutex);
    path_put(&place);
    return err;
}

/* ---- umount2(2) ---- */

static struct mount *mount_child_locked(const struct mount *parent)
{
    struct mount *m;

    list_for_each(m, &mounts, link)
        if (m->parent == parent)
            return m;
    return NULL;
}

/* A mount below `top` (or it itself) on which nothing is mounted.  They may lie deep. */
static struct mount *mount_leaf_locked(struct mount *top)
{
    struct mount *child;

    while ((child = mount_child_locked(top)) != NULL)
        top = child;
    return top;
}

/* Takes the mount and all below it out of the tree; each lives on while it is used. */
static void mount_detach_tree(struct mount *top)
{
    struct mount *m;

    do {
        brlock_write(&fs_lock);
        m = mount_leaf_locked(top);
        struct path place = mount_detach_locked(m);
        brlock_write_done(&fs_lock);
        path_put(&place);
        mount_put(m);
    } while (m != top);
}

static err_t mount_umount(struct mount *m, int flags)
{
    struct path place;
    err_t err = 0;

    if (!m->parent)
        return -EINVAL;
    if (flags & MNT_DETACH) {
        mount_detach_tree(m);
        return 0;
    }
    brlock_write(&fs_lock);
    if (ref_read(&m->refs) > 2) /* the tree's and the caller's */
        err = -EBUSY;
    else if (flags & MNT_EXPIRE && !atomic_xchg(&m->expiring, true))
        err = -EAGAIN;
    if (err != 0) {
        brlock_write_done(&fs_lock);
        return err;
    }
    place = mount_detach_locked(m);
    brlock_write_done(&fs_lock);
    path_put(&place);
    mount_put(m);
    return 0;
}

err_t vfs_umount(const char *dir, int flags)
{
    struct path p;
    err_t err;

    if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW) ||
        (flags & MNT_EXPIRE && flags & (MNT_FORCE | MNT_DETACH)))
        return -EINVAL;
    if (!cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EPERM;
    err = path_lookup(AT_FDCWD, dir, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
    if (err != 0)
        return err;
    mutex_lock(&mount_mutex);
    if (!path_is_mount(&p)) {
        err = -EINVAL;
    } else { /* the dentry's reference goes first, or the file system would look used */
        struct mount *m = p.mount;

        dentry_put(p.dentry);
        err = mount_umount(m, flags);
        mutex_unlock(&mount_mutex);
        mount_put_unused(m);
        return err;
    }
    mutex_unlock(&mount_mutex);
    path_put(&p);
    return err;
}

/* ---- pivot_root(2), chroot(2), chdir(2) ---- */

static bool context_replace(struct path *which, const struct path *from, const struct path *to)
{
    if (which->dentry != from->dentry || which->mount != from->mount)
        return false;
    path_get(to);
    *which = *to;
    return true;
}

/* Everybody whose root or directory is `from` goes to `to`.  fs_lock held as a writer. */
static void roots_replace_locked(const struct path *from, const struct path *to, unsigned *moved)
{
    for (unsigned part = 0; part < FS_CONTEXT_PARTS; part++) {
        struct fs_context *fs;

        list_for_each(fs, &fs_context_parts[part].contexts, link)
            *moved += context_replace(&fs->root, from, to) + context_replace(&fs->cwd, from, to);
    }
}

static err_t pivot_check_locked(const struct path *root, const struct path *new,
                                const struct path *old)
{
    struct path p = *old;

    if (new->mount == root->mount || old->mount == root->mount)
        return -EBUSY;
    if (!path_is_mount(root) || !root->mount->parent || !path_is_mount(new) || !new->mount->parent)
        return -EINVAL;
    if (!mount_below_locked(new->mount, root->mount))
        return -EINVAL;
    while (p.mount != new->mount && p.mount->parent) { /* old must lie at or below new */
        p.dentry = p.mount->mountpoint;
        p.mount = p.mount->parent;
    }
    return p.mount == new->mount ? 0 : -EINVAL;
}

static err_t pivot_do(struct path *root, struct path *new, struct path *old)
{
    struct path new_place, root_place;
    unsigned moved = 0;

    mutex_lock(&mount_mutex);
    brlock_write(&fs_lock);
    err_t err = pivot_check_locked(root, new, old);
    if (err != 0) {
        brlock_write_done(&fs_lock);
        mutex_unlock(&mount_mutex);
        return err;
    }
    new_place = mount_detach_locked(new->mount);
    root_place = mount_detach_locked(root->mount);
    path_get(old);
    mount_attach_locked(new->mount, root_place.mount, root_place.dentry);
    mount_attach_locked(root->mount, old->mount, old->dentry);
    roots_replace_locked(root, new, &moved);
    brlock_write_done(&fs_lock);
    mutex_unlock(&mount_mutex);
    path_put(&new_place);
    while (moved-- > 0) /* the references of those that were moved */
        path_put(root);
    return 0;
}

err_t vfs_pivot_root(const char *new_root, const char *put_old)
{
    struct path new, old, root;
    err_t err;

    if (!cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EPERM;
    err = path_lookup(AT_FDCWD, new_root, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &new);
    if (err != 0)
        return err;
    err = path_lookup(AT_FDCWD, put_old, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &old);
    if (err == 0) {
        fs_context_root(actor_current()->fs, &root);
        err = pivot_do(&root, &new, &old);
        path_put(&root);
        path_put(&old);
    }
    path_put(&new);
    return err;
}

static void context_set(struct path *which, const struct path *p)
{
    path_get(p);
    brlock_write(&fs_lock);
    struct path old = *which;
    *which = *p;
    brlock_write_done(&fs_lock);
    path_put(&old);
}

err_t vfs_chdir(const struct path *p)
{
    struct inode *i = p->dentry->inode;

    if (!S_ISDIR(i->mode))
        return -ENOTDIR;
    err_t err = inode_permission(i, MAY_EXEC, cred_current());
    if (err == 0)
        context_set(&actor_current()->fs->cwd, p);
    return err;
}

err_t vfs_chroot(const struct path *p)
{
    struct inode *i = p->dentry->inode;

    if (!S_ISDIR(i->mode))
        return -ENOTDIR;
    err_t err = inode_permission(i, MAY_EXEC, cred_current());
    if (err == 0 && !cred_capable(cred_current(), CAP_SYS_CHROOT))
        err = -EPERM;
    if (err == 0)
        context_set(&actor_current()->fs->root, p);
    return err;
}

/* ---- what is mounted ---- */

void vfs_statfs(const struct path *p, struct statfs *st)
{
    struct superblock *sb = p->dentry->sb;
    unsigned long flags = p->mount->flags | (sb->flags & MS_RDONLY);
    /* MS_* and the ST_* of statfs(2): the low four are the same. */
    unsigned long shown = flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);

    memset(st, 0, sizeof *st);
    st->f_type = (__statfs_word)sb->type->magic;
    st->f_bsize = st->f_frsize = PAGE_SIZE;
    st->f_namelen = NAME_MAX;
    st->f_fsid.val[0] = (int)sb->dev;
    if (sb->type->statfs)
        sb->type->statfs(sb, st);
    shown |= flags & MS_NOATIME ? 0x400 : 0;
    shown |= flags & MS_NODIRATIME ? 0x800 : 0;
    shown |= flags & MS_RELATIME ? 0x1000 : 0;
    shown |= flags & MS_NOSYMFOLLOW ? 0x2000 : 0;
    st->f_flags = (__statfs_word)(shown | 0x20 /* ST_VALID */);
}

static void text_escaped(struct textbuf *out, const char *s)
{
    for (; *s; s++)
        if (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\\' || *s == '#')
            text_printf(out, "\\%03o", (unsigned char)*s);
        else
            text_append(out, s, 1);
}

static void mount_options(struct textbuf *out, const struct mount *m, unsigned long readonly_of)
{
    static const struct {
        unsigned long flag;
        const char *text;
    } names[] = {
        { MS_NOSUID, ",nosuid" },     { MS_NODEV, ",nodev" },       { MS_NOEXEC, ",noexec" },
        { MS_NOATIME, ",noatime" },   { MS_NODIRATIME, ",nodiratime" },
        { MS_RELATIME, ",relatime" }, { MS_NOSYMFOLLOW, ",nosymfollow" },
    };

    text_printf(out, "%s", readonly_of & MS_RDONLY ? "ro" : "rw");
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (m->flags & names[i].flag)
            text_printf(out, "%s", names[i].text);
}

static void superblock_options(struct textbuf *out, struct superblock *sb)
{
    if (sb->flags & MS_SYNCHRONOUS)
        text_printf(out, ",sync");
    if (sb->flags & MS_DIRSYNC)
        text_printf(out, ",dirsync");
    if (sb->flags & MS_LAZYTIME)
        text_printf(out, ",lazytime");
    if (sb->type->show_options)
        sb->type->show_options(sb, out);
}

static void mount_show_info(struct textbuf *out, struct mount *m, const char *at, char *buf)
{
    char *inside = dentry_name(m->root, buf, PATH_BYTES); /* "/" but for bind mounts */

    text_printf(out, "%u %u %u:%u ", m->id, m->parent ? m->parent->id : m->id,
                DEV_MAJOR(m->sb->dev), DEV_MINOR(m->sb->dev));
    text_escaped(out, IS_ERR(inside) ? "/" : inside);
    text_append(out, " ", 1);
    text_escaped(out, at);
    text_append(out, " ", 1);
    mount_options(out, m, m->flags);
    text_printf(out, " - %s ", m->sb->type->name);
    text_escaped(out, m->source);
    text_printf(out, " %s", m->sb->flags & MS_RDONLY ? "ro" : "rw");
    superblock_options(out, m->sb);
    text_append(out, "\n", 1);
}

static void mount_show_line(struct textbuf *out, struct mount *m, const char *at)
{
    text_escaped(out, m->source);
    text_append(out, " ", 1);
    text_escaped(out, at);
    text_printf(out, " %s ", m->sb->type->name);
    mount_options(out, m, m->flags | m->sb->flags);
    superblock_options(out, m->sb);
    text_printf(out, " 0 0\n");
}

static void mount_show(struct textbuf *out, struct mount *m, const struct path *root,
                       enum mount_list what, char *buf)
{
    struct path p = { m, m->root };
    bool reached;
    char *at = path_name_from(&p, root, buf, PATH_BYTES, &reached);

    if (IS_ERR(at) || !reached)
        return;
    if (what == MOUNT_LIST_MOUNTS)
        mount_show_line(out, m, at);
    else if (what == MOUNT_LIST_INFO)
        mount_show_info(out, m, at, buf + PATH_BYTES);
    else {
        text_printf(out, "device %s mounted on ", m->source);
        text_escaped(out, at);
        text_printf(out, " with fstype %s\n", m->sb->type->name);
    }
}

void mounts_show(struct textbuf *out, struct fs_context *fs, enum mount_list what)
{
    char *buf = kmalloc(2 * PATH_BYTES);
    struct path root;
    struct mount *m;

    if (!buf) {
        out->error = -ENOMEM;
        return;
    }
    fs_context_root(fs ? fs : actor_current()->fs, &root);
    mutex_lock(&mount_mutex); /* keeps the list as it is */
    list_for_each(m, &mounts, link)
        mount_show(out, m, &root, what, buf);
    mutex_unlock(&mount_mutex);
    path_put(&root);
    kfree(buf);
}

/* ---- boot ---- */

static err_t anonymous_mount(const struct filesystem *fs, struct superblock *sb, const char *source,
                             const char *data)
{
    struct inode *i = inode_create(sb, NULL, S_IFDIR | 0555);

    if (IS_ERR(i))
        return PTR_ERR(i);
    i->fops = &no_device_ops;
    sb->root = dentry_make_root(sb, i);
    return sb->root ? 0 : -ENOMEM;
}

static const struct filesystem anonymous_filesystem = { .name = "anon_inodefs", .nodev = true,
                                                        .magic = 0x09041934,
                                                        .mount = anonymous_mount };

err_t mount_root_init(void)
{
    const struct filesystem *fs = filesystem_find("rootfs");
    struct path root;

    if (!fs)
        return -ENODEV;
    err_t err = mount_create(&anonymous_filesystem, "none", 0, NULL, &mount_anonymous);
    if (err == 0)
        err = mount_create(fs, "rootfs", 0, NULL, &mount_first);
    if (err != 0)
        return err;
    mount_first->flags &= ~(unsigned long)MS_RELATIME;
    list_add_tail(&mounts, &mount_first->link);
    mount_count++;
    root = (struct path){ mount_first, mount_first->root };
    actor_kernel_init(&root);
    return 0;
}
