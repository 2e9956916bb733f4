// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: which thread runs: sleeping, waking, switching.
 *
 * Model: a thread is in one of four places: running (on_cpu), on its CPU's run queue
 * (PLACE_QUEUED), in transit between two queues, or none of them (sleeping, stopped, new, dead).
 * Every move between them happens under that CPU's run queue lock.  A thread that wants to sleep first writes its state, then calls schedule(), which
 * under the lock looks at the state once more; a waker, under the same lock, makes it RUNNABLE and
 * queues it only if it has really left.  Whichever comes second sees the other:
 *
 *     sleeper                         waker
 *     state = SLEEPING
 *     schedule: lock                  lock (waits)
 *       state != RUNNABLE: leave
 *       switch, unlock                  !on_cpu, no place: state = RUNNABLE, enqueue
 *
 * The hand-over at a switch: the outgoing thread takes the lock and calls hal_switch(); on the other
 * side the incoming thread, which once left the same way, finishes for it: clears prev->on_cpu, drops
 * the lock, and drops the last reference of a dead one.  A new thread does so in sched_first_run().
 *
 *     prev: lock rq, pick next, hal_switch ---.
 *     next:                                   '--> prev->on_cpu = false, unlock rq, go on
 *
 * So a thread whose queue's lock can be taken and that is not on_cpu has left its CPU altogether, and
 * may run on another one.  To move, it becomes PLACE_TRANSIT and gets its new ctx.cpu under the lock
 * of the old queue; the mover then puts it on the new one (sched_arrive), looking at its affinity
 * once more.  A running thread that has to go (must_move) is put in transit by its own switch and
 * sent off by the thread that runs next:
 *
 *     set_affinity                  its CPU                          new CPU
 *     must_move, PENDING_RESCHED    prev: TRANSIT, hal_switch
 *     interrupt                     next: prev->ctx.cpu = new,
 *                                   on_cpu = false, unlock
 *                                   sched_arrive: lock new, queue,
 *                                   PENDING_RESCHED, interrupt       runs it
 *
 * Each thread raised its own preempt_count by one before it switched away, and lowers it after it
 * came back; a new thread starts with 1.
 * Locking: LOCK_RUNQ; a thread's run queue is that of its ctx.cpu, looked at again under the lock.
 * Invariants: (1) the running thread is on no queue; (2) the idle thread never is; (3) exactly one
 * thread of a CPU has on_cpu set, outside a hand-over.
 */
#define LOG_TAG "sched"
#include <sched/sched.h>

#include <core/choice.h>
#include <core/log.h>
#include <core/panic.h>
#include <core/params.h>
#include <core/smp.h>
#include <hal/cpu.h>
#include <hal/mmu.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/vmap.h>
#include <sched/clock.h>
#include <sched/runqueue.h>

#include <linux/sched.h>

static const struct sched_class *policy = &sched_class_mlfq; /* constant once threads run */
static bool started;
static uint64_t forks; /* atomic */

static const char *policy_nth(unsigned n)
{
    return n < registry_count(sched_class) ? __start_registry_sched_class[n]->name : NULL;
}

static err_t choose_policy(const char *value)
{
    if (!value)
        return -EINVAL;
    registry_for_each(sched_class, c) {
        if (strcmp((*c)->name, value) == 0) {
            policy = *c;
            return 0;
        }
    }
    choice_unknown("sched", value, policy_nth);
    return 0;
}
PARAM_NAMED(sched, "sched", "scheduling policy: mlfq, rr", choose_policy);

const char *sched_policy_name(void)
{
    return policy->name;
}

/* Locks the run queue that `t` belongs to; interrupts must be off. */
static struct runqueue *rq_lock_thread(struct thread *t)
{
    for (;;) {
        struct runqueue *rq = atomic_load_relaxed(&t->ctx.cpu)->rq;

        spin_lock_raw(&rq->lock);
        if (likely(rq == atomic_load_relaxed(&t->ctx.cpu)->rq))
            return rq;
        spin_unlock_raw(&rq->lock);
    }
}

static struct runqueue *rq_lock_thread_irqsave(struct thread *t, unsigned long *flags)
{
    *flags = hal_irq_save();
    preempt_disable();
    return rq_lock_thread(t);
}

static void rq_unlock_irqrestore(struct runqueue *rq, unsigned long flags)
{
    spin_unlock_irqrestore(&rq->lock, flags);
}

/* --- accounting -------------------------------------------------------------------------------- */

