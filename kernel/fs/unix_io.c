// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what goes through local sockets: packets in and out, and the options of a socket.
 * Model, locking: see unix.c.
 */
#define LOG_TAG "unix"
#include <fs/unix_impl.h>

#include <fs/internal.h>
#include <mm/heap.h>
#include <sched/clock.h>

#include <asm/socket.h>
#include <linux/fcntl.h>
#include <linux/net.h>
#include <linux/socket.h>

/* ---- sending --------------------------------------------------------------------------------- */

/*
 * Who is woken runs when the waker sleeps: there is more to send or to take, as through pipes.  Otherwise
 * each packet costs two switches.
 */
static void wake_lazily(struct waitq *q, unsigned n)
{
    if (waitq_active(q))
        waitq_wake(q, n, ~0ul);
}

static bool send_possible(struct unix_socket *s, struct unix_socket *to)
{
    return s->no_send || to->no_receive || unix_has_room(s, to);
}

static size_t packet_cost(const struct packet *p)
{
    return p->length + UNIX_PACKET_COST;
}

static err_t broken_pipe(const struct unix_message *m)
{
    if (!(m->flags & MSG_NOSIGNAL) && fs_sigpipe_hook)
        fs_sigpipe_hook();
    return -EPIPE;
}

/* Puts `p` into the queue of `to`; -EAGAIN: no room. */
static err_t packet_queue(struct unix_socket *s, struct unix_socket *to, struct packet *p)
{
    err_t err = 0;

    spin_lock(&to->lock);
    if (to->no_receive) {
        err = unix_connects(s) ? -EPIPE : -ECONNREFUSED;
    } else if (!unix_has_room(s, to)) {
        err = -EAGAIN;
    } else {
        list_add_tail(&to->received, &p->link);
        to->queued += packet_cost(p);
        to->packets++;
    }
    spin_unlock(&to->lock);
    if (!err)
        wake_lazily(&to->readers, 1);
    return err;
}

static err_t packet_make(struct unix_socket *s, struct unix_message *m, size_t n,
                         struct packet **out)
{
    struct packet *p = kmalloc(sizeof *p + n);

    if (!p)
        return -ENOMEM;
    *p = (struct packet){ .length = n, .peer = m->peer };
    list_init(&p->link);
    if (uio_copy_from(m->data, p->data, n) != n) {
        kfree(p);
        return -EFAULT;
    }
    if (!unix_connects(s)) {
        p->from = s;
        ref_get(&s->refs);
    }
    *out = p;
    return 0;
}

static err_t packet_send(struct file *f, struct unix_socket *s, struct unix_socket *to,
                         struct unix_message *m, struct packet *p)
{
    bool wait = !(f->flags & O_NONBLOCK) && !(m->flags & MSG_DONTWAIT);
    ns_t deadline = unix_deadline(s->send_timeout);
    err_t err;

    while ((err = s->no_send ? -EPIPE : packet_queue(s, to, p)) == -EAGAIN && wait) {
        err = wait_event_intr_deadline(&to->writers, send_possible(s, to), deadline);
        if (err)
            return err == -ETIMEDOUT ? -EAGAIN : err;
    }
    return err;
}

static err_t find_receiver(struct unix_socket *s, const struct unix_message *m,
                           struct unix_socket **to)
{
    err_t err = 0;

    if (m->name && m->name->length > 0) {
        if (unix_connects(s))
            return s->state == CONNECTED ? -EISCONN : -EOPNOTSUPP;
        err = unix_name_find(m->name, to);
        if (!err && (*to)->type != s->type) {
            unix_put(*to);
            err = -EPROTOTYPE;
        }
        return err;
    }
    *to = unix_peer_of(s);
    if (*to)
        return 0;
    return s->peer_closed || s->no_send ? -EPIPE : -ENOTCONN;
}

/* Two pieces at least fit in the buffer. */
static size_t stream_piece(const struct unix_socket *s)
{
    return MIN((size_t)s->send_buffer / 2 - 64, (size_t)UNIX_STREAM_PIECE);
}

