// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: kmalloc and kfree.
 *
 * Model.  An arena is a run of frames cut into blocks without gaps:
 *
 *     | arena | head payload ... | head payload ... | ... | end |
 *               block              block                   a head of size 0
 *
 * A block's size is a multiple of 32, and blocks start at multiples of 32; so payloads lie 16 bytes
 * behind those and never at the start of a page: a page-aligned pointer is one of whole frames.
 * The head knows its own size and that of the block before (Knuth's boundary tags, "The Art of
 * Computer Programming", 2.5), so a freed block merges with both neighbours in O(1).
 *
 * Free blocks hang in bins by the power of two of their size; a request is served first-fit from
 * its own bin and, failing that, from the first larger bin that is not empty, where any block fits.
 *
 * Above are size classes, one for each block size, as lists per CPU.  A block on such a list counts
 * as used below.  Allocating and freeing there takes no lock.  Lists are filled by little (BATCH_BYTES), but
 * keep more (KEEP_BYTES): a CPU that makes and frees the same things again and again, a few processes at a
 * time (proc/process.c's graves), comes below only when it has more of them than ever before.
 *
 * Arenas and bins are one set for each memory node.  A CPU fills its lists from its own node's, then
 * from a new arena there, then from its neighbours by distance; a drained block goes back to the node
 * that its frame belongs to.
 *
 * Debug builds put the request's size, its caller and the current mark into the head, REDZONE bytes
 * behind the request, and fill freed payloads.  The address sanitizer knows all of it.
 *
 * Locking: LOCK_HEAP, one for each node and never two at once, guards arenas and bins; the lists belong to
 * their CPU with interrupts off.  When memory is short another CPU has them handed over (smp_call), perhaps
 * where their CPU waits for a lock with interrupts off: what is known of a list before such a wait is only an
 * upper bound after it.
 * Invariants (heap_check): (1) blocks tile their arena; (2) no two free blocks are neighbours;
 * (3) exactly the free blocks are in bins, each in its own; (4) the counts add up.
 */
#define LOG_TAG "heap"
#include <core/ktest.h>
#include <core/log.h>
#include <core/panic.h>
#include <core/smp.h>
#include <core/spinlock.h>
#include <hal/cpu.h>
#include <lib/list.h>
#include <lib/sanitize.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/numa.h>
#include <mm/vmap.h>

#ifdef CONFIG_DEBUG
#define DEBUG 1
#else
#define DEBUG 0
#endif

#define GRAIN 32u
#define REDZONE (DEBUG ? 16u : 0u)
#define HEAP_LARGE 3072u
#define CLASSES ((HEAP_LARGE + REDZONE + (unsigned)sizeof(struct head) + GRAIN - 1) / GRAIN + 1)
#define ARENA_FRAMES 16u
#define EMPTY_MAX 8u /* arenas; beyond it half of them go back to the frames */
#define BINS 12
#define BATCH_BYTES 2048u
#define BATCH_MAX 16u
#define KEEP_BYTES 16384u /* that one list may hold, at least KEEP_MIN blocks */
#define KEEP_MIN 8u
#define POISON_FREE 0x6b
#define POISON_ZONE 0xbb

enum { STATE_FREE = 1, STATE_USED = 2, STATE_CACHED = 3, STATE_END = 4, STATE_MASK = 7 };

struct head {
    uint32_t size_state; /* bytes with this head | STATE_* */
    uint32_t prev_size; /* of the block before, 0: none */
    uint32_t request; /* debug: bytes asked for */
    uint32_t mark_caller; /* debug: see caller_pack */
};

struct arena {
    struct list link;
    size_t frames;
    uint64_t spare;
};

_Static_assert(sizeof(struct head) == 16 && sizeof(struct arena) == GRAIN, "layout of an arena");

/* A free payload: of a bin, or on a class's list.  There debug builds leave the first word, which is
 * often a count of references, poisoned. */
union payload {
    struct list bin;
    struct {
#if DEBUG
        uint64_t poison;
#endif
        union payload *next;
    };
};

struct class_list {
    union payload *first;
    uint32_t count, max; /* beyond max it is drained to half */
};

struct heap_cache {
    struct class_list list[CLASSES];
};

struct heap_node {
    struct spinlock lock;
    struct list arenas; /* the empty ones first; lock */
    struct list bins[BINS]; /* lock */
    uint32_t bins_used; /* lock: bit n: bins[n] is not empty */
    size_t arena_frames, free_bytes, arena_count, arenas_empty; /* lock */
    size_t large_frames; /* outside of arenas; atomic */
};

static struct heap_node heaps[NODE_MAX];
static struct heap_cache boot_cache;
#if DEBUG
static uint32_t mark; /* heap_mark's counter, 8 bits of it go into heads */
#endif

/* --- heads --- */

static inline size_t head_size(const struct head *h)
{
    return h->size_state & ~(uint32_t)STATE_MASK;
}

static inline unsigned head_state(const struct head *h)
{
    return h->size_state & STATE_MASK;
}

static inline struct head *head_of(const void *payload)
{
    return (struct head *)((uintptr_t)payload - sizeof(struct head));
}

static inline union payload *payload_of(struct head *h)
{
    return (union payload *)(h + 1);
}

static inline struct head *head_next(const struct head *h)
{
    return (struct head *)((uintptr_t)h + head_size(h));
}

static inline struct head *head_prev(const struct head *h)
{
    return (struct head *)((uintptr_t)h - h->prev_size);
}

static inline struct head *arena_first(struct arena *a)
{
    return (struct head *)(a + 1);
}

static inline bool arena_is_empty(const struct head *h)
{
    return h->prev_size == 0 && head_state(head_next(h)) == STATE_END;
}

static inline bool is_frames(const void *p)
{
    return IS_ALIGNED((uintptr_t)p, PAGE_SIZE);
}

static inline struct heap_node *heap_of(const void *p)
{
    return &heaps[numa.count == 1 ? 0 : frame_of(virt_to_phys(p))->node];
}

/* --- bins; the heap's lock held --- */

static inline unsigned bin_of(size_t size)
{
    unsigned bin = 63 - (unsigned)__builtin_clzll(size / GRAIN);

    return MIN(bin, BINS - 1);
}

static void bin_add(struct heap_node *n, struct head *h)
{
    unsigned bin = bin_of(head_size(h));

    list_add_head(&n->bins[bin], &payload_of(h)->bin);
    n->bins_used |= 1u << bin;
    n->free_bytes += head_size(h);
}

static void bin_remove(struct heap_node *n, struct head *h)
{
    unsigned bin = bin_of(head_size(h));

    list_del(&payload_of(h)->bin);
    if (list_empty(&n->bins[bin]))
        n->bins_used &= ~(1u << bin);
    n->free_bytes -= head_size(h);
}

static struct head *bin_first_fit(struct heap_node *n, unsigned bin, size_t size)
{
    union payload *p;

    list_for_each(p, &n->bins[bin], bin)
        if (head_size(head_of(p)) >= size)
            return head_of(p);
    return NULL;
}

/* --- blocks; the heap's lock held --- */

static void head_set(struct head *h, size_t size, unsigned state)
{
    h->size_state = (uint32_t)size | state;
    head_next(h)->prev_size = (uint32_t)size;
}

/* Cuts a used block of `size` off the front of the free block h, which has left its bin. */
static void block_split(struct heap_node *n, struct head *h, size_t size)
{
    size_t rest = head_size(h) - size;

    if (rest != 0) {
        struct head *tail = (struct head *)((uintptr_t)h + size);

        tail->prev_size = (uint32_t)size;
        head_set(tail, rest, STATE_FREE);
        bin_add(n, tail);
        h->size_state = (uint32_t)size | STATE_USED;
    } else {
        head_set(h, size, STATE_USED);
    }
}

/* The free block h has come to be, or is about to be taken: perhaps it is all of its arena. */
static void arena_note_empty(struct heap_node *n, struct head *h, bool empty)
{
    struct arena *a = (struct arena *)h - 1;

    if (!arena_is_empty(h))
        return;
    list_del(&a->link);
    if (empty)
        list_add_head(&n->arenas, &a->link);
    else
        list_add_tail(&n->arenas, &a->link);
    n->arenas_empty += empty ? 1 : (size_t)-1;
}

static struct head *block_take(struct heap_node *n, size_t size)
{
    unsigned bin = bin_of(size);
    struct head *h = n->bins_used & 1u << bin ? bin_first_fit(n, bin, size) : NULL;

    if (h == NULL) {
        uint32_t larger = bin < BINS - 1 ? n->bins_used >> (bin + 1) : 0;

        if (larger == 0)
            return NULL;
        bin += 1 + (unsigned)__builtin_ctz(larger);
        h = head_of(list_first(&n->bins[bin], union payload, bin));
    }
    arena_note_empty(n, h, false);
    bin_remove(n, h);
    block_split(n, h, size);
    return h;
}

static void block_give(struct heap_node *n, struct head *h)
{
    struct head *next = head_next(h);
    size_t size = head_size(h);

    if (head_state(next) == STATE_FREE) {
        bin_remove(n, next);
        size += head_size(next);
    }
    if (h->prev_size != 0 && head_state(head_prev(h)) == STATE_FREE) {
        h = head_prev(h);
        bin_remove(n, h);
        size += head_size(h);
    }
    head_set(h, size, STATE_FREE);
    bin_add(n, h);
    arena_note_empty(n, h, true);
}

/* --- arenas --- */

static paddr_t arena_frames_alloc(unsigned flags, size_t *frames)
{
    paddr_t pa;

    *frames = ARENA_FRAMES;
    pa = frame_alloc_contiguous(ARENA_FRAMES, PAGE_SIZE, flags);
    if (pa != PADDR_NONE)
        return pa;
    *frames = 1;
    return frame_alloc(flags);
}

/* Without a lock: frames, and shrinkers behind them, have locks of their own.  The arena belongs to
 * the node that its frames come from. */
static bool arena_add(unsigned frame_flags)
{
    size_t frames, bytes;
    paddr_t pa = arena_frames_alloc(frame_flags, &frames);
    struct heap_node *n;
    struct arena *a;
    unsigned long flags;
    struct head *h, *end;

    if (pa == PADDR_NONE)
        return false;
    frame_of(pa)->flags = FRAME_IS_HEAP;
    a = phys_to_virt(pa);
    n = heap_of(a);
    a->frames = frames;
    bytes = frames * PAGE_SIZE - sizeof(*a) - GRAIN;
    h = arena_first(a);
    h->prev_size = 0;
    end = (struct head *)((uintptr_t)h + bytes);
    end->size_state = STATE_END;
    flags = spin_lock_irqsave(&n->lock);
    list_add_head(&n->arenas, &a->link);
    head_set(h, bytes, STATE_FREE);
    bin_add(n, h);
    n->arena_frames += frames;
    n->arena_count++;
    n->arenas_empty++;
    spin_unlock_irqrestore(&n->lock, flags);
    return true;
}

static void arena_frames_free(struct arena *a)
{
    paddr_t pa = virt_to_phys(a);

    frame_of(pa)->flags = 0;
    if (a->frames == 1)
        frame_put(pa);
    else
        frame_free_contiguous(pa, a->frames);
}

/* Takes an arena that is one free block out of the heap. The heap's lock held. */
static void arena_detach(struct heap_node *n, struct arena *a)
{
    bin_remove(n, arena_first(a));
    list_del(&a->link);
    n->arena_frames -= a->frames;
    n->arena_count--;
    n->arenas_empty--;
}

/* Takes empty arenas out until `keep` are left, at most `frames` frames or a little more. */
static void arenas_take(struct heap_node *n, size_t keep, size_t frames, struct list *out)
{
    size_t taken = 0;

    while (n->arenas_empty > keep && taken < frames) {
        struct arena *a = list_first(&n->arenas, struct arena, link);

        K_DEBUG_ASSERT(head_state(arena_first(a)) == STATE_FREE && arena_is_empty(arena_first(a)));
        arena_detach(n, a);
        list_add_tail(out, &a->link);
        taken += a->frames;
    }
}

/* Return: how many frames they were. */
static size_t arenas_free(struct list *arenas)
{
    struct arena *a, *tmp;
    size_t frames = 0;

    list_for_each_safe(a, tmp, arenas, link) {
        frames += a->frames;
        arena_frames_free(a);
    }
    return frames;
}

/* Frees empty arenas of a node until `keep` are left. */
static void arenas_release(struct heap_node *n, size_t keep)
{
    struct list out = LIST_INIT(out);
    unsigned long flags = spin_lock_irqsave(&n->lock);

    arenas_take(n, keep, SIZE_MAX, &out);
    spin_unlock_irqrestore(&n->lock, flags);
    (void)arenas_free(&out);
}

/*
 * Calls take(heap, arg) for the heaps in the order in which the running CPU should use them until one
 * gives something; with new arenas where that is better than a node farther away.  NULL: no memory.
 */
static void *heaps_take(void *(*take)(struct heap_node *n, void *arg), void *arg)
{
    for (;;) {
        unsigned home = frame_near_node(cpu_current()->node);
        void *p = take(&heaps[home], arg);

        if (p == NULL && numa.count > 1 && arena_add(FRAME_NODE_ONLY | FRAME_NO_SHRINK))
            p = take(&heaps[home], arg);
        for (unsigned i = 0; p == NULL && i < numa.count; i++)
            if (numa.order[home][i] != home)
                p = take(&heaps[numa.order[home][i]], arg);
        if (p != NULL || !arena_add(0))
            return p;
    }
}

/* --- debugging: heads, red zones, poison --- */

#if DEBUG

/* The caller's distance from this file's code, in units of 4 bytes, 24 bits; and 8 bits of mark. */
static uint32_t caller_pack(uintptr_t caller)
{
    return ((uint32_t)((caller - (uintptr_t)kmalloc) >> 2) & 0xffffff) | mark << 24;
}

static uintptr_t caller_unpack(uint32_t packed)
{
    int64_t distance = (int32_t)(packed << 8) >> 6;

    return (uintptr_t)kmalloc + (uintptr_t)distance;
}

static __unsanitized void bytes_fill(uint8_t *p, uint8_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((volatile uint8_t *)p)[i] = v;
}

static __unsanitized bool bytes_are(const uint8_t *p, uint8_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((const volatile uint8_t *)p)[i] != v)
            return false;
    return true;
}

static size_t zone_size(const struct head *h)
{
    return head_size(h) - sizeof(*h) - h->request;
}

/* A block from a class's list still has its poison, but for the link. */
static void debug_untouched(const struct head *h)
{
    const uint8_t *p = (const uint8_t *)(h + 1);
    size_t n = head_size(h) - sizeof(*h);

    if (bytes_are(p, POISON_FREE, 8) && bytes_are(p + 16, POISON_FREE, n - 16))
        return;
    for (size_t i = 0; i < n; i++)
        if ((i < 8 || i >= 16) && !bytes_are(p + i, POISON_FREE, 1))
            panic("%p of %zu bytes, freed, allocated by %#lx, was written at %zu: %02x", p, n,
                  caller_unpack(h->mark_caller), i, ((const volatile uint8_t *)p)[i]);
}

static void *debug_alloc(void *p, size_t size, uintptr_t caller)
{
    struct head *h = head_of(p);

    if (head_state(h) == STATE_CACHED)
        debug_untouched(h);
    h->size_state = (uint32_t)head_size(h) | STATE_USED;
    h->request = (uint32_t)size;
    h->mark_caller = caller_pack(caller);
    san_unpoison(p, size);
    san_poison((char *)p + size, zone_size(h));
    bytes_fill((uint8_t *)p + size, POISON_ZONE, zone_size(h));
    return p;
}

static void debug_free(void *p)
{
    struct head *h = head_of(p);

    if (head_state(h) != STATE_USED)
        panic("kfree(%p): %s", p, head_state(h) == STATE_CACHED || head_state(h) == STATE_FREE
                                      ? "freed twice" : "not a block of the heap");
    if (!bytes_are((uint8_t *)p + h->request, POISON_ZONE, zone_size(h)))
        panic("kfree(%p): written behind its %u bytes, allocated by %#lx", p, h->request,
              caller_unpack(h->mark_caller));
    h->size_state = (uint32_t)head_size(h) | STATE_CACHED;
    bytes_fill(p, POISON_FREE, head_size(h) - sizeof(*h));
    san_poison(p, head_size(h) - sizeof(*h));
}

#else

static inline void *debug_alloc(void *p, size_t size, uintptr_t caller)
{
    (void)size, (void)caller;
    return p;
}

static inline void debug_free(void *p)
{
    (void)p;
}

#endif

/* Before a payload goes back below the classes, where heads may come to stand in it. */
static inline void payload_open(struct head *h)
{
    san_unpoison(payload_of(h), head_size(h) - sizeof(*h));
}

/* --- classes; interrupts off --- */

static __unsanitized void class_push(struct class_list *l, union payload *p)
{
    *(union payload *volatile *)&p->next = l->first;
    l->first = p;
    l->count++;
}

static __unsanitized union payload *class_pop(struct class_list *l)
{
    union payload *p = l->first;

    l->first = *(union payload *volatile *)&p->next;
    l->count--;
    return p;
}

static inline unsigned class_batch(unsigned class)
{
    return CLAMP(BATCH_BYTES / (class * GRAIN), 1u, BATCH_MAX);
}

/* Cuts a used block into `n` used blocks of `size`, all but the first onto the list. */
static void block_carve(struct class_list *l, struct head *h, size_t size, unsigned n)
{
    struct head *part = h;

    for (unsigned i = 0; i < n; i++) {
        uint32_t prev = i == 0 ? h->prev_size : (uint32_t)size;

        part->prev_size = prev;
        part->size_state = (uint32_t)size | (i == 0 ? STATE_USED : STATE_CACHED);
        if (DEBUG)
            memset(payload_of(part), POISON_FREE, size - sizeof(*part));
        if (i != 0)
            class_push(l, payload_of(part));
        part = (struct head *)((uintptr_t)part + size);
    }
    part->prev_size = (uint32_t)size;
}

/* One block of class *arg, and with luck a batch of its like for the running CPU's list. */
static void *class_fill(struct heap_node *heap, void *arg)
{
    unsigned class = *(unsigned *)arg, n;
    unsigned long flags = hal_irq_save();
    struct heap_cache *c = cpu_current()->heap;
    size_t size = class * GRAIN;
    struct head *h;

    n = c != NULL ? class_batch(class) : 1;
    spin_lock(&heap->lock);
    h = block_take(heap, n * size);
    if (h != NULL) {
        block_carve(c != NULL ? &c->list[class] : NULL, h, size, n);
    } else if (n > 1) {
        h = block_take(heap, size);
    }
    spin_unlock(&heap->lock);
    hal_irq_restore(flags);
    return h != NULL ? payload_of(h) : NULL;
}

static __noinline void *class_alloc_slow(unsigned class)
{
    return heaps_take(class_fill, &class);
}

/* Unlocks, and gives back what the heap has too much of. */
static void class_drained(struct heap_node *n)
{
    bool surplus;

    if (n == NULL)
        return;
    surplus = n->arenas_empty > EMPTY_MAX;
    spin_unlock(&n->lock);
    if (unlikely(surplus))
        arenas_release(n, EMPTY_MAX / 2);
}

/* Interrupts off. */
static void class_drain(struct class_list *l, uint32_t keep)
{
    struct heap_node *locked = NULL;

    while (l->count > keep) {
        struct head *h = head_of(class_pop(l));
        struct heap_node *n = heap_of(h);

        if (n != locked) {
            class_drained(locked);
            spin_lock(&n->lock);
            locked = n;
        }
        payload_open(h);
        block_give(n, h);
    }
    class_drained(locked);
}

static __noinline void class_free_slow(struct class_list *l)
{
    class_drain(l, l->max / 2);
}

/* --- the lists of all CPUs --- */

static __unsanitized union payload *payload_next(const union payload *p)
{
    return *(union payload *const volatile *)&p->next;
}

static __unsanitized void payload_set_next(union payload *p, union payload *next)
{
    *(union payload *volatile *)&p->next = next;
}

/* Puts a whole list in front of the chain *haul, which others lengthen, too. */
static void list_hand_over(struct class_list *l, union payload **haul)
{
    union payload *first = l->first, *last = first, *rest = atomic_load(haul);

    if (first == NULL)
        return;
    for (union payload *p; (p = payload_next(last)) != NULL;)
        last = p;
    l->first = NULL;
    l->count = 0;
    do
        payload_set_next(last, rest);
    while (!atomic_cas(haul, &rest, first));
}

/* On the lists' CPU, interrupts off, perhaps in the middle of its waiting for a lock. */
static void cache_hand_over(void *haul)
{
    struct heap_cache *c = cpu_current()->heap;

    for (unsigned class = 1; c != NULL && class < CLASSES; class++)
        list_hand_over(&c->list[class], haul);
}

/* A block whose heap is busy while others wait for memory goes onto the running CPU's list.  Interrupts off. */
static bool haul_lock(struct heap_node *n, bool try, union payload *p)
{
    struct heap_cache *c = cpu_current()->heap;

    if (try && c != NULL) {
        if (spin_try(&n->lock))
            return true;
        class_push(&c->list[head_of(p)->size_state / GRAIN], p);
        return false;
    }
    spin_lock(&n->lock);
    return true;
}

/* Gives what is on all CPUs' lists back to the heaps.  try: without waiting for a lock.  Return: any? */
static bool caches_drain(bool try)
{
    unsigned long flags = hal_irq_save();
    union payload *haul = NULL;
    struct heap_node *locked = NULL;
    bool any = false;

    cache_hand_over(&haul);
    smp_call_others(cache_hand_over, &haul);
    for (union payload *p = haul, *next; p != NULL; p = next) {
        struct heap_node *n = heap_of(p);

        next = payload_next(p);
        if (n != locked) {
            class_drained(locked);
            locked = NULL;
            if (!haul_lock(n, try, p))
                continue;
            locked = n;
        }
        payload_open(head_of(p));
        block_give(n, head_of(p));
        any = true;
    }
    class_drained(locked);
    hal_irq_restore(flags);
    return any;
}

/* --- whole frames --- */

static __noinline void *frames_alloc(size_t size)
{
    size_t n = PAGES(size);
    paddr_t pa;

    if (size > SIZE_MAX / 2)
        return NULL;
    pa = n == 1 ? frame_alloc(0) : frame_alloc_contiguous(n, PAGE_SIZE, 0);
    if (pa == PADDR_NONE)
        return NULL;
    frame_of(pa)->flags = FRAME_IS_HEAP;
    frame_of(pa)->owner = (void *)n;
    atomic_fetch_add(&heap_of(phys_to_virt(pa))->large_frames, n);
    return phys_to_virt(pa);
}

static size_t frames_count(const void *p)
{
    const struct frame *f = frame_of(virt_to_phys(p));

    K_ASSERT((f->flags & FRAME_IS_HEAP) && f->owner != NULL);
    return (size_t)f->owner;
}

static __noinline void frames_free(void *p)
{
    paddr_t pa = virt_to_phys(p);
    size_t n = frames_count(p);

    frame_of(pa)->flags = 0;
    frame_of(pa)->owner = NULL;
    atomic_fetch_sub(&heap_of(p)->large_frames, n);
    if (n == 1)
        frame_put(pa);
    else
        frame_free_contiguous(pa, n);
}

/* --- a CPU without lists --- */

static __noinline void block_free(struct head *h)
{
    struct heap_node *n = heap_of(h);
    unsigned long flags = spin_lock_irqsave(&n->lock);
    bool surplus;

    payload_open(h);
    block_give(n, h);
    surplus = n->arenas_empty > 1;
    spin_unlock_irqrestore(&n->lock, flags);
    if (surplus)
        arenas_release(n, 1);
}

/* --- the interface --- */

static inline void *alloc_from(size_t size, uintptr_t caller)
{
    size_t need = size + REDZONE;
    unsigned class = (unsigned)((need + sizeof(struct head) + GRAIN - 1) / GRAIN);
    struct class_list *l;
    struct heap_cache *c;
    unsigned long flags;
    void *p;

    if (unlikely(size > HEAP_LARGE))
        return frames_alloc(size);
    if (unlikely(need == 0))
        class = 1;
    flags = hal_irq_save();
    c = cpu_current()->heap;
    if (unlikely(c == NULL || c->list[class].first == NULL)) {
        hal_irq_restore(flags);
        p = class_alloc_slow(class);
        return p != NULL ? debug_alloc(p, size, caller) : NULL;
    }
    l = &c->list[class];
    p = class_pop(l);
    hal_irq_restore(flags);
    return debug_alloc(p, size, caller);
}

#define CALLER ((uintptr_t)__builtin_return_address(0))

void *kmalloc(size_t size)
{
    return alloc_from(size, CALLER);
}

void *kzalloc(size_t size)
{
    void *p = alloc_from(size, CALLER);

    return p != NULL ? memset(p, 0, size) : NULL;
}

void *kcalloc(size_t n, size_t size)
{
    size_t bytes;
    void *p;

    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    p = alloc_from(bytes, CALLER);
    return p != NULL ? memset(p, 0, bytes) : NULL;
}

void kfree(void *p)
{
    struct class_list *l;
    struct heap_cache *c;
    unsigned long flags;
    unsigned class;

    if (p == NULL)
        return;
    if (unlikely(is_frames(p))) {
        frames_free(p);
        return;
    }
    debug_free(p);
    class = head_of(p)->size_state / GRAIN;
    flags = hal_irq_save();
    c = cpu_current()->heap;
    if (unlikely(c == NULL)) {
        hal_irq_restore(flags);
        block_free(head_of(p));
        return;
    }
    l = &c->list[class];
    class_push(l, p);
    if (unlikely(l->count > l->max))
        class_free_slow(l);
    hal_irq_restore(flags);
}

size_t kmalloc_size(const void *p)
{
    if (is_frames(p))
        return frames_count(p) * PAGE_SIZE;
    return DEBUG ? head_of(p)->request : head_size(head_of(p)) - sizeof(struct head);
}

size_t kmalloc_cost(const void *p)
{
    return is_frames(p) ? frames_count(p) * PAGE_SIZE : head_size(head_of(p));
}

void *krealloc(void *p, size_t size)
{
    size_t old;
    void *q;

    if (p == NULL)
        return alloc_from(size, CALLER);
    old = kmalloc_size(p);
    if (size <= old && size > old / 2 && !DEBUG)
        return p;
    q = alloc_from(size, CALLER);
    if (q == NULL)
        return NULL;
    memcpy(q, p, MIN(old, size));
    kfree(p);
    return q;
}

char *kstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = alloc_from(n, CALLER);

    return p != NULL ? memcpy(p, s, n) : NULL;
}

