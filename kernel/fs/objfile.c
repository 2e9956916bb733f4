// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: reading and writing files whose bytes are the pages of the inode's object.
 *
 * Model: pages are taken from the object in runs of what is present, so that a long transfer pays
 * the object's lock once for many pages.  A page that is absent reads as zeros; a write makes it in
 * private, fills it, and only then puts it into the object: nobody sees it half made.
 * Locking: writers hold the inode's mutex; readers nothing (a read beside a write may see part of it).
 */
#include <fs/internal.h>

#include <fs/notify.h>
#include <fs/fdtable.h>
#include <hal/mmu.h>
#include <lib/checked.h>
#include <lib/string.h>

#include <linux/falloc.h>
#include <linux/fs.h>

#define RUN_PAGES 16

struct page_run {
    struct object *object;
    unsigned next, count; /* of pa: not yet used, filled */
    uint64_t index; /* of pa[next] */
    paddr_t pa[RUN_PAGES];
};

static void run_release(struct page_run *r)
{
    while (r->next < r->count)
        frame_put(r->pa[r->next++]);
}

/*
 * The frame of page `index`, or PADDR_NONE when it is absent; *pages of them lie one behind the other
 * in memory and are taken together, each with its reference.  `want` pages will be asked for.
 */
static __always_inline paddr_t run_take(struct page_run *r, uint64_t index, uint64_t want,
                                        unsigned *pages)
{
    if (r->next == r->count || unlikely(r->index != index)) {
        run_release(r);
        r->next = 0;
        r->index = index;
        r->count = object_pages_present(r->object, index, r->pa,
                                        (unsigned)MIN(want, (uint64_t)RUN_PAGES));
        if (r->count == 0)
            return PADDR_NONE;
    }
    paddr_t first = r->pa[r->next++], end = first + PAGE_SIZE;
    unsigned n = 1;

    while (r->next < r->count && r->pa[r->next] == end) {
        end += PAGE_SIZE;
        r->next++;
        n++;
    }
    r->index += n;
    *pages = n;
    return first;
}

static void extent_put(paddr_t pa, unsigned pages)
{
    for (; pages > 0; pages--, pa += PAGE_SIZE)
        frame_put(pa);
}

/* Bytes of the extent from `pos` on, up to `end`. */
static size_t extent_bytes(uint64_t pos, uint64_t end, unsigned pages)
{
    return MIN(pages * PAGE_SIZE - pos % PAGE_SIZE, end - pos);
}

/* A page that is not in the object: a hole, or something to be read in. */
static ssize_t read_absent(struct inode *i, struct uio *u, uint64_t pos, size_t n)
{
    paddr_t pa;

    if (i->sb->kind & SB_TREE)
        return (ssize_t)uio_zero(u, n);
    err_t err = object_page(&i->object, pos / PAGE_SIZE, OBJECT_CREATE, &pa);
    if (err != 0)
        return err;
    size_t got = uio_copy_to(u, (char *)phys_to_virt(pa) + pos % PAGE_SIZE, n);
    frame_put(pa);
    return (ssize_t)got;
}

ssize_t object_file_read(struct file *f, struct uio *u, off_t *ppos)
{
    struct inode *i = f->inode;
    uint64_t size = atomic_load_relaxed(&i->object.size), pos = (uint64_t)*ppos, start = pos;
    struct page_run run;
    ssize_t err = 0;

    if (pos >= size || u->left == 0)
        return 0;
    uint64_t end = pos + MIN((uint64_t)u->left, size - pos);
    run.object = &i->object;
    run.next = run.count = 0;
    while (pos < end) {
        size_t n, got;
        unsigned pages = 1;
        paddr_t pa = run_take(&run, pos / PAGE_SIZE, PAGES(end) - pos / PAGE_SIZE, &pages);

        n = extent_bytes(pos, end, pages);
        if (likely(pa != PADDR_NONE)) {
            got = uio_copy_to(u, (char *)phys_to_virt(pa) + pos % PAGE_SIZE, n);
            extent_put(pa, pages);
        } else {
            err = read_absent(i, u, pos, n);
            if (err < 0)
                break;
            got = (size_t)err;
            err = 0;
        }
        pos += got;
        if (unlikely(got < n)) {
            err = -EFAULT;
            break;
        }
    }
    run_release(&run);
    file_touch_read(f);
    if (pos > start)
        notify_dentry(f->path.dentry, IN_ACCESS);
    *ppos = (off_t)pos;
    return pos > start ? (ssize_t)(pos - start) : err;
}

