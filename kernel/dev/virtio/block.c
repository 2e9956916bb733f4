// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the block device (virtio 1.2, 5.2): vda, vdb, ...
 *
 * Model: a request of the block layer becomes a chain: header (type, sector), its pieces, one byte of status.
 * Header and status lie in the request itself.  When the ring is full, requests wait in `waiting`, and go on as
 * others come back.  One that is not answered in time gives the device up, and all fail with EIO.
 * The disk outlives the virtio device as long as somebody has it open.
 * Locking: lock (LOCK_DEVICE, interrupts off).
 * Invariant: a request is in the ring, in `waiting`, or answered.
 */
#define LOG_TAG "virtio-blk"
#include <dev/virtio/virtio.h>

#include <core/log.h>
#include <core/number.h>
#include <hal/mmu.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/block.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#define MAJOR_VIRTBLK 254 /* the first that Linux gives out dynamically */
#define MINORS 16 /* of one disk: partitions, as on Linux */
#define DISKS_MAX 702 /* vda ... vdzz */
#define SEGMENTS_DEFAULT 126 /* what rings of 128 take */
#define FEATURES                                                                                   \
    (BIT(VIRTIO_BLK_F_SIZE_MAX) | BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_RO) |               \
     BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_TOPOLOGY) |           \
     BIT(VIRTIO_BLK_F_CONFIG_WCE) | BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES))

/* In block_request.driver: what the device reads and writes besides the data. */
struct blk_area {
    struct virtio_blk_outhdr header;
    struct virtio_blk_discard_write_zeroes range;
    uint8_t status;
};
_Static_assert(sizeof(struct blk_area) <= sizeof(((struct block_request *)0)->driver), "no room");

struct disk {
    struct block_device b; /* first */
    struct spinlock lock; /* LOCK_DEVICE */
    struct virtio_queue *queue; /* lock; NULL: the device is gone */
    struct list waiting; /* requests; lock */
    struct list failed; /* that were taken back; lock */
    unsigned number;
};

NUMBER_POOL(numbers, DISKS_MAX);

/* ---- requests -------------------------------------------------------------------------------- */

static struct blk_area *area_of(struct block_request *r)
{
    return (struct blk_area *)r->driver;
}

static uint32_t type_of(enum block_op op)
{
    static const uint32_t types[BLOCK_OPS] = { [BLOCK_READ] = VIRTIO_BLK_T_IN,
                                               [BLOCK_WRITE] = VIRTIO_BLK_T_OUT,
                                               [BLOCK_FLUSH] = VIRTIO_BLK_T_FLUSH,
                                               [BLOCK_DISCARD] = VIRTIO_BLK_T_DISCARD,
                                               [BLOCK_ZERO] = VIRTIO_BLK_T_WRITE_ZEROES,
                                               [BLOCK_IDENTIFY] = VIRTIO_BLK_T_GET_ID };

    return types[op];
}

static bool is_range(const struct block_request *r)
{
    return r->op == BLOCK_DISCARD || r->op == BLOCK_ZERO;
}

/* Pieces between header and status: those of the request, or what says which sectors to clear. */
static unsigned pieces_of(const struct block_request *r)
{
    return is_range(r) ? 1 : r->count;
}

static void area_fill(struct block_request *r)
{
    struct blk_area *a = area_of(r);

    a->header = (struct virtio_blk_outhdr){ .type = type_of(r->op) };
    if (r->op == BLOCK_READ || r->op == BLOCK_WRITE)
        a->header.sector = r->sector;
    a->status = 0xff;
    r->seg[0] = (struct dma_segment){ virt_to_phys(&a->header), sizeof a->header };
    if (is_range(r)) {
        a->range = (struct virtio_blk_discard_write_zeroes){ .sector = r->sector,
                                                             .num_sectors = r->sectors };
        r->seg[1] = (struct dma_segment){ virt_to_phys(&a->range), sizeof a->range };
    }
    r->seg[pieces_of(r) + 1] = (struct dma_segment){ virt_to_phys(&a->status), 1 };
}

/* lock held.  -ENOSPC: later. */
static err_t request_enter(struct disk *k, struct block_request *r)
{
    unsigned in = r->op == BLOCK_READ || r->op == BLOCK_IDENTIFY ? pieces_of(r) : 0;

    if (!k->queue)
        return -EIO;
    return virtio_queue_add(k->queue, r->seg, 1 + pieces_of(r) - in, 1 + in, r);
}

static void blk_submit(struct block_device *b, struct block_request *r)
{
    struct disk *k = container_of(b, struct disk, b);
    unsigned long flags;
    err_t err = -ENOSPC;

    area_fill(r);
    flags = spin_lock_irqsave(&k->lock);
    if (list_empty(&k->waiting))
        err = request_enter(k, r);
    if (err == -ENOSPC) {
        list_add_tail(&k->waiting, &r->link);
        err = 0;
    } else if (err == 0) {
        virtio_queue_kick(k->queue);
    }
    spin_unlock_irqrestore(&k->lock, flags);
    if (err != 0)
        block_done(r, -EIO);
}

