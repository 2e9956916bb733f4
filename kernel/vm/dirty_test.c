// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of objects whose pages lie somewhere else, too: marks, reading ahead, eviction, and marks by
 * mappings. */
#include <core/ktest.h>
#include <hal/usercopy.h>
#include <linux/mman.h>
#include <vm/internal.h>
#include <vm/space_test.h>

#define BASE 0x40000000ul
#define PAGES_MAPPED 40u

static err_t read_index(struct object *o, uint64_t index, paddr_t frame)
{
    memset(phys_to_virt(frame), (int)index, PAGE_SIZE);
    return 0;
}

static const struct pager tracking = { .read_page = read_index, .tracks_dirty = true };

static bool store(vaddr_t addr, uint8_t v)
{
    return user_copy_out(USER_PTR(void, addr), &v, 1) == 0;
}

static uint8_t load(vaddr_t addr)
{
    uint8_t v = 0xbd;

    return user_copy_in(&v, USER_PTR(const void, addr), 1) == 0 ? v : 0xbd;
}

static bool writable_at(struct space *s, vaddr_t addr)
{
    unsigned level;
    pte_t *pte = mmu_walk(&s->hal, addr, &level);

    return level == 0 && pte_writable(pte_load(pte));
}

static err_t map_shared(struct space *s, vaddr_t addr, struct object *o, unsigned rights)
{
    struct map_request q = { .addr = addr,
                             .length = PAGES_MAPPED * PAGE_SIZE,
                             .vm_flags = rights | VM_SHARED | VM_MAY_READ | VM_MAY_WRITE,
                             .map_flags = MAP_FIXED,
                             .object = o };
    vaddr_t out;

    return space_map(s, &q, &out);
}

/* Takes all marks; returns the sum of (index + 1). */
static uint64_t marks_take(struct object *o)
{
    uint64_t sum = 0, at = 0;
    paddr_t out[4];
    unsigned n;

    while ((n = object_dirty_take(o, &at, UINT64_MAX, out, 4)) != 0) {
        for (unsigned i = 0; i < n; i++) {
            sum += at + i + 1;
            frame_put(out[i]);
        }
        at += n;
    }
    return sum;
}

KTEST(vm_dirty, marks)
{
    static const uint64_t marked[] = { 0, 1, 2, 63, 64, 4095, 4096, 70000 };
    struct object *o = object_create(&tracking, NULL, 1ull << 40);
    uint64_t before = object_dirty_total(), at = 0, sum = 0;
    paddr_t pa, run[8];

    KTEST_REQUIRE(o != NULL);
    for (size_t i = 0; i < ARRAY_SIZE(marked); i++) {
        KTEST_EQ(object_page(o, marked[i], OBJECT_CREATE, &pa), 0);
        object_mark_dirty(o, marked[i]);
        object_mark_dirty(o, marked[i]);
        frame_put(pa);
        sum += marked[i] + 1;
    }
    object_mark_dirty(o, 5); /* not there */
    KTEST_EQ(o->dirty, ARRAY_SIZE(marked));
    KTEST_EQ(object_dirty_total(), before + ARRAY_SIZE(marked));
    KTEST_EQ(object_dirty_take(o, &at, 2, run, 8), 2);
    KTEST_EQ(at, 0);
    frame_put_bulk(run, 2);
    sum -= 1 + 2;
    at = 10;
    KTEST_EQ(object_dirty_take(o, &at, 63, run, 8), 0);
    KTEST_EQ(marks_take(o), sum);
    KTEST_EQ(o->dirty, 0);
    object_mark_dirty(o, 64);
    object_mark_dirty(o, 0);
    object_truncate(o, PAGE_SIZE); /* a mark goes with its page */
    KTEST_EQ(o->dirty, 1);
    object_put(o);
    KTEST_EQ(object_dirty_total(), before);
}

