// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: from a name to a file: one pass over the string, component by component.
 *
 * Model: a walk stands at `here` and eats one component at a time.  As long as all names are cached
 * it reads under fs_lock and borrows everything; it takes references only at its end.  A name that is not
 * cached, a symbolic link, or a volatile entry makes it pin the place where it stands, let go of the
 * lock, do the slow thing, and take the lock again:
 *
 *     lock  a / b / c                 d is a link
 *           borrowed ...  pin c       unlock, readlink, push the rest "e/f", lock, go on
 *
 * The text of links is a stack: when one is used up the walk goes on with the text below it.
 * Locking: fs_lock, reading, as said.  Permission to search is checked at each step from the mode bits.
 * Source: path_resolution(7), openat2(2), symlink(7).
 */
#include <fs/internal.h>

#include <fs/notify.h>
#include <core/panic.h>
#include <hal/cpu.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <linux/capability.h>

struct link_text {
    struct link_text *below; /* the text that goes on when this one is used up; NULL: the string */
    struct link_text *next; /* of all texts of the walk */
    const char *rest; /* of the text below */
    bool trailing; /* of the text below */
    char text[];
};

/* ---- strings ---- */

/* One buffer for each CPU, taken and given back by exchange. */
static char *string_cache[CPU_MAX];

static char **string_slot(void)
{
    return &string_cache[hal_current()->cpu->id];
}

char *path_string(const char __user *name, unsigned flags)
{
    char *s = atomic_xchg(string_slot(), NULL);

    if (!s)
        s = kmalloc(PATH_BYTES);
    if (!s)
        return ERR_PTR(-ENOMEM);
    ssize_t n = user_copy_string(s, name, PATH_BYTES);
    if (likely(n > 0 && n < PATH_BYTES) || (n == 0 && flags & LOOKUP_EMPTY))
        return s;
    path_string_free(s);
    return ERR_PTR(n < 0 ? (err_t)n : n == 0 ? -ENOENT : -ENAMETOOLONG);
}

static size_t strings_shrink(size_t frames)
{
    size_t freed = 0;

    for (unsigned i = 0; i < cpu_count && freed < frames; i++) {
        char *s = atomic_load_relaxed(&string_cache[i]) ? atomic_xchg(&string_cache[i], NULL) : NULL;

        freed += s != NULL;
        kfree(s);
    }
    return freed;
}

static void strings_give_all(unsigned what)
{
    if (what & TRIM_OBJECTS)
        (void)strings_shrink(SIZE_MAX);
}

void path_strings_init(void)
{
    static struct shrinker shrinker = { .name = "path strings", .shrink = strings_shrink,
                                        .trim = strings_give_all };

    _Static_assert(PATH_BYTES == PAGE_SIZE, "a string is a frame");
    frame_shrinker_add(&shrinker);
}

void path_string_free(char *s)
{
    kfree(atomic_xchg(string_slot(), s));
}

/* ---- places ---- */

void path_get(const struct path *p)
{
    mount_get(p->mount);
    dentry_get(p->dentry);
}

void path_put(const struct path *p)
{
    if (!p->dentry)
        return;
    dentry_put(p->dentry);
    mount_put(p->mount);
}

static bool path_equal(const struct path *a, const struct path *b)
{
    return a->dentry == b->dentry && a->mount == b->mount;
}

static const struct path *walk_root(const struct path_walk *w)
{
    return w->rooted ? &w->start : &w->actor->fs->root;
}

/* Goes from the place where something is mounted to the root of the topmost mount there. */
static err_t walk_down_mounts(struct path_walk *w)
{
    while (unlikely(w->here.dentry->mounts != 0)) {
        struct mount *m = mount_on_locked(w->here.mount, w->here.dentry);

        if (!m)
            break;
        if (w->flags & LOOKUP_NO_XDEV)
            return -EXDEV;
        w->here.mount = m;
        w->here.dentry = m->root;
    }
    return 0;
}

static err_t walk_up(struct path_walk *w)
{
    const struct path *root = walk_root(w);

    for (;;) {
        if (path_equal(&w->here, root))
            return w->flags & LOOKUP_BENEATH ? -EXDEV : 0;
        if (w->here.dentry != w->here.mount->root) {
            w->here.dentry = w->here.dentry->parent;
            return walk_down_mounts(w);
        }
        if (!w->here.mount->parent)
            return 0;
        if (w->flags & LOOKUP_NO_XDEV)
            return -EXDEV;
        w->here.dentry = w->here.mount->mountpoint;
        w->here.mount = w->here.mount->parent;
    }
}

