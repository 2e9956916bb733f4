// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: System V semaphores: semget, semop, semtimedop, semctl.
 *
 * Model: a set is an array of values.  A semop tries all its operations in their order and takes them
 * back when one cannot be: then it sleeps in the set's queue, oldest first, and whoever changes values
 * tries the sleepers' operations for them, from the oldest on, and from the beginning again after each that
 * changed something.  So a sleeper that wakes finds its work done.
 *
 *     task -> sem_undos -> undo -> (set, an adjustment for each semaphore)
 *                          ^---- set.undos
 *
 * What SEM_UNDO is to take back hangs in a list that tasks share (CLONE_SYSVSEM); its last user's end
 * applies it.
 * Locking: ids.lock, also for all of the undo lists but their counts of references.
 */
#include <abi/ipc.h>

#include <abi/syscalls_gen.h>
#include <abi/timespec.h>
#include <fs/proc_format.h>
#include <hal/usercopy.h>
#include <lib/atomic.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/process.h>
#include <svc/subsystem.h>

#include <linux/sem.h>

#define OPS_ON_STACK 8
#define OPS_LIMIT 100000 /* of what /proc/sys/kernel/sem may be set to */

/* /proc/sys/kernel/sem; atomic */
static unsigned per_set_max = SEMMSL, all_max = SEMMNS, ops_max = SEMOPM, sets_max = SEMMNI;

struct semaphore {
    int value;
    pid_t pid; /* of the last operation */
};

struct set {
    struct ipc_object ipc; /* must be first */
    unsigned count; /* constant */
    /* ids.lock: */
    int64_t otime, ctime;
    struct list waiting; /* struct operation */
    struct list undos; /* struct undo.set_link */
    struct semaphore sems[];
};

struct sem_undos {
    refcount_t refs;
    struct list all; /* struct undo.link; ids.lock */
};

struct undo {
    struct list link, set_link; /* ids.lock */
    struct set *set; /* constant */
    short adjust[]; /* of each semaphore; ids.lock */
};

/* One semop call. */
struct operation {
    struct ipc_sleeper sleeper; /* must be first */
    const struct sembuf *ops;
    unsigned count;
    struct undo *undo; /* NULL: nothing to undo; ids.lock */
    unsigned blocked; /* the operation that could not be done; ids.lock */
    bool alters;
};

static struct ipc_ids ids = IPC_IDS(ids, &sets_max);
static uint64_t semaphores_total; /* ids.lock */

static struct set *set_of(struct ipc_object *o)
{
    return container_of(o, struct set, ipc);
}

static struct set *find(int id)
{
    struct ipc_object *o = ipc_find(&ids, id);

    return o ? set_of(o) : NULL;
}

static size_t set_bytes(unsigned count)
{
    return sizeof(struct set) + count * sizeof(struct semaphore);
}

/* ---- semget -------------------------------------------------------------------------------- */

static long get_new(int key, int count, int flags)
{
    struct set *s;
    err_t err;

    if (count == 0)
        return -EINVAL;
    if (semaphores_total + (unsigned)count > atomic_load_relaxed(&all_max))
        return -ENOSPC;
    s = ipc_alloc(set_bytes((unsigned)count));
    if (!s)
        return -ENOMEM;
    memset(s, 0, set_bytes((unsigned)count));
    s->count = (unsigned)count;
    s->ctime = ipc_now();
    list_init(&s->waiting);
    list_init(&s->undos);
    err = ipc_add(&ids, &s->ipc, key, flags);
    if (err) {
        ipc_free(s, set_bytes((unsigned)count));
        return err;
    }
    semaphores_total += s->count;
    return s->ipc.id;
}

static struct subsystem sem_subsystem;

long sys_semget(int key, int count, int flags)
{
    struct ipc_object *o;
    long result;

    if (!subsystem_is_up(&sem_subsystem))
        return -ENODEV; /* nobody would undo what a process that ends has done */
    if (count < 0 || (unsigned)count > atomic_load_relaxed(&per_set_max))
        return -EINVAL;
    mutex_lock(&ids.lock);
    result = ipc_get(&ids, key, flags, &o);
    if (!result && !o)
        result = get_new(key, count, flags);
    else if (!result && (unsigned)count > set_of(o)->count)
        result = -EINVAL;
    else if (!result)
        result = ipc_permitted(o, flags) ?: o->id;
    mutex_unlock(&ids.lock);
    return result;
}

/* ---- one attempt --------------------------------------------------------------------------- */

