// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: FADT (ACPI 6.5, 5.2.9), and the small tables of timers: HPET, GTDT.
 * Model: the FADT grew; a field is there when the table is long enough.  Registers have a short
 * form and, since revision 3, a generic address, which wins when it says something.
 */
#define LOG_TAG "acpi"
#include <boot/acpi.h>

#include <core/log.h>

#define FADT_REVISION 8
#define FADT_SMI_CMD 48
#define FADT_ACPI_ENABLE 52
#define FADT_PM1A_CNT 64
#define FADT_PM1B_CNT 68
#define FADT_PM_TMR 76
#define FADT_PM1_CNT_LEN 89
#define FADT_PM_TMR_LEN 91
#define FADT_CENTURY 108
#define FADT_BOOT_ARCH 109
#define FADT_FLAGS 112
#define FADT_BYTES_MIN 116
#define FADT_RESET 116
#define FADT_RESET_VALUE 128
#define FADT_ARM_BOOT 129
#define FADT_X_PM1A_CNT 172
#define FADT_X_PM1B_CNT 184
#define FADT_X_PM_TMR 208
#define FADT_SLEEP_CONTROL 244

#define FLAG_TIMER_32 (1u << 8)
#define FLAG_RESET (1u << 10)
#define FLAG_REDUCED (1u << 20)
#define BOOT_8042 (1u << 1)
#define BOOT_NO_VGA (1u << 2)
#define BOOT_NO_RTC (1u << 5)
#define ARM_PSCI (1u << 0)
#define ARM_PSCI_HVC (1u << 1)

#define GAS_BYTES 12
#define GAS_MEMORY 0
#define GAS_IO 1
#define CMOS_BYTES 128
#define PORT_MAX 0xffff

static uint32_t field32(const struct acpi_table *t, uint32_t at)
{
    return t->size >= at + 4 ? acpi_u32(t->bytes + at) : 0;
}

static uint8_t field8(const struct acpi_table *t, uint32_t at)
{
    return t->size > at ? t->bytes[at] : 0;
}

/* A generic address (ACPI 6.5, 5.2.3.2), or nothing. */
static struct hw_address gas_read(const struct acpi_table *t, uint32_t at, struct hw_draft *d)
{
    struct hw_address a = { .space = HW_SPACE_NONE };
    const uint8_t *gas = t->bytes + at;

    if (t->size < at + GAS_BYTES || acpi_u64(gas + 4) == 0)
        return a;
    a.addr = acpi_u64(gas + 4);
    a.bits = gas[1];
    if (gas[0] == GAS_IO && a.addr <= PORT_MAX)
        a.space = HW_SPACE_IO;
    else if (gas[0] == GAS_MEMORY)
        a.space = HW_SPACE_MEMORY;
    else
        hw_complain(d, at, "an address in space %u", gas[0]);
    return a;
}

/* A register in its two forms. */
static struct hw_address register_read(const struct acpi_table *t, struct hw_draft *d, uint32_t wide,
                                       uint32_t narrow, unsigned bytes)
{
    struct hw_address a = gas_read(t, wide, d);
    uint32_t port = field32(t, narrow);

    if (a.space != HW_SPACE_NONE || port == 0)
        return a;
    if (port > PORT_MAX) {
        hw_complain(d, narrow, "there is no port %#x", port);
        return a;
    }
    return (struct hw_address){ .space = HW_SPACE_IO, .addr = port, .bits = (uint8_t)(bytes * 8) };
}

static void read_sleep(const struct acpi_table *t, struct hw_draft *d, uint32_t flags)
{
    struct hw_power *power = &d->info->power;

    power->smi_command = field32(t, FADT_SMI_CMD);
    power->acpi_enable = field8(t, FADT_ACPI_ENABLE);
    if (flags & FLAG_REDUCED) {
        power->sleep_control = gas_read(t, FADT_SLEEP_CONTROL, d);
        power->smi_command = 0;
        return;
    }
    power->pm1a_control = register_read(t, d, FADT_X_PM1A_CNT, FADT_PM1A_CNT, 2);
    power->pm1b_control = register_read(t, d, FADT_X_PM1B_CNT, FADT_PM1B_CNT, 2);
    if (power->smi_command > PORT_MAX) {
        hw_complain(d, FADT_SMI_CMD, "there is no port %#x", power->smi_command);
        power->smi_command = 0;
    }
}

