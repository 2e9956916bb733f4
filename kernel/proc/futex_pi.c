// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: futexes that lend priority: FUTEX_LOCK_PI, LOCK_PI2, TRYLOCK_PI, UNLOCK_PI.
 *
 * Model: the word holds its owner's id, and FUTEX_WAITERS sends the owner into the kernel at the end.  While
 * somebody waits there is a state: who owns the futex, and who waits for it, the highest priority first.
 * A task lends its priority to the owner of what it waits for, and so on along the chain:
 *
 *     task --pi_waiting--> waiter --state--> state --owner--> task --pi_waiting--> ...
 *                                  ^--------- pi_held of the owner
 *
 * Ownership changes in the kernel first: who unlocks writes the next owner's id into the word and hands
 * the state over.  An owner that ends cannot know where the word is for others: the next owner finds itself
 * `granted`, and writes the word itself; its state stays until then.
 * Locking: one spinlock for all of it (contended futexes alone come here), before the run queues'.
 * Source: futex(2), Documentation/locking/pi-futex.
 */
#include <core/spinlock.h>
#include <hal/usercopy.h>
#include <lib/hash.h>
#include <mm/heap.h>
#include <proc/futex.h>
#include <proc/futex_word.h>
#include <proc/process.h>

#include <linux/futex.h>
#include <linux/sched.h>

#define STATE_BUCKETS 64
#define CHAIN_MAX 1024 /* links that lending follows; a deadlock is found before it becomes a ring */

enum { QUEUED = 1, RETRY = 2 };

static struct spinlock pi_lock = SPINLOCK_INIT(LOCK_FUTEX_PI);

/* All under pi_lock. */
struct pi_state {
    struct list link; /* of its bucket */
    struct futex_key key;
    struct task *owner; /* leaves the state before it ends */
    struct list held; /* owner->pi_held */
    struct list waiters; /* by priority, then by age */
    bool granted; /* its new owner still has to write the word */
};

struct pi_waiter {
    struct list link;
    struct pi_state *state;
    struct task *task;
    unsigned priority; /* as sched_priority() */
    struct waitq wait;
    bool owns; /* atomic */
};

struct lock_job {
    struct futex_word word;
    struct futex_key key;
    struct pi_waiter *waiter;
    struct pi_state *spare; /* used up when a state is made */
    bool try;
};

static struct list buckets[STATE_BUCKETS]; /* pi_lock */

void futex_pi_init(void)
{
    for (unsigned i = 0; i < STATE_BUCKETS; i++)
        list_init(&buckets[i]);
}

static struct list *bucket(const struct futex_key *k)
{
    return &buckets[hash_u64(k->a ^ hash_u64(k->b)) % STATE_BUCKETS];
}

static struct pi_state *state_find(const struct futex_key *k)
{
    struct pi_state *s;

    list_for_each(s, bucket(k), link)
        if (s->key.a == k->a && s->key.b == k->b)
            return s;
    return NULL;
}

static void state_drop(struct pi_state *s)
{
    list_del(&s->link);
    list_del(&s->held);
    kfree(s);
}

/* Changes the word from `from` without sleeping. 0, RETRY (it was another), -EFAULT. */
static int word_change(vaddr_t addr, uint32_t from, uint32_t to)
{
    struct thread *t = thread_current();
    uint32_t old;
    err_t err;

    t->fault_disable++;
    err = user_cas_u32(USER_PTR(uint32_t, addr), from, to, &old);
    t->fault_disable--;
    return err ? err : old == from ? 0 : RETRY;
}

/* ---- lending ------------------------------------------------------------------------------- */

static void waiter_insert(struct pi_waiter *w)
{
    struct pi_waiter *at;

    w->priority = sched_priority(&w->task->thread);
    list_for_each(at, &w->state->waiters, link)
        if (at->priority < w->priority)
            break;
    /* Before `at`, which is the list's head when all others come first. */
    list_add_tail(&at->link, &w->link);
}

static unsigned highest_lent(struct task *t)
{
    struct pi_state *s;
    unsigned highest = 0;

    list_for_each(s, &t->pi_held, held)
        if (!list_empty(&s->waiters))
            highest = MAX(highest, list_first(&s->waiters, struct pi_waiter, link)->priority);
    return highest;
}

