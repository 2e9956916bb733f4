// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tests of faults: zero page, copy-on-write, objects under mappings, stacks, and memory
 * that runs out in the middle.
 */
#include <core/ktest.h>
#include <hal/upcall.h>
#include <hal/usercopy.h>
#include <linux/mman.h>
#include <vm/internal.h>
#include <vm/space_test.h>

#define BASE 0x40000000ul
#define RW (VM_READ | VM_WRITE)
#define ANON_FIXED (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED)

static pte_t entry_at(struct space *s, vaddr_t addr)
{
    unsigned level;
    pte_t *pte = mmu_walk(&s->hal, addr, &level);

    return level == 0 ? pte_load(pte) : 0;
}

static uint8_t load(vaddr_t addr)
{
    uint8_t v = 0xbd;

    return user_copy_in(&v, USER_PTR(const void, addr), 1) == 0 ? v : 0xbd;
}

static bool store(vaddr_t addr, uint8_t v)
{
    return user_copy_out(USER_PTR(void, addr), &v, 1) == 0;
}

static uint8_t peek(struct space *s, vaddr_t addr)
{
    uint8_t v = 0xbd;

    return space_access(s, addr, &v, 1, false) == 1 ? v : 0xbd;
}

static bool poke(struct space *s, vaddr_t addr, uint8_t v)
{
    return space_access(s, addr, &v, 1, true) == 1;
}

/* Maps `pages` of `o` at addr. */
static err_t map_object(struct space *s, vaddr_t addr, size_t pages, unsigned flags,
                        struct object *o)
{
    struct map_request q = {
        .addr = addr,
        .length = pages * PAGE_SIZE,
        .vm_flags = flags | VM_MAY_READ | VM_MAY_WRITE | VM_MAY_EXEC,
        .map_flags = MAP_FIXED,
        .object = o,
    };
    vaddr_t out;

    return space_map(s, &q, &out);
}

KTEST(vm_fault, zero_page_then_a_frame)
{
    struct space *s = test_space_begin();

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, BASE, 4, RW, ANON_FIXED), BASE);
    KTEST_EQ(load(BASE), 0);
    KTEST_EQ(s->resident_anon, 0);
    KTEST_EQ(pte_addr(entry_at(s, BASE)), vm_zero_frame);
    KTEST_TRUE(store(BASE + 1, 9));
    KTEST_EQ(s->resident_anon, 1);
    KTEST_EQ(load(BASE + 1), 9);
    KTEST_EQ(load(BASE), 0);
    KTEST_TRUE(store(BASE + PAGE_SIZE, 1));
    KTEST_EQ(s->resident_anon, 2);
    KTEST_TRUE(space_check(s));
    KTEST_EQ(space_advise(s, BASE, 4 * PAGE_SIZE, MADV_DONTNEED), 0);
    KTEST_EQ(s->resident_anon, 0);
    KTEST_EQ(load(BASE + 1), 0);
    test_space_end(s);
}

KTEST(vm_fault, refusals)
{
    struct space *s = test_space_begin();

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, BASE, 1, VM_READ, ANON_FIXED), BASE);
    KTEST_EQ(test_map(s, BASE + PAGE_SIZE, 1, 0, ANON_FIXED), BASE + PAGE_SIZE);
    KTEST_EQ(space_fault(s, BASE, FAULT_READ), FAULT_RESOLVED);
    KTEST_EQ(space_fault(s, BASE, FAULT_WRITE), FAULT_SIGSEGV_ACCERR);
    KTEST_EQ(space_fault(s, BASE, FAULT_EXEC), FAULT_SIGSEGV_ACCERR);
    KTEST_EQ(space_fault(s, BASE + PAGE_SIZE, FAULT_READ), FAULT_SIGSEGV_ACCERR);
    KTEST_EQ(space_fault(s, BASE + 2 * PAGE_SIZE, FAULT_READ), FAULT_SIGSEGV_MAPERR);
    KTEST_EQ(space_fault(s, 0, FAULT_READ), FAULT_SIGSEGV_MAPERR);
    KTEST_TRUE(!store(BASE, 1));
    test_space_end(s);
}

