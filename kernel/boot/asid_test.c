// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tests arch/arm64/mm/asid.c: who has which identifier, across generations.
 * Model: identifiers are given to spaces without tables, which are never loaded.  No program runs yet,
 * so the other CPUs have none of their own; a second CPU is played by writing its record.
 */
#include <arch/mm.h>
#include <core/ktest.h>
#include <hal/cpu.h>

struct play {
    unsigned long irqs;
    struct arch_cpu *other;
    struct cpu fake;
};

/* With one CPU the other is a record of ours. */
static void play_begin(struct play *p)
{
    *p = (struct play){ .irqs = hal_irq_save() };
    if (cpu_count == 1) {
        cpus[1] = &p->fake;
        cpu_count = 2;
    }
    p->other = &cpus[cpu_current()->id == 0 ? 1 : 0]->arch;
}

static void play_end(struct play *p)
{
    p->other->active_asid = 0;
    p->other->reserved_asid = 0;
    cpu_current()->arch.active_asid = 0;
    cpu_current()->arch.reserved_asid = 0;
    if (cpus[1] == &p->fake) {
        cpu_count = 1;
        cpus[1] = NULL;
    }
    hal_irq_restore(p->irqs);
}

static uint64_t generation_of(const struct hal_space *s)
{
    return s->asid >> asid_width();
}

/* Gives identifiers away until a new generation has begun.  Return: how many had `number`. */
static unsigned numbers_use_up(uint64_t number)
{
    struct hal_space s = { 0 };
    uint64_t first;
    unsigned hits = asid_activate(&s) == number;

    first = generation_of(&s);
    for (unsigned n = 0; generation_of(&s) == first && n <= 1u << asid_width(); n++) {
        s = (struct hal_space){ 0 };
        hits += asid_activate(&s) == number;
    }
    return hits;
}

static uint8_t seen[(1u << 16) / 8];

KTEST(asid, numbers_differ_within_a_generation)
{
    struct play p;
    struct hal_space s = { 0 };
    unsigned count = 0, twice = 0;
    uint64_t first;

    play_begin(&p);
    (void)numbers_use_up(0);
    for (size_t i = 0; i < sizeof seen; i++)
        seen[i] = 0;
    (void)asid_activate(&s);
    first = generation_of(&s);
    while (generation_of(&s) == first && count <= 1u << asid_width()) {
        uint64_t n = s.asid & (BIT(asid_width()) - 1);

        twice += n == 0 || (seen[n / 8] >> n % 8 & 1);
        seen[n / 8] |= (uint8_t)(1u << n % 8);
        count++;
        s = (struct hal_space){ 0 };
        (void)asid_activate(&s);
    }
    play_end(&p);
    KTEST_EQ(twice, 0);
    KTEST_TRUE(count > BIT(asid_width()) - 2 - cpu_count - 2);
    KTEST_TRUE(count < BIT(asid_width()));
}

KTEST(asid, what_a_cpu_runs_with_stays_its_own)
{
    struct play p;
    struct hal_space kept = { 0 };
    uint64_t number, again;
    unsigned hits;
    bool renewed;

    play_begin(&p);
    number = asid_activate(&kept);
    p.other->active_asid = kept.asid; /* it runs there, too */
    p.other->tlb_flush_pending = 0;
    hits = numbers_use_up(number) + numbers_use_up(number);
    renewed = p.other->active_asid == 0 && p.other->tlb_flush_pending == 1;
    again = asid_activate(&kept);
    play_end(&p);
    KTEST_EQ(hits, 0);
    KTEST_TRUE(renewed);
    KTEST_EQ(again, number);
}

KTEST(asid, the_renewed_one_is_kept_for_all_who_had_it)
{
    struct play p;
    struct hal_space kept = { 0 };
    uint64_t number;
    bool same;
    unsigned hits;

    play_begin(&p);
    number = asid_activate(&kept);
    p.other->active_asid = kept.asid;
    (void)numbers_use_up(0);
    (void)asid_activate(&kept); /* new generation, same number; the other CPU still runs with it */
    same = p.other->reserved_asid == kept.asid;
    cpu_current()->arch.active_asid = 0;
    hits = numbers_use_up(number);
    play_end(&p);
    KTEST_TRUE(same);
    KTEST_EQ(hits, 0);
}

KTEST(asid, a_pending_flush_is_done_before_the_next_space)
{
    struct play p;
    struct hal_space s = { 0 };
    uint64_t asid, pending;

    play_begin(&p);
    (void)asid_activate(&s);
    cpu_current()->arch.tlb_flush_pending = 1;
    cpu_current()->arch.active_asid = 0; /* as a rollover elsewhere leaves it */
    asid = s.asid;
    (void)asid_activate(&s);
    pending = cpu_current()->arch.tlb_flush_pending;
    play_end(&p);
    KTEST_EQ(pending, 0);
    KTEST_EQ(s.asid, asid);
}
