// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: atomic operations by their names in the C11 memory model; one word each, any context.
 * On the host each is a point where an explored interleaving may go on with another CPU; nothing
 * elsewhere.
 */
#pragma once

#include <arch/point.h>
#include <lib/types.h>

#define atomic_load(p) (arch_point(), __atomic_load_n((p), __ATOMIC_ACQUIRE))
#define atomic_load_relaxed(p) (arch_point(), __atomic_load_n((p), __ATOMIC_RELAXED))
#define atomic_store(p, v) (arch_point(), __atomic_store_n((p), (v), __ATOMIC_RELEASE))
#define atomic_store_relaxed(p, v) (arch_point(), __atomic_store_n((p), (v), __ATOMIC_RELAXED))
#define atomic_xchg(p, v) (arch_point(), __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL))
#define atomic_fetch_add(p, v) (arch_point(), __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL))
#define atomic_fetch_sub(p, v) (arch_point(), __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL))
#define atomic_fetch_or(p, v) (arch_point(), __atomic_fetch_or((p), (v), __ATOMIC_ACQ_REL))
#define atomic_fetch_and(p, v) (arch_point(), __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL))
#define atomic_add_fetch(p, v) (arch_point(), __atomic_add_fetch((p), (v), __ATOMIC_ACQ_REL))
#define atomic_sub_fetch(p, v) (arch_point(), __atomic_sub_fetch((p), (v), __ATOMIC_ACQ_REL))
/* True when *p was *expected and is now v; else *expected holds what was found. */
#define atomic_cas(p, expected, v)                                                                 \
    (arch_point(), __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQ_REL,      \
                                               __ATOMIC_ACQUIRE))
#define atomic_fence() (arch_point(), __atomic_thread_fence(__ATOMIC_SEQ_CST))
#define compiler_barrier() __asm__ volatile("" ::: "memory")

/* A reference count: starts at 1, 0 means that the object is being destroyed. */
typedef struct {
    uint32_t n;
} refcount_t;

#define REFCOUNT_INIT(v) { (v) }

static inline void ref_init(refcount_t *r, uint32_t n)
{
    atomic_store_relaxed(&r->n, n);
}

static inline void ref_get(refcount_t *r)
{
    __atomic_fetch_add(&r->n, 1, __ATOMIC_RELAXED);
}

/* Takes a reference unless the count has already reached 0. */
static inline bool ref_get_unless_zero(refcount_t *r)
{
    uint32_t n = atomic_load_relaxed(&r->n);

    while (n != 0)
        if (atomic_cas(&r->n, &n, n + 1))
            return true;
    return false;
}

/* Returns true for the last reference: the caller destroys the object. */
static inline bool __must_check ref_put(refcount_t *r)
{
    return atomic_sub_fetch(&r->n, 1) == 0;
}

static inline uint32_t ref_read(const refcount_t *r)
{
    return atomic_load_relaxed(&r->n);
}
