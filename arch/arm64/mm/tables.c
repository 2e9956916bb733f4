// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: walking and changing page tables (<hal/mmu.h>).
 *
 * Model: every table is reached through the direct map.  The user half hangs off its space's own
 * root (TTBR0), the kernel half off kernel_space's (TTBR1), whatever space is asked.
 *
 * So that pruning need not look at all 512 entries of a nearly empty table, the entry that points to
 * a table also says which sixteenths of it hold tables, in bits that hardware ignores (Arm ARM
 * D5.3.1: 11:2 and 58:52 of a table descriptor); hal_space.tables says it of the root.  Bits are set
 * when a table is added and may outlive it.
 * Locking: the owner of the space; see <hal/mmu.h>.
 */
#include <arch/mm.h>
#include <hal/cpu.h>
#include <hal/upcall.h>
#include <lib/bitmap.h>

#define SAME(name) _Static_assert(PTE_##name == name, #name)
SAME(MMU_READ);
SAME(MMU_WRITE);
SAME(MMU_EXEC);
SAME(MMU_USER);
SAME(MMU_GLOBAL);
SAME(MMU_DEVICE);
SAME(MMU_WRITE_COMBINE);
SAME(MMU_SPECIAL);

#define TABLE_BITS (PTE_VALID | PTE_TABLE)
#define SUMMARY_BITS 16
#define USER_END (1ul << 48) /* of the tables; USER_TOP leaves a page free below it */

struct hal_space kernel_space;
static const struct mmu_frame_source *source;

void mmu_set_frame_source(const struct mmu_frame_source *s)
{
    source = s;
}

static pte_t *table_of(paddr_t pa)
{
    return phys_to_virt(pa);
}

static pte_t *root_of(struct hal_space *s, vaddr_t va)
{
    return table_of((int64_t)va < 0 ? kernel_space.root : s->root);
}

err_t mmu_space_init(struct hal_space *s)
{
    paddr_t root = source->alloc();

    if (root == PADDR_NONE)
        return -ENOMEM;
    *s = (struct hal_space){ .root = root };
    return 0;
}

static void space_leave(void *space)
{
    if (cpu_current()->space == space)
        mmu_space_switch(NULL);
}

/* A CPU keeps the space of its last program while it runs kernel threads, and may walk it any time.
 * Nobody runs the space any more, so CPUs can only leave it meanwhile. */
static void space_evict(struct hal_space *s)
{
    unsigned long flags = hal_irq_save();
    uint64_t holders[CPU_MAX / 64] = { 0 };
    unsigned self = cpu_current()->id, found = 0;

    space_leave(s);
    for (unsigned i = 0; i < cpu_count; i++)
        if (i != self && atomic_load_relaxed(&cpus[i]->space) == s) {
            bitmap_set(holders, i);
            found++;
        }
    if (found != 0)
        upcall_call_cpus(holders, space_leave, s);
    hal_irq_restore(flags);
}

void mmu_space_fini(struct hal_space *s)
{
    space_evict(s);
    source->free(s->root);
    s->root = PADDR_NONE;
}

pte_t *mmu_walk(struct hal_space *s, vaddr_t va, unsigned *level)
{
    pte_t *table = root_of(s, va);
    unsigned l = MMU_LEVELS - 1;

    for (;; l--) {
        pte_t *e = &table[MMU_INDEX(va, l)], v = pte_load(e);

        if (!pte_is_table(v, l)) {
            *level = l;
            return e;
        }
        table = table_of(pte_addr(v));
    }
}

/* Which sixteenth of its table an entry lies in: as a bit of the table's summary. */
static unsigned summary_bit(unsigned index)
{
    return 1u << index / (MMU_ENTRIES / SUMMARY_BITS);
}

static unsigned summary_get(pte_t e)
{
    return (e >> 2 & 0x3ff) | (e >> 52 & 0x3f) << 10;
}

static pte_t summary_put(unsigned summary)
{
    return (pte_t)(summary & 0x3ff) << 2 | (pte_t)(summary >> 10) << 52;
}

/* Hangs a new table into the empty entry `e` of the table that `above` (NULL: the root's) points
 * to, at `index`. */
static __noinline err_t table_add(struct hal_space *s, pte_t *above, pte_t *e, unsigned index)
{
    paddr_t pa = source->alloc();

    if (pa == PADDR_NONE)
        return -ENOMEM;
    pte_store(e, pa | TABLE_BITS);
    s->table_pages++;
    if (above != NULL)
        __atomic_store_n(above, *above | summary_put(summary_bit(index)), __ATOMIC_RELAXED);
    else
        s->tables |= summary_bit(index);
    return 0;
}

err_t mmu_walk_alloc(struct hal_space *s, vaddr_t va, unsigned level, pte_t **out)
{
    pte_t *table = root_of(s, va), *above = NULL;

    for (unsigned l = MMU_LEVELS - 1; l > level; l--) {
        pte_t *e = &table[MMU_INDEX(va, l)], v = pte_load(e);

        if (unlikely(!pte_is_table(v, l))) {
            err_t err = pte_present(v) ? -EEXIST : table_add(s, above, e, MMU_INDEX(va, l));

            if (err != 0)
                return err;
            v = pte_load(e);
        }
        above = e;
        table = table_of(pte_addr(v));
    }
    *out = &table[MMU_INDEX(va, level)];
    return 0;
}

