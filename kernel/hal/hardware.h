// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the machine as its firmware describes it: CPUs, interrupt controllers, timers, memory
 * nodes, power registers.  One record, whether ACPI, a device tree or a legacy probe filled it.
 *
 * Model: boot/ fills one `struct hardware_info` before mm starts (memory nodes are needed there) and
 * publishes it with hardware_set() of <core/hardware.h>.  Whatever a table says that makes no sense
 * was left out, with one log line that names table and offset; so what is here can be believed as
 * far as a table can be.  What each CPU knows of itself (model, caches) is read on that CPU:
 * struct cpu's topology.
 * Locking: constant once subsystems start.
 */
#pragma once

#include <lib/types.h>

#define HW_CPUS_MAX 256
#define HW_NODES_MAX 64
#define HW_MEMORY_MAX 128
#define HW_IOAPICS_MAX 16
#define HW_OVERRIDES_MAX 64
#define HW_LAPIC_NMIS_MAX 16
#define HW_NMI_SOURCES_MAX 16
#define HW_GIC_REGIONS_MAX 32
#define HW_ITS_MAX 8
#define HW_PCI_HOSTS_MAX 16
#define HW_PCI_WINDOWS_MAX 8
#define HW_PCI_IRQS_MAX 256
#define HW_MSI_MAPS_MAX 8
#define HW_PCI_ROOTS_MAX 64
#define HW_VIRTIO_MAX 64
#define HW_NODE_NONE UINT32_MAX

enum hw_source { HW_FROM_PROBE, HW_FROM_ACPI, HW_FROM_FDT, HW_FROM_MPTABLE };

enum hw_cpu_start {
    HW_START_NONE, /* the boot CPU, or nothing that we know: cannot be started */
    HW_START_SIPI,
    HW_START_PSCI,
    HW_START_SPIN_TABLE,
};

/* A CPU that is enabled.  cpus[0] is the one that booted when the firmware names it. */
struct hw_cpu {
    uint64_t hw_id; /* APIC id (x2APIC: 32 bits); MPIDR affinity fields 0xff00ffffff */
    uint32_t uid; /* ACPI processor uid */
    uint32_t node; /* index into nodes */
    enum hw_cpu_start start;
    paddr_t release_addr; /* spin-table */
    paddr_t gic_redist; /* GICv3 by MADT: own redistributor; 0: from the regions */
    /* From PPTT or cpu-map; UINT32_MAX: unknown (x86_64 asks CPUID instead). */
    uint32_t package, cluster, core, thread;
};

struct hw_memory {
    paddr_t start;
    uint64_t size;
    uint32_t node;
};

struct hw_ioapic {
    uint32_t id;
    paddr_t addr;
    uint32_t gsi_base;
};

enum hw_polarity { HW_POLARITY_BUS, HW_ACTIVE_HIGH, HW_ACTIVE_LOW };
enum hw_trigger { HW_TRIGGER_BUS, HW_EDGE, HW_LEVEL };

struct hw_override { /* ISA interrupt `irq` is connected to `gsi` */
    uint8_t irq;
    uint32_t gsi;
    enum hw_polarity polarity;
    enum hw_trigger trigger;
};

struct hw_lapic_nmi { /* NMI on LINTn of CPU `uid` (UINT32_MAX: all) */
    uint32_t uid;
    uint8_t lint;
    enum hw_polarity polarity;
    enum hw_trigger trigger;
};

struct hw_nmi_source { /* input of an I/O APIC that is an NMI */
    uint32_t gsi;
    enum hw_polarity polarity;
};

struct hw_region {
    paddr_t start;
    uint64_t size;
};

struct hw_its { /* one of GICv3's that turn messages into interrupts */
    paddr_t base;
    uint32_t id; /* how tables name it: ACPI's id, a tree's phandle */
};

struct hw_gic {
    uint8_t version; /* 2, 3, 4; 0: none */
    paddr_t dist;
    paddr_t cpu; /* GICv2 CPU interface */
    uint64_t dist_size, cpu_size; /* 0: the architecture's least */
    struct hw_region redist[HW_GIC_REGIONS_MAX]; /* GICv3 */
    uint32_t redist_count;
    uint32_t redist_stride; /* 0: by GICR_TYPER */
    struct hw_its its[HW_ITS_MAX];
    uint32_t its_count;
    struct hw_region msi_frame; /* GICv2m; start 0: none */
    uint32_t msi_first, msi_count; /* its interrupts where a table says so; 0: the frame does */
};

struct hw_arch_timer { /* GIC interrupt numbers; 0: not there */
    uint32_t phys_irq, virt_irq; /* non-secure EL1 physical, virtual */
    enum hw_trigger phys_trigger, virt_trigger; /* HW_TRIGGER_BUS: not said */
    bool always_on;
    uint32_t hz; /* clock-frequency of the tree when CNTFRQ is wrong; 0: CNTFRQ */
};

enum hw_pci_space { HW_PCI_IO, HW_PCI_MEMORY32, HW_PCI_MEMORY64 };

