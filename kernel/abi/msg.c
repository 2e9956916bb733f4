// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: System V message queues: msgget, msgsnd, msgrcv, msgctl.
 *
 * Model: a queue holds its messages in the order they came.  Who receives and finds none that fits
 * sleeps; a sender hands its message to the first such sleeper and to the queue only when there is none.
 * Who sends and finds no room sleeps; a receiver wakes the senders in their order, and each looks
 * again: the first that fits goes on.
 * Locking: ids.lock.
 */
#include <abi/ipc.h>

#include <abi/syscalls_gen.h>
#include <fs/proc_format.h>
#include <hal/usercopy.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/process.h>

#include <linux/capability.h>
#include <linux/msg.h>

#define QUEUES_MAX 32000u
#define QUEUE_BYTES 16384u
#define MESSAGE_BYTES 8192u

static unsigned msg_count_max = QUEUES_MAX, msg_max = MESSAGE_BYTES, msg_queue_max = QUEUE_BYTES; /* atomic */

struct message {
    struct list link; /* ids.lock */
    long type;
    size_t size;
    char data[];
};

struct queue {
    struct ipc_object ipc; /* must be first */
    /* ids.lock: */
    struct list messages, receivers, senders;
    uint64_t bytes, count, bytes_max;
    int64_t send_time, receive_time, change_time;
    pid_t last_sender, last_receiver;
};

enum match { MATCH_ANY, MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_AT_MOST, MATCH_NUMBER };

struct wanted {
    enum match match;
    long type;
    size_t room;
    bool truncate; /* MSG_NOERROR */
};

struct receiver {
    struct ipc_sleeper sleeper; /* must be first */
    struct wanted want;
    struct message *message; /* what it was handed; ids.lock */
};

static struct ipc_ids ids = IPC_IDS(ids, &msg_count_max);
static uint64_t bytes_total, messages_total; /* ids.lock */

static struct queue *queue_of(struct ipc_object *o)
{
    return container_of(o, struct queue, ipc);
}

static struct queue *find(int id)
{
    struct ipc_object *o = ipc_find(&ids, id);

    return o ? queue_of(o) : NULL;
}

/* ---- msgget -------------------------------------------------------------------------------- */

static long get_new(int key, int flags)
{
    struct queue *q = ipc_alloc(sizeof *q);
    err_t err;

    if (!q)
        return -ENOMEM;
    memset(q, 0, sizeof *q);
    list_init(&q->messages);
    list_init(&q->receivers);
    list_init(&q->senders);
    q->bytes_max = atomic_load_relaxed(&msg_queue_max);
    q->change_time = ipc_now();
    err = ipc_add(&ids, &q->ipc, key, flags);
    if (err) {
        ipc_free(q, sizeof *q);
        return err;
    }
    return q->ipc.id;
}

long sys_msgget(int key, int flags)
{
    struct ipc_object *o;
    long result;

    mutex_lock(&ids.lock);
    result = ipc_get(&ids, key, flags, &o);
    if (!result)
        result = o ? ipc_permitted(o, flags) ?: o->id : get_new(key, flags);
    mutex_unlock(&ids.lock);
    return result;
}

/* ---- matching ------------------------------------------------------------------------------ */

static bool matches(const struct wanted *w, const struct message *m)
{
    switch (w->match) {
    case MATCH_EQUAL:
        return m->type == w->type;
    case MATCH_NOT_EQUAL:
        return m->type != w->type;
    case MATCH_AT_MOST:
        return m->type <= w->type;
    default:
        return true;
    }
}

static void wanted_decode(struct wanted *w, long type, int flags)
{
    w->type = type;
    if (flags & MSG_COPY)
        w->match = MATCH_NUMBER;
    else if (type == 0)
        w->match = MATCH_ANY;
    else if (type < 0) {
        w->match = MATCH_AT_MOST;
        w->type = type == LONG_MIN ? LONG_MAX : -type;
    } else
        w->match = flags & MSG_EXCEPT ? MATCH_NOT_EQUAL : MATCH_EQUAL;
}

/* The message to take; of those at most a type, the first of the lowest. NULL: none. */
static struct message *queue_look(struct queue *q, const struct wanted *w)
{
    struct message *m, *best = NULL;
    long number = 0;

