// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: threads: their memory, their names, the list of all.
 *
 * Model: thread_init() gives a thread everything that can fail (stack, FPU area), so that
 * thread_start() cannot.  The stack goes back at the last switch, the struct with the last reference.
 * Locking: LOCK_THREADS guards the list of all threads; a thread is on it from init to exit.
 */
#define LOG_TAG "sched"
#include <sched/thread.h>

#include <core/panic.h>
#include <lib/atomic.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <mm/vmap.h>
#include <sched/clock.h>
#include <sched/runqueue.h>

#define FPU_ALIGN 64ul

static struct spinlock threads_lock = SPINLOCK_INIT(LOCK_THREADS);
static struct list threads = LIST_INIT(threads);
static unsigned count; /* threads_lock */

static void threads_add(struct thread *t)
{
    unsigned long flags = spin_lock_irqsave(&threads_lock);

    list_add_tail(&threads, &t->all_link);
    count++;
    spin_unlock_irqrestore(&threads_lock, flags);
}

static void threads_remove(struct thread *t)
{
    unsigned long flags = spin_lock_irqsave(&threads_lock);

    list_del(&t->all_link);
    count--;
    spin_unlock_irqrestore(&threads_lock, flags);
}

unsigned thread_count(void)
{
    return atomic_load_relaxed(&count);
}

void thread_for_each(bool (*fn)(struct thread *t, void *arg), void *arg)
{
    unsigned long flags = spin_lock_irqsave(&threads_lock);
    struct thread *t;

    list_for_each(t, &threads, all_link)
        if (!fn(t, arg))
            break;
    spin_unlock_irqrestore(&threads_lock, flags);
}

static err_t fpu_alloc(struct thread *t)
{
    t->fpu_memory = kmalloc(hal_fpu_size() + FPU_ALIGN);
    if (!t->fpu_memory)
        return -ENOMEM;
    t->ctx.fpu = (void *)ALIGN_UP((uintptr_t)t->fpu_memory, FPU_ALIGN);
    if (hal_current()->fpu)
        hal_fpu_save_current(t->ctx.fpu);
    else
        hal_fpu_init(t->ctx.fpu);
    return 0;
}

/* What every thread has, the idle ones too. */
static err_t thread_prepare(struct thread *t, const char *name)
{
    spin_init(&t->lock, LOCK_THREAD);
    list_init(&t->run_link);
    list_init(&t->all_link);
    str_copy(t->name, name, sizeof t->name);
    t->state = THREAD_NEW;
    t->refs = 1;
    t->started = clock_monotonic();
    t->ctx.stack_top = vmap_stack_alloc();
    return t->ctx.stack_top ? 0 : -ENOMEM;
}

err_t thread_init_idle(struct thread *t, struct cpu *cpu)
{
    err_t err = thread_prepare(t, "idle");

    if (err)
        return err;
    t->ctx.cpu = cpu;
    t->level = t->base_level = LEVEL_IDLE;
    memset(t->affinity, 0, sizeof t->affinity);
    bitmap_set(t->affinity, cpu->id);
    threads_add(t);
    return 0;
}

err_t thread_init(struct thread *t, const struct thread_params *p)
{
    err_t err = thread_prepare(t, p->name);

    if (err)
        return err;
    t->process = p->process;
    t->space = p->space;
    t->entry = p->entry;
    t->arg = p->arg;
    t->release = p->release;
    if (p->user) {
        err = fpu_alloc(t);
        if (err)
            goto out_stack;
    }
    sched_inherit(t, p->level);
    hal_context_init(&t->ctx, t->ctx.stack_top, sched_first_run, t);
    threads_add(t);
    return 0;

out_stack:
    vmap_stack_free(t->ctx.stack_top);
    t->ctx.stack_top = 0;
    return err;
}

void thread_discard(struct thread *t)
{
    K_ASSERT(t->state == THREAD_NEW);
    threads_remove(t);
    vmap_stack_free(t->ctx.stack_top);
    t->ctx.stack_top = 0;
    kfree(t->fpu_memory);
    t->fpu_memory = t->ctx.fpu = NULL;
}

static struct thread *kthread_create(const char *name, enum sched_level level,
                                     void (*entry)(void *arg), void *arg)
{
    struct thread *t = kzalloc(sizeof *t);
    struct thread_params p = { .name = name, .level = level, .entry = entry, .arg = arg };

    if (!t)
        return NULL;
    if (thread_init(t, &p)) {
        kfree(t);
        return NULL;
    }
    t->domain = thread_current()->domain;
    return t;
}

struct thread *kthread_start(const char *name, enum sched_level level, void (*entry)(void *arg),
                             void *arg)
{
    struct thread *t = kthread_create(name, level, entry, arg);

    if (t)
        thread_start(t);
    return t;
}

struct thread *kthread_start_on(struct cpu *cpu, const char *name, enum sched_level level,
                                void (*entry)(void *arg), void *arg)
{
    struct thread *t = kthread_create(name, level, entry, arg);

    if (!t)
        return NULL;
    memset(t->affinity, 0, sizeof t->affinity);
    bitmap_set(t->affinity, cpu->id);
    t->pinned = true;
    thread_start(t);
    return t;
}

void thread_exit(void)
{
    struct thread *t = thread_current();

    K_ASSERT(t != t->ctx.cpu->idle && t->ctx.preempt_count == 0);
    threads_remove(t);
    /* A preemption from here on would queue a thread that the switch frees. */
    hal_irq_disable();
    atomic_store_relaxed(&t->state, THREAD_DEAD);
    schedule();
    panic("dead thread %s runs", t->name);
}

void thread_get(struct thread *t)
{
    __atomic_fetch_add(&t->refs, 1, __ATOMIC_RELAXED);
}

void thread_put(struct thread *t)
{
    if (atomic_sub_fetch(&t->refs, 1) != 0)
        return;
    K_ASSERT(t->state == THREAD_DEAD && !t->on_cpu);
    kfree(t->fpu_memory);
    if (t->release)
        t->release(t);
    else
        kfree(t);
}

void thread_set_name(struct thread *t, const char *name)
{
    unsigned long flags = spin_lock_irqsave(&t->lock);

    str_copy(t->name, name, sizeof t->name);
    spin_unlock_irqrestore(&t->lock, flags);
}
