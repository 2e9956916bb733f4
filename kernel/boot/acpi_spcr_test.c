// SPDX-License-Identifier: CC0-1.0
/* Purpose: the serial console by SPCR and DBG2, sound and hostile. */
#include <boot/acpi.h>

#include <core/ktest.h>
#include <core/log.h>

static uint8_t bytes[128];
static struct hardware_info info;
static struct hw_draft draft;

static struct acpi_table table(const char *name, uint32_t size)
{
    struct acpi_table t = { .bytes = bytes, .size = size };

    memcpy(t.signature, name, 4);
    hw_draft_init(&draft, &info, 0);
    return t;
}

/* QEMU's: a PL011 at 0x9000000 with interrupt 33. */
static void spcr_build(void)
{
    static const uint64_t addr = 0x9000000;

    memset(bytes, 0, sizeof bytes);
    bytes[8] = 2;
    bytes[36] = 3;
    bytes[41] = 32;
    memcpy(bytes + 44, &addr, sizeof addr);
    bytes[52] = 8;
    bytes[54] = 33;
}

static void dbg2_build(void)
{
    static const uint64_t addr = 0x9000000;
    uint8_t *port = bytes + 44;

    memset(bytes, 0, sizeof bytes);
    bytes[36] = 44;
    bytes[40] = 1;
    port[1] = 38;
    port[3] = 1;
    port[13] = 0x80;
    port[14] = 3;
    port[18] = 22;
    memcpy(port + 22 + 4, &addr, sizeof addr);
}

KTEST(boot_acpi_spcr, pl011)
{
    struct acpi_table it = table("SPCR", 80);

    spcr_build();
    acpi_read_spcr(&it, &draft);
    KTEST_TRUE(info.console.compatible && strcmp(info.console.compatible, "arm,pl011") == 0);
    KTEST_EQ(info.console.addr, 0x9000000);
    KTEST_EQ(info.console.irq, 33);
    KTEST_EQ(info.console.hz, 0);
    bytes[8] = 3; /* says its clock */
    bytes[77] = 0x10;
    info.console.compatible = NULL;
    acpi_read_spcr(&it, &draft);
    KTEST_EQ(info.console.hz, 0x1000);
}

KTEST(boot_acpi_spcr, what_cannot_be)
{
    struct acpi_table it = table("SPCR", 80), cut = table("SPCR", 79);
    unsigned level = log_console_level();

    log_console_level_set(0);
    spcr_build();
    acpi_read_spcr(&cut, &draft);
    KTEST_TRUE(!info.console.compatible);
    bytes[36] = 0; /* a PC's */
    acpi_read_spcr(&it, &draft);
    KTEST_TRUE(!info.console.compatible);
    spcr_build();
    bytes[40] = 1; /* ports */
    acpi_read_spcr(&it, &draft);
    KTEST_TRUE(!info.console.compatible);
    spcr_build();
    bytes[55] = 0xff; /* interrupt */
    acpi_read_spcr(&it, &draft);
    KTEST_TRUE(info.console.compatible);
    KTEST_EQ(info.console.irq, 0);
    log_console_level_set(level);
}

KTEST(boot_acpi_spcr, dbg2)
{
    struct acpi_table it = table("DBG2", 44 + 38);

    dbg2_build();
    acpi_read_dbg2(&it, &draft);
    KTEST_EQ(info.console.addr, 0x9000000);
    info.console.addr = 1; /* one that is known stays */
    acpi_read_dbg2(&it, &draft);
    KTEST_EQ(info.console.addr, 1);
}

KTEST(boot_acpi_spcr, dbg2_that_cannot_be)
{
    struct acpi_table it = table("DBG2", 44 + 38);
    unsigned level = log_console_level();
    static const struct {
        uint8_t at, value;
    } harm[] = { { 36, 255 }, { 39, 255 }, { 40, 0 }, { 45, 0 }, { 45, 39 }, { 46, 255 }, { 47, 0 },
                 { 62, 27 }, { 63, 255 }, { 66, 1 }, { 58, 9 }, { 57, 0 } };

    log_console_level_set(0);
    for (unsigned i = 0; i < ARRAY_SIZE(harm); i++) {
        dbg2_build();
        bytes[harm[i].at] = harm[i].value;
        acpi_read_dbg2(&it, &draft);
        KTEST_TRUE(!info.console.compatible);
    }
    log_console_level_set(level);
}