/* --- accounts --- */

static size_t cached_bytes(void)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < cpu_count; i++)
        for (unsigned class = 1; cpus[i]->heap != NULL && class < CLASSES; class++)
            bytes += (size_t)cpus[i]->heap->list[class].count * class * GRAIN;
    return bytes;
}

static size_t node_bytes_used(struct heap_node *n)
{
    unsigned long flags = spin_lock_irqsave(&n->lock);
    size_t overhead = n->arena_count * (sizeof(struct arena) + GRAIN);
    size_t used = n->arena_frames * PAGE_SIZE - overhead - n->free_bytes;

    spin_unlock_irqrestore(&n->lock, flags);
    return used + atomic_load_relaxed(&n->large_frames) * PAGE_SIZE;
}

uint64_t heap_bytes_used(void)
{
    size_t used = 0;

    for (unsigned i = 0; i < NODE_MAX; i++)
        used += node_bytes_used(&heaps[i]);
    return used - cached_bytes();
}

uint64_t heap_node_frames(unsigned node)
{
    const struct heap_node *n = &heaps[node];

    return node < NODE_MAX ? atomic_load_relaxed(&n->arena_frames) +
                                 atomic_load_relaxed(&n->large_frames) : 0;
}

uint64_t heap_frames(void)
{
    uint64_t frames = 0;

    for (unsigned i = 0; i < NODE_MAX; i++)
        frames += heap_node_frames(i);
    return frames;
}

