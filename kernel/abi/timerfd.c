// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: timerfd: a timer that is read and polled.
 *
 * Model: an expiry counts one tick and wakes the readers; a periodic timer is armed again only when
 * its ticks are asked for, which then adds the periods that passed meanwhile: a timer that nobody
 * reads costs one interrupt.  Timers on absolute CLOCK_REALTIME stand on a list; when the clock is
 * set they are armed anew, and those with TFD_TIMER_CANCEL_ON_SET end their readers' waits.
 * Locking: timerfd.lock (LOCK_PIPE, interrupts off); the list has its own (LOCK_INODE), taken first.
 * Source: timerfd_create(2).
 */
#include <abi/syscalls_gen.h>
#include <abi/time.h>
#include <abi/time_convert.h>
#include <fs/fdtable.h>
#include <fs/poll.h>
#include <fs/vfs.h>
#include <hal/usercopy.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/timer.h>
#include <svc/subsystem.h>

#include <linux/poll.h>
#include <linux/time.h>
#include <linux/timerfd.h>

struct timerfd {
    struct spinlock lock;
    struct timer timer; /* lock */
    int clock; /* constant */
    bool follows; /* on `followers`: absolute on CLOCK_REALTIME; followers_lock */
    bool cancel_on_set; /* lock */
    bool cancelled; /* lock */
    bool expired; /* since it was last asked; lock */
    int64_t until; /* of one that follows, on its clock; lock */
    ns_t deadline; /* monotonic, NS_NEVER: not set; lock */
    ns_t interval; /* 0: once; lock */
    uint64_t ticks; /* lock */
    struct waitq readers;
    struct list link; /* followers_lock */
};

static struct spinlock followers_lock = SPINLOCK_INIT(LOCK_INODE);
static struct list followers = LIST_INIT(followers); /* followers_lock */

static void arm(struct timerfd *t)
{
    if (t->deadline != NS_NEVER)
        timer_set(&t->timer, t->deadline);
}

static void fire(struct timer *timer)
{
    struct timerfd *t = container_of(timer, struct timerfd, timer);
    unsigned long flags = spin_lock_irqsave(&t->lock);
    bool due = t->deadline <= clock_monotonic(); /* not when it was just set anew */

    t->ticks += due;
    t->expired |= due;
    spin_unlock_irqrestore(&t->lock, flags);
    if (due)
        waitq_wake(&t->readers, UINT_MAX, POLLIN);
}

/* Adds the periods that passed since it fired, and arms it for the next one.  lock held. */
static void catch_up(struct timerfd *t)
{
    ns_t now, passed;

    if (!t->expired || t->interval == 0)
        return;
    now = clock_monotonic();
    passed = now > t->deadline ? (now - t->deadline) / t->interval : 0;
    t->ticks += passed;
    t->deadline += (passed + 1) * t->interval;
    t->until += (int64_t)((passed + 1) * t->interval);
    t->expired = false;
    arm(t);
}

/* --- the clock is set -------------------------------------------------------------------------- */

static void follow_clock(struct timerfd *t)
{
    unsigned long flags = spin_lock_irqsave(&t->lock);

    if (!t->expired && t->deadline != NS_NEVER) {
        t->deadline = clock_realtime_to_monotonic(t->until);
        arm(t);
    }
    t->cancelled |= t->cancel_on_set;
    spin_unlock_irqrestore(&t->lock, flags);
    waitq_wake(&t->readers, UINT_MAX, POLLIN);
}

static void clock_was_set(void)
{
    unsigned long flags = spin_lock_irqsave(&followers_lock);
    struct timerfd *t;

    list_for_each(t, &followers, link)
        follow_clock(t);
    spin_unlock_irqrestore(&followers_lock, flags);
}

static void set_follows(struct timerfd *t, bool follows)
{
    unsigned long flags = spin_lock_irqsave(&followers_lock);

    if (follows && !t->follows)
        list_add_tail(&followers, &t->link);
    else if (!follows && t->follows)
        list_del(&t->link);
    t->follows = follows;
    spin_unlock_irqrestore(&followers_lock, flags);
}

static err_t timerfd_start(struct subsystem *self __maybe_unused)
{
    static struct clock_set_hook hook = { .fn = clock_was_set };

    clock_set_hook_add(&hook);
    return 0;
}

static struct subsystem timerfd_subsystem = { .name = "timerfd",
                                              .privilege = PRIV_KERNEL,
                                              .early_init = timerfd_start };
REGISTER_SUBSYSTEM(timerfd_subsystem);

/* --- the file ---------------------------------------------------------------------------------- */

/* Takes the ticks.  Return: whether there is something to say: ticks or a cancellation. */
static bool take(struct timerfd *t, uint64_t *ticks, bool *cancelled)
{
    unsigned long flags = spin_lock_irqsave(&t->lock);

    catch_up(t);
    *cancelled = t->cancelled;
    *ticks = t->ticks;
    t->cancelled = false;
    t->ticks = 0;
    spin_unlock_irqrestore(&t->lock, flags);
    return *ticks || *cancelled;
}

static ssize_t timerfd_read(struct file *f, struct uio *u, off_t *pos __maybe_unused)
{
    struct timerfd *t = f->data;
    bool cancelled = false;
    uint64_t ticks = 0;
    err_t err;

    if (u->left < sizeof ticks)
        return -EINVAL;
    if (f->flags & O_NONBLOCK)
        err = take(t, &ticks, &cancelled) ? 0 : -EAGAIN;
    else
        err = wait_event_intr(&t->readers, take(t, &ticks, &cancelled));
    if (err)
        return err;
    if (cancelled)
        return -ECANCELED;
    return uio_copy_to(u, &ticks, sizeof ticks) == sizeof ticks ? (ssize_t)sizeof ticks : -EFAULT;
}

