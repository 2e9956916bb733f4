// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the root file system's first contents, from what the loader brought.
 *
 * Model: each of the loader's modules is a row of archives; each is plain newc or gzip of newc.  Plain ones go
 * to the reader (cpio.c) as they lie there, compressed ones through a window; file bodies are written
 * into the root straight from there.  Frames of the module go back to the allocator while it is read.
 * Hard links are found by (device, inode) within one archive.
 * Invariant: a broken archive costs a log line and the rest of itself, nothing else; a small one that inflates
 * without end costs no more time than memory's worth of bytes take.
 */
#define LOG_TAG "initramfs"
#include <fs/initramfs.h>

#include <core/log.h>
#include <fs/cpio.h>
#include <fs/device.h>
#include <fs/internal.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <svc/boot_info.h>
#include <svc/subsystem.h>

#include <zlib.h>

#define WINDOW_BYTES (32 * KiB)
#define RELEASE_STEP (256 * KiB)
#define LINK_BUCKETS 64

struct hard_link {
    struct hard_link *next;
    uint32_t major, minor, ino;
    struct path path; /* with references */
};

struct dir_time { /* a directory's time is set when nothing is made in it any more */
    struct dir_time *next;
    struct path path; /* with references */
    int64_t mtime;
};

struct unpack {
    const struct path *root;
    struct file *file; /* being written */
    const struct cpio_entry *entry; /* a symbolic link being made */
    uint64_t offset;
    unsigned skipped;
    struct hard_link *links[LINK_BUCKETS];
    struct dir_time *times;
};

static struct hard_link **links_bucket(struct unpack *u, const struct cpio_entry *e)
{
    return &u->links[(e->ino ^ e->dev_minor * 7 ^ e->dev_major) % LINK_BUCKETS];
}

static struct hard_link *link_find(struct unpack *u, const struct cpio_entry *e)
{
    struct hard_link *l = *links_bucket(u, e);

    while (l && (l->ino != e->ino || l->minor != e->dev_minor || l->major != e->dev_major))
        l = l->next;
    return l;
}

static err_t link_remember(struct unpack *u, const struct cpio_entry *e)
{
    struct hard_link *l = kmalloc(sizeof *l), **b = links_bucket(u, e);

    if (!l)
        return -ENOMEM;
    l->ino = e->ino;
    l->major = e->dev_major;
    l->minor = e->dev_minor;
    err_t err = path_lookup_from(u->root, AT_FDCWD, e->name, 0, &l->path);
    if (err != 0) {
        kfree(l);
        return err;
    }
    l->next = *b;
    *b = l;
    return 0;
}

static void links_forget(void *arg)
{
    struct unpack *u = arg;

    for (unsigned b = 0; b < LINK_BUCKETS; b++)
        while (u->links[b]) {
            struct hard_link *l = u->links[b];

            u->links[b] = l->next;
            path_put(&l->path);
            kfree(l);
        }
}

static err_t skip(struct unpack *u, const struct cpio_entry *e, err_t err)
{
    if (err != 0 && u->skipped++ < 8)
        log_warn("%s cannot be made: error %d", e->name, err);
    return err;
}

/* Owner, mode and time as the archive says, whatever umask is. */
static void attributes_apply(struct inode *i, const struct cpio_entry *e)
{
    spin_lock(&i->lock);
    i->uid = e->uid;
    i->gid = e->gid;
    i->mode = (i->mode & S_IFMT) | (e->mode & S_PERMISSIONS);
    i->mtime = i->atime = (int64_t)e->mtime * (int64_t)NS_PER_SEC;
    spin_unlock(&i->lock);
}

static void time_remember(struct unpack *u, const struct path *p)
{
    struct dir_time *d = kmalloc(sizeof *d);

    if (!d)
        return; /* it keeps the time of its last change */
    path_get(p);
    *d = (struct dir_time){ u->times, *p, p->dentry->inode->mtime };
    u->times = d;
}

static void times_apply(struct unpack *u)
{
    while (u->times) {
        struct dir_time *d = u->times;

        u->times = d->next;
        d->path.dentry->inode->mtime = d->mtime;
        path_put(&d->path);
        kfree(d);
    }
}

