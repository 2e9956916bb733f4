// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: forgetting translations, on this CPU and on the others that may hold them.
 *
 * Model: a space's `active` bits name the CPUs whose CR3 holds its root: those that run it, and idle
 * ones and kernel threads that left it loaded.  Who changed entries flushes its own TLB and calls
 * the CPUs of the set; the kernel's half is in all of them.  One call for each range, not page.
 * An idle CPU that is called lets go of the space instead, and so is not called for it again.
 *
 * Why no CPU keeps a stale translation: a load may pass an earlier store even on x86 (SDM vol. 3,
 * 8.2.3.4), so both sides put a full barrier between their store and their load.
 *
 *     who changes an entry                  who loads the space (mm/space.c)
 *     entry = new                           active |= self        LOCK OR: a full barrier
 *     MFENCE                                CR3 = root            serialises
 *     read active                           the walker reads entries
 *
 * If the reader of `active` misses the bit, its entry was written before the bit and so before the
 * walk: the walker finds the new entry.  If it sees the bit, it calls the CPU, which is still on its
 * way with interrupts off, flushes when it arrives, and is waited for.  Leaving is simpler:
 *
 *     CR3 = other root                      all but global translations are gone, and user's never are
 *     old->active &= ~self                  LOCK AND: the last access to `old`
 *
 * so a clear bit means that nothing is held.  mmu_space_fini() waits for all set bits: a CPU that has
 * its own still to clear has interrupts off until it did.
 *
 * The walker's caches: INVLPG drops what they know of all addresses (SDM vol. 3, 4.10.4.1), but
 * not what the recursive window's pages map to.  So tables are freed only after a flush of the whole
 * space everywhere (mm/walk.c).
 *
 * Locking: the flushing CPU has interrupts off, so that "this CPU" and "the others" mean the same
 * throughout.  With one CPU it costs a load and a test.
 */
#include <cpu/msr.h>
#include <hal/cpu.h>
#include <hal/upcall.h>
#include <mm/tables.h>

#define FLUSH_PAGES_MAX 32
#define WHOLE ((FLUSH_PAGES_MAX + 1) * PAGE_SIZE) /* stands for a whole half */
#define CR4_PGE (1ul << 7)

struct flush {
    struct hal_space *s;
    vaddr_t start, end;
};

/* --- on this CPU ------------------------------------------------------------------------------- */

/* All that is not global, the walker's caches included. */
static void tlb_flush_local(void)
{
    cr3_write(cr3_read());
}

void tlb_flush_all_local(void)
{
    uint64_t cr4 = cr4_read();

    cr4_write(cr4 & ~CR4_PGE);
    cr4_write(cr4);
}

static void tlb_flush_page_local(vaddr_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static void flush_range_local(vaddr_t start, vaddr_t end)
{
    if (PAGES(end - start) <= FLUSH_PAGES_MAX) {
        for (vaddr_t va = start & PAGE_MASK; va < end; va += PAGE_SIZE)
            tlb_flush_page_local(va);
    } else if (start >= DIRECT_BASE) {
        tlb_flush_all_local();
    } else {
        tlb_flush_local();
    }
}

/* --- on the others ----------------------------------------------------------------------------- */

static bool cpu_idles(const struct cpu *cpu)
{
    return (const void *)cpu->current == (const void *)cpu->idle; /* the context comes first */
}

static void flush_called(void *arg)
{
    const struct flush *f = arg;
    struct cpu *cpu = cpu_current();

    if (f->start >= DIRECT_BASE)
        flush_range_local(f->start, f->end);
    else if (cpu->space == f->s && cpu_idles(cpu))
        space_drop_local(f->s);
    else if (cpu->space == f->s)
        flush_range_local(f->start, f->end);
}

static bool others_hold(const struct hal_space *s, const struct cpu *self)
{
    for (unsigned i = 0; i < CPU_MAX / 64; i++) {
        uint64_t own = i == self->id / 64 ? BIT(self->id % 64) : 0;

        if (atomic_load_relaxed(&s->active[i]) & ~own)
            return true;
    }
    return false;
}

static __noinline void flush_everywhere(struct hal_space *s, vaddr_t start, vaddr_t end)
{
    static const uint64_t all[CPU_MAX / 64] = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX };
    struct flush f = { s, start, end };
    unsigned long flags = hal_irq_save();

    atomic_fence();
    if (space_loaded(s, start))
        flush_range_local(start, end);
    if (start >= DIRECT_BASE)
        upcall_call_cpus(all, flush_called, &f);
    else if (others_hold(s, cpu_current()))
        upcall_call_cpus(s->active, flush_called, &f);
    hal_irq_restore(flags);
}

/* --- the contract ------------------------------------------------------------------------------ */

void mmu_flush_page(struct hal_space *s, vaddr_t va)
{
    if (unlikely(cpu_count > 1))
        flush_everywhere(s, va & PAGE_MASK, (va & PAGE_MASK) + PAGE_SIZE);
    else if (space_loaded(s, va))
        tlb_flush_page_local(va);
}

void mmu_flush_range(struct hal_space *s, vaddr_t start, vaddr_t end)
{
    if (unlikely(cpu_count > 1))
        flush_everywhere(s, start, end);
    else if (space_loaded(s, start))
        flush_range_local(start, end);
}

void mmu_flush_space(struct hal_space *s)
{
    vaddr_t start = s == &kernel_space ? DIRECT_BASE : 0;

    if (unlikely(cpu_count > 1))
        flush_everywhere(s, start, start + WHOLE);
    else if (space_loaded(s, start))
        flush_range_local(start, start + WHOLE);
}

/* x86 keeps its instruction caches coherent (SDM vol. 3, 11.6). */
void mmu_sync_icache(const void *va, size_t n)
{
    (void)va;
    (void)n;
}
