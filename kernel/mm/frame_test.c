// SPDX-License-Identifier: CC0-1.0
/* Purpose: frames as the rest of the kernel sees them. */
#include <core/ktest.h>
#include <core/smp.h>
#include <hal/cpu.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/numa.h>

#define HELD 600

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

KTEST(frame, alloc_free)
{
    uint64_t before = frame_free_count();
    paddr_t a = frame_alloc(0), b = frame_alloc(FRAME_ZERO);
    const uint64_t *words = phys_to_virt(b);

    KTEST_REQUIRE(a != PADDR_NONE && b != PADDR_NONE);
    KTEST_TRUE(a != b && IS_ALIGNED(a, PAGE_SIZE) && frame_is_ram(a) && a >= MiB);
    KTEST_EQ(frame_free_count(), before - 2);
    KTEST_EQ(frame_refs(a), 1);
    for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
        KTEST_EQ(words[i], 0);
    frame_put(a);
    frame_put(b);
    KTEST_EQ(frame_free_count(), before);
    KTEST_TRUE(frame_check());
}

KTEST(frame, references)
{
    uint64_t before = frame_free_count();
    paddr_t pa = frame_alloc(0);

    KTEST_REQUIRE(pa != PADDR_NONE);
    frame_get(pa);
    KTEST_EQ(frame_refs(pa), 2);
    frame_put(pa);
    KTEST_EQ(frame_free_count(), before - 1);
    frame_put(pa);
    KTEST_EQ(frame_free_count(), before);
}

KTEST(frame, contiguous_and_aligned)
{
    static const unsigned order[] = { 0, 3, 6, 9 };
    uint64_t before = frame_free_count();
    paddr_t pa;

    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        size_t count = 1ul << order[i];

        pa = frame_alloc_order(order[i], 0);
        KTEST_REQUIRE(pa != PADDR_NONE);
        KTEST_TRUE(IS_ALIGNED(pa, PAGE_SIZE << order[i]));
        for (size_t n = 0; n < count; n++)
            KTEST_EQ(frame_refs(pa + n * PAGE_SIZE), 1);
        frame_free_contiguous(pa, count);
    }
    pa = frame_alloc_contiguous(5, 64 * KiB, FRAME_ZERO);
    KTEST_REQUIRE(pa != PADDR_NONE);
    KTEST_TRUE(IS_ALIGNED(pa, 64 * KiB));
    frame_free_contiguous(pa, 5);
    KTEST_EQ(frame_free_count(), before);
    KTEST_TRUE(frame_check());
}

KTEST(frame, absurd_requests)
{
    KTEST_EQ(frame_alloc_contiguous(0, PAGE_SIZE, 0), PADDR_NONE);
    KTEST_EQ(frame_alloc_contiguous(1, 3 * PAGE_SIZE, 0), PADDR_NONE);
    KTEST_EQ(frame_alloc_contiguous(SIZE_MAX, PAGE_SIZE, 0), PADDR_NONE);
    KTEST_EQ(frame_alloc_order(52, 0), PADDR_NONE);
    KTEST_EQ(frame_alloc_order(64, 0), PADDR_NONE);
    KTEST_TRUE(!frame_is_ram(PADDR_NONE));
}

KTEST(frame, bulk)
{
    uint64_t before = frame_free_count();
    paddr_t pa[100];

    KTEST_EQ(frame_alloc_bulk(pa, 100, 0), 100);
    KTEST_EQ(frame_free_count(), before - 100);
    for (unsigned i = 0; i < 100; i++)
        frame_put(pa[i]);
    KTEST_EQ(frame_free_count(), before);
}

static size_t asked;
static paddr_t hoard = PADDR_NONE; /* what the shrinker gives back: frames chained through themselves */

static paddr_t hoard_pop(void)
{
    paddr_t pa = hoard;

    hoard = *(paddr_t *)phys_to_virt(pa);
    return pa;
}

static size_t test_shrink(size_t frames)
{
    size_t given;

    asked += frames;
    for (given = 0; hoard != PADDR_NONE && given < 64; given++)
        frame_put(hoard_pop());
    return given;
}

static void test_shrinker_add(void)
{
    static struct shrinker shrinker = { .name = "test", .shrink = test_shrink };
    static bool added;

    if (!added)
        frame_shrinker_add(&shrinker);
    added = true;
}

/* Chains all frames that there are. */
static paddr_t take_all(uint64_t *got)
{
    paddr_t first = PADDR_NONE, pa;

    for (*got = 0; (pa = frame_alloc(FRAME_USER)) != PADDR_NONE; ++*got) {
        *(paddr_t *)phys_to_virt(pa) = first;
        first = pa;
    }
    return first;
}

