// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the devices of major number 1: null, zero, full, random, urandom, kmsg.
 * Source: null(4), full(4), random(4), and the documentation of /dev/kmsg.
 */
#include <fs/device.h>

#include <core/log.h>
#include <core/random.h>
#include <fs/internal.h>
#include <fs/kmsg.h>
#include <fs/poll.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/mutex.h>
#include <sched/timer.h>
#include <svc/subsystem.h>

#include <asm/poll.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/random.h>

#define MEM_MAJOR 1

/* Where these devices are is nowhere: every seek ends at 0. */
static off_t null_seek(struct file *f, off_t offset, int whence)
{
    f->pos = 0;
    return 0;
}

static ssize_t null_read(struct file *f, struct uio *u, off_t *pos)
{
    return 0;
}

static ssize_t null_write(struct file *f, struct uio *u, off_t *pos)
{
    ssize_t n = (ssize_t)u->left;

    u->left = 0;
    return n;
}

/* Zeros; a page at a time, so that a signal can end a long one. */
static ssize_t zero_read(struct file *f, struct uio *u, off_t *pos)
{
    size_t want = u->left, done = 0;

    if (likely(want <= 64 * KiB)) {
        done = uio_zero(u, want);
        return likely(done != 0) || want == 0 ? (ssize_t)done : -EFAULT;
    }
    while (done < want) {
        size_t n = MIN(want - done, 64 * KiB), got = uio_zero(u, n);

        done += got;
        if (got < n)
            return done ? (ssize_t)done : -EFAULT;
        if (done < want && thread_signal_pending())
            break;
    }
    return (ssize_t)done;
}

static err_t zero_mmap(struct file *f, uint64_t offset, size_t length, struct object **object)
{
    *object = NULL; /* anonymous memory is the same thing */
    return 0;
}

static ssize_t full_write(struct file *f, struct uio *u, off_t *pos)
{
    return u->left ? -ENOSPC : 0;
}

static ssize_t random_read(struct file *f, struct uio *u, off_t *pos)
{
    size_t want = u->left, done = 0;
    char buf[256];

    while (done < want) {
        size_t n = MIN(sizeof buf, want - done);

        random_bytes(buf, n);
        size_t got = uio_copy_to(u, buf, n);
        done += got;
        if (got < n)
            break;
        if (done < want && thread_signal_pending())
            break;
    }
    memset(buf, 0, sizeof buf);
    return done || !want ? (ssize_t)done : thread_signal_pending() ? -EINTR : -EFAULT;
}

/* What somebody writes is mixed in, and counts for nothing. */
static ssize_t random_write(struct file *f, struct uio *u, off_t *pos)
{
    size_t want = u->left, done = 0;
    char buf[256];

    while (done < want) {
        size_t n = MIN(sizeof buf, want - done), got = uio_copy_from(u, buf, n);

        random_add(buf, got, 0);
        done += got;
        if (got < n)
            return done ? (ssize_t)done : -EFAULT;
    }
    return (ssize_t)done;
}

static long random_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
    uint32_t bits = random_ready() ? 256 : 0;

    if (cmd == RNDGETENTCNT)
        return user_store_u32(USER_PTR(uint32_t, arg), bits);
    if (cmd == RNDADDTOENTCNT || cmd == RNDADDENTROPY || cmd == RNDCLEARPOOL || cmd == RNDZAPENTCNT ||
        cmd == RNDRESEEDCRNG)
        return cred_capable(cred_current(), CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
    return -EINVAL;
}

/* ---- /dev/kmsg: one record for each read ---- */

struct kmsg_reader {
    struct mutex mutex;
    uint64_t seq; /* mutex */
};

static err_t kmsg_open(struct inode *inode, struct file *f)
{
    struct kmsg_reader *r;

    if (!(f->fmode & FMODE_READ))
        return 0;
    r = kmalloc(sizeof *r);
    if (!r)
        return -ENOMEM;
    mutex_init(&r->mutex);
    r->seq = log_first_seq();
    f->data = r;
    return 0;
}

static void kmsg_release(struct file *f)
{
    kfree(f->data);
}

/*
 * "<level>[ time] tag: text" of the log becomes "level,sequence,microseconds,-;tag: text".
 */
static size_t kmsg_format(char *out, size_t size, const char *text, uint64_t seq)
{
    const char *s = text + 1, *body;
    uint64_t level = 6, seconds = 0, micros = 0;

    if (text[0] != '<' || str_to_u64(&s, 10, &level) != 0)
        s = text;
    while (*s == '>' || *s == '[' || *s == ' ')
        s++;
    if (str_to_u64(&s, 10, &seconds) == 0 && *s == '.') {
        s++;
        if (str_to_u64(&s, 10, &micros) != 0)
            micros = 0;
    }
    body = *s == ']' ? s + 1 : s;
    while (*body == ' ')
        body++;
    return (size_t)fmt_scnprintf(out, size, "%llu,%llu,%llu,-;%s", (unsigned long long)level,
                                 (unsigned long long)seq,
                                 (unsigned long long)(seconds * 1000000 + micros), body);
}

