// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: finding, making and dropping page tables (SDM vol. 3, 4.5).
 *
 * Model: the root's slot 511 points to the root itself, so that the walker, sent through it once
 * for each level that is to be skipped, ends at a table instead of a page:
 *
 *     level 0 entry of va   0xffffff80'00000000 + (va >> 12) * 8     511 . p4 . p3 . p2
 *     level 1               0xffffffff'c0000000 + (va >> 21) * 8     511 . 511 . p4 . p3
 *     level 2               0xffffffff'ffe00000 + (va >> 30) * 8     511 . 511 . 511 . p4
 *     level 3               0xffffffff'fffff000 + (va >> 39) * 8     511 . 511 . 511 . 511
 *
 * Only the loaded space is seen there; tables of another one are reached through the direct map.
 * Both ways go down from the root, for the window over an absent table would fault.
 * Locking: the owner of the space holds a spinlock, so the loaded space stays loaded: mm/tlb.c takes
 * it away from idle CPUs alone.
 * Invariants: (1) a table that is freed is out of its parent and of every CPU's TLB before its
 * frame is given back; (2) a set entry that points to a table is in its parent's summary (mm/tables.h).
 */
#include <hal/cpu.h>
#include <mm/tables.h>

#define VA_BITS_MASK 0x0000fffffffffffful
#define USER_HALF_END (1ul << 47)

static inline pte_t *window_entry(vaddr_t va, unsigned level)
{
    static const vaddr_t base[MMU_LEVELS] = { 0xffffff8000000000ul, 0xffffffffc0000000ul,
                                              0xffffffffffe00000ul, 0xfffffffffffff000ul };

    return (pte_t *)base[level] + ((va & VA_BITS_MASK) >> MMU_LEVEL_SHIFT(level));
}

static inline pte_t *table_of(pte_t e)
{
    return phys_to_virt(pte_addr(e));
}

#define DOWN(entry_at_level)                                                                       \
    e = (entry_at_level);                                                                          \
    if (!pte_is_table(pte_load(e), l))                                                             \
        goto found;                                                                                \
    l--

static __always_inline pte_t *walk_window(vaddr_t va, unsigned *level)
{
    unsigned l = 3;
    pte_t *e;

    DOWN(window_entry(va, 3));
    DOWN(window_entry(va, 2));
    DOWN(window_entry(va, 1));
    e = window_entry(va, 0);
found:
    *level = l;
    return e;
}

static __always_inline pte_t *walk_direct(paddr_t root, vaddr_t va, unsigned *level)
{
    pte_t *e = (pte_t *)phys_to_virt(root) + MMU_INDEX(va, 3);
    unsigned l = 3;

    DOWN(e);
    DOWN(table_of(*e) + MMU_INDEX(va, 2));
    DOWN(table_of(*e) + MMU_INDEX(va, 1));
    e = table_of(*e) + MMU_INDEX(va, 0);
found:
    *level = l;
    return e;
}
#undef DOWN

pte_t *mmu_walk(struct hal_space *s, vaddr_t va, unsigned *level)
{
    if (likely(space_loaded(s, va)))
        return walk_window(va, level);
    return walk_direct(s->root, va, level);
}

/* Puts a new table into the empty entry e.  Return: 0, -ENOMEM. */
static err_t table_make(pte_t *e, bool user)
{
    paddr_t pa = table_source.alloc();

    if (pa == PADDR_NONE)
        return -ENOMEM;
    pte_store(e, pte_make_table(pa, user));
    return 0;
}

/* Notes in the parent that the table's entry for va, at `level`, points to a table. */
static void summary_note(pte_t *parent, vaddr_t va, unsigned level)
{
    pte_t e = pte_load(parent);

    pte_store(parent, e | 1ul << (SUMMARY_SHIFT + (MMU_INDEX(va, level) >> SUMMARY_GROUP_SHIFT)));
}

static void root_note(struct hal_space *s, vaddr_t va)
{
    s->asid |= 1ul << (MMU_INDEX(va, 3) >> ROOT_GROUP_SHIFT);
}

