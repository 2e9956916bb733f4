// SPDX-License-Identifier: CC0-1.0
/* Purpose: CPUs, controllers and memory nodes of device trees, sound and not. */
#include <boot/fdt.h>

#include <boot/hardware.h>
#include <core/hardware.h>
#include <core/ktest.h>
#include <core/log.h>
#include <lib/string.h>
#include <mm/heap.h>

#include <libfdt.h>

#define BLOB_SIZE 8192

static struct hardware_info info;
static struct hw_draft draft;
static struct fdt_view *view;
static void *blob;
static uint64_t log_seq;

/* --- writing a tree --- */

static void cells(const char *name, const uint32_t *values, unsigned count)
{
    fdt32_t out[64];

    for (unsigned i = 0; i < count; i++)
        out[i] = cpu_to_fdt32(values[i]);
    fdt_property(blob, name, out, (int)(count * 4));
}
#define CELLS(name, ...)                                                                           \
    cells(name, (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)

/* The root with 2 and 2 cells, and a controller that interrupts go to. */
static bool tree_begin(void)
{
    blob = kzalloc(BLOB_SIZE);
    view = kzalloc(sizeof *view);
    if (!blob || !view)
        return false;
    fdt_create(blob, BLOB_SIZE);
    fdt_finish_reservemap(blob);
    fdt_begin_node(blob, "");
    fdt_property_u32(blob, "#address-cells", 2);
    fdt_property_u32(blob, "#size-cells", 2);
    fdt_property_u32(blob, "interrupt-parent", 1);
    return true;
}

static void gic_v2(void)
{
    fdt_begin_node(blob, "gic");
    fdt_property_string(blob, "compatible", "arm,cortex-a15-gic");
    fdt_property_u32(blob, "phandle", 1);
    fdt_property_u32(blob, "#interrupt-cells", 3);
    CELLS("reg", 0, 0x8000000, 0, 0x10000, 0, 0x8010000, 0, 0x10000);
    fdt_end_node(blob);
}

static void psci(const char *compatible, const char *method)
{
    fdt_begin_node(blob, "psci");
    fdt_property_string(blob, "compatible", compatible);
    if (method)
        fdt_property_string(blob, "method", method);
    fdt_property_u32(blob, "cpu_on", 0x95c1ba60);
    fdt_end_node(blob);
}

static void cpus_begin(unsigned address_cells)
{
    fdt_begin_node(blob, "cpus");
    fdt_property_u32(blob, "#address-cells", address_cells);
    fdt_property_u32(blob, "#size-cells", 0);
}

static void cpu_begin(const char *name, uint32_t id, const char *method)
{
    fdt_begin_node(blob, name);
    fdt_property_string(blob, "device_type", "cpu");
    CELLS("reg", id);
    fdt_property_u32(blob, "phandle", 0x100 + id);
    if (method)
        fdt_property_string(blob, "enable-method", method);
}

static void cpu(const char *name, uint32_t id, const char *method)
{
    cpu_begin(name, id, method);
    fdt_end_node(blob);
}

/* Closes the root, reads the tree, frees it.  Return: whether it was a tree. */
static bool tree_read(void)
{
    bool ok;

    fdt_end_node(blob);
    ok = fdt_finish(blob) == 0 && fdt_open(view, blob, BLOB_SIZE) == 0;
    log_seq = log_next_seq();
    hw_draft_init(&draft, &info, 0);
    if (ok)
        ok = fdt_read_hardware(view, &draft) == 0;
    hw_draft_finish(&draft);
    kfree(view);
    kfree(blob);
    return ok;
}

static bool complained(const char *about)
{
    return ktest_logged(log_seq, "device tree at offset", about);
}

/* --- what is right --- */

KTEST(fdt_hardware, psci_machine)
{
    KTEST_REQUIRE(tree_begin());
    gic_v2();
    psci("arm,psci-0.2", "hvc");
    cpus_begin(1);
    cpu("cpu@0", 0, NULL);
    cpu("cpu@1", 1, "psci");
    cpu_begin("cpu@2", 2, "psci");
    fdt_property_string(blob, "status", "fail");
    fdt_end_node(blob);
    cpu_begin("cpu@100", 0x100, "psci");
    fdt_property_string(blob, "status", "disabled"); /* asleep, says the specification */
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_begin_node(blob, "timer");
    fdt_property_string(blob, "compatible", "arm,armv8-timer");
    CELLS("interrupts", 1, 13, 0x104, 1, 14, 0x104, 1, 11, 0x101, 1, 10, 0x104);
    fdt_property(blob, "always-on", NULL, 0);
    fdt_property_u32(blob, "clock-frequency", 24000000);
    fdt_end_node(blob);
    KTEST_TRUE(tree_read());
    KTEST_EQ(draft.complaints, 0);
    KTEST_EQ(info.source, HW_FROM_FDT);
    KTEST_EQ(info.cpu_count, 3);
    KTEST_EQ(info.cpus[0].start, HW_START_NONE);
    KTEST_EQ(info.cpus[1].start, HW_START_PSCI);
    KTEST_EQ(info.cpus[2].hw_id, 0x100);
    KTEST_TRUE(info.power.psci && info.power.psci_hvc);
    KTEST_EQ(info.power.psci_cpu_on, 0);
    KTEST_EQ(info.gic.version, 2);
    KTEST_EQ(info.gic.dist, 0x8000000);
    KTEST_EQ(info.gic.cpu, 0x8010000);
    KTEST_EQ(info.gic.cpu_size, 0x10000);
    KTEST_EQ(info.arch_timer.phys_irq, 30);
    KTEST_EQ(info.arch_timer.virt_irq, 27);
    KTEST_EQ(info.arch_timer.phys_trigger, HW_LEVEL);
    KTEST_EQ(info.arch_timer.virt_trigger, HW_EDGE);
    KTEST_TRUE(info.arch_timer.always_on && info.arch_timer.hz == 24000000);
    KTEST_TRUE(!info.has_pic);
}

KTEST(fdt_hardware, spin_table_and_gic_v3)
{
    KTEST_REQUIRE(tree_begin());
    fdt_begin_node(blob, "interrupt-controller");
    fdt_property_string(blob, "compatible", "arm,gic-v3");
    fdt_property_u32(blob, "#redistributor-regions", 2);
    fdt_property_u32(blob, "redistributor-stride", 0x40000);
    fdt_property_u32(blob, "#address-cells", 2);
    fdt_property_u32(blob, "#size-cells", 2);
    fdt_property(blob, "ranges", NULL, 0);
    CELLS("reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000, 1, 0, 0, 0x100000);
    fdt_begin_node(blob, "its");
    fdt_property_string(blob, "compatible", "arm,gic-v3-its");
    CELLS("reg", 0, 0x8080000, 0, 0x20000);
    fdt_end_node(blob);
    fdt_end_node(blob);
    psci("arm,psci", "smc");
    cpus_begin(2);
    fdt_begin_node(blob, "cpu@0");
    fdt_property_string(blob, "device_type", "cpu");
    CELLS("reg", 0, 0);
    fdt_end_node(blob);
    fdt_begin_node(blob, "cpu@100000001");
    fdt_property_string(blob, "device_type", "cpu");
    CELLS("reg", 1, 1);
    fdt_property_string(blob, "enable-method", "spin-table");
    CELLS("cpu-release-addr", 0, 0xfff8);
    fdt_end_node(blob);
    fdt_end_node(blob);
    KTEST_TRUE(tree_read());
    KTEST_EQ(draft.complaints, 0);
    KTEST_EQ(info.cpu_count, 2);
    KTEST_EQ(info.cpus[1].hw_id, 0x100000001ull);
    KTEST_EQ(info.cpus[1].start, HW_START_SPIN_TABLE);
    KTEST_EQ(info.cpus[1].release_addr, 0xfff8);
    KTEST_EQ(info.gic.version, 3);
    KTEST_EQ(info.gic.redist_count, 2);
    KTEST_EQ(info.gic.redist[1].start, 0x100000000ull);
    KTEST_EQ(info.gic.redist_stride, 0x40000);
    KTEST_EQ(info.gic.its[0].base, 0x8080000);
    KTEST_TRUE(info.power.psci && !info.power.psci_hvc);
    KTEST_EQ(info.power.psci_cpu_on, 0x95c1ba60);
}

static void map_leaf(const char *name, uint32_t phandle)
{
    fdt_begin_node(blob, name);
    fdt_property_u32(blob, "cpu", phandle);
    fdt_end_node(blob);
}

KTEST(fdt_hardware, cpu_map)
{
    KTEST_REQUIRE(tree_begin());
    psci("arm,psci-1.0", "smc");
    cpus_begin(1);
    for (uint32_t i = 0; i < 4; i++)
        cpu("cpu", i, "psci");
    fdt_begin_node(blob, "cpu-map");
    fdt_begin_node(blob, "socket0");
    fdt_begin_node(blob, "cluster0");
    fdt_begin_node(blob, "core0");
    map_leaf("thread0", 0x100);
    map_leaf("thread1", 0x101);
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_begin_node(blob, "cluster1");
    map_leaf("core0", 0x102);
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_begin_node(blob, "socket1");
    map_leaf("core0", 0x103);
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_end_node(blob);
    KTEST_TRUE(tree_read());
    KTEST_EQ(draft.complaints, 0);
    KTEST_EQ(info.cpus[1].package, 0);
    KTEST_EQ(info.cpus[1].cluster, 0);
    KTEST_EQ(info.cpus[1].core, 0);
    KTEST_EQ(info.cpus[1].thread, 1);
    KTEST_EQ(info.cpus[2].cluster, 1);
    KTEST_EQ(info.cpus[2].core, 1);
    KTEST_EQ(info.cpus[2].thread, UINT32_MAX);
    KTEST_EQ(info.cpus[3].package, 1);
    KTEST_EQ(info.cpus[3].cluster, UINT32_MAX);
}

static void memory(const char *name, uint32_t start, uint32_t size, uint32_t node)
{
    fdt_begin_node(blob, name);
    fdt_property_string(blob, "device_type", "memory");
    CELLS("reg", 0, start, 0, size);
    fdt_property_u32(blob, "numa-node-id", node);
    fdt_end_node(blob);
}

static void distances_begin(void)
{
    fdt_begin_node(blob, "distance-map");
    fdt_property_string(blob, "compatible", "numa-distance-map-v1");
}

KTEST(fdt_hardware, nodes)
{
    KTEST_REQUIRE(tree_begin());
    cpus_begin(1);
    cpu_begin("cpu@0", 0, NULL);
    fdt_property_u32(blob, "numa-node-id", 5);
    fdt_end_node(blob);
    fdt_end_node(blob);
    memory("memory@40000000", 0x40000000, 0x10000000, 3);
    memory("memory@50000000", 0x50000000, 0x10000000, 9);
    distances_begin();
    CELLS("distance-matrix", 3, 3, 10, 3, 5, 17, 5, 9, 28, 3, 9, 40, 9, 3, 41, 77, 78, 30);
    fdt_end_node(blob);
    KTEST_TRUE(tree_read());
    KTEST_EQ(draft.complaints, 1); /* 40 and 41 */
    KTEST_EQ(info.node_count, 3);
    KTEST_EQ(info.cpus[0].node, 1);
    KTEST_EQ(info.memory_count, 2);
    KTEST_EQ(info.memory[1].node, 2);
    KTEST_EQ(info.distance[1], 17);
    KTEST_EQ(info.distance[3], 17); /* the way back was not said */
    KTEST_EQ(info.distance[5], 28);
    KTEST_EQ(info.distance[2], 40);
    KTEST_EQ(info.distance[6], 41);
}

static void its(const char *name, uint32_t at, uint32_t phandle)
{
    fdt_begin_node(blob, name);
    fdt_property_string(blob, "compatible", "arm,gic-v3-its");
    fdt_property_u32(blob, "phandle", phandle);
    CELLS("reg", 0, at, 0, 0x20000);
    fdt_end_node(blob);
}

/* A GICv3 with two ITSs and a node that is something else. */
static void gic_v3(void)
{
    fdt_begin_node(blob, "gic");
    fdt_property_string(blob, "compatible", "arm,gic-v3");
    fdt_property_u32(blob, "phandle", 1);
    fdt_property_u32(blob, "#address-cells", 2);
    fdt_property_u32(blob, "#size-cells", 2);
    fdt_property(blob, "ranges", NULL, 0);
    CELLS("reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000);
    its("its@8080000", 0x8080000, 0x51);
    its("its@20080000", 0x20080000, 0x52);
    fdt_begin_node(blob, "other");
    fdt_property_u32(blob, "phandle", 0x53);
    fdt_end_node(blob);
    fdt_end_node(blob);
    cpus_begin(1);
    cpu("cpu@0", 0, NULL);
    fdt_end_node(blob);
}

static void pcie_begin(const char *name, uint32_t place)
{
    fdt_begin_node(blob, name);
    fdt_property_string(blob, "compatible", "pci-host-ecam-generic");
    CELLS("reg", place, 0, 0, 0x10000000);
}

/* Return: ITS * 2^32 + device of a requester; UINT64_MAX: none. */
static uint64_t device_of(unsigned host, uint16_t requester)
{
    uint32_t which, device;

    return hw_msi_device(&info.pci_hosts[host], requester, &which, &device)
               ? (uint64_t)which << 32 | device
               : UINT64_MAX;
}

KTEST(fdt_hardware, messages)
{
    KTEST_REQUIRE(tree_begin());
    gic_v3();
    pcie_begin("pcie@40", 0x40);
    CELLS("msi-parent", 0x52, 0);
    fdt_end_node(blob);
    pcie_begin("pcie@41", 0x41);
    CELLS("msi-parent", 0x51); /* the map counts */
    fdt_property_u32(blob, "msi-map-mask", 0xfff8);
    CELLS("msi-map", 0, 0x51, 0x10000, 0x100, 0x100, 0x52, 0xfff00000, 0x100, 0x200, 0x53, 0, 0xfe00);
    fdt_end_node(blob);
    pcie_begin("pcie@42", 0x42);
    fdt_end_node(blob);
    KTEST_TRUE(tree_read());
    KTEST_EQ(draft.complaints, 0);
    KTEST_EQ(info.gic.its_count, 2);
    KTEST_EQ(info.gic.its[1].base, 0x20080000);
    KTEST_EQ(device_of(0, 0xabcd), 0x10000abcd);
    KTEST_EQ(device_of(1, 0), 0x10000);
    KTEST_EQ(device_of(1, 0xff), 0x100f8); /* functions are masked off */
    KTEST_EQ(device_of(1, 0x1ff), 0x1fff000f8);
    KTEST_EQ(device_of(1, 0x200), UINT64_MAX);
    KTEST_EQ(device_of(2, 0), UINT64_MAX);
}

/* --- what is not --- */

KTEST(fdt_hardware, messages_nonsense)
{
    KTEST_REQUIRE(tree_begin());
    gic_v3();
    pcie_begin("pcie@40", 0x40);
    CELLS("msi-map", 0, 0x99, 0, 0x100, 0xff00, 0x51, 0, 0x101, 0, 0x51, 0xffffff00, 0x101, 0, 0x51, 0, 0,
          5, 0x51, 5, 1, 9, 0x51);
    fdt_end_node(blob);
    KTEST_TRUE(tree_read());
    KTEST_EQ(draft.complaints, 5);
    KTEST_TRUE(complained("messages to 0x99, which is nothing"));
    KTEST_TRUE(complained("messages of 0xff00 and 0x101 more"));
    KTEST_TRUE(complained("messages of 0 and 0x101 more as devices from 0xffffff00"));
    KTEST_TRUE(complained("messages of 0 and 0 more"));
    KTEST_TRUE(complained("msi-map has half a line"));
    KTEST_EQ(device_of(0, 5), 5);
    KTEST_EQ(device_of(0, 6), UINT64_MAX);
}


KTEST(fdt_hardware, cpus_nonsense)
{
    KTEST_REQUIRE(tree_begin());
    cpus_begin(1);
    cpu("cpu@0", 0, NULL);
    cpu("cpu@1", 1, NULL);
    cpu("cpu@2", 2, "psci"); /* there is no psci node */
    cpu("cpu@3", 3, "spin-table");
    cpu("cpu@4", 4, "acme,start");
    cpu("cpu@0x80000000", 0x80000000, "psci");
    cpu("cpu@5", 0, NULL);
    fdt_end_node(blob);
    KTEST_TRUE(tree_read());
    KTEST_EQ(info.cpu_count, 1);
    KTEST_EQ(draft.complaints, 6);
    KTEST_TRUE(complained("cpu@1 has no enable-method"));
    KTEST_TRUE(complained("cpu@2 needs PSCI"));
    KTEST_TRUE(complained("cpu@3 has no cpu-release-addr"));
    KTEST_TRUE(complained("cpu@4 has the enable-method acme,start"));
    KTEST_TRUE(complained("cpu@0x80000000: reg makes no sense"));
    KTEST_TRUE(complained("CPU 0 is there twice"));
}

KTEST(fdt_hardware, no_cpus)
{
    KTEST_REQUIRE(tree_begin());
    KTEST_TRUE(tree_read());
    KTEST_EQ(info.cpu_count, 1);
    KTEST_TRUE(complained("no CPUs"));
}

/* Leaves that point to the map itself, to nothing, and twice to one CPU. */
KTEST(fdt_hardware, cpu_map_cyclic)
{
    KTEST_REQUIRE(tree_begin());
    cpus_begin(1);
    cpu("cpu@0", 0, NULL);
    fdt_begin_node(blob, "cpu-map");
    fdt_begin_node(blob, "cluster0");
    fdt_property_u32(blob, "phandle", 0x300);
    map_leaf("core0", 0x300);
    map_leaf("core1", 0x999);
    map_leaf("core2", 0x100);
    map_leaf("core3", 0x100);
    fdt_end_node(blob);
    fdt_end_node(blob);
    fdt_end_node(blob);
    KTEST_TRUE(tree_read());
    KTEST_EQ(draft.complaints, 3);
    KTEST_TRUE(complained("core0 of cpu-map points to no CPU"));
    KTEST_TRUE(complained("core3 of cpu-map: its CPU has a place already"));
    KTEST_EQ(info.cpus[0].core, 2);
}

KTEST(fdt_hardware, chips_nonsense)
{
    KTEST_REQUIRE(tree_begin());
    psci("arm,psci-1.0", NULL);
    fdt_begin_node(blob, "gic");
    fdt_property_string(blob, "compatible", "arm,gic-v3");
    fdt_property_u32(blob, "phandle", 1);
    fdt_property_u32(blob, "#interrupt-cells", 3);
    fdt_property_u32(blob, "#redistributor-regions", 7);
    CELLS("reg", 0, 0x8000000, 0, 0x10000);
    fdt_end_node(blob);
    fdt_begin_node(blob, "timer");
    fdt_property_string(blob, "compatible", "arm,armv8-timer");
    CELLS("interrupts", 1, 13, 4, 0, 14, 4, 1, 99, 4);
    fdt_end_node(blob);
    cpus_begin(1);
    cpu("cpu@0", 0, NULL);
    fdt_end_node(blob);
    KTEST_TRUE(tree_read());
    KTEST_EQ(draft.complaints, 4);
    KTEST_TRUE(!info.power.psci);
    KTEST_EQ(info.gic.version, 0);
    KTEST_EQ(info.arch_timer.phys_irq, 0);
    KTEST_EQ(info.arch_timer.virt_irq, 0);
    KTEST_TRUE(complained("psci: no method"));
    KTEST_TRUE(complained("gic: reg makes no sense"));
}

KTEST(fdt_hardware, distances_nonsense)
{
    static const uint8_t usual[] = { 10, 20, 20, 10 };

    for (uint32_t wrong = 0; wrong <= 256; wrong += 128) {
        KTEST_REQUIRE(tree_begin());
        cpus_begin(1);
        cpu("cpu@0", 0, NULL);
        fdt_end_node(blob);
        memory("memory@40000000", 0x40000000, 0x10000000, 0);
        memory("memory@48000000", 0x48000000, 0x10000000, 1);
        memory("memory@50000000", 0x50000000, 0x10000000, 1);
        distances_begin();
        CELLS("distance-matrix", 0, 1, 17, 1, 0, wrong == 128 ? 9 : wrong);
        fdt_end_node(blob);
        KTEST_TRUE(tree_read());
        KTEST_EQ(draft.complaints, 2);
        KTEST_TRUE(complained("memory at 0x48000000 overlaps an earlier entry"));
        KTEST_TRUE(complained("no distance is believed"));
        KTEST_EQ(memcmp(info.distance, usual, sizeof usual), 0);
    }
}
