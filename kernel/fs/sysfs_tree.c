// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the service by which drivers show devices in /sys: <svc/sysfs.h>.
 * Model: each file is a removable one of the pseudo file system, whose argument is a copy of what was
 * asked for; it is freed with the file's last inode.
 * Locking: none; records are constant.
 */
#include <svc/sysfs.h>

#include <fs/actor.h>
#include <fs/procfs.h>
#include <fs/uio.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/stat.h>

#define BINARY_STEP 4096 /* bytes at once */

struct entry {
    struct sysfs_file file; /* path: unused */
    char link[];
};

static void entry_show(struct textbuf *out, void *arg)
{
    const struct entry *e = arg;
    char *text = kmalloc(SYSFS_TEXT_MAX);
    ssize_t n = text ? e->file.show(e->file.arg, text, SYSFS_TEXT_MAX) : -ENOMEM;

    if (n >= 0)
        text_append(out, text, (size_t)n);
    else
        out->error = (err_t)n;
    kfree(text);
}

static err_t entry_store(const char *text, size_t n, void *arg)
{
    const struct entry *e = arg;

    return e->file.store(e->file.arg, text, n);
}

static void entry_release(void *arg)
{
    struct entry *e = arg;

    if (e->file.release)
        e->file.release(e->file.arg);
    kfree(e);
}

/* ---- binary files ---- */

static err_t binary_open(struct inode *inode, struct file *f)
{
    const struct entry *e = pseudo_arg(inode);

    return f->fmode & FMODE_WRITE && !e->file.write ? -EACCES : 0;
}

static ssize_t binary_read(struct file *f, struct uio *u, off_t *pos)
{
    const struct entry *e = pseudo_arg(f->inode);
    size_t want = MIN(u->left, (size_t)BINARY_STEP);
    void *buf = kmalloc(BINARY_STEP);
    ssize_t n;

    if (!buf)
        return -ENOMEM;
    n = e->file.read(e->file.arg, buf, want, (uint64_t)*pos, cred_capable(f->cred, CAP_SYS_ADMIN));
    if (n > 0) {
        size_t copied = uio_copy_to(u, buf, (size_t)n);

        n = copied ? (ssize_t)copied : -EFAULT;
    }
    kfree(buf);
    if (n > 0)
        *pos += n;
    return n;
}

static ssize_t binary_write(struct file *f, struct uio *u, off_t *pos)
{
    const struct entry *e = pseudo_arg(f->inode);
    size_t want = MIN(u->left, (size_t)BINARY_STEP);
    void *buf = kmalloc(BINARY_STEP);
    ssize_t n;

    if (!buf)
        return -ENOMEM;
    n = uio_copy_from(u, buf, want) < want ? -EFAULT
                                           : e->file.write(e->file.arg, buf, want, (uint64_t)*pos);
    kfree(buf);
    if (n > 0)
        *pos += n;
    return n;
}

static off_t binary_seek(struct file *f, off_t offset, int whence)
{
    if (whence == SEEK_END) {
        const struct entry *e = pseudo_arg(f->inode);

        offset += (off_t)e->file.size;
        whence = SEEK_SET;
    }
    return pseudo_dir_seek(f, offset, whence);
}

static const struct file_ops binary_ops = {
    .read = binary_read, .write = binary_write, .seek = binary_seek, .open = binary_open
};

/* ---- the service ---- */

/* A directory needs no record; it may be there, made for what is in it. */
static err_t directory_add(const struct sysfs_file *file)
{
    return pseudo_add("sysfs", &(struct pseudo_file){ .path = file->path, .mode = file->mode,
                                                      .removable = true });
}

static err_t tree_add(const struct sysfs_file *file)
{
    if (S_ISDIR(file->mode))
        return directory_add(file);

    size_t n = file->link ? strlen(file->link) + 1 : 0;
    struct entry *e = kzalloc(sizeof *e + n);
    struct pseudo_file f = { .path = file->path, .mode = file->mode, .arg = e, .removable = true,
                             .release = entry_release, .size = file->size };
    err_t err;

    if (!e)
        return -ENOMEM;
    e->file = *file;
    if (n) {
        memcpy(e->link, file->link, n);
        f.link = e->link;
    }
    if (file->show)
        f.show = entry_show;
    if (file->store)
        f.store = entry_store;
    if (file->read)
        f.fops = &binary_ops;
    else
        f.size = SYSFS_TEXT_MAX;
    if (n)
        f.size = n - 1;
    err = pseudo_add("sysfs", &f);
    if (err)
        kfree(e);
    return err;
}

static void tree_remove(const char *path)
{
    pseudo_remove("sysfs", path);
}

static const struct sysfs_service service = { .add = tree_add, .remove = tree_remove };

static err_t sysfs_tree_start(struct subsystem *self)
{
    return service_publish_sysfs("sysfs", &service, 100, PRIV_DRIVER);
}

static const char *const needs[] = { "procfs", NULL };
static struct subsystem sysfs_tree_subsystem = { .name = "sysfs-tree",
                                                 .privilege = PRIV_KERNEL,
                                                 .needs = needs,
                                                 .late_init = sysfs_tree_start };
REGISTER_SUBSYSTEM(sysfs_tree_subsystem);
