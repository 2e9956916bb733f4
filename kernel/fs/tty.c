// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: terminals as files: opening, reading, writing, hang-up, job control's gate.
 * Locking: see tty_impl.h.
 */
#define LOG_TAG "tty"
#include <fs/tty_impl.h>

#include <fs/device.h>
#include <lib/string.h>
#include <mm/heap.h>

const struct tty_proc_ops *tty_proc_ops;

static const struct termios2 termios_default = {
    .c_iflag = ICRNL | IXON,
    .c_oflag = OPOST | ONLCR,
    .c_cflag = B38400 | CS8 | CREAD | HUPCL,
    .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
    .c_cc = { [VINTR] = 3, [VQUIT] = 034, [VERASE] = 0177, [VKILL] = 025, [VEOF] = 4, [VMIN] = 1,
              [VSTART] = 021, [VSTOP] = 023, [VSUSP] = 032, [VREPRINT] = 022, [VDISCARD] = 017,
              [VWERASE] = 027, [VLNEXT] = 026 },
    .c_ispeed = 38400,
    .c_ospeed = 38400,
};

struct tty *tty_create(const char *name, unsigned dev, const struct tty_driver_ops *ops,
                       const void *driver)
{
    struct tty *t = kzalloc(sizeof *t);

    if (!t)
        return NULL;
    ref_init(&t->refs, 1);
    str_copy(t->name, name, sizeof t->name);
    t->dev = dev;
    t->ops = ops;
    t->driver = driver;
    t->termios = termios_default;
    mutex_init(&t->mutex);
    mutex_init(&t->write_mutex);
    spin_init(&t->driver_lock, LOCK_TTY);
    waitq_init(&t->readers);
    waitq_init(&t->writers);
    list_init(&t->link);
    return t;
}

void tty_get(struct tty *t)
{
    ref_get(&t->refs);
}

void tty_put(struct tty *t)
{
    if (!ref_put(&t->refs))
        return;
    if (tty_is_pty(t))
        pty_free(t);
    kfree(t);
}

unsigned tty_device(const struct tty *t)
{
    return t->dev;
}

pid_t tty_foreground(struct tty *t)
{
    return atomic_load(&t->group);
}

/* A file that was opened before a hang-up is dead: its generation, kept in f->pos, is an old one. */
bool tty_file_dead(const struct file *f)
{
    return (uint32_t)f->pos != atomic_load(&tty_of(f)->generation);
}

/* ---- job control ----------------------------------------------------------------------------- */

static bool in_background(struct tty *t)
{
    return tty_proc_ops && tty_proc_ops->controlling() == t && t->group > 0 &&
           tty_proc_ops->group() != t->group;
}

static err_t stop_background(int sig)
{
    pid_t group = tty_proc_ops->group();
    err_t err = tty_proc_ops->signal_group(group, sig);

    return err ? err : -ERESTARTSYS;
}

/* POSIX 11.1.4: the gate for whatever changes the terminal, and for writes under TOSTOP. */
err_t tty_check_change(struct tty *t)
{
    if (!in_background(t) || tty_proc_ops->signal_ignored(SIGTTOU))
        return 0;
    return tty_proc_ops->group_orphaned() ? -EIO : stop_background(SIGTTOU);
}

static err_t check_read(struct tty *t)
{
    if (!in_background(t))
        return 0;
    if (tty_proc_ops->signal_ignored(SIGTTIN) || tty_proc_ops->group_orphaned())
        return -EIO;
    return stop_background(SIGTTIN);
}

/* ---- files ----------------------------------------------------------------------------------- */

/* Makes t the controlling terminal of the running process' session. */
err_t tty_attach(struct tty *t, bool steal)
{
    err_t err = tty_proc_ops->attach(t, steal);

    if (err)
        return err;
    mutex_lock(&t->mutex);
    t->session = tty_proc_ops->session();
    atomic_store(&t->group, tty_proc_ops->group());
    mutex_unlock(&t->mutex);
    return 0;
}

static void maybe_become_controlling(struct tty *t, const struct file *f)
{
    if ((f->flags & O_NOCTTY) || !tty_proc_ops || !tty_proc_ops->is_leader() ||
        tty_proc_ops->controlling() || t->session != 0 || !(f->fmode & FMODE_READ))
        return;
    (void)tty_attach(t, false); /* someone else's meanwhile: then it just is not ours */
}

err_t tty_open_file(struct tty *t, struct file *f)
{
    mutex_lock(&t->mutex);
    if (t->gone) {
        mutex_unlock(&t->mutex);
        return -ENXIO;
    }
    if (t->exclusive && t->opens > 0 && !cred_capable(cred_current(), CAP_SYS_ADMIN)) {
        mutex_unlock(&t->mutex);
        return -EBUSY;
    }
    if (t->hung && !tty_is_pty(t))
        t->hung = false;
    t->opens++;
    f->pos = t->generation;
    mutex_unlock(&t->mutex);
    tty_get(t);
    f->data = t;
    f->ops = &tty_file_ops;
    maybe_become_controlling(t, f);
    return 0;
}

