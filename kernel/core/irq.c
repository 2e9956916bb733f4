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
 * Counts are kept by each CPU for itself, and added up by who reads.
 * Locking: irq_lock guards chains, pool and routes.
 */
#define LOG_TAG "irq"
#include <core/irq.h>
#include <core/log.h>
#include <core/random.h>
#include <core/smp.h>
#include <core/spinlock.h>
#include <lib/fmt.h>

#define ACTIONS_MAX 512

struct action {
    struct action *next; /* atomic */
    irq_handler_fn fn; /* NULL: free */
    void *arg;
    const char *name;
};

static struct line {
    struct action *first; /* atomic; written under irq_lock */
    uint32_t active; /* atomic: dispatches inside the chain */
    uint32_t unhandled; /* in a row; atomic */
    uint32_t cpu; /* where it goes; irq_lock */
} lines[IRQ_MAX];

/* Slots of a CPU's counts: lines, interrupts between CPUs, spurious ones. */
enum { SLOT_SPURIOUS = IRQ_IPI + IPI_COUNT, SLOT_COUNT };
static uint32_t boot_counts[SLOT_COUNT];

static struct spinlock irq_lock = SPINLOCK_INIT(LOCK_IRQ);
static struct action actions[ACTIONS_MAX]; /* irq_lock */
static const struct irqchip *chip; /* set once */
static void (*watch)(unsigned irq, bool used); /* set once */
static void (*look)(unsigned irq); /* set once */

void irq_chip_set(const struct irqchip *c)
{
    if (cpu_current()->irq_counts == NULL)
        cpu_current()->irq_counts = boot_counts;
    atomic_store(&chip, c);
    log_info("interrupt controller %s", c->name);
}

const struct irqchip *irq_chip(void)
{
    return atomic_load(&chip);
}

void irq_watch(void (*fn)(unsigned irq, bool used))
{
    atomic_store(&watch, fn);
}

static void watcher_tell(unsigned irq, bool used)
{
    void (*fn)(unsigned irq, bool used) = atomic_load(&watch);

    if (fn != NULL)
        fn(irq, used);
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
    bool first;
    err_t err;

    if (irq >= IRQ_MAX || fn == NULL)
        return -EINVAL;
    if (c == NULL)
        return -ENODEV;
    flags = spin_lock_irqsave(&irq_lock);
    first = lines[irq].first == NULL;
    err = register_locked(irq, (struct action){ .fn = fn, .arg = arg, .name = name });
    spin_unlock_irqrestore(&irq_lock, flags);
    if (err != 0)
        return err;
    c->unmask(irq);
    if (first)
        watcher_tell(irq, true);
    return 0;
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
    if (last)
        watcher_tell(irq, false);
}

/* --- dispatch ---------------------------------------------------------------------------------- */

static uint32_t count(struct cpu *cpu, unsigned slot)
{
    uint32_t n = cpu->irq_counts[slot] + 1;

    atomic_store_relaxed(&cpu->irq_counts[slot], n);
    return n;
}

void irq_look_set(void (*fn)(unsigned irq))
{
    atomic_store(&look, fn);
}

static __cold void line_look(unsigned irq)
{
    void (*fn)(unsigned irq) = atomic_load(&look);

    if (fn != NULL)
        fn(irq);
}

void irq_unmask_used(unsigned irq)
{
    unsigned long flags = spin_lock_irqsave(&irq_lock);

    if (lines[irq].first != NULL)
        irq_chip()->unmask(irq);
    spin_unlock_irqrestore(&irq_lock, flags);
}

void irq_unhandled(void)
{
    cpu_current()->irq_unhandled++;
}

/* Nobody wanted it.  A level that stays would come again for ever. */
static __cold void line_unhandled(unsigned irq)
{
    char names[64];

    if (__atomic_add_fetch(&lines[irq].unhandled, 1, __ATOMIC_RELAXED) != IRQ_STORM)
        return;
    irq_chip()->mask(irq);
    irq_names(irq, names, sizeof names);
    log_err("line %u (%s) came %u times and no device wanted it: it is masked", irq,
            names[0] ? names : "nobody's", IRQ_STORM);
}