static void op_revert(struct set *s, const struct operation *q, unsigned done)
{
    while (done-- > 0) {
        const struct sembuf *op = &q->ops[done];

        s->sems[op->sem_num].value -= op->sem_op;
        if (op->sem_flg & SEM_UNDO)
            q->undo->adjust[op->sem_num] += op->sem_op;
    }
}

/* Return: 0, 1: it would have to wait, -ERANGE. */
static int op_apply(struct set *s, const struct operation *q, const struct sembuf *op)
{
    struct semaphore *sem = &s->sems[op->sem_num];
    int value = sem->value + op->sem_op;

    if (value < 0 || (op->sem_op == 0 && value != 0))
        return 1;
    if (value > SEMVMX)
        return -ERANGE;
    if (op->sem_flg & SEM_UNDO) {
        int adjust = q->undo->adjust[op->sem_num] - op->sem_op;

        if (adjust < -SEMAEM - 1 || adjust > SEMAEM)
            return -ERANGE;
        q->undo->adjust[op->sem_num] = (short)adjust;
    }
    sem->value = value;
    return 0;
}

/* All or none.  Return: 0; 1: it has to wait for q->blocked; -EAGAIN, -ERANGE. */
static int op_try(struct set *s, struct operation *q)
{
    for (unsigned i = 0; i < q->count; i++) {
        int result = op_apply(s, q, &q->ops[i]);

        if (!result)
            continue;
        op_revert(s, q, i);
        q->blocked = i;
        return result > 0 && (q->ops[i].sem_flg & IPC_NOWAIT) ? -EAGAIN : result;
    }
    for (unsigned i = 0; i < q->count; i++)
        s->sems[q->ops[i].sem_num].pid = q->sleeper.pid;
    return 0;
}

/* Values have changed: does what sleepers can have done now. */
static void set_update(struct set *s)
{
    struct operation *q, *next;
    bool again = true;

    while (again) {
        again = false;
        list_for_each_safe(q, next, &s->waiting, sleeper.link) {
            int result = op_try(s, q);

            if (result > 0)
                continue;
            if (!result)
                s->otime = ipc_now();
            ipc_wake(&q->sleeper, result);
            if (!result && q->alters) {
                again = true;
                break;
            }
        }
    }
}

/* ---- undoing ------------------------------------------------------------------------------- */

static struct sem_undos *undos_create(void)
{
    struct sem_undos *u = kmalloc(sizeof *u);

    if (!u)
        return NULL;
    ref_init(&u->refs, 1);
    list_init(&u->all);
    return u;
}

static struct sem_undos *undos_share(struct task *parent)
{
    if (!parent->undos)
        parent->undos = undos_create();
    if (parent->undos)
        ref_get(&parent->undos->refs);
    return parent->undos;
}

static void undo_free(struct undo *u)
{
    list_del(&u->link);
    list_del(&u->set_link);
    kfree(u);
}

static void undo_apply(struct undo *u)
{
    struct set *s = u->set;

    for (unsigned i = 0; i < s->count; i++) {
        if (!u->adjust[i])
            continue;
        s->sems[i].value = MIN(MAX(s->sems[i].value + u->adjust[i], 0), SEMVMX);
        s->sems[i].pid = ipc_pid();
    }
    s->otime = ipc_now();
    set_update(s);
}

static void undos_put(struct sem_undos *all)
{
    struct undo *u, *next;

    if (!ref_put(&all->refs))
        return;
    mutex_lock(&ids.lock);
    list_for_each_safe(u, next, &all->all, link) {
        undo_apply(u);
        undo_free(u);
    }
    mutex_unlock(&ids.lock);
    kfree(all);
}

/* Who set the values anew leaves nothing to take back. */
static void undo_forget(struct set *s, unsigned first, unsigned count)
{
    struct undo *u;

    list_for_each(u, &s->undos, set_link)
        memset(&u->adjust[first], 0, count * sizeof u->adjust[0]);
}

/* The running task's for the set; made if need be. NULL: out of memory. */
static struct undo *undo_get(struct set *s)
{
    struct task *t = task_current();
    struct undo *u;

    if (!t->undos)
        t->undos = undos_create();
    if (!t->undos)
        return NULL;
    list_for_each(u, &t->undos->all, link)
        if (u->set == s)
            return u;
    u = kzalloc(sizeof *u + s->count * sizeof u->adjust[0]);
    if (!u)
        return NULL;
    u->set = s;
    list_add_tail(&t->undos->all, &u->link);
    list_add_tail(&s->undos, &u->set_link);
    return u;
}