/* What t is lent has changed: for it and all that it waits for. */
static void relend(struct task *t)
{
    for (unsigned i = 0; t && i < CHAIN_MAX; i++) {
        unsigned lent = highest_lent(t);
        struct pi_waiter *w = t->pi_waiting;

        if (lent != t->thread.lent)
            sched_lend(&t->thread, lent);
        if (!w || w->priority == sched_priority(&t->thread))
            return;
        list_del(&w->link);
        waiter_insert(w);
        t = w->state->owner;
    }
}

void futex_pi_adjust(struct task *t)
{
    spin_lock(&pi_lock);
    relend(t);
    spin_unlock(&pi_lock);
}

/* Would `me` wait for itself? */
static bool deadlocks(const struct task *me, const struct task *owner)
{
    while (owner && owner != me)
        owner = owner->pi_waiting ? owner->pi_waiting->state->owner : NULL;
    return owner != NULL;
}

/* The first waiter becomes the owner. */
static void hand_over(struct pi_state *s, bool granted)
{
    struct pi_waiter *w = list_first(&s->waiters, struct pi_waiter, link);
    struct task *from = s->owner;

    list_del(&w->link);
    list_del(&s->held);
    w->task->pi_waiting = NULL;
    s->owner = w->task;
    s->granted = granted;
    list_add_tail(&w->task->pi_held, &s->held);
    if (!granted && list_empty(&s->waiters))
        state_drop(s);
    relend(from);
    relend(w->task);
    atomic_store(&w->owns, true);
    waitq_wake_all(&w->wait); /* it takes pi_lock before it leaves its stack */
}

/* ---- locking ------------------------------------------------------------------------------- */

static int lock_free(struct lock_job *j, uint32_t now)
{
    return word_change(j->word.addr, now,
                       (now & FUTEX_OWNER_DIED) | (uint32_t)j->waiter->task->id);
}

static struct pi_state *state_make(struct lock_job *j, struct task *owner)
{
    struct pi_state *s = j->spare;

    j->spare = NULL;
    s->key = j->key;
    s->owner = owner;
    s->granted = false;
    list_init(&s->waiters);
    list_add_tail(bucket(&j->key), &s->link);
    list_add_tail(&owner->pi_held, &s->held);
    return s;
}

static void enqueue(struct pi_state *s, struct pi_waiter *w)
{
    w->state = s;
    w->task->pi_waiting = w;
    waiter_insert(w);
    relend(s->owner);
}

/* `now` is the word a moment ago, `named` the task that it names.  Return: 0: it is ours; QUEUED; RETRY;
 * -EFAULT: the page is to be brought in; errors. */
static int lock_locked(struct lock_job *j, uint32_t now, struct task *named)
{
    struct pi_state *s = state_find(&j->key);
    struct task *owner = s ? s->owner : named;
    int result = word_change(j->word.addr, now, now);

    if (result)
        return result;
    if (!s && !(now & FUTEX_TID_MASK))
        return lock_free(j, now);
    if (!owner || (!s && atomic_load_relaxed(&owner->pi_ended)))
        return -ESRCH;
    if (deadlocks(j->waiter->task, owner))
        return -EDEADLK;
    if (j->try)
        return -EAGAIN;
    result = word_change(j->word.addr, now, now | FUTEX_WAITERS);
    if (result)
        return result;
    if (!s) {
        s = state_make(j, owner);
        atomic_fence();
        if (atomic_load_relaxed(&owner->pi_ended)) {
            state_drop(s);
            return -ESRCH;
        }
    }
    enqueue(s, j->waiter);
    return QUEUED;
}

static int lock_once(struct lock_job *j)
{
    struct task *named = NULL;
    uint32_t now;
    err_t err = futex_word_key(j->word, &j->key);
    int result;

    if (err)
        return err;
    if (user_load_u32(USER_PTR(const uint32_t, j->word.addr), &now))
        return -EFAULT;
    if ((now & FUTEX_TID_MASK) == (uint32_t)j->waiter->task->id)
        return -EDEADLK;
    if (now & FUTEX_TID_MASK)
        named = task_get((pid_t)(now & FUTEX_TID_MASK));
    spin_lock(&pi_lock);
    result = lock_locked(j, now, named);
    spin_unlock(&pi_lock);
    if (named)
        thread_put(&named->thread);
    if (result != -EFAULT)
        return result;
    err = futex_word_prepare_write(j->word.addr);
    return err ? err : RETRY;
}

