// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: waiting for one of many descriptors: poll, select, epoll.
 * Source: poll(2), select(2), epoll_ctl(2), epoll_wait(2).
 *
 * Restart: poll goes on with the same deadline through restart_syscall; with a signal mask of its own
 * and in select, an interruption is EINTR or a restart from the start, as on Linux.  ppoll, pselect
 * and select write back the time that is left.
 */
#include <abi/syscalls_gen.h>

#include <abi/timespec.h>
#include <fs/epoll.h>
#include <fs/fdtable.h>
#include <fs/poll.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/process.h>

#include <linux/fcntl.h>
#include <linux/poll.h>

#define POLL_INLINE 16

/* ---- signal masks, deadlines ----------------------------------------------------------------- */

/* Installs the mask of a p-call, when there is one. 0, -EINVAL, -EFAULT. */
static err_t mask_begin(const sigset_t __user *mask, size_t size)
{
    uint64_t set;

    if (!mask)
        return 0;
    if (size != sizeof set)
        return -EINVAL;
    if (copy_from_user(&set, mask, sizeof set))
        return -EFAULT;
    signal_mask_begin(set);
    return 0;
}

static void mask_end(const sigset_t __user *mask, long ret)
{
    if (mask)
        signal_mask_end(ret == -ERESTARTNOHAND || ret == -EINTR);
}

/* *deadline of a relative timeout; NS_NEVER when there is none. */
static err_t deadline_in(const struct __kernel_timespec __user *timeout, ns_t *deadline)
{
    struct __kernel_timespec ts;

    *deadline = NS_NEVER;
    if (!timeout)
        return 0;
    if (copy_from_user(&ts, timeout, sizeof ts))
        return -EFAULT;
    if (!timespec_valid(&ts))
        return -EINVAL;
    *deadline = ts.tv_sec == 0 && ts.tv_nsec == 0 ? 0 : timespec_deadline(&ts);
    return 0;
}

static struct __kernel_timespec time_left(ns_t deadline)
{
    ns_t now = clock_monotonic(), left = deadline > now ? deadline - now : 0;

    return (struct __kernel_timespec){ .tv_sec = (long long)(left / NS_PER_SEC),
                                       .tv_nsec = (long long)(left % NS_PER_SEC) };
}

static void deadline_out(struct __kernel_timespec __user *timeout, ns_t deadline)
{
    struct __kernel_timespec ts;

    if (!timeout || deadline == NS_NEVER)
        return;
    ts = time_left(deadline);
    (void)!copy_to_user(timeout, &ts, sizeof ts); /* a read-only timeout is not an error */
}

/* ---- poll ------------------------------------------------------------------------------------ */

static unsigned ask_one(struct poller *p, int number, unsigned wanted)
{
    struct fd f;
    unsigned found;

    if (number < 0)
        return 0;
    f = fd_get(number);
    if (!f.file)
        return POLLNVAL;
    found = poller_ask(p, f.file, wanted);
    fd_put(f);
    return found;
}

static long poll_round(struct poller *p, struct pollfd *v, unsigned n)
{
    long ready = 0;

    for (unsigned i = 0; i < n; i++) {
        unsigned found = ask_one(p, v[i].fd, (unsigned short)v[i].events);
        v[i].revents = (short)(found & ((unsigned short)v[i].events | POLLERR | POLLHUP | POLLNVAL));
        ready += v[i].revents != 0;
    }
    return ready;
}

static long poll_wait_all(struct pollfd *v, unsigned n, ns_t deadline)
{
    struct poller p;
    long ready;
    err_t err = 0;

    poller_init(&p);
    while ((ready = poll_round(&p, v, n)) == 0 && deadline != 0) {
        err = poller_sleep(&p, deadline);
        if (err == -ETIMEDOUT) {
            ready = poll_round(&p, v, n);
            err = 0;
            break;
        }
        if (err)
            break;
    }
    poller_done(&p);
    return err ? err : ready;
}

