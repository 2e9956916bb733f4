// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: making and freeing processes and tasks; their limits, credentials and usage.
 */
#include <proc/process.h>

#include <core/panic.h>
#include <core/smp.h>
#include <lib/hash.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <proc/internal.h>
#include <proc/job.h>
#include <proc/pid.h>
#include <vm/mempolicy.h>

#include <linux/capability.h>

static unsigned processes, tasks; /* atomic */
unsigned threads_limit = PID_MAX;

unsigned process_count(void)
{
    return atomic_load_relaxed(&processes);
}

unsigned task_total(void)
{
    return atomic_load_relaxed(&tasks);
}

/* ---- making -------------------------------------------------------------------------------- */

struct process *process_create(void)
{
    struct process *p = kzalloc(sizeof *p);

    if (!p)
        return NULL;
    ref_init(&p->refs, 1);
    spin_init(&p->signal_lock, LOCK_SIGNAL);
    spin_init(&p->family_lock, LOCK_FAMILY);
    list_init(&p->tasks);
    list_init(&p->children);
    list_init(&p->sibling);
    list_init(&p->group_link);
    list_init(&p->posix_timers);
    list_init(&p->cpu_alarms);
    signal_queue_init(&p->pending);
    waitq_init(&p->wait_children);
    waitq_init(&p->pidfd_waiters);
    timer_init(&p->real_timer, itimer_real_fire);
    mutex_init(&p->itimer_mutex);
    p->exit_signal = SIGCHLD;
    p->dumpable = true;
    return p;
}

void process_put(struct process *p)
{
    if (!ref_put(&p->refs))
        return;
    K_ASSERT(p->task_count == 0 && !p->space);
    signal_queue_flush(&p->pending);
    if (p->watch)
        signal_watch_put(p->watch);
    sighand_put(p->sighand);
    kfree(p);
}

/* After the last reference, perhaps in the middle of a switch: only frees. */
static void task_release(struct thread *thread)
{
    struct task *t = container_of(thread, struct task, thread);

    cred_put(t->actor.cred);
    mempolicy_release(thread);
    process_put(t->process);
    kfree(t);
}

struct task *task_create(struct process *p)
{
    struct task *t = kzalloc(sizeof *t);

    if (!t)
        return NULL;
    t->process = p;
    process_ref(p);
    t->thread.release = task_release;
    list_init(&t->pi_held);
    list_init(&t->process_link);
    signal_queue_init(&t->pending);
    waitq_init(&t->vfork_waiters);
    t->altstack.ss_flags = SS_DISABLE;
    t->timer_slack_ns = t->timer_slack_default_ns = 50000;
    t->actor.limit_fsize = (const uint64_t *)&p->limits.r[RLIMIT_FSIZE].rlim_cur;
    t->actor.limit_nofile = (const uint64_t *)&p->limits.r[RLIMIT_NOFILE].rlim_cur;
    return t;
}

void task_destroy(struct task *t)
{
    if (t->actor.cred)
        cred_put(t->actor.cred);
    mempolicy_release(&t->thread);
    process_put(t->process);
    kfree(t);
}

void task_link_locked(struct task *t)
{
    struct process *p = t->process;
    struct pid_slot *slot = pid_slot(t->id);
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);

    pid_hold(t->id);
    atomic_store(&slot->task, t);
    list_add_tail(&p->tasks, &t->process_link);
    if (p->task_count++ == 0) {
        p->leader = t;
        p->id = t->id;
        pid_hold(p->id);
        atomic_store(&slot->process, p);
        atomic_fetch_add(&processes, 1u);
    }
    p->live++;
    atomic_fetch_add(&tasks, 1u);
    spin_unlock_irqrestore(&p->signal_lock, flags);
}

bool process_reap_locked(struct process *p, bool writer)
{
    unsigned long flags;

    K_ASSERT(p->task_count == 0 && p->state != PROCESS_DEAD);
    if (writer)
        group_leave_locked(p);
    else if (!group_leave_shared(p))
        return false;
    p->state = PROCESS_DEAD;
    /* From now on they no longer count against the user: the last reference may go later. */
    flags = spin_lock_irqsave(&p->signal_lock);
    signal_queue_flush(&p->pending);
    spin_unlock_irqrestore(&p->signal_lock, flags);
    list_del(&p->sibling);
    p->parent = NULL;
    pid_release(p->id, p);
    atomic_fetch_sub(&processes, 1u);
    return true;
}

/* ---- what look-ups may still see ----------------------------------------------------------- */

#define BURY_FROM 8 /* fewer are not worth the look at all CPUs */
#define BURY_MAX 64
#define TRIM_EVERY 1024 /* numbers given out */
#define TRIM_MANY 128

