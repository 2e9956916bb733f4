// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: memory objects: reference counts, look-up and creation of pages, copies in and out.
 *
 * Model: the radix tree (radix.c) maps a page index to a slot: frame | SLOT_PRESENT, and SLOT_BUSY
 * while the pager fills the frame.  Whoever finds a busy slot sleeps on o->busy and looks again:
 *
 *     first comer                          second
 *     slot = frame|PRESENT|BUSY
 *     unlock, pager->read_page             sees BUSY, waits on o->busy
 *     lock, slot still mine? clear BUSY
 *     wake all                             looks again
 *
 * A truncation may take a busy slot away; the reader then finds another value there and just drops
 * what it has.
 *
 * Look-ups of pages that are there take no lock that others take, too: all processes that run a program
 * look into one object.  They read under object_lookups, a big-reader lock:
 *
 *     look-up                            truncation, eviction, migration
 *     begins to read                     excludes readers, takes o->lock
 *     slot ready? takes a reference      empties slots, or marks them busy
 *     ends                               gives both back; drops the tree's references
 *
 * Pages come without it: a slot is stored once, when all that it leads to is complete.
 * Locking: o->lock, object_lookups before it; see the header.
 */
#include <vm/object.h>
#include <vm/internal.h>
#include <vm/radix.h>

struct brlock object_lookups = BRLOCK_INIT(LOCK_OBJECTS);

void object_init(struct object *o, const struct pager *pager, void *owner, uint64_t size)
{
    memset(o, 0, sizeof(*o));
    spin_init(&o->lock, LOCK_OBJECT);
    ref_init(&o->refs, 1);
    o->pager = pager;
    o->owner = owner;
    o->size = size;
    object_maps_init(o);
    waitq_init(&o->busy);
}

uint64_t object_identity(struct object *o)
{
    static uint64_t last; /* atomic */
    uint64_t none = 0, identity = atomic_load(&o->identity);

    if (likely(identity != 0))
        return identity;
    identity = atomic_add_fetch(&last, 1);
    return atomic_cas(&o->identity, &none, identity) ? identity : none; /* another was faster */
}

struct object *object_create(const struct pager *pager, void *owner, uint64_t size)
{
    struct object *o = kmalloc(sizeof(*o));

    if (o != NULL)
        object_init(o, pager, owner, size);
    return o;
}

void object_get(struct object *o)
{
    ref_get(&o->refs);
}

void object_put(struct object *o)
{
    if (!ref_put(&o->refs))
        return;
    if (o->pager != NULL && o->pager->release != NULL)
        o->pager->release(o);
    object_fini(o);
    kfree(o);
}

/* The object's frames by their nodes. */
static void frames_count(const struct object *o, const paddr_t *frame, size_t n, int by)
{
    frame_use_count(frame, n, USE_PAGES, by);
    if (o->pager != NULL && o->pager->tracks_dirty)
        frame_use_count(frame, n, USE_BUFFERS, by);
}

void object_pages_count(struct object *o, const paddr_t *frame, size_t n, int by)
{
    o->pages += by < 0 ? -n : n;
    frames_count(o, frame, n, by);
}

void object_page_moved(const struct object *o, paddr_t from, paddr_t to, bool dirty)
{
    frames_count(o, &from, 1, -1);
    frames_count(o, &to, 1, 1);
    if (!dirty)
        return;
    frame_use_count(&from, 1, USE_DIRTY, -1);
    frame_use_count(&to, 1, USE_DIRTY, 1);
}

/* A frame enters the tree: its flags now belong to the object. */
void object_frame_adopt(struct object *o, paddr_t pa)
{
    struct frame *f = frame_of(pa);

    f->owner = o;
    f->flags = (f->flags & ~FRAME_IS_FETCHABLE) | FRAME_IS_CACHE;
}

void object_frame_disown(paddr_t pa)
{
    struct frame *f = frame_of(pa);

    f->owner = NULL;
    f->flags &= ~(FRAME_IS_CACHE | FRAME_IS_FETCHABLE);
}

void object_frame_fetch(paddr_t pa)
{
    mmu_sync_icache(phys_to_virt(pa), PAGE_SIZE);
}

static bool slot_idle(struct object *o, uint64_t index)
{
    slot_t *slot;
    bool idle;

    spin_lock(&o->lock);
    slot = object_slot(o, index);
    idle = slot == NULL || !(*slot & SLOT_BUSY);
    spin_unlock(&o->lock);
    return idle;
}

