// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files in memory: tmpfs, ramfs, and the root that the initramfs fills.
 *
 * Model: the dentries are the directories (SB_TREE), the inode's object holds the bytes, the target
 * of a symbolic link hangs at inode->data.  What a directory costs is charged like Linux does: one
 * inode each; only pages count against size=.
 * Options: size= (bytes with k, m, g, or % of RAM), nr_blocks=, nr_inodes=, mode=, uid=, gid=.
 * Locking: the directory's mutex (by the caller); counts by atomic operations.
 * Source: tmpfs(5).
 */
#include <fs/internal.h>
#include <fs/tmpfs.h>

#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <asm/statfs.h>
#include <linux/fs.h>
#include <linux/magic.h>

/* What Linux counts as the size of a directory for each name, the first two included. */
#define ENTRY_BYTES 20
/* Bits in sb->data: limits that an option set, and that are shown therefore. */
#define SHOW_SIZE 1u
#define SHOW_INODES 2u

struct tmpfs_options {
    uint64_t pages, inodes; /* 0: no limit */
    unsigned mode;
    uid_t uid;
    gid_t gid;
    uintptr_t show; /* SHOW_* */
};

/* ---- inodes ---- */

static const struct inode_ops tmpfs_dir_inode_ops, tmpfs_file_inode_ops, tmpfs_link_inode_ops;

static struct inode *tmpfs_inode(struct superblock *sb, const struct inode *dir, unsigned mode,
                                 unsigned rdev)
{
    struct inode *i = inode_create(sb, dir, mode);

    if (IS_ERR(i))
        return i;
    switch (mode & S_IFMT) {
    case S_IFREG:
        i->ops = &tmpfs_file_inode_ops;
        i->fops = &object_file_ops;
        i->seals = SEAL_KNOWN | F_SEAL_SEAL;
        break;
    case S_IFDIR:
        i->ops = &tmpfs_dir_inode_ops;
        i->fops = &tree_dir_ops;
        i->nlink = 2;
        i->object.size = 2 * ENTRY_BYTES;
        break;
    case S_IFLNK:
        i->ops = &tmpfs_link_inode_ops;
        i->fops = &no_device_ops;
        break;
    default:
        i->ops = &tmpfs_file_inode_ops;
        inode_special(i, rdev);
    }
    return i;
}

/* As many entries and links (of subdirectories) more or less. */
static void dir_changed(struct inode *dir, int entries, int links)
{
    int64_t now = fs_now();

    spin_lock(&dir->lock);
    dir->mtime = dir->ctime = now;
    dir->nlink += (uint32_t)links;
    dir->object.size += (uint64_t)(entries * ENTRY_BYTES);
    spin_unlock(&dir->lock);
}

static void inode_link_change(struct inode *i, int change)
{
    int64_t now = fs_now();

    spin_lock(&i->lock);
    i->ctime = now;
    i->nlink += (uint32_t)change;
    spin_unlock(&i->lock);
}

static err_t tmpfs_create(struct inode *dir, struct dentry *d, unsigned mode, unsigned rdev)
{
    struct inode *i = tmpfs_inode(dir->sb, dir, mode, rdev);

    if (IS_ERR(i))
        return PTR_ERR(i);
    dentry_attach(d, i);
    dir_changed(dir, 1, 0);
    return 0;
}

static struct inode *tmpfs_tmpfile(struct inode *dir, unsigned mode)
{
    struct inode *i = tmpfs_inode(dir->sb, dir, mode, 0);

    if (!IS_ERR(i))
        i->nlink = 0;
    return i;
}

static err_t tmpfs_mkdir(struct inode *dir, struct dentry *d, unsigned mode)
{
    struct inode *i = tmpfs_inode(dir->sb, dir, mode, 0);

    if (IS_ERR(i))
        return PTR_ERR(i);
    dentry_attach(d, i);
    dir_changed(dir, 1, 1);
    return 0;
}

static err_t tmpfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
    struct inode *i = tmpfs_inode(dir->sb, dir, S_IFLNK | 0777, 0);

    if (IS_ERR(i))
        return PTR_ERR(i);
    i->data = kstrdup(target);
    if (!i->data) {
        inode_put(i);
        return -ENOMEM;
    }
    i->object.size = strlen(target);
    dentry_attach(d, i);
    dir_changed(dir, 1, 0);
    return 0;
}

