// SPDX-License-Identifier: CC0-1.0
/* Purpose: advisory locks, for fcntl(2) and flock(2). */
#pragma once

#include <fs/vfs.h>

#include <linux/fcntl.h>

/* 0; -EAGAIN (held by another, not to wait), -ERESTARTSYS, -ENOLCK. */
err_t file_flock(struct file *f, bool write, bool unlock, bool wait);
/* F_SETLK and kin; `ofd`: the opening owns it.  Also -EINVAL, -EBADF, -EDEADLK, -EOVERFLOW. */
err_t file_record_lock(struct file *f, const struct flock *fl, bool ofd, pid_t pid, bool wait);
/* F_GETLK: *fl becomes a lock that is in the way, or F_UNLCK. */
err_t file_record_query(struct file *f, struct flock *fl, bool ofd);
