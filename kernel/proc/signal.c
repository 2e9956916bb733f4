// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: sending: from a signal's number to a task that knows it must deliver.
 *
 * Model: send_locked() is the one way in.  It first does what a signal does by being sent (SIGCONT
 * wakes, SIGKILL ends, stop and continue cancel each other), drops what would be ignored anyway, queues
 * the rest, and wakes one task that does not block it.
 * Locking: see process.h.  Infos are allocated under the lock (the heap never sleeps).
 */
#include <proc/signal.h>

#include <core/panic.h>
#include <core/smp.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/internal.h>
#include <proc/job.h>
#include <proc/pid.h>
#include <proc/process.h>

#include <linux/capability.h>
#include <linux/poll.h>

/* ---- queues -------------------------------------------------------------------------------- */

/* Counts one signal more, unless that is too many.  The user has tasks as long as signal_lock is held. */
static bool charge(struct user_count *u, uint64_t limit)
{
    if (atomic_add_fetch(&u->signals, 1) <= limit)
        return true;
    atomic_sub_fetch(&u->signals, 1);
    return false;
}

static void unreserve(struct user_count *u)
{
    atomic_sub_fetch(&u->signals, 1);
}

struct signal_info *signal_prepare(void)
{
    struct signal_info *i = kzalloc(sizeof *i);
    struct task *t = task_current();
    unsigned long flags;
    bool ok;

    if (!i)
        return NULL;
    flags = spin_lock_irqsave(&t->process->signal_lock);
    i->user = t->user;
    ok = charge(i->user, process_limit(t->process, RLIMIT_SIGPENDING));
    spin_unlock_irqrestore(&t->process->signal_lock, flags);
    if (!ok) {
        kfree(i);
        return NULL;
    }
    list_init(&i->link);
    i->kept = true;
    return i;
}

/* It has left its queue. */
static void info_free(struct signal_info *i)
{
    if (i->kept) {
        list_init(&i->link);
        return;
    }
    unreserve(i->user);
    kfree(i);
}

void signal_prepared_put(struct process *p, struct signal_info *i)
{
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);

    i->kept = false;
    if (!signal_is_queued(i))
        info_free(i);
    spin_unlock_irqrestore(&p->signal_lock, flags);
}

void signal_queue_flush(struct signal_queue *q)
{
    struct signal_info *i, *next;

    list_for_each_safe(i, next, &q->infos, link)
        info_free(i);
    signal_queue_init(q);
}

/* Forgets the signals of `set`. */
static void queue_remove(struct signal_queue *q, uint64_t set)
{
    struct signal_info *i, *next;

    if (!(q->set & set))
        return;
    q->set &= ~set;
    list_for_each_safe(i, next, &q->infos, link) {
        if (!(SIG_BIT(i->info.si_signo) & set))
            continue;
        list_del(&i->link);
        info_free(i);
    }
}

static void remove_everywhere(struct process *p, uint64_t set)
{
    struct task *t;

    queue_remove(&p->pending, set);
    list_for_each(t, &p->tasks, process_link)
        queue_remove(&t->pending, set);
}

/* NULL: there are too many, or no memory. A signal of the kernel's or of kill() that is not a
 * real-time one is always queued with what there is to say. */
static struct signal_info *info_alloc(struct task *t, int sig, const siginfo_t *info)
{
    bool unlimited = sig < SIGRTMIN && (!info || info->si_code >= 0);
    uint64_t limit = unlimited ? UINT64_MAX : process_limit(t->process, RLIMIT_SIGPENDING);
    struct signal_info *i;

    if (!charge(t->user, limit))
        return NULL;
    i = kmalloc(sizeof *i);
    if (!i) {
        unreserve(t->user);
        return NULL;
    }
    i->user = t->user;
    i->kept = false;
    return i;
}

