// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: kernel addresses outside the direct map: stacks and devices.
 *
 * Model: the area's first half holds stack slots of STRIDE bytes, a power of two: the stack in the
 * upper part of the slot, the rest below it never mapped, so that an overflow faults and the faulting
 * address tells by itself that it is a guard's.  Freed stacks stay mapped, on lists that run through
 * their topmost words: one of each CPU, and a common one, which CPUs fill and empty BATCH at a time.
 * When that has more than COMMON_MAX, all of it is unmapped at once: every CPU has to be interrupted
 * for it, so once for many.
 *
 *     alloc: own list <- common list <- a new slot        free: own list -> common list -> unmapped
 *
 * The second half holds device windows, first-fit over a sorted table.
 *
 * Locking: LOCK_VMAP, two kinds, held together only when both were tried: each CPU's list has its
 * own (others take it to trim), vmap_lock guards all the rest, the kernel half's page tables included.
 */
#define LOG_TAG "vmap"
#include <core/log.h>
#include <core/panic.h>
#include <core/spinlock.h>
#include <hal/context.h>
#include <hal/io.h>
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
#define OWN_MAX 16
#define BATCH (OWN_MAX / 2)
#define COMMON_MAX 32
#define COMMON_FULL (COMMON_MAX + BATCH) /* it never has more */
#define STACK_PAGES (KERNEL_STACK_SIZE / PAGE_SIZE)
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

/* Mapped stacks that nobody uses, latest first. */
struct stack_list {
    uintptr_t first; /* top of a stack, 0: none */
    size_t count;
};

static struct stack_list common; /* vmap_lock */
static struct {
    struct spinlock lock;
    struct stack_list list; /* lock */
} __aligned(64) own[CPU_MAX];
static size_t stack_count; /* vmap_lock: slots in use */
static struct window windows[DEVICES_MAX]; /* vmap_lock: sorted */
static unsigned window_count; /* vmap_lock */

/* --- lists of stacks --- */

static uintptr_t *link_of(uintptr_t top)
{
    return (uintptr_t *)(top - sizeof(uintptr_t));
}

static void list_push(struct stack_list *l, uintptr_t top)
{
    *link_of(top) = l->first;
    l->first = top;
    l->count++;
}

static uintptr_t list_pop(struct stack_list *l)
{
    uintptr_t top = l->first;

    l->first = *link_of(top);
    l->count--;
    return top;
}

static void list_move(struct stack_list *to, struct stack_list *from, size_t n)
{
    for (; n > 0 && from->count > 0; n--)
        list_push(to, list_pop(from));
}

/* --- mapping; vmap_lock held --- */

static uintptr_t slot_top(size_t slot)
{
    return STACKS_BASE + (slot + 1) * STRIDE;
}

/* Empties the entries of a stack, as far as it was mapped. Return: how many frames out[] got, which
 * are freed when no TLB knows them any more. */
static size_t entries_clear(uintptr_t top, paddr_t out[STACK_PAGES])
{
    size_t n = 0;

    for (vaddr_t va = top - KERNEL_STACK_SIZE; va < top; va += PAGE_SIZE) {
        unsigned level;
        pte_t *e = mmu_walk(&kernel_space, va, &level);
        pte_t old = pte_load(e);

        if (level != 0 || !pte_present(old))
            continue;
        pte_store(e, 0);
        out[n++] = pte_addr(old);
    }
    frame_use_count(out, n, USE_STACKS, -1);
    return n;
}

static void slot_free(uintptr_t top)
{
    size_t slot = (top - STACKS_BASE) / STRIDE - 1;

    bitmap_clear(slots, slot);
    stack_count--;
    slot_hint = MIN(slot_hint, slot);
}

/* Unmaps up to COMMON_FULL stacks with one flush. */
static void stacks_unmap(struct stack_list *l)
{
    paddr_t frames[COMMON_FULL * STACK_PAGES];
    vaddr_t low = STACKS_END, high = STACKS_BASE;
    uintptr_t tops[COMMON_FULL];
    size_t n = 0, count = 0;

    while (l->count > 0) {
        uintptr_t top = list_pop(l);

        low = MIN(low, top - KERNEL_STACK_SIZE);
        high = MAX(high, top);
        n += entries_clear(top, &frames[n]);
        tops[count++] = top;
    }
    if (n != 0)
        mmu_flush_range(&kernel_space, low, high);
    for (size_t i = 0; i < count; i++)
        slot_free(tops[i]);
    frame_put_bulk(frames, n);
}

static bool page_map(vaddr_t va)
{
    paddr_t pa = frame_alloc(0);

    if (pa == PADDR_NONE)
        return false;
    if (mmu_map(&kernel_space, va, pa, 0, MMU_READ | MMU_WRITE | MMU_GLOBAL) == 0) {
        frame_use_count(&pa, 1, USE_STACKS, 1);
        return true;
    }
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
            paddr_t frames[STACK_PAGES];
            size_t n = entries_clear(top, frames);

            mmu_flush_range(&kernel_space, top - KERNEL_STACK_SIZE, top);
            slot_free(top);
            frame_put_bulk(frames, n);
            return 0;
        }
    return top;
}