void thread_times(struct thread *t, ns_t *user, ns_t *system)
{
    unsigned long flags;
    struct runqueue *rq = rq_lock_thread_irqsave(t, &flags);
    ns_t total = t->runtime;
    uint64_t u = t->user_ticks, s = t->system_ticks;

    if (t->on_cpu)
        total += clock_monotonic() - t->switched_in;
    rq_unlock_irqrestore(rq, flags);

    if (s == 0)
        *user = total;
    else if (u == 0)
        *user = 0;
    else
        *user = total / (u + s) * u + total % (u + s) * u / (u + s);
    *system = total - *user;
}

uint64_t sched_forks(void)
{
    return atomic_load_relaxed(&forks);
}

/* --- switching --------------------------------------------------------------------------------- */

static void thread_bury(struct cpu *cpu, struct thread *t)
{
    if (cpu->fpu_owner == &t->ctx)
        cpu->fpu_owner = NULL;
    vmap_stack_free(t->ctx.stack_top);
    t->ctx.stack_top = 0;
    thread_put(t);
}

/* A live `prev` may be running elsewhere, even be gone, as soon as the lock is free: unless it is in transit. */
static void leave_switch(struct runqueue *rq, struct thread *prev)
{
    prev->on_cpu = false;
    spin_unlock_raw(&rq->lock);
}

/* finish_switch() when there is more to do. */
static __noinline void finish_more(struct runqueue *rq, struct thread *prev)
{
    bool dead = prev->state == THREAD_DEAD;
    unsigned after = rq->after;

    rq->after = 0;
    if (after & AFTER_MOVE)
        atomic_store_relaxed(&prev->ctx.cpu, place_leaving(rq->cpu, prev));
    leave_switch(rq, prev);
    if (dead)
        thread_bury(rq->cpu, prev);
    if (after & AFTER_MOVE)
        sched_arrive(prev, false);
    place_after(rq, after);
}

/* What the incoming thread does for the outgoing one. */
static __hot void finish_switch(struct thread *prev)
{
    struct runqueue *rq = thread_current()->ctx.cpu->rq;

    if (unlikely(prev->state == THREAD_DEAD || rq->after))
        finish_more(rq, prev);
    else
        leave_switch(rq, prev);
}

static __hot void switch_to(struct runqueue *rq, struct thread *prev, struct thread *next)
{
    rq->switches++;
    if (prev->switch_pending)
        atomic_fetch_or(&prev->ctx.pending, prev->switch_pending);
    next->switched_in = rq->now;
    next->on_cpu = true;
    if (sched_smp)
        place_note_role(rq, next);
    if (next->hal_space && next->hal_space != rq->cpu->space)
        mmu_space_switch(next->hal_space);
    finish_switch(thread_of(hal_switch(&prev->ctx, &next->ctx)));
}

/* Takes the running thread off the CPU: back to the queue, or to sleep. */
static __hot void leave_cpu(struct runqueue *rq, struct thread *prev, bool preempted, bool yielded)
{
    if (preempted || prev->state == THREAD_RUNNABLE) {
        if (unlikely(prev->must_move)) {
            prev->place = PLACE_TRANSIT;
            rq->after |= AFTER_MOVE;
            return;
        }
        rq->class->put_back(rq, prev, yielded);
        prev->place = PLACE_QUEUED;
        rq->queued++;
        return;
    }
    prev->voluntary_switches++;
    prev->slept_at = rq->now;
    rq->blocked += prev->state == THREAD_SLEEPING;
}

static __hot struct thread *next_thread(struct runqueue *rq)
{
    struct thread *next = rq->class->pick(rq);

    if (!next)
        return rq->cpu->idle;
    next->place = PLACE_NONE;
    rq->queued--;
    return next;
}

static __hot void reschedule(bool preempted, bool yielded)
{
    unsigned long flags = hal_irq_save();
    struct thread *prev = thread_current(), *next;
    struct runqueue *rq = prev->ctx.cpu->rq;

    lockrank_may_sleep();
    K_DEBUG_ASSERT(prev->ctx.preempt_count == 0);
    prev->ctx.preempt_count = 1;
    if (unlikely(rq->tick_stopped))
        tick_restart(rq);
    if (unlikely(clock_polled))
        timer_interrupt();
    spin_lock_raw(&rq->lock);
    rq_charge(rq, prev, clock_monotonic());
    if (prev->ctx.pending & PENDING_RESCHED)
        atomic_fetch_and(&prev->ctx.pending, ~PENDING_RESCHED);
    if (likely(prev != rq->cpu->idle))
        leave_cpu(rq, prev, preempted, yielded);
    next = next_thread(rq);
    if (likely(next != prev)) {
        prev->forced_switches += prev->place != PLACE_NONE;
        switch_to(rq, prev, next);
    } else {
        spin_unlock_raw(&rq->lock);
    }
    prev->ctx.preempt_count = 0;
    hal_irq_restore(flags);
}

