// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the tree of names and its hash: which file a directory's name leads to.
 *
 * Model: a dentry is found by (parent, hash of the name) in one table.  One that nobody references
 * stays cached on the LRU list until there are too many or memory is short; one that is not in the
 * table (deleted, volatile, never attached) is freed with its last reference.  In a superblock of
 * kind SB_TREE the dentries are the directory itself: each attached one carries a reference of the
 * tree, and a name that is not in the table does not exist.
 *
 * Locking: fs_lock for the table, the tree, the LRU list and for counts that go to or from 0.  A
 * count above 1 goes down, and one above 0 goes up, without it.
 * Invariants: (1) on the LRU list = count 0 and hashed; (2) hashed = in the parent's `children`;
 * (3) a dentry holds a reference to its parent and to its inode; (4) nothing is freed under
 * fs_lock: the chain of the dead is handed out of it.
 */
#include <fs/internal.h>

#include <fs/notify.h>
#include <core/panic.h>
#include <lib/hash.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>

struct spinlock fs_lock = SPINLOCK_INIT(LOCK_FS);

#define LRU_MAX 8192
#define COOKIE_FIRST (1ull << 56) /* they go down; positions 0 and 1 are the dots */

static struct dentry **table; /* fs_lock */
static unsigned table_shift; /* constant after boot: 64 - log2(buckets) */
static struct list lru = LIST_INIT(lru); /* fs_lock; oldest first */
static size_t lru_count; /* fs_lock */

uint32_t name_hash(const char *name, size_t length)
{
    uint32_t h = NAME_HASH_INIT;

    for (size_t i = 0; i < length; i++)
        h = name_hash_step(h, (unsigned char)name[i]);
    return h;
}

static struct dentry **bucket_of(const struct dentry *parent, uint32_t hash)
{
    return &table[((uintptr_t)parent / 64 + hash) * 0x9e3779b97f4a7c15ull >> table_shift];
}

static size_t dentry_shrink(size_t frames);
static struct shrinker dentry_shrinker = { .name = "dentry", .shrink = dentry_shrink };

void dentry_cache_init(void)
{
    unsigned bits = 9;

    while (bits < 16 && (frame_total() >> bits) > 8)
        bits++;
    table = kcalloc(1u << bits, sizeof *table);
    K_ASSERT(table);
    table_shift = 64 - bits;
    frame_shrinker_add(&dentry_shrinker);
}

/* n > 0.  Two overlapping words instead of a loop for what is usual. */
static bool name_equal(const char *a, const char *b, size_t n)
{
    uint64_t x, y, v, w;
    uint32_t p, q, r, s;

    if (n > 16)
        return memcmp(a, b, n) == 0;
    if (n >= 8) {
        __builtin_memcpy(&x, a, 8);
        __builtin_memcpy(&y, b, 8);
        __builtin_memcpy(&v, a + n - 8, 8);
        __builtin_memcpy(&w, b + n - 8, 8);
        return x == y && v == w;
    }
    if (n >= 4) {
        __builtin_memcpy(&p, a, 4);
        __builtin_memcpy(&q, b, 4);
        __builtin_memcpy(&r, a + n - 4, 4);
        __builtin_memcpy(&s, b + n - 4, 4);
        return p == q && r == s;
    }
    return a[0] == b[0] && a[n / 2] == b[n / 2] && a[n - 1] == b[n - 1];
}

struct dentry *dentry_find_locked(const struct dentry *parent, const char *name, size_t length,
                                  uint32_t hash)
{
    for (struct dentry *d = *bucket_of(parent, hash); d; d = d->hash_next)
        if (d->hash == hash && d->parent == parent && d->length == length &&
            name_equal(d->name, name, length))
            return d;
    return NULL;
}

static void dentry_hash_locked(struct dentry *d)
{
    struct dentry **b = bucket_of(d->parent, d->hash);

    K_DEBUG_ASSERT(!(d->flags & DENTRY_HASHED));
    d->hash_next = *b;
    *b = d;
    d->flags |= DENTRY_HASHED;
    /* The newest comes first, as under Linux; readers that are under way do not meet it. */
    d->cookie = --d->parent->next_cookie;
    list_add_head(&d->parent->children, &d->sibling);
}