void irq_handle(unsigned irq)
{
    struct cpu *cpu = cpu_current();
    struct line *l = &lines[irq];
    unsigned handlers = 0;

    if (unlikely(count(cpu, irq) % IRQ_LOOK == 0))
        line_look(irq);
    cpu->irq_unhandled = 0;
    atomic_fetch_add(&l->active, 1);
    for (struct action *a = atomic_load(&l->first); a != NULL; a = atomic_load(&a->next)) {
        a->fn(irq, a->arg);
        handlers++;
    }
    atomic_fetch_sub(&l->active, 1);
    if (unlikely(cpu->irq_unhandled == handlers))
        line_unhandled(irq);
    else if (unlikely(atomic_load_relaxed(&l->unhandled)))
        atomic_store_relaxed(&l->unhandled, 0);
}

void irq_dispatch(unsigned hint)
{
    const struct irqchip *c = irq_chip();
    int irq = c != NULL ? c->claim(hint) : -1;

    if (irq >= IRQ_IPI && irq < IRQ_IPI + IPI_COUNT) {
        count(cpu_current(), (unsigned)irq);
        c->end((unsigned)irq);
        ipi_receive((enum ipi)(irq - IRQ_IPI));
        return;
    }
    if (irq < 0 || irq >= IRQ_MAX) {
        if (c != NULL)
            count(cpu_current(), SLOT_SPURIOUS);
        return;
    }
    random_add_irq((unsigned)irq);
    irq_handle((unsigned)irq);
    c->end((unsigned)irq);
}

/* --- counts ------------------------------------------------------------------------------------ */

size_t irq_counts_size(void)
{
    return SLOT_COUNT * sizeof(uint32_t);
}

void irq_init_cpu(struct cpu *cpu, void *counts)
{
    cpu->irq_counts = counts;
}

static uint32_t count_on(unsigned slot, const struct cpu *cpu)
{
    return cpu->irq_counts != NULL ? atomic_load_relaxed(&cpu->irq_counts[slot]) : 0;
}

uint32_t irq_count_on(unsigned irq, const struct cpu *cpu)
{
    return irq < IRQ_IPI + IPI_COUNT ? count_on(irq, cpu) : 0;
}

uint32_t irq_spurious_on(const struct cpu *cpu)
{
    return count_on(SLOT_SPURIOUS, cpu);
}

static uint64_t count_sum(unsigned slot)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < cpu_count; i++)
        sum += count_on(slot, cpus[i]);
    return sum;
}

bool irq_info(unsigned irq, uint64_t *count, const char **name)
{
    const struct action *a;

    if (irq >= IRQ_MAX)
        return false;
    a = atomic_load(&lines[irq].first);
    *count = count_sum(irq);
    *name = a != NULL ? a->name : "";
    return a != NULL || *count != 0;
}

void irq_names(unsigned irq, char *buf, size_t size)
{
    unsigned long flags = spin_lock_irqsave(&irq_lock);
    size_t n = 0;

    buf[0] = '\0';
    for (const struct action *a = lines[irq].first; a != NULL; a = a->next)
        n += (size_t)fmt_scnprintf(buf + n, size - n, "%s%s", n != 0 ? ", " : "", a->name);
    spin_unlock_irqrestore(&irq_lock, flags);
}

uint64_t irq_total(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < cpu_count; i++)
        for (unsigned slot = 0; slot < SLOT_SPURIOUS; slot++)
            sum += count_on(slot, cpus[i]);
    return sum;
}

uint64_t irq_spurious(void)
{
    return count_sum(SLOT_SPURIOUS);
}

/* --- routes ------------------------------------------------------------------------------------ */

err_t irq_route(unsigned irq, unsigned cpu)
{
    const struct irqchip *c = irq_chip();
    unsigned long flags;
    err_t err;

    if (irq >= IRQ_MAX || cpu >= CPU_MAX || !cpu_online(cpu))
        return -EINVAL;
    if (c == NULL || c->route == NULL)
        return cpu == 0 ? 0 : -EIO;
    flags = spin_lock_irqsave(&irq_lock);
    err = c->route(irq, cpus[cpu]);
    if (err == 0)
        lines[irq].cpu = cpu;
    spin_unlock_irqrestore(&irq_lock, flags);
    return err != 0 ? -EIO : 0;
}

unsigned irq_routed_to(unsigned irq)
{
    return irq < IRQ_MAX ? atomic_load_relaxed(&lines[irq].cpu) : 0;
}
