// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of the archive reader and the unpacking: good archives, broken ones, all lengths. */
#include <fs/initramfs.h>

#include <core/ktest.h>
#include <core/log.h>
#include <fs/device.h>
#include <fs/internal.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <zlib.h>

#define ARCHIVE_MAX (64 * KiB)

struct archive {
    unsigned char *data;
    size_t size;
    struct mount *mount;
    struct path root;
};

static bool archive_begin(struct ktest *t, struct archive *a)
{
    a->data = kzalloc(ARCHIVE_MAX);
    a->size = 0;
    if (!KTEST_TRUE(a->data) ||
        !KTEST_EQ(mount_create(filesystem_find("tmpfs"), "test", 0, "size=256k", &a->mount), 0))
        return false;
    a->root = (struct path){ a->mount, a->mount->root };
    return true;
}

static void archive_end(struct archive *a)
{
    mount_put(a->mount);
    kfree(a->data);
    dentry_cache_trim(0);
}

static void pad(struct archive *a, size_t to)
{
    while (a->size % to)
        a->data[a->size++] = 0;
}

static void entry_full(struct archive *a, const char *name, unsigned mode, unsigned ino,
                       unsigned nlink, unsigned rdev_minor, const char *body, size_t n)
{
    a->size += (size_t)fmt_snprintf((char *)a->data + a->size, ARCHIVE_MAX - a->size,
                                    "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", ino,
                                    mode, 1, 2, nlink, 1000, n, 8, 1, 1, rdev_minor,
                                    strlen(name) + 1, 0);
    memcpy(a->data + a->size, name, strlen(name) + 1);
    a->size += strlen(name) + 1;
    pad(a, 4);
    memcpy(a->data + a->size, body, n);
    a->size += n;
    pad(a, 4);
}

static void entry(struct archive *a, const char *name, unsigned mode, const char *body)
{
    static unsigned ino = 100;

    entry_full(a, name, mode, ino++, 1, 0, body, strlen(body));
}

static void trailer(struct archive *a)
{
    entry_full(a, "TRAILER!!!", 0, 0, 1, 0, "", 0);
}

static void fill_standard(struct archive *a)
{
    char *big = (char *)a->data + ARCHIVE_MAX / 2; /* some bytes to copy: zeros, then marks */

    entry(a, ".", S_IFDIR | 0755, "");
    entry(a, "dir", S_IFDIR | 0750, "");
    entry(a, "dir/file", S_IFREG | 0640, "hello");
    entry(a, "link", S_IFLNK | 0777, "dir/file");
    entry_full(a, "null", S_IFCHR | 0666, 7, 1, 3, "", 0);
    entry_full(a, "hard1", S_IFREG | 0600, 55, 2, 0, "", 0);
    entry_full(a, "hard2", S_IFREG | 0600, 55, 2, 0, "linked", 6);
    big[4999] = 'x';
    entry_full(a, "big", S_IFREG | 0600, 56, 1, 0, big, 5000);
    big[4999] = 0;
    trailer(a);
}

static err_t unpack(struct archive *a)
{
    return initramfs_unpack(&a->root, a->data, a->size, MiB, NULL, NULL);
}

static bool has_text(struct archive *a, const char *name, const char *text)
{
    char buf[32] = "";
    struct file *f;

    if (path_open(&a->root, AT_FDCWD, name, O_RDONLY, 0, 0, &f) != 0)
        return false;
    ssize_t n = file_read_at(f, buf, sizeof buf - 1, 0);
    file_put(f);
    return n == (ssize_t)strlen(text) && memcmp(buf, text, (size_t)n) == 0;
}

