// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: interleavings of changes of page tables with CPUs that use them.
 *
 * Model: each CPU has its own TLB (arch/host/usercopy.c).  A frame that nobody should reach any more
 * is poisoned: an access that still sees the poison, or that is granted after the change was over,
 * went through a stale translation.
 */
#include <boot/explore.h>

#include <hal/cpu.h>
#include <hal/mmu.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <sched/clock.h>
#include <sched/sched.h>
#include <sched/timer.h>
#include <vm/space.h>

#include <linux/mman.h>

#define ROUNDS 3
#define VA 0x50000000ul
#define GOOD 0x600d600du
#define POISON 0xdeadu

/* --- the page tables themselves --- */

static struct hal_space bare;
static bool flush_first, late_flush;
static uint32_t over; /* atomic */

static void bare_prepare(void)
{
    explore_must(mmu_space_init(&bare) == 0);
}

static void no_shoot_down(void)
{
    host_faults = HOST_FAULT_NO_SHOOT_DOWN;
    bare_prepare();
}

static void flush_too_early(void)
{
    flush_first = true;
    bare_prepare();
}

static void frame_too_early(void)
{
    late_flush = true;
    bare_prepare();
}

static void frame_fill(paddr_t pa, uint32_t v)
{
    *(uint32_t *)phys_to_virt(pa) = v;
}

static void bare_unmap(paddr_t pa)
{
    unsigned level;
    pte_t *e = mmu_walk(&bare, VA, &level);

    if (flush_first) {
        mmu_flush_page(&bare, VA);
        explore_point();
        pte_store(e, 0);
    } else if (late_flush) {
        pte_store(e, 0);
        frame_fill(pa, POISON);
        explore_point();
        mmu_flush_page(&bare, VA);
    } else {
        explore_must(mmu_unmap(&bare, VA, 0) == 0);
    }
}

/* Maps a fresh frame, lets it be used, unmaps it, poisons it. */
static void bare_change(void)
{
    paddr_t pa = frame_alloc(0);

    explore_must(pa != PADDR_NONE);
    frame_fill(pa, GOOD);
    explore_must(mmu_map(&bare, VA, pa, 0, MMU_READ | MMU_WRITE | MMU_USER) == 0);
    for (unsigned n = explore_random(10); n > 0; n--)
        hal_relax();
    bare_unmap(pa);
    frame_fill(pa, POISON);
    explore_point();
    frame_put(pa);
    if (explore_random(2) == 0)
        mmu_prune(&bare, 0, USER_TOP);
}

/* Loads the space, leaves it again, and goes to idle with it loaded or not. */
static void bare_use(void)
{
    unsigned long flags = hal_irq_save();
    uint32_t v = 0;

    preempt_disable();
    mmu_space_switch(&bare);
    hal_irq_restore(flags);
    for (unsigned i = 0; i < 4; i++) {
        if (user_load_u32(USER_PTR(uint32_t, VA), &v) != 0)
            continue;
        explore_must(v == GOOD);
        explore_point();
    }
    preempt_enable();
    if (explore_random(2) == 0)
        (void)sleep_until(clock_monotonic() + explore_random(2000), false);
}

static void bare_work(unsigned id)
{
    if (id == 0) {
        for (unsigned i = 0; i < ROUNDS; i++)
            bare_change();
        atomic_store(&over, 1);
        return;
    }
    while (!atomic_load(&over))
        bare_use();
}

static const char *bare_check(void)
{
    unsigned long flags;

    mmu_prune(&bare, 0, USER_TOP);
    mmu_space_fini(&bare);
    flags = hal_irq_save();
    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i]->space == &bare)
            return "a CPU still has a space that is gone";
    hal_irq_restore(flags);
    return NULL;
}

EXPLORE(tlb, .name = "tlb.unmap", .workers = 4, .prepare = bare_prepare, .work = bare_work,
        .check = bare_check);
EXPLORE(tlb_local, .name = "tlb.unmap!no_shoot_down", .broken = true, .workers = 4,
        .prepare = no_shoot_down, .work = bare_work);
EXPLORE(tlb_early, .name = "tlb.unmap!flushes_before_it_clears", .broken = true, .workers = 4,
        .prepare = flush_too_early, .work = bare_work);
EXPLORE(tlb_late, .name = "tlb.unmap!frees_before_it_flushes", .broken = true, .workers = 4,
        .prepare = frame_too_early, .work = bare_work);

/* --- spaces that come and go: their root tables, and so their translations, are reused --- */

static uint32_t next_name; /* atomic */

