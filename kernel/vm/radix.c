// SPDX-License-Identifier: CC0-1.0
/* Purpose, model, locking: see radix.h. */
#include <vm/radix.h>

static unsigned slot_number(uint64_t index, unsigned height)
{
    return index >> (RADIX_BITS * (height - 1)) & (RADIX_SLOTS - 1);
}

static bool covers(unsigned height, uint64_t index)
{
    return index >> (RADIX_BITS * height) == 0;
}

slot_t *object_slot(struct object *o, uint64_t index)
{
    slot_t *slot = (slot_t *)&o->root;

    if (!covers(o->height, index))
        return NULL;
    for (unsigned h = o->height; h > 0; h--) {
        if (*slot == 0)
            return NULL;
        slot = (slot_t *)(uintptr_t)*slot + slot_number(index, h);
    }
    return slot;
}

static slot_t *node_alloc(void)
{
    return kzalloc(RADIX_SLOTS * sizeof(slot_t));
}

/* Adds levels above until `index` is covered. */
static bool tree_grow(struct object *o, uint64_t index)
{
    while (!covers(o->height, index)) {
        if (o->height == RADIX_HEIGHT_MAX)
            return false;
        if (o->root != NULL) {
            slot_t *node = node_alloc();

            if (node == NULL)
                return false;
            node[0] = (slot_t)(uintptr_t)o->root;
            o->root = node;
        }
        o->height++;
    }
    return true;
}

slot_t *radix_make(struct object *o, uint64_t index)
{
    slot_t *slot = (slot_t *)&o->root;

    if (!tree_grow(o, index))
        return NULL;
    for (unsigned h = o->height; h > 0; h--) {
        if (*slot == 0) {
            slot_t *node = node_alloc();

            if (node == NULL)
                return NULL;
            *slot = (slot_t)(uintptr_t)node;
        }
        slot = (slot_t *)(uintptr_t)*slot + slot_number(index, h);
    }
    return slot;
}

/* First index >= from below `slot`, which covers height levels from `base` on. */
static uint64_t next_below(slot_t slot, unsigned height, uint64_t base, uint64_t from)
{
    const slot_t *node = (const slot_t *)(uintptr_t)slot;
    uint64_t span, found;
    unsigned i;

    if (slot == 0)
        return UINT64_MAX;
    if (height == 0)
        return base;
    span = 1ull << (RADIX_BITS * (height - 1));
    i = from > base ? (from - base) / span : 0;
    for (; i < RADIX_SLOTS; i++) {
        found = next_below(node[i], height - 1, base + i * span, from);
        if (found != UINT64_MAX)
            return found;
    }
    return UINT64_MAX;
}

uint64_t radix_next(const struct object *o, uint64_t from)
{
    if (!covers(o->height, from))
        return UINT64_MAX;
    return next_below((slot_t)(uintptr_t)o->root, o->height, 0, from);
}

unsigned radix_take(struct object *o, uint64_t *next, uint64_t to, paddr_t *out, unsigned max)
{
    unsigned n = 0;

    while (n < max && *next < to) {
        uint64_t index = radix_next(o, *next);
        uint64_t group = MIN(to, (index | (RADIX_SLOTS - 1)) + 1);
        slot_t *slot;

        if (index >= to) {
            *next = to;
            break;
        }
        if (o->height == 0)
            group = index + 1;
        slot = object_slot(o, index);
        for (; index < group && n < max; index++, slot++) {
            if (*slot == 0)
                continue;
            out[n++] = slot_frame(*slot);
            if (*slot & SLOT_DIRTY)
                object_dirty_count(o, -1);
            *slot = 0;
            o->pages--;
        }
        *next = index;
    }
    return n;
}

static void free_below(slot_t slot, unsigned height)
{
    slot_t *node = (slot_t *)(uintptr_t)slot;

    if (slot == 0 || height == 0)
        return;
    for (unsigned i = 0; height > 1 && i < RADIX_SLOTS; i++)
        free_below(node[i], height - 1);
    kfree(node);
}

void radix_free(struct object *o)
{
    free_below((slot_t)(uintptr_t)o->root, o->height);
    o->root = NULL;
    o->height = 0;
}