void schedule(void)
{
    reschedule(false, false);
}

void sched_yield(void)
{
    struct thread *self = thread_current();
    struct runqueue *rq = self->ctx.cpu->rq;

    if (atomic_load_relaxed(&rq->queued) != 0 && rq->class->yields(rq, self))
        reschedule(true, true);
    else
        hal_relax(); /* it waits for another CPU */
}

void sched_preempt_irq(void)
{
    do {
        reschedule(true, false);
    } while (atomic_load_relaxed(&hal_current()->pending) & PENDING_RESCHED);
}

/* preempt_enable() found PENDING_RESCHED.  With interrupts off the next interrupt's end or the next
 * switch will see it. */
static void preempt_now(void)
{
    if (hal_irqs_enabled())
        sched_preempt_irq();
}

void sched_first_run(struct hal_context *prev, void *arg)
{
    struct thread *self = arg;

    finish_switch(thread_of(prev));
    self->ctx.preempt_count = 0;
    hal_irq_enable();
    self->entry(self->arg);
    thread_exit();
}

/* --- waking ------------------------------------------------------------------------------------ */

/* `t` has just been queued: should it take the CPU from who runs there? */
static __hot void check_preemption(struct runqueue *rq, struct thread *t)
{
    struct thread *running = thread_of(atomic_load_relaxed(&rq->cpu->current));

    if (running != rq->cpu->idle && !rq->class->preempts(rq, t, running))
        return;
    if (running->ctx.pending & PENDING_RESCHED)
        return;
    atomic_fetch_or(&running->ctx.pending, PENDING_RESCHED);
    if (unlikely(rq->cpu != cpu_current()))
        ipi_send(rq->cpu, IPI_RESCHED);
}

static __hot void activate(struct runqueue *rq, struct thread *t, bool woken, bool lazy)
{
    if (unlikely(rq->tick_stopped))
        rq->now = clock_monotonic(); /* the thread's sleep is measured by it */
    rq->class->enqueue(rq, t, woken);
    t->place = PLACE_QUEUED;
    rq->queued++;
    if (sched_smp && rq->role != ROLE_IDLE)
        place_note_load(rq);
    if (lazy && t->level < LEVEL_REALTIME && rq->cpu == cpu_current() &&
        atomic_load_relaxed(&rq->cpu->current) != &rq->cpu->idle->ctx)
        rq->lazy = true;
    else
        check_preemption(rq, t);
}

void sched_arrive(struct thread *t, bool woken)
{
    for (;;) {
        struct runqueue *rq = t->ctx.cpu->rq;

        spin_lock_raw(&rq->lock);
        if (likely(cpu_allowed(t, rq->cpu))) {
            t->must_move = false;
            activate(rq, t, woken, false);
            spin_unlock_raw(&rq->lock);
            return;
        }
        atomic_store_relaxed(&t->ctx.cpu, place_leaving(rq->cpu, t));
        spin_unlock_raw(&rq->lock);
        if (rq->cpu != cpu_current())
            ipi_send(rq->cpu, IPI_RESCHED); /* it may have been taken for idle: it looks again */
    }
}

/* Queues `t`, which is nowhere, on `to`; its own queue `rq` is locked, and unlocked here. */
static __hot void dispatch(struct runqueue *rq, struct thread *t, struct cpu *to, bool woken)
{
    t->place = PLACE_TRANSIT;
    atomic_store_relaxed(&t->ctx.cpu, to);
    spin_unlock_raw(&rq->lock);
    sched_arrive(t, woken);
}