/* The tree's references to what has left it as a reader, of its CPU; interrupts off. */
static struct graves {
    struct list tasks, processes; /* process_link, sibling; zeroed: none was ever added */
    unsigned count;
} __attribute__((aligned(BRLOCK_LINE))) graves[CPU_MAX];

static void graves_put(struct list *dead_tasks, struct list *dead_processes)
{
    struct task *t, *next_task;
    struct process *p, *next;

    list_for_each_safe(t, next_task, dead_tasks, process_link) {
        list_del(&t->process_link);
        thread_put(&t->thread);
    }
    list_for_each_safe(p, next, dead_processes, sibling) {
        list_del(&p->sibling);
        process_put(p);
    }
}

/* Return: has every look-up ended that may see what is in the graves?  Waits for it when they are full. */
static bool graves_unseen(const struct graves *g)
{
    if (g->count < BURY_FROM)
        return false;
    if (brlock_unread(&tree_lock))
        return true;
    if (g->count < BURY_MAX)
        return false;
    brlock_write(&tree_lock);
    brlock_write_done(&tree_lock);
    return true;
}

static void bury(struct task *t, struct process *p)
{
    struct list dead_tasks = LIST_INIT(dead_tasks), dead_processes = LIST_INIT(dead_processes);
    unsigned long flags = hal_irq_save();
    struct graves *g = &graves[cpu_current()->id];

    if (!g->tasks.next) {
        list_init(&g->tasks);
        list_init(&g->processes);
    }
    if (t)
        list_add_tail(&g->tasks, &t->process_link);
    else
        list_add_tail(&g->processes, &p->sibling);
    g->count++;
    if (graves_unseen(g)) {
        list_splice_tail(&dead_tasks, &g->tasks);
        list_splice_tail(&dead_processes, &g->processes);
        g->count = 0;
    }
    hal_irq_restore(flags);
    graves_put(&dead_tasks, &dead_processes);
}

void task_bury(struct task *t)
{
    if (cpu_count == 1)
        return; /* who looks something up is not preempted */
    thread_get(&t->thread);
    bury(t, NULL);
}

/* Tables of numbers are freed now and then, and when most of many tasks have gone. */
static void tables_trim(void)
{
    static pid_t trimmed; /* atomic, as the next; pid_last() when it was done */
    static unsigned few; /* tasks; fewer are worth another look */
    pid_t last = pid_last(), before = atomic_load_relaxed(&trimmed);
    unsigned long flags;

    if (last >= before && last < before + TRIM_EVERY && task_total() >= atomic_load_relaxed(&few))
        return;
    atomic_store_relaxed(&trimmed, last);
    atomic_store_relaxed(&few, task_total() > TRIM_MANY ? task_total() / 2 : 0u);
    flags = brlock_write_irqsave(&tree_lock);
    pid_trim_locked();
    brlock_write_irqrestore(&tree_lock, flags);
}

void process_bury(struct process *p)
{
    tables_trim();
    if (cpu_count == 1)
        process_put(p);
    else
        bury(NULL, p);
}

void tasks_minus_one_locked(void)
{
    atomic_fetch_sub(&tasks, 1u);
}

/* ---- what each user has -------------------------------------------------------------------- */

#define USER_BUCKETS 32
static struct user_count *users[USER_BUCKETS]; /* tree_lock */

static bool user_idle(struct user_count *u)
{
    return u->tasks == 0 && atomic_load(&u->signals) == 0;
}

/* The place of `uid` in its chain; frees those on the way whose last signal was taken. */
static struct user_count **user_find(uid_t uid)
{
    struct user_count **u = &users[hash_u64(uid) >> 59];

    while (*u && (*u)->uid != uid) {
        struct user_count *idle = *u;

        if (!user_idle(idle)) {
            u = &idle->next;
            continue;
        }
        *u = idle->next;
        kfree(idle);
    }
    return u;
}

struct user_count *user_count_add(uid_t uid, uint64_t limit)
{
    struct user_count **u = user_find(uid);

    if ((*u ? (*u)->tasks : 0) >= limit)
        return ERR_PTR(-EAGAIN);
    if (!*u) {
        *u = kzalloc(sizeof **u);
        if (!*u)
            return ERR_PTR(-ENOMEM);
        (*u)->uid = uid;
    }
    (*u)->tasks++;
    return *u;
}

struct user_count *user_count_more(struct user_count *user, uint64_t limit)
{
    uint64_t n = atomic_load_relaxed(&user->tasks);

    do {
        if (n >= limit)
            return ERR_PTR(-EAGAIN);
    } while (!atomic_cas(&user->tasks, &n, n + 1));
    return user;
}

