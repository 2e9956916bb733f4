// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: which CPU a thread runs on.
 *
 * Model: four sets of CPUs, a bit each, are all that a CPU needs to know of the others:
 *
 *     idle       waits for an interrupt; who sends it a thread takes its bit first
 *     loaded     had threads waiting when it last looked; a thief that finds none takes the bit
 *     realtime   runs a real-time thread
 *     rt_waiting has a real-time thread waiting behind one
 *
 * A choice is an AND of such a set, the thread's affinity and the CPUs near the last one (same cache,
 * then same node, then all), and the first bit of the result: four words at most.
 * Threads move at seven points:
 *
 *     woken      its last CPU when idle, else an idle one near, else its last
 *     new        an idle CPU near the parent, else the less loaded of here and a random one
 *     idle       a CPU that has nothing to do takes a thread from a loaded one
 *     tick       a loaded CPU hands one to an idle one; else the less loaded takes one from the more
 *     real-time  at switches and ticks: who waits behind another goes where none runs
 *     affinity   sched_set_affinity()
 *     exec       from a CPU where others wait to an idle one
 *
 * A thread that moves is in transit (PLACE_TRANSIT) between the two locks, which are never held
 * together; whoever finds it there leaves it alone, and sched_arrive() looks at its affinity again.
 * Locking: the sets are atomic and only hints: a bit that is wrong costs time, not correctness.
 */
#include <sched/runqueue.h>

#include <core/smp.h>
#include <lib/bitmap.h>
#include <lib/string.h>

#define STEAL_TRIES 3
#define EVEN_TICKS 4 /* ticks between two looks at busy CPUs */

bool sched_smp;
static struct cpu_set idle __aligned(64);
static struct cpu_set loaded __aligned(64);
static struct cpu_set realtime, rt_waiting;

/* --- sets -------------------------------------------------------------------------------------- */

static bool set_has(const struct cpu_set *s, unsigned id)
{
    return atomic_load_relaxed(&s->bits[id / 64]) >> (id % 64) & 1;
}

static void set_put(struct cpu_set *s, unsigned id)
{
    if (!set_has(s, id))
        atomic_fetch_or(&s->bits[id / 64], BIT(id % 64));
}

/* Return: whether it was in, and the caller took it out. */
static bool set_take(struct cpu_set *s, unsigned id)
{
    return set_has(s, id) && atomic_fetch_and(&s->bits[id / 64], ~BIT(id % 64)) >> (id % 64) & 1;
}

/* The first CPU in all three sets at or after `from`, around the end; NULL: none. */
static struct cpu *cpu_pick(const uint64_t *a, const uint64_t *b, const uint64_t *c, unsigned from)
{
    unsigned words = (atomic_load_relaxed(&cpu_count) + 63) / 64, w = from / 64;
    uint64_t keep = UINT64_MAX << (from % 64);

    for (unsigned n = 0; n <= words; n++) {
        uint64_t bits = atomic_load_relaxed(&a[w]) & atomic_load_relaxed(&b[w]) &
                        atomic_load_relaxed(&c[w]) & keep;

        if (bits)
            return cpus[64 * w + (unsigned)__builtin_ctzll(bits)];
        keep = UINT64_MAX;
        w = w + 1 < words ? w + 1 : 0;
    }
    return NULL;
}

/* --- who is near ------------------------------------------------------------------------------- */

static const struct cpu_cache *last_cache(const struct cpu *cpu)
{
    const struct cpu_cache *last = NULL;

    for (unsigned i = 0; i < CPU_CACHES_MAX; i++) {
        const struct cpu_cache *c = &cpu->topology.caches[i];

        if (c->type != CACHE_NONE && (!last || c->level > last->level))
            last = c;
    }
    return last;
}

static bool cache_shared(const struct cpu *a, const struct cpu *b)
{
    const struct cpu_cache *c = last_cache(a);

    if (!c)
        return a->topology.package == b->topology.package;
    return c->sharing >= 64 || a->hw_id >> c->sharing == b->hw_id >> c->sharing;
}

static bool node_shared(const struct cpu *a, const struct cpu *b)
{
    return a->node == b->node;
}

static void near_add(struct runqueue *rq, unsigned level, const struct cpu *cpu)
{
    for (; level < NEAR_COUNT; level++)
        atomic_fetch_or(&rq->near[level][cpu->id / 64], BIT(cpu->id % 64));
}

void place_init_cpu(struct cpu *cpu)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        unsigned level = cache_shared(cpu, cpus[i])  ? NEAR_CACHE
                         : node_shared(cpu, cpus[i]) ? NEAR_NODE
                                                     : NEAR_ALL;

        near_add(cpu->rq, level, cpus[i]);
        near_add(cpus[i]->rq, level, cpu);
    }
}

/* --- choosing ---------------------------------------------------------------------------------- */

