// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: where memory comes from: the policies of threads, regions and memory objects, and moving
 * pages that exist already.
 *
 * Model: a policy is immutable and counted.  Who looks for one asks, in this order: the memory object
 * of shared memory by the page's index; the region; the running thread; else the nearest node is taken
 * (MPOL_DEFAULT, which has no struct at all).  Sets of nodes are bits of one word (NODE_MAX is 64).
 * Locking: a thread's policy: its `lock`, which the thread itself needs only to write; a region's:
 * space->lock; an object's: object->lock.
 * Source: set_mempolicy(2), mbind(2), numa(7).
 */
#pragma once

#include <lib/atomic.h>
#include <mm/numa.h>
#include <sched/thread.h>
#include <vm/space.h>

#include <linux/mempolicy.h>

struct mempolicy {
    refcount_t refs;
    uint16_t mode; /* MPOL_* but MPOL_DEFAULT; an empty MPOL_PREFERRED became MPOL_LOCAL */
    uint16_t flags; /* MPOL_F_STATIC_NODES or MPOL_F_RELATIVE_NODES */
    uint64_t nodes; /* in effect: with memory */
    uint64_t user_nodes; /* as asked for */
    int home; /* node from which distances count; -1: where the CPU is */
};

/*
 * `mode` without flags, checked already (mempolicy_mode).  *out is NULL for MPOL_DEFAULT.
 * Return: 0; -EINVAL (nodes that the mode does not take, or none with memory); -ENOMEM.
 */
err_t __must_check mempolicy_make(unsigned mode, unsigned flags, uint64_t nodes,
                                  struct mempolicy **out);
/* NULL is allowed for all of these. */
void mempolicy_get(struct mempolicy *p);
void mempolicy_put(struct mempolicy *p);
bool mempolicy_equal(const struct mempolicy *a, const struct mempolicy *b);
/* As /proc/PID/numa_maps writes it. */
void mempolicy_format(const struct mempolicy *p, char *buf, size_t size);

/* The running thread's policy; takes over the reference.  Starts interleaving anew. */
void mempolicy_set(struct mempolicy *p);
/* The node that the running thread's interleaving takes next. */
unsigned mempolicy_next_node(const struct mempolicy *p);
/* A foreign thread's policy, with a reference; NULL. */
struct mempolicy *mempolicy_of(struct thread *t);
/* A thread that the running one makes gets its policy; one that is gone gives it back. */
void mempolicy_inherit(struct thread *child);
void mempolicy_release(struct thread *t);

/* True once any policy exists on a machine with several nodes: until then nobody need look. */
extern bool mempolicies_used;
/* One frame where `p` (NULL: nearest) wants it; `index`: of the page, for interleaving.  PADDR_NONE. */
paddr_t __must_check mempolicy_alloc(const struct mempolicy *p, uint64_t index, unsigned flags);
/* The same where the running thread's policy wants it. */
paddr_t __must_check mempolicy_alloc_thread(unsigned flags);
/* The policy of the page at addr with a reference; NULL: none of its own.  space->lock held. */
struct mempolicy *region_policy(const struct region *r, vaddr_t addr);

/* ---- mbind and its kin: all take space->lock themselves ------------------------------------- */

/* addr and length page-aligned, not empty.  Takes no reference of the caller's.  flags: MPOL_MF_*.
 * 0; -EFAULT (hole), -EIO (MPOL_MF_STRICT), -ENOMEM. */
err_t space_mbind(struct space *s, vaddr_t addr, size_t length, struct mempolicy *p,
                  unsigned flags);
/* 0; -ENOENT (no region with a policy), -EOPNOTSUPP (a mode without home), -ENOMEM. */
err_t space_set_home(struct space *s, vaddr_t addr, size_t length, unsigned node);
/* *out: the policy at addr with a reference, or NULL.  0, -EFAULT. */
err_t space_policy_at(struct space *s, vaddr_t addr, struct mempolicy **out);
/* The node of the page at addr, >= 0; -EFAULT (no region, nothing or the zero page in anonymous
 * memory), -ENOENT (not present). */
int space_page_node(struct space *s, vaddr_t addr);
/* Moves one page to `node`; `all`: also one that others map.  The node where it is then, or
 * -EFAULT, -ENOENT, -EACCES (others map it), -EBUSY (in use), -ENOMEM. */
int space_move_page(struct space *s, vaddr_t addr, unsigned node, bool all);
/* Moves all pages of nodes in `from` to the one of `to` in the same position.  How many stayed. */
long space_migrate(struct space *s, uint64_t from, uint64_t to, bool all);

/* What numa_maps says of one region; space->lock held. */
struct region_census {
    uint64_t total, anon, shared_max; /* pages; the most mappings that one has */
    uint64_t shared, shared_anon; /* pages that have more than one, and those of them that are no file's */
    uint64_t share_bytes, share_anon_bytes; /* each page by how many map it: Linux's Pss */
    uint64_t node[NODE_MAX];
};
void region_count(const struct region *r, struct region_census *out);
