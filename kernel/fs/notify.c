// SPDX-License-Identifier: CC0-1.0
#include <fs/notify.h>

#include <core/panic.h>
#include <fs/internal.h>
#include <fs/poll.h>
#include <fs/proc_format.h>
#include <fs/procfs.h>
#include <lib/hash.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <svc/subsystem.h>

#include <asm/ioctls.h>
#include <asm/poll.h>

#define EVENTS_MAX 16384
#define INSTANCES_MAX 128 /* of a user */
#define WATCHES_MAX 65536 /* of a user */
#define BUCKET_BITS 8
#define NOT_EVENTS (IN_ONESHOT | IN_EXCL_UNLINK)

struct event {
    struct list link; /* lock */
    int wd;
    uint32_t mask, cookie;
    size_t length; /* of the name; 0: none */
    char name[];
};

struct instance {
    struct list link; /* lock */
    struct list watches; /* by number; lock */
    struct list events; /* lock */
    unsigned count; /* events; lock */
    size_t bytes; /* that they read as; atomic for readers */
    bool overflown; /* the last event says so; lock */
    int last_wd; /* lock */
    uid_t uid; /* whom it counts against; constant */
    unsigned watch_count; /* lock */
    struct waitq readers;
};

struct watch {
    struct list bucket_link, instance_link; /* lock */
    struct instance *instance;
    struct inode *inode; /* with a reference */
    int wd;
    uint32_t mask; /* lock */
};

uint32_t notify_watches;
static struct spinlock lock = SPINLOCK_INIT(LOCK_INODE);
static struct list instances = LIST_INIT(instances); /* lock */
static struct list buckets[1 << BUCKET_BITS]; /* of watches by inode; lock */
static const struct file_ops notify_ops;

static struct list *bucket_of(const struct inode *i)
{
    return &buckets[hash_u64((uintptr_t)i) >> (64 - BUCKET_BITS)];
}

/* ---- events -------------------------------------------------------------------------------- */

static size_t event_bytes(const struct event *e)
{
    size_t unit = sizeof(struct inotify_event);
    size_t name = e->length ? (e->length + 1 + unit - 1) / unit * unit : 0;

    return unit + name;
}

static bool same_as_last(struct instance *in, const struct event *e)
{
    struct event *last;

    if (list_empty(&in->events))
        return false;
    last = container_of(in->events.prev, struct event, link);
    return last->wd == e->wd && last->mask == e->mask && last->cookie == e->cookie &&
           last->length == e->length && memcmp(last->name, e->name, e->length) == 0;
}

/* lock held; takes e over. */
static void queue_locked(struct instance *in, struct event *e)
{
    list_add_tail(&in->events, &e->link);
    in->count++;
    atomic_store_relaxed(&in->bytes, in->bytes + event_bytes(e));
    waitq_wake(&in->readers, UINT_MAX, POLLIN | POLLRDNORM);
}

static struct event *event_make(int wd, uint32_t mask, uint32_t cookie, const char *name,
                                size_t length)
{
    struct event *e = kmalloc(sizeof *e + length);

    if (!e)
        return NULL;
    *e = (struct event){ .wd = wd, .mask = mask, .cookie = cookie, .length = length };
    list_init(&e->link);
    if (length)
        memcpy(e->name, name, length);
    return e;
}

/* Events were lost: said once, behind those that were not. */
static void overflow_locked(struct instance *in)
{
    struct event *e = in->overflown ? NULL : event_make(-1, IN_Q_OVERFLOW, 0, NULL, 0);

    if (!e)
        return;
    in->overflown = true;
    queue_locked(in, e);
}

static void send_locked(struct instance *in, int wd, uint32_t mask, uint32_t cookie,
                        const char *name, size_t length)
{
    struct event *e = in->count < EVENTS_MAX ? event_make(wd, mask, cookie, name, length) : NULL;

    if (!e)
        overflow_locked(in);
    else if (same_as_last(in, e))
        kfree(e);
    else
        queue_locked(in, e);
}