/* ---- semop --------------------------------------------------------------------------------- */

static err_t op_check(struct set *s, struct operation *q)
{
    unsigned undo = 0;
    err_t err;

    for (unsigned i = 0; i < q->count; i++) {
        if (q->ops[i].sem_num >= s->count)
            return -EFBIG;
        q->alters |= q->ops[i].sem_op != 0;
        undo |= q->ops[i].sem_flg & SEM_UNDO;
    }
    err = ipc_permitted(&s->ipc, q->alters ? IPC_WRITE : IPC_READ);
    if (err || !undo)
        return err;
    q->undo = undo_get(s);
    return q->undo ? 0 : -ENOMEM;
}

static long op_run_locked(int id, struct operation *q, ns_t deadline)
{
    struct set *s = find(id);
    long result = s ? op_check(s, q) : -EINVAL;

    if (result)
        return result;
    result = op_try(s, q);
    if (!result) {
        s->otime = ipc_now();
        if (q->alters)
            set_update(s);
        return 0;
    }
    if (result < 0)
        return result;
    list_add_tail(&s->waiting, &q->sleeper.link);
    result = ipc_sleep(&ids, &q->sleeper, deadline);
    if (result == -ETIMEDOUT)
        return -EAGAIN;
    return result == -ERESTARTSYS ? -EINTR : result;
}

static long op_run(int id, const struct sembuf *ops, unsigned count, ns_t deadline)
{
    struct operation q = { .ops = ops, .count = count };
    long result;

    ipc_sleeper_init(&q.sleeper);
    mutex_lock(&ids.lock);
    result = op_run_locked(id, &q, deadline);
    mutex_unlock(&ids.lock);
    return result;
}

static long do_semop(int id, const void __user *user, size_t count, ns_t deadline)
{
    struct sembuf few[OPS_ON_STACK], *ops = few;
    long result = -EFAULT;

    if (count < 1 || id < 0)
        return -EINVAL;
    if (count > atomic_load_relaxed(&ops_max))
        return -E2BIG;
    if (count > OPS_ON_STACK)
        ops = kmalloc(count * sizeof *ops);
    if (!ops)
        return -ENOMEM;
    if (!copy_from_user(ops, user, count * sizeof *ops))
        result = op_run(id, ops, (unsigned)count, deadline);
    if (ops != few)
        kfree(ops);
    return result;
}

long sys_semop(int id, const void __user *ops, size_t count)
{
    return do_semop(id, ops, count, NS_NEVER);
}

long sys_semtimedop(int id, const void __user *ops, size_t count,
                    const struct __kernel_timespec __user *timeout)
{
    struct __kernel_timespec ts;

    if (!timeout)
        return do_semop(id, ops, count, NS_NEVER);
    if (copy_from_user(&ts, timeout, sizeof ts))
        return -EFAULT;
    if (!timespec_valid(&ts))
        return -EINVAL;
    return do_semop(id, ops, count, timespec_deadline(&ts));
}

/* ---- semctl -------------------------------------------------------------------------------- */

static long control_stat(int id, int cmd, struct semid64_ds __user *buf)
{
    struct semid64_ds ds;
    struct ipc_object *o;
    long result = -EINVAL;

    memset(&ds, 0, sizeof ds);
    mutex_lock(&ids.lock);
    o = cmd == IPC_STAT ? ipc_find(&ids, id) : ipc_at(&ids, id);
    if (o)
        result = cmd == SEM_STAT_ANY ? 0 : ipc_permitted(o, IPC_READ);
    if (o && !result) {
        ipc_stat(o, &ds.sem_perm);
        ds.sem_otime = set_of(o)->otime;
        ds.sem_ctime = set_of(o)->ctime;
        ds.sem_nsems = set_of(o)->count;
        result = cmd == IPC_STAT ? 0 : o->id;
    }
    mutex_unlock(&ids.lock);
    return result >= 0 && copy_to_user(buf, &ds, sizeof ds) ? -EFAULT : result;
}

static long control_set(int id, const struct semid64_ds __user *buf)
{
    struct semid64_ds ds;
    struct set *s;
    err_t err;

    if (copy_from_user(&ds, buf, sizeof ds))
        return -EFAULT;
    mutex_lock(&ids.lock);
    s = find(id);
    err = s ? ipc_owned(&s->ipc) ?: ipc_set(&s->ipc, &ds.sem_perm) : -EINVAL;
    if (!err)
        s->ctime = ipc_now();
    mutex_unlock(&ids.lock);
    return err;
}