static err_t attributes_at(struct unpack *u, const struct cpio_entry *e)
{
    struct path p;
    err_t err = path_lookup_from(u->root, AT_FDCWD, e->name, 0, &p);

    if (err == 0) {
        attributes_apply(p.dentry->inode, e);
        if (S_ISDIR(e->mode))
            time_remember(u, &p);
        path_put(&p);
    }
    return err;
}

/* What stands in the way and is of another kind goes. */
static void clean_place(struct unpack *u, const struct cpio_entry *e)
{
    struct path p;

    if (path_lookup_from(u->root, AT_FDCWD, e->name, 0, &p) != 0)
        return;
    unsigned mode = p.dentry->inode->mode;
    path_put(&p);
    if ((mode & S_IFMT) == (e->mode & S_IFMT) && !S_ISLNK(mode))
        return;
    err_t err = path_unlink(u->root, AT_FDCWD, e->name, S_ISDIR(mode) ? AT_REMOVEDIR : 0);
    if (err != 0)
        skip(u, e, err);
}

/* Return: 1 when it was a further name of a file that is there already. */
static int link_make(struct unpack *u, const struct cpio_entry *e)
{
    if (e->nlink < 2 || S_ISDIR(e->mode))
        return 0;
    struct hard_link *l = link_find(u, e);
    if (!l)
        return 0;
    err_t err = path_unlink(u->root, AT_FDCWD, e->name, 0); /* an older file of that name */
    if (err != 0 && err != -ENOENT)
        return err;
    err = path_link(&l->path, u->root, AT_FDCWD, e->name);
    return err == 0 ? 1 : err;
}

static err_t file_begin(struct unpack *u, const struct cpio_entry *e)
{
    int linked = link_make(u, e);

    if (linked < 0)
        return linked;
    if (linked && e->size == 0)
        return 0;
    err_t err = path_open(u->root, AT_FDCWD, e->name, O_WRONLY | O_CREAT | O_NOFOLLOW | (linked ? 0 : O_TRUNC),
                          e->mode & S_PERMISSIONS, 0, &u->file);
    if (err == 0 && !linked && e->nlink >= 2)
        err = link_remember(u, e);
    if (err != 0 && u->file) {
        file_put(u->file);
        u->file = NULL;
    }
    if (err == 0)
        attributes_apply(u->file->inode, e);
    u->offset = 0;
    return err;
}

static err_t node_begin(struct unpack *u, const struct cpio_entry *e)
{
    int linked = link_make(u, e);
    err_t err = linked < 0 ? linked : 0;

    if (linked == 0)
        err = path_mknod(u->root, AT_FDCWD, e->name, e->mode,
                         DEV(e->rdev_major & 0xfff, e->rdev_minor & 0xfffff));
    if (err == 0 && linked == 0 && e->nlink >= 2)
        err = link_remember(u, e);
    return err ? err : attributes_at(u, e);
}

static err_t unpack_begin(void *arg, const struct cpio_entry *e)
{
    struct unpack *u = arg;
    err_t err;

    clean_place(u, e);
    switch (e->mode & S_IFMT) {
    case S_IFREG:
        return skip(u, e, file_begin(u, e));
    case S_IFDIR:
        err = path_mkdir(u->root, AT_FDCWD, e->name, 0755);
        if (err == 0 || err == -EEXIST)
            err = attributes_at(u, e);
        return skip(u, e, err);
    case S_IFLNK:
        u->entry = e;
        return 0;
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        return skip(u, e, node_begin(u, e));
    default:
        return skip(u, e, -EINVAL);
    }
}

static err_t link_text(struct unpack *u, const char *target)
{
    int linked = link_make(u, u->entry);
    err_t err = linked < 0 ? linked : 0;

    if (linked == 0)
        err = path_symlink(u->root, target, AT_FDCWD, u->entry->name);
    if (err == 0 && linked == 0 && u->entry->nlink >= 2)
        err = link_remember(u, u->entry);
    if (err == 0)
        err = attributes_at(u, u->entry);
    if (err == 0) /* a link's own mode is always 0777 */
        return 0;
    return skip(u, u->entry, err);
}

