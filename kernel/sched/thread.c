// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: threads: their memory, their names, the list of all.
 *
 * Model: thread_init() gives a thread everything that can fail (stack, FPU area), so that
 * thread_start() cannot.  The stack goes back at the last switch, the struct with the last reference.
 * Locking: the list of all threads is in parts, one for each of a few CPUs, so that forks on
 * different CPUs do not meet: who changes one reads under threads_lock (LOCK_THREADS) and holds the
 * part's lock; who goes through all of them is its writer.  A thread is on one from init to exit.
 */
#define LOG_TAG "sched"
#include <sched/thread.h>

#include <core/brlock.h>
#include <core/panic.h>
#include <lib/atomic.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <mm/vmap.h>
#include <sched/clock.h>
#include <sched/runqueue.h>

#define FPU_ALIGN 64ul

#define PARTS 16

static struct brlock threads_lock = BRLOCK_INIT(LOCK_THREADS);
static struct part {
    struct spinlock lock; /* LOCK_THREADS_PART */
    struct list threads; /* lock; zeroed: none was ever added */
    unsigned count; /* lock */
} __attribute__((aligned(BRLOCK_LINE))) parts[PARTS] = {
    [0 ... PARTS - 1] = { .lock = SPINLOCK_INIT(LOCK_THREADS_PART) },
};

static void threads_add(struct thread *t)
{
    unsigned long flags = brlock_read_irqsave(&threads_lock);
    struct part *part = &parts[cpu_current()->id % PARTS];

    spin_lock(&part->lock);
    if (!part->threads.next)
        list_init(&part->threads);
    list_add_tail(&part->threads, &t->all_link);
    t->all_part = (unsigned)(part - parts);
    part->count++;
    spin_unlock(&part->lock);
    brlock_read_irqrestore(&threads_lock, flags);
}

static void threads_remove(struct thread *t)
{
    unsigned long flags = brlock_read_irqsave(&threads_lock);
    struct part *part = &parts[t->all_part];

    spin_lock(&part->lock);
    list_del(&t->all_link);
    part->count--;
    spin_unlock(&part->lock);
    brlock_read_irqrestore(&threads_lock, flags);
}

unsigned thread_count(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < PARTS; i++)
        n += atomic_load_relaxed(&parts[i].count);
    return n;
}

/* Return: whether `fn` wanted to go on. */
static bool part_for_each(struct part *part, bool (*fn)(struct thread *t, void *arg), void *arg)
{
    struct thread *t;

    if (part->threads.next)
        list_for_each(t, &part->threads, all_link)
            if (!fn(t, arg))
                return false;
    return true;
}

void thread_for_each(bool (*fn)(struct thread *t, void *arg), void *arg)
{
    unsigned long flags = brlock_write_irqsave(&threads_lock);

    for (unsigned i = 0; i < PARTS && part_for_each(&parts[i], fn, arg); i++)
        ;
    brlock_write_irqrestore(&threads_lock, flags);
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