static err_t results_out(struct pollfd __user *to, const struct pollfd *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (copy_to_user(&to[i].revents, &v[i].revents, sizeof v[i].revents))
            return -EFAULT;
    return 0;
}

/* -ERESTARTSYS when a signal came first. */
static long poll_files(struct pollfd __user *fds, unsigned n, ns_t deadline)
{
    struct pollfd fast[POLL_INLINE], *v = fast;
    long ret;

    if (n > atomic_load_relaxed(actor_current()->limit_nofile))
        return -EINVAL;
    if (n > POLL_INLINE) {
        v = kcalloc(n, sizeof *v);
        if (!v)
            return -ENOMEM;
    }
    ret = copy_from_user(v, fds, n * sizeof *v);
    if (!ret)
        ret = poll_wait_all(v, n, deadline);
    if (ret >= 0 && results_out(fds, v, n))
        ret = -EFAULT;
    if (v != fast)
        kfree(v);
    return ret;
}

static long poll_again(struct task *t);

static long poll_until(struct pollfd __user *fds, unsigned n, ns_t deadline)
{
    struct task *t = task_current();
    long ret = poll_files(fds, n, deadline);

    if (ret != -ERESTARTSYS)
        return ret;
    t->restart.fn = poll_again;
    t->restart.a = USER_ADDR(fds);
    t->restart.val = n;
    t->restart.deadline = deadline;
    return -ERESTART_RESTARTBLOCK;
}

static long poll_again(struct task *t)
{
    return poll_until(USER_PTR(struct pollfd, t->restart.a), t->restart.val, t->restart.deadline);
}

long sys_poll(struct pollfd __user *fds, unsigned nfds, int timeout)
{
    ns_t deadline = timeout < 0    ? NS_NEVER
                    : timeout == 0 ? 0
                                   : clock_monotonic() + (ns_t)timeout * NS_PER_MSEC;

    return poll_until(fds, nfds, deadline);
}

long sys_ppoll(struct pollfd __user *fds, unsigned nfds, struct __kernel_timespec __user *timeout,
               const sigset_t __user *mask, size_t size)
{
    ns_t deadline;
    long ret = deadline_in(timeout, &deadline);

    if (!ret)
        ret = mask_begin(mask, size);
    if (ret)
        return ret;
    ret = poll_files(fds, nfds, deadline);
    if (ret == -ERESTARTSYS)
        ret = -ERESTARTNOHAND;
    mask_end(mask, ret);
    deadline_out(timeout, deadline);
    return ret;
}

/* ---- select ---------------------------------------------------------------------------------- */

#define SELECT_READ (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define SELECT_WRITE (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)
#define SELECT_EXCEPT POLLPRI

static const unsigned select_events[3] = { SELECT_READ, SELECT_WRITE, SELECT_EXCEPT };

struct selection {
    unsigned n, words; /* descriptors; 64-bit words of a set */
    uint64_t *in[3], *out[3]; /* asked for; ready; in one piece of memory */
};

/* Copies the sets in; the caller frees s->in[0]. */
static err_t sets_in(struct selection *s, fd_set __user *const sets[3])
{
    uint64_t *mem = kcalloc(6ul * MAX(s->words, 1u), sizeof *mem);

    if (!mem)
        return -ENOMEM;
    for (unsigned i = 0; i < 3; i++) {
        s->in[i] = mem + i * s->words;
        s->out[i] = mem + (i + 3) * s->words;
    }
    for (unsigned i = 0; i < 3; i++)
        if (sets[i] && copy_from_user(s->in[i], sets[i], s->words * sizeof *mem)) {
            kfree(mem);
            return -EFAULT;
        }
    return 0;
}

