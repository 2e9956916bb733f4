// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: user and group ids, supplementary groups, capabilities.
 * Model: each change copies the credentials, edits the copy, and publishes it; credentials(7),
 * capabilities(7) "Effect of user ID changes on capabilities".
 */
#include <abi/syscalls_gen.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/process.h>

#include <linux/capability.h>
#include <linux/securebits.h>

#define ID_NONE ((unsigned)-1) /* leave it as it is */
#define CAPS_FILE                                                                                  \
    (BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) |         \
     BIT(CAP_FSETID) | BIT(CAP_LINUX_IMMUTABLE) | BIT(CAP_MKNOD) | BIT(CAP_MAC_OVERRIDE))
#define CAPS_ALL (BIT(CAP_LAST_CAP + 1) - 1)

static bool may_set_uid(void)
{
    return task_capable(CAP_SETUID);
}

static bool may_set_gid(void)
{
    return task_capable(CAP_SETGID);
}

/* ---- reading ------------------------------------------------------------------------------- */

long sys_getuid(void)
{
    return cred_current()->uid;
}

long sys_geteuid(void)
{
    return cred_current()->euid;
}

long sys_getgid(void)
{
    return cred_current()->gid;
}

long sys_getegid(void)
{
    return cred_current()->egid;
}

static long three_out(unsigned __user *a, unsigned va, unsigned __user *b, unsigned vb,
                      unsigned __user *c, unsigned vc)
{
    if (user_store_u32(a, va) || user_store_u32(b, vb) || user_store_u32(c, vc))
        return -EFAULT;
    return 0;
}

long sys_getresuid(uid_t __user *ruid, uid_t __user *euid, uid_t __user *suid)
{
    const struct cred *c = cred_current();

    return three_out(ruid, c->uid, euid, c->euid, suid, c->suid);
}

long sys_getresgid(gid_t __user *rgid, gid_t __user *egid, gid_t __user *sgid)
{
    const struct cred *c = cred_current();

    return three_out(rgid, c->gid, egid, c->egid, sgid, c->sgid);
}

/* ---- user ids ------------------------------------------------------------------------------ */

static bool any_root(const struct cred *c)
{
    return c->uid == 0 || c->euid == 0 || c->suid == 0;
}

static void fix_caps(struct cred *new, const struct cred *old)
{
    if (new->securebits & issecure_mask(SECURE_NO_SETUID_FIXUP))
        return;
    if (any_root(old) && !any_root(new)) {
        if (!(new->securebits & issecure_mask(SECURE_KEEP_CAPS)))
            new->cap_permitted = new->cap_effective = 0;
        new->cap_ambient = 0;
    }
    if (old->euid == 0 && new->euid != 0)
        new->cap_effective = 0;
    if (old->euid != 0 && new->euid == 0)
        new->cap_effective = new->cap_permitted;
}

static long publish_uid(struct cred *new)
{
    const struct cred *old = cred_current();

    new->fsuid = new->euid;
    fix_caps(new, old);
    if (new->euid != old->euid || new->uid != old->uid)
        process_current()->dumpable = false;
    task_set_cred(task_current(), new);
    return 0;
}

static long publish_gid(struct cred *new)
{
    new->fsgid = new->egid;
    if (new->egid != cred_current()->egid)
        process_current()->dumpable = false;
    task_set_cred(task_current(), new);
    return 0;
}

long sys_setuid(uid_t uid)
{
    const struct cred *old = cred_current();
    struct cred *new;

    if (uid == ID_NONE)
        return -EINVAL;
    if (!may_set_uid() && uid != old->uid && uid != old->suid)
        return -EPERM;
    new = cred_copy(old);
    if (!new)
        return -ENOMEM;
    if (may_set_uid())
        new->uid = new->suid = uid;
    new->euid = uid;
    return publish_uid(new);
}

long sys_setreuid(uid_t ruid, uid_t euid)
{
    const struct cred *old = cred_current();
    struct cred *new;

    if (!may_set_uid() &&
        ((ruid != ID_NONE && ruid != old->uid && ruid != old->euid) ||
         (euid != ID_NONE && euid != old->uid && euid != old->euid && euid != old->suid)))
        return -EPERM;
    new = cred_copy(old);
    if (!new)
        return -ENOMEM;
    if (ruid != ID_NONE)
        new->uid = ruid;
    if (euid != ID_NONE)
        new->euid = euid;
    if (ruid != ID_NONE || (euid != ID_NONE && euid != old->uid))
        new->suid = new->euid;
    return publish_uid(new);
}

