// SPDX-License-Identifier: CC0-1.0
/* Purpose: named event counters that show in /proc/counters.  Any context. */
#pragma once

#include <lib/atomic.h>
#include <lib/registry.h>

struct counter {
    const char *name;
    uint64_t value; /* atomic, relaxed */
};
REGISTRY_DECLARE(counter, struct counter);
#define COUNTER(id, text)                                                                          \
    static struct counter id = { .name = text };                                                   \
    REGISTRY_ADD(counter, id)
static inline void counter_add(struct counter *c, uint64_t n)
{
    __atomic_fetch_add(&c->value, n, __ATOMIC_RELAXED);
}
