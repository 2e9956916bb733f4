// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the end of tasks and processes.
 *
 * Model: a task gives up what it shares (space, files, directories), then takes itself out of the
 * tree.  The last one turns its process into a zombie: children go to a reaper, the group's orphans
 * are told, the parent is told or (when it ignores SIGCHLD) the process is gone at once.
 *
 *     task_exit -> task_leave_user -> exit_files -> exit_process -> exit_tree -> thread_exit
 */
#define LOG_TAG "proc"
#include <proc/process.h>

#include <core/log.h>
#include <core/panic.h>
#include <fs/tty.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <proc/futex.h>
#include <proc/internal.h>
#include <proc/job.h>
#include <proc/pid.h>

#include <linux/wait.h>

void (*process_timers_hook)(struct process *p);
const struct sem_undo_ops *sem_undo_ops;

void task_put_undos(struct task *t)
{
    struct sem_undos *u = t->undos;

    if (!u)
        return;
    t->undos = NULL;
    sem_undo_ops->put(u);
}

void task_vfork_done(struct task *t)
{
    if (!atomic_load_relaxed(&t->vforking))
        return;
    atomic_store(&t->vforking, false);
    waitq_wake_all(&t->vfork_waiters);
}

void process_stop_timers(struct process *p)
{
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);

    p->real_interval = 0;
    p->virtual_left = p->prof_left = 0;
    spin_unlock_irqrestore(&p->signal_lock, flags);
    timer_cancel(&p->real_timer);
    if (process_timers_hook)
        process_timers_hook(p);
}

/* No signal is for this task any more; those for the process go to others. */
static void exit_signals(struct task *t)
{
    struct process *p = t->process;
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    bool stopped;

    signal_end_locked(t);
    stopped = signal_stop_leave(t);
    spin_unlock_irqrestore(&p->signal_lock, flags);
    if (stopped)
        signal_notify_job(p, CLD_STOPPED, p->stop_signal);
}

void task_leave_user(struct task *t)
{
    if (!t->thread.space)
        return;
    if (t->robust_list)
        futex_task_exit(t);
    futex_pi_leave(t, false);
    if (t->clear_tid && user_store_u32(USER_PTR(uint32_t, t->clear_tid), 0) == 0)
        futex_wake_addr(t->clear_tid, true, 1, ~0u);
    t->clear_tid = t->robust_list = t->rseq = 0;
    t->rseq_len = 0;
    t->thread.switch_pending = 0;
}

static void exit_files(struct task *t)
{
    struct fdtable *files = task_slot_swap(t->process, (void **)&t->actor.files, NULL);
    struct fs_context *fs;

    if (files)
        fdtable_put(files);
    fs = task_slot_swap(t->process, (void **)&t->actor.fs, NULL);
    if (fs)
        fs_context_put(fs);
}

/* ---- children ------------------------------------------------------------------------------ */

static struct process *find_reaper_locked(struct process *p)
{
    for (struct process *a = p->parent; a; a = a->parent)
        if (a->subreaper && a->state == PROCESS_ALIVE && !a->exiting)
            return a;
    return process_find(1);
}

static void send_death_signals_locked(struct process *child)
{
    struct task *t;

    list_for_each(t, &child->tasks, process_link)
        if (t->parent_death_signal)
            (void)signal_send_task(t, t->parent_death_signal, NULL);
}

/* Return: whether a zombie came to the reaper. */
static bool reparent_locked(struct process *p)
{
    struct process *reaper, *c, *next;
    bool zombies = false;

    if (list_empty(&p->children))
        return false;
    reaper = find_reaper_locked(p);
    list_for_each_safe(c, next, &p->children, sibling) {
        list_del(&c->sibling);
        c->parent = reaper;
        atomic_store_relaxed(&c->parent_id, reaper->id);
        c->exit_signal = SIGCHLD;
        if (c->state == PROCESS_ZOMBIE) {
            zombies = true;
            list_add_head(&reaper->children, &c->sibling);
            continue;
        }
        list_add_tail(&reaper->children, &c->sibling);
        send_death_signals_locked(c);
        group_check_orphaned_locked(c, p, false);
    }
    if (zombies) {
        (void)signal_send_process(reaper, SIGCHLD, NULL);
        waitq_wake_all(&reaper->wait_children);
    }
    return zombies;
}

/* ---- the process --------------------------------------------------------------------------- */

static int status_code(int status)
{
    if ((status & 0x7f) == 0)
        return CLD_EXITED;
    return status & 0x80 ? CLD_DUMPED : CLD_KILLED;
}

static bool parent_ignores_locked(struct process *parent, int sig)
{
    const struct signal_action *a = &parent->sighand->action[SIGCHLD - 1];
    bool ignores;

    if (sig != SIGCHLD)
        return false;
    sighand_lock(parent->sighand);
    ignores = a->handler == SIGNAL_IGNORE || (a->flags & SA_NOCLDWAIT);
    sighand_unlock(parent->sighand);
    return ignores;
}

/* Does nobody wait for it? */
static bool unwanted_locked(struct process *p)
{
    return !p->parent || parent_ignores_locked(p->parent, p->exit_signal);
}

/* The parent's family_lock is held: who waits finds the zombie and the signal. */
static void notify_parent_locked(struct process *p)
{
    struct process *parent = p->parent;
    int status = p->exit_status, sig = p->exit_signal;
    siginfo_t info;

    if (sig > 0 && sig <= SIG_COUNT) {
        signal_info_child(&info, sig, p, status_code(status),
                          (status & 0x7f) ? status & 0x7f : status >> 8);
        (void)signal_send_process(parent, sig, &info);
    }
    waitq_wake_all(&parent->wait_children);
}

