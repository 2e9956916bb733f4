// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the end of memory: the largest process dies so that the others live.
 * Model: score = resident pages, moved by oom_score_adj thousandths of all memory; process 1 and those
 * at -1000 are spared.  While a victim is still dying no second one is chosen.
 */
#define LOG_TAG "oom"
#include <core/log.h>
#include <mm/frame.h>
#include <proc/internal.h>
#include <proc/pid.h>

#define OOM_SPARED (-1000)

static int64_t score(const struct process *p)
{
    const struct space *s = p->space;
    int64_t pages = (int64_t)(s->resident_anon + s->resident_file + s->resident_shared);

    return pages + (int64_t)frame_total() * p->oom_score_adj / 1000;
}

static bool spared(const struct process *p)
{
    return p->id == 1 || p->state != PROCESS_ALIVE || !p->space || p->oom_score_adj == OOM_SPARED;
}

/* tree_lock held.  *dying: one of them is on its way out already. */
static struct process *choose_victim(bool *dying)
{
    struct process *worst = NULL;

    *dying = false;
    for (pid_t pid = pid_next(2); pid > 0; pid = pid_next(pid + 1)) {
        struct process *p = process_find(pid);

        if (!p || spared(p))
            continue;
        if (p->exiting) {
            *dying = true;
            return NULL;
        }
        if (!worst || score(p) > score(worst))
            worst = p;
    }
    return worst;
}

static bool oom_kill(void)
{
    unsigned long flags = spin_lock_irqsave(&tree_lock);
    bool dying;
    struct process *p = choose_victim(&dying);

    if (p) {
        struct task *t = list_first_or_null(&p->tasks, struct task, process_link);

        log_warn("out of memory: killed process %d (%s), %lld KiB", p->id,
                 t ? t->thread.name : "?", (long long)score(p) * 4);
        atomic_store_relaxed(&p->space->oom_kill, 1u);
        (void)signal_send_process(p, SIGKILL, NULL);
    }
    spin_unlock_irqrestore(&tree_lock, flags);
    return p || dying;
}

void oom_init(void)
{
    vm_oom_hook = oom_kill;
}
