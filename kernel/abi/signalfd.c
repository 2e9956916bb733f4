// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: signalfd: signals that are read and polled.
 *
 * Model: the file holds a set alone; whose signals it gives depends on who reads or polls it.  Sleepers
 * hang on the watch of their process (signal_watch_get), which the file keeps alive as long as an
 * epoll set may have hooks on it.
 * Locking: signalfd.lock (LOCK_PIPE) for the list of watches; the set is atomic.
 * Source: signalfd(2).
 */
#include <abi/syscalls_gen.h>

#include <fs/fdtable.h>
#include <fs/poll.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/process.h>

#include <asm/siginfo.h>
#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/signalfd.h>

struct signalfd {
    uint64_t set; /* atomic */
    struct spinlock lock;
    struct list watches; /* of kept_watch; lock */
};

struct kept_watch {
    struct list link; /* lock */
    struct signal_watch *watch; /* with a reference */
};

/* ---- what is told of a signal ---------------------------------------------------------------- */

static void tell_fault(struct signalfd_siginfo *out, const siginfo_t *in)
{
    out->ssi_addr = (uintptr_t)in->si_addr;
    if (in->si_signo == SIGBUS && (in->si_code == BUS_MCEERR_AR || in->si_code == BUS_MCEERR_AO))
        out->ssi_addr_lsb = (uint16_t)in->si_addr_lsb;
}

static void tell_child(struct signalfd_siginfo *out, const siginfo_t *in)
{
    out->ssi_pid = (uint32_t)in->si_pid;
    out->ssi_uid = in->si_uid;
    out->ssi_status = in->si_status;
    out->ssi_utime = (uint64_t)in->si_utime;
    out->ssi_stime = (uint64_t)in->si_stime;
}

static void tell_value(struct signalfd_siginfo *out, const siginfo_t *in)
{
    out->ssi_ptr = (uintptr_t)in->si_ptr;
    out->ssi_int = in->si_int;
}

/* A signal that the kernel sent for a reason of its own (si_code > 0). */
static void tell_kernel(struct signalfd_siginfo *out, const siginfo_t *in)
{
    switch (in->si_signo) {
    case SIGILL:
    case SIGFPE:
    case SIGSEGV:
    case SIGBUS:
    case SIGTRAP:
        tell_fault(out, in);
        break;
    case SIGCHLD:
        tell_child(out, in);
        break;
    case SIGPOLL:
        out->ssi_band = (uint32_t)in->si_band;
        out->ssi_fd = in->si_fd;
        break;
    case SIGSYS:
        out->ssi_call_addr = (uintptr_t)in->si_call_addr;
        out->ssi_syscall = in->si_syscall;
        out->ssi_arch = in->si_arch;
        break;
    default:
        break;
    }
}

static void tell(struct signalfd_siginfo *out, const siginfo_t *in)
{
    memset(out, 0, sizeof *out);
    out->ssi_signo = (uint32_t)in->si_signo;
    out->ssi_errno = in->si_errno;
    out->ssi_code = in->si_code;
    if (in->si_code > SI_USER && in->si_code < SI_KERNEL) {
        tell_kernel(out, in);
    } else if (in->si_code == SI_TIMER) {
        out->ssi_tid = (uint32_t)in->si_tid;
        out->ssi_overrun = (uint32_t)in->si_overrun;
        tell_value(out, in);
    } else if (in->si_code == SI_SIGIO) {
        out->ssi_band = (uint32_t)in->si_band;
        out->ssi_fd = in->si_fd;
    } else {
        out->ssi_pid = (uint32_t)in->si_pid;
        out->ssi_uid = in->si_uid;
        if (in->si_code < SI_USER)
            tell_value(out, in);
    }
}

/* ---- the file -------------------------------------------------------------------------------- */

static bool take(struct signalfd *s, siginfo_t *info)
{
    return signal_take(task_current(), atomic_load(&s->set), info) != 0;
}

static err_t wait_for_signal(struct signalfd *s, siginfo_t *info)
{
    struct signal_watch *w;
    err_t err;

    if (take(s, info))
        return 0;
    w = signal_watch_get();
    if (!w)
        return -ENOMEM;
    err = wait_event_intr(&w->waiters, take(s, info));
    signal_watch_put(w);
    return err;
}

