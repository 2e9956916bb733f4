// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: memfd files: a tmpfs inode that no directory holds.
 * Model: they live in a tmpfs of their own that is never mounted; inode->seals says what may no
 * longer change.  SEAL_KNOWN marks the inodes that can have seals at all: those of tmpfs have
 * F_SEAL_SEAL from the beginning.
 * Locking: the inode's mutex for seals.
 */
#include <fs/memfd.h>

#include <fs/internal.h>
#include <fs/tmpfs.h>
#include <lib/fmt.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <svc/subsystem.h>
#include <vm/space.h>

#define SEALS_ALL (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static struct mount *memfd_mount, *segments_mount; /* NULL: the subsystem is not up */

static err_t file_make(struct mount *m, const char *full, const struct file_ops *ops, void *data,
                       struct file **out)
{
    struct superblock *sb = m ? m->sb : NULL;
    struct inode *i = sb ? inode_create(sb, NULL, S_IFREG | 0777) : ERR_PTR(-ENODEV);
    struct dentry *d = IS_ERR(i) ? NULL : dentry_make_anonymous(sb, full, i);

    if (IS_ERR(i))
        return PTR_ERR(i);
    if (!d) {
        inode_put(i);
        return -ENOMEM;
    }
    i->fops = ops;
    i->nlink = 0;
    mount_get(m);
    struct path p = { m, d };
    *out = file_on_path(&p, ops, data, O_RDWR | O_LARGEFILE);
    path_put(&p);
    return IS_ERR(*out) ? PTR_ERR(*out) : 0;
}

err_t memfd_create_special(const char *full, const struct file_ops *ops, void *data,
                           struct file **out)
{
    return file_make(segments_mount, full, ops, data, out);
}

err_t memfd_create_file(const char *name, bool sealing, struct file **out)
{
    char *full = kmalloc(PATH_BYTES);
    err_t err;

    if (!full)
        return -ENOMEM;
    fmt_snprintf(full, PATH_BYTES, "/memfd:%s", name);
    err = file_make(memfd_mount, full, &object_file_ops, NULL, out);
    kfree(full);
    if (!err)
        (*out)->inode->seals = SEAL_KNOWN | (sealing ? 0 : F_SEAL_SEAL);
    return err;
}

long memfd_get_seals(struct file *f)
{
    uint32_t seals = atomic_load_relaxed(&f->inode->seals);

    return seals & SEAL_KNOWN ? (long)(seals & SEALS_ALL) : -EINVAL;
}

bool memfd_sealable(const struct file *f)
{
    uint32_t seals = atomic_load_relaxed(&f->inode->seals);

    return (seals & SEAL_KNOWN) && !(seals & F_SEAL_SEAL);
}

static bool find_writable(struct region *r, void *found)
{
    *(bool *)found = r->flags & VM_SHARED && r->flags & (VM_WRITE | VM_MAY_WRITE);
    return !*(bool *)found;
}

/* Is the file mapped so that it may be written? */
static bool mapped_writable(struct object *o)
{
    bool found = false;

    object_maps_walk(o, find_writable, &found);
    return found;
}

long memfd_add_seals(struct file *f, unsigned seals)
{
    struct inode *i = f->inode;
    err_t err = 0;

    if (!(f->fmode & FMODE_WRITE))
        return -EPERM;
    if (seals & ~(unsigned)SEALS_ALL || !(i->seals & SEAL_KNOWN))
        return -EINVAL;
    mutex_lock(&i->mutex);
    if (i->seals & F_SEAL_SEAL)
        err = -EPERM;
    else if (seals & F_SEAL_WRITE && !(i->seals & F_SEAL_WRITE) && mapped_writable(&i->object))
        err = -EBUSY;
    else
        i->seals |= seals;
    mutex_unlock(&i->mutex);
    return err;
}

static err_t memfd_fs_mount(const struct filesystem *fs, struct superblock *sb, const char *source,
                            const char *data)
{
    return tmpfs_fill(sb, &(struct tmpfs_limits){ .mode = 0700 });
}

static const struct filesystem memfd_fs = { .name = "memfd", .nodev = true,
                                            .magic = 0x01021994, .mount = memfd_fs_mount };

/* Those outlive who fills them, so that nobody's death gives their pages back: some memory must be left. */
static err_t segments_fs_mount(const struct filesystem *fs, struct superblock *sb, const char *source,
                               const char *data)
{
    return tmpfs_fill(sb, &(struct tmpfs_limits){ .mode = 0700, .pages = frame_total() * 3 / 4 });
}

static const struct filesystem segments_fs = { .name = "memfd", .nodev = true,
                                               .magic = 0x01021994, .mount = segments_fs_mount };

static err_t memfd_start(struct subsystem *self)
{
    err_t err = mount_create(&memfd_fs, "memfd", 0, NULL, &memfd_mount);

    return err ? err : mount_create(&segments_fs, "memfd", 0, NULL, &segments_mount);
}

static const char *const memfd_needs[] = { "vfs", NULL };
static struct subsystem memfd_subsystem = { .name = "memfd", .privilege = PRIV_KERNEL,
                                            .needs = memfd_needs, .late_init = memfd_start };
REGISTER_SUBSYSTEM(memfd_subsystem);
