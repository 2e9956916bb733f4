// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: prints the log on the consoles.
 *
 * Model: a sink for each console service that console= names, or for the best-rated one when it
 * names none that exists.  Called when consoles may have come: after the early and the late pass.
 * Locking: boot, one thread; the log's lock inside the sinks.
 */
#define LOG_TAG "console"
#include <svc/console.h>

#include <core/choice.h>
#include <core/log.h>
#include <core/params.h>
#include <lib/string.h>
#include <mm/heap.h>

struct console_sink {
    struct log_sink sink; /* must be first */
    const struct console_service *console;
    struct console_sink *next;
};

static struct console_sink *sinks; /* only grows */

/* Lines end with CR LF on a terminal. */
static void sink_write(struct log_sink *sink, const char *text, size_t n)
{
    const struct console_service *console = ((struct console_sink *)sink)->console;
    void (*write)(const char *s, size_t n) = console->write_log ? console->write_log : console->write;

    while (n) {
        const char *end = memchr(text, '\n', n);
        size_t run = end ? (size_t)(end - text) : n;

        if (run)
            write(text, run);
        if (!end)
            return;
        write("\r\n", 2);
        text = end + 1;
        n -= run + 1;
    }
}

bool console_prints_log(const struct console_service *console)
{
    for (const struct console_sink *s = sinks; s; s = s->next)
        if (s->console == console)
            return true;
    return false;
}

static void sink_add(const struct console_service *console)
{
    struct console_sink *s = kzalloc(sizeof *s);

    if (!s)
        return;
    s->console = console;
    s->sink = (struct log_sink){ .name = console->tty_name, .write = sink_write,
                                 .level = LOG_DEBUG };
    s->next = sinks;
    sinks = s;
    log_sink_add(&s->sink, true);
}

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

/* Does some console=NAME[,options] of the command line name it? */
static bool is_named(const struct console_service *console)
{
    const char *at = params_cmdline();

    while (at && (at = strstr(at, "console=")) != NULL) {
        bool word = at == params_cmdline() || at[-1] == ' ';

        at += strlen("console=");
        if (word && console_is_named(console, at))
            return true;
    }
    return false;
}

struct chosen {
    const struct console_service *named[8], *best;
    unsigned count;
};

static bool choose(const struct service *s, void *arg)
{
    struct chosen *c = arg;
    const struct console_service *console = s->impl;

    if (strcmp(s->type, "console") != 0)
        return true;
    if (!c->best)
        c->best = console;
    if (c->count < ARRAY_SIZE(c->named) && is_named(console))
        c->named[c->count++] = console;
    return true;
}

void console_log_attach(void)
{
    struct chosen c = { .count = 0 };

    service_for_each(choose, &c);
    if (c.count == 0 && c.best && !sinks)
        c.named[c.count++] = c.best;
    for (unsigned i = 0; i < c.count; i++)
        if (!console_prints_log(c.named[i]))
            sink_add(c.named[i]);
}

/* --- names that nobody has --- */

struct nth {
    unsigned left;
    const struct console_service *console;
};

static bool count_down(const struct service *s, void *arg)
{
    struct nth *n = arg;

    if (strcmp(s->type, "console") != 0 || n->left-- > 0)
        return true;
    n->console = s->impl;
    return false;
}

static const struct console_service *nth_console(unsigned n)
{
    struct nth search = { .left = n };

    service_for_each(count_down, &search);
    return search.console;
}

static const char *console_nth(unsigned n)
{
    const struct console_service *console = nth_console(n);

    return console ? console->tty_name : NULL;
}

static bool console_exists(const char *name)
{
    const struct console_service *known;

    for (unsigned i = 0; (known = nth_console(i)) != NULL; i++)
        if (console_is_named(known, name))
            return true;
    return false;
}

void console_check_wanted(void)
{
    const char *at = params_cmdline();

    while (at && (at = strstr(at, "console=")) != NULL) {
        bool word = at == params_cmdline() || at[-1] == ' ';
        char name[16];
        size_t n = 0;

        at += strlen("console=");
        while (n < sizeof name - 1 && at[n] && at[n] != ' ' && at[n] != ',')
            n++;
        str_copy(name, at, n + 1);
        if (word && !console_exists(name))
            choice_unknown("console", name, console_nth);
    }
}