/* ---- letting go of the lock ---- */

/* The walk's place gets references in place of the earlier ones, and the lock is released. */
static void walk_unlock(struct path_walk *w)
{
    struct path old = w->pin;
    struct dentry *old_child = w->pin_child;

    w->pin = w->here;
    w->pin_child = NULL;
    mount_get(w->pin.mount);
    dentry_get_locked(w->pin.dentry);
    brlock_read_done(&fs_lock);
    path_put(&old);
    if (old_child)
        dentry_put(old_child);
}

/* Asks the file system for the component; *out is kept alive by the walk. */
static err_t walk_ask(struct path_walk *w, struct dentry **out)
{
    walk_unlock(w);
    struct dentry *d = dentry_lookup(w->pin.dentry, w->name, w->length);
    if (!IS_ERR(d))
        w->pin_child = d;
    brlock_read(&fs_lock);
    *out = d;
    return IS_ERR(d) ? PTR_ERR(d) : 0;
}

/* ---- components ---- */

/* Reads one component and the slashes behind it.  Return: its length may be 0 at the end. */
static __always_inline err_t walk_scan(struct path_walk *w)
{
    const unsigned char *s = (const unsigned char *)w->at;
    uint32_t hash = NAME_HASH_INIT;
    unsigned char c;

    while (unlikely(*s == '/'))
        s++;
    w->name = (const char *)s;
    while ((c = *s) > '/' || (c != '/' && c != 0)) {
        hash = name_hash_step(hash, c);
        s++;
    }
    w->length = (size_t)(s - (const unsigned char *)w->name);
    w->hash = hash;
    w->kind = NAME_PLAIN;
    if (w->name[0] == '.' && w->length <= 2) {
        if (w->length == 1)
            w->kind = NAME_DOT;
        else if (w->name[1] == '.')
            w->kind = NAME_DOTDOT;
    }
    if (c == '/') {
        while (*s == '/')
            s++;
        if (*s == 0)
            w->trailing = true;
    }
    w->at = (const char *)s;
    return unlikely(w->length > NAME_MAX) ? -ENAMETOOLONG : 0;
}

/* Is there another component?  Goes back to the texts below the link that has been used up. */
static bool walk_more(struct path_walk *w)
{
    while (*w->at == 0) {
        if (!w->reading)
            return false;
        w->at = w->reading->rest;
        /* A link in the middle of a path says nothing about the path's end. */
        w->trailing = w->reading->trailing || (w->trailing && *w->at == 0);
        w->reading = w->reading->below;
    }
    return true;
}

static err_t walk_search(const struct path_walk *w)
{
    struct inode *i = w->here.dentry->inode;

    if (unlikely(!S_ISDIR(i->mode)))
        return -ENOTDIR;
    /* Everybody may search: most directories. */
    if (likely((i->mode & 0111) == 0111))
        return 0;
    return inode_permission(i, MAY_EXEC, w->actor->cred);
}

/* ---- links ---- */

static err_t walk_push(struct path_walk *w, struct link_text *t)
{
    t->rest = w->at;
    t->trailing = w->trailing;
    t->below = w->reading;
    t->next = w->links;
    w->links = w->reading = t;
    w->at = t->text;
    if (t->text[0] != '/')
        return 0;
    if (w->flags & LOOKUP_BENEATH)
        return -EXDEV;
    if (w->flags & LOOKUP_NO_XDEV && walk_root(w)->mount != w->here.mount)
        return -EXDEV;
    w->here = *walk_root(w); /* what is mounted over the root itself is not entered */
    return 0;
}

static struct link_text *link_read(struct inode *i)
{
    size_t size = i->object.size ? MIN(i->object.size, (uint64_t)PATH_BYTES - 1) : PATH_BYTES - 1;
    struct link_text *t = kmalloc(sizeof *t + size + 1);

    if (!t)
        return ERR_PTR(-ENOMEM);
    ssize_t n = i->ops->readlink ? i->ops->readlink(i, t->text, size) : -EINVAL;
    if (n <= 0) {
        kfree(t);
        return ERR_PTR(n < 0 ? (err_t)n : -ENOENT);
    }
    t->text[n] = '\0';
    return t;
}

