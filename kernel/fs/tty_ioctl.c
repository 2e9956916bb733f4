// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: requests to terminals: settings, size, job control, queues.  Source: ioctl_tty(2).
 * What is not here gives -ENOTTY, as Linux's terminals do.
 */
#define LOG_TAG "tty"
#include <fs/tty_impl.h>

#include <lib/string.h>

#include <linux/capability.h>

/* ---- settings -------------------------------------------------------------------------------- */

struct termio_old { /* struct termio: 16-bit flags, 8 control characters */
    unsigned short iflag, oflag, cflag, lflag;
    unsigned char line, cc[8];
};

static long get_termios(struct tty *t, unsigned cmd, void __user *to)
{
    struct termios2 v;

    mutex_lock(&t->mutex);
    v = t->termios;
    mutex_unlock(&t->mutex);
    if (cmd == TCGETA) {
        struct termio_old o = { .iflag = (unsigned short)v.c_iflag,
                                .oflag = (unsigned short)v.c_oflag,
                                .cflag = (unsigned short)v.c_cflag,
                                .lflag = (unsigned short)v.c_lflag,
                                .line = v.c_line };
        memcpy(o.cc, v.c_cc, sizeof o.cc);
        return copy_to_user(to, &o, sizeof o);
    }
    /* struct termios is termios2 without the speeds. */
    return copy_to_user(to, &v, cmd == TCGETS2 ? sizeof v : sizeof(struct termios));
}

static unsigned baud_of(tcflag_t cflag, unsigned other)
{
    static const unsigned low[] = { 0,   50,  75,   110,  134,  150,  200,  300,
                                    600, 1200, 1800, 2400, 4800, 9600, 19200, 38400 };
    static const unsigned high[] = { 57600,  115200, 230400,  460800,  500000,  576000,  921600,
                                     1000000, 1152000, 1500000, 2000000, 2500000, 3000000,
                                     3500000, 4000000 };
    tcflag_t bits = cflag & CBAUD;

    if (bits == BOTHER)
        return other;
    if (bits < ARRAY_SIZE(low))
        return low[bits];
    bits -= B57600;
    return bits < ARRAY_SIZE(high) ? high[bits] : 0;
}

/* Reads new settings in any of the three layouts; what the layout does not hold stays. */
static err_t read_termios(unsigned base, const void __user *from, struct termios2 *v)
{
    struct termio_old o;

    if (base == TCSETS2 || base == TCSETS) {
        err_t err = copy_from_user(v, from,
                                   base == TCSETS2 ? sizeof *v : sizeof(struct termios));
        if (!err)
            v->c_ispeed = v->c_ospeed = baud_of(v->c_cflag, v->c_ospeed);
        return err;
    }
    if (copy_from_user(&o, from, sizeof o))
        return -EFAULT;
    v->c_iflag = (v->c_iflag & ~0xffffu) | o.iflag;
    v->c_oflag = (v->c_oflag & ~0xffffu) | o.oflag;
    v->c_cflag = (v->c_cflag & ~0xffffu) | o.cflag;
    v->c_lflag = (v->c_lflag & ~0xffffu) | o.lflag;
    v->c_line = o.line;
    memcpy(v->c_cc, o.cc, sizeof o.cc);
    return 0;
}

static tcflag_t keep(tcflag_t new, tcflag_t old, tcflag_t locked)
{
    return (new & ~locked) | (old & locked);
}

void tty_keep_locked(const struct tty *t, struct termios2 *v)
{
    const struct termios2 *old = &t->termios;
    const struct termios *l = &t->locked;

    v->c_iflag = keep(v->c_iflag, old->c_iflag, l->c_iflag);
    v->c_oflag = keep(v->c_oflag, old->c_oflag, l->c_oflag);
    v->c_lflag = keep(v->c_lflag, old->c_lflag, l->c_lflag);
    if (l->c_cflag != 0) {
        v->c_cflag = keep(v->c_cflag, old->c_cflag, l->c_cflag);
        v->c_ispeed = v->c_ospeed = baud_of(v->c_cflag, v->c_ospeed);
    }
    if (l->c_line != 0)
        v->c_line = old->c_line;
    for (unsigned i = 0; i < NCCS; i++)
        if (l->c_cc[i] != 0)
            v->c_cc[i] = old->c_cc[i];
}

static long get_locked(struct tty *t, void __user *to)
{
    struct termios v;

    mutex_lock(&t->mutex);
    v = t->locked;
    mutex_unlock(&t->mutex);
    return copy_to_user(to, &v, sizeof v);
}