/* Takes the watch away; its inode's reference goes to the caller, who puts it without the lock. */
static struct inode *watch_end_locked(struct watch *w)
{
    struct inode *i = w->inode;

    send_locked(w->instance, w->wd, IN_IGNORED, 0, NULL, 0);
    list_del(&w->bucket_link);
    list_del(&w->instance_link);
    w->instance->watch_count--;
    atomic_fetch_sub(&notify_watches, 1);
    kfree(w);
    return i;
}

#define ENDED_MAX 16 /* one-shot watches that end at one event; more stay for the next */
struct ended {
    struct inode *inodes[ENDED_MAX];
    unsigned count;
};

static void tell_locked(struct inode *i, uint32_t mask, uint32_t cookie, const char *name,
                        size_t length, bool deleted, struct ended *ended)
{
    struct list *bucket = bucket_of(i);
    struct watch *w, *next;

    list_for_each_safe(w, next, bucket, bucket_link) {
        if (w->inode != i || !(w->mask & mask & IN_ALL_EVENTS))
            continue;
        if (deleted && w->mask & IN_EXCL_UNLINK)
            continue;
        send_locked(w->instance, w->wd, mask, cookie, name, length);
        if (w->mask & IN_ONESHOT && ended->count < ENDED_MAX)
            ended->inodes[ended->count++] = watch_end_locked(w);
    }
}

static void ended_put(struct ended *ended)
{
    while (ended->count)
        inode_put(ended->inodes[--ended->count]);
}

void notify_inode_slow(struct inode *i, uint32_t mask)
{
    struct ended ended = { .count = 0 };

    spin_lock(&lock);
    tell_locked(i, mask | (mask == IN_MOVE_SELF ? 0 : notify_isdir(i)), 0, NULL, 0, false, &ended);
    spin_unlock(&lock);
    ended_put(&ended);
}

void notify_child_slow(struct inode *dir, const char *name, size_t length, uint32_t mask,
                       uint32_t cookie)
{
    struct ended ended = { .count = 0 };

    spin_lock(&lock);
    tell_locked(dir, mask, cookie, name, length, false, &ended);
    spin_unlock(&lock);
    ended_put(&ended);
}

void notify_dentry_slow(struct dentry *d, uint32_t mask)
{
    struct ended ended = { .count = 0 };
    struct inode *i = d->inode;

    if (!i)
        return;
    mask |= notify_isdir(i);
    brlock_read(&fs_lock); /* keeps name and parent */
    spin_lock(&lock);
    if (d->parent != d && d->parent->inode)
        tell_locked(d->parent->inode, mask, 0, d->name, d->length, d->flags & DENTRY_DELETED,
                    &ended);
    tell_locked(i, mask, 0, NULL, 0, false, &ended);
    spin_unlock(&lock);
    brlock_read_done(&fs_lock);
    ended_put(&ended);
}

/* Ends a watch of the bucket that `i` has, or that is in `sb`, after an event of its own.
 * Return: its inode, whose reference the caller puts; NULL: there is none. */
static struct inode *end_one(struct list *bucket, const struct inode *i,
                             const struct superblock *sb)
{
    uint32_t mask = i ? IN_DELETE_SELF : IN_UNMOUNT;
    struct inode *gone = NULL;
    struct watch *w;

    spin_lock(&lock);
    list_for_each(w, bucket, bucket_link) {
        if (w->inode != i && w->inode->sb != sb)
            continue;
        if (w->mask & mask || sb)
            send_locked(w->instance, w->wd, mask | (sb ? notify_isdir(w->inode) : 0), 0, NULL, 0);
        gone = watch_end_locked(w);
        break;
    }
    spin_unlock(&lock);
    return gone;
}

void notify_gone_slow(struct inode *i)
{
    struct inode *gone;

    while ((gone = end_one(bucket_of(i), i, NULL)) != NULL)
        inode_put(gone);
}

void notify_unmount_slow(struct superblock *sb)
{
    struct inode *gone;

    for (unsigned b = 0; b < ARRAY_SIZE(buckets); b++)
        while ((gone = end_one(&buckets[b], NULL, sb)) != NULL)
            inode_put(gone);
}

