// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: numbers for things that come and go and have names: vda, hvc0, virtio3.
 * Model: the lowest that is free, so that what comes back has its name again.
 * Locking: its own (LOCK_DEVICE, interrupts off).
 */
#pragma once

#include <core/spinlock.h>
#include <lib/bitmap.h>

struct number_pool {
    struct spinlock lock;
    unsigned count; /* constant */
    uint64_t *taken; /* a bit for each; lock */
};

/* A pool of the numbers below `count_`. */
#define NUMBER_POOL(name, count_)                                                                  \
    static uint64_t name##_taken[BITMAP_WORDS(count_)];                                            \
    static struct number_pool name = { SPINLOCK_INIT(LOCK_DEVICE), (count_), name##_taken }

/* Return: 0; -ENOSPC: all are taken, *out is the pool's count, which number_give() takes for none. */
err_t __must_check number_take(struct number_pool *pool, unsigned *out);
void number_give(struct number_pool *pool, unsigned n);
