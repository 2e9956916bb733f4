// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tests of address spaces: placement, and random operations against a model that keeps one
 * record for each page.
 */
#include <core/ktest.h>
#include <hal/usercopy.h>
#include <linux/mman.h>
#include <vm/internal.h>
#include <vm/space_test.h>

struct space *test_space_begin(void)
{
    struct space *s = space_create();

    if (s != NULL)
        space_activate(s);
    return s;
}

void test_space_end(struct space *s)
{
    space_activate(NULL);
    space_put(s);
}

vaddr_t test_map(struct space *s, vaddr_t addr, size_t pages, unsigned rights, int flags)
{
    struct map_request q = {
        .addr = addr,
        .length = pages * PAGE_SIZE,
        .vm_flags = rights | VM_MAY_READ | VM_MAY_WRITE | VM_MAY_EXEC |
                    ((flags & MAP_TYPE) == MAP_SHARED ? VM_SHARED : 0),
        .map_flags = flags,
    };
    vaddr_t out;
    err_t err = space_map(s, &q, &out);

    return err ? (vaddr_t)err : out;
}

uint64_t test_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---- placement ----------------------------------------------------------------------------- */

/* The highest hole, found the slow way. */
static vaddr_t slow_gap(struct space *s, uint64_t length, vaddr_t high)
{
    vaddr_t best = 0, floor = USER_BOTTOM;
    struct region *r;

    for (r = space_find(s, 0); r != NULL; r = region_next(r)) {
        vaddr_t top = MIN(r->start, high);

        if (top > floor && top - floor >= length)
            best = top - length;
        floor = MAX(floor, r->end);
    }
    return high > floor && high - floor >= length ? high - length : best;
}

KTEST(vm_space, placement_is_the_highest_hole)
{
    struct space *s = test_space_begin();
    uint64_t seed = 42;

    KTEST_REQUIRE(s != NULL);
    s->mmap_top = USER_TOP - GiB;
    for (unsigned i = 0; i < 1500; i++) {
        uint64_t pages = 1 + test_random(&seed) % 9;
        unsigned rights = test_random(&seed) % 2 ? VM_READ : VM_READ | VM_WRITE;
        vaddr_t expect, got;

        if (test_random(&seed) % 3 != 0) {
            expect = slow_gap(s, pages * PAGE_SIZE, s->mmap_top);
            got = test_map(s, 0, pages, rights, MAP_PRIVATE | MAP_ANONYMOUS);
            KTEST_REQUIRE(KTEST_EQ(got, expect));
        } else {
            vaddr_t at = s->mmap_top - (test_random(&seed) % 2000 + pages) * PAGE_SIZE;

            KTEST_EQ(space_unmap(s, at, pages * PAGE_SIZE), 0);
        }
        if (i % 50 == 0)
            KTEST_REQUIRE(KTEST_TRUE(space_check(s)));
    }
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}

KTEST(vm_space, fixed_hint_and_limits)
{
    struct space *s = test_space_begin();
    int anon = MAP_PRIVATE | MAP_ANONYMOUS;
    vaddr_t a;

    KTEST_REQUIRE(s != NULL);
    a = test_map(s, 0x10000000, 2, VM_READ, anon);
    KTEST_EQ(a, 0x10000000);
    KTEST_EQ(test_map(s, 0x10001000, 1, VM_READ, anon | MAP_FIXED_NOREPLACE), -EEXIST);
    KTEST_EQ(test_map(s, 0x10001001, 1, VM_READ, anon | MAP_FIXED), -EINVAL);
    KTEST_EQ(test_map(s, 0, 1, VM_READ, anon | MAP_FIXED), -EPERM);
    KTEST_EQ(test_map(s, USER_TOP, 1, VM_READ, anon | MAP_FIXED), -ENOMEM);
    KTEST_EQ(test_map(s, USER_TOP - PAGE_SIZE, 1, VM_READ, anon | MAP_FIXED), USER_TOP - PAGE_SIZE);
    KTEST_EQ(test_map(s, 0, USER_TOP >> PAGE_SHIFT, VM_READ, anon), -ENOMEM);
    KTEST_EQ(test_map(s, 0, frame_total() + 1, VM_READ | VM_WRITE, anon), -ENOMEM);
    s->limit_as = 4 * PAGE_SIZE;
    KTEST_EQ(test_map(s, 0, 2, VM_READ, anon), -ENOMEM);
    KTEST_TRUE(!IS_ERR((void *)test_map(s, 0, 1, VM_READ, anon)));
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}

