// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: advisory locks: flock(2), and POSIX record locks of processes and of openings (OFD).
 *
 * Model: an inode has a list of locks [start, end], each with an owner: an opening (flock, OFD) or a
 * table of descriptors, which stands for the process (POSIX).  Taking a lock splits, joins and
 * replaces the owner's own; a conflict with another owner's waits or fails.  The list keeps one
 * owner's locks together, by address, and the owners in the order of their first lock: F_GETLK names
 * the first that is in the way.  POSIX locks that wait are followed from owner to owner, a few steps
 * far, to find cycles; openings are not, since nobody knows who would let go of theirs.
 * Locking: flock_lock for all lists; one queue of sleepers for each inode.
 * Source: fcntl(2), flock(2), POSIX.1-2017 fcntl.
 */
#include <fs/flock.h>

#include <core/panic.h>
#include <fs/internal.h>
#include <mm/heap.h>

#include <linux/fs.h>

enum lock_kind { KIND_FLOCK, KIND_RECORD };

struct range_lock {
    struct list link; /* flock_lock */
    enum lock_kind kind;
    const void *owner; /* file or fdtable */
    pid_t pid; /* for F_GETLK; PID_OPENING: an opening's */
    bool write;
    uint64_t start, end; /* inclusive */
};

struct flock_state {
    struct list locks; /* flock_lock */
    struct waitq changed;
};

#define PID_OPENING (-1) /* range_lock.pid */
#define DEADLOCK_STEPS 11 /* as Linux: the search is linear in the number of sleepers */

/* Somebody sleeps for a record lock: for the search of cycles. */
struct lock_wait {
    struct list link; /* flock_lock */
    const void *owner, *blocker;
};

static struct spinlock flock_lock = SPINLOCK_INIT(LOCK_INODE);
static struct list waits = LIST_INIT(waits); /* flock_lock */

static struct flock_state *state_get(struct inode *i)
{
    struct flock_state *s = atomic_load(&i->flocks), *expected = NULL;

    if (s)
        return s;
    s = kmalloc(sizeof *s);
    if (!s)
        return NULL;
    list_init(&s->locks);
    waitq_init(&s->changed);
    if (!atomic_cas(&i->flocks, &expected, s)) {
        kfree(s);
        s = expected;
    }
    return s;
}

void flock_free(struct inode *i)
{
    struct range_lock *l, *next;

    list_for_each_safe(l, next, &i->flocks->locks, link)
        kfree(l);
    kfree(i->flocks);
    i->flocks = NULL;
}

static bool conflicts(const struct range_lock *a, const struct range_lock *b)
{
    return a->kind == b->kind && a->owner != b->owner && (a->write || b->write) &&
           a->start <= b->end && b->start <= a->end;
}

static struct range_lock *conflict_find_locked(struct flock_state *s, const struct range_lock *want)
{
    struct range_lock *l;

    list_for_each(l, &s->locks, link)
        if (conflicts(l, want))
            return l;
    return NULL;
}

static bool is_posix(const struct range_lock *l)
{
    return l->kind == KIND_RECORD && l->pid != PID_OPENING;
}

static const void *blocker_of_locked(const void *owner)
{
    struct lock_wait *w;

    list_for_each(w, &waits, link)
        if (w->owner == owner)
            return w->blocker;
    return NULL;
}

/* Would `n` wait for somebody who waits for its owner? */
static bool would_deadlock_locked(const struct range_lock *n, const struct range_lock *other)
{
    const void *owner = other->owner;

    if (!is_posix(n) || !is_posix(other))
        return false;
    for (unsigned step = 0; step < DEADLOCK_STEPS; step++) {
        owner = blocker_of_locked(owner);
        if (owner == n->owner || !owner)
            return owner != NULL;
    }
    return false;
}

/* The place of a new lock: among its owner's, by address; else at the end. */
static void insert_locked(struct flock_state *s, struct range_lock *n)
{
    struct list *before = &s->locks;
    struct range_lock *l;

    list_for_each(l, &s->locks, link) {
        if (l->kind != n->kind || l->owner != n->owner)
            continue;
        before = l->link.next;
        if (l->start < n->start)
            continue;
        before = &l->link;
        break;
    }
    list_add_tail(before, &n->link); /* in front of `before` */
}

/*
 * Takes [start, end] away from the owner's locks, which may leave a piece on either side of one;
 * `spare` serves for a split.  Return: whether spare was used.
 */
static bool carve_locked(struct flock_state *s, const struct range_lock *cut,
                         struct range_lock *spare, struct list *dead)
{
    struct range_lock *l, *next;
    bool used = false;

