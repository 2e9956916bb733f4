// SPDX-License-Identifier: CC0-1.0
#include <proc/pid.h>

#include <core/panic.h>
#include <lib/bitmap.h>
#include <mm/heap.h>
#include <proc/internal.h>

#define SLOTS_PER_PAGE 64 /* as many as a word of the bitmap has bits */
#define PID_RESERVED 300 /* after the first wrap, small numbers stay with those who have them */

struct brlock tree_lock = BRLOCK_INIT(LOCK_PROC_TREE);

static uint64_t taken[BITMAP_WORDS(PID_MAX)]; /* atomic */
static uint8_t holders[PID_MAX]; /* atomic: of each number, up to four */
static struct pid_slot *pages[PID_MAX / SLOTS_PER_PAGE]; /* set once, freed by writers of tree_lock */
static pid_t last_pid; /* atomic */
unsigned pid_limit = PID_MAX;

static size_t page_of(pid_t pid)
{
    return (size_t)pid / SLOTS_PER_PAGE;
}

/* Look-ups go through pages without a lock of their own. */
void pid_trim_locked(void)
{
    for (size_t page = 0; page < ARRAY_SIZE(pages); page++) {
        if (!pages[page] || atomic_load(&taken[page]) != 0)
            continue;
        kfree(pages[page]);
        pages[page] = NULL;
    }
}

static uint64_t bit_of(pid_t pid)
{
    return 1ull << ((unsigned)pid % 64);
}

/* Of two that make the same page, one keeps it. */
static err_t page_make(pid_t pid)
{
    struct pid_slot **page = &pages[page_of(pid)], *none = NULL;
    struct pid_slot *new;

    if (atomic_load(page))
        return 0;
    new = kcalloc(SLOTS_PER_PAGE, sizeof *new);
    if (!new)
        return -ENOMEM;
    if (!atomic_cas(page, &none, new))
        kfree(new);
    return 0;
}

/* Return: 0; -EEXIST: somebody has it; -ENOMEM. */
static err_t pid_take(pid_t pid)
{
    err_t err;

    if (atomic_fetch_or(&taken[page_of(pid)], bit_of(pid)) & bit_of(pid))
        return -EEXIST;
    err = page_make(pid);
    if (err)
        (void)atomic_fetch_and(&taken[page_of(pid)], ~bit_of(pid));
    return err;
}

pid_t pid_alloc(void)
{
    size_t limit = atomic_load_relaxed(&pid_limit);
    size_t from = (size_t)atomic_load_relaxed(&last_pid) + 1, pid;
    err_t err;

    do {
        pid = bitmap_find_clear(taken, PID_MAX, from);
        if (pid >= limit) /* BITMAP_NONE, too */
            pid = bitmap_find_clear(taken, PID_MAX, PID_RESERVED);
        if (pid >= limit)
            return -EAGAIN;
        err = pid_take((pid_t)pid);
        from = pid + 1;
    } while (err == -EEXIST); /* another was faster */
    if (err)
        return err;
    atomic_store_relaxed(&last_pid, (pid_t)pid);
    return (pid_t)pid;
}

err_t pid_alloc_exact(pid_t pid)
{
    return pid <= 0 || pid >= PID_MAX ? -EINVAL : pid_take(pid);
}

struct pid_slot *pid_slot(pid_t pid)
{
    struct pid_slot *page;

    if (pid <= 0 || pid >= PID_MAX)
        return NULL;
    page = atomic_load(&pages[page_of(pid)]);
    return page ? &page[(unsigned)pid % SLOTS_PER_PAGE] : NULL;
}

#define LEAVE(member)                                                                              \
    do {                                                                                           \
        if (atomic_load_relaxed(&(member)) == holder)                                              \
            atomic_store(&(member), NULL);                                                         \
    } while (0)

void pid_hold(pid_t pid)
{
    atomic_fetch_add(&holders[pid], 1u);
}

void pid_release(pid_t pid, const void *holder)
{
    struct pid_slot *s = pid_slot(pid);

    K_ASSERT(s);
    if (holder) {
        LEAVE(s->task);
        LEAVE(s->process);
        LEAVE(s->group);
        LEAVE(s->session);
    }
    if ((holder ? atomic_sub_fetch(&holders[pid], 1u) : atomic_load(&holders[pid])) == 0)
        (void)atomic_fetch_and(&taken[page_of(pid)], ~bit_of(pid));
}

pid_t pid_next(pid_t from)
{
    size_t pid = from < PID_MAX ? bitmap_find_set(taken, PID_MAX, (size_t)MAX(from, 1)) : BITMAP_NONE;

    return pid == BITMAP_NONE ? 0 : (pid_t)pid;
}

pid_t pid_last(void)
{
    return atomic_load_relaxed(&last_pid);
}

struct process *process_find(pid_t pid)
{
    struct pid_slot *s = pid_slot(pid);

    return s ? atomic_load(&s->process) : NULL;
}

struct task *task_find(pid_t tid)
{
    struct pid_slot *s = pid_slot(tid);

    return s ? atomic_load(&s->task) : NULL;
}

struct pgroup *pgroup_find(pid_t pgid)
{
    struct pid_slot *s = pid_slot(pgid);

    return s ? atomic_load(&s->group) : NULL;
}

struct process *process_get(pid_t pid)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    struct process *p = process_find(pid);

    if (p)
        process_ref(p);
    brlock_read_irqrestore(&tree_lock, flags);
    return p;
}

struct task *task_get(pid_t tid)
{
    unsigned long flags = brlock_read_irqsave(&tree_lock);
    struct task *t = task_find(tid);

    if (t)
        thread_get(&t->thread);
    brlock_read_irqrestore(&tree_lock, flags);
    return t;
}