__hot bool thread_wake_irqs_off(struct thread *t, unsigned states)
{
    struct cpu *to;
    struct runqueue *rq;
    enum thread_state was;

    /* Orders the caller's predicate before the look at the state; pairs with wait_begin(). */
    atomic_fence();
    if (!(1u << atomic_load_relaxed(&t->state) & states))
        return false;
    rq = rq_lock_thread(t);
    was = t->state;
    if (unlikely(!(1u << was & states))) {
        spin_unlock_raw(&rq->lock);
        return false;
    }
    atomic_store_relaxed(&t->state, THREAD_RUNNABLE);
    if (likely(!t->on_cpu && t->place == PLACE_NONE)) {
        rq->blocked -= was == THREAD_SLEEPING;
        to = sched_smp ? place_woken(rq, t, states & WAKE_LAZY) : rq->cpu;
        if (unlikely(to != rq->cpu)) {
            dispatch(rq, t, to, true);
            return true;
        }
        activate(rq, t, true, states & WAKE_LAZY);
    }
    spin_unlock_raw(&rq->lock);
    return true;
}

__hot bool thread_wake_state(struct thread *t, unsigned states)
{
    unsigned long flags = hal_irq_save();
    bool woken = thread_wake_irqs_off(t, states);

    hal_irq_restore(flags);
    sched_check();
    return woken;
}

void thread_start(struct thread *t)
{
    unsigned long flags;
    struct runqueue *rq = rq_lock_thread_irqsave(t, &flags);
    struct cpu *to = sched_smp ? place_new(t) : rq->cpu;

    K_ASSERT(t->state == THREAD_NEW);
    t->state = THREAD_RUNNABLE;
    if (likely(to == rq->cpu)) {
        activate(rq, t, false, false);
        spin_unlock_raw(&rq->lock);
    } else {
        dispatch(rq, t, to, false);
    }
    hal_irq_restore(flags);
    preempt_enable();
    __atomic_fetch_add(&forks, 1, __ATOMIC_RELAXED);
}

/* --- policy ------------------------------------------------------------------------------------ */

static enum sched_level level_of_nice(int nice)
{
    return nice <= -10 ? LEVEL_HIGH : nice < 10 ? LEVEL_NORMAL : LEVEL_LOW;
}

unsigned sched_priority(const struct thread *t)
{
    uint8_t policy_ = atomic_load_relaxed(&t->policy);
    unsigned own = policy_ == SCHED_FIFO || policy_ == SCHED_RR
                       ? PRIORITY_REALTIME + t->rt_priority
                   : policy_ == SCHED_IDLE ? 0
                                           : 20u - (unsigned)t->nice;

    return MAX(own, (unsigned)atomic_load_relaxed(&t->lent));
}

/* Its level while others lend it more than it has. */
static bool derive_lent(struct thread *t)
{
    if (likely(!t->lent) || t->policy == SCHED_FIFO || t->policy == SCHED_RR)
        return false;
    t->level = t->base_level = t->lent > PRIORITY_REALTIME
                                   ? LEVEL_REALTIME
                                   : level_of_nice(20 - (int)sched_priority(t));
    t->slice_left = sched_slice(t);
    return true;
}

void sched_derive_level(struct thread *t)
{
    if (derive_lent(t))
        return;
    switch (t->policy) {
    case SCHED_FIFO:
    case SCHED_RR:
        t->level = t->base_level = LEVEL_REALTIME;
        break;
    case SCHED_IDLE:
        t->level = t->base_level = LEVEL_IDLE;
        break;
    default:
        /* The same base again leaves a sunk thread where it is. */
        if (t->base_level != level_of_nice(t->nice))
            t->level = t->base_level = level_of_nice(t->nice);
        break;
    }
    t->slice_left = sched_slice(t);
}

/* Parent and child share what is left of a slice: forking does not make time. */
static void slice_split(struct thread *parent, struct thread *child)
{
    unsigned long flags;
    struct runqueue *rq = rq_lock_thread_irqsave(parent, &flags);

    parent->slice_left /= 2;
    child->slice_left = MAX(parent->slice_left, NS_PER_MSEC);
    rq_unlock_irqrestore(rq, flags);
}

void sched_inherit(struct thread *t, enum sched_level level)
{
    struct thread *parent = thread_current();

    memset(t->affinity, 0xff, sizeof t->affinity);
    t->ctx.cpu = cpu_current();
    t->policy = level == LEVEL_REALTIME ? SCHED_RR : level == LEVEL_IDLE ? SCHED_IDLE : SCHED_NORMAL;
    t->rt_priority = level == LEVEL_REALTIME ? 50 : 0;
    t->level = t->base_level = level;
    t->slice_left = sched_slice(t);
    if (!started || !parent->process || !t->process)
        return;
    memcpy(t->affinity, parent->affinity, sizeof t->affinity);
    t->nice = parent->nice;
    t->policy = parent->policy;
    t->rt_priority = parent->rt_priority;
    t->level = parent->level;
    t->base_level = parent->base_level;
    slice_split(parent, t);
    t->reset_on_fork = false;
    if (!parent->reset_on_fork)
        return;
    t->policy = SCHED_NORMAL;
    t->rt_priority = 0;
    t->nice = MAX(t->nice, 0);
    sched_derive_level(t);
}

