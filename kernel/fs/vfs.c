// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: starts the file layer: the cache of names, the root, the kernel's own actor.
 */
#include <fs/internal.h>

#include <svc/subsystem.h>

static err_t vfs_start(struct subsystem *self)
{
    file_init();
    dentry_cache_init();
    path_strings_init();
    return mount_root_init();
}

static struct subsystem vfs_subsystem = { .name = "vfs",
                                          .privilege = PRIV_KERNEL,
                                          .core = "process 1 is a file",
                                          .late_init = vfs_start };
REGISTER_SUBSYSTEM(vfs_subsystem);
