// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what the three kinds of System V IPC share: identifiers, keys, permissions, sleeping.
 *
 * Model: each kind has one table of identifiers and one mutex, under which all its operations run;
 * user memory is never touched under it, because a fault takes a space's lock, and an unmapped shared
 * memory segment takes the mutex under that lock.  An identifier is a slot's index below a sequence
 * number that grows when the indices begin anew, so that an old one does not name a new object.
 * Locking: ipc_ids.lock (sleeps; after space->lock, before everything else).
 * Source: svipc(7), shmget(2), semop(2), msgop(2) and their neighbours; ipcs(1) for /proc/sysvipc.
 */
#pragma once

#include <fs/actor.h>
#include <fs/procfs.h>
#include <sched/clock.h>
#include <sched/mutex.h>

#include <linux/ipc.h>

#include <asm/ipcbuf.h>

#define IPC_INDEX_BITS 15
#define IPC_INDEX_MAX (1 << IPC_INDEX_BITS)
#define IPC_BUCKETS 64

/* Access, of everybody: what ipc_permitted is asked for. */
#define IPC_READ 0444
#define IPC_WRITE 0222
#define IPC_EXEC 0111
#define IPC_MODES 0777

/* The beginning of each object; the table's lock. */
struct ipc_object {
    struct list by_key;
    int id, key;
    uid_t uid, cuid;
    gid_t gid, cgid;
    unsigned mode;
};

struct ipc_ids {
    struct mutex lock;
    const unsigned *limit; /* how many there may be; constant */
    /* lock: */
    struct ipc_object **slots;
    int capacity, in_use, last;
    int seq;
    bool started;
    struct list by_key[IPC_BUCKETS];
};
#define IPC_IDS(name, limit_) { .lock = MUTEX_INIT((name).lock), .limit = (limit_), .last = -1 }

/* All of these with ids->lock held. */

/* Gives a new object its identifier, key, owner and mode.  0, -ENOSPC, -ENOMEM. */
err_t __must_check ipc_add(struct ipc_ids *ids, struct ipc_object *o, int key, int flags);
void ipc_remove(struct ipc_ids *ids, struct ipc_object *o);
/* No further look-up by key finds it. */
void ipc_forget_key(struct ipc_object *o);
/* Memory that outlives the processes that fill it, so that nobody's death gives it back: all of it together is
 * no more than an eighth of memory.  Without locks.  NULL: that much is in use, or there is no memory. */
void *ipc_alloc(size_t bytes);
void ipc_free(void *p, size_t bytes);
/* NULL: -EINVAL. */
struct ipc_object *ipc_find(struct ipc_ids *ids, int id);
/* By index, for the *_STAT commands: NULL: -EINVAL. */
struct ipc_object *ipc_at(struct ipc_ids *ids, int index);
struct ipc_object *ipc_find_key(struct ipc_ids *ids, int key);
int ipc_highest_index(const struct ipc_ids *ids); /* 0 when there is none */
/* What xxxget(key, flags) comes to: an object that is there with *out set and 0 (permissions are not
 * checked yet), 0 without: make one; -ENOENT, -EEXIST. */
err_t __must_check ipc_get(struct ipc_ids *ids, int key, int flags, struct ipc_object **out);
/* May the running task have the access of `flags`' mode bits?  0, -EACCES. */
err_t __must_check ipc_permitted(const struct ipc_object *o, int flags);
/* May it remove or change it?  0, -EPERM. */
err_t __must_check ipc_owned(const struct ipc_object *o);
void ipc_stat(const struct ipc_object *o, struct ipc64_perm *out);
/* IPC_SET.  0, -EINVAL. */
err_t __must_check ipc_set(struct ipc_object *o, const struct ipc64_perm *p);

static inline int64_t ipc_now(void)
{
    return clock_realtime() / (int64_t)NS_PER_SEC;
}
pid_t ipc_pid(void); /* of the running process; 0: a kernel thread */

/* Somebody who sleeps on an object, on its own stack: first member of what it waits with. */
struct ipc_sleeper {
    struct list link; /* ids->lock */
    struct waitq wait;
    bool done; /* atomic; set under ids->lock once it is off the list */
    err_t result; /* ids->lock */
    pid_t pid; /* of its process; constant */
};
void ipc_sleeper_init(struct ipc_sleeper *s);
/* Takes it off its list and ends its sleep. */
void ipc_wake(struct ipc_sleeper *s, err_t result);
/* Gives up ids->lock and sleeps until ipc_wake, a signal or the deadline; the lock is held again after.
 * Return: ipc_wake's result; -ERESTARTSYS, -ETIMEDOUT (then it is off the list). */
err_t ipc_sleep(struct ipc_ids *ids, struct ipc_sleeper *s, ns_t deadline);
/* Ends the sleep of all on the list. */
void ipc_wake_all(struct list *sleepers, err_t result);
