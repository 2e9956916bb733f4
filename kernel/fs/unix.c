// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: local sockets.
 *
 * Model: a socket has a queue of packets that it has received; sending puts a packet into the
 * peer's queue.  A stream forgets packets' borders, except that files in flight belong to the first
 * byte of theirs.  A listener's queue holds sockets that wait for accept.  Names are the inodes of
 * nodes in the file system, or abstract strings; both are found in one hash table.
 * Files in flight: a socket that is in flight receives no sockets, and one whose queue holds sockets
 * is not sent (-ETOOMANYREFS); so no chain of them can close to a ring that nobody could free.  What
 * waits for accept belongs to its listener: its queue counts as the listener's, too.
 * Locking: unix_names_mutex for the table of names; socket->lock (LOCK_PIPE) for all
 * of its fields.  Two sockets' locks are never held together.
 */
#define LOG_TAG "unix"
#include <fs/unix_impl.h>

#include <fs/internal.h>
#include <fs/poll.h>
#include <fs/usage.h>
#include <lib/hash.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/waitq.h>

#include <asm/ioctls.h>
#include <asm/socket.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/socket.h>

pid_t (*unix_pid_hook)(void);
static struct mutex unix_names_mutex = MUTEX_INIT(unix_names_mutex);
static struct unix_socket *names[UNIX_BUCKETS]; /* unix_names_mutex */
static struct spinlock flight_lock = SPINLOCK_INIT(LOCK_PIPE);
static const struct file_ops unix_ops;
static void socket_close(struct unix_socket *s);

struct unix_peer unix_self(void)
{
    const struct cred *c = cred_current();

    return (struct unix_peer){ .pid = unix_pid_hook ? unix_pid_hook() : 0,
                               .uid = c->euid, .gid = c->egid };
}

/* ---- life ------------------------------------------------------------------------------------ */

void unix_rights_uncharge(struct unix_rights *r)
{
    if (!r || !r->user)
        return;
    atomic_sub_fetch(&r->user->in_flight, r->count);
    usage_put(r->user);
    r->user = NULL;
}

err_t unix_rights_charge(struct unix_rights *r)
{
    struct usage *u = r ? usage_get() : NULL;

    if (!u || IS_ERR(u))
        return u ? PTR_ERR(u) : 0;
    r->user = u;
    if (atomic_add_fetch(&u->in_flight, r->count) <= *actor_current()->limit_nofile)
        return 0;
    unix_rights_uncharge(r);
    return -ETOOMANYREFS;
}

void unix_rights_put(struct unix_rights *r)
{
    unix_rights_uncharge(r);
    for (unsigned i = 0; r && i < r->count; i++)
        file_put(r->file[i]);
    kfree(r);
}

err_t unix_flight_count(struct unix_socket *to, const struct unix_rights *r, int step)
{
    err_t err = 0;

    if (!r)
        return 0;
    spin_lock(&flight_lock);
    struct unix_socket *l = to->listener;
    bool travels = to->in_flight > 0 || (l && l->in_flight > 0);
    for (unsigned i = 0; i < r->count && step > 0; i++) {
        struct unix_socket *s = unix_of(r->file[i]);
        if (s && (s == to || s == l || s->holds > 0 || travels))
            err = -ETOOMANYREFS;
    }
    for (unsigned i = 0; i < r->count && !err; i++) {
        struct unix_socket *s = unix_of(r->file[i]);
        if (s) {
            s->in_flight += (unsigned)step;
            to->holds += (unsigned)step;
            if (l)
                l->holds += (unsigned)step;
        }
    }
    spin_unlock(&flight_lock);
    return err;
}

/* `server` is about to wait for accept at `l`: what its queue holds, `l` holds. */
static err_t flight_attach(struct unix_socket *server, struct unix_socket *l)
{
    err_t err = 0;

    spin_lock(&flight_lock);
    if (server->holds > 0 && l->in_flight > 0) {
        err = -ETOOMANYREFS;
    } else {
        server->listener = l;
        l->holds += server->holds;
    }
    spin_unlock(&flight_lock);
    return err;
}

