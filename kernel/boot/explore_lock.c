// SPDX-License-Identifier: CC0-1.0
/* Purpose: interleavings of spinlocks, mutexes, reader-writer locks and the clock's sequence. */
#include <boot/explore.h>

#include <core/brlock.h>
#include <core/irq.h>
#include <core/panic.h>
#include <core/smp.h>
#include <core/spinlock.h>
#include <hal/cpu.h>
#include <sched/clock.h>
#include <sched/mutex.h>
#include <sched/sched.h>

#define ROUNDS 4

static uint64_t total; /* under the lock that is tried */
static unsigned inside; /* who holds it, counted apart */

/* What a lock protects: torn when two are inside. */
static void critical(void)
{
    uint64_t was = total;

    explore_must(inside == 0);
    inside++;
    explore_point();
    explore_point();
    inside--;
    total = was + 1;
}

/* --- spinlock --- */

static struct spinlock spin = SPINLOCK_INIT(LOCK_DEVICE);
static unsigned irq_rounds; /* under the lock: interrupts that took it */

static void device_interrupt(unsigned irq, void *arg)
{
    (void)irq, (void)arg;
    spin_lock_raw(&spin);
    critical();
    irq_rounds++;
    spin_unlock_raw(&spin);
}

static void device_register(void)
{
    if (irq_register(HOST_IRQ_DEVICE, "explored", device_interrupt, NULL) != 0)
        host_explore_end("no interrupt");
}

static void spin_work(unsigned id)
{
    unsigned long flags;

    for (unsigned i = 0; i < ROUNDS; i++) {
        host_irq_raise(cpus[explore_random(cpu_count)], HOST_IRQ_DEVICE);
        flags = hal_irq_save();
        if ((i + id) % 2 == 0) {
            preempt_disable();
            spin_lock_raw(&spin);
        } else {
            while (!spin_try(&spin))
                hal_relax();
        }
        critical();
        spin_unlock_raw(&spin);
        hal_irq_restore(flags);
        preempt_enable();
    }
}

static const char *spin_check(void)
{
    unsigned long flags = spin_lock_irqsave(&spin);
    bool right = total == 4 * ROUNDS + irq_rounds;

    spin_unlock_irqrestore(&spin, flags);
    return right ? NULL : "a round under the spinlock was lost";
}

EXPLORE(spin, .name = "lock.spin", .workers = 4, .prepare = device_register, .work = spin_work,
        .check = spin_check);

/* Looks whether it is free, then takes it: two steps. */
static void spin_try_torn(unsigned id)
{
    static uint32_t word;

    (void)id;
    for (unsigned i = 0; i < ROUNDS; i++) {
        while (atomic_load(&word) != 0)
            hal_relax();
        atomic_store(&word, 1);
        critical();
        atomic_store(&word, 0);
    }
}

EXPLORE(spin_torn, .name = "lock.spin!taken_in_two_steps", .broken = true, .workers = 3,
        .work = spin_try_torn);

/* Its handler comes while it is held. */
static void spin_irqs_on(unsigned id)
{
    (void)id;
    for (unsigned i = 0; i < ROUNDS; i++) {
        host_irq_raise(cpus[explore_random(cpu_count)], HOST_IRQ_DEVICE);
        spin_lock(&spin);
        critical();
        spin_unlock(&spin);
    }
}

EXPLORE(spin_irqs, .name = "lock.spin!interrupts_on", .broken = true, .workers = 3,
        .prepare = device_register, .work = spin_irqs_on);

static void spin_unlock_early(unsigned id)
{
    uint64_t was;

    (void)id;
    for (unsigned i = 0; i < ROUNDS; i++) {
        spin_lock(&spin);
        was = total;
        explore_point();
        spin_unlock(&spin);
        explore_point();
        total = was + 1;
    }
}

static const char *early_check(void)
{
    return total == 3 * ROUNDS ? NULL : "a round under the spinlock was lost";
}

EXPLORE(spin_early, .name = "lock.spin!unlock_early", .broken = true, .workers = 3,
        .work = spin_unlock_early, .check = early_check);

/* Newcomers that only try, and take it whenever they may, against one that waits.  Who saw it starved
 * does not get the lock before it. */
static uint32_t turns; /* of the waiter; atomic, written under the lock */

static void spin_greedy(bool (*try)(struct spinlock *l))
{
    while (atomic_load(&turns) < ROUNDS) {
        uint32_t before = atomic_load(&turns);
        bool starved = atomic_load(&spin.word) >= SPIN_STARVED;

        if (!try(&spin)) {
            hal_relax();
            continue;
        }
        explore_must(!starved || atomic_load(&turns) != before);
        critical();
        for (unsigned n = explore_random(2) * 100; n > 0; n--)
            hal_relax(); /* longer than anybody's patience */
        spin_unlock(&spin);
    }
}

static void spin_waiter(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        spin_lock(&spin);
        critical();
        atomic_add_fetch(&turns, 1);
        spin_unlock(&spin);
    }
}

