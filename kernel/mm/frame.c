// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: physical memory in frames.
 *
 * Model: three stories.  Below, regions: the usable ranges of the boot record, each a bitmap with
 * summary levels (region.h), chained by memory node.  Above them a cache of single frames per CPU,
 * filled and drained a batch at a time, so that most allocations take no lock; it holds frames of one
 * node alone, the CPU's own or, when that has no memory, the nearest that has.  What another node
 * must give is taken one by one below.  Beside them the frame table, one record
 * for each frame of RAM; only its address range for RAM is mapped, and a record has a meaning from
 * the frame's first allocation on (a free frame's is never read), so the table needs no clearing
 * and start-up costs what the bitmap costs.
 *
 * Start-up: `taken` collects what must not be given out: the first MiB (firmware, start-up code of
 * other CPUs), the image, modules, the device tree, and what this file takes for bitmaps, the frame
 * table and page tables.  Taken frames are marked FRAME_IS_RESERVED; frame_release_boot frees some.
 *
 * Nodes: a request names a first node and a set; nodes of the set are asked by their distance from
 * the first.  Each node keeps its part of the reserve from FRAME_USER, so the kernel finds local
 * memory while any program fills a node.  Statistics have Linux's meaning (Documentation/admin-guide/
 * numastat.rst): the node that was wanted is the first one asked that has memory at all.
 *
 * Locking: LOCK_FRAME guards regions and counts; a CPU's cache belongs to that CPU with interrupts
 * off.  Who finds no frame calls the others to hand over theirs: that happens on the cache's own CPU, but
 * (smp_call) also where it waits for a lock with interrupts off.  So what is known of a cache before such a
 * wait is only an upper bound after it.  Shrinkers run without the lock.
 *
 * Invariants (frame_check): (1) a frame is in exactly one of: a bitmap, one CPU's cache, in use;
 * (2) the regions' own; (3) a cached frame's refs are 0.
 */
#define LOG_TAG "frame"
#include <core/log.h>
#include <core/panic.h>
#include <core/smp.h>
#include <core/spinlock.h>
#include <hal/boot.h>
#include <hal/cpu.h>
#include <lib/checked.h>
#include <lib/sanitize.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/numa.h>
#include <mm/region.h>

#define CACHE_FRAMES 64
#define CACHE_BATCH 32
#define LOW_RESERVED (1 * MiB)
#define TAKEN_MAX (BOOT_MODULES_MAX + BOOT_RANGES_MAX + 8)
#define SHRINK_BATCH 64
#define NO_REGION 0xffu
#define ALL_NODES UINT64_MAX

struct frame_cache {
    size_t count;
    uint64_t popped; /* frames that the cache itself gave out */
    unsigned node; /* of all its frames; constant */
    unsigned cpu_node; /* constant */
    paddr_t frame[CACHE_FRAMES];
    uint64_t stats[NODE_MAX][NUMA_STATS]; /* of what went past the cache */
};

struct frame_node {
    size_t free, total; /* frame_lock */
    size_t reserve; /* what FRAME_USER leaves here; constant */
    unsigned first; /* region; constant */
};

static struct spinlock frame_lock = SPINLOCK_INIT(LOCK_FRAME);
static struct frame_region regions[BOOT_RANGES_MAX]; /* frame_lock; the array itself constant */
static unsigned region_count;
static uint8_t region_next[BOOT_RANGES_MAX]; /* of the same node; NO_REGION: none; constant */
static size_t pool_free; /* frame_lock: sum of regions' free */
static size_t total; /* frame_lock */
static struct frame_node nodes[NODE_MAX]; /* frame_lock: their parts */
static struct {
    size_t by[FRAME_USES]; /* atomic */
} __aligned(64) uses[NODE_MAX];
static uint64_t early_tables; /* of the kernel's, those that are not counted above; constant */
static size_t reserve; /* frames that FRAME_USER leaves; constant */
static struct frame_cache boot_cache;
static struct shrinker *shrinkers; /* frame_lock for writing; never removed */
static bool shrinking; /* atomic */

/* --- the running CPU's cache --- */

static void frame_fresh(paddr_t pa, unsigned flags)
{
    struct frame *f = frame_of(pa);

    K_DEBUG_ASSERT(f->refs == 0);
    f->refs = 1;
    f->flags = 0;
    f->owner = NULL;
    san_unpoison(phys_to_virt(pa), PAGE_SIZE);
    if (flags & FRAME_ZERO)
        page_zero(phys_to_virt(pa));
}

/* From the bitmap to somebody: the record gets its meaning. */
static void frame_leaves_pool(paddr_t pa, const struct frame_region *r)
{
    *frame_of(pa) = (struct frame){ .node = (uint8_t)r->node, .region = (uint16_t)(r - regions) };
}

/* --- nodes --- */

/* The first node of the set with memory, by distance from `from`; `from` itself when none has. */
static unsigned node_nearest(unsigned from, uint64_t set)
{
    for (unsigned i = 0; i < numa.count; i++) {
        unsigned node = numa.order[from][i];

        if ((set >> node & 1) && nodes[node].total != 0)
            return node;
    }
    return from;
}

