// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: tests of PCI on machines made of bytes: numbering, sizing, placing, and configuration spaces
 * that lie.
 */
#include <dev/bus/pci_fake.h>

#include <core/ktest.h>
#include <core/log.h>

#define CPU_BASE (1ull << 45) /* where no machine that runs tests has memory */
#define MEMORY_START 0x10000000ull
#define MEMORY_BYTES (256 * MiB)
#define HIGH_START 0x8000000000ull
#define HIGH_BYTES (64 * GiB)

static struct fake_machine *machine;
static struct pci_host *host;
static uint64_t log_seq;

static const struct hw_pci_host tree_host = {
    .ecam = CPU_BASE, .bus_last = 255, .from_tree = true, .coherent = true, .devfn_mask = 0x18,
    .windows = { { HW_PCI_IO, 0, CPU_BASE, 64 * KiB },
                 { HW_PCI_MEMORY32, MEMORY_START, CPU_BASE + MEMORY_START, MEMORY_BYTES },
                 { HW_PCI_MEMORY64, HIGH_START, CPU_BASE + HIGH_START, HIGH_BYTES } },
    .window_count = 3,
    .irqs = { { 0x08, 1, false, 40 }, { 0x08, 2, false, 41 }, { 0x10, 1, false, 42 } },
    .irq_count = 3,
};

static bool begin(void)
{
    machine = kzalloc(sizeof *machine);
    host = kzalloc(sizeof *host);
    if (!machine || !host)
        return false;
    pci_host_init(host, &fake_ops, machine, &tree_host);
    log_seq = log_next_seq();
    return true;
}

static void scan(void)
{
    unsigned console = log_console_level();

    log_console_level_set(0);
    pci_scan(host);
    pci_place(host);
    log_console_level_set(console);
}

static void end(void)
{
    fake_teardown_bus(&host->root);
    for (unsigned i = 0; i < host->root.window_count; i++)
        if (!list_empty(&host->root.windows[i].claims))
            log_err("a claim is left");
    device_put(&host->device);
    kfree(machine);
}

static bool complained(const char *about)
{
    return ktest_logged(log_seq, "", about);
}

static struct pci_device *at(struct pci_bus *bus, unsigned devfn)
{
    struct pci_device *p;

    list_for_each(p, &bus->devices, link)
        if (p->devfn == devfn)
            return p;
    return NULL;
}

static uint64_t config(unsigned function, unsigned offset, unsigned bytes)
{
    uint64_t v = 0;

    memcpy(&v, machine->functions[function].config + offset, bytes);
    return v;
}

KTEST(pci, endpoint)
{
    struct pci_device *p;
    struct fake_function *f;

    KTEST_REQUIRE(begin());
    f = fake_add(machine, FAKE_ROOT, 0x08, 0);
    f->config[PCI_PIN] = 1;
    fake_bar(f, 0, 1, 32);
    fake_bar(f, 1, 0, 4 * KiB);
    fake_bar(f, 2, 0xc, 64 * MiB);
    fake_bar(f, 4, 0x4, 8 * GiB);
    scan();
    p = at(&host->root, 0x08);
    KTEST_REQUIRE(p);
    KTEST_STR_EQ(p->device.name, "0000:00:01.0");
    KTEST_EQ(p->vendor, 0x1af4);
    KTEST_EQ(p->irq, 40);
    KTEST_TRUE(fake_check_bus(&host->root));
    KTEST_EQ(p->bars[0].size, 32);
    KTEST_EQ(p->bars[0].claim.start, 0x20);
    KTEST_EQ(config(0, PCI_BAR(0), 4), 0x21);
    KTEST_EQ(p->bars[1].claim.start, MEMORY_START);
    KTEST_EQ(pci_cpu_address(&host->root, PCI_MEMORY, &p->bars[1].claim), CPU_BASE + MEMORY_START);
    KTEST_EQ(p->bars[4].claim.start, HIGH_START);
    KTEST_EQ(p->bars[2].claim.start, HIGH_START + 8 * GiB);
    KTEST_EQ(config(0, PCI_BAR(2), 8), (HIGH_START + 8 * GiB) | 0xc);
    KTEST_EQ(p->bars[3].size, 0);
    end();
}

/* Buses are numbered depth first, windows nest. */
KTEST(pci, bridges)
{
    struct pci_device *a, *b, *c;

    KTEST_REQUIRE(begin());
    fake_bridge(machine, FAKE_ROOT, 0x08);
    fake_bridge(machine, 0, 0x10);
    fake_bar(fake_add(machine, 1, 0x18, 0), 0, 0, 2 * MiB);
    fake_bar(&machine->functions[2], 1, 1, 256);
    machine->functions[2].config[PCI_PIN] = 1;
    fake_bridge(machine, FAKE_ROOT, 0x20);
    scan();
    a = at(&host->root, 0x08);
    c = at(&host->root, 0x20);
    KTEST_REQUIRE(a && a->below && c && c->below);
    b = at(a->below, 0x10);
    KTEST_REQUIRE(b && b->below && at(b->below, 0x18));
    KTEST_EQ(config(0, PCI_BRIDGE_BUSES, 3), 0x020100);
    KTEST_EQ(config(1, PCI_BRIDGE_BUSES, 3), 0x020201);
    KTEST_EQ(config(3, PCI_BRIDGE_BUSES, 3), 0x030300);
    KTEST_TRUE(fake_check_bus(&host->root));
    /* Function 3 of slot 3, turned by slot 2: pin 1 + 3 + 2 = pin 2 of slot 1. */
    KTEST_EQ(at(b->below, 0x18)->irq, 41);
    KTEST_EQ(config(1, PCI_BRIDGE_MEMORY, 2), config(2, PCI_BAR(0), 4) >> 16);
    KTEST_EQ(config(1, PCI_COMMAND, 2) & 7, 7);
    KTEST_EQ(config(3, PCI_BRIDGE_IO, 2), 0x00f0);
    end();
}