/* `server` does not wait for accept any more. */
static void flight_detach(struct unix_socket *server)
{
    spin_lock(&flight_lock);
    if (server->listener)
        server->listener->holds -= server->holds;
    server->listener = NULL;
    spin_unlock(&flight_lock);
}

void unix_packet_free(struct packet *p)
{
    unix_rights_put(p->rights);
    if (p->from)
        unix_put(p->from);
    kfree(p);
}

static struct unix_socket *socket_create(int type)
{
    struct unix_socket *s = kzalloc(sizeof *s);

    if (!s)
        return NULL;
    ref_init(&s->refs, 1);
    s->type = type;
    s->send_buffer = s->receive_buffer = UNIX_BUFFER;
    spin_init(&s->lock, LOCK_PIPE);
    list_init(&s->received);
    list_init(&s->pending);
    list_init(&s->pending_link);
    waitq_init(&s->readers);
    waitq_init(&s->writers);
    return s;
}

/* Nothing is added any more.  What is in flight goes before the socket itself may: files in the
 * queue can be what keeps its peer, and the peer what keeps it. */
static void received_free(struct unix_socket *s)
{
    struct list packets = LIST_INIT(packets);
    struct packet *p, *next;

    spin_lock(&s->lock);
    list_splice_tail(&packets, &s->received);
    s->queued = 0;
    s->packets = 0;
    spin_unlock(&s->lock);
    list_for_each_safe(p, next, &packets, link) {
        list_del(&p->link);
        (void)unix_flight_count(s, p->rights, -1);
        unix_packet_free(p);
    }
}

void unix_put(struct unix_socket *s)
{
    if (!ref_put(&s->refs))
        return;
    received_free(s);
    kfree(s);
}

static void wake_all(struct unix_socket *s)
{
    waitq_wake_all(&s->readers);
    waitq_wake_all(&s->writers);
}

struct unix_socket *unix_peer_of(struct unix_socket *s)
{
    spin_lock(&s->lock);
    struct unix_socket *peer = s->peer;
    if (peer)
        ref_get(&peer->refs);
    spin_unlock(&s->lock);
    return peer;
}

static struct unix_socket **name_bucket(const struct unix_name *n, const struct inode *inode)
{
    uint64_t h = inode ? hash_u64((uintptr_t)inode) : fnv1a_64(n->path, n->length);

    return &names[h % UNIX_BUCKETS];
}

static void name_forget(struct unix_socket *s)
{
    mutex_lock(&unix_names_mutex);
    if (s->name.length > 0)
        for (struct unix_socket **at = name_bucket(&s->name, s->inode); *at; at = &(*at)->name_next)
            if (*at == s) {
                *at = s->name_next;
                break;
            }
    mutex_unlock(&unix_names_mutex);
    if (s->inode)
        inode_put(s->inode);
    s->inode = NULL;
}

/* The other side learns that `s` is gone. */
static void peer_hang_up(struct unix_socket *s, struct unix_socket *peer, bool unread)
{
    spin_lock(&peer->lock);
    if (unix_connects(s) || peer->peer == s) {
        peer->peer_closed = unix_connects(s);
        peer->no_receive |= unix_connects(s);
        peer->no_send |= unix_connects(s);
        if (unread && unix_connects(s))
            peer->error = ECONNRESET;
    }
    spin_unlock(&peer->lock);
    wake_all(peer);
}

static void socket_close(struct unix_socket *s)
{
    struct list waiting = LIST_INIT(waiting);
    struct unix_socket *c, *next;

    name_forget(s);
    spin_lock(&s->lock);
    struct unix_socket *peer = s->peer;
    bool unread = !list_empty(&s->received);
    s->peer = NULL;
    s->no_receive = s->no_send = true;
    s->state = UNCONNECTED;
    list_splice_tail(&waiting, &s->pending);
    spin_unlock(&s->lock);
    if (peer) {
        peer_hang_up(s, peer, unread);
        unix_put(peer);
    }
    list_for_each_safe(c, next, &waiting, pending_link) {
        list_del(&c->pending_link);
        flight_detach(c);
        socket_close(c); /* never accepted: its peer sees a reset */
        unix_put(c);
    }
    received_free(s);
    wake_all(s);
}

