// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: turning a PC off: ACPI's sleeping state S5 (ACPI 6.4, 4.8.3.2 and 7.4.2).
 *
 * Model: nothing happens before somebody asks.  Then: root pointer (from the loader, else searched
 * for in the BIOS area) -> RSDT or XSDT -> FADT, which names the PM1 control registers, and the
 * DSDT, in whose byte code the package _S5_ holds the values to write there.  No interpreter: the
 * name is searched for, and its first two elements must be plain integers.  Without tables, the
 * register is where the chip set's configuration says (PIIX4, ICH9).
 * Tables are untrusted: each is mapped with its stated length, bounded, and checked by its sum.
 */
#define LOG_TAG "x86_acpi"
#include <core/log.h>
#include <hal/io.h>
#include <hal/mmu.h>
#include <lib/string.h>
#include <mm/vmap.h>
#include <svc/boot_info.h>
#include <svc/power.h>
#include <svc/subsystem.h>

#define RSDP_BYTES 20
#define RSDP_BYTES_2 36
#define BIOS_START 0xe0000
#define BIOS_END 0x100000
#define TABLE_HEADER 36
#define TABLE_MAX (4 * MiB)

/* Offsets in the FADT. */
#define FADT_DSDT 40
#define FADT_SMI_CMD 48
#define FADT_ACPI_ENABLE 52
#define FADT_PM1A_CNT 64
#define FADT_PM1B_CNT 68
#define FADT_X_DSDT 140
#define FADT_SLEEP_CONTROL 244 /* generic address of hardware-reduced machines */
#define FADT_FLAGS 112
#define FADT_BYTES_MIN 116
#define FLAG_HW_REDUCED (1u << 20)

#define PM1_SCI_EN 0x0001
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP_MASK 0x1c00
#define PM1_SLP_EN 0x2000
#define SLEEP_EN 0x20
#define SLEEP_TYP_SHIFT 2
#define ENABLE_POLLS 300000

#define AML_ZERO 0x00
#define AML_ONE 0x01
#define AML_BYTE 0x0a
#define AML_PACKAGE 0x12

struct table {
    const uint8_t *bytes; /* NULL: none */
    uint32_t size;
};

static uint32_t read32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t read64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static bool sum_is_zero(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;

    while (n-- > 0)
        sum = (uint8_t)(sum + *p++);
    return sum == 0;
}

static const uint8_t *map(paddr_t pa, size_t n)
{
    return vmap_device(pa, n, MMU_READ | MMU_DEVICE);
}

/* Maps the table at pa.  The mappings are never undone: the machine is about to stop. */
static struct table table_map(paddr_t pa, const char *signature)
{
    struct table t = { NULL, 0 };
    const uint8_t *head = pa ? map(pa, TABLE_HEADER) : NULL;
    uint32_t size;

    if (!head || memcmp(head, signature, 4) != 0)
        return t;
    size = read32(head + 4);
    if (size < TABLE_HEADER || size > TABLE_MAX)
        return t;
    head = map(pa, size);
    if (head && sum_is_zero(head, size))
        t = (struct table){ head, size };
    return t;
}

static const uint8_t *rsdp_find(void)
{
    paddr_t told = boot_info()->rsdp;
    const uint8_t *p = told ? map(told, RSDP_BYTES_2) : NULL;

    if (p && memcmp(p, "RSD PTR ", 8) == 0 && sum_is_zero(p, RSDP_BYTES))
        return p;
    for (paddr_t pa = BIOS_START; pa < BIOS_END - RSDP_BYTES_2; pa += 16) {
        p = phys_to_virt(pa);
        if (memcmp(p, "RSD PTR ", 8) == 0 && sum_is_zero(p, RSDP_BYTES))
            return p;
    }
    return NULL;
}

static struct table fadt_find(void)
{
    const uint8_t *rsdp = rsdp_find();
    bool wide = rsdp && rsdp[15] >= 2 && sum_is_zero(rsdp, RSDP_BYTES_2) && read64(rsdp + 24);
    struct table root = { NULL, 0 }, t = { NULL, 0 };
    uint32_t step = wide ? 8 : 4;

    if (!rsdp)
        return t;
    root = wide ? table_map(read64(rsdp + 24), "XSDT") : table_map(read32(rsdp + 16), "RSDT");
    for (uint32_t at = TABLE_HEADER; !t.bytes && root.bytes && at + step <= root.size; at += step)
        t = table_map(wide ? read64(root.bytes + at) : read32(root.bytes + at), "FACP");
    if (t.size < FADT_BYTES_MIN)
        t.bytes = NULL;
    return t;
}

/* An integer of AML at *at.  Return: whether it was one; *at moves behind it. */
static bool aml_integer(const struct table *t, uint32_t *at, uint8_t *out)
{
    uint8_t op;

    if (*at >= t->size)
        return false;
    op = t->bytes[(*at)++];
    if (op == AML_ZERO || op == AML_ONE)
        *out = op;
    else if (op == AML_BYTE && *at < t->size)
        *out = t->bytes[(*at)++];
    else
        return false;
    return true;
}

