// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: physical memory in frames.
 *
 * Model: three stories.  Below, regions: the usable ranges of the boot record, each a bitmap with
 * summary levels (region.h).  Above them a cache of single frames per CPU, filled and drained a
 * batch at a time, so that most allocations take no lock.  Beside them the frame table, one record
 * for each frame of RAM; only its address range for RAM is mapped, and a record has a meaning from
 * the frame's first allocation on (a free frame's is never read), so the table needs no clearing
 * and start-up costs what the bitmap costs.
 *
 * Start-up: `taken` collects what must not be given out: the first MiB (firmware, start-up code of
 * other CPUs), the image, modules, the device tree, and what this file takes for bitmaps, the frame
 * table and page tables.  Taken frames are marked FRAME_IS_RESERVED; frame_release_boot frees some.
 *
 * Locking: LOCK_FRAME guards regions and counts; a CPU's cache belongs to that CPU with interrupts
 * off.  Shrinkers run without the lock.
 *
 * Invariants (frame_check): (1) a frame is in exactly one of: a bitmap, one CPU's cache, in use;
 * (2) the regions' own; (3) a cached frame's refs are 0.
 */
#define LOG_TAG "frame"
#include <core/log.h>
#include <core/panic.h>
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

struct frame_cache {
    size_t count;
    paddr_t frame[CACHE_FRAMES];
};

static struct spinlock frame_lock = SPINLOCK_INIT(LOCK_FRAME);
static struct frame_region regions[BOOT_RANGES_MAX]; /* frame_lock; the array itself constant */
static unsigned region_count;
static size_t pool_free; /* frame_lock: sum of regions' free */
static size_t total; /* frame_lock */
static size_t node_total[NODE_MAX]; /* frame_lock: its parts */
static size_t tables; /* page tables; atomic */
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

/* --- the pool; frame_lock held --- */

static size_t node_take(unsigned node, paddr_t *out, size_t n)
{
    size_t taken = 0;

    for (unsigned i = 0; i < region_count && taken < n; i++) {
        struct frame_region *r = &regions[i];
        size_t got;

        if (r->node != node || r->free == 0)
            continue;
        got = region_take(r, out + taken, n - taken);
        for (size_t k = 0; k < got; k++)
            frame_leaves_pool(out[taken + k], r);
        taken += got;
    }
    return taken;
}

/* Up to n frames from `node` and then from its neighbours by distance. */
static size_t pool_take(unsigned node, paddr_t *out, size_t n, unsigned flags)
{
    size_t kept = flags & FRAME_USER ? reserve : 0, taken = 0;

    if (pool_free <= kept)
        return 0;
    n = MIN(n, pool_free - kept);
    if (node >= numa.count)
        node = 0;
    for (unsigned i = 0; i < numa.count && taken < n; i++) {
        taken += node_take(numa.order[node][i], out + taken, n - taken);
        if (flags & FRAME_NODE_ONLY)
            break;
    }
    pool_free -= taken;
    return taken;
}

static void pool_give(const paddr_t *frame, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct frame_region *r = &regions[frame_of(frame[i])->region];

        K_ASSERT(region_has(r, PFN(frame[i])));
        region_give(r, PFN(frame[i]), 1);
    }
    pool_free += n;
}

static paddr_t pool_take_run(unsigned node, size_t count, uint64_t align, unsigned flags)
{
    size_t kept = flags & FRAME_USER ? reserve : 0;

    if (pool_free < kept + count)
        return PADDR_NONE;
    for (unsigned i = 0; i < numa.count; i++) {
        for (unsigned k = 0; k < region_count; k++) {
            struct frame_region *r = &regions[k];
            pfn_t pfn;

            if (r->node != numa.order[node][i])
                continue;
            pfn = region_take_run(r, count, align / PAGE_SIZE);
            if (pfn == PFN_NONE)
                continue;
            pool_free -= count;
            for (size_t n = 0; n < count; n++)
                frame_leaves_pool(PFN_ADDR(pfn + n), r);
            return PFN_ADDR(pfn);
        }
        if (flags & FRAME_NODE_ONLY)
            break;
    }
    return PADDR_NONE;
}

/* --- shrinkers --- */

