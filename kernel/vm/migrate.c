// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: moving pages between memory nodes.
 *
 * Model: an anonymous frame hangs in one entry: under pt_lock the entry is emptied and flushed on all
 * CPUs, the page is copied, the entry is stored again.  A thread that touches it meanwhile faults, and
 * finds the new entry when it gets pt_lock.  A frame that fork left to several tables is theirs alone to
 * move (`all`): this table gets a copy of its own.
 *
 * A frame of an object is found by many tables and by readers of the file.  Its slot is made busy, so
 * that all who look for it wait; then no table may hold it and no reader have it in hand:
 *
 *     mover                                   others
 *     lock: slot = frame|PRESENT|BUSY         fault, read: sleep on o->busy
 *     unmap the page everywhere
 *     lock: slot still that? one reference?
 *       copy, slot = new|PRESENT              truncate: takes the slot away; the mover gives up
 *     wake all                                look again
 *
 * Then the one mapping that asked gets its entry back.
 * Locking: s->lock for reading all the time; inside the order of internal.h.
 */
#include <hal/upcall.h>
#include <lib/bitmap.h>
#include <vm/internal.h>
#include <vm/mempolicy.h>

#define MOVE_TRIES 4

struct move {
    struct space *s;
    struct region *r;
    vaddr_t addr; /* of the page */
    pte_t entry; /* as last seen */
    bool all; /* also what others map */
};

/* The entry that maps m->addr now; 0: none. */
static pte_t entry_now(const struct move *m)
{
    unsigned level;
    pte_t *pte = mmu_walk(&m->s->hal, m->addr, &level);

    return level == 0 ? pte_load(pte) : 0;
}

static bool entry_cached(const struct region *r, pte_t e)
{
    return r->object != NULL && (frame_of(pte_addr(e))->flags & FRAME_IS_CACHE);
}

/* ---- anonymous ----------------------------------------------------------------------------- */

/* May the frame below the entry be replaced?  pt_lock held. */
static err_t anon_movable(const struct move *m, paddr_t old)
{
    if (frame_refs(old) == 1)
        return 0;
    if (pte_writable(m->entry))
        return -EBUSY; /* what can be written has one table; somebody holds it for a moment */
    return m->all ? 0 : -EACCES;
}

/* The reference to `new` goes into the entry, that to the old frame is dropped. */
static err_t move_anon(struct move *m, paddr_t new)
{
    paddr_t old = pte_addr(m->entry);
    unsigned level;
    err_t err = -EAGAIN;
    pte_t *pte;

    spin_lock(&m->s->pt_lock);
    pte = mmu_walk(&m->s->hal, m->addr, &level);
    if (level == 0 && pte_load(pte) == m->entry)
        err = anon_movable(m, old);
    if (err == 0) {
        pte_store(pte, 0);
        mmu_flush_page(&m->s->hal, m->addr);
        page_copy(phys_to_virt(new), phys_to_virt(old));
        if (m->r->flags & VM_EXEC)
            mmu_sync_icache(phys_to_virt(new), PAGE_SIZE);
        pte_store(pte, (m->entry ^ old) | new);
    }
    spin_unlock(&m->s->pt_lock);
    if (err == 0)
        frame_put(old);
    return err;
}

/* ---- objects ------------------------------------------------------------------------------- */

/* Marks the slot busy, if it holds `old`: nobody new comes to have the frame then. */
static bool slot_seize(struct object *o, uint64_t index, paddr_t old)
{
    slot_t *slot;
    bool mine;

    brlock_write(&object_lookups);
    spin_lock(&o->lock);
    slot = object_slot(o, index);
    mine = slot != NULL && slot_ready(*slot) && slot_frame(*slot) == old;
    if (mine)
        *slot |= SLOT_BUSY;
    spin_unlock(&o->lock);
    brlock_write_done(&object_lookups);
    return mine;
}

/* Puts `new` into the busy slot when nobody but the tree holds `old`. */
static err_t slot_replace(struct object *o, uint64_t index, paddr_t old, paddr_t new)
{
    err_t err = -EAGAIN;
    slot_t *slot;

    spin_lock(&o->lock);
    slot = object_slot(o, index);
    if (slot != NULL && (*slot & ~(slot_t)SLOT_DIRTY) == (old | SLOT_PRESENT | SLOT_BUSY)) {
        err = frame_refs(old) == 1 ? 0 : -EBUSY;
        if (err == 0) {
            page_copy(phys_to_virt(new), phys_to_virt(old));
            object_frame_adopt(o, new);
            object_frame_disown(old);
            object_page_moved(o, old, new, *slot & SLOT_DIRTY);
        }
        atomic_store(slot, (err == 0 ? new : old) | SLOT_PRESENT | (*slot & SLOT_DIRTY));
    }
    spin_unlock(&o->lock);
    waitq_wake_all(&o->busy);
    return err;
}

