// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the system calls that take paths share.
 */
#pragma once

#include <fs/vfs.h>

#include <linux/mount.h>

/* One or two strings from user space; free with path_string_free. */
struct path_pair {
    char *a, *b;
};
err_t path_pair_get(struct path_pair *p, const char __user *a, const char __user *b);
void path_pair_put(struct path_pair *p);
