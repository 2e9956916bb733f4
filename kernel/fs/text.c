// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: text that grows as it is printed.
 * Model: a heap block that doubles; the first failure sticks in `error` and later text is dropped.
 */
#include <fs/vfs.h>

#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>

#define TEXT_MAX (16 * MiB)

static bool text_reserve(struct textbuf *t, size_t more)
{
    size_t need = t->length + more + 1;

    if (t->error != 0)
        return false;
    if (need <= t->size)
        return true;
    size_t size = MAX(need, MAX(t->size * 2, (size_t)512));
    char *data = need > TEXT_MAX ? NULL : krealloc(t->data, size);
    if (!data) {
        t->error = -ENOMEM;
        return false;
    }
    t->data = data;
    t->size = size;
    return true;
}

void text_append(struct textbuf *t, const char *s, size_t n)
{
    if (!text_reserve(t, n))
        return;
    memcpy(t->data + t->length, s, n);
    t->length += n;
    t->data[t->length] = '\0';
}

static void text_put(void *ctx, const char *s, size_t n)
{
    text_append(ctx, s, n);
}

void text_printf(struct textbuf *t, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fmt_vprint(text_put, t, format, ap);
    va_end(ap);
}

void text_free(struct textbuf *t)
{
    kfree(t->data);
    *t = (struct textbuf){ 0 };
}