uint64_t heap_spare_bytes(void)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < NODE_MAX; i++)
        bytes += atomic_load_relaxed(&heaps[i].free_bytes);
    return bytes;
}

/* --- giving memory back --- */

void heap_trim(void)
{
    (void)caches_drain(false);
    for (unsigned i = 0; i < NODE_MAX; i++)
        arenas_release(&heaps[i], 0);
}

/* Whoever allocates may hold locks of the heap's rank and beyond: see struct shrinker. */
static size_t empties_shrink(size_t frames)
{
    struct list out = LIST_INIT(out);
    unsigned long flags = hal_irq_save();
    size_t freed = 0;

    for (unsigned i = 0; i < NODE_MAX && freed < frames; i++) {
        struct heap_node *n = &heaps[i];

        if (atomic_load_relaxed(&n->arenas_empty) == 0 || !spin_try(&n->lock))
            continue;
        arenas_take(n, 0, frames - freed, &out);
        spin_unlock_raw(&n->lock);
        preempt_enable_no_resched();
        freed += arenas_free(&out);
        list_init(&out);
    }
    hal_irq_restore(flags);
    return freed;
}

/* The lists of all CPUs may be what keeps arenas from being empty. */
static size_t heap_shrink(size_t frames)
{
    size_t freed = empties_shrink(frames);

    if (freed < frames && cached_bytes() >= PAGE_SIZE && caches_drain(true))
        freed += empties_shrink(frames - freed);
    return freed;
}