/* Takes the bit of an idle CPU near `near` that `t` may use. */
static struct cpu *idle_take(const struct thread *t, const struct cpu *near)
{
    for (unsigned level = 0; level < NEAR_COUNT; level++) {
        struct cpu *cpu;

        while ((cpu = cpu_pick(idle.bits, t->affinity, near->rq->near[level], near->id)) != NULL)
            if (set_take(&idle, cpu->id))
                return cpu;
    }
    return NULL;
}

/* A CPU near `near` that `t` may use and where no real-time thread runs. */
static struct cpu *ordinary_find(const struct thread *t, const struct cpu *near)
{
    uint64_t ordinary[CPU_MAX / 64];
    struct cpu *cpu = NULL;

    for (unsigned i = 0; i < CPU_MAX / 64; i++)
        ordinary[i] = atomic_load_relaxed(&cpus_online.bits[i]) &
                      ~atomic_load_relaxed(&realtime.bits[i]);
    for (unsigned level = 0; level < NEAR_COUNT && !cpu; level++)
        cpu = cpu_pick(ordinary, t->affinity, near->rq->near[level], near->id);
    return cpu;
}

/* Any that `t` may use; there is one, for CPUs do not go. */
static struct cpu *allowed_find(const struct thread *t, const struct cpu *near)
{
    struct cpu *cpu = NULL;

    for (unsigned level = 0; level < NEAR_COUNT && !cpu; level++)
        cpu = cpu_pick(cpus_online.bits, t->affinity, near->rq->near[level], near->id);
    return cpu ? cpu : cpus[near->id];
}

bool place_idle_any(const struct cpu *near, const struct thread *t)
{
    return cpu_pick(idle.bits, t->affinity, near->rq->near[NEAR_ALL], near->id) != NULL;
}

static unsigned queued_on(const struct cpu *cpu)
{
    return atomic_load_relaxed(&cpu->rq->queued);
}

struct cpu *place_leaving(struct cpu *from, const struct thread *t)
{
    struct cpu *to = idle_take(t, from);

    if (to)
        return to;
    return cpu_allowed(t, from) ? from : allowed_find(t, from);
}

static struct cpu *place_realtime(struct runqueue *rq, const struct thread *t)
{
    struct cpu *to = NULL;

    if (rq->role == ROLE_REALTIME || !cpu_allowed(t, rq->cpu))
        to = ordinary_find(t, rq->cpu);
    if (to)
        return to;
    return cpu_allowed(t, rq->cpu) ? rq->cpu : allowed_find(t, rq->cpu);
}

__hot struct cpu *place_woken(struct runqueue *rq, const struct thread *t, bool lazy)
{
    struct cpu *last = rq->cpu, *here = cpu_current(), *to;
    bool allowed = cpu_allowed(t, last);

    if (likely(allowed)) {
        if (rq->role == ROLE_IDLE && rq->queued == 0) {
            set_take(&idle, last->id);
            return last;
        }
        /* The waker will sleep soon: with its data in this cache that is worth waiting for. */
        if (lazy && last == here && rq->queued == 0)
            return last;
    }
    to = idle_take(t, last);
    if (to)
        return to;
    if (unlikely(t->level == LEVEL_REALTIME))
        return place_realtime(rq, t);
    if (unlikely(!allowed))
        return cpu_allowed(t, here) ? here : allowed_find(t, last);
    if (queued_on(here) + 1 < rq->queued && cpu_allowed(t, here))
        return here;
    return last;
}

static unsigned dice_throw(struct runqueue *rq, unsigned sides)
{
    rq->dice = rq->dice * 1664525 + 1013904223; /* Numerical Recipes; good enough in its upper half */
    return (rq->dice >> 16) % sides;
}

struct cpu *place_new(const struct thread *t)
{
    struct cpu *here = cpu_current(), *other = idle_take(t, here);
    unsigned from;

    if (other)
        return other;
    if (unlikely(t->level == LEVEL_REALTIME))
        return place_realtime(here->rq, t);
    from = dice_throw(here->rq, atomic_load_relaxed(&cpu_count));
    other = cpu_pick(cpus_online.bits, t->affinity, here->rq->near[NEAR_ALL], from);
    if (!other || (cpu_allowed(t, here) && queued_on(here) <= queued_on(other)))
        return here;
    return other;
}

/* --- moving ------------------------------------------------------------------------------------ */

/* Takes a queued thread of `from`, which is locked here, to `to`.  Return: whether there was one. */
static bool thread_move(struct runqueue *from, struct cpu *to, bool real)
{
    struct thread *t = NULL;

    spin_lock_raw(&from->lock);
    /* One that was woken lazily waits for its waker, who will go soon. */
    if (from->queued > (from->lazy ? 1u : 0u) || (real && from->queued))
        t = from->class->steal(from, to, real);
    if (t) {
        from->queued--;
        t->place = PLACE_TRANSIT;
        atomic_store_relaxed(&t->ctx.cpu, to);
    }
    spin_unlock_raw(&from->lock);
    if (t)
        sched_arrive(t, false);
    return t != NULL;
}