static err_t unpack_data(void *arg, const void *bytes, size_t n)
{
    struct unpack *u = arg;

    if (u->entry)
        return link_text(u, bytes);
    while (n > 0) {
        ssize_t got = file_write_at(u->file, bytes, n, u->offset);

        if (got <= 0)
            return got < 0 ? (err_t)got : -EIO;
        u->offset += (size_t)got;
        bytes = (const char *)bytes + got;
        n -= (size_t)got;
    }
    return 0;
}

static void unpack_end(void *arg)
{
    struct unpack *u = arg;

    if (u->file) { /* the writes changed the time */
        struct inode *i = u->file->inode;

        i->mtime = i->atime;
        file_put(u->file);
    }
    u->file = NULL;
    u->entry = NULL;
}

static const struct cpio_sink unpack_sink = { unpack_begin, unpack_data, unpack_end, links_forget };

/* ---- the module ---- */

struct module {
    const unsigned char *data;
    size_t size, at;
    uint64_t inflated, most; /* bytes */
    struct cpio *cpio;
    void (*release)(void *arg, size_t upto);
    void *arg;
};

static err_t feed_plain(struct module *m)
{
    err_t err = 0;

    /* Piece by piece, so that memory goes back in time; up to the end of this archive. */
    do {
        size_t n = MIN(m->size - m->at, RELEASE_STEP), used = n;

        err = cpio_feed_archive(m->cpio, m->data + m->at, n, &used);
        m->at += used;
        if (m->release)
            m->release(m->arg, m->at);
    } while (err == 0 && m->at < m->size && !m->cpio->ended);
    return err;
}

static voidpf zlib_alloc(voidpf opaque, uInt items, uInt size)
{
    return items > 1024 * 1024 || size > 1024 * 1024 ? NULL : kcalloc(items, size);
}

static void zlib_free(voidpf opaque, voidpf p)
{
    kfree(p);
}

static err_t inflate_step(struct module *m, z_stream *z, unsigned char *window)
{
    z->next_in = (unsigned char *)(uintptr_t)m->data + m->at;
    z->avail_in = (uInt)MIN(m->size - m->at, RELEASE_STEP);
    z->next_out = window;
    z->avail_out = WINDOW_BYTES;
    unsigned before = z->avail_in;
    int got = inflate(z, Z_NO_FLUSH);
    size_t out = WINDOW_BYTES - z->avail_out;

    m->at += before - z->avail_in;
    if (m->release)
        m->release(m->arg, m->at);
    if (got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR) {
        log_err("gzip data is broken near byte %zu: %s", m->at, z->msg ? z->msg : "error");
        return -EINVAL;
    }
    m->inflated += out;
    if (m->inflated > m->most) {
        log_err("gzip data near byte %zu are more than the machine's memory: the rest is left out", m->at);
        return -EFBIG;
    }
    err_t err = cpio_feed(m->cpio, window, out);
    if (err != 0)
        return err;
    if (got == Z_STREAM_END)
        return 1;
    if (out == 0 && before == z->avail_in) {
        log_err("gzip data ends too early");
        return -EINVAL;
    }
    return 0;
}

static err_t feed_gzip(struct module *m)
{
    unsigned char *window = kmalloc(WINDOW_BYTES);
    z_stream z = { .zalloc = zlib_alloc, .zfree = zlib_free };
    err_t err = -ENOMEM;

    if (window && inflateInit2(&z, 31) == Z_OK) {
        do
            err = inflate_step(m, &z, window);
        while (err == 0);
        inflateEnd(&z);
    }
    kfree(window);
    return err > 0 ? 0 : err;
}

