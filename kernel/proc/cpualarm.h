// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: clocks of CPU time, and being told when one reaches a time.
 *
 * Model: a clock counts the time of a task or of a whole process, all of it or that in user mode.  An
 * alarm hangs on the process whose clock it waits for; the tick that hits one of its tasks looks
 * whether some are due, so alarms are as precise as the tick and cost nothing where there are none.
 * Locking: one lock for all alarms (LOCK_INODE, interrupts off).
 * Source: clock_getcpuclockid(3), timer_create(2), clock_nanosleep(2).
 */
#pragma once

#include <lib/list.h>
#include <lib/types.h>

struct process;
struct task;

struct cpu_clock {
    struct process *process; /* with a reference */
    struct task *task; /* with a reference; NULL: the whole process */
    bool user_only;
};
/* What the id of a CPU-time clock (negative, or one of the two names for the caller's own) stands for;
 * references are taken.  -EINVAL: nothing. */
err_t __must_check cpu_clock_get(int id, struct cpu_clock *c);
void cpu_clock_put(struct cpu_clock *c);
/* Takes tree_lock for the clock of a process. */
ns_t cpu_clock_read(const struct cpu_clock *c);
/* Has whoever it counts ended? */
bool cpu_clock_ended(const struct cpu_clock *c);

struct cpu_alarm {
    struct list link; /* lock */
    const struct cpu_clock *clock; /* constant; outlives the alarm */
    ns_t until; /* lock */
    /* Once, under the lock, with interrupts off. */
    void (*fire)(struct cpu_alarm *a);
};
void cpu_alarm_init(struct cpu_alarm *a, const struct cpu_clock *c,
                    void (*fire)(struct cpu_alarm *a));
/* Fires when the clock is at `until`; at once when `now`, its time just read, is not before. */
void cpu_alarm_set(struct cpu_alarm *a, ns_t until, ns_t now);
/* It does not fire any more when this returns. */
void cpu_alarm_cancel(struct cpu_alarm *a);
/* From the tick that hit a task of p, interrupts off, no lock held. */
void cpu_alarms_tick(struct process *p);
