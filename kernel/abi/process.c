// SPDX-License-Identifier: CC0-1.0
/* Purpose: ids of processes, groups and sessions. */
#include <abi/syscalls_gen.h>
#include <proc/process.h>

long sys_getpid(void)
{
    return process_current()->id;
}

long sys_getppid(void)
{
    return atomic_load_relaxed(&process_current()->parent_id);
}

long sys_gettid(void)
{
    return task_current()->id;
}

enum which_id { ID_GROUP, ID_SESSION };

static long id_of(pid_t pid, enum which_id which)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    struct process *p = process_current();
    const struct pgroup *group;
    long id = -ESRCH;

    if (pid != 0) {
        struct task *t = task_find(pid);

        p = t ? t->process : process_find(pid);
    }
    group = p ? atomic_load_relaxed(&p->group) : NULL; /* NULL: reaped just now */
    if (group)
        id = which == ID_GROUP ? group->id : group->session->id;
    brlock_read_irqrestore(&tree_lock, flags);
    return id;
}

long sys_getpgid(pid_t pid)
{
    return id_of(pid, ID_GROUP);
}

long sys_getpgrp(void)
{
    return id_of(0, ID_GROUP);
}

long sys_getsid(pid_t pid)
{
    return id_of(pid, ID_SESSION);
}

long sys_setpgid(pid_t pid, pid_t pgid)
{
    return process_set_group(pid, pgid);
}

long sys_setsid(void)
{
    return process_set_session();
}

long sys_set_tid_address(int __user *tid)
{
    struct task *t = task_current();

    t->clear_tid = USER_ADDR(tid);
    return t->id;
}