void user_count_less(struct user_count *user)
{
    uint64_t before = atomic_fetch_sub(&user->tasks, 1u);

    K_ASSERT(before > 0);
}

void user_count_sub(struct user_count *user)
{
    struct user_count **u;

    K_ASSERT(user->tasks > 0);
    user->tasks--;
    if (!user_idle(user))
        return;
    u = user_find(user->uid);
    *u = user->next;
    kfree(user);
}

/* ---- giving memory back ---------------------------------------------------------------------- */

/* The dead of one CPU, for another one's burial. */
struct dead {
    struct list tasks, processes;
    unsigned count;
};

/* On the graves' CPU, interrupts off, perhaps where bury() waits for readers: its graves are empty then. */
static void graves_hand_over(void *arg)
{
    struct graves *g = &graves[cpu_current()->id];
    struct dead *dead = arg;

    if (g->count == 0)
        return;
    list_splice_tail(&dead->tasks, &g->tasks);
    list_splice_tail(&dead->processes, &g->processes);
    dead->count += g->count;
    g->count = 0;
}

static void graves_take(unsigned cpu, struct dead *dead)
{
    unsigned long flags = hal_irq_save();
    struct cpu_set set = { 0 };

    bitmap_set(set.bits, cpu);
    if (cpu == cpu_current()->id)
        graves_hand_over(dead);
    else
        smp_call(&set, graves_hand_over, dead);
    hal_irq_restore(flags);
}

/* Buries all that have died by now.  Context: a thread without a spinlock.  Return: how many. */
static size_t graves_empty(void)
{
    struct dead dead = { LIST_INIT(dead.tasks), LIST_INIT(dead.processes), 0 };

    for (unsigned cpu = 0; cpu < cpu_count; cpu++)
        if (atomic_load_relaxed(&graves[cpu].count) != 0)
            graves_take(cpu, &dead);
    if (dead.count != 0) {
        unsigned long flags = brlock_write_irqsave(&tree_lock);

        brlock_write_irqrestore(&tree_lock, flags);
    }
    graves_put(&dead.tasks, &dead.processes);
    return dead.count;
}

/* Those whose last signal was taken after their last task had gone. */
static void users_trim_locked(void)
{
    for (unsigned i = 0; i < USER_BUCKETS; i++)
        for (struct user_count **u = &users[i]; *u;) {
            struct user_count *idle = *u;

            if (!user_idle(idle)) {
                u = &idle->next;
                continue;
            }
            *u = idle->next;
            kfree(idle);
        }
}

#define DEAD_BYTES (sizeof(struct task) + sizeof(struct process))

static size_t graves_shrink(size_t frames __maybe_unused)
{
    if (hal_current()->preempt_count != 0 || !hal_irqs_enabled())
        return 0; /* the caller may be a reader of the tree */
    return PAGES(graves_empty() * DEAD_BYTES / 2);
}

static void graves_trim(unsigned what)
{
    unsigned long flags;

    if (!(what & TRIM_OBJECTS))
        return;
    (void)graves_empty();
    flags = brlock_write_irqsave(&tree_lock);
    pid_trim_locked();
    users_trim_locked();
    brlock_write_irqrestore(&tree_lock, flags);
}

void graves_init(void)
{
    static struct shrinker shrinker = { .name = "the dead", .shrink = graves_shrink,
                                        .trim = graves_trim };

    frame_shrinker_add(&shrinker);
}

/* ---- limits -------------------------------------------------------------------------------- */

uint64_t process_limit(const struct process *p, unsigned resource)
{
    return atomic_load_relaxed(&p->limits.r[resource].rlim_cur);
}

/* The address space keeps copies of its own limits, where faults and mmap see them. */
static void space_take_limits(struct process *p)
{
    struct space *s = p->space;

    if (!s)
        return;
    atomic_store_relaxed(&s->limit_as, process_limit(p, RLIMIT_AS));
    atomic_store_relaxed(&s->limit_data, process_limit(p, RLIMIT_DATA));
    atomic_store_relaxed(&s->limit_stack, process_limit(p, RLIMIT_STACK));
    atomic_store_relaxed(&s->limit_memlock, process_limit(p, RLIMIT_MEMLOCK));
}

void process_limits_to_space(struct process *p)
{
    space_take_limits(p);
}

static err_t limit_allowed(const struct rlimit64 *new, const struct rlimit64 *now,
                           unsigned resource)
{
    if (new->rlim_cur > new->rlim_max)
        return -EINVAL;
    if (resource == RLIMIT_NOFILE && new->rlim_max > NOFILE_MAX)
        return -EPERM;
    if (new->rlim_max > now->rlim_max && !task_capable(CAP_SYS_RESOURCE))
        return -EPERM;
    return 0;
}