unsigned frame_near_node(unsigned node)
{
    return node_nearest(node < numa.count ? node : 0, ALL_NODES);
}

/* Where the running CPU finds memory first.  Interrupts off, or the answer may be old. */
static unsigned node_here(void)
{
    return frame_near_node(cpu_current()->node);
}

/* Counts n frames of `got` for a request that wanted `preferred`.  Interrupts off. */
static void stats_note(unsigned preferred, unsigned got, size_t n)
{
    const struct cpu *cpu = cpu_current();
    struct frame_cache *c = cpu->frames;

    if (c == NULL)
        return;
    if (got == preferred) {
        c->stats[got][NUMA_HIT] += n;
    } else {
        c->stats[got][NUMA_MISS] += n;
        c->stats[preferred][NUMA_FOREIGN] += n;
    }
    c->stats[got][got == cpu->node ? NUMA_LOCAL : NUMA_OTHER] += n;
}

static void stats_note_frames(unsigned preferred, const paddr_t *frame, size_t n)
{
    for (size_t i = 0; i < n; i++)
        stats_note(preferred, frame_of(frame[i])->node, 1);
}

void frame_note_interleaved(paddr_t pa)
{
    unsigned long irqs = hal_irq_save();
    struct frame_cache *c = cpu_current()->frames;

    if (c != NULL)
        c->stats[frame_of(pa)->node][NUMA_INTERLEAVE_HIT]++;
    hal_irq_restore(irqs);
}

void frame_node_stats(unsigned node, uint64_t out[NUMA_STATS])
{
    memset(out, 0, NUMA_STATS * sizeof(out[0]));
    for (unsigned i = 0; i < cpu_count; i++) {
        const struct frame_cache *c = cpus[i]->frames;

        if (c == NULL)
            continue;
        for (unsigned k = 0; k < NUMA_STATS; k++)
            out[k] += atomic_load_relaxed(&c->stats[node][k]);
        if (c->node == node) {
            uint64_t popped = atomic_load_relaxed(&c->popped);

            out[NUMA_HIT] += popped;
            out[c->cpu_node == node ? NUMA_LOCAL : NUMA_OTHER] += popped;
        }
    }
}

/* --- the pool; frame_lock held --- */

static void pool_count(const struct frame_region *r, size_t by)
{
    pool_free += by;
    nodes[r->node].free += by;
}

/* How many frames of a node a request may take. */
static size_t node_spare(const struct frame_node *n, unsigned flags)
{
    size_t kept = flags & FRAME_USER ? n->reserve : 0;

    return n->free > kept ? n->free - kept : 0;
}

static size_t node_take(unsigned node, paddr_t *out, size_t n, unsigned flags)
{
    size_t taken = 0;

    n = MIN(n, node_spare(&nodes[node], flags));
    for (unsigned i = nodes[node].first; taken < n && i != NO_REGION; i = region_next[i]) {
        struct frame_region *r = &regions[i];
        size_t got = r->free != 0 ? region_take(r, out + taken, n - taken) : 0;

        for (size_t k = 0; k < got; k++)
            frame_leaves_pool(out[taken + k], r);
        pool_count(r, -got);
        taken += got;
    }
    return taken;
}

/* Up to n frames of the nodes in `set`, by their distance from `from`. */
static size_t pool_take(unsigned from, uint64_t set, paddr_t *out, size_t n, unsigned flags)
{
    size_t taken = 0;

    for (unsigned i = 0; i < numa.count && taken < n; i++) {
        unsigned node = numa.order[from][i];

        if (set >> node & 1)
            taken += node_take(node, out + taken, n - taken, flags);
    }
    return taken;
}

/* Neighbours, as munmap() frees them, go back together. */
static void pool_give(const paddr_t *frame, size_t n)
{
    for (size_t i = 0, run; i < n; i += run) {
        pfn_t first = PFN(frame[i]);
        struct frame_region *r = &regions[frame_of(frame[i])->region];

        for (run = 1; i + run < n && frame[i + run] == PFN_ADDR(first + run); run++)
            if (unlikely(first + run == r->end))
                break;
        K_ASSERT(region_has(r, first));
        region_give(r, first, run);
        pool_count(r, run);
    }
}

static paddr_t node_take_run(unsigned node, size_t count, uint64_t align, unsigned flags)
{
    if (node_spare(&nodes[node], flags) < count)
        return PADDR_NONE;
    for (unsigned i = nodes[node].first; i != NO_REGION; i = region_next[i]) {
        struct frame_region *r = &regions[i];
        pfn_t pfn = region_take_run(r, count, align / PAGE_SIZE);

        if (pfn == PFN_NONE)
            continue;
        pool_count(r, -count);
        for (size_t n = 0; n < count; n++)
            frame_leaves_pool(PFN_ADDR(pfn + n), r);
        return PFN_ADDR(pfn);
    }
    return PADDR_NONE;
}

