// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: epoll: a set of files, and a list of those that are ready.
 *
 * Model: an item stands for (file, descriptor) in one set.  When it is added it hangs callbacks on
 * the file's wait queues; one that fires puts the item on the ready list and wakes a sleeper.  Who
 * waits takes items off the list, asks each file what is ready, and puts level-triggered ones that
 * were ready back at the end, behind a mark; what is left after its round wakes the next sleeper.  A set is itself a file that can be polled, so sets can hold sets: the
 * wake of an outer set goes through a timer, since it may not happen under the inner queue's lock.
 *
 * Locking: `mutex` for the items and for taking events; `lock` (LOCK_EPOLL, interrupts off) for the
 * ready list and the sleepers; `topology` before it when a set or a file goes, or sets are nested.
 * Invariants: (1) ready_link is linked = on the ready list; (2) an item's hooks are on queues of its
 * file, which exists as long as the item.
 * Source: epoll(7), epoll_ctl(2), epoll_wait(2).
 */
#include <fs/epoll.h>

#include <core/panic.h>
#include <fs/internal.h>
#include <fs/poll.h>
#include <lib/tree.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/timer.h>

#include <asm/poll.h>

#define DEPTH_MAX 5 /* sets in a chain, as on Linux */
#define PATHS_MAX 4096u /* items that are looked at for a set that is put into another */
#define EVENTS_ALWAYS (EPOLLERR | EPOLLHUP)
#define EVENTS_PRIVATE (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE)

struct epoll {
    struct file *file; /* constant */
    struct mutex mutex;
    struct tree items; /* by (file, fd); mutex */
    struct spinlock lock;
    struct list ready; /* lock */
    struct list sleepers; /* lock */
    struct waitq poll_wait; /* of those that poll the set */
    struct timer outer; /* wakes them */
};

struct epoll_sleeper {
    struct list link; /* epoll's lock */
    struct thread *thread;
};

struct epoll_hook {
    struct waiter waiter; /* with its callback */
    struct waitq *queue;
    struct epoll_item *item;
    struct epoll_hook *next;
};

struct epoll_item {
    struct tree_node node; /* epoll's mutex */
    struct list ready_link; /* epoll's lock */
    struct list file_link; /* file's lock */
    struct epoll *epoll;
    struct file *file; /* no reference: the item goes when the file does */
    int fd;
    uint32_t events; /* atomic */
    uint64_t data; /* epoll's mutex */
    struct epoll_hook first; /* most files have one queue */
    struct epoll_hook *hooks;
    bool failed; /* no memory for a further hook */
};

static struct mutex topology = MUTEX_INIT(topology);
static const struct file_ops epoll_ops;

bool file_is_epoll(const struct file *f)
{
    return f->ops == &epoll_ops;
}

/* ---- becoming ready ---- */

static void outer_fire(struct timer *t)
{
    waitq_wake_all(&container_of(t, struct epoll, outer)->poll_wait);
}

/* epoll's lock held.  Return: whether there was one. */
static bool sleeper_wake(struct epoll *ep)
{
    struct epoll_sleeper *s = list_first_or_null(&ep->sleepers, struct epoll_sleeper, link);

    if (!s)
        return false;
    list_del(&s->link);
    return thread_wake(s->thread);
}

/* Any context.  Return: whether a sleeper was woken. */
static bool item_ready(struct epoll_item *item)
{
    struct epoll *ep = item->epoll;
    unsigned long flags = spin_lock_irqsave(&ep->lock);

    if (!list_linked(&item->ready_link))
        list_add_tail(&ep->ready, &item->ready_link);
    bool woke = sleeper_wake(ep);
    spin_unlock_irqrestore(&ep->lock, flags);
    if (unlikely(waitq_active(&ep->poll_wait)))
        timer_set(&ep->outer, clock_monotonic());
    return woke;
}

static bool hook_fire(struct waiter *w, uintptr_t key)
{
    struct epoll_item *item = container_of(w, struct epoll_hook, waiter)->item;
    uint32_t events = atomic_load_relaxed(&item->events);

    if (!(events & ~(uint32_t)EVENTS_PRIVATE) || !(events & (uint32_t)key))
        return false;
    return item_ready(item);
}

struct item_table {
    struct poll_table table;
    struct epoll_item *item;
};

static void item_hook(struct poll_table *pt, struct file *f, struct waitq *q)
{
    struct epoll_item *item = container_of(pt, struct item_table, table)->item;
    struct epoll_hook *h = item->hooks ? kmalloc(sizeof *h) : &item->first;

    if (!h) {
        item->failed = true;
        return;
    }
    *h = (struct epoll_hook){ .queue = q, .item = item, .next = item->hooks };
    list_init(&h->waiter.link);
    h->waiter.callback = hook_fire;
    h->waiter.exclusive = item->events & EPOLLEXCLUSIVE;
    item->hooks = h;
    waitq_add(q, &h->waiter);
}

