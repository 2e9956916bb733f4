// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: descriptors.
 *
 * Model: `files` holds a file, or RESERVED for a number that is taken but not filled, or NULL.  The
 * bitmap `used` has a bit for each number in use, `full` one for each word of `used` without a gap:
 * the lowest free number is two count-trailing-zeros away for up to 4096 of them.
 * Locking: `lock` for changes.  The owner of an unshared table reads without it; so growth keeps
 * nothing of the old arrays (nobody else can be reading them), and for a shared table readers hold
 * the lock.
 */
#include <fs/fdtable.h>

#include <core/panic.h>
#include <fs/internal.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <mm/heap.h>

#define FDTABLE_MAX (1024 * 1024)
#define RESERVED FD_RESERVED

static struct fdtable *current_table(void)
{
    return actor_current()->files;
}

static void table_point_inside(struct fdtable *t)
{
    t->size = FDTABLE_MIN;
    t->files = t->first_files;
    t->used = &t->first_maps[0];
    t->cloexec = &t->first_maps[1];
    t->full = &t->first_maps[2];
}

struct fdtable *fdtable_create(void)
{
    struct fdtable *t = kzalloc(sizeof *t);

    if (!t)
        return NULL;
    ref_init(&t->refs, 1);
    spin_init(&t->lock, LOCK_FILES);
    table_point_inside(t);
    return t;
}

static size_t table_bytes(unsigned size)
{
    return size * sizeof(struct file *) + (BITMAP_WORDS(size) * 2 + BITMAP_WORDS(size / 64)) * 8;
}

/* Copies `from`'s descriptors into a block for `size` of them. */
static void table_fill(struct fdtable *t, void *block, unsigned size, const struct fdtable *from)
{
    unsigned words = BITMAP_WORDS(size), old_words = BITMAP_WORDS(from->size);
    struct file **files = block;
    uint64_t *used = (uint64_t *)(files + size), *cloexec = used + words, *full = cloexec + words;

    memset(block, 0, table_bytes(size));
    memcpy(files, from->files, from->size * sizeof *files);
    memcpy(used, from->used, old_words * 8);
    memcpy(cloexec, from->cloexec, old_words * 8);
    memcpy(full, from->full, BITMAP_WORDS(from->size / 64) * 8);
    t->files = files;
    t->used = used;
    t->cloexec = cloexec;
    t->full = full;
    t->size = size;
}

/* Makes room for descriptor `fd`; the lock is held, released and taken again. */
static err_t table_grow(struct fdtable *t, unsigned fd)
{
    unsigned size = t->size;

    while (size <= fd)
        size *= 2;
    spin_unlock(&t->lock);
    void *block = kmalloc(table_bytes(size)), *old = NULL;
    spin_lock(&t->lock);
    if (!block)
        return -ENOMEM;
    if (t->size < size) {
        old = t->files == t->first_files ? NULL : t->files;
        table_fill(t, block, size, t);
        block = NULL;
    }
    spin_unlock(&t->lock);
    kfree(old);
    kfree(block);
    spin_lock(&t->lock);
    return 0;
}

static void slot_use(struct fdtable *t, unsigned fd, bool cloexec)
{
    bitmap_set(t->used, fd);
    if (t->used[fd / 64] == UINT64_MAX)
        bitmap_set(t->full, fd / 64);
    if (cloexec)
        bitmap_set(t->cloexec, fd);
    else
        bitmap_clear(t->cloexec, fd);
}

static void slot_free(struct fdtable *t, unsigned fd)
{
    t->files[fd] = NULL;
    bitmap_clear(t->used, fd);
    bitmap_clear(t->full, fd / 64);
    t->hint = MIN(t->hint, fd);
}

/* The lowest free number >= from, perhaps beyond the table's end. */
static unsigned slot_find(const struct fdtable *t, unsigned from)
{
    if (from >= t->size)
        return from;
    unsigned word = from / 64;
    uint64_t free = ~t->used[word] & UINT64_MAX << from % 64;
    if (free)
        return word * 64 + (unsigned)__builtin_ctzll(free);
    size_t next = bitmap_find_clear(t->full, t->size / 64, word + 1);
    if (next == BITMAP_NONE)
        return t->size;
    return (unsigned)next * 64 + (unsigned)__builtin_ctzll(~t->used[next]);
}

static unsigned files_limit(void)
{
    return (unsigned)MIN(atomic_load_relaxed(actor_current()->limit_nofile), FDTABLE_MAX);
}