static paddr_t pool_take_run(unsigned from, size_t count, uint64_t align, unsigned flags)
{
    for (unsigned i = 0; i < numa.count; i++) {
        paddr_t pa = node_take_run(numa.order[from][i], count, align, flags);

        if (pa != PADDR_NONE) {
            stats_note(from, frame_of(pa)->node, count);
            return pa;
        }
        if (flags & FRAME_NODE_ONLY)
            break;
    }
    return PADDR_NONE;
}

/* --- the caches of all CPUs --- */

/* Free frames on their way out of caches, chained by their records' owner; atomic. */
struct haul {
    struct frame *first;
};

/* On the cache's CPU, interrupts off, perhaps in the middle of its waiting for a lock. */
static void cache_hand_over(void *arg)
{
    struct haul *haul = arg;
    struct frame_cache *c = cpu_current()->frames;
    struct frame *first = NULL, *last = NULL, *rest;

    for (size_t i = 0; i < c->count; i++) {
        struct frame *f = frame_of(c->frame[i]);

        if (first == NULL)
            last = f;
        f->owner = first;
        first = f;
    }
    c->count = 0;
    if (first == NULL)
        return;
    rest = atomic_load(&haul->first);
    do
        last->owner = rest;
    while (!atomic_cas(&haul->first, &rest, first));
}

/* Brings into the pool what all caches of the nodes in `set` hold.  Return: frames. */
static size_t caches_drain(uint64_t set)
{
    unsigned long irqs = hal_irq_save();
    const struct cpu *self = cpu_current();
    struct cpu_set full = { 0 };
    struct haul haul = { 0 };
    size_t n = 0;

    for (unsigned i = 0; i < cpu_count; i++) {
        const struct frame_cache *c = cpus[i]->frames;

        if (c != NULL && (set >> c->node & 1) && atomic_load_relaxed(&c->count) != 0)
            bitmap_set(full.bits, i);
    }
    if (bitmap_test(full.bits, self->id))
        cache_hand_over(&haul);
    smp_call(&full, cache_hand_over, &haul);
    spin_lock(&frame_lock);
    for (struct frame *f = haul.first, *next; f != NULL; f = next, n++) {
        paddr_t pa = PFN_ADDR((pfn_t)(f - (struct frame *)FRAME_TABLE_BASE));

        next = f->owner;
        pool_give(&pa, 1);
    }
    spin_unlock(&frame_lock);
    hal_irq_restore(irqs);
    return n;
}

/* --- shrinkers --- */

/* Asks the caches of other layers for memory; true when some came back. */
static bool shrink(size_t frames)
{
    size_t got = 0;

    if (atomic_xchg(&shrinking, true))
        return false; /* a shrinker that allocates, or another CPU at it */
    for (struct shrinker *s = atomic_load(&shrinkers); s != NULL && got < frames; s = s->next)
        if (s->shrink != NULL)
            got += s->shrink(frames - got);
    atomic_store(&shrinking, false);
    return got > 0;
}

bool frame_shrink(size_t frames)
{
    return shrink(frames);
}

size_t frame_drain(void)
{
    return caches_drain(ALL_NODES);
}

void frame_trim(unsigned what)
{
    for (struct shrinker *s = atomic_load(&shrinkers); s != NULL; s = s->next)
        if (s->trim != NULL)
            s->trim(what);
    if (what & TRIM_OBJECTS)
        (void)frame_drain();
}

/*
 * What an allocation does that found nothing, in turn: the nearest first.  *tries: 0 at the beginning.
 * Return: is it worth another look?
 */
static bool reclaim(unsigned *tries, uint64_t set, size_t frames)
{
    if (*tries == 0) {
        ++*tries;
        if (caches_drain(set) != 0)
            return true;
    }
    return (*tries)++ == 1 && shrink(frames);
}

void frame_shrinker_add(struct shrinker *s)
{
    unsigned long flags = spin_lock_irqsave(&frame_lock);

    s->next = shrinkers;
    atomic_store(&shrinkers, s);
    spin_unlock_irqrestore(&frame_lock, flags);
}

/* --- failure --- */

#define ENOUGH 64 /* frames above the reserve: nobody needs to die */
#define WAIT_FRAMES_MAX 64 /* who wants more in one piece has to do without */

bool frame_short(void)
{
    return frame_free_count() <= reserve + ENOUGH;
}

/* When there is memory, but not in one piece or not on the right node, nobody's death would help. */
static paddr_t nothing_found(size_t count, unsigned flags)
{
    if (!(flags & FRAME_NO_SHRINK) && count <= WAIT_FRAMES_MAX && frame_short())
        atomic_fetch_or(&hal_current()->pending, PENDING_MEMORY);
    return PADDR_NONE;
}

/* --- single frames --- */

static paddr_t cache_pop(struct frame_cache *c)
{
    c->popped++;
    return c->frame[--c->count];
}

/*
 * One frame for a caller that found none in the cache.  When it is the cache's node that is wanted,
 * fills the cache by the way.  Interrupts off.
 */