static void item_unhook(struct epoll_item *item)
{
    while (item->hooks) {
        struct epoll_hook *h = item->hooks;

        item->hooks = h->next;
        waitq_remove(h->queue, &h->waiter);
        if (h != &item->first)
            kfree(h);
    }
}

static uint32_t item_poll(struct epoll_item *item, struct poll_table *pt)
{
    return item->file->ops->poll(item->file, pt) & item->events;
}

/* ---- items ---- */

static int item_compare(const struct epoll_item *item, const struct file *f, int fd)
{
    if (item->file != f)
        return f < item->file ? -1 : 1;
    return fd < item->fd ? -1 : fd > item->fd;
}

/* The item of (f, fd), or NULL with the place for it. */
static struct epoll_item *item_find(struct epoll *ep, const struct file *f, int fd,
                                    struct tree_node **parent, struct tree_node ***link)
{
    *parent = NULL;
    *link = &ep->items.root;
    while (**link) {
        struct epoll_item *item = tree_entry(**link, struct epoll_item, node);
        int way = item_compare(item, f, fd);

        if (way == 0)
            return item;
        *parent = **link;
        *link = way < 0 ? &(**link)->left : &(**link)->right;
    }
    return NULL;
}

/* epoll's mutex held. */
static void item_remove(struct epoll_item *item)
{
    struct epoll *ep = item->epoll;

    item_unhook(item); /* no callback from here on */
    unsigned long flags = spin_lock_irqsave(&ep->lock);
    list_del(&item->ready_link);
    spin_unlock_irqrestore(&ep->lock, flags);
    tree_erase(&ep->items, &item->node);
    spin_lock(&item->file->lock);
    list_del(&item->file_link);
    spin_unlock(&item->file->lock);
    kfree(item);
}

static err_t item_add(struct epoll *ep, struct file *f, int fd, const struct epoll_event *e)
{
    struct tree_node *parent, **link;

    if (item_find(ep, f, fd, &parent, &link))
        return -EEXIST;
    struct epoll_item *item = kzalloc(sizeof *item);
    if (!item)
        return -ENOMEM;
    list_init(&item->ready_link);
    list_init(&item->file_link);
    item->epoll = ep;
    item->file = f;
    item->fd = fd;
    item->events = e->events | EVENTS_ALWAYS;
    item->data = e->data;
    tree_insert(&ep->items, &item->node, parent, link);
    spin_lock(&f->lock);
    f->epolled = true;
    list_add_tail(&f->epolls, &item->file_link);
    spin_unlock(&f->lock);
    struct item_table table = { { item_hook }, item };
    uint32_t now = item_poll(item, &table.table);
    if (item->failed) {
        item_remove(item);
        return -ENOMEM;
    }
    if (now)
        item_ready(item);
    return 0;
}

static err_t item_modify(struct epoll_item *item, const struct epoll_event *e)
{
    if (e->events & EPOLLEXCLUSIVE || item->events & EPOLLEXCLUSIVE)
        return -EINVAL;
    atomic_store(&item->events, e->events | EVENTS_ALWAYS);
    item->data = e->data;
    if (item_poll(item, NULL))
        item_ready(item);
    return 0;
}

/* How deep the sets below `ep` are nested; DEPTH_MAX or more when that is too deep, leads to
 * `target`, or has too many paths.  topology held, so that no set comes or goes. */
static unsigned depth_below(struct epoll *ep, const struct epoll *target, unsigned depth,
                            unsigned *paths)
{
    unsigned deepest = 0;

    if (ep == target || depth >= DEPTH_MAX)
        return DEPTH_MAX;
    mutex_lock(&ep->mutex);
    for (struct tree_node *n = tree_first(&ep->items); n; n = tree_next(n)) {
        struct epoll_item *item = tree_entry(n, struct epoll_item, node);
        unsigned d = 0;

        if (!file_is_epoll(item->file))
            continue;
        d = ++*paths > PATHS_MAX ? DEPTH_MAX
                                 : 1 + depth_below(item->file->data, target, depth + 1, paths);
        deepest = MAX(deepest, d);
        if (deepest >= DEPTH_MAX)
            break;
    }
    mutex_unlock(&ep->mutex);
    return deepest;
}