/* On t's own queue or its process'; it counts against t's user. */
static err_t queue_add(struct task *t, struct signal_queue *q, int sig, const siginfo_t *info)
{
    bool realtime = sig >= SIGRTMIN;
    struct signal_info *i;

    if (!realtime && (q->set & SIG_BIT(sig)))
        return 0;
    i = info_alloc(t, sig, info);
    if (!i && realtime && info && info->si_code != SI_USER)
        return -EAGAIN;
    q->set |= SIG_BIT(sig);
    if (!i)
        return 0;
    if (info) {
        i->info = *info;
    } else {
        memset(&i->info, 0, sizeof i->info);
        i->info.si_code = SI_KERNEL;
    }
    i->info.si_signo = sig;
    list_add_tail(&q->infos, &i->link);
    return 0;
}

void (*signal_taken_hook)(struct process *p, siginfo_t *info);

/* Takes the first info of `sig` off; without one it was sent when memory was short. */
static void queue_take(struct signal_queue *q, int sig, siginfo_t *info)
{
    struct signal_info *i, *next, *found = NULL;
    bool more = false;

    list_for_each_safe(i, next, &q->infos, link) {
        if (i->info.si_signo != sig)
            continue;
        if (found) {
            more = true;
            break;
        }
        found = i;
        list_del(&i->link);
    }
    if (!more)
        q->set &= ~SIG_BIT(sig);
    if (!found) {
        memset(info, 0, sizeof *info);
        info->si_signo = sig;
        return;
    }
    *info = found->info;
    info_free(found);
}

static int queue_dequeue(struct process *p, struct signal_queue *q, uint64_t set, siginfo_t *info)
{
    int sig;

    set &= q->set;
    if (set == 0)
        return 0;
    if (set & SIGNALS_FAULT)
        set &= SIGNALS_FAULT;
    sig = __builtin_ctzll(set) + 1;
    queue_take(q, sig, info);
    if (unlikely(!list_empty(&p->posix_timers)))
        signal_taken_hook(p, info);
    return sig;
}

int signal_dequeue_locked(struct task *t, uint64_t set, siginfo_t *info)
{
    int sig = queue_dequeue(t->process, &t->pending, set, info);

    return sig ? sig : queue_dequeue(t->process, &t->process->pending, set, info);
}

/* ---- watches ------------------------------------------------------------------------------- */

struct signal_watch *signal_watch_get(void)
{
    struct process *p = process_current();
    struct signal_watch *w = atomic_load(&p->watch), *new = NULL;
    unsigned long flags;

    if (!w) {
        new = kmalloc(sizeof *new);
        if (!new)
            return NULL;
        ref_init(&new->refs, 1);
        waitq_init(&new->waiters);
        flags = spin_lock_irqsave(&p->signal_lock);
        w = p->watch;
        if (!w)
            p->watch = w = new;
        spin_unlock_irqrestore(&p->signal_lock, flags);
        if (w != new)
            kfree(new);
    }
    ref_get(&w->refs);
    return w;
}

void signal_watch_put(struct signal_watch *w)
{
    if (ref_put(&w->refs))
        kfree(w);
}

void signal_watch_wake(void)
{
    struct signal_watch *w = atomic_load(&process_current()->watch);

    if (w)
        waitq_wake(&w->waiters, UINT_MAX, POLLIN);
}

/* ---- sending ------------------------------------------------------------------------------- */

/* Waits that no signal ends look at their predicates again when they are woken; few of them (vfork)
 * know a kill. */
#define WAKE_KILL (WAKE_NORMAL | 1u << THREAD_STOPPED)

static void wake_task(struct task *t, unsigned states)
{
    atomic_fetch_or(&t->thread.ctx.pending, PENDING_SIGNAL);
    if (!thread_wake_state(&t->thread, states) && t->thread.on_cpu &&
        t->thread.ctx.cpu != cpu_current())
        ipi_send(t->thread.ctx.cpu, IPI_RESCHED);
}

void signal_wake_task(struct task *t, bool stopped_too)
{
    wake_task(t, WAKE_SIGNAL | (stopped_too ? 1u << THREAD_STOPPED : 0));
}

void process_kill_tasks_locked(struct process *p, struct task *except)
{
    struct task *t;

    list_for_each(t, &p->tasks, process_link) {
        if (t == except || t->ended)
            continue;
        t->killed = true;
        wake_task(t, WAKE_KILL);
    }
}

