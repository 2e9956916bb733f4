// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: reads newc archives from a stream of pieces.
 *
 * Model: a state machine that is fed with whatever is there: header (110 bytes), name, body, each
 * padded to 4 bytes.  Bodies are handed on piece by piece and never gathered.
 */
#pragma once

#include <lib/types.h>

#include <linux/limits.h>

#define CPIO_HEADER_BYTES 110

struct cpio_entry {
    uint32_t ino, mode, uid, gid, nlink, mtime, size, dev_major, dev_minor, rdev_major, rdev_minor;
    char name[PATH_MAX]; /* "." and leading slashes as they are in the archive */
};

struct cpio_sink {
    /* An entry begins.  An errno other than -ENOMEM, -ENOSPC skips its body. */
    err_t (*begin)(void *arg, const struct cpio_entry *e);
    /* The next bytes of its body (files), or all of it (links: at once, NUL-terminated). */
    err_t (*data)(void *arg, const void *bytes, size_t n);
    void (*end)(void *arg);
    void (*trailer)(void *arg); /* an archive ends: numbers of inodes begin anew */
};

struct cpio {
    const struct cpio_sink *sink;
    void *arg;
    enum { CPIO_START, CPIO_HEADER, CPIO_NAME, CPIO_LINK, CPIO_BODY, CPIO_SKIP, CPIO_PAD } state;
    uint64_t offset; /* in the stream */
    size_t have; /* bytes of the present part that are gathered */
    uint32_t left; /* bytes of the body still to come */
    uint32_t name_size;
    bool ended; /* a trailer was read; cleared by cpio_feed_archive */
    bool open; /* begin was answered with 0 and end is due */
    unsigned pad; /* bytes to skip, then `next` */
    int next;
    char gather[CPIO_HEADER_BYTES + 2];
    char link[PATH_MAX];
    struct cpio_entry entry;
};

/* Allocated: it is large.  NULL: out of memory. */
struct cpio *__must_check cpio_create(const struct cpio_sink *sink, void *arg);
void cpio_destroy(struct cpio *c);
/* Return: 0; -EINVAL broken (logged); -ENOMEM, -ENOSPC from the sink. */
err_t __must_check cpio_feed(struct cpio *c, const void *data, size_t n);
/* As cpio_feed, but stops behind the end of an archive; *used says how many bytes were read. */
err_t __must_check cpio_feed_archive(struct cpio *c, const void *data, size_t n, size_t *used);
/* Between entries: nothing is missing when the data end here, and another format may follow. */
static inline bool cpio_idle(const struct cpio *c)
{
    return c->have == 0 && (c->state == CPIO_START || c->state == CPIO_HEADER);
}