/* Makes page `index` with n bytes at `offset` in it. */
static ssize_t write_fresh(struct inode *i, struct uio *u, uint64_t index, size_t offset, size_t n)
{
    err_t err = inode_charge(i, 1);
    paddr_t pa;

    if (err != 0)
        return err;
    pa = object_frame_alloc(&i->object, index, FRAME_USER);
    if (pa == PADDR_NONE) {
        err = -ENOMEM;
        goto out_charge;
    }
    char *page = phys_to_virt(pa);
    size_t got = uio_copy_from(u, page + offset, n);
    if (got < n && got == 0) {
        err = -EFAULT;
        goto out_frame;
    }
    memset(page, 0, offset);
    memset(page + offset + got, 0, PAGE_SIZE - offset - got);
    err = object_insert(&i->object, index, pa);
    if (err == 0)
        return (ssize_t)got;
    if (err == -EEXIST) { /* a fault made the page meanwhile: its frame stays, our bytes go in */
        paddr_t there;

        err = object_page(&i->object, index, OBJECT_CREATE, &there);
        if (err == 0) {
            memcpy((char *)phys_to_virt(there) + offset, page + offset, got);
            object_written(there, 1);
            frame_put(there);
            frame_put(pa);
            inode_recharge(i);
            return (ssize_t)got;
        }
    }
out_frame:
    frame_put(pa);
out_charge:
    inode_recharge(i);
    return err;
}

static ssize_t write_absent(struct inode *i, struct uio *u, uint64_t pos, size_t n)
{
    paddr_t pa;

    if (i->sb->kind & SB_TREE)
        return write_fresh(i, u, pos / PAGE_SIZE, pos % PAGE_SIZE, n);
    err_t err = object_page(&i->object, pos / PAGE_SIZE, OBJECT_CREATE, &pa);
    if (err != 0)
        return err;
    size_t got = uio_copy_from(u, (char *)phys_to_virt(pa) + pos % PAGE_SIZE, n);
    object_written(pa, 1);
    frame_put(pa);
    return got ? (ssize_t)got : -EFAULT;
}

/* The mutex is held; pos .. pos + n is allowed. */
static ssize_t write_pages(struct inode *i, struct uio *u, uint64_t pos, size_t n)
{
    struct page_run run;
    uint64_t start = pos, end = pos + n;
    ssize_t got = 0;

    run.object = &i->object;
    run.next = run.count = 0;
    while (pos < end) {
        unsigned pages = 1;
        paddr_t pa = run_take(&run, pos / PAGE_SIZE, PAGES(end) - pos / PAGE_SIZE, &pages);
        size_t piece = extent_bytes(pos, end, pages);

        if (pa != PADDR_NONE) {
            got = (ssize_t)uio_copy_from(u, (char *)phys_to_virt(pa) + pos % PAGE_SIZE, piece);
            object_written(pa, pages);
            extent_put(pa, pages);
            if (got == 0)
                got = -EFAULT;
        } else {
            got = write_absent(i, u, pos, piece);
        }
        if (got > 0)
            pos += (uint64_t)got;
        if (unlikely(got < (ssize_t)piece))
            break;
    }
    run_release(&run);
    return pos > start ? (ssize_t)(pos - start) : got;
}

static void inode_grow(struct inode *i, uint64_t size)
{
    if (size <= i->object.size)
        return;
    spin_lock(&i->object.lock);
    atomic_store_relaxed(&i->object.size, size);
    spin_unlock(&i->object.lock);
}

static ssize_t write_checked(struct file *f, struct uio *u, uint64_t pos)
{
    struct inode *i = f->inode;
    ssize_t n = file_limit(f, (off_t)pos, u->left);

    if (n <= 0)
        return n;
    if (unlikely(i->seals) && (i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) ||
                               (i->seals & F_SEAL_GROW && pos + (size_t)n > i->object.size)))
        return -EPERM;
    inode_remove_privileges(i);
    n = write_pages(i, u, pos, (size_t)n);
    if (n > 0) {
        inode_grow(i, pos + (size_t)n);
        inode_touch(i, ATTR_MTIME | ATTR_CTIME);
    }
    return n;
}

static ssize_t write_at(struct file *f, struct uio *u, off_t *pos, bool append)
{
    struct inode *i = f->inode;

    if (u->left == 0)
        return 0;
    mutex_lock(&i->mutex);
    if (append)
        *pos = (off_t)i->object.size;
    ssize_t n = write_checked(f, u, (uint64_t)*pos);
    if (n > 0)
        *pos += n;
    mutex_unlock(&i->mutex);
    if (n > 0)
        notify_dentry(f->path.dentry, IN_MODIFY);
    return n;
}

ssize_t object_file_write(struct file *f, struct uio *u, off_t *pos)
{
    return write_at(f, u, pos, f->flags & O_APPEND);
}

