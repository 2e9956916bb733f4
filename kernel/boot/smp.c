// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: starts the CPUs beyond the one that booted.
 *
 * Model: each entry of hardware()->cpus[] gets the next free id, a struct cpu and the areas of mm,
 * sched and hal on its own node, and is asked to run by the starter that handles its kind
 * (<hal/smp.h> draws the whole way).  One CPU at a time: who comes up is `awaited`, and whichever of
 * the two takes that word decides:
 *
 *     boot CPU                              new CPU
 *     awaited = cpu, starter->start()       kmain_secondary: interrupts, timer, idle thread
 *     online?  or a second is over:         cas(awaited, cpu -> NULL)
 *       cas(awaited, cpu -> NULL)             taken: online, schedules
 *         taken: it is left out               lost: halts for ever
 *         lost: it is about to be online
 *
 * A CPU that did not come is named, and its id goes to the next one; its memory is not used again,
 * for nobody knows what it still does.
 * Locking: boot thread; `awaited` is atomic.
 */
#define LOG_TAG "smp"
#include <boot/smp.h>

#include <core/hardware.h>
#include <core/irq.h>
#include <core/log.h>
#include <core/params.h>
#include <core/smp.h>
#include <dev/services.h>
#include <hal/cpu.h>
#include <hal/mmu.h>
#include <hal/smp.h>
#include <hal/upcall.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/numa.h>
#include <sched/clock.h>
#include <sched/sched.h>
#include <sched/timer.h>

#define START_WAIT_NS (5 * NS_PER_SEC) /* hosts may let it stand for long */
#define START_POLL_NS (50 * NS_PER_USEC)

static unsigned allowed = CPU_MAX; /* CPUs that may run, with the boot CPU; constant after boot */
static unsigned known = CPU_MAX; /* CPUs that are spoken of; constant after boot */
static struct cpu *awaited; /* atomic */

/* --- parameters -------------------------------------------------------------------------------- */

static err_t count_read(const char *value, uint64_t *count)
{
    err_t err;

    if (!value)
        return -EINVAL;
    err = str_to_u64(&value, 10, count);
    return err == 0 && *value ? -EINVAL : err;
}

static err_t set_known(const char *value)
{
    uint64_t count;
    err_t err = count_read(value, &count);

    if (err)
        return err;
    allowed = (unsigned)CLAMP(count, 1u, allowed);
    known = MIN(known, allowed);
    return 0;
}
PARAM(nr_cpus, "how many CPUs there are, with the boot CPU", set_known);

static err_t set_started(const char *value)
{
    uint64_t count;
    err_t err = count_read(value, &count);

    if (err || count == 0)
        return err ? err : set_known(value);
    allowed = (unsigned)MIN(count, allowed);
    return 0;
}
PARAM(maxcpus, "how many CPUs are started, with the boot CPU; 0: that one alone", set_started);

static err_t set_nosmp(const char *value)
{
    allowed = known = 1;
    return value ? -EINVAL : 0;
}
PARAM(nosmp, "starts no CPU beyond the one that booted", set_nosmp);

/* --- on the new CPU ---------------------------------------------------------------------------- */

/* On the idle thread, interrupts off. */
static void secondary_runs(void)
{
    struct cpu *self = cpu_current(), *expected = self;

    if (!atomic_cas(&awaited, &expected, NULL))
        hal_halt();
    tick_start();
    cpu_set_online(self);
}

void kmain_secondary(struct cpu *cpu)
{
    struct clock_event *timer = clock_event_current();

    if (irq_chip()->start_cpu)
        irq_chip()->start_cpu();
    if (timer->start_cpu)
        timer->start_cpu(timer);
    sched_start_cpu(cpu, secondary_runs);
}

void upcall_cpu_unfit(struct cpu *cpu, const char *why)
{
    log_err("CPU %#llx cannot take part: %s", (unsigned long long)cpu->hw_id, why);
    hal_halt();
}

/* --- on the boot CPU --------------------------------------------------------------------------- */

struct search {
    enum hw_cpu_start kind;
    const struct cpu_starter *found;
};

static bool starter_matches(const struct service *s, void *arg)
{
    const struct cpu_starter *starter = s->impl;
    struct search *search = arg;

    if (strcmp(s->type, "cpu_starter") != 0 || starter->handles != search->kind)
        return true;
    search->found = starter;
    return false;
}

/* The best that handles the kind, or NULL. */
static const struct cpu_starter *starter_find(enum hw_cpu_start kind)
{
    struct search search = { .kind = kind };

    service_for_each(starter_matches, &search);
    return search.found;
}

static void *area_alloc(unsigned node, size_t bytes)
{
    size_t count = ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE;
    paddr_t pa = frame_alloc_contiguous_node(node, count, PAGE_SIZE, FRAME_ZERO);

    return pa == PADDR_NONE ? NULL : phys_to_virt(pa);
}

static void area_free(void *area, size_t bytes)
{
    if (area)
        frame_free_contiguous(virt_to_phys(area), ALIGN_UP(bytes, PAGE_SIZE) / PAGE_SIZE);
}

/* Gives `cpu` what its layers need.  Return: 0, -ENOMEM. */
static err_t cpu_equip(struct cpu *cpu)
{
    void *counts = area_alloc(cpu->node, irq_counts_size());

    if (!counts)
        return -ENOMEM;
    irq_init_cpu(cpu, counts);
    frame_init_cpu(cpu);
    heap_init_cpu(cpu);
    return sched_init_cpu(cpu);
}