static ssize_t kmsg_read(struct file *f, struct uio *u, off_t *pos)
{
    struct kmsg_reader *r = f->data;
    size_t size = 1024, n;
    char *text = kmalloc(2 * size);
    ssize_t ret;

    if (!text)
        return -ENOMEM;
    mutex_lock(&r->mutex);
    uint64_t seq = r->seq;
    if (seq < log_first_seq()) { /* records were lost: said once */
        r->seq = log_first_seq();
        mutex_unlock(&r->mutex);
        ret = -EPIPE;
        goto out;
    }
    n = log_read(&seq, text, size, true);
    while (n == 0 && !(f->flags & O_NONBLOCK)) {
        mutex_unlock(&r->mutex);
        ret = sleep_until(clock_monotonic() + 100 * NS_PER_MSEC, true);
        if (ret != 0)
            goto out;
        mutex_lock(&r->mutex);
        seq = MAX(r->seq, log_first_seq());
        n = log_read(&seq, text, size, true);
    }
    if (n == 0) {
        ret = -EAGAIN;
    } else {
        text[MIN(n, size - 1)] = '\0';
        n = kmsg_format(text + size, size, text, seq - 1);
        ret = n > u->left ? -EINVAL : uio_copy_to(u, text + size, n) < n ? -EFAULT : (ssize_t)n;
        if (ret > 0)
            r->seq = seq;
    }
    mutex_unlock(&r->mutex);
out:
    kfree(text);
    return ret;
}

static ssize_t kmsg_write(struct file *f, struct uio *u, off_t *pos)
{
    size_t want = u->left, n = MIN(want, (size_t)976);
    char text[1000];
    const char *s = text;
    uint64_t level = LOG_NOTICE;

    if (want > 976)
        return -EINVAL;
    if (uio_copy_from(u, text, n) < n)
        return -EFAULT;
    while (n > 0 && text[n - 1] == '\n')
        n--;
    text[n] = '\0';
    if (text[0] == '<') {
        s++;
        if (str_to_u64(&s, 10, &level) != 0 || *s != '>')
            level = LOG_NOTICE, s = text;
        else
            s++;
    }
    log_write((enum log_level)(level & 7), "user", "%s", s);
    return (ssize_t)want;
}

static off_t kmsg_seek(struct file *f, off_t offset, int whence)
{
    struct kmsg_reader *r = f->data;
    char text[16];

    if (!r || offset != 0)
        return r ? -ESPIPE : -EBADF;
    mutex_lock(&r->mutex);
    if (whence == SEEK_END)
        while (log_read(&r->seq, text, sizeof text, true) != 0)
            ;
    else if (whence == SEEK_SET || whence == SEEK_DATA)
        r->seq = log_first_seq();
    mutex_unlock(&r->mutex);
    return whence == SEEK_END || whence == SEEK_SET || whence == SEEK_DATA ? 0 : -EINVAL;
}

static unsigned kmsg_poll(struct file *f, struct poll_table *pt)
{
    struct kmsg_reader *r = f->data;
    uint64_t seq;

    if (!r)
        return POLLERR | POLLNVAL;
    kmsg_poll_wait(pt, f);
    seq = atomic_load_relaxed(&r->seq);
    if (seq < log_first_seq())
        return POLLIN | POLLRDNORM | POLLERR | POLLPRI;
    return seq < log_next_seq() ? POLLIN | POLLRDNORM : 0;
}

static const struct file_ops null_ops = { .read = null_read, .write = null_write, .seek = null_seek };
static const struct file_ops zero_ops = { .read = zero_read, .write = null_write,
                                          .seek = null_seek, .mmap = zero_mmap };
static const struct file_ops full_ops = { .read = zero_read, .write = full_write,
                                          .seek = null_seek };
static const struct file_ops random_ops = { .read = random_read, .write = random_write,
                                            .seek = null_seek, .ioctl = random_ioctl };
static const struct file_ops kmsg_ops = { .read = kmsg_read, .write = kmsg_write,
                                          .seek = kmsg_seek, .open = kmsg_open, .poll = kmsg_poll,
                                          .release = kmsg_release };

static const struct {
    const char *name;
    unsigned minor, mode;
    const struct file_ops *ops;
} devices[] = {
    { "null", 3, 0666, &null_ops },     { "zero", 5, 0666, &zero_ops },
    { "full", 7, 0666, &full_ops },     { "random", 8, 0666, &random_ops },
    { "urandom", 9, 0666, &random_ops }, { "kmsg", 11, 0644, &kmsg_ops },
};

static void unregister_first(unsigned n)
{
    while (n-- > 0)
        chrdev_unregister(DEV(MEM_MAJOR, devices[n].minor));
}

static err_t memdev_start(struct subsystem *self)
{
    err_t err;

    for (unsigned i = 0; i < ARRAY_SIZE(devices); i++) {
        err = chrdev_register(devices[i].name, DEV(MEM_MAJOR, devices[i].minor), devices[i].mode,
                              devices[i].ops, NULL);
        if (err != 0) {
            unregister_first(i);
            return err;
        }
    }
    return 0;
}

/* What is open stays open. */
static err_t memdev_stop(struct subsystem *self)
{
    unregister_first(ARRAY_SIZE(devices));
    return 0;
}

static const char *const memdev_needs[] = { "vfs", "?devtmpfs", NULL };
static struct subsystem memdev_subsystem = { .name = "memdev",
                                             .privilege = PRIV_DRIVER,
                                             .needs = memdev_needs,
                                             .late_init = memdev_start,
                                             .stop = memdev_stop };
REGISTER_SUBSYSTEM(memdev_subsystem);
