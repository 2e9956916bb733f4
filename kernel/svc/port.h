// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: ports: streams of bytes to a partner outside the machine, for programs, not for terminals; what their
 * drivers (dev/) give and what /dev and /sys (fs/) use.
 *
 * Model: as block devices (block.h): a driver adds a port and removes it, one client (fs/) is told.  One program
 * has a port open at a time.  The partner comes and goes: then reading gives the end of the file.
 *
 *     driver: port_add -> client: added                  client: port_lock, ops, port_unlock
 *             port_remove -> client: removing, no more calls of ops, waiters are woken
 *
 * Locking: the list and the client: ports_mutex.  `lock` is held around all calls of ops, so a removal waits for
 * those who are inside; they do not sleep.
 */
#pragma once

#include <core/spinlock.h>
#include <lib/list.h>
#include <sched/waitq.h>

#define PORT_LABEL_BYTES 64

enum { PORT_READABLE = 1, PORT_WRITABLE = 2, PORT_CONNECTED = 4 /* the partner is there */ };

struct port;
struct port_ops {
    /* Bytes that are there, bytes that there is room for; 0: none. */
    size_t (*read)(struct port *p, void *buf, size_t n);
    size_t (*write)(struct port *p, const void *buf, size_t n);
    unsigned (*state)(struct port *p); /* PORT_* */
    err_t (*open)(struct port *p); /* -ENXIO: it is no program's to open */
    void (*close)(struct port *p);
    void (*release)(struct port *p); /* last reference is gone: frees the record; thread */
};

struct port {
    char name[24]; /* "vport0p1"; constant, as all to the next blank line */
    const char *class_name; /* "virtio-ports" */
    unsigned major, minor;
    char parent[256]; /* path of the device below /sys */
    const struct port_ops *ops;

    char label[PORT_LABEL_BYTES]; /* what the partner calls it; ports_mutex; "": it has not said */
    refcount_t refs;
    struct spinlock lock; /* LOCK_TTY; all below */
    bool gone, opened;
    struct waitq queue; /* who waits for a change of state() or `gone` */
    struct list link; /* ports_mutex */
};

struct port_client {
    err_t (*added)(struct port *p); /* may sleep, as all */
    void (*removing)(struct port *p);
    void (*labelled)(struct port *p); /* for the first time, or anew */
};

/* Once; it is told of the ports that are there already. */
void port_client_set(const struct port_client *client);
/* The record is zeroed but for the constants; the caller's reference is the first.  Return: what the client says. */
err_t __must_check port_add(struct port *p);
void port_remove(struct port *p); /* the reference stays */
void port_label(struct port *p, const char *label); /* of one that was added; thread */
/* state() may say something else now.  Any context, no lock of LOCK_WAITQ's rank or below. */
void port_changed(struct port *p);
void port_get(struct port *p);
void port_put(struct port *p);
