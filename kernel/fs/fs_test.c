// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of the file layer through its own interfaces: paths, names, files, mounts. */
#include <core/ktest.h>
#include <fs/device.h>
#include <fs/internal.h>
#include <fs/pipe.h>
#include <fs/uts.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <linux/fs.h>

/* A tmpfs at /t for one test. */
static bool test_begin(struct ktest *t)
{
    return KTEST_EQ(vfs_mkdir(AT_FDCWD, "/t", 0755), 0) &&
           KTEST_EQ(vfs_mount("none", "/t", "tmpfs", 0, "size=1m,mode=755"), 0);
}

static void test_end(struct ktest *t)
{
    KTEST_EQ(vfs_umount("/t", 0), 0);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t", AT_REMOVEDIR), 0);
    dentry_cache_trim(0);
}

static err_t write_file(const char *name, const char *text)
{
    struct file *f;
    err_t err = file_open(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, 0644, &f);

    if (err != 0)
        return err;
    ssize_t n = file_write_at(f, text, strlen(text), 0);
    file_put(f);
    return n < 0 ? (err_t)n : 0;
}

static ssize_t read_file(const char *name, char *buf, size_t size)
{
    struct file *f;
    err_t err = file_open(AT_FDCWD, name, O_RDONLY, 0, &f);

    if (err != 0)
        return err;
    ssize_t n = file_read_at(f, buf, size - 1, 0);
    file_put(f);
    buf[n > 0 ? n : 0] = '\0';
    return n;
}

static err_t probe(const char *name, unsigned flags)
{
    struct path p;
    err_t err = path_lookup(AT_FDCWD, name, flags, &p);

    if (err == 0)
        path_put(&p);
    return err;
}

KTEST(fs, create_read_write)
{
    char buf[64];

    if (!test_begin(t))
        return;
    KTEST_EQ(write_file("/t/a", "hello"), 0);
    KTEST_EQ(read_file("/t/a", buf, sizeof buf), 5);
    KTEST_STR_EQ(buf, "hello");
    KTEST_EQ(write_file("/t/a", "x"), 0);
    KTEST_EQ(read_file("/t/a", buf, sizeof buf), 1);
    KTEST_EQ(read_file("/t/b", buf, sizeof buf), -ENOENT);
    KTEST_EQ(write_file("/t/nodir/a", "x"), -ENOENT);
    KTEST_EQ(write_file("/t/a/b", "x"), -ENOTDIR);
    KTEST_EQ(write_file("/t", "x"), -EISDIR);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t/a", 0), 0);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t/a", 0), -ENOENT);
    test_end(t);
}

KTEST(fs, paths)
{
    if (!test_begin(t))
        return;
    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/t/d", 0755), 0);
    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/t/d/", 0755), -EEXIST);
    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/t/d/e/", 0755), 0);
    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/", 0755), -EEXIST);
    KTEST_EQ(write_file("/t/d/e/f", "1"), 0);
    KTEST_EQ(probe("/t/d/e/f", 0), 0);
    KTEST_EQ(probe("/t//d/./e/../e///f", 0), 0);
    KTEST_EQ(probe("/t/d/e/f/", 0), -ENOTDIR);
    KTEST_EQ(probe("/t/d/e/f/.", 0), -ENOTDIR);
    KTEST_EQ(probe("/t/d/e/f/..", 0), -ENOTDIR);
    KTEST_EQ(probe("/t/d/e", LOOKUP_DIRECTORY), 0);
    KTEST_EQ(probe("/t/d/e/f", LOOKUP_DIRECTORY), -ENOTDIR);
    KTEST_EQ(probe("/../../t/d", 0), 0);
    KTEST_EQ(probe("", 0), -ENOENT);
    KTEST_EQ(probe("/t/d/x/..", 0), -ENOENT);
    char longer[300];
    memset(longer, 'n', sizeof longer);
    memcpy(longer, "/t/", 3);
    longer[3 + 256] = '\0';
    KTEST_EQ(probe(longer, 0), -ENAMETOOLONG);
    KTEST_EQ(vfs_mkdir(AT_FDCWD, longer, 0755), -ENAMETOOLONG);
    longer[3 + 255] = '\0';
    KTEST_EQ(vfs_mkdir(AT_FDCWD, longer, 0755), 0);
    KTEST_EQ(probe(longer, 0), 0);
    KTEST_EQ(vfs_rename(AT_FDCWD, longer, AT_FDCWD, "/t/short", 0), 0);
    KTEST_EQ(vfs_rename(AT_FDCWD, "/t/short", AT_FDCWD, longer, 0), 0);
    KTEST_EQ(vfs_unlink(AT_FDCWD, longer, AT_REMOVEDIR), 0);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t/d", AT_REMOVEDIR), -ENOTEMPTY);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t/d", 0), -EISDIR);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t/d/e/f", AT_REMOVEDIR), -ENOTDIR);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t/d/e/.", AT_REMOVEDIR), -EINVAL);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t/d/e/..", AT_REMOVEDIR), -ENOTEMPTY);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t", AT_REMOVEDIR), -EBUSY);
    test_end(t);
}