    list_for_each(m, &q->messages, link) {
        if (w->match == MATCH_NUMBER) {
            if (number++ == w->type)
                return m;
            continue;
        }
        if (!matches(w, m) || (best && m->type >= best->type))
            continue;
        best = m;
        if (w->match != MATCH_AT_MOST)
            break;
    }
    return best;
}

static bool fits(const struct wanted *w, const struct message *m)
{
    return w->truncate || m->size <= w->room;
}

/* ---- msgsnd -------------------------------------------------------------------------------- */

static void wake_senders(struct queue *q)
{
    ipc_wake_all(&q->senders, 0);
}

/* Hands m to the first that waits for one like it. Return: whether one did. */
static bool hand_over(struct queue *q, struct message *m)
{
    struct receiver *r, *next;

    list_for_each_safe(r, next, &q->receivers, sleeper.link) {
        if (!matches(&r->want, m))
            continue;
        if (!fits(&r->want, m)) {
            ipc_wake(&r->sleeper, -E2BIG);
            continue;
        }
        r->message = m;
        q->last_receiver = r->sleeper.pid;
        q->receive_time = ipc_now();
        ipc_wake(&r->sleeper, 0);
        return true;
    }
    return false;
}

static void put_locked(struct queue *q, struct message *m)
{
    q->last_sender = ipc_pid();
    q->send_time = ipc_now();
    if (hand_over(q, m))
        return;
    list_add_tail(&q->messages, &m->link);
    q->bytes += m->size;
    q->count++;
    bytes_total += m->size;
    messages_total++;
}

static bool has_room(const struct queue *q, size_t size)
{
    return q->bytes + size <= q->bytes_max && q->count + 1 <= q->bytes_max;
}

static long send_locked(int id, struct message *m, int flags)
{
    struct ipc_sleeper s;
    struct queue *q = find(id);
    err_t err;

    if (!q)
        return -EINVAL;
    for (;;) {
        err = ipc_permitted(&q->ipc, IPC_WRITE);
        if (err)
            return err;
        if (has_room(q, m->size))
            break;
        if (flags & IPC_NOWAIT)
            return -EAGAIN;
        ipc_sleeper_init(&s);
        list_add_tail(&q->senders, &s.link);
        err = ipc_sleep(&ids, &s, NS_NEVER);
        if (err)
            return err == -ERESTARTSYS ? -ERESTARTNOHAND : err;
        q = find(id); /* woken, but perhaps it went before we had the lock */
        if (!q)
            return -EIDRM;
    }
    put_locked(q, m);
    return 0;
}

static void message_free(struct message *m)
{
    ipc_free(m, sizeof *m + m->size);
}

static struct message *message_read(long type, const char __user *text, size_t size)
{
    struct message *m = ipc_alloc(sizeof *m + size);

    if (!m)
        return ERR_PTR(-ENOMEM);
    list_init(&m->link);
    m->type = type;
    m->size = size;
    if (!copy_from_user(m->data, text, size))
        return m;
    message_free(m);
    return ERR_PTR(-EFAULT);
}

long sys_msgsnd(int id, const void __user *buf, size_t size, int flags)
{
    const char __user *text = (const char __user *)buf + sizeof(long);
    struct message *m;
    uint64_t type;
    long result;

    if (user_load_u64(buf, &type))
        return -EFAULT;
    if (size > atomic_load_relaxed(&msg_max) || id < 0 || (long)type < 1)
        return -EINVAL;
    m = message_read((long)type, text, size);
    if (IS_ERR(m))
        return PTR_ERR(m);
    mutex_lock(&ids.lock);
    result = send_locked(id, m, flags);
    mutex_unlock(&ids.lock);
    if (result)
        message_free(m);
    return result;
}

/* ---- msgrcv -------------------------------------------------------------------------------- */

static void take_locked(struct queue *q, struct message *m)
{
    list_del(&m->link);
    q->count--;
    q->bytes -= m->size;
    q->last_receiver = ipc_pid();
    q->receive_time = ipc_now();
    bytes_total -= m->size;
    messages_total--;
    wake_senders(q);
}

static struct message *message_copy(const struct message *m)
{
    struct message *copy = ipc_alloc(sizeof *m + m->size);

