// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tests of memory policies and of moving pages: what lies where, who may move what, and that no
 * write is lost while others use the pages.  On the host with several CPUs each seed is another
 * interleaving.  With one node only what does not depend on a second is checked.
 */
#include <core/ktest.h>
#include <hal/usercopy.h>
#include <linux/mman.h>
#include <sched/sched.h>
#include <vm/internal.h>
#include <vm/mempolicy.h>
#include <vm/space_test.h>

#define BASE 0x48000000ul
#define PAGES_N 12
#define RW (VM_READ | VM_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)
#define SHARED (MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED)

static bool store(vaddr_t addr, uint32_t v)
{
    return user_store_u32(USER_PTR(uint32_t, addr), v) == 0;
}

static uint32_t load(vaddr_t addr)
{
    uint32_t v = 0xdeadbeef;

    return user_load_u32(USER_PTR(uint32_t, addr), &v) == 0 ? v : 0xdeadbeef;
}

static err_t bind(struct space *s, vaddr_t addr, size_t pages, uint64_t nodes, unsigned flags)
{
    struct mempolicy *p;
    err_t err = mempolicy_make(MPOL_BIND, 0, nodes, &p);

    if (err == 0)
        err = space_mbind(s, addr, pages * PAGE_SIZE, p, flags);
    mempolicy_put(p);
    return err;
}

static bool all_on(struct space *s, vaddr_t addr, size_t pages, int node)
{
    for (size_t i = 0; i < pages; i++)
        if (space_page_node(s, addr + i * PAGE_SIZE) != node)
            return false;
    return true;
}

static void fill(vaddr_t addr, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        (void)store(addr + i * PAGE_SIZE, (uint32_t)i + 1);
}

static bool filled(vaddr_t addr, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        if (load(addr + i * PAGE_SIZE) != i + 1)
            return false;
    return true;
}

KTEST(mempolicy, makes_and_refuses)
{
    struct mempolicy *p = NULL, *q = NULL;

    KTEST_EQ(mempolicy_make(MPOL_DEFAULT, 0, 1, &p), -EINVAL);
    KTEST_EQ(mempolicy_make(MPOL_BIND, 0, 0, &p), -EINVAL);
    KTEST_EQ(mempolicy_make(MPOL_BIND, 0, BIT(63), &p), -EINVAL);
    KTEST_EQ(mempolicy_make(MPOL_LOCAL, 0, 1, &p), -EINVAL);
    KTEST_EQ(mempolicy_make(MPOL_PREFERRED, MPOL_F_STATIC_NODES, 0, &p), -EINVAL);
    KTEST_EQ(mempolicy_make(MPOL_PREFERRED, 0, 0, &p), 0);
    KTEST_REQUIRE(p != NULL);
    KTEST_EQ(p->mode, MPOL_LOCAL);
    mempolicy_put(p);
    KTEST_EQ(mempolicy_make(MPOL_INTERLEAVE, MPOL_F_RELATIVE_NODES, BIT(40), &p), 0);
    KTEST_EQ(mempolicy_make(MPOL_INTERLEAVE, MPOL_F_RELATIVE_NODES, BIT(40), &q), 0);
    KTEST_TRUE(p != q && mempolicy_equal(p, q) && !mempolicy_equal(p, NULL));
    mempolicy_put(p);
    mempolicy_put(q);
}

KTEST(mempolicy, regions_split_and_merge)
{
    struct space *s = test_space_begin();

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, BASE, PAGES_N, RW, ANON), BASE);
    KTEST_EQ(bind(s, BASE + 3 * PAGE_SIZE, 3, 1, 0), 0);
    KTEST_EQ(s->region_count, 3);
    KTEST_TRUE(space_check(s));
    KTEST_EQ(bind(s, BASE, PAGES_N, 1, 0), 0);
    KTEST_EQ(s->region_count, 1);
    KTEST_EQ(bind(s, BASE + PAGE_SIZE, PAGES_N, 1, 0), -EFAULT); /* beyond its end */
    KTEST_EQ(space_set_home(s, BASE + PAGE_SIZE, PAGE_SIZE, 0), 0);
    KTEST_EQ(s->region_count, 3);
    KTEST_EQ(space_mbind(s, BASE, PAGES_N * PAGE_SIZE, NULL, 0), 0);
    KTEST_EQ(s->region_count, 1);
    KTEST_EQ(space_set_home(s, BASE, PAGE_SIZE, 0), -ENOENT);
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}

