// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: mbind, set_mempolicy, get_mempolicy, set_mempolicy_home_node, migrate_pages, move_pages.
 * Model: sets of nodes come as Linux takes them: maxnode is one more than the number of bits, bits for
 * nodes that cannot be must be 0.  Errors in Linux's order.
 * Source: mbind(2), set_mempolicy(2), get_mempolicy(2), migrate_pages(2), move_pages(2), and
 * Documentation/admin-guide/mm/numa_memory_policy.rst.
 */
#include <abi/syscalls_gen.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/numa.h>
#include <proc/process.h>
#include <proc/signal.h>
#include <vm/mempolicy.h>

#include <linux/capability.h>

#define FLAGS_KNOWN (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES)

/* ---- sets of nodes ------------------------------------------------------------------------- */

static err_t word_read(const unsigned long __user *mask, unsigned long word, unsigned bits,
                       uint64_t *out)
{
    if (copy_from_user(out, mask + word, sizeof *out))
        return -EFAULT;
    if (bits % 64 != 0)
        *out &= BIT(bits % 64) - 1;
    return 0;
}

static err_t nodes_read(const unsigned long __user *mask, unsigned long maxnode, uint64_t *nodes)
{
    unsigned long bits = maxnode - 1;
    uint64_t beyond;
    err_t err;

    *nodes = 0;
    if (bits == 0 || mask == NULL)
        return 0;
    if (bits > PAGE_SIZE * 8)
        return -EINVAL;
    for (; bits > NODE_MAX; bits = ALIGN_DOWN(bits - 1, 64)) {
        err = word_read(mask, (bits - 1) / 64, bits, &beyond);
        if (err || beyond != 0)
            return err ? err : -EINVAL;
    }
    return word_read(mask, 0, (unsigned)bits, nodes);
}

static err_t nodes_write(unsigned long __user *mask, unsigned long maxnode, uint64_t nodes)
{
    size_t bytes = ALIGN_UP(maxnode - 1, 64) / 8;

    if (bytes > PAGE_SIZE)
        return -EINVAL;
    if (bytes > sizeof nodes && user_zero(mask + 1, bytes - sizeof nodes))
        return -EFAULT;
    return copy_to_user(mask, &nodes, MIN(bytes, sizeof nodes)) ? -EFAULT : 0;
}

/* Splits `mode` into mode and flags. */
static err_t mode_check(unsigned long *mode, unsigned *flags)
{
    *flags = *mode & FLAGS_KNOWN;
    *mode &= ~(unsigned long)FLAGS_KNOWN;
    return *mode >= MPOL_MAX || *flags == FLAGS_KNOWN ? -EINVAL : 0;
}

/* ---- policies ------------------------------------------------------------------------------ */

long sys_set_mempolicy(int mode, const unsigned long __user *mask, unsigned long maxnode)
{
    unsigned long bare = (unsigned)mode;
    struct mempolicy *p;
    unsigned flags;
    uint64_t nodes;
    err_t err = mode_check(&bare, &flags);

    if (err == 0)
        err = nodes_read(mask, maxnode, &nodes);
    if (err == 0)
        err = mempolicy_make((unsigned)bare, flags, nodes, &p);
    if (err == 0)
        mempolicy_set(p);
    return err;
}

static err_t bind_range(vaddr_t start, size_t length, struct mempolicy *p, unsigned flags)
{
    return space_mbind(process_current()->space, start, length, p, flags);
}

long sys_mbind(vaddr_t start, unsigned long length, unsigned long mode,
               const unsigned long __user *mask, unsigned long maxnode, unsigned flags)
{
    struct mempolicy *p;
    unsigned mode_flags;
    uint64_t nodes;
    err_t err = mode_check(&mode, &mode_flags);

    if (err == 0)
        err = nodes_read(mask, maxnode, &nodes);
    if (err)
        return err;
    if (flags & ~(unsigned)MPOL_MF_VALID)
        return -EINVAL;
    if ((flags & MPOL_MF_MOVE_ALL) && !task_capable(CAP_SYS_NICE))
        return -EPERM;
    if (!IS_ALIGNED(start, PAGE_SIZE))
        return -EINVAL;
    if (mode == MPOL_DEFAULT)
        flags &= ~(unsigned)MPOL_MF_STRICT;
    length = ALIGN_UP(length, PAGE_SIZE);
    if (start + length < start)
        return -EINVAL;
    if (length == 0)
        return 0;
    err = mempolicy_make((unsigned)mode, mode_flags, nodes, &p);
    if (err)
        return err;
    err = bind_range(start, length, p, flags);
    mempolicy_put(p);
    return err;
}

long sys_set_mempolicy_home_node(vaddr_t start, unsigned long length, unsigned long node,
                                 unsigned long flags)
{
    if (!IS_ALIGNED(start, PAGE_SIZE) || flags != 0 || node >= numa.count)
        return -EINVAL;
    length = ALIGN_UP(length, PAGE_SIZE);
    if (start + length < start)
        return -EINVAL;
    if (length == 0)
        return 0;
    return space_set_home(process_current()->space, start, length, (unsigned)node);
}

/* The node of the page at addr, which is faulted in. */
static err_t node_at(vaddr_t addr, int *out)
{
    paddr_t pa;
    err_t err = space_pin(process_current()->space, addr, false, &pa);

    if (err)
        return err;
    *out = frame_of(pa)->node;
    frame_put(pa);
    return 0;
}

