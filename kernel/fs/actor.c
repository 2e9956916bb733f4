// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: credentials, directories of a process, and the kernel's own actor.
 * Model: see actor.h.
 * Locking: credentials are constant once published; fs_context's paths under fs_lock.
 */
#include <fs/actor.h>

#include <fs/fdtable.h>
#include <core/panic.h>
#include <fs/internal.h>
#include <lib/string.h>
#include <mm/heap.h>

struct cred cred_kernel = {
    .refs = REFCOUNT_INIT(1),
    .cap_effective = (1ull << 41) - 1, /* CAP_LAST_CAP is 40 */
    .cap_permitted = (1ull << 41) - 1,
    .cap_bounding = (1ull << 41) - 1,
};

static struct fs_context fs_context_kernel = { .refs = REFCOUNT_INIT(1), .umask = 0022,
                                               .link = LIST_INIT(fs_context_kernel.link) };
struct fs_context_part fs_context_parts[FS_CONTEXT_PARTS];
static const uint64_t limit_none = UINT64_MAX;
static const uint64_t limit_kernel_files = 1024;

struct actor actor_kernel = {
    .cred = &cred_kernel,
    .fs = &fs_context_kernel,
    .limit_fsize = &limit_none,
    .limit_nofile = &limit_kernel_files,
};

struct cred *cred_copy(const struct cred *c)
{
    struct cred *n = kmalloc(sizeof *n);

    if (!n)
        return NULL;
    *n = *c;
    ref_init(&n->refs, 1);
    n->groups = NULL;
    if (c->group_count != 0) {
        n->groups = kmalloc(c->group_count * sizeof *n->groups);
        if (!n->groups) {
            kfree(n);
            return NULL;
        }
        memcpy(n->groups, c->groups, c->group_count * sizeof *n->groups);
    }
    return n;
}

void cred_get(const struct cred *c)
{
    ref_get(&((struct cred *)c)->refs);
}

void cred_put(const struct cred *c)
{
    struct cred *mine = (struct cred *)c;

    if (!ref_put(&mine->refs))
        return;
    kfree(mine->groups);
    kfree(mine);
}

bool cred_in_group(const struct cred *c, gid_t gid)
{
    unsigned lo = 0, hi = c->group_count;

    if (gid == c->fsgid)
        return true;
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;

        if (c->groups[mid] == gid)
            return true;
        if (c->groups[mid] < gid)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

/* fs_lock held for reading. */
static void context_list(struct fs_context *fs)
{
    fs->part = cpu_current()->id % FS_CONTEXT_PARTS;
    struct fs_context_part *part = &fs_context_parts[fs->part];

    spin_lock(&part->lock);
    list_add_tail(&part->contexts, &fs->link);
    spin_unlock(&part->lock);
}

static void context_unlist(struct fs_context *fs)
{
    struct fs_context_part *part = &fs_context_parts[fs->part];

    spin_lock(&part->lock);
    list_del(&fs->link);
    spin_unlock(&part->lock);
}

void actor_kernel_init(const struct path *root)
{
    for (unsigned i = 0; i < FS_CONTEXT_PARTS; i++) {
        spin_init(&fs_context_parts[i].lock, LOCK_FS_CONTEXTS);
        list_init(&fs_context_parts[i].contexts);
    }
    fs_context_kernel.root = fs_context_kernel.cwd = *root;
    path_get(root);
    path_get(root);
    brlock_read(&fs_lock);
    context_list(&fs_context_kernel);
    brlock_read_done(&fs_lock);
    actor_kernel.files = fdtable_create();
    K_ASSERT(actor_kernel.files);
    fdtable_get(actor_kernel.files); /* kernel threads share it */
}

static void fs_context_path(struct fs_context *fs, const struct path *from, struct path *out)
{
    brlock_read(&fs_lock);
    *out = *from;
    if (out->dentry)
        path_get(out);
    brlock_read_done(&fs_lock);
}

void fs_context_root(struct fs_context *fs, struct path *out)
{
    fs_context_path(fs, &fs->root, out);
}

void fs_context_cwd(struct fs_context *fs, struct path *out)
{
    fs_context_path(fs, &fs->cwd, out);
}

struct fs_context *fs_context_copy(struct fs_context *fs)
{
    struct fs_context *n = kmalloc(sizeof *n);

    if (!n)
        return NULL;
    ref_init(&n->refs, 1);
    n->umask = atomic_load_relaxed(&fs->umask);
    brlock_read(&fs_lock);
    n->root = fs->root;
    n->cwd = fs->cwd;
    if (n->root.dentry) {
        path_get(&n->root);
        path_get(&n->cwd);
    }
    context_list(n);
    brlock_read_done(&fs_lock);
    return n;
}

void fs_context_get(struct fs_context *fs)
{
    ref_get(&fs->refs);
}

void fs_context_put(struct fs_context *fs)
{
    if (!ref_put(&fs->refs))
        return;
    brlock_read(&fs_lock);
    context_unlist(fs);
    brlock_read_done(&fs_lock);
    path_put(&fs->root);
    path_put(&fs->cwd);
    kfree(fs);
}