/* lock held.  Those that cannot go on, because the device is broken, go to k->failed. */
static void waiting_enter(struct disk *k)
{
    struct block_request *r;

    while ((r = list_first_or_null(&k->waiting, struct block_request, link)) != NULL) {
        err_t err = request_enter(k, r);

        if (err == -ENOSPC)
            break;
        list_del(&r->link);
        if (err != 0)
            list_add_tail(&k->failed, &r->link);
    }
}

static err_t answer_of(struct block_request *r, uint32_t written)
{
    const struct blk_area *a = area_of(r);
    uint8_t status = atomic_load_relaxed(&a->status);
    uint64_t wanted = r->op == BLOCK_READ ? (uint64_t)r->sectors * SECTOR_BYTES : 0;

    if (status == VIRTIO_BLK_S_OK)
        return written > wanted ? 0 : -EIO; /* it says OK and did not write it all */
    return status == VIRTIO_BLK_S_UNSUPP ? -EOPNOTSUPP : -EIO;
}

static void failed_answer(struct disk *k)
{
    for (;;) {
        unsigned long flags = spin_lock_irqsave(&k->lock);
        struct block_request *r = list_first_or_null(&k->failed, struct block_request, link);

        if (r)
            list_del(&r->link);
        spin_unlock_irqrestore(&k->lock, flags);
        if (!r)
            return;
        block_done(r, -EIO);
    }
}

/* Answers are given without the lock: who gets one may submit the next. */
static void blk_handler(struct virtio_queue *q)
{
    struct disk *k = q->device->data;
    struct block_request *r;
    bool more = true;
    uint32_t written;

    while (more) {
        unsigned long flags = spin_lock_irqsave(&k->lock);

        r = virtio_queue_take(q, &written);
        if (!r) {
            waiting_enter(k);
            virtio_queue_kick(q);
            more = virtio_queue_rearm(q);
        }
        spin_unlock_irqrestore(&k->lock, flags);
        if (r)
            block_done(r, answer_of(r, written));
    }
    failed_answer(k);
}

static void blk_release(struct block_device *b)
{
    struct disk *k = container_of(b, struct disk, b);

    number_give(&numbers, k->number);
    kfree(k);
}

static const struct block_ops blk_ops = { .submit = blk_submit, .release = blk_release };

/* ---- the device ------------------------------------------------------------------------------ */

static uint64_t capacity_read(struct virtio_device *d)
{
    uint64_t sectors;

    virtio_config_read(d, offsetof(struct virtio_blk_config, capacity), &sectors, sizeof sectors);
    return sectors;
}

static uint32_t config32(struct virtio_device *d, unsigned feature, size_t offset, uint32_t otherwise)
{
    uint32_t value;

    if (!virtio_has(d, feature))
        return otherwise;
    virtio_config_read(d, (unsigned)offset, &value, sizeof value);
    return value;
}
#define CONFIG32(d, feature, field, otherwise)                                                     \
    config32(d, feature, offsetof(struct virtio_blk_config, field), otherwise)

static void topology_read(struct virtio_device *d, struct block_device *b)
{
    /* physical_block_exp, alignment_offset, min_io_size (two bytes) are one word */
    uint32_t word = CONFIG32(d, VIRTIO_BLK_F_TOPOLOGY, physical_block_exp, 0), shift = word & 0xff;
    uint32_t opt = CONFIG32(d, VIRTIO_BLK_F_TOPOLOGY, opt_io_size, 0);

    b->physical = b->logical << (shift <= 12 ? shift : 0);
    b->io_min = MAX((uint32_t)(word >> 16) * b->logical, b->physical);
    b->io_opt = opt > UINT32_MAX / b->logical ? 0 : opt * b->logical;
}

/* One that can be switched says in its configuration whether it is on (virtio 1.2, 5.2.5). */
static bool has_write_cache(struct virtio_device *d)
{
    uint8_t on = 1;

    if (virtio_has(d, VIRTIO_BLK_F_CONFIG_WCE))
        virtio_config_read(d, offsetof(struct virtio_blk_config, wce), &on, sizeof on);
    return virtio_has(d, VIRTIO_BLK_F_FLUSH) && on;
}

/* Of requests of whole blocks; the alignment is a wish (virtio 1.2, 5.2.4). */
static void discards_read(struct virtio_device *d, struct block_device *b)
{
    uint32_t block = b->logical / SECTOR_BYTES;
    uint32_t wish = CONFIG32(d, VIRTIO_BLK_F_DISCARD, discard_sector_alignment, 0);

    b->discard_sectors_max = ALIGN_DOWN(CONFIG32(d, VIRTIO_BLK_F_DISCARD, max_discard_sectors, 0), block);
    b->zero_sectors_max = ALIGN_DOWN(CONFIG32(d, VIRTIO_BLK_F_WRITE_ZEROES, max_write_zeroes_sectors, 0), block);
    if (b->discard_sectors_max)
        b->discard_granularity = wish > block && wish <= UINT32_MAX / SECTOR_BYTES ? wish * SECTOR_BYTES : b->logical;
}

