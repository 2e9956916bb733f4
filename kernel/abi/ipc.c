// SPDX-License-Identifier: CC0-1.0
#include <abi/ipc.h>

#include <core/panic.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <proc/process.h>

#include <linux/capability.h>

#define CYCLE_MIN 64 /* indices are not used again before that many others were */

pid_t ipc_pid(void)
{
    struct process *p = process_current();

    return p ? p->id : 0;
}

/* ---- identifiers --------------------------------------------------------------------------- */

static void start(struct ipc_ids *ids)
{
    if (ids->started)
        return;
    for (unsigned i = 0; i < IPC_BUCKETS; i++)
        list_init(&ids->by_key[i]);
    ids->started = true;
}

static struct list *bucket(struct ipc_ids *ids, int key)
{
    return &ids->by_key[(unsigned)key % IPC_BUCKETS];
}

static err_t reserve(struct ipc_ids *ids, int capacity)
{
    struct ipc_object **slots;

    if (capacity <= ids->capacity)
        return 0;
    slots = krealloc(ids->slots, (size_t)capacity * sizeof *slots);
    if (!slots)
        return -ENOMEM;
    memset(slots + ids->capacity, 0, (size_t)(capacity - ids->capacity) * sizeof *slots);
    ids->slots = slots;
    ids->capacity = capacity;
    return 0;
}

/* The next free index behind the last, within a range that grows with what is used. */
static int free_index(const struct ipc_ids *ids, int range)
{
    for (int n = 1; n <= range; n++) {
        int i = (ids->last + n) % range;

        if (!ids->slots[i])
            return i;
    }
    panic("ipc: %d objects in %d slots", ids->in_use, range);
}

err_t ipc_add(struct ipc_ids *ids, struct ipc_object *o, int key, int flags)
{
    const struct cred *c = cred_current();
    unsigned limit = MIN(atomic_load_relaxed(ids->limit), (unsigned)IPC_INDEX_MAX);
    int range, index;
    err_t err;

    start(ids);
    if ((unsigned)ids->in_use >= limit)
        return -ENOSPC;
    range = MIN(MAX(ids->in_use * 3 / 2 + 1, CYCLE_MIN), IPC_INDEX_MAX);
    err = reserve(ids, range);
    if (err)
        return err;
    index = free_index(ids, range);
    if (index <= ids->last)
        ids->seq = (ids->seq + 1) & (INT_MAX >> IPC_INDEX_BITS);
    ids->last = index;
    ids->in_use++;
    ids->slots[index] = o;
    o->id = ids->seq << IPC_INDEX_BITS | index;
    o->key = key;
    o->uid = o->cuid = c->euid;
    o->gid = o->cgid = c->egid;
    o->mode = flags & IPC_MODES;
    list_init(&o->by_key);
    if (key != IPC_PRIVATE)
        list_add_tail(bucket(ids, key), &o->by_key);
    return 0;
}

static uint64_t allocated; /* bytes; atomic */

void *ipc_alloc(size_t bytes)
{
    void *p = NULL;

    if (atomic_add_fetch(&allocated, bytes) <= frame_total() * (PAGE_SIZE / 8))
        p = kmalloc(bytes);
    if (!p)
        atomic_sub_fetch(&allocated, bytes);
    return p;
}

void ipc_free(void *p, size_t bytes)
{
    if (!p)
        return;
    kfree(p);
    atomic_sub_fetch(&allocated, bytes);
}

void ipc_forget_key(struct ipc_object *o)
{
    if (list_linked(&o->by_key))
        list_del(&o->by_key);
    o->key = IPC_PRIVATE;
}

void ipc_remove(struct ipc_ids *ids, struct ipc_object *o)
{
    ipc_forget_key(o);
    ids->slots[o->id % IPC_INDEX_MAX] = NULL;
    ids->in_use--;
}

struct ipc_object *ipc_at(struct ipc_ids *ids, int index)
{
    index %= IPC_INDEX_MAX;
    return index >= 0 && index < ids->capacity ? ids->slots[index] : NULL;
}