static bool uid_is_mine(const struct cred *c, uid_t id)
{
    return id == ID_NONE || id == c->uid || id == c->euid || id == c->suid;
}

long sys_setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
    const struct cred *old = cred_current();
    struct cred *new;

    if (!may_set_uid() &&
        !(uid_is_mine(old, ruid) && uid_is_mine(old, euid) && uid_is_mine(old, suid)))
        return -EPERM;
    new = cred_copy(old);
    if (!new)
        return -ENOMEM;
    new->uid = ruid != ID_NONE ? ruid : old->uid;
    new->euid = euid != ID_NONE ? euid : old->euid;
    new->suid = suid != ID_NONE ? suid : old->suid;
    return publish_uid(new);
}

/* Returns the former id; there is no error. */
long sys_setfsuid(uid_t uid)
{
    const struct cred *old = cred_current();
    uid_t before = old->fsuid;
    struct cred *new;

    if (uid == before || uid == ID_NONE ||
        (!may_set_uid() && !uid_is_mine(old, uid)))
        return before;
    new = cred_copy(old);
    if (!new)
        return before;
    new->fsuid = uid;
    if (before == 0)
        new->cap_effective &= ~CAPS_FILE;
    if (uid == 0)
        new->cap_effective |= new->cap_permitted & CAPS_FILE;
    task_set_cred(task_current(), new);
    return before;
}

/* ---- group ids ----------------------------------------------------------------------------- */

long sys_setgid(gid_t gid)
{
    const struct cred *old = cred_current();
    struct cred *new;

    if (gid == ID_NONE)
        return -EINVAL;
    if (!may_set_gid() && gid != old->gid && gid != old->sgid)
        return -EPERM;
    new = cred_copy(old);
    if (!new)
        return -ENOMEM;
    if (may_set_gid())
        new->gid = new->sgid = gid;
    new->egid = gid;
    return publish_gid(new);
}

long sys_setregid(gid_t rgid, gid_t egid)
{
    const struct cred *old = cred_current();
    struct cred *new;

    if (!may_set_gid() &&
        ((rgid != ID_NONE && rgid != old->gid && rgid != old->egid) ||
         (egid != ID_NONE && egid != old->gid && egid != old->egid && egid != old->sgid)))
        return -EPERM;
    new = cred_copy(old);
    if (!new)
        return -ENOMEM;
    if (rgid != ID_NONE)
        new->gid = rgid;
    if (egid != ID_NONE)
        new->egid = egid;
    if (rgid != ID_NONE || (egid != ID_NONE && egid != old->gid))
        new->sgid = new->egid;
    return publish_gid(new);
}

static bool gid_is_mine(const struct cred *c, gid_t id)
{
    return id == ID_NONE || id == c->gid || id == c->egid || id == c->sgid;
}

long sys_setresgid(gid_t rgid, gid_t egid, gid_t sgid)
{
    const struct cred *old = cred_current();
    struct cred *new;

    if (!may_set_gid() &&
        !(gid_is_mine(old, rgid) && gid_is_mine(old, egid) && gid_is_mine(old, sgid)))
        return -EPERM;
    new = cred_copy(old);
    if (!new)
        return -ENOMEM;
    new->gid = rgid != ID_NONE ? rgid : old->gid;
    new->egid = egid != ID_NONE ? egid : old->egid;
    new->sgid = sgid != ID_NONE ? sgid : old->sgid;
    return publish_gid(new);
}

long sys_setfsgid(gid_t gid)
{
    const struct cred *old = cred_current();
    gid_t before = old->fsgid;
    struct cred *new;

    if (gid == before || gid == ID_NONE || (!may_set_gid() && !gid_is_mine(old, gid)))
        return before;
    new = cred_copy(old);
    if (!new)
        return before;
    new->fsgid = gid;
    task_set_cred(task_current(), new);
    return before;
}

/* ---- supplementary groups ------------------------------------------------------------------ */

long sys_getgroups(int n, gid_t __user *list)
{
    const struct cred *c = cred_current();

    if (n < 0)
        return -EINVAL;
    if (n == 0)
        return c->group_count;
    if ((unsigned)n < c->group_count)
        return -EINVAL;
    if (copy_to_user(list, c->groups, c->group_count * sizeof *c->groups))
        return -EFAULT;
    return c->group_count;
}

/* Shell sort: no recursion, no memory, fast enough for 65536. */
static void sort_groups(gid_t *g, size_t n)
{
    for (size_t gap = n / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < n; i++) {
            gid_t v = g[i];
            size_t j = i;

            for (; j >= gap && g[j - gap] > v; j -= gap)
                g[j] = g[j - gap];
            g[j] = v;
        }
    }
}

