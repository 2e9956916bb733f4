// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: uname, host and domain name, sysinfo.
 */
#include <abi/syscalls_gen.h>
#include <fs/uts.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <proc/process.h>
#include <sched/clock.h>

#include <linux/capability.h>
#include <linux/sysinfo.h>

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
    info.sharedram = frame_used(USE_PAGES) * PAGE_SIZE; /* all file pages are memory's own */
    info.procs = (uint16_t)MIN(task_total(), 0xffffu);
    info.mem_unit = 1;
    return copy_to_user(out, &info, sizeof info);
}