KTEST(frame, exhaustion)
{
    uint64_t before = frame_free_count(), got;
    paddr_t first, pa;

    test_shrinker_add();
    asked = 0;
    first = take_all(&got);
    KTEST_TRUE(asked > 0);
    KTEST_TRUE(got > before / 2 && got < before); /* the kernel keeps a reserve */
    pa = frame_alloc(0);
    KTEST_TRUE(pa != PADDR_NONE);
    if (pa != PADDR_NONE)
        frame_put(pa);
    KTEST_TRUE(frame_check());
    while (first != PADDR_NONE) {
        pa = first;
        first = *(paddr_t *)phys_to_virt(pa);
        frame_put(pa);
    }
    KTEST_EQ(frame_free_count(), before);
    KTEST_TRUE(frame_check());
}

#define HOARD 40 /* less than a CPU's cache takes without giving some back */
static paddr_t hoarded[HOARD];

static void hoard_here(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < HOARD; i++)
        frame_put(hoarded[i]);
}

/* What lies in another CPU's cache is found before an allocation fails. */
KTEST(frame, no_hoard_is_out_of_reach)
{
    uint64_t before, got;
    struct cpu_set last = { 0 };
    unsigned cpu = cpu_count - 1;
    paddr_t first, pa;

    (void)frame_drain();
    before = frame_free_count();
    for (unsigned i = 0; i < HOARD; i++) {
        hoarded[i] = frame_alloc_node(cpus[cpu]->node, 0);
        KTEST_REQUIRE(hoarded[i] != PADDR_NONE);
    }
    (void)frame_drain();
    bitmap_set(last.bits, cpu);
    if (cpu == 0 || !cpu_online(cpu))
        hoard_here(NULL);
    else
        smp_call(&last, hoard_here, NULL);
    KTEST_EQ(frame_free_count(), before);
    first = take_all(&got);
    KTEST_TRUE(frame_free_count() <= frame_reserve() + numa.count);
    while (first != PADDR_NONE) {
        pa = first;
        first = *(paddr_t *)phys_to_virt(pa);
        frame_put(pa);
    }
    KTEST_EQ(frame_free_count(), before);
    KTEST_TRUE(frame_check());
}

/* What a shrinker gives back lands in the CPU's cache: it must be found there, and there be room. */
KTEST(frame, shrinker_fills_the_cache)
{
    uint64_t before = frame_free_count(), got;
    paddr_t pa, first;

    test_shrinker_add();
    first = take_all(&got);
    for (unsigned flags = 0; flags <= FRAME_USER; flags += FRAME_USER) {
        paddr_t held = PADDR_NONE;

        hoard = first;
        asked = 0;
        while (asked == 0) {
            pa = frame_alloc(flags);
            KTEST_REQUIRE(pa != PADDR_NONE);
            *(paddr_t *)phys_to_virt(pa) = held;
            held = pa;
        }
        first = hoard;
        hoard = held; /* all of them go back the same way */
        while (hoard != PADDR_NONE) {
            pa = hoard_pop();
            *(paddr_t *)phys_to_virt(pa) = first;
            first = pa;
        }
        KTEST_TRUE(frame_check());
    }
    hoard = first;
    while (hoard != PADDR_NONE)
        frame_put(hoard_pop());
    KTEST_EQ(frame_free_count(), before);
}

/* Each frame holds its own address: what somebody else was given, too, would show. */
KTEST(frame, random_stress)
{
    paddr_t *held = kcalloc(HELD, sizeof(*held));
    uint64_t before;
    uint32_t state = 99;

    KTEST_REQUIRE(held != NULL);
    before = frame_free_count();
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = next_random(&state) % HELD;

        if (held[i] == 0) {
            held[i] = frame_alloc(next_random(&state) % 4 == 0 ? FRAME_ZERO : 0);
            KTEST_REQUIRE(held[i] != PADDR_NONE);
            *(paddr_t *)phys_to_virt(held[i]) = held[i];
        } else {
            KTEST_REQUIRE(*(paddr_t *)phys_to_virt(held[i]) == held[i]);
            frame_put(held[i]);
            held[i] = 0;
        }
    }
    KTEST_TRUE(frame_check());
    for (unsigned i = 0; i < HELD; i++)
        if (held[i] != 0)
            frame_put(held[i]);
    KTEST_EQ(frame_free_count(), before);
    kfree(held);
}

KTEST(frame, nodes)
{
    uint64_t before = frame_free_count();

    for (unsigned node = 0; node < numa.count; node++) {
        paddr_t pa = frame_alloc_node(node, FRAME_NODE_ONLY);

        KTEST_REQUIRE(pa != PADDR_NONE);
        KTEST_EQ(frame_of(pa)->node, node);
        frame_put(pa);
        pa = frame_alloc_node(node, 0);
        KTEST_REQUIRE(pa != PADDR_NONE);
        frame_put(pa);
        KTEST_TRUE(frame_node_free(node) > 0);
    }
    KTEST_EQ(frame_free_count(), before);
}

