// SPDX-License-Identifier: CC0-1.0
/* Purpose, model, locking: see radix.h. */
#include <vm/radix.h>

struct radix_node {
    uint64_t height; /* levels from here to the pages: 1 for one whose slots are pages; constant */
    slot_t slot[RADIX_SLOTS];
};

static unsigned slot_number(uint64_t index, unsigned height)
{
    return index >> (RADIX_BITS * (height - 1)) & (RADIX_SLOTS - 1);
}

static bool covers(unsigned height, uint64_t index)
{
    return index >> (RADIX_BITS * height) == 0;
}

/* A slot that is not empty holds a page or a node. */
static bool slot_is_page(slot_t s)
{
    return s & SLOT_PRESENT;
}

static struct radix_node *slot_node(slot_t s)
{
    return (struct radix_node *)(uintptr_t)s;
}

static unsigned height_of(slot_t root)
{
    return root == 0 || slot_is_page(root) ? 0 : (unsigned)slot_node(root)->height;
}

/* What a look-up without the lock finds below a node was there before the node's address was. */
slot_t *object_slot(struct object *o, uint64_t index)
{
    slot_t *slot = &o->root, found = atomic_load(slot);
    unsigned height = height_of(found);

    if (!covers(height, index))
        return NULL;
    for (; height > 0; height--) {
        if (found == 0)
            return NULL;
        slot = &slot_node(found)->slot[slot_number(index, height)];
        found = atomic_load(slot);
    }
    return slot;
}

static slot_t node_make(unsigned height)
{
    struct radix_node *n = kzalloc(sizeof(*n));

    if (n != NULL)
        n->height = height;
    return (slot_t)(uintptr_t)n;
}

/* Adds levels above until `index` is covered. */
static bool tree_grow(struct object *o, uint64_t index)
{
    unsigned height = height_of(o->root);

    while (!covers(height, index)) {
        slot_t node;

        if (++height > RADIX_HEIGHT_MAX)
            return false;
        if (o->root == 0 && !covers(height, index))
            continue;
        node = node_make(height);
        if (node == 0)
            return false;
        slot_node(node)->slot[0] = o->root;
        atomic_store(&o->root, node);
    }
    return true;
}

slot_t *radix_make(struct object *o, uint64_t index)
{
    slot_t *slot = &o->root;

    if (!tree_grow(o, index))
        return NULL;
    for (unsigned height = height_of(o->root); height > 0; height--) {
        if (*slot == 0) {
            slot_t node = node_make(height);

            if (node == 0)
                return NULL;
            atomic_store(slot, node);
        }
        slot = &slot_node(*slot)->slot[slot_number(index, height)];
    }
    return slot;
}

/* First index >= from below `slot`, which covers height levels from `base` on. */
static uint64_t next_below(slot_t slot, unsigned height, uint64_t base, uint64_t from)
{
    uint64_t span, found;
    unsigned i;

    if (slot == 0)
        return UINT64_MAX;
    if (height == 0)
        return base;
    span = 1ull << (RADIX_BITS * (height - 1));
    i = from > base ? (from - base) / span : 0;
    for (; i < RADIX_SLOTS; i++) {
        found = next_below(slot_node(slot)->slot[i], height - 1, base + i * span, from);
        if (found != UINT64_MAX)
            return found;
    }
    return UINT64_MAX;
}

uint64_t radix_next(const struct object *o, uint64_t from)
{
    unsigned height = height_of(o->root);

    if (!covers(height, from))
        return UINT64_MAX;
    return next_below(o->root, height, 0, from);
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
        slot = object_slot(o, index);
        if (slot == &o->root)
            group = index + 1;
        for (; index < group && n < max; index++, slot++) {
            if (*slot == 0)
                continue;
            out[n++] = slot_frame(*slot);
            if (*slot & SLOT_DIRTY)
                object_dirty_count(o, &out[n - 1], 1, -1);
            *slot = 0;
            o->pages--;
        }
        *next = index;
    }
    return n;
}

static void free_below(slot_t slot)
{
    struct radix_node *n = slot_node(slot);

    if (slot == 0)
        return;
    for (unsigned i = 0; n->height > 1 && i < RADIX_SLOTS; i++)
        free_below(n->slot[i]);
    kfree(n);
}

void radix_free(struct object *o)
{
    slot_t root = o->root;

    K_DEBUG_ASSERT(!slot_is_page(root));
    o->root = 0;
    free_below(root);
}
