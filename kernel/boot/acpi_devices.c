// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: devices that a DSDT or SSDT alone names: virtio by registers in memory (QEMU's microvm and virt with
 * ACPI, Firecracker), and the buses at which PCI begins.
 *
 * Model: no interpreter.  Each is  DeviceOp PkgLength NameString objects...  (ACPI 6.5, 20.2.5.2), and of the
 * objects only names of constants are looked at, like  Name (_HID, "LNRO0005")  and  Name (_CRS, Buffer () {...}),
 * with registers and an interrupt as resource descriptors (6.4).  What a method says is not known.
 */
#define LOG_TAG "acpi"
#include <boot/aml.h>

#include <core/log.h>

#define VIRTIO_ID "LNRO0005"
#define PCI_ID 0x030ad041u /* PNP0A03 as EISA writes it; PNP0A08 for PCI Express */
#define PCIE_ID 0x080ad041u
#define BUS_MAX 255
#define SEGMENT_MAX 0xffff

#define SMALL_END 0x79 /* but for its checksum's length */
#define SMALL_BYTES(tag) ((tag) & 7)
#define LARGE 0x80
#define MEMORY32_FIXED 0x86
#define INTERRUPT 0x89
#define QWORD_SPACE 0x8a
#define INTERRUPT_EDGE 2
#define REGISTERS_MAX MiB

struct found { /* what a device's objects said; numbers: UINT64_MAX, nothing */
    bool is_virtio, is_pci;
    struct hw_virtio device;
    uint64_t bus, segment, domain;
};

static void read_large(const uint8_t *p, uint32_t size, struct hw_virtio *v)
{
    switch (p[0]) {
    case MEMORY32_FIXED:
        if (size >= 12)
            v->start = acpi_u32(p + 4), v->size = acpi_u32(p + 8);
        break;
    case QWORD_SPACE:
        if (size >= 46 && p[3] == 0) /* memory */
            v->start = acpi_u64(p + 14), v->size = acpi_u64(p + 38);
        break;
    case INTERRUPT:
        if (size >= 9 && p[4] > 0)
            v->irq = acpi_u32(p + 5), v->edge = p[3] & INTERRUPT_EDGE;
        break;
    }
}

static void read_resources(const uint8_t *p, uint32_t size, struct hw_virtio *v)
{
    while (size >= 3 && p[0] != SMALL_END) {
        uint32_t n = p[0] & LARGE ? 3u + acpi_u16(p + 1) : 1u + SMALL_BYTES(p[0]);

        if (n > size)
            return;
        if (p[0] & LARGE)
            read_large(p, n, v);
        p += n;
        size -= n;
    }
}

static void read_crs(struct aml a, struct hw_virtio *v)
{
    uint64_t size;

    if (a.bytes[a.at++] == AML_BUFFER && aml_package(&a) && aml_integer(&a, &size))
        read_resources(a.bytes + a.at, (uint32_t)MIN(size, (uint64_t)(a.end - a.at)), v);
}

static void read_hid(struct aml a, struct found *f)
{
    static const char id[] = "\x0d" VIRTIO_ID;
    uint64_t eisa;

    if (a.end - a.at >= sizeof id && memcmp(a.bytes + a.at, id, sizeof id) == 0)
        f->is_virtio = true;
    else if (aml_integer(&a, &eisa))
        f->is_pci = eisa == PCI_ID || eisa == PCIE_ID;
}

/* The value of a name; it begins at a.at. */
static void read_object(struct aml a, const uint8_t *name, struct found *f)
{
    const struct {
        char name[AML_SEGMENT_BYTES + 1];
        uint64_t *to;
    } numbers[] = { { "_BBN", &f->bus }, { "_SEG", &f->segment }, { "_PXM", &f->domain } };

    if (memcmp(name, "_CRS", AML_SEGMENT_BYTES) == 0 && a.at < a.end)
        read_crs(a, &f->device);
    else if (memcmp(name, "_HID", AML_SEGMENT_BYTES) == 0)
        read_hid(a, f);
    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++)
        if (memcmp(name, numbers[i].name, AML_SEGMENT_BYTES) == 0)
            (void)aml_integer(&a, numbers[i].to);
}

/* The objects of a device, up to the first that is neither a name nor a method. */
static void read_device(struct aml a, struct found *f)
{
    while (a.at < a.end) {
        uint8_t op = a.bytes[a.at++];
        struct aml method = a;

        if (op == AML_METHOD && aml_package(&method)) {
            a.at = method.end;
            continue;
        }
        if (op != AML_NAME || a.end - a.at <= AML_SEGMENT_BYTES)
            return;
        a.at += AML_SEGMENT_BYTES;
        read_object(a, a.bytes + a.at - AML_SEGMENT_BYTES, f);
        if (!aml_data(&a))
            return;
    }
}

static void virtio_add(const struct hw_virtio *v, struct hw_draft *d, uint32_t at)
{
    struct hardware_info *info = d->info;

    if (v->start == 0 || v->size == 0 || v->size > REGISTERS_MAX || v->irq == UINT32_MAX ||
        v->start > BIT(52) - v->size)
        hw_complain(d, at, "a virtio device without registers or interrupt");
    else if (info->virtio_count == HW_VIRTIO_MAX)
        hw_complain(d, at, "more than %u virtio devices", HW_VIRTIO_MAX);
    else
        info->virtio[info->virtio_count++] = *v;
}

/* No bus said: 0. */
static void root_add(const struct found *f, struct hw_draft *d, uint32_t at)
{
    struct hardware_info *info = d->info;
    uint64_t bus = f->bus == UINT64_MAX ? 0 : f->bus;
    uint64_t segment = f->segment == UINT64_MAX ? 0 : f->segment;

    for (uint32_t i = 0; i < info->pci_root_count; i++)
        if (info->pci_roots[i].bus == bus && info->pci_roots[i].segment == segment)
            bus = UINT64_MAX;
    if (bus > BUS_MAX || segment > SEGMENT_MAX)
        hw_complain(d, at, "PCI that begins nowhere, or where it has begun");
    else if (info->pci_root_count == HW_PCI_ROOTS_MAX)
        hw_complain(d, at, "more than %u buses at which PCI begins", HW_PCI_ROOTS_MAX);
    else
        info->pci_roots[info->pci_root_count++] = (struct hw_pci_root){
            (uint16_t)segment, (uint8_t)bus,
            f->domain < HW_NODE_NONE ? (uint32_t)f->domain : HW_NODE_NONE
        };
}

void acpi_read_devices(const struct acpi_table *t, struct hw_draft *d)
{
    for (uint32_t at = ACPI_HEADER_BYTES; at + 2 < t->size; at++) {
        const uint8_t *op = memchr(t->bytes + at, AML_EXTENDED, t->size - 2 - at);
        struct found f = { .device.irq = UINT32_MAX, .bus = UINT64_MAX, .segment = UINT64_MAX,
                           .domain = UINT64_MAX };
        struct aml a = { .bytes = t->bytes, .end = t->size };

        if (!op)
            return;
        at = (uint32_t)(op - t->bytes);
        a.at = at + 2;
        if (op[1] != AML_DEVICE || !aml_package(&a) || !aml_name(&a))
            continue;
        read_device(a, &f);
        if (f.is_virtio)
            virtio_add(&f.device, d, at);
        else if (f.is_pci)
            root_add(&f, d, at);
    }
}
