// SPDX-License-Identifier: CC0-1.0
/* Purpose: epoll, for its system calls. */
#pragma once

#include <fs/vfs.h>

#include <linux/eventpoll.h>

err_t __must_check epoll_create_file(unsigned flags, struct file **out);
bool file_is_epoll(const struct file *f);
/* EPOLL_CTL_*; `e` may be NULL for DEL.  0, -EEXIST, -ENOENT, -EPERM (cannot be polled), -EINVAL,
 * -ELOOP, -ENOMEM. */
err_t epoll_control(struct file *epoll, int op, struct file *f, int fd, const struct epoll_event *e);
/* Waits for up to `max` events until the deadline (NS_NEVER: none; 0: not at all).
 * Return: how many; -ERESTARTSYS (a signal came first), -EFAULT. */
long epoll_wait_events(struct file *epoll, struct epoll_event __user *events, int max,
                       ns_t deadline);
