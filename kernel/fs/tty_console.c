// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the terminals of consoles: /dev/ttyS0 and its like, and /dev/console, which is one of them.
 *
 * Model: a terminal comes with its console and goes with it.  The receive interrupt puts bytes into tty->raw and
 * wakes the thread "ttyd", which runs the line discipline; so echo, editing and signals happen in a thread.  A
 * full raw buffer holds the device back (throttle).  A device that takes no output makes writers wait on
 * tty->writers until it says that there is room.
 *
 *     removal: off the list, no node, no listener -> driver = NULL, gone -> hang-up -> the list's reference
 *
 * Locking: consoles_mutex, above the terminals' mutexes: the list, and ttyd's round over it.
 */
#define LOG_TAG "tty"
#include <fs/tty_impl.h>

#include <core/log.h>
#include <core/params.h>
#include <fs/device.h>
#include <lib/string.h>
#include <svc/console.h>

#define TTY_MODE 0620
#define RAW_MASK (TTY_RAW_BYTES - 1)
#define CONSOLE_DEV DEV(5, 1)

static struct mutex consoles_mutex = MUTEX_INIT(consoles_mutex);
static struct list consoles = LIST_INIT(consoles); /* consoles_mutex */
static struct waitq input_queue = WAITQ_INIT(input_queue);
static uint32_t input_pending; /* atomic */

static const struct console_service *console_of(const struct tty *t)
{
    return t->driver;
}

/* ---- output ---------------------------------------------------------------------------------- */

/* mutex held, as by all who write to a terminal's driver. */
static size_t console_write(struct tty *t, const char *s, size_t n)
{
    const struct console_service *c = console_of(t);

    return c ? c->write(c, s, n) : n;
}

static size_t console_room(struct tty *t)
{
    const struct console_service *c;
    size_t room;

    spin_lock(&t->driver_lock);
    c = console_of(t);
    room = c && c->room ? c->room(c) : TTY_BUFFER;
    spin_unlock(&t->driver_lock);
    return room;
}

static size_t console_pending(struct tty *t)
{
    const struct console_service *c;
    size_t pending;

    spin_lock(&t->driver_lock);
    c = console_of(t);
    pending = c && c->pending ? c->pending(c) : 0;
    spin_unlock(&t->driver_lock);
    return pending;
}

static const struct tty_driver_ops console_ops = { .write = console_write, .write_room = console_room,
                                                   .pending = console_pending };

/* ---- input ----------------------------------------------------------------------------------- */

static void ttyd_wake(void)
{
    atomic_store(&input_pending, 1);
    waitq_wake_one(&input_queue);
}

static void on_input(void *arg, const uint8_t *data, size_t n)
{
    struct tty *t = arg;
    const struct console_service *c = console_of(t);
    uint32_t head = t->raw_head;

    for (size_t i = 0; i < n && head - atomic_load(&t->raw_tail) < TTY_RAW_BYTES; i++)
        t->raw[head++ & RAW_MASK] = data[i];
    atomic_store(&t->raw_head, head);
    if (c->throttle && head - atomic_load(&t->raw_tail) > TTY_RAW_BYTES / 2) {
        atomic_store(&t->throttled, 1);
        c->throttle(c, true);
    }
    ttyd_wake();
}

static void on_room(void *arg)
{
    waitq_wake_all(&((struct tty *)arg)->writers);
}

static void on_resized(void *arg)
{
    atomic_store(&((struct tty *)arg)->resized, 1);
    ttyd_wake();
}

static const struct console_listener listener = { .input = on_input, .room = on_room, .resized = on_resized };

void tty_console_kick(struct tty *t)
{
    if (atomic_load(&t->raw_head) != atomic_load(&t->raw_tail))
        ttyd_wake();
}

/* Gives the raw bytes to the line discipline, as many as it takes. */
static void console_drain(struct tty *t)
{
    const struct console_service *c = console_of(t);
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
        c->throttle(c, false);
    }
}

static struct winsize size_of(const struct console_service *c)
{
    unsigned columns = 0, rows = 0;

    if (c->size)
        c->size(c, &columns, &rows);
    return (struct winsize){ .ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns };
}

static void console_serve(struct tty *t)
{
    struct winsize size;

    console_drain(t);
    if (!atomic_load_relaxed(&t->resized) || !atomic_xchg(&t->resized, 0))
        return;
    size = size_of(console_of(t));
    tty_resize(t, &size);
}