KTEST(vm_fault, protection_follows_the_region)
{
    struct space *s = test_space_begin();

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, BASE, 3, RW, ANON_FIXED), BASE);
    for (unsigned i = 0; i < 3; i++)
        KTEST_TRUE(store(BASE + i * PAGE_SIZE, i + 1));
    KTEST_EQ(space_protect(s, BASE + PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
    KTEST_EQ(load(BASE + PAGE_SIZE), 0xbd);
    KTEST_EQ(load(BASE), 1);
    KTEST_EQ(space_protect(s, BASE, 3 * PAGE_SIZE, PROT_READ), 0);
    KTEST_EQ(load(BASE + PAGE_SIZE), 2);
    KTEST_TRUE(!store(BASE + PAGE_SIZE, 5));
    KTEST_EQ(space_protect(s, BASE, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
    KTEST_TRUE(store(BASE + PAGE_SIZE, 5));
    KTEST_EQ(s->resident_anon, 3);
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}

KTEST(vm_fault, copy_on_write_trees)
{
    struct space *s[4];

    s[0] = test_space_begin();
    KTEST_REQUIRE(s[0] != NULL);
    KTEST_EQ(test_map(s[0], BASE, 8, RW, ANON_FIXED), BASE);
    for (unsigned i = 0; i < 8; i++)
        KTEST_TRUE(store(BASE + i * PAGE_SIZE, 10));
    for (unsigned i = 1; i < 4; i++) {
        KTEST_REQUIRE(space_fork(s[i - 1], &s[i]) == 0);
        KTEST_TRUE(poke(s[i], BASE + i * PAGE_SIZE, 10 + i));
    }
    KTEST_TRUE(store(BASE, 99));
    for (unsigned i = 0; i < 4; i++) {
        KTEST_TRUE(space_check(s[i]));
        KTEST_EQ(peek(s[i], BASE), i == 0 ? 99 : 10);
        for (unsigned page = 1; page < 4; page++)
            KTEST_EQ(peek(s[i], BASE + page * PAGE_SIZE), page <= i ? 10 + page : 10);
    }
    KTEST_EQ(frame_refs(pte_addr(entry_at(s[0], BASE + 7 * PAGE_SIZE))), 4);
    space_put(s[2]);
    space_put(s[1]);
    KTEST_EQ(frame_refs(pte_addr(entry_at(s[0], BASE + 7 * PAGE_SIZE))), 2);
    space_put(s[3]);
    /* The last holder gets its right back without a copy. */
    {
        paddr_t before = pte_addr(entry_at(s[0], BASE + 7 * PAGE_SIZE));

        KTEST_TRUE(store(BASE + 7 * PAGE_SIZE, 1));
        KTEST_EQ(pte_addr(entry_at(s[0], BASE + 7 * PAGE_SIZE)), before);
    }
    test_space_end(s[0]);
}

KTEST(vm_fault, advice_about_fork)
{
    struct space *s = test_space_begin(), *child;

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, BASE, 3, RW, ANON_FIXED), BASE);
    for (unsigned i = 0; i < 3; i++)
        KTEST_TRUE(store(BASE + i * PAGE_SIZE, 7));
    KTEST_EQ(space_advise(s, BASE, PAGE_SIZE, MADV_WIPEONFORK), 0);
    KTEST_EQ(space_advise(s, BASE + PAGE_SIZE, PAGE_SIZE, MADV_DONTFORK), 0);
    KTEST_EQ(space_advise(s, BASE, PAGE_SIZE, 999), -EINVAL);
    KTEST_EQ(space_advise(s, BASE + 1, PAGE_SIZE, MADV_NORMAL), -EINVAL);
    KTEST_EQ(space_advise(s, BASE, 4 * PAGE_SIZE, MADV_NORMAL), -ENOMEM);
    KTEST_REQUIRE(space_fork(s, &child) == 0);
    KTEST_EQ(peek(child, BASE), 0);
    KTEST_EQ(peek(child, BASE + PAGE_SIZE), 0xbd);
    KTEST_EQ(peek(child, BASE + 2 * PAGE_SIZE), 7);
    KTEST_TRUE(space_check(child));
    space_put(child);
    KTEST_EQ(space_advise(s, BASE, PAGE_SIZE, MADV_KEEPONFORK), 0);
    KTEST_EQ(space_advise(s, BASE + PAGE_SIZE, PAGE_SIZE, MADV_DOFORK), 0);
    KTEST_EQ(s->region_count, 1);
    test_space_end(s);
}

KTEST(vm_fault, shared_memory_is_one)
{
    struct space *s = test_space_begin(), *child;
    struct futex_key a, b;

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, BASE, 4, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED), BASE);
    KTEST_TRUE(store(BASE, 1));
    KTEST_REQUIRE(space_fork(s, &child) == 0);
    KTEST_EQ(peek(child, BASE), 1);
    KTEST_TRUE(poke(child, BASE + PAGE_SIZE, 2));
    KTEST_EQ(load(BASE + PAGE_SIZE), 2);
    KTEST_TRUE(store(BASE + PAGE_SIZE, 3));
    KTEST_EQ(peek(child, BASE + PAGE_SIZE), 3);
    KTEST_EQ(space_futex_key(s, BASE + 8, true, &a), 0);
    KTEST_EQ(space_futex_key(child, BASE + 8, true, &b), 0);
    KTEST_TRUE(a.a == b.a && a.b == b.b);
    KTEST_EQ(space_futex_key(s, BASE + 8, false, &b), 0);
    KTEST_TRUE(a.a != b.a);
    KTEST_EQ(space_futex_key(s, BASE + 64 * PAGE_SIZE, true, &b), -EFAULT);
    KTEST_EQ(space_advise(s, BASE, PAGE_SIZE, MADV_REMOVE), 0);
    KTEST_EQ(peek(child, BASE), 0);
    KTEST_EQ(load(BASE), 0);
    KTEST_TRUE(space_check(s) && space_check(child));
    space_put(child);
    test_space_end(s);
}