/* --- stacks --- */

/* Some for the running CPU's list, and one for the caller.  Interrupts off. */
static uintptr_t stack_get(unsigned cpu)
{
    struct stack_list some = { 0 };
    uintptr_t top;

    spin_lock_raw(&vmap_lock);
    list_move(&some, &common, BATCH);
    top = some.count > 0 ? list_pop(&some) : stack_map();
    spin_unlock_raw(&vmap_lock);
    if (some.count == 0)
        return top;
    spin_lock_raw(&own[cpu].lock);
    list_move(&own[cpu].list, &some, BATCH);
    spin_unlock_raw(&own[cpu].lock);
    return top;
}

uintptr_t vmap_stack_alloc(void)
{
    unsigned long flags = hal_irq_save();
    unsigned cpu;
    uintptr_t top = 0;

    preempt_disable();
    cpu = cpu_current()->id;
    spin_lock_raw(&own[cpu].lock);
    if (likely(own[cpu].list.count > 0))
        top = list_pop(&own[cpu].list);
    spin_unlock_raw(&own[cpu].lock);
    if (unlikely(top == 0))
        top = stack_get(cpu);
    hal_irq_restore(flags);
    preempt_enable();
    return top;
}

static void common_take(struct stack_list *l)
{
    spin_lock_raw(&vmap_lock);
    list_move(&common, l, BATCH);
    if (common.count > COMMON_MAX)
        stacks_unmap(&common);
    spin_unlock_raw(&vmap_lock);
}

void vmap_stack_free(uintptr_t top)
{
    unsigned long flags = hal_irq_save();
    struct stack_list some = { 0 };
    unsigned cpu;

    K_ASSERT(top > STACKS_BASE && top <= STACKS_END && top % STRIDE == 0);
    preempt_disable();
    cpu = cpu_current()->id;
    spin_lock_raw(&own[cpu].lock);
    if (unlikely(own[cpu].list.count == OWN_MAX))
        list_move(&some, &own[cpu].list, BATCH);
    list_push(&own[cpu].list, top);
    spin_unlock_raw(&own[cpu].lock);
    if (unlikely(some.count != 0))
        common_take(&some);
    hal_irq_restore(flags);
    preempt_enable();
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
    for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
        struct stack_list some = { 0 };
        unsigned long flags = spin_lock_irqsave(&own[cpu].lock);

        list_move(&some, &own[cpu].list, OWN_MAX);
        spin_unlock_irqrestore(&own[cpu].lock, flags);
        flags = spin_lock_irqsave(&vmap_lock);
        stacks_unmap(&some);
        stacks_unmap(&common);
        spin_unlock_irqrestore(&vmap_lock, flags);
    }
}

static void try_unlock(struct spinlock *l)
{
    spin_unlock_raw(l);
    preempt_enable_no_resched();
}

/* vmap_lock and the list's held. */
static size_t list_shrink(struct stack_list *l)
{
    size_t freed = l->count * STACK_PAGES;

    if (freed != 0)
        stacks_unmap(l);
    return freed;
}

/* What the CPUs' lists and the common one hold.  An allocation that has one of the locks itself may be
 * what asks, so they are only tried. */
static size_t stacks_shrink(size_t frames)
{
    unsigned long flags = hal_irq_save();
    size_t freed = 0;

    if (spin_try(&vmap_lock)) {
        freed = list_shrink(&common);
        for (unsigned cpu = 0; cpu < cpu_count && freed < frames; cpu++) {
            if (atomic_load_relaxed(&own[cpu].list.count) == 0 || !spin_try(&own[cpu].lock))
                continue;
            freed += list_shrink(&own[cpu].list);
            try_unlock(&own[cpu].lock);
        }
        try_unlock(&vmap_lock);
    }
    hal_irq_restore(flags);
    return freed;
}

static void stacks_give_all(unsigned what)
{
    if (what & TRIM_OBJECTS)
        vmap_trim();
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

err_t vmap_registers(const char *name, paddr_t pa, size_t bytes, unsigned at, volatile uint8_t **out)
{
    volatile uint8_t *va = vmap_device(pa, bytes, MMU_READ | MMU_WRITE | MMU_DEVICE);
    uint32_t value;

    *out = NULL;
    if (va == NULL)
        return -ENOMEM;
    if (!mmio_probe32(va + at, &value)) {
        vmap_unmap_device((void *)va, bytes);
        log_warn("%s at %#llx: nothing answers there: left out", name, (unsigned long long)pa);
        return -ENODEV;
    }
    *out = va;
    return 0;
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
    static struct shrinker shrinker = { .name = "kernel stacks", .shrink = stacks_shrink,
                                        .trim = stacks_give_all };

    for (unsigned cpu = 0; cpu < CPU_MAX; cpu++)
        spin_init(&own[cpu].lock, LOCK_VMAP);
    frame_shrinker_add(&shrinker);
}