/* Return: whether it runs. */
static bool cpu_await(struct cpu *cpu)
{
    ns_t end = clock_monotonic() + START_WAIT_NS;
    struct cpu *expected = cpu;

    while (!cpu_online(cpu->id)) {
        if (clock_monotonic() < end) {
            (void)sleep_until(clock_monotonic() + START_POLL_NS, false);
            continue;
        }
        if (atomic_cas(&awaited, &expected, NULL))
            return false;
        hal_relax(); /* it has taken the word, and will be online */
    }
    return true;
}

/* Return: 0; -ETIMEDOUT: it was asked and did not come; an error of the starter. */
static err_t cpu_ask(const struct hw_cpu *hw, const struct cpu_starter *starter, struct cpu *cpu,
                     void *area)
{
    uint64_t arg;
    paddr_t entry;
    err_t err = hal_cpu_prepare(cpu, area, &entry, &arg);

    if (err)
        return err;
    atomic_store(&awaited, cpu);
    err = starter->start(hw, entry, arg);
    if (err) {
        atomic_store(&awaited, NULL);
        (void)hal_cpu_withdraw(cpu);
        return err;
    }
    if (cpu_await(cpu))
        return 0;
    (void)hal_cpu_withdraw(cpu); /* wherever it arrives, it halts */
    return -ETIMEDOUT;
}

static err_t cpu_start(const struct hw_cpu *hw, const struct cpu_starter *starter)
{
    size_t area_bytes = hal_cpu_area_size();
    unsigned node = hw->node < numa.count ? hw->node : 0;
    struct cpu *cpu = area_alloc(node, sizeof *cpu);
    void *area = area_alloc(node, area_bytes);
    err_t err = -ENOMEM;

    if (!cpu || !area)
        goto out_free;
    cpu->self = cpu;
    cpu->id = cpu_count;
    cpu->node = node;
    cpu->hw_id = hw->hw_id;
    if (cpu_equip(cpu))
        goto out_free;
    cpus[cpu->id] = cpu;
    atomic_store(&cpu_count, cpu->id + 1);
    err = cpu_ask(hw, starter, cpu, area);
    if (err)
        atomic_store(&cpu_count, cpu->id); /* cpus[] keeps the pointer for whoever looks just now */
    return err;

out_free:
    area_free(area, area_bytes);
    area_free(cpu, sizeof *cpu);
    return err;
}

static bool already_runs(const struct hw_cpu *hw)
{
    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i]->hw_id == hw->hw_id)
            return true;
    return false;
}

/* One entry of the firmware's list; what does not come is named and left out. */
static void cpu_try(const struct hw_cpu *hw)
{
    const struct cpu_starter *starter = starter_find(hw->start);
    err_t err;

    if (!starter) {
        log_warn("CPU %#llx is left out: nothing here can start it", (unsigned long long)hw->hw_id);
        return;
    }
    err = cpu_start(hw, starter);
    if (err == -ETIMEDOUT)
        log_warn("CPU %#llx did not come within 5 seconds (%s): it is left out",
                 (unsigned long long)hw->hw_id, starter->name);
    else if (err)
        log_warn("CPU %#llx is left out: %s, error %d", (unsigned long long)hw->hw_id,
                 starter->name, err);
}

/* Why no further CPU can be started, or NULL. */
static const char *obstacle(void)
{
    if (!irq_chip()->ipi)
        return "the interrupt controller serves one CPU";
    if (!clock_event_current())
        return "no timer ticks";
    if (!clock_event_current()->per_cpu)
        return "there is one timer";
    return NULL;
}

static void boot_cpu_node(const struct hardware_info *hw)
{
    for (unsigned i = 0; i < hw->cpu_count; i++)
        if (hw->cpus[i].hw_id == cpus[0]->hw_id && hw->cpus[i].node < numa.count)
            cpus[0]->node = hw->cpus[i].node;
}

static const struct hw_cpu *hw_of(const struct hardware_info *hw, const struct cpu *cpu)
{
    for (unsigned i = 0; i < hw->cpu_count; i++)
        if (hw->cpus[i].hw_id == cpu->hw_id)
            return &hw->cpus[i];
    return NULL;
}

/* A cpu-map or PPTT knows the places of CPUs better than they do themselves.  It counts only when it
 * places all of them: its numbers do not mix with theirs. */
static void places_apply(const struct hardware_info *hw)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        const struct hw_cpu *h = hw_of(hw, cpus[i]);

        if (!h || h->package == UINT32_MAX)
            return;
    }
    for (unsigned i = 0; i < cpu_count; i++) {
        const struct hw_cpu *h = hw_of(hw, cpus[i]);
        struct cpu_topology *t = &cpus[i]->topology;

        t->package = h->package;
        t->die = h->cluster != UINT32_MAX ? h->cluster : 0;
        t->core = h->core;
        t->thread = h->thread != UINT32_MAX ? h->thread : 0;
    }
}

static void others_start(const struct hardware_info *hw)
{
    ns_t start = clock_monotonic();

    if (hw->cpu_count <= 1 || allowed <= 1)
        return;
    if (obstacle()) {
        log_warn("%u further CPUs stay parked: %s", hw->cpu_count - 1, obstacle());
        return;
    }
    for (unsigned i = 0; i < hw->cpu_count && cpu_count < allowed; i++)
        if (!already_runs(&hw->cpus[i]))
            cpu_try(&hw->cpus[i]);
    hal_cpus_prepared();
    log_info("%u CPUs of %u run after %llu us", cpus_online_count(), hw->cpu_count,
             (unsigned long long)((clock_monotonic() - start) / NS_PER_USEC));
}

void smp_start(void)
{
    const struct hardware_info *hw = hardware();

    boot_cpu_node(hw);
    others_start(hw);
    cpus_present = MAX(cpu_count, MIN(known, hw->cpu_count));
    places_apply(hw);
}