KTEST(mempolicy, binds_and_moves)
{
    struct space *s = test_space_begin();
    int last = (int)numa.count - 1;

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, BASE, PAGES_N, RW, ANON), BASE);
    KTEST_EQ(bind(s, BASE, PAGES_N, BIT(last), 0), 0);
    fill(BASE, PAGES_N);
    KTEST_TRUE(all_on(s, BASE, PAGES_N, last));
    if (last > 0)
        KTEST_EQ(bind(s, BASE, PAGES_N, 1, MPOL_MF_STRICT), -EIO);
    KTEST_EQ(bind(s, BASE, PAGES_N, 1, MPOL_MF_STRICT | MPOL_MF_MOVE), 0);
    KTEST_TRUE(all_on(s, BASE, PAGES_N, 0));
    KTEST_TRUE(filled(BASE, PAGES_N));
    KTEST_EQ(space_migrate(s, 1, BIT(last), false), 0);
    KTEST_TRUE(all_on(s, BASE, PAGES_N, last));
    KTEST_TRUE(filled(BASE, PAGES_N));
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}

KTEST(mempolicy, shared_memory_carries_it)
{
    struct space *s = test_space_begin();
    int last = (int)numa.count - 1;

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, BASE, PAGES_N, RW, SHARED), BASE);
    KTEST_EQ(bind(s, BASE + 4 * PAGE_SIZE, 4, BIT(last), 0), 0);
    KTEST_EQ(bind(s, BASE + 5 * PAGE_SIZE, 1, 1, 0), 0); /* in the middle of a range */
    fill(BASE, PAGES_N);
    KTEST_TRUE(all_on(s, BASE + 4 * PAGE_SIZE, 1, last));
    KTEST_TRUE(all_on(s, BASE + 5 * PAGE_SIZE, 1, 0));
    KTEST_TRUE(all_on(s, BASE + 6 * PAGE_SIZE, 2, last));
    KTEST_EQ(bind(s, BASE, PAGES_N, BIT(last), MPOL_MF_STRICT | MPOL_MF_MOVE), 0);
    KTEST_TRUE(all_on(s, BASE, PAGES_N, last));
    KTEST_TRUE(filled(BASE, PAGES_N));
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}

/* Frames that two spaces hold, and a page that somebody has in hand. */
KTEST(mempolicy, what_is_not_ours_stays)
{
    struct space *s = test_space_begin(), *child = NULL;
    unsigned last = numa.count - 1;
    paddr_t pa;

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, BASE, 2, RW, ANON), BASE);
    KTEST_EQ(test_map(s, BASE + MiB, 1, RW, SHARED), BASE + MiB);
    KTEST_EQ(bind(s, BASE, 2, 1, 0), 0);
    KTEST_EQ(bind(s, BASE + MiB, 1, 1, 0), 0);
    fill(BASE, 2);
    fill(BASE + MiB, 1);
    KTEST_EQ(space_fork(s, &child), 0);
    KTEST_REQUIRE(child != NULL);
    if (last > 0) {
        KTEST_EQ(space_move_page(s, BASE, last, false), -EACCES);
        KTEST_EQ(space_move_page(s, BASE, last, true), (int)last);
        KTEST_EQ(space_page_node(child, BASE), 0);
        KTEST_EQ(space_pin(s, BASE + MiB, true, &pa), 0);
        KTEST_EQ(space_move_page(s, BASE + MiB, last, true), -EBUSY);
        frame_put(pa);
        KTEST_EQ(space_move_page(s, BASE + MiB, last, true), (int)last);
    }
    KTEST_EQ(space_move_page(s, BASE + 8 * PAGE_SIZE, last, true), -EFAULT);
    KTEST_TRUE(filled(BASE, 2) && filled(BASE + MiB, 1));
    KTEST_TRUE(space_check(s) && space_check(child));
    space_put(child);
    test_space_end(s);
}

