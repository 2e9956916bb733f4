// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: device numbers and who drives them.
 */
#pragma once

#include <fs/vfs.h>

#define DEV_MAJOR(d) ((unsigned)(d) >> 20)
#define DEV_MINOR(d) ((unsigned)(d) & 0xfffff)
#define DEV(major, minor) ((unsigned)(major) << 20 | (unsigned)(minor))
/* Linux's encoding in struct stat and mknod. */
static inline uint64_t dev_encode(unsigned d)
{
    return (DEV_MINOR(d) & 0xff) | DEV_MAJOR(d) << 8 | (uint64_t)(DEV_MINOR(d) & ~0xffu) << 12;
}
static inline unsigned dev_decode(uint64_t e)
{
    return DEV(e >> 8 & 0xfff, (e & 0xff) | (e >> 12 & 0xfff00));
}

/* Makes a character device known and its node in /dev (devtmpfs), name may hold '/'.
 * Return: 0, -EBUSY, -ENOMEM. */
err_t __must_check chrdev_register(const char *name, unsigned dev, unsigned mode,
                                   const struct file_ops *ops, void *data);
void chrdev_unregister(unsigned dev);

/* The node in /dev of a block device; who stands behind a number is fs/blockdev.c's to know.
 * Return: 0, -EBUSY, -ENOMEM. */
err_t __must_check blkdev_node_add(const char *name, unsigned dev, unsigned mode);
void blkdev_node_remove(unsigned dev);