static void unix_release(struct file *f)
{
    socket_close(f->data);
    unix_put(f->data);
}

static err_t file_of(struct unix_socket *s, unsigned flags, struct file **out)
{
    err_t err = file_create_anon("socket", &unix_ops, s, O_RDWR | (flags & O_NONBLOCK), out);

    if (!err)
        (*out)->inode->mode = S_IFSOCK | 0777;
    return err;
}

struct unix_socket *unix_of(const struct file *f)
{
    return f->ops == &unix_ops ? f->data : NULL;
}

uint64_t unix_weight(const struct file *f)
{
    struct unix_socket *s = f->data;
    uint64_t sum = sizeof *s;
    struct packet *p;

    spin_lock(&s->lock);
    sum += s->queued;
    list_for_each(p, &s->received, link)
        for (unsigned i = 0; p->rights && i < p->rights->count; i++)
            if (!unix_of(p->rights->file[i])) /* a socket in flight: no second lock of this rank */
                sum += file_weight(p->rights->file[i]);
    spin_unlock(&s->lock);
    return sum;
}

err_t unix_create(int type, unsigned flags, struct file **out)
{
    if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
        return -ESOCKTNOSUPPORT;
    struct unix_socket *s = socket_create(type);
    err_t err = s ? file_of(s, flags, out) : -ENOMEM;

    if (err && s)
        unix_put(s);
    return err;
}

static void join(struct unix_socket *a, struct unix_socket *b)
{
    ref_get(&b->refs);
    spin_lock(&a->lock);
    a->peer = b;
    a->state = CONNECTED;
    spin_unlock(&a->lock);
}

err_t unix_pair(int type, unsigned flags, struct file *out[2])
{
    err_t err = unix_create(type, flags, &out[0]);

    if (err)
        return err;
    err = unix_create(type, flags, &out[1]);
    if (err) {
        file_put(out[0]);
        return err;
    }
    struct unix_socket *a = out[0]->data, *b = out[1]->data;
    a->self = a->other = b->self = b->other = unix_self();
    join(a, b);
    join(b, a);
    return 0;
}

/* ---- names and connections ------------------------------------------------------------------- */

/* What is bound to the inode or, without one, to the abstract name; with a reference, or NULL.
 * unix_names_mutex held. */
static struct unix_socket *name_search(const struct unix_name *n, const struct inode *inode)
{
    struct unix_socket *s = *name_bucket(n, inode);

    while (s && !(inode ? s->inode == inode
                        : !s->inode && s->name.length == n->length &&
                              !memcmp(s->name.path, n->path, n->length)))
        s = s->name_next;
    if (s)
        ref_get(&s->refs);
    return s;
}

/* Paths are looked up without the mutex: on the way a file may go, and be a socket itself. */
err_t unix_name_find(const struct unix_name *n, struct unix_socket **out)
{
    struct path path;
    struct inode *inode = NULL;
    err_t err = 0;

    *out = NULL;
    if (n->path[0] != '\0') {
        err = path_lookup(AT_FDCWD, n->path, LOOKUP_FOLLOW, &path);
        if (err)
            return err;
        inode = path.dentry->inode;
        err = inode_permission(inode, MAY_WRITE, cred_current());
        if (!err && !S_ISSOCK(inode->mode))
            err = -ECONNREFUSED;
    }
    if (!err) {
        mutex_lock(&unix_names_mutex);
        *out = name_search(n, inode);
        mutex_unlock(&unix_names_mutex);
    }
    if (inode)
        path_put(&path);
    return err ? err : *out ? 0 : -ECONNREFUSED;
}

static void name_enter(struct unix_socket *s, const struct unix_name *n, struct inode *inode)
{
    struct unix_socket **at = name_bucket(n, inode);

    s->name = *n;
    s->inode = inode;
    s->name_next = *at;
    *at = s;
}

