// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the log as a stream, and /proc/kmsg.
 * Model: `next` is the first record that has not been read to its end, of which `part` bytes have.
 * The log is the lowest layer and wakes nobody, so a reader that waits looks now and then.
 * Those that poll are woken by a timer that does the same as long as there are any.
 * Locking: `lock`; look_lock (LOCK_INODE, interrupts off) for the timer.
 * Source: proc(5), syslog(2).
 */
#include <fs/kmsg.h>

#include <core/log.h>
#include <core/spinlock.h>
#include <fs/poll.h>
#include <fs/procfs.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/mutex.h>
#include <sched/timer.h>

#include <asm/poll.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#define RECORD_BYTES 1200
#define POLL_NS (100 * NS_PER_MSEC)

static struct mutex lock = MUTEX_INIT(lock);
static uint64_t next; /* lock */
static size_t part; /* lock */

/* Text of the record to be read, without what has been; *seq is its successor. */
static size_t record_next(char *record, uint64_t *seq, const char **text)
{
    uint64_t want = *seq;
    size_t n = log_read(seq, record, RECORD_BYTES, true), skip = 0;

    /* The record may have fallen out of the log in the meantime. */
    if (want == next && *seq == next + 1)
        skip = MIN(part, n);
    *text = record + skip;
    return n - skip;
}

/* Copies n bytes of which all or nothing counts.  lock held. */
static bool copy_out(struct uio *u, const char *text, size_t n)
{
    return uio_copy_to(u, text, n) == n;
}

static ssize_t consume_some(struct uio *u, char *record)
{
    ssize_t done = 0;

    while (u->left > 0) {
        uint64_t seq = next;
        const char *text;
        size_t n = record_next(record, &seq, &text);

        if (n == 0)
            break;
        if (n > u->left && done)
            break;
        if (n > u->left) {
            size_t some = u->left;

            if (!copy_out(u, text, some))
                return -EFAULT;
            part = (seq == next + 1 ? part : 0) + some;
            next = seq - 1;
            return (ssize_t)some;
        }
        if (!copy_out(u, text, n))
            return done ? done : -EFAULT;
        next = seq;
        part = 0;
        done += (ssize_t)n;
    }
    return done;
}

ssize_t kmsg_consume(struct uio *u, bool nonblock)
{
    char *record;
    ssize_t n;

    if (u->left == 0)
        return 0;
    record = kmalloc(RECORD_BYTES);
    if (!record)
        return -ENOMEM;
    for (;;) {
        mutex_lock(&lock);
        n = consume_some(u, record);
        mutex_unlock(&lock);
        if (n != 0)
            break;
        n = nonblock ? -EAGAIN : sleep_until(clock_monotonic() + POLL_NS, true);
        if (n != 0)
            break;
    }
    kfree(record);
    return n;
}

ssize_t kmsg_unread(void)
{
    char *record = kmalloc(RECORD_BYTES);
    const char *text;
    ssize_t total = 0;
    size_t n;

    if (!record)
        return -ENOMEM;
    mutex_lock(&lock);
    for (uint64_t seq = next; (n = record_next(record, &seq, &text)) != 0;)
        total += (ssize_t)n;
    mutex_unlock(&lock);
    kfree(record);
    return total;
}

/* ---- polling ---- */

static struct waitq pollers = WAITQ_INIT(pollers);
static struct spinlock look_lock = SPINLOCK_INIT(LOCK_INODE);
static struct timer look_timer; /* look_lock */
static uint64_t looked_at; /* records before it have been told; look_lock */

static void look(struct timer *timer)
{
    unsigned long flags = spin_lock_irqsave(&look_lock);
    uint64_t now = log_next_seq();
    bool new = now != looked_at;

    looked_at = now;
    if (waitq_active(&pollers))
        timer_set(timer, clock_monotonic() + POLL_NS);
    spin_unlock_irqrestore(&look_lock, flags);
    if (new)
        waitq_wake(&pollers, UINT_MAX, POLLIN | POLLRDNORM);
}

void kmsg_poll_wait(struct poll_table *pt, struct file *f)
{
    unsigned long flags;

    if (!pt || !pt->queue)
        return;
    poll_wait(pt, f, &pollers);
    flags = spin_lock_irqsave(&look_lock);
    if (!look_timer.fn)
        timer_init(&look_timer, look);
    timer_set(&look_timer, clock_monotonic() + POLL_NS);
    spin_unlock_irqrestore(&look_lock, flags);
}

/* ---- the file ---- */

static err_t kmsg_open(struct inode *inode, struct file *f)
{
    const struct cred *c = cred_current();

    return cred_capable(c, CAP_SYSLOG) || cred_capable(c, CAP_SYS_ADMIN) ? 0 : -EPERM;
}

static ssize_t kmsg_read(struct file *f, struct uio *u, off_t *pos)
{
    return kmsg_consume(u, f->flags & O_NONBLOCK);
}

static unsigned kmsg_poll(struct file *f, struct poll_table *pt)
{
    kmsg_poll_wait(pt, f);
    return kmsg_unread() > 0 ? POLLIN | POLLRDNORM : 0;
}

static const struct file_ops kmsg_ops = { .open = kmsg_open, .read = kmsg_read,
                                          .poll = kmsg_poll };

static const struct pseudo_entry pseudo_kmsg = {
    .filesystem = "proc", .file = { .path = "kmsg", .mode = S_IFREG | 0400, .fops = &kmsg_ops }
};
REGISTRY_ADD(pseudo, pseudo_kmsg);