    if (!copy)
        return ERR_PTR(-ENOMEM);
    memcpy(copy, m, sizeof *m + m->size);
    return copy;
}

static struct message *receive_locked(int id, const struct wanted *w, int flags)
{
    struct queue *q = find(id);
    struct receiver r;
    struct message *m;
    err_t err;

    if (!q)
        return ERR_PTR(-EINVAL);
    for (;;) {
        err = ipc_permitted(&q->ipc, IPC_READ);
        if (err)
            return ERR_PTR(err);
        m = queue_look(q, w);
        if (m && !fits(w, m))
            return ERR_PTR(-E2BIG);
        if (m && w->match == MATCH_NUMBER)
            return message_copy(m);
        if (m) {
            take_locked(q, m);
            return m;
        }
        if (flags & IPC_NOWAIT)
            return ERR_PTR(-ENOMSG);
        ipc_sleeper_init(&r.sleeper);
        r.want = *w;
        r.message = NULL;
        list_add_tail(&q->receivers, &r.sleeper.link);
        err = ipc_sleep(&ids, &r.sleeper, NS_NEVER);
        if (r.message)
            return r.message;
        if (err)
            return ERR_PTR(err == -ERESTARTSYS ? -ERESTARTNOHAND : err);
        q = find(id);
        if (!q)
            return ERR_PTR(-EIDRM);
    }
}

long sys_msgrcv(int id, void __user *buf, size_t size, long type, int flags)
{
    struct wanted w = { .room = size, .truncate = flags & MSG_NOERROR };
    struct message *m;
    long result;

    if (id < 0 || (long)size < 0)
        return -EINVAL;
    if ((flags & MSG_COPY) && ((flags & MSG_EXCEPT) || !(flags & IPC_NOWAIT)))
        return -EINVAL;
    wanted_decode(&w, type, flags);
    mutex_lock(&ids.lock);
    m = receive_locked(id, &w, flags);
    mutex_unlock(&ids.lock);
    if (IS_ERR(m))
        return PTR_ERR(m);
    result = (long)MIN(size, m->size);
    if (user_store_u64(buf, (uint64_t)m->type) ||
        copy_to_user((char __user *)buf + sizeof(long), m->data, (size_t)result))
        result = -EFAULT;
    message_free(m);
    return result;
}

/* ---- msgctl -------------------------------------------------------------------------------- */

static void stat_locked(struct queue *q, struct msqid64_ds *out)
{
    memset(out, 0, sizeof *out);
    ipc_stat(&q->ipc, &out->msg_perm);
    out->msg_stime = q->send_time;
    out->msg_rtime = q->receive_time;
    out->msg_ctime = q->change_time;
    out->msg_cbytes = q->bytes;
    out->msg_qnum = q->count;
    out->msg_qbytes = q->bytes_max;
    out->msg_lspid = q->last_sender;
    out->msg_lrpid = q->last_receiver;
}

static long control_stat(int id, int cmd, struct msqid64_ds __user *buf)
{
    struct msqid64_ds ds;
    struct ipc_object *o;
    long result = -EINVAL;

    mutex_lock(&ids.lock);
    o = cmd == IPC_STAT ? ipc_find(&ids, id) : ipc_at(&ids, id);
    if (o)
        result = cmd == MSG_STAT_ANY ? 0 : ipc_permitted(o, IPC_READ);
    if (o && !result) {
        stat_locked(queue_of(o), &ds);
        result = cmd == IPC_STAT ? 0 : o->id;
    }
    mutex_unlock(&ids.lock);
    return result >= 0 && copy_to_user(buf, &ds, sizeof ds) ? -EFAULT : result;
}

static err_t set_locked(struct queue *q, const struct msqid64_ds *ds)
{
    err_t err = ipc_owned(&q->ipc);

    if (err)
        return err;
    if (ds->msg_qbytes > atomic_load_relaxed(&msg_queue_max) && !task_capable(CAP_SYS_RESOURCE))
        return -EPERM;
    err = ipc_set(&q->ipc, &ds->msg_perm);
    if (err)
        return err;
    q->bytes_max = ds->msg_qbytes;
    q->change_time = ipc_now();
    ipc_wake_all(&q->receivers, 0); /* they look at the permissions again */
    wake_senders(q);
    return 0;
}

