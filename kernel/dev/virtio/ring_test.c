// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tests of rings and of the life of a device, against devices that are good, slow, and liars.
 */
#include <dev/virtio/fake.h>

#include <core/ktest.h>
#include <core/log.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <sched/clock.h>

#define TEST_ID 0x7001
#define ENTRIES 16
#define REQUESTS 32

/* ---- a driver that counts -------------------------------------------------------------------- */

struct counting {
    struct spinlock lock;
    struct fake_device *device;
    bool timed;
    unsigned done, failed, starts, frees;
    uint32_t bytes[REQUESTS]; /* written, by token */
    unsigned order[REQUESTS]; /* tokens as they came back */
};

static struct counting c;
static uint8_t *memory; /* a page: all buffers of a test */

static void *token_of(unsigned n)
{
    return &c.bytes[n];
}

static unsigned number_of(const void *token)
{
    return (unsigned)((const uint32_t *)token - c.bytes);
}

static void count_done(struct virtio_queue *q)
{
    unsigned long flags = spin_lock_irqsave(&c.lock);
    uint32_t bytes;
    void *token;

    do {
        while ((token = virtio_queue_take(q, &bytes)) != NULL) {
            c.bytes[number_of(token)] = bytes;
            c.order[c.done++ % REQUESTS] = number_of(token);
        }
    } while (virtio_queue_rearm(q));
    spin_unlock_irqrestore(&c.lock, flags);
}

static err_t count_probe(struct virtio_device *d)
{
    return virtio_queue_create(d, 0, &c.lock, count_done, c.timed);
}

static err_t count_start(struct virtio_device *d)
{
    c.starts++;
    return 0;
}

static void count_detach(struct virtio_device *d)
{
}

static void count_drain(struct virtio_device *d)
{
    unsigned long flags = spin_lock_irqsave(&c.lock);

    while (virtio_queue_detach(d->queues[0]))
        c.failed++;
    spin_unlock_irqrestore(&c.lock, flags);
}

static void count_free(struct virtio_device *d)
{
    c.frees++;
}

static struct virtio_driver driver = { .driver = VIRTIO_DRIVER("ktest-counting", virtio_needs),
                                       .id = TEST_ID,
                                       .probe = count_probe,
                                       .start = count_start,
                                       .detach = count_detach,
                                       .drain = count_drain,
                                       .free = count_free };

static unsigned quiet_level;

static bool begin(struct ktest *t, struct fake_device *f, bool timed)
{
    memset(&c, 0, sizeof c);
    spin_init(&c.lock, LOCK_DEVICE);
    c.device = f;
    c.timed = timed;
    memory = kmalloc(PAGE_SIZE);
    quiet_level = log_console_level();
    log_console_level_set(0); /* what is given up says so */
    return KTEST_EQ(driver_start(&driver.driver), 0) && KTEST_EQ(virtio_device_add(&f->v, NULL), 0) &&
           KTEST_TRUE(memory != NULL) && KTEST_EQ(c.starts, 1);
}

static void end(struct ktest *t, struct fake_device *f)
{
    device_remove(&f->v.device);
    device_put(&f->v.device);
    driver_stop(&driver.driver);
    log_console_level_set(quiet_level);
    kfree(memory);
    KTEST_TRUE(f->released);
    KTEST_EQ(c.frees, 1);
}

/* Request n: `pieces` pieces of 16 bytes, of which the device reads `out`. */
static err_t request(struct fake_device *f, unsigned n, unsigned out, unsigned in)
{
    struct dma_segment seg[64];
    unsigned long flags;
    err_t err;

    for (unsigned i = 0; i < out + in; i++)
        seg[i] = (struct dma_segment){ virt_to_phys(memory + 16 * (n + i) % PAGE_SIZE), 16 };
    flags = spin_lock_irqsave(&c.lock);
    err = virtio_queue_add(f->v.queues[0], seg, out, in, token_of(n));
    if (err == 0)
        virtio_queue_kick(f->v.queues[0]);
    spin_unlock_irqrestore(&c.lock, flags);
    return err;
}

static bool checked(struct fake_device *f)
{
    unsigned long flags = spin_lock_irqsave(&c.lock);
    bool ok = virtio_queue_check(f->v.queues[0]);

    spin_unlock_irqrestore(&c.lock, flags);
    return ok;
}

static uint32_t work_all(struct fake_device *f, unsigned queue, const struct fake_chain *chain)
{
    uint32_t n = 0;

    for (unsigned i = chain->out; i < chain->count; i++) {
        memset(chain->piece[i].data, 0x5a, chain->piece[i].bytes);
        n += chain->piece[i].bytes;
    }
    return n;
}

/* ---- good devices ---------------------------------------------------------------------------- */

