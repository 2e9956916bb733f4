// SPDX-License-Identifier: CC0-1.0
/* Purpose, model, locking: see number.h. */
#include <core/number.h>

err_t number_take(struct number_pool *pool, unsigned *out)
{
    unsigned long flags = spin_lock_irqsave(&pool->lock);
    size_t n = bitmap_find_clear(pool->taken, pool->count, 0);

    if (n != BITMAP_NONE)
        bitmap_set(pool->taken, n);
    spin_unlock_irqrestore(&pool->lock, flags);
    *out = n == BITMAP_NONE ? pool->count : (unsigned)n;
    return n == BITMAP_NONE ? -ENOSPC : 0;
}

void number_give(struct number_pool *pool, unsigned n)
{
    unsigned long flags = spin_lock_irqsave(&pool->lock);

    if (n < pool->count)
        bitmap_clear(pool->taken, n);
    spin_unlock_irqrestore(&pool->lock, flags);
}
