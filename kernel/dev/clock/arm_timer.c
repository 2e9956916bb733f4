// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the Generic Timer (Arm ARM D11): the counter as clock source, each CPU's comparator as
 * one-shot event device.
 *
 * Model: the kernel that was started at EL2 owns the machine and takes the physical timer; the one
 * below a hypervisor takes the virtual timer, as the physical may be trapped or missing.  The counter
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

static uint64_t counts_per_ns; /* times 2^32; constant after start */
static bool use_virtual; /* likewise */
static unsigned timer_irq; /* likewise */

static void comparator_off(void)
{
    if (use_virtual)
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
static void comparator_set(uint64_t delta)
{
    uint64_t at = source.read() + delta;

    if (use_virtual) {
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
    ns_t delta = deadline > now ? MIN(deadline - now, DELTA_MAX) : 0;

    if (deadline == NS_NEVER)
        comparator_off();
    else
        comparator_set((delta * counts_per_ns >> 32) + 1);
}

static void start_cpu(struct clock_event *dev)
{
    comparator_off();
    irq_chip()->unmask(timer_irq);
}

static void on_interrupt(unsigned irq, void *arg)
{
    comparator_off();
    timer_interrupt();
}

static struct clock_event event = {
    .name = "arch_timer", .rating = 400, .set_deadline = set_deadline, .per_cpu = true,
    .start_cpu = start_cpu
};

/* --- finding out ------------------------------------------------------------------------------- */

/* Return: Hz; 0 after a line that says why not. */
static uint64_t frequency_find(const struct hw_arch_timer *hw)
{
    uint64_t told = sysreg_read(cntfrq_el0) & UINT32_MAX, hz = hw->hz != 0 ? hw->hz : told;

    if (hz >= HZ_MIN && hz <= HZ_MAX) {
        if (told == 0)
            log_warn("the firmware left CNTFRQ 0: %llu Hz by the tree", (unsigned long long)hz);
        return hz;
    }
    log_err("a counter of %llu Hz is of no use", (unsigned long long)hz);
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

static err_t timer_start(struct subsystem *self)
{
    const struct hw_arch_timer *hw = &hardware()->arch_timer;
    uint64_t hz;
    err_t err;

    if (hw->virt_irq == 0 && hw->phys_irq == 0)
        return -ENODEV;
    hz = frequency_find(hw);
    if (hz == 0 || !counter_counts())
        return -EINVAL;
    use_virtual = hw->phys_irq == 0 || (hw->virt_irq != 0 && !booted_at_el2);
    timer_irq = use_virtual ? hw->virt_irq : hw->phys_irq;
    counts_per_ns = (hz << 32) / NS_PER_SEC;
    comparator_off();
    err = source_start(self, hz);
    if (err == 0)
        err = irq_register(timer_irq, "arch_timer", on_interrupt, NULL);
    if (err != 0)
        return err;
    clock_event_register(&event);
    log_info("%s timer, %llu Hz", use_virtual ? "virtual" : "physical", (unsigned long long)hz);
    return service_publish_clock_event(event.name, &event, event.rating, PRIV_DRIVER);
}

static const char *const needs[] = { "gic", "?device_tree", NULL };
static struct subsystem timer_subsystem = {
    .name = "arm_timer", .privilege = PRIV_DRIVER, .needs = needs, .early_init = timer_start,
    .core = "there is no other timer",
};
REGISTER_SUBSYSTEM(timer_subsystem);
