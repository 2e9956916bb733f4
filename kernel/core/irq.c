// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: interrupt lines, their handlers and their counts.
 *
 * Model: a line has a chain of actions from a fixed pool.  Handlers are called without the lock:
 *
 *     dispatch                               unregister
 *     active += 1                            unlink under the lock
 *     walk the chain, call handlers          wait until active is 0
 *     active -= 1                            only then the action returns to the pool
 *
 * Locking: irq_lock guards chains and pool; counts are atomic.
 */
#define LOG_TAG "irq"
#include <core/irq.h>
#include <core/log.h>
#include <core/random.h>
#include <core/smp.h>
#include <core/spinlock.h>

#define ACTIONS_MAX 96

struct action {
    struct action *next; /* atomic */
    irq_handler_fn fn; /* NULL: free */
    void *arg;
    const char *name;
};

static struct line {
    struct action *first; /* atomic; written under irq_lock */
    uint32_t count; /* atomic */
    uint32_t active; /* atomic: dispatches inside the chain */
} lines[IRQ_MAX];

static struct spinlock irq_lock = SPINLOCK_INIT(LOCK_IRQ);
static struct action actions[ACTIONS_MAX]; /* irq_lock */
static const struct irqchip *chip; /* set once */
static uint64_t total, spurious; /* atomic */

void irq_chip_set(const struct irqchip *c)
{
    atomic_store(&chip, c);
    log_info("interrupt controller %s", c->name);
}

const struct irqchip *irq_chip(void)
{
    return atomic_load(&chip);
}

static struct action *action_alloc(void)
{
    for (unsigned i = 0; i < ACTIONS_MAX; i++)
        if (actions[i].fn == NULL)
            return &actions[i];
    return NULL;
}

static err_t register_locked(unsigned irq, struct action new)
{
    struct action *a = action_alloc(), **link = &lines[irq].first;

    if (a == NULL)
        return -ENOMEM;
    *a = new;
    while (*link != NULL)
        link = &(*link)->next;
    atomic_store(link, a);
    return 0;
}

err_t irq_register(unsigned irq, const char *name, irq_handler_fn fn, void *arg)
{
    const struct irqchip *c = irq_chip();
    unsigned long flags;
    err_t err;

    if (irq >= IRQ_MAX || fn == NULL)
        return -EINVAL;
    if (c == NULL)
        return -ENODEV;
    flags = spin_lock_irqsave(&irq_lock);
    err = register_locked(irq, (struct action){ .fn = fn, .arg = arg, .name = name });
    spin_unlock_irqrestore(&irq_lock, flags);
    if (err == 0)
        c->unmask(irq);
    return err;
}

void irq_unregister(unsigned irq, irq_handler_fn fn, void *arg)
{
    struct action **link, *a = NULL;
    unsigned long flags;
    bool last;

    if (irq >= IRQ_MAX)
        return;
    flags = spin_lock_irqsave(&irq_lock);
    for (link = &lines[irq].first; *link != NULL; link = &(*link)->next)
        if ((*link)->fn == fn && (*link)->arg == arg) {
            a = *link;
            atomic_store(link, a->next);
            break;
        }
    last = lines[irq].first == NULL;
    spin_unlock_irqrestore(&irq_lock, flags);
    if (a == NULL)
        return;
    if (last && irq_chip() != NULL)
        irq_chip()->mask(irq);
    while (atomic_load(&lines[irq].active) != 0)
        hal_relax();
    atomic_store(&a->fn, NULL);
}

static void line_run(unsigned irq)
{
    struct line *l = &lines[irq];

    __atomic_fetch_add(&l->count, 1, __ATOMIC_RELAXED);
    atomic_fetch_add(&l->active, 1);
    for (struct action *a = atomic_load(&l->first); a != NULL; a = atomic_load(&a->next))
        a->fn(irq, a->arg);
    atomic_fetch_sub(&l->active, 1);
}

void irq_dispatch(unsigned hint)
{
    const struct irqchip *c = irq_chip();
    int irq = c != NULL ? c->claim(hint) : -1;

    if (irq >= IRQ_IPI && irq < IRQ_IPI + IPI_COUNT) {
        c->end((unsigned)irq);
        ipi_receive((enum ipi)(irq - IRQ_IPI));
        return;
    }
    if (irq < 0 || irq >= IRQ_MAX) {
        __atomic_fetch_add(&spurious, 1, __ATOMIC_RELAXED);
        return;
    }
    __atomic_fetch_add(&total, 1, __ATOMIC_RELAXED);
    random_add_irq((unsigned)irq);
    line_run((unsigned)irq);
    c->end((unsigned)irq);
}

bool irq_info(unsigned irq, uint64_t *count, const char **name)
{
    const struct action *a;

    if (irq >= IRQ_MAX)
        return false;
    a = atomic_load(&lines[irq].first);
    *count = atomic_load_relaxed(&lines[irq].count);
    *name = a != NULL ? a->name : "";
    return a != NULL || *count != 0;
}

uint64_t irq_total(void)
{
    return atomic_load_relaxed(&total);
}

uint64_t irq_spurious(void)
{
    return atomic_load_relaxed(&spurious);
}