static paddr_t take_one(unsigned from, uint64_t set, unsigned flags)
{
    struct frame_cache *c = cpu_current()->frames;
    unsigned preferred = node_nearest(from, set);
    bool local = c != NULL && c->node == preferred && (set >> preferred & 1);
    paddr_t batch[CACHE_BATCH];
    size_t got = 0;

    /* It may have been filled since the caller looked: by a shrinker, by another thread. */
    if (local && c->count > 0)
        return cache_pop(c);
    spin_lock(&frame_lock);
    if (local)
        got = node_take(preferred, batch, CACHE_BATCH, flags);
    if (got == 0)
        got = pool_take(from, set, batch, 1, flags);
    spin_unlock(&frame_lock);
    if (got == 0) /* the last of a neighbour's may be here */
        return c != NULL && c->count > 0 && (set >> c->node & 1) ? cache_pop(c) : PADDR_NONE;
    stats_note(preferred, frame_of(batch[0])->node, 1);
    /* The lowest frame goes out first, so that neighbours stay neighbours. */
    for (size_t i = got; i > 1; i--)
        c->frame[c->count++] = batch[i - 1];
    return batch[0];
}

static __noinline paddr_t alloc_slow(unsigned from, uint64_t set, unsigned flags)
{
    for (unsigned tries = 0;;) {
        unsigned long irqs = hal_irq_save();
        paddr_t pa = take_one(from, set, flags);

        hal_irq_restore(irqs);
        if (pa != PADDR_NONE) {
            frame_fresh(pa, flags);
            return pa;
        }
        if ((flags & FRAME_NO_SHRINK) || !reclaim(&tries, set, SHRINK_BATCH))
            return nothing_found(1, flags);
    }
}

/* Of the running CPU's own node and its neighbours; it may run elsewhere a moment later. */
static __noinline paddr_t alloc_slow_here(unsigned flags)
{
    unsigned from = node_here();

    return alloc_slow(from, flags & FRAME_NODE_ONLY ? BIT(from) : ALL_NODES, flags);
}

paddr_t frame_alloc(unsigned flags)
{
    unsigned long irqs = hal_irq_save();
    struct frame_cache *c = cpu_current()->frames;
    paddr_t pa;

    if (unlikely(c == NULL || c->count == 0)) {
        hal_irq_restore(irqs);
        return alloc_slow_here(flags);
    }
    pa = c->frame[--c->count];
    c->popped++;
    hal_irq_restore(irqs);
    frame_fresh(pa, flags);
    return pa;
}

paddr_t frame_alloc_nodes(unsigned from, uint64_t set, unsigned flags)
{
    unsigned long irqs = hal_irq_save();
    struct frame_cache *c = cpu_current()->frames;
    paddr_t pa = PADDR_NONE;

    if (from >= numa.count)
        from = 0;
    if (c != NULL && c->count != 0 && (set >> c->node & 1) && node_nearest(from, set) == c->node) {
        pa = c->frame[--c->count];
        c->popped++;
    }
    hal_irq_restore(irqs);
    if (pa == PADDR_NONE)
        return alloc_slow(from, set, flags);
    frame_fresh(pa, flags);
    return pa;
}

paddr_t frame_alloc_node(unsigned node, unsigned flags)
{
    if (node >= NODE_MAX)
        return PADDR_NONE;
    return frame_alloc_nodes(node, flags & FRAME_NODE_ONLY ? BIT(node) : ALL_NODES, flags);
}

static __noinline void cache_drain(struct frame_cache *c)
{
    size_t n;

    /* The oldest go: the newest are the ones in the CPU's memory caches. */
    spin_lock(&frame_lock);
    n = MIN(c->count, CACHE_BATCH);
    pool_give(c->frame, n);
    spin_unlock(&frame_lock);
    c->count -= n;
    memmove(c->frame, c->frame + n, c->count * sizeof(c->frame[0]));
}

static void frame_free_foreign(const paddr_t *frame, size_t n)
{
    spin_lock(&frame_lock);
    pool_give(frame, n);
    spin_unlock(&frame_lock);
}

/* Whose frames belong into this cache: nobody's when there is none. */
static inline unsigned cache_node(const struct frame_cache *c)
{
    return c != NULL ? c->node : NODE_MAX;
}

void frame_free(paddr_t pa)
{
    unsigned long irqs = hal_irq_save();
    struct frame_cache *c = cpu_current()->frames;

    K_DEBUG_ASSERT(frame_of(pa)->refs == 0 && !(frame_of(pa)->flags & FRAME_IS_RESERVED));
    san_poison(phys_to_virt(pa), PAGE_SIZE);
    if (unlikely(frame_of(pa)->node != cache_node(c))) {
        frame_free_foreign(&pa, 1);
    } else {
        if (unlikely(c->count == CACHE_FRAMES))
            cache_drain(c);
        c->frame[c->count++] = pa;
    }
    hal_irq_restore(irqs);
}

#define PUT_RUN 32 /* frames between two looks at interrupts */

