// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the newc format; see cpio.h.
 * Invariants: (1) no number of the archive is believed before it is checked; (2) at most a header, a
 * name and a link's target are kept; (3) each byte is looked at once.
 * Source: cpio(5), Linux's Documentation/driver-api/early-userspace/buffer-format.rst.
 */
#define LOG_TAG "initramfs"
#include <fs/cpio.h>

#include <core/log.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <linux/stat.h>

struct cpio *cpio_create(const struct cpio_sink *sink, void *arg)
{
    struct cpio *c = kzalloc(sizeof *c);

    if (c) {
        c->sink = sink;
        c->arg = arg;
    }
    return c;
}

static void entry_end(struct cpio *c)
{
    if (c->open)
        c->sink->end(c->arg);
    c->open = false;
}

void cpio_destroy(struct cpio *c)
{
    if (!c)
        return;
    entry_end(c);
    kfree(c);
}

static err_t broken(struct cpio *c, const char *what)
{
    log_err("archive is broken at byte %llu: %s", (unsigned long long)c->offset, what);
    return -EINVAL;
}

/* After this part come bytes up to a multiple of 4, then `next`. */
static void go_padded(struct cpio *c, int next)
{
    c->pad = (unsigned)(-c->offset & 3);
    c->next = next;
    c->have = 0;
    c->state = CPIO_PAD;
}

static bool parse_hex(const char *s, uint32_t *out)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < 8; i++) {
        unsigned char c = (unsigned char)s[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : 16u;

        if (digit == 16)
            return false;
        v = v << 4 | digit;
    }
    *out = v;
    return true;
}

static err_t header_parse(struct cpio *c)
{
    struct cpio_entry *e = &c->entry;
    uint32_t check, *const fields[] = { &e->ino, &e->mode, &e->uid, &e->gid, &e->nlink, &e->mtime,
                                        &e->size, &e->dev_major, &e->dev_minor, &e->rdev_major,
                                        &e->rdev_minor, &c->name_size, &check };

    if (memcmp(c->gather, "070701", 6) != 0 && memcmp(c->gather, "070702", 6) != 0)
        return broken(c, memcmp(c->gather, "070707", 6) == 0 ? "odc format, newc is needed"
                                                            : "no header where one should be");
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++)
        if (!parse_hex(c->gather + 6 + 8 * i, fields[i]))
            return broken(c, "a number in a header is not hexadecimal");
    if (c->name_size == 0 || c->name_size > PATH_MAX)
        return broken(c, "a name is empty or too long");
    c->have = 0;
    c->state = CPIO_NAME;
    return 0;
}

static err_t entry_begin(struct cpio *c)
{
    struct cpio_entry *e = &c->entry;

    c->left = e->size;
    if (strcmp(e->name, "TRAILER!!!") == 0) {
        c->sink->trailer(c->arg);
        c->left = 0;
        c->ended = true;
        go_padded(c, CPIO_START);
        return 0;
    }
    if (S_ISLNK(e->mode)) {
        if (e->size == 0 || e->size >= sizeof c->link)
            return broken(c, "a link's target is empty or too long");
        go_padded(c, CPIO_LINK);
        return 0;
    }
    err_t err = c->sink->begin(c->arg, e);
    if (err == -ENOMEM || err == -ENOSPC)
        return err;
    c->open = err == 0;
    if (e->size == 0)
        entry_end(c);
    go_padded(c, e->size == 0 ? CPIO_HEADER : c->open && S_ISREG(e->mode) ? CPIO_BODY : CPIO_SKIP);
    return 0;
}

static err_t name_done(struct cpio *c)
{
    if (c->entry.name[c->name_size - 1] != '\0' ||
        strlen(c->entry.name) + 1 != c->name_size)
        return broken(c, "a name does not end where it should");
    return entry_begin(c);
}

static err_t link_done(struct cpio *c)
{
    err_t err;

    c->link[c->entry.size] = '\0';
    if (strlen(c->link) != c->entry.size)
        return broken(c, "a link's target holds a NUL");
    err = c->sink->begin(c->arg, &c->entry);
    if (err == 0) {
        err = c->sink->data(c->arg, c->link, c->entry.size);
        c->sink->end(c->arg);
    }
    if (err == -ENOMEM || err == -ENOSPC)
        return err;
    go_padded(c, CPIO_HEADER);
    return 0;
}

/* Gathers up to `want` bytes in `buf`.  Return: whether all are there. */
static bool gather(struct cpio *c, char *buf, size_t want, const char **data, size_t *n)
{
    size_t piece = MIN(want - c->have, *n);

    memcpy(buf + c->have, *data, piece);
    c->have += piece;
    c->offset += piece;
    *data += piece;
    *n -= piece;
    return c->have == want;
}

static err_t body_feed(struct cpio *c, const char **data, size_t *n)
{
    size_t piece = MIN((size_t)c->left, *n);
    err_t err = c->state == CPIO_BODY ? c->sink->data(c->arg, *data, piece) : 0;

    if (err != 0)
        return err;
    c->left -= (uint32_t)piece;
    c->offset += piece;
    *data += piece;
    *n -= piece;
    if (c->left == 0) {
        entry_end(c);
        go_padded(c, CPIO_HEADER);
    }
    return 0;
}

static void skip_padding(struct cpio *c, const char **data, size_t *n)
{
    size_t piece = MIN((size_t)c->pad, *n);

    c->pad -= (unsigned)piece;
    c->offset += piece;
    *data += piece;
    *n -= piece;
    if (c->pad == 0)
        c->state = c->next;
}

/* Zeros between archives. */
static void skip_zeros(struct cpio *c, const char **data, size_t *n)
{
    while (*n > 0 && **data == 0) {
        ++*data;
        --*n;
        c->offset++;
    }
    if (*n > 0) {
        c->offset = 0; /* padding counts from the beginning of an archive */
        c->state = CPIO_HEADER;
    }
}

static err_t feed_step(struct cpio *c, const char **data, size_t *n)
{
    switch (c->state) {
    case CPIO_START:
        skip_zeros(c, data, n);
        return 0;
    case CPIO_HEADER:
        return gather(c, c->gather, CPIO_HEADER_BYTES, data, n) ? header_parse(c) : 0;
    case CPIO_NAME:
        return gather(c, c->entry.name, c->name_size, data, n) ? name_done(c) : 0;
    case CPIO_LINK:
        return gather(c, c->link, c->entry.size, data, n) ? link_done(c) : 0;
    case CPIO_BODY:
    case CPIO_SKIP:
        return body_feed(c, data, n);
    default:
        skip_padding(c, data, n);
        return 0;
    }
}

err_t cpio_feed_archive(struct cpio *c, const void *data, size_t n, size_t *used)
{
    const char *at = data;
    size_t left = n;
    err_t err = 0;

    c->ended = false;
    /* A padding of no bytes is passed without input, so that idleness is seen. */
    while (err == 0 && !(c->ended && c->state == CPIO_START) &&
           (left > 0 || (c->state == CPIO_PAD && c->pad == 0)))
        err = feed_step(c, &at, &left);
    *used = n - left;
    return err;
}

err_t cpio_feed(struct cpio *c, const void *data, size_t n)
{
    err_t err = 0;

    do {
        size_t used;

        err = cpio_feed_archive(c, data, n, &used);
        data = (const char *)data + used;
        n -= used;
    } while (err == 0 && n > 0);
    return err;
}