/* A name for who did not give one: five hexadecimal digits, abstract. */
static err_t autobind_name(struct unix_name *n)
{
    static uint32_t next; /* unix_names_mutex */
    struct unix_socket *other;

    for (unsigned tries = 0; tries < 0x100000; tries++) {
        uint32_t v = next++ & 0xfffff;
        n->length = 6;
        n->path[0] = '\0';
        for (unsigned i = 0; i < 5; i++)
            n->path[5 - i] = "0123456789abcdef"[v >> (4 * i) & 15];
        other = name_search(n, NULL);
        if (!other)
            return 0;
        unix_put(other); /* who closes it has to wait for the mutex: never the last reference */
    }
    return -ENOSPC;
}

/* Makes the node, without the mutex; `s` is marked as binding. */
static err_t bind_path(struct unix_socket *s, const struct unix_name *n)
{
    struct path path;
    err_t err = vfs_mknod(AT_FDCWD, n->path, S_IFSOCK | 0777, 0);

    if (err)
        return err == -EEXIST ? -EADDRINUSE : err;
    err = path_lookup(AT_FDCWD, n->path, 0, &path);
    if (err)
        return err;
    inode_get(path.dentry->inode);
    mutex_lock(&unix_names_mutex);
    name_enter(s, n, path.dentry->inode);
    mutex_unlock(&unix_names_mutex);
    path_put(&path);
    return 0;
}

/* unix_names_mutex held. */
static err_t bind_abstract(struct unix_socket *s, struct unix_name *n)
{
    struct unix_socket *other = NULL;
    err_t err = n->length == 0 ? autobind_name(n) : 0;

    if (!err)
        other = name_search(n, NULL);
    if (other) {
        unix_put(other);
        err = -EADDRINUSE;
    }
    if (!err)
        name_enter(s, n, NULL);
    return err;
}

err_t unix_bind(struct file *f, const struct unix_name *name)
{
    struct unix_socket *s = f->data;
    struct unix_name n = *name;
    bool path = n.length > 0 && n.path[0] != '\0';
    err_t err = 0;

    mutex_lock(&unix_names_mutex);
    if (s->name.length > 0 || s->binding)
        err = n.length == 0 ? 0 : -EINVAL;
    else if (path)
        s->binding = true; /* another thread must not, meanwhile */
    else
        err = bind_abstract(s, &n);
    mutex_unlock(&unix_names_mutex);
    if (err || !path)
        return err;
    err = bind_path(s, &n);
    mutex_lock(&unix_names_mutex);
    s->binding = false;
    mutex_unlock(&unix_names_mutex);
    return err;
}

err_t unix_listen(struct file *f, int backlog)
{
    struct unix_socket *s = f->data;
    err_t err = 0;

    if (!unix_connects(s))
        return -EOPNOTSUPP;
    spin_lock(&s->lock);
    if (s->name.length == 0 || s->state == CONNECTED) {
        err = -EINVAL;
    } else {
        s->state = LISTENING;
        s->backlog = (unsigned)CLAMP(backlog, 0, 4096);
        s->self = unix_self();
    }
    spin_unlock(&s->lock);
    if (!err)
        waitq_wake_all(&s->writers);
    return err;
}

static bool backlog_open(const struct unix_socket *l)
{
    return l->state != LISTENING || l->pending_count <= l->backlog;
}

/* Queues `server`, the other end of `s`, at the listener.  -EAGAIN: its backlog is full. */
static err_t enqueue_connection(struct unix_socket *l, struct unix_socket *server)
{
    err_t err = 0;

    spin_lock(&l->lock);
    if (l->state != LISTENING || l->no_receive) {
        err = -ECONNREFUSED;
    } else if (l->pending_count > l->backlog) {
        err = -EAGAIN;
    } else {
        list_add_tail(&l->pending, &server->pending_link);
        l->pending_count++;
    }
    spin_unlock(&l->lock);
    return err;
}

/* Makes `server` the peer of `s`, unless another thread has connected it meanwhile. */
static err_t connect_claim(struct unix_socket *s, struct unix_socket *server, struct unix_socket *l)
{
    err_t err = 0;

    spin_lock(&s->lock);
    if (s->state != UNCONNECTED) {
        err = s->state == LISTENING ? -EINVAL : -EISCONN;
    } else {
        ref_get(&server->refs);
        s->peer = server;
        s->state = CONNECTED;
        s->self = server->other;
        s->other = l->self;
    }
    spin_unlock(&s->lock);
    return err;
}