#define PRUNE_FLUSH_MAX 4 /* more tables than this: flush the whole space */

/* Tables taken out of the tree, chained through their first words: page-aligned, so never valid
 * descriptors for a walker that still has a stale pointer to them. */
struct prune {
    struct hal_space *space;
    paddr_t head;
    unsigned count;
    vaddr_t va[PRUNE_FLUSH_MAX]; /* of the first ones */
};

static void prune_table(struct prune *p, pte_t *table, unsigned summary, unsigned level,
                        vaddr_t start, vaddr_t end);

static void prune_entry(struct prune *p, pte_t *e, unsigned level, vaddr_t va, vaddr_t start,
                        vaddr_t end)
{
    vaddr_t next = va + MMU_LEVEL_SIZE(level);
    pte_t v = pte_load(e);

    if (!pte_is_table(v, level))
        return;
    if (level > 1)
        prune_table(p, table_of(pte_addr(v)), summary_get(v), level - 1, MAX(va, start),
                    MIN(next, end));
    if (va < start || next > end)
        return;
    __atomic_store_n(e, 0, __ATOMIC_RELAXED);
    *table_of(pte_addr(v)) = p->head;
    p->head = pte_addr(v);
    if (p->count < PRUNE_FLUSH_MAX)
        p->va[p->count] = va;
    p->count++;
}

/* [start, end) lies within what `table`, of entries of `level`, maps. */
static void prune_table(struct prune *p, pte_t *table, unsigned summary, unsigned level,
                        vaddr_t start, vaddr_t end)
{
    unsigned first = MMU_INDEX(start, level), last = MMU_INDEX(end - 1, level);
    vaddr_t base = ALIGN_DOWN(start, MMU_LEVEL_SIZE(level + 1));

    for (; summary != 0; summary &= summary - 1) {
        unsigned from = (unsigned)__builtin_ctz(summary) * (MMU_ENTRIES / SUMMARY_BITS);
        unsigned to = MIN(from + MMU_ENTRIES / SUMMARY_BITS - 1, last);

        for (unsigned i = MAX(from, first); i <= to; i++)
            if (table[i] != 0)
                prune_entry(p, &table[i], level, base + i * MMU_LEVEL_SIZE(level), start, end);
    }
}

/* The walker may hold the tables in its cache; flushing any address below one drops it. */
static void prune_flush(const struct prune *p)
{
    if (p->count > PRUNE_FLUSH_MAX) {
        mmu_flush_space(p->space);
        return;
    }
    for (unsigned i = 0; i < p->count; i++)
        mmu_flush_page(p->space, p->va[i]);
}

void mmu_prune(struct hal_space *s, vaddr_t start, vaddr_t end)
{
    struct prune p = { .space = s };

    if (end >= USER_TOP)
        end = USER_END;
    if (start >= end)
        return;
    prune_table(&p, table_of(s->root), s->tables, MMU_LEVELS - 1, start, end);
    if (p.head == 0)
        return;
    prune_flush(&p);
    while (p.head != 0) {
        paddr_t pa = p.head;

        s->table_pages--;
        p.head = *table_of(pa);
        source->free(pa);
    }
}

err_t mmu_map(struct hal_space *s, vaddr_t va, paddr_t pa, unsigned level, unsigned prot)
{
    pte_t *e;
    err_t err;

    if (level > 2 || !IS_ALIGNED(va | pa, MMU_LEVEL_SIZE(level)))
        return -EINVAL;
    err = mmu_walk_alloc(s, va, level, &e);
    if (err != 0)
        return err;
    if (pte_present(pte_load(e)))
        return -EEXIST;
    pte_store(e, pte_make(pa, prot, level)); /* what was empty is in no TLB */
    return 0;
}

/* The mapping of va at exactly `level`, or NULL. */
static pte_t *mapping_find(struct hal_space *s, vaddr_t va, unsigned level)
{
    unsigned l;
    pte_t *e = mmu_walk(s, va, &l);

    return l == level && pte_present(pte_load(e)) ? e : NULL;
}

err_t mmu_unmap(struct hal_space *s, vaddr_t va, unsigned level)
{
    pte_t *e = mapping_find(s, va, level);

    if (e == NULL)
        return -ENOENT;
    pte_store(e, 0);
    mmu_flush_page(s, va);
    return 0;
}

err_t mmu_protect(struct hal_space *s, vaddr_t va, unsigned level, unsigned prot)
{
    pte_t *e = mapping_find(s, va, level);

    if (e == NULL)
        return -ENOENT;
    pte_store(e, pte_protect(pte_load(e), prot));
    mmu_flush_page(s, va);
    return 0;
}

err_t mmu_translate(struct hal_space *s, vaddr_t va, paddr_t *pa, unsigned *prot)
{
    unsigned level;
    pte_t v = pte_load(mmu_walk(s, va, &level));

    if (!pte_present(v))
        return -ENOENT;
    *pa = pte_addr(v) | (va & (MMU_LEVEL_SIZE(level) - 1));
    *prot = pte_prot(v);
    return 0;
}
