// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the service that shows devices in /sys: fs publishes it, dev and others that stand beside
 * fs use it.
 *
 * Model: a file has a path below /sys; directories on the way are made.  Text is made in one go by
 * show(), at most a page of it; a binary file is read and written at offsets.  Files come and go: the
 * callbacks of one that was removed may still be called by those who have it open, until release().
 * Context: threads; nothing is locked while a callback runs, so it may remove its own file.
 */
#pragma once

#include <svc/service.h>

#define SYSFS_TEXT_MAX 4096

struct sysfs_file {
    const char *path; /* "devices/pci0000:00/0000:00:01.0/vendor"; copied */
    unsigned mode; /* permissions; with S_IFDIR a directory, with S_IFLNK a link */
    const char *link; /* of a link: its target; copied */
    /* Text.  Return: its length without a NUL, or an errno. */
    ssize_t (*show)(void *arg, char *out, size_t size);
    err_t (*store)(void *arg, const char *text, size_t n); /* text[n] is NUL; NULL: not writable */
    /* Binary, in place of show and store.  privileged: who opened the file is root.
     * Return: bytes, 0 at the end, or an errno. */
    ssize_t (*read)(void *arg, void *buf, size_t n, uint64_t offset, bool privileged);
    ssize_t (*write)(void *arg, const void *buf, size_t n, uint64_t offset);
    uint64_t size; /* of a binary file, for stat(2) */
    void *arg;
    void (*release)(void *arg); /* nobody calls the others any more; NULL: nothing to do */
};

struct sysfs_service {
    /* Return: 0; -EEXIST, -ENOTDIR, -ENOMEM: then release() is not called. */
    err_t (*add)(const struct sysfs_file *file);
    /* Removes a file or a directory with all in it; nothing happens when there is none. */
    void (*remove)(const char *path);
};
SERVICE_TYPE(sysfs, struct sysfs_service);