ssize_t unix_send(struct file *f, struct unix_message *m)
{
    struct unix_socket *s = f->data, *to;
    ssize_t done = 0;
    struct packet *p;

    if (!unix_is_stream(s) && m->data->left > (size_t)s->send_buffer - 32)
        return -EMSGSIZE;
    err_t err = find_receiver(s, m, &to);
    if (err)
        return err == -EPIPE ? broken_pipe(m) : err;
    if (m->peer.pid == 0)
        m->peer = unix_self();
    do {
        size_t n = unix_is_stream(s) ? MIN(m->data->left, stream_piece(s)) : m->data->left;
        if (n == 0 && unix_is_stream(s))
            break;
        err = packet_make(s, m, n, &p);
        if (err)
            break;
        err = unix_rights_charge(m->rights);
        if (!err && (err = unix_flight_count(to, m->rights, 1)) != 0)
            unix_rights_uncharge(m->rights);
        p->rights = m->rights;
        if (!err) {
            err = packet_send(f, s, to, m, p);
            if (err) {
                (void)unix_flight_count(to, m->rights, -1);
                unix_rights_uncharge(m->rights);
            }
        }
        if (err) {
            p->rights = NULL; /* still the caller's */
            unix_packet_free(p);
            break;
        }
        m->rights = NULL;
        done += (ssize_t)n;
    } while (m->data->left > 0);
    unix_put(to);
    if (done > 0 || !err)
        return done;
    return err == -EPIPE ? broken_pipe(m) : err;
}

/* ---- receiving ------------------------------------------------------------------------------- */

static bool receive_possible(const struct unix_socket *s)
{
    return !list_empty(&s->received) || s->no_receive || s->error;
}

/* The first packet, taken off the queue while it is worked on, or NULL. */
static struct packet *packet_first(struct unix_socket *s)
{
    spin_lock(&s->lock);
    struct packet *p = list_first_or_null(&s->received, struct packet, link);
    if (p)
        list_del(&p->link);
    spin_unlock(&s->lock);
    return p;
}

static void packet_give_back(struct unix_socket *s, struct packet *p)
{
    spin_lock(&s->lock);
    list_add_head(&s->received, &p->link);
    spin_unlock(&s->lock);
}

static void packet_done(struct unix_socket *s, struct packet *p)
{
    spin_lock(&s->lock);
    s->queued -= packet_cost(p);
    s->packets--;
    spin_unlock(&s->lock);
    wake_lazily(&s->writers, UINT_MAX);
    struct unix_socket *peer = unix_peer_of(s);
    if (peer) {
        wake_lazily(&peer->writers, UINT_MAX); /* who polls for room does so on its own socket */
        unix_put(peer);
    }
    unix_packet_free(p);
}

static err_t wait_packet(struct file *f, struct unix_socket *s, const struct unix_message *m,
                         ns_t deadline, struct packet **out)
{
    while (!(*out = packet_first(s))) {
        spin_lock(&s->lock);
        int error = s->error;
        s->error = 0;
        spin_unlock(&s->lock);
        if (error)
            return -error;
        if (s->no_receive)
            return 0;
        if (unix_connects(s) && s->state != CONNECTED)
            return s->type == SOCK_STREAM ? -EINVAL : -ENOTCONN;
        if ((f->flags & O_NONBLOCK) || (m->flags & MSG_DONTWAIT))
            return -EAGAIN;
        err_t err = wait_event_state(&s->readers, receive_possible(s), THREAD_SLEEPING_INTR,
                                     deadline, true);
        if (err)
            return err == -ETIMEDOUT ? -EAGAIN : err;
    }
    return 0;
}

static void take_extras(struct unix_socket *s, struct packet *p, struct unix_message *m)
{
    m->peer = p->peer;
    if (m->name && p->from)
        *m->name = p->from->name;
    if (p->rights && !(m->flags & MSG_PEEK)) {
        (void)unix_flight_count(s, p->rights, -1);
        unix_rights_uncharge(p->rights);
        m->rights = p->rights;
        p->rights = NULL;
    }
}

static ssize_t receive_packet(struct unix_socket *s, struct packet *p, struct unix_message *m)
{
    size_t n = MIN(m->data->left, p->length);

    if (uio_copy_to(m->data, p->data, n) != n) {
        packet_give_back(s, p);
        return -EFAULT;
    }
    take_extras(s, p, m);
    if (n < p->length)
        m->out_flags |= MSG_TRUNC;
    ssize_t ret = (ssize_t)(m->flags & MSG_TRUNC ? p->length : n);
    if (m->flags & MSG_PEEK)
        packet_give_back(s, p);
    else
        packet_done(s, p);
    return ret;
}

