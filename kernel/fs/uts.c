// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the names of the system.
 * Model: programs ask for Linux's name and version to know what they may use, so that is what they
 * get; the release says whose it really is.
 * Locking: `lock`.
 */
#include <fs/uts.h>

#include <core/spinlock.h>
#include <hal/abi.h>
#include <lib/string.h>

static struct spinlock lock = SPINLOCK_INIT(LOCK_INODE);
static struct new_utsname names = { /* lock */
    .sysname = "Linux",
    .nodename = "(none)",
    .release = "6.1.0-devine",
    .version = "#1 SMP PREEMPT Devine",
    .machine = ABI_UNAME_MACHINE,
    .domainname = "(none)",
};

void uts_get(struct new_utsname *out)
{
    spin_lock(&lock);
    *out = names;
    spin_unlock(&lock);
}

static err_t name_set(char *which, const char *name, size_t n)
{
    if (n > __NEW_UTS_LEN)
        return -EINVAL;
    spin_lock(&lock);
    memset(which, 0, __NEW_UTS_LEN + 1);
    memcpy(which, name, n);
    spin_unlock(&lock);
    return 0;
}

err_t uts_set_nodename(const char *name, size_t n)
{
    return name_set(names.nodename, name, n);
}

err_t uts_set_domainname(const char *name, size_t n)
{
    return name_set(names.domainname, name, n);
}
