// SPDX-License-Identifier: CC0-1.0
/* Purpose: what pins of PCI functions are connected to, by _PRTs that are constants, computed, and nonsense. */
#include <boot/acpi.h>

#include <core/ktest.h>
#include <core/log.h>

#define CODE_MAX 4096

static uint8_t code[CODE_MAX];
static uint32_t used, opened[8];
static unsigned depth;
static struct hardware_info info;
static struct hw_draft draft;
static uint64_t log_seq;

/* --- writing byte code --- */

static void put(const void *bytes, uint32_t n)
{
    memcpy(code + used, bytes, n);
    used += n;
}
#define PUT(...) put((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))
#define TEXT(text) put(text, sizeof(text) - 1)

/* Something with a length of two bytes, which close() fills in. */
static void open(void)
{
    opened[depth++] = used;
    used += 2;
}

static void close(void)
{
    uint32_t at = opened[--depth], length = used - at;

    code[at] = (uint8_t)(0x40 | (length & 0xf));
    code[at + 1] = (uint8_t)(length >> 4);
}

static void device(const char *name)
{
    PUT(0x5b, 0x82);
    open();
    put(name, 4);
}

static void number(uint32_t v)
{
    PUT(0x0c, (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24));
}

static void name(const char *text, uint32_t value)
{
    PUT(8);
    put(text, 4);
    number(value);
}

static void line(uint32_t address, uint8_t pin)
{
    PUT(0x12);
    open();
    PUT(4);
    number(address);
    PUT(0x0a, pin);
}

/* `link`: NULL: the number is the interrupt. */
static void line_to(uint32_t dev, uint8_t pin, const char *link, uint32_t index)
{
    line(dev << 16 | 0xffff, pin);
    if (link)
        put(link, 4);
    else
        PUT(0);
    number(index);
    close();
}

static void link_to(const char *text, uint32_t irq, bool edge, uint8_t count)
{
    device(text);
    PUT(8);
    TEXT("_CRS");
    PUT(0x11);
    open();
    PUT(0x0a, 9, 0x89, 6, 0, edge ? 3 : 1, count);
    put(&irq, 4);
    close();
    close();
}

static void bridge_begin(uint32_t segment, uint32_t bus)
{
    device("PCI0");
    name("_HID", 0x080ad041);
    name("_SEG", segment);
    name("_BBN", bus);
}

static void prt_begin(uint8_t count)
{
    PUT(8);
    TEXT("_PRT");
    PUT(0x13);
    open();
    PUT(0x0a, count);
}

static void begin(void)
{
    memset(code, 0, sizeof code);
    used = ACPI_HEADER_BYTES;
    depth = 0;
    hw_draft_init(&draft, &info, 0);
    hw_table_begin(&draft, "DSDT");
    (void)hw_pci_host_add(&draft, 0, 0x100000000, 256 * MiB, 0, 0, 255);
    (void)hw_pci_host_add(&draft, 0, 0x200000000, 256 * MiB, 3, 16, 31);
    log_seq = log_next_seq();
}

static void read(uint32_t size)
{
    struct acpi_table t = { .signature = "DSDT", .bytes = code, .size = size };

    acpi_read_prt(&t, &draft);
}

static bool complained(const char *about)
{
    return ktest_logged(log_seq, "DSDT at offset", about);
}

static bool is(unsigned host, uint32_t n, unsigned dev, unsigned pin, uint32_t irq, bool edge)
{
    const struct hw_pci_irq *i = &info.pci_hosts[host].irqs[n];

    return n < info.pci_hosts[host].irq_count && i->devfn == dev * 8 && i->pin == pin && i->irq == irq &&
           i->edge == edge;
}

/* --- what is right --- */

