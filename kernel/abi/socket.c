// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the system calls of sockets: decoding of addresses, messages and options.
 * AF_UNIX is the one family there is; others give -EAFNOSUPPORT.  Source: socket(2), unix(7), cmsg(3).
 */
#define LOG_TAG "socket"
#include <abi/syscalls_gen.h>

#include <fs/fdtable.h>
#include <fs/unix.h>
#include <lib/checked.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/process.h>

#include <asm/socket.h>
#include <linux/capability.h>
#include <linux/fcntl.h>
#include <linux/net.h>
#include <linux/socket.h>

#define SOCK_TYPE_MASK 0xf
#define SOCK_RAW 3
#define SOCK_FLAGS (O_NONBLOCK | O_CLOEXEC)
#define SOL_SOCKET_LEVEL 1
#define SCM_RIGHTS 1
#define SCM_CREDENTIALS 2
#define MSG_PEEK 0x02
#define MSG_CTRUNC 0x08
#define MSG_TRUNC 0x20
#define MSG_DONTWAIT 0x40
#define MSG_EOR 0x80
#define MSG_WAITALL 0x100
#define MSG_NOSIGNAL 0x4000
#define MSG_MORE 0x8000
#define MSG_CMSG_CLOEXEC 0x40000000
#define SEND_FLAGS (MSG_DONTWAIT | MSG_EOR | MSG_NOSIGNAL | MSG_MORE)
#define RECEIVE_FLAGS (MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT | MSG_WAITALL | MSG_CMSG_CLOEXEC | MSG_NOSIGNAL)
#define CONTROL_MAX 4096

struct user_msghdr {
    uint64_t name;
    int name_length, pad0;
    uint64_t iov;
    uint64_t iov_count;
    uint64_t control;
    uint64_t control_length;
    unsigned flags, pad1;
};

struct control_header {
    uint64_t length; /* with this header */
    int level, type;
};
#define CONTROL_ALIGN(n) ALIGN_UP((size_t)(n), sizeof(uint64_t))


static err_t socket_get(int number, struct fd *out)
{
    *out = fd_get(number);
    if (!out->file)
        return -EBADF;
    if (unix_of(out->file))
        return 0;
    fd_put(*out);
    return -ENOTSOCK;
}

/* ---- addresses ------------------------------------------------------------------------------- */

static err_t name_in(const void __user *addr, unsigned length, struct unix_name *n)
{
    struct sockaddr_un a;

    memset(n, 0, sizeof *n);
    if (length < sizeof a.sun_family || length > sizeof a)
        return -EINVAL;
    if (copy_from_user(&a, addr, length))
        return -EFAULT;
    if (a.sun_family != AF_UNIX)
        return -EINVAL;
    n->length = length - (unsigned)sizeof a.sun_family;
    memcpy(n->path, a.sun_path, n->length);
    if (n->length > 0 && n->path[0] != '\0')
        n->length = (unsigned)strnlen(n->path, n->length);
    return 0;
}

/* Copies an address out, cut to *length, which becomes the whole length. */
static err_t name_out(const struct unix_name *n, void __user *addr, unsigned __user *length)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    uint32_t size, whole;

    if (!addr)
        return 0;
    if (user_load_u32(length, &size))
        return -EFAULT;
    if ((int32_t)size < 0)
        return -EINVAL;
    memcpy(a.sun_path, n->path, MIN(n->length, sizeof a.sun_path));
    whole = (uint32_t)(sizeof a.sun_family + n->length);
    if (n->length > 0 && n->path[0] != '\0')
        whole += n->length < sizeof a.sun_path;
    if (copy_to_user(addr, &a, MIN(MIN(size, whole), sizeof a)))
        return -EFAULT;
    return user_store_u32(length, whole);
}

/* ---- making and connecting ------------------------------------------------------------------- */

static err_t check_kind(int family, int type, int protocol)
{
    if (type & ~(SOCK_TYPE_MASK | SOCK_FLAGS))
        return -EINVAL;
    if (family != AF_UNIX)
        return -EAFNOSUPPORT;
    return protocol == 0 || protocol == AF_UNIX ? 0 : -EPROTONOSUPPORT;
}

static int kind_of(int type)
{
    int kind = type & SOCK_TYPE_MASK;

    return kind == SOCK_RAW ? 2 : kind; /* Linux makes datagrams of raw local sockets */
}