/* Down from the root, entry by entry; s is NULL where no summary is kept (the kernel half). */
static err_t walk_make(struct hal_space *s, paddr_t root, bool window, vaddr_t va, unsigned level,
                       pte_t **out)
{
    pte_t *e = window ? window_entry(va, 3) : (pte_t *)phys_to_virt(root) + MMU_INDEX(va, 3);
    pte_t *parent = NULL;

    for (unsigned l = 3; l > level; l--) {
        pte_t v = pte_load(e);

        if (pte_empty(v)) {
            err_t err = table_make(e, s != NULL);

            if (err)
                return err;
            (s ? s : &kernel_space)->table_pages++; /* the kernel half: LOCK_VMAP, or start-up */
            if (s && parent)
                summary_note(parent, va, l);
            else if (s)
                root_note(s, va);
            v = pte_load(e);
        } else if (!pte_is_table(v, l)) {
            return -EEXIST;
        }
        parent = e;
        e = window ? window_entry(va, l - 1) : table_of(v) + MMU_INDEX(va, l - 1);
    }
    *out = e;
    return 0;
}

err_t mmu_walk_alloc(struct hal_space *s, vaddr_t va, unsigned level, pte_t **out)
{
    bool window = space_loaded(s, va);
    unsigned l;

    *out = window ? walk_window(va, &l) : walk_direct(s->root, va, &l);
    if (likely(l == level))
        return 0;
    return walk_make(va < USER_TOP ? s : NULL, s->root, window, va, level, out);
}

err_t tables_walk_alloc(paddr_t root, vaddr_t va, unsigned level, pte_t **out)
{
    return walk_make(NULL, root, false, va, level, out);
}

struct prune {
    vaddr_t start, end;
    paddr_t freed; /* chain through the first words of the tables; 0 ends it */
};

/* First entry in [i, end) that is not empty, or end. */
static unsigned entry_next(const pte_t *table, unsigned i, unsigned end)
{
    const pte_t *p = table + i;
    uint64_t n = end - i;
    bool found;

    if (n == 0)
        return end;
    __asm__ volatile("repe scasq" : "+D"(p), "+c"(n), "=@ccne"(found) : "a"(0) : "memory");
    return found ? (unsigned)(p - table) - 1 : end;
}

/* A chained address has its low bits clear, so a walker that still sees it finds nothing. */
static void prune_chain(struct prune *p, pte_t *entry)
{
    paddr_t pa = pte_addr(pte_load(entry));

    pte_store(entry, 0);
    *(paddr_t *)phys_to_virt(pa) = p->freed;
    p->freed = pa;
}

static void prune_table(struct prune *p, pte_t *table, unsigned level, vaddr_t base,
                        uint64_t summary);

/* The entries [from, to) of a table of `level` whose first entry stands for base. */
static void prune_entries(struct prune *p, pte_t *table, unsigned level, vaddr_t base,
                          unsigned from, unsigned to)
{
    for (unsigned i = entry_next(table, from, to); i < to; i = entry_next(table, i + 1, to)) {
        vaddr_t start = base + i * MMU_LEVEL_SIZE(level);
        vaddr_t end = start + MMU_LEVEL_SIZE(level);
        pte_t e = pte_load(&table[i]);

        if (!pte_is_table(e, level) || end <= p->start || start >= p->end)
            continue;
        if (level > 1)
            prune_table(p, table_of(e), level - 1, start, e >> SUMMARY_SHIFT);
        if (start >= p->start && end <= p->end)
            prune_chain(p, &table[i]);
    }
}

static void prune_table(struct prune *p, pte_t *table, unsigned level, vaddr_t base,
                        uint64_t summary)
{
    unsigned group = 1u << SUMMARY_GROUP_SHIFT;

    for (unsigned i = 0; i < SUMMARY_GROUPS; i++)
        if (summary >> i & 1)
            prune_entries(p, table, level, base, i * group, (i + 1) * group);
}

static void prune_root(struct prune *p, const struct hal_space *s)
{
    pte_t *root = phys_to_virt(s->root);
    unsigned group = 1u << ROOT_GROUP_SHIFT;

    for (uint64_t left = s->asid; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzl(left) * group;

        prune_entries(p, root, 3, 0, i, i + group);
    }
}

void mmu_prune(struct hal_space *s, vaddr_t start, vaddr_t end)
{
    /* The page above USER_TOP never holds anything. */
    struct prune p = { .start = start, .end = end >= USER_TOP ? USER_HALF_END : end };
    paddr_t pa, next;

    prune_root(&p, s);
    if (p.freed == 0)
        return;
    mmu_flush_space(s); /* once for all: tables and what the window showed of them */
    for (pa = p.freed; pa != 0; pa = next) {
        next = *(paddr_t *)phys_to_virt(pa);
        s->table_pages--;
        table_source.free(pa);
    }
}
