// SPDX-License-Identifier: CC0-1.0
/* Purpose: red-black trees against a model: an array of presence flags. */
#include <core/ktest.h>
#include <lib/tree.h>

#define KEYS 256

struct item {
    struct tree_node node;
    unsigned key;
};

static struct item items[KEYS];

static void item_insert(struct tree *t, struct item *item)
{
    struct tree_node **link = &t->root, *parent = NULL;

    while (*link != NULL) {
        parent = *link;
        link = item->key < tree_entry(parent, struct item, node)->key ? &parent->left
                                                                       : &parent->right;
    }
    tree_insert(t, &item->node, parent, link);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Walks both ways and compares with the flags. */
static bool same_as_model(const struct tree *t, const bool present[KEYS])
{
    const struct tree_node *n = tree_first(t);

    for (unsigned k = 0; k < KEYS; k++) {
        if (!present[k])
            continue;
        if (n == NULL || tree_entry(n, struct item, node)->key != k)
            return false;
        n = tree_next(n);
    }
    if (n != NULL)
        return false;
    n = tree_last(t);
    for (unsigned k = KEYS; k-- > 0;) {
        if (!present[k])
            continue;
        if (n == NULL || tree_entry(n, struct item, node)->key != k)
            return false;
        n = tree_prev(n);
    }
    return n == NULL;
}

KTEST(tree, random_against_model)
{
    struct tree tree = TREE_INIT;
    bool present[KEYS] = { false };
    uint32_t state = 42;

    for (unsigned step = 0; step < 4000; step++) {
        unsigned k = next_random(&state) % KEYS;

        items[k].key = k;
        if (present[k])
            tree_erase(&tree, &items[k].node);
        else
            item_insert(&tree, &items[k]);
        present[k] = !present[k];
        KTEST_REQUIRE(tree_check(&tree));
        if (step % 64 == 0)
            KTEST_REQUIRE(same_as_model(&tree, present));
    }
    KTEST_TRUE(same_as_model(&tree, present));
}

KTEST(tree, ascending_then_emptied)
{
    struct tree tree = TREE_INIT;

    KTEST_TRUE(tree_first(&tree) == NULL && tree_last(&tree) == NULL && tree_check(&tree));
    for (unsigned k = 0; k < KEYS; k++) {
        items[k].key = k;
        item_insert(&tree, &items[k]);
    }
    KTEST_TRUE(tree_check(&tree));
    for (unsigned k = 0; k < KEYS; k++) {
        KTEST_EQ(tree_entry(tree_first(&tree), struct item, node)->key, k);
        tree_erase(&tree, &items[k].node);
        KTEST_REQUIRE(tree_check(&tree));
    }
    KTEST_TRUE(tree.root == NULL);
}
