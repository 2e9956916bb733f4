// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: which consoles there are; the log is printed on them.
 *
 * Model: a list of entries, each with a sink of the log that is in use while the console prints.  Which ones
 * print is decided after the early and the late pass of the boot, and from then on whenever one comes or goes:
 * those that console= names; if that is none, the best-rated.  One that printed for lack of a better one goes on
 * when that comes, so that what a failing device swallows can be read somewhere.
 * Locking: console_mutex; the log's lock inside the sinks.
 */
#define LOG_TAG "console"
#include <svc/console.h>

#include <core/choice.h>
#include <core/log.h>
#include <core/params.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/mutex.h>
#include <sched/thread.h>

struct console_entry {
    struct log_sink sink; /* must be first */
    const struct console_service *console; /* constant, as rating */
    unsigned rating;
    bool prints; /* console_mutex, as all below */
    bool shown; /* the client has it */
    struct list link;
};

static struct mutex console_mutex = MUTEX_INIT(console_mutex);
static struct list entries = LIST_INIT(entries); /* console_mutex */
static const struct console_client *client; /* console_mutex */
static bool attached; /* boot has attached the log before; console_mutex */

/* ---- names ----------------------------------------------------------------------------------- */

static bool starts_with_name(const char *value, const char *name)
{
    size_t n = name ? strlen(name) : 0;

    return n && strncmp(value, name, n) == 0 &&
           (value[n] == '\0' || value[n] == ' ' || value[n] == ',');
}

bool console_is_named(const struct console_service *console, const char *value)
{
    return starts_with_name(value, console->tty_name) || starts_with_name(value, console->alias);
}

/* The value of the next console= from `at` on, or NULL. */
static const char *wanted_next(const char *at)
{
    static const char word[] = "console=";

    while (at && (at = strstr(at, word)) != NULL) {
        bool begins = at == params_cmdline() || at[-1] == ' ';

        at += sizeof word - 1;
        if (begins)
            return at;
    }
    return NULL;
}

const char *console_wanted(const struct console_service *console)
{
    const char *found = NULL;

    for (const char *at = params_cmdline(); (at = wanted_next(at)) != NULL;)
        if (console_is_named(console, at))
            found = at;
    return found;
}

/* The later console= names it, the better; then by rating; the first of equals wins. */
static uint64_t preference_of(const struct console_entry *e)
{
    const char *wanted = console_wanted(e->console);

    return (wanted ? (uint64_t)(wanted - params_cmdline()) << 32 : 0) | e->rating;
}

static const struct console_entry *preferred(void)
{
    const struct console_entry *e, *best = NULL;

    list_for_each(e, &entries, link)
        if (!best || preference_of(e) > preference_of(best))
            best = e;
    return best;
}

/* ---- the log --------------------------------------------------------------------------------- */

static void put(const struct console_service *c, const char *s, size_t n)
{
    if (c->write_log)
        c->write_log(c, s, n);
    else
        (void)c->write(c, s, n);
}

/* Lines end with CR LF on a terminal. */
static void sink_write(struct log_sink *sink, const char *text, size_t n)
{
    const struct console_service *console = ((struct console_entry *)sink)->console;

    while (n) {
        const char *end = memchr(text, '\n', n);
        size_t run = end ? (size_t)(end - text) : n;

        if (run)
            put(console, text, run);
        if (!end)
            return;
        put(console, "\r\n", 2);
        text = end + 1;
        n -= run + 1;
    }
}

static void print_start(struct console_entry *e)
{
    if (e->prints)
        return;
    e->prints = true;
    e->sink = (struct log_sink){ .name = e->console->tty_name, .write = sink_write, .level = LOG_DEBUG };
    log_sink_add(&e->sink, true);
}

static void attach_locked(void)
{
    struct console_entry *e, *best = NULL;
    bool some = false;

    list_for_each(e, &entries, link) {
        if (console_wanted(e->console))
            print_start(e);
        some |= e->prints;
        if (!best || e->rating > best->rating)
            best = e;
    }
    if (!some && best)
        print_start(best);
}