KTEST(fs, symlinks)
{
    char buf[8];

    if (!test_begin(t))
        return;
    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/t/d", 0755), 0);
    KTEST_EQ(write_file("/t/d/f", "one"), 0);
    KTEST_EQ(vfs_symlink("d", AT_FDCWD, "/t/l"), 0);
    KTEST_EQ(vfs_symlink("/t/l/f", AT_FDCWD, "/t/abs"), 0);
    KTEST_EQ(vfs_symlink("loop2", AT_FDCWD, "/t/loop1"), 0);
    KTEST_EQ(vfs_symlink("loop1", AT_FDCWD, "/t/loop2"), 0);
    KTEST_EQ(vfs_symlink("nowhere", AT_FDCWD, "/t/dangling"), 0);
    KTEST_EQ(vfs_symlink("d/", AT_FDCWD, "/t/slash"), 0);
    KTEST_EQ(vfs_symlink("", AT_FDCWD, "/t/empty"), -ENOENT);
    KTEST_EQ(read_file("/t/l/f", buf, sizeof buf), 3);
    KTEST_EQ(read_file("/t/abs", buf, sizeof buf), 3);
    KTEST_EQ(read_file("/t/slash/f", buf, sizeof buf), 3);
    KTEST_EQ(probe("/t/abs/", 0), -ENOTDIR);
    KTEST_EQ(probe("/t/l/", 0), 0);
    KTEST_EQ(probe("/t/loop1", LOOKUP_FOLLOW), -ELOOP);
    KTEST_EQ(probe("/t/loop1", 0), 0);
    KTEST_EQ(probe("/t/loop1/x", 0), -ELOOP);
    KTEST_EQ(probe("/t/dangling", LOOKUP_FOLLOW), -ENOENT);
    KTEST_EQ(probe("/t/l/f", LOOKUP_NO_SYMLINKS), -ELOOP);
    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/t/dangling", 0755), -EEXIST);
    struct file *f;
    KTEST_EQ(file_open(AT_FDCWD, "/t/dangling", O_WRONLY | O_CREAT | O_EXCL, 0644, &f), -EEXIST);
    KTEST_EQ(file_open(AT_FDCWD, "/t/l", O_RDONLY | O_NOFOLLOW, 0, &f), -ELOOP);
    KTEST_EQ(write_file("/t/dangling", "made"), 0);
    KTEST_EQ(read_file("/t/nowhere", buf, sizeof buf), 4);
    struct path base;
    KTEST_EQ(path_lookup(AT_FDCWD, "/t/d", 0, &base), 0);
    struct path p;
    KTEST_EQ(path_lookup_from(&base, AT_FDCWD, "../d/f", LOOKUP_BENEATH, &p), -EXDEV);
    KTEST_EQ(path_lookup_from(&base, AT_FDCWD, "/f", LOOKUP_BENEATH, &p), -EXDEV);
    if (KTEST_EQ(path_lookup_from(&base, AT_FDCWD, "/../../f", LOOKUP_IN_ROOT, &p), 0))
        path_put(&p);
    path_put(&base);
    test_end(t);
}