struct ipc_object *ipc_find(struct ipc_ids *ids, int id)
{
    struct ipc_object *o = id >= 0 ? ipc_at(ids, id) : NULL;

    return o && o->id == id ? o : NULL;
}

struct ipc_object *ipc_find_key(struct ipc_ids *ids, int key)
{
    struct ipc_object *o;

    start(ids);
    list_for_each(o, bucket(ids, key), by_key)
        if (o->key == key)
            return o;
    return NULL;
}

int ipc_highest_index(const struct ipc_ids *ids)
{
    for (int i = ids->capacity - 1; i > 0; i--)
        if (ids->slots[i])
            return i;
    return 0;
}

err_t ipc_get(struct ipc_ids *ids, int key, int flags, struct ipc_object **out)
{
    *out = key == IPC_PRIVATE ? NULL : ipc_find_key(ids, key);
    if (*out)
        return (flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL) ? -EEXIST : 0;
    return key == IPC_PRIVATE || (flags & IPC_CREAT) ? 0 : -ENOENT;
}

/* ---- permissions --------------------------------------------------------------------------- */

err_t ipc_permitted(const struct ipc_object *o, int flags)
{
    const struct cred *c = cred_current();
    unsigned want = (unsigned)(flags >> 6 | flags >> 3 | flags) & 7, granted = o->mode;

    if (c->euid == o->cuid || c->euid == o->uid)
        granted >>= 6;
    else if (cred_in_group(c, o->cgid) || cred_in_group(c, o->gid))
        granted >>= 3;
    if (!(want & ~granted) || cred_capable(c, CAP_IPC_OWNER))
        return 0;
    return -EACCES;
}

err_t ipc_owned(const struct ipc_object *o)
{
    const struct cred *c = cred_current();

    if (c->euid == o->cuid || c->euid == o->uid || cred_capable(c, CAP_SYS_ADMIN))
        return 0;
    return -EPERM;
}

void ipc_stat(const struct ipc_object *o, struct ipc64_perm *out)
{
    out->key = o->key;
    out->uid = o->uid;
    out->gid = o->gid;
    out->cuid = o->cuid;
    out->cgid = o->cgid;
    out->mode = (__kernel_mode_t)o->mode;
    out->seq = (unsigned short)(o->id >> IPC_INDEX_BITS);
}

err_t ipc_set(struct ipc_object *o, const struct ipc64_perm *p)
{
    if (p->uid == (uid_t)-1 || p->gid == (gid_t)-1)
        return -EINVAL;
    o->uid = p->uid;
    o->gid = p->gid;
    o->mode = (o->mode & ~(unsigned)IPC_MODES) | (p->mode & IPC_MODES);
    return 0;
}

/* ---- sleeping ------------------------------------------------------------------------------ */

void ipc_sleeper_init(struct ipc_sleeper *s)
{
    list_init(&s->link);
    waitq_init(&s->wait);
    s->done = false;
    s->result = 0;
    s->pid = ipc_pid();
}

/* The sleeper takes ids->lock before it leaves its stack. */
void ipc_wake(struct ipc_sleeper *s, err_t result)
{
    list_del(&s->link);
    s->result = result;
    atomic_store(&s->done, true);
    waitq_wake_all(&s->wait);
}

err_t ipc_sleep(struct ipc_ids *ids, struct ipc_sleeper *s, ns_t deadline)
{
    err_t err;

    mutex_unlock(&ids->lock);
    err = wait_event_intr_deadline(&s->wait, atomic_load(&s->done), deadline);
    mutex_lock(&ids->lock);
    if (s->done)
        return s->result;
    list_del(&s->link);
    return err;
}

void ipc_wake_all(struct list *sleepers, err_t result)
{
    struct ipc_sleeper *s, *next;

    list_for_each_safe(s, next, sleepers, link)
        ipc_wake(s, result);
}
