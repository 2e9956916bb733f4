// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: telling programs what happens to files: inotify.
 *
 * Model: an instance (a file) has watches; a watch stands for one inode, with a mask and a number.
 * What happens is told to the watches of the inode and, with the name, to those of its directory; each
 * gets an event in its instance's queue.  While nobody watches anything a hook costs one load.
 * Not told: reads and writes of pipes and devices, and what happens in /proc and /sys by itself.
 * Locking: one spinlock (LOCK_INODE) for all watches and queues.
 * Source: inotify(7).
 */
#pragma once

#include <fs/vfs.h>

#include <linux/inotify.h>
#include <linux/stat.h>

extern uint32_t notify_watches; /* how many there are; atomic */
static inline bool notify_wanted(void)
{
    return unlikely(atomic_load_relaxed(&notify_watches) != 0);
}

/* The slow parts.  Context: thread; no spinlock held (but for notify_inode_slow: none below ours). */
void notify_dentry_slow(struct dentry *d, uint32_t mask);
void notify_inode_slow(struct inode *i, uint32_t mask);
void notify_child_slow(struct inode *dir, const char *name, size_t length, uint32_t mask,
                       uint32_t cookie);
void notify_gone_slow(struct inode *i);
void notify_unmount_slow(struct superblock *sb);

/* Something happened to the file at d: for its watches and those of its directory. */
static inline void notify_dentry(struct dentry *d, uint32_t mask)
{
    if (notify_wanted())
        notify_dentry_slow(d, mask);
}
/* ... for its own watches alone. */
static inline void notify_inode(struct inode *i, uint32_t mask)
{
    if (notify_wanted())
        notify_inode_slow(i, mask);
}
/* A name of `dir` came or went; IN_ISDIR in the mask when it is a directory's. */
static inline void notify_child(struct inode *dir, const char *name, size_t length, uint32_t mask)
{
    if (notify_wanted())
        notify_child_slow(dir, name, length, mask, 0);
}
/* A dentry of an inode without names went: its watches end. */
static inline void notify_gone(struct inode *i)
{
    if (notify_wanted() && i->nlink == 0)
        notify_gone_slow(i);
}
/* All watches in a file system that goes. */
static inline void notify_unmount(struct superblock *sb)
{
    if (notify_wanted())
        notify_unmount_slow(sb);
}
static inline uint32_t notify_isdir(const struct inode *i)
{
    return S_ISDIR(i->mode) ? IN_ISDIR : 0;
}
uint32_t notify_cookie(void); /* joins the two events of a rename */

/* inotify_init1, add_watch, rm_watch. */
err_t __must_check notify_create(unsigned flags, struct file **out); /* -EMFILE, -ENOMEM */
/* Return: the watch's number; -EINVAL (another kind of file), -EEXIST, -ENOSPC, -ENOMEM. */
int notify_add(struct file *f, struct inode *i, uint32_t mask);
err_t notify_remove(struct file *f, int wd); /* -EINVAL */
bool file_is_notify(const struct file *f);