static const char *format_name(const unsigned char *s, size_t n)
{
    static const struct {
        unsigned char magic[6];
        unsigned char length;
        const char *name;
    } known[] = {
        { { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, "xz" }, { { 'B', 'Z', 'h' }, 3, "bzip2" },
        { { 0x28, 0xb5, 0x2f, 0xfd }, 4, "zstd" },    { { 0x02, 0x21, 0x4c, 0x18 }, 4, "lz4" },
        { { 0x5d, 0, 0 }, 3, "lzma" },                { { 0x89, 'L', 'Z', 'O' }, 4, "lzo" },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
        if (n >= known[i].length && memcmp(s, known[i].magic, known[i].length) == 0)
            return known[i].name;
    return NULL;
}

static err_t feed_unknown(struct module *m)
{
    const char *name = format_name(m->data + m->at, m->size - m->at);

    if (name)
        log_err("%s compression is not supported: use gzip, or none", name);
    else
        log_err("byte %zu of the module is neither newc nor gzip", m->at);
    return -EINVAL;
}

static err_t feed_all(struct module *m)
{
    err_t err = 0;

    while (err == 0 && m->at < m->size) {
        const unsigned char *s = m->data + m->at;

        if (*s == 0)
            m->at++;
        else if (*s == '0' && cpio_idle(m->cpio))
            err = feed_plain(m);
        else if (m->size - m->at >= 2 && s[0] == 0x1f && s[1] == 0x8b)
            err = feed_gzip(m);
        else
            err = feed_unknown(m);
    }
    if (err == 0 && !cpio_idle(m->cpio)) {
        log_err("the archive ends in the middle of an entry");
        err = -EINVAL;
    }
    return err;
}

err_t initramfs_unpack(const struct path *root, const void *data, size_t size, uint64_t most,
                       void (*release)(void *arg, size_t upto), void *arg)
{
    struct unpack *u = kzalloc(sizeof *u);
    struct cpio *c = u ? cpio_create(&unpack_sink, u) : NULL;
    err_t err = -ENOMEM;

    if (c) {
        struct module m = { .data = data, .size = size, .most = most, .cpio = c, .release = release,
                            .arg = arg };

        u->root = root;
        err = feed_all(&m);
        if (u->skipped > 8)
            log_warn("%u more entries could not be made", u->skipped - 8);
        cpio_destroy(c);
        links_forget(u);
        times_apply(u);
    }
    kfree(u);
    return err;
}

/* ---- boot ---- */

struct boot_release {
    paddr_t start;
    uint64_t size;
    uint64_t released; /* bytes; whole pages */
};

static void boot_release(void *arg, size_t upto)
{
    struct boot_release *r = arg;
    /* Whole pages alone; what shares the first or last one stays until the end. */
    uint64_t end = upto == r->size ? r->size : ALIGN_DOWN(r->start + upto, PAGE_SIZE) - r->start;

    if (r->start + upto < PAGE_SIZE || end <= r->released || end > r->size)
        return;
    frame_release_boot(r->start + r->released, end - r->released);
    r->released = end;
}

/* What the root holds before any archive, as under Linux. */
static err_t root_prepare(const struct path *root)
{
    err_t err = path_mkdir(root, AT_FDCWD, "/dev", 0755);

    if (err == 0)
        err = path_mknod(root, AT_FDCWD, "/dev/console", S_IFCHR | 0600, DEV(5, 1));
    if (err == 0)
        err = path_mkdir(root, AT_FDCWD, "/root", 0700);
    return err;
}

static void module_unpack(const struct path *root, const struct boot_record *rec, unsigned i)
{
    const struct boot_module *m = &rec->modules[i];
    struct boot_release r = { .start = m->start, .size = m->size };
    err_t err = initramfs_unpack(root, phys_to_virt(r.start), r.size, frame_total() * PAGE_SIZE, boot_release, &r);

    boot_release(&r, r.size);
    if (err != 0)
        log_err("module %u %s was not unpacked completely: error %d", i, m->name, err);
}

/* Each module is unpacked over those before it, as loaders that know of one initramfs join their files. */
static err_t initramfs_start(struct subsystem *self)
{
    const struct boot_record *rec = boot_info();
    struct path root = { mount_first, mount_first->root };
    err_t err = root_prepare(&root);

    if (err != 0)
        return err;
    if (rec->module_count == 0) {
        log_notice("the loader brought no initramfs");
        return 0;
    }
    for (unsigned i = 0; i < rec->module_count; i++)
        module_unpack(&root, rec, i);
    return 0; /* what is there may be enough */
}

static const char *const initramfs_needs[] = { "vfs", NULL };
static struct subsystem initramfs_subsystem = { .name = "initramfs",
                                                .privilege = PRIV_KERNEL,
                                                .needs = initramfs_needs,
                                                .core = "no other place has process 1",
                                                .late_init = initramfs_start };
REGISTER_SUBSYSTEM(initramfs_subsystem);
