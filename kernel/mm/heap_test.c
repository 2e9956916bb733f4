// SPDX-License-Identifier: CC0-1.0
/* Purpose: kmalloc against a model that knows what stands in each block. */
#include <core/ktest.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/vmap.h>
#include <hal/context.h>
#include <hal/mmu.h>

#define SLOTS 400

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

KTEST(heap, sizes_and_alignment)
{
    for (size_t size = 0; size < 9000; size += size < 300 ? 1 : 61) {
        uint8_t *p = kmalloc(size);

        KTEST_REQUIRE(p != NULL);
        KTEST_TRUE(IS_ALIGNED((uintptr_t)p, 16));
        KTEST_TRUE(kmalloc_size(p) >= size);
        memset(p, 0xa5, size);
        kfree(p);
    }
    KTEST_TRUE(heap_check());
}

/* What small blocks took goes back to the frames, but for a few arenas; these the shrinkers take. */
KTEST(heap, freed_blocks_become_frames)
{
    void *first = NULL, **p;
    uint64_t before, most, after, left;

    heap_trim();
    before = heap_frames();
    for (unsigned i = 0; i < 8000 && (p = kmalloc(200)) != NULL; i++) {
        *p = first;
        first = p;
    }
    most = heap_frames();
    for (; first != NULL; first = p) {
        p = *(void **)first;
        kfree(first);
    }
    after = heap_frames();
    KTEST_TRUE(most > before + 300);
    KTEST_TRUE(after < before + 200);
    KTEST_TRUE(heap_check());
    left = frame_free_count();
    KTEST_TRUE(frame_shrink(64));
    KTEST_TRUE(frame_free_count() > left);
    KTEST_TRUE(heap_check());
}

KTEST(heap, pages_are_aligned)
{
    for (size_t pages = 1; pages < 6; pages++) {
        void *p = kzalloc(pages * PAGE_SIZE);

        KTEST_REQUIRE(p != NULL);
        KTEST_TRUE(IS_ALIGNED((uintptr_t)p, PAGE_SIZE));
        KTEST_EQ(kmalloc_size(p), pages * PAGE_SIZE);
        kfree(p);
    }
}

KTEST(heap, edges)
{
    void *a = kmalloc(0), *b = kmalloc(0);

    KTEST_TRUE(a != NULL && b != NULL && a != b);
    kfree(a);
    kfree(b);
    kfree(NULL);
    a = kcalloc(SIZE_MAX / 2, 3);
    KTEST_TRUE(a == NULL);
    a = kmalloc(SIZE_MAX);
    KTEST_TRUE(a == NULL);
    a = kmalloc(SIZE_MAX - 10);
    KTEST_TRUE(a == NULL);
    a = kmalloc(1ul << 46);
    KTEST_TRUE(a == NULL);
}

KTEST(heap, realloc_and_strdup)
{
    char *p = krealloc(NULL, 10);
    char *s = kstrdup("a string");

    KTEST_REQUIRE(p != NULL && s != NULL);
    KTEST_STR_EQ(s, "a string");
    memcpy(p, "012345678", 10);
    for (size_t size = 10; size < 20000; size = size * 3 / 2) {
        p = krealloc(p, size);
        KTEST_REQUIRE(p != NULL);
        KTEST_STR_EQ(p, "012345678");
    }
    p = krealloc(p, 5);
    KTEST_TRUE(memcmp(p, "01234", 5) == 0);
    kfree(p);
    kfree(s);
}

struct slot {
    uint8_t *p;
    size_t size;
    uint8_t fill;
};

static bool slot_intact(const struct slot *s)
{
    for (size_t i = 0; i < s->size; i++)
        if (s->p[i] != s->fill)
            return false;
    return true;
}

static size_t random_size(uint32_t *state)
{
    switch (next_random(state) % 16) {
    case 0: return next_random(state) % 20000;
    case 1: case 2: return next_random(state) % 3500;
    default: return next_random(state) % 300;
    }
}

KTEST(heap, random_stress)
{
    struct slot *slots = kcalloc(SLOTS, sizeof(*slots));
    uint64_t before;
    uint32_t state = 2024;

    KTEST_REQUIRE(slots != NULL);
    before = heap_bytes_used();
    for (unsigned step = 0; step < 12000; step++) {
        struct slot *s = &slots[next_random(&state) % SLOTS];

        if (s->p != NULL) {
            KTEST_REQUIRE(slot_intact(s));
            kfree(s->p);
            s->p = NULL;
        } else {
            s->size = random_size(&state);
            s->fill = (uint8_t)step;
            s->p = kmalloc(s->size);
            KTEST_REQUIRE(s->p != NULL);
            memset(s->p, s->fill, s->size);
        }
        if (step % 2000 == 0)
            KTEST_REQUIRE(heap_check());
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i].p != NULL)
            kfree(slots[i].p);
    KTEST_EQ(heap_bytes_used(), before);
    KTEST_TRUE(heap_check());
    heap_trim();
    KTEST_TRUE(heap_check());
    KTEST_EQ(heap_bytes_used(), before);
    kfree(slots);
}

KTEST(heap, gives_frames_back)
{
    void *p[64];
    uint64_t frames;

    heap_trim();
    frames = heap_frames();
    for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
        p[i] = kmalloc(2500);
        KTEST_REQUIRE(p[i] != NULL);
    }
    KTEST_TRUE(heap_frames() > frames);
    for (unsigned i = 0; i < ARRAY_SIZE(p); i++)
        kfree(p[i]);
    heap_trim();
    KTEST_EQ(heap_frames(), frames);
}