KTEST(vm_dirty, fill)
{
    struct object *o = object_create(&tracking, NULL, 1ull << 20);
    paddr_t frame[8], pa;

    KTEST_REQUIRE(o != NULL);
    KTEST_EQ(object_page(o, 6, OBJECT_CREATE, &pa), 0);
    frame_put(pa);
    KTEST_EQ(frame_alloc_bulk(frame, 8, 0), 8);
    KTEST_EQ(object_next_absent(o, 6, 100), 7);
    KTEST_EQ(object_fill_begin(o, 2, frame, 8), 4); /* up to page 6 */
    KTEST_EQ(object_next_absent(o, 2, 7), 7);
    KTEST_EQ(object_pages_present(o, 2, &pa, 1), 0); /* busy */
    object_fill_end(o, 2, frame, 2, true);
    object_fill_end(o, 4, frame + 2, 2, false);
    KTEST_EQ(object_next_absent(o, 2, 7), 4);
    KTEST_EQ(object_page(o, 3, 0, &pa), 0);
    KTEST_EQ(pa, frame[1]);
    frame_put(pa);
    KTEST_EQ(o->pages, 3);
    frame_put_bulk(frame, 8);
    object_put(o);
}

KTEST(vm_dirty, evict)
{
    struct object *o = object_create(&tracking, NULL, 1ull << 20);
    uint64_t hand = 0;
    paddr_t pa[100];

    KTEST_REQUIRE(o != NULL);
    for (unsigned i = 0; i < 100; i++) {
        KTEST_EQ(object_page(o, i, OBJECT_CREATE, &pa[i]), 0);
        if (i % 10 == 3)
            object_mark_dirty(o, i);
        if (i % 10 != 7)
            frame_put(pa[i]);
    }
    KTEST_EQ(object_evict(o, &hand, 20), 20);
    KTEST_EQ(o->pages, 80);
    KTEST_EQ(object_evict(o, &hand, 1000), 60);
    KTEST_EQ(o->pages, 20); /* the marked ones and those in use */
    KTEST_EQ(o->dirty, 10);
    for (unsigned i = 7; i < 100; i += 10)
        frame_put(pa[i]);
    KTEST_EQ(object_evict(o, &hand, 1000), 10);
    KTEST_EQ(marks_take(o), 10u * 49);
    KTEST_EQ(object_evict(o, &hand, 1000), 10);
    KTEST_EQ(o->pages, 0);
    object_put(o);
}

KTEST(vm_dirty, mappings)
{
    struct object *o = object_create(&tracking, NULL, PAGES_MAPPED * PAGE_SIZE);
    struct space *s = test_space_begin(), *child;

    KTEST_REQUIRE(s != NULL && o != NULL);
    KTEST_EQ(map_shared(s, BASE, o, VM_READ | VM_WRITE), 0);
    KTEST_EQ(load(BASE + 3 * PAGE_SIZE), 3);
    KTEST_EQ(o->dirty, 0);
    KTEST_TRUE(!writable_at(s, BASE + 3 * PAGE_SIZE));
    KTEST_TRUE(store(BASE + 3 * PAGE_SIZE, 30)); /* entry present */
    KTEST_TRUE(store(BASE + 20 * PAGE_SIZE, 31)); /* entry absent */
    KTEST_EQ(o->dirty, 2);
    KTEST_EQ(marks_take(o), 4 + 21);
    KTEST_TRUE(!writable_at(s, BASE + 3 * PAGE_SIZE));
    KTEST_EQ(o->dirty, 0);
    KTEST_TRUE(store(BASE + 3 * PAGE_SIZE + 1, 32)); /* marks it again */
    KTEST_EQ(o->dirty, 1);
    KTEST_EQ(load(BASE + 3 * PAGE_SIZE), 30);
    KTEST_REQUIRE(space_fork(s, &child) == 0);
    KTEST_EQ(marks_take(o), 4); /* of the child's entry, too */
    KTEST_TRUE(!writable_at(child, BASE + 3 * PAGE_SIZE));
    space_put(child);
    KTEST_EQ(space_protect(s, BASE, PAGES_MAPPED * PAGE_SIZE, VM_READ), 0);
    KTEST_EQ(load(BASE + 5 * PAGE_SIZE), 5);
    KTEST_EQ(space_protect(s, BASE, PAGES_MAPPED * PAGE_SIZE, VM_READ | VM_WRITE), 0);
    KTEST_TRUE(!writable_at(s, BASE + 5 * PAGE_SIZE));
    KTEST_TRUE(store(BASE + 5 * PAGE_SIZE, 33));
    KTEST_EQ(marks_take(o), 6);
    KTEST_TRUE(space_check(s));
    test_space_end(s);
    object_put(o);
}
