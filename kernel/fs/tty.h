// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: terminals: line discipline, job control, pseudo-terminals.
 *
 * Model: a driver side (a console service, or a pty master) puts received bytes into the tty's line
 * discipline (N_TTY), which echoes, edits and makes lines or raw bytes for readers; writers' bytes
 * go through output processing to the driver.  Consoles come and go (<svc/console.h>): when one goes, its
 * terminal hangs up for good, and the openings that are left see the end of the file and EIO.  Signals and process groups belong to proc/, which
 * registers tty_proc_ops.
 * Locking: tty->lock (LOCK_TTY, interrupts off: input comes from interrupts) guards termios, the
 * buffers and the group; tty->write_mutex keeps writers apart.
 */
#pragma once

#include <fs/vfs.h>
#include <lib/ring.h>

#include <asm/termbits.h>
#include <asm/termios.h>

struct session;
struct tty;

struct tty_driver_ops {
    /* Sends bytes; returns how many were taken (a pty's buffer may be full). Any context. */
    size_t (*write)(struct tty *t, const char *s, size_t n);
    size_t (*write_room)(struct tty *t); /* NULL: unlimited */
    size_t (*pending)(struct tty *t); /* taken and not yet sent; NULL: never any */
    void (*resized)(struct tty *t);
};

/* What job control needs of processes; proc/ registers them once. */
struct tty_proc_ops {
    pid_t (*group)(void); /* the running process' group */
    pid_t (*session)(void); /* its session's id */
    bool (*is_leader)(void); /* of its session */
    struct tty *(*controlling)(void); /* of its session, or NULL */
    /* Makes t the session's terminal, with a reference; fs/ sets the tty's own side. 0, -EPERM */
    err_t (*attach)(struct tty *t, bool steal);
    void (*detach)(void); /* the running process' session gives its terminal up */
    void (*detach_session)(pid_t session); /* t hung up */
    err_t (*signal_group)(pid_t pgid, int sig); /* any context but interrupts off with tree_lock */
    bool (*group_in_session)(pid_t pgid, pid_t session);
    bool (*group_orphaned)(void); /* the running process' group */
    bool (*signal_ignored)(int sig); /* blocked or ignored by the running task */
};
extern const struct tty_proc_ops *tty_proc_ops;

/* Session leader ends, or the line drops: SIGHUP, SIGCONT to the foreground group, EIO afterwards. */
void tty_hangup(struct tty *t);
void tty_get(struct tty *t);
void tty_put(struct tty *t);
unsigned tty_device(const struct tty *t); /* DEV() number, for /proc/PID/stat */
pid_t tty_foreground(struct tty *t);
void tty_session_gone(struct tty *t, pid_t session);
