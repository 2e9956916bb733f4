// SPDX-License-Identifier: CC0-1.0
/* Purpose: moving bytes from file to file inside the kernel. */
#pragma once

#include <fs/vfs.h>

/*
 * Moves up to n bytes from `in` to `out`; positions NULL: the files' own.  What `out` does not take
 * stays in `in` (pipes too).  Return: bytes; an errno when there were none.
 */
ssize_t file_transfer(struct file *in, off_t *in_pos, struct file *out, off_t *out_pos, size_t n,
                      bool nonblock);
