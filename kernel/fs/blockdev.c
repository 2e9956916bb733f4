// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: block devices in /dev: opening, read, write, mmap, fsync, ioctl; and how they come and go.
 *
 * Model: the driver's record (svc/block.h) gets a struct blockdev beside it when it is added, with a node in
 * /dev, files in /sys, and a page cache.  An opening finds it by number and keeps it: when the device goes,
 * the names go at once, what is dirty is written out, and the openings that are left get EIO.
 * Locking: see blockdev.h.
 */
#define LOG_TAG "block"
#include <fs/blockdev.h>

#include <core/log.h>
#include <fs/block.h>
#include <fs/device.h>
#include <fs/internal.h>
#include <lib/checked.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/subsystem.h>

#include <linux/capability.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/hdreg.h>

#define READ_RUN 16

struct mutex blockdevs_mutex = MUTEX_INIT(blockdevs_mutex);
struct list blockdevs = LIST_INIT(blockdevs); /* both */
struct spinlock blockdevs_lock = SPINLOCK_INIT(LOCK_FS);
static uint64_t next_sequence = 1; /* blockdevs_mutex */

struct opening {
    struct blockdev *d; /* with a reference */
    struct read_ahead ahead;
    uint64_t errors; /* d->errors that it knows of; atomic */
};

void blockdev_get(struct blockdev *d)
{
    ref_get(&d->refs);
}

void blockdev_put(struct blockdev *d)
{
    if (!ref_put(&d->refs))
        return;
    cache_fini(d);
    block_put(d->b);
    kfree(d);
}

static struct blockdev *device_of(const struct file *f)
{
    return ((struct opening *)f->data)->d;
}

static bool is_gone(const struct blockdev *d)
{
    return atomic_load(&d->b->gone);
}

