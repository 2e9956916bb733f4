// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the log as a stream that is used up: /proc/kmsg and syslog(2)'s SYSLOG_ACTION_READ, which
 * share one position.
 */
#pragma once

#include <fs/uio.h>

/*
 * Moves what nobody has read yet to `u`: whole records, "<level>[time] text\n", or a part of one when
 * not even that fits; waits for the first.
 * Context: thread; sleeps.
 * Return: bytes; -EAGAIN (nonblock), -ERESTARTSYS, -EFAULT, -ENOMEM.
 */
ssize_t kmsg_consume(struct uio *u, bool nonblock);
/* Bytes that kmsg_consume would give now; -ENOMEM. */
ssize_t kmsg_unread(void);
struct poll_table;
struct file;
/* Queues who polls a file of the log until there is a new record. */
void kmsg_poll_wait(struct poll_table *pt, struct file *f);