KTEST(fs, rename)
{
    char buf[8];

    if (!test_begin(t))
        return;
    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/t/a", 0755), 0);
    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/t/b", 0755), 0);
    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/t/a/c", 0755), 0);
    KTEST_EQ(write_file("/t/a/x", "ax"), 0);
    KTEST_EQ(write_file("/t/b/y", "by"), 0);
    KTEST_EQ(vfs_rename(AT_FDCWD, "/t/a", AT_FDCWD, "/t/a/c/d", 0), -EINVAL);
    KTEST_EQ(vfs_rename(AT_FDCWD, "/t/a/c", AT_FDCWD, "/t/a", 0), -ENOTEMPTY);
    KTEST_EQ(vfs_rename(AT_FDCWD, "/t/a/x", AT_FDCWD, "/t/b", 0), -EISDIR);
    KTEST_EQ(vfs_rename(AT_FDCWD, "/t/b", AT_FDCWD, "/t/a/x", 0), -ENOTDIR);
    KTEST_EQ(vfs_rename(AT_FDCWD, "/t/a/x", AT_FDCWD, "/t/b/y", RENAME_NOREPLACE), -EEXIST);
    KTEST_EQ(vfs_rename(AT_FDCWD, "/t/a/x", AT_FDCWD, "/t/b/y", 0), 0);
    KTEST_EQ(read_file("/t/b/y", buf, sizeof buf), 2);
    KTEST_STR_EQ(buf, "ax");
    KTEST_EQ(probe("/t/a/x", 0), -ENOENT);
    KTEST_EQ(vfs_rename(AT_FDCWD, "/t/a/c", AT_FDCWD, "/t/b/c", 0), 0);
    KTEST_EQ(vfs_rename(AT_FDCWD, "/t/b/y", AT_FDCWD, "/t/a", RENAME_EXCHANGE), 0);
    KTEST_EQ(read_file("/t/a", buf, sizeof buf), 2);
    KTEST_EQ(probe("/t/b/y", LOOKUP_DIRECTORY), 0);
    struct path p;
    if (KTEST_EQ(path_lookup(AT_FDCWD, "/t/b", 0, &p), 0)) {
        KTEST_EQ(p.dentry->inode->nlink, 4); /* c and y */
        path_put(&p);
    }
    test_end(t);
}

KTEST(fs, hard_links)
{
    struct path p;
    char buf[8];

    if (!test_begin(t))
        return;
    KTEST_EQ(write_file("/t/a", "abc"), 0);
    KTEST_EQ(vfs_link(AT_FDCWD, "/t/a", AT_FDCWD, "/t/b", 0), 0);
    KTEST_EQ(vfs_link(AT_FDCWD, "/t/a", AT_FDCWD, "/t/b", 0), -EEXIST);
    KTEST_EQ(vfs_link(AT_FDCWD, "/t", AT_FDCWD, "/t/c", 0), -EPERM);
    KTEST_EQ(path_lookup(AT_FDCWD, "/t/b", 0, &p), 0);
    KTEST_EQ(p.dentry->inode->nlink, 2);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t/a", 0), 0);
    KTEST_EQ(p.dentry->inode->nlink, 1);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t/b", 0), 0);
    KTEST_EQ(vfs_link(AT_FDCWD, "/t/b", AT_FDCWD, "/t/c", 0), -ENOENT);
    char *name = path_name(&p, buf, sizeof buf);
    KTEST_EQ(PTR_ERR(name), -ENAMETOOLONG);
    char space[64];
    KTEST_STR_EQ(path_name(&p, space, sizeof space), "/t/b (deleted)");
    path_put(&p);
    test_end(t);
}

KTEST(fs, unlinked_file_lives)
{
    struct file *f;
    char buf[8] = "";

    if (!test_begin(t))
        return;
    KTEST_EQ(file_open(AT_FDCWD, "/t/a", O_RDWR | O_CREAT, 0600, &f), 0);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t/a", 0), 0);
    KTEST_EQ(file_write_at(f, "abc", 3, 5000), 3);
    KTEST_EQ(file_read_at(f, buf, 4, 4999), 4);
    KTEST_EQ(memcmp(buf, "\0abc", 4), 0);
    KTEST_EQ(vfs_umount("/t", 0), -EBUSY);
    file_put(f);
    test_end(t);
}

