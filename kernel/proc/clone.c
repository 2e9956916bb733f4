// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: new tasks and processes: clone(2), clone3, fork, vfork.
 *
 * Model: everything that can fail is made first, unlinked; then the child is linked into the tree
 * under tree_lock (which may still refuse: limits, a kill meanwhile) and started.  New processes come as
 * its readers, so that forks do not wait for each other; who signals many is a writer and misses none.
 *
 *     clone_check -> clone_make -> { clone_space, clone_files, clone_signals } -> clone_link -> start
 */
#include <proc/process.h>

#include <core/panic.h>
#include <fs/vfs.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <proc/internal.h>
#include <proc/job.h>
#include <proc/pid.h>
#include <proc/pidfd.h>
#include <vm/mempolicy.h>
#include <sched/clock.h>

#include <linux/capability.h>
#include <linux/sched.h>

#define CLONE_NAMESPACES                                                                           \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET | CLONE_NEWTIME)

struct clone_job {
    const struct clone_request *r;
    struct task *parent, *child;
    struct process *process; /* the child's */
    bool new_process;
    int pidfd;
    struct file *pidfd_file;
};

static err_t clone_check(const struct clone_request *r)
{
    uint64_t f = r->flags;

    if (f & CLONE_NAMESPACES && !(f & CLONE_NEWUSER) && !task_capable(CAP_SYS_ADMIN))
        return -EPERM;
    if (f & (CLONE_NAMESPACES | CLONE_INTO_CGROUP))
        return -EINVAL;
    if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
        return -EINVAL;
    if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
        return -EINVAL;
    if ((f & CLONE_SIGHAND) && (f & CLONE_CLEAR_SIGHAND))
        return -EINVAL;
    if ((f & CLONE_PIDFD) && (f & (CLONE_THREAD | CLONE_DETACHED)))
        return -EINVAL;
    if ((f & CLONE_PARENT) && process_current()->unkillable)
        return -EINVAL;
    return 0;
}

/* About an eighth of memory may go into kernel stacks, as on Linux. */
static bool too_many_tasks(void)
{
    return task_total() >= MAX(frame_total() / (8 * (KERNEL_STACK_SIZE / PAGE_SIZE)), 20u);
}

/* ---- parts --------------------------------------------------------------------------------- */

static err_t clone_space(struct clone_job *j)
{
    struct process *parent = j->parent->process;

    if (!j->new_process)
        return 0;
    if (j->r->flags & CLONE_VM) {
        space_get(parent->space);
        j->process->space = parent->space;
        return 0;
    }
    return space_fork(parent->space, &j->process->space);
}

static err_t clone_files(struct clone_job *j)
{
    struct actor *from = &j->parent->actor, *to = &j->child->actor;

    if (j->r->flags & CLONE_FILES) {
        fdtable_get(from->files);
        to->files = from->files;
    } else {
        to->files = fdtable_copy(from->files);
        if (!to->files)
            return -ENOMEM;
    }
    if (j->r->flags & CLONE_FS) {
        fs_context_get(from->fs);
        to->fs = from->fs;
    } else {
        to->fs = fs_context_copy(from->fs);
        if (!to->fs)
            return -ENOMEM;
    }
    return 0;
}

static void clear_handlers(struct sighand *h)
{
    for (unsigned i = 0; i < SIG_COUNT; i++)
        h->action[i] = (struct signal_action){ .handler = h->action[i].handler == SIGNAL_IGNORE };
}

static err_t clone_signals(struct clone_job *j)
{
    struct sighand *from = j->parent->process->sighand;
    uint64_t f = j->r->flags;

    if (j->new_process && (f & CLONE_SIGHAND)) {
        sighand_share(from);
        j->process->sighand = from;
    } else if (j->new_process) {
        j->process->sighand = sighand_create(from);
        if (!j->process->sighand)
            return -ENOMEM;
        if (f & CLONE_CLEAR_SIGHAND)
            clear_handlers(j->process->sighand);
    }
    j->child->blocked = j->parent->blocked;
    /* vfork keeps the alternate stack, another task on the same memory must not share it. */
    if ((f & (CLONE_VM | CLONE_VFORK)) != CLONE_VM)
        j->child->altstack = j->parent->altstack;
    return 0;
}

