// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: a file that stands for a process: pidfd_open(2), CLONE_PIDFD.  Readable when it has ended.
 */
#pragma once

#include <proc/process.h>

struct file;
/* A pidfd of p (takes its own reference); NULL: bound later, before it can be seen. */
err_t pidfd_create(struct process *p, unsigned flags, struct file **out);
void pidfd_bind(struct file *f, struct process *p);
/* The process of a pidfd; NULL: it is another kind of file.  Without a new reference. */
struct process *pidfd_process(const struct file *f);
/* The process whose directory in /proc f is, on loan; NULL.  pidfd_send_signal takes those, too. */
struct process *pidfd_directory_process(const struct file *f);
