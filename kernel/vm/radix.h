// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the radix tree of a memory object: page index -> slot.
 *
 * Model: nodes of 64 slots that know their height; one of height h covers 64^h indices.  o->root is a slot,
 * too: of page 0 alone, or with the highest node.  A tree grows by a node above the root.  Nodes go away with
 * the last page, not one by one.
 * Locking: o->lock for all of them; who only looks up may be a reader of object_lookups instead: nodes and
 * pages come with one store, complete, and go with that lock taken for writing as well.  None sleeps.
 */
#pragma once

#include <vm/internal.h>

#define RADIX_BITS 6
#define RADIX_SLOTS (1u << RADIX_BITS)
#define RADIX_HEIGHT_MAX 9

/* The slot of `index`, made when absent; NULL: out of memory or an index beyond 2^54. */
slot_t *radix_make(struct object *o, uint64_t index);
/* The slot of `index` for who has just had that of the index before, or NULL; as object_slot(). */
static inline slot_t *radix_after(struct object *o, slot_t *before, uint64_t index)
{
    bool adjacent = before != NULL && before != &o->root && index % RADIX_SLOTS != 0;

    return adjacent ? before + 1 : object_slot(o, index);
}
/* First index >= from with a page, or UINT64_MAX. */
uint64_t radix_next(const struct object *o, uint64_t from);
/*
 * Empties slots from *next on and below `to`, at most `max`, into out[]; *next is where to go on
 * (`to` when done).  object_lookups as for radix_free().  Return: how many.
 */
unsigned radix_take(struct object *o, uint64_t *next, uint64_t to, paddr_t *out, unsigned max);
/* Frees the nodes of a tree without pages.  object_lookups held for writing, or nobody knows the object. */
void radix_free(struct object *o);