static void reuse_work(unsigned id)
{
    (void)id;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct hal_space s;
        uint32_t name = atomic_add_fetch(&next_name, 1), v = 0;
        paddr_t pa = frame_alloc(0);
        unsigned long flags;

        explore_must(pa != PADDR_NONE && mmu_space_init(&s) == 0);
        frame_fill(pa, name);
        explore_must(mmu_map(&s, VA, pa, 0, MMU_READ | MMU_USER) == 0);
        preempt_disable();
        flags = hal_irq_save();
        mmu_space_switch(&s);
        hal_irq_restore(flags);
        explore_must(user_load_u32(USER_PTR(uint32_t, VA), &v) == 0 && v == name);
        flags = hal_irq_save();
        mmu_space_switch(NULL);
        hal_irq_restore(flags);
        preempt_enable();
        explore_must(mmu_unmap(&s, VA, 0) == 0);
        frame_fill(pa, POISON);
        frame_put(pa);
        mmu_prune(&s, 0, USER_TOP);
        mmu_space_fini(&s);
    }
}

EXPLORE(tlb_reuse, .name = "tlb.reuse", .workers = 4, .work = reuse_work);

/* --- address spaces, as system calls change them --- */

enum phase { UNKNOWN, WRITABLE, READABLE, UNMAPPED };

static struct space *space;
static uint32_t phase; /* enum phase, and a count above it; atomic */

static void space_prepare(void)
{
    space = space_create();
    explore_must(space != NULL);
}

static void phase_set(enum phase p)
{
    atomic_store(&phase, (atomic_load(&phase) & ~3u) + 4 + (uint32_t)p);
}

static void vm_change(void)
{
    struct map_request q = { .addr = VA, .length = 2 * PAGE_SIZE, .map_flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
                             .vm_flags = VM_READ | VM_WRITE | VM_MAY_READ | VM_MAY_WRITE };
    vaddr_t at;

    explore_must(space_map(space, &q, &at) == 0 && at == VA);
    phase_set(WRITABLE);
    for (unsigned n = explore_random(6); n > 0; n--)
        hal_relax();
    phase_set(UNKNOWN);
    explore_must(space_protect(space, VA, PAGE_SIZE, VM_READ) == 0);
    phase_set(READABLE);
    for (unsigned n = explore_random(6); n > 0; n--)
        hal_relax();
    phase_set(UNKNOWN);
    if (explore_random(2) == 0)
        explore_must(space_advise(space, VA, PAGE_SIZE, MADV_DONTNEED) == 0);
    explore_must(space_unmap(space, VA, 2 * PAGE_SIZE) == 0);
    phase_set(UNMAPPED);
    for (unsigned n = explore_random(6); n > 0; n--)
        hal_relax();
    phase_set(UNKNOWN);
}

static void vm_use(unsigned id)
{
    uint32_t before = atomic_load(&phase), v = 0;
    bool write = explore_random(2) == 0;
    err_t err = write ? user_store_u32(USER_PTR(uint32_t, VA + 4 * id), id)
                      : user_load_u32(USER_PTR(uint32_t, VA + 4 * id), &v);

    explore_must(write || err || v == 0 || v == id);
    if (atomic_load(&phase) != before)
        return;
    if (before % 4 == WRITABLE)
        explore_must(err == 0);
    if (before % 4 == READABLE)
        explore_must((err == 0) == !write);
    if (before % 4 == UNMAPPED)
        explore_must(err != 0);
}

static void vm_work(unsigned id)
{
    space_activate(space);
    if (id == 0) {
        for (unsigned i = 0; i < ROUNDS; i++)
            vm_change();
        atomic_store(&over, 1);
    }
    while (!atomic_load(&over))
        vm_use(id);
    space_activate(NULL);
}

static const char *vm_check(void)
{
    if (!space_check(space))
        return "the space is unsound";
    space_put(space);
    return NULL;
}

EXPLORE(tlb_vm, .name = "tlb.space", .workers = 4, .prepare = space_prepare, .work = vm_work,
        .check = vm_check);
EXPLORE(tlb_vm_free, .name = "tlb.space_moving", .workers = 4, .flags = EXPLORE_FREE,
        .prepare = space_prepare, .work = vm_work, .check = vm_check);

static void vm_no_shoot_down(void)
{
    host_faults = HOST_FAULT_NO_SHOOT_DOWN;
    space_prepare();
}

EXPLORE(tlb_vm_local, .name = "tlb.space!no_shoot_down", .broken = true, .workers = 4,
        .prepare = vm_no_shoot_down, .work = vm_work);