/* What a new process inherits. */
static void clone_process(struct process *to, const struct process *from)
{
    to->limits = from->limits;
    to->dumpable = from->dumpable;
    to->no_new_privs = from->no_new_privs;
    to->oom_score_adj = from->oom_score_adj;
    to->personality = from->personality;
    to->started = clock_monotonic();
}

/* ---- the child's first steps --------------------------------------------------------------- */

static void child_start(void *arg)
{
    struct task *t = arg;

    if (t->set_tid && user_store_u32(USER_PTR(uint32_t, t->set_tid), (uint32_t)t->id))
        t->set_tid = 0; /* Linux ignores it, too */
    hal_enter_user();
}

static void child_regs(struct clone_job *j)
{
    struct hal_context *c = &j->child->thread.ctx;
    struct hal_regs *r = hal_user_regs(c);

    *r = *hal_user_regs(&j->parent->thread.ctx);
    regs_set_return(r, 0);
    if (j->r->stack)
        regs_set_sp(r, j->r->stack);
    c->tls = j->r->flags & CLONE_SETTLS ? j->r->tls : hal_tls_get();
    hal_user_inherit(c);
}

static err_t clone_thread(struct clone_job *j)
{
    struct task *child = j->child;
    struct thread_params params = {
        .name = j->parent->thread.name,
        .level = LEVEL_NORMAL,
        .process = j->process,
        .space = j->process->space,
        .user = true,
        .entry = child_start,
        .arg = child,
        .release = child->thread.release,
    };
    err_t err = thread_init(&child->thread, &params);

    if (err)
        return err;
    mempolicy_inherit(&child->thread);
    child->thread.hal_space = &j->process->space->hal;
    child->thread.actor = &child->actor;
    child_regs(j);
    return 0;
}

static void clone_ids(struct clone_job *j)
{
    uint64_t f = j->r->flags;

    if (f & CLONE_CHILD_SETTID)
        j->child->set_tid = USER_ADDR(j->r->child_tid);
    if (f & CLONE_CHILD_CLEARTID)
        j->child->clear_tid = USER_ADDR(j->r->child_tid);
    j->child->vforking = f & CLONE_VFORK;
    /* A new thread registers its own rseq area; fork keeps the parent's. */
    if (!(f & CLONE_VM)) {
        j->child->rseq = j->parent->rseq;
        j->child->rseq_len = j->parent->rseq_len;
        j->child->rseq_sig = j->parent->rseq_sig;
        j->child->rseq_cpu = j->parent->rseq_cpu;
        j->child->thread.switch_pending = j->parent->thread.switch_pending;
    }
    j->child->timer_slack_ns = j->child->timer_slack_default_ns = j->parent->timer_slack_ns;
}

/* ---- linking ------------------------------------------------------------------------------- */

static pid_t choose_id(const struct clone_request *r)
{
    if (r->set_tid_count == 0)
        return pid_alloc();
    if (!task_capable(CAP_SYS_ADMIN))
        return -EPERM;
    err_t err = pid_alloc_exact(r->set_tid[0]);

    return err ? err : r->set_tid[0];
}

static void link_process(struct clone_job *j)
{
    struct process *p = j->process, *me = j->parent->process;

    p->parent = j->r->flags & CLONE_PARENT ? me->parent : me;
    p->exit_signal = j->r->flags & CLONE_PARENT ? me->exit_signal : j->r->exit_signal;
    p->parent_id = p->parent->id;
    p->id = j->child->id;
    group_join_locked(p, me->group);
    spin_lock(&p->parent->family_lock);
    list_add_tail(&p->parent->children, &p->sibling);
    spin_unlock(&p->parent->family_lock);
}

