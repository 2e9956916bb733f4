// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: local sockets (AF_UNIX): streams, datagrams, sequenced packets.  Source: unix(7), socket(7).
 */
#pragma once

#include <fs/vfs.h>

#include <linux/un.h>

#define AF_UNIX 1 /* no UAPI header has it */

struct unix_socket;

struct unix_name { /* length 0: unnamed; first byte NUL: abstract */
    unsigned length; /* bytes of path */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
};

#define UNIX_FDS_MAX 253 /* SCM_MAX_FD */
struct unix_rights { /* files in flight */
    unsigned count;
    struct usage *user; /* who sent them, while they are in a queue; NULL: not limited */
    struct file *file[];
};

struct unix_peer { /* SO_PEERCRED, SCM_CREDENTIALS */
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

struct unix_message { /* arguments of one send or receive */
    struct uio *data;
    unsigned flags; /* MSG_* */
    struct unix_name *name; /* NULL: none wanted or given */
    struct unix_rights *rights; /* send: taken over on success; receive: given */
    struct unix_peer peer; /* the sender's */
    unsigned out_flags; /* receive: MSG_TRUNC, MSG_EOR */
};

/* Each makes files with one reference; flags: O_NONBLOCK, O_CLOEXEC is the caller's. */
err_t __must_check unix_create(int type, unsigned flags, struct file **out); /* -ESOCKTNOSUPPORT */
err_t __must_check unix_pair(int type, unsigned flags, struct file *out[2]);
struct unix_socket *unix_of(const struct file *f); /* NULL: not a socket */
uint64_t unix_weight(const struct file *f); /* bytes of memory, with what is in flight, about */

err_t unix_bind(struct file *f, const struct unix_name *name);
err_t unix_listen(struct file *f, int backlog);
err_t unix_connect(struct file *f, const struct unix_name *name);
err_t __must_check unix_accept(struct file *f, unsigned flags, struct file **out);
err_t unix_shutdown(struct file *f, int how);
void unix_name_of(struct file *f, struct unix_name *name);
err_t unix_peer_name(struct file *f, struct unix_name *name); /* -ENOTCONN */
ssize_t unix_send(struct file *f, struct unix_message *m);
ssize_t unix_receive(struct file *f, struct unix_message *m);
void unix_rights_put(struct unix_rights *r);
/* SOL_SOCKET options that are numbers, and SO_PEERCRED. -ENOPROTOOPT. */
err_t unix_set_option(struct file *f, int option, int value);
err_t unix_get_option(struct file *f, int option, int *value);
err_t unix_get_peer(struct file *f, struct unix_peer *peer);
err_t unix_set_timeout(struct file *f, bool receive, ns_t timeout /* 0: none */);
ns_t unix_get_timeout(struct file *f, bool receive);
bool unix_wants_credentials(struct file *f); /* SO_PASSCRED */
/* proc/ registers: the running process' id; sends SIGPIPE is fs_sigpipe_hook's. */
extern pid_t (*unix_pid_hook)(void);