static void dentry_unhash_locked(struct dentry *d)
{
    struct dentry **link = bucket_of(d->parent, d->hash);

    if (!(d->flags & DENTRY_HASHED))
        return;
    while (*link != d)
        link = &(*link)->hash_next;
    *link = d->hash_next;
    d->hash_next = NULL;
    d->flags &= (uint16_t)~DENTRY_HASHED;
    list_del(&d->sibling);
}

static void lru_remove_locked(struct dentry *d)
{
    if (!list_linked(&d->lru))
        return;
    list_del(&d->lru);
    lru_count--;
}

static err_t dentry_set_name(struct dentry *d, const char *name, size_t length)
{
    char *own = d->inline_name;

    if (length >= DNAME_INLINE) {
        own = kmalloc(length + 1);
        if (!own)
            return -ENOMEM;
    }
    memcpy(own, name, length);
    own[length] = '\0';
    d->name = own;
    d->length = (uint16_t)length;
    return 0;
}

/* A dentry without a place: count 1, negative.  `parent` NULL: a root. */
static struct dentry *dentry_alloc(struct superblock *sb, struct dentry *parent, const char *name,
                                   size_t length, uint32_t hash)
{
    struct dentry *d = kmalloc(sizeof *d);

    if (!d)
        return NULL;
    if (dentry_set_name(d, name, length) != 0) {
        kfree(d);
        return NULL;
    }
    ref_init(&d->refs, 1);
    d->hash = hash;
    d->flags = 0;
    d->inode = NULL;
    d->parent = parent ? parent : d;
    d->sb = sb;
    d->hash_next = NULL;
    list_init(&d->children);
    list_init(&d->sibling);
    list_init(&d->lru);
    d->mounts = 0;
    d->cookie = 0;
    d->next_cookie = COOKIE_FIRST;
    if (parent)
        dentry_get(parent);
    return d;
}

static void dentry_free(struct dentry *d)
{
    if (d->inode) {
        notify_gone(d->inode);
        inode_put(d->inode);
    }
    if (d->name != d->inline_name)
        kfree((char *)d->name);
    kfree(d);
}

static void dentry_free_chain(struct dentry *dead)
{
    while (dead) {
        struct dentry *next = dead->hash_next;

        dentry_free(dead);
        dead = next;
    }
}

/* Count 0, off the LRU list: takes it out of the table, adds it to *dead, and goes on with the
 * parents that lose their last reference. */
static void dentry_kill_locked(struct dentry *d, struct dentry **dead)
{
    for (;;) {
        struct dentry *parent = d->parent;

        dentry_unhash_locked(d);
        d->hash_next = *dead;
        *dead = d;
        if (parent == d || !ref_put(&parent->refs))
            return;
        if (parent->flags & DENTRY_HASHED && !(parent->flags & DENTRY_VOLATILE)) {
            list_add_tail(&lru, &parent->lru);
            lru_count++;
            return;
        }
        d = parent;
    }
}

static void dentry_put_locked(struct dentry *d, struct dentry **dead)
{
    if (!ref_put(&d->refs))
        return;
    if (!(d->flags & DENTRY_HASHED) || d->flags & DENTRY_VOLATILE) {
        dentry_kill_locked(d, dead);
        return;
    }
    list_add_tail(&lru, &d->lru);
    if (++lru_count <= LRU_MAX)
        return;
    d = list_first(&lru, struct dentry, lru);
    lru_remove_locked(d);
    dentry_kill_locked(d, dead);
}

void dentry_get(struct dentry *d)
{
    ref_get(&d->refs);
}

void dentry_get_locked(struct dentry *d)
{
    lru_remove_locked(d);
    ref_get(&d->refs);
}

void dentry_put(struct dentry *d)
{
    struct dentry *dead = NULL;
    uint32_t n = atomic_load_relaxed(&d->refs.n);

    while (n > 1)
        if (atomic_cas(&d->refs.n, &n, n - 1))
            return;
    spin_lock(&fs_lock);
    dentry_put_locked(d, &dead);
    spin_unlock(&fs_lock);
    dentry_free_chain(dead);
}

