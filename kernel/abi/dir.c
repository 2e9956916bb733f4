// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: directories: reading them, and which one a process is in.  Source: getdents(2), getcwd(2).
 */
#include <abi/syscalls_gen.h>

#include <fs/fdtable.h>
#include <fs/vfs.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

/* struct linux_dirent64 without its name, and the old struct linux_dirent. */
struct record64 {
    uint64_t ino;
    int64_t next;
    uint16_t length;
    uint8_t type;
} __packed;
struct record_old { /* the type stands in the last byte of the record */
    uint64_t ino;
    uint64_t next;
    uint16_t length;
} __packed;

/* A record is complete when the position behind it is known: with the next one, or at the end. */
struct listing {
    struct dir_context ctx;
    bool old;
    vaddr_t at, end, last; /* last: where the last record stands, 0: none */
    err_t err;
};

static err_t set_next(struct listing *l, off_t pos)
{
    if (!l->last)
        return 0;
    return user_store_u64(USER_PTR(uint64_t, l->last + offsetof(struct record64, next)),
                          (uint64_t)pos);
}

static err_t put_record(struct listing *l, const char *name, size_t n, uint64_t ino, uint8_t type,
                        size_t head, size_t size)
{
    static const char zeros[8];
    struct record64 r = { .ino = ino, .next = 0, .length = (uint16_t)size, .type = type };

    /* Both layouts have ino, next and length at the same places. */
    if (copy_to_user(USER_PTR(void, l->at), &r, l->old ? sizeof(struct record_old) : sizeof r) ||
        copy_to_user(USER_PTR(void, l->at + head), name, n) ||
        copy_to_user(USER_PTR(void, l->at + head + n), zeros, MIN(size - head - n, sizeof zeros)))
        return -EFAULT;
    if (l->old && copy_to_user(USER_PTR(void, l->at + size - 1), &type, 1))
        return -EFAULT;
    return 0;
}

static bool emit(struct dir_context *ctx, const char *name, size_t n, uint64_t ino, unsigned type)
{
    struct listing *l = container_of(ctx, struct listing, ctx);
    size_t head = l->old ? sizeof(struct record_old) : sizeof(struct record64);
    size_t size = ALIGN_UP(head + n + 1 + (l->old ? 1 : 0), 8ul);

    if (size > l->end - l->at) {
        l->err = l->last ? 0 : -EINVAL; /* not even one fits */
        return false;
    }
    l->err = set_next(l, ctx->pos);
    if (!l->err)
        l->err = put_record(l, name, n, ino, (uint8_t)type, head, size);
    if (l->err)
        return false;
    l->last = l->at;
    l->at += size;
    return true;
}

static long list(struct file *f, struct listing *l, vaddr_t start)
{
    if (!S_ISDIR(f->inode->mode) || !f->ops->readdir)
        return -ENOTDIR;
    if (f->inode->nlink == 0)
        return -ENOENT;
    mutex_lock(&f->pos_mutex);
    l->ctx.pos = f->pos;
    err_t err = f->ops->readdir(f, &l->ctx);
    if (!err)
        err = l->err;
    if (!err || l->last) {
        f->pos = l->ctx.pos;
        err = set_next(l, f->pos);
    }
    mutex_unlock(&f->pos_mutex);
    return err ? err : (long)(l->at - start);
}

static long getdents(int fd, void __user *buf, unsigned count, bool old)
{
    vaddr_t start = USER_ADDR(buf);
    struct listing l = { .ctx.emit = emit, .old = old, .at = start, .end = start + count };
    struct fd f = fd_get(fd);

    if (!f.file)
        return -EBADF;
    long ret = list(f.file, &l, start);
    fd_put(f);
    return ret;
}

long sys_getdents64(int fd, void __user *buf, unsigned count)
{
    return getdents(fd, buf, count, false);
}

long sys_getdents(int fd, void __user *buf, unsigned count)
{
    return getdents(fd, buf, count, true);
}

/* ---- where a process is ---------------------------------------------------------------------- */

long sys_getcwd(char __user *buf, size_t size)
{
    char *text = kmalloc(PATH_BYTES);
    struct path cwd;

    if (!text)
        return -ENOMEM;
    fs_context_cwd(actor_current()->fs, &cwd);
    long ret = cwd.dentry->inode->nlink == 0 ? -ENOENT : 0;
    const char *name = ret ? NULL : path_name(&cwd, text, PATH_BYTES);
    path_put(&cwd);
    if (!ret && IS_ERR(name))
        ret = PTR_ERR(name);
    if (!ret) {
        size_t n = strlen(name) + 1;
        ret = n > size ? -ERANGE : copy_to_user(buf, name, n) ? -EFAULT : (long)n;
    }
    kfree(text);
    return ret;
}

long sys_chdir(const char __user *path)
{
    struct path p;
    err_t err = path_lookup_user(AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

    if (err)
        return err;
    err = vfs_chdir(&p);
    path_put(&p);
    return err;
}

long sys_fchdir(int fd)
{
    struct fd f = fd_get_raw(fd);

    if (!f.file)
        return -EBADF;
    err_t err = S_ISDIR(f.file->inode->mode) ? vfs_chdir(&f.file->path) : -ENOTDIR;
    fd_put(f);
    return err;
}

long sys_chroot(const char __user *path)
{
    struct path p;
    err_t err = path_lookup_user(AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

    if (err)
        return err;
    err = vfs_chroot(&p);
    path_put(&p);
    return err;
}

long sys_umask(int mask)
{
    return (long)atomic_xchg(&actor_current()->fs->umask, (unsigned)mask & 0777);
}
