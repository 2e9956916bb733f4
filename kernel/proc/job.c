// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: process groups, sessions, and what the terminal asks about them.
 * Model: a group lives while it has members, a session while it has groups; both hold their number.
 * Source: POSIX.1-2017 11.1, setpgid(2), setsid(2), credentials(7).
 */
#include <proc/job.h>

#include <core/panic.h>
#include <fs/tty.h>
#include <mm/heap.h>
#include <proc/pid.h>
#include <proc/power.h>
#include <svc/power.h>

static void session_put_locked(struct session *s)
{
    if (!ref_put(&s->refs))
        return;
    pid_release(s->id, s);
    kfree(s);
}

static void pgroup_put_locked(struct pgroup *g)
{
    if (!ref_put(&g->refs))
        return;
    list_del(&g->session_link);
    pid_release(g->id, g);
    session_put_locked(g->session);
    kfree(g);
}

/* A group without members in `s`; refs 0: the first member takes one. */
static struct pgroup *pgroup_create_locked(pid_t id, struct session *s)
{
    struct pgroup *g = kzalloc(sizeof *g);

    if (!g)
        return NULL;
    g->id = id;
    g->session = s;
    ref_get(&s->refs);
    for (unsigned i = 0; i < GROUP_PARTS; i++)
        spin_init(&g->parts[i].lock, LOCK_GROUP);
    list_add_tail(&s->groups, &g->session_link);
    pid_hold(id);
    atomic_store(&pid_slot(id)->group, g);
    return g;
}

/* tree_lock keeps the CPU. */
void group_join_locked(struct process *p, struct pgroup *g)
{
    struct group_part *part = &g->parts[cpu_current()->id % GROUP_PARTS];

    ref_get(&g->refs);
    p->group = g;
    p->group_part = part;
    spin_lock(&part->lock);
    if (!part->members.next)
        list_init(&part->members);
    list_add_tail(&part->members, &p->group_link);
    spin_unlock(&part->lock);
}

static bool ref_put_unless_last(refcount_t *r)
{
    uint32_t n = ref_read(r);

    while (n > 1)
        if (atomic_cas(&r->n, &n, n - 1))
            return true;
    return false;
}

bool group_leave_shared(struct process *p)
{
    if (!ref_put_unless_last(&p->group->refs))
        return false;
    spin_lock(&p->group_part->lock);
    list_del(&p->group_link);
    spin_unlock(&p->group_part->lock);
    atomic_store_relaxed(&p->group, NULL);
    return true;
}

struct process *group_next(const struct pgroup *g, const struct process *p)
{
    const struct group_part *part = p ? p->group_part : g->parts, *end = g->parts + GROUP_PARTS;
    const struct list *at = p ? p->group_link.next : part->members.next;

    while (!at || at == &part->members) {
        if (++part == end)
            return NULL;
        at = part->members.next;
    }
    return list_entry(at, struct process, group_link);
}

void group_leave_locked(struct process *p)
{
    struct pgroup *g = p->group;

    list_del(&p->group_link);
    p->group = NULL;
    pgroup_put_locked(g);
}

err_t session_create_locked(struct process *p)
{
    struct session *s = kzalloc(sizeof *s);
    struct pgroup *g;

    if (!s)
        return -ENOMEM;
    s->id = p->id;
    list_init(&s->groups);
    g = pgroup_create_locked(p->id, s);
    if (!g) {
        kfree(s);
        return -ENOMEM;
    }
    pid_hold(p->id);
    atomic_store(&pid_slot(p->id)->session, s);
    if (p->group)
        group_leave_locked(p);
    group_join_locked(p, g);
    return 0;
}

struct pgroup *group_boot(void)
{
    static struct session session = { .refs = REFCOUNT_INIT(1), .groups = LIST_INIT(session.groups) };
    static struct pgroup group = { .refs = REFCOUNT_INIT(1), .session = &session,
                                   .session_link = LIST_INIT(group.session_link),
                                   .parts = { [0 ... GROUP_PARTS - 1] = { .lock = SPINLOCK_INIT(LOCK_GROUP) } } };

    return &group;
}

static pid_t set_session_locked(struct process *p)
{
    err_t err;

    if (pgroup_find(p->id) || p->group->session->id == p->id)
        return -EPERM;
    err = session_create_locked(p);
    return err ? err : p->id;
}

pid_t process_set_session(void)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);
    pid_t ret = set_session_locked(process_current());

    brlock_write_irqrestore(&tree_lock, flags);
    return ret;
}

/* The process that setpgid means, if it may be moved. */
static err_t set_group_target(pid_t pid, struct process **out)
{
    struct process *me = process_current();
    struct process *p = pid == 0 ? me : process_find(pid);

    if (!p || p->state != PROCESS_ALIVE || (p != me && p->parent != me))
        return -ESRCH;
    if (p != me && p->group->session != me->group->session)
        return -EPERM;
    if (p != me && p->executed)
        return -EACCES;
    if (p->group->session->id == p->id)
        return -EPERM;
    *out = p;
    return 0;
}

