// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: see <sched/irq_storm.h>.
 *
 * Model: core/irq.c calls once in IRQ_LOOK interrupts of a line on a CPU.  A storm is a row of looks, a tenth of a
 * second at least, in which the interrupts followed each other closely and the CPU did nothing else: it switched
 * to no thread, its idle loop made no round, no timer fired (but for its tick).  A device that is merely busy wakes
 * threads or leaves its CPU idle in between, hundreds of times in a look.  Such a line is masked, and taken
 * back by a timer; each time it storms again it is held off for twice as long:
 *
 *     taken -> (storm) held 200 ms -> taken -> (storm) held 400 ms -> ... 2^HOLD_SHIFT_MAX
 *
 * Locking: a CPU's struct irq_storm is its own.  An entry of `held` is claimed by an atomic irq and stays the
 * line's; its rest belongs to the CPU that masks the line, until its timer has fired.
 */
#define LOG_TAG "irq"
#include <sched/irq_storm.h>

#include <core/log.h>
#include <sched/clock.h>
#include <sched/runqueue.h>

#define HELD_MAX 8
#define HOLD_NS (200 * NS_PER_MSEC)
#define HOLD_SHIFT_MAX 7

static struct held {
    unsigned irq; /* + 1; 0: free; atomic */
    unsigned times;
    bool masked; /* atomic */
    struct timer timer;
} held[HELD_MAX];

bool irq_storm_look(struct irq_storm *s, unsigned irq, uint64_t progress, ns_t now)
{
    ns_t passed = now - s->at;
    bool close = passed < IRQ_STORM_LOOK_NS;

    if (irq != s->irq && close)
        return false; /* one after the other */
    if (irq != s->irq || !close || progress - s->progress >= IRQ_STORM_PROGRESS) {
        s->looks = 0;
        s->since = now;
    } else {
        s->looks++;
    }
    s->irq = irq;
    s->at = now;
    s->progress = progress;
    return s->looks >= IRQ_STORM_LOOKS && now - s->since >= IRQ_STORM_NS;
}

static struct held *held_find(unsigned irq, bool claim)
{
    for (unsigned i = 0; i < HELD_MAX; i++) {
        unsigned was = 0;

        if (atomic_load(&held[i].irq) == irq + 1 ||
            (claim && (atomic_cas(&held[i].irq, &was, irq + 1) || was == irq + 1)))
            return &held[i];
    }
    return NULL;
}

bool irq_storm_holds(unsigned irq)
{
    const struct held *h = held_find(irq, false);

    return h != NULL && atomic_load(&h->masked);
}

static void take_back(struct timer *t)
{
    struct held *h = container_of(t, struct held, timer);

    atomic_store(&h->masked, false);
    irq_unmask_used(atomic_load(&h->irq) - 1);
}

static void hold(unsigned irq)
{
    struct held *h = held_find(irq, true);
    char names[64];

    irq_chip()->mask(irq);
    irq_names(irq, names, sizeof names);
    if (h == NULL) {
        log_err("line %u (%s) does not stop, as others before: it is masked", irq, names);
        return;
    }
    if (h->times == 0) {
        log_err("line %u (%s) does not stop, nothing else runs: it is held off, and tried again", irq,
                names);
        timer_init(&h->timer, take_back);
    }
    atomic_store(&h->masked, true);
    timer_set(&h->timer, clock_monotonic() + (HOLD_NS << MIN(h->times, HOLD_SHIFT_MAX)));
    h->times++;
}

void irq_storm_look_cpu(unsigned irq)
{
    struct runqueue *rq = cpu_current()->rq;
    uint64_t progress;

    if (rq == NULL)
        return;
    progress = rq->switches + rq->idle_rounds + timer_interrupts();
    if (!irq_storm_look(&rq->storm, irq, progress, clock_monotonic()))
        return;
    rq->storm.looks = 0;
    hold(irq);
}
