// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: memory policies: making them, and allocating by them.
 *
 * Model: see the header.  MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES say what a change of the
 * allowed nodes would do to a policy; all nodes with memory are always allowed here, so the first
 * changes nothing and the second takes the set as positions among those nodes when it is made.
 * Locking: see the header.
 */
#include <vm/mempolicy.h>

#include <core/panic.h>
#include <lib/bitmap.h>
#include <lib/fmt.h>
#include <mm/heap.h>
#include <vm/internal.h>

#define FLAGS_NODES (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES)

bool mempolicies_used; /* atomic; only set */

/* ---- sets ---------------------------------------------------------------------------------- */

static unsigned set_count(uint64_t set)
{
    return (unsigned)bitmap_count(&set, NODE_MAX);
}

/* The n-th node of a set that has more than n. */
static unsigned set_nth(uint64_t set, unsigned n)
{
    for (; n > 0; n--)
        set &= set - 1;
    return (unsigned)__builtin_ctzll(set);
}

/* Bit n of `set` means the n-th node of `of`, around and around. */
static uint64_t set_relative(uint64_t set, uint64_t of)
{
    uint64_t out = 0;

    for (; set != 0; set &= set - 1)
        out |= BIT(set_nth(of, (unsigned)__builtin_ctzll(set) % set_count(of)));
    return out;
}

/* ---- life ---------------------------------------------------------------------------------- */

static err_t nodes_check(unsigned *mode, unsigned flags, uint64_t nodes)
{
    if (*mode == MPOL_PREFERRED && nodes == 0)
        *mode = MPOL_LOCAL;
    else if (*mode == MPOL_LOCAL && nodes != 0)
        return -EINVAL;
    if (*mode == MPOL_LOCAL)
        return flags & FLAGS_NODES ? -EINVAL : 0;
    return nodes != 0 ? 0 : -EINVAL;
}

static uint64_t nodes_effective(unsigned mode, unsigned flags, uint64_t nodes)
{
    uint64_t memory = frame_nodes();

    nodes = flags & MPOL_F_RELATIVE_NODES ? set_relative(nodes, memory) : nodes & memory;
    return mode == MPOL_PREFERRED ? nodes & -nodes : nodes;
}

err_t mempolicy_make(unsigned mode, unsigned flags, uint64_t nodes, struct mempolicy **out)
{
    struct mempolicy *p;
    uint64_t effective;
    err_t err;

    *out = NULL;
    if (mode == MPOL_DEFAULT)
        return nodes != 0 ? -EINVAL : 0;
    err = nodes_check(&mode, flags, nodes);
    if (err)
        return err;
    effective = nodes_effective(mode, flags, nodes);
    if (mode != MPOL_LOCAL && effective == 0)
        return -EINVAL;
    p = kmalloc(sizeof(*p));
    if (p == NULL)
        return -ENOMEM;
    *p = (struct mempolicy){ .mode = (uint16_t)mode, .flags = (uint16_t)flags, .nodes = effective,
                             .user_nodes = nodes, .home = -1 };
    ref_init(&p->refs, 1);
    if (numa.count > 1)
        atomic_store_relaxed(&mempolicies_used, true);
    *out = p;
    return 0;
}

void mempolicy_get(struct mempolicy *p)
{
    if (p != NULL)
        ref_get(&p->refs);
}

void mempolicy_put(struct mempolicy *p)
{
    if (p != NULL && ref_put(&p->refs))
        kfree(p);
}

bool mempolicy_equal(const struct mempolicy *a, const struct mempolicy *b)
{
    if (a == b)
        return true;
    return a != NULL && b != NULL && a->mode == b->mode && a->flags == b->flags &&
           a->nodes == b->nodes && a->user_nodes == b->user_nodes && a->home == b->home;
}

/* Nodes as "0-1,3". */
static size_t format_nodes(uint64_t set, char *buf, size_t size)
{
    size_t n = 0;

    for (unsigned node = 0; node < NODE_MAX; node++) {
        unsigned last = node;

        if (!(set >> node & 1))
            continue;
        while (last + 1 < NODE_MAX && (set >> (last + 1) & 1))
            last++;
        n += fmt_scnprintf(buf + n, size - n, last > node ? "%s%u-%u" : "%s%u", n > 0 ? "," : "",
                           node, last);
        node = last;
    }
    return n;
}

void mempolicy_format(const struct mempolicy *p, char *buf, size_t size)
{
    static const char *const names[] = {
        [MPOL_DEFAULT] = "default", [MPOL_PREFERRED] = "prefer",   [MPOL_BIND] = "bind",
        [MPOL_LOCAL] = "local",     [MPOL_INTERLEAVE] = "interleave",
        [MPOL_PREFERRED_MANY] = "prefer (many)",
    };
    size_t n = fmt_scnprintf(buf, size, "%s", names[p != NULL ? p->mode : MPOL_DEFAULT]);

    if (p == NULL)
        return;
    if (p->flags & FLAGS_NODES)
        n += fmt_scnprintf(buf + n, size - n, "=%s",
                           p->flags & MPOL_F_STATIC_NODES ? "static" : "relative");
    if (p->nodes != 0) {
        n += fmt_scnprintf(buf + n, size - n, ":");
        (void)format_nodes(p->nodes, buf + n, size - n);
    }
}

