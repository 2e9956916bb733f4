// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: red-black trees with links in the elements.
 *
 * Model: Guibas and Sedgewick's balanced trees in the form of Cormen et al., "Introduction to
 * Algorithms", chapter 13.  A node's colour is the lowest bit of its parent link (nodes are at least
 * 4-aligned).  Absent children count as black.
 * Invariants (tree_check): (1) the root is black; (2) a red node has no red child; (3) all paths
 * from a node down to its absent children pass the same number of black nodes; (4) parent links
 * are the inverse of child links.
 */
#include <lib/tree.h>

#define BLACK ((uintptr_t)1)

static inline struct tree_node *parent_of(const struct tree_node *n)
{
    return (struct tree_node *)(n->parent_color & ~BLACK);
}

static inline bool is_black(const struct tree_node *n)
{
    return n == NULL || (n->parent_color & BLACK);
}

static inline bool is_red(const struct tree_node *n)
{
    return !is_black(n);
}

static inline void set_parent(struct tree_node *n, struct tree_node *parent)
{
    n->parent_color = (uintptr_t)parent | (n->parent_color & BLACK);
}

static inline void set_black(struct tree_node *n)
{
    n->parent_color |= BLACK;
}

static inline void set_red(struct tree_node *n)
{
    n->parent_color &= ~BLACK;
}

static inline void copy_colour(struct tree_node *to, const struct tree_node *from)
{
    to->parent_color = (to->parent_color & ~BLACK) | (from->parent_color & BLACK);
}

/* Makes `now` the child of `parent` in the place of `old`. */
static inline void replace_child(struct tree *t, struct tree_node *parent, struct tree_node *old,
                                 struct tree_node *now)
{
    if (parent == NULL)
        t->root = now;
    else if (parent->left == old)
        parent->left = now;
    else
        parent->right = now;
}

static void rotate_left(struct tree *t, struct tree_node *n)
{
    struct tree_node *up = n->right, *parent = parent_of(n);

    n->right = up->left;
    if (up->left != NULL)
        set_parent(up->left, n);
    up->left = n;
    set_parent(up, parent);
    replace_child(t, parent, n, up);
    set_parent(n, up);
}

static void rotate_right(struct tree *t, struct tree_node *n)
{
    struct tree_node *up = n->left, *parent = parent_of(n);

    n->left = up->right;
    if (up->right != NULL)
        set_parent(up->right, n);
    up->right = n;
    set_parent(up, parent);
    replace_child(t, parent, n, up);
    set_parent(n, up);
}

/* `n` and its parent are red: recolours upwards, at most two rotations. */
static void insert_fixup(struct tree *t, struct tree_node *n)
{
    struct tree_node *parent;

    while ((parent = parent_of(n)) != NULL && is_red(parent)) {
        struct tree_node *grand = parent_of(parent); /* exists: a red node is not the root */
        bool left = parent == grand->left;
        struct tree_node *uncle = left ? grand->right : grand->left;

        if (is_red(uncle)) {
            set_black(parent);
            set_black(uncle);
            set_red(grand);
            n = grand;
            continue;
        }
        if (left) {
            if (n == parent->right) {
                rotate_left(t, parent);
                parent = n;
            }
            rotate_right(t, grand);
        } else {
            if (n == parent->left) {
                rotate_right(t, parent);
                parent = n;
            }
            rotate_left(t, grand);
        }
        set_black(parent);
        set_red(grand);
        break;
    }
    set_black(t->root);
}

void tree_insert(struct tree *t, struct tree_node *node, struct tree_node *parent,
                 struct tree_node **link)
{
    node->parent_color = (uintptr_t)parent; /* red */
    node->left = node->right = NULL;
    *link = node;
    insert_fixup(t, node);
}

/* One step for a child on the left that lacks a black node; true when balance is restored. */
static bool erase_fix_left(struct tree *t, struct tree_node *parent)
{
    struct tree_node *sibling = parent->right;

    if (is_red(sibling)) {
        set_black(sibling);
        set_red(parent);
        rotate_left(t, parent);
        sibling = parent->right;
    }
    if (is_black(sibling->left) && is_black(sibling->right)) {
        set_red(sibling);
        return false;
    }
    if (is_black(sibling->right)) {
        set_black(sibling->left);
        set_red(sibling);
        rotate_right(t, sibling);
        sibling = parent->right;
    }
    copy_colour(sibling, parent);
    set_black(parent);
    set_black(sibling->right);
    rotate_left(t, parent);
    return true;
}