static uint64_t size_of(const struct blockdev *d)
{
    return atomic_load_relaxed(&d->object.size);
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Up to READ_RUN pages from `index` on that are there; waits for the first.  ERR or how many. */
static int pages_get(struct blockdev *d, uint64_t index, uint64_t last, paddr_t out[READ_RUN])
{
    unsigned n = object_pages_present(&d->object, index, out, (unsigned)MIN(last - index, (uint64_t)READ_RUN));
    err_t err;

    if (n != 0)
        return (int)n;
    err = object_page(&d->object, index, OBJECT_CREATE, &out[0]);
    return err ? err : 1;
}

/* Copies from the n pages at *pos.  Return: whether all went. */
static bool pages_read(struct uio *u, const paddr_t *page, unsigned n, uint64_t *pos, uint64_t end)
{
    for (unsigned i = 0; i < n; i++) {
        size_t skip = *pos % PAGE_SIZE, bytes = MIN(PAGE_SIZE - skip, end - *pos);
        size_t got = uio_copy_to(u, (char *)phys_to_virt(page[i]) + skip, bytes);

        *pos += got;
        if (got < bytes)
            return false;
    }
    return true;
}

static ssize_t cached_read(struct opening *o, struct uio *u, uint64_t pos, uint64_t end)
{
    uint64_t start = pos, last = PAGES(end);
    paddr_t page[READ_RUN];
    err_t err = 0;

    while (pos < end && err == 0) {
        uint64_t index = pos / PAGE_SIZE;
        int n;

        cache_read_ahead(o->d, &o->ahead, index, last);
        n = pages_get(o->d, index, last, page);
        if (n < 0) {
            err = n;
            break;
        }
        if (!pages_read(u, page, (unsigned)n, &pos, end))
            err = -EFAULT;
        frame_put_bulk(page, (size_t)n);
        o->ahead.next = PAGES(pos);
        if (pos < end && thread_signal_pending())
            break;
    }
    return pos > start ? (ssize_t)(pos - start) : err;
}

/* O_DIRECT: position, length and memory at multiples of the logical block. */
static bool direct_aligned(const struct blockdev *d, const struct uio *u, uint64_t pos, size_t n)
{
    uint64_t bits = pos | n;

    for (unsigned i = 0; !u->kernel && i < u->count; i++)
        bits |= (uint64_t)(uintptr_t)u->iov[i].iov_base | u->iov[i].iov_len;
    return IS_ALIGNED(bits | u->offset, (uint64_t)d->b->logical);
}

static ssize_t block_read(struct file *f, struct uio *u, off_t *pos)
{
    struct opening *o = f->data;
    uint64_t size = size_of(o->d), at = (uint64_t)*pos, end;
    ssize_t n;

    if (is_gone(o->d))
        return -EIO;
    if (at >= size || u->left == 0)
        return 0;
    end = at + MIN((uint64_t)u->left, size - at);
    if (!(f->flags & O_DIRECT))
        n = cached_read(o, u, at, end);
    else if (direct_aligned(o->d, u, at, end - at))
        n = cache_direct(o->d, u, at, end - at, false);
    else
        n = -EINVAL;
    if (n > 0)
        *pos += n;
    return n;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Into a page that is there, or is read in first. */
static ssize_t page_write(struct blockdev *d, struct uio *u, uint64_t pos, size_t n)
{
    uint64_t index = pos / PAGE_SIZE;
    paddr_t pa;
    size_t got;
    err_t err = object_page(&d->object, index, OBJECT_CREATE, &pa);

    if (err != 0)
        return err;
    got = uio_copy_from(u, (char *)phys_to_virt(pa) + pos % PAGE_SIZE, n);
    object_written(pa, 1);
    object_mark_dirty(&d->object, index);
    frame_put(pa);
    return got ? (ssize_t)got : -EFAULT;
}

/*
 * A whole page that is not there: it need not be read.  What a fault cuts short is put back: the caller goes
 * on with page_write().  Return: bytes; 0: not done; or an errno.
 */
static ssize_t fresh_write(struct blockdev *d, struct uio *u, uint64_t index)
{
    paddr_t pa = object_frame_alloc(&d->object, index, FRAME_USER);
    struct uio before = *u;
    err_t err;

    if (pa == PADDR_NONE)
        return -ENOMEM;
    err = uio_copy_from(u, phys_to_virt(pa), PAGE_SIZE) < PAGE_SIZE ? -EAGAIN : 0;
    if (err == 0) {
        frame_get(pa); /* ours, until it is marked */
        err = object_insert(&d->object, index, pa);
        if (err != 0)
            frame_put(pa);
        else
            object_mark_dirty(&d->object, index);
    }
    frame_put(pa);
    if (err == 0)
        return (ssize_t)PAGE_SIZE;
    *u = before;
    return err == -EAGAIN || err == -EEXIST ? 0 : err;
}

static ssize_t piece_write(struct blockdev *d, struct uio *u, uint64_t pos, size_t n)
{
    uint64_t index = pos / PAGE_SIZE;
    ssize_t done = 0;

    if (n == PAGE_SIZE && object_next_absent(&d->object, index, index + 1) == index)
        done = fresh_write(d, u, index);
    return done ? done : page_write(d, u, pos, n);
}

static ssize_t cached_write(struct blockdev *d, struct uio *u, uint64_t pos, uint64_t end)
{
    uint64_t start = pos;
    ssize_t n = 0;

    while (pos < end) {
        size_t piece = MIN(PAGE_SIZE - pos % PAGE_SIZE, end - pos);

        n = piece_write(d, u, pos, piece);
        if (n > 0)
            pos += (uint64_t)n;
        if (n < (ssize_t)piece)
            break;
        cache_balance(d);
        if (pos < end && thread_signal_pending())
            break;
    }
    return pos > start ? (ssize_t)(pos - start) : n;
}

static err_t opening_sync(struct file *f, bool flush);

static ssize_t write_allowed(struct file *f, struct uio *u, uint64_t at)
{
    struct blockdev *d = device_of(f);
    uint64_t size = size_of(d), end;
    ssize_t n;

    if (is_gone(d))
        return -EIO;
    if (atomic_load_relaxed(&d->b->read_only))
        return -EPERM;
    if (u->left == 0)
        return 0;
    if (at >= size)
        return -ENOSPC;
    end = at + MIN((uint64_t)u->left, size - at);
    if (f->flags & O_DIRECT && !direct_aligned(d, u, at, end - at))
        return -EINVAL;
    mutex_lock(&d->write_mutex);
    if (f->flags & O_DIRECT)
        n = cache_direct(d, u, at, end - at, true);
    else
        n = cached_write(d, u, at, end);
    mutex_unlock(&d->write_mutex);
    return n;
}

static ssize_t block_write(struct file *f, struct uio *u, off_t *pos)
{
    ssize_t n = write_allowed(f, u, (uint64_t)*pos);

    if (n > 0) {
        *pos += n;
        if (f->flags & O_DSYNC) { /* part of O_SYNC, too */
            err_t err = opening_sync(f, true);

            n = err ? err : n;
        }
    }
    return n;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static off_t block_seek(struct file *f, off_t offset, int whence)
{
    off_t size = (off_t)size_of(device_of(f));

    if (whence == SEEK_CUR && add_overflow(f->pos, offset, &offset))
        return -EOVERFLOW;
    if (whence == SEEK_END && add_overflow(size, offset, &offset))
        return -EOVERFLOW;
    if (whence < SEEK_SET || whence > SEEK_END)
        return -EINVAL;
    if (offset < 0 || offset > size)
        return -EINVAL;
    f->pos = offset;
    return offset;
}

static err_t block_mmap(struct file *f, uint64_t offset, size_t length, struct object **object)
{
    if (is_gone(device_of(f)))
        return -EIO;
    *object = &device_of(f)->object;
    return 0;
}

/* An error that nobody has been told of since this opening last looked is told once. */
static err_t errors_tell(struct opening *o)
{
    uint64_t now = atomic_load(&o->d->errors);

    if (atomic_xchg(&o->errors, now) == now)
        return 0;
    atomic_store(&o->d->errors_told, true);
    return -EIO;
}

static err_t opening_sync(struct file *f, bool flush)
{
    struct opening *o = f->data;
    err_t err = cache_sync(o->d, 0, UINT64_MAX, flush), told = errors_tell(o);

    return err ? err : told;
}

static err_t block_fsync(struct file *f)
{
    return opening_sync(f, true);
}

static long geometry_tell(struct blockdev *d, unsigned long arg)
{
    struct hd_geometry g = { .heads = 64, .sectors = 32,
                             .cylinders = (unsigned short)MIN(size_of(d) >> 20, (uint64_t)UINT16_MAX) };

    return copy_to_user(USER_PTR(struct hd_geometry, arg), &g, sizeof g);
}

static long ahead_set(struct blockdev *d, unsigned long sectors)
{
    if (!cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EACCES;
    atomic_store(&d->ahead_pages, (uint32_t)MIN(sectors * SECTOR_BYTES / PAGE_SIZE, (unsigned long)AHEAD_PAGES_MAX));
    return 0;
}

static long soft_size_set(struct blockdev *d, unsigned long arg)
{
    uint32_t size;

    if (!cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EACCES;
    if (user_load_u32(USER_PTR(uint32_t, arg), &size) != 0)
        return -EFAULT;
    if (!IS_POW2(size) || size < MAX(d->b->logical, SECTOR_BYTES) || size > PAGE_SIZE)
        return -EINVAL;
    atomic_store(&d->soft_size, size);
    return 0;
}

static long read_only_set(struct blockdev *d, unsigned long arg)
{
    uint32_t on;

    if (!cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EACCES;
    if (user_load_u32(USER_PTR(uint32_t, arg), &on) != 0)
        return -EFAULT;
    if (!on && !d->b->can_write)
        return -EACCES;
    if (on)
        (void)cache_sync(d, 0, UINT64_MAX, true);
    atomic_store(&d->b->read_only, on != 0);
    return 0;
}

static long buffers_flush(struct blockdev *d)
{
    if (!cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EACCES;
    (void)cache_sync(d, 0, UINT64_MAX, true);
    cache_drop(d);
    return 0;
}

/* BLOCK_ZERO by hand where the device cannot. */
static err_t range_clear(struct blockdev *d, enum block_op op, bool by_hand, uint64_t start, uint64_t n)
{
    const struct block_device *b = d->b;
    uint32_t most = op == BLOCK_ZERO ? b->zero_sectors_max : b->discard_sectors_max;
    err_t err = -EOPNOTSUPP;

    if (atomic_load_relaxed(&b->read_only))
        return -EPERM;
    if (!IS_ALIGNED(start | n, (uint64_t)b->logical))
        return -EINVAL;
    mutex_lock(&d->write_mutex);
    if (most != 0)
        err = cache_clear(d, op, start, n);
    if (err == -EOPNOTSUPP && by_hand)
        err = cache_clear(d, BLOCK_WRITE, start, n);
    mutex_unlock(&d->write_mutex);
    return err;
}

/* BLKDISCARD, BLKZEROOUT: start and length, two words. */
static long clear_ioctl(struct file *f, enum block_op op, unsigned long arg)
{
    struct blockdev *d = device_of(f);
    uint64_t range[2];

    if (!(f->fmode & FMODE_WRITE))
        return -EBADF;
    if (op == BLOCK_DISCARD && d->b->discard_sectors_max == 0)
        return -EOPNOTSUPP;
    if (copy_from_user(range, USER_PTR(uint64_t, arg), sizeof range) != 0)
        return -EFAULT;
    if (!IS_ALIGNED(range[0] | range[1], (uint64_t)SECTOR_BYTES) || !range_fits(range[0], range[1], size_of(d)))
        return -EINVAL;
    return range_clear(d, op, op == BLOCK_ZERO, range[0], range[1]);
}

/* What of fallocate(2) a device without holes can do: zeros, which may also be left out on the medium. */
static err_t block_fallocate(struct file *f, int mode, uint64_t offset, uint64_t length)
{
    struct blockdev *d = device_of(f);
    uint64_t size = size_of(d);
    bool punch = mode & FALLOC_FL_PUNCH_HOLE;

    if (is_gone(d))
        return -EIO;
    if (!(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) ||
        mode & ~(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE))
        return -EOPNOTSUPP;
    if (offset >= size || (length > size - offset && !(mode & FALLOC_FL_KEEP_SIZE)))
        return -EINVAL;
    return range_clear(d, BLOCK_ZERO, !punch, offset, MIN(length, size - offset));
}

static long block_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
    struct blockdev *d = device_of(f);
    const struct block_device *b = d->b;
    uint64_t size = size_of(d);

    if (is_gone(d))
        return -EIO;
    switch (cmd) {
    case BLKGETSIZE64:
        return user_store_u64(USER_PTR(uint64_t, arg), size);
    case BLKGETSIZE:
        return user_store_u64(USER_PTR(uint64_t, arg), size / SECTOR_BYTES);
    case BLKSSZGET:
        return user_store_u32(USER_PTR(uint32_t, arg), b->logical);
    case BLKPBSZGET:
        return user_store_u32(USER_PTR(uint32_t, arg), b->physical);
    case BLKIOMIN:
        return user_store_u32(USER_PTR(uint32_t, arg), b->io_min);
    case BLKIOOPT:
        return user_store_u32(USER_PTR(uint32_t, arg), b->io_opt);
    case BLKALIGNOFF:
    case BLKDISCARDZEROES:
        return user_store_u32(USER_PTR(uint32_t, arg), 0);
    case BLKBSZGET:
        return user_store_u32(USER_PTR(uint32_t, arg), atomic_load_relaxed(&d->soft_size));
    case BLKBSZSET:
        return soft_size_set(d, arg);
    case BLKROGET:
        return user_store_u32(USER_PTR(uint32_t, arg), b->read_only);
    case BLKROSET:
        return read_only_set(d, arg);
    case BLKRAGET:
    case BLKFRAGET:
        return user_store_u64(USER_PTR(uint64_t, arg),
                              atomic_load_relaxed(&d->ahead_pages) * (PAGE_SIZE / SECTOR_BYTES));
    case BLKRASET:
    case BLKFRASET:
        return ahead_set(d, arg);
    case BLKFLSBUF:
        return buffers_flush(d);
    case BLKGETDISKSEQ:
        return user_store_u64(USER_PTR(uint64_t, arg), d->sequence);
    case BLKRRPART: /* there are no partitions */
        return cred_capable(cred_current(), CAP_SYS_ADMIN) ? -EINVAL : -EACCES;
    case BLKDISCARD:
        return clear_ioctl(f, BLOCK_DISCARD, arg);
    case BLKZEROOUT:
        return clear_ioctl(f, BLOCK_ZERO, arg);
    case BLKSECDISCARD:
        return -EOPNOTSUPP;
    case HDIO_GETGEO:
        return geometry_tell(d, arg);
    case BLKROTATIONAL: {
        uint16_t rotational = b->rotational;

        return copy_to_user(USER_PTR(uint16_t, arg), &rotational, sizeof rotational);
    }
    case BLKSECTGET: {
        uint16_t sectors = (uint16_t)MIN(b->segments_max * (PAGE_SIZE / SECTOR_BYTES), 65535ul);

        return copy_to_user(USER_PTR(uint16_t, arg), &sectors, sizeof sectors);
    }
    default:
        return -ENOTTY;
    }
}

static void block_release(struct file *f)
{
    struct opening *o = f->data;
    struct blockdev *d = o->d;
    bool last;

    mutex_lock(&blockdevs_mutex);
    last = --d->openings == 0;
    mutex_unlock(&blockdevs_mutex);
    if (last && atomic_load_relaxed(&d->object.dirty) != 0)
        (void)cache_sync(d, 0, UINT64_MAX, false); /* as Linux does at the last close */
    kfree(o);
    blockdev_put(d);
}

static const struct file_ops block_file_ops = { .read = block_read,
                                                .write = block_write,
                                                .seek = block_seek,
                                                .mmap = block_mmap,
                                                .fsync = block_fsync,
                                                .ioctl = block_ioctl,
                                                .fallocate = block_fallocate,
                                                .release = block_release };

/* ---- opening --------------------------------------------------------------------------------- */

/* With a reference and counted as open, or NULL. */
static struct blockdev *device_open(unsigned dev)
{
    struct blockdev *d, *found = NULL;

    mutex_lock(&blockdevs_mutex);
    list_for_each(d, &blockdevs, link)
        if (d->dev == dev)
            found = d;
    if (found) {
        blockdev_get(found);
        found->openings++;
    }
    mutex_unlock(&blockdevs_mutex);
    return found;
}

static err_t block_open(struct inode *inode, struct file *f)
{
    struct blockdev *d = device_open(inode->rdev);
    struct opening *o;

    if (!d)
        return -ENXIO;
    o = kzalloc(sizeof *o);
    if (!o) {
        mutex_lock(&blockdevs_mutex);
        d->openings--;
        mutex_unlock(&blockdevs_mutex);
        blockdev_put(d);
        return -ENOMEM;
    }
    o->d = d;
    o->errors = atomic_load(&d->errors) - (atomic_load(&d->errors_told) ? 0 : 1);
    f->data = o;
    f->ops = &block_file_ops;
    return 0;
}

const struct file_ops blkdev_default_ops = { .open = block_open };

/* ---- devices come and go --------------------------------------------------------------------- */

static void list_leave(struct blockdev *d)
{
    mutex_lock(&blockdevs_mutex);
    spin_lock(&blockdevs_lock);
    list_del(&d->link);
    spin_unlock(&blockdevs_lock);
    mutex_unlock(&blockdevs_mutex);
}

static void list_enter(struct blockdev *d)
{
    mutex_lock(&blockdevs_mutex);
    d->sequence = next_sequence++;
    spin_lock(&blockdevs_lock);
    list_add_tail(&blockdevs, &d->link);
    spin_unlock(&blockdevs_lock);
    mutex_unlock(&blockdevs_mutex);
}

static err_t device_added(struct block_device *b)
{
    struct blockdev *d = kzalloc(sizeof *d);
    err_t err;

    if (!d)
        return -ENOMEM;
    ref_init(&d->refs, 1);
    list_init(&d->link);
    d->b = b;
    d->dev = DEV(b->major, b->minor);
    d->soft_size = PAGE_SIZE;
    d->errors_told = true;
    err = cache_init(d);
    if (err != 0) {
        kfree(d);
        return err;
    }
    block_get(b);
    list_enter(d);
    err = blkdev_node_add(b->name, d->dev, 0660);
    if (err == 0)
        err = view_add(d);
    if (err != 0) {
        blkdev_node_remove(d->dev);
        list_leave(d);
        blockdev_put(d);
        return err;
    }
    b->client = d;
    return 0;
}

static void device_removing(struct block_device *b)
{
    struct blockdev *d = b->client;

    view_remove(d);
    blkdev_node_remove(d->dev);
    list_leave(d);
    (void)cache_sync(d, 0, UINT64_MAX, true); /* said in the log */
}

/* Requests fail from now on.  What mappings still hold goes: SIGBUS. */
static void device_gone(struct block_device *b)
{
    struct blockdev *d = b->client;
    unsigned long flags = spin_lock_irqsave(&b->lock);

    b->client = NULL;
    spin_unlock_irqrestore(&b->lock, flags);
    object_truncate(&d->object, 0);
    blockdev_put(d);
}

static void device_resized(struct block_device *b)
{
    unsigned long flags = spin_lock_irqsave(&b->lock);

    if (b->client)
        cache_resized(b->client);
    spin_unlock_irqrestore(&b->lock, flags);
}

static const struct block_client client = { .added = device_added,
                                            .removing = device_removing,
                                            .gone = device_gone,
                                            .resized = device_resized };

err_t block_sync_all(void)
{
    return cache_sync_all(true);
}

static err_t block_start(struct subsystem *self __maybe_unused)
{
    err_t err = cache_start();

    if (err == 0)
        block_client_set(&client);
    return err;
}

static const char *const needs[] = { "devtmpfs", "?sysfs-tree", NULL };
static struct subsystem block_subsystem = { .name = "block",
                                            .privilege = PRIV_KERNEL,
                                            .needs = needs,
                                            .late_init = block_start };
REGISTER_SUBSYSTEM(block_subsystem);