/* An object at the address of one that is gone is another one for whoever still waits in the first. */
KTEST(vm_fault, futex_keys_are_not_used_again)
{
    struct space *s = test_space_begin();
    struct futex_key key[4];

    KTEST_REQUIRE(s != NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(key); i++) {
        KTEST_EQ(test_map(s, BASE, 1, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED), BASE);
        KTEST_EQ(space_futex_key(s, BASE, true, &key[i]), 0);
        KTEST_EQ(space_unmap(s, BASE, PAGE_SIZE), 0);
        for (unsigned k = 0; k < i; k++)
            KTEST_TRUE(key[k].a != key[i].a);
    }
    test_space_end(s);
}

static void fill_object(struct ktest *t, struct object *o, unsigned pages)
{
    for (unsigned i = 0; i < pages; i++) {
        paddr_t pa;

        if (!KTEST_EQ(object_page(o, i, OBJECT_CREATE, &pa), 0))
            return;
        memset(phys_to_virt(pa), (int)i + 1, PAGE_SIZE);
        frame_put(pa);
    }
}

KTEST(vm_fault, fault_around_and_private_copies)
{
    struct object *o = object_create(NULL, NULL, 40 * PAGE_SIZE - 1);
    struct space *s = test_space_begin(), *child;

    KTEST_REQUIRE(s != NULL && o != NULL);
    fill_object(t, o, 40);
    KTEST_EQ(map_object(s, BASE, 48, RW, o), 0);
    KTEST_EQ(load(BASE + 3 * PAGE_SIZE), 4);
    KTEST_EQ(s->resident_shared, 16);
    KTEST_TRUE(entry_at(s, BASE + 15 * PAGE_SIZE) != 0);
    KTEST_TRUE(entry_at(s, BASE + 16 * PAGE_SIZE) == 0);
    KTEST_EQ(load(BASE + 39 * PAGE_SIZE), 40);
    KTEST_EQ(space_fault(s, BASE + 40 * PAGE_SIZE, FAULT_READ), FAULT_SIGBUS);
    KTEST_EQ(space_fault(s, BASE + 40 * PAGE_SIZE, FAULT_WRITE), FAULT_SIGBUS);
    KTEST_TRUE(store(BASE + 3 * PAGE_SIZE, 77)); /* entry present */
    KTEST_TRUE(store(BASE + 20 * PAGE_SIZE, 78)); /* entry absent */
    KTEST_EQ(s->resident_anon, 2);
    KTEST_TRUE(space_check(s));
    {
        uint8_t byte;

        KTEST_EQ(object_read(o, 3 * PAGE_SIZE, &byte, 1), 0);
        KTEST_EQ(byte, 4);
    }
    KTEST_REQUIRE(space_fork(s, &child) == 0);
    KTEST_EQ(peek(child, BASE + 3 * PAGE_SIZE), 77);
    KTEST_EQ(peek(child, BASE + 21 * PAGE_SIZE), 22);
    KTEST_TRUE(space_check(child));
    space_put(child);
    test_space_end(s);
    object_put(o);
}

