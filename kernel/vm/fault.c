// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: page faults: the only place where pages enter a process.
 *
 * Theory.  Page tables are a cache of what regions and objects say; a fault fills one line of it.
 * Four steps (the division is UVM's, C. Cranor, "Design and implementation of the UVM virtual
 * memory system", 1998):
 *
 *     look up    the region by address (last_found, else the tree); grow a stack
 *     classify   by region and entry:
 *                                    entry empty                   entry present, no write right
 *          anonymous, read           the zero page, read-only      -
 *          anonymous, write          a zeroed frame                promote
 *          private file, read        the object's frames           -
 *          private file, write       promote                       promote
 *          shared                    the object's frames           give the right
 *     promote    a private frame: the old one when this table is its only holder, else a copy
 *     enter      store the entry under pt_lock, if it still is what was seen at first; else drop
 *                all and let the access fault again
 *
 * Who owns a frame shows in struct frame: FRAME_IS_CACHE belongs to an object; without it the frame
 * is anonymous and its count is the number of tables that hold it (plus short-lived pins).  So
 * "count is 1" under pt_lock means that nobody else can gain it: only fork could, and that needs
 * the lock for writing.
 *
 * Frames are prepared before pt_lock is taken; a copy is made under it, because a truncation may
 * take the source away otherwise.  An object's frames are entered under pt_lock: a truncation changes
 * the size first, takes pages out of the tree without a look-up in progress (object_lookups), and
 * removes entries under pt_lock after each, so it either keeps a fault out or finds its entry:
 *
 *     fault                                truncate
 *     pt_lock                              size = new
 *     index < size, ready slot: enter      (waits for pt_lock)
 *     unlock                               pt_lock: finds the entry, removes it
 *
 * Fault-around: a read fault on an object enters up to 16 neighbours that are in memory already.
 * TLB: an entry that was empty needs no flush; one that was present is flushed for its page.
 * Locking: s->lock for reading all the time; so tables are not freed and entry pointers stay good.
 */
#include <hal/upcall.h>
#include <sched/sched.h>
#include <vm/internal.h>
#include <vm/radix.h>

struct fault {
    struct space *s;
    struct region *r;
    vaddr_t addr; /* of the page */
    pte_t *pte; /* NULL: no leaf table yet */
    pte_t old; /* as first seen */
    bool write, force;
};

/* ---- enter --------------------------------------------------------------------------------- */

/* pt_lock held: the entry exists afterwards. */
static bool entry_make(struct fault *f)
{
    return f->pte != NULL || mmu_walk_alloc(&f->s->hal, f->addr, 0, &f->pte) == 0;
}

static bool entry_unchanged(const struct fault *f)
{
    return pte_load(f->pte) == f->old;
}

/* Stores over what was there: another frame only after the old translation is gone from every TLB
 * (Arm ARM D5.10.1, break before make).  pt_lock held. */
static __always_inline void entry_store(struct fault *f, pte_t e)
{
    if (f->old != 0) {
        pte_store(f->pte, 0);
        mmu_flush_page(&f->s->hal, f->addr);
    } else {
        region_touch(f->r, f->addr);
    }
    pte_store(f->pte, e);
}

static void note_private(struct region *r)
{
    if (!r->has_anon)
        atomic_store_relaxed(&r->has_anon, 1);
}

/* Entry of a frame that belongs to this table alone. */
static pte_t private_entry(const struct fault *f, paddr_t pa)
{
    if (unlikely(f->r->flags & VM_EXEC))
        mmu_sync_icache(phys_to_virt(pa), PAGE_SIZE);
    return f->r->entry | pa;
}

/* ---- anonymous ----------------------------------------------------------------------------- */

static enum fault_result fault_zero_page(struct fault *f)
{
    unsigned prot = (region_prot(f->r) & ~MMU_WRITE) | MMU_SPECIAL;
    bool made;

    spin_lock(&f->s->pt_lock);
    made = entry_make(f);
    if (made && entry_unchanged(f))
        entry_store(f, pte_make(vm_zero_frame, prot, 0));
    spin_unlock(&f->s->pt_lock);
    return made ? FAULT_RESOLVED : FAULT_OOM;
}

/* A zeroed frame in place of nothing or of the zero page. */
static enum fault_result fault_anon(struct fault *f)
{
    paddr_t pa = region_page_alloc(f->r, f->addr, FRAME_USER | FRAME_ZERO);
    bool made, entered = false;

    if (pa == PADDR_NONE)
        return FAULT_OOM;
    spin_lock(&f->s->pt_lock);
    made = entry_make(f);
    if (made && entry_unchanged(f)) {
        note_private(f->r);
        entry_store(f, private_entry(f, pa));
        f->s->resident_anon++;
        resident_note_max(f->s);
        entered = true;
    }
    spin_unlock(&f->s->pt_lock);
    if (!entered)
        frame_put(pa);
    return made ? FAULT_RESOLVED : FAULT_OOM;
}

/* ---- promote ------------------------------------------------------------------------------- */

static bool frame_exclusive(paddr_t pa)
{
    return !(frame_of(pa)->flags & FRAME_IS_CACHE) && frame_refs(pa) == 1;
}

/* Nobody else holds the frame: give the right back.  False: somebody does. */
static bool promote_reuse(struct fault *f)
{
    bool done = true;

    if (!frame_exclusive(pte_addr(f->old)))
        return false;
    spin_lock(&f->s->pt_lock);
    if (entry_unchanged(f)) {
        done = frame_exclusive(pte_addr(f->old));
        if (done)
            entry_store(f, pte_protect(f->old, region_prot(f->r)));
    }
    spin_unlock(&f->s->pt_lock);
    return done;
}

/* A copy of the frame that the entry holds. */
static enum fault_result promote_copy(struct fault *f)
{
    paddr_t from = pte_addr(f->old), pa = region_page_alloc(f->r, f->addr, FRAME_USER);

    if (pa == PADDR_NONE)
        return FAULT_OOM;
    spin_lock(&f->s->pt_lock);
    if (entry_unchanged(f)) {
        page_copy(phys_to_virt(pa), phys_to_virt(from));
        note_private(f->r);
        --*resident_counter(f->s, f->r, frame_of(from));
        f->s->resident_anon++;
        entry_store(f, private_entry(f, pa));
        pa = from; /* its reference is what is left over */
    }
    spin_unlock(&f->s->pt_lock);
    frame_put(pa);
    return FAULT_RESOLVED;
}

static enum fault_result promote_present(struct fault *f)
{
    if (pte_special(f->old))
        return f->r->flags & VM_SPECIAL ? FAULT_SIGSEGV_ACCERR : fault_anon(f);
    if (promote_reuse(f))
        return FAULT_RESOLVED;
    return promote_copy(f);
}

static enum fault_result object_error(err_t err)
{
    return err == -ENOMEM ? FAULT_OOM : FAULT_SIGBUS;
}

/* A private copy of an object's page that no entry holds. */
static enum fault_result promote_object(struct fault *f)
{
    uint64_t index = region_index(f->r, f->addr);
    struct object *o = f->r->object;
    enum fault_result result = FAULT_SIGBUS;
    paddr_t from, pa;
    err_t err;

    if (index >= object_pages_limit(o))
        return FAULT_SIGBUS;
    err = object_page(o, index, OBJECT_CREATE, &from);
    if (err)
        return object_error(err);
    pa = region_page_alloc(f->r, f->addr, FRAME_USER);
    if (pa != PADDR_NONE)
        page_copy(phys_to_virt(pa), phys_to_virt(from));
    frame_put(from);
    if (pa == PADDR_NONE)
        return FAULT_OOM;
    spin_lock(&f->s->pt_lock);
    if (!entry_make(f)) {
        result = FAULT_OOM;
    } else if (index < object_pages_limit(o)) {
        result = FAULT_RESOLVED;
        if (entry_unchanged(f)) {
            note_private(f->r);
            entry_store(f, private_entry(f, pa));
            f->s->resident_anon++;
            resident_note_max(f->s);
            pa = PADDR_NONE;
        }
    }
    spin_unlock(&f->s->pt_lock);
    if (pa != PADDR_NONE)
        frame_put(pa);
    return result;
}

/* ---- objects ------------------------------------------------------------------------------- */

/* Instructions in a frame are visible to fetches from now on.  The frame is in the tree, and nobody takes it
 * out: its other flags do not change, and whoever else does this does the same. */
static void frame_make_fetchable(paddr_t pa)
{
    struct frame *frame = frame_of(pa);

    if (frame->flags & FRAME_IS_FETCHABLE)
        return;
    atomic_store_relaxed(&frame->flags, (uint8_t)(frame->flags | FRAME_IS_FETCHABLE));
    atomic_fence(); /* see object_written */
    object_frame_fetch(pa);
}

_Static_assert(RADIX_SLOTS % FAULT_AROUND_PAGES == 0, "a group lies in one node");

/*
 * Enters the pages of one fault: the one at f->addr and its present neighbours within the region, the
 * object, the table and the object's aligned group of 16, which lies in one radix node.  `slot` is that of
 * f->addr.
 * pt_lock held, and a reader of object_lookups or object->lock held.
 */
static void enter_around(struct fault *f, const slot_t *slot, uint64_t index)
{
    pte_t *pte = f->pte, entry = f->r->entry;
    unsigned before = 0, after = 1, entered = 0;
    bool fetchable = f->r->flags & VM_EXEC;

    if (pte_writable(entry) &&
        (region_private(f->r) || (!f->write && region_tracks_dirty(f->r))))
        entry = pte_protect(entry, region_prot(f->r) & ~MMU_WRITE);
    if (!f->write && slot != &f->r->object->root) {
        uint64_t in_group = index % FAULT_AROUND_PAGES, in_table = f->addr % LEAF_SPAN >> PAGE_SHIFT;
        uint64_t limit = object_pages_limit(f->r->object) - index;

        before = MIN(MIN(in_group, in_table), (f->addr - f->r->start) >> PAGE_SHIFT);
        after = MIN(MIN(FAULT_AROUND_PAGES - in_group, (LEAF_SPAN >> PAGE_SHIFT) - in_table),
                    MIN((f->r->end - f->addr) >> PAGE_SHIFT, limit));
    }
    region_touch(f->r, f->addr - before * PAGE_SIZE);
    region_touch(f->r, f->addr + (after - 1) * PAGE_SIZE);
    pte -= before;
    slot -= before;
    for (unsigned n = before + after; n > 0; n--, pte++, slot++) {
        slot_t found = atomic_load(slot);

        if (!slot_ready(found) || pte_load(pte) != 0)
            continue;
        frame_get(slot_frame(found));
        if (unlikely(fetchable))
            frame_make_fetchable(slot_frame(found));
        pte_store(pte, entry | slot_frame(found));
        entered++;
    }
    *(f->r->file != NULL ? &f->s->resident_file : &f->s->resident_shared) += entered;
    resident_note_max(f->s);
}

/* Locks as for enter_around().  FAULT_RETRY_SIGNAL stands for "the page is not in memory". */
static inline enum fault_result object_enter(struct fault *f, uint64_t index, bool marks)
{
    struct object *o = f->r->object;
    slot_t *slot = object_slot(o, index);

    if (index >= object_pages_limit(o))
        return FAULT_SIGBUS;
    if (slot == NULL || !slot_ready(atomic_load(slot)))
        return FAULT_RETRY_SIGNAL;
    if (marks)
        object_slot_dirty(o, slot);
    enter_around(f, slot, index);
    return FAULT_RESOLVED;
}

/* One try with the locks. */
static enum fault_result object_try(struct fault *f, uint64_t index)
{
    struct object *o = f->r->object;
    enum fault_result result = FAULT_OOM;

    spin_lock(&f->s->pt_lock);
    if (!entry_make(f)) {
        spin_unlock(&f->s->pt_lock);
        return result;
    }
    if (unlikely(f->write && region_tracks_dirty(f->r))) {
        spin_lock(&o->lock);
        result = object_enter(f, index, true);
        spin_unlock(&o->lock);
    } else {
        brlock_read(&object_lookups);
        result = object_enter(f, index, false);
        brlock_read_done(&object_lookups);
    }
    spin_unlock(&f->s->pt_lock);
    return result;
}

static enum fault_result fault_object(struct fault *f)
{
    uint64_t index = region_index(f->r, f->addr);
    enum fault_result result;

    while ((result = object_try(f, index)) == FAULT_RETRY_SIGNAL) {
        paddr_t pa;
        err_t err = object_page(f->r->object, index, OBJECT_CREATE, &pa);

        if (err)
            return object_error(err);
        frame_put(pa); /* the tree keeps it, unless a truncation comes first */
        if (f->r->object->pager != NULL && f->r->object->pager->read_page != NULL)
            thread_current()->major_faults++;
    }
    return result;
}

/* The vDSO and its data: all pages at once, there are few. */
static enum fault_result fault_special(struct fault *f)
{
    struct region *r = f->r;
    err_t err = 0;

    spin_lock(&f->s->pt_lock);
    region_touch(r, r->start);
    region_touch(r, r->end - PAGE_SIZE);
    for (vaddr_t a = r->start; a < r->end && err == 0; a += PAGE_SIZE) {
        pte_t *pte;

        err = mmu_walk_alloc(&f->s->hal, a, 0, &pte);
        if (err == 0 && pte_load(pte) == 0)
            pte_store(pte, pte_make(r->special + r->offset + (a - r->start),
                                    (region_prot(r) & ~MMU_WRITE) | MMU_SPECIAL, 0));
    }
    spin_unlock(&f->s->pt_lock);
    return err ? FAULT_OOM : FAULT_RESOLVED;
}

/* ---- classify ------------------------------------------------------------------------------ */

/* The entry should have allowed the access: another thread was faster, or the TLB is behind. */
static enum fault_result fault_spurious(struct fault *f)
{
    mmu_flush_page(&f->s->hal, f->addr);
    return FAULT_RESOLVED;
}

static enum fault_result fault_absent(struct fault *f)
{
    if (f->r->flags & VM_SPECIAL)
        return fault_special(f);
    if (f->r->object == NULL)
        return f->write ? fault_anon(f) : fault_zero_page(f);
    if (f->write && region_private(f->r))
        return promote_object(f);
    return fault_object(f);
}

/*
 * The page gets its mark under pt_lock, together with the right.  Writing back takes the mark first, then
 * removes the entries, then lets the device read: so a write is either in what the device reads, or after
 * a fault that marks the page again.  The slot holds the entry's frame: entries of a page that goes away
 * go before it.
 */
static void dirty_note(struct fault *f)
{
    struct object *o = f->r->object;
    slot_t *slot;

    spin_lock(&o->lock);
    slot = object_slot(o, region_index(f->r, f->addr));
    if (slot != NULL && (*slot & SLOT_PRESENT) && slot_frame(*slot) == pte_addr(f->old))
        object_slot_dirty(o, slot);
    spin_unlock(&o->lock);
}

static enum fault_result fault_write_present(struct fault *f)
{
    if (region_private(f->r)) {
        if (f->force && frame_exclusive(pte_addr(f->old)) && !pte_special(f->old))
            return FAULT_RESOLVED;
        return promote_present(f);
    }
    spin_lock(&f->s->pt_lock);
    if (entry_unchanged(f)) {
        if (region_tracks_dirty(f->r))
            dirty_note(f);
        entry_store(f, pte_protect(f->old, region_prot(f->r)));
    }
    spin_unlock(&f->s->pt_lock);
    return FAULT_RESOLVED;
}

static bool access_allowed(const struct region *r, unsigned access)
{
    unsigned flags = r->flags;

    if (access & FAULT_WRITE)
        return flags & VM_WRITE;
    if (access & FAULT_EXEC)
        return flags & VM_EXEC;
    return flags & VM_RIGHTS;
}

/* What a debugger may do: read what could be readable, write private pages. */
static bool force_allowed(const struct region *r, unsigned access)
{
    if (access & FAULT_WRITE)
        return region_private(r) && (r->flags & VM_MAY_WRITE);
    return r->flags & VM_MAY_READ;
}

enum fault_result fault_locked(struct space *s, struct region *r, vaddr_t addr, unsigned access,
                               bool force)
{
    struct fault f = { .s = s, .r = r, .addr = addr & PAGE_MASK, .write = access & FAULT_WRITE };
    unsigned level;

    if (unlikely(!access_allowed(r, access))) {
        if (!force || !force_allowed(r, access))
            return FAULT_SIGSEGV_ACCERR;
        f.force = true;
    }
    f.pte = mmu_walk(&s->hal, f.addr, &level);
    if (level != 0)
        f.pte = NULL;
    else
        f.old = pte_load(f.pte);
    if (f.old == 0)
        return fault_absent(&f);
    if (f.write && !pte_writable(f.old))
        return fault_write_present(&f);
    return fault_spurious(&f);
}

/* ---- look up ------------------------------------------------------------------------------- */

/* May the stack region r grow down to `low`?  s->lock held for writing. */
static bool stack_may_grow(struct space *s, struct region *r, vaddr_t low)
{
    struct region *prev = region_prev(r);
    uint64_t more = (r->start - low) >> PAGE_SHIFT;

    if (r->end - low > atomic_load_relaxed(&s->limit_stack) || low < USER_BOTTOM)
        return false;
    if (prev != NULL && !(prev->flags & VM_STACK) && (prev->flags & VM_RIGHTS) &&
        low - prev->end < STACK_GUARD_BYTES)
        return false;
    if (s->total_pages + more > atomic_load_relaxed(&s->limit_as) >> PAGE_SHIFT)
        return false;
    return !(r->flags & VM_LOCKED) ||
           s->locked_pages + more <= atomic_load_relaxed(&s->limit_memlock) >> PAGE_SHIFT;
}

/*
 * addr lies below all regions that could hold it: grow the stack above it.  Enters and leaves with
 * the lock held for reading, but gives it up between.  Return: the region, or NULL.
 */
static struct region *grow_stack(struct space *s, vaddr_t addr)
{
    vaddr_t low = addr & PAGE_MASK;
    struct region *r;

    rwlock_read_done(&s->lock);
    rwlock_write(&s->lock);
    r = space_find(s, addr);
    if (r != NULL && addr < r->start) {
        if ((r->flags & VM_STACK) && stack_may_grow(s, r, low))
            region_set_bounds(r, low, r->end);
        else
            r = NULL;
    }
    rwlock_downgrade(&s->lock);
    return r;
}

bool space_wait_for_memory(struct space *s)
{
    if (atomic_load_relaxed(&s->oom_kill) || vm_oom_hook == NULL || !vm_oom_hook())
        return false;
    return !atomic_load_relaxed(&s->oom_kill);
}

enum fault_result space_fault(struct space *s, vaddr_t addr, unsigned access)
{
    enum fault_result result = FAULT_SIGSEGV_MAPERR;
    struct region *r;

    rwlock_read(&s->lock);
    r = space_find(s, addr);
    if (unlikely(r != NULL && addr < r->start))
        r = r->flags & VM_STACK ? grow_stack(s, addr) : NULL;
    if (likely(r != NULL))
        result = fault_locked(s, r, addr, access, false);
    rwlock_read_done(&s->lock);
    if (likely(result == FAULT_RESOLVED))
        thread_current()->minor_faults++;
    /* nodes_exhausted: whoever dies for it need not hold memory of its nodes. */
    else if (result == FAULT_OOM && !thread_current()->nodes_exhausted && space_wait_for_memory(s))
        result = FAULT_RESOLVED; /* the access faults again */
    return result;
}

err_t space_populate(struct space *s, vaddr_t addr, size_t length, bool write)
{
    vaddr_t end = addr + length;
    err_t err = 0;

    rwlock_read(&s->lock);
    while (addr < end && err == 0) {
        struct region *r = space_find(s, addr);
        unsigned access = write ? FAULT_WRITE : FAULT_READ;
        enum fault_result result;
        unsigned level;
        pte_t *pte;

        if (r == NULL || r->start > addr) {
            err = -ENOMEM;
            break;
        }
        pte = mmu_walk(&s->hal, addr, &level);
        if (level == 0 && pte_load(pte) != 0 && (!write || pte_writable(pte_load(pte)))) {
            addr += PAGE_SIZE;
            continue;
        }
        result = fault_locked(s, r, addr, access, false);
        if (result == FAULT_RESOLVED)
            addr += PAGE_SIZE;
        else if (result == FAULT_SIGSEGV_ACCERR)
            err = -EINVAL;
        else
            err = result == FAULT_OOM ? -EAGAIN : -EFAULT;
    }
    rwlock_read_done(&s->lock);
    return err;
}