/* One piece of a stream.  Sets *stop behind files in flight: they end a receive. */
static ssize_t receive_piece(struct unix_socket *s, struct packet *p, struct unix_message *m,
                             bool *stop)
{
    size_t n = MIN(m->data->left, p->length - p->taken);

    if (uio_copy_to(m->data, p->data + p->taken, n) != n) {
        packet_give_back(s, p);
        return -EFAULT;
    }
    *stop = p->rights != NULL;
    take_extras(s, p, m);
    if (!(m->flags & MSG_PEEK))
        p->taken += n;
    if (p->taken == p->length)
        packet_done(s, p);
    else
        packet_give_back(s, p);
    return (ssize_t)n;
}

static ssize_t receive_stream(struct file *f, struct unix_socket *s, struct unix_message *m)
{
    ns_t deadline = unix_deadline(s->receive_timeout);
    bool stop = false;
    ssize_t done = 0, n = 0;

    while (m->data->left > 0 && !stop) {
        struct packet *p = NULL;
        if (done > 0 && !(m->flags & MSG_WAITALL) && list_empty(&s->received))
            break;
        n = wait_packet(f, s, m, deadline, &p);
        if (!p)
            break;
        if (done > 0 && p->rights) { /* they go with the next receive */
            packet_give_back(s, p);
            break;
        }
        n = receive_piece(s, p, m, &stop);
        if (n < 0)
            break;
        done += n;
        stop |= (m->flags & MSG_PEEK) != 0;
    }
    return done > 0 ? done : n;
}

ssize_t unix_receive(struct file *f, struct unix_message *m)
{
    struct unix_socket *s = f->data;
    struct packet *p;

    if (unix_is_stream(s))
        return receive_stream(f, s, m);
    err_t err = wait_packet(f, s, m, unix_deadline(s->receive_timeout), &p);
    return p ? receive_packet(s, p, m) : err;
}

/* ---- options --------------------------------------------------------------------------------- */

bool unix_wants_credentials(struct file *f)
{
    return ((struct unix_socket *)f->data)->pass_credentials;
}

err_t unix_set_option(struct file *f, int option, int value)
{
    struct unix_socket *s = f->data;

    switch (option) {
    case SO_PASSCRED:
        s->pass_credentials = value != 0;
        return 0;
    case SO_SNDBUF:
        s->send_buffer = CLAMP(value, 2304, (int)UNIX_BUFFER) * 2;
        return 0;
    case SO_RCVBUF:
        s->receive_buffer = CLAMP(value, 1152, (int)UNIX_BUFFER) * 2;
        return 0;
    case SO_REUSEADDR: /* have no meaning for local sockets, on Linux neither */
    case SO_KEEPALIVE:
    case SO_BROADCAST:
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

err_t unix_get_option(struct file *f, int option, int *value)
{
    struct unix_socket *s = f->data;

    switch (option) {
    case SO_TYPE:
        *value = s->type;
        return 0;
    case SO_DOMAIN:
        *value = AF_UNIX;
        return 0;
    case SO_PROTOCOL:
        *value = 0;
        return 0;
    case SO_ERROR:
        spin_lock(&s->lock);
        *value = s->error;
        s->error = 0;
        spin_unlock(&s->lock);
        return 0;
    case SO_ACCEPTCONN:
        *value = s->state == LISTENING;
        return 0;
    case SO_PASSCRED:
        *value = s->pass_credentials;
        return 0;
    case SO_SNDBUF:
        *value = s->send_buffer;
        return 0;
    case SO_RCVBUF:
        *value = s->receive_buffer;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

err_t unix_get_peer(struct file *f, struct unix_peer *peer)
{
    struct unix_socket *s = f->data;

    *peer = s->state == CONNECTED && unix_connects(s) ? s->other
                                                 : (struct unix_peer){ 0, (uid_t)-1, (gid_t)-1 };
    return 0;
}

err_t unix_set_timeout(struct file *f, bool receive, ns_t timeout)
{
    struct unix_socket *s = f->data;

    *(receive ? &s->receive_timeout : &s->send_timeout) = timeout;
    return 0;
}

ns_t unix_get_timeout(struct file *f, bool receive)
{
    struct unix_socket *s = f->data;

    return receive ? s->receive_timeout : s->send_timeout;
}