/* How many sets are above `ep`, one in the other.  Only sets with topology held change the list. */
static unsigned depth_above(const struct epoll *ep, unsigned depth, unsigned *paths)
{
    struct epoll_item *item;
    unsigned deepest = 0;

    if (depth >= DEPTH_MAX)
        return DEPTH_MAX;
    list_for_each(item, &ep->file->epolls, file_link)
    {
        unsigned d = ++*paths > PATHS_MAX ? DEPTH_MAX
                                          : 1 + depth_above(item->epoll, depth + 1, paths);

        deepest = MAX(deepest, d);
        if (deepest >= DEPTH_MAX)
            break;
    }
    return deepest;
}

/* May `inner` be put into `ep`?  What recurses over sets in sets relies on it.  topology held. */
static err_t nest_check(struct epoll *ep, struct epoll *inner)
{
    unsigned paths = 0;
    unsigned depth = depth_below(inner, ep, 0, &paths);

    if (depth < DEPTH_MAX)
        depth += 1 + depth_above(ep, 0, &paths);
    return depth < DEPTH_MAX ? 0 : paths > PATHS_MAX ? -EINVAL : -ELOOP;
}

static err_t control_check(struct file *epoll, int op, struct file *f, const struct epoll_event *e)
{
    if (!f->ops->poll)
        return -EPERM;
    if (!file_is_epoll(epoll) || f == epoll)
        return -EINVAL;
    if (op == EPOLL_CTL_DEL)
        return 0;
    if (e->events & EPOLLEXCLUSIVE &&
        (op == EPOLL_CTL_MOD || file_is_epoll(f) ||
         e->events & ~(uint32_t)(EPOLLIN | EPOLLOUT | EVENTS_ALWAYS | EPOLLWAKEUP | EPOLLET |
                                 EPOLLEXCLUSIVE)))
        return -EINVAL;
    return 0;
}

err_t epoll_control(struct file *epoll, int op, struct file *f, int fd, const struct epoll_event *e)
{
    err_t err = control_check(epoll, op, f, e);

    if (err != 0)
        return err;
    struct epoll *ep = epoll->data;
    bool nests = file_is_epoll(f);
    if (nests) {
        mutex_lock(&topology);
        err = op == EPOLL_CTL_ADD ? nest_check(ep, f->data) : 0;
        if (err != 0) {
            mutex_unlock(&topology);
            return err;
        }
    }
    mutex_lock(&ep->mutex);
    struct tree_node *parent, **link;
    struct epoll_item *item = item_find(ep, f, fd, &parent, &link);
    switch (op) {
    case EPOLL_CTL_ADD:
        err = item ? -EEXIST : item_add(ep, f, fd, e);
        break;
    case EPOLL_CTL_MOD:
        err = item ? item_modify(item, e) : -ENOENT;
        break;
    case EPOLL_CTL_DEL:
        err = item ? 0 : -ENOENT;
        if (item)
            item_remove(item);
        break;
    default:
        err = -EINVAL;
    }
    mutex_unlock(&ep->mutex);
    if (nests)
        mutex_unlock(&topology);
    return err;
}

void epoll_file_gone(struct file *f)
{
    mutex_lock(&topology);
    while (!list_empty(&f->epolls)) {
        struct epoll_item *item = list_first(&f->epolls, struct epoll_item, file_link);
        struct epoll *ep = item->epoll;

        mutex_lock(&ep->mutex);
        item_remove(item);
        mutex_unlock(&ep->mutex);
    }
    mutex_unlock(&topology);
}

/* ---- taking events ---- */

/*
 * A round over the ready list; mutex held.  What is put back or becomes ready meanwhile stands behind
 * the mark, for the next round: no item is met twice.  While the mark is there nobody goes to sleep.
 * Return: the next item, off the list; NULL at the mark.
 */
static struct epoll_item *round_take(struct epoll *ep, struct list *mark)
{
    struct epoll_item *item = NULL;
    unsigned long flags = spin_lock_irqsave(&ep->lock);

    if (!list_linked(mark))
        list_add_tail(&ep->ready, mark);
    if (ep->ready.next != mark) {
        item = list_first(&ep->ready, struct epoll_item, ready_link);
        list_del(&item->ready_link);
    }
    spin_unlock_irqrestore(&ep->lock, flags);
    return item;
}

static void ready_put_back(struct epoll *ep, struct epoll_item *item)
{
    unsigned long flags = spin_lock_irqsave(&ep->lock);

    if (!list_linked(&item->ready_link))
        list_add_tail(&ep->ready, &item->ready_link);
    spin_unlock_irqrestore(&ep->lock, flags);
}

