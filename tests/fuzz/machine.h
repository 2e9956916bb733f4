// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: what every fuzzer of firmware tables does with the machine that came out: finish it, put its
 * nodes onto a memory map, and look whether all that struct hardware_info promises is true.
 */
#pragma once

#include <boot/hardware.h>
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
    expect(info->virtio_count <= HW_VIRTIO_MAX);
    for (uint32_t i = 0; i < info->virtio_count; i++)
        expect(info->virtio[i].start != 0 && info->virtio[i].size != 0 && info->virtio[i].irq != UINT32_MAX);
    expect(info->gic.redist_count <= HW_GIC_REGIONS_MAX);
    expect(info->power.s5_type_a <= 7 && info->power.s5_type_b <= 7);
    for (uint32_t i = 0; i < info->override_count; i++)
        expect(info->overrides[i].irq < 16);
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
