// SPDX-License-Identifier: CC0-1.0
/* Purpose: interleavings of the CPUs' caches of frames and blocks with one that has them handed over. */
#include <boot/explore.h>

#include <core/smp.h>
#include <core/spinlock.h>
#include <hal/cpu.h>
#include <hal/mmu.h>
#include <mm/frame.h>
#include <mm/heap.h>

#define ROUNDS 2
#define FRAMES 70 /* more than a CPU's cache holds */
#define BLOCKS 24

static uint64_t heap_before, frames_before;

/* What is not free and not the heap's. */
static uint64_t frames_used(void)
{
    return frame_total() - frame_free_count() - heap_frames();
}

static void drain_prepare(void)
{
    heap_trim();
    (void)frame_drain();
    heap_before = heap_bytes_used();
    frames_before = frames_used();
}

static void frames_pass(unsigned id)
{
    static paddr_t had[EXPLORE_WORKERS][FRAMES];
    paddr_t *pa = had[id];

    for (unsigned i = 0; i < FRAMES; i++) {
        pa[i] = frame_alloc(0);
        explore_must(pa[i] != PADDR_NONE);
        *(unsigned *)phys_to_virt(pa[i]) = id;
    }
    explore_point();
    for (unsigned i = 0; i < FRAMES; i++) {
        explore_must(*(unsigned *)phys_to_virt(pa[i]) == id);
        frame_put(pa[i]);
    }
}

static void blocks_pass(unsigned id)
{
    static unsigned *had[EXPLORE_WORKERS][BLOCKS];
    unsigned **p = had[id];

    for (unsigned i = 0; i < BLOCKS; i++) {
        p[i] = kmalloc(100 + 300 * (i % 2));
        explore_must(p[i] != NULL);
        *p[i] = id;
    }
    explore_point();
    for (unsigned i = 0; i < BLOCKS; i++) {
        explore_must(*p[i] == id);
        kfree(p[i]);
    }
}

/* Each fills and empties its CPU's caches, and takes those of all away. */
static void drain_work(unsigned id)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        frames_pass(id);
        if (explore_random(2) == 0)
            (void)frame_drain();
        blocks_pass(id);
        if (explore_random(2) == 0)
            heap_trim();
    }
}

static const char *drain_check(void)
{
    heap_trim();
    (void)frame_drain();
    if (!frame_check() || !heap_check())
        return "a check of frames or heap fails";
    return heap_bytes_used() == heap_before && frames_used() == frames_before ? NULL : "something is lost";
}

EXPLORE(drain, .name = "mm.drain", .workers = 4, .prepare = drain_prepare, .work = drain_work,
        .check = drain_check);

/* A cache whose owner believes after its wait for the lock what it knew before. */
#define TOY_MAX 2u
static struct spinlock toy_lock = SPINLOCK_INIT(LOCK_DEVICE);
static unsigned toy_pool; /* toy_lock */
static unsigned toy_cached[CPU_MAX]; /* own CPU, interrupts off */

static void toy_hand_over(void *arg)
{
    unsigned *count = &toy_cached[cpu_current()->id];

    (void)atomic_fetch_add((unsigned *)arg, *count);
    *count = 0;
}

static void toy_free(void)
{
    unsigned long flags = hal_irq_save();
    unsigned *count = &toy_cached[cpu_current()->id];

    if (*count == TOY_MAX) {
        spin_lock(&toy_lock);
        toy_pool += TOY_MAX;
        explore_point();
        spin_unlock(&toy_lock);
        *count = 0;
    }
    ++*count;
    hal_irq_restore(flags);
}

static void toy_drain(void)
{
    unsigned haul = 0;
    unsigned long flags = hal_irq_save();

    toy_hand_over(&haul);
    smp_call_others(toy_hand_over, &haul);
    spin_lock(&toy_lock);
    toy_pool += haul;
    explore_point();
    spin_unlock(&toy_lock);
    hal_irq_restore(flags);
}

static void toy_work(unsigned id)
{
    for (unsigned i = 0; i < 20; i++) {
        toy_free();
        if (i % 4 == id % 4)
            toy_drain();
    }
}

static const char *toy_check(void)
{
    toy_drain();
    return toy_pool == 4 * 20 ? NULL : "frames are in two places";
}

EXPLORE(drain_toy, .name = "mm.drain!old_count_after_the_lock", .broken = true, .workers = 4,
        .work = toy_work, .check = toy_check);