static err_t tmpfs_link(struct inode *dir, struct dentry *d, struct inode *target)
{
    inode_link_change(target, 1);
    inode_get(target);
    dentry_attach(d, target);
    dir_changed(dir, 1, 0);
    return 0;
}

static err_t tmpfs_unlink(struct inode *dir, struct dentry *d)
{
    inode_link_change(d->inode, -1);
    dir_changed(dir, -1, 0);
    return 0;
}

static err_t tmpfs_rmdir(struct inode *dir, struct dentry *d)
{
    if (dentry_has_children(d))
        return -ENOTEMPTY;
    inode_link_change(d->inode, -2);
    dir_changed(dir, -1, -1);
    return 0;
}

static err_t tmpfs_rename(struct inode *from, struct dentry *old, struct inode *to,
                          struct dentry *new, unsigned flags)
{
    int dirs_out = S_ISDIR(old->inode->mode), dirs_in = dirs_out, out = 1, in = 1;

    if (flags & RENAME_EXCHANGE) {
        int other = S_ISDIR(new->inode->mode);

        inode_link_change(new->inode, 0);
        dirs_out -= other;
        dirs_in -= other;
        out = in = 0;
    } else if (new->inode) {
        bool directory = S_ISDIR(new->inode->mode);

        if (directory && dentry_has_children(new))
            return -ENOTEMPTY;
        inode_link_change(new->inode, directory ? -2 : -1);
        dirs_in -= directory;
        in = 0;
    }
    inode_link_change(old->inode, 0);
    dir_changed(from, -out, -dirs_out);
    dir_changed(to, in, dirs_in);
    return 0;
}

static ssize_t tmpfs_readlink(struct inode *i, char *buf, size_t size)
{
    size_t n = MIN(size, (size_t)i->object.size);

    memcpy(buf, i->data, n);
    return (ssize_t)n;
}

static const struct inode_ops tmpfs_dir_inode_ops = {
    .create = tmpfs_create,
    .tmpfile = tmpfs_tmpfile,
    .mkdir = tmpfs_mkdir,
    .symlink = tmpfs_symlink,
    .link = tmpfs_link,
    .unlink = tmpfs_unlink,
    .rmdir = tmpfs_rmdir,
    .rename = tmpfs_rename,
    .setattr = inode_setattr,
};
static const struct inode_ops tmpfs_file_inode_ops = { .setattr = inode_setattr };
static const struct inode_ops tmpfs_link_inode_ops = { .readlink = tmpfs_readlink,
                                                       .setattr = inode_setattr };

static void tmpfs_evict(struct inode *i)
{
    if (S_ISLNK(i->mode))
        kfree(i->data);
}

/* A page that a fault or fallocate makes: zero, and charged. */
static err_t tmpfs_read_page(struct object *o, uint64_t index, paddr_t frame)
{
    err_t err = inode_charge(o->owner, 1);

    if (err == 0)
        page_zero(phys_to_virt(frame));
    return err;
}

static const struct pager tmpfs_pager = { .read_page = tmpfs_read_page };

/* ---- options ---- */

static err_t option_size(const char *value, uint64_t *pages)
{
    const char *s = value;
    uint64_t n;
    err_t err = str_to_u64(&s, 0, &n);

    if (err != 0)
        return -EINVAL;
    if (strcmp(s, "%") == 0) {
        *pages = n > 100000 ? UINT64_MAX : frame_total() * n / 100;
        return 0;
    }
    if (str_to_size(value, &n) != 0)
        return -EINVAL;
    *pages = n / PAGE_SIZE + (n % PAGE_SIZE != 0);
    return 0;
}

static err_t option_number(const char *value, int base, uint64_t max, uint64_t *out)
{
    err_t err = str_to_u64(&value, base, out);

    return err != 0 || *value || *out > max ? -EINVAL : 0;
}

