// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: split rings: what driver and device share (virtio 1.2, 2.7).
 *
 * Model: three tables in one piece of memory.  We write the first two, the device the third:
 *     desc[size]    address, length, flags, next: pieces of memory, chained
 *     avail         index, and a ring of first descriptors: what the device may take
 *     used          index, and a ring of (first descriptor, bytes written): what it gives back
 * Chains of more than two pieces go into a table of their own when the device can (INDIRECT_DESC), so that a
 * request needs one descriptor.
 * What we know of a request (slot, chain, length) is kept in memory that the device does not see, and
 * descriptors are never read back.  Of the device's table each word is read once, then judged.
 * Locking: q->lock for all but creation and destruction.
 * Invariants: free_count + descriptors of all slots in use == size; in_flight slots have a token.
 */
#include <dev/virtio/virtio.h>

#include <core/panic.h>
#include <hal/mmu.h>
#include <mm/heap.h>
#include <sched/clock.h>

#define INDIRECT_FROM 3 /* pieces: shorter chains are cheaper in the ring itself */

struct virtio_slot {
    void *token; /* NULL: not in use */
    struct vring_desc *table; /* indirect, or NULL */
    ns_t since;
    uint32_t in_bytes; /* what the device may write */
    uint16_t count; /* descriptors of the ring that the chain takes */
};

static uint64_t avail_bytes(unsigned size)
{
    return sizeof(struct vring_desc) * size + sizeof(uint16_t) * (3 + size);
}

static uint64_t used_bytes(unsigned size)
{
    return sizeof(uint16_t) * 3 + sizeof(struct vring_used_elem) * size;
}

static uint16_t *used_event(const struct virtio_queue *q)
{
    return &q->avail->ring[q->size];
}

static uint16_t avail_event(const struct virtio_queue *q)
{
    return atomic_load_relaxed((uint16_t *)&q->used->ring[q->size]);
}

/* ---- making one ------------------------------------------------------------------------------ */

/* One piece for all three; legacy devices want the last from the next page on. */
static err_t rings_alloc(struct virtio_queue *q)
{
    uint64_t used_at = ALIGN_UP(avail_bytes(q->size), q->device->legacy ? PAGE_SIZE : sizeof(uint32_t));

    err_t err = dma_alloc(&q->device->device, used_at + used_bytes(q->size), PAGE_SIZE, &q->memory);

    if (err != 0)
        return err;
    q->desc = q->memory.va;
    q->avail = (struct vring_avail *)(q->desc + q->size);
    q->used = (struct vring_used *)((uint8_t *)q->memory.va + used_at);
    return 0;
}

static unsigned entries_max(const struct virtio_device *d)
{
    return d->driver && d->driver->entries_max ? d->driver->entries_max : VIRTIO_ENTRIES_MAX;
}

static err_t queue_init(struct virtio_queue *q, unsigned entries)
{
    while (q->size * 2u <= MIN(entries, entries_max(q->device)))
        q->size *= 2;
    q->slots = kcalloc(q->size, sizeof *q->slots);
    q->next = kcalloc(q->size, sizeof *q->next);
    if (!q->slots || !q->next)
        return -ENOMEM;
    for (unsigned i = 0; i < q->size; i++)
        q->next[i] = (uint16_t)(i + 1);
    q->free_count = q->size;
    return rings_alloc(q);
}

static void queue_free(struct virtio_queue *q)
{
    if (!atomic_load(&q->device->dead))
        dma_free(&q->memory);
    kfree(q->slots);
    kfree(q->next);
    kfree(q);
}

static void queue_enter(struct virtio_device *d, struct virtio_queue *q)
{
    d->queues[q->index] = q;
    d->queues_end = MAX(d->queues_end, q->index + 1);
}

