// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fork, vfork, clone, clone3: decoding.
 * Source: clone(2).  The order of clone's last arguments is the architecture's (<asm/unistd.h>: both
 * Linux ports here use CONFIG_CLONE_BACKWARDS or not).
 */
#include <abi/syscalls_gen.h>
#include <hal/abi.h>
#include <lib/string.h>
#include <proc/process.h>

#include <linux/sched.h>

#define CLONE_LEGACY_MASK 0xffffffffull

long sys_fork(void)
{
    return task_clone(&(struct clone_request){ .exit_signal = SIGCHLD });
}

long sys_vfork(void)
{
    return task_clone(&(struct clone_request){ .flags = CLONE_VFORK | CLONE_VM,
                                               .exit_signal = SIGCHLD });
}

long sys_clone(unsigned long flags, vaddr_t stack, int __user *ptid, unsigned long a3,
               unsigned long a4)
{
    /* arm64: tls, child_tid; x86_64: child_tid, tls. */
    bool tls_first = ABI_CLONE_TLS_FIRST;
    int __user *child_tid = USER_PTR(int, tls_first ? a4 : a3);

    struct clone_request r = {
        .flags = flags & CLONE_LEGACY_MASK & ~(uint64_t)CSIGNAL,
        .exit_signal = (int)(flags & CSIGNAL),
        .stack = stack,
        .tls = tls_first ? a3 : a4,
        .parent_tid = ptid,
        .child_tid = child_tid,
        .pidfd = ptid,
    };

    if ((r.flags & CLONE_PIDFD) && (r.flags & CLONE_PARENT_SETTID))
        return -EINVAL;
    return task_clone(&r);
}

/* ---- clone3 -------------------------------------------------------------------------------- */

#define SET_TID_MAX 32

/* Copies a struct that may be longer than ours: what we do not know must be zero. */
static err_t copy_args(struct clone_args *a, const struct clone_args __user *user, size_t size)
{
    const char __user *rest = (const char __user *)user + sizeof *a;

    if (size > PAGE_SIZE)
        return -E2BIG;
    if (size < CLONE_ARGS_SIZE_VER0)
        return -EINVAL;
    memset(a, 0, sizeof *a);
    if (copy_from_user(a, user, MIN(size, sizeof *a)))
        return -EFAULT;
    for (size_t left = size > sizeof *a ? size - sizeof *a : 0; left > 0; left--, rest++) {
        char c;

        if (copy_from_user(&c, rest, 1))
            return -EFAULT;
        if (c)
            return -E2BIG;
    }
    return 0;
}

static err_t check_args(const struct clone_args *a)
{
    if (a->flags & ~(CLONE_LEGACY_MASK | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP))
        return -EINVAL;
    if (a->flags & (CSIGNAL | CLONE_DETACHED))
        return -EINVAL;
    if (a->exit_signal > SIG_COUNT ||
        ((a->flags & (CLONE_THREAD | CLONE_PARENT)) && a->exit_signal))
        return -EINVAL;
    if (!a->stack != !a->stack_size || a->stack >= USER_TOP || a->stack_size > USER_TOP - a->stack)
        return -EINVAL;
    if (a->set_tid_size > SET_TID_MAX || !a->set_tid != !a->set_tid_size)
        return -EINVAL;
    /* There is one pid namespace. */
    return a->set_tid_size > 1 ? -EINVAL : 0;
}

long sys_clone3(struct clone_args __user *user, size_t size)
{
    struct clone_args a;
    struct clone_request r;
    pid_t set_tid = 0;
    err_t err = copy_args(&a, user, size);

    if (!err)
        err = check_args(&a);
    if (!err && a.set_tid_size)
        err = copy_from_user(&set_tid, USER_PTR(void, a.set_tid), sizeof set_tid);
    if (err)
        return err;
    r = (struct clone_request){
        .flags = a.flags,
        .exit_signal = (int)a.exit_signal,
        .stack = a.stack ? a.stack + a.stack_size : 0,
        .tls = a.tls,
        .parent_tid = USER_PTR(int, a.parent_tid),
        .child_tid = USER_PTR(int, a.child_tid),
        .pidfd = USER_PTR(int, a.pidfd),
        .set_tid = &set_tid,
        .set_tid_count = a.set_tid_size,
    };
    return task_clone(&r);
}

/* Nothing can be unshared but what tasks share anyway; there are no namespaces. */
long sys_unshare(unsigned long flags)
{
    struct task *t = task_current();

    if (flags & ~(unsigned long)(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_THREAD |
                                 CLONE_SIGHAND | CLONE_VM))
        return -EINVAL;
    if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) && t->process->task_count > 1)
        return -EINVAL;
    if (flags & CLONE_SYSVSEM)
        task_put_undos(t);
    return task_unshare(flags & CLONE_FS, flags & CLONE_FILES);
}