    list_for_each_safe(l, next, &s->locks, link)
    {
        if (l == cut || l->kind != cut->kind || l->owner != cut->owner || l->start > cut->end ||
            l->end < cut->start)
            continue;
        if (l->start < cut->start && l->end > cut->end) {
            *spare = *l;
            spare->start = cut->end + 1;
            l->end = cut->start - 1;
            used = true;
        } else if (l->start < cut->start) {
            l->end = cut->start - 1;
        } else if (l->end > cut->end) {
            l->start = cut->end + 1;
        } else {
            list_del(&l->link);
            list_add_tail(dead, &l->link);
        }
    }
    return used;
}

/* Joins a new lock with the owner's neighbours of the same kind. */
static void join_locked(struct flock_state *s, struct range_lock *n, struct list *dead)
{
    struct range_lock *l, *next;

    list_for_each_safe(l, next, &s->locks, link)
    {
        if (l == n || l->kind != n->kind || l->owner != n->owner || l->write != n->write)
            continue;
        bool before = l->end != UINT64_MAX && l->end + 1 == n->start;
        bool after = n->end != UINT64_MAX && n->end + 1 == l->start;

        if (!before && !after)
            continue;
        n->start = MIN(n->start, l->start);
        n->end = MAX(n->end, l->end);
        list_del(&l->link);
        list_add_tail(dead, &l->link);
    }
}

static void locks_free(struct list *dead)
{
    struct range_lock *l, *next;

    list_for_each_safe(l, next, dead, link)
        kfree(l);
}

/* Sets or (with unlock) removes; the caller saw no conflict under the same hold of the lock. */
static void commit_locked(struct flock_state *s, struct range_lock *n, struct range_lock **spare,
                          bool unlock, struct list *dead)
{
    if (!unlock)
        insert_locked(s, n);
    if (carve_locked(s, n, *spare, dead)) {
        insert_locked(s, *spare);
        *spare = NULL;
    }
    if (unlock)
        list_add_tail(dead, &n->link);
    else if (n->kind == KIND_RECORD)
        join_locked(s, n, dead);
}

/* When another owner came to be in the way, the search for cycles starts anew. */
static bool may_go_on(struct flock_state *s, const struct range_lock *n, const struct lock_wait *w)
{
    spin_lock(&flock_lock);
    struct range_lock *other = conflict_find_locked(s, n);
    bool changed = !other || other->owner != w->blocker;
    spin_unlock(&flock_lock);
    return changed;
}

/* One attempt.  Return: 0 done; -EAGAIN a conflict (*w is queued when `wait`); -EDEADLK. */
static err_t lock_try(struct flock_state *s, struct range_lock *n, struct range_lock **spare,
                      bool unlock, struct lock_wait *w, struct list *dead)
{
    err_t err = 0;

    spin_lock(&flock_lock);
    struct range_lock *other = unlock ? NULL : conflict_find_locked(s, n);
    if (!other) {
        commit_locked(s, n, spare, unlock, dead);
    } else if (w && would_deadlock_locked(n, other)) {
        err = -EDEADLK;
    } else {
        err = -EAGAIN;
        if (w) {
            w->owner = is_posix(n) ? n->owner : NULL;
            w->blocker = other->owner;
            list_add_tail(&waits, &w->link);
        }
    }
    spin_unlock(&flock_lock);
    return err;
}

static err_t lock_set(struct inode *i, const struct range_lock *want, bool unlock, bool wait)
{
    struct flock_state *s = unlock && !i->flocks ? NULL : state_get(i);
    struct range_lock *n, *spare;
    struct lock_wait w;
    struct list dead;
    err_t err;

    if (!s)
        return unlock ? 0 : -ENOLCK;
    n = kmalloc(sizeof *n);
    spare = kmalloc(sizeof *spare);
    if (!n || !spare) {
        kfree(n);
        kfree(spare);
        return -ENOLCK;
    }
    *n = *want;
    list_init(&n->link);
    list_init(&dead);
    list_init(&w.link);
    for (;;) {
        err = lock_try(s, n, &spare, unlock, wait ? &w : NULL, &dead);
        if (err != -EAGAIN || !wait)
            break;
        err = wait_event_intr(&s->changed, may_go_on(s, n, &w));
        spin_lock(&flock_lock);
        list_del(&w.link);
        spin_unlock(&flock_lock);
        if (err != 0)
            break;
    }
    if (err != 0)
        kfree(n);
    else
        waitq_wake_all(&s->changed);
    kfree(spare);
    locks_free(&dead);
    return err;
}