/* As many as fit; only the first is waited for. */
static ssize_t signalfd_read(struct file *f, struct uio *u, off_t *pos __maybe_unused)
{
    struct signalfd *s = f->data;
    struct signalfd_siginfo out;
    bool wait = !(f->flags & O_NONBLOCK);
    ssize_t done = 0;
    siginfo_t info;

    if (u->left < sizeof out)
        return -EINVAL;
    while (u->left >= sizeof out) {
        err_t err = wait ? wait_for_signal(s, &info) : take(s, &info) ? 0 : -EAGAIN;

        if (err)
            return done ? done : err;
        tell(&out, &info);
        if (uio_copy_to(u, &out, sizeof out) < sizeof out)
            return done ? done : -EFAULT;
        done += (ssize_t)sizeof out;
        wait = false;
    }
    return done;
}

/* Gives back the watches of processes that are gone, once nothing hangs on them.  lock held. */
static void forget_gone(struct signalfd *s)
{
    struct kept_watch *k, *next;

    list_for_each_safe(k, next, &s->watches, link) {
        if (ref_read(&k->watch->refs) > 1 || waitq_active(&k->watch->waiters))
            continue;
        list_del(&k->link);
        signal_watch_put(k->watch);
        kfree(k);
    }
}

/* Keeps `w`, whose reference it takes over, with the file. */
static err_t keep_watch(struct signalfd *s, struct signal_watch *w)
{
    struct kept_watch *new = kzalloc(sizeof *new), *k;
    bool known = false;

    if (new) {
        spin_lock(&s->lock);
        forget_gone(s);
        list_for_each(k, &s->watches, link)
            known |= k->watch == w;
        if (!known) {
            new->watch = w;
            list_add_tail(&s->watches, &new->link);
        }
        spin_unlock(&s->lock);
        if (!known)
            return 0;
    }
    kfree(new);
    signal_watch_put(w);
    return known ? 0 : -ENOMEM;
}

static unsigned signalfd_poll(struct file *f, struct poll_table *pt)
{
    struct signalfd *s = f->data;

    if (pt && pt->queue) {
        struct signal_watch *w = signal_watch_get();

        if (!w || keep_watch(s, w))
            return POLLERR;
        poll_wait(pt, f, &w->waiters);
    }
    return signal_pending_set(task_current()) & atomic_load(&s->set) ? POLLIN : 0;
}

static void signalfd_release(struct file *f)
{
    struct signalfd *s = f->data;
    struct kept_watch *k, *next;

    list_for_each_safe(k, next, &s->watches, link) {
        signal_watch_put(k->watch);
        kfree(k);
    }
    kfree(s);
}

static const struct file_ops signalfd_ops = { .read = signalfd_read, .poll = signalfd_poll,
                                              .release = signalfd_release,
                                              .seek = file_seek_nowhere };

/* ---- system calls ---------------------------------------------------------------------------- */

static long signalfd_create(uint64_t set, int flags)
{
    struct signalfd *s;
    struct file *f;
    err_t err;
    int fd = fd_reserve(0, flags & SFD_CLOEXEC);

    if (fd < 0)
        return fd;
    s = kzalloc(sizeof *s);
    err = s ? 0 : -ENOMEM;
    if (s) {
        s->set = set;
        spin_init(&s->lock, LOCK_PIPE);
        list_init(&s->watches);
        err = file_create_anon("anon_inode:[signalfd]", &signalfd_ops, s,
                               O_RDWR | ((unsigned)flags & SFD_NONBLOCK), &f);
    }
    if (err) {
        kfree(s);
        fd_unreserve(fd);
        return err;
    }
    fd_fill(fd, f);
    return fd;
}

static long signalfd_change(int fd, uint64_t set)
{
    struct fd f = fd_get(fd);
    struct signalfd *s;

    if (!f.file)
        return -EBADF;
    if (f.file->ops != &signalfd_ops) {
        fd_put(f);
        return -EINVAL;
    }
    s = f.file->data;
    atomic_store(&s->set, set);
    signal_watch_wake(); /* what is pending may have become readable */
    fd_put(f);
    return fd;
}

long sys_signalfd4(int fd, const sigset_t __user *mask, size_t size, int flags)
{
    uint64_t set;

    if (size != sizeof set)
        return -EINVAL;
    if (user_load_u64((const uint64_t __user *)mask, &set))
        return -EFAULT;
    if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
        return -EINVAL;
    set &= ~SIGNALS_FORCED;
    return fd == -1 ? signalfd_create(set, flags) : signalfd_change(fd, set);
}

long sys_signalfd(int fd, const sigset_t __user *mask, size_t size)
{
    return sys_signalfd4(fd, mask, size, 0);
}
