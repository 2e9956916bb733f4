// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: terminals as files: /dev/ttyS0 and its like over console services, /dev/console,
 * /dev/tty; opening, hang-up, job control's gate.
 *
 * Model: the receive interrupt puts bytes into tty->raw and wakes the thread "ttyd", which runs the
 * line discipline; so echo, editing and signals happen in a thread.  A full raw buffer holds the
 * device back (throttle).
 * Locking: see tty_impl.h; `consoles` is constant after boot.
 */
#define LOG_TAG "tty"
#include <fs/tty_impl.h>

#include <core/log.h>
#include <core/params.h>
#include <fs/device.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/console.h>

#define TTY_MODE 0620
#define RAW_MASK (TTY_RAW_BYTES - 1)

const struct tty_proc_ops *tty_proc_ops;

static struct list consoles = LIST_INIT(consoles);
static struct tty *console_tty; /* behind /dev/console; constant after boot */
static struct waitq input_queue = WAITQ_INIT(input_queue);
static uint32_t input_pending; /* atomic */

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
                       void *driver)
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

/* The device number of its second name, 0: it has none. */
static unsigned console_alias(const struct tty *t)
{
    const struct console_service *c = t->driver;

    return c->alias ? DEV(c->major, c->alias_minor) : 0;
}

static struct tty *console_find(unsigned dev)
{
    struct tty *t;

    list_for_each(t, &consoles, link)
        if (t->dev == dev || console_alias(t) == dev) {
            tty_get(t);
            return t;
        }
    return NULL;
}

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
    if (dev == DEV(5, 1) && console_tty) {
        tty_get(console_tty);
        *out = console_tty;
        return 0;
    }
    *out = DEV_MAJOR(dev) == 136 ? pty_slave_find(dev) : console_find(dev);
    return *out ? 0 : -ENXIO;
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

/* ---- consoles -------------------------------------------------------------------------------- */

static size_t console_write(struct tty *t, const char *s, size_t n)
{
    const struct console_service *c = t->driver;

    c->write(s, n);
    return n;
}

static const struct tty_driver_ops console_ops = { .write = console_write };

/* Interrupt context. */
static void console_input(void *arg, const uint8_t *data, size_t n)
{
    struct tty *t = arg;
    const struct console_service *c = t->driver;
    uint32_t head = t->raw_head;

    for (size_t i = 0; i < n && head - atomic_load(&t->raw_tail) < TTY_RAW_BYTES; i++)
        t->raw[head++ & RAW_MASK] = data[i];
    atomic_store(&t->raw_head, head);
    if (c->throttle && head - atomic_load(&t->raw_tail) > TTY_RAW_BYTES / 2) {
        atomic_store(&t->throttled, 1);
        c->throttle(true);
    }
    atomic_store(&input_pending, 1);
    waitq_wake_one(&input_queue);
}

void tty_input_kick(struct tty *t)
{
    if (tty_is_pty(t)) {
        pty_input_kick(t);
        return;
    }
    if (atomic_load(&t->raw_head) == atomic_load(&t->raw_tail))
        return;
    atomic_store(&input_pending, 1);
    waitq_wake_one(&input_queue);
}

/* Gives the raw bytes to the line discipline, as many as it takes. */
static void console_drain(struct tty *t)
{
    const struct console_service *c = t->driver;
    uint32_t tail = t->raw_tail;

    while (tail != atomic_load(&t->raw_head)) {
        size_t run = MIN(t->raw_head - tail, TTY_RAW_BYTES - (tail & RAW_MASK));
        size_t used = ldisc_receive(t, t->raw + (tail & RAW_MASK), run);
        tail += (uint32_t)used;
        atomic_store(&t->raw_tail, tail);
        if (used < run)
            break;
    }
    if (atomic_load(&t->throttled) && t->raw_head - tail < TTY_RAW_BYTES / 4) {
        atomic_store(&t->throttled, 0);
        c->throttle(false);
    }
}

