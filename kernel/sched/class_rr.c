// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: plain round robin (sched=rr): the scheduler's policy without feedback.
 *
 * Model: the multi-level queue in which all ordinary threads stay at one level: who wakes or has used up a
 * slice goes to the end of the queue, whatever it did before, and nobody preempts another.  Real-time
 * and idle threads are served as ever, before and behind them; nice values still weigh the slice.
 * It is what feedback is to be compared with: who waits for a key press waits for everybody's slice.
 * Locking: the run queue's lock, held by the caller.
 */
#include <sched/runqueue.h>

static void level_flatten(struct thread *t)
{
    if (t->level >= LEVEL_LOW && t->level <= LEVEL_HIGH)
        t->level = LEVEL_NORMAL;
}

static void rr_init(struct runqueue *rq)
{
    sched_class_mlfq.init(rq);
}

/* A sleep earns nothing but a new slice. */
static void rr_enqueue(struct runqueue *rq, struct thread *t, bool woken)
{
    level_flatten(t);
    if (woken && t->level != LEVEL_REALTIME)
        t->slice_left = sched_slice(t);
    sched_class_mlfq.enqueue(rq, t, false);
}

static void rr_put_back(struct runqueue *rq, struct thread *t, bool yielded)
{
    bool over = t->slice_left == 0;

    level_flatten(t);
    if (over)
        t->slice_left = sched_slice(t);
    sched_class_mlfq.put_back(rq, t, over || yielded);
}

static void rr_dequeue(struct runqueue *rq, struct thread *t)
{
    sched_class_mlfq.dequeue(rq, t);
}

static struct thread *rr_pick(struct runqueue *rq)
{
    return sched_class_mlfq.pick(rq);
}

static bool rr_account(struct runqueue *rq, struct thread *t, ns_t ran)
{
    return sched_class_mlfq.account(rq, t, ran);
}

static bool rr_yields(const struct runqueue *rq, const struct thread *t)
{
    return sched_class_mlfq.yields(rq, t);
}

static struct thread *rr_steal(struct runqueue *rq, const struct cpu *to, bool realtime)
{
    return sched_class_mlfq.steal(rq, to, realtime);
}

static bool rr_realtime_waits(const struct runqueue *rq)
{
    return sched_class_mlfq.realtime_waits(rq);
}

static bool rr_preempts(struct runqueue *rq, const struct thread *woken, const struct thread *running)
{
    bool ordinary = woken->level != LEVEL_REALTIME && running->level > LEVEL_IDLE;

    return !(ordinary && running->level != LEVEL_REALTIME) &&
           sched_class_mlfq.preempts(rq, woken, running);
}

static const struct sched_class sched_class_rr = {
    .name = "rr",
    .init = rr_init,
    .enqueue = rr_enqueue,
    .dequeue = rr_dequeue,
    .pick = rr_pick,
    .put_back = rr_put_back,
    .account = rr_account,
    .yields = rr_yields,
    .steal = rr_steal,
    .realtime_waits = rr_realtime_waits,
    .preempts = rr_preempts,
};
REGISTRY_ADD(sched_class, sched_class_rr);