KTEST(fs, limits)
{
    struct file *f;
    char *block = kmalloc(64 * KiB);
    uint64_t done = 0;
    ssize_t n;

    KTEST_REQUIRE(block);
    memset(block, 7, 64 * KiB);
    if (!test_begin(t))
        return;
    KTEST_EQ(file_open(AT_FDCWD, "/t/a", O_RDWR | O_CREAT, 0600, &f), 0);
    while ((n = file_write_at(f, block, 64 * KiB, done)) > 0)
        done += (uint64_t)n;
    KTEST_EQ(n, -ENOSPC);
    KTEST_EQ(done, 1 * MiB);
    struct path p = f->path;
    KTEST_EQ(vfs_truncate(&p, 100), 0);
    KTEST_EQ(file_read_at(f, block, 64 * KiB, 0), 100);
    KTEST_EQ(file_write_at(f, block, 64 * KiB, 4096), 64 * KiB);
    memset(block, 1, 4096);
    KTEST_EQ(file_read_at(f, block, 4096, 0), 4096);
    KTEST_EQ(block[99], 7);
    KTEST_EQ(block[100], 0);
    KTEST_EQ(file_write_at(f, block, 1, INT64_MAX), -EFBIG);
    KTEST_EQ(file_write_at(f, block, 1, 1ull << 63), -EINVAL);
    file_put(f);
    test_end(t);
    kfree(block);
    KTEST_EQ(vfs_mount("none", "/", "tmpfs", 0, "size=1q"), -EINVAL);
    KTEST_EQ(vfs_mount("none", "/", "tmpfs", 0, "what=1"), -EINVAL);
    KTEST_EQ(vfs_mount("none", "/", "nofs", 0, NULL), -ENODEV);
    dentry_cache_trim(0);
}

