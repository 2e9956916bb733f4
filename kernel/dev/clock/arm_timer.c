// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the Generic Timer (Arm ARM D11): the counter as clock source, a comparator as one-shot
 * event device.
 *
 * Model: the virtual timer when the device tree gives its interrupt, else the physical one of the
 * non-secure world.  The comparator raises its line as long as the counter is beyond it, so the
 * handler turns it off, and the next set_deadline on again.
 * Locking: registers of the own CPU, interrupts off.
 */
#define LOG_TAG "arm_timer"
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

enum { INTERRUPT_SECURE, INTERRUPT_PHYSICAL, INTERRUPT_VIRTUAL };

static uint64_t counts_per_ns; /* times 2^32; constant after start */
static bool use_virtual; /* likewise */

static void comparator_off(void)
{
    if (use_virtual)
        sysreg_write(cntv_ctl_el0, CTL_OFF);
    else
        sysreg_write(cntp_ctl_el0, CTL_OFF);
}

static void comparator_set(uint64_t delta)
{
    if (use_virtual) {
        sysreg_write(cntv_cval_el0, sysreg_read(cntvct_el0) + delta);
        sysreg_write(cntv_ctl_el0, CTL_ENABLE);
    } else {
        sysreg_write(cntp_cval_el0, sysreg_read(cntpct_el0) + delta);
        sysreg_write(cntp_ctl_el0, CTL_ENABLE);
    }
}

static void set_deadline(struct clock_event *dev, ns_t now, ns_t deadline)
{
    ns_t delta = deadline > now ? MIN(deadline - now, DELTA_MAX) : 0;

    if (deadline == NS_NEVER)
        comparator_off();
    else
        comparator_set((delta * counts_per_ns >> 32) + 1);
}

static void on_interrupt(unsigned irq, void *arg)
{
    comparator_off();
    timer_interrupt();
}

static struct clock_source source = {
    .name = "arch_sys_counter", .rating = 400, .read = hal_cycles, .mask = UINT64_MAX,
    .user_readable = true,
};
static struct clock_event event = {
    .name = "arch_timer", .rating = 400, .set_deadline = set_deadline
};

static err_t timer_find(struct subsystem *self, struct device_node *node, uint64_t *hz)
{
    const struct device_tree_service *tree;
    const uint8_t *p;
    size_t size;

    if (service_find_device_tree(self, &tree) != 0)
        return -ENODEV;
    if (tree->find("arm,armv8-timer", 0, node) != 0 && tree->find("arm,armv7-timer", 0, node) != 0)
        return -ENODEV;
    if (node->irq_count <= INTERRUPT_PHYSICAL)
        return -ENODEV;
    *hz = sysreg_read(cntfrq_el0) & UINT32_MAX;
    p = tree->property(node, "clock-frequency", &size); /* for firmware that forgot CNTFRQ */
    if (p != NULL && size == 4)
        *hz = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
    return 0;
}

static err_t timer_start(struct subsystem *self)
{
    struct device_node node;
    uint64_t hz;
    err_t err = timer_find(self, &node, &hz);

    if (err != 0)
        return err;
    if (hz < 1000000 || hz > 2000000000) {
        log_err("a counter of %llu Hz is of no use", (unsigned long long)hz);
        return -EINVAL;
    }
    use_virtual = node.irq_count > INTERRUPT_VIRTUAL;
    counts_per_ns = (hz << 32) / NS_PER_SEC;
    comparator_off();
    source.hz = hz;
    clock_source_register(&source);
    err = irq_register(node.irq[use_virtual ? INTERRUPT_VIRTUAL : INTERRUPT_PHYSICAL],
                       "arch_timer", on_interrupt, NULL);
    if (err != 0)
        return err;
    clock_event_register(&event);
    log_info("%s timer, %llu Hz", use_virtual ? "virtual" : "physical", (unsigned long long)hz);
    err = service_publish_clock_source(source.name, &source, source.rating, PRIV_DRIVER);
    return err != 0 ? err
                    : service_publish_clock_event(event.name, &event, event.rating, PRIV_DRIVER);
}

static const char *const needs[] = { "device_tree", "gicv2", NULL };
static struct subsystem timer_subsystem = {
    .name = "arm_timer", .privilege = PRIV_DRIVER, .needs = needs, .early_init = timer_start
};
REGISTER_SUBSYSTEM(timer_subsystem);