static int install(struct file *f, int type)
{
    int fd = fd_install(f, 0, type & O_CLOEXEC);

    if (fd < 0)
        file_put(f);
    return fd;
}

long sys_socket(int family, int type, int protocol)
{
    struct file *f;
    err_t err = check_kind(family, type, protocol);

    if (!err)
        err = unix_create(kind_of(type), (unsigned)type, &f);
    return err ? err : install(f, type);
}

long sys_socketpair(int family, int type, int protocol, int __user *fds)
{
    struct file *f[2];
    int number[2];
    err_t err = check_kind(family, type, protocol);

    if (!err)
        err = unix_pair(kind_of(type), (unsigned)type, f);
    if (err)
        return err;
    number[0] = install(f[0], type);
    if (number[0] < 0) {
        file_put(f[1]);
        return number[0];
    }
    number[1] = install(f[1], type);
    if (number[1] >= 0 && !copy_to_user(fds, number, sizeof number))
        return 0;
    fd_close(number[0]);
    if (number[1] < 0)
        return number[1];
    fd_close(number[1]);
    return -EFAULT;
}

static long with_name(int fd, const void __user *addr, unsigned length,
                      err_t (*fn)(struct file *f, const struct unix_name *n))
{
    struct unix_name n;
    struct fd s;
    err_t err = socket_get(fd, &s);

    if (err)
        return err;
    err = name_in(addr, length, &n);
    if (!err)
        err = fn(s.file, &n);
    fd_put(s);
    return err;
}

long sys_bind(int fd, const void __user *addr, unsigned len)
{
    return with_name(fd, addr, len, unix_bind);
}

long sys_connect(int fd, const void __user *addr, unsigned len)
{
    return with_name(fd, addr, len, unix_connect);
}

long sys_listen(int fd, int backlog)
{
    struct fd s;
    err_t err = socket_get(fd, &s);

    if (err)
        return err;
    err = unix_listen(s.file, backlog);
    fd_put(s);
    return err;
}

long sys_accept4(int fd, void __user *addr, unsigned __user *len, int flags)
{
    struct unix_name n;
    struct file *f;
    struct fd s;
    err_t err = flags & ~SOCK_FLAGS ? -EINVAL : socket_get(fd, &s);

    if (err)
        return err;
    err = unix_accept(s.file, (unsigned)flags, &f);
    fd_put(s);
    if (err)
        return err;
    memset(&n, 0, sizeof n);
    (void)unix_peer_name(f, &n); /* gone already: an unnamed one */
    err = name_out(&n, addr, len);
    if (err) {
        file_put(f);
        return err;
    }
    return install(f, flags);
}

long sys_accept(int fd, void __user *addr, unsigned __user *len)
{
    return sys_accept4(fd, addr, len, 0);
}

long sys_shutdown(int fd, int how)
{
    struct fd s;
    err_t err = socket_get(fd, &s);

    if (err)
        return err;
    err = unix_shutdown(s.file, how);
    fd_put(s);
    return err;
}

static long tell_name(int fd, void __user *addr, unsigned __user *len, bool peer)
{
    struct unix_name n;
    struct fd s;
    err_t err = socket_get(fd, &s);

    if (err)
        return err;
    if (peer)
        err = unix_peer_name(s.file, &n);
    else
        unix_name_of(s.file, &n);
    fd_put(s);
    if (err)
        return err;
    return addr ? name_out(&n, addr, len) : -EFAULT;
}

long sys_getsockname(int fd, void __user *addr, unsigned __user *len)
{
    return tell_name(fd, addr, len, false);
}

long sys_getpeername(int fd, void __user *addr, unsigned __user *len)
{
    return tell_name(fd, addr, len, true);
}

/* ---- control messages ------------------------------------------------------------------------ */

static err_t rights_in(const char *data, size_t bytes, struct unix_rights **out)
{
    size_t count = bytes / sizeof(int);
    struct unix_rights *r;
    int number;

    if (count > UNIX_FDS_MAX || *out)
        return -EINVAL;
    if (count == 0)
        return 0;
    r = kmalloc(sizeof *r + count * sizeof r->file[0]);
    if (!r)
        return -ENOMEM;
    r->user = NULL;
    for (r->count = 0; r->count < count; r->count++) {
        memcpy(&number, data + r->count * sizeof number, sizeof number);
        struct fd fd = fd_get_raw(number);
        if (!fd.file) {
            unix_rights_put(r);
            return -EBADF;
        }
        file_get(fd.file);
        r->file[r->count] = fd.file;
        fd_put(fd);
    }
    *out = r;
    return 0;
}

