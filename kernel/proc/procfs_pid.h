// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: between the tree of /proc/PID (procfs_pid.c) and its texts (procfs_show.c).
 */
#pragma once

#include <fs/procfs.h>
#include <proc/process.h>

struct pid_entry {
    const char *name;
    unsigned mode; /* S_IFREG, S_IFDIR, S_IFLNK and permissions */
    /* Text files; arg is the struct pid_node. */
    struct pseudo_file text;
    /* Links: the object they lead to, with references. */
    err_t (*follow)(struct process *p, struct path *out);
    const struct inode_ops *ops; /* directories */
    const struct file_ops *fops; /* directories, and files that are not text */
    bool task; /* stands in /proc/PID/task/TID, too */
};

/* What an inode below /proc/PID stands for. */
struct pid_node {
    struct pseudo_data data; /* must be first */
    const struct pid_entry *entry; /* NULL: the directory of the process or task itself */
    struct process *process; /* with a reference */
    pid_t pid; /* of the process */
    pid_t tid; /* 0: the process, else one task */
    int fd; /* -1: no descriptor */
};

extern const struct pid_entry pid_entries[];
extern const unsigned pid_entry_count;
extern const struct inode_ops pid_fd_ops, pid_fdinfo_ops, pid_task_ops;
extern const struct file_ops pid_fd_dir_ops, pid_fdinfo_dir_ops, pid_task_dir_ops;
extern const struct pid_entry pid_fd_link_entry, pid_fdinfo_entry;

/* The file behind descriptor fd of p, with a reference; NULL. */
struct file *pid_file(struct process *p, int fd);
/* Table of descriptors of p with a reference; NULL. */
struct fdtable *pid_files(struct process *p);
void show_fdinfo(struct textbuf *out, void *arg);
extern const struct inode_ops pid_link_ops;