static void put_run(const paddr_t *frame, size_t count)
{
    unsigned long irqs = hal_irq_save();
    struct frame_cache *c = cpu_current()->frames;
    unsigned node = cache_node(c);
    paddr_t foreign[PUT_RUN];
    size_t foreigners = 0;

    for (size_t i = 0; i < count; i++) {
        struct frame *f = frame_of(frame[i]);

        if (atomic_sub_fetch(&f->refs, 1) != 0)
            continue;
        san_poison(phys_to_virt(frame[i]), PAGE_SIZE);
        if (unlikely(f->node != node)) {
            foreign[foreigners++] = frame[i];
            continue;
        }
        if (unlikely(c->count == CACHE_FRAMES))
            cache_drain(c);
        c->frame[c->count++] = frame[i];
    }
    if (unlikely(foreigners != 0))
        frame_free_foreign(foreign, foreigners);
    hal_irq_restore(irqs);
}

void frame_put_bulk(const paddr_t *frame, size_t count)
{
    for (size_t done = 0; done < count; done += PUT_RUN)
        put_run(frame + done, MIN(count - done, PUT_RUN));
}

size_t frame_alloc_bulk(paddr_t *out, size_t count, unsigned flags)
{
    unsigned long irqs = spin_lock_irqsave(&frame_lock);
    unsigned from = node_here();
    size_t n = pool_take(from, ALL_NODES, out, count, flags);

    stats_note_frames(from, out, n);
    spin_unlock_irqrestore(&frame_lock, irqs);
    for (size_t i = 0; i < n; i++)
        frame_fresh(out[i], flags);
    for (; n < count; n++) {
        out[n] = frame_alloc(flags);
        if (out[n] == PADDR_NONE)
            break;
    }
    return n;
}

/* --- runs --- */

paddr_t frame_alloc_contiguous_node(unsigned node, size_t count, uint64_t align, unsigned flags)
{
    paddr_t pa;

    if (count == 0 || !IS_POW2(align))
        return PADDR_NONE;
    align = MAX(align, PAGE_SIZE);
    node = frame_near_node(node);
    for (unsigned tries = 0;;) {
        unsigned long irqs = spin_lock_irqsave(&frame_lock);

        pa = pool_take_run(node, count, align, flags);
        spin_unlock_irqrestore(&frame_lock, irqs);
        if (pa != PADDR_NONE)
            break;
        if ((flags & FRAME_NO_SHRINK) || !reclaim(&tries, ALL_NODES, count))
            return nothing_found(count, flags);
    }
    for (size_t i = 0; i < count; i++)
        frame_fresh(pa + i * PAGE_SIZE, flags);
    return pa;
}

paddr_t frame_alloc_contiguous(size_t count, uint64_t align, unsigned flags)
{
    return frame_alloc_contiguous_node(atomic_load_relaxed(&cpu_current()->node), count, align,
                                       flags);
}

paddr_t frame_alloc_order(unsigned order, unsigned flags)
{
    return order < 64 - PAGE_SHIFT ? frame_alloc_contiguous(1ul << order, PAGE_SIZE << order, flags)
                                   : PADDR_NONE;
}

void frame_free_contiguous(paddr_t pa, size_t count)
{
    struct frame_region *r = &regions[frame_of(pa)->region];
    unsigned long irqs;

    for (size_t i = 0; i < count; i++) {
        struct frame *f = frame_of(pa + i * PAGE_SIZE);

        K_ASSERT(f->refs == 1);
        f->refs = 0;
    }
    san_poison(phys_to_virt(pa), count * PAGE_SIZE);
    irqs = spin_lock_irqsave(&frame_lock);
    region_give(r, PFN(pa), count);
    pool_count(r, count);
    spin_unlock_irqrestore(&frame_lock, irqs);
}

/* --- questions --- */

static struct frame_region *region_of(pfn_t pfn)
{
    for (unsigned i = 0; i < region_count; i++)
        if (region_has(&regions[i], pfn))
            return &regions[i];
    return NULL;
}

bool frame_is_ram(paddr_t pa)
{
    return region_of(PFN(pa)) != NULL;
}

uint64_t frame_total(void)
{
    return atomic_load_relaxed(&total);
}

/* Frames in caches, of the nodes in `set`. */
static size_t cached_count(uint64_t set)
{
    size_t n = 0;

    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i]->frames != NULL && (set >> cpus[i]->frames->node & 1))
            n += atomic_load_relaxed(&cpus[i]->frames->count);
    return n;
}

uint64_t frame_free_count(void)
{
    return atomic_load_relaxed(&pool_free) + cached_count(ALL_NODES);
}

uint64_t frame_node_free(unsigned node)
{
    return node < NODE_MAX ? atomic_load_relaxed(&nodes[node].free) + cached_count(BIT(node)) : 0;
}

uint64_t frame_node_total(unsigned node)
{
    return node < NODE_MAX ? atomic_load_relaxed(&nodes[node].total) : 0;
}

uint64_t frame_nodes(void)
{
    uint64_t set = 0;

    for (unsigned n = 0; n < numa.count; n++)
        if (frame_node_total(n) != 0)
            set |= BIT(n);
    return set;
}

uint64_t frame_reserve(void)
{
    return reserve;
}

static void use_add(unsigned node, enum frame_use use, uint64_t by)
{
    __atomic_fetch_add(&uses[node].by[use], by, __ATOMIC_RELAXED);
}