void place_note_load(struct runqueue *rq)
{
    set_put(&loaded, rq->cpu->id);
}

void place_note_idle(struct runqueue *rq)
{
    set_put(&idle, rq->cpu->id);
}

/* A loaded CPU behind `after`, as near as possible. */
static struct cpu *loaded_find(const struct runqueue *rq, unsigned after)
{
    struct cpu *cpu = NULL;
    unsigned count = atomic_load_relaxed(&cpu_count), from = after + 1 < count ? after + 1 : 0;

    for (unsigned level = 0; level < NEAR_COUNT && !cpu; level++)
        cpu = cpu_pick(loaded.bits, cpus_online.bits, rq->near[level], from);
    return cpu;
}

bool place_steal(struct runqueue *rq)
{
    unsigned after = rq->cpu->id;

    for (unsigned i = 0; i < STEAL_TRIES; i++) {
        struct cpu *victim = loaded_find(rq, after);

        if (!victim)
            return false;
        after = victim->id;
        if (queued_on(victim) == 0)
            set_take(&loaded, victim->id);
        else if (victim != rq->cpu && thread_move(victim->rq, rq->cpu, false))
            return true;
    }
    return false;
}

/* Two CPUs that both compute: takes one when the other has two more waiting. */
static void even_out(struct runqueue *rq)
{
    struct cpu *victim = loaded_find(rq, dice_throw(rq, atomic_load_relaxed(&cpu_count)));

    if (!victim || victim == rq->cpu)
        return;
    if (queued_on(victim) == 0)
        set_take(&loaded, victim->id);
    else if (queued_on(victim) >= rq->queued + 2)
        (void)thread_move(victim->rq, rq->cpu, false);
}

/* Hands one of the waiting threads to an idle CPU. */
static void push_idle(struct runqueue *rq)
{
    struct cpu *to = NULL;
    unsigned from = dice_throw(rq, atomic_load_relaxed(&cpu_count));

    for (unsigned level = 0; level < NEAR_COUNT && !to; level++)
        to = cpu_pick(idle.bits, cpus_online.bits, rq->near[level], from);
    if (to && to != rq->cpu)
        (void)thread_move(rq, to, false);
}

static void push_realtime(struct runqueue *rq)
{
    uint64_t ordinary[CPU_MAX / 64];
    struct cpu *to = NULL;

    for (unsigned i = 0; i < CPU_MAX / 64; i++)
        ordinary[i] = ~atomic_load_relaxed(&realtime.bits[i]);
    for (unsigned level = 0; level < NEAR_COUNT && !to; level++)
        to = cpu_pick(ordinary, cpus_online.bits, rq->near[level], rq->cpu->id);
    if (to && to != rq->cpu)
        (void)thread_move(rq, to, true);
}

static void pull_realtime(struct runqueue *rq)
{
    struct cpu *from = cpu_pick(rt_waiting.bits, cpus_online.bits, rq->near[NEAR_ALL], rq->cpu->id);

    if (from && from != rq->cpu)
        (void)thread_move(from->rq, rq->cpu, true);
}

void place_role(struct runqueue *rq, enum rq_role role)
{
    unsigned id = rq->cpu->id;
    enum rq_role was = rq->role;
    bool waits = role == ROLE_REALTIME && rq->class->realtime_waits(rq);

    rq->role = role;
    if (was == ROLE_IDLE)
        set_take(&idle, id);
    if (role == ROLE_REALTIME)
        set_put(&realtime, id);
    else if (was == ROLE_REALTIME)
        set_take(&realtime, id);
    if (waits) {
        set_put(&rt_waiting, id);
        rq->after |= AFTER_PUSH;
    } else if (was == ROLE_REALTIME) {
        set_take(&rt_waiting, id);
        rq->after |= role != ROLE_REALTIME ? AFTER_PULL : 0;
    }
}

void place_after(struct runqueue *rq, unsigned after)
{
    if (after & AFTER_PUSH)
        push_realtime(rq);
    if (after & AFTER_PULL)
        pull_realtime(rq);
}

void place_balance(struct runqueue *rq)
{
    unsigned queued = atomic_load_relaxed(&rq->queued);

    rq->ticks++;
    if (queued) {
        set_put(&loaded, rq->cpu->id);
        push_idle(rq);
    }
    if (rq->role == ROLE_REALTIME && rq->class->realtime_waits(rq)) {
        set_put(&rt_waiting, rq->cpu->id);
        push_realtime(rq);
    }
    if (rq->ticks % EVEN_TICKS == 0)
        even_out(rq);
}