KTEST(vm_space, neighbours_merge)
{
    struct space *s = test_space_begin();
    int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, 0x100000, 1, VM_READ, fixed), 0x100000);
    KTEST_EQ(test_map(s, 0x102000, 1, VM_READ, fixed), 0x102000);
    KTEST_EQ(s->region_count, 2);
    KTEST_EQ(test_map(s, 0x101000, 1, VM_READ, fixed), 0x101000);
    KTEST_EQ(s->region_count, 1);
    KTEST_EQ(space_protect(s, 0x101000, PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
    KTEST_EQ(s->region_count, 3);
    KTEST_TRUE(space_check(s));
    KTEST_EQ(space_protect(s, 0x101000, PAGE_SIZE, PROT_READ), 0);
    KTEST_EQ(s->region_count, 1);
    KTEST_EQ(space_unmap(s, 0x101000, PAGE_SIZE), 0);
    KTEST_EQ(s->region_count, 2);
    KTEST_EQ(space_protect(s, 0x100000, 3 * PAGE_SIZE, PROT_NONE), -ENOMEM);
    KTEST_EQ(space_protect(s, 0x100800, PAGE_SIZE, PROT_NONE), -EINVAL);
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}

/* ---- random operations against a model ------------------------------------------------------ */

#define WINDOW_PAGES 48
#define WINDOW 0x7f0000000000ul

struct model_page {
    bool mapped;
    unsigned rights;
    uint8_t value;
};

struct model {
    struct ktest *t;
    struct space *s;
    uint64_t seed;
    struct model_page page[WINDOW_PAGES];
};

static vaddr_t window(unsigned page)
{
    return WINDOW + page * PAGE_SIZE;
}

static unsigned pick(struct model *m, unsigned n)
{
    return test_random(&m->seed) % n;
}

static void pick_range(struct model *m, unsigned *first, unsigned *count)
{
    *first = pick(m, WINDOW_PAGES);
    *count = 1 + pick(m, MIN(8u, WINDOW_PAGES - *first));
}

static void step_map(struct model *m)
{
    static const unsigned rights[] = { 0, VM_READ, VM_READ | VM_WRITE, VM_READ | VM_EXEC };
    unsigned first, count, r = rights[pick(m, 4)];
    struct ktest *t = m->t;

    pick_range(m, &first, &count);
    KTEST_EQ(test_map(m->s, window(first), count, r, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED),
             window(first));
    for (unsigned i = first; i < first + count; i++)
        m->page[i] = (struct model_page){ .mapped = true, .rights = r };
}

static void step_unmap(struct model *m)
{
    unsigned first, count;
    struct ktest *t = m->t;

    pick_range(m, &first, &count);
    KTEST_EQ(space_unmap(m->s, window(first), count * PAGE_SIZE), 0);
    for (unsigned i = first; i < first + count; i++)
        m->page[i] = (struct model_page){ .mapped = false };
}

static void step_protect(struct model *m)
{
    unsigned first, count, rights = pick(m, 8);
    struct ktest *t = m->t;
    err_t expect = 0, err;

    pick_range(m, &first, &count);
    err = space_protect(m->s, window(first), count * PAGE_SIZE, rights);
    for (unsigned i = first; i < first + count && expect == 0; i++) {
        if (!m->page[i].mapped)
            expect = -ENOMEM;
        else
            m->page[i].rights = rights;
    }
    KTEST_EQ(err, expect);
}

static void step_write(struct model *m)
{
    unsigned i = pick(m, WINDOW_PAGES);
    uint8_t value = test_random(&m->seed);
    bool may = m->page[i].mapped && (m->page[i].rights & VM_WRITE);
    size_t left = user_copy_out(USER_PTR(void, window(i) + 5), &value, 1);
    struct ktest *t = m->t;

    KTEST_EQ(left, may ? 0 : 1);
    if (may)
        m->page[i].value = value;
}

static void step_drop(struct model *m)
{
    unsigned first, count;
    struct ktest *t = m->t;
    bool hole = false;
    err_t err;

    pick_range(m, &first, &count);
    err = space_advise(m->s, window(first), count * PAGE_SIZE, MADV_DONTNEED);
    for (unsigned i = first; i < first + count; i++) {
        hole |= !m->page[i].mapped;
        m->page[i].value = 0;
    }
    KTEST_EQ(err, hole ? -ENOMEM : 0);
}

/* Moves a run of pages that are all alike; the kernel wants one region. */
static void step_move(struct model *m)
{
    unsigned from = pick(m, WINDOW_PAGES - 4), to = pick(m, WINDOW_PAGES - 4);
    unsigned count = 1 + pick(m, 4);
    struct model_page saved[4];
    struct ktest *t = m->t;
    vaddr_t out;
    err_t err;

    if (from < to + count && to < from + count)
        return;
    for (unsigned i = 0; i < count; i++) {
        if (!m->page[from + i].mapped || m->page[from + i].rights != m->page[from].rights)
            return;
        saved[i] = m->page[from + i];
    }
    err = space_remap(m->s, window(from), count * PAGE_SIZE, count * PAGE_SIZE,
                      MREMAP_MAYMOVE | MREMAP_FIXED, window(to), &out);
    KTEST_EQ(err, 0);
    for (unsigned i = 0; i < count; i++) {
        m->page[from + i] = (struct model_page){ .mapped = false };
        m->page[to + i] = saved[i];
    }
}

/* A child sees what the parent has; what it writes stays its own. */
static void step_fork(struct model *m)
{
    struct ktest *t = m->t;
    struct space *child;

    KTEST_REQUIRE(space_fork(m->s, &child) == 0);
    KTEST_TRUE(space_check(child));
    for (unsigned i = 0; i < WINDOW_PAGES; i++) {
        uint8_t value = 0xee;
        size_t n = space_access_checked(child, window(i) + 5, &value, 1, false);
        bool readable = m->page[i].mapped && m->page[i].rights != 0;

        KTEST_EQ(n, readable ? 1 : 0);
        if (readable)
            KTEST_EQ(value, m->page[i].value);
        value = ~value;
        if (m->page[i].mapped && (m->page[i].rights & VM_WRITE) && i % 2 == 0)
            KTEST_EQ(space_access_checked(child, window(i) + 5, &value, 1, true), 1);
    }
    KTEST_TRUE(space_check(child));
    KTEST_TRUE(space_check(m->s));
    space_put(child);
}

static void model_compare(struct model *m)
{
    struct ktest *t = m->t;

    for (unsigned i = 0; i < WINDOW_PAGES; i++) {
        const struct region *r = space_find(m->s, window(i));
        bool mapped = r != NULL && r->start <= window(i);
        uint8_t value = 0;
        size_t left;

        KTEST_EQ(mapped, m->page[i].mapped);
        if (!mapped)
            continue;
        KTEST_EQ(r->flags & VM_RIGHTS, m->page[i].rights);
        left = user_copy_in(&value, USER_PTR(const void, window(i) + 5), 1);
        KTEST_EQ(left, m->page[i].rights ? 0 : 1);
        if (left == 0)
            KTEST_EQ(value, m->page[i].value);
    }
}

KTEST(vm_space, random_operations_match_the_model)
{
    static void (*const steps[])(struct model *) = { step_map,   step_map,  step_unmap,
                                                     step_write, step_write, step_write,
                                                     step_write, step_protect, step_drop,
                                                     step_move };
    struct model m = { .t = t, .s = test_space_begin(), .seed = 0x1234567 };

    KTEST_REQUIRE(m.s != NULL);
    for (unsigned i = 0; i < 1500 && t->failures == 0; i++) {
        steps[pick(&m, ARRAY_SIZE(steps))](&m);
        if (i % 40 == 0)
            step_fork(&m);
        if (i % 8 == 0)
            model_compare(&m);
        if (i % 8 == 4)
            KTEST_TRUE(space_check(m.s));
    }
    test_space_end(m.s);
}

/* ---- what was touched ------------------------------------------------------------------------ */

static void touch(struct ktest *t, vaddr_t addr)
{
    KTEST_EQ(user_store_u32(USER_PTR(uint32_t, addr), 1), 0);
}

/* Does r know that entries are only between `low` and `high`, give or take what is taken at once? */
static bool touched_within(const struct region *r, vaddr_t low, vaddr_t high)
{
    vaddr_t start = r->start, end = r->end;

    region_touched(r, &start, &end);
    return start < end ? start >= low - 64 * PAGE_SIZE && end <= high + 64 * PAGE_SIZE : low >= high;
}

/* A thread's stack: 8 MiB, of which the end is used. */
KTEST(vm_space, only_what_was_touched_is_walked)
{
    int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    vaddr_t base = 0x40000000, end = base + 2048 * PAGE_SIZE, used = end - 2 * PAGE_SIZE;
    struct space *s = test_space_begin(), *child;
    struct region *r;

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, base, 2048, VM_READ | VM_WRITE, fixed), base);
    r = space_find(s, base);
    KTEST_TRUE(touched_within(r, base, base));
    touch(t, used);
    touch(t, end - PAGE_SIZE);
    KTEST_TRUE(touched_within(r, used, end));
    touch(t, base + 700 * PAGE_SIZE);
    KTEST_TRUE(!touched_within(r, used, end));
    KTEST_REQUIRE(space_fork(s, &child) == 0);
    KTEST_TRUE(space_check(child));
    KTEST_EQ(child->resident_anon, 3);
    space_put(child);
    KTEST_EQ(space_advise(s, base, used - base, MADV_DONTNEED), 0);
    KTEST_TRUE(touched_within(r, used, end));
    KTEST_EQ(s->resident_anon, 2);
    touch(t, used - PAGE_SIZE);
    KTEST_TRUE(space_check(s));
    KTEST_EQ(space_advise(s, base, end - base, MADV_DONTNEED), 0);
    KTEST_EQ(s->resident_anon, 0);
    KTEST_TRUE(touched_within(r, base, base));
    touch(t, base);
    KTEST_TRUE(touched_within(r, base, base + PAGE_SIZE));
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}

