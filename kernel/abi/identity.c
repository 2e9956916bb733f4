// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: uname, host and domain name, sysinfo.
 */
#include <abi/syscalls_gen.h>
#include <fs/procfs.h>
#include <fs/uts.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <proc/process.h>
#include <sched/clock.h>

#include <linux/capability.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

long sys_uname(struct new_utsname __user *buf)
{
    struct new_utsname u;

    uts_get(&u);
    return copy_to_user(buf, &u, sizeof u);
}

static long set_name(err_t (*set)(const char *, size_t), const char __user *name, int len)
{
    char text[__NEW_UTS_LEN];

    if (!task_capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (len < 0 || len > __NEW_UTS_LEN)
        return -EINVAL;
    if (copy_from_user(text, name, (size_t)len))
        return -EFAULT;
    return set(text, (size_t)len);
}

long sys_sethostname(const char __user *name, int len)
{
    return set_name(uts_set_nodename, name, len);
}

long sys_setdomainname(const char __user *name, int len)
{
    return set_name(uts_set_domainname, name, len);
}

long sys_sysinfo(struct sysinfo __user *out)
{
    struct sched_stats stats;
    struct sysinfo info;

    sched_get_stats(&stats);
    memset(&info, 0, sizeof info);
    info.uptime = (long)DIV_ROUND_UP(clock_monotonic(), NS_PER_SEC);
    for (unsigned i = 0; i < 3; i++)
        info.loads[i] = stats.load[i];
    info.totalram = frame_total() * PAGE_SIZE;
    info.freeram = frame_free_count() * PAGE_SIZE;
    info.procs = (uint16_t)MIN(task_total(), 0xffffu);
    info.mem_unit = 1;
    return copy_to_user(out, &info, sizeof info);
}

/* ---- /proc/sys/kernel ---------------------------------------------------------------------- */

static err_t store_name(err_t (*set)(const char *, size_t), const char *text, size_t n)
{
    const char *end = memchr(text, '\n', n);

    return set(text, MIN(end ? (size_t)(end - text) : n, (size_t)__NEW_UTS_LEN));
}

static err_t store_hostname(const char *text, size_t n, void *arg)
{
    return store_name(uts_set_nodename, text, n);
}

static err_t store_domainname(const char *text, size_t n, void *arg)
{
    return store_name(uts_set_domainname, text, n);
}

#define SHOW_NAME(field)                                                                           \
    static void show_##field(struct textbuf *out, void *arg)                                       \
    {                                                                                              \
        struct new_utsname u;                                                                      \
                                                                                                   \
        uts_get(&u);                                                                               \
        text_printf(out, "%s\n", u.field);                                                         \
    }
SHOW_NAME(nodename)
SHOW_NAME(domainname)
SHOW_NAME(sysname)
SHOW_NAME(release)
SHOW_NAME(version)

static void show_proc_version(struct textbuf *out, void *arg)
{
    struct new_utsname u;

    uts_get(&u);
    text_printf(out, "%s version %s (devine) %s\n", u.sysname, u.release, u.version);
}

static void show_pid_max(struct textbuf *out, void *arg)
{
    text_printf(out, "%d\n", PID_MAX);
}

PSEUDO_FILE(hostname, "proc", "sys/kernel/hostname", 0644, show_nodename, store_hostname);
PSEUDO_FILE(domainname, "proc", "sys/kernel/domainname", 0644, show_domainname, store_domainname);
PROC_FILE(ostype, "sys/kernel/ostype", 0444, show_sysname);
PROC_FILE(osrelease, "sys/kernel/osrelease", 0444, show_release);
PROC_FILE(osversion, "sys/kernel/version", 0444, show_version);
PROC_FILE(version, "version", 0444, show_proc_version);
PROC_FILE(pid_max, "sys/kernel/pid_max", 0444, show_pid_max);
