// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: mbind, set_mempolicy_home_node: policies of ranges of an address space.
 *
 * Model: as Linux: look whether the range has holes or, with MPOL_MF_STRICT alone, pages elsewhere
 * (nothing has changed then), give each part its policy, and last move pages.  Shared memory that
 * nothing pages in carries the policy in its object as well, for all who map it.
 * Locking: s->lock for writing, for reading while pages move.
 */
#include <vm/internal.h>
#include <vm/mempolicy.h>

/* Calls fn for the parts of [start, end) in regions, which must have no hole. */
static err_t parts_each(struct space *s, vaddr_t start, vaddr_t end,
                        err_t (*fn)(struct region *r, vaddr_t start, vaddr_t end, void *arg),
                        void *arg)
{
    struct region *r = space_find(s, start);
    err_t err = 0;

    for (vaddr_t at = start; at < end && err == 0; r = region_next(r)) {
        vaddr_t stop;

        if (r == NULL || r->start > at)
            return -EFAULT;
        stop = MIN(r->end, end);
        err = fn(r, at, stop, arg);
        at = stop;
    }
    return err;
}

static err_t part_is_there(struct region *r, vaddr_t start, vaddr_t end, void *arg)
{
    return 0;
}

static err_t part_conforms(struct region *r, vaddr_t start, vaddr_t end, void *arg)
{
    const struct mempolicy *p = arg;

    return r->flags & VM_SPECIAL ? 0 : region_check_nodes(r, start, end, p != NULL ? p->nodes : 0);
}

struct conform {
    const struct mempolicy *policy;
    bool all;
    long failed;
};

static err_t part_conform(struct region *r, vaddr_t start, vaddr_t end, void *arg)
{
    struct conform *c = arg;

    if (!(r->flags & VM_SPECIAL))
        c->failed += region_conform(r, start, end, c->policy, c->all);
    return 0;
}

/* Gives the part [start, end) of *r a policy; *r is the region that holds it then. */
static err_t part_set(struct region **r, vaddr_t start, vaddr_t end, struct mempolicy *p)
{
    struct object *o = (*r)->object;
    err_t err = 0;

    if (o != NULL && object_holds_policies(o))
        err = object_set_policy(o, region_index(*r, start),
                                region_index(*r, start) + ((end - start) >> PAGE_SHIFT), p);
    if (err || mempolicy_equal((*r)->policy, p))
        return err;
    err = region_isolate(r, start, end);
    if (err)
        return err;
    mempolicy_get(p);
    mempolicy_put((*r)->policy);
    (*r)->policy = p;
    *r = region_merge(*r);
    return 0;
}

static err_t range_set(struct space *s, vaddr_t start, vaddr_t end, struct mempolicy *p)
{
    struct region *r = space_find(s, start);
    err_t err = 0;

    for (vaddr_t at = start; at < end && err == 0;) {
        vaddr_t stop = MIN(r->end, end);

        err = part_set(&r, at, stop, p);
        at = stop;
        if (at < end && r->end <= at) /* else it has merged with what follows */
            r = region_next(r);
    }
    return err;
}

err_t space_mbind(struct space *s, vaddr_t addr, size_t length, struct mempolicy *p, unsigned flags)
{
    bool strict = flags & MPOL_MF_STRICT, move = flags & (MPOL_MF_MOVE | MPOL_MF_MOVE_ALL);
    struct conform c = { .policy = p, .all = flags & MPOL_MF_MOVE_ALL };
    vaddr_t end = addr + length;
    err_t err;

    if (!range_valid(addr, length))
        return -EFAULT;
    rwlock_write(&s->lock);
    err = parts_each(s, addr, end, strict && !move ? part_conforms : part_is_there, p);
    if (err == 0)
        err = range_set(s, addr, end, p);
    rwlock_downgrade(&s->lock);
    if (err == 0 && move) {
        err = parts_each(s, addr, end, part_conform, &c);
        if (err == 0 && c.failed > 0 && strict)
            err = -EIO;
    }
    rwlock_read_done(&s->lock);
    return err;
}

/* ---- home ---------------------------------------------------------------------------------- */

static err_t home_part(struct region **r, vaddr_t start, vaddr_t end, unsigned node)
{
    struct mempolicy *old = (*r)->policy, *new;
    err_t err;

    if (old->mode != MPOL_BIND && old->mode != MPOL_PREFERRED_MANY)
        return -EOPNOTSUPP;
    err = mempolicy_make(old->mode, old->flags, old->user_nodes, &new);
    if (err)
        return err;
    new->home = (int)node;
    err = part_set(r, start, end, new);
    mempolicy_put(new);
    return err;
}

err_t space_set_home(struct space *s, vaddr_t addr, size_t length, unsigned node)
{
    vaddr_t end = addr + length;
    err_t err = -ENOENT;

    rwlock_write(&s->lock);
    for (struct region *r = space_find(s, addr); r != NULL && r->start < end; r = region_next(r)) {
        if (r->policy == NULL)
            continue;
        err = home_part(&r, MAX(r->start, addr), MIN(r->end, end), node);
        if (err)
            break;
    }
    rwlock_write_done(&s->lock);
    return err;
}

err_t space_policy_at(struct space *s, vaddr_t addr, struct mempolicy **out)
{
    struct region *r;
    err_t err = -EFAULT;

    *out = NULL;
    rwlock_read(&s->lock);
    r = addr < USER_TOP ? space_find(s, addr) : NULL;
    if (r != NULL && r->start <= addr) {
        *out = region_policy(r, addr);
        err = 0;
    }
    rwlock_read_done(&s->lock);
    return err;
}
