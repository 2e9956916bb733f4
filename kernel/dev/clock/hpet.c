// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the High Precision Event Timer (IA-PC HPET specification 1.0a): a counter as clock source,
 * its first comparator as one-shot event device.
 *
 * Model: the counter is read with 32 bits, which wrap after 43 s or more.  With "legacy replacement"
 * the first comparator takes the PIT's interrupt line from it; that is switched on when the device is
 * asked for a deadline, and off when it is no longer wanted, so that the PIT may follow.
 * A comparator only fires when the counter meets it: one that was set too late is set again.
 * Locking: boot; the event device serves one CPU, interrupts off.
 */
#define LOG_TAG "hpet"
#include <core/hardware.h>
#include <core/irq.h>
#include <core/log.h>
#include <dev/services.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <mm/vmap.h>
#include <sched/timer.h>
#include <svc/subsystem.h>

#define WINDOW_BYTES 0x400
#define REG_CAPABILITIES 0x000
#define REG_PERIOD 0x004 /* fs */
#define REG_CONFIG 0x010
#define REG_STATUS 0x020
#define REG_COUNTER 0x0f0
#define REG_TIMER0 0x100
#define REG_COMPARATOR0 0x108
#define CAP_LEGACY (1u << 15)
#define CONFIG_ENABLE 1u
#define CONFIG_LEGACY 2u
#define TIMER_LEVEL (1u << 1)
#define TIMER_ENABLE (1u << 2)
#define TIMER_PERIODIC (1u << 3)
#define TIMER_32BIT (1u << 8)
#define FS_PER_SEC 1000000000000000ull
#define PERIOD_MAX 100000000u /* 2.2.1: at least 10 MHz */
#define COUNT_SPINS 100000
#define DELTA_MIN 64 /* counts */
#define DELTA_MAX NS_PER_SEC
#define LEGACY_IRQ 0

static volatile uint8_t *window; /* constant after start */
static uint64_t counts_per_ns; /* times 2^32; constant after start */
static uint32_t config; /* what REG_CONFIG holds; boot, then the event device's CPU */

static uint64_t hpet_read(void)
{
    return mmio_read32(window + REG_COUNTER);
}

static struct clock_source source = {
    .name = "hpet", .rating = 250, .read = hpet_read, .mask = UINT32_MAX
};

static void config_write(uint32_t value)
{
    config = value;
    mmio_write32(window + REG_CONFIG, value);
}

static void event_stop(void)
{
    mmio_write32(window + REG_TIMER0, TIMER_32BIT);
    if (config & CONFIG_LEGACY)
        config_write(config & ~CONFIG_LEGACY);
}

static void hpet_set_deadline(struct clock_event *dev, ns_t now, ns_t deadline)
{
    ns_t wait = deadline > now ? MIN(deadline - now, DELTA_MAX) : 0;
    uint32_t delta = (uint32_t)(wait * counts_per_ns >> 32), at;

    (void)dev;
    if (deadline == NS_NEVER) {
        event_stop();
        return;
    }
    if (!(config & CONFIG_LEGACY)) {
        mmio_write32(window + REG_TIMER0, TIMER_32BIT | TIMER_ENABLE);
        config_write(config | CONFIG_LEGACY);
    }
    for (delta = MAX(delta, (uint32_t)DELTA_MIN);; delta *= 2) {
        at = mmio_read32(window + REG_COUNTER) + delta;
        mmio_write32(window + REG_COMPARATOR0, at);
        if ((int32_t)(at - mmio_read32(window + REG_COUNTER)) > 0 || delta > UINT32_MAX / 4)
            break;
    }
}

static struct clock_event event = {
    .name = "hpet", .rating = 150, .set_deadline = hpet_set_deadline
};

static void on_interrupt(unsigned irq, void *arg)
{
    (void)irq, (void)arg;
    if (config & CONFIG_LEGACY) /* else it is the PIT's */
        timer_interrupt();
}

static bool counts(void)
{
    uint64_t start = hpet_read();

    for (unsigned n = 0; n < COUNT_SPINS; n++)
        if (hpet_read() != start)
            return true;
    return false;
}

static err_t hpet_find(paddr_t pa, uint32_t *period)
{
    if (pa == 0)
        return -ENODEV;
    window = vmap_device(pa, WINDOW_BYTES, MMU_READ | MMU_WRITE | MMU_DEVICE);
    if (!window)
        return -ENOMEM;
    *period = mmio_read32(window + REG_PERIOD);
    if (*period == 0 || *period > PERIOD_MAX) {
        log_warn("a period of %u fs is of no use: left out", *period);
        return -ENODEV;
    }
    config_write(mmio_read32(window + REG_CONFIG) & ~(CONFIG_LEGACY | CONFIG_ENABLE));
    mmio_write32(window + REG_TIMER0, TIMER_32BIT);
    config_write(config | CONFIG_ENABLE);
    if (counts())
        return 0;
    log_warn("the counter stands still: left out");
    return -ENODEV;
}

static err_t event_start(void)
{
    err_t err;

    if (!(mmio_read32(window + REG_CAPABILITIES) & CAP_LEGACY))
        return 0;
    err = irq_register(LEGACY_IRQ, "hpet", on_interrupt, NULL);
    if (err)
        return err;
    clock_event_register(&event);
    return service_publish_clock_event(event.name, &event, event.rating, PRIV_DRIVER);
}

static err_t hpet_start(struct subsystem *self)
{
    uint32_t period = 0;
    err_t err = hpet_find(hardware()->hpet, &period);

    (void)self;
    if (err)
        return err;
    source.hz = (FS_PER_SEC + period / 2) / period;
    counts_per_ns = (source.hz << 32) / NS_PER_SEC;
    clock_source_register(&source);
    err = service_publish_clock_source(source.name, &source, source.rating, PRIV_DRIVER);
    return err ? err : event_start();
}

static const char *const needs[] = { "irqchip", NULL };
static struct subsystem hpet_subsystem = {
    .name = "hpet", .privilege = PRIV_DRIVER, .needs = needs, .early_init = hpet_start
};
REGISTER_SUBSYSTEM(hpet_subsystem);
