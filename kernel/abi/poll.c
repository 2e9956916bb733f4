// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: poll, ppoll, select, pselect6.
 * Model: all become an array of struct pollfd with the files beside it; one loop asks every file,
 * queueing the thread in the first round, until something is ready, time is up, or a signal comes.
 * Source: poll(2), select(2).
 */
#include <abi/syscalls_gen.h>

#include <abi/time_convert.h>
#include <fs/fdtable.h>
#include <fs/poll.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/process.h>
#include <sched/clock.h>

#include <linux/poll.h>

#define SET_INLINE 8

struct poll_set {
    unsigned count;
    struct pollfd *fds;
    struct fd *files; /* of fds; held over the wait */
    struct pollfd few_fds[SET_INLINE];
    struct fd few_files[SET_INLINE];
};

static err_t set_init(struct poll_set *s, unsigned count)
{
    s->count = count;
    s->fds = s->few_fds;
    s->files = s->few_files;
    if (count <= SET_INLINE)
        return 0;
    s->files = kcalloc(count, sizeof *s->files + sizeof *s->fds);
    if (!s->files)
        return -ENOMEM;
    s->fds = (struct pollfd *)(s->files + count);
    return 0;
}

static void set_free(struct poll_set *s)
{
    if (s->files != s->few_files)
        kfree(s->files);
}

static void set_open(struct poll_set *s)
{
    for (unsigned i = 0; i < s->count; i++)
        s->files[i] = s->fds[i].fd < 0 ? (struct fd){ NULL, false } : fd_get(s->fds[i].fd);
}

static void set_close(struct poll_set *s)
{
    for (unsigned i = 0; i < s->count; i++)
        fd_put(s->files[i]);
}

/* One round.  Return: how many are ready. */
static long set_ask(struct poll_set *s, struct poller *p)
{
    long ready = 0;

    for (unsigned i = 0; i < s->count; i++) {
        struct pollfd *f = &s->fds[i];
        unsigned mask = 0;

        if (s->files[i].file)
            mask = poller_ask(p, s->files[i].file, (unsigned short)f->events);
        else if (f->fd >= 0)
            mask = POLLNVAL;
        f->revents = (short)mask;
        if (mask) {
            ready++;
            p->queued = true; /* there will be no sleep: no need to queue for the others */
        }
    }
    return ready;
}

/* deadline 0: do not wait.  Return: how many are ready; -ERESTARTSYS, -ENOMEM. */
static long set_wait(struct poll_set *s, ns_t deadline)
{
    struct poller p;
    long ready;
    err_t err = 0;

    poller_init(&p);
    p.queued = deadline == 0;
    for (;;) {
        ready = set_ask(s, &p);
        if (ready != 0 || deadline == 0 || err == -ETIMEDOUT)
            break;
        err = poller_sleep(&p, deadline);
        if (err != 0 && err != -ETIMEDOUT) {
            ready = err;
            break;
        }
    }
    poller_done(&p);
    return ready;
}

/* ---- poll ---- */

static long poll_user(struct pollfd __user *ufds, unsigned n, ns_t deadline)
{
    struct poll_set s;
    long ret;

    if (n > atomic_load_relaxed(actor_current()->limit_nofile))
        return -EINVAL;
    err_t err = set_init(&s, n);
    if (err != 0)
        return err;
    if (copy_from_user(s.fds, ufds, n * sizeof *s.fds) != 0) {
        set_free(&s);
        return -EFAULT;
    }
    set_open(&s);
    ret = set_wait(&s, deadline);
    set_close(&s);
    for (unsigned i = 0; i < n && ret >= 0; i++)
        if (user_copy_out(&ufds[i].revents, &s.fds[i].revents, sizeof s.fds[i].revents) != 0)
            ret = -EFAULT;
    set_free(&s);
    return ret;
}

static long poll_restart(struct task *t);

static long poll_until(struct pollfd __user *fds, unsigned n, ns_t deadline)
{
    struct task *t = task_current();
    long ret = poll_user(fds, n, deadline);

    if (ret != -ERESTARTSYS)
        return ret;
    t->restart.fn = poll_restart;
    t->restart.a = USER_ADDR(fds);
    t->restart.val = n;
    t->restart.deadline = deadline;
    return -ERESTART_RESTARTBLOCK;
}

static long poll_restart(struct task *t)
{
    return poll_until(USER_PTR(struct pollfd, t->restart.a), t->restart.val, t->restart.deadline);
}

