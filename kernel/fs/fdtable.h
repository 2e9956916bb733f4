// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: descriptors.
 * Model: an array of files with bitmaps of the used and the close-on-exec ones; the lowest free
 * number is found by summary words.  Shared by threads (CLONE_FILES).
 * Locking: LOCK_FILES for changes; look-ups take a reference under it, or none when the table
 * belongs to the running thread alone (refs == 1).
 */
#pragma once

#include <fs/vfs.h>

#define FDTABLE_MIN 64
struct fdtable { /* open for fd_get alone */
    refcount_t refs;
    unsigned size; /* lock */
    struct file **files; /* lock */
    struct spinlock lock; /* LOCK_FILES */
    unsigned hint; /* no free number below; lock */
    uint64_t *used, *cloexec, *full; /* lock */
    struct file *first_files[FDTABLE_MIN]; /* small tables need no more memory */
    uint64_t first_maps[3];
};
#define FD_RESERVED ((struct file *)1) /* a number that is taken and not filled yet */

struct fdtable *__must_check fdtable_create(void);
struct fdtable *__must_check fdtable_copy(struct fdtable *t); /* fork; NULL: out of memory */
void fdtable_get(struct fdtable *t);
void fdtable_put(struct fdtable *t); /* last: closes all */
static inline bool fdtable_shared(const struct fdtable *t)
{
    return ref_read(&t->refs) != 1;
}

/* A borrowed file: fd_put gives it back; `counted` says whether a reference was taken. */
struct fd {
    struct file *file; /* NULL: -EBADF */
    bool counted;
};
/* Of the running thread; O_PATH files are not given by fd_get, but by fd_get_raw. */
struct fd fd_get_slow(int fd);
struct fd fd_get_raw(int fd);
static inline struct fd fd_get(int fd)
{
    const struct fdtable *t = actor_current()->files;

    if (likely(!fdtable_shared(t) && (unsigned)fd < t->size)) {
        struct file *f = t->files[fd];

        if (likely((uintptr_t)f > (uintptr_t)FD_RESERVED && !(f->fmode & FMODE_PATH)))
            return (struct fd){ f, false };
    }
    return fd_get_slow(fd);
}
static inline void fd_put(struct fd f)
{
    if (f.counted)
        file_put(f.file);
}
/* A new descriptor >= min for `file` (whose reference it takes over).  -EMFILE, -ENOMEM. */
int __must_check fd_install(struct file *file, int min, bool cloexec);
/* Reserve first, fill later (nothing can fail then). */
int __must_check fd_reserve(int min, bool cloexec);
void fd_fill(int fd, struct file *file);
void fd_unreserve(int fd);
err_t fd_close(int fd); /* -EBADF */
int fd_replace(int fd, struct file *file, bool cloexec); /* dup2, dup3; takes the reference over */
void fdtable_close_on_exec(struct fdtable *t);
/* For /proc/PID/fd: file with a reference or NULL; next used descriptor >= fd or -1. */
struct file *fdtable_file(struct fdtable *t, int fd);
int fdtable_next(struct fdtable *t, int fd);
/* Bytes of memory that would come back with the table, about. Any context that may take LOCK_FILES. */
uint64_t fdtable_weight(struct fdtable *t);
bool fd_cloexec(int fd, int set /* -1: only ask */);
