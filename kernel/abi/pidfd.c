// SPDX-License-Identifier: CC0-1.0
/* Purpose: pidfd_open, pidfd_send_signal, pidfd_getfd. */
#include <abi/syscalls_gen.h>
#include <fs/fdtable.h>
#include <hal/usercopy.h>
#include <proc/pidfd.h>
#include <proc/process.h>

#include <linux/fcntl.h>

#ifndef PIDFD_NONBLOCK
#define PIDFD_NONBLOCK O_NONBLOCK
#endif

long sys_pidfd_open(pid_t pid, unsigned flags)
{
    struct process *p;
    struct file *f;
    err_t err;

    if ((flags & ~(unsigned)PIDFD_NONBLOCK) || pid <= 0)
        return -EINVAL;
    p = process_get(pid);
    if (!p) { /* a thread that leads no process: Linux 6.1 says EINVAL */
        struct task *t = task_get(pid);

        if (t)
            thread_put(&t->thread);
        return t ? -EINVAL : -ESRCH;
    }
    err = pidfd_create(p, flags | O_RDWR, &f);
    process_put(p);
    return err ? err : fd_install(f, 0, true);
}

static err_t signal_in(siginfo_t *info, const siginfo_t __user *user, int sig, struct process *p)
{
    if (!user) {
        signal_info_user(info, sig, SI_USER);
        return 0;
    }
    if (copy_from_user(info, user, sizeof *info))
        return -EFAULT;
    if (info->si_signo != sig)
        return -EINVAL;
    if ((info->si_code >= 0 || info->si_code == SI_TKILL) && p != process_current())
        return -EPERM;
    return 0;
}

static err_t send(struct process *p, int sig, const siginfo_t *info)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    err_t err = p->state == PROCESS_DEAD ? -ESRCH : signal_permitted(p, sig);

    if (!err && sig)
        err = signal_send_process(p, sig, info);
    brlock_read_irqrestore(&tree_lock, flags);
    return err;
}

long sys_pidfd_send_signal(int pidfd, int sig, siginfo_t __user *user, unsigned flags)
{
    struct fd f;
    struct process *p;
    siginfo_t info;
    err_t err;

    if (flags || sig < 0 || sig > SIG_COUNT)
        return -EINVAL;
    f = fd_get(pidfd);
    if (!f.file)
        return -EBADF;
    p = pidfd_process(f.file);
    if (!p)
        p = pidfd_directory_process(f.file);
    err = p ? signal_in(&info, user, sig, p) : -EBADF;
    if (!err)
        err = send(p, sig, &info);
    fd_put(f);
    return err;
}

/* A file of p's first task, with a reference. */
static struct file *file_of(struct process *p, int fd)
{
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    struct task *t = list_first_or_null(&p->tasks, struct task, process_link);
    struct fdtable *files = t ? t->actor.files : NULL;
    struct file *f;

    if (files)
        fdtable_get(files);
    spin_unlock_irqrestore(&p->signal_lock, flags);
    if (!files)
        return NULL;
    f = fdtable_file(files, fd);
    fdtable_put(files);
    return f;
}

long sys_pidfd_getfd(int pidfd, int fd, unsigned flags)
{
    struct file *file = NULL;
    struct process *p;
    struct fd f;
    err_t err;

    if (flags)
        return -EINVAL;
    f = fd_get(pidfd);
    if (!f.file)
        return -EBADF;
    p = pidfd_process(f.file);
    err = !p ? -EBADF : p->state != PROCESS_ALIVE ? -ESRCH : process_may_inspect(p);
    if (!err)
        file = file_of(p, fd);
    fd_put(f);
    if (err)
        return err;
    return file ? fd_install(file, 0, true) : -EBADF;
}