/* A link that leads straight to an object.  Lock released. */
static err_t walk_magic(struct path_walk *w, struct inode *i)
{
    struct path to;

    if (w->flags & LOOKUP_NO_MAGICLINKS)
        return -ELOOP;
    if (w->flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT))
        return -EXDEV;
    err_t err = i->ops->follow(i, &to);
    if (err != 0)
        return err;
    if (w->flags & LOOKUP_NO_XDEV && to.mount != w->pin.mount) {
        path_put(&to);
        return -EXDEV;
    }
    path_put(&w->pin);
    w->pin = to;
    return 0;
}

/* In a directory where everybody may put links (/tmp) only those of its owner or of the caller are
 * followed (fs.protected_symlinks). */
static bool link_trusted(const struct path_walk *w, const struct dentry *d)
{
    const struct inode *dir = w->here.dentry->inode;

    if (*w->at != 0 || w->reading)
        return true; /* only the last name of a path is meant */
    return likely((dir->mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH)) ||
           d->inode->uid == w->actor->cred->fsuid || d->inode->uid == dir->uid;
}

/* `d` is a link in `here`. */
static err_t walk_link(struct path_walk *w, struct dentry *d)
{
    struct link_text *t = NULL;
    err_t err = 0;

    if (unlikely(!link_trusted(w, d)))
        return -EACCES;

    if (w->flags & LOOKUP_NO_SYMLINKS || w->here.mount->flags & MS_NOSYMFOLLOW ||
        ++w->link_count > SYMLINKS_MAX)
        return -ELOOP;
    dentry_get_locked(d);
    walk_unlock(w);
    if (d->inode->ops->follow) {
        err = walk_magic(w, d->inode);
    } else {
        t = link_read(d->inode);
        err = IS_ERR(t) ? PTR_ERR(t) : 0;
    }
    dentry_put(d);
    brlock_read(&fs_lock);
    w->here = w->pin;
    return err != 0 || !t ? err : walk_push(w, t);
}

/* ---- the walk ---- */

static __always_inline err_t walk_step(struct path_walk *w, bool follow)
{
    if (unlikely(w->kind != NAME_PLAIN))
        return w->kind == NAME_DOTDOT ? walk_up(w) : 0;
    struct dentry *d = dentry_find_locked(w->here.dentry, w->name, w->length, w->hash);
    if (unlikely(!d || d->flags & DENTRY_VOLATILE)) {
        if (w->here.dentry->sb->kind & SB_TREE)
            return -ENOENT;
        err_t err = walk_ask(w, &d);
        if (err != 0)
            return err;
    }
    if (unlikely(!d->inode))
        return -ENOENT;
    if (unlikely(S_ISLNK(d->inode->mode)) && follow)
        return walk_link(w, d);
    w->here.dentry = d;
    return unlikely(d->mounts) ? walk_down_mounts(w) : 0;
}

enum walk_goal { GOAL_FILE, GOAL_PARENT, GOAL_CREATE };

/* fs_lock held all the time as seen from outside.  Return: 0, WALK_ABSENT, an error. */
static int walk_run(struct path_walk *w, enum walk_goal goal)
{
    for (;;) {
        err_t err = walk_scan(w);
        bool last = err == 0 && !walk_more(w);

        if (err != 0)
            return err;
        if (w->length == 0) {
            if (!last)
                continue;
            w->kind = NAME_NONE;
            return 0;
        }
        err = walk_search(w);
        if (err != 0)
            return err;
        if (last && goal == GOAL_PARENT)
            return 0;
        err = walk_step(w, !last || w->flags & LOOKUP_FOLLOW || w->trailing);
        if (unlikely(err != 0))
            return err == -ENOENT && last && goal == GOAL_CREATE && !w->reading ? WALK_ABSENT : err;
        if (last && !walk_more(w))
            return 0;
    }
}

/* Finds the starting point and takes fs_lock (also when it fails). */
static err_t walk_begin(struct path_walk *w, const struct path *base, int dirfd, const char *name,
                        unsigned flags)
{
    bool absolute = name[0] == '/' && !(flags & LOOKUP_IN_ROOT);

    w->at = name;
    w->links = w->reading = NULL;
    w->link_count = 0;
    w->flags = flags;
    w->trailing = w->rooted = false;
    w->actor = actor_current();
    w->pin.dentry = w->pin_child = NULL;
    w->fd.counted = false;
    w->fd.file = NULL;
    if (!absolute && !base && dirfd != AT_FDCWD)
        w->fd = fd_get_raw(dirfd);
    brlock_read(&fs_lock);
    if (absolute) {
        w->here = w->actor->fs->root;
        return flags & LOOKUP_BENEATH ? -EXDEV : 0;
    }
    if (base)
        w->here = *base;
    else if (dirfd == AT_FDCWD)
        w->here = w->actor->fs->cwd;
    else if (w->fd.file)
        w->here = w->fd.file->path;
    else
        return -EBADF;
    if (unlikely(flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT))) {
        w->rooted = true;
        w->start = w->here;
        mount_get(w->start.mount);
        dentry_get_locked(w->start.dentry);
    }
    return 0;
}