/* SIGCONT goes on even when it is blocked, ignored or handled. */
static void continue_locked(struct process *p)
{
    struct task *t;

    p->stop_dequeued = false;
    if (p->stop_state != STOP_STOPPED && p->stopping == 0)
        return;
    p->stopping = 0;
    if (p->stop_state == STOP_STOPPED) {
        p->stop_state = STOP_CONTINUED;
        p->stop_reported = false;
        p->notify_continued = true;
    }
    list_for_each(t, &p->tasks, process_link) {
        t->stop_pending = false;
        signal_wake_task(t, true);
    }
}

static void prepare_locked(struct process *p, int sig)
{
    if (sig == SIGCONT) {
        remove_everywhere(p, SIGNALS_STOP);
        continue_locked(p);
    } else if (SIGNALS_STOP & SIG_BIT(sig)) {
        remove_everywhere(p, SIG_BIT(SIGCONT));
    }
}

/* Would nothing come of it? */
static bool dropped(struct process *p, const struct task *t, int sig)
{
    const struct signal_action *a = &p->sighand->action[sig - 1];

    if (t && (t->blocked & SIG_BIT(sig)))
        return false;
    if (p->unkillable && a->handler == SIGNAL_DEFAULT)
        return true;
    return signal_action_ignores(a, sig);
}

static bool wants(const struct task *t, int sig)
{
    return !t->ended && (!(t->blocked & SIG_BIT(sig)) || (t->wait_set & SIG_BIT(sig)));
}

static struct task *choose(struct process *p, int sig)
{
    struct task *t;

    if (p->leader && wants(p->leader, sig))
        return p->leader;
    list_for_each(t, &p->tasks, process_link)
        if (wants(t, sig))
            return t;
    return NULL;
}

static void kill_locked(struct process *p)
{
    if (!p->exiting) {
        p->exiting = true;
        p->exit_status = SIGKILL;
    }
    p->stop_dequeued = false;
    process_kill_tasks_locked(p, NULL);
}

/* What a signal does by being sent.  Return: whom it counts against if it is to be queued; NULL:
 * it is not. */
static struct task *arrive_locked(struct process *p, struct task *t, int sig)
{
    struct task *first = t ? t : p->leader ? p->leader
                                           : list_first_or_null(&p->tasks, struct task, process_link);

    if (!first || (p->exiting && sig != SIGKILL))
        return NULL;
    prepare_locked(p, sig);
    if (dropped(p, first, sig))
        return NULL;
    if (sig == SIGKILL) {
        kill_locked(p);
        return NULL;
    }
    return first;
}

/* A signal was queued: wakes who may take it. */
static void queued_locked(struct process *p, struct task *t, int sig)
{
    if (unlikely(p->watch))
        waitq_wake(&p->watch->waiters, UINT_MAX, POLLIN);
    if (!t)
        t = choose(p, sig);
    if (t && wants(t, sig))
        signal_wake_task(t, false);
}

/* t NULL: any task of p. */
static err_t send_locked(struct process *p, struct task *t, int sig, const siginfo_t *info)
{
    struct task *first = arrive_locked(p, t, sig);
    err_t err;

    if (!first)
        return 0;
    err = queue_add(first, t ? &t->pending : &p->pending, sig, info);
    if (!err)
        queued_locked(p, t, sig);
    return err;
}

/* It stands beside a signal of the same number that others sent. */
bool signal_send_prepared(struct process *p, struct task *t, struct signal_info *i)
{
    struct signal_queue *q = t ? &t->pending : &p->pending;
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    int sig = i->info.si_signo;
    bool queued = signal_is_queued(i);

    if (!queued && !(t && t->ended) && arrive_locked(p, t, sig)) {
        list_add_tail(&q->infos, &i->link);
        q->set |= SIG_BIT(sig);
        queued_locked(p, t, sig);
    }
    spin_unlock_irqrestore(&p->signal_lock, flags);
    return !queued;
}

err_t signal_send_task(struct task *t, int sig, const siginfo_t *info)
{
    struct process *p = t->process;
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    err_t err = t->ended ? 0 : send_locked(p, t, sig, info);

    spin_unlock_irqrestore(&p->signal_lock, flags);
    return err;
}

err_t signal_send_process(struct process *p, int sig, const siginfo_t *info)
{
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    err_t err = send_locked(p, NULL, sig, info);

    spin_unlock_irqrestore(&p->signal_lock, flags);
    return err;
}

