// SPDX-License-Identifier: CC0-1.0
/* Purpose: tests of memory objects without mappings. */
#include <core/ktest.h>
#include <lib/string.h>
#include <vm/internal.h>
#include <vm/radix.h>

static unsigned reads; /* by test_pager */

static err_t read_number(struct object *o, uint64_t index, paddr_t frame)
{
    reads++;
    if (index == 13)
        return -EIO;
    memset(phys_to_virt(frame), (int)index, PAGE_SIZE);
    return 0;
}

static const struct pager test_pager = { .read_page = read_number };

KTEST(vm_object, pages_by_index)
{
    static const uint64_t places[] = { 0, 1, 63, 64, 4095, 4096, 1ull << 30, (1ull << 40) + 7 };
    struct object *o = object_create(NULL, NULL, 1ull << 60);
    paddr_t pa[ARRAY_SIZE(places)], again;

    KTEST_REQUIRE(o != NULL);
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        KTEST_EQ(object_page(o, places[i], 0, &again), 0);
        KTEST_EQ(again, PADDR_NONE);
        KTEST_EQ(object_page(o, places[i], OBJECT_CREATE, &pa[i]), 0);
        *(uint64_t *)phys_to_virt(pa[i]) = places[i];
        frame_put(pa[i]);
    }
    KTEST_EQ(o->pages, ARRAY_SIZE(places));
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        uint64_t word = 1;

        KTEST_EQ(object_page(o, places[i], 0, &again), 0);
        KTEST_EQ(again, pa[i]);
        KTEST_EQ(frame_refs(again), 2);
        frame_put(again);
        KTEST_EQ(object_read(o, places[i] << PAGE_SHIFT, &word, sizeof word), 0);
        KTEST_EQ(word, places[i]);
        KTEST_EQ(object_next_page(o, i == 0 ? 0 : places[i - 1] + 1), places[i]);
    }
    KTEST_EQ(object_next_page(o, places[ARRAY_SIZE(places) - 1] + 1), UINT64_MAX);
    KTEST_EQ(object_page(o, UINT64_MAX >> PAGE_SHIFT << 4, OBJECT_CREATE, &again), -ENOMEM);
    object_put(o);
}

KTEST(vm_object, neighbours_of_a_page_that_is_alone)
{
    struct object *o = object_create(NULL, NULL, 3 * PAGE_SIZE);
    paddr_t pa, found[3];

    KTEST_REQUIRE(o != NULL);
    KTEST_EQ(object_pages_present(o, 0, found, 3), 0);
    KTEST_EQ(object_page(o, 0, OBJECT_CREATE, &pa), 0);
    KTEST_EQ(object_pages_present(o, 0, found, 3), 1);
    KTEST_EQ(found[0], pa);
    frame_put(pa);
    frame_put(pa);
    KTEST_EQ(object_next_absent(o, 0, 3), 1);
    KTEST_EQ(object_page(o, 2, OBJECT_CREATE, &pa), 0);
    KTEST_EQ(object_pages_present(o, 0, found, 3), 1);
    frame_put(found[0]);
    frame_put(pa);
    object_put(o);
}

KTEST(vm_object, truncate_zeroes_the_tail)
{
    struct object *o = object_create(NULL, NULL, 3 * PAGE_SIZE);
    uint8_t byte[2];
    paddr_t pa;

    KTEST_REQUIRE(o != NULL);
    for (uint64_t i = 0; i < 3; i++) {
        KTEST_EQ(object_page(o, i, OBJECT_CREATE, &pa), 0);
        memset(phys_to_virt(pa), 0x55, PAGE_SIZE);
        frame_put(pa);
    }
    object_truncate(o, PAGE_SIZE + 100);
    KTEST_EQ(o->pages, 2);
    object_truncate(o, 3 * PAGE_SIZE);
    KTEST_EQ(object_read(o, PAGE_SIZE + 99, byte, 2), 0);
    KTEST_EQ(byte[0], 0x55);
    KTEST_EQ(byte[1], 0);
    object_punch(o, 10, PAGE_SIZE + 1);
    KTEST_EQ(o->pages, 2);
    KTEST_EQ(object_read(o, 9, byte, 2), 0);
    KTEST_EQ(byte[0], 0x55);
    KTEST_EQ(byte[1], 0);
    object_punch(o, 0, 2 * PAGE_SIZE);
    KTEST_EQ(o->pages, 0);
    object_put(o);
}

KTEST(vm_object, pager_fills_and_fails)
{
    struct object *o = object_create(&test_pager, NULL, 100 * PAGE_SIZE);
    uint8_t byte;
    paddr_t pa, some[16];

    KTEST_REQUIRE(o != NULL);
    reads = 0;
    KTEST_EQ(object_read(o, 5 * PAGE_SIZE + 17, &byte, 1), 0);
    KTEST_EQ(byte, 5);
    KTEST_EQ(object_read(o, 5 * PAGE_SIZE + 18, &byte, 1), 0);
    KTEST_EQ(reads, 1);
    KTEST_EQ(object_page(o, 13, OBJECT_CREATE, &pa), -EIO);
    KTEST_EQ(o->pages, 1);
    KTEST_EQ(object_page(o, 6, OBJECT_CREATE, &pa), 0);
    frame_put(pa);
    KTEST_EQ(object_pages_present(o, 5, some, 16), 2);
    frame_put(some[0]);
    frame_put(some[1]);
    KTEST_EQ(object_pages_present(o, 4, some, 16), 0);
    object_put(o);
}

KTEST(vm_object, insert_takes_the_reference)
{
    struct object *o = object_create(NULL, NULL, PAGE_SIZE);
    paddr_t pa = frame_alloc(FRAME_ZERO);

    KTEST_REQUIRE(o != NULL && pa != PADDR_NONE);
    KTEST_EQ(object_insert(o, 0, pa), 0);
    KTEST_EQ(frame_refs(pa), 1);
    KTEST_EQ(object_insert(o, 0, pa), -EEXIST);
    KTEST_EQ(frame_of(pa)->owner == o, true);
    object_put(o);
}