/* Neighbours mostly lie on one node. */
void frame_use_count(const paddr_t *frame, size_t count, enum frame_use use, int by)
{
    for (size_t i = 0, run; i < count; i += run) {
        unsigned node = frame_of(frame[i])->node;

        for (run = 1; i + run < count && frame_of(frame[i + run])->node == node;)
            run++;
        use_add(node, use, by < 0 ? -run : run);
    }
}

uint64_t frame_node_used(unsigned node, enum frame_use use)
{
    return node < NODE_MAX ? atomic_load_relaxed(&uses[node].by[use]) : 0;
}

uint64_t frame_used(enum frame_use use)
{
    uint64_t sum = 0;

    for (unsigned n = 0; n < numa.count; n++)
        sum += frame_node_used(n, use);
    return sum;
}

uint64_t frame_kernel_tables(void)
{
    return atomic_load_relaxed(&kernel_space.table_pages) - early_tables;
}

static bool cache_check(const struct frame_cache *c)
{
    if (c->count > CACHE_FRAMES)
        return false;
    for (size_t i = 0; i < c->count; i++) {
        const struct frame_region *r = region_of(PFN(c->frame[i]));

        if (r == NULL || region_is_free(r, PFN(c->frame[i])) || r->node != c->node ||
            frame_of(c->frame[i])->refs != 0)
            return false;
    }
    return true;
}

static bool nodes_check(void)
{
    size_t free[NODE_MAX] = { 0 }, sum = 0;
    bool ok = true;

    for (unsigned i = 0; i < region_count; i++)
        free[regions[i].node] += regions[i].free;
    for (unsigned n = 0; n < NODE_MAX; n++) {
        ok = ok && free[n] == nodes[n].free && nodes[n].free <= nodes[n].total;
        sum += nodes[n].total;
    }
    return ok && sum == total;
}

bool frame_check(void)
{
    unsigned long irqs = spin_lock_irqsave(&frame_lock);
    size_t sum = 0;
    bool ok = true;

    for (unsigned i = 0; i < region_count; i++) {
        ok = ok && region_check(&regions[i]);
        sum += regions[i].free;
    }
    ok = ok && sum == pool_free && pool_free <= total && nodes_check();
    if (cpu_current()->frames != NULL)
        ok = ok && cache_check(cpu_current()->frames);
    spin_unlock_irqrestore(&frame_lock, irqs);
    return ok;
}

/* --- start-up; one CPU, early page tables --- */

struct span {
    paddr_t start, end;
};

static struct span taken[TAKEN_MAX];
static unsigned taken_count;
static struct span early; /* rest of what page tables and bitmaps come from */
static unsigned early_index; /* of its span in taken[] */

static void take(paddr_t start, uint64_t bytes)
{
    if (bytes == 0 || start + bytes < start)
        return;
    if (taken_count == TAKEN_MAX)
        panic("the loader hands over more than %u pieces of memory", (unsigned)TAKEN_MAX);
    taken[taken_count++] = (struct span){ ALIGN_DOWN(start, PAGE_SIZE),
                                          ALIGN_UP(start + bytes, PAGE_SIZE) };
}

/* The first taken span that overlaps [start, end), or NULL. */
static const struct span *taken_over(paddr_t start, paddr_t end)
{
    const struct span *first = NULL;

    for (unsigned i = 0; i < taken_count; i++)
        if (taken[i].start < end && start < taken[i].end &&
            (first == NULL || taken[i].start < first->start))
            first = &taken[i];
    return first;
}

/* The lowest place for `bytes` in [start, end), or PADDR_NONE. */
static paddr_t gap_find(paddr_t start, paddr_t end, uint64_t bytes, uint64_t align)
{
    paddr_t at = ALIGN_UP(start, align);

    while (at >= start && at < end && end - at >= bytes) {
        const struct span *s = taken_over(at, at + bytes);

        if (s == NULL)
            return at;
        at = ALIGN_UP(s->end, align);
    }
    return PADDR_NONE;
}

/* Takes `bytes` of RAM: of `home` (may be NULL) first, then near the image: that is mapped for sure. */
static paddr_t gap_take(const struct boot_record *rec, const struct frame_region *home,
                        uint64_t bytes, uint64_t align)
{
    paddr_t pa = PADDR_NONE;

    if (home != NULL)
        pa = gap_find(PFN_ADDR(home->start), PFN_ADDR(home->end), bytes, align);
    for (unsigned pass = 0; pass < 2 && pa == PADDR_NONE; pass++)
        for (unsigned i = 0; i < region_count && pa == PADDR_NONE; i++) {
            paddr_t start = PFN_ADDR(regions[i].start), end = PFN_ADDR(regions[i].end);

            if (pass == 0 && !(start <= rec->image_end && rec->image_end <= end))
                continue;
            pa = gap_find(pass == 0 ? rec->image_end : start, end, bytes, align);
        }
    if (pa == PADDR_NONE)
        panic("there is no RAM for %llu bytes of the frame allocator's own",
              (unsigned long long)bytes);
    take(pa, bytes);
    return pa;
}

static paddr_t early_table_alloc(void)
{
    paddr_t pa = early.start;

    K_ASSERT(pa < early.end);
    early.start += PAGE_SIZE;
    page_zero(phys_to_virt(pa));
    return pa;
}

