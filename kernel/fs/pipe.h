// SPDX-License-Identifier: CC0-1.0
/* Purpose: pipes, for the calls that make and size them. */
#pragma once

#include <fs/vfs.h>

#define PIPE_BYTES_DEFAULT (64 * KiB)

/* out[0] reads, out[1] writes; flags: O_NONBLOCK.  0, -ENOMEM, -ENFILE. */
err_t __must_check pipe_create(unsigned flags, struct file *out[2]);
bool file_is_pipe(const struct file *f);
/* fcntl F_GETPIPE_SZ, F_SETPIPE_SZ. */
long pipe_size(struct file *f);
uint64_t pipe_weight(const struct file *f); /* bytes of memory, about */
long pipe_set_size(struct file *f, size_t bytes); /* -EBADF, -EBUSY, -EPERM, -ENOMEM */
/* Copies what is in `from` to `to` (tee), or moves it when `take` (splice).  Bytes or an errno. */
ssize_t pipe_tee(struct file *from, struct file *to, size_t n, bool nonblock, bool take);
/* Gives the pipe's bytes to `sink`, page by page, and takes out what it took; waits for the first.
 * `sink` returns bytes or an errno.  Return: bytes, or an errno when there were none. */
ssize_t pipe_drain(struct file *f, size_t n, bool nonblock,
                   ssize_t (*sink)(void *arg, struct uio *u), void *arg);
/* Waits until there is room and tells how much: -EPIPE, -EAGAIN, -ERESTARTSYS. */
ssize_t pipe_room(struct file *f, bool nonblock);