/* Takes a number; the lock is held.  Return: the number, -EMFILE, -ENOMEM, -EINVAL. */
static __always_inline int slot_take(struct fdtable *t, int min, bool cloexec)
{
    unsigned limit = files_limit();

    if (unlikely(min < 0 || (unsigned)min >= limit))
        return min == 0 ? -EMFILE : -EINVAL;
    for (;;) {
        unsigned fd = slot_find(t, MAX((unsigned)min, t->hint));

        if (unlikely(fd >= limit))
            return -EMFILE;
        if (likely(fd < t->size)) {
            slot_use(t, fd, cloexec);
            if ((unsigned)min <= t->hint)
                t->hint = fd + 1;
            return (int)fd;
        }
        err_t err = table_grow(t, fd);
        if (err != 0)
            return err;
    }
}

int fd_reserve(int min, bool cloexec)
{
    struct fdtable *t = current_table();

    spin_lock(&t->lock);
    int fd = slot_take(t, min, cloexec);
    if (fd >= 0)
        t->files[fd] = RESERVED;
    spin_unlock(&t->lock);
    return fd;
}

int fd_install(struct file *file, int min, bool cloexec)
{
    struct fdtable *t = current_table();

    spin_lock(&t->lock);
    int fd = slot_take(t, min, cloexec);
    if (fd >= 0)
        atomic_store(&t->files[fd], file);
    spin_unlock(&t->lock);
    return fd;
}

void fd_fill(int fd, struct file *file)
{
    struct fdtable *t = current_table();

    if (likely(!fdtable_shared(t))) { /* nobody else can move the array */
        atomic_store(&t->files[fd], file);
        return;
    }
    spin_lock(&t->lock);
    K_DEBUG_ASSERT(t->files[fd] == RESERVED);
    atomic_store(&t->files[fd], file);
    spin_unlock(&t->lock);
}

void fd_unreserve(int fd)
{
    struct fdtable *t = current_table();

    spin_lock(&t->lock);
    slot_free(t, (unsigned)fd);
    spin_unlock(&t->lock);
}

static struct file *slot_file(const struct fdtable *t, unsigned fd)
{
    struct file *f = likely(fd < t->size) ? t->files[fd] : NULL;

    return unlikely(f == RESERVED) ? NULL : f;
}

static struct fd fd_get_shared(struct fdtable *t, unsigned fd)
{
    spin_lock(&t->lock);
    struct file *f = slot_file(t, fd);

    if (f)
        file_get(f);
    spin_unlock(&t->lock);
    return (struct fd){ f, f != NULL };
}

struct fd fd_get_raw(int fd)
{
    struct fdtable *t = current_table();

    if (unlikely(fdtable_shared(t)))
        return fd_get_shared(t, (unsigned)fd);
    return (struct fd){ slot_file(t, (unsigned)fd), false };
}

struct fd fd_get_slow(int fd)
{
    struct fd f = fd_get_raw(fd);

    if (unlikely(f.file && f.file->fmode & FMODE_PATH)) {
        fd_put(f);
        return (struct fd){ NULL, false };
    }
    return f;
}

/* What each close of a descriptor does. */
static void file_close(struct fdtable *t, struct file *f)
{
    if (f->ops->flush && !(f->fmode & FMODE_PATH))
        f->ops->flush(f);
    if (unlikely(f->inode->flocks != NULL))
        flock_release_table(f, t);
    file_put(f);
}

err_t fd_close(int fd)
{
    struct fdtable *t = current_table();

    spin_lock(&t->lock);
    struct file *f = slot_file(t, (unsigned)fd);
    if (f)
        slot_free(t, (unsigned)fd);
    spin_unlock(&t->lock);
    if (unlikely(!f))
        return -EBADF;
    file_close(t, f);
    return 0;
}

int fd_replace(int fd, struct file *file, bool cloexec)
{
    struct fdtable *t = current_table();
    struct file *old;
    err_t err = 0;

    if (fd < 0 || (unsigned)fd >= files_limit())
        return -EBADF;
    spin_lock(&t->lock);
    while (err == 0 && (unsigned)fd >= t->size)
        err = table_grow(t, (unsigned)fd);
    if (err == 0 && t->files[fd] == RESERVED)
        err = -EBUSY;
    if (err != 0) {
        spin_unlock(&t->lock);
        return err;
    }
    old = t->files[fd];
    slot_use(t, (unsigned)fd, cloexec);
    atomic_store(&t->files[fd], file);
    spin_unlock(&t->lock);
    if (old)
        file_close(t, old);
    return fd;
}