uint32_t notify_cookie(void)
{
    static uint32_t last; /* atomic */

    return atomic_add_fetch(&last, 1);
}

/* ---- the file ------------------------------------------------------------------------------ */

/* Takes the first event, when it fits into `room`.  ERR_PTR: -EINVAL (too big); NULL: none. */
static struct event *take(struct instance *in, size_t room)
{
    struct event *e;

    spin_lock(&lock);
    e = list_first_or_null(&in->events, struct event, link);
    if (e && event_bytes(e) > room) {
        e = ERR_PTR(-EINVAL);
    } else if (e) {
        list_del(&e->link);
        in->count--;
        atomic_store_relaxed(&in->bytes, in->bytes - event_bytes(e));
        if (e->mask & IN_Q_OVERFLOW)
            in->overflown = false;
    }
    spin_unlock(&lock);
    return e;
}

static bool event_copy(struct uio *u, const struct event *e)
{
    size_t pad = event_bytes(e) - sizeof(struct inotify_event);
    struct inotify_event head = { .wd = e->wd, .mask = e->mask, .cookie = e->cookie,
                                  .len = (uint32_t)pad };

    return uio_copy_to(u, &head, sizeof head) == sizeof head &&
           uio_copy_to(u, e->name, e->length) == e->length &&
           uio_zero(u, pad - e->length) == pad - e->length;
}

static ssize_t notify_read(struct file *f, struct uio *u, off_t *pos __maybe_unused)
{
    struct instance *in = f->data;
    ssize_t done = 0;

    for (;;) {
        struct event *e = take(in, u->left);
        bool copied;

        if (IS_ERR(e))
            return done ? done : PTR_ERR(e);
        if (!e) {
            err_t err = done || f->flags & O_NONBLOCK
                            ? -EAGAIN
                            : wait_event_intr(&in->readers, atomic_load(&in->bytes) != 0);

            if (err)
                return done ? done : err;
            continue;
        }
        copied = event_copy(u, e);
        done += copied ? (ssize_t)event_bytes(e) : 0;
        kfree(e);
        if (!copied)
            return done ? done : -EFAULT;
    }
}

static unsigned notify_poll(struct file *f, struct poll_table *pt)
{
    struct instance *in = f->data;

    poll_wait(pt, f, &in->readers);
    return atomic_load(&in->bytes) ? POLLIN | POLLRDNORM : 0;
}

static long notify_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
    struct instance *in = f->data;

    if (cmd != FIONREAD)
        return -ENOTTY;
    return user_store_u32(USER_PTR(uint32_t, arg), (uint32_t)atomic_load_relaxed(&in->bytes));
}

static void notify_release(struct file *f)
{
    struct instance *in = f->data;
    struct event *e, *next;

    for (;;) {
        struct inode *i = NULL;
        struct watch *w;

        spin_lock(&lock);
        w = list_first_or_null(&in->watches, struct watch, instance_link);
        if (w)
            i = watch_end_locked(w);
        else
            list_del(&in->link);
        spin_unlock(&lock);
        if (!i)
            break;
        inode_put(i);
    }
    list_for_each_safe(e, next, &in->events, link)
        kfree(e);
    kfree(in);
}

static const struct file_ops notify_ops = { .read = notify_read, .poll = notify_poll,
                                            .ioctl = notify_ioctl, .release = notify_release,
                                            .seek = file_seek_nowhere };

bool file_is_notify(const struct file *f)
{
    return f->ops == &notify_ops;
}

/* How many instances and watches a user has. */
static void count_locked(uid_t uid, unsigned *n_instances, unsigned *n_watches)
{
    struct instance *in;

    *n_instances = *n_watches = 0;
    list_for_each(in, &instances, link) {
        if (in->uid != uid)
            continue;
        ++*n_instances;
        *n_watches += in->watch_count;
    }
}

static struct subsystem notify_subsystem;