err_t signal_send_group_locked(struct pgroup *g, int sig, const siginfo_t *info, bool check)
{
    err_t result = -ESRCH;
    struct process *p = NULL;

    while ((p = group_next(g, p)) != NULL) {
        err_t err = check ? signal_permitted(p, sig) : 0;

        if (!err && sig)
            err = signal_send_process(p, sig, info);
        if (!err || result == -ESRCH)
            result = err;
    }
    return result;
}

err_t signal_send_group(pid_t pgid, int sig, const siginfo_t *info)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);
    struct pgroup *g = pgroup_find(pgid);
    err_t err = g ? signal_send_group_locked(g, sig, info, false) : -ESRCH;

    brlock_write_irqrestore(&tree_lock, flags);
    return err;
}

err_t signal_send_all(int sig, const siginfo_t *info)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);
    err_t result = -ESRCH;

    for (pid_t pid = pid_next(2); pid > 0; pid = pid_next(pid + 1)) {
        struct process *p = process_find(pid);
        err_t err;

        if (!p || p == process_current())
            continue;
        err = signal_permitted(p, sig);
        if (!err && sig)
            err = signal_send_process(p, sig, info);
        if (err != -EPERM)
            result = err;
        else if (result == -ESRCH)
            result = err;
    }
    brlock_write_irqrestore(&tree_lock, flags);
    return result;
}

/* A signal of the task's own doing: a blocked or ignored one would make it fault for ever. */
static void force_info(int sig, const siginfo_t *info)
{
    struct task *t = task_current();
    struct process *p = t->process;
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    struct signal_action *a = &p->sighand->action[sig - 1];

    sighand_lock(p->sighand);
    if ((t->blocked & SIG_BIT(sig)) || a->handler == SIGNAL_IGNORE)
        a->handler = SIGNAL_DEFAULT;
    sighand_unlock(p->sighand);
    t->blocked &= ~SIG_BIT(sig);
    if (a->handler == SIGNAL_DEFAULT)
        p->unkillable = false;
    if (queue_add(t, &t->pending, sig, info))
        t->pending.set |= SIG_BIT(sig);
    atomic_fetch_or(&t->thread.ctx.pending, PENDING_SIGNAL);
    spin_unlock_irqrestore(&p->signal_lock, flags);
}

void signal_force(int sig, int code, vaddr_t addr)
{
    siginfo_t info;

    memset(&info, 0, sizeof info);
    info.si_signo = sig;
    info.si_code = code;
    info.si_addr = (void *)addr;
    force_info(sig, &info);
}

/* ---- who, and for whom --------------------------------------------------------------------- */

void signal_info_user(siginfo_t *info, int sig, int code)
{
    memset(info, 0, sizeof *info);
    info->si_signo = sig;
    info->si_code = code;
    info->si_pid = process_current()->id;
    info->si_uid = cred_current()->uid;
}

void signal_info_child(siginfo_t *info, int sig, struct process *p, int code, int status)
{
    struct task *t = p->leader ? p->leader : list_first_or_null(&p->tasks, struct task, process_link);

    memset(info, 0, sizeof *info);
    info->si_signo = sig;
    info->si_code = code;
    info->si_pid = p->id;
    info->si_uid = t ? t->actor.cred->uid : cred_current()->uid;
    info->si_status = status;
    info->si_utime = (__kernel_clock_t)(p->own.user / (NS_PER_SEC / 100));
    info->si_stime = (__kernel_clock_t)(p->own.system / (NS_PER_SEC / 100));
}

static bool same_user(const struct cred *mine, const struct cred *theirs)
{
    return mine->euid == theirs->suid || mine->euid == theirs->uid || mine->uid == theirs->suid ||
           mine->uid == theirs->uid;
}

err_t signal_permitted(struct process *p, int sig)
{
    const struct cred *mine = cred_current();
    const struct pgroup *group = atomic_load_relaxed(&p->group); /* NULL: it was reaped just now */
    struct task *t = process_any_task(p);

    if (cred_capable(mine, CAP_KILL) || p == process_current())
        return 0;
    if (sig == SIGCONT && group && group->session == process_current()->group->session)
        return 0;
    /* A zombie has no credentials any more; nothing can happen to it either. */
    return !t || same_user(mine, t->actor.cred) ? 0 : -EPERM;
}