long sys_poll(struct pollfd __user *fds, unsigned nfds, int timeout)
{
    ns_t deadline = timeout < 0 ? NS_NEVER : 0;

    if (timeout > 0)
        deadline = deadline_after(clock_monotonic(), timeout * (int64_t)NS_PER_MSEC);
    return poll_until(fds, nfds, deadline);
}

/* ---- masks and times around a wait ---- */

/* Deadline of a duration that stands at `user` (NULL: none); 0 for no time at all. */
static err_t deadline_from(const struct __kernel_timespec __user *user, ns_t *deadline)
{
    int64_t ns;

    *deadline = NS_NEVER;
    if (!user)
        return 0;
    err_t err = timespec_read(user, &ns);
    if (err == 0)
        *deadline = ns == 0 ? 0 : deadline_after(clock_monotonic(), ns);
    return err;
}

static int64_t time_left(ns_t deadline)
{
    ns_t now = clock_monotonic();

    return deadline > now ? (int64_t)(deadline - now) : 0;
}

static err_t mask_begin(const sigset_t __user *mask, size_t size)
{
    uint64_t set;

    if (!mask)
        return 0;
    if (size != sizeof set)
        return -EINVAL;
    err_t err = user_load_u64((const uint64_t __user *)mask, &set);
    if (err == 0)
        signal_mask_begin(set);
    return err;
}

/* Ends a masked wait, tells what time is left, and turns the code of an interrupted one into that
 * of these calls. */
static long wait_finish(long ret, bool masked, struct __kernel_timespec __user *timeout,
                        ns_t deadline)
{
    if (ret == -ERESTARTSYS)
        ret = -ERESTARTNOHAND;
    if (masked)
        signal_mask_end(ret == -ERESTARTNOHAND);
    if (timeout && deadline != 0 && timespec_write(timeout, time_left(deadline)) != 0 &&
        ret == -ERESTARTNOHAND)
        ret = -EINTR; /* without the rest of the time it cannot go on */
    return ret;
}

long sys_ppoll(struct pollfd __user *fds, unsigned nfds, struct __kernel_timespec __user *timeout,
               const sigset_t __user *mask, size_t size)
{
    ns_t deadline;
    err_t err = deadline_from(timeout, &deadline);

    if (err == 0)
        err = mask_begin(mask, size);
    if (err != 0)
        return err;
    return wait_finish(poll_user(fds, nfds, deadline), mask != NULL, timeout, deadline);
}

/* ---- select ---- */

#define SELECT_IN (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define SELECT_OUT (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define SELECT_EX POLLPRI
#define SELECT_MAX 1024 /* as far as our maps go; numbers beyond are read in by pieces */

struct select_sets {
    fd_set __user *user[3];
    unsigned words;
    unsigned long *maps; /* [3][words] */
};

static const unsigned select_events[3] = { SELECT_IN, SELECT_OUT, SELECT_EX };

static err_t sets_read(struct select_sets *s)
{
    size_t bytes = s->words * sizeof(long);

    for (unsigned k = 0; k < 3; k++)
        if (s->user[k] && copy_from_user(s->maps + k * s->words, s->user[k], bytes) != 0)
            return -EFAULT;
    return 0;
}

static err_t sets_write(const struct select_sets *s)
{
    size_t bytes = s->words * sizeof(long);

    for (unsigned k = 0; k < 3; k++)
        if (s->user[k] && copy_to_user(s->user[k], s->maps + k * s->words, bytes) != 0)
            return -EFAULT;
    return 0;
}

static bool map_bit(const struct select_sets *s, unsigned k, unsigned fd)
{
    return s->maps[k * s->words + fd / 64] >> fd % 64 & 1;
}

/* Calls for each descriptor that is in one of the sets: fills `out` (may be NULL). Return: how many. */
static unsigned sets_collect(const struct select_sets *s, unsigned n, struct pollfd *out)
{
    unsigned count = 0;

    for (unsigned w = 0; w < s->words; w++) {
        unsigned long any = s->maps[w] | s->maps[s->words + w] | s->maps[2 * s->words + w];

        for (; any; any &= any - 1) {
            unsigned fd = w * 64 + (unsigned)__builtin_ctzl(any);
            unsigned events = 0;

            if (fd >= n)
                break;
            for (unsigned k = 0; k < 3; k++)
                events |= map_bit(s, k, fd) ? select_events[k] : 0;
            if (out)
                out[count] = (struct pollfd){ .fd = (int)fd, .events = (short)events };
            count++;
        }
    }
    return count;
}