static err_t sets_out(const struct selection *s, fd_set __user *const sets[3])
{
    for (unsigned i = 0; i < 3; i++)
        if (sets[i] && copy_to_user(sets[i], s->out[i], s->words * sizeof *s->out[i]))
            return -EFAULT;
    return 0;
}

static long select_one(struct poller *p, struct selection *s, unsigned fd)
{
    unsigned wanted = 0, found;
    long ready = 0;

    for (unsigned i = 0; i < 3; i++)
        if (bitmap_test(s->in[i], fd))
            wanted |= select_events[i];
    found = ask_one(p, (int)fd, wanted);
    if (found & POLLNVAL)
        return -EBADF;
    for (unsigned i = 0; i < 3; i++)
        if (bitmap_test(s->in[i], fd) && (found & select_events[i])) {
            bitmap_set(s->out[i], fd);
            ready++;
        }
    return ready;
}

static long select_round(struct poller *p, struct selection *s)
{
    long ready = 0;

    for (unsigned w = 0; w < s->words; w++) {
        uint64_t any = s->in[0][w] | s->in[1][w] | s->in[2][w];
        for (; any; any &= any - 1) {
            unsigned fd = w * 64 + (unsigned)__builtin_ctzll(any);
            long one = fd < s->n ? select_one(p, s, fd) : 0;
            if (one < 0)
                return one;
            ready += one;
        }
    }
    return ready;
}

static long select_wait(struct selection *s, ns_t deadline)
{
    struct poller p;
    long ready;
    err_t err = 0;

    poller_init(&p);
    while ((ready = select_round(&p, s)) == 0 && deadline != 0) {
        err = poller_sleep(&p, deadline);
        if (err == -ETIMEDOUT) {
            ready = select_round(&p, s);
            err = 0;
            break;
        }
        if (err)
            break;
    }
    poller_done(&p);
    return err ? err : ready;
}

static long select_files(int n, fd_set __user *in, fd_set __user *out, fd_set __user *ex,
                         ns_t deadline)
{
    fd_set __user *const sets[3] = { in, out, ex };
    struct selection s;
    long ret;

    if (n < 0)
        return -EINVAL;
    /* Descriptors beyond the table's limit cannot be open; glibc passes the whole of FD_SETSIZE. */
    s.n = MIN((unsigned)n, 1u << 20);
    s.words = (unsigned)BITMAP_WORDS(s.n);
    ret = sets_in(&s, sets);
    if (ret)
        return ret;
    ret = select_wait(&s, deadline);
    if (ret >= 0 && sets_out(&s, sets))
        ret = -EFAULT;
    kfree(s.in[0]);
    return ret == -ERESTARTSYS ? -ERESTARTNOHAND : ret;
}

long sys_select(int n, fd_set __user *in, fd_set __user *out, fd_set __user *ex,
                struct __kernel_old_timeval __user *timeout)
{
    struct __kernel_old_timeval tv;
    ns_t deadline = NS_NEVER;

    if (timeout) {
        if (copy_from_user(&tv, timeout, sizeof tv))
            return -EFAULT;
        if (tv.tv_sec < 0 || tv.tv_usec < 0)
            return -EINVAL;
        struct __kernel_timespec ts = { tv.tv_sec + tv.tv_usec / 1000000,
                                        tv.tv_usec % 1000000 * 1000 };
        deadline = ts.tv_sec == 0 && ts.tv_nsec == 0 ? 0 : timespec_deadline(&ts);
    }
    long ret = select_files(n, in, out, ex, deadline);
    if (timeout) {
        struct __kernel_timespec left = time_left(deadline);
        tv.tv_sec = left.tv_sec;
        tv.tv_usec = left.tv_nsec / 1000;
        (void)!copy_to_user(timeout, &tv, sizeof tv);
    }
    return ret;
}

long sys_pselect6(int n, fd_set __user *in, fd_set __user *out, fd_set __user *ex,
                  struct __kernel_timespec __user *timeout, void __user *mask)
{
    struct { uint64_t set, size; } m = { 0, 0 };
    ns_t deadline;
    long ret = deadline_in(timeout, &deadline);