void signal_notify_job(struct process *p, int code, int status)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    struct process *parent = p->parent;

    if (parent) {
        unsigned long inner = spin_lock_irqsave(&parent->signal_lock);
        const struct signal_action *a = &parent->sighand->action[SIGCHLD - 1];
        siginfo_t info;
        bool wanted;

        signal_info_child(&info, SIGCHLD, p, code, status);
        sighand_lock(parent->sighand);
        wanted = a->handler != SIGNAL_IGNORE && !(a->flags & SA_NOCLDSTOP);
        sighand_unlock(parent->sighand);
        if (wanted)
            (void)send_locked(parent, NULL, SIGCHLD, &info);
        spin_unlock_irqrestore(&parent->signal_lock, inner);
        waitq_wake_all(&parent->wait_children);
    }
    brlock_read_irqrestore(&tree_lock, flags);
}

/* ---- masks and actions --------------------------------------------------------------------- */

void signal_recheck(struct task *t)
{
    struct process *p = t->process;

    if (((t->pending.set | p->pending.set) & ~t->blocked) || t->killed || t->stop_pending ||
        p->notify_continued)
        atomic_fetch_or(&t->thread.ctx.pending, PENDING_SIGNAL);
}

/* What this task blocks from now on, another one may take. */
static void hand_over(struct process *p, struct task *t, uint64_t newly_blocked)
{
    uint64_t set = p->pending.set & newly_blocked;

    while (set) {
        int sig = __builtin_ctzll(set) + 1;
        struct task *other = choose(p, sig);

        set &= set - 1;
        if (other && other != t)
            signal_wake_task(other, false);
    }
}

void signal_end_locked(struct task *t)
{
    uint64_t newly = ~t->blocked;

    t->ended = true;
    t->blocked = ~0ull;
    if (unlikely(t->process->task_count > 1))
        hand_over(t->process, t, newly);
}

void signal_set_mask(uint64_t mask)
{
    struct task *t = task_current();
    struct process *p = t->process;
    unsigned long flags;
    uint64_t newly;

    mask &= ~SIGNALS_FORCED;
    if (mask == t->blocked)
        return;
    flags = spin_lock_irqsave(&p->signal_lock);
    newly = mask & ~t->blocked;
    t->blocked = mask;
    if (unlikely(p->task_count > 1) && (p->pending.set & newly))
        hand_over(p, t, newly);
    signal_recheck(t);
    spin_unlock_irqrestore(&p->signal_lock, flags);
}

void signal_mask_begin(uint64_t mask)
{
    struct task *t = task_current();

    t->saved_mask = t->blocked;
    t->restore_mask = true;
    signal_set_mask(mask);
}

void signal_mask_end(bool interrupted)
{
    struct task *t = task_current();

    if (!t->restore_mask)
        return;
    if (interrupted) { /* signal_deliver restores, or the handler's frame does */
        atomic_fetch_or(&t->thread.ctx.pending, PENDING_SIGNAL);
        return;
    }
    t->restore_mask = false;
    signal_set_mask(t->saved_mask);
}

err_t signal_action(int sig, const struct signal_action *new, struct signal_action *old)
{
    struct process *p = process_current();
    struct signal_action *a;
    unsigned long flags;

    if (sig < 1 || sig > SIG_COUNT || (new && (SIGNALS_FORCED & SIG_BIT(sig))))
        return -EINVAL;
    a = &p->sighand->action[sig - 1];
    flags = spin_lock_irqsave(&p->signal_lock);
    sighand_lock(p->sighand);
    if (old)
        *old = *a;
    if (new) {
        *a = *new;
        a->mask &= ~SIGNALS_FORCED;
    }
    sighand_unlock(p->sighand);
    if (new && signal_action_ignores(new, sig))
        remove_everywhere(p, SIG_BIT(sig));
    spin_unlock_irqrestore(&p->signal_lock, flags);
    return 0;
}

struct sighand *sighand_create(struct sighand *from)
{
    struct sighand *h = from ? kmalloc(sizeof *h) : kzalloc(sizeof *h);

