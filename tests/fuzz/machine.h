// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what every fuzzer of firmware tables does with the machine that came out: finish it, put its
 * nodes onto a memory map, and look whether all that struct hardware_info promises is true.
 */
#pragma once

#include <boot/hardware.h>
#include <core/hardware.h>
#include <mm/numa.h>

static inline void expect(bool ok)
{
    if (!ok)
        __builtin_trap();
}

static inline void machine_check_cpus(const struct hardware_info *info, uint64_t boot_id)
{
    expect(info->cpu_count >= 1 && info->cpu_count <= HW_CPUS_MAX);
    expect(info->cpus[0].hw_id == boot_id && info->cpus[0].start == HW_START_NONE);
    for (uint32_t i = 0; i < info->cpu_count; i++) {
        expect(info->cpus[i].node < info->node_count);
        for (uint32_t k = 0; k < i; k++)
            expect(info->cpus[k].hw_id != info->cpus[i].hw_id);
    }
}

static inline void machine_check_memory(const struct hardware_info *info)
{
    expect(info->memory_count <= HW_MEMORY_MAX);
    for (uint32_t i = 0; i < info->memory_count; i++) {
        const struct hw_memory *m = &info->memory[i];

        expect(m->size != 0 && m->start + m->size > m->start && m->node < info->node_count);
        expect(i == 0 || m[-1].start + m[-1].size <= m->start);
    }
}

static inline void machine_check_chips(const struct hardware_info *info)
{
    expect(info->ioapic_count <= HW_IOAPICS_MAX && info->override_count <= HW_OVERRIDES_MAX);
    expect(info->lapic_nmi_count <= HW_LAPIC_NMIS_MAX);
    expect(info->pci_root_count <= HW_PCI_ROOTS_MAX);
    for (uint32_t i = 0; i < info->pci_root_count; i++)
        expect(info->pci_roots[i].node < info->node_count || info->pci_roots[i].node == HW_NODE_NONE);
    expect(info->virtio_count <= HW_VIRTIO_MAX);
    for (uint32_t i = 0; i < info->virtio_count; i++)
        expect(info->virtio[i].start != 0 && info->virtio[i].size != 0 && info->virtio[i].irq != UINT32_MAX);
    expect(info->nmi_source_count <= HW_NMI_SOURCES_MAX);
    expect(info->gic.redist_count <= HW_GIC_REGIONS_MAX);
    expect(info->power.s5_type_a <= 7 && info->power.s5_type_b <= 7);
    for (uint32_t i = 0; i < info->override_count; i++)
        expect(info->overrides[i].irq < 16);
}

static inline void machine_check_messages(const struct hardware_info *info)
{
    expect(info->gic.its_count <= HW_ITS_MAX && info->pci_host_count <= HW_PCI_HOSTS_MAX);
    for (uint32_t i = 0; i < info->pci_host_count; i++) {
        const struct hw_pci_host *host = &info->pci_hosts[i];
        uint32_t its, device;

        expect(host->msi_map_count <= HW_MSI_MAPS_MAX);
        for (uint32_t k = 0; k < host->msi_map_count; k++) {
            const struct hw_msi_map *m = &host->msi_maps[k];

            expect(m->its < info->gic.its_count && m->count != 0 && m->first + m->count <= 0x10000);
            expect((uint64_t)m->device + m->count <= 1ull << 32);
        }
        for (uint32_t id = 0; id < 0x10000; id += 0xff)
            if (hw_msi_device(host, (uint16_t)id, &its, &device))
                expect(its < info->gic.its_count);
    }
}

/* Finishes the draft and checks everything. */
static inline void machine_check(struct hw_draft *d)
{
    static const struct loader_handoff h = { .image_start = 2 * MiB, .image_end = 4 * MiB };
    static struct boot_record rec;
    const struct hardware_info *info = d->info;
    uint64_t usable = 0;

    hw_draft_finish(d);
    machine_check_cpus(info, d->boot_id);
    machine_check_memory(info);
    machine_check_chips(info);
    machine_check_messages(info);
    expect(numa_set(info->node_count, info->distance) == 0);
    record_init(&rec, &h);
    record_add_range(&rec, 0, 3 * GiB, MEM_USABLE, 0);
    record_add_range(&rec, 4 * GiB, 3 * GiB, MEM_USABLE, 0);
    hw_memory_place(info, &rec);
    expect(record_check(&rec));
    for (unsigned i = 0; i < rec.range_count; i++) {
        expect(rec.ranges[i].node < info->node_count);
        usable += rec.ranges[i].size;
    }
    expect(usable == 6 * GiB);
}
