// SPDX-License-Identifier: CC0-1.0
/* Purpose: wait4, waitid. */
#include <abi/rusage.h>
#include <abi/syscalls_gen.h>
#include <fs/fdtable.h>
#include <proc/pidfd.h>
#include <proc/process.h>

#include <linux/fcntl.h>
#include <linux/wait.h>

#define WAIT_KINDS (__WNOTHREAD | __WCLONE | __WALL)

static void set_target(struct wait_request *w, pid_t pid)
{
    if (pid > 0)
        w->which = WAIT_PID, w->id = pid;
    else if (pid == -1)
        w->which = WAIT_ALL;
    else
        w->which = WAIT_GROUP, w->id = pid == 0 ? process_current()->group->id : -pid;
}

long sys_wait4(pid_t pid, int __user *status, int options, struct rusage __user *ru)
{
    struct wait_request w = { .options = (unsigned)options | WEXITED };
    err_t err;

    if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | (int)WAIT_KINDS))
        return -EINVAL;
    if (pid == INT_MIN)
        return -ESRCH;
    set_target(&w, pid);
    err = process_wait(&w);
    if (err || w.pid == 0)
        return err;
    if (status && user_store_u32((uint32_t __user *)status, (uint32_t)w.status))
        return -EFAULT;
    if (ru && rusage_copy_out(ru, &w.usage))
        return -EFAULT;
    return w.pid;
}

/* The process of a pidfd, and whether waiting for it must not block. */
static err_t pidfd_target(int fd, struct wait_request *w)
{
    struct fd f = fd_get(fd);
    struct process *p;

    if (!f.file)
        return -EBADF;
    p = pidfd_process(f.file);
    if (p) {
        w->which = WAIT_PID;
        w->id = p->id;
        if (f.file->flags & O_NONBLOCK)
            w->nonblock = true;
    }
    fd_put(f);
    return p ? 0 : -EBADF;
}

static err_t waitid_target(int which, pid_t id, struct wait_request *w)
{
    switch (which) {
    case P_ALL:
        w->which = WAIT_ALL;
        return 0;
    case P_PID:
        w->which = WAIT_PID;
        w->id = id;
        return id > 0 ? 0 : -EINVAL;
    case P_PGID:
        w->which = WAIT_GROUP;
        w->id = id ? id : process_current()->group->id;
        return id >= 0 ? 0 : -EINVAL;
    case P_PIDFD:
        return id >= 0 ? pidfd_target(id, w) : -EINVAL;
    default:
        return -EINVAL;
    }
}

/* The part of siginfo_t that waitid fills. */
struct wait_info {
    int signo, error, code, pad;
    int pid;
    unsigned uid;
    int status;
};

static err_t info_copy_out(siginfo_t __user *info, const struct wait_request *w)
{
    struct wait_info i = { 0 };

    if (w->pid)
        i = (struct wait_info){ .signo = SIGCHLD, .code = w->code, .pid = w->pid, .uid = w->uid,
                                .status = w->value };
    return copy_to_user(info, &i, sizeof i);
}

long sys_waitid(int which, pid_t id, siginfo_t __user *info, int options, struct rusage __user *ru)
{
    struct wait_request w = { .options = (unsigned)options };
    err_t err;

    if (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | (int)WAIT_KINDS))
        return -EINVAL;
    if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
        return -EINVAL;
    err = waitid_target(which, id, &w);
    if (err)
        return err;
    if (w.nonblock)
        w.options |= WNOHANG;
    err = process_wait(&w);
    if (!err && w.pid == 0 && w.nonblock && !(options & WNOHANG))
        err = -EAGAIN;
    if (!err && w.pid && ru)
        err = rusage_copy_out(ru, &w.usage);
    if (!err && info)
        err = info_copy_out(info, &w);
    return err;
}