/* What is left is the next sleeper's. */
static void round_end(struct epoll *ep, struct list *mark)
{
    unsigned long flags = spin_lock_irqsave(&ep->lock);

    list_del(mark);
    if (!list_empty(&ep->ready))
        sleeper_wake(ep);
    spin_unlock_irqrestore(&ep->lock, flags);
}

/* Mutex held.  Return: events written; -EFAULT. */
static long collect_locked(struct epoll *ep, struct epoll_event __user *out, int max)
{
    struct list mark = LIST_INIT(mark);
    struct epoll_item *item;
    long n = 0;

    while (n < max && (item = round_take(ep, &mark)) != NULL) {
        uint32_t now = item_poll(item, NULL);

        if (!now)
            continue;
        struct epoll_event e = { .events = now, .data = item->data };
        if (copy_to_user(out + n, &e, sizeof e) != 0) {
            ready_put_back(ep, item);
            n = n ? n : -EFAULT;
            break;
        }
        n++;
        if (item->events & EPOLLONESHOT)
            atomic_store(&item->events, item->events & EVENTS_PRIVATE);
        else if (!(item->events & EPOLLET))
            ready_put_back(ep, item);
    }
    round_end(ep, &mark);
    return n;
}

/* Sleeps until something may be ready. */
static err_t sleep_ready(struct epoll *ep, ns_t deadline)
{
    struct epoll_sleeper s = { .thread = thread_current() };
    unsigned long flags;
    bool empty;

    list_init(&s.link);
    flags = spin_lock_irqsave(&ep->lock);
    empty = list_empty(&ep->ready);
    if (empty) {
        list_add_tail(&ep->sleepers, &s.link);
        atomic_store_relaxed(&s.thread->state, THREAD_SLEEPING_INTR);
    }
    spin_unlock_irqrestore(&ep->lock, flags);
    if (!empty)
        return 0;
    err_t err = wait_sleep(THREAD_SLEEPING_INTR, deadline);
    atomic_store_relaxed(&s.thread->state, THREAD_RUNNABLE);
    flags = spin_lock_irqsave(&ep->lock);
    list_del(&s.link);
    spin_unlock_irqrestore(&ep->lock, flags);
    return err;
}

long epoll_wait_events(struct file *epoll, struct epoll_event __user *events, int max,
                       ns_t deadline)
{
    struct epoll *ep = epoll->data;

    for (err_t err = 0;;) {
        mutex_lock(&ep->mutex);
        long n = collect_locked(ep, events, max);
        mutex_unlock(&ep->mutex);
        if (n != 0 || deadline == 0)
            return n;
        if (err != 0) /* after one more look: it may have been woken for an event, too */
            return err == -ETIMEDOUT ? 0 : err;
        err = sleep_ready(ep, deadline);
    }
}

/* ---- the set as a file ---- */

static unsigned epoll_poll(struct file *f, struct poll_table *pt)
{
    struct epoll *ep = f->data;
    struct list mark = LIST_INIT(mark);
    struct epoll_item *item;
    unsigned mask = 0;

    poll_wait(pt, f, &ep->poll_wait);
    mutex_lock(&ep->mutex);
    while (!mask && (item = round_take(ep, &mark)) != NULL)
        if (item_poll(item, NULL)) {
            ready_put_back(ep, item);
            mask = POLLIN | POLLRDNORM;
        }
    round_end(ep, &mark);
    mutex_unlock(&ep->mutex);
    return mask;
}

static void epoll_release(struct file *f)
{
    struct epoll *ep = f->data;
    struct tree_node *n;

    mutex_lock(&topology);
    mutex_lock(&ep->mutex);
    while ((n = tree_first(&ep->items)) != NULL)
        item_remove(tree_entry(n, struct epoll_item, node));
    mutex_unlock(&ep->mutex);
    mutex_unlock(&topology);
    timer_cancel(&ep->outer);
    kfree(ep);
}

static const struct file_ops epoll_ops = { .poll = epoll_poll, .release = epoll_release,
                                           .seek = file_seek_nowhere };

err_t epoll_create_file(unsigned flags, struct file **out)
{
    struct epoll *ep = kzalloc(sizeof *ep);

    if (!ep)
        return -ENOMEM;
    mutex_init(&ep->mutex);
    spin_init(&ep->lock, LOCK_EPOLL);
    list_init(&ep->ready);
    list_init(&ep->sleepers);
    waitq_init(&ep->poll_wait);
    timer_init(&ep->outer, outer_fire);
    err_t err = file_create_anon("anon_inode:[eventpoll]", &epoll_ops, ep, O_RDWR | flags, out);
    if (err != 0)
        kfree(ep);
    else
        ep->file = *out;
    return err;
}
