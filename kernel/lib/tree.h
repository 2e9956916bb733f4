// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a balanced binary search tree whose links live in the elements (red-black).
 * Model: the caller finds the place itself (a loop over left/right that keeps the link it came
 * through) and then calls tree_insert; so there are no comparison callbacks on hot paths.
 * Cost: O(log n) insert and erase, amortised O(1) next/prev.
 * Locking: the owner's.
 */
#pragma once

#include <lib/types.h>

struct tree_node {
    uintptr_t parent_color; /* parent | 1 when black */
    struct tree_node *left, *right;
};

struct tree {
    struct tree_node *root;
};

#define TREE_INIT { NULL }

/* Links `node` below `parent` at *link (a child link of parent, or &tree->root) and rebalances. */
void tree_insert(struct tree *t, struct tree_node *node, struct tree_node *parent,
                 struct tree_node **link);
void tree_erase(struct tree *t, struct tree_node *node);
struct tree_node *tree_first(const struct tree *t);
struct tree_node *tree_last(const struct tree *t);
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_prev(const struct tree_node *node);
/* Checks order-independent red-black invariants; true when they hold.  For tests and x_check(). */
bool tree_check(const struct tree *t);

#define tree_entry(n, type, member) container_of(n, type, member)
#define tree_entry_or_null(n, type, member) ((n) ? tree_entry(n, type, member) : NULL)
