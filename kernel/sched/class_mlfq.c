// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the multi-level feedback queue, the scheduler's policy.
 *
 * Model: a FIFO for each of IDLE, LOW, NORMAL, HIGH, and one for each real-time priority; a bitmap
 * of the non-empty ones.  pick takes the head of the highest.  A thread that used its slice up
 * sinks one level (not below LOW) and goes to the tail; one that slept gets the time it slept back,
 * and once its slice is whole again it rises, at most to base_level + 1.  So who uses more than half
 * of a CPU sinks, however cleverly it sleeps.
 *
 *     REALTIME  rt[99] .. rt[1]      FIFO: no slice; RR: slice, then tail
 *     HIGH      a b                  <- rises: slept as long as it ran
 *     NORMAL    c
 *     LOW       d e f                <- sinks: used its slice
 *     IDLE      g
 *
 * Every sched_boost_ns those that have waited longest below HIGH are moved up one level, a few of each
 * queue, and one thread of IDLE goes to LOW: nobody below REALTIME starves, and a thread that wakes at
 * HIGH never stands behind more than those few, however many compute.  A queued thread's `level` is
 * not kept exact therefore; pick sets it to the level where it found the thread.
 * Nice values weigh the slice, and far ones choose another base level.
 *
 * Real-time threads that have used sched_rt_runtime_ns of a CPU within sched_rt_period_ns are
 * throttled until the period is over: whatever else waits goes first.  With nobody else waiting they
 * go on.
 * After F. Corbato's CTSS queue and the multi-level feedback queue of "Operating Systems: Three Easy
 * Pieces", chapter 8.
 * Locking: the run queue's lock, held by the caller.
 */
#include <sched/runqueue.h>

#include <core/log.h>
#include <core/params.h>
#include <lib/string.h>

#include <linux/sched.h>

ns_t sched_slice_ns[LEVEL_COUNT] = {
    [LEVEL_IDLE] = 10 * NS_PER_MSEC,  [LEVEL_LOW] = 20 * NS_PER_MSEC,
    [LEVEL_NORMAL] = 30 * NS_PER_MSEC, [LEVEL_HIGH] = 40 * NS_PER_MSEC,
    [LEVEL_REALTIME] = 100 * NS_PER_MSEC,
};
ns_t sched_boost_ns = 400 * NS_PER_MSEC;
ns_t sched_rt_runtime_ns = 950 * NS_PER_MSEC;
ns_t sched_rt_period_ns = NS_PER_SEC;
#define BOOST_THREADS 4 /* of each level */
#define BOOST_IDLE_NS NS_PER_MSEC /* what an idle thread gets while others compute */

/* Reads a count of milliseconds, 1..10000, at *s. */
static err_t param_ms(const char **s, ns_t *out)
{
    uint64_t ms;
    err_t err = str_to_u64(s, 10, &ms);

    if (err)
        return err;
    if (ms < 1 || ms > 10000)
        return -ERANGE;
    *out = ms * NS_PER_MSEC;
    return 0;
}

static err_t param_slices(const char *value)
{
    ns_t slices[LEVEL_COUNT];
    const char *s = value;

    if (!s)
        return -EINVAL;
    for (unsigned level = 0; level < LEVEL_COUNT; level++) {
        err_t err = param_ms(&s, &slices[level]);

        if (err)
            return err;
        if (*s != (level + 1 < LEVEL_COUNT ? ',' : '\0'))
            return -EINVAL;
        s++;
    }
    memcpy(sched_slice_ns, slices, sizeof slices);
    return 0;
}
PARAM_NAMED(sched_slice_ms, "sched.slice_ms",
            "slices in ms of the levels idle,low,normal,high,realtime (10,20,30,40,100)",
            param_slices);

static err_t param_boost(const char *value)
{
    ns_t ns;
    err_t err;

    if (!value)
        return -EINVAL;
    err = param_ms(&value, &ns);
    if (err)
        return err;
    if (*value)
        return -EINVAL;
    sched_boost_ns = ns;
    return 0;
}
PARAM_NAMED(sched_boost_ms, "sched.boost_ms",
            "after how many ms waiting threads rise a level (400)", param_boost);

ns_t sched_level_slice(enum sched_level level)
{
    return sched_slice_ns[level];
}