static void spin_fair_work(unsigned id)
{
    if (id == 0)
        spin_waiter();
    else
        spin_greedy(spin_try);
}

EXPLORE(spin_fair, .name = "lock.spin_starved", .workers = 4, .work = spin_fair_work);

/* Looks whether it is held alone. */
static bool spin_try_pushing(struct spinlock *l)
{
    uint32_t w = atomic_load(&l->word);

    preempt_disable();
    if (!(w & SPIN_HELD) && atomic_cas(&l->word, &w, w | SPIN_HELD)) {
        lockrank_acquire(l);
        return true;
    }
    preempt_enable();
    return false;
}

static void spin_pushing_work(unsigned id)
{
    if (id == 0)
        spin_waiter();
    else
        spin_greedy(spin_try_pushing);
}

EXPLORE(spin_pushing, .name = "lock.spin_starved!newcomer_passes", .broken = true, .workers = 4,
        .work = spin_pushing_work);

/* --- mutex --- */

static struct mutex mutex = MUTEX_INIT(mutex);

static void mutex_work(unsigned id)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (id == 0)
            while (!mutex_try(&mutex))
                sched_yield();
        else if (id == 1)
            explore_must(mutex_lock_intr(&mutex) == 0);
        else
            mutex_lock(&mutex);
        explore_must(mutex_held(&mutex));
        critical();
        if (explore_random(4) == 0)
            sched_yield();
        mutex_unlock(&mutex);
    }
}

static const char *mutex_check(void)
{
    return total == 5 * ROUNDS ? NULL : "a round under the mutex was lost";
}

EXPLORE(mutex, .name = "lock.mutex", .workers = 5, .work = mutex_work, .check = mutex_check);
EXPLORE(mutex_free, .name = "lock.mutex_moving", .workers = 5, .flags = EXPLORE_FREE,
        .work = mutex_work, .check = mutex_check);

/* As mutex_unlock(), but wakes before it lets go. */
static void mutex_unlock_woken_first(struct mutex *m)
{
    waitq_wake_one(&m->waiters);
    atomic_store(&m->holder, NULL);
}

static void mutex_woken_first(unsigned id)
{
    (void)id;
    for (unsigned i = 0; i < ROUNDS; i++) {
        mutex_lock(&mutex);
        critical();
        mutex_unlock_woken_first(&mutex);
    }
}

EXPLORE(mutex_early, .name = "lock.mutex!wakes_before_unlock", .broken = true, .workers = 4,
        .work = mutex_woken_first);

/* --- reader-writer lock --- */

static struct rwlock rw = RWLOCK_INIT(rw);
static uint64_t pair[2]; /* the same, but for a writer */

static void pair_write(void)
{
    pair[0]++;
    explore_point();
    pair[1]++;
}

static void pair_read(void)
{
    uint64_t first = pair[0];

    explore_point();
    explore_must(pair[1] == first);
}

static void rw_work(unsigned id)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if ((id + i) % 3 != 0) {
            rwlock_read(&rw);
            pair_read();
            rwlock_read_done(&rw);
            continue;
        }
        rwlock_write(&rw);
        pair_write();
        if (i % 2 == 0) {
            rwlock_write_done(&rw);
            continue;
        }
        rwlock_downgrade(&rw);
        pair_read();
        rwlock_read_done(&rw);
    }
}

EXPLORE(rwlock, .name = "lock.rwlock", .workers = 5, .work = rw_work);

/* A reader that looks for writers, and then counts itself. */
static void rw_torn(unsigned id)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (id == 0) {
            rwlock_write(&rw);
            pair_write();
            rwlock_write_done(&rw);
            continue;
        }
        while (atomic_load(&rw.state) < 0)
            hal_relax();
        atomic_fetch_add(&rw.state, 1);
        pair_read();
        rwlock_read_done(&rw);
    }
}

EXPLORE(rwlock_torn, .name = "lock.rwlock!reader_in_two_steps", .broken = true, .workers = 3,
        .work = rw_torn);

/* --- big-reader lock --- */

static struct brlock br = BRLOCK_INIT(LOCK_DEVICE);

static void br_called(void *arg)
{
    atomic_add_fetch((unsigned *)arg, 1);
}

static void br_write(bool try)
{
    if (!try)
        brlock_write(&br);
    else
        while (!brlock_write_try(&br)) {
            if (!hal_irqs_enabled())
                smp_call_poll(); /* a reader may be calling */
            hal_relax();
        }
    explore_must(inside == 0);
    pair_write();
    brlock_write_done(&br);
}

/* A reader that calls all CPUs, among them one that waits for it with interrupts off. */
static void br_read(bool call)
{
    unsigned called = 0;

    brlock_read(&br);
    atomic_add_fetch(&inside, 1);
    pair_read();
    if (call) {
        smp_call_others(br_called, &called);
        explore_must(called == cpu_count - 1);
    }
    atomic_sub_fetch(&inside, 1);
    brlock_read_done(&br);
}

