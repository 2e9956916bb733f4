// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: random operations on a tmpfs beside a simple model of what they should do.
 * Model: bytes of one file in an array; names as a table of paths over three letters, two deep.
 */
#include <core/ktest.h>
#include <fs/internal.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <linux/falloc.h>

static uint32_t seed;

static uint32_t pick(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(seed >> 8) * below >> 24);
}

/* ---- bytes ---- */

#define FILE_MAX (64 * KiB)

struct bytes {
    unsigned char *model, *buf;
    size_t size;
    struct file *file;
};

static void bytes_write(struct ktest *t, struct bytes *b)
{
    size_t at = pick(FILE_MAX), n = pick(pick(4) ? 300 : 20000);

    n = MIN(n, FILE_MAX - at);
    for (size_t i = 0; i < n; i++)
        b->buf[i] = (unsigned char)pick(256);
    KTEST_EQ(file_write_at(b->file, b->buf, n, at), n);
    memcpy(b->model + at, b->buf, n);
    b->size = n ? MAX(b->size, at + n) : b->size;
}

static void bytes_truncate(struct ktest *t, struct bytes *b)
{
    size_t n = pick(FILE_MAX);

    KTEST_EQ(b->file->ops->truncate(b->file, n), 0);
    if (n < b->size)
        memset(b->model + n, 0, b->size - n);
    b->size = n;
}

static void bytes_punch(struct ktest *t, struct bytes *b)
{
    size_t at = pick(FILE_MAX), n = pick(20000) + 1;

    KTEST_EQ(b->file->ops->fallocate(b->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, n), 0);
    memset(b->model + at, 0, MIN(n, FILE_MAX - at));
}

static void bytes_read(struct ktest *t, struct bytes *b)
{
    size_t at = pick(FILE_MAX), n = pick(20000), want = at < b->size ? MIN(n, b->size - at) : 0;

    KTEST_EQ(file_read_at(b->file, b->buf, n, at), want);
    KTEST_EQ(memcmp(b->buf, b->model + at, want), 0);
}

KTEST(model, bytes)
{
    struct bytes b = { .model = kzalloc(FILE_MAX + 20001), .buf = kmalloc(20001) };

    KTEST_REQUIRE(b.model && b.buf);
    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/m", 0755), 0);
    KTEST_EQ(vfs_mount("m", "/m", "tmpfs", 0, "size=1m"), 0);
    KTEST_EQ(file_open(AT_FDCWD, "/m/f", O_RDWR | O_CREAT, 0600, &b.file), 0);
    seed = 1;
    for (unsigned i = 0; i < 600; i++) {
        switch (pick(8)) {
        case 0:
            bytes_truncate(t, &b);
            break;
        case 1:
            bytes_punch(t, &b);
            break;
        case 2:
        case 3:
        case 4:
            bytes_write(t, &b);
            break;
        default:
            bytes_read(t, &b);
        }
        KTEST_EQ(b.file->inode->object.size, b.size);
    }
    KTEST_EQ(b.file->inode->charged, b.file->inode->object.pages);
    file_put(b.file);
    KTEST_EQ(vfs_umount("/m", 0), 0);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/m", AT_REMOVEDIR), 0);
    dentry_cache_trim(0);
    kfree(b.model);
    kfree(b.buf);
}

/* ---- names ---- */

#define LETTERS 3
#define NAMES (LETTERS + LETTERS * LETTERS) /* "a" .. "c", "a/a" .. "c/c" */

enum kind { NONE, A_FILE, A_DIR };

struct names {
    enum kind kind[NAMES];
};

static int parent_of(int n)
{
    return n < LETTERS ? -1 : (n - LETTERS) / LETTERS;
}

static const char *name_of(int n, char *buf)
{
    if (n < LETTERS)
        fmt_snprintf(buf, 16, "/m/%c", 'a' + n);
    else
        fmt_snprintf(buf, 16, "/m/%c/%c", 'a' + parent_of(n), 'a' + (n - LETTERS) % LETTERS);
    return buf;
}

/* What looking for n's parent says. */
static err_t reach(const struct names *m, int n)
{
    int p = parent_of(n);

    if (p < 0 || m->kind[p] == A_DIR)
        return 0;
    return m->kind[p] == A_FILE ? -ENOTDIR : -ENOENT;
}

static bool model_empty(const struct names *m, int n)
{
    for (int i = LETTERS; i < NAMES; i++)
        if (parent_of(i) == n && m->kind[i] != NONE)
            return false;
    return true;
}