static err_t option_set(struct tmpfs_options *o, const char *name, const char *value)
{
    uint64_t n = 0;
    err_t err;

    if (strcmp(name, "size") == 0 || strcmp(name, "nr_blocks") == 0) {
        o->show |= SHOW_SIZE;
        if (name[0] == 's')
            return option_size(value, &o->pages);
        return str_to_size(value, &o->pages) ? -EINVAL : 0;
    }
    if (strcmp(name, "nr_inodes") == 0) {
        o->show |= SHOW_INODES;
        return str_to_size(value, &o->inodes) ? -EINVAL : 0;
    }
    if (strcmp(name, "mode") == 0) {
        err = option_number(value, 8, S_PERMISSIONS, &n);
        o->mode = (unsigned)n;
    } else if (strcmp(name, "uid") == 0) {
        err = option_number(value, 10, UINT32_MAX - 1, &n);
        o->uid = (uid_t)n;
    } else if (strcmp(name, "gid") == 0) {
        err = option_number(value, 10, UINT32_MAX - 1, &n);
        o->gid = (gid_t)n;
    } else {
        err = -EINVAL;
    }
    return err;
}

static err_t options_parse(const char *data, struct tmpfs_options *o)
{
    char *copy = kstrdup(data ? data : ""), *s = copy;
    err_t err = 0;

    if (!copy)
        return -ENOMEM;
    while (err == 0 && *s) {
        char *end = strchr(s, ',');
        char *next = end ? end + 1 : s + strlen(s);

        if (end)
            *end = '\0';
        char *value = strchr(s, '=');
        if (value)
            *value++ = '\0';
        if (*s)
            err = value ? option_set(o, s, value) : -EINVAL;
        s = next;
    }
    kfree(copy);
    return err;
}

/* ---- superblocks ---- */

err_t tmpfs_fill(struct superblock *sb, const struct tmpfs_limits *l)
{
    sb->kind = SB_TREE;
    sb->pager = &tmpfs_pager;
    sb->pages_max = l->pages;
    sb->inodes_max = l->inodes;
    struct inode *i = tmpfs_inode(sb, NULL, S_IFDIR | l->mode, 0);
    if (IS_ERR(i))
        return PTR_ERR(i);
    i->uid = l->uid;
    i->gid = l->gid;
    sb->root = dentry_make_root(sb, i);
    if (!sb->root) {
        inode_put(i);
        return -ENOMEM;
    }
    return 0;
}

static err_t tmpfs_mount(const struct filesystem *fs, struct superblock *sb, const char *source,
                         const char *data)
{
    struct tmpfs_options o = { .pages = frame_total() / 2, .inodes = frame_total() / 2,
                               .mode = 01777, .uid = cred_current()->fsuid,
                               .gid = cred_current()->fsgid };
    err_t err = options_parse(data, &o);

    if (err != 0)
        return err;
    sb->data = (void *)o.show;
    return tmpfs_fill(sb, &(struct tmpfs_limits){ o.pages, o.inodes, o.mode, o.uid, o.gid });
}

static err_t rootfs_mount(const struct filesystem *fs, struct superblock *sb, const char *source,
                          const char *data)
{
    return tmpfs_fill(sb, &(struct tmpfs_limits){ frame_total() / 2, frame_total() / 2, 0755, 0, 0 });
}

/* ramfs has no limits; its only option is mode=. */
static err_t ramfs_mount(const struct filesystem *fs, struct superblock *sb, const char *source,
                         const char *data)
{
    struct tmpfs_options o = { .mode = 0755 };
    err_t err = data && !str_starts_with(data, "mode=") && data[0] ? -EINVAL
                                                                  : options_parse(data, &o);

    return err ? err : tmpfs_fill(sb, &(struct tmpfs_limits){ 0, 0, o.mode, 0, 0 });
}

static err_t tmpfs_remount(struct superblock *sb, const char *data)
{
    struct tmpfs_options o = { .pages = sb->pages_max, .inodes = sb->inodes_max };
    err_t err = options_parse(data, &o);

    if (err != 0)
        return err;
    if ((o.pages && o.pages < atomic_load(&sb->pages_used)) ||
        (o.inodes && o.inodes < atomic_load(&sb->inodes_used)))
        return -EINVAL;
    if ((!o.inodes) != (!sb->inodes_max)) /* what was not counted cannot be limited */
        return -EINVAL;
    atomic_store(&sb->pages_max, o.pages);
    atomic_store(&sb->inodes_max, o.inodes);
    sb->data = (void *)((uintptr_t)sb->data | o.show);
    return 0;
}