err_t file_flock(struct file *f, bool write, bool unlock, bool wait)
{
    struct range_lock want = { .kind = KIND_FLOCK, .owner = f, .pid = PID_OPENING, .write = write,
                               .end = UINT64_MAX };

    /* A change of kind lets go first, so that two that upgrade do not wait for each other. */
    if (!unlock && f->inode->flocks) {
        err_t err = lock_set(f->inode, &want, false, false);
        if (err == 0)
            return 0;
        err = lock_set(f->inode, &want, true, false);
        if (err != 0)
            return err;
    }
    return lock_set(f->inode, &want, unlock, wait);
}

static err_t record_range(struct file *f, const struct flock *fl, struct range_lock *l)
{
    int64_t start = fl->l_start, end = 0, base = 0;

    if (fl->l_whence == SEEK_CUR)
        base = f->pos;
    else if (fl->l_whence == SEEK_END)
        base = (int64_t)f->inode->object.size;
    else if (fl->l_whence != SEEK_SET)
        return -EINVAL;
    if (__builtin_add_overflow(start, base, &start))
        return -EOVERFLOW;
    if (start < 0)
        return -EINVAL;
    if (fl->l_len > 0 && __builtin_add_overflow(start, fl->l_len - 1, &end))
        return -EOVERFLOW;
    if (fl->l_len < 0) {
        end = start - 1;
        start += fl->l_len; /* start >= 0: no overflow */
        if (start < 0)
            return -EINVAL;
    }
    l->start = (uint64_t)start;
    l->end = fl->l_len == 0 ? UINT64_MAX : (uint64_t)end;
    return 0;
}

static err_t record_want(struct file *f, const struct flock *fl, bool ofd, pid_t pid,
                         struct range_lock *want)
{
    *want = (struct range_lock){ .kind = KIND_RECORD, .write = fl->l_type == F_WRLCK };
    want->owner = ofd ? (const void *)f : (const void *)actor_current()->files;
    want->pid = ofd ? PID_OPENING : pid;
    if (fl->l_type != F_RDLCK && fl->l_type != F_WRLCK && fl->l_type != F_UNLCK)
        return -EINVAL;
    if (ofd && fl->l_pid != 0)
        return -EINVAL;
    return record_range(f, fl, want);
}

err_t file_record_lock(struct file *f, const struct flock *fl, bool ofd, pid_t pid, bool wait)
{
    struct range_lock want;
    err_t err = record_want(f, fl, ofd, pid, &want);

    if (err != 0)
        return err;
    if ((fl->l_type == F_RDLCK && !(f->fmode & FMODE_READ)) ||
        (fl->l_type == F_WRLCK && !(f->fmode & FMODE_WRITE)))
        return -EBADF;
    return lock_set(f->inode, &want, fl->l_type == F_UNLCK, wait);
}

err_t file_record_query(struct file *f, struct flock *fl, bool ofd)
{
    struct flock_state *s = f->inode->flocks;
    struct range_lock want, *l = NULL;

    if (fl->l_type == F_UNLCK)
        return -EINVAL;
    err_t err = record_want(f, fl, ofd, 0, &want);
    if (err != 0)
        return err;
    spin_lock(&flock_lock);
    if (s)
        l = conflict_find_locked(s, &want);
    if (!l) {
        fl->l_type = F_UNLCK;
    } else {
        fl->l_type = l->write ? F_WRLCK : F_RDLCK;
        fl->l_whence = SEEK_SET;
        fl->l_start = (__kernel_off_t)l->start;
        fl->l_len = l->end == UINT64_MAX ? 0 : (__kernel_off_t)(l->end - l->start + 1);
        fl->l_pid = l->pid;
    }
    spin_unlock(&flock_lock);
    return 0;
}

static void release_owner(struct inode *i, const void *owner)
{
    struct flock_state *s = i->flocks;
    struct range_lock *l, *next;
    struct list dead = LIST_INIT(dead);

    spin_lock(&flock_lock);
    list_for_each_safe(l, next, &s->locks, link)
        if (l->owner == owner) {
            list_del(&l->link);
            list_add_tail(&dead, &l->link);
        }
    spin_unlock(&flock_lock);
    if (list_empty(&dead))
        return;
    locks_free(&dead);
    waitq_wake_all(&s->changed);
}

void flock_release_file(struct file *f)
{
    release_owner(f->inode, f);
}

void flock_release_table(struct file *f, const struct fdtable *t)
{
    release_owner(f->inode, t);
}
