// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files of /proc about devices: consoles, drivers of terminals.
 * Source: proc(5), Documentation/admin-guide/serial-console; the texts are Linux 6.1's.
 */
#include <fs/procfs.h>

#include <fs/device.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <svc/console.h>

#include <linux/stat.h>

#define HVC_MAJOR 229
#define HVC_MAX 8

#define EMPTY_DIRECTORY(id, path_)                                                                 \
    static const struct pseudo_entry pseudo_##id = {                                               \
        .filesystem = "sysfs", .file = { .path = path_, .mode = S_IFDIR | 0755 }                    \
    };                                                                                             \
    REGISTRY_ADD(pseudo, pseudo_##id)
EMPTY_DIRECTORY(block, "block");
EMPTY_DIRECTORY(class_block, "class/block");
EMPTY_DIRECTORY(dev_block, "dev/block");

/* ---- consoles ---- */

static bool show_console(const struct console_info *info, void *out)
{
    const struct console_service *c = info->console;

    if (info->prints_log)
        text_printf(out, "%-20s -W- (E%c p a) %4u:%u\n", c->tty_name, info->preferred ? 'C' : ' ', c->major,
                    c->minor);
    return true;
}

static void show_consoles(struct textbuf *out, void *arg)
{
    console_for_each(show_console, out);
}
PROC_FILE(consoles, "consoles", 0444, show_consoles);

struct active_show {
    struct textbuf *out;
    bool preferred; /* that one, or the others */
};

/* The screen is not resolved to the terminal that is in front, as on Linux. */
static bool show_name(const struct console_info *info, void *arg)
{
    const struct active_show *show = arg;
    const struct console_service *c = info->console;

    if (info->prints_log && info->preferred == show->preferred)
        text_printf(show->out, "%s%s", show->out->length ? " " : "", c->alias ? c->alias : c->tty_name);
    return true;
}

/* The one behind /dev/console is the last. */
static void show_active(struct textbuf *out, void *arg)
{
    console_for_each(show_name, &(struct active_show){ out, false });
    console_for_each(show_name, &(struct active_show){ out, true });
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

struct driver_show {
    struct textbuf *out;
    unsigned hvc; /* virtual machines' consoles that were seen */
};

/* Of a virtual machine's consoles there may be several, and one line for all. */
static bool show_console_driver(const struct console_info *info, void *arg)
{
    const struct console_service *c = info->console;
    struct driver_show *show = arg;
    char name[16];

    if (c->major == HVC_MAJOR && show->hvc++ > 0)
        return true;
    str_copy(name, c->tty_name, sizeof name);
    for (size_t n = strlen(name); n > 1 && name[n - 1] >= '0' && name[n - 1] <= '9'; n--)
        name[n - 1] = '\0';
    if (c->major == HVC_MAJOR)
        show_driver(show->out, name, name, c->major, 0, HVC_MAX - 1, "system");
    else
        show_driver(show->out, c->tty_name, name, c->major, c->minor, c->minor,
                    c->major == 4 && c->minor < 64 ? "console" : "serial");
    return true;
}

static void show_tty_drivers(struct textbuf *out, void *arg)
{
    struct driver_show show = { .out = out };

    show_driver(out, "/dev/tty", "tty", 5, 0, 0, "system:/dev/tty");
    show_driver(out, "/dev/console", "console", 5, 1, 1, "system:console");
    show_driver(out, "/dev/ptmx", "ptmx", 5, 2, 2, "system");
    console_for_each(show_console_driver, &show);
    show_driver(out, "pty_slave", "pts", 136, 0, 1048575, "pty:slave");
    show_driver(out, "pty_master", "ptm", 128, 0, 1048575, "pty:master");
}
PROC_FILE(tty_drivers, "tty/drivers", 0444, show_tty_drivers);