/* fs_lock not held. */
static void walk_release(struct path_walk *w)
{
    while (unlikely(w->links != NULL)) {
        struct link_text *t = w->links;

        w->links = t->next;
        kfree(t);
    }
    if (unlikely(w->pin.dentry != NULL))
        path_put(&w->pin);
    if (unlikely(w->pin_child != NULL))
        dentry_put(w->pin_child);
    if (unlikely(w->rooted))
        path_put(&w->start);
    fd_put(w->fd);
}

static void walk_take(struct path_walk *w, struct path *out)
{
    *out = w->here;
    mount_get(out->mount);
    dentry_get_locked(out->dentry);
}

static err_t walk_directory(const struct path_walk *w)
{
    bool wanted = w->trailing || w->flags & LOOKUP_DIRECTORY;

    return wanted && !S_ISDIR(w->here.dentry->inode->mode) ? -ENOTDIR : 0;
}

err_t path_lookup_from(const struct path *base, int dirfd, const char *name, unsigned flags,
                       struct path *out)
{
    struct path_walk w;

    if (unlikely(name[0] == 0 && !(flags & LOOKUP_EMPTY)))
        return -ENOENT;
    err_t err = walk_begin(&w, base, dirfd, name, flags);
    if (likely(err == 0))
        err = walk_run(&w, GOAL_FILE);
    if (likely(err == 0))
        err = walk_directory(&w);
    if (likely(err == 0))
        walk_take(&w, out);
    brlock_read_done(&fs_lock);
    walk_release(&w);
    return err;
}

err_t path_lookup(int dirfd, const char *name, unsigned flags, struct path *out)
{
    return path_lookup_from(NULL, dirfd, name, flags, out);
}

err_t path_lookup_user(int dirfd, const char __user *name, unsigned flags, struct path *out)
{
    char *s = path_string(name, flags);

    if (IS_ERR(s))
        return PTR_ERR(s);
    err_t err = path_lookup_from(NULL, dirfd, s, flags, out);
    path_string_free(s);
    return err;
}

int walk_lookup(struct path_walk *w, const struct path *base, int dirfd, const char *name,
                unsigned flags, struct path *out)
{
    int err = walk_begin(w, base, dirfd, name, flags);

    if (err == 0)
        err = name[0] ? walk_run(w, GOAL_CREATE) : -ENOENT;
    if (err == 0)
        err = walk_directory(w);
    if (err >= 0)
        walk_take(w, err == 0 ? out : &w->here);
    else
        w->here.dentry = NULL;
    brlock_read_done(&fs_lock);
    if (err == 0)
        w->here.dentry = NULL;
    return err;
}

err_t walk_parent(struct path_walk *w, const struct path *base, int dirfd, const char *name,
                  unsigned flags)
{
    err_t err = walk_begin(w, base, dirfd, name, flags);

    if (err == 0)
        err = name[0] ? walk_run(w, GOAL_PARENT) : -ENOENT;
    if (err == 0)
        walk_take(w, &w->here);
    else
        w->here.dentry = NULL;
    brlock_read_done(&fs_lock);
    return err;
}

void walk_end(struct path_walk *w)
{
    path_put(&w->here);
    walk_release(w);
}

err_t path_parent(int dirfd, const char *name, unsigned flags, struct path *dir, char *last,
                  size_t size, bool *trailing)
{
    struct path_walk w;
    err_t err = walk_parent(&w, NULL, dirfd, name, flags);

    if (err == 0 && w.length >= size)
        err = -ENAMETOOLONG;
    if (err == 0) {
        memcpy(last, w.name, w.length);
        last[w.length] = '\0';
        *trailing = w.trailing;
        *dir = w.here;
        path_get(dir);
    }
    walk_end(&w);
    return err;
}

/* ---- creating ---- */

err_t path_create_begin(const struct path *base, int dirfd, const char *name, bool directory,
                        struct path *dir, struct dentry **child)
{
    struct path_walk w;
    struct dentry *d;
    err_t err = walk_parent(&w, base, dirfd, name, 0);

