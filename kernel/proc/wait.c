// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: waiting for children.
 *
 * Model: one look over the children that match gives a result, "none yet" or "none at all"; the wait
 * sleeps on the parent's queue, which every change of a child wakes.  Zombies stand first in the list
 * of children and a wait for one id goes through the table of ids, so that a parent of many pays for one.
 * Source: wait(2), waitid(2).
 */
#include <proc/process.h>

#include <core/panic.h>
#include <lib/string.h>
#include <proc/internal.h>
#include <proc/pid.h>

#include <linux/wait.h>

enum look { LOOK_NONE /* no such child */, LOOK_LATER, LOOK_FOUND, LOOK_WRITER /* only a writer can */ };

static bool matches(const struct process *c, const struct wait_request *w)
{
    if (w->which == WAIT_PID && c->id != w->id)
        return false;
    if (w->which == WAIT_GROUP && c->group->id != w->id)
        return false;
    /* __WCLONE: only children whose exit signal is another than SIGCHLD. */
    return (w->options & __WALL) || (c->exit_signal != SIGCHLD) == !!(w->options & __WCLONE);
}

static void result(struct wait_request *w, struct process *c, int status, int code, int value)
{
    w->pid = c->id;
    w->status = status;
    w->code = code;
    w->value = value;
}

/* *reaped: the tree's reference, to be put after the lock is released. */
static enum look take_zombie(struct wait_request *w, struct process *me, struct process *c, bool writer,
                             struct process **reaped)
{
    int status = c->exit_status;

    if ((status & 0x7f) == 0)
        result(w, c, status, CLD_EXITED, status >> 8 & 0xff);
    else
        result(w, c, status, status & 0x80 ? CLD_DUMPED : CLD_KILLED, status & 0x7f);
    w->uid = c->uid;
    w->usage = c->own;
    rusage_add(&w->usage, &c->children_sum);
    if (w->options & WNOWAIT)
        return LOOK_FOUND;
    if (!process_reap_locked(c, writer))
        return LOOK_WRITER;
    rusage_add(&me->children_sum, &w->usage);
    *reaped = c;
    return LOOK_FOUND;
}

static bool take_stop(struct wait_request *w, struct process *c)
{
    unsigned long flags = spin_lock_irqsave(&c->signal_lock);
    bool wanted = !c->stop_reported &&
                  ((c->stop_state == STOP_STOPPED && (w->options & WUNTRACED)) ||
                   (c->stop_state == STOP_CONTINUED && (w->options & WCONTINUED)));

    if (wanted) {
        if (c->stop_state == STOP_STOPPED)
            result(w, c, c->stop_signal << 8 | 0x7f, CLD_STOPPED, c->stop_signal);
        else
            result(w, c, 0xffff, CLD_CONTINUED, SIGCONT);
        if (!(w->options & WNOWAIT)) {
            c->stop_reported = true;
            if (c->stop_state == STOP_CONTINUED)
                c->stop_state = STOP_NONE;
        }
        w->uid = c->uid;
        w->usage = c->own;
    }
    spin_unlock_irqrestore(&c->signal_lock, flags);
    return wanted;
}

static enum look look_at(struct wait_request *w, struct process *me, struct process *c, bool writer,
                         struct process **reaped)
{
    if (!matches(c, w))
        return LOOK_NONE;
    if (c->state == PROCESS_ZOMBIE) {
        if (!(w->options & WEXITED))
            return LOOK_NONE;
        return take_zombie(w, me, c, writer, reaped);
    }
    return take_stop(w, c) ? LOOK_FOUND : LOOK_LATER;
}

static enum look look_locked(struct wait_request *w, struct process *me, bool writer, struct process **reaped)
{
    enum look best = LOOK_NONE;
    struct process *c;

    if (w->which == WAIT_PID) {
        c = process_find(w->id);
        return c && c->parent == me ? look_at(w, me, c, writer, reaped) : LOOK_NONE;
    }
    list_for_each(c, &me->children, sibling) {
        enum look l = look_at(w, me, c, writer, reaped);

        if (l >= LOOK_FOUND)
            return l;
        best = MAX(best, l);
    }
    return best;
}

static enum look look(struct wait_request *w)
{
    struct process *me = process_current(), *reaped = NULL;
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    enum look l;

    spin_lock(&me->family_lock);
    l = look_locked(w, me, false, &reaped);
    spin_unlock(&me->family_lock);
    brlock_read_irqrestore(&tree_lock, flags);
    if (l == LOOK_WRITER) {
        w->pid = 0;
        flags = brlock_write_irqsave(&tree_lock);
        spin_lock(&me->family_lock); /* for who adds up usage */
        l = look_locked(w, me, true, &reaped);
        spin_unlock(&me->family_lock);
        brlock_write_irqrestore(&tree_lock, flags);
    }
    if (reaped)
        process_bury(reaped);
    return l;
}

err_t process_wait(struct wait_request *w)
{
    struct process *me = process_current();
    enum look l;
    err_t err = 0;

    w->pid = 0;
    l = look(w);
    if (l == LOOK_LATER && !(w->options & WNOHANG))
        err = wait_event_intr(&me->wait_children, (l = look(w)) != LOOK_LATER);
    if (err && l == LOOK_LATER)
        return err;
    return l == LOOK_NONE ? -ECHILD : 0;
}
