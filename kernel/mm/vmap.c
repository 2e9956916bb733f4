// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: kernel addresses outside the direct map: stacks and devices.
 *
 * Model: the area's first half holds stack slots of STRIDE bytes, a power of two: the stack in the
 * upper part of the slot, the rest below it never mapped, so that an overflow faults and the faulting
 * address tells by itself that it is a guard's.  Freed stacks stay mapped on a list that runs through
 * their topmost words, up to CACHE_MAX of them; only beyond that are they unmapped.
 * The second half holds device windows, first-fit over a sorted table.
 *
 * Locking: LOCK_VMAP guards everything, the kernel half's page tables included.
 */
#define LOG_TAG "vmap"
#include <core/log.h>
#include <core/panic.h>
#include <core/spinlock.h>
#include <hal/context.h>
#include <hal/mmu.h>
#include <lib/bitmap.h>
#include <lib/checked.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/vmap.h>

#define STRIDE (2 * KERNEL_STACK_SIZE)
#define SLOTS 65536u
#define STACKS_BASE VMAP_BASE
#define STACKS_END (STACKS_BASE + SLOTS * STRIDE)
#define DEVICES_BASE (VMAP_BASE + (VMAP_END - VMAP_BASE) / 2)
#define CACHE_MAX 32
#define DEVICES_MAX 320 /* an interrupt controller's part for each CPU, and some */

_Static_assert(IS_POW2(KERNEL_STACK_SIZE), "a slot is a power of two");
_Static_assert(STRIDE <= MMU_LEVEL_SIZE(1), "a slot's pages have their entries in one table");
_Static_assert(STACKS_END <= DEVICES_BASE, "stacks end before devices begin");

struct window {
    vaddr_t start, end;
};

static struct spinlock vmap_lock = SPINLOCK_INIT(LOCK_VMAP);
static uint64_t slots[BITMAP_WORDS(SLOTS)]; /* vmap_lock: 1 = in use */
static size_t slot_hint; /* vmap_lock: no free slot below */
static uintptr_t cache_first; /* vmap_lock: top of the latest freed stack, 0: none */
static size_t cache_count; /* vmap_lock */
static size_t stack_count; /* vmap_lock: slots in use */
static struct window windows[DEVICES_MAX]; /* vmap_lock: sorted */
static unsigned window_count; /* vmap_lock */

/* --- stacks; vmap_lock held --- */

static uintptr_t *cache_link(uintptr_t top)
{
    return (uintptr_t *)(top - sizeof(uintptr_t));
}

static uintptr_t slot_top(size_t slot)
{
    return STACKS_BASE + (slot + 1) * STRIDE;
}

/* All pages at once: each flush calls all CPUs.  They lie in one table: a slot is aligned to STRIDE. */
static void stack_unmap(uintptr_t top)
{
    size_t slot = (top - STACKS_BASE) / STRIDE - 1, mapped = 0;
    paddr_t frames[KERNEL_STACK_SIZE / PAGE_SIZE];
    unsigned level;
    pte_t *pte = mmu_walk(&kernel_space, top - KERNEL_STACK_SIZE, &level);

    for (size_t i = 0; level == 0 && i < ARRAY_SIZE(frames); i++, pte++) {
        if (pte_load(pte) == 0)
            continue;
        frames[mapped++] = pte_addr(pte_load(pte));
        pte_store(pte, 0);
    }
    mmu_flush_range(&kernel_space, top - KERNEL_STACK_SIZE, top);
    while (mapped > 0)
        frame_put(frames[--mapped]);
    bitmap_clear(slots, slot);
    stack_count--;
    slot_hint = MIN(slot_hint, slot);
}

static bool page_map(vaddr_t va)
{
    paddr_t pa = frame_alloc(0);

    if (pa == PADDR_NONE)
        return false;
    if (mmu_map(&kernel_space, va, pa, 0, MMU_READ | MMU_WRITE | MMU_GLOBAL) == 0)
        return true;
    frame_put(pa);
    return false;
}

static uintptr_t stack_map(void)
{
    size_t slot = bitmap_find_clear(slots, SLOTS, slot_hint);
    uintptr_t top;

    if (slot == BITMAP_NONE)
        return 0;
    bitmap_set(slots, slot);
    stack_count++;
    slot_hint = slot + 1;
    top = slot_top(slot);
    for (vaddr_t va = top - KERNEL_STACK_SIZE; va < top; va += PAGE_SIZE)
        if (!page_map(va)) {
            stack_unmap(top);
            return 0;
        }
    return top;
}

static uintptr_t cache_pop(void)
{
    uintptr_t top = cache_first;

    cache_first = *cache_link(top);
    cache_count--;
    return top;
}

uintptr_t vmap_stack_alloc(void)
{
    unsigned long flags = spin_lock_irqsave(&vmap_lock);
    uintptr_t top = cache_count > 0 ? cache_pop() : stack_map();

    spin_unlock_irqrestore(&vmap_lock, flags);
    return top;
}

void vmap_stack_free(uintptr_t top)
{
    unsigned long flags = spin_lock_irqsave(&vmap_lock);

    K_ASSERT(top > STACKS_BASE && top <= STACKS_END && top % STRIDE == 0);
    if (cache_count < CACHE_MAX) {
        *cache_link(top) = cache_first;
        cache_first = top;
        cache_count++;
    } else {
        stack_unmap(top);
    }
    spin_unlock_irqrestore(&vmap_lock, flags);
}

