// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: which thread runs: sleeping, waking, switching, ticks.
 *
 * Model: a thread is in one of three places: running (on_cpu), on its CPU's run queue (queued), or
 * neither (sleeping, stopped, new, dead).  Every move between them happens under that CPU's run
 * queue lock.  A thread that wants to sleep first writes its state, then calls schedule(), which
 * under the lock looks at the state once more; a waker, under the same lock, makes it RUNNABLE and
 * queues it only if it has really left.  Whichever comes second sees the other:
 *
 *     sleeper                         waker
 *     state = SLEEPING
 *     schedule: lock                  lock (waits)
 *       state != RUNNABLE: leave
 *       switch, unlock                  !on_cpu, !queued: state = RUNNABLE, enqueue
 *
 * The hand-over at a switch: the outgoing thread takes the lock and calls hal_switch(); on the other
 * side the incoming thread, which once left the same way, finishes for it: clears prev->on_cpu, drops
 * the lock, and drops the last reference of a dead one.  A new thread does so in sched_first_run().
 *
 *     prev: lock rq, pick next, hal_switch ---.
 *     next:                                   '--> prev->on_cpu = false, unlock rq, go on
 *
 * Each thread raised its own preempt_count by one before it switched away, and lowers it after it
 * came back; a new thread starts with 1.
 * Locking: LOCK_RUNQ; a thread's run queue is that of its ctx.cpu, looked at again under the lock.
 * Invariants: (1) the running thread is on no queue; (2) the idle thread never is; (3) exactly one
 * thread of a CPU has on_cpu set, outside a hand-over.
 */
#define LOG_TAG "sched"
#include <sched/sched.h>

#include <core/log.h>
#include <core/panic.h>
#include <core/params.h>
#include <core/smp.h>
#include <hal/cpu.h>
#include <hal/mmu.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <mm/vmap.h>
#include <sched/clock.h>
#include <sched/runqueue.h>

#include <linux/sched.h>

void (*sched_tick_hook)(struct thread *t, bool user_mode);
static const struct sched_class *policy = &sched_class_mlfq; /* constant once threads run */
static bool started;
static uint64_t forks; /* atomic */
static uint32_t load_average[3]; /* CPU 0's tick */
static ns_t load_due; /* CPU 0's tick */

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
    return -ENOENT;
}
PARAM_NAMED(sched, "sched", "scheduling policy: mlfq", choose_policy);

static struct thread *thread_of(struct hal_context *ctx)
{
    return container_of(ctx, struct thread, ctx);
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

/* Charges the running thread up to now.  Return: whether its slice is over. */
static __always_inline bool charge(struct runqueue *rq, struct thread *t)
{
    ns_t now = clock_monotonic();
    ns_t ran = now - t->switched_in;

    rq->now = now;
    t->switched_in = now;
    t->runtime += ran;
    return t != rq->cpu->idle && rq->class->account(rq, t, ran);
}

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

static void account_tick(struct runqueue *rq, struct thread *t, bool user_mode)
{
    if (t == rq->cpu->idle) {
        rq->times.idle += TICK_NS;
    } else if (!user_mode) {
        t->system_ticks++;
        rq->times.system += TICK_NS;
    } else {
        t->user_ticks++;
        if (t->nice > 0)
            rq->times.nice += TICK_NS;
        else
            rq->times.user += TICK_NS;
    }
}

static void count_threads(unsigned *running, unsigned *blocked)
{
    int sleeping = 0;

    *running = 0;
    for (unsigned i = 0; i < cpu_count; i++) {
        struct runqueue *rq = cpus[i]->rq;

        if (!rq)
            continue;
        *running += atomic_load_relaxed(&rq->queued);
        if (atomic_load_relaxed(&cpus[i]->current) != &cpus[i]->idle->ctx)
            ++*running;
        sleeping += atomic_load_relaxed(&rq->blocked);
    }
    *blocked = sleeping > 0 ? (unsigned)sleeping : 0;
}

/* load = load * e + active * (1 - e) each 5 s, e = exp(-5 / 60, 300, 900), 16 fraction bits. */
static void update_load(ns_t now)
{
    static const uint32_t decay[3] = { 60296, 64453, 65173 };
    unsigned running, blocked;

    if (now < load_due)
        return;
    load_due = now + 5 * NS_PER_SEC;
    count_threads(&running, &blocked);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t active = (uint64_t)(running + blocked) << 16;
        uint64_t load = load_average[i] * (uint64_t)decay[i] + active * (65536 - decay[i]);

        atomic_store_relaxed(&load_average[i], (uint32_t)((load + 32768) >> 16));
    }
}

