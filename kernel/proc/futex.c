// SPDX-License-Identifier: CC0-1.0
#include <proc/futex.h>

#include <core/spinlock.h>
#include <hal/usercopy.h>
#include <lib/hash.h>
#include <proc/futex_word.h>
#include <proc/process.h>

#include <linux/futex.h>

#define BUCKET_BITS 8
#define ROBUST_MAX 2048 /* entries of one list: a cycle ends there */

struct bucket {
    struct spinlock lock;
    struct list waiters; /* lock */
} __aligned(64);

struct futex_waiter {
    struct list link; /* bucket's lock */
    struct futex_key key; /* bucket's lock */
    struct bucket *bucket; /* written under its lock; atomic */
    struct thread *thread;
    uint32_t bits;
    bool woken; /* atomic; set under the bucket's lock after the waiter left the queue */
};

static struct bucket buckets[1 << BUCKET_BITS];

void futex_init(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(buckets); i++) {
        spin_init(&buckets[i].lock, LOCK_FUTEX);
        list_init(&buckets[i].waiters);
    }
    futex_pi_init();
}

err_t futex_word_key(struct futex_word w, struct futex_key *key)
{
    struct space *s = thread_current()->space;

    if (w.addr % sizeof(uint32_t) != 0)
        return -EINVAL;
    if (w.addr >= USER_TOP)
        return -EFAULT;
    if (w.shared)
        return space_futex_key(s, w.addr, true, key);
    *key = (struct futex_key){ (uintptr_t)s, w.addr };
    return 0;
}

static struct bucket *key_bucket(const struct futex_key *k)
{
    return &buckets[hash_u64(k->a ^ hash_u64(k->b)) >> (64 - BUCKET_BITS)];
}

static bool key_equal(const struct futex_key *a, const struct futex_key *b)
{
    return a->a == b->a && a->b == b->b;
}

