// SPDX-License-Identifier: CC0-1.0
/* Purpose: files of memory without a name, and their seals.  Source: memfd_create(2), fcntl(2). */
#pragma once

#include <fs/vfs.h>

err_t __must_check memfd_create_file(const char *name, bool sealing, struct file **out);
/* Such a file under its full name, with operations of the caller's and `data`: no descriptor is made of it
 * (shared memory segments).  All of these together have at most three quarters of memory: a fault beyond
 * that is SIGBUS.  0, -ENOMEM. */
err_t __must_check memfd_create_special(const char *full, const struct file_ops *ops, void *data,
                                        struct file **out);
/* fcntl F_ADD_SEALS, F_GET_SEALS: -EINVAL not such a file; -EPERM sealed or not writable;
 * -EBUSY mapped writable. */
long memfd_add_seals(struct file *f, unsigned seals);
/* May seals come to it?  Then who maps it holds inode->mutex, so that none does meanwhile. */
bool memfd_sealable(const struct file *f);
long memfd_get_seals(struct file *f);