KTEST(vmap, stacks)
{
    uintptr_t a = vmap_stack_alloc(), b = vmap_stack_alloc();

    KTEST_REQUIRE(a != 0 && b != 0);
    KTEST_TRUE(a != b);
    memset((void *)(a - KERNEL_STACK_SIZE), 1, KERNEL_STACK_SIZE);
    memset((void *)(b - KERNEL_STACK_SIZE), 2, KERNEL_STACK_SIZE);
    KTEST_EQ(*(uint8_t *)(a - 1), 1);
    KTEST_TRUE(vmap_is_guard(a - KERNEL_STACK_SIZE - 1));
    KTEST_TRUE(!vmap_is_guard(a - KERNEL_STACK_SIZE) && !vmap_is_guard(a - 1));
    KTEST_TRUE(!vmap_is_guard(0) && !vmap_is_guard(DIRECT_BASE));
    vmap_stack_free(a);
    KTEST_EQ(vmap_stack_alloc(), a); /* from the cache */
    vmap_stack_free(b);
    vmap_stack_free(a);
}

/* Two windows on one frame of RAM show the same bytes. */
KTEST(vmap, devices)
{
    paddr_t pa = frame_alloc(FRAME_ZERO);
    unsigned prot = MMU_READ | MMU_WRITE;
    uint32_t *a, *b;

    KTEST_REQUIRE(pa != PADDR_NONE);
    a = vmap_device(pa + 16, 64, prot);
    b = vmap_device(pa, PAGE_SIZE, prot);
    KTEST_REQUIRE(a != NULL && b != NULL);
    KTEST_EQ((vaddr_t)a % PAGE_SIZE, 16);
    *(volatile uint32_t *)a = 0x1234;
    KTEST_EQ(*(volatile uint32_t *)(b + 4), 0x1234);
    vmap_unmap_device(a, 64);
    vmap_unmap_device(b, PAGE_SIZE);
    KTEST_TRUE(vmap_device(UINT64_MAX - 10, 100, prot) == NULL);
    KTEST_TRUE(vmap_device(pa, 0, prot) == NULL);
    frame_put(pa);
}

KTEST(vmap, registers_that_answer)
{
    paddr_t pa = frame_alloc(FRAME_ZERO);
    volatile uint8_t *a;

    KTEST_REQUIRE(pa != PADDR_NONE);
    KTEST_EQ(vmap_registers("test", pa + 16, 64, 4, &a), 0);
    KTEST_EQ((vaddr_t)a % PAGE_SIZE, 16);
    vmap_unmap_device((void *)a, 64);
    KTEST_EQ(vmap_registers("test", UINT64_MAX - 10, 100, 0, &a), -ENOMEM);
    KTEST_TRUE(a == NULL);
    frame_put(pa);
}

KTEST(mmu, map_translate_unmap)
{
    struct hal_space s;
    paddr_t frame = frame_alloc(0), pa;
    unsigned prot;
    const vaddr_t va = 0x40000000, huge = 0x80000000;

    KTEST_REQUIRE(frame != PADDR_NONE);
    KTEST_REQUIRE(mmu_space_init(&s) == 0);
    KTEST_EQ(mmu_translate(&s, va, &pa, &prot), -ENOENT);
    KTEST_EQ(mmu_map(&s, va, frame, 0, MMU_READ | MMU_WRITE | MMU_USER), 0);
    KTEST_EQ(mmu_map(&s, va, frame, 0, MMU_READ | MMU_USER), -EEXIST);
    KTEST_EQ(mmu_map(&s, va + 1, frame, 0, MMU_READ | MMU_USER), -EINVAL);
    KTEST_EQ(mmu_map(&s, huge, 0x40200000, 1, MMU_READ | MMU_USER | MMU_SPECIAL), 0);
    KTEST_EQ(mmu_map(&s, huge + PAGE_SIZE, frame, 0, MMU_READ | MMU_USER), -EEXIST);
    KTEST_EQ(mmu_map(&s, 0, 0x40000000, 2, MMU_READ | MMU_USER | MMU_SPECIAL), 0);
    KTEST_EQ(mmu_translate(&s, va + 5, &pa, &prot), 0);
    KTEST_EQ(pa, frame + 5);
    KTEST_TRUE((prot & (MMU_READ | MMU_WRITE | MMU_USER)) == (MMU_READ | MMU_WRITE | MMU_USER));
    KTEST_EQ(mmu_translate(&s, huge + 0x12345, &pa, &prot), 0);
    KTEST_EQ(pa, 0x40200000 + 0x12345);
    KTEST_EQ(mmu_translate(&s, 0x3ffff123, &pa, &prot), 0);
    KTEST_EQ(pa, 0x7ffff123);
    KTEST_EQ(mmu_protect(&s, va, 0, MMU_READ | MMU_USER), 0);
    KTEST_EQ(mmu_translate(&s, va, &pa, &prot), 0);
    KTEST_TRUE(!(prot & MMU_WRITE) && (prot & MMU_READ));
    KTEST_EQ(mmu_unmap(&s, va, 0), 0);
    KTEST_EQ(mmu_unmap(&s, va, 0), -ENOENT);
    KTEST_EQ(mmu_unmap(&s, huge, 1), 0);
    KTEST_EQ(mmu_unmap(&s, 0, 2), 0);
    mmu_prune(&s, 0, USER_TOP);
    mmu_space_fini(&s);
    frame_put(frame);
}