    if (!h)
        return NULL;
    if (from) { /* the running process': another thread may be changing it */
        unsigned long flags = spin_lock_irqsave(&process_current()->signal_lock);

        sighand_lock(from);
        memcpy(h->action, from->action, sizeof h->action);
        sighand_unlock(from);
        spin_unlock_irqrestore(&process_current()->signal_lock, flags);
    }
    ref_init(&h->refs, 1);
    h->shared = false;
    spin_init(&h->lock, LOCK_SIGHAND);
    return h;
}

void sighand_share(struct sighand *h)
{
    struct process *p = process_current();
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);

    atomic_store(&h->shared, true);
    ref_get(&h->refs);
    spin_unlock_irqrestore(&p->signal_lock, flags);
}

void sighand_put(struct sighand *h)
{
    if (h && ref_put(&h->refs))
        kfree(h);
}

err_t signal_exec_reset(struct task *t)
{
    struct process *p = t->process;
    struct sighand *old = NULL;
    unsigned long flags, inner;

    if (ref_read(&p->sighand->refs) > 1) {
        struct sighand *own = sighand_create(p->sighand);

        if (!own)
            return -ENOMEM;
        flags = brlock_write_irqsave(&tree_lock); /* children and /proc look at it under that one */
        inner = spin_lock_irqsave(&p->signal_lock);
        old = p->sighand;
        p->sighand = own;
        spin_unlock_irqrestore(&p->signal_lock, inner);
        brlock_write_irqrestore(&tree_lock, flags);
        sighand_put(old);
    }
    flags = spin_lock_irqsave(&p->signal_lock);
    for (unsigned i = 0; i < SIG_COUNT; i++) {
        struct signal_action *a = &p->sighand->action[i];

        if (a->handler > SIGNAL_IGNORE || a->flags)
            *a = (struct signal_action){ .handler = a->handler == SIGNAL_IGNORE };
    }
    spin_unlock_irqrestore(&p->signal_lock, flags);
    t->altstack = (stack_t){ .ss_flags = SS_DISABLE };
    t->restore_mask = false;
    return 0;
}

/* ---- questions ----------------------------------------------------------------------------- */

bool signal_pending(void)
{
    return thread_signal_pending();
}

bool signal_fatal_pending(void)
{
    struct task *t = task_current();

    return t->process && t->killed;
}

uint64_t signal_pending_set(struct task *t)
{
    return t->pending.set | t->process->pending.set;
}

bool signal_ignored_by_current(int sig)
{
    struct task *t = task_current();

    return (t->blocked & SIG_BIT(sig)) ||
           t->process->sighand->action[sig - 1].handler == SIGNAL_IGNORE;
}

int signal_take(struct task *t, uint64_t set, siginfo_t *info)
{
    unsigned long flags = spin_lock_irqsave(&t->process->signal_lock);
    int sig = signal_dequeue_locked(t, set & ~SIGNALS_FORCED, info);

    spin_unlock_irqrestore(&t->process->signal_lock, flags);
    return sig;
}

int signal_wait(uint64_t set, siginfo_t *info, ns_t deadline)
{
    struct task *t = task_current();
    struct process *p = t->process;
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    int sig;
    err_t err;

    set &= ~SIGNALS_FORCED;
    sig = signal_dequeue_locked(t, set, info);
    if (sig || deadline == 0) {
        spin_unlock_irqrestore(&p->signal_lock, flags);
        return sig ? sig : -EAGAIN;
    }
    t->wait_set = set;
    atomic_store_relaxed(&t->thread.state, THREAD_SLEEPING_INTR);
    spin_unlock_irqrestore(&p->signal_lock, flags);
    err = wait_sleep(THREAD_SLEEPING_INTR, deadline);
    atomic_store_relaxed(&t->thread.state, THREAD_RUNNABLE);
    flags = spin_lock_irqsave(&p->signal_lock);
    t->wait_set = 0;
    sig = signal_dequeue_locked(t, set, info);
    spin_unlock_irqrestore(&p->signal_lock, flags);
    if (sig)
        return sig;
    return err == -ETIMEDOUT ? -EAGAIN : -EINTR;
}