static err_t move_cached(struct move *m, paddr_t new)
{
    uint64_t index = region_index(m->r, m->addr);
    struct object *o = m->r->object;
    paddr_t old = pte_addr(m->entry);
    err_t err;

    if (!m->all && frame_refs(old) > 2) /* the tree's and this table's */
        return -EACCES;
    if (!slot_seize(o, index, old))
        return -EAGAIN;
    object_unmap_page(o, index);
    err = slot_replace(o, index, old, new);
    if (err == 0)
        frame_put(old);
    (void)fault_locked(m->s, m->r, m->addr, FAULT_READ, false);
    return err;
}

/* ---- one page ------------------------------------------------------------------------------ */

/* Moves what m->entry holds into a frame that alloc gives. */
static err_t move_once(struct move *m, paddr_t new)
{
    if (new == PADDR_NONE)
        return -ENOMEM;
    return entry_cached(m->r, m->entry) ? move_cached(m, new) : move_anon(m, new);
}

struct place {
    uint64_t nodes; /* where the page may stay */
    int node; /* where else it goes; -1: where `policy` wants it */
    const struct mempolicy *policy;
};

static paddr_t place_alloc(const struct move *m, const struct place *p)
{
    if (p->node >= 0)
        return frame_alloc_nodes((unsigned)p->node, BIT(p->node), FRAME_USER);
    return mempolicy_alloc(p->policy, m->r->object != NULL ? region_index(m->r, m->addr)
                                                          : m->addr >> PAGE_SHIFT, FRAME_USER);
}

static bool entry_movable(pte_t e)
{
    return e != 0 && !pte_special(e);
}

/* Moves the page at m->addr to its place.  0 also when it is there, or is nothing to move. */
static err_t move_page(struct move *m, const struct place *p)
{
    err_t err = -EAGAIN;

    for (unsigned i = 0; i < MOVE_TRIES && err == -EAGAIN; i++) {
        paddr_t new;

        m->entry = entry_now(m);
        if (!entry_movable(m->entry) || (p->nodes >> frame_of(pte_addr(m->entry))->node & 1))
            return 0;
        new = place_alloc(m, p);
        err = move_once(m, new);
        if (err != 0 && new != PADDR_NONE)
            frame_put(new);
    }
    return err == -EAGAIN ? -EBUSY : err;
}

/* ---- ranges -------------------------------------------------------------------------------- */

/* Calls fn for the pages of [start, end) of r that have an entry, until it fails. */
static err_t pages_each(struct region *r, vaddr_t start, vaddr_t end,
                        err_t (*fn)(struct region *r, vaddr_t addr, pte_t e, void *arg), void *arg)
{
    vaddr_t stop;
    err_t err = 0;

    for (vaddr_t addr = start; addr < end && err == 0; addr = stop) {
        pte_t *pte = leaf_entries(r->space, addr, end, &stop);

        for (vaddr_t a = addr; pte != NULL && a < stop && err == 0; a += PAGE_SIZE, pte++)
            if (entry_movable(pte_load(pte)))
                err = fn(r, a, pte_load(pte), arg);
    }
    return err;
}

static err_t page_misplaced(struct region *r, vaddr_t addr, pte_t e, void *arg)
{
    uint64_t nodes = *(uint64_t *)arg;

    return nodes >> frame_of(pte_addr(e))->node & 1 ? 0 : -EIO;
}

err_t region_check_nodes(struct region *r, vaddr_t start, vaddr_t end, uint64_t nodes)
{
    return pages_each(r, start, end, page_misplaced, &nodes);
}

struct move_range {
    struct place place;
    bool all;
    long failed;
};

static err_t page_conform(struct region *r, vaddr_t addr, pte_t e, void *arg)
{
    struct move_range *range = arg;
    struct move m = { .s = r->space, .r = r, .addr = addr, .all = range->all };
    err_t err = move_page(&m, &range->place);

    if (err != 0 && err != -EACCES) /* what others map is not ours to move */
        range->failed++;
    return err == -ENOMEM ? err : 0;
}

long region_conform(struct region *r, vaddr_t start, vaddr_t end, const struct mempolicy *p,
                    bool all)
{
    struct move_range range = { .place = { .nodes = p != NULL ? p->nodes : 0, .node = -1,
                                           .policy = p }, .all = all };

    if (p == NULL || p->mode == MPOL_LOCAL) /* to the nearest node, of the CPU that asks */
        range.place.nodes = BIT(frame_near_node(cpu_current()->node));
    (void)pages_each(r, start, end, page_conform, &range);
    return range.failed;
}

/* ---- migrate_pages ------------------------------------------------------------------------- */

struct exodus {
    uint64_t from, to;
    bool all;
    long failed;
};