ns_t sched_slice(const struct thread *t)
{
    ns_t slice = sched_slice_ns[t->level];

    if (t->level == LEVEL_REALTIME)
        return slice;
    return slice * (unsigned)(20 - t->nice) / 20;
}

static bool is_feedback_level(enum sched_level level)
{
    return level >= LEVEL_LOW && level <= LEVEL_HIGH;
}

static enum sched_level level_ceiling(const struct thread *t)
{
    if (t->policy == SCHED_BATCH)
        return t->base_level;
    return MIN(t->base_level + 1, LEVEL_HIGH);
}

static void mlfq_init(struct runqueue *rq)
{
    struct mlfq *m = &rq->mlfq;

    *m = (struct mlfq){ 0 };
    for (unsigned i = 0; i < ARRAY_SIZE(m->fifo); i++)
        list_init(&m->fifo[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(m->rt); i++)
        list_init(&m->rt[i]);
    m->boost_due = rq->now + sched_boost_ns;
}

static void rt_insert(struct mlfq *m, struct thread *t, bool tail)
{
    unsigned p = sched_rt_priority(t);

    if (tail)
        list_add_tail(&m->rt[p], &t->run_link);
    else
        list_add_head(&m->rt[p], &t->run_link);
    m->rt_used[p / 64] |= 1ull << p % 64;
    m->levels |= 1u << LEVEL_REALTIME;
}

static void mlfq_insert(struct mlfq *m, struct thread *t, bool tail)
{
    if (unlikely(t->level == LEVEL_REALTIME)) {
        rt_insert(m, t, tail);
        return;
    }
    if (tail)
        list_add_tail(&m->fifo[t->level], &t->run_link);
    else
        list_add_head(&m->fifo[t->level], &t->run_link);
    m->levels |= 1u << t->level;
}

/* Notes that `head` has become empty. */
static void list_emptied(struct mlfq *m, struct list *head)
{
    if (head >= m->fifo && head < m->fifo + ARRAY_SIZE(m->fifo)) {
        m->levels &= ~(1u << (head - m->fifo));
        return;
    }
    unsigned p = (unsigned)(head - m->rt);

    m->rt_used[p / 64] &= ~(1ull << p % 64);
    if (!(m->rt_used[0] | m->rt_used[1]))
        m->levels &= ~(1u << LEVEL_REALTIME);
}

static void mlfq_dequeue(struct runqueue *rq, struct thread *t)
{
    struct list *neighbour = t->run_link.next;
    bool alone = neighbour == t->run_link.prev; /* then it is the list's head */

    list_del(&t->run_link);
    if (alone)
        list_emptied(&rq->mlfq, neighbour);
}

/* A sleeper gets its sleep credited. */
static void mlfq_slept(struct runqueue *rq, struct thread *t)
{
    ns_t full, slept;

    if (!is_feedback_level(t->level))
        return;
    full = sched_slice(t);
    slept = rq->now > t->slept_at ? rq->now - t->slept_at : 0;
    if (slept < full && t->slice_left + slept < full) {
        t->slice_left += slept;
        return;
    }
    t->slice_left = full;
    if (t->level < level_ceiling(t))
        t->level++;
}

static void mlfq_enqueue(struct runqueue *rq, struct thread *t, bool woken)
{
    if (woken)
        mlfq_slept(rq, t);
    mlfq_insert(&rq->mlfq, t, true);
}

static struct thread *rt_pick(struct mlfq *m)
{
    unsigned p = m->rt_used[1] ? 127 - (unsigned)__builtin_clzll(m->rt_used[1])
                               : 63 - (unsigned)__builtin_clzll(m->rt_used[0]);
    struct thread *t = list_first(&m->rt[p], struct thread, run_link);

    list_del(&t->run_link);
    if (list_empty(&m->rt[p]))
        list_emptied(m, &m->rt[p]);
    return t;
}

static struct thread *mlfq_pick(struct runqueue *rq)
{
    struct mlfq *m = &rq->mlfq;
    enum sched_level level;
    struct thread *t;

    if (!m->levels)
        return NULL;
    level = 31 - (unsigned)__builtin_clz(m->levels);
    if (unlikely(level == LEVEL_REALTIME)) {
        uint32_t others = m->levels & ((1u << LEVEL_REALTIME) - 1);

        if (likely(!m->rt_throttled || !others))
            return rt_pick(m);
        level = 31 - (unsigned)__builtin_clz(others);
    }
    t = list_first(&m->fifo[level], struct thread, run_link);
    list_del(&t->run_link);
    if (list_empty(&m->fifo[level]))
        m->levels &= ~(1u << level);
    t->level = level;
    return t;
}

static void mlfq_sink(struct thread *t)
{
    if (t->base_level == LEVEL_IDLE)
        t->level = LEVEL_IDLE;
    else if (t->level > LEVEL_LOW && t->level != LEVEL_REALTIME)
        t->level--;
    t->slice_left = sched_slice(t);
}

static bool mlfq_moves(const struct thread *t)
{
    return t->level >= LEVEL_LOW && t->level <= LEVEL_HIGH;
}

/* A yield gives way to any of the levels that feedback moves between: with nobody waiting at its own
 * or above, the thread joins the highest of them that does. */
static void mlfq_step_aside(const struct mlfq *m, struct thread *t)
{
    uint32_t below = m->levels & ((1u << t->level) - 1) & ~(1u << LEVEL_IDLE);

    if (mlfq_moves(t) && m->levels >> t->level == 0 && below != 0)
        t->level = (enum sched_level)(31 - __builtin_clz(below));
}

static void mlfq_put_back(struct runqueue *rq, struct thread *t, bool yielded)
{
    bool used_up = t->slice_left == 0;

    if (unlikely(used_up))
        mlfq_sink(t);
    if (yielded)
        mlfq_step_aside(&rq->mlfq, t);
    mlfq_insert(&rq->mlfq, t, used_up || yielded);
}

/* The first few of what waits rise one level. */
static void boost_level(struct mlfq *m, enum sched_level level)
{
    for (unsigned i = 0; i < BOOST_THREADS && !list_empty(&m->fifo[level]); i++) {
        struct thread *first = list_first(&m->fifo[level], struct thread, run_link);

        list_del(&first->run_link);
        list_add_tail(&m->fifo[level + 1], &first->run_link);
    }
}

static void mlfq_boost(struct runqueue *rq)
{
    struct mlfq *m = &rq->mlfq;

    m->boost_due = rq->now + sched_boost_ns;
    if (!(m->levels & ((1u << LEVEL_HIGH) - 1)))
        return;
    boost_level(m, LEVEL_NORMAL);
    boost_level(m, LEVEL_LOW);
    if (!list_empty(&m->fifo[LEVEL_IDLE])) {
        struct thread *first = list_first(&m->fifo[LEVEL_IDLE], struct thread, run_link);

        first->slice_left = MIN(first->slice_left, BOOST_IDLE_NS);
        list_del(&first->run_link);
        list_add_tail(&m->fifo[LEVEL_LOW], &first->run_link);
    }
    m->levels &= 1u << LEVEL_REALTIME;
    for (unsigned level = LEVEL_IDLE; level < LEVEL_REALTIME; level++)
        if (!list_empty(&m->fifo[level]))
            m->levels |= 1u << level;
}

#define STEAL_LOOK 8 /* threads of each list that are looked at */

static struct thread *list_steal(struct runqueue *rq, struct list *head, const struct cpu *to)
{
    unsigned left = STEAL_LOOK;
    struct thread *t;

    list_for_each(t, head, run_link) {
        if (left-- == 0)
            break;
        if (!cpu_allowed(t, to))
            continue;
        mlfq_dequeue(rq, t);
        return t;
    }
    return NULL;
}

static struct thread *rt_steal(struct runqueue *rq, const struct cpu *to)
{
    struct thread *t = NULL;

    for (unsigned w = 2; w-- > 0;)
        for (uint64_t bits = rq->mlfq.rt_used[w]; bits != 0 && !t;) {
            unsigned bit = 63 - (unsigned)__builtin_clzll(bits);

            t = list_steal(rq, &rq->mlfq.rt[64 * w + bit], to);
            bits &= ~(1ull << bit);
        }
    return t;
}

static struct thread *mlfq_steal(struct runqueue *rq, const struct cpu *to, bool realtime)
{
    struct thread *t = rt_steal(rq, to);

    for (unsigned level = LEVEL_REALTIME; !realtime && !t && level-- > 0;) {
        t = list_steal(rq, &rq->mlfq.fifo[level], to);
        if (t)
            t->level = level;
    }
    return t;
}

/* Without the lock.  One that has had its share of the period waits for the others here, not for a CPU. */
static bool mlfq_realtime_waits(const struct runqueue *rq)
{
    return (atomic_load_relaxed(&rq->mlfq.levels) >> LEVEL_REALTIME & 1) &&
           !atomic_load_relaxed(&rq->mlfq.rt_throttled);
}

/* Return: a period is over, and with it the throttling. */
static bool rt_period_next(struct runqueue *rq)
{
    struct mlfq *m = &rq->mlfq;
    bool throttled = m->rt_throttled;

    if (rq->now < m->rt_period_end)
        return false;
    m->rt_period_end = rq->now + atomic_load_relaxed(&sched_rt_period_ns);
    m->rt_ran = 0;
    m->rt_throttled = false;
    return throttled;
}

/* Return: a real-time thread has to go, having had its share of the period. */
static bool rt_account(struct runqueue *rq, ns_t ran)
{
    struct mlfq *m = &rq->mlfq;
    ns_t limit = atomic_load_relaxed(&sched_rt_runtime_ns);

    (void)rt_period_next(rq);
    m->rt_ran += ran;
    if (m->rt_ran < limit || limit == SCHED_RT_UNLIMITED)
        return false;
    m->rt_throttled = true;
    m->boost_due = MIN(m->boost_due, m->rt_period_end);
    return true;
}

/* The work that is due at boost_due: the boost, or (what comes first) the end of a throttling. */
static bool mlfq_due(struct runqueue *rq)
{
    struct mlfq *m = &rq->mlfq;
    bool again = rt_period_next(rq);

    mlfq_boost(rq);
    if (m->rt_throttled)
        m->boost_due = MIN(m->boost_due, m->rt_period_end);
    return again;
}

/* Return: is the slice used up? */
static bool slice_use(struct thread *t, ns_t ran)
{
    if (likely(t->slice_left > ran)) {
        t->slice_left -= ran;
        return false;
    }
    t->slice_left = 0;
    return true;
}

static __noinline bool account_more(struct runqueue *rq, struct thread *t, ns_t ran)
{
    bool again = false;

    if (rq->now >= rq->mlfq.boost_due)
        again = mlfq_due(rq);
    if (t->level == LEVEL_REALTIME)
        again = rt_account(rq, ran);
    if (t->policy == SCHED_FIFO)
        return again;
    return slice_use(t, ran) || again;
}

static bool mlfq_account(struct runqueue *rq, struct thread *t, ns_t ran)
{
    if (unlikely(rq->now >= rq->mlfq.boost_due || t->level == LEVEL_REALTIME))
        return account_more(rq, t, ran);
    return slice_use(t, ran);
}

static bool rt_preempts(struct runqueue *rq, const struct thread *woken,
                        const struct thread *running)
{
    if (woken->level != running->level)
        return (woken->level > running->level) != rq->mlfq.rt_throttled;
    return sched_rt_priority(woken) > sched_rt_priority(running);
}

static bool mlfq_preempts(struct runqueue *rq, const struct thread *woken,
                          const struct thread *running)
{
    if (unlikely(MAX(woken->level, running->level) == LEVEL_REALTIME))
        return rt_preempts(rq, woken, running);
    return woken->level > running->level;
}

static bool mlfq_yields(const struct runqueue *rq, const struct thread *t)
{
    return atomic_load_relaxed(&rq->mlfq.levels) >> (mlfq_moves(t) ? LEVEL_LOW : t->level) != 0;
}

const struct sched_class sched_class_mlfq = {
    .name = "mlfq",
    .init = mlfq_init,
    .enqueue = mlfq_enqueue,
    .dequeue = mlfq_dequeue,
    .pick = mlfq_pick,
    .put_back = mlfq_put_back,
    .account = mlfq_account,
    .yields = mlfq_yields,
    .steal = mlfq_steal,
    .realtime_waits = mlfq_realtime_waits,
    .preempts = mlfq_preempts,
};
REGISTRY_ADD(sched_class, sched_class_mlfq);
