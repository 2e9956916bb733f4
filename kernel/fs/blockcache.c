// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the page cache of block devices: reading ahead, writing back.
 *
 * Model.  Reading: pages that are absent are put into the object busy, several at once, and asked for with
 * one request (struct fill); the device's answer comes in an interrupt and goes to the thread "blockd",
 * which makes them ready and wakes those who wait for them.  A reader that goes on where it stopped has
 * twice as much asked for each time, half a window before it gets there:
 *
 *     |  read  |   asked for, there or under way   |
 *              next                 half a window   end        -> when next passes it: [end, end + window)
 *
 * Writing: a write marks pages.  They are written back, in the order of their numbers and several requests at
 * a time, by fsync and its kin, every FLUSH_PERIOD by the thread "flushd", and by the writer itself when
 * too much memory is marked.  Requests for it are made when the device comes, so that writing back never needs
 * memory.
 * A page at the end of a device may reach beyond it: that part is zero and is not written.
 * Locking: see blockdev.h; finished_lock (LOCK_DEVICE, interrupts off).
 */
#define LOG_TAG "block"
#include <fs/blockdev.h>

#include <core/log.h>
#include <core/panic.h>
#include <fs/internal.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/thread.h>

#define PAGE_SECTORS (PAGE_SIZE / SECTOR_BYTES)
#define RUN_PAGES 64u /* of one request */
#define WRITEBACK_DEPTH 4
#define WINDOW_FIRST 16u
#define FLUSH_PERIOD (5 * NS_PER_SEC)
#define DIRTY_LIMIT 5 /* a writer writes back from 1/5 of all memory on */
#define DIRTY_BACKGROUND 10 /* flushd does not wait from 1/10 on */
#define EVICT_LOW 1024 /* frames: below it the cache takes from itself first */

/* Pages in one request. */
struct run {
    struct block_request request; /* first */
    struct blockdev *d; /* fills: with a reference */
    uint64_t index;
    unsigned pages;
    err_t err;
    bool busy; /* write-back: with the device; atomic */
    paddr_t frame[RUN_PAGES];
    struct dma_segment seg[RUN_PAGES + 2];
};

struct writeback {
    struct run run[WRITEBACK_DEPTH];
};

static struct spinlock finished_lock = SPINLOCK_INIT(LOCK_DEVICE);
static struct list finished = LIST_INIT(finished); /* fills; finished_lock */
static uint32_t blockd_work, flushd_work; /* atomic */
static struct waitq blockd_queue = WAITQ_INIT(blockd_queue);
static struct waitq flushd_queue = WAITQ_INIT(flushd_queue);

/* ---- requests of pages ----------------------------------------------------------------------- */

static uint64_t device_pages(const struct blockdev *d)
{
    return PAGES(atomic_load_relaxed(&d->object.size));
}

/* Sectors of the run's pages that the device has. */
static uint32_t run_sectors(const struct run *w)
{
    uint64_t first = w->index * PAGE_SECTORS, all = atomic_load_relaxed(&w->d->b->sectors);
    uint64_t want = (uint64_t)w->pages * PAGE_SECTORS;

    return first >= all ? 0 : (uint32_t)MIN(want, all - first);
}

/* Neighbours in memory become one piece. */
static void run_segments(struct run *w, uint32_t bytes)
{
    uint32_t most = ALIGN_DOWN(w->d->b->segment_bytes_max, (uint32_t)PAGE_SIZE);
    struct dma_segment *s = w->seg;

    for (unsigned i = 0; bytes > 0; i++) {
        uint32_t n = MIN(bytes, (uint32_t)PAGE_SIZE);

        if (s > w->seg && s->addr + s->bytes == w->frame[i] && s->bytes + n <= most)
            s->bytes += n;
        else
            *++s = (struct dma_segment){ w->frame[i], n };
        bytes -= n;
    }
    w->request.count = (unsigned)(s - w->seg);
}