static void early_table_free(paddr_t pa)
{
    (void)pa; /* start-up unmaps nothing */
}

static const struct mmu_frame_source early_source = { early_table_alloc, early_table_free };

static paddr_t table_alloc(void)
{
    paddr_t pa = frame_alloc(FRAME_ZERO);

    if (pa == PADDR_NONE)
        return pa;
    frame_of(pa)->flags = FRAME_IS_TABLE;
    use_add(frame_of(pa)->node, USE_TABLES, 1);
    return pa;
}

/* Those of start-up are not counted and not freed either. */
static void table_free(paddr_t pa)
{
    use_add(frame_of(pa)->node, USE_TABLES, -1ul);
    frame_put(pa);
}

static const struct mmu_frame_source frame_source = { table_alloc, table_free };

/* Does the range go on where the last region ends? */
static bool range_joins(const struct mem_range *r)
{
    const struct frame_region *last = &regions[region_count > 0 ? region_count - 1 : 0];

    return region_count > 0 && last->node == (r->node < numa.count ? r->node : 0) && last->end == PFN(r->start + PAGE_SIZE - 1);
}

static void regions_collect(const struct boot_record *rec)
{
    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range *range = &rec->ranges[i];
        pfn_t start = PFN(range->start + PAGE_SIZE - 1), end = PFN(range->start + range->size);

        if (range->kind != MEM_USABLE || start >= end)
            continue;
        if (range_joins(range))
            regions[region_count - 1].end = end;
        else
            regions[region_count++] = (struct frame_region){ .start = start, .end = end,
                                                             .node = range->node < numa.count
                                                                         ? range->node : 0 };
    }
    if (region_count == 0)
        panic("the loader reports no usable memory");
}

static void taken_collect(const struct boot_record *rec)
{
    take(0, LOW_RESERVED);
    take(rec->image_start, rec->image_end - rec->image_start);
    take(rec->fdt, rec->fdt_size);
    for (unsigned i = 0; i < rec->module_count; i++)
        take(rec->modules[i].start, rec->modules[i].size);
}

static vaddr_t table_start(const struct frame_region *r)
{
    return ALIGN_DOWN((vaddr_t)frame_of(PFN_ADDR(r->start)), PAGE_SIZE);
}

static vaddr_t table_end(const struct frame_region *r)
{
    return ALIGN_UP((vaddr_t)frame_of(PFN_ADDR(r->end)), PAGE_SIZE);
}

/* Bitmaps of all regions and the page tables under the frame table come from one block. */
static void early_prepare(const struct boot_record *rec)
{
    uint64_t bitmaps = 0, tables = 0;

    for (unsigned i = 0; i < region_count; i++) {
        const struct frame_region *r = &regions[i];

        bitmaps += ALIGN_UP(region_bitmap_bytes(r->start, r->end), 64);
        /* A table of each level at both ends, and one for every 2 MiB between. */
        tables += 6 + (table_end(r) - table_start(r)) / MMU_LEVEL_SIZE(1);
    }
    early.start = gap_take(rec, NULL, ALIGN_UP(bitmaps, PAGE_SIZE) + tables * PAGE_SIZE, PAGE_SIZE);
    early_index = taken_count - 1;
    early.end = taken[early_index].end;
}

static void *bitmaps_take(uint64_t bytes)
{
    void *p = phys_to_virt(early.start);

    memset(p, 0, bytes);
    early.start += bytes;
    return p;
}

static void bitmaps_init(void)
{
    for (unsigned i = 0; i < region_count; i++) {
        struct frame_region *r = &regions[i];
        uint64_t bytes = ALIGN_UP(region_bitmap_bytes(r->start, r->end), 64);

        region_init(r, r->start, r->end, r->node, bitmaps_take(bytes));
    }
    early.start = ALIGN_UP(early.start, PAGE_SIZE);
}

static void table_map(vaddr_t va, paddr_t pa, unsigned level)
{
    if (mmu_map(&kernel_space, va, pa, level, MMU_READ | MMU_WRITE | MMU_GLOBAL) != 0)
        panic("the frame table cannot be mapped at %#lx", va);
}

/* Maps the part of the frame table that describes region `r`. */
static void table_init(const struct boot_record *rec, const struct frame_region *r)
{
    vaddr_t va = table_start(r), end = table_end(r);
    const uint64_t huge = MMU_LEVEL_SIZE(1);
    const struct frame_region *home = r->node != cpu_current()->node ? r : NULL;
    paddr_t pa;
    unsigned prot;

    /* Regions that are neighbours share a page of the table. */
    while (va < end && mmu_translate(&kernel_space, va, &pa, &prot) == 0)
        va += PAGE_SIZE;
    while (va < end) {
        uint64_t bytes = MIN(end - va, huge - va % huge);

        pa = gap_take(rec, home, bytes, bytes == huge ? huge : PAGE_SIZE);
        if (bytes == huge) {
            table_map(va, pa, 1);
            va += huge;
            continue;
        }
        for (uint64_t done = 0; done < bytes; done += PAGE_SIZE)
            table_map(va + done, pa + done, 0);
        va += bytes;
    }
}

