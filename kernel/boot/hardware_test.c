// SPDX-License-Identifier: CC0-1.0
/* Purpose: the draft of the machine: order of CPUs, nodes, and the nodes of the memory map. */
#include <boot/hardware.h>

#include <core/ktest.h>
#include <lib/string.h>

static struct hardware_info info;
static struct hw_draft draft;
static struct boot_record rec;

static void cpu_add(uint64_t id, uint32_t node)
{
    struct hw_cpu cpu = hw_cpu_make(id, (uint32_t)id, HW_START_SIPI);

    cpu.node = node;
    hw_cpu_add(&draft, 0, &cpu);
}

KTEST(hardware, boot_cpu_first)
{
    hw_draft_init(&draft, &info, 7);
    cpu_add(3, HW_NODE_NONE);
    cpu_add(5, HW_NODE_NONE);
    cpu_add(7, HW_NODE_NONE);
    hw_draft_finish(&draft);
    KTEST_EQ(info.cpu_count, 3);
    KTEST_EQ(info.cpus[0].hw_id, 7);
    KTEST_EQ(info.cpus[0].start, HW_START_NONE);
    KTEST_EQ(info.cpus[1].hw_id, 3);
    KTEST_EQ(info.cpus[2].hw_id, 5);
    KTEST_EQ(info.cpus[2].node, 0);
    hw_draft_init(&draft, &info, 9);
    cpu_add(3, 4);
    hw_draft_finish(&draft);
    KTEST_EQ(info.cpu_count, 2);
    KTEST_EQ(info.cpus[0].hw_id, 9);
    KTEST_EQ(info.cpus[1].hw_id, 3);
}

KTEST(hardware, nothing_is_one_cpu_and_node)
{
    hw_draft_init(&draft, &info, 2);
    hw_draft_finish(&draft);
    KTEST_EQ(info.cpu_count, 1);
    KTEST_EQ(info.cpus[0].hw_id, 2);
    KTEST_EQ(info.node_count, 1);
    KTEST_EQ(info.distance[0], 10);
    KTEST_TRUE(info.has_pic && info.has_rtc);
}

static bool range_is(unsigned i, paddr_t start, paddr_t end, unsigned node)
{
    return i < rec.range_count && rec.ranges[i].start == start &&
           rec.ranges[i].start + rec.ranges[i].size == end && rec.ranges[i].node == node;
}

KTEST(hardware, memory_gets_its_nodes)
{
    static const struct loader_handoff h = { .image_start = 2 * MiB, .image_end = 4 * MiB };

    record_init(&rec, &h);
    record_add_range(&rec, 0, 640 * KiB, MEM_USABLE, 0);
    record_add_range(&rec, MiB, 63 * MiB, MEM_USABLE, 0);
    record_add_range(&rec, 8 * MiB, MiB, MEM_RESERVED, 0);
    hw_draft_init(&draft, &info, 0);
    cpu_add(0, 40);
    hw_memory_add(&draft, 0, 32 * MiB + 100, 16 * MiB, 30);
    hw_memory_add(&draft, 0, MiB, 15 * MiB, 40);
    hw_draft_finish(&draft);
    hw_memory_place(&info, &rec);
    KTEST_TRUE(record_check(&rec));
    KTEST_EQ(rec.range_count, 5);
    KTEST_TRUE(range_is(0, 0, 640 * KiB, 1)); /* below all entries: the first's */
    KTEST_TRUE(range_is(1, MiB, 8 * MiB, 1));
    KTEST_TRUE(range_is(2, 8 * MiB, 9 * MiB, 0)); /* not usable: nobody's */
    KTEST_TRUE(range_is(3, 9 * MiB, 32 * MiB, 1)); /* from 16 MiB on: the nearest below */
    KTEST_TRUE(range_is(4, 32 * MiB, 64 * MiB, 0));
    KTEST_EQ(record_finish(&rec), 0);
}

KTEST(hardware, numa_off)
{
    hw_draft_init(&draft, &info, 0);
    draft.use_numa = false;
    cpu_add(0, 1);
    cpu_add(1, 2);
    hw_memory_add(&draft, 0, MiB, 15 * MiB, 2);
    hw_draft_finish(&draft);
    KTEST_EQ(info.node_count, 1);
    KTEST_EQ(info.memory_count, 0);
    KTEST_EQ(info.cpus[1].node, 0);
}

KTEST(hardware, cut_ranges_keep_all_memory)
{
    static const struct loader_handoff h = { .image_start = 2 * MiB, .image_end = 4 * MiB };
    uint64_t usable = 0;

    record_init(&rec, &h);
    record_add_range(&rec, 0, 256 * MiB, MEM_USABLE, 0);
    for (unsigned i = 0; i < 200; i++)
        record_set_node(&rec, i * MiB, MiB, i % 3);
    KTEST_TRUE(record_check(&rec));
    for (unsigned i = 0; i < rec.range_count; i++)
        if (rec.ranges[i].kind == MEM_USABLE)
            usable += rec.ranges[i].size;
    KTEST_TRUE(usable == 256 * MiB && rec.range_count > 100);
}