err_t process_set_limit(struct process *p, unsigned resource, const struct rlimit64 *new,
                        struct rlimit64 *old)
{
    struct rlimit64 *r;
    unsigned long tree, flags;
    err_t err = 0;

    if (resource >= RLIM_NLIMITS)
        return -EINVAL;
    r = &p->limits.r[resource];
    tree = brlock_read_irqsave(&tree_lock); /* keeps p->space */
    flags = spin_lock_irqsave(&p->signal_lock);
    if (old)
        *old = *r;
    if (new)
        err = limit_allowed(new, r, resource);
    if (new && !err) {
        atomic_store_relaxed(&r->rlim_cur, new->rlim_cur);
        r->rlim_max = new->rlim_max;
        space_take_limits(p);
    }
    spin_unlock_irqrestore(&p->signal_lock, flags);
    brlock_read_irqrestore(&tree_lock, tree);
    return err;
}

/* ---- credentials and access ---------------------------------------------------------------- */

bool task_capable(unsigned cap)
{
    return cred_capable(cred_current(), cap);
}

/* Without memory for another counter the task goes on counting against the old user. */
static void change_user_locked(struct task *t, uid_t uid)
{
    struct user_count *old = t->user, *new = user_count_add(uid, UINT64_MAX);
    unsigned long flags;

    if (IS_ERR(new))
        return;
    flags = spin_lock_irqsave(&t->process->signal_lock);
    t->user = new;
    spin_unlock_irqrestore(&t->process->signal_lock, flags);
    user_count_sub(old);
}

void task_set_cred(struct task *t, const struct cred *c)
{
    const struct cred *old = t->actor.cred;
    unsigned long flags = brlock_write_irqsave(&tree_lock);

    if (t->user->uid != c->uid)
        change_user_locked(t, c->uid);
    t->actor.cred = c;
    brlock_write_irqrestore(&tree_lock, flags);
    cred_put(old);
}

const struct cred *process_cred_get(struct process *p)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    struct task *t = process_any_task(p);
    const struct cred *c = t ? t->actor.cred : NULL;

    if (c)
        cred_get(c);
    brlock_read_irqrestore(&tree_lock, flags);
    return c;
}

struct space *process_space_get(struct process *p)
{
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    struct space *s = p->space;

    if (s)
        space_get(s);
    spin_unlock_irqrestore(&p->signal_lock, flags);
    return s;
}

err_t process_may_inspect(struct process *p)
{
    const struct cred *mine = cred_current(), *theirs;
    bool same;

    if (p == process_current() || cred_capable(mine, CAP_SYS_PTRACE))
        return 0;
    theirs = process_cred_get(p);
    if (!theirs)
        return 0;
    same = mine->fsuid == theirs->uid && mine->fsuid == theirs->euid &&
           mine->fsuid == theirs->suid && mine->fsgid == theirs->gid &&
           mine->fsgid == theirs->egid && mine->fsgid == theirs->sgid;
    cred_put(theirs);
    return same && p->dumpable ? 0 : -EPERM;
}

/* ---- usage --------------------------------------------------------------------------------- */

void rusage_add(struct rusage_sum *to, const struct rusage_sum *from)
{
    to->user += from->user;
    to->system += from->system;
    to->minor_faults += from->minor_faults;
    to->major_faults += from->major_faults;
    to->voluntary += from->voluntary;
    to->forced += from->forced;
    to->in_blocks += from->in_blocks;
    to->out_blocks += from->out_blocks;
    to->rss_max = MAX(to->rss_max, from->rss_max);
}

void task_usage(struct task *t, struct rusage_sum *out)
{
    memset(out, 0, sizeof *out);
    thread_times(&t->thread, &out->user, &out->system);
    out->minor_faults = t->thread.minor_faults;
    out->major_faults = t->thread.major_faults;
    out->voluntary = t->thread.voluntary_switches;
    out->forced = t->thread.forced_switches;
}

static uint64_t space_rss(const struct space *s)
{
    return s->resident_anon + s->resident_file + s->resident_shared;
}

void process_children_usage(struct process *p, struct rusage_sum *out)
{
    unsigned long flags = spin_lock_irqsave(&p->family_lock);

    *out = p->children_sum;
    spin_unlock_irqrestore(&p->family_lock, flags);
}

void process_usage(struct process *p, struct rusage_sum *out)
{
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    struct task *t;

    *out = p->own;
    list_for_each(t, &p->tasks, process_link) {
        struct rusage_sum one;

        task_usage(t, &one);
        rusage_add(out, &one);
    }
    if (p->space)
        out->rss_max = MAX(out->rss_max, MAX(p->space->resident_max, space_rss(p->space)));
    spin_unlock_irqrestore(&p->signal_lock, flags);
}