static void check_standard(struct ktest *t, struct archive *a)
{
    struct path p;

    KTEST_TRUE(has_text(a, "dir/file", "hello"));
    KTEST_TRUE(has_text(a, "link", "hello"));
    KTEST_TRUE(has_text(a, "hard1", "linked"));
    KTEST_TRUE(has_text(a, "hard2", "linked"));
    if (KTEST_EQ(path_lookup_from(&a->root, AT_FDCWD, "hard1", 0, &p), 0)) {
        KTEST_EQ(p.dentry->inode->nlink, 2);
        KTEST_EQ(p.dentry->inode->uid, 1);
        KTEST_EQ(p.dentry->inode->gid, 2);
        KTEST_EQ(p.dentry->inode->mtime, 1000 * NS_PER_SEC);
        path_put(&p);
    }
    if (KTEST_EQ(path_lookup_from(&a->root, AT_FDCWD, "null", 0, &p), 0)) {
        KTEST_EQ(p.dentry->inode->rdev, DEV(1, 3));
        KTEST_EQ(p.dentry->inode->mode, S_IFCHR | 0666);
        path_put(&p);
    }
    if (KTEST_EQ(path_lookup_from(&a->root, AT_FDCWD, "dir", 0, &p), 0)) {
        KTEST_EQ(p.dentry->inode->mode, S_IFDIR | 0750);
        path_put(&p);
    }
    if (KTEST_EQ(path_lookup_from(&a->root, AT_FDCWD, "big", 0, &p), 0)) {
        char last[2];

        KTEST_EQ(p.dentry->inode->object.size, 5000);
        KTEST_EQ(object_read(&p.dentry->inode->object, 4998, last, 2), 0);
        KTEST_TRUE(last[0] == 0 && last[1] == 'x');
        path_put(&p);
    }
}

KTEST(initramfs, plain)
{
    struct archive a;

    if (!archive_begin(t, &a))
        return;
    fill_standard(&a);
    KTEST_EQ(unpack(&a), 0);
    check_standard(t, &a);
    KTEST_EQ(unpack(&a), 0); /* over itself */
    check_standard(t, &a);
    archive_end(&a);
}

KTEST(initramfs, concatenated)
{
    struct archive a;

    if (!archive_begin(t, &a))
        return;
    fill_standard(&a);
    pad(&a, 512);
    entry(&a, "second", S_IFREG | 0600, "2");
    entry(&a, "dir/file", S_IFREG | 0600, "other"); /* the later one wins */
    trailer(&a);
    pad(&a, 4096);
    KTEST_EQ(unpack(&a), 0);
    KTEST_TRUE(has_text(&a, "second", "2"));
    KTEST_TRUE(has_text(&a, "dir/file", "other"));
    archive_end(&a);
}

/* gzip of stored blocks: what is there is wrapped, not made smaller. */
static void wrap_gzip(struct archive *a)
{
    static const unsigned char head[10] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3 };
    unsigned n = (unsigned)a->size, crc = (unsigned)crc32(crc32(0, NULL, 0), a->data, n);
    unsigned char *to = a->data;

    memmove(to + 15, to, n);
    memcpy(to, head, sizeof head);
    to[10] = 1; /* the last block, stored */
    to[11] = n & 0xff;
    to[12] = n >> 8 & 0xff;
    to[13] = ~n & 0xff;
    to[14] = ~n >> 8 & 0xff;
    for (unsigned i = 0; i < 4; i++) {
        to[15 + n + i] = crc >> 8 * i & 0xff;
        to[19 + n + i] = n >> 8 * i & 0xff;
    }
    a->size = n + 23;
}

KTEST(initramfs, gzip)
{
    struct archive a;

    if (!archive_begin(t, &a))
        return;
    fill_standard(&a);
    wrap_gzip(&a);
    KTEST_EQ(unpack(&a), 0);
    check_standard(t, &a);
    size_t whole = a.size;
    pad(&a, 4);
    entry(&a, "plain-after", S_IFREG | 0600, "p");
    trailer(&a);
    KTEST_EQ(unpack(&a), 0);
    KTEST_TRUE(has_text(&a, "plain-after", "p"));
    a.size = whole - 9; /* checksum missing */
    KTEST_EQ(unpack(&a), -EINVAL);
    a.size = whole;
    a.data[whole - 5] ^= 1; /* checksum wrong */
    KTEST_EQ(unpack(&a), -EINVAL);
    archive_end(&a);
}