/* Asks the caches of other layers for memory; true when some came back. */
static bool shrink(size_t frames)
{
    size_t got = 0;

    if (atomic_xchg(&shrinking, true))
        return false; /* a shrinker that allocates, or another CPU at it */
    for (struct shrinker *s = atomic_load(&shrinkers); s != NULL && got < frames; s = s->next)
        got += s->shrink(frames - got);
    atomic_store(&shrinking, false);
    return got > 0;
}

void frame_shrinker_add(struct shrinker *s)
{
    unsigned long flags = spin_lock_irqsave(&frame_lock);

    s->next = shrinkers;
    atomic_store(&shrinkers, s);
    spin_unlock_irqrestore(&frame_lock, flags);
}

/* --- single frames --- */

/* One frame past the cache: fills the cache by the way.  Interrupts off. */
static __noinline paddr_t cache_refill(struct frame_cache *c, unsigned node, unsigned flags)
{
    paddr_t batch[CACHE_BATCH];
    size_t want = c != NULL ? CACHE_BATCH : 1, got;

    /* It may have been filled since the caller looked: by a shrinker, by another thread. */
    if (c != NULL && c->count > 0)
        return c->frame[--c->count];
    spin_lock(&frame_lock);
    got = pool_take(node, batch, want, flags);
    spin_unlock(&frame_lock);
    if (got == 0)
        return PADDR_NONE;
    /* The lowest frame goes out first, so that neighbours stay neighbours. */
    for (size_t i = got; i > 1; i--)
        c->frame[c->count++] = batch[i - 1];
    return batch[0];
}

static __noinline paddr_t alloc_slow(unsigned node, bool local, unsigned flags)
{
    for (bool again = true;; again = false) {
        unsigned long irqs = hal_irq_save();
        struct cpu *cpu = cpu_current();
        paddr_t pa = cache_refill(local ? cpu->frames : NULL, local ? cpu->node : node, flags);

        hal_irq_restore(irqs);
        if (pa != PADDR_NONE) {
            frame_fresh(pa, flags);
            return pa;
        }
        if (!again || !shrink(SHRINK_BATCH))
            return PADDR_NONE;
    }
}

paddr_t frame_alloc(unsigned flags)
{
    unsigned long irqs = hal_irq_save();
    struct frame_cache *c = cpu_current()->frames;
    paddr_t pa;

    if (unlikely(c == NULL || c->count == 0)) {
        hal_irq_restore(irqs);
        return alloc_slow(0, true, flags);
    }
    pa = c->frame[--c->count];
    hal_irq_restore(irqs);
    frame_fresh(pa, flags);
    return pa;
}

paddr_t frame_alloc_node(unsigned node, unsigned flags)
{
    unsigned long irqs = hal_irq_save();
    bool local = cpu_current()->node == node;

    hal_irq_restore(irqs);
    /* A cache may hold frames of neighbours: a strict request goes past it. */
    if (local && !(flags & FRAME_NODE_ONLY))
        return frame_alloc(flags);
    return alloc_slow(node, false, flags);
}

static __noinline void cache_drain(struct frame_cache *c)
{
    /* The oldest go: the newest are the ones in the CPU's memory caches. */
    spin_lock(&frame_lock);
    pool_give(c->frame, CACHE_BATCH);
    spin_unlock(&frame_lock);
    c->count -= CACHE_BATCH;
    memmove(c->frame, c->frame + CACHE_BATCH, c->count * sizeof(c->frame[0]));
}