static uint64_t task_limit(const struct task *t)
{
    if (t->actor.cred->uid == 0 || cred_capable(t->actor.cred, CAP_SYS_RESOURCE) ||
        cred_capable(t->actor.cred, CAP_SYS_ADMIN))
        return UINT64_MAX;
    return process_limit(t->process, RLIMIT_NPROC);
}

/* What the process was told after the look at `me`, and before the new task was among those who are told. */
static void catch_up(struct task *me, struct task *child)
{
    struct process *p = me->process;
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);

    child->killed |= me->killed;
    if (me->stop_pending && !child->stop_pending) {
        child->stop_pending = true;
        p->stopping++;
    }
    atomic_fetch_or(&child->thread.ctx.pending, PENDING_SIGNAL);
    spin_unlock_irqrestore(&p->signal_lock, flags);
}

static bool counts_as_parent(const struct clone_job *j)
{
    return j->parent->user->uid == j->parent->actor.cred->uid;
}

static err_t link_locked(struct clone_job *j)
{
    struct task *me = j->parent;
    struct user_count *user;
    pid_t id;

    /* Signals come first: a child made now would escape one that went to all of its group. */
    if (me->killed || me->stop_pending || signal_pending())
        return -ERESTARTNOINTR;
    if (task_total() >= atomic_load_relaxed(&threads_limit))
        return -EAGAIN;
    user = counts_as_parent(j) ? user_count_more(me->user, task_limit(me))
                               : user_count_add(me->actor.cred->uid, task_limit(me));
    if (IS_ERR(user))
        return PTR_ERR(user);
    id = choose_id(j->r);
    if (id < 0) {
        user_count_sub(user);
        return id;
    }
    j->child->id = id;
    j->child->user = user;
    j->child->actor.cred = me->actor.cred;
    cred_get(me->actor.cred);
    if (j->new_process)
        link_process(j);
    task_link_locked(j->child);
    /* Signals to groups need tree_lock, but exit_group, exec and stops of this process do not. */
    if (!j->new_process && unlikely(me->killed || me->stop_pending))
        catch_up(me, j->child);
    return 0;
}