struct dentry *dentry_make_root(struct superblock *sb, struct inode *i)
{
    struct dentry *d = dentry_alloc(sb, NULL, "/", 1, 0);

    if (d)
        d->inode = i;
    return d;
}

struct dentry *dentry_make_anonymous(struct superblock *sb, const char *name, struct inode *i)
{
    struct dentry *d = dentry_alloc(sb, NULL, name, strlen(name), 0);

    if (d)
        d->inode = i;
    return d;
}

void dentry_attach(struct dentry *d, struct inode *i)
{
    spin_lock(&fs_lock);
    K_DEBUG_ASSERT(!d->inode);
    d->inode = i;
    if (!(d->flags & DENTRY_HASHED))
        dentry_hash_locked(d);
    if (d->sb->kind & SB_TREE)
        ref_get(&d->refs);
    spin_unlock(&fs_lock);
}

void dentry_drop(struct dentry *d)
{
    spin_lock(&fs_lock);
    dentry_unhash_locked(d);
    spin_unlock(&fs_lock);
}

void dentry_delete(struct dentry *d)
{
    spin_lock(&fs_lock);
    bool pinned = d->sb->kind & SB_TREE && d->flags & DENTRY_HASHED;

    dentry_unhash_locked(d);
    d->flags |= DENTRY_DELETED;
    spin_unlock(&fs_lock);
    if (pinned)
        dentry_put(d);
}

static struct dentry *dentry_find_get(struct dentry *parent, const char *name, size_t length,
                                      uint32_t hash)
{
    spin_lock(&fs_lock);
    struct dentry *d = dentry_find_locked(parent, name, length, hash);

    if (d)
        dentry_get_locked(d);
    spin_unlock(&fs_lock);
    return d;
}

/* Asks the file system for a name that is not cached. */
static struct dentry *dentry_ask(struct dentry *parent, const char *name, size_t length,
                                 uint32_t hash)
{
    struct inode *dir = parent->inode;
    struct dentry *d = dentry_alloc(parent->sb, parent, name, length, hash);

    if (!d)
        return ERR_PTR(-ENOMEM);
    if (parent->sb->kind & SB_TREE || !dir->ops->lookup)
        return d;
    err_t err = dir->ops->lookup(dir, d);
    if (err != 0) {
        dentry_put(d);
        return ERR_PTR(err);
    }
    /* Remember that it is absent, unless the file system wants to be asked again. */
    spin_lock(&fs_lock);
    if (!d->inode && !(d->flags & DENTRY_VOLATILE))
        dentry_hash_locked(d);
    spin_unlock(&fs_lock);
    return d;
}

struct dentry *dentry_lookup_locked(struct dentry *parent, const char *name, size_t length)
{
    uint32_t hash = name_hash(name, length);
    struct dentry *d = dentry_find_get(parent, name, length, hash);

    K_DEBUG_ASSERT(mutex_held(&parent->inode->mutex));
    if (d && d->flags & DENTRY_VOLATILE && d->inode && d->inode->ops->revalidate &&
        !d->inode->ops->revalidate(d)) {
        dentry_drop(d);
        dentry_put(d);
        d = NULL;
    }
    if (!d && parent->inode->nlink == 0)
        return ERR_PTR(-ENOENT);
    return d ? d : dentry_ask(parent, name, length, hash);
}

struct dentry *dentry_lookup(struct dentry *parent, const char *name, size_t length)
{
    struct dentry *d = dentry_find_get(parent, name, length, name_hash(name, length));

    if (d && !(d->flags & DENTRY_VOLATILE))
        return d;
    if (d)
        dentry_put(d);
    mutex_lock(&parent->inode->mutex);
    d = dentry_lookup_locked(parent, name, length);
    mutex_unlock(&parent->inode->mutex);
    return d;
}

bool dentry_is_ancestor(const struct dentry *ancestor, const struct dentry *d)
{
    spin_lock(&fs_lock);
    while (d != ancestor && d->parent != d)
        d = d->parent;
    spin_unlock(&fs_lock);
    return d == ancestor;
}