/* Puts `pa` at an empty slot.  Return: 0, -EEXIST (someone was faster), -ENOMEM. */
static err_t slot_fill(struct object *o, uint64_t index, paddr_t pa, unsigned state)
{
    err_t err = -ENOMEM;
    slot_t *slot;

    spin_lock(&o->lock);
    slot = radix_make(o, index);
    if (slot != NULL && *slot != 0) {
        err = -EEXIST;
    } else if (slot != NULL) {
        object_frame_adopt(o, pa);
        atomic_store(slot, pa | state);
        object_pages_count(o, &pa, 1, 1);
        err = 0;
    }
    spin_unlock(&o->lock);
    return err;
}

/* The pager is done with a busy slot; on failure the slot becomes empty again. */
static void slot_finish(struct object *o, uint64_t index, paddr_t pa, bool ok)
{
    bool mine;
    slot_t *slot;

    spin_lock(&o->lock);
    slot = object_slot(o, index);
    mine = slot != NULL && *slot == (pa | SLOT_PRESENT | SLOT_BUSY);
    if (mine && ok) {
        atomic_store(slot, pa | SLOT_PRESENT);
    } else if (mine) {
        *slot = 0;
        object_pages_count(o, &pa, 1, -1);
        object_frame_disown(pa);
    }
    spin_unlock(&o->lock);
    if (mine && !ok)
        frame_put(pa); /* the tree's reference */
    waitq_wake_all(&o->busy);
}

/* Makes an absent page; -EEXIST: look again. */
static err_t page_create(struct object *o, uint64_t index, bool read, paddr_t *out)
{
    paddr_t pa = object_frame_alloc(o, index, FRAME_USER | (read ? 0 : FRAME_ZERO));
    err_t err;

    if (pa == PADDR_NONE)
        return -ENOMEM;
    frame_get(pa); /* one for the tree, one for the caller */
    err = slot_fill(o, index, pa, SLOT_PRESENT | (read ? SLOT_BUSY : 0));
    if (err) {
        frame_put(pa);
        frame_put(pa);
        return err;
    }
    if (read) {
        err = o->pager->read_page(o, index, pa);
        slot_finish(o, index, pa, err == 0);
        if (err) {
            frame_put(pa);
            return err;
        }
    }
    *out = pa;
    return 0;
}

/* What the slot of `index` holds; with a reference when it is ready. */
static slot_t slot_get(struct object *o, uint64_t index)
{
    slot_t *slot, value;

    brlock_read(&object_lookups);
    slot = object_slot(o, index);
    value = slot != NULL ? atomic_load(slot) : 0;
    if (slot_ready(value))
        frame_get(slot_frame(value));
    brlock_read_done(&object_lookups);
    return value;
}

err_t object_page(struct object *o, uint64_t index, unsigned flags, paddr_t *out)
{
    bool read = o->pager != NULL && o->pager->read_page != NULL && !(flags & OBJECT_NOZERO);
    slot_t value;
    err_t err;

    for (;;) {
        value = slot_get(o, index);
        if (slot_ready(value)) {
            *out = slot_frame(value);
            return 0;
        }
        if (value & SLOT_BUSY) {
            wait_event(&o->busy, slot_idle(o, index));
            continue;
        }
        if (!(flags & OBJECT_CREATE)) {
            *out = PADDR_NONE;
            return 0;
        }
        err = page_create(o, index, read, out);
        if (err != -EEXIST)
            return err;
    }
}

unsigned object_pages_present(struct object *o, uint64_t index, paddr_t *out, unsigned max)
{
    slot_t *slot = NULL, value;
    unsigned n = 0;

    brlock_read(&object_lookups);
    for (; n < max; n++, index++) {
        slot = radix_after(o, slot, index);
        value = slot != NULL ? atomic_load(slot) : 0;
        if (!slot_ready(value))
            break;
        out[n] = slot_frame(value);
        frame_get(out[n]);
    }
    brlock_read_done(&object_lookups);
    return n;
}

err_t object_insert(struct object *o, uint64_t index, paddr_t frame)
{
    return slot_fill(o, index, frame, SLOT_PRESENT);
}

err_t object_read(struct object *o, uint64_t offset, void *buf, size_t n)
{
    unsigned flags = o->pager != NULL && o->pager->read_page != NULL ? OBJECT_CREATE : 0;
    uint8_t *to = buf;

    while (n > 0) {
        size_t skip = offset % PAGE_SIZE, part = MIN(n, PAGE_SIZE - skip);
        paddr_t pa;
        err_t err = object_page(o, offset >> PAGE_SHIFT, flags, &pa);

        if (err)
            return err;
        if (pa == PADDR_NONE) {
            memset(to, 0, part);
        } else {
            memcpy(to, (uint8_t *)phys_to_virt(pa) + skip, part);
            frame_put(pa);
        }
        offset += part;
        to += part;
        n -= part;
    }
    return 0;
}