void sched_get_stats(struct sched_stats *s)
{
    *s = (struct sched_stats){ .forks = atomic_load_relaxed(&forks) };
    count_threads(&s->running, &s->blocked);
    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i]->rq)
            s->switches += atomic_load_relaxed(&cpus[i]->rq->switches);
    for (unsigned i = 0; i < 3; i++)
        s->load[i] = atomic_load_relaxed(&load_average[i]);
    s->total = thread_count();
}

void sched_cpu_times(unsigned cpu, struct cpu_times *t)
{
    *t = (struct cpu_times){ 0 };
    if (cpu < cpu_count && cpus[cpu]->rq) {
        unsigned long flags = spin_lock_irqsave(&cpus[cpu]->rq->lock);

        *t = cpus[cpu]->rq->times;
        spin_unlock_irqrestore(&cpus[cpu]->rq->lock, flags);
    }
}

/* --- switching --------------------------------------------------------------------------------- */

/* What the incoming thread does for the outgoing one. */
static __hot void finish_switch(struct thread *prev)
{
    struct runqueue *rq = thread_current()->ctx.cpu->rq;
    bool dead = prev->state == THREAD_DEAD;

    prev->on_cpu = false;
    spin_unlock_raw(&rq->lock);
    /* A live `prev` may be running elsewhere, even be gone, from here on. */
    if (likely(!dead))
        return;
    if (rq->cpu->fpu_owner == &prev->ctx)
        rq->cpu->fpu_owner = NULL;
    vmap_stack_free(prev->ctx.stack_top);
    prev->ctx.stack_top = 0;
    thread_put(prev);
}

static __hot void switch_to(struct runqueue *rq, struct thread *prev, struct thread *next)
{
    rq->switches++;
    if (prev->switch_pending)
        atomic_fetch_or(&prev->ctx.pending, prev->switch_pending);
    next->switched_in = rq->now;
    next->on_cpu = true;
    if (next->hal_space && next->hal_space != rq->cpu->space)
        mmu_space_switch(next->hal_space);
    finish_switch(thread_of(hal_switch(&prev->ctx, &next->ctx)));
}

