// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files made of text: /proc and /sys.
 * Model: a file has a show function that prints all of it when it is read from its beginning, or, if it may be long,
 * the piece that begins at out->next, with each read that goes on; a directory of processes comes from proc/
 * through hooks.
 */
#pragma once

#include <fs/vfs.h>

/* Something that a text shows has changed: who polls the file gets POLLERR | POLLPRI once. */
struct change_source {
    struct waitq waiters;
    uint64_t count; /* atomic */
};
#define CHANGE_SOURCE_INIT(name) { WAITQ_INIT((name).waiters), 0 }
void change_source_tell(struct change_source *c); /* any context */

struct pseudo_file {
    const char *path; /* below the root of the file system: "meminfo", "sys/kernel/hostname" */
    unsigned mode; /* permissions, S_IFDIR or S_IFLNK for a fixed link (then `link`) */
    void (*show)(struct textbuf *out, void *arg);
    err_t (*store)(const char *text, size_t n, void *arg); /* NULL: not writable */
    void *arg;
    const char *link;
    const struct file_ops *fops; /* of its own, in place of text; NULL: text */
    const struct inode_ops *ops; /* of a directory that makes its entries itself; then fops, too */
    struct change_source *changes; /* then fops is pseudo_polled_ops; NULL: it is not polled */
    uint64_t size; /* for stat(2) */
    bool removable; /* pseudo_remove() may take it away, with the directories made for it */
    void (*release)(void *arg); /* of a removable one: it is out of use; NULL: nothing to do */
};
/* Adds a file to /proc or /sys ("proc", "sysfs"); directories on the way are made. 0, -ENOMEM, -EEXIST. */
err_t pseudo_add(const char *filesystem, const struct pseudo_file *f);
/* Takes away a removable file, or a removable directory with all in it.  Who has one open may go on
 * with it.  Nothing happens when there is none, or when it is not removable. */
void pseudo_remove(const char *filesystem, const char *path);
/* The file's argument, of an inode that pseudo_add() is behind. */
void *pseudo_arg(const struct inode *i);
/* At file scope: PROC_FILE(meminfo, "meminfo", 0444, show_meminfo). */
struct pseudo_entry {
    const char *filesystem;
    struct pseudo_file file;
};
REGISTRY_DECLARE(pseudo, const struct pseudo_entry);
#define PSEUDO_FILE(id, fs_, path_, mode_, show_, store_)                                          \
    static const struct pseudo_entry pseudo_##id = {                                               \
        .filesystem = fs_, .file = { .path = path_, .mode = mode_, .show = show_, .store = store_ } \
    };                                                                                             \
    REGISTRY_ADD(pseudo, pseudo_##id)
#define PROC_FILE(id, path_, mode_, show_) PSEUDO_FILE(id, "proc", path_, mode_, show_, NULL)

/*
 * What inode->data of /proc's and /sys' own inodes points to, also of those that proc/ makes (as
 * the first member of its own record).  `evict` is called when the inode goes and frees the record.
 */
struct pseudo_data {
    const struct pseudo_file *file; /* of text files: show and store; constant for the inode's life */
    void *arg; /* for show and store, in place of file->arg */
    void (*evict)(struct inode *i); /* NULL: nothing to free */
};
/* Operations of text files: the text is made when it is read from its beginning. */
extern const struct file_ops pseudo_text_ops, pseudo_polled_ops;
/* An inode of a text file, a directory (then set ops and fops) or a link for `data`.  ERR_PTR. */
struct inode *__must_check pseudo_inode(struct superblock *sb, unsigned mode,
                                        struct pseudo_data *data);
/* For readdir of other directories: emits "." and ".." and leaves ctx->pos at 2 or more.
 * Return: false when the buffer is full. */
bool pseudo_emit_dots(struct file *f, struct dir_context *ctx);
off_t pseudo_dir_seek(struct file *f, off_t offset, int whence);

/* proc/ registers: the numbered directories.  Their dentries are volatile: looked up anew each
 * time by way of inode_ops.revalidate, which must be there. */
struct proc_pid_ops {
    pid_t (*next)(pid_t from); /* first process id >= from, or 0 */
    bool (*exists)(pid_t pid, bool thread_of_any);
    pid_t (*self)(bool thread); /* the caller's process or thread id */
    pid_t (*last)(void); /* the id given out last, for /proc/loadavg; may be NULL */
    uint64_t (*committed)(void); /* pages that all address spaces may yet ask for; may be NULL */
    /* Builds inode `i` (directory of process pid): ops, fops and data (see pseudo_data). */
    err_t (*make)(struct superblock *sb, pid_t pid, struct inode **out);
};
void procfs_set_pid_ops(const struct proc_pid_ops *ops);
const struct proc_pid_ops *procfs_pid_ops(void); /* NULL: no processes yet */