KTEST(pci, firmware_is_kept)
{
    struct pci_device *p, *q, *bridge;

    KTEST_REQUIRE(begin());
    fake_bridge(machine, FAKE_ROOT, 0x08);
    fake_put(machine->functions[0].config + PCI_BRIDGE_BUSES, 0x070500, 3);
    fake_bridge(machine, FAKE_ROOT, 0x10);
    fake_put(machine->functions[1].config + PCI_BRIDGE_BUSES, 0x060600, 3); /* of the first one's */
    fake_bar(fake_add(machine, FAKE_ROOT, 0x18, 0), 0, 0, 64 * KiB);
    fake_put(machine->functions[2].config + PCI_BAR(0), MEMORY_START + 64 * MiB, 4);
    fake_bar(fake_add(machine, FAKE_ROOT, 0x20, 0), 0, 0, 64 * KiB);
    fake_put(machine->functions[3].config + PCI_BAR(0), MEMORY_START + 64 * MiB, 4);
    scan();
    bridge = at(&host->root, 0x08);
    p = at(&host->root, 0x18);
    q = at(&host->root, 0x20);
    KTEST_REQUIRE(bridge && bridge->below && p && q);
    KTEST_EQ(bridge->below->number, 5);
    KTEST_EQ(at(&host->root, 0x10)->below->number, 8);
    KTEST_EQ(p->bars[0].claim.start, MEMORY_START + 64 * MiB);
    KTEST_TRUE(q->bars[0].claim.size != 0 && q->bars[0].claim.start != p->bars[0].claim.start);
    KTEST_TRUE(fake_check_bus(&host->root));
    end();
}

KTEST(pci, bridge_of_its_own_bus)
{
    KTEST_REQUIRE(begin());
    fake_bridge(machine, FAKE_ROOT, 0x08); /* says 0, 0, 0 and takes nothing */
    memset(machine->functions[0].mask + PCI_BRIDGE_BUSES, 0, 3);
    fake_add(machine, 0, 0x00, 0);
    scan();
    KTEST_REQUIRE(at(&host->root, 0x08));
    KTEST_TRUE(at(&host->root, 0x08)->below == NULL);
    KTEST_TRUE(complained("0000:00:01.0: the bridge does not take bus numbers"));
    end();
}

KTEST(pci, buses_run_out)
{
    unsigned numbered = 0;
    struct pci_device *p;

    KTEST_REQUIRE(begin());
    for (unsigned devfn = 0; devfn < 256; devfn++)
        fake_bridge(machine, FAKE_ROOT, devfn)->config[PCI_HEADER] |= HEADER_MULTIFUNCTION;
    scan();
    list_for_each(p, &host->root.devices, link)
        numbered += p->below != NULL;
    KTEST_EQ(numbered, 255);
    KTEST_TRUE(complained("no bus number is left"));
    KTEST_TRUE(fake_check_bus(&host->root));
    end();
}

KTEST(pci, bridges_too_deep)
{
    unsigned depth = 0;

    KTEST_REQUIRE(begin());
    for (unsigned i = 0; i < 100; i++)
        fake_bridge(machine, (int)i - 1, 0);
    scan();
    for (struct pci_device *p = at(&host->root, 0); p; p = p->below ? at(p->below, 0) : NULL)
        depth++;
    KTEST_EQ(depth, PCI_DEPTH_MAX);
    KTEST_TRUE(complained("bridges lie deeper"));
    end();
}

/* Capabilities that point to themselves, to each other, into the header. */
KTEST(pci, capabilities)
{
    struct fake_function *f;
    struct pci_device *p;

    KTEST_REQUIRE(begin());
    f = fake_add(machine, FAKE_ROOT, 0x08, 0);
    f->config[PCI_STATUS] = STATUS_CAPABILITIES;
    f->config[PCI_CAPABILITIES] = 0x40;
    fake_put(f->config + 0x40, 0x5009, 2);
    fake_put(f->config + 0x50, 0x6009, 2);
    fake_put(f->config + 0x60, 0x0005, 2);
    scan();
    p = at(&host->root, 0x08);
    KTEST_REQUIRE(p);
    KTEST_EQ(p->msi, 0x60);
    KTEST_EQ(p->msix, 0);
    KTEST_EQ(pci_capability(p, 9, 0), 0x40);
    KTEST_EQ(pci_capability(p, 9, 0x40), 0x50);
    KTEST_EQ(pci_capability(p, 9, 0x50), 0);
    fake_put(f->config + 0x60, 0x4005, 2);
    KTEST_EQ(pci_capability(p, 0x11, 0), 0);
    KTEST_EQ(pci_capability(p, 5, 0x60), 0);
    fake_put(f->config + 0x40, 0x4009, 2);
    KTEST_EQ(pci_capability(p, 5, 0), 0);
    fake_put(f->config + 0x40, 0x1009, 2);
    KTEST_EQ(pci_capability(p, 5, 0), 0);
    memset(f->config + 0x40, 0xff, 192);
    KTEST_EQ(pci_capability(p, 5, 0), 0);
    KTEST_EQ(pci_capability_extended(p, 1, 0), 0);
    end();
}

