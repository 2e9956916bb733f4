// SPDX-License-Identifier: CC0-1.0
/* Purpose, model: see fake.h. */
#include <dev/virtio/fake.h>

#include <core/panic.h>
#include <hal/cpu.h>
#include <hal/mmu.h>
#include <lib/string.h>

static struct fake_device *fake_of(struct virtio_device *d)
{
    return container_of(d, struct fake_device, v);
}

static uint64_t fake_features(struct virtio_device *d)
{
    return fake_of(d)->offered;
}

static void fake_set_features(struct virtio_device *d, uint64_t features)
{
    fake_of(d)->accepted = features;
}

static uint8_t fake_status(struct virtio_device *d)
{
    return fake_of(d)->status;
}

static void fake_set_status(struct virtio_device *d, uint8_t status)
{
    fake_of(d)->status = status;
}

static err_t fake_reset(struct virtio_device *d)
{
    struct fake_device *f = fake_of(d);

    f->resets++;
    if (f->deaf)
        return -EIO;
    f->status = 0;
    memset(f->queue, 0, sizeof f->queue);
    memset(f->taken, 0, sizeof f->taken);
    return 0;
}

static unsigned fake_queue_entries(struct virtio_device *d, unsigned index)
{
    return fake_of(d)->entries[index];
}

static err_t fake_queue_start(struct virtio_queue *q)
{
    fake_of(q->device)->queue[q->index] = q;
    return 0;
}

static void fake_notify(struct virtio_queue *q)
{
    struct fake_device *f = fake_of(q->device);

    f->notified++;
    if (f->notified_fn)
        f->notified_fn(f, q->index);
}

static void fake_config_read(struct virtio_device *d, unsigned offset, void *buf, size_t n)
{
    memcpy(buf, fake_of(d)->config + offset, n);
}

static void fake_config_write(struct virtio_device *d, unsigned offset, const void *buf, size_t n)
{
    memcpy(fake_of(d)->config + offset, buf, n);
}

static uint32_t fake_config_generation(struct virtio_device *d)
{
    return 0;
}

static err_t fake_irq_start(struct virtio_device *d)
{
    return 0;
}

static void fake_irq_stop(struct virtio_device *d)
{
}

static void fake_release(struct virtio_device *d)
{
    fake_of(d)->released = true;
}

static const struct virtio_transport fake_transport = {
    .name = "fake",
    .features = fake_features,
    .set_features = fake_set_features,
    .status = fake_status,
    .set_status = fake_set_status,
    .reset = fake_reset,
    .queue_entries = fake_queue_entries,
    .queue_start = fake_queue_start,
    .notify = fake_notify,
    .config_read = fake_config_read,
    .config_write = fake_config_write,
    .config_generation = fake_config_generation,
    .irq_start = fake_irq_start,
    .irq_stop = fake_irq_stop,
    .release = fake_release,
};

void fake_init(struct fake_device *f, uint32_t id, uint64_t offered)
{
    memset(f, 0, sizeof *f);
    f->v.transport = &fake_transport;
    f->v.id = id;
    f->v.config_bytes = FAKE_CONFIG_BYTES;
    f->offered = offered | BIT(VIRTIO_F_VERSION_1);
    f->entries[0] = 16;
}

static void piece_add(struct fake_chain *c, const struct vring_desc *d)
{
    if (c->count == FAKE_PIECES_MAX)
        panic("a chain of more than %d pieces", FAKE_PIECES_MAX);
    c->piece[c->count].data = phys_to_virt(d->addr);
    c->piece[c->count++].bytes = d->len;
    if (!(d->flags & VRING_DESC_F_WRITE))
        c->out = c->count;
}

static void table_walk(struct fake_chain *c, const struct vring_desc *table, uint16_t at)
{
    for (;; at = table[at].next) {
        piece_add(c, &table[at]);
        if (!(table[at].flags & VRING_DESC_F_NEXT))
            break;
    }
}

bool fake_take(struct fake_device *f, unsigned queue, struct fake_chain *c)
{
    struct virtio_queue *q = f->queue[queue];

    if (!q || atomic_load(&q->avail->idx) == f->taken[queue])
        return false;
    c->count = c->out = 0;
    c->head = q->avail->ring[f->taken[queue]++ & (q->size - 1)];
    if (q->desc[c->head].flags & VRING_DESC_F_INDIRECT)
        table_walk(c, phys_to_virt(q->desc[c->head].addr), 0);
    else
        table_walk(c, q->desc, c->head);
    /* We want to be told of the next one. */
    q->used->flags = 0;
    atomic_store((uint16_t *)&q->used->ring[q->size], f->taken[queue]);
    return true;
}

void fake_give(struct fake_device *f, unsigned queue, uint32_t head, uint32_t bytes)
{
    struct virtio_queue *q = f->queue[queue];

    q->used->ring[q->used->idx & (q->size - 1)] = (struct vring_used_elem){ head, bytes };
    atomic_store(&q->used->idx, (uint16_t)(q->used->idx + 1));
}

unsigned fake_serve(struct fake_device *f, unsigned queue)
{
    struct fake_chain c;
    unsigned n = 0;

    for (; fake_take(f, queue, &c); n++)
        fake_give(f, queue, c.head, f->work(f, queue, &c));
    return n;
}

void fake_interrupt(struct fake_device *f)
{
    unsigned long flags = hal_irq_save();

    virtio_interrupt(&f->v, false);
    hal_irq_restore(flags);
}