/* A bound region gets no memory of other nodes, even if it is the last of its own. */
KTEST(mempolicy, a_full_node_is_the_end)
{
    struct space *s = test_space_begin();
    unsigned last = numa.count - 1;
    size_t pages = frame_node_total(last) + 64;
    bool (*hook)(void) = vm_oom_hook;
    uint64_t other = frame_node_free(0);

    KTEST_REQUIRE(s != NULL);
    vm_oom_hook = NULL;
    KTEST_EQ(test_map(s, BASE, pages, RW | VM_NORESERVE, ANON), BASE);
    KTEST_EQ(bind(s, BASE, pages, BIT(last), 0), 0);
    KTEST_EQ(space_populate(s, BASE, pages * PAGE_SIZE, true), -EAGAIN);
    KTEST_TRUE(s->resident_anon > pages / 2 || last == 0);
    if (last > 0) /* page tables and the heap are all that may come from elsewhere */
        KTEST_TRUE(frame_node_free(0) + pages / 64 + 64 > other);
    vm_oom_hook = hook;
    test_space_end(s);
}

/* ---- moving while others write ------------------------------------------------------------- */

#define WORKERS 3
#define ROUNDS 300

struct moving {
    struct space *s;
    unsigned running, next; /* atomic */
};

/* Counts in words of its own, in each page. */
static void writer(void *arg)
{
    struct moving *m = arg;
    unsigned self = atomic_fetch_add(&m->next, 1);
    uint64_t seed = self + 77;

    space_activate(m->s);
    for (unsigned i = 0; i < ROUNDS; i++) {
        vaddr_t page = BASE + test_random(&seed) % 2 * MiB + i % PAGES_N * PAGE_SIZE;
        vaddr_t addr = page + 64 + self * 4;
        uint32_t n = load(addr);

        (void)store(addr, n + 1);
        (void)store(BASE + 2 * MiB + self * 4, i + 1);
        if (i % 16 == 0)
            sched_yield();
    }
    space_activate(NULL);
    (void)atomic_sub_fetch(&m->running, 1);
}

static uint64_t sum_of(unsigned self)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < 2 * PAGES_N; i++)
        sum += load(BASE + i % 2 * MiB + i / 2 * PAGE_SIZE + 64 + self * 4);
    return sum;
}

KTEST(mempolicy, no_write_is_lost)
{
    struct moving m = { .s = test_space_begin(), .running = WORKERS };
    uint64_t seed = 5;

    KTEST_REQUIRE(m.s != NULL);
    KTEST_EQ(test_map(m.s, BASE, PAGES_N, RW, ANON), BASE);
    KTEST_EQ(test_map(m.s, BASE + MiB, PAGES_N, RW, SHARED), BASE + MiB);
    KTEST_EQ(test_map(m.s, BASE + 2 * MiB, 1, RW, ANON), BASE + 2 * MiB);
    for (unsigned i = 0; i < WORKERS; i++)
        if (kthread_start("writer", LEVEL_NORMAL, writer, &m) == NULL)
            (void)atomic_fetch_sub(&m.running, 1);
    while (atomic_load(&m.running) != 0) {
        unsigned node = (unsigned)test_random(&seed) % numa.count;
        struct space *child;

        (void)bind(m.s, BASE, PAGES_N, BIT(node), MPOL_MF_MOVE);
        (void)bind(m.s, BASE + MiB, PAGES_N, BIT(node), MPOL_MF_MOVE_ALL);
        (void)space_migrate(m.s, BIT(node), BIT((node + 1) % numa.count), true);
        if (test_random(&seed) % 4 == 0 && space_fork(m.s, &child) == 0)
            space_put(child);
        sched_yield();
    }
    for (unsigned i = 0; i < WORKERS; i++)
        KTEST_EQ(sum_of(i), ROUNDS);
    KTEST_TRUE(space_check(m.s));
    test_space_end(m.s);
}