    if (err == 0 && w.kind != NAME_PLAIN)
        err = -EEXIST;
    if (err != 0) {
        walk_end(&w);
        return err;
    }
    *dir = w.here;
    w.here.dentry = NULL;
    struct inode *i = dir->dentry->inode;
    mutex_lock(&i->mutex);
    d = dentry_lookup_locked(dir->dentry, w.name, w.length);
    if (IS_ERR(d))
        err = PTR_ERR(d);
    else if (d->inode)
        err = -EEXIST;
    else if (w.trailing && !directory)
        err = -ENOENT;
    else if ((err = mount_want_write(dir->mount)) == 0)
        err = inode_permission(i, MAY_WRITE | MAY_EXEC, cred_current());
    walk_end(&w);
    *child = d;
    if (err != 0) {
        mutex_unlock(&i->mutex);
        if (!IS_ERR(d))
            dentry_put(d);
        path_put(dir);
    }
    return err;
}

void path_create_end(struct path *dir, struct dentry *child)
{
    if (child->inode)
        notify_child(dir->dentry->inode, child->name, child->length,
                     IN_CREATE | notify_isdir(child->inode));
    mutex_unlock(&dir->dentry->inode->mutex);
    dentry_put(child);
    path_put(dir);
}

/* ---- back to a name ---- */

struct name_builder {
    char *start, *at; /* filled from the end */
    bool full;
};

static void name_prepend(struct name_builder *b, const char *s, size_t n)
{
    if ((size_t)(b->at - b->start) < n) {
        b->full = true;
        return;
    }
    b->at -= n;
    memcpy(b->at, s, n);
}

/* Builds the names up to `root`.  Return: whether root was met. */
static bool name_build_locked(struct name_builder *b, struct path p, const struct path *root)
{
    while (!path_equal(&p, root)) {
        if (p.dentry == p.mount->root) {
            if (!p.mount->parent)
                return false;
            p.dentry = p.mount->mountpoint;
            p.mount = p.mount->parent;
            continue;
        }
        if (p.dentry->parent == p.dentry)
            return false;
        name_prepend(b, p.dentry->name, p.dentry->length);
        name_prepend(b, "/", 1);
        p.dentry = p.dentry->parent;
    }
    return true;
}

static const char deleted[] = " (deleted)";

/* Files without a place: "pipe:[7]", "anon_inode:[eventfd]", "/memfd:x (deleted)". */
static char *name_anonymous(const struct path *p, char *buf, size_t size)
{
    const char *name = p->dentry->name;
    int n;

    if (name[0] == '/')
        n = fmt_snprintf(buf, size, "%s%s", name, deleted);
    else if (strchr(name, ':'))
        n = fmt_snprintf(buf, size, "%s", name);
    else
        n = fmt_snprintf(buf, size, "%s:[%llu]", name, (unsigned long long)p->dentry->inode->ino);
    return (size_t)n < size ? buf : ERR_PTR(-ENAMETOOLONG);
}

char *path_name_from(const struct path *p, const struct path *root, char *buf, size_t size,
                     bool *reached)
{
    struct name_builder b = { .start = buf, .at = buf + size - 1 };

    *b.at = '\0';
    brlock_read(&fs_lock);
    if (p->dentry->flags & DENTRY_DELETED)
        name_prepend(&b, deleted, sizeof deleted - 1);
    char *names = b.at;
    bool met = name_build_locked(&b, *p, root ? root : &actor_current()->fs->root);
    brlock_read_done(&fs_lock);
    if (b.at == names)
        name_prepend(&b, "/", 1);
    if (reached)
        *reached = met;
    else if (!met)
        name_prepend(&b, "(unreachable)", 13);
    return b.full ? ERR_PTR(-ENAMETOOLONG) : b.at;
}

char *path_name(const struct path *p, char *buf, size_t size)
{
    /* A dentry that is nobody's child and no root: it was made without a place. */
    if (p->dentry->parent == p->dentry && p->dentry != p->dentry->sb->root)
        return name_anonymous(p, buf, size);
    return path_name_from(p, NULL, buf, size, NULL);
}

char *dentry_name(struct dentry *d, char *buf, size_t size)
{
    struct name_builder b = { .start = buf, .at = buf + size - 1 };

    *b.at = '\0';
    brlock_read(&fs_lock);
    for (; d->parent != d; d = d->parent) {
        name_prepend(&b, d->name, d->length);
        name_prepend(&b, "/", 1);
    }
    brlock_read_done(&fs_lock);
    if (*b.at == '\0')
        name_prepend(&b, "/", 1);
    return b.full ? ERR_PTR(-ENAMETOOLONG) : b.at;
}