/* Who is on the list has its driver. */
static void input_thread(void *arg __maybe_unused)
{
    struct tty *t;

    for (;;) {
        wait_event_state(&input_queue, atomic_xchg(&input_pending, 0), THREAD_SLEEPING_INTR,
                         NS_NEVER, false);
        mutex_lock(&consoles_mutex);
        list_for_each(t, &consoles, link)
            console_serve(t);
        mutex_unlock(&consoles_mutex);
    }
}

/* ---- nodes ----------------------------------------------------------------------------------- */

/* The device number of its second name, 0: it has none. */
static unsigned alias_of(const struct console_service *c)
{
    return c->alias ? DEV(c->major, c->alias_minor) : 0;
}

static struct tty *find_locked(unsigned dev)
{
    struct tty *t, *best = NULL;

    list_for_each(t, &consoles, link) {
        if (t->dev == dev || alias_of(console_of(t)) == dev)
            return t;
        if (dev == CONSOLE_DEV && (!best || t->preference > best->preference))
            best = t;
    }
    return best;
}

struct tty *tty_console_find(unsigned dev)
{
    mutex_lock(&consoles_mutex);
    struct tty *t = find_locked(dev);
    if (t)
        tty_get(t);
    mutex_unlock(&consoles_mutex);
    return t;
}

static err_t nodes_add(struct tty *t, const struct console_service *c)
{
    err_t err = chrdev_register(t->name, t->dev, TTY_MODE, &tty_file_ops, NULL);

    if (!err && c->alias) {
        err = chrdev_register(c->alias, alias_of(c), TTY_MODE, &tty_file_ops, NULL);
        if (err)
            chrdev_unregister(t->dev);
    }
    return err;
}

static void nodes_remove(const struct tty *t, const struct console_service *c)
{
    if (c->alias)
        chrdev_unregister(alias_of(c));
    chrdev_unregister(t->dev);
}

/* ---- consoles come and go -------------------------------------------------------------------- */

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

/* The options of its console=, as "115200n8"; NULL: none. */
static const char *options_of(const struct console_service *c)
{
    const char *at = console_wanted(c);

    while (at && *at && *at != ' ' && *at != ',')
        at++;
    return at && *at == ',' ? at + 1 : NULL;
}

static err_t console_added(const struct console_service *c, uint64_t preference)
{
    struct tty *t = tty_create(c->tty_name, DEV(c->major, c->minor), &console_ops, c);
    const char *options = options_of(c);
    err_t err;

    if (!t)
        return -ENOMEM;
    t->size = size_of(c);
    t->preference = preference;
    if (options)
        console_speed(t, options);
    err = nodes_add(t, c);
    if (err) {
        tty_put(t);
        return err;
    }
    mutex_lock(&consoles_mutex);
    list_add_tail(&consoles, &t->link);
    mutex_unlock(&consoles_mutex);
    if (c->listen)
        c->listen(c, &listener, t);
    return 0;
}

static struct tty *list_take(const struct console_service *c)
{
    struct tty *t, *found = NULL;

    mutex_lock(&consoles_mutex);
    list_for_each(t, &consoles, link)
        if (t->driver == c)
            found = t;
    if (found)
        list_del(&found->link);
    mutex_unlock(&consoles_mutex);
    return found;
}

static void console_removing(const struct console_service *c)
{
    struct tty *t;

    if (c->listen)
        c->listen(c, NULL, NULL);
    t = list_take(c);
    if (!t)
        return;
    nodes_remove(t, c);
    mutex_lock(&t->mutex);
    t->gone = t->hung = true;
    spin_lock(&t->driver_lock);
    t->driver = NULL;
    spin_unlock(&t->driver_lock);
    mutex_unlock(&t->mutex);
    tty_hangup(t);
    tty_put(t);
}

static const struct console_client client = { .added = console_added, .removing = console_removing };

static err_t tty_start(struct subsystem *self __maybe_unused)
{
    err_t err = console_client_set(&client);

    if (!err)
        err = chrdev_register("tty", DEV(5, 0), 0666, &tty_file_ops, NULL);
    if (!err)
        err = chrdev_register("console", CONSOLE_DEV, 0600, &tty_file_ops, NULL);
    if (!err && !kthread_start("ttyd", LEVEL_HIGH, input_thread, NULL))
        err = -ENOMEM;
    return err;
}

static const char *const needs[] = { "vfs", "?devtmpfs", NULL };
static struct subsystem tty_subsystem = {
    .name = "tty", .privilege = PRIV_KERNEL, .needs = needs, .late_init = tty_start,
};
REGISTER_SUBSYSTEM(tty_subsystem);