static void read_timer(const struct acpi_table *t, struct hw_draft *d, uint32_t flags)
{
    struct hw_address *timer = &d->info->pm_timer;

    if ((flags & FLAG_REDUCED) || field8(t, FADT_PM_TMR_LEN) != 4)
        return;
    *timer = register_read(t, d, FADT_X_PM_TMR, FADT_PM_TMR, 4);
    timer->bits = flags & FLAG_TIMER_32 ? 32 : 24;
}

/* What a PC need not have any more.  Before revision 3 the 8042's bit meant nothing. */
static void read_legacy(const struct acpi_table *t, struct hw_draft *d)
{
    uint16_t boot = acpi_u16(t->bytes + FADT_BOOT_ARCH);

    d->info->has_8042 = t->bytes[FADT_REVISION] < 3 || (boot & BOOT_8042);
    d->info->has_vga = !(boot & BOOT_NO_VGA);
    d->info->has_rtc = !(boot & BOOT_NO_RTC);
    if (t->bytes[FADT_CENTURY] < CMOS_BYTES)
        d->info->century = t->bytes[FADT_CENTURY];
    else
        hw_complain(d, FADT_CENTURY, "the century in CMOS byte %u", t->bytes[FADT_CENTURY]);
}

void acpi_read_fadt(const struct acpi_table *t, struct hw_draft *d)
{
    struct hw_power *power = &d->info->power;
    uint32_t flags = field32(t, FADT_FLAGS);

    if (t->size < FADT_BYTES_MIN) {
        hw_complain(d, 0, "the table has %u bytes", t->size);
        return;
    }
    read_sleep(t, d, flags);
    read_timer(t, d, flags);
    read_legacy(t, d);
    if (flags & FLAG_RESET) {
        power->reset = gas_read(t, FADT_RESET, d);
        power->reset_value = field8(t, FADT_RESET_VALUE);
    }
    if (t->size >= FADT_ARM_BOOT + 2) {
        power->psci = acpi_u16(t->bytes + FADT_ARM_BOOT) & ARM_PSCI;
        power->psci_hvc = acpi_u16(t->bytes + FADT_ARM_BOOT) & ARM_PSCI_HVC;
    }
}

/* --- HPET (IA-PC HPET 1.0a, 3.2.4) --- */

#define HPET_ADDRESS 40

void acpi_read_hpet(const struct acpi_table *t, struct hw_draft *d)
{
    struct hw_address a = gas_read(t, HPET_ADDRESS, d);

    if (a.space == HW_SPACE_MEMORY)
        d->info->hpet = a.addr;
    else
        hw_complain(d, HPET_ADDRESS, "no address in memory");
}

/* --- GTDT (ACPI 6.5, 5.2.25) --- */

#define GTDT_PHYSICAL 56
#define GTDT_VIRTUAL 64
#define GTDT_BYTES 72
#define GTDT_EDGE 1u
#define GTDT_ALWAYS_ON 4u
#define PPI_FIRST 16
#define PPI_END 32

static uint32_t timer_irq(const struct acpi_table *t, struct hw_draft *d, uint32_t at,
                          enum hw_trigger *trigger)
{
    uint32_t irq = acpi_u32(t->bytes + at);

    *trigger = acpi_u32(t->bytes + at + 4) & GTDT_EDGE ? HW_EDGE : HW_LEVEL;
    if (irq == 0 || (irq >= PPI_FIRST && irq < PPI_END))
        return irq;
    hw_complain(d, at, "a timer's interrupt cannot be %u", irq);
    return 0;
}

void acpi_read_gtdt(const struct acpi_table *t, struct hw_draft *d)
{
    struct hw_arch_timer *timer = &d->info->arch_timer;

    if (t->size < GTDT_BYTES) {
        hw_complain(d, 0, "the table has %u bytes", t->size);
        return;
    }
    timer->phys_irq = timer_irq(t, d, GTDT_PHYSICAL, &timer->phys_trigger);
    timer->virt_irq = timer_irq(t, d, GTDT_VIRTUAL, &timer->virt_trigger);
    timer->always_on = acpi_u32(t->bytes + GTDT_VIRTUAL + 4) & GTDT_ALWAYS_ON;
}
