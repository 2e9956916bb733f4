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

#define PID_MAX_LOWEST 301 /* RESERVED_PIDS + 1, as on Linux */

static void show_pid_max(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", atomic_load_relaxed(&pid_limit));
}

static err_t store_pid_max(const char *text, size_t n, void *arg)
{
    int64_t v;
    err_t err = parse_only_number(text, PID_MAX_LOWEST, PID_MAX, &v);

    if (err == 0)
        atomic_store_relaxed(&pid_limit, (unsigned)v);
    return err;
}
PSEUDO_FILE(pid_max, "proc", "sys/kernel/pid_max", 0644, show_pid_max, store_pid_max);

/* Each thread needs a number, and nothing else but memory limits them at first. */
static void show_threads_max(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", atomic_load_relaxed(&threads_limit));
}

static err_t store_threads_max(const char *text, size_t n, void *arg)
{
    int64_t v;
    err_t err = parse_only_number(text, 1, INT_MAX, &v);

    if (err == 0)
        atomic_store_relaxed(&threads_limit, (unsigned)v);
    return err;
}
PSEUDO_FILE(threads_max, "proc", "sys/kernel/threads-max", 0644, show_threads_max,
            store_threads_max);

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
