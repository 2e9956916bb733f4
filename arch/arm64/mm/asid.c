// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: address-space identifiers, and loading a space.
 *
 * Model: a space's `asid` is a generation (upper bits) and a number (lower 8 or 16).  Numbers are
 * given out in order; when they are used up a new generation begins: every CPU keeps the number it
 * is running with (reserved), all others are free again, and each CPU flushes its TLB before it
 * next loads a space.  The usual case, a space of this generation, takes no lock: it puts its
 * ASID into active_asid, unless a rollover has just swapped 0 in there.  (The idea is Catalin
 * Marinas' and Will Deacon's; Arm ARM D5.9 has what ASIDs mean.)
 * A CPU without user space keeps its ASID and walks an empty root: returning to the same space
 * then needs no flush of anything.
 *
 * Who flushes a space that it does not run itself races with the space getting a number:
 *
 *     flusher                              loader, under the lock
 *     entry = new                          s->asid = number
 *     dsb                                  dsb
 *     read s->asid, TLBI by its number     TTBR0 = number; the walker reads the entry
 *
 * One of the two sees what the other wrote.  A flusher that still sees the old number does well: a
 * CPU that has translations under it and may use them again keeps the number, and with it the space
 * does; all others flush before they next run a program.
 * Locking: asid_lock, interrupts off; active_asid and tlb_flush_pending of each CPU are atomic.
 * Invariants: (1) number 0 is no space's; (2) there are more numbers than CPUs.
 */
#include <arch/early.h>
#include <arch/mm.h>
#include <hal/boot.h>
#include <hal/cpu.h>

#define ASID_BITS_MAX 16

pte_t empty_root[MMU_ENTRIES] __aligned(PAGE_SIZE);

static unsigned asid_bits = 8; /* constant after asid_init */
static uint64_t generation; /* written under asid_lock, read by anyone; counts in 1 << asid_bits */
static uint64_t used[(1u << ASID_BITS_MAX) / 64]; /* of this generation; asid_lock */
static unsigned next_number = 1; /* asid_lock */
static uint32_t asid_lock;
uint64_t asid_operand_mask;

static void width_set(unsigned bits)
{
    asid_bits = bits;
    generation = BIT(bits);
    asid_operand_mask = (BIT(bits) - 1) << TTBR_ASID_SHIFT;
}

void asid_init(void)
{
    width_set(((sysreg_read(id_aa64mmfr0_el1) >> 4) & 15) == 2 ? 16 : 8);
}

unsigned asid_width(void)
{
    return asid_bits;
}

void asid_width_limit(unsigned bits)
{
    if (bits < asid_bits)
        width_set(bits);
}

static void lock(void)
{
    while (__atomic_exchange_n(&asid_lock, 1, __ATOMIC_ACQUIRE) != 0)
        hal_relax();
}

static void unlock(void)
{
    atomic_store(&asid_lock, 0);
}

static uint64_t asid_number(uint64_t asid)
{
    return asid & (BIT(asid_bits) - 1);
}

static bool asid_current(uint64_t asid)
{
    return ((asid ^ atomic_load_relaxed(&generation)) >> asid_bits) == 0;
}

static bool number_take(uint64_t n)
{
    if (used[n / 64] & BIT(n % 64))
        return false;
    used[n / 64] |= BIT(n % 64);
    return true;
}

/* A free number, or 0. */
static unsigned number_find(void)
{
    for (unsigned n = next_number; n < (1u << asid_bits); n++) {
        if (n % 64 == 0 && used[n / 64] == UINT64_MAX) {
            n += 63;
            continue;
        }
        if (number_take(n)) {
            next_number = n + 1;
            return n;
        }
    }
    return 0;
}

/* Starts a new generation; numbers that CPUs run with stay taken. */
static void rollover(void)
{
    atomic_store_relaxed(&generation, generation + BIT(asid_bits));
    for (size_t i = 0; i < ARRAY_SIZE(used); i++)
        used[i] = 0;
    next_number = 1;
    for (unsigned i = 0; i < cpu_count; i++) {
        struct arch_cpu *c = &cpus[i]->arch;
        uint64_t asid = atomic_xchg(&c->active_asid, 0);

        /* 0: no space was loaded there since the last rollover; what it had stays reserved. */
        if (asid != 0)
            c->reserved_asid = asid;
        number_take(asid_number(c->reserved_asid));
        atomic_store(&c->tlb_flush_pending, 1);
    }
}

/* If `asid` is what some CPU kept through a rollover, it is renewed there. */
static bool reserved_renew(uint64_t asid, uint64_t renewed)
{
    bool hit = false;

    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i]->arch.reserved_asid == asid) {
            cpus[i]->arch.reserved_asid = renewed;
            hit = true;
        }
    return hit;
}

static uint64_t asid_new(uint64_t old)
{
    unsigned n;

    if (old != 0) {
        uint64_t renewed = generation | asid_number(old);

        if (reserved_renew(old, renewed) || number_take(asid_number(old)))
            return renewed;
    }
    n = number_find();
    if (n == 0) {
        rollover();
        n = number_find();
    }
    return generation | n;
}

static uint64_t asid_renew(struct hal_space *s, struct arch_cpu *c)
{
    uint64_t asid;

    lock();
    asid = s->asid;
    if (asid == 0 || !asid_current(asid)) {
        asid = asid_new(asid);
        atomic_store_relaxed(&s->asid, asid);
        dsb(ish); /* before any walk under it: see above */
    }
    if (atomic_xchg(&c->tlb_flush_pending, 0) != 0) {
        __asm__ volatile("dsb nshst\n\ttlbi vmalle1\n\tdsb nsh" ::: "memory");
        isb();
    }
    atomic_store_relaxed(&c->active_asid, asid);
    unlock();
    return asid;
}

uint64_t asid_activate(struct hal_space *s)
{
    struct arch_cpu *c = &cpu_current()->arch;
    uint64_t asid = atomic_load_relaxed(&s->asid);
    uint64_t active = atomic_load_relaxed(&c->active_asid);

    if (active == 0 || !asid_current(asid) || !atomic_cas(&c->active_asid, &active, asid))
        asid = asid_renew(s, c);
    return asid_number(asid);
}

void mmu_space_switch(struct hal_space *s)
{
    struct cpu *cpu = cpu_current();
    uint64_t ttbr;

    if (cpu->space == s)
        return;
    cpu->space = s;
    if (s != NULL)
        ttbr = s->root | asid_activate(s) << TTBR_ASID_SHIFT;
    else
        ttbr = image_to_phys(empty_root) |
               (sysreg_read(ttbr0_el1) & ~(BIT(TTBR_ASID_SHIFT) - 1));
    sysreg_write(ttbr0_el1, ttbr);
    isb();
}
