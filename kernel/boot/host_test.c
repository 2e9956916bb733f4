// SPDX-License-Identifier: CC0-1.0
/* Purpose: the host's own machinery: software TLB, user copies, contexts, virtual time. */
#include <arch/host.h>
#include <core/ktest.h>
#include <core/spinlock.h>
#include <hal/cpu.h>
#include <hal/mmu.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/vmap.h>

#define VA 0x7000000ul

/* A space with two pages at VA, loaded; undone by space_close. */
static bool space_open(struct hal_space *s, paddr_t pa[2])
{
    unsigned long flags;

    if (mmu_space_init(s) != 0)
        return false;
    for (unsigned i = 0; i < 2; i++) {
        pa[i] = frame_alloc(FRAME_ZERO);
        if (pa[i] == PADDR_NONE ||
            mmu_map(s, VA + i * PAGE_SIZE, pa[i], 0, MMU_READ | MMU_WRITE | MMU_USER) != 0)
            return false;
    }
    flags = hal_irq_save();
    mmu_space_switch(s);
    hal_irq_restore(flags);
    return true;
}

static void space_close(struct hal_space *s, const paddr_t pa[2])
{
    unsigned long flags = hal_irq_save();

    mmu_space_switch(NULL);
    hal_irq_restore(flags);
    for (unsigned i = 0; i < 2; i++) {
        (void)mmu_unmap(s, VA + i * PAGE_SIZE, 0);
        frame_put(pa[i]);
    }
    mmu_prune(s, 0, USER_TOP);
    mmu_space_fini(s);
}

/* Preemption stays off: another thread would load its own space. */
KTEST(host, copies_cross_pages)
{
    char in[64] = "0123456789abcdefghijklmnopqrstuvwxyz", out[64] = "";
    const vaddr_t at = VA + PAGE_SIZE - 10;
    struct hal_space s;
    paddr_t pa[2];
    uint32_t old;

    preempt_disable();
    KTEST_TRUE(space_open(&s, pa));
    KTEST_EQ(user_copy_out(USER_PTR(void, at), in, 37), 0);
    KTEST_EQ(user_copy_in(out, USER_PTR(void, at), 37), 0);
    KTEST_STR_EQ(out, in);
    KTEST_EQ(user_copy_string(out, USER_PTR(char, at), sizeof(out)), 36);
    KTEST_EQ(user_copy_string(out, USER_PTR(char, at), 5), 5);
    KTEST_EQ(user_zero(USER_PTR(void, at), 20), 0);
    KTEST_EQ(user_copy_string(out, USER_PTR(char, at), sizeof(out)), 0);
    KTEST_EQ(user_store_u32(USER_PTR(uint32_t, VA), 7), 0);
    KTEST_EQ(user_cas_u32(USER_PTR(uint32_t, VA), 8, 9, &old), 0);
    KTEST_EQ(old, 7);
    KTEST_EQ(user_cas_u32(USER_PTR(uint32_t, VA), 7, 9, &old), 0);
    KTEST_TRUE(user_load_u32(USER_PTR(uint32_t, VA), &old) == 0 && old == 9);
    KTEST_EQ(user_load_u32(USER_PTR(uint32_t, USER_TOP), &old), -EFAULT);
    KTEST_EQ(user_copy_in(out, USER_PTR(void, USER_TOP - 4), 8), 8);
    KTEST_EQ(user_copy_in(out, USER_PTR(void, UINTPTR_MAX), 2), 2);
    space_close(&s, pa);
    preempt_enable();
}

KTEST(host, tlb_forgets_what_is_flushed)
{
    struct hal_space s;
    unsigned before;
    paddr_t pa[2];
    char byte;

    preempt_disable();
    KTEST_TRUE(space_open(&s, pa));
    before = host_tlb_count();
    KTEST_EQ(user_copy_in(&byte, USER_PTR(void, VA), 1), 0);
    KTEST_EQ(user_copy_in(&byte, USER_PTR(void, VA + PAGE_SIZE), 1), 0);
    KTEST_EQ(host_tlb_count(), before + 2);
    mmu_flush_page(&s, VA);
    KTEST_EQ(host_tlb_count(), before + 1);
    mmu_flush_space(&s);
    KTEST_EQ(host_tlb_count(), before);
    space_close(&s, pa);
    preempt_enable();
}

static struct hal_context other_context;
static unsigned other_runs;

static void other_entry(struct hal_context *prev, void *arg)
{
    for (;;) {
        other_runs += *(unsigned *)arg;
        prev = hal_switch(&other_context, prev);
    }
}

KTEST(host, contexts_switch_to_and_fro)
{
    uintptr_t stack = vmap_stack_alloc();
    struct hal_context *self = hal_current();
    unsigned long flags;
    unsigned step = 3;

    KTEST_REQUIRE(stack != 0);
    flags = hal_irq_save();
    other_runs = 0;
    other_context = (struct hal_context){ .cpu = cpu_current() };
    hal_context_init(&other_context, stack, other_entry, &step);
    for (unsigned i = 0; i < 4; i++) {
        KTEST_TRUE(hal_switch(self, &other_context) == &other_context);
        KTEST_TRUE(hal_current() == self);
    }
    KTEST_EQ(other_runs, 12);
    hal_irq_restore(flags);
    vmap_stack_free(stack);
}

KTEST(host, time_goes_on)
{
    ns_t before = host_clock_ns();

    host_clock_advance(NS_PER_MSEC);
    KTEST_TRUE(host_clock_ns() >= before + NS_PER_MSEC);
}