bool dentry_has_children(struct dentry *d)
{
    struct dentry *c;
    bool found = false;

    spin_lock(&fs_lock);
    list_for_each(c, &d->children, sibling)
        if (c->inode) {
            found = true;
            break;
        }
    spin_unlock(&fs_lock);
    return found;
}

void dentry_move(struct dentry *d, struct dentry *parent, const char *name, size_t length,
                 char *space)
{
    const char *old_name;

    spin_lock(&fs_lock);
    struct dentry *old_parent = d->parent;

    dentry_unhash_locked(d);
    old_name = d->name != d->inline_name ? d->name : NULL;
    d->name = space ? space : d->inline_name;
    memcpy((char *)d->name, name, length);
    ((char *)d->name)[length] = '\0';
    d->length = (uint16_t)length;
    d->hash = name_hash(name, length);
    dentry_get(parent);
    d->parent = parent;
    dentry_hash_locked(d);
    spin_unlock(&fs_lock);
    dentry_put(old_parent);
    kfree((char *)old_name);
}

void dentry_exchange(struct dentry *a, struct dentry *b)
{
    char name[DNAME_INLINE];

    spin_lock(&fs_lock);
    dentry_unhash_locked(a);
    dentry_unhash_locked(b);
    bool a_inline = a->name == a->inline_name, b_inline = b->name == b->inline_name;
    const char *a_name = a->name, *b_name = b->name;

    memcpy(name, a->inline_name, sizeof name);
    memcpy(a->inline_name, b->inline_name, sizeof name);
    memcpy(b->inline_name, name, sizeof name);
    a->name = b_inline ? a->inline_name : b_name;
    b->name = a_inline ? b->inline_name : a_name;
#define SWAP(field)                                                                                \
    do {                                                                                           \
        __typeof__(a->field) t_ = a->field;                                                        \
        a->field = b->field;                                                                       \
        b->field = t_;                                                                             \
    } while (0)
    SWAP(length);
    SWAP(hash);
    SWAP(parent);
#undef SWAP
    dentry_hash_locked(a);
    dentry_hash_locked(b);
    spin_unlock(&fs_lock);
}

/* The first child, with a reference. */
static struct dentry *dentry_first_child(struct dentry *d)
{
    spin_lock(&fs_lock);
    struct dentry *c = list_first_or_null(&d->children, struct dentry, sibling);

    if (c)
        dentry_get_locked(c);
    spin_unlock(&fs_lock);
    return c;
}

void dentry_tree_destroy(struct dentry *root)
{
    struct dentry *d = root;

    /* Depth first; each step down holds a reference, each step up gives it back. */
    for (;;) {
        struct dentry *c = dentry_first_child(d);

        if (c) {
            d = c;
            continue;
        }
        if (d == root)
            break;
        struct dentry *parent = d->parent;
        dentry_delete(d);
        dentry_put(d);
        d = parent;
    }
    dentry_put(root);
}

size_t dentry_cache_unused(void)
{
    return atomic_load_relaxed(&lru_count);
}

size_t dentry_cache_trim(size_t keep)
{
    struct dentry *dead = NULL;
    size_t n = 0;

    spin_lock(&fs_lock);
    while (lru_count > keep) {
        struct dentry *d = list_first(&lru, struct dentry, lru);

        lru_remove_locked(d);
        dentry_kill_locked(d, &dead);
        n++;
    }
    spin_unlock(&fs_lock);
    dentry_free_chain(dead);
    return n;
}

/*
 * Out of memory, in any context: only names that lead nowhere are freed here, since giving back an
 * inode may need locks that the caller holds.
 */
static size_t dentry_shrink(size_t frames)
{
    struct dentry *d, *next, *dead = NULL;
    size_t n = 0;

    /* With a spinlock held (of whatever rank) this one may not be taken. */
    if (hal_current()->preempt_count != 0 || !spin_try(&fs_lock))
        return 0;
    list_for_each_safe(d, next, &lru, lru)
    {
        struct dentry *parent = d->parent;

        if (d->inode || ref_read(&parent->refs) == 1)
            continue;
        lru_remove_locked(d);
        dentry_kill_locked(d, &dead);
        if (++n >= frames * 16)
            break;
    }
    spin_unlock(&fs_lock);
    dentry_free_chain(dead);
    return n / 16;
}
