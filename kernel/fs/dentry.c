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
 * The list is lazy, so that look-ups change nothing that CPUs share but the count: a dentry comes
 * onto it with its first last reference and stays there when it is referenced again, with a mark for
 * a second chance.  Who looks for something to free takes those off that are in use.
 *
 * Locking: fs_lock, a big-reader lock.  Readers look into the table and the tree, and take counts to
 * and from 0 of what is on the list; the table, the tree, the list and the killing of what has count
 * 0 are writers'.  A count above 1 goes down, and one above 0 goes up, without it.
 * Invariants: (1) count 0 and hashed => on the LRU list => hashed, not volatile; (2) hashed = in the
 * parent's `children`; (3) a dentry holds a reference to its parent and to its inode; (4) nothing is
 * freed under fs_lock: the chain of the dead is handed out of it.
 */
#include <fs/internal.h>

#include <fs/notify.h>
#include <core/panic.h>
#include <lib/hash.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>

struct brlock fs_lock = BRLOCK_INIT(LOCK_FS);

#define LRU_MAX 8192
#define LRU_LOOKS 16 /* at those in front, for one that makes room */
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
static void dentry_give_all(unsigned what);
static struct shrinker dentry_shrinker = { .name = "dentry", .shrink = dentry_shrink,
                                           .trim = dentry_give_all };

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

static void lru_add_locked(struct dentry *d)
{
    if (list_linked(&d->lru))
        return;
    d->flags &= (uint16_t)~DENTRY_USED;
    list_add_tail(&lru, &d->lru);
    lru_count++;
}

static void lru_remove_locked(struct dentry *d)
{
    if (!list_linked(&d->lru))
        return;
    list_del(&d->lru);
    lru_count--;
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
    lru_remove_locked(d);
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

/* Count 0: takes it out of the table and off the list, adds it to *dead, and goes on with the parents
 * that lose their last reference. */
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
            lru_add_locked(parent);
            return;
        }
        d = parent;
    }
}

/* Takes the oldest off the list; kills it when nobody uses it.  Return: was it killed? */
static bool lru_pop_locked(struct dentry **dead)
{
    struct dentry *d = list_first(&lru, struct dentry, lru);

    lru_remove_locked(d);
    if (ref_read(&d->refs) != 0)
        return false; /* comes back with its last reference */
    dentry_kill_locked(d, dead);
    return true;
}

/* One at least leaves the list; what was used since it came gets a second chance. */
static void lru_evict_locked(struct dentry **dead)
{
    for (unsigned i = 1; i < LRU_LOOKS; i++) {
        struct dentry *d = list_first(&lru, struct dentry, lru);

        if (ref_read(&d->refs) == 0) {
            if (!(d->flags & DENTRY_USED))
                break;
            d->flags &= (uint16_t)~DENTRY_USED;
            list_del(&d->lru);
            list_add_tail(&lru, &d->lru);
        } else {
            lru_remove_locked(d);
            if (lru_count <= LRU_MAX)
                return;
        }
    }
    (void)lru_pop_locked(dead);
}

static void dentry_put_locked(struct dentry *d, struct dentry **dead)
{
    if (!ref_put(&d->refs))
        return;
    if (!(d->flags & DENTRY_HASHED) || d->flags & DENTRY_VOLATILE) {
        dentry_kill_locked(d, dead);
        return;
    }
    lru_add_locked(d);
    if (lru_count > LRU_MAX)
        lru_evict_locked(dead);
}

void dentry_get(struct dentry *d)
{
    ref_get(&d->refs);
}

/* Readers may all set the mark: the other flags of what is on the list are writers'. */
void dentry_get_locked(struct dentry *d)
{
    if (list_linked(&d->lru) && !(atomic_load_relaxed(&d->flags) & DENTRY_USED))
        atomic_store_relaxed(&d->flags, (uint16_t)(d->flags | DENTRY_USED));
    ref_get(&d->refs);
}

/* The last reference to what is on the list already: it stays there, and nobody else is kept out. */
static bool dentry_put_listed(struct dentry *d)
{
    if (!list_linked(&d->lru))
        return false;
    brlock_read(&fs_lock);
    bool listed = list_linked(&d->lru);

    if (listed)
        atomic_fetch_sub(&d->refs.n, 1);
    brlock_read_done(&fs_lock);
    return listed;
}