static err_t model_make(struct names *m, int n, enum kind kind)
{
    err_t err = reach(m, n);

    if (err != 0)
        return err;
    if (m->kind[n] != NONE)
        return -EEXIST;
    m->kind[n] = kind;
    return 0;
}

static err_t model_remove(struct names *m, int n, bool directory)
{
    err_t err = reach(m, n);

    if (err != 0)
        return err;
    if (m->kind[n] == NONE)
        return -ENOENT;
    if (directory != (m->kind[n] == A_DIR))
        return directory ? -ENOTDIR : -EISDIR;
    if (directory && !model_empty(m, n))
        return -ENOTEMPTY;
    m->kind[n] = NONE;
    return 0;
}

static err_t model_rename_check(const struct names *m, int from, int to)
{
    err_t err = reach(m, from);

    if (err == 0)
        err = reach(m, to);
    if (err != 0)
        return err;
    if (m->kind[from] == NONE)
        return -ENOENT;
    if (parent_of(to) == from)
        return -EINVAL;
    if (m->kind[to] != NONE && parent_of(from) == to)
        return -ENOTEMPTY;
    if (from == to || m->kind[to] == NONE)
        return 0;
    if (m->kind[from] != m->kind[to])
        return m->kind[to] == A_DIR ? -EISDIR : -ENOTDIR;
    return m->kind[to] == A_DIR && !model_empty(m, to) ? -ENOTEMPTY : 0;
}

static void model_rename(struct names *m, int from, int to)
{
    if (from == to)
        return;
    m->kind[to] = m->kind[from];
    m->kind[from] = NONE;
    if (from >= LETTERS || m->kind[to] != A_DIR)
        return;
    for (int i = 0; i < LETTERS; i++) { /* its children come along, if they fit in the model */
        int child = LETTERS + from * LETTERS + i;

        if (to < LETTERS)
            m->kind[LETTERS + to * LETTERS + i] = m->kind[child];
        m->kind[child] = NONE;
    }
}

static void names_step(struct ktest *t, struct names *m)
{
    char a[16], b[16];
    int n = (int)pick(NAMES), to = (int)pick(NAMES);

    switch (pick(5)) {
    case 0:
        KTEST_EQ(vfs_mkdir(AT_FDCWD, name_of(n, a), 0755), model_make(m, n, A_DIR));
        break;
    case 1:
        KTEST_EQ(vfs_mknod(AT_FDCWD, name_of(n, a), S_IFREG | 0644, 0), model_make(m, n, A_FILE));
        break;
    case 2:
        KTEST_EQ(vfs_unlink(AT_FDCWD, name_of(n, a), 0), model_remove(m, n, false));
        break;
    case 3:
        KTEST_EQ(vfs_unlink(AT_FDCWD, name_of(n, a), AT_REMOVEDIR), model_remove(m, n, true));
        break;
    default:
        /* A directory with children that would go below the model's depth stays where it is. */
        if (m->kind[n] == A_DIR && n < LETTERS && to >= LETTERS)
            return;
        err_t err = model_rename_check(m, n, to);
        KTEST_EQ(vfs_rename(AT_FDCWD, name_of(n, a), AT_FDCWD, name_of(to, b), 0), err);
        if (err == 0)
            model_rename(m, n, to);
    }
}

KTEST(model, names)
{
    struct names m = { { NONE } };
    char buf[16];

    KTEST_EQ(vfs_mkdir(AT_FDCWD, "/m", 0755), 0);
    KTEST_EQ(vfs_mount("m", "/m", "tmpfs", 0, NULL), 0);
    seed = 7;
    for (unsigned i = 0; i < 3000; i++) {
        names_step(t, &m);
        for (int n = 0; n < NAMES; n++) {
            struct path p;
            err_t err = path_lookup(AT_FDCWD, name_of(n, buf), 0, &p);
            enum kind kind = err ? NONE : S_ISDIR(p.dentry->inode->mode) ? A_DIR : A_FILE;

            if (err == 0)
                path_put(&p);
            KTEST_REQUIRE(kind == m.kind[n]);
        }
    }
    KTEST_EQ(vfs_umount("/m", 0), 0);
    KTEST_EQ(vfs_unlink(AT_FDCWD, "/m", AT_REMOVEDIR), 0);
    dentry_cache_trim(0);
}
