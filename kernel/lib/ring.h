// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a ring of bytes over a buffer whose size is a power of two.
 * Model: head and tail run freely and are masked at access; head - tail is the fill.
 * Locking: the owner's.
 */
#pragma once

#include <lib/types.h>

struct ring {
    uint8_t *buf;
    size_t size; /* a power of two */
    size_t head; /* bytes ever put */
    size_t tail; /* bytes ever got */
};

static inline void ring_init(struct ring *r, void *buf, size_t size)
{
    *r = (struct ring){ .buf = buf, .size = size };
}

static inline size_t ring_used(const struct ring *r)
{
    return r->head - r->tail;
}

static inline size_t ring_space(const struct ring *r)
{
    return r->size - ring_used(r);
}

static inline bool ring_put(struct ring *r, uint8_t c)
{
    if (ring_space(r) == 0)
        return false;
    r->buf[r->head++ & (r->size - 1)] = c;
    return true;
}

static inline bool ring_get(struct ring *r, uint8_t *c)
{
    if (ring_used(r) == 0)
        return false;
    *c = r->buf[r->tail++ & (r->size - 1)];
    return true;
}

/* Copies up to n bytes in or out; returns how many. */
size_t ring_write(struct ring *r, const void *data, size_t n);
size_t ring_read(struct ring *r, void *data, size_t n);