void console_log_attach(void)
{
    mutex_lock(&console_mutex);
    attached = true;
    attach_locked();
    mutex_unlock(&console_mutex);
}

/* ---- they come and go ------------------------------------------------------------------------ */

static err_t client_tell(struct console_entry *e)
{
    err_t err = client ? client->added(e->console, preference_of(e)) : 0;

    e->shown = client && err == 0;
    return err;
}

err_t console_client_set(const struct console_client *c)
{
    struct console_entry *e;
    err_t first = 0;

    mutex_lock(&console_mutex);
    client = c;
    list_for_each(e, &entries, link) {
        err_t err = client_tell(e);

        first = first ? first : err;
    }
    mutex_unlock(&console_mutex);
    return first;
}

/* Who has the record may withdraw it, whoever published it: a device may be taken away by hand. */
static void withdraw(const struct console_service *c)
{
    struct thread *self = thread_current();
    const void *domain = self->domain;

    self->domain = NULL;
    service_withdraw_console(c->tty_name);
    self->domain = domain;
}

static err_t add_locked(struct console_entry *e)
{
    err_t err = service_publish_console(e->console->tty_name, e->console, e->rating, PRIV_DRIVER);

    if (err)
        return err;
    err = client_tell(e);
    if (err) {
        withdraw(e->console);
        return err;
    }
    list_add_tail(&entries, &e->link);
    if (attached)
        attach_locked();
    return 0;
}

err_t console_add(const struct console_service *c, unsigned rating)
{
    struct console_entry *e = kzalloc(sizeof *e);
    err_t err;

    if (!e)
        return -ENOMEM;
    e->console = c;
    e->rating = rating;
    mutex_lock(&console_mutex);
    err = add_locked(e);
    mutex_unlock(&console_mutex);
    if (err)
        kfree(e);
    return err;
}

static struct console_entry *entry_of(const struct console_service *c)
{
    struct console_entry *e;

    list_for_each(e, &entries, link)
        if (e->console == c)
            return e;
    return NULL;
}

void console_remove(const struct console_service *c)
{
    struct console_entry *e;

    mutex_lock(&console_mutex);
    e = entry_of(c);
    if (e) {
        list_del(&e->link);
        if (e->shown)
            client->removing(c);
        if (e->prints)
            log_sink_remove(&e->sink);
        withdraw(c);
        attach_locked();
    }
    mutex_unlock(&console_mutex);
    kfree(e);
}

void console_for_each(bool (*fn)(const struct console_info *info, void *arg), void *arg)
{
    const struct console_entry *e, *best;
    struct console_info info;

    mutex_lock(&console_mutex);
    best = preferred();
    list_for_each(e, &entries, link) {
        info = (struct console_info){ e->console, e->prints, e == best };
        if (!fn(&info, arg))
            break;
    }
    mutex_unlock(&console_mutex);
}

/* ---- names that nobody has ------------------------------------------------------------------- */

/* Boot: nothing goes, so the name stays. */
static const char *console_nth(unsigned n)
{
    const struct console_entry *e;
    const char *name = NULL;

    mutex_lock(&console_mutex);
    list_for_each(e, &entries, link)
        if (n-- == 0) {
            name = e->console->tty_name;
            break;
        }
    mutex_unlock(&console_mutex);
    return name;
}

static bool exists(const char *value)
{
    const struct console_entry *e;
    bool found = false;

    mutex_lock(&console_mutex);
    list_for_each(e, &entries, link)
        found |= console_is_named(e->console, value);
    mutex_unlock(&console_mutex);
    return found;
}

void console_check_wanted(void)
{
    for (const char *at = params_cmdline(); (at = wanted_next(at)) != NULL;) {
        char name[16];
        size_t n = 0;

        while (n < sizeof name - 1 && at[n] && at[n] != ' ' && at[n] != ',')
            n++;
        str_copy(name, at, n + 1);
        if (!exists(name))
            choice_unknown("console", name, console_nth);
    }
}
