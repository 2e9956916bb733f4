// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: uname, host and domain name, sysinfo, getcpu-like facts about the machine.
 * Locking: the names by a mutex.
 */
#include <abi/identity.h>
#include <abi/syscalls_gen.h>
#include <fs/procfs.h>
#include <hal/abi.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <proc/process.h>
#include <sched/clock.h>
#include <sched/mutex.h>

#include <linux/capability.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>

static struct mutex names_mutex = MUTEX_INIT(names_mutex);
static char host_name[__NEW_UTS_LEN + 1] = "(none)";
static char domain_name[__NEW_UTS_LEN + 1] = "(none)";

long sys_uname(struct new_utsname __user *buf)
{
    struct new_utsname u;

    memset(&u, 0, sizeof u);
    str_copy(u.sysname, IDENTITY_SYSNAME, sizeof u.sysname);
    str_copy(u.release, IDENTITY_RELEASE, sizeof u.release);
    str_copy(u.version, IDENTITY_VERSION, sizeof u.version);
    str_copy(u.machine, ABI_UNAME_MACHINE, sizeof u.machine);
    mutex_lock(&names_mutex);
    memcpy(u.nodename, host_name, sizeof host_name);
    memcpy(u.domainname, domain_name, sizeof domain_name);
    mutex_unlock(&names_mutex);
    return copy_to_user(buf, &u, sizeof u);
}

static err_t set_name(char *to, const char *from, size_t n)
{
    if (n > __NEW_UTS_LEN)
        return -EINVAL;
    mutex_lock(&names_mutex);
    memset(to, 0, __NEW_UTS_LEN + 1);
    memcpy(to, from, n);
    mutex_unlock(&names_mutex);
    return 0;
}

static long set_user_name(char *to, const char __user *name, int len)
{
    char text[__NEW_UTS_LEN];

    if (!task_capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (len < 0 || len > __NEW_UTS_LEN)
        return -EINVAL;
    if (copy_from_user(text, name, (size_t)len))
        return -EFAULT;
    return set_name(to, text, (size_t)len);
}

long sys_sethostname(const char __user *name, int len)
{
    return set_user_name(host_name, name, len);
}

long sys_setdomainname(const char __user *name, int len)
{
    return set_user_name(domain_name, name, len);
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

static void show_name(struct textbuf *out, void *arg)
{
    mutex_lock(&names_mutex);
    text_printf(out, "%s\n", (const char *)arg);
    mutex_unlock(&names_mutex);
}

static void show_hostname(struct textbuf *out, void *arg)
{
    show_name(out, host_name);
}

static void show_domainname(struct textbuf *out, void *arg)
{
    show_name(out, domain_name);
}

static err_t store_name(char *to, const char *text, size_t n)
{
    const char *end = memchr(text, '\n', n);

    return set_name(to, text, MIN(end ? (size_t)(end - text) : n, (size_t)__NEW_UTS_LEN));
}

static err_t store_hostname(const char *text, size_t n, void *arg)
{
    return store_name(host_name, text, n);
}

static err_t store_domainname(const char *text, size_t n, void *arg)
{
    return store_name(domain_name, text, n);
}

static void show_ostype(struct textbuf *out, void *arg)
{
    text_printf(out, "%s\n", IDENTITY_SYSNAME);
}

static void show_osrelease(struct textbuf *out, void *arg)
{
    text_printf(out, "%s\n", IDENTITY_RELEASE);
}

static void show_osversion(struct textbuf *out, void *arg)
{
    text_printf(out, "%s\n", IDENTITY_VERSION);
}

static void show_version(struct textbuf *out, void *arg)
{
    text_printf(out, "%s version %s (%s) %s\n", IDENTITY_SYSNAME, IDENTITY_RELEASE, "devine",
                IDENTITY_VERSION);
}

static void show_pid_max(struct textbuf *out, void *arg)
{
    text_printf(out, "%d\n", PID_MAX);
}

PSEUDO_FILE(hostname, "proc", "sys/kernel/hostname", 0644, show_hostname, store_hostname);
PSEUDO_FILE(domainname, "proc", "sys/kernel/domainname", 0644, show_domainname, store_domainname);
PROC_FILE(ostype, "sys/kernel/ostype", 0444, show_ostype);
PROC_FILE(osrelease, "sys/kernel/osrelease", 0444, show_osrelease);
PROC_FILE(osversion, "sys/kernel/version", 0444, show_osversion);
PROC_FILE(version, "version", 0444, show_version);
PROC_FILE(pid_max, "sys/kernel/pid_max", 0444, show_pid_max);