static void br_work(unsigned id)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        bool quiet = explore_random(2) == 0;
        unsigned long flags = quiet ? hal_irq_save() : 0;

        if ((id + i) % 3 == 0)
            br_write(explore_random(2) == 0);
        else
            br_read(explore_random(4) == 0);
        if (quiet)
            hal_irq_restore(flags);
    }
}

static const char *br_check(void)
{
    for (unsigned i = 0; i < cpu_count; i++)
        if (br.readers[i].reads != 0)
            return "a reader's mark stayed";
    return br.writer == 0 && pair[0] == pair[1] ? NULL : "a writer stayed";
}

EXPLORE(brlock, .name = "lock.brlock", .workers = 4, .work = br_work, .check = br_check);
EXPLORE(brlock_free, .name = "lock.brlock_moving", .workers = 6, .flags = EXPLORE_FREE,
        .work = br_work, .check = br_check);

/* Looks for a writer, and then makes its mark. */
static void br_torn(unsigned id)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (id == 0) {
            brlock_write(&br);
            pair_write();
            brlock_write_done(&br);
            continue;
        }
        preempt_disable();
        while (atomic_load(&br.writer) != 0)
            hal_relax();
        atomic_store(brlock_word(&br), 1);
        pair_read();
        atomic_store(brlock_word(&br), 0);
        preempt_enable();
    }
}

EXPLORE(brlock_torn, .name = "lock.brlock!looks_before_it_marks", .broken = true, .workers = 3,
        .work = br_torn);

/* Waits for the writer with its mark on: the writer waits for the mark. */
static void br_stubborn(unsigned id)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (id == 0) {
            brlock_write(&br);
            pair_write();
            brlock_write_done(&br);
            continue;
        }
        preempt_disable();
        atomic_store(brlock_word(&br), 1);
        while (atomic_load(&br.writer) != 0)
            hal_relax();
        pair_read();
        atomic_store(brlock_word(&br), 0);
        preempt_enable();
    }
}

EXPLORE(brlock_stubborn, .name = "lock.brlock!keeps_its_mark", .broken = true, .workers = 3,
        .work = br_stubborn);

/* What a reader takes out of sight is freed when nobody who could see it is left. */
#define THINGS 3

static struct thing {
    uint32_t freed;
} things[THINGS], *shown;

static void thing_look(void)
{
    struct thing *t = atomic_load(&shown);

    for (unsigned i = 0; t && i < 3; i++) {
        explore_point();
        explore_must(atomic_load(&t->freed) == 0);
    }
}

static void thing_free(bool waits)
{
    struct thing *t;

    brlock_read(&br);
    t = atomic_xchg(&shown, NULL);
    brlock_read_done(&br);
    while (waits && !brlock_unread(&br))
        hal_relax();
    if (t)
        atomic_store(&t->freed, 1u);
}

static void thing_work(unsigned id, bool waits)
{
    for (unsigned i = 0; i < THINGS; i++) {
        if (id == 0) {
            atomic_store(&shown, &things[i]);
            thing_free(waits);
        } else if (id == 1) {
            brlock_write(&br);
            thing_look();
            brlock_write_done(&br);
        } else {
            brlock_read(&br);
            thing_look();
            brlock_read_done(&br);
        }
    }
}

static void unread_work(unsigned id)
{
    thing_work(id, true);
}

static void unread_hasty(unsigned id)
{
    thing_work(id, false);
}

EXPLORE(brlock_unread, .name = "lock.brlock_unread", .workers = 4, .work = unread_work);
EXPLORE(brlock_hasty, .name = "lock.brlock!frees_at_once", .broken = true, .workers = 4, .work = unread_hasty);

/* --- sequence --- */

static ns_t latest; /* a time that somebody has read; atomic */

static void clock_work(unsigned id)
{
    for (unsigned i = 0; i < 4 * ROUNDS; i++) {
        ns_t before = atomic_load(&latest), now;

        if (id == 0) {
            clock_tick();
            if (i % 4 == 0)
                clock_realtime_set((int64_t)(i + 1) * (int64_t)NS_PER_SEC);
        }
        now = clock_monotonic();
        explore_must(now >= before);
        while (before < now && !atomic_cas(&latest, &before, now))
            ;
    }
}

EXPLORE(clock, .name = "lock.sequence", .workers = 3, .work = clock_work);

static uint32_t sequence;

/* Reads, but does not look again whether somebody has written meanwhile. */
static void sequence_unread(unsigned id)
{
    uint64_t a, b;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (id == 0) {
            atomic_fetch_add(&sequence, 1);
            pair_write();
            atomic_fetch_add(&sequence, 1);
            continue;
        }
        while (atomic_load(&sequence) & 1)
            hal_relax();
        a = pair[0];
        explore_point();
        b = pair[1];
        explore_must(a == b);
    }
}

EXPLORE(sequence_unread, .name = "lock.sequence!read_once", .broken = true, .workers = 3,
        .work = sequence_unread);