static void tmpfs_statfs(struct superblock *sb, struct statfs *st)
{
    uint64_t pages = sb->pages_max, used = atomic_load(&sb->pages_used);

    st->f_blocks = (__statfs_word)pages;
    st->f_bfree = st->f_bavail = (__statfs_word)(pages > used ? pages - used : 0);
    st->f_files = (__statfs_word)sb->inodes_max;
    st->f_ffree = (__statfs_word)(sb->inodes_max - atomic_load(&sb->inodes_used));
}

static void tmpfs_show_options(struct superblock *sb, struct textbuf *out)
{
    const struct inode *root = sb->root->inode;
    uintptr_t show = (uintptr_t)sb->data;

    if (show & SHOW_SIZE && sb->pages_max)
        text_printf(out, ",size=%lluk", (unsigned long long)sb->pages_max * (PAGE_SIZE / 1024));
    if (show & SHOW_INODES && sb->inodes_max)
        text_printf(out, ",nr_inodes=%llu", (unsigned long long)sb->inodes_max);
    if ((root->mode & S_PERMISSIONS) != 01777)
        text_printf(out, ",mode=%03o", root->mode & S_PERMISSIONS);
    if (root->uid)
        text_printf(out, ",uid=%u", root->uid);
    if (root->gid)
        text_printf(out, ",gid=%u", root->gid);
}

static void ramfs_show_options(struct superblock *sb, struct textbuf *out)
{
    unsigned mode = sb->root->inode->mode & S_PERMISSIONS;

    if (mode != 0755)
        text_printf(out, ",mode=%o", mode);
}

static void rootfs_show_options(struct superblock *sb, struct textbuf *out)
{
    text_printf(out, ",size=%lluk,nr_inodes=%llu",
                (unsigned long long)sb->pages_max * (PAGE_SIZE / 1024),
                (unsigned long long)sb->inodes_max);
}

static const struct filesystem tmpfs = {
    .name = "tmpfs",
    .nodev = true,
    .magic = TMPFS_MAGIC,
    .mount = tmpfs_mount,
    .remount = tmpfs_remount,
    .statfs = tmpfs_statfs,
    .evict = tmpfs_evict,
    .show_options = tmpfs_show_options,
};
REGISTRY_ADD(filesystem, tmpfs);

static const struct filesystem ramfs = {
    .name = "ramfs",
    .nodev = true,
    .magic = RAMFS_MAGIC,
    .mount = ramfs_mount,
    .evict = tmpfs_evict,
    .show_options = ramfs_show_options,
};
REGISTRY_ADD(filesystem, ramfs);

static const struct filesystem rootfs = {
    .name = "rootfs",
    .nodev = true,
    .single = true,
    .magic = TMPFS_MAGIC,
    .mount = rootfs_mount,
    .remount = tmpfs_remount,
    .statfs = tmpfs_statfs,
    .evict = tmpfs_evict,
    .show_options = rootfs_show_options,
};
REGISTRY_ADD(filesystem, rootfs);

static err_t devtmpfs_mount(const struct filesystem *fs, struct superblock *sb, const char *source,
                            const char *data)
{
    sb->data = (void *)(uintptr_t)(SHOW_SIZE | SHOW_INODES);
    return tmpfs_fill(sb, &(struct tmpfs_limits){ frame_total() / 2, frame_total() / 2, 0755, 0, 0 });
}

static const struct filesystem devtmpfs = {
    .name = "devtmpfs",
    .nodev = true,
    .single = true,
    .magic = TMPFS_MAGIC,
    .mount = devtmpfs_mount,
    .remount = tmpfs_remount,
    .statfs = tmpfs_statfs,
    .evict = tmpfs_evict,
    .show_options = tmpfs_show_options,
};
REGISTRY_ADD(filesystem, devtmpfs);
