// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: on whose behalf the file layer works: credentials, root and current directory, files.
 * Model: proc/ embeds one struct actor in each task and points thread->actor to it; the parts are
 * shared or copied by clone's flags, each with a count of its own.
 */
#pragma once

#include <core/spinlock.h>
#include <lib/atomic.h>
#include <lib/list.h>
#include <sched/thread.h>

#define CRED_GROUPS_MAX 65536

struct cred { /* constant once published: changes make a new one */
    refcount_t refs;
    uid_t uid, euid, suid, fsuid;
    gid_t gid, egid, sgid, fsgid;
    uint64_t cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
    uint32_t securebits;
    unsigned group_count;
    gid_t *groups; /* sorted; own memory */
};

struct cred *__must_check cred_copy(const struct cred *c); /* NULL: out of memory */
void cred_get(const struct cred *c);
void cred_put(const struct cred *c);
bool cred_in_group(const struct cred *c, gid_t gid);
static inline bool cred_capable(const struct cred *c, unsigned cap) /* CAP_* of <linux/capability.h> */
{
    return c->cap_effective >> cap & 1;
}
extern struct cred cred_kernel; /* root with everything */

struct mount;
struct dentry;
struct path {
    struct mount *mount;
    struct dentry *dentry;
};

struct fs_context {
    refcount_t refs;
    struct path root, cwd; /* LOCK_FS (see vfs.h); with references */
    unsigned umask; /* atomic */
    struct list link; /* of its part of all contexts; LOCK_FS_CONTEXTS of that */
    unsigned part; /* constant */
};

struct fdtable;
struct actor {
    const struct cred *cred; /* changed by its own thread alone */
    struct fs_context *fs;
    struct fdtable *files;
    const uint64_t *limit_fsize, *limit_nofile; /* of the process' rlimits; bytes, descriptors */
};

/* The running thread's; kernel threads act as root at the root of the first mount. */
extern struct actor actor_kernel;
static inline struct actor *actor_current(void)
{
    struct actor *a = thread_current()->actor;

    return likely(a != NULL) ? a : &actor_kernel;
}
static inline const struct cred *cred_current(void)
{
    return actor_current()->cred;
}

struct fs_context *__must_check fs_context_copy(struct fs_context *fs);
void fs_context_get(struct fs_context *fs);
void fs_context_put(struct fs_context *fs);
/* Copies with references, for /proc/PID/root and cwd. */
void fs_context_root(struct fs_context *fs, struct path *out);
void fs_context_cwd(struct fs_context *fs, struct path *out);