/* Its task is out of the tree: whoever sees the zombie may reap it. */
static void zombie_locked(struct process *p)
{
    struct process *parent = p->parent;

    if (!parent) {
        p->state = PROCESS_ZOMBIE;
        return;
    }
    spin_lock(&parent->family_lock);
    p->state = PROCESS_ZOMBIE;
    list_del(&p->sibling);
    list_add_head(&parent->children, &p->sibling);
    notify_parent_locked(p);
    spin_unlock(&parent->family_lock);
}

/* Takes the task out, and adds it to its process' account.  A task other than the last leaves; who waits in
 * execve for the others looks again. */
static void unlink_locked(struct task *t, int status)
{
    struct process *p = t->process;
    struct rusage_sum usage;

    task_usage(t, &usage);
    spin_lock(&p->signal_lock);
    rusage_add(&p->own, &usage);
    if (p->task_count == 1 && !p->exiting)
        p->exit_status = status;
    list_del(&t->process_link);
    p->task_count--;
    if (p->leader == t)
        atomic_store(&p->leader, NULL);
    signal_queue_flush(&t->pending);
    spin_unlock(&p->signal_lock);
    pid_release(t->id, t);
    tasks_minus_one_locked();
}

/* A reader of tree_lock may do it: nobody but the parent has to be told, who will wait. */
static bool exit_simple(struct process *p)
{
    return p->task_count == 1 && list_empty(&p->children) && !unwanted_locked(p) && !group_is_guarded(p);
}

static void exit_last(struct task *t, int status, bool writer)
{
    struct process *p = t->process;

    memcpy(p->name, t->thread.name, sizeof p->name);
    p->uid = t->actor.cred->uid;
    unlink_locked(t, status);
    if (writer)
        user_count_sub(t->user);
    else
        user_count_less(t->user);
    zombie_locked(p);
    waitq_wake_all(&p->pidfd_waiters);
}

/* As a writer of tree_lock. Return: is the process gone, too? */
static bool exit_any(struct task *t, int status)
{
    struct process *p = t->process;
    bool last = p->task_count == 1, reaped = false;

    if (last) {
        reparent_locked(p);
        group_check_orphaned_locked(p, p->parent, true);
        reaped = unwanted_locked(p);
        exit_last(t, status, true);
        reaped = reaped && process_reap_locked(p, true);
    } else {
        unlink_locked(t, status);
        user_count_sub(t->user);
        if (p->exec_task)
            waitq_wake_all(&p->wait_children);
    }
    return reaped;
}

/* Adds the task to its process' account and takes it out of the tree. */
static void exit_tree(struct task *t, int status)
{
    struct process *p = t->process;
    bool simple = false, reaped = false;
    unsigned long flags;

    if (atomic_load_relaxed(&p->task_count) == 1) {
        flags = brlock_read_irqsave(&tree_lock);
        simple = exit_simple(p);
        if (simple)
            exit_last(t, status, false);
        brlock_read_irqrestore(&tree_lock, flags);
    }
    if (!simple) {
        flags = brlock_write_irqsave(&tree_lock);
        reaped = exit_any(t, status);
        brlock_write_irqrestore(&tree_lock, flags);
    }
    if (reaped)
        process_bury(p); /* the task holds another reference */
    task_bury(t);
}

/* One user less of the process' resources. Return: was it the last? */
static bool exit_live(struct process *p)
{
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);
    bool last = --p->live == 0;

    spin_unlock_irqrestore(&p->signal_lock, flags);
    return last;
}

static void exit_space(struct process *p)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    struct space *s = p->space;

    spin_lock(&p->signal_lock);
    p->space = NULL;
    if (s) {
        p->own.rss_max = MAX(p->own.rss_max, s->resident_max);
        oom_space_goes();
    }
    spin_unlock(&p->signal_lock);
    brlock_read_irqrestore(&tree_lock, flags);
    if (!s)
        return;
    space_put(s);
    oom_space_gone();
}

/* A session's leader gives the terminal up. */
static void exit_terminal(struct process *p)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    bool leads = p->group->session->id == p->id;
    struct tty *tty = NULL;

    brlock_read_irqrestore(&tree_lock, flags);
    if (leads) {
        flags = brlock_write_irqsave(&tree_lock);
        tty = session_take_tty_locked(p);
        brlock_write_irqrestore(&tree_lock, flags);
    }
    if (!tty)
        return;
    tty_session_gone(tty, p->id);
    tty_put(tty);
}

/* What all tasks of the process used together. */
static void exit_process(struct process *p)
{
    process_stop_timers(p);
    exit_space(p);
    exit_terminal(p);
}

void task_exit(int status)
{
    struct task *t = task_current();
    struct process *p = t->process;

    if (p->id == 1 && p->task_count == 1)
        panic("Attempted to kill init! exitcode=0x%08x", p->exiting ? p->exit_status : status);
    task_leave_user(t);
    futex_pi_leave(t, true);
    exit_signals(t);
    space_activate(NULL);
    task_vfork_done(t);
    task_put_undos(t);
    exit_files(t);
    if (exit_live(p))
        exit_process(p);
    exit_tree(t, status);
    thread_exit();
}

void process_exit_group(int status)
{
    struct process *p = process_current();
    unsigned long flags = spin_lock_irqsave(&p->signal_lock);

    if (!p->exiting) {
        p->exiting = true;
        p->exit_status = status;
        process_kill_tasks_locked(p, task_current());
    }
    status = p->exit_status;
    spin_unlock_irqrestore(&p->signal_lock, flags);
    task_exit(status);
}
