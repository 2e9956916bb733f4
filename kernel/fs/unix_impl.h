// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what unix.c (life, names, connections) and unix_io.c (messages, options) share.
 * Locking: see unix.c.
 */
#pragma once

#include <fs/unix.h>
#include <sched/waitq.h>

#define UNIX_BUFFER (208 * KiB) /* cost of a queue's packets, as net.core.wmem_default */
#define UNIX_PACKET_COST 640 /* of a packet besides its bytes: what Linux's take, more than ours */
#define UNIX_DATAGRAMS 10 /* net.unix.max_dgram_qlen; one more fits */
#define UNIX_STREAM_PIECE (32 * KiB - 128) /* one packet of a stream */
#define UNIX_BUCKETS 64
#define SHUT_RD 0
#define SHUT_WR 1
#define SHUT_RDWR 2
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_SEQPACKET 5
#define MSG_PEEK 2
#define MSG_TRUNC 0x20
#define MSG_DONTWAIT 0x40
#define MSG_EOR 0x80
#define MSG_WAITALL 0x100
#define MSG_NOSIGNAL 0x4000

struct packet {
    struct list link;
    size_t length, taken;
    struct unix_rights *rights;
    struct unix_peer peer;
    struct unix_socket *from; /* datagrams: whose name to tell; with a reference */
    char data[];
};

enum state { UNCONNECTED, LISTENING, CONNECTED };

struct unix_socket {
    refcount_t refs;
    int type; /* constant */
    struct spinlock lock;
    enum state state;
    struct unix_socket *peer; /* with a reference */
    struct list received; /* packets */
    size_t queued; /* what they cost */
    unsigned packets; /* how many: datagrams */
    struct list pending; /* listener: sockets that wait for accept, by pending_link */
    struct list pending_link;
    unsigned pending_count, backlog;
    bool no_receive, no_send; /* shutdown, or the peer's */
    bool peer_closed, reset;
    bool pass_credentials;
    int error; /* SO_ERROR, taken by reading it */
    struct unix_peer self, other; /* credentials at connect or listen */
    struct unix_name name; /* unix_names_mutex for writers; constant once set */
    bool binding; /* a thread makes its path; unix_names_mutex */
    struct inode *inode; /* of a bound path, with a reference */
    struct unix_socket *name_next; /* unix_names_mutex */
    ns_t receive_timeout, send_timeout;
    int send_buffer, receive_buffer;
    unsigned in_flight; /* times that a queue holds its file; flight_lock */
    unsigned holds; /* sockets in its queue, and in those of its pending ones; flight_lock */
    struct unix_socket *listener; /* whose pending one it is; flight_lock */
    struct waitq readers, writers;
};

static inline bool unix_is_stream(const struct unix_socket *s)
{
    return s->type == SOCK_STREAM;
}

static inline bool unix_connects(const struct unix_socket *s)
{
    return s->type != SOCK_DGRAM;
}

/* May `s` put another packet into the queue of `to`?  The last one may go beyond the sender's
 * buffer.  Of who is not connected back only so many datagrams wait. */
static inline bool unix_has_room(const struct unix_socket *s, const struct unix_socket *to)
{
    if (!unix_connects(to) && to->peer != s && to->packets > UNIX_DATAGRAMS)
        return false;
    return to->queued < (size_t)s->send_buffer;
}

/* The socket bound to `name`, with a reference.  -ECONNREFUSED, path errors. */
err_t unix_name_find(const struct unix_name *n, struct unix_socket **out);
void unix_put(struct unix_socket *s);
struct unix_socket *unix_peer_of(struct unix_socket *s); /* with a reference, or NULL */
struct unix_peer unix_self(void); /* credentials of the running process */
void unix_packet_free(struct packet *p);
/* Counts files in flight for the sending user: RLIMIT_NOFILE of them.  -ETOOMANYREFS, -ENOMEM. */
err_t unix_rights_charge(struct unix_rights *r);
void unix_rights_uncharge(struct unix_rights *r);
ns_t unix_deadline(ns_t timeout); /* of a wait that starts now; 0: none */
/* Counts the sockets among `r` into (+1) or out of (-1) the queue of `to`.  -ETOOMANYREFS: a ring
 * could come of it (then nothing is counted). */
err_t unix_flight_count(struct unix_socket *to, const struct unix_rights *r, int step);