static void run_good(struct ktest *t, uint64_t features)
{
    static struct fake_device f;

    fake_init(&f, TEST_ID, features);
    f.work = work_all;
    if (begin(t, &f, true)) {
        KTEST_EQ(f.status & VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_DRIVER_OK);
        KTEST_EQ(f.accepted, (features | BIT(VIRTIO_F_VERSION_1)));
        for (unsigned round = 0; round < 1000; round++) {
            unsigned n = round % 5 + 1, pieces = round % 4 + 1;

            for (unsigned i = 0; i < n && pieces * n <= ENTRIES; i++)
                KTEST_EQ(request(&f, i, pieces - 1, 1), 0);
            fake_serve(&f, 0);
            fake_interrupt(&f);
            if (!KTEST_TRUE(checked(&f)))
                break;
        }
        KTEST_EQ(c.failed, 0);
        KTEST_TRUE(c.done > 2000);
        KTEST_EQ(c.bytes[0], 16);
        KTEST_TRUE(f.notified > 0);
        KTEST_TRUE(!virtio_broken(&f.v));
    }
    end(t, &f);
}

KTEST(virtio, good_plain)
{
    run_good(t, 0);
}

KTEST(virtio, good_indirect)
{
    run_good(t, BIT(VIRTIO_RING_F_INDIRECT_DESC));
}

KTEST(virtio, good_platform)
{
    run_good(t, BIT(VIRTIO_F_ACCESS_PLATFORM));
}

KTEST(virtio, good_events)
{
    run_good(t, BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_RING_F_INDIRECT_DESC));
}

KTEST(virtio, out_of_order)
{
    static struct fake_device f;
    static struct fake_chain chain[8];

    fake_init(&f, TEST_ID, 0);
    if (begin(t, &f, false)) {
        for (unsigned i = 0; i < 8; i++)
            KTEST_EQ(request(&f, i, 1, 1), 0);
        KTEST_EQ(request(&f, 8, 1, 1), -ENOSPC);
        for (unsigned i = 0; i < 8; i++)
            KTEST_TRUE(fake_take(&f, 0, &chain[i]));
        for (unsigned i = 0; i < 8; i++)
            fake_give(&f, 0, chain[(i * 3 + 5) % 8].head, i);
        fake_interrupt(&f);
        KTEST_EQ(c.done, 8);
        KTEST_EQ(c.order[0], 5);
        KTEST_EQ(c.bytes[5], 0);
        KTEST_TRUE(checked(&f));
        KTEST_EQ(request(&f, 0, 1, ENTRIES), -EINVAL);
        KTEST_EQ(request(&f, 0, 8, 8), 0);
    }
    end(t, &f);
    KTEST_EQ(c.failed, 1); /* the one that was out at removal */
}

/* A full ring with indirect chains holds as many requests as it has entries. */
KTEST(virtio, full)
{
    static struct fake_device f;

    fake_init(&f, TEST_ID, BIT(VIRTIO_RING_F_INDIRECT_DESC));
    f.work = work_all;
    if (begin(t, &f, false)) {
        for (unsigned i = 0; i < ENTRIES; i++)
            KTEST_EQ(request(&f, i, 8, 8), 0);
        KTEST_EQ(request(&f, 16, 8, 8), -ENOSPC);
        KTEST_EQ(fake_serve(&f, 0), ENTRIES);
        fake_interrupt(&f);
        KTEST_EQ(c.done, ENTRIES);
        KTEST_EQ(c.bytes[3], 8 * 16);
    }
    end(t, &f);
}

/* ---- slow and dead ones ---------------------------------------------------------------------- */

static bool failed_in_time(struct fake_device *f, unsigned n)
{
    ns_t limit = clock_monotonic() + 10 * NS_PER_SEC;

    while (atomic_load(&c.failed) < n && clock_monotonic() < limit)
        (void)sleep_until(clock_monotonic() + NS_PER_MSEC, false);
    return c.failed == n && virtio_broken(&f->v);
}

KTEST(virtio, too_late)
{
    static struct fake_device f;
    ns_t saved = virtio_timeout_ns;

    virtio_timeout_ns = 20 * NS_PER_MSEC;
    fake_init(&f, TEST_ID, 0);
    f.work = work_all;
    if (begin(t, &f, true)) {
        KTEST_EQ(request(&f, 0, 1, 1), 0);
        fake_serve(&f, 0);
        fake_interrupt(&f); /* this one was in time */
        KTEST_EQ(c.done, 1);
        KTEST_EQ(request(&f, 1, 1, 1), 0);
        KTEST_EQ(request(&f, 2, 1, 1), 0);
        KTEST_TRUE(failed_in_time(&f, 2));
        KTEST_EQ(f.resets, 2);
        KTEST_EQ(request(&f, 3, 1, 1), -EIO);
    }
    end(t, &f);
    virtio_timeout_ns = saved;
}

