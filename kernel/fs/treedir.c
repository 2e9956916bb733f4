// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: reading directories whose dentries are the truth (SB_TREE).
 * Model: each child has a cookie, which is its position; later ones have smaller cookies and stand in
 * front; 0 and 1 are "." and "..".  The opening remembers the child that was given last, so that going on costs
 * O(1); when that one has left the directory the place is looked for by its cookie.
 * Locking: fs_lock, reading, for each step; names are copied out of it.
 */
#include <fs/internal.h>

#include <fs/notify.h>
#include <lib/string.h>

#include <linux/fs.h>

struct tree_entry {
    uint64_t cookie, ino;
    size_t length;
    unsigned type;
    char name[NAME_MAX + 1];
};

/* The first child at or behind `pos`; moves the cursor there. */
static bool child_next(struct file *f, uint64_t pos, struct tree_entry *e)
{
    struct dentry *dir = f->path.dentry, *cursor = f->data, *d;
    bool found = false;

    brlock_read(&fs_lock);
    struct list *l = dir->children.next;
    if (cursor && cursor->flags & DENTRY_HASHED && cursor->parent == dir && cursor->cookie <= pos)
        l = &cursor->sibling;
    for (; l != &dir->children; l = l->next) {
        d = list_entry(l, struct dentry, sibling);
        if (d->cookie >= pos && d->inode) {
            found = true;
            break;
        }
    }
    if (found) {
        e->cookie = d->cookie;
        e->ino = d->inode->ino;
        e->type = (d->inode->mode & S_IFMT) >> 12;
        e->length = d->length;
        memcpy(e->name, d->name, d->length);
        dentry_get_locked(d);
        f->data = d;
    }
    brlock_read_done(&fs_lock);
    if (found && cursor)
        dentry_put(cursor);
    return found;
}

/* "." and "..", which every directory begins with. */
bool dir_emit_dots(struct file *f, struct dir_context *ctx)
{
    struct dentry *d = f->path.dentry;

    if (ctx->pos == 0) {
        if (!ctx->emit(ctx, ".", 1, d->inode->ino, 4 /* DT_DIR */))
            return false;
        ctx->pos = 1;
    }
    if (ctx->pos == 1) {
        brlock_read(&fs_lock);
        uint64_t up = d->parent->inode->ino;
        brlock_read_done(&fs_lock);
        if (!ctx->emit(ctx, "..", 2, up, 4))
            return false;
        ctx->pos = 2;
    }
    return true;
}

static err_t tree_readdir(struct file *f, struct dir_context *ctx)
{
    struct tree_entry e;

    if (!dir_emit_dots(f, ctx))
        return 0;
    while (child_next(f, (uint64_t)ctx->pos, &e)) {
        if (!ctx->emit(ctx, e.name, e.length, e.ino, e.type))
            break;
        ctx->pos = (off_t)e.cookie + 1;
    }
    file_touch_read(f);
    notify_dentry(f->path.dentry, IN_ACCESS);
    return 0;
}

off_t dir_seek(struct file *f, off_t offset, int whence)
{
    if (whence == SEEK_CUR)
        offset += f->pos;
    else if (whence != SEEK_SET)
        return -EINVAL;
    if (offset < 0)
        return -EINVAL;
    f->pos = offset;
    return offset;
}

static void tree_release(struct file *f)
{
    if (f->data)
        dentry_put(f->data);
}

static err_t tree_fsync(struct file *f)
{
    return 0;
}

const struct file_ops tree_dir_ops = {
    .readdir = tree_readdir,
    .seek = dir_seek,
    .release = tree_release,
    .fsync = tree_fsync,
};