/* Takes the running thread off the CPU: back to the queue, or to sleep. */
static __hot void leave_cpu(struct runqueue *rq, struct thread *prev, bool preempted, bool yielded)
{
    if (preempted || prev->state == THREAD_RUNNABLE) {
        rq->class->put_back(rq, prev, yielded);
        prev->queued = true;
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
    next->queued = false;
    rq->queued--;
    return next;
}

static __hot void reschedule(bool preempted, bool yielded)
{
    unsigned long flags = hal_irq_save();
    struct thread *prev = thread_current(), *next;
    struct runqueue *rq = prev->ctx.cpu->rq;

    K_DEBUG_ASSERT(prev->ctx.preempt_count == 0);
    prev->ctx.preempt_count = 1;
    spin_lock_raw(&rq->lock);
    charge(rq, prev);
    if (prev->ctx.pending & PENDING_RESCHED)
        atomic_fetch_and(&prev->ctx.pending, ~PENDING_RESCHED);
    if (likely(prev != rq->cpu->idle))
        leave_cpu(rq, prev, preempted, yielded);
    next = next_thread(rq);
    if (likely(next != prev)) {
        prev->forced_switches += prev->queued;
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
    rq->class->enqueue(rq, t, woken);
    t->queued = true;
    rq->queued++;
    if (lazy && t->level < LEVEL_REALTIME && rq->cpu == cpu_current() &&
        atomic_load_relaxed(&rq->cpu->current) != &rq->cpu->idle->ctx)
        rq->lazy = true;
    else
        check_preemption(rq, t);
}

__hot bool thread_wake_irqs_off(struct thread *t, unsigned states)
{
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
    if (likely(!t->on_cpu && !t->queued)) {
        rq->blocked -= was == THREAD_SLEEPING;
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

static bool cpu_allowed(const struct thread *t, const struct cpu *cpu)
{
    return bitmap_test(t->affinity, cpu->id);
}

/* The CPU for a thread that is about to be queued: this one if it may. */
static struct cpu *choose_cpu(const struct thread *t)
{
    struct cpu *here = cpu_current();

    if (likely(cpu_allowed(t, here)))
        return here;
    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i]->rq && cpu_allowed(t, cpus[i]))
            return cpus[i];
    return here;
}

void thread_start(struct thread *t)
{
    unsigned long flags = hal_irq_save();
    struct runqueue *rq;

    K_ASSERT(t->state == THREAD_NEW);
    preempt_disable();
    t->ctx.cpu = choose_cpu(t);
    rq = t->ctx.cpu->rq;
    spin_lock_raw(&rq->lock);
    t->state = THREAD_RUNNABLE;
    activate(rq, t, false, false);
    rq_unlock_irqrestore(rq, flags);
    __atomic_fetch_add(&forks, 1, __ATOMIC_RELAXED);
}

/* --- policy ------------------------------------------------------------------------------------ */

static enum sched_level level_of_nice(int nice)
{
    return nice <= -10 ? LEVEL_HIGH : nice < 10 ? LEVEL_NORMAL : LEVEL_LOW;
}

void sched_derive_level(struct thread *t)
{
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

/* Applies a change of policy or nice under the lock, wherever the thread is. */
static void change_policy(struct thread *t, int policy_, int rt_priority, int nice)
{
    unsigned long flags;
    struct runqueue *rq = rq_lock_thread_irqsave(t, &flags);

    if (t->queued)
        rq->class->dequeue(rq, t);
    t->policy = (uint8_t)policy_;
    t->rt_priority = (uint8_t)rt_priority;
    t->nice = (int8_t)nice;
    sched_derive_level(t);
    if (t->queued) {
        rq->class->enqueue(rq, t, false);
        check_preemption(rq, t);
    } else if (t->on_cpu && rq->queued) {
        atomic_fetch_or(&t->ctx.pending, PENDING_RESCHED);
        if (rq->cpu != cpu_current())
            ipi_send(rq->cpu, IPI_RESCHED);
    }
    rq_unlock_irqrestore(rq, flags);
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

err_t sched_set_affinity(struct thread *t, const uint64_t mask[CPU_MAX / 64])
{
    unsigned long flags;
    struct runqueue *rq;
    bool any = false;

    for (unsigned i = 0; i < cpu_count; i++)
        any |= cpus[i]->rq && bitmap_test(mask, i);
    if (!any)
        return -EINVAL;
    rq = rq_lock_thread_irqsave(t, &flags);
    memcpy(t->affinity, mask, sizeof t->affinity);
    rq_unlock_irqrestore(rq, flags);
    return 0;
}

/* --- tick and idle ----------------------------------------------------------------------------- */

void sched_tick(bool user_mode)
{
    struct thread *t = thread_current();
    struct runqueue *rq = t->ctx.cpu->rq;

    spin_lock_raw(&rq->lock);
    if ((charge(rq, t) || rq->lazy) && rq->queued)
        atomic_fetch_or(&t->ctx.pending, PENDING_RESCHED);
    rq->lazy = false;
    account_tick(rq, t, user_mode);
    spin_unlock_raw(&rq->lock);
    if (rq->cpu->id == 0)
        update_load(rq->now);
    if (t->process && sched_tick_hook)
        sched_tick_hook(t, user_mode);
}

static void tick(struct timer *timer)
{
    struct runqueue *rq = container_of(timer, struct runqueue, tick);

    if (rq->cpu->id == 0)
        clock_tick();
    sched_tick(rq->cpu->irq_user);
    /* Late ones (the machine slept) are dropped, the phase is kept. */
    if (rq->now >= timer->deadline + TICK_NS)
        timer_set(timer, rq->now + TICK_NS);
    else
        timer_set(timer, timer->deadline + TICK_NS);
}

void tick_start(void)
{
    timer_set(&cpu_current()->rq->tick, clock_monotonic() + TICK_NS);
}

static __noreturn void idle_loop(void)
{
    for (;;) {
        hal_irq_disable();
        if (!(atomic_load_relaxed(&hal_current()->pending) & PENDING_RESCHED))
            hal_idle();
        hal_irq_enable();
        if (atomic_load_relaxed(&hal_current()->pending) & PENDING_RESCHED)
            schedule();
    }
}

/* --- start ------------------------------------------------------------------------------------- */

err_t sched_init_cpu(struct cpu *cpu)
{
    struct runqueue *rq = kzalloc(sizeof *rq);
    struct thread *idle = kzalloc(sizeof *idle);

    if (!rq || !idle)
        goto out_free;
    cpu->timers = timer_queue_create();
    if (!cpu->timers)
        goto out_free;
    spin_init(&rq->lock, LOCK_RUNQ);
    rq->cpu = cpu;
    rq->class = policy;
    timer_init(&rq->tick, tick);
    policy->init(rq);
    cpu->rq = rq;
    cpu->idle = idle;
    if (thread_init_idle(idle, cpu)) {
        cpu->rq = NULL;
        goto out_free;
    }
    return 0;

out_free:
    kfree(rq);
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

    idle->on_cpu = true;
    idle->state = THREAD_RUNNABLE;
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