static err_t clone_link(struct clone_job *j)
{
    unsigned long flags;
    err_t err;

    if (j->new_process && counts_as_parent(j)) {
        flags = brlock_read_irqsave(&tree_lock);
        err = link_locked(j);
        brlock_read_irqrestore(&tree_lock, flags);
        return err;
    }
    flags = brlock_write_irqsave(&tree_lock);
    err = link_locked(j);
    brlock_write_irqrestore(&tree_lock, flags);
    return err;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static err_t clone_make(struct clone_job *j)
{
    j->new_process = !(j->r->flags & CLONE_THREAD);
    j->process = j->new_process ? process_create() : j->parent->process;
    if (!j->process)
        return -ENOMEM;
    j->child = task_create(j->process);
    if (!j->child && j->new_process) {
        process_put(j->process);
        return -ENOMEM;
    }
    if (j->new_process)
        clone_process(j->process, j->parent->process);
    return j->child ? 0 : -ENOMEM;
}

/* Takes apart what clone_make and the parts made. */
static void clone_unmake(struct clone_job *j)
{
    struct actor *a = &j->child->actor;

    task_put_undos(j->child);
    if (a->files)
        fdtable_put(a->files);
    if (a->fs)
        fs_context_put(a->fs);
    if (j->new_process && j->process->space) {
        space_put(j->process->space);
        j->process->space = NULL;
    }
    task_destroy(j->child);
    if (j->new_process)
        process_put(j->process);
}

static err_t clone_undos(struct clone_job *j)
{
    if (!(j->r->flags & CLONE_SYSVSEM) || !sem_undo_ops)
        return 0;
    j->child->undos = sem_undo_ops->share(j->parent);
    return j->child->undos ? 0 : -ENOMEM;
}

static err_t clone_parts(struct clone_job *j)
{
    err_t err = clone_signals(j);

    if (!err)
        err = clone_undos(j);

    if (!err)
        err = clone_files(j);
    if (!err)
        err = clone_space(j);
    if (!err)
        err = clone_thread(j);
    return err;
}

static void wait_for_vfork(struct task *child)
{
    /* Only a kill ends this wait early; the child then goes on by itself. */
    wait_event(&child->vfork_waiters,
               !atomic_load(&child->vforking) || signal_fatal_pending());
}

/* The child is there; what remains cannot be undone. */
static pid_t clone_finish(struct clone_job *j)
{
    struct task *child = j->child;
    pid_t id = child->id;
    uint64_t f = j->r->flags;

    if (f & CLONE_PIDFD) {
        fd_fill(j->pidfd, j->pidfd_file);
        pidfd_bind(j->pidfd_file, j->process);
    }
    if (f & CLONE_VFORK)
        thread_get(&child->thread);
    thread_start(&child->thread);
    if (f & CLONE_VFORK) {
        wait_for_vfork(child);
        thread_put(&child->thread);
    }
    return id;
}

/* Reserves the descriptor and tells its number, before there is a child. */
static err_t clone_pidfd(struct clone_job *j)
{
    err_t err;

    if (!(j->r->flags & CLONE_PIDFD))
        return 0;
    err = pidfd_create(NULL, 0, &j->pidfd_file);
    if (err)
        return err;
    j->pidfd = fd_reserve(0, true);
    if (j->pidfd < 0) {
        file_put(j->pidfd_file);
        return j->pidfd;
    }
    err = user_store_u32((uint32_t __user *)j->r->pidfd, (uint32_t)j->pidfd);
    if (err) {
        fd_unreserve(j->pidfd);
        file_put(j->pidfd_file);
    }
    return err;
}

static void clone_pidfd_undo(struct clone_job *j)
{
    if (!(j->r->flags & CLONE_PIDFD))
        return;
    fd_unreserve(j->pidfd);
    file_put(j->pidfd_file);
}

long task_clone(const struct clone_request *r)
{
    struct clone_job j = { .r = r, .parent = task_current() };
    err_t err = clone_check(r);

    if (err)
        return err;
    if (too_many_tasks())
        return -EAGAIN;
    err = clone_make(&j);
    if (err)
        return err;
    err = clone_parts(&j);
    if (err)
        goto out_unmake;
    clone_ids(&j);
    err = clone_pidfd(&j);
    if (err)
        goto out_thread;
    err = clone_link(&j);
    if (err)
        goto out_pidfd;
    if (r->flags & CLONE_PARENT_SETTID) /* a bad address is ignored, as on Linux */
        if (user_store_u32((uint32_t __user *)r->parent_tid, (uint32_t)j.child->id))
            compiler_barrier();
    return clone_finish(&j);

out_pidfd:
    clone_pidfd_undo(&j);
out_thread:
    thread_discard(&j.child->thread);
out_unmake:
    clone_unmake(&j);
    return err;
}

void *task_slot_swap(struct process *p, void **slot, void *own)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    void *old = *slot;

    spin_lock(&p->signal_lock);
    *slot = own;
    spin_unlock(&p->signal_lock);
    brlock_read_irqrestore(&tree_lock, flags);
    return old;
}

err_t task_unshare(bool fs, bool files)
{
    struct actor *a = &task_current()->actor;

    if (fs && ref_read(&a->fs->refs) > 1) {
        struct fs_context *own = fs_context_copy(a->fs);

        if (!own)
            return -ENOMEM;
        fs_context_put(task_slot_swap(process_current(), (void **)&a->fs, own));
    }
    if (files && fdtable_shared(a->files)) {
        struct fdtable *own = fdtable_copy(a->files);

        if (!own)
            return -ENOMEM;
        fdtable_put(task_slot_swap(process_current(), (void **)&a->files, own));
    }
    return 0;
}