/* Sizes that are none, and more than there is room for. */
KTEST(pci, hostile_bars)
{
    struct fake_function *f;
    struct pci_device *p;

    KTEST_REQUIRE(begin());
    f = fake_add(machine, FAKE_ROOT, 0x08, 0);
    memset(f->config + PCI_BAR(0), 0xff, 24);
    f = fake_add(machine, FAKE_ROOT, 0x10, 0);
    fake_bar(f, 0, 0, 4 * KiB);
    f->mask[PCI_BAR(0) + 2] = 0x0f; /* a hole in the mask */
    fake_bar(f, 1, 0, 2 * GiB);
    fake_bar(f, 2, 4, 1ull << 62);
    fake_bar(f, 5, 4, 4 * KiB);
    f = fake_add(machine, FAKE_ROOT, 0x18, 0);
    f->config[PCI_HEADER] = 0x05;
    f = fake_add(machine, FAKE_ROOT, 0x20, 0); /* its register takes no address */
    fake_bar(f, 0, 0, 4 * KiB);
    scan();
    KTEST_TRUE(fake_check_bus(&host->root));
    p = at(&host->root, 0x10);
    KTEST_REQUIRE(p);
    for (unsigned n = 0; n < PCI_BARS; n++)
        KTEST_EQ(p->bars[n].claim.size, 0);
    KTEST_TRUE(complained("0000:00:02.0: BAR 0 has a size that is none"));
    KTEST_TRUE(complained("BAR 1 of 0x80000000 bytes finds no place"));
    KTEST_TRUE(complained("BAR 5 has no upper half"));
    KTEST_TRUE(complained("0000:00:03.0: header type 0x5"));
    KTEST_TRUE(at(&host->root, 0x18) == NULL);
    KTEST_TRUE(at(&host->root, 0x20)->bars[0].claim.size != 0);
    end();
}

/* What is removed gives its addresses back; a rescan finds it where it was, and what is new. */
KTEST(pci, rescan)
{
    struct pci_device *p;
    uint64_t was;

    KTEST_REQUIRE(begin());
    fake_bridge(machine, FAKE_ROOT, 0x08);
    fake_bar(fake_add(machine, 0, 0x00, 0), 0, 0, 64 * KiB);
    scan();
    p = at(at(&host->root, 0x08)->below, 0);
    KTEST_REQUIRE(p && p->bars[0].claim.size);
    was = p->bars[0].claim.start;
    p->fresh = false;
    pci_forget(p);
    device_put(&p->device);
    fake_bar(fake_add(machine, 0, 0x08, 0), 0, 0, 64 * KiB);
    scan();
    p = at(at(&host->root, 0x08)->below, 0);
    KTEST_REQUIRE(p);
    KTEST_EQ(p->bars[0].claim.start, was);
    KTEST_TRUE(fake_check_bus(&host->root));
    KTEST_TRUE(at(at(&host->root, 0x08)->below, 0x08)->bars[0].claim.size != 0);
    KTEST_EQ(host->functions, 3);
    end();
}

/* Random machines, with registers changed at random: no walk goes on for ever, no claim breaks a rule. */
KTEST(pci, random_machines)
{
    enum { ROUNDS = 60 };
    uint64_t state = 88172645463325252ull;

    for (unsigned round = 0; round < ROUNDS; round++) {
        KTEST_REQUIRE(begin());
        for (unsigned i = 0; i < 24; i++) {
            struct fake_function *f;
            int parent;

            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            parent = (int)(state % (i + 1)) - 1;
            f = state >> 8 & 1 ? fake_bridge(machine, parent, state >> 16 & 0xff)
                               : fake_add(machine, parent, state >> 16 & 0xff, 0);
            if (!(state >> 8 & 1))
                fake_bar(f, state >> 24 & 3, state >> 26 & 15, 16ull << (state >> 30 & 31));
            f->config[state >> 36 & 0x3f] ^= (uint8_t)(state >> 44);
            f->mask[state >> 52 & 0x3f] ^= (uint8_t)(state >> 40);
        }
        scan();
        if (!KTEST_TRUE(fake_check_bus(&host->root)) || !KTEST_TRUE(machine->accesses < 300000))
            ktest_fail(t, __FILE__, __LINE__, "round %u", round);
        end();
    }
}
