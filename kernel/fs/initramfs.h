// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fills the root from archives in memory.
 */
#pragma once

#include <lib/types.h>

struct path;

/*
 * Unpacks the concatenated newc archives (plain or gzip, zero bytes between them) in data[0, size)
 * below `root`.  Names that cannot be made are skipped with one log line; what follows goes on.
 * No more than `most` bytes of compressed archives are inflated.
 * `release` (may be NULL) is told how many bytes at the beginning are no longer needed.
 * Return: 0; -EINVAL: broken, -EFBIG: it inflates to more than `most`, what came before is there; -ENOMEM, -ENOSPC.
 */
err_t initramfs_unpack(const struct path *root, const void *data, size_t size, uint64_t most,
                       void (*release)(void *arg, size_t upto), void *arg);