/* Without a time limit a device may take its time; what is out comes back at removal. */
KTEST(virtio, patience)
{
    static struct fake_device f;
    ns_t saved = virtio_timeout_ns;

    virtio_timeout_ns = NS_PER_MSEC;
    fake_init(&f, TEST_ID, 0);
    if (begin(t, &f, false)) {
        KTEST_EQ(request(&f, 0, 1, 1), 0);
        (void)sleep_until(clock_monotonic() + 5 * NS_PER_MSEC, false);
        KTEST_TRUE(!virtio_broken(&f.v));
    }
    end(t, &f);
    KTEST_EQ(c.failed, 1);
    virtio_timeout_ns = saved;
}

/* ---- liars ----------------------------------------------------------------------------------- */

enum lie { LIE_JUMP, LIE_JUMP_BACK, LIE_ID_BEYOND, LIE_ID_FREE, LIE_TWICE, LIE_LENGTH, LIES };

static void tell(struct fake_device *f, enum lie lie)
{
    struct virtio_queue *q = f->queue[0];
    struct fake_chain a;

    (void)fake_take(f, 0, &a);
    switch (lie) {
    case LIE_JUMP:
        q->used->idx = (uint16_t)(q->used->idx + 3);
        break;
    case LIE_JUMP_BACK:
        q->used->idx = (uint16_t)(q->used->idx - 1);
        break;
    case LIE_ID_BEYOND:
        fake_give(f, 0, q->size, 0);
        break;
    case LIE_ID_FREE:
        fake_give(f, 0, (a.head + 7u) % q->size, 0);
        break;
    case LIE_TWICE:
        fake_give(f, 0, a.head, 16);
        fake_give(f, 0, a.head, 16);
        break;
    default:
        fake_give(f, 0, a.head, 17);
    }
}

KTEST(virtio, liars)
{
    static struct fake_device f;

    for (enum lie lie = 0; lie < LIES; lie++) {
        fake_init(&f, TEST_ID, lie & 1 ? BIT(VIRTIO_RING_F_EVENT_IDX) : 0);
        if (begin(t, &f, true)) {
            KTEST_EQ(request(&f, 0, 1, 1), 0);
            KTEST_EQ(request(&f, 1, 1, 1), 0);
            tell(&f, lie);
            fake_interrupt(&f);
            fake_interrupt(&f);
            KTEST_TRUE(virtio_broken(&f.v));
            KTEST_EQ(c.done + c.failed, 2);
            KTEST_EQ(f.resets, 2);
            KTEST_EQ(request(&f, 2, 1, 1), -EIO);
        }
        end(t, &f);
    }
}

/* A device that does not even answer a reset: the memory that it may write stays its own. */
KTEST(virtio, deaf)
{
    static struct fake_device f;
    struct dma_buffer rings;

    fake_init(&f, TEST_ID, 0);
    if (begin(t, &f, true)) {
        rings = f.v.queues[0]->memory;
        KTEST_EQ(request(&f, 0, 1, 1), 0);
        f.deaf = true;
        end(t, &f);
        KTEST_EQ(c.failed, 1);
        KTEST_TRUE(f.v.dead);
        KTEST_EQ(frame_refs(rings.pa), 1);
        dma_free(&rings); /* the test knows better */
    }
}

/* ---- negotiation ----------------------------------------------------------------------------- */

static void run_refused(struct ktest *t, struct fake_device *f)
{
    unsigned level = log_console_level();

    memset(&c, 0, sizeof c);
    spin_init(&c.lock, LOCK_DEVICE);
    log_console_level_set(0);
    KTEST_EQ(driver_start(&driver.driver), 0);
    KTEST_EQ(virtio_device_add(&f->v, NULL), 0);
    KTEST_EQ(c.starts, 0);
    KTEST_TRUE(!device_is_bound(&f->v.device));
    device_remove(&f->v.device);
    device_put(&f->v.device);
    driver_stop(&driver.driver);
    log_console_level_set(level);
    KTEST_TRUE(f->released);
}

KTEST(virtio, refused)
{
    static struct fake_device f;

    fake_init(&f, TEST_ID, 0);
    f.offered = 0; /* not of version 1 */
    run_refused(t, &f);
    fake_init(&f, TEST_ID, 0);
    f.entries[0] = 0;
    run_refused(t, &f);
    fake_init(&f, TEST_ID, 0);
    f.entries[0] = 65536;
    run_refused(t, &f);
    fake_init(&f, TEST_ID, 0);
    f.deaf = true;
    run_refused(t, &f);
}