/* A kilobyte of gzip can inflate to a megabyte, and a member can follow a member. */
KTEST(initramfs, gzip_without_end)
{
    struct archive a;

    if (!archive_begin(t, &a))
        return;
    entry(&a, "first", S_IFREG | 0600, "1");
    trailer(&a);
    size_t plain = a.size;
    memset(a.data + plain, 0, 40000 - plain); /* zeros may follow an archive */
    a.size = 40000;
    wrap_gzip(&a);
    KTEST_EQ(initramfs_unpack(&a.root, a.data, a.size, 39999, NULL, NULL), -EFBIG);
    KTEST_TRUE(has_text(&a, "first", "1"));
    KTEST_EQ(initramfs_unpack(&a.root, a.data, a.size, 40000, NULL, NULL), 0);
    memset(a.data, 0, ARCHIVE_MAX);
    a.size = 0;
    entry(&a, "member", S_IFREG | 0600, "m");
    trailer(&a);
    wrap_gzip(&a);
    size_t member = a.size;
    memcpy(a.data + member, a.data, member);
    a.size = 2 * member;
    KTEST_EQ(initramfs_unpack(&a.root, a.data, a.size, 2 * (member - 23), NULL, NULL), 0);
    KTEST_EQ(initramfs_unpack(&a.root, a.data, a.size, 2 * (member - 23) - 1, NULL, NULL), -EFBIG);
    archive_end(&a);
}

KTEST(initramfs, cut_short)
{
    struct archive a;
    unsigned accepted = 0;

    if (!archive_begin(t, &a))
        return;
    fill_standard(&a);
    size_t whole = a.size;
    for (size_t n = 1; n < whole; n += 97) {
        a.size = n;
        accepted += unpack(&a) == 0;
    }
    KTEST_TRUE(accepted < 12); /* only ends between two entries */
    archive_end(&a);
}

KTEST(initramfs, nonsense)
{
    struct archive a;

    if (!archive_begin(t, &a))
        return;
    a.data[0] = 'x';
    a.size = 1;
    KTEST_EQ(unpack(&a), -EINVAL);
    a.size = 0;
    KTEST_EQ(unpack(&a), 0);
    fill_standard(&a);
    memcpy(a.data + 6 + 8 * 6, "ffffffff", 8); /* 4 GiB of body for a directory */
    KTEST_EQ(unpack(&a), -EINVAL);
    a.size = 0;
    fill_standard(&a);
    memcpy(a.data + 6 + 8 * 11, "00000000", 8); /* no name */
    KTEST_EQ(unpack(&a), -EINVAL);
    a.size = 0;
    fill_standard(&a);
    memcpy(a.data + 6 + 8 * 11, "zzzzzzzz", 8);
    KTEST_EQ(unpack(&a), -EINVAL);
    memcpy(a.data, "\x28\xb5\x2f\xfd", 4); /* zstd */
    KTEST_EQ(unpack(&a), -EINVAL);
    a.size = 0;
    entry(&a, "nowhere/file", S_IFREG | 0600, "x"); /* skipped; what follows is there */
    entry(&a, "after", S_IFREG | 0600, "a");
    entry(&a, "odd", S_IFMT, "x");
    trailer(&a);
    KTEST_EQ(unpack(&a), 0);
    KTEST_TRUE(has_text(&a, "after", "a"));
    a.size = 0;
    char *body = kzalloc(60000);
    KTEST_REQUIRE(body);
    for (unsigned i = 0; i < 6; i++) { /* more than the file system takes */
        char name[8];

        fmt_snprintf(name, sizeof name, "f%u", i);
        a.size = 0;
        entry_full(&a, name, S_IFREG | 0600, 200 + i, 1, 0, body, 60000);
        trailer(&a);
        err_t err = unpack(&a);
        KTEST_TRUE(err == 0 || err == -ENOSPC);
        KTEST_TRUE(i < 5 || err == -ENOSPC);
    }
    kfree(body);
    archive_end(&a);
}
