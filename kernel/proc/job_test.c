// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tests of groups, sessions, reaping and the counters of RLIMIT_NPROC, on processes that never
 * run.
 */
#include <proc/job.h>

#include <core/ktest.h>
#include <proc/internal.h>
#include <proc/pid.h>

/* A linked process without tasks, in group g (NULL: a session of its own). */
static struct process *member(struct process *parent, struct pgroup *g)
{
    struct process *p = process_create();

    if (!p)
        return NULL;
    p->id = pid_alloc();
    if (p->id < 0) {
        process_put(p);
        return NULL;
    }
    pid_hold(p->id);
    pid_slot(p->id)->process = p;
    p->parent = parent;
    if (parent)
        list_add_tail(&parent->children, &p->sibling);
    if (g)
        group_join_locked(p, g);
    else if (session_create_locked(p))
        return NULL;
    return p;
}

/* As process_reap_locked, without its counters, which these processes never entered. */
static void drop(struct process *p)
{
    list_del(&p->sibling);
    group_leave_locked(p);
    pid_release(p->id, p);
    process_put(p);
}

KTEST(job, groups_and_sessions_end_with_their_members)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);
    struct process *leader = member(NULL, NULL), *child;
    pid_t id = leader ? leader->id : 0;

    if (KTEST_TRUE(leader != NULL)) {
        KTEST_TRUE(pgroup_find(id) == leader->group);
        KTEST_TRUE(pid_slot(id)->session == leader->group->session);
        child = member(NULL, leader->group);
        if (KTEST_TRUE(child != NULL)) {
            drop(leader);
            /* The group outlives its leader, and so its number is still taken. */
            KTEST_TRUE(pgroup_find(id) == child->group);
            KTEST_EQ(pid_alloc_exact(id), -EEXIST);
            drop(child);
        }
        KTEST_TRUE(pgroup_find(id) == NULL);
        KTEST_EQ(pid_alloc_exact(id), 0);
        pid_release(id, NULL);
    }
    brlock_write_irqrestore(&tree_lock, flags);
}

KTEST(job, user_counter_enforces_its_limit)
{
    unsigned long flags = brlock_write_irqsave(&tree_lock);
    uid_t uid = 4242;
    struct user_count *u;

    KTEST_EQ(PTR_ERR(user_count_add(uid, 0)), -EAGAIN);
    u = user_count_add(uid, 2);
    KTEST_EQ(u->uid, uid);
    KTEST_TRUE(user_count_add(uid, 2) == u);
    KTEST_EQ(PTR_ERR(user_count_add(uid, 2)), -EAGAIN);
    user_count_sub(u);
    KTEST_TRUE(user_count_add(uid, 2) == u);
    user_count_sub(u);
    u->signals = 1; /* keeps it */
    user_count_sub(u);
    KTEST_TRUE(user_count_add(uid, 1) == u);
    u->signals = 0;
    user_count_sub(u);
    brlock_write_irqrestore(&tree_lock, flags);
}
