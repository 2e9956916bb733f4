// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: settings in /proc/sys that belong to processes.
 * Source: Documentation/admin-guide/sysctl/{kernel,fs}.
 */
#include <fs/proc_format.h>
#include <fs/procfs.h>
#include <lib/atomic.h>
#include <proc/internal.h>
#include <proc/process.h>

static void show_pid_max(struct textbuf *out, void *arg)
{
    text_printf(out, "%d\n", PID_MAX);
}
PROC_FILE(pid_max, "sys/kernel/pid_max", 0444, show_pid_max);
/* Each thread needs a number, and nothing else but memory limits them. */
PROC_FILE(threads_max, "sys/kernel/threads-max", 0444, show_pid_max);

static void show_nr_open(struct textbuf *out, void *arg)
{
    text_printf(out, "%d\n", NOFILE_MAX);
}
PROC_FILE(nr_open, "sys/fs/nr_open", 0444, show_nr_open);

static void show_randomize(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", atomic_load_relaxed(&exec_randomize));
}

static err_t store_randomize(const char *text, size_t n, void *arg)
{
    int64_t v;
    err_t err = parse_only_number(text, 0, 2, &v);

    if (err == 0)
        atomic_store_relaxed(&exec_randomize, (unsigned)v);
    return err;
}
PSEUDO_FILE(randomize_va_space, "proc", "sys/kernel/randomize_va_space", 0644, show_randomize,
            store_randomize);