/* The running thread of `rq` (locked) looks for another one soon. */
static void resched_running(struct runqueue *rq, struct thread *t)
{
    atomic_fetch_or(&t->ctx.pending, PENDING_RESCHED);
    if (rq->cpu != cpu_current())
        ipi_send(rq->cpu, IPI_RESCHED);
}

/* A change of policy, nice or what it is lent comes between these two, wherever the thread is. */
static struct runqueue *change_begin(struct thread *t, unsigned long *flags)
{
    struct runqueue *rq = rq_lock_thread_irqsave(t, flags);

    if (t->place == PLACE_QUEUED)
        rq->class->dequeue(rq, t);
    return rq;
}

static void change_end(struct runqueue *rq, struct thread *t, unsigned long flags)
{
    sched_derive_level(t);
    if (t->place == PLACE_QUEUED) {
        rq->class->enqueue(rq, t, false);
        check_preemption(rq, t);
    } else if (t->on_cpu) {
        if (sched_smp)
            place_note_role(rq, t);
        if (rq->queued)
            resched_running(rq, t);
    }
    rq_unlock_irqrestore(rq, flags);
}

static void change_policy(struct thread *t, int policy_, int rt_priority, int nice)
{
    unsigned long flags;
    struct runqueue *rq = change_begin(t, &flags);

    t->policy = (uint8_t)policy_;
    t->rt_priority = (uint8_t)rt_priority;
    t->nice = (int8_t)nice;
    change_end(rq, t, flags);
}

void sched_lend(struct thread *t, unsigned lent)
{
    unsigned long flags;
    struct runqueue *rq = change_begin(t, &flags);

    t->lent = (uint8_t)lent;
    change_end(rq, t, flags);
}

err_t sched_set_policy(struct thread *t, int policy_, int rt_priority)
{
    bool realtime = policy_ == SCHED_FIFO || policy_ == SCHED_RR;

    if (!realtime && policy_ != SCHED_NORMAL && policy_ != SCHED_BATCH && policy_ != SCHED_IDLE)
        return -EINVAL;
    if (realtime ? rt_priority < 1 || rt_priority > 99 : rt_priority != 0)
        return -EINVAL;
    change_policy(t, policy_, rt_priority, t->nice);
    return 0;
}

err_t sched_set_nice(struct thread *t, int nice)
{
    if (nice < -20 || nice > 19)
        return -EINVAL;
    change_policy(t, t->policy, t->rt_priority, nice);
    return 0;
}

static bool any_online(const uint64_t mask[CPU_MAX / 64])
{
    uint64_t any = 0;

    for (unsigned i = 0; i < CPU_MAX / 64; i++)
        any |= mask[i] & atomic_load_relaxed(&cpus_online.bits[i]);
    return any != 0;
}

static void affinity_write(struct thread *t, const uint64_t mask[CPU_MAX / 64])
{
    for (unsigned i = 0; i < CPU_MAX / 64; i++)
        atomic_store_relaxed(&t->affinity[i], mask[i]);
}

/* `t` may not stay on the CPU of `rq`, which is locked, and unlocked here. */
static void evict(struct runqueue *rq, struct thread *t)
{
    if (t->place == PLACE_QUEUED) {
        rq->class->dequeue(rq, t);
        rq->queued--;
        dispatch(rq, t, place_leaving(rq->cpu, t), false);
        return;
    }
    if (t->on_cpu) {
        t->must_move = true;
        resched_running(rq, t);
    }
    /* Who sleeps goes when it is woken, who is in transit when it arrives. */
    spin_unlock_raw(&rq->lock);
}

/* Until the CPU where `t` may not be is rid of it. */
static void await_move(struct thread *t)
{
    while (t != thread_current() && atomic_load(&t->must_move) && atomic_load(&t->on_cpu)) {
        sched_yield();
        hal_relax();
    }
}

err_t sched_set_affinity(struct thread *t, const uint64_t mask[CPU_MAX / 64])
{
    unsigned long flags;
    struct runqueue *rq;

    if (!any_online(mask) || t->pinned)
        return -EINVAL;
    rq = rq_lock_thread_irqsave(t, &flags);
    affinity_write(t, mask);
    t->must_move = false;
    if (likely(cpu_allowed(t, rq->cpu)))
        spin_unlock_raw(&rq->lock);
    else
        evict(rq, t);
    hal_irq_restore(flags);
    preempt_enable();
    await_move(t);
    return 0;
}