static void set_destroy(struct set *s)
{
    struct undo *u, *next;

    ipc_wake_all(&s->waiting, -EIDRM);
    list_for_each_safe(u, next, &s->undos, set_link)
        undo_free(u);
    semaphores_total -= s->count;
    ipc_remove(&ids, &s->ipc);
    ipc_free(s, set_bytes(s->count));
}

static long control_remove(int id)
{
    struct set *s;
    err_t err;

    mutex_lock(&ids.lock);
    s = find(id);
    err = s ? ipc_owned(&s->ipc) : -EINVAL;
    if (!err)
        set_destroy(s);
    mutex_unlock(&ids.lock);
    return err;
}

static long control_info(int cmd, struct seminfo __user *buf)
{
    struct seminfo info = { 0 };
    int highest;

    info.semmni = (int)atomic_load_relaxed(&sets_max);
    info.semmns = (int)atomic_load_relaxed(&all_max);
    info.semmsl = (int)atomic_load_relaxed(&per_set_max);
    info.semopm = (int)atomic_load_relaxed(&ops_max);
    info.semvmx = SEMVMX;
    info.semmnu = SEMMNU;
    info.semmap = SEMMAP;
    info.semume = SEMUME;
    info.semusz = SEMUSZ;
    info.semaem = SEMAEM;
    mutex_lock(&ids.lock);
    if (cmd == SEM_INFO) {
        info.semusz = ids.in_use;
        info.semaem = (int)semaphores_total;
    }
    highest = ipc_highest_index(&ids);
    mutex_unlock(&ids.lock);
    return copy_to_user(buf, &info, sizeof info) ? -EFAULT : highest;
}

/* How many sleep until the semaphore rises, or (zero) until it is 0. */
static long count_waiting(struct set *s, unsigned number, bool zero)
{
    struct operation *q;
    long n = 0;

    list_for_each(q, &s->waiting, sleeper.link) {
        const struct sembuf *op = &q->ops[q->blocked];

        n += op->sem_num == number && (op->sem_op == 0) == zero;
    }
    return n;
}

/* GETVAL, GETPID, GETNCNT, GETZCNT, SETVAL. */
static long one_locked(int id, int number, int cmd, int value)
{
    struct set *s = find(id);
    err_t err;

    if (!s)
        return -EINVAL;
    if (number < 0 || (unsigned)number >= s->count)
        return -EINVAL;
    err = ipc_permitted(&s->ipc, cmd == SETVAL ? IPC_WRITE : IPC_READ);
    if (err)
        return err;
    switch (cmd) {
    case GETVAL:
        return s->sems[number].value;
    case GETPID:
        return s->sems[number].pid;
    case GETNCNT:
    case GETZCNT:
        return count_waiting(s, (unsigned)number, cmd == GETZCNT);
    default:
        break;
    }
    undo_forget(s, (unsigned)number, 1);
    s->sems[number].value = value;
    s->sems[number].pid = ipc_pid();
    s->ctime = ipc_now();
    set_update(s);
    return 0;
}

static long control_one(int id, int number, int cmd, int value)
{
    long result;

    if (cmd == SETVAL && (value < 0 || value > SEMVMX))
        return -ERANGE;
    mutex_lock(&ids.lock);
    result = one_locked(id, number, cmd, value);
    mutex_unlock(&ids.lock);
    return result;
}

/* Room for the values of the set; it may be another set by the time they are used. ERR_PTR. */
static unsigned short *values_room(int id, int flags, unsigned *count)
{
    unsigned short *values = NULL;
    struct set *s;
    err_t err;

    mutex_lock(&ids.lock);
    s = find(id);
    err = s ? ipc_permitted(&s->ipc, flags) : -EINVAL;
    if (!err) {
        *count = s->count;
        values = kmalloc(s->count * sizeof *values);
        err = values ? 0 : -ENOMEM;
    }
    mutex_unlock(&ids.lock);
    return err ? ERR_PTR(err) : values;
}

static struct set *find_again(int id, unsigned count)
{
    struct set *s = find(id);

    return s && s->count == count ? s : NULL;
}

static err_t values_get(int id, unsigned short *values, unsigned count)
{
    struct set *s;

    mutex_lock(&ids.lock);
    s = find_again(id, count);
    for (unsigned i = 0; s && i < count; i++)
        values[i] = (unsigned short)s->sems[i].value;
    mutex_unlock(&ids.lock);
    return s ? 0 : -EIDRM;
}

