// SPDX-License-Identifier: CC0-1.0
/* Purpose: for file systems that are a tmpfs of their own kind. */
#pragma once

#include <fs/vfs.h>

struct tmpfs_limits {
    uint64_t pages, inodes; /* 0: none */
    unsigned mode; /* of the root directory */
    uid_t uid;
    gid_t gid;
};
/* Makes an empty tree with its root.  The file system's evict must be tmpfs' for links.
 * 0, -ENOMEM. */
err_t tmpfs_fill(struct superblock *sb, const struct tmpfs_limits *l);