void sched_exec(void)
{
    struct thread *self = thread_current();
    unsigned long flags;
    struct runqueue *rq;

    if (!sched_smp || atomic_load_relaxed(&self->ctx.cpu->rq->queued) == 0 ||
        !place_idle_any(self->ctx.cpu, self))
        return;
    rq = rq_lock_thread_irqsave(self, &flags);
    self->must_move = true; /* if the idle CPU is taken meanwhile, to the end of this queue */
    resched_running(rq, self);
    rq_unlock_irqrestore(rq, flags);
}

/* --- idle -------------------------------------------------------------------------------------- */

static bool resched_pending(void)
{
    return atomic_load_relaxed(&hal_current()->pending) & PENDING_RESCHED;
}

/* Nothing to do here: looks elsewhere, then waits.  Interrupts off; on when it returns.
 *
 *     idle CPU                        waker
 *     own bit into the idle set       takes the bit, queues a thread
 *     PENDING_RESCHED?  no            PENDING_RESCHED, interrupt
 *     waits for an interrupt
 */
static __hot void idle_wait(struct runqueue *rq)
{
    rq->idle_rounds++;
    if (sched_smp) {
        (void)place_steal(rq);
        place_note_idle(rq);
        atomic_fence();
    }
    if (unlikely(clock_polled))
        timer_interrupt();
    else if (!resched_pending())
        hal_idle();
    hal_irq_enable();
}

static __noreturn void idle_loop(void)
{
    struct runqueue *rq = cpu_current()->rq;

    for (;;) {
        hal_irq_disable();
        idle_wait(rq);
        if (resched_pending())
            schedule();
    }
}

/* --- start ------------------------------------------------------------------------------------- */

/* On the CPU's own node. */
static struct runqueue *rq_alloc(unsigned node)
{
    paddr_t pa = frame_alloc_node(node, FRAME_ZERO);

    _Static_assert(sizeof(struct runqueue) <= PAGE_SIZE, "a run queue fits in a frame");
    return pa == PADDR_NONE ? NULL : phys_to_virt(pa);
}

err_t sched_init_cpu(struct cpu *cpu)
{
    struct runqueue *rq = rq_alloc(cpu->node);
    struct thread *idle = kzalloc(sizeof *idle);

    if (!rq || !idle)
        goto out_free;
    cpu->timers = timer_queue_create();
    if (!cpu->timers)
        goto out_free;
    spin_init(&rq->lock, LOCK_RUNQ);
    rq->cpu = cpu;
    rq->class = policy;
    rq->dice = cpu->id;
    tick_init(rq);
    irq_look_set(irq_storm_look_cpu);
    policy->init(rq);
    cpu->idle = idle;
    if (thread_init_idle(idle, cpu))
        goto out_free;
    cpu->rq = rq;
    return 0;

out_free:
    if (rq)
        frame_put(virt_to_phys(rq));
    kfree(idle);
    return -ENOMEM;
}

/* The idle thread's first and only C, on its own stack, interrupts off. */
static __noreturn void idle_entry(struct hal_context *prev __maybe_unused, void *arg)
{
    void (*rest)(void) = (void (*)(void))(uintptr_t)arg;

    started = true;
    hal_current()->preempt_count = 0;
    rest();
    idle_loop();
}

void sched_start_cpu(struct cpu *cpu, void (*rest)(void))
{
    struct hal_context *boot = hal_current();
    struct thread *idle = cpu->idle;

    place_init_cpu(cpu);
    if (cpu != cpus[0])
        sched_smp = true;
    idle->on_cpu = true;
    idle->state = THREAD_RUNNABLE;
    idle->switched_in = cpu->rq->now = clock_monotonic();
    preempt_resched_hook = preempt_now;
    hal_context_init(&idle->ctx, idle->ctx.stack_top, idle_entry, (void *)(uintptr_t)rest);
    hal_switch(boot, &idle->ctx);
    panic("the boot context ran again");
}

void sched_start(void (*rest)(void))
{
    struct cpu *cpu = cpu_current();

    if (sched_init_cpu(cpu))
        panic("no memory for the first run queue");
    sched_start_cpu(cpu, rest);
}

bool sched_running(void)
{
    return started;
}
