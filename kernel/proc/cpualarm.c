// SPDX-License-Identifier: CC0-1.0
#include <proc/cpualarm.h>

#include <proc/process.h>

#include <linux/time.h>

/* An id is ~number << 3 | PER_THREAD | kind. */
enum { KIND_PROF, KIND_VIRT, KIND_SCHED, KIND_FD, KIND_MASK = 3, PER_THREAD = 4 };

static struct spinlock alarm_lock = SPINLOCK_INIT(LOCK_INODE);

/* ---- clocks -------------------------------------------------------------------------------- */

static err_t task_clock_get(pid_t tid, struct cpu_clock *c)
{
    struct task *t = tid ? task_get(tid) : task_current();

    if (!t)
        return -EINVAL;
    if (!tid)
        thread_get(&t->thread);
    c->task = t;
    c->process = t->process;
    process_ref(c->process);
    if (c->process == process_current())
        return 0;
    cpu_clock_put(c);
    return -EINVAL;
}

err_t cpu_clock_get(int id, struct cpu_clock *c)
{
    pid_t number = id < 0 ? ~(id >> 3) : 0;

    *c = (struct cpu_clock){ .user_only = id < 0 && (id & KIND_MASK) == KIND_VIRT };
    if (id < 0 && (id & KIND_MASK) == KIND_FD)
        return -EINVAL;
    if (id == CLOCK_THREAD_CPUTIME_ID || (id < 0 && id & PER_THREAD))
        return task_clock_get(number, c);
    if (number && number != task_current()->id) {
        c->process = process_get(number);
        return c->process ? 0 : -EINVAL;
    }
    c->process = process_current();
    process_ref(c->process);
    return 0;
}

void cpu_clock_put(struct cpu_clock *c)
{
    if (c->task)
        thread_put(&c->task->thread);
    process_put(c->process);
}

ns_t cpu_clock_read(const struct cpu_clock *c)
{
    struct rusage_sum usage;
    ns_t user, system;

    if (c->task) {
        thread_times(&c->task->thread, &user, &system);
    } else {
        process_usage(c->process, &usage);
        user = usage.user;
        system = usage.system;
    }
    return c->user_only ? user : user + system;
}

bool cpu_clock_ended(const struct cpu_clock *c)
{
    return c->task ? atomic_load_relaxed(&c->task->ended)
                   : atomic_load_relaxed(&c->process->state) != PROCESS_ALIVE;
}

/* ---- alarms -------------------------------------------------------------------------------- */

void cpu_alarm_init(struct cpu_alarm *a, const struct cpu_clock *c,
                    void (*fire)(struct cpu_alarm *a))
{
    *a = (struct cpu_alarm){ .clock = c, .fire = fire };
    list_init(&a->link);
}

void cpu_alarm_set(struct cpu_alarm *a, ns_t until, ns_t now)
{
    unsigned long flags = spin_lock_irqsave(&alarm_lock);

    if (list_linked(&a->link))
        list_del(&a->link);
    a->until = until;
    if (until <= now)
        a->fire(a);
    else
        list_add_tail(&a->clock->process->cpu_alarms, &a->link);
    spin_unlock_irqrestore(&alarm_lock, flags);
}

void cpu_alarm_cancel(struct cpu_alarm *a)
{
    unsigned long flags = spin_lock_irqsave(&alarm_lock);

    if (list_linked(&a->link))
        list_del(&a->link);
    spin_unlock_irqrestore(&alarm_lock, flags);
}

/* `total` has the process' time so far: its lock is above ours. */
static bool alarm_due(const struct cpu_alarm *a, const struct rusage_sum *total)
{
    if (a->clock->task)
        return cpu_clock_read(a->clock) >= a->until;
    return total->user + (a->clock->user_only ? 0 : total->system) >= a->until;
}

void cpu_alarms_tick(struct process *p)
{
    struct rusage_sum total;
    struct cpu_alarm *a, *next;
    unsigned long flags;

    process_usage(p, &total);
    flags = spin_lock_irqsave(&alarm_lock);
    list_for_each_safe(a, next, &p->cpu_alarms, link) {
        if (!alarm_due(a, &total))
            continue;
        list_del(&a->link);
        a->fire(a);
    }
    spin_unlock_irqrestore(&alarm_lock, flags);
}