/* ---- pages go away ------------------------------------------------------------------------- */

#define REMOVE_BATCH 64

struct unmap_job {
    uint64_t from, to;
    unsigned zap_flags;
};

static bool unmap_region(struct region *r, void *arg)
{
    const struct unmap_job *j = arg;
    uint64_t first = r->offset >> PAGE_SHIFT, last = first + region_pages(r);
    uint64_t low = MAX(first, j->from), high = MIN(last, j->to);

    if (low < high)
        table_zap(r, r->start + ((low - first) << PAGE_SHIFT),
                  r->start + ((high - first) << PAGE_SHIFT), j->zap_flags);
    return true;
}

/* Removes entries for pages [from, to) (indices; `to` exclusive) from every mapping. */
static void unmap_everywhere(struct object *o, uint64_t from, uint64_t to, unsigned zap_flags)
{
    struct unmap_job job = { .from = from, .to = to, .zap_flags = zap_flags };

    object_maps_walk(o, unmap_region, &job);
}

void object_unmap_page(struct object *o, uint64_t index)
{
    unmap_everywhere(o, index, index + 1, ZAP_CACHE_ONLY);
}

void object_unmap_pages(struct object *o, uint64_t from, uint64_t to)
{
    unmap_everywhere(o, from, to, ZAP_CACHE_ONLY);
}

/* A batch of remove_pages().  `known`: others may look for pages meanwhile. */
static unsigned take_pages(struct object *o, uint64_t *next, uint64_t to, paddr_t *batch, bool known)
{
    unsigned n;

    if (known)
        brlock_write(&object_lookups);
    spin_lock(&o->lock);
    n = radix_take(o, next, to, batch, REMOVE_BATCH);
    if (o->pages == 0)
        radix_free(o);
    spin_unlock(&o->lock);
    if (known)
        brlock_write_done(&object_lookups);
    frames_count(o, batch, n, -1);
    return n;
}

/*
 * Takes the pages [from, to) out of the tree.  They keep their owner until no mapping has them:
 * table_zap knows them by it.
 */
static void remove_pages(struct object *o, uint64_t from, uint64_t to, bool known)
{
    paddr_t batch[REMOVE_BATCH];
    uint64_t next = from;

    while (next < to && atomic_load_relaxed(&o->root) != 0) {
        uint64_t start = next;
        unsigned n = take_pages(o, &next, to, batch, known);

        if (known && n > 0)
            unmap_everywhere(o, start, next, ZAP_CACHE_ONLY);
        for (unsigned i = 0; i < n; i++) {
            object_frame_disown(batch[i]);
            frame_put(batch[i]);
        }
    }
    waitq_wake_all(&o->busy);
}

/* Zeroes bytes [from, to) of one page when it is there. */
static void zero_part(struct object *o, uint64_t from, uint64_t to)
{
    paddr_t pa;

    if (from >= to || object_page(o, from >> PAGE_SHIFT, 0, &pa) != 0 || pa == PADDR_NONE)
        return;
    memset((uint8_t *)phys_to_virt(pa) + from % PAGE_SIZE, 0, to - from);
    object_written(pa, 1);
    frame_put(pa);
}

void object_truncate(struct object *o, uint64_t size)
{
    uint64_t old;

    spin_lock(&o->lock);
    old = o->size;
    atomic_store_relaxed(&o->size, size);
    spin_unlock(&o->lock);
    if (size >= old)
        return;
    /* From here on a fault beyond the new end gets SIGBUS: it looks at the size under pt_lock. */
    unmap_everywhere(o, PAGES(size), UINT64_MAX, 0);
    /* A file that grows meanwhile lets faults in again: what they enter goes with its page. */
    remove_pages(o, PAGES(size), UINT64_MAX, true);
    zero_part(o, size, ALIGN_UP(size, PAGE_SIZE));
}

void object_punch(struct object *o, uint64_t start, uint64_t end)
{
    uint64_t first = PAGES(start), last = end >> PAGE_SHIFT;

    if (first > last) { /* inside one page */
        zero_part(o, start, end);
        return;
    }
    zero_part(o, start, first << PAGE_SHIFT);
    zero_part(o, last << PAGE_SHIFT, end);
    remove_pages(o, first, last, true);
}

void object_fini(struct object *o)
{
    object_maps_fini(o);
    remove_pages(o, 0, UINT64_MAX, false);
    K_ASSERT(o->pages == 0);
    object_policies_free(o);
}

uint64_t object_next_page(struct object *o, uint64_t from)
{
    uint64_t index;

    spin_lock(&o->lock);
    index = radix_next(o, from);
    spin_unlock(&o->lock);
    return index;
}