/* Calls fn for each stretch of region `r` that is taken, or that is not. */
static void region_stretches(struct frame_region *r, bool want_taken,
                             void (*fn)(struct frame_region *r, pfn_t start, pfn_t end))
{
    paddr_t at = PFN_ADDR(r->start), end = PFN_ADDR(r->end);

    while (at < end) {
        const struct span *s = taken_over(at, end);
        paddr_t until = s == NULL ? end : s->start <= at ? MIN(s->end, end) : s->start;
        bool is_taken = s != NULL && s->start <= at;

        if (is_taken == want_taken)
            fn(r, PFN(at), PFN(until));
        at = until;
    }
}

static void stretch_reserve(struct frame_region *r, pfn_t start, pfn_t end)
{
    for (; start < end; start++)
        *frame_of(PFN_ADDR(start)) = (struct frame){ .refs = 1, .node = (uint8_t)r->node,
                                                     .region = (uint16_t)(r - regions),
                                                     .flags = FRAME_IS_RESERVED };
}

static void stretch_free(struct frame_region *r, pfn_t start, pfn_t end)
{
    region_give(r, start, end - start);
    pool_count(r, end - start);
    nodes[r->node].total += end - start;
}

/* Spans of `taken` may overlap (a module inside another): merge them for the walk above. */
static void taken_merge(void)
{
    for (unsigned i = 0; i < taken_count; i++)
        for (unsigned k = i + 1; k < taken_count;) {
            if (taken[k].start > taken[i].end || taken[i].start > taken[k].end) {
                k++;
                continue;
            }
            taken[i].start = MIN(taken[i].start, taken[k].start);
            taken[i].end = MAX(taken[i].end, taken[k].end);
            taken[k] = taken[--taken_count];
            k = i + 1;
        }
}

/* Regions hang on their nodes in the order of their addresses. */
static void nodes_init(void)
{
    for (unsigned n = 0; n < NODE_MAX; n++)
        nodes[n].first = NO_REGION;
    for (unsigned i = region_count; i > 0; i--) {
        struct frame_node *n = &nodes[regions[i - 1].node];

        region_next[i - 1] = (uint8_t)n->first;
        n->first = i - 1;
    }
}

/* The reserve is spread over the nodes by their sizes. */
static void reserve_init(void)
{
    reserve = CLAMP(total / 128, 16, 1024);
    for (unsigned n = 0; n < NODE_MAX; n++)
        nodes[n].reserve = (reserve * nodes[n].total + total - 1) / total;
}

static void cache_init(struct frame_cache *c, const struct cpu *cpu)
{
    c->cpu_node = cpu->node;
    c->node = frame_near_node(cpu->node);
}

void frame_init(const struct boot_record *rec)
{
    _Static_assert(BOOT_RANGES_MAX <= NO_REGION, "regions have numbers of 8 bits");

    regions_collect(rec);
    nodes_init();
    taken_collect(rec);
    early_prepare(rec);
    bitmaps_init();
    mmu_set_frame_source(&early_source);
    for (unsigned i = 0; i < region_count; i++)
        table_init(rec, &regions[i]);
    taken[early_index].end = early.start; /* what was not needed */
    taken_merge();
    for (unsigned i = 0; i < region_count; i++) {
        region_stretches(&regions[i], true, stretch_reserve);
        region_stretches(&regions[i], false, stretch_free);
    }
    total = pool_free;
    if (total == 0)
        panic("all usable memory is taken");
    reserve_init();
    cache_init(&boot_cache, cpu_current());
    cpu_current()->frames = &boot_cache;
    mmu_set_frame_source(&frame_source);
    early_tables = kernel_space.table_pages;
    log_info("%zu MiB in %u regions, %zu frames free", total >> (20 - PAGE_SHIFT), region_count,
             pool_free);
}

void frame_init_cpu(struct cpu *cpu)
{
    paddr_t pa = frame_alloc_node(cpu->node, FRAME_ZERO);

    _Static_assert(sizeof(struct frame_cache) <= PAGE_SIZE, "a cache fits in a frame");
    if (pa == PADDR_NONE)
        return;
    cache_init(phys_to_virt(pa), cpu);
    cpu->frames = phys_to_virt(pa);
}

/* Frees one frame of the loader's, if it is one. */
static void boot_frame_release(pfn_t pfn)
{
    struct frame_region *r = region_of(pfn);
    struct frame *f = frame_of(PFN_ADDR(pfn));

    if (r == NULL || !(f->flags & FRAME_IS_RESERVED) || f->refs != 1)
        return;
    f->flags = 0;
    f->refs = 0;
    region_give(r, pfn, 1);
    pool_count(r, 1);
    total++;
    nodes[r->node].total++;
}

void frame_release_boot(paddr_t start, uint64_t bytes)
{
    pfn_t pfn = PFN(start + PAGE_SIZE - 1), end = PFN(start + bytes);

    for (; pfn < end; pfn++) {
        unsigned long irqs = spin_lock_irqsave(&frame_lock);

        boot_frame_release(pfn);
        spin_unlock_irqrestore(&frame_lock, irqs);
    }
}
