// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the policies of a memory object: what mbind says of shared memory holds for all who map it.
 * Model: a tree of disjoint ranges of page indices.  Only memory that is nothing but pages has them
 * (shared anonymous memory, tmpfs, memfd), not the cache of a file that a pager fills, as on Linux.
 * Locking: object->lock.  Sources: mbind(2), numa(7).
 */
#include <lib/tree.h>
#include <vm/internal.h>
#include <vm/mempolicy.h>

struct policy_range {
    struct tree_node node;
    uint64_t start, end;
    struct mempolicy *policy;
};

#define entry(n) tree_entry(n, struct policy_range, node)

/* The range that holds `index` or the first behind it; NULL. */
static struct policy_range *range_at(const struct object *o, uint64_t index)
{
    struct policy_range *best = NULL;

    for (struct tree_node *n = o->policies.root; n != NULL;) {
        if (index < entry(n)->end) {
            best = entry(n);
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return best;
}

static void range_insert(struct object *o, struct policy_range *r)
{
    struct tree_node *parent = NULL, **link = &o->policies.root;

    while (*link != NULL) {
        parent = *link;
        link = r->start < entry(parent)->start ? &parent->left : &parent->right;
    }
    tree_insert(&o->policies, &r->node, parent, link);
}

static void policy_range_free(struct policy_range *r)
{
    mempolicy_put(r->policy);
    kfree(r);
}

struct mempolicy *object_policy(struct object *o, uint64_t index)
{
    struct mempolicy *p = NULL;
    struct policy_range *r;

    spin_lock(&o->lock);
    r = range_at(o, index);
    if (r != NULL && r->start <= index) {
        p = r->policy;
        mempolicy_get(p);
    }
    spin_unlock(&o->lock);
    return p;
}

/*
 * Takes [start, end) out of the ranges that have parts of it.  *spare serves when it lies in the middle
 * of one.  lock held.
 */
static void ranges_clear(struct object *o, uint64_t start, uint64_t end, struct policy_range **spare)
{
    struct policy_range *r = range_at(o, start), *next;

    for (; r != NULL && r->start < end; r = next) {
        next = tree_entry_or_null(tree_next(&r->node), struct policy_range, node);
        if (r->start < start && r->end > end) {
            **spare = (struct policy_range){ .start = end, .end = r->end, .policy = r->policy };
            mempolicy_get(r->policy);
            r->end = start;
            range_insert(o, *spare);
            *spare = NULL;
            return;
        }
        if (r->start < start) {
            r->end = start;
        } else if (r->end > end) {
            r->start = end;
        } else {
            tree_erase(&o->policies, &r->node);
            policy_range_free(r);
        }
    }
}

err_t object_set_policy(struct object *o, uint64_t start, uint64_t end, struct mempolicy *p)
{
    struct policy_range *spare = kmalloc(sizeof(*spare)), *new = NULL;

    if (p != NULL)
        new = kmalloc(sizeof(*new));
    if (spare == NULL || (p != NULL && new == NULL)) {
        kfree(spare);
        kfree(new);
        return -ENOMEM;
    }
    spin_lock(&o->lock);
    ranges_clear(o, start, end, &spare);
    if (p != NULL) {
        *new = (struct policy_range){ .start = start, .end = end, .policy = p };
        mempolicy_get(p);
        range_insert(o, new);
    }
    spin_unlock(&o->lock);
    kfree(spare);
    return 0;
}

void object_policies_free(struct object *o)
{
    struct tree_node *n;

    while ((n = o->policies.root) != NULL) {
        tree_erase(&o->policies, n);
        policy_range_free(entry(n));
    }
}
