// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files of /proc about devices: consoles, drivers of terminals.
 * Source: proc(5), Documentation/admin-guide/serial-console; the texts are Linux 6.1's.
 */
#include <fs/procfs.h>

#include <core/params.h>
#include <fs/device.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <svc/console.h>

#include <linux/stat.h>


#define EMPTY_DIRECTORY(id, path_)                                                                 \
    static const struct pseudo_entry pseudo_##id = {                                               \
        .filesystem = "sysfs", .file = { .path = path_, .mode = S_IFDIR | 0755 }                    \
    };                                                                                             \
    REGISTRY_ADD(pseudo, pseudo_##id)
EMPTY_DIRECTORY(block, "block");
EMPTY_DIRECTORY(class_block, "class/block");
EMPTY_DIRECTORY(dev_block, "dev/block");

/* ---- consoles ---- */

/* Is it the one that the last console= names? */
static bool is_named_last(const struct console_service *c)
{
    const char *value = params_find("console");

    return value && console_is_named(c, value);
}

struct console_pick {
    const struct console_service *best, *named;
};

static bool pick_preferred(const struct service *s, void *arg)
{
    struct console_pick *p = arg;

    if (strcmp(s->type, "console") != 0)
        return true;
    if (!p->best) /* they come best first */
        p->best = s->impl;
    if (is_named_last(s->impl))
        p->named = s->impl;
    return true;
}

/* The one behind /dev/console. */
static const struct console_service *console_preferred(void)
{
    struct console_pick p = { NULL, NULL };

    service_for_each(pick_preferred, &p);
    return p.named ? p.named : p.best;
}

struct console_show {
    struct textbuf *out;
    const struct console_service *preferred;
    bool names_only;
};

static bool show_console(const struct service *s, void *arg)
{
    const struct console_show *show = arg;
    const struct console_service *c = s->impl;

    if (strcmp(s->type, "console") != 0 || !console_prints_log(c))
        return true;
    if (show->names_only)
        text_printf(show->out, "%s%s", show->out->length ? " " : "", c->tty_name);
    else
        text_printf(show->out, "%-20s -W- (E%c p a) %4u:%u\n", c->tty_name,
                    c == show->preferred ? 'C' : ' ', c->major, c->minor);
    return true;
}

static void show_consoles(struct textbuf *out, void *arg)
{
    struct console_show show = { .out = out, .preferred = console_preferred() };

    service_for_each(show_console, &show);
}
PROC_FILE(consoles, "consoles", 0444, show_consoles);

static void show_active(struct textbuf *out, void *arg)
{
    struct console_show show = { .out = out, .names_only = true };

    service_for_each(show_console, &show);
    text_append(out, "\n", 1);
}
PSEUDO_FILE(console_active, "sysfs", "class/tty/console/active", 0444, show_active, NULL);

/* ---- /proc/tty/drivers: what ps makes names of terminals from ---- */

static void show_driver(struct textbuf *out, const char *driver, const char *name, unsigned major,
                        unsigned minor, unsigned last, const char *type)
{
    text_printf(out, "%-20s /dev/%-8s ", driver, name);
    if (last > minor)
        text_printf(out, "%3u %u-%u ", major, minor, last);
    else
        text_printf(out, "%3u %7u ", major, minor);
    text_printf(out, "%s\n", type);
}

static bool show_console_driver(const struct service *s, void *arg)
{
    const struct console_service *c = s->impl;
    char name[16];

    if (strcmp(s->type, "console") != 0)
        return true;
    str_copy(name, c->tty_name, sizeof name);
    for (size_t n = strlen(name); n > 1 && name[n - 1] >= '0' && name[n - 1] <= '9'; n--)
        name[n - 1] = '\0';
    show_driver(arg, s->name, name, c->major, c->minor, c->minor,
                c->major == 4 && c->minor < 64 ? "console" : "serial");
    return true;
}

static void show_tty_drivers(struct textbuf *out, void *arg)
{
    show_driver(out, "/dev/tty", "tty", 5, 0, 0, "system:/dev/tty");
    show_driver(out, "/dev/console", "console", 5, 1, 1, "system:console");
    show_driver(out, "/dev/ptmx", "ptmx", 5, 2, 2, "system");
    service_for_each(show_console_driver, out);
    show_driver(out, "pty_slave", "pts", 136, 0, 1048575, "pty:slave");
    show_driver(out, "pty_master", "ptm", 128, 0, 1048575, "pty:master");
}
PROC_FILE(tty_drivers, "tty/drivers", 0444, show_tty_drivers);