static unsigned set_count(uint64_t set)
{
    return (unsigned)bitmap_count(&set, NODE_MAX);
}

static unsigned set_rank(uint64_t set, unsigned node)
{
    return set_count(set & (BIT(node) - 1));
}

/* Where pages of `node`, a member of `from`, go. */
static unsigned exodus_target(const struct exodus *x, unsigned node)
{
    uint64_t to = x->to;

    for (unsigned n = set_rank(x->from, node) % set_count(to); n > 0; n--)
        to &= to - 1;
    return (unsigned)__builtin_ctzll(to);
}

static err_t page_leave(struct region *r, vaddr_t addr, pte_t e, void *arg)
{
    struct exodus *x = arg;
    unsigned node = frame_of(pte_addr(e))->node, target;
    struct move m = { .s = r->space, .r = r, .addr = addr, .all = x->all };
    struct place place;
    err_t err;

    if (!(x->from >> node & 1))
        return 0;
    target = exodus_target(x, node);
    /* With sets of different sizes, what is in the target set already stays. */
    if (target == node || (set_count(x->from) != set_count(x->to) &&
                           (x->to >> node & 1)))
        return 0;
    place = (struct place){ .nodes = BIT(target), .node = (int)target };
    err = move_page(&m, &place);
    if (err != 0 && err != -EACCES)
        x->failed++;
    return err == -ENOMEM ? err : 0;
}

long space_migrate(struct space *s, uint64_t from, uint64_t to, bool all)
{
    struct exodus x = { .from = from, .to = to, .all = all };
    err_t err = 0;

    rwlock_read(&s->lock);
    for (struct region *r = space_find(s, 0); r != NULL && err == 0; r = region_next(r))
        if (!(r->flags & VM_SPECIAL))
            err = pages_each(r, r->start, r->end, page_leave, &x);
    rwlock_read_done(&s->lock);
    return err ? err : x.failed;
}

/* ---- single pages -------------------------------------------------------------------------- */

/* The region of addr that can be asked about; NULL.  s->lock held. */
static struct region *region_of_page(struct space *s, vaddr_t addr)
{
    struct region *r = addr < USER_TOP ? space_find(s, addr) : NULL;

    return r != NULL && r->start <= addr ? r : NULL;
}

static int entry_node(const struct region *r, pte_t e)
{
    if (e == 0)
        return r->object != NULL ? -ENOENT : -EFAULT;
    return pte_special(e) ? -EFAULT : (int)frame_of(pte_addr(e))->node;
}

static int page_node(struct space *s, vaddr_t addr)
{
    struct region *r = region_of_page(s, addr);
    struct move m = { .s = s, .r = r, .addr = addr & PAGE_MASK };

    return r != NULL ? entry_node(r, entry_now(&m)) : -EFAULT;
}

int space_page_node(struct space *s, vaddr_t addr)
{
    int node;

    rwlock_read(&s->lock);
    node = page_node(s, addr);
    rwlock_read_done(&s->lock);
    return node;
}

static int move_page_to(struct space *s, vaddr_t addr, unsigned node, bool all)
{
    struct place place = { .nodes = BIT(node), .node = (int)node };
    struct move m = { .s = s, .r = region_of_page(s, addr), .addr = addr & PAGE_MASK, .all = all };
    int now = page_node(s, addr);
    err_t err;

    if (now < 0 || now == (int)node)
        return now;
    err = move_page(&m, &place);
    return err ? err : (int)node;
}

int space_move_page(struct space *s, vaddr_t addr, unsigned node, bool all)
{
    int result;

    rwlock_read(&s->lock);
    result = move_page_to(s, addr, node, all);
    rwlock_read_done(&s->lock);
    return result;
}

/* ---- counting ------------------------------------------------------------------------------ */

static err_t page_count(struct region *r, vaddr_t addr, pte_t e, void *arg)
{
    const struct frame *f = frame_of(pte_addr(e));
    bool cached = entry_cached(r, e);
    struct region_census *c = arg;
    uint64_t maps = frame_refs(pte_addr(e)) - cached;

    c->total++;
    c->anon += !cached;
    c->shared_max = MAX(c->shared_max, maps);
    c->node[f->node]++;
    c->shared += maps > 1;
    c->share_bytes += PAGE_SIZE / MAX(maps, 1ul);
    if (!cached) {
        c->shared_anon += maps > 1;
        c->share_anon_bytes += PAGE_SIZE / MAX(maps, 1ul);
    }
    return 0;
}

void region_count(const struct region *r, struct region_census *out)
{
    memset(out, 0, sizeof(*out));
    /* Entries may come meanwhile, and a truncation may take some away. */
    spin_lock(&r->space->pt_lock);
    (void)pages_each((struct region *)r, r->start, r->end, page_count, out);
    spin_unlock(&r->space->pt_lock);
}
