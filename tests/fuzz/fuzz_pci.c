// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: fuzz PCI's configuration space: numbering, sizing, placing, capabilities.
 * Model: the first byte chooses.  Even: the input is a machine, a record of parent, devfn, and changes to
 * a plausible function's registers and masks for each function.  Odd: every read takes the next bytes,
 * so that a register says something else each time.
 * Run: scripts/fuzz.sh pci SECONDS.
 */
#include <dev/bus/pci_fake.h>

#include <core/hardware.h>
#include <lib/fmt.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t left;

static uint32_t take(unsigned bytes)
{
    uint32_t v = 0;

    while (bytes-- > 0)
        v = v << 8 | (left > 0 ? (left--, *input++) : 0xff);
    return v;
}

/* --- what the parser's neighbours do --- */

static void expect(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static void function_release(struct device *d)
{
    kfree(pci_of(d)->below);
    kfree(pci_of(d));
}
struct bus pci_bus_type = { .name = "pci", .release = function_release };

void device_init(struct device *d, struct bus *bus, struct device *parent, const char *name, ...)
{
    va_list ap;

    va_start(ap, name);
    fmt_vsnprintf(d->name, sizeof d->name, name, ap);
    va_end(ap);
    d->bus = bus;
    (void)parent;
}

void device_put(struct device *d)
{
    if (d->bus)
        d->bus->release(d);
}

bool frame_is_ram(paddr_t pa)
{
    return pa >= 0x20000000 && pa < 0x20100000;
}

static uint32_t stream_read(const struct pci_host *host, unsigned bus, unsigned devfn, unsigned offset,
                            unsigned size)
{
    (void)host, (void)bus, (void)devfn, (void)offset;
    return take(size);
}

static void stream_write(const struct pci_host *host, unsigned bus, unsigned devfn, unsigned offset,
                         unsigned size, uint32_t value)
{
    (void)host, (void)bus, (void)devfn, (void)offset, (void)size, (void)value;
}
static const struct pci_ops stream_ops = { .read = stream_read, .write = stream_write };

/* --- the machine --- */

static void function_take(struct fake_machine *m)
{
    unsigned kind = take(1), parent = take(1), devfn = take(1), changes = take(1) % 16;
    int above = (int)(parent % (m->count + 1)) - 1;
    struct fake_function *f = kind & 1 ? fake_bridge(m, above, devfn) : fake_add(m, above, devfn, 0);

    if (!(kind & 1))
        fake_bar(f, (kind >> 1) % 5, kind >> 4, 16ull << take(1) % 60);
    while (changes-- > 0) {
        unsigned at = take(1), value = take(2);

        f->config[at] = (uint8_t)value;
        f->mask[at] = (uint8_t)(value >> 8);
    }
}

static bool function_look(struct pci_device *p, void *arg)
{
    unsigned *functions = arg;

    (*functions)++;
    for (unsigned id = 0; id < 32; id++) {
        unsigned at = pci_capability(p, (uint8_t)id, 0);

        expect(at == 0 || (at >= 0x40 && at < 0x100 && at % 4 == 0));
    }
    expect(p->pin <= 4 && p->header <= 2);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hw_pci_host hw = {
        .bus_last = 255, .from_tree = true, .window_count = 3,
        .windows = { { HW_PCI_IO, 0, 0x3eff0000, 64 * KiB },
                     { HW_PCI_MEMORY32, 0x10000000, 0x10000000, 0x2eff0000 },
                     { HW_PCI_MEMORY64, 0x8000000000, 0x8000000000, 512 * GiB } },
    };
    static struct fake_machine m;
    struct pci_host *host = kzalloc(sizeof *host);
    unsigned functions = 0;
    bool stream;

    input = data;
    left = size;
    stream = take(1) & 1;
    hw.from_tree = stream || take(1) & 1;
    m.count = 0;
    while (!stream && left > 0 && m.count < 64)
        function_take(&m);
    pci_host_init(host, stream ? &stream_ops : &fake_ops, &m, &hw);
    for (unsigned round = 0; round < 2; round++) { /* and again */
        pci_scan(host);
        pci_place(host);
        expect(fake_check_bus(&host->root));
    }
    pci_walk(&host->root, function_look, &functions);
    expect(functions == host->functions && functions <= PCI_FUNCTIONS_MAX);
    fake_teardown_bus(&host->root);
    expect(host->functions == 0);
    for (unsigned i = 0; i < host->root.window_count; i++)
        expect(list_empty(&host->root.windows[i].claims));
    kfree(host);
    return 0;
}