/* MPOL_F_NODE. */
static err_t policy_node(const struct mempolicy *p, vaddr_t addr, unsigned long flags, int *out)
{
    if (flags & MPOL_F_ADDR)
        return node_at(addr, out);
    if (p == NULL || p->mode != MPOL_INTERLEAVE)
        return -EINVAL;
    *out = (int)mempolicy_next_node(p);
    return 0;
}

static err_t policy_get(vaddr_t addr, unsigned long flags, int *mode, uint64_t *nodes)
{
    struct mempolicy *p = NULL;
    err_t err = 0;

    *mode = MPOL_DEFAULT;
    *nodes = 0;
    if (flags & ~(unsigned long)(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED))
        return -EINVAL;
    if (flags & MPOL_F_MEMS_ALLOWED) {
        *nodes = frame_nodes();
        return flags & (MPOL_F_NODE | MPOL_F_ADDR) ? -EINVAL : 0;
    }
    if (flags & MPOL_F_ADDR)
        err = space_policy_at(process_current()->space, addr, &p);
    else if (addr != 0)
        return -EINVAL;
    else
        p = mempolicy_of(thread_current());
    if (err == 0 && (flags & MPOL_F_NODE))
        err = policy_node(p, addr, flags, mode);
    else if (err == 0 && p != NULL)
        *mode = p->mode | p->flags;
    if (p != NULL)
        *nodes = p->flags ? p->user_nodes : p->nodes;
    mempolicy_put(p);
    return err;
}

long sys_get_mempolicy(int __user *policy, unsigned long __user *mask, unsigned long maxnode,
                       vaddr_t addr, unsigned long flags)
{
    uint64_t nodes;
    err_t err;
    int mode;

    if (mask != NULL && maxnode < numa.count)
        return -EINVAL;
    err = policy_get(addr, flags, &mode, &nodes);
    if (err)
        return err;
    if (policy != NULL && user_store_u32((unsigned __user *)policy, (unsigned)mode))
        return -EFAULT;
    return mask != NULL ? nodes_write(mask, maxnode, nodes) : 0;
}

/* ---- moving -------------------------------------------------------------------------------- */

/* The space of process pid (0: the caller's) with a reference. */
static err_t space_of(pid_t pid, struct space **out)
{
    struct process *p = pid == 0 ? process_current() : NULL;
    struct task *t = pid == 0 ? NULL : task_get(pid);
    err_t err;

    if (t != NULL)
        p = t->process;
    if (p == NULL)
        return -ESRCH;
    err = process_may_inspect(p);
    *out = err == 0 ? process_space_get(p) : NULL;
    if (t != NULL)
        thread_put(&t->thread);
    if (err)
        return -EPERM;
    return *out != NULL ? 0 : -EINVAL;
}

long sys_migrate_pages(pid_t pid, unsigned long maxnode, const unsigned long __user *from,
                       const unsigned long __user *to)
{
    bool all = task_capable(CAP_SYS_NICE);
    uint64_t old, new;
    struct space *s;
    long result = nodes_read(from, maxnode, &old);

    if (result == 0)
        result = nodes_read(to, maxnode, &new);
    if (result == 0)
        result = space_of(pid, &s);
    if (result)
        return result;
    if ((new & ~frame_nodes()) && !all)
        result = -EPERM;
    else if ((new & frame_nodes()) == 0)
        result = -EINVAL;
    else
        result = space_migrate(s, old, new & frame_nodes(), all);
    space_put(s);
    return result;
}

struct page_moves {
    struct space *space;
    const vaddr_t __user *pages;
    const int __user *nodes; /* NULL: only ask */
    int __user *status;
    bool all;
    long stayed;
};

static err_t target_read(const struct page_moves *m, unsigned long i, int *node)
{
    if (copy_from_user(node, m->nodes + i, sizeof *node))
        return -EFAULT;
    return *node < 0 || *node >= NODE_MAX || !(frame_nodes() >> *node & 1) ? -ENODEV : 0;
}

static err_t page_one(struct page_moves *m, unsigned long i)
{
    vaddr_t addr;
    int node, status;
    err_t err;

    if (copy_from_user(&addr, m->pages + i, sizeof addr))
        return -EFAULT;
    if (m->nodes == NULL) {
        status = space_page_node(m->space, addr);
    } else {
        err = target_read(m, i, &node);
        if (err)
            return err;
        status = space_move_page(m->space, addr, (unsigned)node, m->all);
        m->stayed += status == -EBUSY || status == -ENOMEM;
    }
    return copy_to_user(m->status + i, &status, sizeof status) ? -EFAULT : 0;
}

long sys_move_pages(pid_t pid, unsigned long count, const vaddr_t __user *pages,
                    const int __user *nodes, int __user *status, int flags)
{
    struct page_moves m = { .pages = pages, .nodes = nodes, .status = status,
                            .all = flags & MPOL_MF_MOVE_ALL };
    err_t err;

    if (flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
        return -EINVAL;
    if (m.all && !task_capable(CAP_SYS_NICE))
        return -EPERM;
    err = space_of(pid, &m.space);
    for (unsigned long i = 0; err == 0 && i < count; i++) /* `count` may be for hours */
        err = unlikely(signal_fatal_pending()) ? -EINTR : page_one(&m, i);
    if (m.space != NULL)
        space_put(m.space);
    return err ? err : m.stayed;
}