size_t vmap_stacks(void)
{
    return atomic_load_relaxed(&stack_count);
}

bool vmap_is_guard(vaddr_t addr)
{
    return addr >= STACKS_BASE && addr < STACKS_END &&
           (addr - STACKS_BASE) % STRIDE < STRIDE - KERNEL_STACK_SIZE;
}

void vmap_trim(void)
{
    unsigned long flags = spin_lock_irqsave(&vmap_lock);

    while (cache_count > 0)
        stack_unmap(cache_pop());
    spin_unlock_irqrestore(&vmap_lock, flags);
}

/* An allocation that holds the lock itself may be what asks. */
static size_t stacks_shrink(size_t frames)
{
    unsigned long flags = hal_irq_save();
    size_t freed = 0;

    if (spin_try(&vmap_lock)) {
        for (; cache_count > 0 && freed < frames; freed += KERNEL_STACK_SIZE / PAGE_SIZE)
            stack_unmap(cache_pop());
        spin_unlock_raw(&vmap_lock);
        preempt_enable_no_resched();
    }
    hal_irq_restore(flags);
    return freed;
}

/* --- devices; vmap_lock held --- */

/* A free place for `bytes` at `skew` behind a multiple of align, as an index into the table. */
static unsigned window_find(uint64_t bytes, uint64_t align, uint64_t skew, vaddr_t *start)
{
    vaddr_t at = DEVICES_BASE;
    unsigned i;

    for (i = 0;; i++) {
        vaddr_t limit = i < window_count ? windows[i].start : VMAP_END;

        at = ALIGN_UP(at - skew, align) + skew;
        /* One page stays free between windows: an overrun faults. */
        if (at < limit && limit - at >= bytes + PAGE_SIZE)
            break;
        if (i == window_count)
            return DEVICES_MAX;
        at = windows[i].end + PAGE_SIZE;
    }
    *start = at;
    return i;
}

static void window_insert(unsigned index, vaddr_t start, uint64_t bytes)
{
    memmove(&windows[index + 1], &windows[index], (window_count - index) * sizeof(windows[0]));
    windows[index] = (struct window){ start, start + bytes };
    window_count++;
}

/* Largest page that fits at both addresses and in what is left. */
static unsigned page_level(vaddr_t va, paddr_t pa, uint64_t left)
{
    return IS_ALIGNED(va | pa, MMU_LEVEL_SIZE(1)) && left >= MMU_LEVEL_SIZE(1) ? 1 : 0;
}

static void window_unmap(vaddr_t start, vaddr_t end)
{
    while (start < end) {
        unsigned level;

        (void)mmu_walk(&kernel_space, start, &level);
        level = MIN(level, 1u);
        if (mmu_unmap(&kernel_space, start, level) != 0)
            break; /* the rest was never mapped */
        start += MMU_LEVEL_SIZE(level);
    }
}

static err_t window_map(vaddr_t start, paddr_t pa, uint64_t bytes, unsigned prot)
{
    for (uint64_t done = 0; done < bytes;) {
        unsigned level = page_level(start + done, pa + done, bytes - done);
        err_t err = mmu_map(&kernel_space, start + done, pa + done, level, prot | MMU_GLOBAL);

        if (err != 0) {
            window_unmap(start, start + done);
            return err;
        }
        done += MMU_LEVEL_SIZE(level);
    }
    return 0;
}

static vaddr_t device_map_locked(paddr_t pa, uint64_t bytes, unsigned prot)
{
    uint64_t align = bytes >= MMU_LEVEL_SIZE(1) ? MMU_LEVEL_SIZE(1) : PAGE_SIZE;
    vaddr_t start = 0;
    unsigned index;

    if (window_count == DEVICES_MAX)
        return 0;
    index = window_find(bytes, align, pa & (align - 1), &start);
    if (index == DEVICES_MAX || window_map(start, pa, bytes, prot) != 0)
        return 0;
    window_insert(index, start, bytes);
    return start;
}

void *vmap_device(paddr_t pa, size_t bytes, unsigned prot)
{
    uint64_t offset = pa % PAGE_SIZE, whole;
    unsigned long flags;
    vaddr_t start;

    if (bytes == 0 || !range_fits(pa, bytes, 1ull << 52))
        return NULL;
    whole = ALIGN_UP(offset + bytes, PAGE_SIZE);
    flags = spin_lock_irqsave(&vmap_lock);
    start = device_map_locked(pa - offset, whole, prot);
    spin_unlock_irqrestore(&vmap_lock, flags);
    return start != 0 ? (void *)(start + offset) : NULL;
}

void vmap_unmap_device(void *va, size_t bytes)
{
    vaddr_t start = ALIGN_DOWN((vaddr_t)va, PAGE_SIZE);
    unsigned long flags = spin_lock_irqsave(&vmap_lock);

    (void)bytes; /* the table knows */
    for (unsigned i = 0; i < window_count; i++) {
        if (windows[i].start != start)
            continue;
        window_unmap(start, windows[i].end);
        window_count--;
        memmove(&windows[i], &windows[i + 1], (window_count - i) * sizeof(windows[0]));
        break;
    }
    spin_unlock_irqrestore(&vmap_lock, flags);
}

void vmap_init(void)
{
    static struct shrinker shrinker = { .name = "kernel stacks", .shrink = stacks_shrink };

    frame_shrinker_add(&shrinker);
}