err_t virtio_queue_create(struct virtio_device *d, unsigned index, struct spinlock *lock,
                          void (*handler)(struct virtio_queue *q), bool timeout)
{
    unsigned entries = d->transport->queue_entries(d, index);
    struct virtio_queue *q;
    err_t err;

    K_ASSERT(index < VIRTIO_QUEUES_MAX && !d->queues[index]);
    if (entries == 0)
        return -ENOENT;
    if (entries > 32768) /* 2.7: the largest that there is */
        return -EINVAL;
    q = kzalloc(sizeof *q);
    if (!q)
        return -ENOMEM;
    q->device = d;
    q->index = index;
    q->lock = lock;
    q->handler = handler;
    q->timeout = timeout ? virtio_timeout_ns : 0;
    q->size = 1;
    err = queue_init(q, entries);
    if (err == 0)
        err = d->transport->queue_start(q);
    if (err != 0)
        queue_free(q);
    else
        queue_enter(d, q);
    return err;
}

void virtio_queue_destroy(struct virtio_queue *q)
{
    K_ASSERT(q->in_flight == 0);
    q->device->queues[q->index] = NULL;
    queue_free(q);
}

/* ---- to the device --------------------------------------------------------------------------- */

static void desc_fill(struct vring_desc *d, const struct dma_segment *seg, bool in, bool more,
                      uint16_t next)
{
    d->addr = seg->addr;
    d->len = seg->bytes;
    d->flags = (uint16_t)((in ? VRING_DESC_F_WRITE : 0) | (more ? VRING_DESC_F_NEXT : 0));
    d->next = more ? next : 0;
}

/* A table beside the ring; NULL: not possible, or no memory. */
static struct vring_desc *table_make(struct virtio_queue *q, const struct dma_segment *seg, unsigned out,
                                     unsigned n)
{
    struct vring_desc *table;

    if (n < INDIRECT_FROM || !virtio_has(q->device, VIRTIO_RING_F_INDIRECT_DESC))
        return NULL;
    table = kmalloc(n * sizeof *table);
    for (unsigned i = 0; table && i < n; i++)
        desc_fill(&table[i], &seg[i], i >= out, i + 1 < n, (uint16_t)(i + 1));
    return table;
}

/* Fills the chain that begins at free_head, which afterwards is behind it. */
static void chain_fill(struct virtio_queue *q, const struct dma_segment *seg, unsigned out, unsigned n)
{
    uint16_t at = q->free_head;

    for (unsigned i = 0; i < n; i++, at = q->next[at])
        desc_fill(&q->desc[at], &seg[i], i >= out, i + 1 < n, q->next[at]);
    q->free_head = at;
    q->free_count = (uint16_t)(q->free_count - n);
}

static void table_enter(struct virtio_queue *q, const struct vring_desc *table, unsigned n)
{
    struct dma_segment whole = { virt_to_phys(table), (uint32_t)(n * sizeof *table) };
    uint16_t head = q->free_head;

    chain_fill(q, &whole, 1, 1);
    q->desc[head].flags = VRING_DESC_F_INDIRECT;
}

static void publish(struct virtio_queue *q, uint16_t head)
{
    q->avail->ring[q->avail_idx & (q->size - 1)] = head;
    q->avail_idx++;
    atomic_store(&q->avail->idx, q->avail_idx); /* after all that it stands for */
}

err_t virtio_queue_add(struct virtio_queue *q, const struct dma_segment *seg, unsigned out, unsigned in,
                       void *token)
{
    unsigned n = out + in;
    uint16_t head = q->free_head;
    struct virtio_slot *s;

    K_DEBUG_ASSERT(token != NULL);
    if (virtio_broken(q->device) || atomic_load(&q->device->complaint))
        return -EIO;
    if (n == 0 || n > q->size)
        return -EINVAL;
    if (q->free_count == 0)
        return -ENOSPC;
    s = &q->slots[head];
    s->table = table_make(q, seg, out, n);
    s->count = (uint16_t)(s->table ? 1 : n);
    if (q->free_count < s->count)
        return -ENOSPC;
    s->in_bytes = 0;
    for (unsigned i = out; i < n; i++)
        s->in_bytes += seg[i].bytes;
    s->token = token;
    if (s->table)
        table_enter(q, s->table, n);
    else
        chain_fill(q, seg, out, n);
    q->in_flight++;
    publish(q, head);
    if (q->timeout) {
        s->since = clock_monotonic();
        virtio_device_watch(q->device, s->since + q->timeout);
    }
    return 0;
}