/* Credentials that a sender claims: its own ids, unless it may pretend. */
static err_t credentials_in(const char *data, size_t bytes, struct unix_peer *peer)
{
    const struct cred *c = cred_current();
    struct { int pid; unsigned uid, gid; } v;

    if (bytes != sizeof v)
        return -EINVAL;
    memcpy(&v, data, sizeof v);
    bool pid_ok = v.pid == process_current()->id || cred_capable(c, CAP_SYS_ADMIN);
    bool uid_ok = v.uid == c->uid || v.uid == c->euid || v.uid == c->suid ||
                  cred_capable(c, CAP_SETUID);
    bool gid_ok = v.gid == c->gid || v.gid == c->egid || v.gid == c->sgid ||
                  cred_capable(c, CAP_SETGID);
    if (!pid_ok || !uid_ok || !gid_ok)
        return -EPERM;
    *peer = (struct unix_peer){ v.pid, v.uid, v.gid };
    return 0;
}

static err_t control_parse(const char *buf, size_t n, struct unix_message *m)
{
    struct control_header h;
    err_t err = 0;

    for (size_t at = 0; !err && n - at >= sizeof h; at += CONTROL_ALIGN(h.length)) {
        memcpy(&h, buf + at, sizeof h);
        if (h.length < sizeof h || h.length > n - at)
            return -EINVAL;
        const char *data = buf + at + sizeof h;
        size_t bytes = h.length - sizeof h;
        if (h.level != SOL_SOCKET_LEVEL)
            err = -EINVAL;
        else if (h.type == SCM_RIGHTS)
            err = rights_in(data, bytes, &m->rights);
        else if (h.type == SCM_CREDENTIALS)
            err = credentials_in(data, bytes, &m->peer);
        else
            err = -EINVAL;
        if (CONTROL_ALIGN(h.length) > n - at)
            break;
    }
    return err;
}

static err_t control_in(const struct user_msghdr *h, struct unix_message *m)
{
    if (h->control_length == 0)
        return 0;
    if (h->control_length > CONTROL_MAX)
        return -ENOBUFS;
    char *buf = kmalloc(h->control_length);
    if (!buf)
        return -ENOMEM;
    err_t err = copy_from_user(buf, USER_PTR(void, h->control), h->control_length);
    if (!err)
        err = control_parse(buf, h->control_length, m);
    kfree(buf);
    return err;
}

/* Where the next control message goes; what does not fit sets MSG_CTRUNC. */
struct control_out {
    uint64_t at, left;
    unsigned flags;
};

static err_t control_put(struct control_out *c, int type, const void *data, size_t bytes)
{
    struct control_header h = { sizeof h + bytes, SOL_SOCKET_LEVEL, type };

    if (c->left < h.length) {
        c->flags |= MSG_CTRUNC;
        return 0;
    }
    if (copy_to_user(USER_PTR(void, c->at), &h, sizeof h) ||
        copy_to_user(USER_PTR(void, c->at + sizeof h), data, bytes))
        return -EFAULT;
    size_t step = MIN(CONTROL_ALIGN(h.length), c->left);
    c->at += step;
    c->left -= step;
    return 0;
}

/* Gives the files in flight descriptors, as many as there is room for. */
static err_t rights_out(struct control_out *c, struct unix_rights *r, bool cloexec)
{
    size_t room = c->left > sizeof(struct control_header)
                      ? (c->left - sizeof(struct control_header)) / sizeof(int)
                      : 0;
    size_t count = MIN(room, (size_t)r->count), given = 0;
    int number[UNIX_FDS_MAX];

    while (given < count) {
        file_get(r->file[given]);
        number[given] = fd_install(r->file[given], 0, cloexec);
        if (number[given] < 0) {
            file_put(r->file[given]);
            break;
        }
        given++;
    }
    if (given < r->count)
        c->flags |= MSG_CTRUNC;
    return given ? control_put(c, SCM_RIGHTS, number, given * sizeof number[0]) : 0;
}

/* ---- messages -------------------------------------------------------------------------------- */

struct message_buffers {
    struct uio uio;
    struct iovec fast[UIO_INLINE], *heap;
    struct unix_name name;
};

