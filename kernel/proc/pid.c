// SPDX-License-Identifier: CC0-1.0
#include <proc/pid.h>

#include <core/panic.h>
#include <lib/bitmap.h>
#include <mm/heap.h>
#include <proc/internal.h>

#define SLOTS_PER_PAGE 64 /* as many as a word of the bitmap has bits */
#define PID_RESERVED 300 /* after the first wrap, small numbers stay with those who have them */

struct brlock tree_lock = BRLOCK_INIT(LOCK_PROC_TREE);

static uint64_t taken[BITMAP_WORDS(PID_MAX)];
static struct pid_slot *pages[PID_MAX / SLOTS_PER_PAGE];
static pid_t last_pid;
unsigned pid_limit = PID_MAX;

static size_t page_of(pid_t pid)
{
    return (size_t)pid / SLOTS_PER_PAGE;
}

/* Frees a page without numbers; the one that numbers are given out of stays. */
static void page_trim(size_t page)
{
    if (taken[page] != 0 || page == page_of(last_pid))
        return;
    kfree(pages[page]);
    pages[page] = NULL;
}

static err_t pid_take(pid_t pid)
{
    struct pid_slot **page = &pages[page_of(pid)];

    if (!*page) {
        *page = kcalloc(SLOTS_PER_PAGE, sizeof **page);
        if (!*page)
            return -ENOMEM;
    }
    bitmap_set(taken, (size_t)pid);
    return 0;
}

pid_t pid_alloc(void)
{
    size_t limit = atomic_load_relaxed(&pid_limit);
    size_t pid = bitmap_find_clear(taken, PID_MAX, (size_t)last_pid + 1);
    size_t old_page = page_of(last_pid);
    err_t err;

    if (pid >= limit) /* BITMAP_NONE, too */
        pid = bitmap_find_clear(taken, PID_MAX, PID_RESERVED);
    if (pid >= limit)
        return -EAGAIN;
    err = pid_take((pid_t)pid);
    if (err)
        return err;
    last_pid = (pid_t)pid;
    page_trim(old_page);
    return (pid_t)pid;
}

err_t pid_alloc_exact(pid_t pid)
{
    if (pid <= 0 || pid >= PID_MAX)
        return -EINVAL;
    return bitmap_test(taken, (size_t)pid) ? -EEXIST : pid_take(pid);
}

struct pid_slot *pid_slot(pid_t pid)
{
    struct pid_slot *page;

    if (pid <= 0 || pid >= PID_MAX)
        return NULL;
    page = pages[page_of(pid)];
    return page ? &page[(unsigned)pid % SLOTS_PER_PAGE] : NULL;
}

void pid_release(pid_t pid)
{
    struct pid_slot *s = pid_slot(pid);

    K_ASSERT(s);
    if (s->task || s->process || s->group || s->session)
        return;
    bitmap_clear(taken, (size_t)pid);
    page_trim(page_of(pid));
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

    return s ? s->process : NULL;
}

struct task *task_find(pid_t tid)
{
    struct pid_slot *s = pid_slot(tid);

    return s ? s->task : NULL;
}

struct pgroup *pgroup_find(pid_t pgid)
{
    struct pid_slot *s = pid_slot(pgid);

    return s ? s->group : NULL;
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
