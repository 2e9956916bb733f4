// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: how struct hardware_info comes to be, from whatever describes the machine.
 *
 * Model: sources (a probe, ACPI, the device tree) register themselves.  hardware_find() lets each in
 * the order of its rank add to one draft; a source that has nothing to say leaves it as it is.
 * A source says what it reads (hw_table_begin), hands over what it finds, and complains of what makes
 * no sense: one line with the table and the offset, a handful of lines for each table.  Nodes are
 * firmware ids while tables are read; hw_nodes_finish() turns them into dense numbers, after which
 * distances may be given.  In the end the CPU that runs is the first one.
 * Locking: none; boot, one CPU, before mm.
 */
#pragma once

#include <boot/record.h>
#include <hal/hardware.h>

#define HW_COMPLAINTS_MAX 6

struct hw_draft {
    struct hardware_info *info;
    uint64_t boot_id; /* hardware id of the CPU that runs */
    uint64_t cpu_id_max; /* what the interrupt controller can address */
    bool use_acpi, use_numa; /* acpi=off, numa=off */

    const char *table; /* what is being read */
    unsigned complaints; /* about it */

    bool nodes_done; /* node fields are indices, no longer firmware ids */
    bool distances_bad;
};

struct hardware_source {
    const char *name;
    unsigned rank; /* the lowest first */
    /* Return: 0; -ENODEV: it has nothing to say. */
    err_t (*read)(const struct loader_handoff *h, struct boot_record *rec, struct hw_draft *d);
};
REGISTRY_DECLARE(hardware_source, const struct hardware_source);

#define HARDWARE_SOURCE(id, rank_, fn)                                                             \
    static const struct hardware_source hardware_source_##id = { .name = #id, .rank = (rank_),     \
                                                                 .read = (fn) };                   \
    REGISTRY_ADD(hardware_source, hardware_source_##id)

enum { HW_RANK_PROBE, HW_RANK_ACPI, HW_RANK_FDT, HW_RANK_MPTABLE, HW_RANK_CONSOLE };

/*
 * Reads all sources, publishes the result with hardware_set(), puts the nodes onto the record's memory
 * and hands the distances to mm.
 */
void hardware_find(const struct loader_handoff *h, struct boot_record *rec);

/* An empty draft over *info, which becomes a machine of nothing but the CPU that runs. */
void hw_draft_init(struct hw_draft *d, struct hardware_info *info, uint64_t boot_id);
/* Numbers the nodes if no source did, and puts the CPU that runs first. */
void hw_draft_finish(struct hw_draft *d);

void hw_table_begin(struct hw_draft *d, const char *name);
__printf(3, 4) void hw_complain(struct hw_draft *d, uint64_t offset, const char *format, ...);
void hw_table_end(struct hw_draft *d);

/* Each takes what a table says at `offset`; what is absurd, twice there or too much is left out. */
void hw_cpu_add(struct hw_draft *d, uint64_t offset, const struct hw_cpu *cpu);
void hw_memory_add(struct hw_draft *d, uint64_t offset, paddr_t start, uint64_t size, uint32_t id);
struct hw_cpu *hw_cpu_by_id(struct hardware_info *info, uint64_t hw_id);
struct hw_cpu *hw_cpu_by_uid(struct hardware_info *info, uint32_t uid);
/* An entry for hw_cpu_add() with nothing known but these. */
struct hw_cpu hw_cpu_make(uint64_t hw_id, uint32_t uid, enum hw_cpu_start start);

/* The next free host's record, after the checks that all need; NULL: it is left out.  size: bytes of
 * ECAM that there are at least, which bounds bus_last. */
struct hw_pci_host *hw_pci_host_add(struct hw_draft *d, uint64_t offset, paddr_t ecam, uint64_t size,
                                    unsigned segment, unsigned bus_first, unsigned bus_last);

/* Each complains of what cannot be: an ITS at no place for one, a second one of that id, a run of
 * requesters or device numbers that is empty or wraps round, an ITS that is not there. */
void hw_its_add(struct hw_draft *d, uint64_t offset, paddr_t base, uint32_t id);
void hw_msi_map_add(struct hw_draft *d, uint64_t offset, struct hw_pci_host *host, uint32_t its_id,
                    const struct hw_msi_map *map);

/* Firmware ids become 0, 1, ... in ascending order; distances 10 and 20. */
void hw_nodes_finish(struct hw_draft *d);
/* After hw_nodes_finish(): the index of a firmware id, or HW_NODE_NONE. */
uint32_t hw_node_index(const struct hardware_info *info, uint32_t id);
/*
 * Distance between two nodes by firmware ids; ids of no node are passed over.  One that Linux would
 * not take (10 is the distance to oneself and to nobody else) makes all distances 10 and 20.
 */
void hw_distance_set(struct hw_draft *d, uint64_t offset, uint32_t from, uint32_t to,
                     uint32_t distance);
/*
 * After the last one: a line about the first distance that is another on the way back.  Both are believed, as on
 * Linux.  What was said of two ids stands at `base` + from * `row` + to, or all at `base` (row = 0).
 */
void hw_distances_end(struct hw_draft *d, uint64_t base, uint64_t row);

/* Gives the record's memory its nodes; what no entry covers belongs to the nearest below. */
void hw_memory_place(const struct hardware_info *info, struct boot_record *rec);