KTEST(prt, constants_and_links)
{
    begin();
    PUT(0x10); /* a scope, as there is around all */
    open();
    TEXT("_SB_");
    link_to("GSI1", 99, false, 1); /* another one of that name */
    bridge_begin(0, 0);
    prt_begin(4);
    line_to(1, 0, NULL, 35);
    line_to(1, 1, "GSI0", 0);
    line_to(31, 3, "GSI1", 0);
    line_to(2, 2, "GSI0", 0);
    close();
    link_to("GSI0", 36, false, 1);
    link_to("GSI1", 37, true, 1);
    close();
    device("PCI1");
    PUT(8);
    TEXT("_HID\x0dPNP0A08");
    PUT(0);
    name("_SEG", 3);
    name("_BBN", 16);
    prt_begin(1);
    line_to(0, 0, "GSI1", 0);
    close();
    close();
    close();
    read(used);
    KTEST_EQ(draft.complaints, 0);
    KTEST_EQ(info.pci_hosts[0].devfn_mask, 0xf8);
    KTEST_EQ(info.pci_hosts[0].irq_count, 4);
    KTEST_TRUE(is(0, 0, 1, 1, 35, false));
    KTEST_TRUE(is(0, 1, 1, 2, 36, false));
    KTEST_TRUE(is(0, 2, 31, 4, 37, true));
    KTEST_TRUE(is(0, 3, 2, 3, 36, false));
    KTEST_TRUE(is(1, 0, 0, 1, 99, false));
}

/* --- what is not --- */

/* A method; a bridge that is no host's; names that belong to devices within. */
KTEST(prt, computed)
{
    begin();
    bridge_begin(0, 0);
    PUT(0x14, 8);
    TEXT("_PRT");
    PUT(0, 0xa4, 0);
    device("BRI0");
    prt_begin(1);
    line_to(1, 0, NULL, 35);
    close();
    close();
    close();
    device("BRI1");
    name("_HID", 0x030bd041);
    prt_begin(1);
    line_to(1, 0, NULL, 35);
    close();
    close();
    bridge_begin(7, 0); /* nobody's */
    prt_begin(1);
    line_to(1, 0, NULL, 35);
    close();
    close();
    read(used);
    KTEST_EQ(draft.complaints, 0);
    KTEST_EQ(info.pci_hosts[0].irq_count, 0);
    KTEST_EQ(info.pci_hosts[1].irq_count, 0);
}

/* Lines that name what is not there, one function, a fifth pin, numbers of no GIC; then one that is none. */
KTEST(prt, lines_nonsense)
{
    begin();
    bridge_begin(0, 0);
    prt_begin(11);
    line_to(1, 0, "NONE", 0);
    line_to(1, 1, "TWO_", 0);
    line_to(32, 1, NULL, 35);
    line_to(1, 4, NULL, 35);
    line_to(1, 2, NULL, 31);
    line_to(1, 2, NULL, 1020);
    line(1 << 16 | 3, 2);
    PUT(0);
    number(35);
    close();
    line_to(1, 3, NULL, 1019);
    PUT(0x12, 3, 4, 0);
    line_to(5, 0, NULL, 40);
    close();
    link_to("TWO_", 36, false, 2);
    close();
    read(used);
    KTEST_EQ(draft.complaints, 1);
    KTEST_TRUE(complained("the rest of a _PRT makes no sense"));
    KTEST_EQ(info.pci_hosts[0].irq_count, 1);
    KTEST_TRUE(is(0, 0, 1, 4, 1019, false));
}

/* Cut off anywhere it is read to there, and not beyond (the sanitizers watch). */
KTEST(prt, cut_off)
{
    begin();
    bridge_begin(0, 0);
    prt_begin(2);
    line_to(1, 0, "GSI0", 0);
    line_to(2, 0, NULL, 35);
    close();
    link_to("GSI0", 36, false, 1);
    close();
    for (uint32_t size = used; size-- > ACPI_HEADER_BYTES;) {
        info.pci_hosts[0].irq_count = 0;
        read(size);
        KTEST_EQ(info.pci_hosts[0].irq_count, 0); /* its device does not end within it */
    }
    read(used);
    KTEST_EQ(info.pci_hosts[0].irq_count, 2);
}
