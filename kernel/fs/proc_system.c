// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files of /proc about the system as a whole.
 * Source: proc(5); the texts are Linux 6.1's.
 */
#include <fs/procfs.h>

#include <core/params.h>
#include <fs/proc_format.h>
#include <fs/uts.h>
#include <sched/clock.h>
#include <sched/sched.h>

#include <linux/stat.h>

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

static void show_version(struct textbuf *out, void *arg)
{
    struct new_utsname u;

    uts_get(&u);
    text_printf(out, "%s version %s (devine@devine) (%s) %s\n", u.sysname, u.release, COMPILER,
                u.version);
}
PROC_FILE(version, "version", 0444, show_version);

static void show_cmdline(struct textbuf *out, void *arg)
{
    text_printf(out, "%s\n", params_cmdline());
}
PROC_FILE(cmdline, "cmdline", 0444, show_cmdline);

/* Time since boot; time that the CPUs were idle, added up. */
static void show_uptime(struct textbuf *out, void *arg)
{
    struct cpu_times t;
    ns_t idle = 0;

    for (unsigned i = 0; i < cpu_count; i++) {
        sched_cpu_times(i, &t);
        idle += t.idle;
    }
    format_centiseconds(out, clock_monotonic());
    text_append(out, " ", 1);
    format_centiseconds(out, idle);
    text_append(out, "\n", 1);
}
PROC_FILE(uptime, "uptime", 0444, show_uptime);

static void show_loadavg(struct textbuf *out, void *arg)
{
    const struct proc_pid_ops *ops = procfs_pid_ops();
    struct sched_stats s;

    sched_get_stats(&s);
    for (unsigned i = 0; i < 3; i++) {
        format_load(out, s.load[i]);
        text_append(out, " ", 1);
    }
    text_printf(out, "%u/%u %d\n", s.running, s.total, ops && ops->last ? ops->last() : 0);
}
PROC_FILE(loadavg, "loadavg", 0444, show_loadavg);

static void show_filesystems(struct textbuf *out, void *arg)
{
    registry_for_each(filesystem, fs)
        text_printf(out, "%s\t%s\n", (*fs)->nodev ? "nodev" : "", (*fs)->name);
}
PROC_FILE(filesystems, "filesystems", 0444, show_filesystems);

static const struct pseudo_entry pseudo_mounts = {
    .filesystem = "proc", .file = { .path = "mounts", .mode = S_IFLNK | 0777, .link = "self/mounts" }
};
REGISTRY_ADD(pseudo, pseudo_mounts);

static void show_execdomains(struct textbuf *out, void *arg)
{
    text_printf(out, "0-0\tLinux           \t[kernel]\n");
}
PROC_FILE(execdomains, "execdomains", 0444, show_execdomains);

/* Everything is in the kernel's image. */
static void show_nothing(struct textbuf *out, void *arg)
{
}
PROC_FILE(modules, "modules", 0444, show_nothing);