    if (!ret && mask)
        ret = copy_from_user(&m, mask, sizeof m);
    const sigset_t __user *set = USER_PTR(const sigset_t, m.set);
    if (!ret)
        ret = mask_begin(set, m.size);
    if (ret)
        return ret;
    ret = select_files(n, in, out, ex, deadline);
    mask_end(set, ret);
    deadline_out(timeout, deadline);
    return ret;
}

/* ---- epoll ----------------------------------------------------------------------------------- */

static long epoll_make(unsigned flags)
{
    struct file *f;
    err_t err = epoll_create_file(flags, &f);

    if (err)
        return err;
    int fd = fd_install(f, 0, flags & O_CLOEXEC);
    if (fd < 0)
        file_put(f);
    return fd;
}

long sys_epoll_create1(int flags)
{
    return flags & ~O_CLOEXEC ? -EINVAL : epoll_make((unsigned)flags);
}

long sys_epoll_create(int size)
{
    return size <= 0 ? -EINVAL : epoll_make(0);
}

long sys_epoll_ctl(int epfd, int op, int fd, struct epoll_event __user *event)
{
    struct epoll_event e = { 0 };

    if (op != EPOLL_CTL_DEL && copy_from_user(&e, event, sizeof e))
        return -EFAULT;
    struct fd ep = fd_get(epfd), f = fd_get(fd);
    long ret = !ep.file || !f.file                              ? -EBADF
               : !file_is_epoll(ep.file) || ep.file == f.file   ? -EINVAL
                                                                : 0;
    if (!ret)
        ret = epoll_control(ep.file, op, f.file, fd, op == EPOLL_CTL_DEL ? NULL : &e);
    if (f.file)
        fd_put(f);
    if (ep.file)
        fd_put(ep);
    return ret;
}

static long epoll_wait_until(int epfd, struct epoll_event __user *events, int max, ns_t deadline)
{
    struct fd ep;
    long ret;

    if (max <= 0 || (size_t)max > INT_MAX / sizeof(struct epoll_event))
        return -EINVAL;
    ep = fd_get(epfd);
    if (!ep.file)
        return -EBADF;
    ret = file_is_epoll(ep.file) ? epoll_wait_events(ep.file, events, max, deadline) : -EINVAL;
    fd_put(ep);
    return ret == -ERESTARTSYS ? -EINTR : ret;
}

static ns_t deadline_of_ms(int timeout)
{
    if (timeout < 0)
        return NS_NEVER;
    return timeout == 0 ? 0 : clock_monotonic() + (ns_t)timeout * NS_PER_MSEC;
}

long sys_epoll_wait(int epfd, struct epoll_event __user *events, int max, int timeout)
{
    return epoll_wait_until(epfd, events, max, deadline_of_ms(timeout));
}

static long epoll_wait_masked(int epfd, struct epoll_event __user *events, int max, ns_t deadline,
                              const sigset_t __user *mask, size_t size)
{
    long ret = mask_begin(mask, size);

    if (ret)
        return ret;
    ret = epoll_wait_until(epfd, events, max, deadline);
    mask_end(mask, ret);
    return ret;
}

long sys_epoll_pwait(int epfd, struct epoll_event __user *events, int max, int timeout,
                     const sigset_t __user *mask, size_t size)
{
    return epoll_wait_masked(epfd, events, max, deadline_of_ms(timeout), mask, size);
}

long sys_epoll_pwait2(int epfd, struct epoll_event __user *events, int max,
                      const struct __kernel_timespec __user *timeout, const sigset_t __user *mask,
                      size_t size)
{
    ns_t deadline;
    err_t err = deadline_in(timeout, &deadline);

    return err ? err : epoll_wait_masked(epfd, events, max, deadline, mask, size);
}