static err_t set_group_locked(pid_t pid, pid_t pgid)
{
    struct process *p;
    struct pgroup *g;
    err_t err = set_group_target(pid, &p);

    if (err)
        return err;
    if (pgid == 0)
        pgid = p->id;
    g = pgroup_find(pgid);
    if (g ? g->session != p->group->session : pgid != p->id)
        return -EPERM;
    if (g == p->group)
        return 0;
    if (!g)
        g = pgroup_create_locked(pgid, p->group->session);
    if (!g)
        return -ENOMEM;
    group_leave_locked(p);
    group_join_locked(p, g);
    return 0;
}

err_t process_set_group(pid_t pid, pid_t pgid)
{
    unsigned long flags;
    err_t err;

    if (pgid < 0)
        return -EINVAL;
    flags = brlock_write_irqsave(&tree_lock);
    err = set_group_locked(pid, pgid);
    brlock_write_irqrestore(&tree_lock, flags);
    return err;
}

/* ---- orphaned groups ----------------------------------------------------------------------- */

/* Is `parent` someone who could continue a stopped member of g? */
static bool guards(const struct process *parent, const struct pgroup *g)
{
    return parent && !parent->unkillable && parent->group && parent->group != g &&
           parent->group->session == g->session;
}

/* `ignored`: a member that is about to end, or NULL. */
static bool orphaned_locked(const struct pgroup *g, const struct process *ignored)
{
    struct process *m = NULL;

    while ((m = group_next(g, m)) != NULL) {
        if (m == ignored || m->state != PROCESS_ALIVE)
            continue;
        if (guards(m->parent, g))
            return false;
    }
    return true;
}

static bool has_stopped_locked(const struct pgroup *g)
{
    struct process *m = NULL;

    while ((m = group_next(g, m)) != NULL)
        if (m->stop_state == STOP_STOPPED)
            return true;
    return false;
}

bool group_is_orphaned(void)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);
    bool orphaned = orphaned_locked(process_current()->group, NULL);

    brlock_write_irqrestore(&tree_lock, flags);
    return orphaned;
}

bool group_is_guarded(const struct process *p)
{
    return guards(p->parent, p->group);
}

void group_check_orphaned_locked(struct process *p, struct process *parent, bool ends)
{
    struct pgroup *g = p->group;

    if (!guards(parent, g) || !has_stopped_locked(g) || !orphaned_locked(g, ends ? p : NULL))
        return;
    (void)signal_send_group_locked(g, SIGHUP, NULL, false);
    (void)signal_send_group_locked(g, SIGCONT, NULL, false);
}

/* ---- the terminal -------------------------------------------------------------------------- */

struct tty *session_take_tty_locked(struct process *p)
{
    struct session *s = p->group->session;
    struct tty *tty = s->id == p->id ? s->tty : NULL;

    if (tty)
        s->tty = NULL;
    return tty;
}

struct tty *process_tty(void)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    struct process *p = process_current();
    struct tty *tty = p ? p->group->session->tty : NULL;

    if (tty)
        tty_get(tty);
    brlock_read_irqrestore(&tree_lock, flags);
    return tty;
}

static pid_t job_group(void)
{
    return process_current() ? process_current()->group->id : 0;
}

static pid_t job_session(void)
{
    return process_current() ? process_current()->group->session->id : 0;
}

static bool job_is_leader(void)
{
    struct process *p = process_current();

    return p && p->group->session->id == p->id;
}

static err_t job_attach(struct tty *t, bool steal)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);
    struct session *s = process_current()->group->session;
    err_t err = s->tty && s->tty != t ? -EPERM : 0;

    if (!err && !s->tty) {
        tty_get(t);
        s->tty = t;
    }
    brlock_write_irqrestore(&tree_lock, flags);
    return err;
}

static void job_detach_session(pid_t id)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);
    struct pid_slot *slot = pid_slot(id);
    struct tty *tty = NULL;

    if (slot && slot->session) {
        tty = slot->session->tty;
        slot->session->tty = NULL;
    }
    brlock_write_irqrestore(&tree_lock, flags);
    if (tty)
        tty_put(tty);
}

static void job_detach(void)
{
    job_detach_session(job_session());
}

static err_t job_signal_group(pid_t pgid, int sig)
{
    return signal_send_group(pgid, sig, NULL);
}

static bool job_group_in_session(pid_t pgid, pid_t session)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    struct pgroup *g = pgroup_find(pgid);
    bool in = g && g->session->id == session;

    brlock_read_irqrestore(&tree_lock, flags);
    return in;
}

static const struct tty_proc_ops job_tty_ops = {
    .group = job_group,
    .session = job_session,
    .is_leader = job_is_leader,
    .controlling = process_tty,
    .attach = job_attach,
    .detach = job_detach,
    .detach_session = job_detach_session,
    .signal_group = job_signal_group,
    .group_in_session = job_group_in_session,
    .group_orphaned = group_is_orphaned,
    .signal_ignored = signal_ignored_by_current,
};

void job_init(void)
{
    tty_proc_ops = &job_tty_ops;
    power_ctrl_alt_del_set(ctrl_alt_del);
}