static void input_thread(void *arg __maybe_unused)
{
    struct tty *t;

    for (;;) {
        wait_event_state(&input_queue, atomic_xchg(&input_pending, 0), THREAD_SLEEPING_INTR,
                         NS_NEVER, false);
        list_for_each(t, &consoles, link)
            console_drain(t);
    }
}

/* Line speed of `console=ttyS0,115200n8`. */
static void console_speed(struct tty *t, const char *options)
{
    static const struct { unsigned baud; tcflag_t bits; } speeds[] = {
        { 9600, B9600 },     { 19200, B19200 },   { 38400, B38400 },
        { 57600, B57600 },   { 115200, B115200 }, { 230400, B230400 },
    };
    uint64_t baud;

    if (str_to_u64(&options, 10, &baud))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(speeds); i++)
        if (speeds[i].baud == baud) {
            t->termios.c_cflag = (t->termios.c_cflag & ~CBAUD) | speeds[i].bits;
            t->termios.c_ispeed = t->termios.c_ospeed = (unsigned)baud;
        }
}

struct gathered {
    const struct console_service *c[16];
    unsigned rating[16], count;
};

static bool gather(const struct service *s, void *arg)
{
    struct gathered *g = arg;

    if (!strcmp(s->type, "console") && g->count < ARRAY_SIZE(g->c)) {
        g->rating[g->count] = s->rating;
        g->c[g->count++] = s->impl;
    }
    return true;
}

static err_t console_add(const struct console_service *c)
{
    struct tty *t = tty_create(c->tty_name, DEV(c->major, c->minor), &console_ops, (void *)c);
    unsigned columns = 0, rows = 0;

    if (!t)
        return -ENOMEM;
    if (c->size)
        c->size(&columns, &rows);
    t->size = (struct winsize){ .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };
    list_add_tail(&consoles, &t->link);
    if (c->set_input)
        c->set_input(console_input, t);
    err_t err = chrdev_register(t->name, t->dev, TTY_MODE, &tty_file_ops, NULL);
    if (!err && c->alias)
        err = chrdev_register(c->alias, console_alias(t), TTY_MODE, &tty_file_ops, NULL);
    return err;
}

/* The last console= that names one of ours, else the best-rated. */
static void console_choose(const struct gathered *g)
{
    const char *value = params_find("console");
    unsigned best = 0;
    struct tty *t;

    for (unsigned i = 1; i < g->count; i++)
        if (g->rating[i] > g->rating[best])
            best = i;
    list_for_each(t, &consoles, link)
        if (g->count > 0 && t->driver == g->c[best])
            console_tty = t;
    list_for_each(t, &consoles, link)
        if (value && console_is_named(t->driver, value)) {
            console_tty = t;
            const char *comma = strchr(value, ',');
            if (comma)
                console_speed(t, comma + 1);
        }
}

static err_t tty_start(struct subsystem *self __maybe_unused)
{
    struct gathered g = { .count = 0 };
    err_t err = 0;

    service_for_each(gather, &g);
    for (unsigned i = 0; i < g.count && !err; i++)
        err = console_add(g.c[i]);
    console_choose(&g);
    if (!err)
        err = chrdev_register("tty", DEV(5, 0), 0666, &tty_file_ops, NULL);
    if (!err)
        err = chrdev_register("console", DEV(5, 1), 0600, &tty_file_ops, NULL);
    if (!err && !kthread_start("ttyd", LEVEL_HIGH, input_thread, NULL))
        err = -ENOMEM;
    if (!console_tty)
        log_warn("no console service: /dev/console cannot be opened");
    return err;
}

static const char *const needs[] = { "vfs", "?devtmpfs", NULL };
static struct subsystem tty_subsystem = {
    .name = "tty", .privilege = PRIV_KERNEL, .needs = needs, .late_init = tty_start,
};
REGISTER_SUBSYSTEM(tty_subsystem);