static long control_set(int id, const struct msqid64_ds __user *buf)
{
    struct msqid64_ds ds;
    struct queue *q;
    err_t err;

    if (copy_from_user(&ds, buf, sizeof ds))
        return -EFAULT;
    mutex_lock(&ids.lock);
    q = find(id);
    err = q ? set_locked(q, &ds) : -EINVAL;
    mutex_unlock(&ids.lock);
    return err;
}

static void queue_destroy(struct queue *q)
{
    struct message *m, *next;

    ipc_wake_all(&q->receivers, -EIDRM);
    ipc_wake_all(&q->senders, -EIDRM);
    list_for_each_safe(m, next, &q->messages, link)
        message_free(m);
    bytes_total -= q->bytes;
    messages_total -= q->count;
    ipc_remove(&ids, &q->ipc);
    ipc_free(q, sizeof *q);
}

static long control_remove(int id)
{
    struct queue *q;
    err_t err;

    mutex_lock(&ids.lock);
    q = find(id);
    err = q ? ipc_owned(&q->ipc) : -EINVAL;
    if (!err)
        queue_destroy(q);
    mutex_unlock(&ids.lock);
    return err;
}

static long control_info(int cmd, struct msginfo __user *buf)
{
    struct msginfo info = { 0 };
    int highest;

    info.msgmni = (int)atomic_load_relaxed(&msg_count_max);
    info.msgmax = (int)atomic_load_relaxed(&msg_max);
    info.msgmnb = (int)atomic_load_relaxed(&msg_queue_max);
    info.msgssz = 16;
    info.msgseg = 0xffff;
    info.msgmap = info.msgtql = QUEUE_BYTES;
    info.msgpool = QUEUES_MAX * (QUEUE_BYTES / 1024);
    mutex_lock(&ids.lock);
    if (cmd == MSG_INFO) {
        info.msgpool = ids.in_use;
        info.msgmap = (int)messages_total;
        info.msgtql = (int)bytes_total;
    }
    highest = ipc_highest_index(&ids);
    mutex_unlock(&ids.lock);
    return copy_to_user(buf, &info, sizeof info) ? -EFAULT : highest;
}

long sys_msgctl(int id, int cmd, void __user *buf)
{
    if (id < 0 || cmd < 0)
        return -EINVAL;
    switch (cmd) {
    case IPC_INFO:
    case MSG_INFO:
        return control_info(cmd, buf);
    case IPC_STAT:
    case MSG_STAT:
    case MSG_STAT_ANY:
        return control_stat(id, cmd, buf);
    case IPC_SET:
        return control_set(id, buf);
    case IPC_RMID:
        return control_remove(id);
    default:
        return -EINVAL;
    }
}

/* ---- /proc --------------------------------------------------------------------------------- */

static void show_msg(struct textbuf *out, void *arg)
{
    text_printf(out, "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid"
                     "  cgid      stime      rtime      ctime\n");
    mutex_lock(&ids.lock);
    for (int i = 0; i < ids.capacity; i++) {
        struct ipc_object *o = ids.slots[i];
        struct queue *q = o ? queue_of(o) : NULL;

        if (!q)
            continue;
        text_printf(out, "%10d %10d  %4o  %10llu %10llu %5u %5u %5u %5u %5u %5u %10lld %10lld %10lld\n",
                    o->key, o->id, o->mode, (unsigned long long)q->bytes,
                    (unsigned long long)q->count, q->last_sender, q->last_receiver, o->uid, o->gid,
                    o->cuid, o->cgid, (long long)q->send_time, (long long)q->receive_time,
                    (long long)q->change_time);
    }
    mutex_unlock(&ids.lock);
}
PROC_FILE(sysvipc_msg, "sysvipc/msg", 0444, show_msg);

SYSCTL_NUMBER(msgmni, "sys/kernel/msgmni", msg_count_max, 0, IPC_INDEX_MAX);
SYSCTL_NUMBER(msgmax, "sys/kernel/msgmax", msg_max, 0, INT_MAX);
SYSCTL_NUMBER(msgmnb, "sys/kernel/msgmnb", msg_queue_max, 0, INT_MAX);