/* Reads the word without sleeping, for use under a bucket's lock. */
static err_t word_peek(vaddr_t addr, uint32_t *out)
{
    struct thread *t = thread_current();
    err_t err;

    t->fault_disable++;
    err = user_load_u32(USER_PTR(const uint32_t, addr), out);
    t->fault_disable--;
    return err;
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* Queues w unless the word has changed.  0; -EAGAIN; -EFAULT: the page is not there now. */
static err_t wait_queue(struct futex_waiter *w, vaddr_t addr, uint32_t val)
{
    struct bucket *b = key_bucket(&w->key);
    uint32_t now;
    err_t err;

    spin_lock(&b->lock);
    err = word_peek(addr, &now);
    if (!err && now != val)
        err = -EAGAIN;
    if (!err) {
        w->bucket = b;
        list_add_tail(&b->waiters, &w->link);
    }
    spin_unlock(&b->lock);
    return err;
}

/* Leaves the queue. Return: whether a wake-up came first. */
static bool wait_leave(struct futex_waiter *w)
{
    for (;;) {
        struct bucket *b = atomic_load(&w->bucket);

        if (atomic_load(&w->woken))
            return true;
        spin_lock(&b->lock);
        if (b == w->bucket) { /* else it was moved meanwhile */
            bool woken = w->woken;

            if (!woken)
                list_del(&w->link);
            spin_unlock(&b->lock);
            return woken;
        }
        spin_unlock(&b->lock);
    }
}

static err_t wait_woken(struct futex_waiter *w, ns_t deadline)
{
    err_t err = 0;

    while (!err && !atomic_load(&w->woken)) {
        atomic_store_relaxed(&w->thread->state, THREAD_SLEEPING_INTR);
        atomic_fence();
        if (atomic_load(&w->woken))
            break;
        err = wait_sleep(THREAD_SLEEPING_INTR, deadline);
    }
    atomic_store_relaxed(&w->thread->state, THREAD_RUNNABLE);
    return err;
}

long futex_wait(struct futex_word word, uint32_t val, ns_t deadline, uint32_t bits)
{
    struct futex_waiter w = { .thread = thread_current(), .bits = bits };
    err_t err;

    for (;;) {
        uint32_t now;

        err = futex_word_key(word, &w.key);
        if (!err)
            err = wait_queue(&w, word.addr, val);
        if (err != -EFAULT)
            break;
        /* Bring the page in where sleeping is allowed, and look again. */
        if (user_load_u32(USER_PTR(const uint32_t, word.addr), &now))
            return -EFAULT;
    }
    if (err)
        return err;
    err = wait_woken(&w, deadline);
    return wait_leave(&w) ? 0 : err;
}

/* ---- waking -------------------------------------------------------------------------------- */

/* Bucket's lock held.  The waiter's stack may be gone as soon as `woken` is set. */
static void waiter_wake(struct futex_waiter *w)
{
    struct thread *t = w->thread;

    thread_get(t);
    list_del(&w->link);
    atomic_store(&w->woken, true);
    thread_wake(t);
    thread_put(t);
}

static unsigned wake_locked(struct bucket *b, const struct futex_key *key, unsigned n,
                            uint32_t bits)
{
    struct futex_waiter *w, *next;
    unsigned woken = 0;

    list_for_each_safe(w, next, &b->waiters, link) {
        if (woken == n)
            break;
        if (!key_equal(&w->key, key) || !(w->bits & bits))
            continue;
        waiter_wake(w);
        woken++;
    }
    return woken;
}

long futex_wake(struct futex_word word, unsigned n, uint32_t bits)
{
    struct futex_key key;
    struct bucket *b;
    unsigned woken;
    err_t err = futex_word_key(word, &key);

    if (err)
        return err;
    b = key_bucket(&key);
    spin_lock(&b->lock);
    woken = wake_locked(b, &key, n, bits);
    spin_unlock(&b->lock);
    return woken;
}

long futex_wake_addr(vaddr_t addr, bool shared, unsigned n, uint32_t bits)
{
    return futex_wake((struct futex_word){ addr, shared }, n, bits);
}

/* ---- two words ----------------------------------------------------------------------------- */

static void lock_two(struct bucket *a, struct bucket *b)
{
    spin_lock(a < b ? &a->lock : &b->lock);
    if (a != b)
        spin_lock(a < b ? &b->lock : &a->lock);
}

static void unlock_two(struct bucket *a, struct bucket *b)
{
    if (a != b)
        spin_unlock(a < b ? &b->lock : &a->lock);
    spin_unlock(a < b ? &a->lock : &b->lock);
}

static unsigned move_locked(struct bucket *from, const struct futex_key *key, struct bucket *to,
                            const struct futex_key *to_key, unsigned n)
{
    struct futex_waiter *w, *next;
    unsigned moved = 0;

    list_for_each_safe(w, next, &from->waiters, link) {
        if (moved == n)
            break;
        if (!key_equal(&w->key, key))
            continue;
        moved++;
        w->key = *to_key;
        if (from == to)
            continue;
        list_del(&w->link);
        list_add_tail(&to->waiters, &w->link);
        atomic_store(&w->bucket, to);
    }
    return moved;
}

long futex_requeue(struct futex_word from, struct futex_word to, unsigned wake, unsigned move,
                   bool compare, uint32_t val)
{
    struct futex_key key_from, key_to;
    struct bucket *a, *b;
    unsigned woken = 0, moved = 0;
    err_t err;

    for (;;) {
        uint32_t now = 0;

        err = futex_word_key(from, &key_from);
        if (!err)
            err = futex_word_key(to, &key_to);
        if (err)
            return err;
        a = key_bucket(&key_from);
        b = key_bucket(&key_to);
        lock_two(a, b);
        err = compare ? word_peek(from.addr, &now) : 0;
        if (!err && compare && now != val)
            err = -EAGAIN;
        if (!err) {
            woken = wake_locked(a, &key_from, wake, ~0u);
            moved = key_equal(&key_from, &key_to)
                        ? 0
                        : move_locked(a, &key_from, b, &key_to, move);
        }
        unlock_two(a, b);
        if (err != -EFAULT)
            break;
        if (user_load_u32(USER_PTR(const uint32_t, from.addr), &now))
            return -EFAULT;
    }
    if (err)
        return err;
    return compare ? (long)woken + moved : (long)woken;
}

/* The fields of FUTEX_OP(). */
struct wake_op {
    unsigned op, cmp;
    int op_arg, cmp_arg;
};

static err_t wake_op_decode(uint32_t code, struct wake_op *o)
{
    o->op = code >> 28 & 7;
    o->cmp = code >> 24 & 15;
    o->op_arg = (int)(code << 8) >> 20;
    o->cmp_arg = (int)(code << 20) >> 20;
    if (code >> 28 & FUTEX_OP_OPARG_SHIFT) /* 1 << arg */
        o->op_arg = 1 << (o->op_arg & 31);
    return o->op > FUTEX_OP_XOR || o->cmp > FUTEX_OP_CMP_GE ? -ENOSYS : 0;
}

static uint32_t wake_op_apply(const struct wake_op *o, uint32_t old)
{
    uint32_t arg = (uint32_t)o->op_arg;

    switch (o->op) {
    case FUTEX_OP_SET:
        return arg;
    case FUTEX_OP_ADD:
        return old + arg;
    case FUTEX_OP_OR:
        return old | arg;
    case FUTEX_OP_ANDN:
        return old & ~arg;
    default:
        return old ^ arg;
    }
}

static bool wake_op_holds(const struct wake_op *o, int old)
{
    switch (o->cmp) {
    case FUTEX_OP_CMP_EQ:
        return old == o->cmp_arg;
    case FUTEX_OP_CMP_NE:
        return old != o->cmp_arg;
    case FUTEX_OP_CMP_LT:
        return old < o->cmp_arg;
    case FUTEX_OP_CMP_LE:
        return old <= o->cmp_arg;
    case FUTEX_OP_CMP_GT:
        return old > o->cmp_arg;
    default:
        return old >= o->cmp_arg;
    }
}

/* Atomically, without sleeping. 0 with the old value; -EFAULT. */
static err_t wake_op_change(const struct wake_op *o, vaddr_t addr, uint32_t *old)
{
    struct thread *t = thread_current();
    uint32_t __user *p = USER_PTR(uint32_t, addr);
    uint32_t seen;
    err_t err;

    t->fault_disable++;
    err = user_load_u32(p, &seen);
    while (!err) {
        err = user_cas_u32(p, seen, wake_op_apply(o, seen), old);
        if (err || *old == seen)
            break;
        seen = *old;
    }
    t->fault_disable--;
    return err;
}

err_t futex_word_prepare_write(vaddr_t addr)
{
    uint32_t __user *p = USER_PTR(uint32_t, addr);
    uint32_t v, old;

    if (user_load_u32(p, &v))
        return -EFAULT;
    return user_cas_u32(p, v, v, &old);
}

long futex_wake_op(struct futex_word wa, struct futex_word wb, unsigned n_a, unsigned n_b,
                   uint32_t code)
{
    struct futex_key key_a, key_b;
    struct bucket *a, *b;
    struct wake_op op;
    uint32_t old = 0;
    long woken = 0;
    err_t err = wake_op_decode(code, &op);

    while (!err) {
        err = futex_word_key(wa, &key_a);
        if (!err)
            err = futex_word_key(wb, &key_b);
        if (err)
            return err;
        a = key_bucket(&key_a);
        b = key_bucket(&key_b);
        lock_two(a, b);
        err = wake_op_change(&op, wb.addr, &old);
        if (!err) {
            woken = wake_locked(a, &key_a, n_a, ~0u);
            if (wake_op_holds(&op, (int)old))
                woken += wake_locked(b, &key_b, n_b, ~0u);
        }
        unlock_two(a, b);
        if (!err)
            return woken;
        err = futex_word_prepare_write(wb.addr);
    }
    return err;
}

/* ---- robust lists -------------------------------------------------------------------------- */

/* The owner died: says so in the word, and lets the next one have it. */
static void robust_death(struct task *t, vaddr_t addr, bool pi, bool pending_op)
{
    uint32_t __user *p = USER_PTR(uint32_t, addr);
    uint32_t now, old;

    if (addr % sizeof(uint32_t) != 0 || user_load_u32(p, &now))
        return;
    /* An unlock that was under way: it may have freed the word and owe a wake-up. */
    if (pending_op && !pi && now == 0) {
        (void)futex_wake_addr(addr, true, 1, ~0u);
        return;
    }
    while ((now & FUTEX_TID_MASK) == (uint32_t)t->id) {
        if (user_cas_u32(p, now, (now & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &old))
            return;
        if (old == now) {
            if ((now & FUTEX_WAITERS) && !pi) /* see futex_pi_leave */
                (void)futex_wake_addr(addr, true, 1, ~0u);
            return;
        }
        now = old;
    }
}

void futex_task_exit(struct task *t)
{
    struct robust_list_head head;
    vaddr_t start = t->robust_list;
    uint64_t entry, pending;

    if (!start || copy_from_user(&head, USER_PTR(void, start), sizeof head))
        return;
    entry = (uintptr_t)head.list.next;
    pending = (uintptr_t)head.list_op_pending;
    for (unsigned i = 0; i < ROBUST_MAX && (entry & ~1ull) != start; i++) {
        vaddr_t at = entry & ~1ull; /* bit 0: a PI futex */
        bool pi = entry & 1, fault = user_load_u64(USER_PTR(uint64_t, at), &entry) != 0;

        if (at != (pending & ~1ull))
            robust_death(t, at + (vaddr_t)head.futex_offset, pi, false);
        if (fault)
            return;
    }
    if (pending & ~1ull)
        robust_death(t, (pending & ~1ull) + (vaddr_t)head.futex_offset, pending & 1, true);
}