static void heap_give_all(unsigned what)
{
    if (what & TRIM_OBJECTS)
        heap_trim();
}

/* --- checks --- */

/* Free bytes of the arena, or SIZE_MAX when it is broken. */
static size_t arena_check(struct arena *a)
{
    uintptr_t end = (uintptr_t)a + a->frames * PAGE_SIZE - GRAIN;
    struct head *h = arena_first(a);
    size_t free = 0, prev = 0;
    bool prev_free = false;

    for (; (uintptr_t)h < end; h = head_next(h)) {
        bool is_free = head_state(h) == STATE_FREE;

        if (head_size(h) < GRAIN || head_size(h) % GRAIN != 0 || h->prev_size != prev ||
            head_state(h) == STATE_END || (is_free && prev_free))
            return SIZE_MAX;
        free += is_free ? head_size(h) : 0;
        prev = head_size(h);
        prev_free = is_free;
    }
    return (uintptr_t)h == end && head_state(h) == STATE_END && h->prev_size == prev ? free
                                                                                     : SIZE_MAX;
}

static bool bins_check(struct heap_node *n)
{
    size_t bytes = 0;
    union payload *p;

    for (unsigned bin = 0; bin < BINS; bin++) {
        if (list_empty(&n->bins[bin]) == !!(n->bins_used & 1u << bin))
            return false;
        list_for_each(p, &n->bins[bin], bin) {
            if (head_state(head_of(p)) != STATE_FREE || bin_of(head_size(head_of(p))) != bin)
                return false;
            bytes += head_size(head_of(p));
        }
    }
    return bytes == n->free_bytes;
}

