// SPDX-License-Identifier: CC0-1.0
/* Purpose: resource limits and usage. */
#include <abi/rusage.h>
#include <abi/syscalls_gen.h>
#include <hal/usercopy.h>
#include <proc/process.h>

#include <linux/capability.h>

/* struct rlimit and struct rlimit64 are the same on 64-bit machines. */
_Static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "rlimit");

long sys_getrlimit(unsigned resource, struct rlimit __user *rlim)
{
    struct rlimit64 old;
    err_t err = process_set_limit(process_current(), resource, NULL, &old);

    return err ? err : copy_to_user(rlim, &old, sizeof old);
}

long sys_setrlimit(unsigned resource, const struct rlimit __user *rlim)
{
    struct rlimit64 new;

    if (copy_from_user(&new, rlim, sizeof new))
        return -EFAULT;
    return process_set_limit(process_current(), resource, &new, NULL);
}

static err_t may_limit(struct process *p)
{
    const struct cred *mine = cred_current(), *theirs;
    bool same;

    if (p == process_current() || task_capable(CAP_SYS_RESOURCE))
        return 0;
    theirs = process_cred_get(p);
    if (!theirs)
        return -ESRCH;
    same = mine->uid == theirs->uid && mine->uid == theirs->euid && mine->uid == theirs->suid &&
           mine->gid == theirs->gid && mine->gid == theirs->egid && mine->gid == theirs->sgid;
    cred_put(theirs);
    return same ? 0 : -EPERM;
}

long sys_prlimit64(pid_t pid, unsigned resource, const struct rlimit64 __user *new,
                   struct rlimit64 __user *old)
{
    struct rlimit64 wanted, before;
    struct process *p;
    err_t err;

    if (new && copy_from_user(&wanted, new, sizeof wanted))
        return -EFAULT;
    p = process_get(pid ? pid : process_current()->id);
    if (!p)
        return -ESRCH;
    err = may_limit(p);
    if (!err)
        err = process_set_limit(p, resource, new ? &wanted : NULL, &before);
    process_put(p);
    if (!err && old)
        err = copy_to_user(old, &before, sizeof before);
    return err;
}

long sys_getrusage(int who, struct rusage __user *ru)
{
    struct process *p = process_current();
    struct rusage_sum sum;

    if (who == RUSAGE_SELF) {
        process_usage(p, &sum);
    } else if (who == RUSAGE_THREAD) {
        task_usage(task_current(), &sum);
    } else if (who == RUSAGE_CHILDREN) {
        process_children_usage(p, &sum);
    } else {
        return -EINVAL;
    }
    return rusage_copy_out(ru, &sum);
}