static void tty_release(struct file *f)
{
    struct tty *t = tty_of(f);

    mutex_lock(&t->mutex);
    if (--t->opens == 0) {
        t->exclusive = false;
        if (tty_is_pty(t))
            t->ops->resized(t); /* tells the other side that the last one left */
    }
    mutex_unlock(&t->mutex);
    tty_put(t);
}

static ssize_t tty_read(struct file *f, struct uio *u, off_t *pos __maybe_unused)
{
    struct tty *t = tty_of(f);
    err_t err = check_read(t);

    return err ? err : ldisc_read(t, f, u);
}

static ssize_t tty_write(struct file *f, struct uio *u, off_t *pos __maybe_unused)
{
    struct tty *t = tty_of(f);
    err_t err = t->termios.c_lflag & TOSTOP ? tty_check_change(t) : 0;

    if (err)
        return err;
    err = mutex_lock_intr(&t->write_mutex);
    if (err)
        return err;
    ssize_t n = ldisc_write(t, f, u);
    mutex_unlock(&t->write_mutex);
    return n;
}

static unsigned tty_poll(struct file *f, struct poll_table *pt)
{
    struct tty *t = tty_of(f);
    unsigned mask = 0;

    poll_wait(pt, f, &t->readers);
    poll_wait(pt, f, &t->writers);
    if (t->hung || tty_file_dead(f))
        return POLLIN | POLLRDNORM | POLLHUP | POLLERR | POLLOUT | POLLWRNORM;
    if (ldisc_readable(t))
        mask |= POLLIN | POLLRDNORM;
    if (!t->stopped && (!t->ops->write_room || t->ops->write_room(t) >= 8))
        mask |= POLLOUT | POLLWRNORM;
    return mask;
}

static err_t tty_open(struct inode *inode, struct file *f);

const struct file_ops tty_file_ops = {
    .open = tty_open,
    .read = tty_read,
    .write = tty_write,
    .poll = tty_poll,
    .ioctl = tty_ioctl,
    .release = tty_release,
};

/* Which terminal does the node stand for?  With a reference, or an error. */
static err_t tty_of_node(unsigned dev, struct tty **out)
{
    *out = NULL;
    if (dev == DEV(5, 0)) {
        *out = tty_proc_ops ? tty_proc_ops->controlling() : NULL;
        if (*out)
            tty_get(*out);
        return *out ? 0 : -ENXIO;
    }
    bool is_slave = DEV_MAJOR(dev) == 136;
    *out = is_slave ? pty_slave_find(dev) : tty_console_find(dev);
    if (*out)
        return 0;
    return is_slave ? -EIO : -ENXIO; /* without a master, or locked by it */
}

static err_t tty_open(struct inode *inode, struct file *f)
{
    struct tty *t;
    err_t err = tty_of_node(inode->rdev, &t);

    if (err)
        return err;
    /* None of these three ever becomes the controlling terminal by being opened. */
    unsigned asked = f->flags;
    if (inode->rdev == DEV(5, 0) || inode->rdev == DEV(5, 1) || inode->rdev == DEV(4, 0))
        f->flags |= O_NOCTTY;
    err = tty_open_file(t, f);
    f->flags = asked;
    tty_put(t);
    return err;
}

void tty_input_kick(struct tty *t)
{
    if (tty_is_pty(t))
        pty_input_kick(t);
    else
        tty_console_kick(t);
}

size_t tty_pending(struct tty *t)
{
    return t->ops->pending ? t->ops->pending(t) : 0;
}

/* ---- hang-up --------------------------------------------------------------------------------- */

void tty_hangup(struct tty *t)
{
    mutex_lock(&t->mutex);
    pid_t session = t->session, group = t->group;
    t->generation++;
    if (tty_is_pty(t))
        t->hung = true;
    t->session = t->group = 0;
    t->stopped = false;
    ldisc_reset(t);
    t->termios = termios_default;
    mutex_unlock(&t->mutex);
    waitq_wake_all(&t->readers);
    waitq_wake_all(&t->writers);
    if (session == 0 || !tty_proc_ops)
        return;
    tty_proc_ops->signal_group(session, SIGHUP);
    tty_proc_ops->signal_group(session, SIGCONT);
    if (group > 0 && group != session) {
        tty_proc_ops->signal_group(group, SIGHUP);
        tty_proc_ops->signal_group(group, SIGCONT);
    }
    tty_proc_ops->detach_session(session);
}

void tty_session_gone(struct tty *t, pid_t session)
{
    if (t->session == session)
        tty_hangup(t);
}