/* Do the empty arenas, and only these, lead the list? */
static bool empties_check(struct heap_node *node)
{
    size_t empty = 0, at = 0;
    struct arena *a;

    list_for_each(a, &node->arenas, link) {
        struct head *h = arena_first(a);

        if (head_state(h) == STATE_FREE && arena_is_empty(h) && empty++ != at)
            return false;
        at++;
    }
    return empty == node->arenas_empty;
}

static bool node_check(struct heap_node *node)
{
    unsigned long flags = spin_lock_irqsave(&node->lock);
    size_t free = 0, frames = 0;
    bool ok = bins_check(node);
    struct arena *a;

    list_for_each(a, &node->arenas, link) {
        size_t n = arena_check(a);

        ok = ok && n != SIZE_MAX && heap_of(a) == node;
        free += n;
        frames += a->frames;
    }
    ok = ok && free == node->free_bytes && frames == node->arena_frames && empties_check(node);
    spin_unlock_irqrestore(&node->lock, flags);
    return ok;
}

bool heap_check(void)
{
    for (unsigned i = 0; i < NODE_MAX; i++)
        if (!node_check(&heaps[i]))
            return false;
    return true;
}

#if DEBUG

void heap_mark(void)
{
    mark = (mark + 1) & 0xff;
}

static unsigned arena_report(struct arena *a, int level)
{
    unsigned n = 0;

    for (struct head *h = arena_first(a); head_state(h) != STATE_END; h = head_next(h)) {
        uintptr_t caller = caller_unpack(h->mark_caller);
        struct symbol s;

        if (head_state(h) != STATE_USED || h->mark_caller >> 24 != ((mark - 1) & 0xff))
            continue;
        s = symbol_find(caller);
        if (n++ < 10)
            log_write((enum log_level)level, LOG_TAG, "leak: %u bytes at %p by %#lx %s", h->request,
                      (void *)payload_of(h), caller, s.name != NULL ? s.name : "");
    }
    return n;
}