KTEST(vm_fault, truncation_takes_pages_from_mappings)
{
    struct object *o = object_create(NULL, NULL, 16 * PAGE_SIZE);
    struct space *s = test_space_begin();
    vaddr_t private = BASE + GiB;

    KTEST_REQUIRE(s != NULL && o != NULL);
    fill_object(t, o, 16);
    KTEST_EQ(map_object(s, BASE, 16, RW | VM_SHARED, o), 0);
    KTEST_EQ(map_object(s, private, 16, RW, o), 0);
    KTEST_EQ(load(BASE + 9 * PAGE_SIZE), 10);
    KTEST_TRUE(store(private + 9 * PAGE_SIZE, 1));
    KTEST_TRUE(store(private + 3 * PAGE_SIZE, 2));
    KTEST_EQ(load(private), 1);
    object_truncate(o, 8 * PAGE_SIZE + 1);
    KTEST_TRUE(space_check(s));
    KTEST_EQ(load(BASE + 8 * PAGE_SIZE), 9);
    KTEST_EQ(load(BASE + 8 * PAGE_SIZE + 1), 0);
    KTEST_EQ(load(BASE + 9 * PAGE_SIZE), 0xbd);
    KTEST_EQ(load(private + 9 * PAGE_SIZE), 0xbd);
    KTEST_EQ(space_fault(s, BASE + 9 * PAGE_SIZE, FAULT_READ), FAULT_SIGBUS);
    KTEST_EQ(load(private + 3 * PAGE_SIZE), 2);
    object_truncate(o, 16 * PAGE_SIZE);
    KTEST_EQ(load(BASE + 9 * PAGE_SIZE), 0);
    object_punch(o, 0, 8 * PAGE_SIZE);
    KTEST_EQ(load(BASE), 0);
    KTEST_EQ(load(private), 0);
    KTEST_EQ(load(private + 3 * PAGE_SIZE), 2); /* a private copy outlives the hole */
    KTEST_TRUE(space_check(s));
    test_space_end(s);
    object_put(o);
}

KTEST(vm_fault, stacks_grow_down)
{
    struct space *s = test_space_begin();
    vaddr_t top = BASE + 4096 * PAGE_SIZE;
    vaddr_t low = top - 4 * PAGE_SIZE;

    KTEST_REQUIRE(s != NULL);
    s->limit_stack = 600 * PAGE_SIZE;
    KTEST_EQ(test_map(s, low, 4, RW, ANON_FIXED | MAP_GROWSDOWN), low);
    KTEST_TRUE(store(low - 3 * PAGE_SIZE, 1));
    KTEST_EQ(s->stack_pages, 7);
    KTEST_EQ(space_fault(s, top - 601 * PAGE_SIZE, FAULT_WRITE), FAULT_SIGSEGV_MAPERR);
    KTEST_TRUE(store(top - 600 * PAGE_SIZE, 1));
    s->limit_stack = UINT64_MAX;
    KTEST_EQ(test_map(s, top - 1000 * PAGE_SIZE, 1, VM_READ, ANON_FIXED), top - 1000 * PAGE_SIZE);
    KTEST_EQ(space_fault(s, top - 800 * PAGE_SIZE, FAULT_WRITE), FAULT_SIGSEGV_MAPERR);
    KTEST_TRUE(store(top - (999 - 256) * PAGE_SIZE, 1));
    KTEST_EQ(space_fault(s, top - (1000 - 256) * PAGE_SIZE, FAULT_WRITE), FAULT_SIGSEGV_MAPERR);
    KTEST_TRUE(space_check(s));
    test_space_end(s);
}