struct hw_pci_window { /* through which CPUs reach what is behind a host bridge */
    enum hw_pci_space space;
    uint64_t pci; /* address on the bus */
    paddr_t cpu;
    uint64_t size;
};

struct hw_pci_irq { /* pin 1..4 of a function whose masked devfn is this comes as interrupt `irq` */
    uint8_t devfn, pin;
    bool edge;
    uint32_t irq;
};

struct hw_msi_map { /* requesters [first, first + count) are devices `device`, ... of an ITS */
    uint32_t first, count, device;
    uint32_t its; /* index into gic.its */
};

struct hw_pci_host {
    paddr_t ecam; /* of bus_first */
    uint16_t segment;
    uint8_t bus_first, bus_last;
    bool from_tree; /* windows are known, and all interrupts; else firmware has placed everything */
    bool coherent;
    uint8_t devfn_mask; /* of irqs */
    struct hw_pci_window windows[HW_PCI_WINDOWS_MAX];
    uint32_t window_count;
    struct hw_pci_irq irqs[HW_PCI_IRQS_MAX];
    uint32_t irq_count;
    struct hw_msi_map msi_maps[HW_MSI_MAPS_MAX]; /* the first one that matches counts */
    uint32_t msi_map_count;
    uint16_t msi_mask; /* of requesters (bus, devfn) before they are mapped */
};

struct hw_pci_root { /* a bus that no bridge leads to, by ACPI's byte code */
    uint16_t segment;
    uint8_t bus;
    uint32_t node; /* HW_NODE_NONE: not said */
};

struct hw_console { /* the serial line that ACPI names; a device tree is asked by the driver */
    const char *compatible; /* as device trees call it; NULL: none */
    paddr_t addr;
    uint32_t irq; /* of the GIC; 0: none said */
    uint32_t hz; /* of its clock; 0: not said, so it stays at the rate that the firmware set */
};

struct hw_virtio { /* registers in memory of a virtio device that ACPI names; a device tree is asked by the driver */
    paddr_t start;
    uint64_t size;
    uint32_t irq; /* global */
    bool edge;
};

struct hw_address { /* ACPI generic address structure */
    enum { HW_SPACE_NONE, HW_SPACE_MEMORY, HW_SPACE_IO } space;
    uint64_t addr;
    uint8_t bits;
};

struct hw_power {
    bool s5; /* pm1 and types below are valid */
    struct hw_address pm1a_control, pm1b_control;
    uint8_t s5_type_a, s5_type_b; /* SLP_TYP of _S5 in the DSDT */
    uint32_t smi_command;
    uint8_t acpi_enable;
    struct hw_address sleep_control; /* hardware-reduced ACPI */
    struct hw_address reset;
    uint8_t reset_value;
    bool psci;
    bool psci_hvc; /* else SMC */
    uint32_t psci_cpu_on; /* function id; 0: PSCI 0.2's */
};

struct hardware_info {
    enum hw_source source;
    paddr_t rsdp; /* 0: none */

    struct hw_cpu cpus[HW_CPUS_MAX];
    uint32_t cpu_count; /* those that fit; at least 1 after probing */
    uint32_t cpus_dropped; /* that did not fit */

    struct hw_memory memory[HW_MEMORY_MAX]; /* sorted, no overlap; empty: all is node 0 */
    uint32_t memory_count;
    uint32_t node_count; /* at least 1 */
    uint32_t node_firmware_id[HW_NODES_MAX]; /* proximity domain, numa-node-id */
    uint8_t distance[HW_NODES_MAX * HW_NODES_MAX]; /* node_count * node_count; 10 = local */

    /* x86_64 */
    paddr_t lapic; /* 0: none */
    bool has_pic; /* PC-AT compatible: 8259s are there */
    bool has_8042, has_vga, has_rtc; /* FADT boot flags; true when there is no FADT */
    struct hw_ioapic ioapics[HW_IOAPICS_MAX];
    uint32_t ioapic_count;
    struct hw_override overrides[HW_OVERRIDES_MAX];
    uint32_t override_count;
    struct hw_lapic_nmi lapic_nmis[HW_LAPIC_NMIS_MAX];
    uint32_t lapic_nmi_count;
    struct hw_nmi_source nmi_sources[HW_NMI_SOURCES_MAX];
    uint32_t nmi_source_count;
    paddr_t hpet;
    struct hw_address pm_timer; /* bits 24 or 32 */
    uint8_t century; /* CMOS register of the century; 0: none */

    /* arm64 */
    struct hw_gic gic;
    struct hw_arch_timer arch_timer;
    struct hw_console console;

    struct hw_pci_host pci_hosts[HW_PCI_HOSTS_MAX];
    uint32_t pci_host_count;
    struct hw_pci_root pci_roots[HW_PCI_ROOTS_MAX]; /* with or without the first of a host */
    uint32_t pci_root_count;
    bool pci_ports; /* x86_64: configuration through ports 0xcf8 and 0xcfc may be tried */
    struct hw_region pci_hole; /* of a PC: addresses below 4 GiB that no memory has */

    struct hw_virtio virtio[HW_VIRTIO_MAX];
    uint32_t virtio_count;

    struct hw_power power;
};