/* The claim was for nothing: `s` is as it was.  What others have sent meanwhile goes here, where nothing is
 * locked, not with the last reference: that may be the one of somebody who polls. */
static void connect_abandon(struct unix_socket *s, struct unix_socket *server)
{
    spin_lock(&server->lock);
    server->no_receive = true;
    spin_unlock(&server->lock);
    received_free(server);
    spin_lock(&s->lock);
    s->peer = NULL;
    s->state = UNCONNECTED;
    spin_unlock(&s->lock);
    unix_put(server);
}

/* Waits for room in the listener's backlog. */
static err_t connect_wait(struct file *f, struct unix_socket *l, struct unix_socket *server)
{
    err_t err = flight_attach(server, l);

    if (err)
        return err;
    while ((err = enqueue_connection(l, server)) == -EAGAIN && !(f->flags & O_NONBLOCK)) {
        err = wait_event_intr(&l->writers, backlog_open(l));
        if (err)
            break;
    }
    if (err)
        flight_detach(server);
    else
        waitq_wake_all(&l->readers);
    return err;
}

static err_t connect_stream(struct file *f, struct unix_socket *s, struct unix_socket *l)
{
    if (l->type != s->type)
        return -EPROTOTYPE;
    struct unix_socket *server = socket_create(s->type);
    if (!server)
        return -ENOMEM;
    server->name = l->name; /* known by the listener's name, but not found by it */
    server->self = server->other = unix_self();
    join(server, s);
    err_t err = connect_claim(s, server, l);
    if (!err) {
        err = connect_wait(f, l, server);
        if (!err)
            return 0;
        connect_abandon(s, server);
    }
    server->peer = NULL;
    unix_put(s); /* the server's; the file has another */
    unix_put(server);
    return err;
}

static err_t connect_datagram(struct unix_socket *s, struct unix_socket *to)
{
    if (to->type != s->type)
        return -EPROTOTYPE;
    ref_get(&to->refs);
    spin_lock(&s->lock);
    struct unix_socket *old = s->peer;
    s->peer = to;
    s->state = CONNECTED;
    spin_unlock(&s->lock);
    if (old)
        unix_put(old);
    return 0;
}

err_t unix_connect(struct file *f, const struct unix_name *name)
{
    struct unix_socket *s = f->data, *to;

    if (unix_connects(s) && s->state != UNCONNECTED)
        return s->state == LISTENING ? -EINVAL : -EISCONN;
    err_t err = unix_name_find(name, &to);
    if (err)
        return err;
    err = unix_connects(s) ? connect_stream(f, s, to) : connect_datagram(s, to);
    unix_put(to);
    return err;
}

static struct unix_socket *take_connection(struct unix_socket *l)
{
    spin_lock(&l->lock);
    struct unix_socket *s = list_first_or_null(&l->pending, struct unix_socket, pending_link);
    if (s) {
        list_del(&s->pending_link);
        l->pending_count--;
    }
    spin_unlock(&l->lock);
    if (s)
        flight_detach(s);
    return s;
}

ns_t unix_deadline(ns_t timeout)
{
    return timeout ? clock_monotonic() + timeout : NS_NEVER;
}

err_t unix_accept(struct file *f, unsigned flags, struct file **out)
{
    struct unix_socket *l = f->data, *s;
    ns_t deadline = unix_deadline(l->receive_timeout);

    if (!unix_connects(l))
        return -EOPNOTSUPP;
    if (l->state != LISTENING)
        return -EINVAL;
    while (!(s = take_connection(l))) {
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        err_t err = wait_event_state(&l->readers, !list_empty(&l->pending) || l->no_receive,
                                     THREAD_SLEEPING_INTR, deadline, true);
        if (err)
            return err == -ETIMEDOUT ? -EAGAIN : err;
        if (l->no_receive && list_empty(&l->pending))
            return -EINVAL;
    }
    waitq_wake_all(&l->writers);
    err_t err = file_of(s, flags, out);
    if (err) {
        socket_close(s);
        unix_put(s);
    }
    return err;
}

