// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what PCI functions' pins are connected to, by a _PRT that is a constant (ACPI 6.5, 6.2.13).
 *
 * Model: a host bridge is a device with that _HID; its _BBN and _SEG say which.  Its _PRT is a package of
 * lines: device and "all functions", pin from 0 on, who routes it, and a number.  Nobody (0): the number is
 * the interrupt.  Somebody is a device whose _CRS, a constant, too, has one interrupt.  What a method
 * computes is not known here; then the host's functions have no lines but those of messages.
 * Invariant: the table is walked through a bounded number of times, whatever stands in it.
 */
#define LOG_TAG "acpi"
#include <boot/aml.h>

#include <core/log.h>

#define AML_EISA_PCI 0x030ad041u /* PNP0A03 and PNP0A08, as EISA packs them */
#define AML_EISA_PCIE 0x080ad041u
#define FUNCTIONS_ALL 0xffffu
#define DEVICES_MAX 32
#define PINS 4
#define HOSTS_MAX 8 /* that are looked at */
#define LINKS_MAX 16
#define WORK_MAX (16 * MiB) /* bytes of devices */
#define GIC_FIRST 32
#define GIC_END 1020

#define RESOURCE_EXTENDED_IRQ 0x89
#define RESOURCE_EDGE 2

struct line {
    uint32_t irq; /* 0: none that can be */
    bool edge;
};

struct reader {
    struct aml table;
    struct hw_draft *draft;
    struct hw_pci_host *host;
    struct aml bridge; /* the host's device */
    struct {
        const uint8_t *name;
        struct line line;
    } links[LINKS_MAX];
    unsigned link_count;
};

/* --- who routes -------------------------------------------------------------------------------- */

/* An extended interrupt descriptor (6.4.3.6) that comes first and has one interrupt. */
static struct line resource_line(struct aml a)
{
    struct line none = { 0 };
    const uint8_t *p = a.bytes + a.at;

    if (a.end - a.at < 9 || p[0] != RESOURCE_EXTENDED_IRQ || acpi_u16(p + 1) < 6 || p[4] != 1)
        return none;
    return (struct line){ acpi_u32(p + 5), p[3] & RESOURCE_EDGE };
}

static struct line link_line(struct aml link)
{
    struct line none = { 0 };
    struct aml crs;
    uint64_t size;

    if (!aml_device_name(link, "_CRS", &crs) || crs.bytes[crs.at++] != AML_BUFFER ||
        !aml_package(&crs) || !aml_integer(&crs, &size))
        return none;
    return resource_line(crs);
}

static bool link_find(struct aml within, const uint8_t *name, struct aml *link)
{
    const uint8_t *its_name;

    while (aml_device_next(&within, link, &its_name))
        if (memcmp(its_name, name, AML_SEGMENT_BYTES) == 0)
            return true;
    return false;
}

/* One below the bridge first, then any of that name; each is looked up once. */
static struct line line_by_link(struct reader *r, const uint8_t *name)
{
    struct line line = { 0 };
    struct aml link;

    for (unsigned i = 0; i < r->link_count; i++)
        if (memcmp(r->links[i].name, name, AML_SEGMENT_BYTES) == 0)
            return r->links[i].line;
    if (r->link_count == LINKS_MAX)
        return line;
    if (link_find(r->bridge, name, &link) || link_find(r->table, name, &link))
        line = link_line(link);
    r->links[r->link_count].name = name;
    r->links[r->link_count++].line = line;
    return line;
}

/* --- the table --------------------------------------------------------------------------------- */

/* Source and index, the rest of a line. */
static bool source_read(struct reader *r, struct aml *a, struct line *line)
{
    struct aml number = *a;
    const uint8_t *name;
    uint64_t none, index;

    if (aml_integer(&number, &none)) {
        if (none != 0 || !aml_integer(&number, &index) || index > UINT32_MAX)
            return false;
        *line = (struct line){ .irq = (uint32_t)index };
        return true;
    }
    if (!aml_name_last(a, &name) || !aml_integer(a, &index))
        return false;
    *line = line_by_link(r, name);
    return true;
}

/* Return: whether it was a line, of use or not. */
static bool line_read(struct reader *r, struct aml *a)
{
    uint64_t count, address, pin;
    struct aml entry = *a;
    struct line line;

    if (!aml_elements(&entry, &count) || count < 4)
        return false;
    a->at = entry.end;
    if (!aml_integer(&entry, &address) || !aml_integer(&entry, &pin) || !source_read(r, &entry, &line))
        return false;
    if ((address & FUNCTIONS_ALL) != FUNCTIONS_ALL || address >> 16 >= DEVICES_MAX || pin >= PINS ||
        line.irq < GIC_FIRST || line.irq >= GIC_END || r->host->irq_count == HW_PCI_IRQS_MAX)
        return true;
    r->host->irqs[r->host->irq_count++] = (struct hw_pci_irq){
        .devfn = (uint8_t)(address >> 16 << 3), .pin = (uint8_t)(pin + 1), .edge = line.edge,
        .irq = line.irq
    };
    return true;
}

static void lines_read(struct reader *r)
{
    uint64_t count;
    struct aml a;

    if (!aml_device_name(r->bridge, "_PRT", &a) || !aml_elements(&a, &count))
        return;
    r->host->devfn_mask = 0xf8;
    for (; count > 0 && a.at < a.end; count--)
        if (!line_read(r, &a)) {
            hw_complain(r->draft, a.at, "the rest of a _PRT makes no sense");
            return;
        }
}

/* --- host bridges ------------------------------------------------------------------------------ */

/* As a packed number, or as text. */
static bool is_host_bridge(struct aml device)
{
    struct aml hid;
    uint64_t id;

    if (!aml_device_name(device, "_HID", &hid))
        return false;
    if (hid.end - hid.at >= sizeof "\x0dPNP0A0x" &&
        memcmp(hid.bytes + hid.at, "\x0dPNP0A0", 7) == 0) {
        uint8_t last = hid.bytes[hid.at + 7];

        return (last == '3' || last == '8') && hid.bytes[hid.at + 8] == 0;
    }
    return aml_integer(&hid, &id) && (id == AML_EISA_PCI || id == AML_EISA_PCIE);
}

static uint64_t number_of(struct aml device, const char *name)
{
    struct aml value;
    uint64_t number;

    return aml_device_name(device, name, &value) && aml_integer(&value, &number) ? number : 0;
}

static struct hw_pci_host *host_of(struct hardware_info *info, struct aml bridge)
{
    uint64_t segment = number_of(bridge, "_SEG"), bus = number_of(bridge, "_BBN");

    for (uint32_t i = 0; i < info->pci_host_count; i++) {
        struct hw_pci_host *h = &info->pci_hosts[i];

        if (!h->from_tree && h->segment == segment && h->bus_first == bus && h->irq_count == 0)
            return h;
    }
    return NULL;
}

void acpi_read_prt(const struct acpi_table *t, struct hw_draft *d)
{
    struct aml all = { t->bytes, ACPI_HEADER_BYTES, t->size }, at = all, device;
    unsigned hosts = 0;
    uint64_t work = 0;
    const uint8_t *name;

    while (hosts < HOSTS_MAX && aml_device_next(&at, &device, &name)) {
        struct reader r = { .table = all, .draft = d, .bridge = device };

        work += device.end - device.at;
        if (work > WORK_MAX) {
            hw_complain(d, device.at, "devices within devices: the rest is left out");
            return;
        }
        if (!is_host_bridge(device))
            continue;
        hosts++;
        r.host = host_of(d->info, device);
        if (r.host)
            lines_read(&r);
    }
}
