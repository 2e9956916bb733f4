// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the Generic Timer (Arm ARM D11): the counter as clock source, each CPU's comparator as
 * one-shot event device.
 *
 * Model: the kernel that was started at EL2 owns the machine and takes the physical timer; the one
 * below a hypervisor takes the virtual timer, as the physical may be trapped or missing.  The other one is
 * there for a line that does not work.  The counter
 * is always read as the virtual one, as the vDSO does: where there is no hypervisor its offset is 0.
 * The comparator raises its line as long as the counter is beyond it, so the handler turns it off, and
 * the next set_deadline on again.  The line is private: each CPU unmasks its own.
 *
 * Some counters may be read in the middle of a change.  They are read until two reads agree, and
 * programs have to ask the kernel.
 * Locking: registers of the own CPU, interrupts off.
 */
#define LOG_TAG "arm_timer"
#include <core/hardware.h>
#include <core/irq.h>
#include <core/log.h>
#include <dev/device_tree.h>
#include <dev/services.h>
#include <hal/cpu.h>
#include <sched/clock.h>
#include <sched/timer.h>
#include <svc/subsystem.h>

#define CTL_ENABLE 1
#define CTL_OFF 0
#define DELTA_MAX (2 * NS_PER_SEC) /* the product below must fit for 2 GHz */
#define HZ_MIN 1000000
#define HZ_MAX 2000000000
#define COUNTS_SPINS 1000000 /* reads within which even 1 MHz must have counted */
#define STABLE_SPINS 200
#define STABLE_SHIFT 5 /* two reads in a row differ by less than 32 counts */

struct comparator {
    struct clock_event event;
    bool is_virtual;
    unsigned irq; /* 0: none; constant after start */
};

static uint64_t counts_per_ns; /* times 2^32; constant after start */

static void comparator_off(const struct comparator *c)
{
    if (c->is_virtual)
        sysreg_write(cntv_ctl_el0, CTL_OFF);
    else
        sysreg_write(cntp_ctl_el0, CTL_OFF);
    isb();
}

static uint64_t counter_stable(void)
{
    uint64_t before, now = hal_cycles();
    unsigned spins = STABLE_SPINS;

    do {
        before = now;
        now = hal_cycles();
    } while ((now - before) >> STABLE_SHIFT != 0 && --spins != 0);
    return now;
}

static struct clock_source source = {
    .name = "arch_sys_counter", .rating = 400, .read = hal_cycles, .mask = UINT64_MAX,
    .user_readable = true,
};

/* Both counters are the same when the physical timer is used: see above. */
static void comparator_set(const struct comparator *c, uint64_t delta)
{
    uint64_t at = source.read() + delta;

    if (c->is_virtual) {
        sysreg_write(cntv_cval_el0, at);
        sysreg_write(cntv_ctl_el0, CTL_ENABLE);
    } else {
        sysreg_write(cntp_cval_el0, at);
        sysreg_write(cntp_ctl_el0, CTL_ENABLE);
    }
    isb();
}

static void set_deadline(struct clock_event *dev, ns_t now, ns_t deadline)
{
    const struct comparator *c = container_of(dev, struct comparator, event);
    ns_t delta = deadline > now ? MIN(deadline - now, DELTA_MAX) : 0;

    if (deadline == NS_NEVER)
        comparator_off(c);
    else
        comparator_set(c, (delta * counts_per_ns >> 32) + 1);
}

static void start_cpu(struct clock_event *dev)
{
    const struct comparator *c = container_of(dev, struct comparator, event);

    comparator_off(c);
    irq_chip()->unmask(c->irq);
}

static void on_interrupt(unsigned irq, void *arg)
{
    comparator_off(arg);
    timer_interrupt();
}

static err_t begin(struct clock_event *dev)
{
    struct comparator *c = container_of(dev, struct comparator, event);

    comparator_off(c);
    return irq_register(c->irq, dev->name, on_interrupt, c);
}

static struct comparator virtual_timer = {
    .event = { .name = "arch_timer", .set_deadline = set_deadline, .per_cpu = true, .begin = begin,
               .start_cpu = start_cpu },
    .is_virtual = true,
};
static struct comparator physical_timer = {
    .event = { .name = "arch_timer_phys", .set_deadline = set_deadline, .per_cpu = true, .begin = begin,
               .start_cpu = start_cpu },
};