ssize_t file_append(struct file *f, struct uio *u, bool move)
{
    off_t pos = 0;
    bool locked;
    ssize_t n;

    if (f->ops->write != object_file_write)
        return file_write(f, u); /* has no end of its own */
    if (!(f->fmode & FMODE_WRITE))
        return -EBADF;
    locked = move && file_pos_lock(f);
    n = write_at(f, u, move ? &f->pos : &pos, true);
    if (locked)
        mutex_unlock(&f->pos_mutex);
    return n;
}

static off_t seek_hole_or_data(struct object *o, off_t offset, bool data)
{
    uint64_t size = atomic_load_relaxed(&o->size), at = (uint64_t)offset;

    if (offset < 0 || at >= size)
        return -ENXIO;
    if (data) {
        uint64_t page = object_next_page(o, at / PAGE_SIZE);

        if (page == UINT64_MAX || page * PAGE_SIZE >= size)
            return -ENXIO;
        return (off_t)MAX(at, page * PAGE_SIZE);
    }
    uint64_t page = at / PAGE_SIZE;
    while (page * PAGE_SIZE < size && object_next_page(o, page) == page)
        page++;
    return (off_t)MIN(MAX(at, page * PAGE_SIZE), size);
}

off_t object_file_seek(struct file *f, off_t offset, int whence)
{
    switch (whence) {
    case SEEK_SET:
        break;
    case SEEK_CUR:
        if (add_overflow(f->pos, offset, &offset))
            return -EOVERFLOW;
        break;
    case SEEK_END:
        if (add_overflow((off_t)atomic_load_relaxed(&f->inode->object.size), offset, &offset))
            return -EOVERFLOW;
        break;
    case SEEK_DATA:
    case SEEK_HOLE:
        offset = seek_hole_or_data(&f->inode->object, offset, whence == SEEK_DATA);
        if (offset < 0)
            return offset;
        break;
    default:
        return -EINVAL;
    }
    if (offset < 0)
        return -EINVAL;
    f->pos = offset;
    return offset;
}

static err_t object_file_mmap(struct file *f, uint64_t offset, size_t length,
                              struct object **object)
{
    *object = &f->inode->object;
    file_touch_read(f);
    return 0;
}

static err_t object_file_truncate(struct file *f, uint64_t size)
{
    return vfs_truncate(&f->path, size);
}

/* Makes the absent pages of [from, to).  What can never fit is not even begun, as on Linux. */
static err_t allocate_pages(struct inode *i, uint64_t from, uint64_t to)
{
    uint64_t most = atomic_load_relaxed(&i->sb->pages_max);

    if (most != 0 && PAGES(to) - from / PAGE_SIZE > most)
        return -ENOSPC;
    for (uint64_t index = from / PAGE_SIZE; index * PAGE_SIZE < to; index++) {
        paddr_t pa;
        err_t err = thread_signal_pending() ? -EINTR
                                            : object_page(&i->object, index, OBJECT_CREATE, &pa);

        if (err != 0)
            return err;
        frame_put(pa);
    }
    return 0;
}

static err_t punch_hole(struct inode *i, uint64_t offset, uint64_t end)
{
    if (i->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
        return -EPERM;
    object_punch(&i->object, offset, end);
    inode_recharge(i);
    return 0;
}

static err_t object_file_fallocate(struct file *f, int mode, uint64_t offset, uint64_t length)
{
    struct inode *i = f->inode;
    uint64_t end = offset + length, size;
    err_t err;

    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
        return -EOPNOTSUPP;
    if (!(mode & FALLOC_FL_KEEP_SIZE) && end > *actor_current()->limit_fsize)
        return file_limit(f, (off_t)end, 1) < 0 ? -EFBIG : 0;
    mutex_lock(&i->mutex);
    size = i->object.size;
    if (mode & FALLOC_FL_PUNCH_HOLE) {
        err = offset >= ALIGN_UP(size, PAGE_SIZE) ? 0 : punch_hole(i, offset, end);
    } else if (i->seals & F_SEAL_GROW && end > size) {
        err = -EPERM;
    } else {
        err = allocate_pages(i, offset, end);
        if (err == 0 && !(mode & FALLOC_FL_KEEP_SIZE))
            inode_grow(i, end);
        else if (err != 0 && end > size) { /* pages beyond the end go away again */
            object_truncate(&i->object, size);
            inode_recharge(i);
        }
    }
    if (err == 0)
        inode_touch(i, ATTR_MTIME | ATTR_CTIME);
    mutex_unlock(&i->mutex);
    return err;
}

static err_t object_file_fsync(struct file *f)
{
    return 0; /* memory is all there is behind these files */
}

const struct file_ops object_file_ops = {
    .read = object_file_read,
    .write = object_file_write,
    .seek = object_file_seek,
    .mmap = object_file_mmap,
    .truncate = object_file_truncate,
    .fallocate = object_file_fallocate,
    .fsync = object_file_fsync,
};
