// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the unpacking of a module: rows of plain and compressed archives, names of all kinds, hard links,
 * broken streams.
 * Model: the input is the module.  Below it is a file system of a few names, which counts references and refuses
 * some: a name with 'E' in it cannot be made, and writes are short.
 * Run: scripts/fuzz.sh gzip SECONDS.
 */
#include <fs/initramfs.h>

#include <core/lockrank.h>
#include <core/smp.h>
#include <fs/device.h>
#include <fs/internal.h>
#include <lib/string.h>
#include <mm/heap.h>

#define FILES_MAX 24
#define NAME_BYTES 64
#define INFLATED_MAX (4 * MiB)

void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void free(void *p);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok)
{
    if (!ok)
        __builtin_trap();
}

/* --- one CPU, and one lock at a time --- */

static struct cpu cpu = { .arch.irqs_on = true };
static struct hal_context context;
struct cpu *host_cpu = &cpu;
struct hal_context *host_current = &context;
bool panicking;
void (*preempt_resched_hook)(void);
static struct spinlock *held;

void lockrank_acquire(struct spinlock *l)
{
    expect(!held);
    held = l;
}

void lockrank_release(struct spinlock *l)
{
    expect(held == l);
    held = NULL;
}

void *kcalloc(size_t n, size_t size)
{
    return calloc(n, size);
}

/* --- the file system --- */

static struct fake_entry {
    bool there;
    unsigned refs; /* paths that lead here */
    char name[NAME_BYTES];
    struct inode inode;
    struct dentry dentry;
} entries[FILES_MAX];
static unsigned files_open;
static size_t released, module_bytes;

static struct fake_entry *entry_of(const struct path *p)
{
    return container_of(p->dentry, struct fake_entry, dentry);
}

static struct fake_entry *entry_find(const char *name)
{
    expect(strlen(name) < PATH_MAX);
    for (unsigned i = 0; i < FILES_MAX; i++)
        if (entries[i].there && strcmp(entries[i].name, name) == 0)
            return &entries[i];
    return NULL;
}

static err_t entry_make(const char *name, unsigned mode)
{
    struct fake_entry *e = entries;

    if (entry_find(name))
        return -EEXIST;
    if (strlen(name) >= NAME_BYTES)
        return -ENAMETOOLONG;
    if (strchr(name, 'E'))
        return name[0] == 'E' ? -ENOSPC : -EACCES;
    while (e < entries + FILES_MAX && (e->there || e->refs))
        e++;
    if (e == entries + FILES_MAX)
        return -ENOSPC;
    *e = (struct fake_entry){ .there = true, .inode.mode = mode };
    str_copy(e->name, name, sizeof e->name);
    e->dentry.inode = &e->inode;
    return 0;
}

/* --- what the unpacking calls of the file system --- */

void path_get(const struct path *p)
{
    expect(entry_of(p)->refs++ > 0);
}

void path_put(const struct path *p)
{
    expect(entry_of(p)->refs-- > 0);
}

err_t path_lookup_from(const struct path *base, int dirfd, const char *name, unsigned flags, struct path *out)
{
    struct fake_entry *e = entry_find(name);

    if (!e)
        return -ENOENT;
    e->refs++;
    *out = (struct path){ NULL, &e->dentry };
    return 0;
}

err_t path_unlink(const struct path *base, int dirfd, const char *name, int at_flags)
{
    struct fake_entry *e = entry_find(name);

    if (!e)
        return -ENOENT;
    if (S_ISDIR(e->inode.mode) != !!(at_flags & AT_REMOVEDIR))
        return S_ISDIR(e->inode.mode) ? -EISDIR : -ENOTDIR;
    if (strchr(name, 'D')) /* not empty, or so */
        return -ENOTEMPTY;
    e->there = false;
    return 0;
}

err_t path_mkdir(const struct path *base, int dirfd, const char *name, unsigned mode)
{
    return entry_make(name, S_IFDIR | mode);
}

err_t path_mknod(const struct path *base, int dirfd, const char *name, unsigned mode, unsigned dev)
{
    return entry_make(name, mode);
}

err_t path_symlink(const struct path *base, const char *target, int dirfd, const char *name)
{
    expect(strlen(target) < PATH_MAX);
    return entry_make(name, S_IFLNK | 0777);
}

err_t path_link(const struct path *old, const struct path *base, int newdir, const char *new)
{
    expect(entry_of(old)->refs > 0);
    return entry_make(new, entry_of(old)->inode.mode);
}

err_t path_open(const struct path *base, int dirfd, const char *name, unsigned flags, unsigned mode, unsigned lookup,
                struct file **out)
{
    err_t err = entry_make(name, S_IFREG | mode);
    struct file *f;

    if (err != 0 && err != -EEXIST)
        return err;
    if (!S_ISREG(entry_find(name)->inode.mode))
        return -ELOOP;
    f = kzalloc(sizeof *f);
    f->inode = &entry_find(name)->inode;
    files_open++;
    *out = f;
    return 0;
}

void file_put(struct file *f)
{
    expect(files_open-- > 0);
    kfree(f);
}

ssize_t file_write_at(struct file *f, const void *buf, size_t n, uint64_t offset)
{
    volatile uint8_t last = ((const uint8_t *)buf)[n - 1];

    (void)last;
    expect(files_open == 1);
    if (offset > 2 * INFLATED_MAX)
        return 0;
    return (ssize_t)MIN(n, (size_t)5000);
}

static void release(void *arg, size_t upto)
{
    expect(upto >= released && upto <= module_bytes);
    released = upto;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *module = malloc(size + !size);
    struct path root = { NULL, &entries[0].dentry };
    err_t err;

    memcpy(module, data, size);
    memset(entries, 0, sizeof entries);
    released = 0;
    module_bytes = size;
    err = initramfs_unpack(&root, module, size, INFLATED_MAX, release, NULL);
    expect(err == 0 || err == -EINVAL || err == -EFBIG || err == -ENOSPC || err == -EIO || err == -ENOMEM);
    expect(files_open == 0 && !held);
    for (unsigned i = 0; i < FILES_MAX; i++)
        expect(entries[i].refs == 0);
    free(module);
    return 0;
}