void virtio_queue_kick(struct virtio_queue *q)
{
    uint16_t old = q->kicked;
    bool wanted;

    if (q->avail_idx == old || virtio_broken(q->device))
        return;
    q->kicked = q->avail_idx;
    atomic_fence(); /* our index is out before we look whether the device sleeps */
    if (virtio_has(q->device, VIRTIO_RING_F_EVENT_IDX))
        wanted = vring_need_event(avail_event(q), q->avail_idx, old);
    else
        wanted = !(atomic_load_relaxed(&q->used->flags) & VRING_USED_F_NO_NOTIFY);
    if (wanted)
        q->device->transport->notify(q);
}

/* ---- from the device ------------------------------------------------------------------------- */

static void *complain(struct virtio_queue *q, const char *what)
{
    const char *none = NULL;

    (void)atomic_cas(&q->device->complaint, &none, what);
    return NULL;
}

/* The slot's descriptors become free.  Return: its token. */
static void *slot_release(struct virtio_queue *q, uint16_t head)
{
    struct virtio_slot *s = &q->slots[head];
    void *token = s->token;
    uint16_t last = head;

    for (unsigned i = 1; i < s->count; i++)
        last = q->next[last];
    q->next[last] = q->free_head;
    q->free_head = head;
    q->free_count = (uint16_t)(q->free_count + s->count);
    q->in_flight--;
    if (!atomic_load(&q->device->dead))
        kfree(s->table);
    s->table = NULL;
    s->token = NULL;
    return token;
}

void *virtio_queue_take(struct virtio_queue *q, uint32_t *written)
{
    uint16_t ready = (uint16_t)(atomic_load(&q->used->idx) - q->seen);
    const struct vring_used_elem *e = &q->used->ring[q->seen & (q->size - 1)];
    uint32_t id, bytes;

    if (ready == 0 || virtio_broken(q->device) || atomic_load(&q->device->complaint))
        return NULL;
    if (ready > q->in_flight)
        return complain(q, "its used index jumps");
    id = atomic_load_relaxed(&e->id);
    bytes = atomic_load_relaxed(&e->len);
    if (id >= q->size || !q->slots[id].token)
        return complain(q, "it gives back what it does not have");
    if (q->slots[id].in_bytes == 0)
        bytes = 0; /* nothing to write to: QEMU's keyboard says here what it read */
    if (bytes > q->slots[id].in_bytes)
        return complain(q, "it claims to have written beyond a buffer");
    q->seen++;
    *written = bytes;
    return slot_release(q, (uint16_t)id);
}

bool virtio_queue_rearm(struct virtio_queue *q)
{
    if (virtio_broken(q->device) || atomic_load(&q->device->complaint))
        return false;
    if (virtio_has(q->device, VIRTIO_RING_F_EVENT_IDX)) {
        atomic_store_relaxed(used_event(q), q->seen);
        atomic_fence(); /* the wish is out before we look once more */
    }
    return atomic_load(&q->used->idx) != q->seen;
}

void *virtio_queue_detach(struct virtio_queue *q)
{
    for (unsigned i = 0; q->in_flight > 0 && i < q->size; i++)
        if (q->slots[i].token)
            return slot_release(q, (uint16_t)i);
    return NULL;
}

ns_t virtio_queue_oldest(const struct virtio_queue *q)
{
    ns_t oldest = NS_NEVER;

    for (unsigned i = 0; q->in_flight > 0 && i < q->size; i++)
        if (q->slots[i].token)
            oldest = MIN(oldest, q->slots[i].since);
    return oldest;
}

bool virtio_queue_check(const struct virtio_queue *q)
{
    unsigned taken = 0, out = 0, at = q->free_head;

    for (unsigned i = 0; i < q->size; i++) {
        if (q->slots[i].token) {
            taken += q->slots[i].count;
            out++;
        }
    }
    for (unsigned i = 0; i < q->free_count; i++) {
        if (at >= q->size || q->slots[at].token)
            return false;
        at = q->next[at];
    }
    return taken + q->free_count == q->size && out == q->in_flight;
}
