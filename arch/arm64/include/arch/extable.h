// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: which instructions may fault, and where they go on.
 * Model: the linker gathers ranges of code with a target each; offsets are relative to the field
 * that holds them.  Fewer than a dozen, so a search is a short loop, and only taken by faults.
 */
#pragma once

#include <lib/types.h>

struct extable_entry {
    int32_t start, end, fixup;
    uint32_t no_fault; /* 1: never resolve the fault, go to the fixup at once */
};

extern const struct extable_entry __extable_start[], __extable_end[];

static inline vaddr_t extable_address(const int32_t *field)
{
    return (vaddr_t)field + (vaddr_t)(intptr_t)*field;
}

static inline vaddr_t extable_target(const struct extable_entry *e)
{
    return extable_address(&e->fixup);
}

/* The entry that covers `ip`, or NULL. */
static inline const struct extable_entry *extable_find(vaddr_t ip)
{
    for (const struct extable_entry *e = __extable_start; e < __extable_end; e++)
        if (ip >= extable_address(&e->start) && ip < extable_address(&e->end))
            return e;
    return NULL;
}
