// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the list of block devices, and the way of a request from client to driver and back.
 * Model, locking: see block.h.  Who waits for an answer sleeps on one queue for all, with a flag of its
 * own: a request may be gone as soon as its flag is set.
 */
#define LOG_TAG "block"
#include <svc/block.h>

#include <core/log.h>
#include <core/panic.h>
#include <sched/clock.h>
#include <sched/mutex.h>

#define SECTORS_MAX (1ull << 53) /* off_t can name each byte */

static struct mutex block_mutex = MUTEX_INIT(block_mutex);
static struct list devices = LIST_INIT(devices); /* block_mutex */
static const struct block_client *client; /* block_mutex for writers, atomic */

struct waitq block_done_queue = WAITQ_INIT(block_done_queue);

/* ---- devices --------------------------------------------------------------------------------- */

void block_get(struct block_device *b)
{
    ref_get(&b->refs);
}

void block_put(struct block_device *b)
{
    if (ref_put(&b->refs))
        b->ops->release(b);
}

static bool limits_sane(const struct block_device *b)
{
    return IS_POW2(b->logical) && b->logical >= SECTOR_BYTES && b->logical <= PAGE_SIZE &&
           b->sectors <= SECTORS_MAX && b->segments_max > 0 && b->segment_bytes_max >= PAGE_SIZE &&
           IS_POW2(b->physical) && b->physical >= b->logical;
}

err_t block_add(struct block_device *b)
{
    err_t err = 0;

    spin_init(&b->lock, LOCK_DEVICE);
    ref_init(&b->refs, 1); /* the caller gives it back, added or not */
    if (!limits_sane(b))
        return -EINVAL;
    mutex_lock(&block_mutex);
    list_add_tail(&devices, &b->link);
    if (client)
        err = client->added(b);
    if (err != 0)
        list_del(&b->link);
    mutex_unlock(&block_mutex);
    return err;
}

void block_remove(struct block_device *b)
{
    mutex_lock(&block_mutex);
    if (client && b->client)
        client->removing(b);
    atomic_store(&b->gone, true);
    if (client && b->client)
        client->gone(b);
    list_del(&b->link);
    mutex_unlock(&block_mutex);
}

void block_resize(struct block_device *b, uint64_t sectors)
{
    const struct block_client *c = atomic_load(&client);

    if (sectors > SECTORS_MAX || atomic_xchg(&b->sectors, sectors) == sectors)
        return;
    if (c && c->resized)
        c->resized(b);
}

void block_client_set(const struct block_client *c)
{
    struct block_device *b;

    mutex_lock(&block_mutex);
    K_ASSERT(!client);
    atomic_store(&client, c);
    list_for_each(b, &devices, link) {
        err_t err = c->added(b);

        if (err != 0)
            log_err("%s cannot be shown: error %d", b->name, err);
    }
    mutex_unlock(&block_mutex);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void account_begin(struct block_request *r)
{
    struct block_device *b = r->device;
    unsigned long flags;

    r->started = clock_monotonic();
    flags = spin_lock_irqsave(&b->lock);
    if (b->stats.in_flight++ == 0)
        b->busy_since = r->started;
    spin_unlock_irqrestore(&b->lock, flags);
}

static void account_end(struct block_request *r, err_t err)
{
    struct block_device *b = r->device;
    ns_t now = clock_monotonic();
    unsigned long flags = spin_lock_irqsave(&b->lock);
    struct block_stats *s = &b->stats;

    if (--s->in_flight == 0)
        s->busy += now - b->busy_since;
    if (err == 0) {
        s->requests[r->op]++;
        s->sectors[r->op] += r->sectors;
        s->time[r->op] += now - r->started;
    }
    spin_unlock_irqrestore(&b->lock, flags);
}

void block_stats_get(struct block_device *b, struct block_stats *out)
{
    unsigned long flags = spin_lock_irqsave(&b->lock);

    *out = b->stats;
    if (b->stats.in_flight != 0)
        out->busy += clock_monotonic() - b->busy_since;
    spin_unlock_irqrestore(&b->lock, flags);
}

static bool request_fits(const struct block_request *r)
{
    const struct block_device *b = r->device;
    uint64_t sectors = atomic_load_relaxed(&b->sectors);

    if (atomic_load(&b->gone) || r->count > b->segments_max)
        return false;
    if (r->sector > sectors || r->sectors > sectors - r->sector)
        return false;
    return b->can_write || (r->op != BLOCK_WRITE && r->op != BLOCK_DISCARD && r->op != BLOCK_ZERO);
}

void block_submit(struct block_request *r)
{
    if (!request_fits(r)) {
        r->done(r, -EIO);
        return;
    }
    account_begin(r);
    r->device->ops->submit(r->device, r);
}

void block_done(struct block_request *r, err_t err)
{
    account_end(r, err);
    r->done(r, err);
}

struct waited {
    err_t err;
    bool done; /* atomic; the last that is touched */
};

static void waited_done(struct block_request *r, err_t err)
{
    struct waited *w = r->arg;

    w->err = err;
    atomic_store(&w->done, true);
    waitq_wake_all(&block_done_queue);
}

err_t block_submit_wait(struct block_request *r)
{
    struct waited w = { .done = false };

    r->done = waited_done;
    r->arg = &w;
    block_submit(r);
    wait_event(&block_done_queue, atomic_load(&w.done));
    return w.err;
}
