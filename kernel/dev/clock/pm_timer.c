// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: ACPI's power-management timer (ACPI 6.4, 4.8.3.3): a counter of 3.579545 MHz, of 24 or 32
 * bits, at a port or in memory.
 * Locking: one read of one register.
 */
#define LOG_TAG "acpi_pm"
#include <core/hardware.h>
#include <core/log.h>
#include <dev/services.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <mm/vmap.h>
#include <svc/subsystem.h>

#define PM_TIMER_HZ 3579545
#define COUNT_SPINS 10000

static uint16_t port; /* constant after start */
static const volatile uint8_t *window; /* likewise; NULL: it is at `port` */
static struct clock_source source;

static uint64_t pm_timer_read(void)
{
    return (window ? mmio_read32(window) : port_read32(port)) & source.mask;
}

static struct clock_source source = {
    .name = "acpi_pm", .rating = 200, .read = pm_timer_read, .hz = PM_TIMER_HZ
};

static bool counts(void)
{
    uint64_t start = pm_timer_read();

    for (unsigned n = 0; n < COUNT_SPINS; n++)
        if (pm_timer_read() != start)
            return true;
    return false;
}

static err_t pm_timer_find(const struct hw_address *at)
{
    if (at->space == HW_SPACE_NONE || at->addr == 0)
        return -ENODEV;
    source.mask = at->bits >= 32 ? UINT32_MAX : BIT(24) - 1;
    port = (uint16_t)at->addr;
    if (at->space == HW_SPACE_MEMORY && !window) {
        window = vmap_device(at->addr, sizeof(uint32_t), MMU_READ | MMU_DEVICE);
        if (!window)
            return -ENOMEM;
    }
    if (counts())
        return 0;
    log_warn("the timer at %#llx stands still: left out", (unsigned long long)at->addr);
    return -ENODEV;
}

static err_t pm_timer_start(struct subsystem *self)
{
    err_t err = pm_timer_find(&hardware()->pm_timer);

    (void)self;
    if (err)
        return err;
    clock_source_register(&source);
    return service_publish_clock_source(source.name, &source, source.rating, PRIV_DRIVER);
}

/* The window stays: who compares another source with this one may yet read it. */
static err_t pm_timer_stop(struct subsystem *self)
{
    err_t err = clock_source_unbind(source.name);

    (void)self;
    if (err == -ENODEV)
        err = 0; /* somebody has unbound it before */
    if (err == 0)
        service_withdraw_clock_source(source.name);
    return err;
}

static struct subsystem pm_timer_subsystem = {
    .name = "acpi_pm", .privilege = PRIV_DRIVER, .early_init = pm_timer_start, .stop = pm_timer_stop
};
REGISTER_SUBSYSTEM(pm_timer_subsystem);