static void limits_read(struct virtio_device *d, struct block_device *b)
{
    uint32_t segments = CONFIG32(d, VIRTIO_BLK_F_SEG_MAX, seg_max, SEGMENTS_DEFAULT);
    unsigned ring = d->queues[0]->size;

    b->sectors = capacity_read(d);
    b->logical = CONFIG32(d, VIRTIO_BLK_F_BLK_SIZE, blk_size, SECTOR_BYTES);
    if (!IS_POW2(b->logical) || b->logical < SECTOR_BYTES || b->logical > PAGE_SIZE)
        b->logical = SECTOR_BYTES;
    b->segments_max = MIN(MAX(segments, 1u), ring > 2 ? ring - 2 : 1u);
    b->segment_bytes_max = CONFIG32(d, VIRTIO_BLK_F_SIZE_MAX, size_max, UINT32_MAX);
    discards_read(d, b);
    b->read_only = virtio_has(d, VIRTIO_BLK_F_RO);
    b->can_write = !b->read_only;
    b->write_cache = has_write_cache(d);
    topology_read(d, b);
}

/* "vda" ... "vdz", "vdaa" ... "vdzz". */
static err_t name_take(struct disk *k)
{
    err_t err = number_take(&numbers, &k->number);
    unsigned n = k->number;

    if (err != 0)
        return err;
    k->b.major = MAJOR_VIRTBLK;
    k->b.minor = n * MINORS;
    if (n < 26)
        fmt_snprintf(k->b.name, sizeof k->b.name, "vd%c", 'a' + n);
    else
        fmt_snprintf(k->b.name, sizeof k->b.name, "vd%c%c", 'a' + n / 26 - 1, 'a' + n % 26);
    return 0;
}

static err_t blk_probe(struct virtio_device *d)
{
    struct disk *k = kzalloc(sizeof *k);
    err_t err;

    if (!k)
        return -ENOMEM;
    spin_init(&k->lock, LOCK_DEVICE);
    list_init(&k->waiting);
    list_init(&k->failed);
    err = virtio_queue_create(d, 0, &k->lock, blk_handler, true);
    if (err == 0)
        err = name_take(k);
    if (err != 0) {
        kfree(k);
        return err;
    }
    k->queue = d->queues[0];
    k->b.ops = &blk_ops;
    k->b.driver_name = "virtblk";
    device_path(&d->device, k->b.parent, sizeof k->b.parent);
    limits_read(d, &k->b);
    d->data = k;
    return 0;
}

/* What the device calls itself; one that does not say is no error. */
static void serial_read(struct disk *k)
{
    struct {
        struct block_request r;
        struct dma_segment seg[3];
        char text[BLOCK_SERIAL_BYTES];
    } *q = kzalloc(sizeof *q);

    if (!q)
        return;
    q->r = (struct block_request){ .device = &k->b, .op = BLOCK_IDENTIFY, .count = 1, .seg = q->seg };
    q->seg[1] = (struct dma_segment){ virt_to_phys(q->text), sizeof q->text };
    if (block_submit_wait(&q->r) == 0)
        memcpy(k->b.serial, q->text, sizeof q->text);
    kfree(q);
}

static err_t blk_start(struct virtio_device *d)
{
    struct disk *k = d->data;
    err_t err = block_add(&k->b);

    if (err != 0)
        return err;
    serial_read(k);
    log_info("%s: %s, %llu blocks of %u bytes%s", virtio_name(d), k->b.name,
             (unsigned long long)k->b.sectors / (k->b.logical / SECTOR_BYTES), k->b.logical,
             k->b.read_only ? ", read-only" : "");
    return 0;
}

static void blk_detach(struct virtio_device *d)
{
    block_remove(&((struct disk *)d->data)->b);
}

static void blk_drain(struct virtio_device *d)
{
    struct disk *k = d->data;
    struct block_request *r;
    unsigned long flags = spin_lock_irqsave(&k->lock);

    while (k->queue && (r = virtio_queue_detach(k->queue)) != NULL)
        list_add_tail(&k->failed, &r->link);
    k->queue = NULL;
    list_splice_tail(&k->failed, &k->waiting);
    spin_unlock_irqrestore(&k->lock, flags);
    failed_answer(k);
}

static void blk_free(struct virtio_device *d)
{
    struct disk *k = d->data;

    block_put(&k->b);
}

static void blk_config_changed(struct virtio_device *d)
{
    struct disk *k = d->data;

    block_resize(&k->b, capacity_read(d));
}

static const char *const needs[] = { "virtio", "block", NULL };
static struct virtio_driver blk_driver = { .driver = VIRTIO_DRIVER("virtio_blk", needs),
                                           .id = VIRTIO_ID_BLOCK,
                                           .features = FEATURES,
                                           .probe = blk_probe,
                                           .start = blk_start,
                                           .detach = blk_detach,
                                           .drain = blk_drain,
                                           .free = blk_free,
                                           .config_changed = blk_config_changed };
REGISTER_VIRTIO_DRIVER(blk_driver);