err_t unix_shutdown(struct file *f, int how)
{
    struct unix_socket *s = f->data;
    struct unix_socket *peer = unix_peer_of(s);

    if (how < SHUT_RD || how > SHUT_RDWR) {
        if (peer)
            unix_put(peer);
        return -EINVAL;
    }
    if (!peer && s->state != LISTENING)
        return -ENOTCONN;
    bool receive = how != SHUT_WR, send = how != SHUT_RD;
    spin_lock(&s->lock);
    s->no_receive |= receive;
    s->no_send |= send;
    spin_unlock(&s->lock);
    wake_all(s);
    if (!peer)
        return 0;
    if (unix_connects(s)) {
        spin_lock(&peer->lock);
        peer->no_receive |= send;
        peer->no_send |= receive;
        spin_unlock(&peer->lock);
        wake_all(peer);
    }
    unix_put(peer);
    return 0;
}

void unix_name_of(struct file *f, struct unix_name *name)
{
    *name = ((struct unix_socket *)f->data)->name;
}

err_t unix_peer_name(struct file *f, struct unix_name *name)
{
    struct unix_socket *peer = unix_peer_of(f->data);

    if (!peer)
        return -ENOTCONN;
    *name = peer->name;
    unix_put(peer);
    return 0;
}

/* ---- as a file ------------------------------------------------------------------------------- */

static ssize_t unix_read(struct file *f, struct uio *u, off_t *pos)
{
    struct unix_message m = { .data = u };
    ssize_t n = unix_receive(f, &m);

    unix_rights_put(m.rights);
    return n;
}

static ssize_t unix_write(struct file *f, struct uio *u, off_t *pos)
{
    struct unix_message m = { .data = u };

    return unix_send(f, &m);
}

static bool poll_writable(struct unix_socket *s)
{
    struct unix_socket *peer = unix_peer_of(s);
    bool room = !peer || unix_has_room(s, peer);

    if (peer)
        unix_put(peer);
    return room;
}

static unsigned unix_poll(struct file *f, struct poll_table *pt)
{
    struct unix_socket *s = f->data;
    unsigned mask = 0;

    poll_wait(pt, f, &s->readers);
    poll_wait(pt, f, &s->writers);
    if (s->error)
        mask |= POLLERR;
    if (s->no_receive)
        mask |= POLLRDHUP | POLLIN | POLLRDNORM;
    if (s->no_receive && s->no_send)
        mask |= POLLHUP;
    if (!list_empty(&s->received) || !list_empty(&s->pending))
        mask |= POLLIN | POLLRDNORM;
    if (unix_connects(s) && s->state == UNCONNECTED && !s->peer_closed)
        mask |= POLLHUP | POLLOUT | POLLWRNORM;
    else if (s->state != LISTENING && poll_writable(s))
        mask |= POLLOUT | POLLWRNORM | POLLWRBAND;
    return mask;
}

static int readable_bytes(struct unix_socket *s)
{
    struct packet *p;
    size_t n = 0;

    spin_lock(&s->lock);
    list_for_each(p, &s->received, link) {
        n += p->length - p->taken;
        if (!unix_is_stream(s))
            break;
    }
    spin_unlock(&s->lock);
    return (int)n;
}

static long unix_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
    struct unix_socket *s = f->data, *peer;
    int value;

    switch (cmd) {
    case FIONREAD:
        if (s->state == LISTENING)
            return -EINVAL;
        value = readable_bytes(s);
        break;
    case TIOCOUTQ:
        peer = unix_peer_of(s);
        value = peer ? (int)peer->queued : 0;
        if (peer)
            unix_put(peer);
        break;
    default:
        return -ENOTTY;
    }
    return copy_to_user(USER_PTR(int, arg), &value, sizeof value);
}

static const struct file_ops unix_ops = {
    .read = unix_read, .write = unix_write, .poll = unix_poll, .ioctl = unix_ioctl,
    .release = unix_release,
};