/* Sets the bits of what is ready.  Return: how many bits. */
static long sets_result(struct select_sets *s, const struct poll_set *p)
{
    unsigned long *ready = s->maps + 3 * s->words;
    long n = 0;

    memset(ready, 0, 3 * s->words * sizeof *ready);
    for (unsigned i = 0; i < p->count; i++) {
        unsigned fd = (unsigned)p->fds[i].fd;

        for (unsigned k = 0; k < 3; k++)
            if (map_bit(s, k, fd) && (unsigned short)p->fds[i].revents & select_events[k]) {
                ready[k * s->words + fd / 64] |= 1ul << fd % 64;
                n++;
            }
    }
    s->maps = ready;
    return n;
}

static long select_wait(struct select_sets *s, unsigned n, ns_t deadline)
{
    struct poll_set p;
    err_t err = set_init(&p, sets_collect(s, n, NULL));
    long ret;

    if (err != 0)
        return err;
    sets_collect(s, n, p.fds);
    set_open(&p);
    ret = 0;
    for (unsigned i = 0; i < p.count; i++)
        if (!p.files[i].file)
            ret = -EBADF;
    if (ret == 0)
        ret = set_wait(&p, deadline);
    set_close(&p);
    if (ret >= 0)
        ret = sets_result(s, &p);
    set_free(&p);
    if (ret >= 0 && (err = sets_write(s)) != 0)
        ret = err;
    return ret;
}

static long select_user(int n, fd_set __user *in, fd_set __user *out, fd_set __user *ex,
                        ns_t deadline)
{
    struct select_sets s = { .user = { in, out, ex } };
    unsigned long few[6 * 2], *block = few;

    if (n < 0)
        return -EINVAL;
    /* No table is larger than its limit, so no bit beyond means anything. */
    n = (int)MIN((uint64_t)n, MAX(atomic_load_relaxed(actor_current()->limit_nofile), SELECT_MAX));
    s.words = DIV_ROUND_UP((unsigned)n, 64);
    if (s.words > 2) {
        block = kmalloc(6 * s.words * sizeof *block);
        if (!block)
            return -ENOMEM;
    }
    memset(block, 0, 3 * s.words * sizeof *block);
    s.maps = block;
    long ret = sets_read(&s);
    if (ret == 0)
        ret = select_wait(&s, (unsigned)n, deadline);
    if (block != few)
        kfree(block);
    return ret;
}

/* A timeval need not be normal here: Linux adds whole seconds of microseconds. */
static err_t timeval_deadline(const struct __kernel_old_timeval __user *user, ns_t *deadline)
{
    struct __kernel_old_timeval tv;

    *deadline = NS_NEVER;
    if (!user)
        return 0;
    if (copy_from_user(&tv, user, sizeof tv) != 0)
        return -EFAULT;
    if (tv.tv_sec < 0 || tv.tv_usec < 0)
        return -EINVAL;
    struct __kernel_timespec ts = { .tv_sec = tv.tv_sec + tv.tv_usec / 1000000,
                                    .tv_nsec = tv.tv_usec % 1000000 * 1000 };
    int64_t ns;
    err_t err = timespec_to_ns(&ts, &ns);
    if (err == 0)
        *deadline = ns == 0 ? 0 : deadline_after(clock_monotonic(), ns);
    return err;
}

long sys_select(int n, fd_set __user *in, fd_set __user *out, fd_set __user *ex,
                struct __kernel_old_timeval __user *timeout)
{
    ns_t deadline;
    err_t err = timeval_deadline(timeout, &deadline);

    if (err != 0)
        return err;
    long ret = wait_finish(select_user(n, in, out, ex, deadline), false, NULL, 0);
    if (timeout && deadline != 0) {
        int64_t left = time_left(deadline);
        struct __kernel_old_timeval tv = { .tv_sec = left / (int64_t)NS_PER_SEC,
                                           .tv_usec = left % (int64_t)NS_PER_SEC / 1000 };

        if (copy_to_user(timeout, &tv, sizeof tv) != 0 && ret == -ERESTARTNOHAND)
            ret = -EINTR;
    }
    return ret;
}

long sys_pselect6(int n, fd_set __user *in, fd_set __user *out, fd_set __user *ex,
                  struct __kernel_timespec __user *timeout, void __user *umask)
{
    uint64_t mask[2] = { 0, 0 }; /* the set's address and size */
    ns_t deadline;
    err_t err = umask ? copy_from_user(mask, umask, sizeof mask) : 0;

    if (err == 0)
        err = deadline_from(timeout, &deadline);
    if (err == 0)
        err = mask_begin(USER_PTR(sigset_t, mask[0]), mask[1]);
    if (err != 0)
        return err;
    return wait_finish(select_user(n, in, out, ex, deadline), mask[0] != 0, timeout, deadline);
}