static unsigned timerfd_poll(struct file *f, struct poll_table *pt)
{
    struct timerfd *t = f->data;

    poll_wait(pt, f, &t->readers);
    return atomic_load_relaxed(&t->ticks) || atomic_load_relaxed(&t->cancelled)
               ? POLLIN | POLLRDNORM
               : 0;
}

static void timerfd_release(struct file *f)
{
    struct timerfd *t = f->data;

    set_follows(t, false);
    timer_cancel(&t->timer);
    kfree(t);
}

static const struct file_ops timerfd_ops = {
    .read = timerfd_read,
    .poll = timerfd_poll,
    .release = timerfd_release,
    .seek = file_seek_nowhere,
};

/* --- system calls ------------------------------------------------------------------------------ */

static struct subsystem timerfd_subsystem;

long sys_timerfd_create(int clock, int flags)
{
    struct timerfd *t;
    struct file *f;
    err_t err;
    int fd;

    if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
        return -EINVAL;
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME)
        return -EINVAL;
    if (!subsystem_is_up(&timerfd_subsystem))
        return -ENODEV; /* nobody would tell it that the clock was set */
    t = kzalloc(sizeof *t);
    if (!t)
        return -ENOMEM;
    spin_init(&t->lock, LOCK_PIPE);
    timer_init(&t->timer, fire);
    waitq_init(&t->readers);
    list_init(&t->link);
    t->clock = clock;
    t->deadline = NS_NEVER;
    err = file_create_anon("anon_inode:[timerfd]", &timerfd_ops, t,
                           O_RDWR | ((unsigned)flags & O_NONBLOCK), &f);
    if (err) {
        kfree(t);
        return err;
    }
    fd = fd_install(f, 0, flags & TFD_CLOEXEC);
    if (fd < 0)
        file_put(f);
    return fd;
}

/* The timerfd behind a descriptor: -EBADF, -EINVAL when it is another kind of file. */
static err_t timerfd_of(int fd, struct fd *file, struct timerfd **t)
{
    *file = fd_get(fd);
    if (!file->file)
        return -EBADF;
    if (file->file->ops != &timerfd_ops) {
        fd_put(*file);
        return -EINVAL;
    }
    *t = file->file->data;
    return 0;
}

/* lock held. */
static void read_setting(struct timerfd *t, int64_t *value, int64_t *interval)
{
    ns_t now = clock_monotonic();

    catch_up(t);
    *interval = (int64_t)t->interval;
    *value = 0;
    if (t->deadline != NS_NEVER && !t->expired)
        *value = t->deadline > now ? (int64_t)(t->deadline - now) : 1;
}

static void set(struct timerfd *t, int flags, int64_t value, int64_t interval, int64_t old[2])
{
    bool absolute = flags & TFD_TIMER_ABSTIME;
    bool follows = absolute && t->clock == CLOCK_REALTIME && value != 0;
    unsigned long irq;

    set_follows(t, false);
    timer_cancel(&t->timer);
    irq = spin_lock_irqsave(&t->lock);
    read_setting(t, &old[0], &old[1]);
    t->ticks = 0;
    t->expired = t->cancelled = false;
    t->cancel_on_set = follows && flags & TFD_TIMER_CANCEL_ON_SET;
    t->interval = (ns_t)interval;
    t->until = value;
    if (value == 0)
        t->deadline = NS_NEVER;
    else if (!absolute)
        t->deadline = deadline_after(clock_monotonic(), value);
    else
        t->deadline = follows ? clock_realtime_to_monotonic(value) : (ns_t)value;
    arm(t);
    spin_unlock_irqrestore(&t->lock, irq);
    set_follows(t, follows);
}

long sys_timerfd_settime(int fd, int flags, const struct __kernel_itimerspec __user *value,
                         struct __kernel_itimerspec __user *old)
{
    struct __kernel_itimerspec its;
    int64_t first, interval, before[2];
    struct timerfd *t;
    struct fd file;
    err_t err;

    if (copy_from_user(&its, value, sizeof its))
        return -EFAULT;
    if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) ||
        timespec_to_ns(&its.it_value, &first) || timespec_to_ns(&its.it_interval, &interval))
        return -EINVAL;
    err = timerfd_of(fd, &file, &t);
    if (err)
        return err;
    set(t, flags, first, interval, before);
    fd_put(file);
    if (!old)
        return 0;
    its.it_value = timespec_from_ns(before[0]);
    its.it_interval = timespec_from_ns(before[1]);
    return copy_to_user(old, &its, sizeof its);
}

long sys_timerfd_gettime(int fd, struct __kernel_itimerspec __user *value)
{
    struct __kernel_itimerspec its;
    int64_t left, interval;
    struct timerfd *t;
    unsigned long flags;
    struct fd file;
    err_t err = timerfd_of(fd, &file, &t);

    if (err)
        return err;
    flags = spin_lock_irqsave(&t->lock);
    read_setting(t, &left, &interval);
    spin_unlock_irqrestore(&t->lock, flags);
    fd_put(file);
    its.it_value = timespec_from_ns(left);
    its.it_interval = timespec_from_ns(interval);
    return copy_to_user(value, &its, sizeof its);
}
