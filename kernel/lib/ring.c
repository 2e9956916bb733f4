// SPDX-License-Identifier: CC0-1.0
/* Purpose: bytes in and out of a ring in at most two copies. */
#include <lib/ring.h>
#include <lib/string.h>

size_t ring_write(struct ring *r, const void *data, size_t n)
{
    size_t at = r->head & (r->size - 1), first;

    n = MIN(n, ring_space(r));
    first = MIN(n, r->size - at);
    memcpy(r->buf + at, data, first);
    memcpy(r->buf, (const uint8_t *)data + first, n - first);
    r->head += n;
    return n;
}

size_t ring_read(struct ring *r, void *data, size_t n)
{
    size_t at = r->tail & (r->size - 1), first;

    n = MIN(n, ring_used(r));
    first = MIN(n, r->size - at);
    memcpy(data, r->buf + at, first);
    memcpy((uint8_t *)data + first, r->buf, n - first);
    r->tail += n;
    return n;
}