/* Name(_S5_, Package(n) { a, b, ... }): 08 5F 53 35 5F 12 length n a b; ACPI 6.4, 20.2.5.4. */
static bool s5_find(const struct table *dsdt, uint8_t type[2])
{
    for (uint32_t i = TABLE_HEADER; i + 6 <= dsdt->size; i++) {
        uint32_t at = i + 4;

        if (memcmp(dsdt->bytes + i, "_S5_", 4) != 0 || dsdt->bytes[at] != AML_PACKAGE)
            continue;
        at++;
        at += 1u + (dsdt->bytes[at] >> 6); /* package length: 1 to 4 bytes */
        at++; /* number of elements */
        if (aml_integer(dsdt, &at, &type[0]) && aml_integer(dsdt, &at, &type[1]))
            return true;
    }
    return false;
}

static void acpi_enable(const struct table *fadt, uint16_t pm1a)
{
    uint16_t smi = (uint16_t)read32(fadt->bytes + FADT_SMI_CMD);

    if (smi == 0 || (port_read16(pm1a) & PM1_SCI_EN))
        return;
    port_write8(smi, fadt->bytes[FADT_ACPI_ENABLE]);
    for (unsigned i = 0; i < ENABLE_POLLS && !(port_read16(pm1a) & PM1_SCI_EN); i++)
        ;
}

static void pm1_sleep(uint16_t port, uint8_t type)
{
    uint16_t v = (uint16_t)(port_read16(port) & ~PM1_SLP_TYP_MASK);

    v = (uint16_t)(v | type << PM1_SLP_TYP_SHIFT);
    port_write16(port, v);
    port_write16(port, v | PM1_SLP_EN);
}

/* The sleep control register of machines without PM1. */
static void reduced_sleep(const struct table *fadt, uint8_t type)
{
    const uint8_t *gas = fadt->bytes + FADT_SLEEP_CONTROL;
    uint8_t v = (uint8_t)(SLEEP_EN | type << SLEEP_TYP_SHIFT), *reg;
    uint64_t addr;

    if (fadt->size < FADT_SLEEP_CONTROL + 12 || (addr = read64(gas + 4)) == 0)
        return;
    if (gas[0] == 1) {
        port_write8((uint16_t)addr, v);
        return;
    }
    reg = gas[0] == 0 ? vmap_device(addr, 1, MMU_READ | MMU_WRITE | MMU_DEVICE) : NULL;
    if (reg)
        mmio_write8(reg, v);
}

static void off_by_tables(void)
{
    struct table fadt = fadt_find(), dsdt = { NULL, 0 };
    uint8_t type[2] = { 0, 0 };
    uint16_t pm1a, pm1b;

    if (!fadt.bytes)
        return;
    if (fadt.size >= FADT_X_DSDT + 8)
        dsdt = table_map(read64(fadt.bytes + FADT_X_DSDT), "DSDT");
    if (!dsdt.bytes)
        dsdt = table_map(read32(fadt.bytes + FADT_DSDT), "DSDT");
    if (!dsdt.bytes || !s5_find(&dsdt, type))
        return;
    pm1a = (uint16_t)read32(fadt.bytes + FADT_PM1A_CNT);
    pm1b = (uint16_t)read32(fadt.bytes + FADT_PM1B_CNT);
    if (pm1a == 0 || (read32(fadt.bytes + FADT_FLAGS) & FLAG_HW_REDUCED)) {
        reduced_sleep(&fadt, type[0]);
        return;
    }
    acpi_enable(&fadt, pm1a);
    pm1_sleep(pm1a, type[0] & 7);
    if (pm1b)
        pm1_sleep(pm1b, type[1] & 7);
}

static uint32_t pci_read(unsigned device, unsigned function, unsigned reg)
{
    port_write32(0xcf8, 0x80000000u | device << 11 | function << 8 | reg);
    return port_read32(0xcfc);
}

/* Where PIIX4 (function 3 of device 1) or ICH9 (device 31) have their PM registers. */
static void off_by_chipset(void)
{
    static const struct {
        uint32_t id;
        unsigned device, function;
    } chips[] = { { 0x71138086, 1, 3 }, { 0x29188086, 31, 0 } };

    for (unsigned i = 0; i < ARRAY_SIZE(chips); i++)
        if (pci_read(chips[i].device, chips[i].function, 0) == chips[i].id) {
            uint16_t base = pci_read(chips[i].device, chips[i].function, 0x40) & 0xff80;

            if (base)
                pm1_sleep((uint16_t)(base + 4), 0);
        }
}

static void acpi_off(void)
{
    off_by_tables();
    off_by_chipset();
}

static const struct power_service service = { .off = acpi_off };

static err_t acpi_start(struct subsystem *self)
{
    (void)self;
    return service_publish_power("acpi", &service, 100, PRIV_DRIVER);
}

static struct subsystem acpi_subsystem = {
    .name = "x86_acpi",
    .privilege = PRIV_DRIVER,
    .early_init = acpi_start,
};
REGISTER_SUBSYSTEM(acpi_subsystem);
