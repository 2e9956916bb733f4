// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tests of block devices: a disk in memory, which answers at once, fails, or is taken away.
 */
#include <core/ktest.h>
#include <core/log.h>
#include <fs/block.h>
#include <fs/blockdev.h>
#include <fs/device.h>
#include <fs/internal.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/timer.h>

#include <linux/fs.h>

#define MAJOR 250
#define DISK_BYTES (1024 * KiB + 1536) /* the last page is not whole */

static struct block_device *disk;
static uint8_t *bytes; /* what lies on it */
static unsigned reads, writes, flushes;
static bool fail_reads, fail_writes;
static unsigned released;

static err_t serve(struct block_request *r)
{
    uint8_t *at = bytes + r->sector * SECTOR_BYTES;

    if (r->op == BLOCK_FLUSH) {
        flushes++;
        return 0;
    }
    if (r->op == BLOCK_READ ? fail_reads : fail_writes)
        return -EIO;
    reads += r->op == BLOCK_READ;
    writes += r->op == BLOCK_WRITE;
    for (unsigned i = 1; i <= r->count; i++) {
        void *memory = phys_to_virt(r->seg[i].addr);

        if (r->op == BLOCK_READ)
            memcpy(memory, at, r->seg[i].bytes);
        else
            memcpy(at, memory, r->seg[i].bytes);
        at += r->seg[i].bytes;
    }
    return at - bytes == (ssize_t)((r->sector + r->sectors) * SECTOR_BYTES) ? 0 : -EIO;
}

static void test_submit(struct block_device *b, struct block_request *r)
{
    block_done(r, serve(r));
}

static void test_release(struct block_device *b)
{
    released++;
    kfree(b);
}

static const struct block_ops test_ops = { .submit = test_submit, .release = test_release };

static bool begin(struct ktest *t)
{
    reads = writes = flushes = released = 0;
    fail_reads = fail_writes = false;
    disk = kzalloc(sizeof *disk);
    bytes = kmalloc(DISK_BYTES);
    if (!KTEST_TRUE(disk && bytes))
        return false;
    for (size_t i = 0; i < DISK_BYTES; i++)
        bytes[i] = (uint8_t)(i / 512 * 7 + i);
    str_copy(disk->name, "ktestblk", sizeof disk->name);
    disk->major = MAJOR;
    disk->driver_name = "ktestblk";
    str_copy(disk->parent, "devices/ktestblk", sizeof disk->parent);
    disk->logical = disk->physical = SECTOR_BYTES;
    disk->segments_max = 16;
    disk->segment_bytes_max = UINT32_MAX;
    disk->can_write = disk->write_cache = true;
    disk->sectors = DISK_BYTES / SECTOR_BYTES;
    disk->ops = &test_ops;
    return KTEST_EQ(block_add(disk), 0) &&
           KTEST_EQ(vfs_mknod(AT_FDCWD, "/ktestblk", S_IFBLK | 0600, DEV(MAJOR, 0)), 0);
}

static void end(struct ktest *t, bool removed)
{
    if (!removed)
        block_remove(disk);
    block_put(disk);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/ktestblk", 0), 0);
    dentry_cache_trim(0);
    for (unsigned i = 0; i < 1000 && atomic_load(&released) == 0; i++)
        (void)sleep_until(clock_monotonic() + NS_PER_MSEC, false); /* answers are still under way */
    KTEST_EQ(released, 1);
    kfree(bytes);
}

static struct file *open_disk(struct ktest *t)
{
    struct file *f = NULL;

    KTEST_EQ(file_open(AT_FDCWD, "/ktestblk", O_RDWR, 0, &f), 0);
    return f;
}

/* Does [offset, offset + n) of the file hold what lies on the disk? */
static bool same(struct file *f, uint64_t offset, size_t n)
{
    uint8_t *buf = kmalloc(n);
    bool ok = buf && file_read_at(f, buf, n, offset) == (ssize_t)n && memcmp(buf, bytes + offset, n) == 0;

    kfree(buf);
    return ok;
}

static err_t sync_file(struct file *f)
{
    return f->ops->fsync(f);
}

KTEST(block, reads)
{
    struct file *f;
    uint8_t byte[8];

    if (!begin(t) || !(f = open_disk(t)))
        return;
    KTEST_EQ(f->ops->seek(f, 0, SEEK_END), DISK_BYTES);
    for (uint64_t at = 0; at < DISK_BYTES; at += 3000)
        if (!KTEST_TRUE(same(f, at, MIN(3000, DISK_BYTES - at))))
            break;
    KTEST_TRUE(reads >= 17 && reads < 60); /* many pages at once */
    KTEST_EQ(file_read_at(f, byte, 8, DISK_BYTES - 3), 3);
    KTEST_EQ(file_read_at(f, byte, 8, DISK_BYTES), 0);
    KTEST_EQ(file_read_at(f, byte, 8, DISK_BYTES + 12345), 0);
    file_put(f);
    end(t, false);
}