/* --- finding out ------------------------------------------------------------------------------- */

/* Return: Hz; 0 after a line that says why not. */
static uint64_t frequency_find(const struct hw_arch_timer *hw)
{
    uint64_t told = sysreg_read(cntfrq_el0) & UINT32_MAX;

    if (hw->hz >= HZ_MIN && hw->hz <= HZ_MAX) {
        if (told == 0)
            log_warn("the firmware left CNTFRQ 0: %llu Hz by the tree", (unsigned long long)hw->hz);
        return hw->hz;
    }
    if (hw->hz != 0)
        log_warn("the tree's counter of %llu Hz is of no use: CNTFRQ says %llu",
                 (unsigned long long)hw->hz, (unsigned long long)told);
    if (told >= HZ_MIN && told <= HZ_MAX)
        return told;
    log_err("a counter of %llu Hz is of no use", (unsigned long long)told);
    return 0;
}

static bool counter_counts(void)
{
    uint64_t first = hal_cycles();

    for (unsigned i = 0; i < COUNTS_SPINS; i++)
        if (hal_cycles() != first)
            return true;
    log_err("the counter stands still at %llu", (unsigned long long)first);
    return false;
}

/* The tree's word, and the CPU that has it by itself (Cortex-A73, erratum 858921). */
static bool counter_unstable(struct subsystem *self)
{
    static const char *const names[] = { "fsl,erratum-a008585", "hisilicon,erratum-161010101",
                                         "allwinner,erratum-unknown1" };
    const struct device_tree_service *tree;
    struct device_node node;
    size_t size;

    if (service_find_device_tree(self, &tree) != 0)
        return false;
    if (tree->find("arm,cortex-a73", 0, &node) == 0)
        return true;
    if (tree->find("arm,armv8-timer", 0, &node) != 0)
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (tree->property(&node, names[i], &size) != NULL)
            return true;
    return false;
}

static err_t source_start(struct subsystem *self, uint64_t hz)
{
    if (counter_unstable(self)) {
        log_notice("the counter has an erratum: it is read twice, and by the kernel alone");
        source.read = counter_stable;
        source.user_readable = false;
    }
    source.hz = hz;
    clock_source_register(&source);
    return service_publish_clock_source(source.name, &source, source.rating, PRIV_DRIVER);
}

/* The first that has a line is to be used, the other when that one does not tick. */
static err_t event_publish(struct comparator *c, const struct hw_arch_timer *hw, unsigned rating)
{
    err_t err;

    c->irq = c->is_virtual ? hw->virt_irq : hw->phys_irq;
    c->event.rating = rating;
    if (c->irq == 0)
        return 0;
    if (!clock_event_current()) {
        err = begin(&c->event);
        if (err != 0)
            return err;
        c->event.begin = NULL;
    }
    clock_event_register(&c->event);
    log_info("%s timer, line %u", c->is_virtual ? "virtual" : "physical", c->irq);
    return service_publish_clock_event(c->event.name, &c->event, rating, PRIV_DRIVER);
}

static err_t timer_start(struct subsystem *self)
{
    const struct hw_arch_timer *hw = &hardware()->arch_timer;
    struct comparator *first = booted_at_el2 ? &physical_timer : &virtual_timer;
    struct comparator *second = booted_at_el2 ? &virtual_timer : &physical_timer;
    uint64_t hz = frequency_find(hw);
    err_t err;

    if (hz == 0 || !counter_counts())
        return -EINVAL;
    counts_per_ns = (hz << 32) / NS_PER_SEC;
    err = source_start(self, hz);
    if (err == 0)
        err = event_publish(first, hw, 400);
    if (err == 0)
        err = event_publish(second, hw, 350);
    return err;
}

static const char *const needs[] = { "gic", "?device_tree", NULL };
static struct subsystem timer_subsystem = {
    .name = "arm_timer", .privilege = PRIV_DRIVER, .needs = needs, .early_init = timer_start,
    .core = "there is no other clock",
};
REGISTER_SUBSYSTEM(timer_subsystem);