KTEST(fs, mounts)
{
    char buf[16];

    if (!test_begin(t))
        return;
    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/t/m", 0755), 0);
    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/t/n", 0755), 0);
    KTEST_EQ(write_file("/t/m/under", "u"), 0);
    KTEST_EQ(vfs_mount("x", "/t/m", "tmpfs", MS_NOSUID, NULL), 0);
    KTEST_EQ(probe("/t/m/under", 0), -ENOENT);
    KTEST_EQ(write_file("/t/m/over", "ov"), 0);
    KTEST_EQ(probe("/t/m/../n", 0), 0);
    KTEST_EQ(probe("/t/m/over", LOOKUP_NO_XDEV), -EXDEV);
    KTEST_EQ(vfs_mount("/t/m", "/t/n", NULL, MS_BIND, NULL), 0);
    KTEST_EQ(read_file("/t/n/over", buf, sizeof buf), 2);
    KTEST_EQ(vfs_mount(NULL, "/t/n", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    KTEST_EQ(write_file("/t/n/new", "x"), -EROFS);
    KTEST_EQ(write_file("/t/m/new", "x"), 0);
    KTEST_EQ(vfs_rename(AT_FDCWD, "/t/m/new", AT_FDCWD, "/t/n/new2", 0), -EXDEV);
    struct textbuf text = { 0 };
    mounts_show(&text, NULL, MOUNT_LIST_MOUNTS);
    KTEST_TRUE(strstr(text.data, "x /t/m tmpfs rw,nosuid,relatime 0 0"));
    KTEST_TRUE(strstr(text.data, "x /t/n tmpfs ro,relatime"));
    text_free(&text);
    KTEST_EQ(vfs_umount("/t", 0), -EBUSY);
    KTEST_EQ(vfs_umount("/t/n", 0), 0);
    KTEST_EQ(vfs_mount("/t/m", "/t/n", NULL, MS_MOVE, NULL), 0);
    KTEST_EQ(probe("/t/m/under", 0), 0);
    KTEST_EQ(probe("/t/n/over", 0), 0);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t/n", AT_REMOVEDIR), -EBUSY);
    KTEST_EQ(vfs_umount("/t/n/over", 0), -EINVAL);
    KTEST_EQ(vfs_umount("/t", 2 /* MNT_DETACH */), 0);
    KTEST_EQ(probe("/t/n", 0), -ENOENT);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t", AT_REMOVEDIR), 0);
    dentry_cache_trim(0);
}

KTEST(fs, directories)
{
    char name[32];
    unsigned n = 500;

    if (!test_begin(t))
        return;
    for (unsigned i = 0; i < n; i++) {
        fmt_snprintf(name, sizeof name, "/t/file-%u", i);
        KTEST_EQ(vfs_mknod(AT_FDCWD, name, S_IFREG | 0644, 0), 0);
    }
    KTEST_EQ(vfs_mknod(AT_FDCWD, "/t/file-1", S_IFREG | 0644, 0), -EEXIST);
    KTEST_EQ(vfs_mknod(AT_FDCWD, "/t/dir", S_IFDIR | 0644, 0), -EPERM);
    for (unsigned i = 0; i < n; i += 2) {
        fmt_snprintf(name, sizeof name, "/t/file-%u", i);
        KTEST_EQ(vfs_unlink(AT_FDCWD, name, 0), 0);
    }
    for (unsigned i = 0; i < n; i++) {
        fmt_snprintf(name, sizeof name, "/t/file-%u", i);
        KTEST_EQ(probe(name, 0), i % 2 ? 0 : -ENOENT);
    }
    test_end(t);
}

KTEST(fs, descriptors)
{
    struct file *f;
    int fds[200];

    KTEST_EQ(file_open(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY, 0, &f), 0);
    for (unsigned i = 0; i < 200; i++) {
        file_get(f);
        fds[i] = fd_install(f, 0, i & 1);
        KTEST_EQ(fds[i], i);
    }
    KTEST_EQ(fd_close(fds[70]), 0);
    KTEST_EQ(fd_close(fds[3]), 0);
    KTEST_EQ(fd_close(fds[3]), -EBADF);
    KTEST_EQ(fd_close(-1), -EBADF);
    KTEST_EQ(fd_reserve(0, false), 3);
    KTEST_TRUE(!fd_get(3).file);
    fd_unreserve(3);
    file_get(f);
    KTEST_EQ(fd_install(f, 10, false), 70);
    file_get(f);
    KTEST_EQ(fd_install(f, 1000, false), 1000);
    KTEST_EQ(fd_install(f, 1024, false), -EINVAL);
    struct fdtable *copy = fdtable_copy(actor_current()->files);
    KTEST_TRUE(copy);
    KTEST_EQ(fdtable_next(copy, 200), 1000);
    fdtable_close_on_exec(copy);
    KTEST_EQ(fdtable_next(copy, 0), 0);
    KTEST_EQ(fdtable_next(copy, 1), 2);
    fdtable_put(copy);
    KTEST_EQ(fd_close(1000), 0);
    for (unsigned i = 0; i < 200; i++)
        if (i != 3)
            KTEST_EQ(fd_close(fds[i]), 0);
    file_put(f);
}

KTEST(fs, pipe)
{
    struct file *end[2];
    char out[100], in[100];
    size_t put = 0, got = 0;

    KTEST_EQ(pipe_create(O_NONBLOCK, end), 0);
    KTEST_EQ(file_read_at(end[0], in, 1, 0), -EAGAIN);
    for (unsigned round = 0; round < 5000; round++) {
        size_t n = (round * 7) % 99 + 1;

        for (size_t i = 0; i < n; i++)
            out[i] = (char)(put + i);
        ssize_t w = file_write_at(end[1], out, n, 0);
        if (w > 0)
            put += (size_t)w;
        if (round % 3 == 0 || w < 0) {
            ssize_t r = file_read_at(end[0], in, sizeof in, 0);

            for (ssize_t i = 0; i < r; i++)
                KTEST_REQUIRE(in[i] == (char)(got + (size_t)i));
            got += r > 0 ? (size_t)r : 0;
        }
    }
    KTEST_EQ(pipe_set_size(end[1], 1), -EBUSY);
    KTEST_EQ(pipe_set_size(end[1], 100000), 131072);
    while (got < put) {
        ssize_t r = file_read_at(end[0], in, sizeof in, 0);

        KTEST_REQUIRE(r > 0);
        for (ssize_t i = 0; i < r; i++)
            KTEST_REQUIRE(in[i] == (char)(got + (size_t)i));
        got += (size_t)r;
    }
    KTEST_EQ(pipe_set_size(end[1], 1), 4096);
    file_put(end[1]);
    KTEST_EQ(file_read_at(end[0], in, 1, 0), 0);
    file_put(end[0]);
    KTEST_EQ(pipe_create(0, end), 0);
    file_put(end[0]);
    KTEST_EQ(file_write_at(end[1], out, 1, 0), -EPIPE);
    file_put(end[1]);
}

KTEST(fs, devices)
{
    char buf[16];

    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/t", 0755), 0);
    KTEST_EQ(vfs_mount("dev", "/t", "devtmpfs", 0, NULL), 0);
    KTEST_EQ(read_file("/t/null", buf, sizeof buf), 0);
    KTEST_EQ(read_file("/t/zero", buf, sizeof buf), 15);
    KTEST_EQ(write_file("/t/full", "x"), -ENOSPC);
    KTEST_EQ(write_file("/t/null", "x"), 0);
    KTEST_EQ(vfs_mknod(AT_FDCWD, "/t/nobody", S_IFCHR | 0666, DEV(77, 1)), 0);
    KTEST_EQ(read_file("/t/nobody", buf, sizeof buf), -ENXIO);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t/nobody", 0), 0);
    KTEST_EQ(vfs_mount(NULL, "/t", NULL, MS_REMOUNT | MS_BIND | MS_NODEV, NULL), 0);
    KTEST_EQ(read_file("/t/null", buf, sizeof buf), -EACCES);
    KTEST_EQ(vfs_umount("/t", 0), 0);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/t", AT_REMOVEDIR), 0);
    dentry_cache_trim(0);
}

/* What stands at /dev/NAME below `root`: its mode and number; false: nothing. */
static bool dev_look(const struct path *root, const char *name, unsigned *mode, unsigned *rdev)
{
    struct path p;

    if (path_lookup_from(root, AT_FDCWD, name, 0, &p) != 0)
        return false;
    *mode = p.dentry->inode->mode;
    *rdev = p.dentry->inode->rdev;
    path_put(&p);
    return true;
}

/* A device that left, a program that wrote to its name all the same, and the device again. */
KTEST(fs, device_node_in_the_way)
{
    static const struct file_ops ops = { 0 };
    const char *name = "ktest-node";
    unsigned mode = 0, rdev = 0, dev = DEV(510, 7);
    struct mount *m;
    struct file *f;

    if (!KTEST_EQ(mount_create(filesystem_find("devtmpfs"), "devtmpfs", 0, NULL, &m), 0))
        return;
    struct path root = { m, m->root };
    if (KTEST_EQ(path_open(&root, AT_FDCWD, name, O_WRONLY | O_CREAT, 0644, 0, &f), 0))
        file_put(f);
    KTEST_EQ(chrdev_register(name, dev, 0600, &ops, NULL), 0);
    KTEST_TRUE(dev_look(&root, name, &mode, &rdev) && S_ISCHR(mode) && rdev == dev);
    KTEST_EQ(path_unlink(&root, AT_FDCWD, name, 0), 0);
    if (KTEST_EQ(path_open(&root, AT_FDCWD, name, O_WRONLY | O_CREAT, 0644, 0, &f), 0))
        file_put(f);
    chrdev_unregister(dev); /* the node is not its own */
    KTEST_TRUE(dev_look(&root, name, &mode, &rdev) && S_ISREG(mode));
    KTEST_EQ(path_unlink(&root, AT_FDCWD, name, 0), 0);
    KTEST_EQ(path_mkdir(&root, AT_FDCWD, name, 0755), 0); /* which stays; the device works by its number */
    KTEST_EQ(chrdev_register(name, dev, 0600, &ops, NULL), 0);
    KTEST_EQ(chrdev_register(name, dev, 0600, &ops, NULL), -EBUSY);
    chrdev_unregister(dev);
    KTEST_TRUE(dev_look(&root, name, &mode, &rdev) && S_ISDIR(mode));
    KTEST_EQ(path_unlink(&root, AT_FDCWD, name, AT_REMOVEDIR), 0);
    mount_put(m);
}
