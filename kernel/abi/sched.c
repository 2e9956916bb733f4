// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: system calls that choose how threads share the processors.
 *
 * Model: Linux's policies map to the scheduler's levels (sched/sched.h); SCHED_DEADLINE does not
 * exist here and is refused as a policy that Linux does not know.
 * Source: sched(7), sched_setattr(2), sched_setaffinity(2), setpriority(2).
 */
#include <abi/syscalls_gen.h>
#include <abi/time_convert.h>
#include <hal/cpu.h>
#include <hal/usercopy.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <proc/futex.h>
#include <proc/process.h>
#include <sched/sched.h>

#include <linux/capability.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/types.h>

/* The task that `pid` names, 0 being the caller, with a reference. Return: 0, -EINVAL, -ESRCH. */
static err_t task_of(pid_t pid, struct task **out)
{
    if (pid < 0)
        return -EINVAL;
    *out = task_current();
    if (pid != 0)
        *out = task_get(pid);
    else
        thread_get(&(*out)->thread);
    return *out ? 0 : -ESRCH;
}

static void task_done(struct task *t)
{
    thread_put(&t->thread);
}

/* Is the running task the owner of `t`, or may it act as if?  0, -EPERM. */
static err_t may_change(struct task *t)
{
    const struct cred *mine = cred_current(), *its;
    bool same;

    if (t->process == process_current() || task_capable(CAP_SYS_NICE))
        return 0;
    its = process_cred_get(t->process);
    if (!its)
        return -ESRCH;
    same = mine->euid == its->euid || mine->euid == its->uid;
    cred_put(its);
    return same ? 0 : -EPERM;
}

/* May `t` be given this nice value?  RLIMIT_NICE counts from 1 (19) to 40 (-20). */
static bool may_nice(struct task *t, int nice)
{
    return nice >= t->thread.nice || task_capable(CAP_SYS_NICE) ||
           (uint64_t)(20 - nice) <= process_limit(t->process, RLIMIT_NICE);
}

/* --- policy ------------------------------------------------------------------------------------ */

struct choice {
    int policy, rt_priority, nice;
    bool reset_on_fork;
};

static bool is_realtime(int policy)
{
    return policy == SCHED_FIFO || policy == SCHED_RR;
}