static bool erase_fix_right(struct tree *t, struct tree_node *parent)
{
    struct tree_node *sibling = parent->left;

    if (is_red(sibling)) {
        set_black(sibling);
        set_red(parent);
        rotate_right(t, parent);
        sibling = parent->left;
    }
    if (is_black(sibling->left) && is_black(sibling->right)) {
        set_red(sibling);
        return false;
    }
    if (is_black(sibling->left)) {
        set_black(sibling->right);
        set_red(sibling);
        rotate_left(t, sibling);
        sibling = parent->left;
    }
    copy_colour(sibling, parent);
    set_black(parent);
    set_black(sibling->left);
    rotate_right(t, parent);
    return true;
}

/* The paths through `n` (possibly absent) below `parent` lack one black node. */
static void erase_fixup(struct tree *t, struct tree_node *n, struct tree_node *parent)
{
    while (n != t->root && is_black(n)) {
        bool done = n == parent->left ? erase_fix_left(t, parent) : erase_fix_right(t, parent);

        if (done)
            return;
        n = parent;
        parent = parent_of(n);
    }
    if (n != NULL)
        set_black(n);
}

void tree_erase(struct tree *t, struct tree_node *node)
{
    struct tree_node *child, *parent;
    bool was_black;

    if (node->left == NULL || node->right == NULL) {
        child = node->left != NULL ? node->left : node->right;
        parent = parent_of(node);
        was_black = is_black(node);
        replace_child(t, parent, node, child);
        if (child != NULL)
            set_parent(child, parent);
    } else {
        struct tree_node *next = node->right; /* takes node's place and colour */

        while (next->left != NULL)
            next = next->left;
        child = next->right;
        was_black = is_black(next);
        parent = parent_of(next);
        if (parent == node) {
            parent = next;
        } else {
            parent->left = child;
            if (child != NULL)
                set_parent(child, parent);
            next->right = node->right;
            set_parent(next->right, next);
        }
        next->left = node->left;
        set_parent(next->left, next);
        replace_child(t, parent_of(node), node, next);
        next->parent_color = node->parent_color;
    }
    if (was_black)
        erase_fixup(t, child, parent);
}

struct tree_node *tree_first(const struct tree *t)
{
    struct tree_node *n = t->root;

    while (n != NULL && n->left != NULL)
        n = n->left;
    return n;
}

struct tree_node *tree_last(const struct tree *t)
{
    struct tree_node *n = t->root;

    while (n != NULL && n->right != NULL)
        n = n->right;
    return n;
}

struct tree_node *tree_next(const struct tree_node *node)
{
    struct tree_node *n = node->right, *parent;

    if (n != NULL) {
        while (n->left != NULL)
            n = n->left;
        return n;
    }
    while ((parent = parent_of(node)) != NULL && node == parent->right)
        node = parent;
    return parent;
}

struct tree_node *tree_prev(const struct tree_node *node)
{
    struct tree_node *n = node->left, *parent;

    if (n != NULL) {
        while (n->right != NULL)
            n = n->right;
        return n;
    }
    while ((parent = parent_of(node)) != NULL && node == parent->left)
        node = parent;
    return parent;
}

/* Black nodes from `n` down to any absent child, or -1 when an invariant fails.  The depth of the
 * recursion is the height of a balanced tree. */
static int black_height(const struct tree_node *n, const struct tree_node *parent)
{
    int left, right;

    if (n == NULL)
        return 0;
    if (parent_of(n) != parent || (is_red(n) && (is_red(n->left) || is_red(n->right))))
        return -1;
    left = black_height(n->left, n);
    right = black_height(n->right, n);
    if (left < 0 || left != right)
        return -1;
    return left + (is_black(n) ? 1 : 0);
}

bool tree_check(const struct tree *t)
{
    return is_black(t->root) && black_height(t->root, NULL) >= 0;
}