void dentry_put(struct dentry *d)
{
    struct dentry *dead = NULL;
    uint32_t n = atomic_load_relaxed(&d->refs.n);

    while (n > 1)
        if (atomic_cas(&d->refs.n, &n, n - 1))
            return;
    if (dentry_put_listed(d))
        return;
    brlock_write(&fs_lock);
    dentry_put_locked(d, &dead);
    brlock_write_done(&fs_lock);
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
    brlock_write(&fs_lock);
    K_DEBUG_ASSERT(!d->inode);
    d->inode = i;
    if (!(d->flags & DENTRY_HASHED))
        dentry_hash_locked(d);
    if (d->sb->kind & SB_TREE)
        ref_get(&d->refs);
    brlock_write_done(&fs_lock);
}

void dentry_drop(struct dentry *d)
{
    brlock_write(&fs_lock);
    dentry_unhash_locked(d);
    brlock_write_done(&fs_lock);
}

void dentry_delete(struct dentry *d)
{
    brlock_write(&fs_lock);
    bool pinned = d->sb->kind & SB_TREE && d->flags & DENTRY_HASHED;

    dentry_unhash_locked(d);
    d->flags |= DENTRY_DELETED;
    brlock_write_done(&fs_lock);
    if (pinned)
        dentry_put(d);
}

static struct dentry *dentry_find_get(struct dentry *parent, const char *name, size_t length,
                                      uint32_t hash)
{
    brlock_read(&fs_lock);
    struct dentry *d = dentry_find_locked(parent, name, length, hash);

    if (d)
        dentry_get_locked(d);
    brlock_read_done(&fs_lock);
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
    brlock_write(&fs_lock);
    if (!d->inode && !(d->flags & DENTRY_VOLATILE))
        dentry_hash_locked(d);
    brlock_write_done(&fs_lock);
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
    brlock_read(&fs_lock);
    while (d != ancestor && d->parent != d)
        d = d->parent;
    brlock_read_done(&fs_lock);
    return d == ancestor;
}

bool dentry_has_children(struct dentry *d)
{
    struct dentry *c;
    bool found = false;

    brlock_read(&fs_lock);
    list_for_each(c, &d->children, sibling)
        if (c->inode) {
            found = true;
            break;
        }
    brlock_read_done(&fs_lock);
    return found;
}

void dentry_move(struct dentry *d, struct dentry *parent, const char *name, size_t length,
                 char *space)
{
    const char *old_name;

    brlock_write(&fs_lock);
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
    brlock_write_done(&fs_lock);
    dentry_put(old_parent);
    kfree((char *)old_name);
}

void dentry_exchange(struct dentry *a, struct dentry *b)
{
    char name[DNAME_INLINE];

    brlock_write(&fs_lock);
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
    brlock_write_done(&fs_lock);
}

/* The first child, with a reference. */
static struct dentry *dentry_first_child(struct dentry *d)
{
    brlock_read(&fs_lock);
    struct dentry *c = list_first_or_null(&d->children, struct dentry, sibling);

    if (c)
        dentry_get_locked(c);
    brlock_read_done(&fs_lock);
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

size_t dentry_cache_unused_of(unsigned node)
{
    struct dentry *d;
    size_t n = 0;

    brlock_read(&fs_lock);
    list_for_each(d, &lru, lru)
        n += frame_of(virt_to_phys(d))->node == node;
    brlock_read_done(&fs_lock);
    return n;
}

size_t dentry_cache_trim(size_t keep)
{
    struct dentry *dead = NULL;
    size_t n = 0;

    brlock_write(&fs_lock);
    while (lru_count > keep)
        n += lru_pop_locked(&dead);
    brlock_write_done(&fs_lock);
    dentry_free_chain(dead);
    return n;
}

static void dentry_give_all(unsigned what)
{
    if (what & TRIM_OBJECTS)
        (void)dentry_cache_trim(0);
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
    if (hal_current()->preempt_count != 0 || !brlock_write_try(&fs_lock))
        return 0;
    list_for_each_safe(d, next, &lru, lru)
    {
        if (d->inode || ref_read(&d->refs) != 0 || ref_read(&d->parent->refs) == 1)
            continue;
        dentry_kill_locked(d, &dead);
        if (++n >= frames * 16)
            break;
    }
    brlock_write_done(&fs_lock);
    dentry_free_chain(dead);
    return n / 16;
}