static err_t choice_check(const struct choice *c)
{
    switch (c->policy) {
    case SCHED_FIFO:
    case SCHED_RR:
        return c->rt_priority >= 1 && c->rt_priority <= 99 ? 0 : -EINVAL;
    case SCHED_NORMAL:
    case SCHED_BATCH:
    case SCHED_IDLE:
        return c->rt_priority == 0 ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

static err_t choice_permitted(struct task *t, const struct choice *c)
{
    err_t err = may_change(t);
    uint64_t limit = process_limit(t->process, RLIMIT_RTPRIO);

    if (err || task_capable(CAP_SYS_NICE))
        return err;
    if (is_realtime(c->policy)) {
        if (c->policy != t->thread.policy && limit == 0)
            return -EPERM;
        if (c->rt_priority > t->thread.rt_priority && (uint64_t)c->rt_priority > limit)
            return -EPERM;
    } else if (!may_nice(t, c->nice)) {
        return -EPERM;
    }
    return t->thread.reset_on_fork && !c->reset_on_fork ? -EPERM : 0;
}

static err_t choice_apply(pid_t pid, const struct choice *c)
{
    struct task *t;
    err_t err = task_of(pid, &t);

    if (err)
        return err;
    err = choice_check(c);
    if (!err)
        err = choice_permitted(t, c);
    if (!err)
        err = sched_set_policy(&t->thread, c->policy, c->rt_priority);
    if (!err && !is_realtime(c->policy))
        err = sched_set_nice(&t->thread, c->nice);
    if (!err)
        t->thread.reset_on_fork = c->reset_on_fork;
    futex_pi_adjust(t);
    task_done(t);
    return err;
}

/* What a task has now. */
static err_t choice_read(pid_t pid, struct choice *c)
{
    struct task *t;
    err_t err = task_of(pid, &t);

    if (err)
        return err;
    *c = (struct choice){ .policy = t->thread.policy,
                          .rt_priority = t->thread.rt_priority,
                          .nice = t->thread.nice,
                          .reset_on_fork = t->thread.reset_on_fork };
    task_done(t);
    return 0;
}

static long set_with_param(pid_t pid, int policy, const struct sched_param __user *param)
{
    struct sched_param p;
    struct choice c;
    err_t err;

    if (!param || pid < 0)
        return -EINVAL;
    if (copy_from_user(&p, param, sizeof p))
        return -EFAULT;
    err = choice_read(pid, &c);
    if (err)
        return err;
    if (policy != -1) {
        c.policy = policy & ~SCHED_RESET_ON_FORK;
        c.reset_on_fork = policy & SCHED_RESET_ON_FORK;
    }
    c.rt_priority = p.sched_priority;
    return choice_apply(pid, &c);
}

long sys_sched_setscheduler(pid_t pid, int policy, const struct sched_param __user *param)
{
    return policy < 0 ? -EINVAL : set_with_param(pid, policy, param);
}

long sys_sched_setparam(pid_t pid, const struct sched_param __user *param)
{
    return set_with_param(pid, -1, param);
}

long sys_sched_getscheduler(pid_t pid)
{
    struct choice c;
    err_t err = choice_read(pid, &c);

    return err ? err : c.policy | (c.reset_on_fork ? SCHED_RESET_ON_FORK : 0);
}

long sys_sched_getparam(pid_t pid, struct sched_param __user *param)
{
    struct sched_param p;
    struct choice c;
    err_t err;

    if (!param)
        return -EINVAL;
    err = choice_read(pid, &c);
    if (err)
        return err;
    p.sched_priority = c.rt_priority;
    return copy_to_user(param, &p, sizeof p);
}

/* A struct that may be older or newer than ours: what we do not know must be zero. */
static err_t attr_read(struct sched_attr __user *user, struct sched_attr *a)
{
    uint8_t rest[64];
    uint32_t size;

    if (copy_from_user(&size, user, sizeof size))
        return -EFAULT;
    if (size == 0)
        size = SCHED_ATTR_SIZE_VER0;
    if (size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
        goto out_size;
    memset(a, 0, sizeof *a);
    if (copy_from_user(a, user, MIN(size, sizeof *a)))
        return -EFAULT;
    for (size_t at = sizeof *a; at < size; at += sizeof rest) {
        size_t n = MIN(size - at, sizeof rest);

        if (copy_from_user(rest, (const uint8_t __user *)user + at, n))
            return -EFAULT;
        for (size_t i = 0; i < n; i++)
            if (rest[i])
                goto out_size;
    }
    return 0;

out_size:
    size = sizeof *a;
    return copy_to_user(user, &size, sizeof size) ? -EFAULT : -E2BIG;
}

long sys_sched_setattr(pid_t pid, struct sched_attr __user *attr, unsigned flags)
{
    struct sched_attr a;
    struct choice c;
    err_t err;

    if (!attr || pid < 0 || flags)
        return -EINVAL;
    err = attr_read(attr, &a);
    if (err)
        return err;
    if ((int)a.sched_policy < 0 || a.sched_flags & ~(uint64_t)SCHED_FLAG_ALL)
        return -EINVAL;
    if (a.sched_flags & SCHED_FLAG_UTIL_CLAMP)
        return -EOPNOTSUPP; /* as a Linux without CONFIG_UCLAMP_TASK */
    err = choice_read(pid, &c);
    if (err)
        return err;
    c.reset_on_fork = a.sched_flags & SCHED_FLAG_RESET_ON_FORK;
    if (!(a.sched_flags & SCHED_FLAG_KEEP_POLICY))
        c.policy = (int)a.sched_policy;
    if (!(a.sched_flags & SCHED_FLAG_KEEP_PARAMS)) {
        c.rt_priority = (int)MIN(a.sched_priority, 100u);
        c.nice = CLAMP(a.sched_nice, -20, 19);
    }
    return choice_apply(pid, &c);
}

long sys_sched_getattr(pid_t pid, struct sched_attr __user *attr, unsigned size, unsigned flags)
{
    struct sched_attr a = { .size = MIN(size, (unsigned)sizeof a) };
    struct choice c;
    err_t err;

    if (!attr || pid < 0 || flags || size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
        return -EINVAL;
    err = choice_read(pid, &c);
    if (err)
        return err;
    a.sched_policy = (uint32_t)c.policy;
    a.sched_flags = c.reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
    if (is_realtime(c.policy))
        a.sched_priority = (uint32_t)c.rt_priority;
    else
        a.sched_nice = c.nice;
    return copy_to_user(attr, &a, a.size);
}

static long priority_bound(int policy, int realtime_bound)
{
    switch (policy) {
    case SCHED_FIFO:
    case SCHED_RR:
        return realtime_bound;
    case SCHED_NORMAL:
    case SCHED_BATCH:
    case SCHED_IDLE:
    case SCHED_DEADLINE:
        return 0;
    default:
        return -EINVAL;
    }
}

long sys_sched_get_priority_max(int policy)
{
    return priority_bound(policy, 99);
}

long sys_sched_get_priority_min(int policy)
{
    return priority_bound(policy, 1);
}

long sys_sched_rr_get_interval(pid_t pid, struct __kernel_timespec __user *ts)
{
    struct task *t;
    err_t err = task_of(pid, &t);
    ns_t slice;

    if (err)
        return err;
    slice = t->thread.policy == SCHED_FIFO ? 0 : sched_slice(&t->thread);
    task_done(t);
    return timespec_write(ts, (int64_t)slice);
}

long sys_sched_yield(void)
{
    sched_yield();
    return 0;
}

/* --- affinity ---------------------------------------------------------------------------------- */

long sys_sched_setaffinity(pid_t pid, unsigned len, const unsigned long __user *mask)
{
    uint64_t wanted[CPU_MAX / 64] = { 0 };
    struct task *t;
    err_t err;

    if (copy_from_user(wanted, mask, MIN(len, sizeof wanted)))
        return -EFAULT;
    err = task_of(pid, &t);
    if (err)
        return err == -EINVAL ? -ESRCH : err;
    err = may_change(t);
    if (!err)
        err = sched_set_affinity(&t->thread, wanted);
    task_done(t);
    return err;
}

long sys_sched_getaffinity(pid_t pid, unsigned len, unsigned long __user *mask)
{
    uint64_t allowed[CPU_MAX / 64] = { 0 };
    size_t bytes = BITMAP_WORDS(cpu_count) * sizeof allowed[0];
    struct task *t;
    err_t err;

    if (len * 8ull < cpu_count || len % sizeof(unsigned long) != 0)
        return -EINVAL;
    err = task_of(pid, &t);
    if (err)
        return err == -EINVAL ? -ESRCH : err;
    for (unsigned i = 0; i < cpu_count; i++)
        if (bitmap_test(t->thread.affinity, i))
            bitmap_set(allowed, i);
    task_done(t);
    bytes = MIN(bytes, len);
    return copy_to_user(mask, allowed, bytes) ? -EFAULT : (long)bytes;
}

/* --- nice values ------------------------------------------------------------------------------- */

/* The tasks that getpriority and setpriority mean, one after the other. */
struct selection {
    int which;
    pid_t id; /* PRIO_PROCESS, PRIO_PGRP */
    uid_t uid; /* PRIO_USER */
    bool (*fn)(struct task *t, struct selection *s);
    int nice; /* lowest found; to be set */
    err_t error;
    bool found;
};

static bool selection_has(const struct selection *s, struct task *t)
{
    const struct cred *c;
    bool has;

    if (s->which == PRIO_PROCESS)
        return t->id == s->id;
    if (s->which == PRIO_PGRP) {
        unsigned long flags = brlock_read_irqsave(&tree_lock);
        const struct pgroup *group;

        group = atomic_load_relaxed(&t->process->group);
        has = group && group->id == s->id;
        brlock_read_irqrestore(&tree_lock, flags);
        return has;
    }
    c = process_cred_get(t->process);
    has = c && c->uid == s->uid;
    if (c)
        cred_put(c);
    return has;
}

static bool selection_step(struct thread *th, void *arg)
{
    struct selection *s = arg;
    struct task *t = (struct task *)th;

    if (!th->process || !selection_has(s, t))
        return true;
    s->found = true;
    return s->fn(t, s);
}

static err_t selection_init(struct selection *s, int which, int who)
{
    if (which < PRIO_PROCESS || which > PRIO_USER)
        return -EINVAL;
    s->which = which;
    s->id = who;
    s->uid = who ? (uid_t)who : cred_current()->uid;
    if (who == 0 && which == PRIO_PROCESS)
        s->id = task_current()->id;
    if (who == 0 && which == PRIO_PGRP) {
        unsigned long flags = brlock_read_irqsave(&tree_lock);

        s->id = process_current()->group->id;
        brlock_read_irqrestore(&tree_lock, flags);
    }
    return 0;
}

static bool nice_min(struct task *t, struct selection *s)
{
    s->nice = MIN(s->nice, t->thread.nice);
    return true;
}

/* Never 0 or negative, so that errors can be told: 20 - nice. */
long sys_getpriority(int which, int who)
{
    struct selection s = { .fn = nice_min, .nice = 19 };
    err_t err = selection_init(&s, which, who);

    if (err)
        return err;
    thread_for_each(selection_step, &s);
    return s.found ? 20 - s.nice : -ESRCH;
}

static bool nice_set(struct task *t, struct selection *s)
{
    err_t err = may_change(t);

    if (!err && !may_nice(t, s->nice))
        err = -EACCES;
    if (!err)
        err = sched_set_nice(&t->thread, s->nice);
    futex_pi_adjust(t);
    if (err)
        s->error = err;
    return true;
}

long sys_setpriority(int which, int who, int nice)
{
    struct selection s = { .fn = nice_set, .nice = CLAMP(nice, -20, 19) };
    err_t err = selection_init(&s, which, who);

    if (err)
        return err;
    thread_for_each(selection_step, &s);
    return s.found ? s.error : -ESRCH;
}
