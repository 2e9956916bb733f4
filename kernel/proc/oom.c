// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the end of memory: the largest process dies so that the others live.
 *
 * Model: score = resident pages, page tables, regions, kernel stacks and what the open files hold (pipes, sockets,
 * files without a name), moved by oom_score_adj thousandths of all memory; process 1 and those at -1000 are spared.  The victim is the largest process of the largest group, the
 * youngest of equals: a bomb of many small processes is one group, the shell that it was started from
 * another.  All processes on the victim's memory die with it, ahead of whatever else wants the CPU.
 * Whoever needs memory meanwhile sleeps until a space is given back; while a victim is dying no second one
 * is chosen, unless it takes too long: it may wait for something that another one holds.
 * It is asked from two places: a page fault (vm/fault.c), and the way back to user mode of a system call that failed for
 * want of memory (entry/return.c).
 * Locking: tree_lock for the choice and the state of the waiting.
 */
#define LOG_TAG "oom"
#include <core/log.h>
#include <fs/fdtable.h>
#include <hal/mmu.h>
#include <mm/frame.h>
#include <proc/internal.h>
#include <proc/job.h>
#include <proc/pid.h>
#include <sched/clock.h>

#include <linux/sched.h>

#define OOM_SPARED (-1000)
#define OOM_PATIENCE_NS (500 * NS_PER_MSEC)
#define OOM_POLL_NS (50 * NS_PER_MSEC) /* memory may come back without a death */
#define OOM_SHRINK 256 /* frames that caches give before anybody dies */
#define REPORT_BURST 10
#define REPORT_PERIOD_NS (5 * NS_PER_SEC)

static struct waitq memory_freed = WAITQ_INIT(memory_freed);
static unsigned going; /* spaces that their process has left, and that still hold memory; atomic */
static unsigned deaths; /* spaces that were given back; atomic */
static unsigned deaths_seen; /* tree_lock */
static ns_t waiting_since; /* for the next death; tree_lock */

/* What the process' descriptors keep, in pages. */
static int64_t files_score(const struct process *p)
{
    const struct task *t = list_first_or_null(&p->tasks, struct task, process_link);

    return t && t->actor.files ? (int64_t)(fdtable_weight(t->actor.files) / PAGE_SIZE) : 0;
}

static int64_t score(const struct process *p)
{
    const struct space *s = p->space;
    int64_t pages = (int64_t)(s->resident_anon + s->resident_file + s->resident_shared);

    pages += (int64_t)s->hal.table_pages;
    pages += (int64_t)(atomic_load_relaxed(&s->region_count) * sizeof(struct region) / PAGE_SIZE);
    pages += (int64_t)p->task_count * (KERNEL_STACK_SIZE / PAGE_SIZE);
    pages += files_score(p);
    return pages + (int64_t)frame_total() * p->oom_score_adj / 1000;
}

static bool spared(const struct process *p)
{
    return p->id == 1 || p->state != PROCESS_ALIVE || !p->space || p->oom_score_adj == OOM_SPARED;
}

unsigned process_oom_score(const struct process *p)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    int64_t points = spared(p) ? 0 : (1000 + score(p) * 1000 / (int64_t)frame_total()) * 2 / 3;

    brlock_read_irqrestore(&tree_lock, flags);
    return (unsigned)MAX(points, 0);
}

/* The next process from `pid` on that may be killed, or is dying. */
static struct process *next_candidate(pid_t pid)
{
    for (pid = pid_next(pid); pid > 0; pid = pid_next(pid + 1)) {
        struct process *p = process_find(pid);

        if (p && !spared(p))
            return p;
    }
    return NULL;
}

#define for_each_candidate(p) for (p = next_candidate(2); p; p = next_candidate(p->id + 1))

static bool worse(const struct process *p, const struct process *than)
{
    if (p->group != than->group)
        return p->group->oom_pages > than->group->oom_pages;
    if (p->oom_pages != than->oom_pages)
        return p->oom_pages > than->oom_pages;
    return p->started > than->started;
}

static struct process *choose_victim(void)
{
    struct process *p, *worst = NULL;

    for_each_candidate(p)
        p->group->oom_pages = 0;
    for_each_candidate(p)
        p->group->oom_pages += p->oom_pages = score(p);
    for_each_candidate(p)
        if (!p->exiting && (!worst || worse(p, worst)))
            worst = p;
    return worst;
}

static bool any_dying(void)
{
    struct process *p;

    if (atomic_load(&going) != 0)
        return true;
    for_each_candidate(p)
        if (p->exiting)
            return true;
    return false;
}

static void report(const struct process *p)
{
    static ns_t since; /* both: tree_lock */
    static unsigned said;
    const struct task *t = list_first_or_null(&p->tasks, struct task, process_link);
    ns_t now = clock_monotonic();

    if (now - since > REPORT_PERIOD_NS) {
        if (said > REPORT_BURST)
            log_warn("out of memory: killed %u more processes", said - REPORT_BURST);
        since = now;
        said = 0;
    }
    if (said++ < REPORT_BURST)
        log_warn("out of memory: killed process %d (%s), %lld KiB", p->id,
                 t ? t->thread.name : "?", (long long)p->oom_pages * (PAGE_SIZE / KiB));
}

/* Ends the process ahead of what else wants the CPU: it has but to give its memory back. */
static void kill_one(struct process *p)
{
    struct task *t;

    (void)signal_send_process(p, SIGKILL, NULL);
    list_for_each(t, &p->tasks, process_link)
        if (sched_set_policy(&t->thread, SCHED_FIFO, 1))
            compiler_barrier(); /* it dies at its own pace */
}

static void kill_all_on(const struct space *s)
{
    struct process *p;

    for_each_candidate(p)
        if (p->space == s)
            kill_one(p);
}

/* tree_lock held.  Return: is somebody dying now? */
static bool oom_step(void)
{
    ns_t now = clock_monotonic();
    struct process *p;

    if (deaths_seen != atomic_load(&deaths)) {
        deaths_seen = atomic_load(&deaths);
        waiting_since = 0;
    }
    if (any_dying()) {
        if (waiting_since == 0)
            waiting_since = now;
        if (now - waiting_since < OOM_PATIENCE_NS)
            return true;
    }
    p = choose_victim();
    if (!p)
        return any_dying();
    waiting_since = now;
    report(p);
    atomic_store_relaxed(&p->space->oom_kill, 1u);
    kill_all_on(p->space);
    return true;
}

static bool oom_wait(void)
{
    unsigned before = atomic_load(&deaths);
    unsigned long flags;
    bool dying;

    if (!frame_short() || (frame_shrink(OOM_SHRINK) && !frame_short()))
        return true;
    flags = brlock_write_irqsave(&tree_lock);
    dying = oom_step();
    brlock_write_irqrestore(&tree_lock, flags);
    if (dying && !signal_fatal_pending() &&
        wait_event_deadline(&memory_freed, atomic_load(&deaths) != before,
                            clock_monotonic() + OOM_POLL_NS) != 0)
        compiler_barrier(); /* looking again is all that is left */
    return dying;
}

void oom_space_goes(void)
{
    atomic_fetch_add(&going, 1u);
}

void oom_space_gone(void)
{
    atomic_fetch_sub(&going, 1u);
    atomic_fetch_add(&deaths, 1u);
    waitq_wake_all(&memory_freed);
}

void oom_init(void)
{
    vm_oom_hook = oom_wait;
}