void frame_free(paddr_t pa)
{
    unsigned long irqs = hal_irq_save();
    struct frame_cache *c = cpu_current()->frames;

    K_DEBUG_ASSERT(frame_of(pa)->refs == 0 && !(frame_of(pa)->flags & FRAME_IS_RESERVED));
    san_poison(phys_to_virt(pa), PAGE_SIZE);
    if (unlikely(c == NULL)) {
        spin_lock(&frame_lock);
        pool_give(&pa, 1);
        spin_unlock(&frame_lock);
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

    for (size_t i = 0; i < count; i++) {
        if (atomic_sub_fetch(&frame_of(frame[i])->refs, 1) != 0)
            continue;
        if (unlikely(c == NULL)) {
            frame_free(frame[i]);
            continue;
        }
        san_poison(phys_to_virt(frame[i]), PAGE_SIZE);
        if (unlikely(c->count == CACHE_FRAMES))
            cache_drain(c);
        c->frame[c->count++] = frame[i];
    }
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
    size_t n = pool_take(cpu_current()->node, out, count, flags);

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
    for (bool again = true;; again = false) {
        unsigned long irqs = spin_lock_irqsave(&frame_lock);

        pa = pool_take_run(node, count, align, flags);
        spin_unlock_irqrestore(&frame_lock, irqs);
        if (pa != PADDR_NONE)
            break;
        if (!again || !shrink(count))
            return PADDR_NONE;
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
    pool_free += count;
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

static size_t cached_count(void)
{
    size_t n = 0;

    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i]->frames != NULL)
            n += atomic_load_relaxed(&cpus[i]->frames->count);
    return n;
}

uint64_t frame_free_count(void)
{
    return atomic_load_relaxed(&pool_free) + cached_count();
}

uint64_t frame_node_free(unsigned node)
{
    unsigned long irqs = spin_lock_irqsave(&frame_lock);
    uint64_t n = 0;

    for (unsigned i = 0; i < region_count; i++)
        if (regions[i].node == node)
            n += regions[i].free;
    spin_unlock_irqrestore(&frame_lock, irqs);
    return n;
}

uint64_t frame_node_total(unsigned node)
{
    return node < NODE_MAX ? atomic_load_relaxed(&node_total[node]) : 0;
}

uint64_t frame_reserve(void)
{
    return reserve;
}

uint64_t frame_tables(void)
{
    return atomic_load_relaxed(&tables);
}

static bool cache_check(const struct frame_cache *c)
{
    if (c->count > CACHE_FRAMES)
        return false;
    for (size_t i = 0; i < c->count; i++) {
        const struct frame_region *r = region_of(PFN(c->frame[i]));

        if (r == NULL || region_is_free(r, PFN(c->frame[i])) || frame_of(c->frame[i])->refs != 0)
            return false;
    }
    return true;
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
    ok = ok && sum == pool_free && pool_free <= total;
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

/* Takes `bytes` of RAM, near the image first: that is mapped for sure. */
static paddr_t gap_take(const struct boot_record *rec, uint64_t bytes, uint64_t align)
{
    paddr_t pa = PADDR_NONE;

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
    __atomic_fetch_add(&tables, 1, __ATOMIC_RELAXED);
    return pa;
}

/* Those of start-up are not counted and not freed either. */
static void table_free(paddr_t pa)
{
    __atomic_fetch_sub(&tables, 1, __ATOMIC_RELAXED);
    frame_put(pa);
}

static const struct mmu_frame_source frame_source = { table_alloc, table_free };

/* Does the range go on where the last region ends? */
static bool range_joins(const struct mem_range *r)
{
    const struct frame_region *last = &regions[region_count > 0 ? region_count - 1 : 0];

    return region_count > 0 && last->node == r->node && last->end == PFN(r->start + PAGE_SIZE - 1);
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
                                                             .node = range->node };
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
    early.start = gap_take(rec, ALIGN_UP(bitmaps, PAGE_SIZE) + tables * PAGE_SIZE, PAGE_SIZE);
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
    paddr_t pa;
    unsigned prot;

    /* Regions that are neighbours share a page of the table. */
    while (va < end && mmu_translate(&kernel_space, va, &pa, &prot) == 0)
        va += PAGE_SIZE;
    while (va < end) {
        uint64_t bytes = MIN(end - va, huge - va % huge);

        pa = gap_take(rec, bytes, bytes == huge ? huge : PAGE_SIZE);
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
    pool_free += end - start;
    node_total[r->node % NODE_MAX] += end - start;
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

void frame_init(const struct boot_record *rec)
{
    regions_collect(rec);
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
    reserve = CLAMP(total / 128, 16, 1024);
    cpu_current()->frames = &boot_cache;
    mmu_set_frame_source(&frame_source);
    log_info("%zu MiB in %u regions, %zu frames free", total >> (20 - PAGE_SHIFT), region_count,
             pool_free);
}

void frame_init_cpu(struct cpu *cpu)
{
    paddr_t pa = frame_alloc(FRAME_ZERO);

    _Static_assert(sizeof(struct frame_cache) <= PAGE_SIZE, "a cache fits in a frame");
    if (pa != PADDR_NONE)
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
    pool_free++;
    total++;
    node_total[r->node % NODE_MAX]++;
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