KTEST(vm_fault, debugger_writes_to_read_only_pages)
{
    struct object *o = object_create(NULL, NULL, PAGE_SIZE);
    struct space *s = test_space_begin();
    uint8_t byte = 3;

    KTEST_REQUIRE(s != NULL && o != NULL);
    fill_object(t, o, 1);
    KTEST_EQ(map_object(s, BASE, 1, VM_READ | VM_EXEC, o), 0);
    KTEST_EQ(load(BASE), 1);
    KTEST_EQ(space_access_checked(s, BASE, &byte, 1, true), 0);
    KTEST_TRUE(poke(s, BASE, 0xcc));
    KTEST_TRUE(poke(s, BASE, 0xcd));
    KTEST_EQ(load(BASE), 0xcd);
    KTEST_TRUE(!store(BASE, 1));
    KTEST_EQ(object_read(o, 0, &byte, 1), 0);
    KTEST_EQ(byte, 1);
    KTEST_TRUE(space_check(s));
    test_space_end(s);
    object_put(o);
}

KTEST(vm_fault, mincore_sees_what_is_there)
{
    struct space *s = test_space_begin();
    uint8_t vec[4];

    KTEST_REQUIRE(s != NULL);
    KTEST_EQ(test_map(s, BASE, 3, RW, ANON_FIXED), BASE);
    KTEST_TRUE(store(BASE + PAGE_SIZE, 1));
    KTEST_EQ(space_mincore(s, BASE, 3, vec), 0);
    KTEST_TRUE(vec[0] == 0 && vec[1] == 1 && vec[2] == 0);
    KTEST_EQ(space_mincore(s, BASE, 4, vec), -ENOMEM);
    test_space_end(s);
}

/* ---- memory runs out ------------------------------------------------------------------------ */

/* All free frames, chained through their first words. */
static paddr_t hog_all(void)
{
    paddr_t head = PADDR_NONE, pa;

    while ((pa = frame_alloc(0)) != PADDR_NONE) {
        *(paddr_t *)phys_to_virt(pa) = head;
        head = pa;
    }
    return head;
}

static paddr_t hog_release(paddr_t head, unsigned n)
{
    while (n-- > 0 && head != PADDR_NONE) {
        paddr_t next = *(paddr_t *)phys_to_virt(head);

        frame_put(head);
        head = next;
    }
    return head;
}

/* What is tried with ever more memory; 0 when it worked. */
static err_t scenario(struct ktest *t, struct object *o)
{
    struct space *s = test_space_begin(), *child = NULL;
    vaddr_t out;
    err_t err;

    if (s == NULL) {
        space_activate(NULL);
        return -ENOMEM;
    }
    out = test_map(s, BASE, 600, RW, ANON_FIXED);
    err = out == BASE ? map_object(s, BASE + GiB, 4, RW | VM_SHARED, o) : (err_t)out;
    for (unsigned i = 0; err == 0 && i < 600; i += 100)
        err = store(BASE + i * PAGE_SIZE, 1) ? 0 : -ENOMEM;
    if (err == 0)
        err = load(BASE + GiB) == 0 ? 0 : -ENOMEM;
    if (err == 0)
        err = space_remap(s, BASE, 300 * PAGE_SIZE, 300 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
                          BASE + 2 * GiB, &out);
    if (err == 0)
        err = space_fork(s, &child);
    if (err == 0)
        err = poke(child, BASE + 500 * PAGE_SIZE, 2) ? 0 : -ENOMEM;
    KTEST_TRUE(space_check(s));
    if (child != NULL)
        KTEST_TRUE(space_check(child));
    space_put(child);
    test_space_end(s);
    return err;
}

KTEST(vm_fault, memory_runs_out_anywhere)
{
    bool (*hook)(void) = vm_oom_hook;
    struct object *o = object_create(NULL, NULL, 4 * PAGE_SIZE);
    unsigned give;
    paddr_t hog;

    KTEST_REQUIRE(o != NULL);
    vm_oom_hook = NULL;
    hog = hog_all();
    for (give = 0; give < 400; give++) {
        err_t err = scenario(t, o);

        object_truncate(o, 0);
        object_truncate(o, 4 * PAGE_SIZE);
        if (err == 0 || t->failures > 0)
            break;
        KTEST_EQ(err, -ENOMEM);
        hog = hog_release(hog, 1);
    }
    KTEST_TRUE(give > 5 && give < 400);
    (void)hog_release(hog, UINT_MAX);
    vm_oom_hook = hook;
    object_put(o);
}
