// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the files of the terminal share: the struct, and the calls between the core
 * (tty.c), the line discipline (tty_ldisc.c), the requests (tty_ioctl.c), the pairs (pty.c) and the consoles
 * (tty_console.c).
 *
 * Locking: everything happens in threads.  Order: write_mutex, then mutex, then driver_lock or the pair's ring
 * lock.
 */
#pragma once

#include <fs/poll.h>
#include <fs/tty.h>
#include <sched/waitq.h>

#include <asm/ioctls.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/signal.h>
#include <linux/stat.h>

#define TTY_BUFFER 4096 /* MAX_CANON and a newline */
#define TTY_RAW_BYTES 1024 /* between the interrupt and the line discipline */

struct tty {
    refcount_t refs;
    char name[16];
    unsigned dev; /* constant */
    const struct tty_driver_ops *ops;
    /* The pair, constant; or a console service, which may go: it is changed with mutex and driver_lock held, and
     * either is held around calls of it.  NULL: it is gone. */
    const void *driver;
    struct spinlock driver_lock; /* LOCK_TTY: for who cannot take the mutex, as predicates of waits */

    struct mutex mutex; /* guards all below, unless said otherwise */
    struct termios2 termios;
    struct termios locked; /* bits and characters of termios that may not change: TIOCSLCKTRMIOS */
    struct winsize size;
    pid_t group, session; /* foreground group; session that it controls, 0: none */
    unsigned opens; /* descriptions that are open */
    bool hung, exclusive, stopped;
    bool gone; /* a console that was removed: it is not opened again */
    uint32_t generation; /* counts hang-ups: files opened before one are dead */

    /* Line discipline: positions run freely, index = position % TTY_BUFFER. */
    uint8_t buffer[TTY_BUFFER];
    uint64_t line_end[TTY_BUFFER / 64]; /* bit: a line ends with this byte */
    uint32_t head, canon_head, tail;
    bool literal_next, erasing;
    unsigned column, canon_column; /* of the output; where the edited line began */

    struct waitq readers, writers;
    struct mutex write_mutex; /* keeps writers' bytes together */

    /* Raw bytes from the interrupt handler: it alone moves raw_head, the input thread raw_tail. */
    uint8_t raw[TTY_RAW_BYTES];
    uint32_t raw_head, raw_tail; /* atomic */
    uint32_t throttled; /* atomic */
    uint32_t resized; /* atomic: the console's size may have changed */
    uint64_t preference; /* of consoles, for /dev/console; constant */
    struct list link; /* of console terminals; consoles_mutex (tty_console.c) */
};

/* tty.c */
struct tty *__must_check tty_create(const char *name, unsigned dev,
                                    const struct tty_driver_ops *ops, const void *driver);
err_t tty_open_file(struct tty *t, struct file *f); /* takes a reference of its own */
err_t tty_check_change(struct tty *t); /* may the running group change the terminal? */
err_t tty_attach(struct tty *t, bool steal); /* 0, -EPERM */
bool tty_file_dead(const struct file *f);
extern const struct file_ops tty_file_ops;
static inline struct tty *tty_of(const struct file *f)
{
    return f->data;
}

/* tty_console.c */
/* Of a device's number or /dev/console's; with a reference; NULL. */
struct tty *tty_console_find(unsigned dev);
/* The input thread should look again whether raw bytes fit now. */
void tty_console_kick(struct tty *t);

/* tty_ldisc.c; t->mutex held, unless said otherwise */
void ldisc_reset(struct tty *t);
/* Takes bytes from the driver side; returns how many (fewer when raw mode's buffer is full).
 * Takes t->mutex itself. */
size_t ldisc_receive(struct tty *t, const uint8_t *data, size_t n);
ssize_t ldisc_read(struct tty *t, struct file *f, struct uio *u); /* takes t->mutex itself */
ssize_t ldisc_write(struct tty *t, struct file *f, struct uio *u); /* takes t->mutex itself */
bool ldisc_readable(struct tty *t);
unsigned ldisc_available(struct tty *t);
void ldisc_flush_input(struct tty *t);
void ldisc_set_termios(struct tty *t, const struct termios2 *new);
void ldisc_set_stopped(struct tty *t, bool stopped);
void tty_input_kick(struct tty *t); /* there is room for received bytes again */
size_t tty_pending(struct tty *t); /* written and not yet sent; any lock */

/* tty_ioctl.c */
/* A new size, which the foreground group is told of. */
void tty_resize(struct tty *t, const struct winsize *size);
/* New settings `v`: what is locked stays as it is; t->mutex held. */
void tty_keep_locked(const struct tty *t, struct termios2 *v);
long tty_ioctl(struct file *f, unsigned cmd, unsigned long arg);

/* pty.c */
long pty_master_ioctl(struct file *f, unsigned cmd, unsigned long arg, bool *handled);
struct tty *pty_slave_find(unsigned dev); /* with a reference; NULL */
void pty_packet_event(struct tty *t, uint8_t event); /* TIOCPKT_*; nothing for consoles */
bool tty_is_pty(const struct tty *t);
void pty_input_kick(struct tty *t); /* there is room for the master's bytes again */
void pty_free(struct tty *t); /* the slave's last reference is gone */