/* A set is kept to the last frame; what is wanted elsewhere is counted there. */
KTEST(frame, node_sets)
{
    uint64_t before = frame_free_count(), got = 0, first[NUMA_STATS], then[NUMA_STATS];
    unsigned last = numa.count - 1;
    paddr_t chain = PADDR_NONE, pa;

    frame_node_stats(last, first);
    while ((pa = frame_alloc_nodes(0, BIT(last), FRAME_USER | FRAME_NO_SHRINK)) != PADDR_NONE) {
        KTEST_REQUIRE(frame_of(pa)->node == last);
        *(paddr_t *)phys_to_virt(pa) = chain;
        chain = pa;
        got++;
    }
    KTEST_TRUE(got > 0);
    frame_node_stats(last, then);
    KTEST_EQ(then[NUMA_HIT] - first[NUMA_HIT], got); /* the set's nearest is what was wanted */
    KTEST_TRUE(frame_node_free(last) > 0); /* the kernel's reserve */
    pa = frame_alloc_nodes(last, BIT(last), FRAME_NO_SHRINK);
    KTEST_TRUE(pa != PADDR_NONE);
    if (pa != PADDR_NONE)
        frame_put(pa);
    if (numa.count > 1) {
        frame_node_stats(last, first);
        pa = frame_alloc_node(last, FRAME_USER);
        KTEST_REQUIRE(pa != PADDR_NONE);
        KTEST_TRUE(frame_of(pa)->node != last);
        frame_node_stats(last, then);
        KTEST_EQ(then[NUMA_FOREIGN] - first[NUMA_FOREIGN], 1);
        frame_put(pa);
    }
    while (chain != PADDR_NONE) {
        pa = chain;
        chain = *(paddr_t *)phys_to_virt(pa);
        frame_put(pa);
    }
    KTEST_EQ(frame_free_count(), before);
    KTEST_TRUE(frame_check());
}

/* A node without memory gets the nearest that has some. */
KTEST(frame, memoryless_node)
{
    static const uint8_t far[] = { 10, 17, 28, 17, 10, 28, 28, 17, 10 };
    struct numa_topology *saved = kmalloc(sizeof(*saved));
    paddr_t pa;

    KTEST_REQUIRE(saved != NULL);
    *saved = numa;
    if (numa.count <= 2) {
        KTEST_EQ(numa_set(3, far), 0);
        KTEST_EQ(frame_near_node(2), saved->count - 1);
        pa = frame_alloc_node(2, 0);
        KTEST_TRUE(pa != PADDR_NONE && frame_of(pa)->node == saved->count - 1);
        KTEST_EQ(frame_alloc_node(2, FRAME_NODE_ONLY), PADDR_NONE);
        numa = *saved;
        if (pa != PADDR_NONE)
            frame_put(pa);
    }
    kfree(saved);
}

/* The heap's blocks come from the running CPU's node, and go back to their own. */
KTEST(frame, heap_is_local)
{
    void *small = kmalloc(40), *large = kmalloc(2500);
    unsigned near;

    KTEST_REQUIRE(small != NULL && large != NULL);
    preempt_disable();
    near = frame_near_node(cpu_current()->node);
    preempt_enable_no_resched();
    if (cpu_count == 1) {
        KTEST_EQ(frame_of(virt_to_phys(small))->node, near);
        KTEST_EQ(frame_of(virt_to_phys(large))->node, near);
    }
    kfree(small);
    kfree(large);
    KTEST_TRUE(heap_check());
}

KTEST(numa, matrices)
{
    static const uint8_t good[] = { 10, 20, 40, 20, 10, 15, 40, 15, 10 };
    static const uint8_t near[] = { 10, 9, 20, 10 }, self[] = { 11, 20, 20, 10 };
    struct numa_topology *saved = kmalloc(sizeof(*saved));

    KTEST_REQUIRE(saved != NULL);
    *saved = numa;
    KTEST_EQ(numa_set(0, good), -EINVAL);
    KTEST_EQ(numa_set(2, near), -EINVAL);
    KTEST_EQ(numa_set(2, self), -EINVAL);
    KTEST_EQ(numa.count, saved->count);
    KTEST_EQ(numa_set(3, good), 0);
    KTEST_EQ(numa_distance(0, 2), 40);
    KTEST_EQ(numa_distance(0, 3), 255);
    KTEST_TRUE(numa.order[0][0] == 0 && numa.order[0][1] == 1 && numa.order[0][2] == 2);
    KTEST_TRUE(numa.order[2][0] == 2 && numa.order[2][1] == 1 && numa.order[2][2] == 0);
    numa = *saved;
    kfree(saved);
}