static void run_submit(struct run *w, enum block_op op, void (*done)(struct block_request *r, err_t err))
{
    uint32_t sectors = run_sectors(w);

    w->request.device = w->d->b;
    w->request.op = op;
    w->request.sector = w->index * PAGE_SECTORS;
    w->request.sectors = sectors;
    w->request.seg = w->seg;
    w->request.done = done;
    run_segments(w, sectors * SECTOR_BYTES);
    if (sectors != 0)
        block_submit(&w->request);
    else
        done(&w->request, -EIO); /* the device has shrunk meanwhile */
}

/* The part of the last page that lies behind the device's end. */
static void tail_zero(const struct run *w)
{
    uint32_t bytes = run_sectors(w) * SECTOR_BYTES;

    for (unsigned i = bytes / PAGE_SIZE; i < w->pages; i++) {
        size_t from = i == bytes / PAGE_SIZE ? bytes % PAGE_SIZE : 0;

        memset((char *)phys_to_virt(w->frame[i]) + from, 0, PAGE_SIZE - from);
    }
}

static unsigned run_pages_max(const struct blockdev *d)
{
    return MIN(RUN_PAGES, d->b->segments_max);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void fill_done(struct block_request *r, err_t err)
{
    struct run *w = container_of(r, struct run, request);
    unsigned long flags;

    w->err = err;
    flags = spin_lock_irqsave(&finished_lock);
    list_add_tail(&finished, &r->link);
    spin_unlock_irqrestore(&finished_lock, flags);
    atomic_store(&blockd_work, 1);
    waitq_wake_one(&blockd_queue);
}

static void fill_finish(struct run *w)
{
    if (w->err == 0)
        tail_zero(w);
    object_fill_end(&w->d->object, w->index, w->frame, w->pages, w->err == 0);
    frame_put_bulk(w->frame, w->pages);
    blockdev_put(w->d);
    kfree(w);
}

/* Memory is short: the cache takes from itself before it takes from others. */
static void make_room(struct blockdev *d, unsigned pages)
{
    if (frame_free_count() < frame_reserve() + EVICT_LOW && d->object.pages > EVICT_LOW)
        (void)object_evict(&d->object, &d->evict_hand, pages);
}

/* Asks for absent pages from `index` on.  Return: how many; 0: no memory, or somebody else did. */
static unsigned fill_start(struct blockdev *d, uint64_t index, unsigned pages)
{
    struct run *w;
    size_t got;

    make_room(d, pages);
    w = kmalloc(sizeof *w);
    if (!w)
        return 0;
    memset(&w->request, 0, sizeof w->request);
    got = frame_alloc_bulk(w->frame, pages, FRAME_USER);
    w->pages = object_fill_begin(&d->object, index, w->frame, (unsigned)got);
    frame_put_bulk(w->frame + w->pages, got - w->pages);
    if (w->pages == 0) {
        kfree(w);
        return 0;
    }
    pages = w->pages;
    blockdev_get(d);
    w->d = d;
    w->index = index;
    run_submit(w, BLOCK_READ, fill_done);
    return pages;
}

/* Asks for what is absent in [from, to). */
static void fill_range(struct blockdev *d, uint64_t from, uint64_t to)
{
    unsigned most = run_pages_max(d), n;

    to = MIN(to, device_pages(d));
    while ((from = object_next_absent(&d->object, from, to)) < to) {
        n = fill_start(d, from, (unsigned)MIN(to - from, most));
        if (n == 0)
            break;
        from += n;
    }
}

void cache_read_ahead(struct blockdev *d, struct read_ahead *a, uint64_t index, uint64_t last)
{
    uint64_t most = MAX(atomic_load_relaxed(&d->ahead_pages), 1u), end;

    if (index != a->next && index + 1 != a->next) { /* elsewhere: what is wanted, no more */
        a->window = 0;
        a->end = index;
        end = MIN(last, index + most);
    } else if (index + a->window / 2 < a->end && MIN(last, index + most) <= a->end) {
        return;
    } else {
        a->window = CLAMP(a->window * 2, MIN((uint64_t)WINDOW_FIRST, most), most);
        end = MAX(a->end, index) + a->window;
    }
    fill_range(d, MAX(a->end, index), end);
    a->end = end;
}

/* The object's pager: one page that a mapping, or a partial write, wants now, and those behind it soon. */
static err_t cache_read_page(struct object *o, uint64_t index, paddr_t frame)
{
    struct blockdev *d = o->owner;
    struct run *w = kmalloc(sizeof *w);
    err_t err;

    if (!w)
        return -ENOMEM;
    memset(&w->request, 0, sizeof w->request);
    w->d = d;
    w->index = index;
    w->pages = 1;
    w->frame[0] = frame;
    fill_range(d, index + 1, MIN(index + WINDOW_FIRST, index + atomic_load_relaxed(&d->ahead_pages)));
    w->request.device = d->b;
    w->request.op = BLOCK_READ;
    w->request.sector = index * PAGE_SECTORS;
    w->request.sectors = run_sectors(w);
    w->request.seg = w->seg;
    run_segments(w, w->request.sectors * SECTOR_BYTES);
    err = w->request.sectors ? block_submit_wait(&w->request) : -EIO;
    if (err == 0)
        tail_zero(w);
    kfree(w);
    return err ? -EIO : 0;
}

/* o->lock held.  The first mark since all were written starts the period. */
static void cache_dirtied(struct object *o)
{
    if (o->dirty == 1 || object_dirty_total() == frame_total() / DIRTY_BACKGROUND) {
        atomic_store(&flushd_work, 1);
        waitq_wake_one(&flushd_queue);
    }
}

static const struct pager block_pager = { .read_page = cache_read_page,
                                          .tracks_dirty = true,
                                          .dirtied = cache_dirtied };

/* ---- writing back ---------------------------------------------------------------------------- */

static void writeback_done(struct block_request *r, err_t err)
{
    struct run *w = container_of(r, struct run, request);

    w->err = err;
    atomic_store(&w->busy, false);
    waitq_wake_all(&block_done_queue);
}

/* Waits until the slot is free.  Return: how its last request ended. */
static err_t slot_wait(struct run *w)
{
    err_t err;

    wait_event(&block_done_queue, !atomic_load(&w->busy));
    err = w->err;
    frame_put_bulk(w->frame, w->pages);
    w->pages = 0;
    w->err = 0;
    return err;
}

/* sync_mutex held.  Return: 0, or the first error. */
static err_t write_back(struct blockdev *d, uint64_t from, uint64_t to)
{
    unsigned most = run_pages_max(d);
    err_t err = 0, one;

    to = MIN(to, device_pages(d));
    for (unsigned n = 0;; n++) {
        struct run *w = &d->slots->run[n % WRITEBACK_DEPTH];

        one = slot_wait(w);
        err = err ? err : one;
        w->pages = object_dirty_take(&d->object, &from, to, w->frame, most);
        if (w->pages == 0)
            break;
        w->d = d;
        w->index = from;
        from += w->pages;
        atomic_store(&w->busy, true);
        atomic_store(&d->unflushed, true);
        run_submit(w, BLOCK_WRITE, writeback_done);
    }
    for (unsigned i = 0; i < WRITEBACK_DEPTH; i++) {
        one = slot_wait(&d->slots->run[i]);
        err = err ? err : one;
    }
    return err;
}

/* sync_mutex held. */
static err_t flush_medium(struct blockdev *d)
{
    struct run *w = &d->slots->run[0];

    if (!d->b->write_cache || !atomic_xchg(&d->unflushed, false))
        return 0;
    memset(&w->request, 0, sizeof w->request);
    w->request.device = d->b;
    w->request.op = BLOCK_FLUSH;
    w->request.seg = w->seg;
    return block_submit_wait(&w->request);
}

err_t cache_sync(struct blockdev *d, uint64_t from, uint64_t to, bool flush)
{
    err_t err;

    mutex_lock(&d->sync_mutex);
    err = write_back(d, from, to);
    if (err == 0 && flush)
        err = flush_medium(d);
    if (err != 0) {
        atomic_store(&d->errors_told, false);
        atomic_fetch_add(&d->errors, 1);
        log_err("%s: what was written to it is lost: error %d", d->b->name, err);
    }
    mutex_unlock(&d->sync_mutex);
    return err ? -EIO : 0;
}

void cache_balance(struct blockdev *d)
{
    if (unlikely(object_dirty_total() > frame_total() / DIRTY_LIMIT))
        (void)cache_sync(d, 0, UINT64_MAX, false); /* fsync tells of errors */
}

/* ---- without the cache ----------------------------------------------------------------------- */

/* What lies in the cache is to agree with what was written beside it. */
static void cache_update(struct run *w, uint32_t skip, uint32_t bytes)
{
    for (unsigned i = 0; i < w->pages; i++) {
        uint32_t from = i == 0 ? skip : 0;
        uint32_t to = MIN((uint32_t)PAGE_SIZE, skip + bytes - i * (uint32_t)PAGE_SIZE);
        paddr_t pa;

        if (object_page(&w->d->object, w->index + i, 0, &pa) != 0 || pa == PADDR_NONE)
            continue;
        memcpy((char *)phys_to_virt(pa) + from, (char *)phys_to_virt(w->frame[i]) + from, to - from);
        object_written(pa, 1);
        frame_put(pa);
    }
}

/* Copies between the run's frames and `u`; bytes from `skip` on in the first.  Return: whether all went. */
static bool run_copy(struct run *w, struct uio *u, uint32_t skip, uint32_t bytes, bool in)
{
    for (unsigned i = 0; bytes > 0; i++, skip = 0) {
        uint32_t n = MIN((uint32_t)PAGE_SIZE - skip, bytes);
        char *at = (char *)phys_to_virt(w->frame[i]) + skip;

        if ((in ? uio_copy_from(u, at, n) : uio_copy_to(u, at, n)) < n)
            return false;
        bytes -= n;
    }
    return true;
}

/* One request's worth.  sync_mutex held.  Return: 0 or an errno. */
static err_t direct_run(struct run *w, struct uio *u, uint64_t pos, uint32_t bytes, bool write)
{
    uint32_t skip = pos % PAGE_SIZE, left = bytes;
    struct dma_segment *s = w->seg;
    err_t err;

    if (write && !run_copy(w, u, skip, bytes, true))
        return -EFAULT;
    memset(&w->request, 0, sizeof w->request);
    for (unsigned i = 0; left > 0; i++) {
        uint32_t from = i == 0 ? skip : 0, n = MIN((uint32_t)PAGE_SIZE - from, left);

        *++s = (struct dma_segment){ w->frame[i] + from, n };
        left -= n;
    }
    w->request = (struct block_request){ .device = w->d->b,
                                         .op = write ? BLOCK_WRITE : BLOCK_READ,
                                         .sector = pos / SECTOR_BYTES,
                                         .sectors = bytes / SECTOR_BYTES,
                                         .count = (unsigned)(s - w->seg),
                                         .seg = w->seg };
    err = block_submit_wait(&w->request);
    if (err != 0)
        return -EIO;
    if (write) {
        atomic_store(&w->d->unflushed, true);
        cache_update(w, skip, bytes);
    } else if (!run_copy(w, u, skip, bytes, false)) {
        return -EFAULT;
    }
    return 0;
}

ssize_t cache_direct(struct blockdev *d, struct uio *u, uint64_t pos, size_t n, bool write)
{
    uint64_t start = pos, end = pos + n;
    struct run *w = kzalloc(sizeof *w);
    unsigned pages = (unsigned)MIN((uint64_t)run_pages_max(d), PAGES(end) - pos / PAGE_SIZE);
    err_t err = 0;

    if (!w)
        return -ENOMEM;
    w->d = d;
    if (frame_alloc_bulk(w->frame, pages, 0) < pages) {
        for (unsigned i = 0; i < pages && w->frame[i]; i++)
            frame_put(w->frame[i]);
        kfree(w);
        return -ENOMEM;
    }
    mutex_lock(&d->sync_mutex);
    if (write_back(d, pos / PAGE_SIZE, PAGES(end)) != 0)
        err = -EIO;
    while (pos < end && err == 0) {
        uint32_t room = (uint32_t)(pages * PAGE_SIZE - pos % PAGE_SIZE);
        uint32_t bytes = (uint32_t)MIN(end - pos, room);

        w->index = pos / PAGE_SIZE;
        w->pages = (unsigned)PAGES(pos % PAGE_SIZE + bytes);
        err = direct_run(w, u, pos, bytes, write);
        if (err == 0)
            pos += bytes;
        if (pos < end && thread_signal_pending())
            break;
    }
    mutex_unlock(&d->sync_mutex);
    frame_put_bulk(w->frame, pages);
    kfree(w);
    return pos > start ? (ssize_t)(pos - start) : err;
}

/* ---- clearing -------------------------------------------------------------------------------- */

/* One request's worth of [pos, end), by the device itself or by writing a page of zeros again and again.
 * Return: bytes, or an errno. */
static ssize_t clear_run(struct run *w, enum block_op op, uint64_t pos, uint64_t end)
{
    const struct block_device *b = w->d->b;
    uint64_t most = op == BLOCK_WRITE ? (uint64_t)run_pages_max(w->d) * PAGE_SIZE :
                    SECTOR_BYTES * (uint64_t)(op == BLOCK_ZERO ? b->zero_sectors_max : b->discard_sectors_max);
    uint32_t sectors = (uint32_t)(MIN(end - pos, most) / SECTOR_BYTES), left = sectors * SECTOR_BYTES;
    unsigned count = 0;
    err_t err;

    for (; op == BLOCK_WRITE && left > 0; left -= w->seg[count].bytes)
        w->seg[++count] = (struct dma_segment){ w->frame[0], MIN(left, (uint32_t)PAGE_SIZE) };
    memset(&w->request, 0, sizeof w->request);
    w->request = (struct block_request){ .device = w->d->b, .op = op, .sector = pos / SECTOR_BYTES,
                                         .sectors = sectors, .count = count, .seg = w->seg };
    err = block_submit_wait(&w->request);
    return err ? err : (ssize_t)sectors * SECTOR_BYTES;
}

static err_t clear_range(struct run *w, enum block_op op, uint64_t pos, uint64_t end)
{
    while (pos < end) {
        ssize_t n = clear_run(w, op, pos, end);

        if (n < 0)
            return (err_t)n;
        pos += (uint64_t)n;
        if (pos < end && thread_signal_pending())
            return -EINTR;
    }
    return 0;
}

err_t cache_clear(struct blockdev *d, enum block_op op, uint64_t pos, uint64_t n)
{
    struct run *w = kzalloc(sizeof *w);
    err_t err;

    if (!w)
        return -ENOMEM;
    w->d = d;
    if (op == BLOCK_WRITE && (w->frame[0] = frame_alloc(FRAME_ZERO)) == PADDR_NONE) {
        kfree(w);
        return -ENOMEM;
    }
    mutex_lock(&d->sync_mutex);
    err = write_back(d, pos / PAGE_SIZE, PAGES(pos + n)); /* nothing of it is under way then */
    atomic_store(&d->unflushed, true);
    if (err == 0)
        err = clear_range(w, op, pos, pos + n);
    object_punch(&d->object, pos, pos + n);
    mutex_unlock(&d->sync_mutex);
    if (op == BLOCK_WRITE)
        frame_put(w->frame[0]);
    kfree(w);
    return err;
}

/* ---- memory ---------------------------------------------------------------------------------- */

void cache_drop(struct blockdev *d)
{
    uint64_t hand = 0;

    (void)object_evict(&d->object, &hand, d->object.pages);
}

/* The first device that came after number `sequence`, with a reference; NULL. */
static struct blockdev *device_after(uint64_t sequence)
{
    struct blockdev *d, *found = NULL;

    spin_lock(&blockdevs_lock);
    list_for_each(d, &blockdevs, link)
        if (!found && d->sequence > sequence) {
            found = d;
            blockdev_get(d);
        }
    spin_unlock(&blockdevs_lock);
    return found;
}

/* The allocation that asks may hold any mutex, and no spinlock: then it is refused. */
static size_t cache_shrink(size_t frames)
{
    size_t want = MAX(frames, (size_t)64), got = 0;
    struct blockdev *d;

    if (hal_current()->preempt_count != 0 || !spin_try(&blockdevs_lock))
        return 0;
    list_for_each(d, &blockdevs, link)
        if (got < want)
            got += object_evict(&d->object, &d->evict_hand, want - got);
    spin_unlock(&blockdevs_lock);
    return got;
}

static void cache_give_all(unsigned what)
{
    struct blockdev *d;

    if (!(what & TRIM_PAGES))
        return;
    for (uint64_t at = 0; (d = device_after(at)) != NULL;) {
        at = d->sequence;
        cache_drop(d);
        blockdev_put(d);
    }
}

static struct shrinker cache_shrinker = { .name = "block", .shrink = cache_shrink,
                                          .trim = cache_give_all };

/* ---- devices and threads --------------------------------------------------------------------- */

err_t cache_init(struct blockdev *d)
{
    d->slots = kzalloc(sizeof *d->slots);
    if (!d->slots)
        return -ENOMEM;
    object_init(&d->object, &block_pager, d, d->b->sectors * SECTOR_BYTES);
    mutex_init(&d->write_mutex);
    mutex_init(&d->sync_mutex);
    d->ahead_pages = AHEAD_PAGES_DEFAULT;
    return 0;
}

void cache_fini(struct blockdev *d)
{
    object_fini(&d->object);
    kfree(d->slots);
}

void cache_resized(struct blockdev *d)
{
    atomic_store(&d->resized, true);
    atomic_store(&blockd_work, 1);
    waitq_wake_one(&blockd_queue);
}

static void size_follow(struct blockdev *d)
{
    uint64_t size = atomic_load_relaxed(&d->b->sectors) * SECTOR_BYTES;

    if (!atomic_xchg(&d->resized, false))
        return;
    log_info("%s has %llu sectors now", d->b->name, (unsigned long long)(size / SECTOR_BYTES));
    object_truncate(&d->object, size);
}

static void sizes_follow(void)
{
    struct blockdev *d;

    for (uint64_t at = 0; (d = device_after(at)) != NULL;) {
        at = d->sequence;
        size_follow(d);
        blockdev_put(d);
    }
}

err_t cache_sync_all(bool flush)
{
    struct blockdev *d;
    err_t err = 0;

    for (uint64_t at = 0; (d = device_after(at)) != NULL;) {
        at = d->sequence;
        if (flush || atomic_load_relaxed(&d->object.dirty) != 0)
            err = cache_sync(d, 0, UINT64_MAX, flush) ? -EIO : err;
        blockdev_put(d);
    }
    return err;
}

static void blockd(void *arg __maybe_unused)
{
    for (;;) {
        struct list mine = LIST_INIT(mine);
        unsigned long flags;

        wait_event_state(&blockd_queue, atomic_xchg(&blockd_work, 0), THREAD_SLEEPING_INTR, NS_NEVER,
                         false);
        flags = spin_lock_irqsave(&finished_lock);
        list_splice_tail(&mine, &finished);
        spin_unlock_irqrestore(&finished_lock, flags);
        while (!list_empty(&mine)) {
            struct block_request *r = list_first(&mine, struct block_request, link);

            list_del(&r->link);
            fill_finish(container_of(r, struct run, request));
        }
        sizes_follow();
    }
}

static bool too_dirty(void)
{
    return object_dirty_total() >= frame_total() / DIRTY_BACKGROUND;
}

static void flushd(void *arg __maybe_unused)
{
    for (;;) {
        wait_event_state(&flushd_queue, atomic_xchg(&flushd_work, 0), THREAD_SLEEPING_INTR, NS_NEVER,
                         false);
        (void)wait_event_state(&flushd_queue, too_dirty(), THREAD_SLEEPING_INTR,
                               clock_monotonic() + FLUSH_PERIOD, false);
        (void)cache_sync_all(false); /* who calls fsync is told */
        if (object_dirty_total() != 0) /* marked meanwhile */
            atomic_store(&flushd_work, 1);
    }
}

err_t cache_start(void)
{
    if (!kthread_start("blockd", LEVEL_HIGH, blockd, NULL) ||
        !kthread_start("flushd", LEVEL_NORMAL, flushd, NULL))
        return -ENOMEM;
    frame_shrinker_add(&cache_shrinker);
    return 0;
}
