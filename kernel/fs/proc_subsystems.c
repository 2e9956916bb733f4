// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: /proc/subsystems, a directory that can also be read, and what is in it.
 *
 * Model: reading the directory itself gives the table of all subsystems (heading, aligned columns, "-" for
 * nothing, what may hold blanks last); below it each has a directory of small files.  All is made
 * when it is looked up; nothing is kept.
 * Locking: none; subsystems are never taken off the list, and their words are read one at a time.
 */
#include <fs/procfs.h>

#include <fs/internal.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/subsystem.h>

#include <linux/stat.h>

#define DT_DIR 4
#define DT_REG 8
#define FIRST_POS 2 /* after . and .. */
#define REASON_MAX 128

static const char *const privileges[] = { "user", "driver", "kernel" };

/* ---- the table ---- */

static void needs_join(const struct subsystem *s, char *buf, size_t size)
{
    size_t n = 0;

    str_copy(buf, "-", size);
    for (const char *const *need = s->needs; need && *need; need++)
        n += (size_t)fmt_scnprintf(buf + n, size - n, "%s%s", n ? "," : "", *need);
}

/* Before there was a clock the two passes know better. */
static ns_t start_ns(const struct subsystem *s)
{
    ns_t begun, took, sum = 0;

    if (s->starts > 1)
        return s->init_ns;
    for (unsigned late = 0; late < 2; late++)
        if (subsystem_pass_times(s, late, &begun, &took))
            sum += took;
    return sum;
}

static bool show_row(const struct subsystem *s, void *arg)
{
    char needs[256], reason[REASON_MAX];

    needs_join(s, needs, sizeof needs);
    subsystem_reason(s, reason, sizeof reason);
    text_printf(arg, "%-14s %-10s %-9s %8llu  %-24s %s\n", s->name, subsystem_state_name(s),
                privileges[s->privilege], (unsigned long long)(start_ns(s) / NS_PER_USEC), needs, reason);
    return true;
}

static void show_table(struct textbuf *out, void *arg)
{
    text_printf(out, "%-14s %-10s %-9s %8s  %-24s %s\n", "NAME", "STATE", "PRIVILEGE", "INIT-US",
                "NEEDS", "REASON");
    subsystem_for_each(show_row, out);
}

/* ---- the files of one ---- */

static void show_state(struct textbuf *out, void *arg)
{
    text_printf(out, "%s\n", subsystem_state_name(arg));
}

static void show_privilege(struct textbuf *out, void *arg)
{
    text_printf(out, "%s\n", privileges[((const struct subsystem *)arg)->privilege]);
}

static void show_reason(struct textbuf *out, void *arg)
{
    char reason[REASON_MAX];

    subsystem_reason(arg, reason, sizeof reason);
    text_printf(out, "%s\n", reason);
}

static void show_needs(struct textbuf *out, void *arg)
{
    const struct subsystem *s = arg;

    for (const char *const *need = s->needs; need && *need; need++)
        text_printf(out, "%s\n", *need);
}

struct dependents {
    struct textbuf *out;
    const char *name;
};

static bool show_dependent(const struct subsystem *s, void *arg)
{
    const struct dependents *d = arg;

    if (subsystem_needs(s, d->name))
        text_printf(d->out, "%s\n", s->name);
    return true;
}

static void show_dependents(struct textbuf *out, void *arg)
{
    struct dependents d = { out, ((const struct subsystem *)arg)->name };

    subsystem_for_each(show_dependent, &d);
}

static void show_core(struct textbuf *out, void *arg)
{
    const struct subsystem *s = arg;

    text_printf(out, "%s\n", s->core ? s->core : "-");
}

/* Of the boot: pass, begin and duration in ns. */
static void show_times(struct textbuf *out, void *arg)
{
    static const char *const passes[] = { "early", "late" };
    ns_t begun, took;

    for (unsigned late = 0; late < ARRAY_SIZE(passes); late++)
        if (subsystem_pass_times(arg, late, &begun, &took))
            text_printf(out, "%-5s %12llu %12llu\n", passes[late], (unsigned long long)begun,
                        (unsigned long long)took);
}

/* What can be written here now. */
static void show_control(struct textbuf *out, void *arg)
{
    const struct subsystem *s = arg;

    if (!s->stop)
        text_printf(out, "-\n");
    else
        text_printf(out, "%s\n", subsystem_is_up(s) ? "stop restart" : "start");
}

static err_t store_control(const char *text, size_t n, void *arg)
{
    static const struct {
        const char *word;
        err_t (*act)(const char *name);
    } words[] = { { "stop", subsystem_stop },
                  { "start", subsystem_start },
                  { "restart", subsystem_restart } };

    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
        if (strlen(words[i].word) == n && memcmp(text, words[i].word, n) == 0)
            return words[i].act(((const struct subsystem *)arg)->name);
    return -EINVAL;
}