KTEST(block, writes_and_syncs)
{
    struct file *f;
    uint8_t *buf;

    if (!begin(t) || !(f = open_disk(t)))
        return;
    buf = kmalloc(100000);
    if (KTEST_TRUE(buf != NULL)) {
        memset(buf, 0x33, 100000);
        KTEST_EQ(file_write_at(f, buf, 100000, 5000), 100000);
        KTEST_TRUE(bytes[5000] != 0x33 || bytes[5001] != 0x33);
        KTEST_EQ(file_write_at(f, buf, 2, DISK_BYTES - 1), 1);
        KTEST_EQ(file_write_at(f, buf, 2, DISK_BYTES), -ENOSPC);
        KTEST_EQ(sync_file(f), 0);
        KTEST_EQ(flushes, 1);
        KTEST_EQ(memcmp(bytes + 5000, buf, 100000), 0);
        KTEST_TRUE(bytes[4999] != 0x33 && bytes[105000] != 0x33);
        KTEST_EQ(bytes[DISK_BYTES - 1], 0x33);
        KTEST_TRUE(writes <= 4);
        KTEST_EQ(sync_file(f), 0);
        KTEST_EQ(flushes, 1); /* nothing was written since */
        KTEST_EQ(file_write_at(f, "x", 1, 70000), 1);
        KTEST_EQ(block_sync_all(), 0);
        KTEST_EQ(bytes[70000], 'x');
        KTEST_EQ(file_write_at(f, "y", 1, 70001), 1);
    }
    kfree(buf);
    file_put(f); /* the last close writes back */
    KTEST_EQ(bytes[70001], 'y');
    end(t, false);
}

KTEST(block, direct)
{
    struct file *f;
    uint8_t *buf;

    if (!begin(t) || !(f = open_disk(t)))
        return;
    buf = kmalloc(200 * KiB);
    if (KTEST_TRUE(buf != NULL)) {
        KTEST_TRUE(same(f, 8192, 4096)); /* in the cache now */
        KTEST_EQ(file_write_at(f, "dirty", 5, 300000), 5);
        f->flags |= O_DIRECT;
        KTEST_EQ(file_read_at(f, buf, 200 * KiB, 200 * KiB), 200 * KiB);
        KTEST_EQ(memcmp(buf + 300000 - 200 * KiB, "dirty", 5), 0);
        KTEST_EQ(memcmp(buf, bytes + 200 * KiB, 200 * KiB), 0);
        KTEST_EQ(file_read_at(f, buf, 100, 0), -EINVAL);
        KTEST_EQ(file_read_at(f, buf, 512, 100), -EINVAL);
        memset(buf, 0x44, 1024);
        KTEST_EQ(file_write_at(f, buf, 1024, 8192 + 512), 1024);
        KTEST_EQ(bytes[8192 + 512], 0x44);
        f->flags &= ~(unsigned)O_DIRECT;
        KTEST_TRUE(same(f, 8192, 4096)); /* the cache agrees */
    }
    kfree(buf);
    file_put(f);
    end(t, false);
}

KTEST(block, errors)
{
    unsigned level = log_console_level();
    struct file *f, *other;
    uint8_t byte;

    log_console_level_set(0);
    if (!begin(t) || !(f = open_disk(t)) || !(other = open_disk(t)))
        return;
    fail_reads = true;
    KTEST_EQ(file_read_at(f, &byte, 1, 4096), -EIO);
    fail_reads = false;
    KTEST_TRUE(same(f, 4096, 1)); /* it is tried again */
    fail_writes = true;
    KTEST_EQ(file_write_at(f, "x", 1, 4096), 1);
    KTEST_EQ(sync_file(f), -EIO);
    KTEST_EQ(sync_file(f), 0); /* once */
    KTEST_EQ(sync_file(other), -EIO); /* for each opening */
    fail_writes = false;
    KTEST_EQ(file_write_at(f, "y", 1, 4097), 1);
    KTEST_EQ(sync_file(f), 0);
    KTEST_EQ(bytes[4097], 'y');
    file_put(f);
    file_put(other);
    end(t, false);
    log_console_level_set(level);
}

KTEST(block, removal)
{
    struct file *f, *g;
    uint8_t byte;

    if (!begin(t) || !(f = open_disk(t)))
        return;
    KTEST_EQ(file_write_at(f, "last words", 10, 9000), 10);
    block_remove(disk);
    KTEST_EQ(memcmp(bytes + 9000, "last words", 10), 0);
    KTEST_EQ(file_read_at(f, &byte, 1, 0), -EIO);
    KTEST_EQ(file_write_at(f, "x", 1, 0), -EIO);
    KTEST_EQ(file_open(AT_FDCWD, "/ktestblk", O_RDONLY, 0, &g), -ENXIO);
    KTEST_EQ(released, 0);
    file_put(f);
    end(t, true);
}

KTEST(block, memory_comes_back)
{
    struct blockdev *d;
    struct file *f;

    if (!begin(t) || !(f = open_disk(t)))
        return;
    d = disk->client;
    KTEST_TRUE(same(f, 0, DISK_BYTES));
    KTEST_EQ(d->object.pages, PAGES(DISK_BYTES));
    KTEST_EQ(file_write_at(f, "x", 1, 50000), 1);
    cache_drop(d);
    KTEST_EQ(d->object.pages, 1); /* what is dirty stays */
    KTEST_EQ(sync_file(f), 0);
    cache_drop(d);
    KTEST_EQ(d->object.pages, 0);
    KTEST_TRUE(same(f, 0, DISK_BYTES));
    file_put(f);
    end(t, false);
}