bool fd_cloexec(int fd, int set)
{
    struct fdtable *t = current_table();
    bool was = false;

    spin_lock(&t->lock);
    if (slot_file(t, (unsigned)fd)) {
        was = bitmap_test(t->cloexec, (unsigned)fd);
        if (set > 0)
            bitmap_set(t->cloexec, (unsigned)fd);
        else if (set == 0)
            bitmap_clear(t->cloexec, (unsigned)fd);
    }
    spin_unlock(&t->lock);
    return was;
}

/* ---- whole tables ---- */

static void table_reference_all(struct fdtable *t)
{
    for (unsigned w = 0; w < t->size / 64; w++)
        for (uint64_t bits = t->used[w]; bits; bits &= bits - 1) {
            unsigned fd = w * 64 + (unsigned)__builtin_ctzll(bits);

            if (t->files[fd] == RESERVED)
                slot_free(t, fd);
            else
                file_get(t->files[fd]);
        }
}

/* The smallest table that holds all of t's descriptors. */
static unsigned table_needed(const struct fdtable *t)
{
    unsigned words = t->size / 64;

    while (words > 1 && t->used[words - 1] == 0)
        words--;
    unsigned size = FDTABLE_MIN;
    while (size < words * 64)
        size *= 2;
    return size;
}

struct fdtable *fdtable_copy(struct fdtable *t)
{
    struct fdtable *n = kmalloc(sizeof *n);
    void *block = NULL;
    unsigned size = FDTABLE_MIN;

    if (!n)
        return NULL;
    ref_init(&n->refs, 1);
    spin_init(&n->lock, LOCK_FILES);
    spin_lock(&t->lock);
    while (table_needed(t) > size) { /* it may grow while the lock is not held */
        size = table_needed(t);
        spin_unlock(&t->lock);
        kfree(block);
        block = kmalloc(table_bytes(size));
        if (!block) {
            kfree(n);
            return NULL;
        }
        spin_lock(&t->lock);
    }
    if (block) {
        struct fdtable view = { .size = MIN(size, t->size), .files = t->files, .used = t->used,
                                .cloexec = t->cloexec, .full = t->full };
        table_fill(n, block, size, &view);
    } else {
        table_point_inside(n);
        memcpy(n->first_files, t->files, sizeof n->first_files);
        n->used[0] = t->used[0];
        n->cloexec[0] = t->cloexec[0];
        n->full[0] = t->full[0] & 1;
    }
    n->hint = t->hint;
    table_reference_all(n);
    spin_unlock(&t->lock);
    return n;
}

void fdtable_get(struct fdtable *t)
{
    ref_get(&t->refs);
}

static void table_close_word(struct fdtable *t, unsigned w, uint64_t bits)
{
    for (; bits; bits &= bits - 1) {
        unsigned fd = w * 64 + (unsigned)__builtin_ctzll(bits);

        spin_lock(&t->lock);
        struct file *f = slot_file(t, fd);
        if (f)
            slot_free(t, fd);
        spin_unlock(&t->lock);
        if (f)
            file_close(t, f);
    }
}

void fdtable_put(struct fdtable *t)
{
    if (!ref_put(&t->refs))
        return;
    for (unsigned w = 0; w < t->size / 64; w++)
        table_close_word(t, w, t->used[w]);
    if (t->files != t->first_files)
        kfree(t->files);
    kfree(t);
}

void fdtable_close_on_exec(struct fdtable *t)
{
    for (unsigned w = 0; w < t->size / 64; w++)
        table_close_word(t, w, t->used[w] & t->cloexec[w]);
}

struct file *fdtable_file(struct fdtable *t, int fd)
{
    return fd_get_shared(t, (unsigned)fd).file;
}

int fdtable_next(struct fdtable *t, int fd)
{
    spin_lock(&t->lock);
    size_t next = fd < 0 ? 0 : (size_t)fd;

    do {
        next = next < t->size ? bitmap_find_set(t->used, t->size, next) : BITMAP_NONE;
    } while (next != BITMAP_NONE && !slot_file(t, (unsigned)next) && ++next);
    spin_unlock(&t->lock);
    return next == BITMAP_NONE ? -1 : (int)next;
}

#define WEIGHT_LOOK 16384 /* entries that are looked at */

uint64_t fdtable_weight(struct fdtable *t)
{
    uint64_t sum = 0;

    spin_lock(&t->lock);
    unsigned step = MAX(t->size / WEIGHT_LOOK, 1u), size = t->size;
    for (unsigned fd = 0; fd < size; fd += step) {
        struct file *f = slot_file(t, fd);

        if (f)
            sum += file_weight(f) / MAX(ref_read(&f->refs), 1u);
    }
    spin_unlock(&t->lock);
    if (t->files != t->first_files)
        sum += table_bytes(size) / step;
    return sum * step / MAX(ref_read(&t->refs), 1u);
}