unsigned heap_leak_report(int level)
{
    unsigned n = 0;
    struct arena *a;

    /* No lock: the log must not be called under it, and who asks is alone with the heap. */
    for (unsigned i = 0; i < NODE_MAX; i++)
        list_for_each(a, &heaps[i].arenas, link)
            n += arena_report(a, level);
    return n;
}

#else

void heap_mark(void)
{
}

unsigned heap_leak_report(int level)
{
    (void)level;
    return 0;
}

#endif

/* --- start-up --- */

static uint64_t probe_bytes(void)
{
    vmap_trim();
    heap_trim();
    heap_mark();
    return heap_bytes_used();
}

static void probe_bytes_report(void)
{
    heap_leak_report(LOG_ERR);
}

static uint64_t probe_frames(void)
{
    return frame_total() - frame_free_count() - heap_frames();
}

static struct ktest_probe bytes_probe = { .name = "heap bytes in use", .read = probe_bytes,
                                          .report = probe_bytes_report };
static struct ktest_probe frames_probe = { .name = "frames in use", .read = probe_frames };

static struct heap_cache *cache_init(struct heap_cache *c)
{
    for (unsigned class = 1; class < CLASSES; class++)
        c->list[class].max = CLAMP(KEEP_BYTES / (class * GRAIN), KEEP_MIN, 2 * BATCH_MAX);
    return c;
}

static void node_init(struct heap_node *n)
{
    spin_init(&n->lock, LOCK_HEAP);
    list_init(&n->arenas);
    for (unsigned i = 0; i < BINS; i++)
        list_init(&n->bins[i]);
}

void heap_init(void)
{
    static struct shrinker shrinker = { .name = "heap", .shrink = heap_shrink,
                                        .trim = heap_give_all };

    for (unsigned i = 0; i < NODE_MAX; i++)
        node_init(&heaps[i]);
    cpu_current()->heap = cache_init(&boot_cache);
    frame_shrinker_add(&shrinker);
    ktest_probe_add(&frames_probe);
    ktest_probe_add(&bytes_probe); /* read first: it trims */
}

void heap_init_cpu(struct cpu *cpu)
{
    paddr_t pa = frame_alloc_node(cpu->node, FRAME_ZERO);

    _Static_assert(sizeof(struct heap_cache) <= PAGE_SIZE, "the lists fit in a frame");
    if (pa != PADDR_NONE)
        cpu->heap = cache_init(phys_to_virt(pa));
}
