// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: threads of one space fault, drop, protect, fork and move while an object that they all
 * map is truncated and punched.  On the host with several CPUs each seed is another interleaving.
 */
#include <core/ktest.h>
#include <hal/usercopy.h>
#include <linux/mman.h>
#include <sched/sched.h>
#include <vm/internal.h>
#include <vm/space_test.h>

#define RACE_BASE 0x50000000ul
#define RACE_PAGES 24
#define RACE_OBJECT (RACE_BASE + GiB)
#define RACE_PRIVATE (RACE_BASE + 2 * GiB)
#define RACE_STEPS 150
#define RACE_THREADS 5
#define RW (VM_READ | VM_WRITE)

struct race {
    struct space *s;
    struct object *o;
    unsigned running; /* atomic */
    unsigned next; /* atomic: number of a worker */
    unsigned wrong; /* atomic */
};

static void touch(vaddr_t base, uint64_t *seed, bool write)
{
    vaddr_t addr = base + test_random(seed) % RACE_PAGES * PAGE_SIZE + 8;
    uint32_t word = 0;

    /* The page may be gone or beyond the end: only the outcome of the race is checked. */
    if (write)
        (void)!user_store_u32(USER_PTR(uint32_t, addr), 1);
    else
        (void)!user_load_u32(USER_PTR(uint32_t, addr), &word);
}

static void step_touch(struct race *r, uint64_t *seed)
{
    static const vaddr_t bases[] = { RACE_BASE, RACE_OBJECT, RACE_PRIVATE };

    (void)r;
    touch(bases[test_random(seed) % 3], seed, test_random(seed) % 2);
}

static void step_drop(struct race *r, uint64_t *seed)
{
    static const vaddr_t bases[] = { RACE_BASE, RACE_OBJECT, RACE_PRIVATE };
    vaddr_t addr = bases[test_random(seed) % 3] + test_random(seed) % RACE_PAGES * PAGE_SIZE;

    (void)space_advise(r->s, addr, PAGE_SIZE, MADV_DONTNEED);
}

static void step_protect(struct race *r, uint64_t *seed)
{
    vaddr_t addr = RACE_BASE + test_random(seed) % RACE_PAGES * PAGE_SIZE;

    (void)space_protect(r->s, addr, PAGE_SIZE, test_random(seed) % 4);
}

static void step_remap(struct race *r, uint64_t *seed)
{
    vaddr_t addr = RACE_BASE + test_random(seed) % RACE_PAGES * PAGE_SIZE;

    (void)space_unmap(r->s, addr, PAGE_SIZE);
    (void)test_map(r->s, addr, 1, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
}

static void step_fork(struct race *r, uint64_t *seed)
{
    struct space *child;
    uint8_t byte = 1;

    if (space_fork(r->s, &child) != 0)
        return;
    (void)space_access(child, RACE_PRIVATE + test_random(seed) % RACE_PAGES * PAGE_SIZE, &byte, 1,
                       true);
    if (!space_check(child))
        (void)atomic_fetch_add(&r->wrong, 1);
    space_put(child);
}

static void step_truncate(struct race *r, uint64_t *seed)
{
    object_truncate(r->o, test_random(seed) % (RACE_PAGES * PAGE_SIZE));
    object_punch(r->o, 3 * PAGE_SIZE, 9 * PAGE_SIZE);
    object_truncate(r->o, RACE_PAGES * PAGE_SIZE);
}

static void race_worker(void *arg)
{
    static void (*const steps[])(struct race *, uint64_t *) = {
        step_touch, step_touch, step_touch, step_touch, step_touch, step_touch,
        step_drop,  step_protect, step_remap, step_fork, step_truncate,
    };
    struct race *r = arg;
    uint64_t seed = 0x9e3779b97f4a7c15ull * (atomic_fetch_add(&r->next, 1) + 1);

    space_activate(r->s);
    for (unsigned i = 0; i < RACE_STEPS; i++) {
        steps[test_random(&seed) % ARRAY_SIZE(steps)](r, &seed);
        if (i % 8 == 0)
            sched_yield();
    }
    space_activate(NULL);
    (void)atomic_sub_fetch(&r->running, 1); /* r may be gone from here on */
}

KTEST(vm_race, threads_of_one_space)
{
    struct race r = { .running = RACE_THREADS };
    struct map_request q = { .addr = RACE_OBJECT, .length = RACE_PAGES * PAGE_SIZE,
                             .vm_flags = RW | VM_SHARED | VM_MAY_READ | VM_MAY_WRITE,
                             .map_flags = MAP_FIXED };
    vaddr_t out;

    r.s = space_create();
    q.object = r.o = object_create(NULL, NULL, RACE_PAGES * PAGE_SIZE);
    KTEST_REQUIRE(r.s != NULL && r.o != NULL);
    KTEST_EQ(space_map(r.s, &q, &out), 0);
    q.addr = RACE_PRIVATE;
    q.vm_flags &= ~VM_SHARED;
    KTEST_EQ(space_map(r.s, &q, &out), 0);
    KTEST_EQ(test_map(r.s, RACE_BASE, RACE_PAGES, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED),
             RACE_BASE);
    for (unsigned i = 0; i < RACE_THREADS; i++)
        if (kthread_start("race", LEVEL_NORMAL, race_worker, &r) == NULL)
            (void)atomic_fetch_sub(&r.running, 1);
    while (atomic_load(&r.running) != 0)
        sched_yield();
    KTEST_EQ(r.wrong, 0);
    KTEST_TRUE(space_check(r.s));
    space_put(r.s);
    object_put(r.o);
}