err_t notify_create(unsigned flags, struct file **out)
{
    struct instance *in;
    unsigned n_instances, n_watches;
    err_t err;

    if (!subsystem_is_up(&notify_subsystem))
        return -ENODEV;
    in = kzalloc(sizeof *in);
    if (!in)
        return -ENOMEM;
    list_init(&in->link);
    list_init(&in->watches);
    list_init(&in->events);
    waitq_init(&in->readers);
    in->uid = cred_current()->uid;
    spin_lock(&lock);
    count_locked(in->uid, &n_instances, &n_watches);
    err = n_instances < INSTANCES_MAX ? 0 : -EMFILE;
    if (!err)
        list_add_tail(&instances, &in->link);
    spin_unlock(&lock);
    if (!err)
        err = file_create_anon("anon_inode:inotify", &notify_ops, in, flags, out);
    if (!err)
        return 0;
    spin_lock(&lock);
    if (list_linked(&in->link))
        list_del(&in->link);
    spin_unlock(&lock);
    kfree(in);
    return err;
}

static struct watch *find_locked(struct instance *in, const struct inode *i)
{
    struct list *bucket = bucket_of(i);
    struct watch *w;

    list_for_each(w, bucket, bucket_link)
        if (w->inode == i && w->instance == in)
            return w;
    return NULL;
}

static int change_locked(struct watch *w, uint32_t mask)
{
    uint32_t wanted = mask & (IN_ALL_EVENTS | NOT_EVENTS);

    if (mask & IN_MASK_CREATE)
        return -EEXIST;
    w->mask = mask & IN_MASK_ADD ? w->mask | wanted : wanted;
    return w->wd;
}

static int insert_locked(struct instance *in, struct watch *w)
{
    unsigned n_instances, n_watches;

    count_locked(in->uid, &n_instances, &n_watches);
    if (n_watches >= WATCHES_MAX || in->last_wd == INT_MAX)
        return -ENOSPC;
    inode_get(w->inode);
    w->instance = in;
    w->wd = ++in->last_wd;
    list_add_head(bucket_of(w->inode), &w->bucket_link);
    list_add_tail(&in->watches, &w->instance_link);
    in->watch_count++;
    atomic_fetch_add(&notify_watches, 1);
    return w->wd;
}

int notify_add(struct file *f, struct inode *i, uint32_t mask)
{
    struct instance *in = f->data;
    struct watch *new = kzalloc(sizeof *new), *old;
    int wd;

    if (!new)
        return -ENOMEM;
    new->inode = i;
    new->mask = mask & (IN_ALL_EVENTS | NOT_EVENTS);
    spin_lock(&lock);
    old = find_locked(in, i);
    wd = old ? change_locked(old, mask) : insert_locked(in, new);
    spin_unlock(&lock);
    if (old || wd < 0)
        kfree(new);
    return wd;
}

err_t notify_remove(struct file *f, int wd)
{
    struct instance *in = f->data;
    struct inode *i = NULL;
    struct watch *w;

    spin_lock(&lock);
    list_for_each(w, &in->watches, instance_link) {
        if (w->wd != wd)
            continue;
        i = watch_end_locked(w);
        break;
    }
    spin_unlock(&lock);
    if (!i)
        return -EINVAL;
    inode_put(i);
    return 0;
}

static err_t notify_start(struct subsystem *self __maybe_unused)
{
    for (unsigned b = 0; b < ARRAY_SIZE(buckets); b++)
        list_init(&buckets[b]);
    return 0;
}

static struct subsystem notify_subsystem = { .name = "inotify",
                                             .privilege = PRIV_KERNEL,
                                             .early_init = notify_start };
REGISTER_SUBSYSTEM(notify_subsystem);

#define LIMIT_FILE(id, value)                                                                      \
    static void show_##id(struct textbuf *out, void *arg)                                          \
    {                                                                                              \
        text_printf(out, "%d\n", value);                                                           \
    }                                                                                              \
    PROC_FILE(id, "sys/fs/inotify/" #id, 0444, show_##id)
LIMIT_FILE(max_queued_events, EVENTS_MAX);
LIMIT_FILE(max_user_instances, INSTANCES_MAX);
LIMIT_FILE(max_user_watches, WATCHES_MAX);