long sys_setgroups(int n, const gid_t __user *list)
{
    struct cred *new;
    gid_t *groups = NULL;

    if (!may_set_gid())
        return -EPERM;
    if (n < 0 || n > CRED_GROUPS_MAX)
        return -EINVAL;
    if (n) {
        groups = kmalloc((size_t)n * sizeof *groups);
        if (!groups)
            return -ENOMEM;
        if (copy_from_user(groups, list, (size_t)n * sizeof *groups)) {
            kfree(groups);
            return -EFAULT;
        }
        sort_groups(groups, (size_t)n);
    }
    new = cred_copy(cred_current());
    if (!new) {
        kfree(groups);
        return -ENOMEM;
    }
    kfree(new->groups);
    new->groups = groups;
    new->group_count = (unsigned)n;
    task_set_cred(task_current(), new);
    return 0;
}

/* ---- capabilities -------------------------------------------------------------------------- */

/* Words of 32 bits by version; 0: unknown, and the kernel's own version was written back. */
static long cap_words(struct __user_cap_header_struct __user *hdr,
                      struct __user_cap_header_struct *h, unsigned *words)
{
    if (copy_from_user(h, hdr, sizeof *h))
        return -EFAULT;
    switch (h->version) {
    case _LINUX_CAPABILITY_VERSION_1:
        *words = 1;
        return 0;
    case _LINUX_CAPABILITY_VERSION_2:
    case _LINUX_CAPABILITY_VERSION_3:
        *words = 2;
        return 0;
    default:
        h->version = _LINUX_CAPABILITY_VERSION_3;
        if (copy_to_user(hdr, h, sizeof *h))
            return -EFAULT;
        *words = 0;
        return -EINVAL;
    }
}

long sys_capget(struct __user_cap_header_struct __user *hdr,
                struct __user_cap_data_struct __user *data)
{
    struct __user_cap_header_struct h;
    struct __user_cap_data_struct d[2] = { 0 };
    const struct cred *c;
    struct process *p;
    unsigned words;
    long err = cap_words(hdr, &h, &words);

    if (err)
        return err == -EINVAL && !data ? 0 : err;
    if (h.pid < 0)
        return -EINVAL;
    p = h.pid ? process_get(h.pid) : NULL;
    if (h.pid && !p)
        return -ESRCH;
    c = p ? process_cred_get(p) : cred_current();
    for (unsigned i = 0; i < words && c; i++) {
        d[i].effective = (uint32_t)(c->cap_effective >> 32 * i);
        d[i].permitted = (uint32_t)(c->cap_permitted >> 32 * i);
        d[i].inheritable = (uint32_t)(c->cap_inheritable >> 32 * i);
    }
    if (p && c)
        cred_put(c);
    if (p)
        process_put(p);
    return data ? copy_to_user(data, d, words * sizeof d[0]) : 0;
}

long sys_capset(struct __user_cap_header_struct __user *hdr,
                const struct __user_cap_data_struct __user *data)
{
    const struct cred *old = cred_current();
    struct __user_cap_header_struct h;
    struct __user_cap_data_struct d[2] = { 0 };
    uint64_t effective, permitted, inheritable;
    struct cred *new;
    unsigned words;
    long err = cap_words(hdr, &h, &words);

    if (err)
        return err;
    if (h.pid != 0 && h.pid != task_current()->id)
        return -EPERM;
    if (copy_from_user(d, data, words * sizeof d[0]))
        return -EFAULT;
    effective = (d[0].effective | (uint64_t)d[1].effective << 32) & CAPS_ALL;
    permitted = (d[0].permitted | (uint64_t)d[1].permitted << 32) & CAPS_ALL;
    inheritable = (d[0].inheritable | (uint64_t)d[1].inheritable << 32) & CAPS_ALL;
    if ((permitted & ~old->cap_permitted) || (effective & ~permitted))
        return -EPERM;
    if (inheritable & ~(old->cap_inheritable | (task_capable(CAP_SETPCAP) ? old->cap_bounding
                                                                          : old->cap_permitted)))
        return -EPERM;
    new = cred_copy(old);
    if (!new)
        return -ENOMEM;
    new->cap_effective = effective;
    new->cap_permitted = permitted;
    new->cap_inheritable = inheritable;
    new->cap_ambient &= permitted & inheritable;
    task_set_cred(task_current(), new);
    return 0;
}