static err_t values_set(int id, const unsigned short *values, unsigned count)
{
    struct set *s;

    for (unsigned i = 0; i < count; i++)
        if (values[i] > SEMVMX)
            return -ERANGE;
    mutex_lock(&ids.lock);
    s = find_again(id, count);
    for (unsigned i = 0; s && i < count; i++) {
        s->sems[i].value = values[i];
        s->sems[i].pid = ipc_pid();
    }
    if (s) {
        undo_forget(s, 0, count);
        s->ctime = ipc_now();
        set_update(s);
    }
    mutex_unlock(&ids.lock);
    return s ? 0 : -EIDRM;
}

static long control_all(int id, int cmd, unsigned short __user *buf)
{
    unsigned count = 0;
    unsigned short *values = values_room(id, cmd == SETALL ? IPC_WRITE : IPC_READ, &count);
    err_t err;

    if (IS_ERR(values))
        return PTR_ERR(values);
    if (cmd == GETALL) {
        err = values_get(id, values, count);
        if (!err && copy_to_user(buf, values, count * sizeof *values))
            err = -EFAULT;
    } else {
        err = copy_from_user(values, buf, count * sizeof *values) ? -EFAULT
                                                                  : values_set(id, values, count);
    }
    kfree(values);
    return err;
}

long sys_semctl(int id, int number, int cmd, unsigned long arg)
{
    void __user *buf = USER_PTR(void, arg);

    if (id < 0)
        return -EINVAL;
    switch (cmd) {
    case IPC_INFO:
    case SEM_INFO:
        return control_info(cmd, buf);
    case IPC_STAT:
    case SEM_STAT:
    case SEM_STAT_ANY:
        return control_stat(id, cmd, buf);
    case IPC_SET:
        return control_set(id, buf);
    case IPC_RMID:
        return control_remove(id);
    case GETALL:
    case SETALL:
        return control_all(id, cmd, buf);
    case GETVAL:
    case GETPID:
    case GETNCNT:
    case GETZCNT:
    case SETVAL:
        return control_one(id, number, cmd, (int)arg);
    default:
        return -EINVAL;
    }
}

/* ---- /proc --------------------------------------------------------------------------------- */

static void show_sem(struct textbuf *out, void *arg)
{
    text_printf(out, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime"
                     "      ctime\n");
    mutex_lock(&ids.lock);
    for (int i = 0; i < ids.capacity; i++) {
        struct ipc_object *o = ids.slots[i];
        struct set *s = o ? set_of(o) : NULL;

        if (s)
            text_printf(out, "%10d %10d  %4o %10u %5u %5u %5u %5u %10lld %10lld\n", o->key, o->id,
                        o->mode, s->count, o->uid, o->gid, o->cuid, o->cgid, (long long)s->otime,
                        (long long)s->ctime);
    }
    mutex_unlock(&ids.lock);
}
PROC_FILE(sysvipc_sem, "sysvipc/sem", 0444, show_sem);

static unsigned *const limits[] = { &per_set_max, &all_max, &ops_max, &sets_max };

static void show_limits(struct textbuf *out, void *arg)
{
    for (unsigned i = 0; i < ARRAY_SIZE(limits); i++)
        text_printf(out, "%u%c", atomic_load_relaxed(limits[i]),
                    i + 1 < ARRAY_SIZE(limits) ? '\t' : '\n');
}

static err_t store_limits(const char *text, size_t n, void *arg)
{
    const int64_t high[] = { 65536, INT_MAX, OPS_LIMIT, IPC_INDEX_MAX };
    int64_t v[ARRAY_SIZE(limits)];
    unsigned given = 0;

    while (given < ARRAY_SIZE(limits) && parse_number(&text, &v[given]) == 0) {
        if (v[given] < 0 || v[given] > high[given])
            return -EINVAL;
        given++;
    }
    if (given == 0)
        return -EINVAL;
    for (unsigned i = 0; i < given; i++)
        atomic_store_relaxed(limits[i], (unsigned)v[i]);
    return 0;
}
PSEUDO_FILE(sysctl_sem, "proc", "sys/kernel/sem", 0644, show_limits, store_limits);

static const struct sem_undo_ops undo_ops = { .share = undos_share, .put = undos_put };

static err_t sem_init(struct subsystem *self)
{
    sem_undo_ops = &undo_ops;
    return 0;
}

static struct subsystem sem_subsystem = { .name = "semaphores", .privilege = PRIV_KERNEL,
                                          .early_init = sem_init };
REGISTER_SUBSYSTEM(sem_subsystem);