/* Nothing below a region may be left out by a border that moves. */
KTEST(vm_space, touched_pages_follow_split_merge_and_move)
{
    int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    vaddr_t base = 0x40000000, far = 0x7000000, out;
    struct space *s = test_space_begin();

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, base, 1024, VM_READ | VM_WRITE, fixed), base);
    touch(t, base + 100 * PAGE_SIZE);
    touch(t, base + 900 * PAGE_SIZE);
    KTEST_EQ(space_protect(s, base + 500 * PAGE_SIZE, 10 * PAGE_SIZE, VM_READ), 0);
    touch(t, base + 1000 * PAGE_SIZE);
    touch(t, base);
    KTEST_TRUE(space_check(s));
    KTEST_EQ(space_protect(s, base + 500 * PAGE_SIZE, 10 * PAGE_SIZE, VM_READ | VM_WRITE), 0);
    KTEST_TRUE(space_check(s));
    KTEST_EQ(space_remap(s, base + 800 * PAGE_SIZE, 200 * PAGE_SIZE, 200 * PAGE_SIZE,
                         MREMAP_MAYMOVE | MREMAP_FIXED, far, &out), 0);
    KTEST_EQ(out, far);
    KTEST_TRUE(space_check(s));
    KTEST_EQ(space_unmap(s, far, 200 * PAGE_SIZE), 0);
    KTEST_EQ(s->resident_anon, 3);
    KTEST_EQ(space_unmap(s, base, 1024 * PAGE_SIZE), 0);
    KTEST_EQ(s->resident_anon, 0);
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}