/* The last owner ended: the word is to name this one.  0, RETRY, -EFAULT. */
static int claim_once(struct pi_state *s, vaddr_t addr, uint32_t id)
{
    uint32_t now;
    int result;

    if (user_load_u32(USER_PTR(const uint32_t, addr), &now))
        return -EFAULT;
    spin_lock(&pi_lock);
    result = word_change(addr, now, id | (now & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
    if (!result) {
        s->granted = false;
        if (list_empty(&s->waiters))
            state_drop(s);
    }
    spin_unlock(&pi_lock);
    if (result == -EFAULT && !futex_word_prepare_write(addr))
        return RETRY;
    return result;
}

static long claim(struct pi_state *s, vaddr_t addr)
{
    int result;

    do
        result = claim_once(s, addr, (uint32_t)task_current()->id);
    while (result == RETRY);
    return result; /* with -EFAULT the state stays ours until we end */
}

static void leave(struct pi_waiter *w)
{
    struct pi_state *s = w->state;
    struct task *owner = s->owner;

    list_del(&w->link);
    w->task->pi_waiting = NULL;
    if (list_empty(&s->waiters) && !s->granted)
        state_drop(s);
    relend(owner);
}

static long lock_wait(struct lock_job *j, ns_t deadline)
{
    struct pi_waiter *w = j->waiter;
    bool claims = false;
    err_t err = wait_event_intr_deadline(&w->wait, atomic_load(&w->owns), deadline);

    spin_lock(&pi_lock);
    if (!w->owns)
        leave(w);
    else
        claims = state_find(&j->key) == w->state && w->state->owner == w->task &&
                 w->state->granted;
    spin_unlock(&pi_lock);
    if (claims)
        return claim(w->state, j->word.addr);
    if (w->owns)
        return 0;
    return err == -ERESTARTSYS ? -ERESTARTNOINTR : err;
}

long futex_lock_pi(struct futex_word word, ns_t deadline, bool try)
{
    struct pi_waiter w = { .task = task_current() };
    struct lock_job j = { .word = word, .waiter = &w, .try = try };
    long result;

    list_init(&w.link);
    waitq_init(&w.wait);
    j.spare = kmalloc(sizeof *j.spare);
    if (!j.spare)
        return -ENOMEM;
    do
        result = lock_once(&j);
    while (result == RETRY);
    if (result == QUEUED)
        result = lock_wait(&j, deadline);
    kfree(j.spare);
    return result;
}

/* ---- unlocking ----------------------------------------------------------------------------- */

static int unlock_locked(struct futex_word word, const struct futex_key *key, uint32_t now)
{
    struct pi_state *s = state_find(key);
    int result;

    if (!s)
        return word_change(word.addr, now, 0);
    if (s->owner != task_current() || list_empty(&s->waiters))
        return -EINVAL;
    result = word_change(word.addr, now,
                         (uint32_t)list_first(&s->waiters, struct pi_waiter, link)->task->id |
                             FUTEX_WAITERS);
    if (!result)
        hand_over(s, false);
    return result;
}

static int unlock_once(struct futex_word word)
{
    struct futex_key key;
    uint32_t now;
    err_t err = futex_word_key(word, &key);
    int result;

    if (err)
        return err;
    if (user_load_u32(USER_PTR(const uint32_t, word.addr), &now))
        return -EFAULT;
    if ((now & FUTEX_TID_MASK) != (uint32_t)task_current()->id)
        return -EPERM;
    spin_lock(&pi_lock);
    result = unlock_locked(word, &key, now);
    spin_unlock(&pi_lock);
    if (result != -EFAULT)
        return result;
    err = futex_word_prepare_write(word.addr);
    return err ? err : RETRY;
}

long futex_unlock_pi(struct futex_word word)
{
    int result;

    do
        result = unlock_once(word);
    while (result == RETRY);
    return result;
}

void futex_pi_leave(struct task *t, bool ends)
{
    struct pi_state *s, *next;

    if (ends)
        atomic_store_relaxed(&t->pi_ended, true);
    atomic_fence(); /* pairs with lock_locked(): of the two, one sees what the other did first */
    if (list_empty(&t->pi_held))
        return;
    spin_lock(&pi_lock);
    list_for_each_safe(s, next, &t->pi_held, held) {
        if (list_empty(&s->waiters))
            state_drop(s); /* one that it could not claim */
        else
            hand_over(s, true);
    }
    spin_unlock(&pi_lock);
}