static long set_locked(struct tty *t, const void __user *from)
{
    struct termios v;

    if (!cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EPERM;
    if (copy_from_user(&v, from, sizeof v))
        return -EFAULT;
    mutex_lock(&t->mutex);
    t->locked = v;
    mutex_unlock(&t->mutex);
    return 0;
}

static bool output_drained(struct tty *t, struct file *f)
{
    return t->hung || tty_file_dead(f) || (!t->stopped && tty_pending(t) == 0);
}

/* Waits until the device has sent all; ^S holds it. */
static err_t drain(struct tty *t, struct file *f)
{
    return wait_event_intr(&t->writers, output_drained(t, f));
}

static long set_termios(struct tty *t, struct file *f, unsigned base, unsigned when,
                        const void __user *from)
{
    struct termios2 v = t->termios;
    err_t err = tty_check_change(t);

    if (!err)
        err = read_termios(base, from, &v);
    if (!err && when > 0)
        err = drain(t, f);
    if (err)
        return err;
    mutex_lock(&t->mutex);
    if (when == 2)
        ldisc_flush_input(t);
    tty_keep_locked(t, &v);
    ldisc_set_termios(t, &v);
    mutex_unlock(&t->mutex);
    tty_input_kick(t);
    return 0;
}

/* ---- size, groups, queues -------------------------------------------------------------------- */

void tty_resize(struct tty *t, const struct winsize *size)
{
    pid_t group;

    mutex_lock(&t->mutex);
    bool same = !memcmp(size, &t->size, sizeof *size);
    t->size = *size;
    group = t->group;
    mutex_unlock(&t->mutex);
    if (!same && group > 0 && tty_proc_ops)
        tty_proc_ops->signal_group(group, SIGWINCH);
}

static long set_size(struct tty *t, const void __user *from)
{
    struct winsize v;

    if (copy_from_user(&v, from, sizeof v))
        return -EFAULT;
    tty_resize(t, &v);
    return 0;
}

static long get_group(struct tty *t, bool via_master, void __user *to)
{
    int group = t->group;

    if (!via_master && (!tty_proc_ops || tty_proc_ops->controlling() != t))
        return -ENOTTY;
    return copy_to_user(to, &group, sizeof group);
}

static long set_group(struct tty *t, const void __user *from)
{
    int group;
    err_t err = tty_check_change(t);

    if (err == -EIO)
        return -ENOTTY;
    if (err)
        return err;
    if (!tty_proc_ops || tty_proc_ops->controlling() != t ||
        t->session != tty_proc_ops->session())
        return -ENOTTY;
    if (copy_from_user(&group, from, sizeof group))
        return -EFAULT;
    if (group < 0)
        return -EINVAL;
    if (!tty_proc_ops->group_in_session(group, t->session))
        return tty_proc_ops->signal_group(group, 0) == -ESRCH ? -ESRCH : -EPERM;
    atomic_store(&t->group, group);
    return 0;
}

static long become_controlling(struct tty *t, struct file *f, unsigned long steal)
{
    if (!tty_proc_ops || (tty_proc_ops->is_leader() && tty_proc_ops->controlling() == t &&
                          t->session == tty_proc_ops->session()))
        return 0;
    if (!tty_proc_ops->is_leader() || tty_proc_ops->controlling())
        return -EPERM;
    if (t->session != 0) {
        if (steal != 1 || !cred_capable(cred_current(), CAP_SYS_ADMIN))
            return -EPERM;
        tty_proc_ops->detach_session(t->session);
    }
    if (!(f->fmode & FMODE_READ) && !cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EPERM;
    return tty_attach(t, steal == 1);
}

static long flush(struct tty *t, unsigned long which)
{
    err_t err = tty_check_change(t);

    if (err)
        return err;
    if (which > TCIOFLUSH)
        return -EINVAL;
    mutex_lock(&t->mutex);
    if (which != TCOFLUSH)
        ldisc_flush_input(t);
    if (which != TCIFLUSH)
        pty_packet_event(t, TIOCPKT_FLUSHWRITE);
    mutex_unlock(&t->mutex);
    return 0;
}

static long flow(struct tty *t, unsigned long action)
{
    err_t err = tty_check_change(t);

    if (err)
        return err;
    if (action > TCION)
        return -EINVAL;
    mutex_lock(&t->mutex);
    if (action == TCOOFF || action == TCOON) {
        ldisc_set_stopped(t, action == TCOOFF);
    } else {
        char c = (char)t->termios.c_cc[action == TCIOFF ? VSTOP : VSTART];
        if (c)
            t->ops->write(t, &c, 1);
    }
    mutex_unlock(&t->mutex);
    return 0;
}

/* TIOCSTI: only into one's own controlling terminal, or as the administrator. */
static long insert_byte(struct tty *t, const void __user *from)
{
    uint8_t c;

    if ((!tty_proc_ops || tty_proc_ops->controlling() != t) &&
        !cred_capable(cred_current(), CAP_SYS_ADMIN))
        return -EPERM;
    if (copy_from_user(&c, from, 1))
        return -EFAULT;
    (void)ldisc_receive(t, &c, 1); /* a full buffer drops it, as a key press would be */
    return 0;
}

static long put_int(int value, unsigned long arg)
{
    return copy_to_user(USER_PTR(int, arg), &value, sizeof value);
}

static long set_exclusive(struct tty *t, bool on)
{
    mutex_lock(&t->mutex);
    t->exclusive = on;
    mutex_unlock(&t->mutex);
    return 0;
}

static long get_session(struct tty *t, bool via_master, unsigned long arg)
{
    if (!via_master && (!tty_proc_ops || tty_proc_ops->controlling() != t))
        return -ENOTTY;
    return t->session ? put_int(t->session, arg) : -ENOTTY;
}

static long give_up(struct tty *t)
{
    if (!tty_proc_ops || tty_proc_ops->controlling() != t)
        return -ENOTTY;
    if (tty_proc_ops->is_leader())
        tty_hangup(t);
    else
        tty_proc_ops->detach();
    return 0;
}

static long set_discipline(unsigned long arg)
{
    int number;

    if (copy_from_user(&number, USER_PTR(int, arg), sizeof number))
        return -EFAULT;
    return number == 0 ? 0 : -EINVAL; /* N_TTY is the only one */
}

static long send_break(struct tty *t, struct file *f)
{
    err_t err = tty_check_change(t);

    return err ? err : drain(t, f);
}

long tty_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
    bool handled = false;
    struct tty *t = tty_of(f);
    long ret = pty_master_ioctl(f, cmd, arg, &handled);
    bool via_master = f->ops != &tty_file_ops;

    if (handled)
        return ret;
    if (t->hung || (!via_master && tty_file_dead(f)))
        return -EIO;
    switch (cmd) {
    case TCGETS:
    case TCGETS2:
    case TCGETA:
        return get_termios(t, cmd, USER_PTR(void, arg));
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return set_termios(t, f, TCSETS, cmd - TCSETS, USER_PTR(void, arg));
    case TCSETS2:
    case TCSETSW2:
    case TCSETSF2:
        return set_termios(t, f, TCSETS2, cmd - TCSETS2, USER_PTR(void, arg));
    case TCSETA:
    case TCSETAW:
    case TCSETAF:
        return set_termios(t, f, TCSETA, cmd - TCSETA, USER_PTR(void, arg));
    case TIOCGLCKTRMIOS:
        return get_locked(t, USER_PTR(void, arg));
    case TIOCSLCKTRMIOS:
        return set_locked(t, USER_PTR(void, arg));
    case TIOCGWINSZ:
        return copy_to_user(USER_PTR(void, arg), &t->size, sizeof t->size);
    case TIOCSWINSZ:
        return set_size(t, USER_PTR(void, arg));
    case TIOCGPGRP:
        return get_group(t, via_master, USER_PTR(void, arg));
    case TIOCSPGRP:
        return set_group(t, USER_PTR(void, arg));
    case TIOCGSID:
        return get_session(t, via_master, arg);
    case TIOCSCTTY:
        return become_controlling(t, f, arg);
    case TIOCNOTTY:
        return give_up(t);
    case TCFLSH:
        return flush(t, arg);
    case TCXONC:
        return flow(t, arg);
    case TCSBRK:
    case TCSBRKP:
        return send_break(t, f);
    case FIONREAD:
        return put_int((int)ldisc_available(t), arg);
    case TIOCOUTQ:
        return put_int((int)tty_pending(t), arg);
    case TIOCSTI:
        return insert_byte(t, USER_PTR(void, arg));
    case TIOCEXCL:
        return set_exclusive(t, true);
    case TIOCNXCL:
        return set_exclusive(t, false);
    case TIOCGEXCL:
        return put_int(t->exclusive, arg);
    case TIOCGETD:
        return put_int(0, arg);
    case TIOCSETD:
        return set_discipline(arg);
    case TIOCVHANGUP:
        if (!cred_capable(cred_current(), CAP_SYS_ADMIN))
            return -EPERM;
        tty_hangup(t);
        return 0;
    default:
        return -ENOTTY;
    }
}