/* ---- threads ------------------------------------------------------------------------------- */

static void thread_policy_put(struct thread *t, struct mempolicy *p)
{
    unsigned long flags = spin_lock_irqsave(&t->lock);
    struct mempolicy *old = t->mempolicy;

    t->mempolicy = p;
    spin_unlock_irqrestore(&t->lock, flags);
    mempolicy_put(old);
}

void mempolicy_set(struct mempolicy *p)
{
    struct thread *t = thread_current();

    thread_policy_put(t, p);
    t->interleaved = NODE_MAX - 1;
}

struct mempolicy *mempolicy_of(struct thread *t)
{
    unsigned long flags = spin_lock_irqsave(&t->lock);
    struct mempolicy *p = t->mempolicy;

    mempolicy_get(p);
    spin_unlock_irqrestore(&t->lock, flags);
    return p;
}

void mempolicy_inherit(struct thread *child)
{
    struct thread *t = thread_current();

    mempolicy_get(t->mempolicy);
    child->mempolicy = t->mempolicy;
    child->interleaved = t->interleaved;
}

void mempolicy_release(struct thread *t)
{
    mempolicy_put(t->mempolicy);
    t->mempolicy = NULL;
}

unsigned mempolicy_next_node(const struct mempolicy *p)
{
    unsigned last = thread_current()->interleaved;
    uint64_t above = last + 1 < NODE_MAX ? p->nodes & (UINT64_MAX << (last + 1)) : 0;

    return (unsigned)__builtin_ctzll(above != 0 ? above : p->nodes);
}

/* ---- allocating ---------------------------------------------------------------------------- */

static unsigned policy_home(const struct mempolicy *p)
{
    unsigned node;

    if (p->home >= 0)
        return (unsigned)p->home;
    preempt_disable();
    node = cpu_current()->node;
    preempt_enable();
    return node;
}

static paddr_t alloc_interleaved(unsigned node, unsigned flags)
{
    paddr_t pa = frame_alloc_node(node, flags);

    if (pa != PADDR_NONE && frame_of(pa)->node == node)
        frame_note_interleaved(pa);
    return pa;
}

static paddr_t alloc_bound(const struct mempolicy *p, unsigned flags)
{
    paddr_t pa = frame_alloc_nodes(policy_home(p), p->nodes, flags);

    /* Others may have memory, but not for us: see space_fault. */
    if (pa == PADDR_NONE && p->nodes != frame_nodes())
        thread_current()->nodes_exhausted = true;
    return pa;
}

static paddr_t alloc_preferring(const struct mempolicy *p, unsigned flags)
{
    paddr_t pa = frame_alloc_nodes(policy_home(p), p->nodes, flags | FRAME_NO_SHRINK);

    return pa != PADDR_NONE ? pa : frame_alloc(flags);
}

paddr_t mempolicy_alloc(const struct mempolicy *p, uint64_t index, unsigned flags)
{
    thread_current()->nodes_exhausted = false;
    switch (p != NULL ? p->mode : MPOL_DEFAULT) {
    case MPOL_PREFERRED:
        return frame_alloc_node((unsigned)__builtin_ctzll(p->nodes), flags);
    case MPOL_BIND:
        return alloc_bound(p, flags);
    case MPOL_PREFERRED_MANY:
        return alloc_preferring(p, flags);
    case MPOL_INTERLEAVE:
        return alloc_interleaved(set_nth(p->nodes, (unsigned)(index % set_count(p->nodes))), flags);
    default:
        return frame_alloc(flags);
    }
}

paddr_t mempolicy_alloc_thread(unsigned flags)
{
    struct thread *t = thread_current();
    const struct mempolicy *p = t->mempolicy; /* its own: no lock */

    if (p == NULL || p->mode != MPOL_INTERLEAVE)
        return mempolicy_alloc(p, 0, flags);
    t->nodes_exhausted = false;
    t->interleaved = (uint8_t)mempolicy_next_node(p);
    return alloc_interleaved(t->interleaved, flags);
}

static paddr_t alloc_and_put(struct mempolicy *p, uint64_t index, unsigned flags)
{
    paddr_t pa = p != NULL ? mempolicy_alloc(p, index, flags) : mempolicy_alloc_thread(flags);

    mempolicy_put(p);
    return pa;
}

static uint64_t page_index(const struct region *r, vaddr_t addr)
{
    return r->object != NULL ? region_index(r, addr) : addr >> PAGE_SHIFT;
}

struct mempolicy *region_policy(const struct region *r, vaddr_t addr)
{
    struct mempolicy *p = r->policy;

    if (r->object != NULL && object_holds_policies(r->object))
        return object_policy(r->object, region_index(r, addr));
    mempolicy_get(p);
    return p;
}

__noinline paddr_t region_page_alloc_policy(const struct region *r, vaddr_t addr, unsigned flags)
{
    return alloc_and_put(region_policy(r, addr), page_index(r, addr), flags);
}

paddr_t object_frame_alloc(struct object *o, uint64_t index, unsigned flags)
{
    if (likely(!atomic_load_relaxed(&mempolicies_used)))
        return frame_alloc(flags);
    return alloc_and_put(object_holds_policies(o) ? object_policy(o, index) : NULL, index, flags);
}