static err_t message_read(const void __user *msg, struct user_msghdr *h, struct message_buffers *b)
{
    b->heap = NULL;
    if (copy_from_user(h, msg, sizeof *h))
        return -EFAULT;
    if (h->iov_count > UIO_MAXIOV)
        return -EMSGSIZE;
    return uio_init_vector(&b->uio, USER_PTR(const struct iovec, h->iov), (unsigned)h->iov_count,
                           b->fast, &b->heap);
}

static long send_message(struct file *f, const void __user *msg, unsigned flags)
{
    struct message_buffers b;
    struct user_msghdr h;
    struct unix_message m = { .data = &b.uio, .flags = flags };
    long n = message_read(msg, &h, &b);

    if (!n && h.name && h.name_length != 0) {
        n = h.name_length < 0 ? -EINVAL
                              : name_in(USER_PTR(void, h.name), (unsigned)h.name_length, &b.name);
        m.name = &b.name;
    }
    if (!n)
        n = control_in(&h, &m);
    if (!n)
        n = unix_send(f, &m);
    unix_rights_put(m.rights);
    kfree(b.heap);
    return n;
}

static long message_finish(struct file *f, void __user *msg, struct user_msghdr *h,
                           struct unix_message *m, long n)
{
    struct control_out c = { h->control, h->control_length, 0 };
    struct user_msghdr __user *out = msg;
    err_t err = 0;

    if (unix_wants_credentials(f)) {
        struct { int pid; unsigned uid, gid; } v = { m->peer.pid, m->peer.uid, m->peer.gid };
        err = control_put(&c, SCM_CREDENTIALS, &v, sizeof v);
    }
    if (!err && m->rights)
        err = rights_out(&c, m->rights, m->flags & MSG_CMSG_CLOEXEC);
    if (!err && h->name)
        err = name_out(m->name, USER_PTR(void, h->name), (unsigned __user *)&out->name_length);
    h->flags = m->out_flags | c.flags | (m->flags & MSG_CMSG_CLOEXEC);
    if (!err)
        err = user_store_u32(&out->flags, h->flags);
    if (!err)
        err = user_store_u64(&out->control_length, h->control_length - c.left);
    return err ? err : n;
}

static long receive_message(struct file *f, void __user *msg, unsigned flags)
{
    struct message_buffers b;
    struct user_msghdr h;
    struct unix_message m = { .data = &b.uio, .flags = flags, .name = &b.name };
    long n = message_read(msg, &h, &b);

    memset(&b.name, 0, sizeof b.name);
    if (!n)
        n = unix_receive(f, &m);
    if (n >= 0)
        n = message_finish(f, msg, &h, &m, n);
    unix_rights_put(m.rights);
    kfree(b.heap);
    return n;
}

long sys_sendmsg(int fd, const void __user *msg, unsigned flags)
{
    struct fd s;
    err_t err = flags & ~SEND_FLAGS ? -EOPNOTSUPP : socket_get(fd, &s);

    if (err)
        return err;
    long n = send_message(s.file, msg, flags);
    fd_put(s);
    return n;
}

long sys_recvmsg(int fd, void __user *msg, unsigned flags)
{
    struct fd s;
    err_t err = flags & ~RECEIVE_FLAGS ? -EOPNOTSUPP : socket_get(fd, &s);

    if (err)
        return err;
    long n = receive_message(s.file, msg, flags);
    fd_put(s);
    return n;
}

long sys_sendto(int fd, const void __user *buf, size_t n, unsigned flags, const void __user *addr,
                unsigned len)
{
    struct unix_name name;
    struct uio u;
    struct unix_message m = { .data = &u, .flags = flags };
    struct fd s;
    long ret = flags & ~SEND_FLAGS ? -EOPNOTSUPP : socket_get(fd, &s);

    if (ret)
        return ret;
    if (addr && len > 0) {
        ret = name_in(addr, len, &name);
        m.name = &name;
    }
    uio_init_user(&u, USER_ADDR(buf), MIN(n, (size_t)INT_MAX & PAGE_MASK));
    if (!ret)
        ret = unix_send(s.file, &m);
    fd_put(s);
    return ret;
}

