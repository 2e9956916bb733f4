// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: turning a PC off by ACPI's sleeping state S5, and restarting it by the reset register
 * (ACPI 6.5, 4.8.3.2, 4.8.3.6, 4.8.3.7 and 7.4.2).
 *
 * Model: where the registers are and what goes in is in hardware()->power; registers in memory are
 * mapped at start, as a panic maps nothing.  A machine that came up in legacy mode is first asked
 * by its SMI port to enter ACPI mode: before, the PM1 registers do nothing.
 * Without tables, PM1 is where the chip set's configuration says (PIIX4, ICH9): a service of its own.
 * Locking: none; constant after start.
 */
#define LOG_TAG "x86_acpi"
#include <core/hardware.h>
#include <core/log.h>
#include <hal/cpu.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <mm/vmap.h>
#include <svc/power.h>
#include <svc/subsystem.h>

#define RATING_ACPI 100
#define RATING_CHIPSET 60

#define PM1_SCI_EN 0x0001
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP_MASK 0x1c00
#define PM1_SLP_EN 0x2000
#define SLEEP_EN 0x20
#define SLEEP_TYP_SHIFT 2
#define POLLS 300000

/* A register of the machine: a port, or memory. */
struct reg {
    uint16_t port;
    volatile uint8_t *mem; /* NULL: the port, if any */
};

static struct reg pm1a, pm1b, sleep_control, reset;

static bool reg_exists(const struct reg *r)
{
    return r->port != 0 || r->mem != NULL;
}

static struct reg reg_map(const struct hw_address *a)
{
    struct reg r = { 0 };

    if (a->space == HW_SPACE_IO)
        r.port = (uint16_t)a->addr;
    else if (a->space == HW_SPACE_MEMORY)
        r.mem = vmap_device(a->addr, sizeof(uint32_t), MMU_READ | MMU_WRITE | MMU_DEVICE);
    return r;
}

static void reg_unmap(struct reg *r)
{
    if (r->mem)
        vmap_unmap_device((void *)r->mem, sizeof(uint32_t));
    *r = (struct reg){ 0 };
}

static uint16_t reg_read16(const struct reg *r)
{
    return r->mem ? mmio_read16(r->mem) : port_read16(r->port);
}

static void reg_write16(const struct reg *r, uint16_t v)
{
    if (r->mem)
        mmio_write16(r->mem, v);
    else
        port_write16(r->port, v);
}

static void reg_write8(const struct reg *r, uint8_t v)
{
    if (r->mem)
        mmio_write8(r->mem, v);
    else
        port_write8(r->port, v);
}

static void wait_a_moment(void)
{
    for (unsigned i = 0; i < POLLS; i++)
        hal_relax();
}

/* --- by the tables --- */

static void acpi_enable(const struct hw_power *power)
{
    if (power->smi_command == 0 || power->acpi_enable == 0 || (reg_read16(&pm1a) & PM1_SCI_EN))
        return;
    port_write8((uint16_t)power->smi_command, power->acpi_enable);
    for (unsigned i = 0; i < POLLS && !(reg_read16(&pm1a) & PM1_SCI_EN); i++)
        hal_relax();
}

static void pm1_sleep(const struct reg *pm1, uint8_t type)
{
    uint16_t v = (uint16_t)(reg_read16(pm1) & ~PM1_SLP_TYP_MASK);

    v = (uint16_t)(v | type << PM1_SLP_TYP_SHIFT);
    reg_write16(pm1, v);
    reg_write16(pm1, v | PM1_SLP_EN);
}

static void acpi_off(void)
{
    const struct hw_power *power = &hardware()->power;

    if (!power->s5)
        return;
    if (reg_exists(&sleep_control)) {
        reg_write8(&sleep_control, (uint8_t)(SLEEP_EN | power->s5_type_a << SLEEP_TYP_SHIFT));
    } else if (reg_exists(&pm1a)) {
        acpi_enable(power);
        pm1_sleep(&pm1a, power->s5_type_a);
        if (reg_exists(&pm1b))
            pm1_sleep(&pm1b, power->s5_type_b);
    }
    wait_a_moment();
}

static void acpi_reset(void)
{
    if (!reg_exists(&reset))
        return;
    reg_write8(&reset, hardware()->power.reset_value);
    wait_a_moment();
}

static const struct power_service acpi = { .off = acpi_off, .reboot = acpi_reset };

/* --- by the chip set --- */

static uint32_t pci_read(unsigned device, unsigned function, unsigned at)
{
    port_write32(0xcf8, 0x80000000u | device << 11 | function << 8 | at);
    return port_read32(0xcfc);
}

/* Where PIIX4 (function 3 of device 1) or ICH9 (device 31) have their PM registers. */
static void chipset_off(void)
{
    static const struct {
        uint32_t id;
        unsigned device, function;
    } chips[] = { { 0x71138086, 1, 3 }, { 0x29188086, 31, 0 } };

    for (unsigned i = 0; i < ARRAY_SIZE(chips); i++)
        if (pci_read(chips[i].device, chips[i].function, 0) == chips[i].id) {
            uint16_t base = pci_read(chips[i].device, chips[i].function, 0x40) & 0xff80;
            struct reg pm1 = { .port = (uint16_t)(base + 4) };

            if (base)
                pm1_sleep(&pm1, 0);
        }
}

static const struct power_service chipset = { .off = chipset_off };

static err_t acpi_start(struct subsystem *self)
{
    const struct hw_power *power = &hardware()->power;
    err_t err;

    (void)self;
    pm1a = reg_map(&power->pm1a_control);
    pm1b = reg_map(&power->pm1b_control);
    sleep_control = reg_map(&power->sleep_control);
    reset = reg_map(&power->reset);
    err = service_publish_power("chipset", &chipset, RATING_CHIPSET, PRIV_DRIVER);
    if (err || (!power->s5 && !reg_exists(&reset)))
        return err;
    return service_publish_power("acpi", &acpi, RATING_ACPI, PRIV_DRIVER);
}

static err_t acpi_stop(struct subsystem *self)
{
    (void)self;
    service_withdraw_power("acpi");
    service_withdraw_power("chipset");
    reg_unmap(&pm1a);
    reg_unmap(&pm1b);
    reg_unmap(&sleep_control);
    reg_unmap(&reset);
    return 0;
}

static struct subsystem acpi_subsystem = {
    .name = "x86_acpi",
    .privilege = PRIV_DRIVER,
    .early_init = acpi_start,
    .stop = acpi_stop,
};
REGISTER_SUBSYSTEM(acpi_subsystem);