/* The last region below a table takes it along, though it never had an entry itself. */
KTEST(vm_space, tables_go_with_the_last_region)
{
    int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    vaddr_t base = 0x40000000, upper = base + 4 * PAGE_SIZE;
    struct space *s = test_space_begin();
    uint64_t tables;

    KTEST_REQUIRE(s != NULL);
    tables = s->hal.table_pages;
    KTEST_EQ(test_map(s, base, 4, VM_READ | VM_WRITE, fixed), base);
    KTEST_EQ(test_map(s, upper, 4, VM_READ, fixed), upper);
    touch(t, base);
    KTEST_TRUE(s->hal.table_pages > tables);
    KTEST_EQ(space_unmap(s, base, 4 * PAGE_SIZE), 0);
    KTEST_EQ(space_unmap(s, upper, 4 * PAGE_SIZE), 0);
    KTEST_EQ(s->hal.table_pages, tables);
    KTEST_EQ(test_map(s, base, 4, VM_READ | VM_WRITE, fixed), base);
    touch(t, base);
    KTEST_EQ(space_advise(s, base, 4 * PAGE_SIZE, MADV_DONTNEED), 0);
    KTEST_EQ(space_unmap(s, base, 4 * PAGE_SIZE), 0);
    KTEST_EQ(s->hal.table_pages, tables);
    test_space_end(s);
}

/* ---- remap, brk, locks ---------------------------------------------------------------------- */