static const struct pseudo_file files[] = {
    { .path = "state", .mode = 0444, .show = show_state },
    { .path = "privilege", .mode = 0444, .show = show_privilege },
    { .path = "reason", .mode = 0444, .show = show_reason },
    { .path = "needs", .mode = 0444, .show = show_needs },
    { .path = "dependents", .mode = 0444, .show = show_dependents },
    { .path = "core", .mode = 0444, .show = show_core },
    { .path = "times", .mode = 0444, .show = show_times },
    { .path = "control", .mode = 0644, .show = show_control, .store = store_control },
};

/* ---- the directories ---- */

static void data_evict(struct inode *i)
{
    kfree(i->data);
}

/* An inode about `s`. */
static err_t entry_attach(struct dentry *d, const struct subsystem *s, unsigned mode,
                          const struct pseudo_file *file, const struct inode_ops *ops,
                          const struct file_ops *fops)
{
    struct pseudo_data *data = kzalloc(sizeof *data);
    struct inode *i;

    if (!data)
        return -ENOMEM;
    *data = (struct pseudo_data){ .file = file, .arg = (void *)s, .evict = data_evict };
    i = pseudo_inode(d->sb, mode, data);
    if (IS_ERR(i)) {
        kfree(data);
        return PTR_ERR(i);
    }
    if (ops) {
        i->ops = ops;
        i->fops = fops;
        i->nlink = 2;
    }
    dentry_attach(d, i);
    return 0;
}

static err_t one_lookup(struct inode *dir, struct dentry *d)
{
    const struct pseudo_data *data = dir->data;

    for (unsigned n = 0; n < ARRAY_SIZE(files); n++)
        if (strcmp(files[n].path, d->name) == 0)
            return entry_attach(d, data->arg, S_IFREG | files[n].mode, &files[n], NULL, NULL);
    return 0;
}

static err_t one_readdir(struct file *f, struct dir_context *ctx)
{
    if (!pseudo_emit_dots(f, ctx))
        return 0;
    for (; ctx->pos - FIRST_POS < (off_t)ARRAY_SIZE(files); ctx->pos++) {
        const char *name = files[ctx->pos - FIRST_POS].path;

        if (!ctx->emit(ctx, name, strlen(name), f->inode->ino, DT_REG))
            break;
    }
    return 0;
}

static const struct inode_ops one_inode_ops = { .lookup = one_lookup, .setattr = inode_setattr };
static const struct file_ops one_ops = { .readdir = one_readdir, .seek = pseudo_dir_seek };

static err_t all_lookup(struct inode *dir, struct dentry *d)
{
    static const struct pseudo_file folder = { .mode = S_IFDIR | 0555 };
    const struct subsystem *s = subsystem_find(d->name);

    return s ? entry_attach(d, s, S_IFDIR | 0555, &folder, &one_inode_ops, &one_ops) : 0;
}

struct listing {
    struct dir_context *ctx;
    uint64_t ino;
    off_t at; /* position of the next subsystem */
};

static bool list_one(const struct subsystem *s, void *arg)
{
    struct listing *l = arg;

    if (l->at++ < l->ctx->pos)
        return true;
    if (!l->ctx->emit(l->ctx, s->name, strlen(s->name), l->ino, DT_DIR))
        return false;
    l->ctx->pos++;
    return true;
}

static err_t all_readdir(struct file *f, struct dir_context *ctx)
{
    struct listing l = { .ctx = ctx, .ino = f->inode->ino, .at = FIRST_POS };

    if (pseudo_emit_dots(f, ctx))
        subsystem_for_each(list_one, &l);
    return 0;
}

static err_t all_open(struct inode *inode, struct file *f)
{
    return pseudo_text_ops.open(inode, f);
}

static void all_release(struct file *f)
{
    pseudo_text_ops.release(f);
}

static ssize_t all_read(struct file *f, struct uio *u, off_t *pos)
{
    return pseudo_text_ops.read(f, u, pos);
}

static const struct inode_ops all_inode_ops = { .lookup = all_lookup, .setattr = inode_setattr };
static const struct file_ops all_ops = {
    .read = all_read,
    .readdir = all_readdir,
    .seek = pseudo_dir_seek,
    .open = all_open,
    .release = all_release,
};

static const struct pseudo_entry pseudo_subsystems = {
    .filesystem = "proc",
    .file = { .path = "subsystems", .mode = S_IFDIR | 0555, .show = show_table,
              .ops = &all_inode_ops, .fops = &all_ops },
};
REGISTRY_ADD(pseudo, pseudo_subsystems);
