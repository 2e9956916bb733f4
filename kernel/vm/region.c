// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: regions and the tree that holds them.
 *
 * Model: a red-black tree by address.  Each region also knows `gap`, the free bytes between it and
 * its lower neighbour (what a growing stack keeps free below itself does not count), and
 * `gap_max`, the largest gap in its subtree, so that the highest hole of a size is found going down
 * once.  lib/tree knows nothing of gap_max: after it has linked or unlinked a node, the values are
 * repaired from the lowest place that changed up to the root, children included, because every
 * node that a rotation moves is then an ancestor of that place or a child of one.
 * Locking: space->lock held for writing by all that change, for reading by the others.
 * Invariants (region_check_tree): sorted, disjoint, aligned, inside [USER_BOTTOM, USER_TOP); gap and
 * gap_max exact; the sums of the space exact.
 */
#include <vm/internal.h>
#include <vm/mempolicy.h>

/* Entries come in neighbourhoods: so much is taken for touched at once. */
#define TOUCH_SPAN (64 * PAGE_SIZE)

#define entry(n) tree_entry(n, struct region, node)

const struct vm_file_ops *vm_file_ops;
unsigned vm_max_map_count = 65530;

struct region *region_next(const struct region *r)
{
    return tree_entry_or_null(tree_next(&r->node), struct region, node);
}

struct region *region_prev(const struct region *r)
{
    return tree_entry_or_null(tree_prev(&r->node), struct region, node);
}

struct region *space_find(struct space *s, vaddr_t addr)
{
    struct region *best = atomic_load_relaxed(&s->last_found);
    struct tree_node *n;