KTEST(vm_space, remap_keeps_the_bytes)
{
    struct space *s = test_space_begin();
    int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    uint32_t word = 0;
    vaddr_t out;

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, 0x200000, 4, VM_READ | VM_WRITE, fixed), 0x200000);
    KTEST_EQ(user_store_u32(USER_PTR(uint32_t, 0x201000), 77), 0);
    KTEST_EQ(space_remap(s, 0x200000, 4 * PAGE_SIZE, 6 * PAGE_SIZE, 0, 0, &out), 0);
    KTEST_EQ(out, 0x200000);
    KTEST_EQ(test_map(s, 0x206000, 1, VM_READ, fixed), 0x206000);
    KTEST_EQ(space_remap(s, 0x200000, 6 * PAGE_SIZE, 7 * PAGE_SIZE, 0, 0, &out), -ENOMEM);
    KTEST_EQ(space_remap(s, 0x200000, 6 * PAGE_SIZE, 7 * PAGE_SIZE, MREMAP_MAYMOVE, 0, &out), 0);
    KTEST_TRUE(out != 0x200000);
    KTEST_EQ(user_load_u32(USER_PTR(uint32_t, out + 0x1000), &word), 0);
    KTEST_EQ(word, 77);
    KTEST_EQ(user_load_u32(USER_PTR(uint32_t, 0x201000), &word), -EFAULT);
    KTEST_EQ(space_remap(s, out, 7 * PAGE_SIZE, 2 * PAGE_SIZE, 0, 0, &out), 0);
    KTEST_EQ(space_remap(s, out, 3 * PAGE_SIZE, 4 * PAGE_SIZE, 0, 0, &out), -EFAULT);
    KTEST_EQ(space_remap(s, out, 0, PAGE_SIZE, MREMAP_MAYMOVE, 0, &out), -EINVAL);
    KTEST_EQ(space_remap(s, 0x900000, PAGE_SIZE, PAGE_SIZE * 2, 0, 0, &out), -EFAULT);
    KTEST_EQ(space_remap(s, out, PAGE_SIZE, 0, 0, 0, &out), -EINVAL);
    KTEST_EQ(space_remap(s, out, PAGE_SIZE, PAGE_SIZE, MREMAP_FIXED, 0, &out), -EINVAL);
    KTEST_EQ(space_remap(s, out, 2 * PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
                         0x300000, &out), 0);
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}

KTEST(vm_space, brk_grows_and_shrinks)
{
    struct space *s = test_space_begin();
    vaddr_t base = 0x5000000;

    KTEST_REQUIRE(s != NULL);
    s->brk_start = s->brk = base + 0x123;
    KTEST_EQ(space_brk(s, 0), base + 0x123);
    KTEST_EQ(space_brk(s, base + 0x10000), base + 0x10000);
    KTEST_EQ(user_store_u32(USER_PTR(uint32_t, base + 0xfffc), 1), 0);
    KTEST_EQ(user_store_u32(USER_PTR(uint32_t, base + 0x10000), 1), -EFAULT);
    KTEST_EQ(space_brk(s, base + 0x20000), base + 0x20000);
    KTEST_EQ(s->region_count, 1);
    KTEST_EQ(space_brk(s, base + 0x8000), base + 0x8000);
    KTEST_EQ(user_store_u32(USER_PTR(uint32_t, base + 0x8000), 1), -EFAULT);
    KTEST_EQ(space_brk(s, base), base + 0x8000);
    KTEST_EQ(test_map(s, base + 0x9000, 1, VM_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED),
             base + 0x9000);
    KTEST_EQ(space_brk(s, base + 0xa000), base + 0x8000);
    s->limit_data = 0x8000;
    KTEST_EQ(space_brk(s, base + 0x9000), base + 0x8000);
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}

KTEST(vm_space, locks_are_counted)
{
    struct space *s = test_space_begin();
    int fixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, 0x200000, 4, VM_READ | VM_WRITE, fixed), 0x200000);
    KTEST_EQ(space_lock_range(s, 0x201000, 0x1800, true, true, 0x2000), 0);
    KTEST_EQ(s->locked_pages, 2);
    KTEST_EQ(space_lock_range(s, 0x200000, 0x3000, true, true, 0x2000), -ENOMEM);
    KTEST_EQ(space_lock_range(s, 0x201000, 0x1000, true, true, 0x2000), 0);
    KTEST_EQ(space_advise(s, 0x201000, PAGE_SIZE, MADV_DONTNEED), -EINVAL);
    KTEST_EQ(space_lock_all(s, 0, UINT64_MAX), 0);
    KTEST_EQ(s->locked_pages, 0);
    KTEST_EQ(s->region_count, 1);
    KTEST_EQ(space_lock_all(s, MCL_CURRENT | MCL_FUTURE, UINT64_MAX), 0);
    KTEST_EQ(test_map(s, 0x300000, 1, VM_READ | VM_WRITE, fixed), 0x300000);
    KTEST_EQ(s->locked_pages, 5);
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}
