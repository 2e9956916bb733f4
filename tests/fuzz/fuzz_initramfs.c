// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz the archive reader: any bytes, in pieces of any size (the first byte says which).
 * Run: scripts/fuzz.sh initramfs SECONDS.
 */
#include <fs/cpio.h>

#include <lib/string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    bool open;
    uint64_t body;
};

static err_t seen_begin(void *arg, const struct cpio_entry *e)
{
    struct seen *s = arg;

    if (s->open || strnlen(e->name, sizeof e->name) == sizeof e->name)
        __builtin_trap();
    if (e->ino & 1)
        return -EEXIST; /* skipped */
    s->open = true;
    s->body = e->size;
    return 0;
}

static err_t seen_data(void *arg, const void *bytes, size_t n)
{
    struct seen *s = arg;
    volatile uint8_t last;

    if (!s->open || n > s->body)
        __builtin_trap();
    if (n > 0)
        last = ((const uint8_t *)bytes)[n - 1];
    (void)last;
    s->body -= n;
    return 0;
}

static void seen_end(void *arg)
{
    struct seen *s = arg;

    if (!s->open)
        __builtin_trap();
    s->open = false;
}

static void seen_trailer(void *arg)
{
    if (((struct seen *)arg)->open)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct cpio_sink sink = { seen_begin, seen_data, seen_end, seen_trailer };
    struct seen seen = { 0 };
    struct cpio *c = size ? cpio_create(&sink, &seen) : NULL;

    if (!c)
        return 0;
    size_t step = (size_t)data[0] + 1;
    for (size_t at = 1; at < size; at += step)
        if (cpio_feed(c, data + at, MIN(step, size - at)) != 0)
            break;
    cpio_destroy(c);
    if (seen.open)
        __builtin_trap();
    return 0;
}