    if (best != NULL && addr >= best->start && addr < best->end)
        return best;
    best = NULL;
    for (n = s->regions.root; n != NULL;) {
        struct region *r = entry(n);

        if (addr < r->end) {
            best = r;
            if (addr >= r->start)
                break;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    if (best != NULL && best->start <= addr)
        atomic_store_relaxed(&s->last_found, best);
    return best;
}

/* ---- gaps ---------------------------------------------------------------------------------- */

static struct tree_node *parent_of(const struct tree_node *n)
{
    return (struct tree_node *)(n->parent_color & ~(uintptr_t)1);
}

/* End of the hole below r. */
static vaddr_t hole_end(const struct region *r)
{
    if (!(r->flags & VM_STACK))
        return r->start;
    return r->start > STACK_GUARD_BYTES ? r->start - STACK_GUARD_BYTES : 0;
}

static uint64_t gap_below(const struct region *r, const struct region *prev)
{
    vaddr_t floor = prev != NULL ? prev->end : 0, top = hole_end(r);

    return top > floor ? top - floor : 0;
}

static uint64_t gap_max_of(const struct tree_node *n)
{
    uint64_t max = entry(n)->gap;

    if (n->left != NULL)
        max = MAX(max, entry(n->left)->gap_max);
    if (n->right != NULL)
        max = MAX(max, entry(n->right)->gap_max);
    return max;
}

/* n's gap_max became stale and the shape did not change: repairs it and what lies above. */
static void gap_propagate(struct tree_node *n)
{
    uint64_t old = entry(n)->gap_max, max = gap_max_of(n);

    while (max != old) {
        entry(n)->gap_max = max;
        n = parent_of(n);
        if (n == NULL)
            return;
        if (max > old) { /* grew: a larger one elsewhere ends it */
            old = entry(n)->gap_max;
            max = MAX(max, old);
        } else if (entry(n)->gap_max != old) { /* shrank, but was not the largest here */
            return;
        } else {
            max = gap_max_of(n);
        }
    }
}

/* The shape changed at n. */
static void gap_repair(struct tree_node *n)
{
    for (; n != NULL; n = parent_of(n)) {
        if (n->left != NULL)
            entry(n->left)->gap_max = gap_max_of(n->left);
        if (n->right != NULL)
            entry(n->right)->gap_max = gap_max_of(n->right);
        entry(n)->gap_max = gap_max_of(n);
    }
}

static void gap_update(struct region *r, const struct region *prev)
{
    if (r == NULL)
        return;
    r->gap = gap_below(r, prev);
    gap_propagate(&r->node);
}

static bool may_hold(const struct tree_node *n, uint64_t length)
{
    return n != NULL && entry(n)->gap_max >= length;
}

/*
 * The region with the highest hole of `length` within [low, high) below it.  Goes right while there
 * may be one, then looks at the node itself, then left, then up: each node at most twice, and only
 * holes cut by `low` or `high` can mislead it, of which there is one each.
 */
static struct region *gap_search(struct tree_node *n, uint64_t length, vaddr_t low, vaddr_t high)
{
    struct tree_node *from;
    struct region *r;
    vaddr_t top;

    if (!may_hold(n, length))
        return NULL;
down:
    r = entry(n);
    if (may_hold(n->right, length) && r->end + length <= high) {
        n = n->right;
        goto down;
    }
here:
    r = entry(n);
    top = hole_end(r);
    if (top < low + length)
        return NULL; /* all others lie lower still */
    if (r->gap >= length && MIN(top, high) - MAX(top - r->gap, low) >= length &&
        top - r->gap < high)
        return r;
    if (may_hold(n->left, length)) {
        n = n->left;
        goto down;
    }
    do {
        from = n;
        n = parent_of(n);
        if (n == NULL)
            return NULL;
    } while (n->right != from);
    goto here;
}

vaddr_t region_find_gap(struct space *s, uint64_t length, vaddr_t low, vaddr_t high,
                        struct region **above)
{
    struct tree_node *last = tree_last(&s->regions);
    vaddr_t bottom = last != NULL ? MAX(entry(last)->end, low) : low;
    struct region *r;

    *above = NULL;
    if (high > bottom && high - bottom >= length)
        return high - length;
    if (high < low + length)
        return 0;
    *above = r = gap_search(s->regions.root, length, low, high);
    if (r == NULL)
        return 0;
    return MIN(hole_end(r), high) - length;
}

/* ---- life ---------------------------------------------------------------------------------- */

struct region *region_clone(const struct region *r, struct space *s)
{
    struct region *copy = kmalloc(sizeof(*copy));

    if (copy == NULL)
        return NULL;
    *copy = *r;
    copy->space = s;
    list_init(&copy->object_link);
    if (copy->object != NULL)
        object_get(copy->object);
    if (copy->file != NULL)
        vm_file_ops->get(copy->file);
    mempolicy_get(copy->policy);
    return copy;
}

void region_free(struct region *r)
{
    if (r->object != NULL)
        object_put(r->object);
    if (r->file != NULL)
        vm_file_ops->put(r->file);
    mempolicy_put(r->policy);
    kfree(r);
}

void region_account(struct space *s, const struct region *r, int64_t pages)
{
    s->total_pages += pages;
    if (r->flags & VM_LOCKED)
        s->locked_pages += pages;
    if (r->flags & VM_STACK)
        s->stack_pages += pages;
    else if ((r->flags & (VM_EXEC | VM_WRITE)) == VM_EXEC)
        s->exec_pages += pages;
    else if ((r->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE)
        s->data_pages += pages;
}

/* ---- the tree ------------------------------------------------------------------------------ */

void region_link(struct space *s, struct region *r)
{
    struct tree_node *parent = NULL, **link = &s->regions.root;
    struct region *prev, *next;

    while (*link != NULL) {
        parent = *link;
        link = r->start < entry(parent)->start ? &parent->left : &parent->right;
    }
    tree_insert(&s->regions, &r->node, parent, link);
    prev = region_prev(r);
    next = region_next(r);
    r->entry = pte_make(0, region_prot(r), 0);
    r->gap = gap_below(r, prev);
    if (next != NULL)
        next->gap = gap_below(next, r);
    gap_repair(&r->node);
    if (next != NULL)
        gap_propagate(&next->node);
    s->region_count++;
    region_account(s, r, region_pages(r));
}

void region_insert(struct space *s, struct region *r)
{
    if (r->object != NULL) {
        struct object_maps *maps = object_maps_lock(r->object);

        object_maps_add(maps, r);
        mutex_unlock(&maps->lock);
    }
    region_link(s, r);
}

/* The lowest node whose subtree changes when n is taken out. */
static struct tree_node *erase_place(struct tree_node *n)
{
    struct tree_node *next;

    if (n->left == NULL || n->right == NULL)
        return parent_of(n);
    for (next = n->right; next->left != NULL; next = next->left)
        continue;
    return parent_of(next) == n ? next : parent_of(next);
}

void region_remove(struct space *s, struct region *r)
{
    struct region *prev = region_prev(r), *next = region_next(r);
    struct tree_node *place = erase_place(&r->node);

    if (r->object != NULL)
        object_maps_remove(r);
    tree_erase(&s->regions, &r->node);
    if (next != NULL)
        next->gap = gap_below(next, prev);
    gap_repair(place);
    if (next != NULL)
        gap_propagate(&next->node);
    s->region_count--;
    region_account(s, r, -(int64_t)region_pages(r));
    atomic_store_relaxed(&s->last_found, NULL);
    s->placed_below = NULL;
}

void region_append(struct space *s, struct region *r, struct region *last)
{
    struct tree_node *parent = last != NULL ? &last->node : NULL;

    /* Nothing is right of the last one, so that is where the new one hangs. */
    tree_insert(&s->regions, &r->node, parent, last != NULL ? &parent->right : &s->regions.root);
    r->gap = gap_below(r, last);
    s->region_count++;
    region_account(s, r, region_pages(r));
}

static void rebuild_below(struct tree_node *n)
{
    if (n == NULL)
        return;
    rebuild_below(n->left);
    rebuild_below(n->right);
    entry(n)->gap_max = gap_max_of(n);
}

void regions_rebuild(struct space *s)
{
    rebuild_below(s->regions.root);
}

void region_set_bounds(struct region *r, vaddr_t start, vaddr_t end)
{
    bool start_moves = start != r->start, end_moves = end != r->end;
    int64_t more = (int64_t)(end - start) - (int64_t)(r->end - r->start);

    if (r->object != NULL)
        mutex_lock(&r->maps->lock);
    r->offset += start - r->start;
    r->start = start;
    r->end = end;
    if (r->object != NULL)
        mutex_unlock(&r->maps->lock);
    region_account(r->space, r, more / (int64_t)PAGE_SIZE);
    if (start_moves)
        gap_update(r, region_prev(r));
    if (end_moves)
        gap_update(region_next(r), r);
}

/* ---- split and merge ----------------------------------------------------------------------- */

err_t region_split(struct region *r, vaddr_t at)
{
    struct region *high;

    if (at <= r->start || at >= r->end)
        return 0;
    if (r->space->region_count >= atomic_load_relaxed(&vm_max_map_count))
        return -ENOMEM;
    high = region_clone(r, r->space);
    if (high == NULL)
        return -ENOMEM;
    high->offset += at - r->start;
    high->start = at;
    if (r->object != NULL)
        mutex_lock(&r->maps->lock);
    region_account(r->space, r, -(int64_t)region_pages(high));
    r->end = at;
    if (r->object != NULL) {
        object_maps_add(r->maps, high);
        mutex_unlock(&r->maps->lock);
    }
    region_link(r->space, high);
    return 0;
}

err_t region_isolate(struct region **r, vaddr_t start, vaddr_t end)
{
    err_t err = region_split(*r, end);

    if (err || start <= (*r)->start)
        return err;
    err = region_split(*r, start);
    if (err == 0)
        *r = region_next(*r);
    return err;
}

err_t region_set_flags(struct space *s, struct region **r, vaddr_t start, vaddr_t end,
                       unsigned flags)
{
    err_t err = region_isolate(r, start, end);

    if (err)
        return err;
    region_account(s, *r, -(int64_t)region_pages(*r));
    (*r)->flags = flags;
    region_account(s, *r, region_pages(*r));
    *r = region_merge(*r);
    return 0;
}

bool region_alike(const struct region *low, const struct region *high)
{
    if (low->end != high->start || low->flags != high->flags || low->object != high->object ||
        low->file != high->file || low->name != high->name)
        return false;
    if ((low->flags & VM_SPECIAL) || !mempolicy_equal(low->policy, high->policy))
        return false;
    return low->object == NULL || low->offset + (low->end - low->start) == high->offset;
}

void region_touch_more(struct region *r, vaddr_t addr)
{
    vaddr_t low = ALIGN_DOWN(addr, TOUCH_SPAN), high = low + TOUCH_SPAN;

    if (r->touched_low < r->touched_high) {
        low = MIN(low, r->touched_low);
        high = MAX(high, r->touched_high);
    }
    r->touched_low = low;
    r->touched_high = high;
}

static void touched_join(struct region *low, const struct region *high)
{
    vaddr_t start = high->start, end = high->end;

    region_touched(high, &start, &end);
    if (start >= end || (start >= low->touched_low && end <= low->touched_high))
        return;
    spin_lock(&low->space->pt_lock); /* a truncation may be looking */
    region_touch(low, start);
    region_touch(low, end - PAGE_SIZE);
    spin_unlock(&low->space->pt_lock);
}

/* The lower one has the pages of both before the other goes: who looks for the object's mappings between
 * the two steps, which are not one, finds them twice rather than not at all. */
static void swallow(struct region *low, struct region *high)
{
    low->has_anon |= high->has_anon;
    touched_join(low, high);
    region_set_bounds(low, low->start, high->end);
    region_remove(low->space, high);
    region_free(high);
}

struct region *region_merge(struct region *r)
{
    struct region *prev = region_prev(r), *next = region_next(r);

    if (next != NULL && region_alike(r, next))
        swallow(r, next);
    if (prev != NULL && region_alike(prev, r)) {
        swallow(prev, r);
        return prev;
    }
    return r;
}

/* ---- check --------------------------------------------------------------------------------- */

static bool check_region(const struct region *r, const struct region *prev)
{
    if (!IS_ALIGNED(r->start | r->end | r->offset, PAGE_SIZE) || r->start >= r->end)
        return false;
    if (r->start < USER_BOTTOM || r->end > USER_TOP)
        return false;
    if (prev != NULL && prev->end > r->start)
        return false;
    if ((r->object != NULL) != list_linked(&r->object_link))
        return false;
    if (r->entry != pte_make(0, region_prot(r), 0))
        return false;
    return r->gap == gap_below(r, prev) && r->gap_max == gap_max_of(&r->node);
}

bool region_check_tree(struct space *s)
{
    struct space sum = { .region_count = 0 };
    struct region *prev = NULL;

    if (!tree_check(&s->regions))
        return false;
    for (struct tree_node *n = tree_first(&s->regions); n != NULL; n = tree_next(n)) {
        struct region *r = entry(n);

        if (r->space != s || !check_region(r, prev))
            return false;
        sum.region_count++;
        region_account(&sum, r, region_pages(r));
        prev = r;
    }
    return sum.region_count == s->region_count && sum.total_pages == s->total_pages &&
           sum.locked_pages == s->locked_pages && sum.stack_pages == s->stack_pages &&
           sum.exec_pages == s->exec_pages && sum.data_pages == s->data_pages;
}
