// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: reboot(2).
 * Model: the commands go to the power services; what Ctrl-Alt-Del does is proc/'s (SIGINT to process 1
 * or a restart).  Suspend and kexec are not there.
 */
#include <abi/syscalls_gen.h>
#include <hal/usercopy.h>
#include <proc/power.h>
#include <proc/process.h>
#include <svc/power.h>

#include <core/log.h>

#include <linux/capability.h>
#include <linux/reboot.h>

static bool magic_valid(int magic1, int magic2)
{
    unsigned m = (unsigned)magic2;

    return (unsigned)magic1 == LINUX_REBOOT_MAGIC1 &&
           (m == LINUX_REBOOT_MAGIC2 || m == LINUX_REBOOT_MAGIC2A || m == LINUX_REBOOT_MAGIC2B ||
            m == LINUX_REBOOT_MAGIC2C);
}

long sys_reboot(int magic1, int magic2, unsigned cmd, const void __user *arg)
{
    char command[256];
    ssize_t n;

    if (!task_capable(CAP_SYS_BOOT))
        return -EPERM;
    if (!magic_valid(magic1, magic2))
        return -EINVAL;
    switch (cmd) {
    case LINUX_REBOOT_CMD_RESTART:
        power_reboot();
    case LINUX_REBOOT_CMD_RESTART2:
        n = user_copy_string(command, (const char __user *)arg, sizeof command - 1);
        if (n < 0)
            return -EFAULT;
        command[MIN((size_t)n, sizeof command - 1)] = '\0';
        log_notice("restarting with command '%s'", command);
        power_reboot();
    case LINUX_REBOOT_CMD_HALT:
        power_halt();
    case LINUX_REBOOT_CMD_POWER_OFF:
        power_off();
    case LINUX_REBOOT_CMD_CAD_ON:
        ctrl_alt_del_set(true);
        return 0;
    case LINUX_REBOOT_CMD_CAD_OFF:
        ctrl_alt_del_set(false);
        return 0;
    default:
        return -EINVAL;
    }
}