long sys_recvfrom(int fd, void __user *buf, size_t n, unsigned flags, void __user *addr,
                  unsigned __user *len)
{
    struct unix_name name;
    struct uio u;
    struct unix_message m = { .data = &u, .flags = flags, .name = &name };
    struct fd s;
    long ret = flags & ~RECEIVE_FLAGS ? -EOPNOTSUPP : socket_get(fd, &s);

    if (ret)
        return ret;
    memset(&name, 0, sizeof name);
    uio_init_user(&u, USER_ADDR(buf), MIN(n, (size_t)INT_MAX & PAGE_MASK));
    ret = unix_receive(s.file, &m);
    fd_put(s);
    unix_rights_put(m.rights);
    if (ret < 0)
        return ret;
    err_t err = name_out(&name, addr, len);
    return err ? err : ret;
}

struct user_mmsghdr {
    struct user_msghdr header;
    unsigned length, pad;
};

long sys_sendmmsg(int fd, void __user *msgs, unsigned n, unsigned flags)
{
    struct user_mmsghdr __user *v = msgs;
    unsigned done = 0;
    long ret = 0;

    for (n = MIN(n, UIO_MAXIOV); done < n; done++) {
        ret = sys_sendmsg(fd, &v[done].header, flags);
        if (ret < 0)
            break;
        if (user_store_u32(&v[done].length, (uint32_t)ret)) {
            ret = -EFAULT;
            break;
        }
    }
    return done > 0 ? (long)done : ret;
}

/* ---- options --------------------------------------------------------------------------------- */

static err_t timeout_in(const void __user *value, int len, ns_t *out)
{
    struct __kernel_old_timeval tv;

    if (len < (int)sizeof tv)
        return -EINVAL;
    if (copy_from_user(&tv, value, sizeof tv))
        return -EFAULT;
    if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
        return -EDOM;
    *out = tv.tv_sec < 0 ? 0 : (ns_t)tv.tv_sec * NS_PER_SEC + (ns_t)tv.tv_usec * NS_PER_USEC;
    return 0;
}

static err_t option_in(struct file *f, int name, const void __user *value, int len)
{
    ns_t timeout;
    int number;

    if (name == SO_RCVTIMEO_OLD || name == SO_SNDTIMEO_OLD) {
        err_t err = timeout_in(value, len, &timeout);
        return err ? err : unix_set_timeout(f, name == SO_RCVTIMEO_OLD, timeout);
    }
    if (len < (int)sizeof number)
        return -EINVAL;
    if (copy_from_user(&number, value, sizeof number))
        return -EFAULT;
    return unix_set_option(f, name, number);
}

long sys_setsockopt(int fd, int level, int name, const void __user *value, int len)
{
    struct fd s;
    err_t err = socket_get(fd, &s);

    if (err)
        return err;
    err = level == SOL_SOCKET_LEVEL ? option_in(s.file, name, value, len) : -EOPNOTSUPP;
    fd_put(s);
    return err;
}

union option_value {
    int number;
    struct unix_peer peer;
    struct __kernel_old_timeval time;
};

static err_t option_value(struct file *f, int name, union option_value *v, size_t *size)
{
    if (name == SO_PEERCRED) {
        *size = sizeof v->peer;
        return unix_get_peer(f, &v->peer);
    }
    if (name == SO_RCVTIMEO_OLD || name == SO_SNDTIMEO_OLD) {
        ns_t t = unix_get_timeout(f, name == SO_RCVTIMEO_OLD);
        v->time.tv_sec = (long)(t / NS_PER_SEC);
        v->time.tv_usec = (long)(t % NS_PER_SEC / NS_PER_USEC);
        *size = sizeof v->time;
        return 0;
    }
    *size = sizeof v->number;
    return unix_get_option(f, name, &v->number);
}

long sys_getsockopt(int fd, int level, int name, void __user *value, int __user *len)
{
    union option_value v;
    uint32_t room;
    size_t size = 0;
    struct fd s;
    err_t err = socket_get(fd, &s);

    if (err)
        return err;
    err = level == SOL_SOCKET_LEVEL ? option_value(s.file, name, &v, &size) : -EOPNOTSUPP;
    fd_put(s);
    if (!err)
        err = user_load_u32((uint32_t __user *)len, &room);
    if (!err && (int32_t)room < 0)
        err = -EINVAL;
    if (err)
        return err;
    size = MIN(size, (size_t)room);
    if (copy_to_user(value, &v, size))
        return -EFAULT;
    return user_store_u32((uint32_t __user *)len, (uint32_t)size);
}
