// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the IORT (Arm DEN 0049): which ITS a PCI function's messages go to, and as which device.
 *
 * Model: nodes point to others by offset.  A node maps runs of the numbers that come into it onto numbers
 * that go into another: a root complex its requesters, onto an ITS group's device numbers at once or by way
 * of an SMMU.  Runs are followed with the part of them that is left; what comes in unmapped goes nowhere.
 * Invariant: the work is bounded by MAPPINGS_MAX for each table, whatever counts it claims.
 */
#define LOG_TAG "acpi"
#include <boot/acpi.h>

#include <core/log.h>

#define IORT_NODES 40 /* offset of the first */
#define IORT_COUNT 36
#define IORT_BYTES 48
#define NODE_BYTES 16
#define NODE_LENGTH 1
#define NODE_MAPPINGS 8
#define NODE_MAPPINGS_AT 12
#define GROUP_COUNT 16
#define GROUP_IDS 20
#define COMPLEX_SEGMENT 28
#define COMPLEX_BYTES 32
#define MAPPING_BYTES 20
#define MAPPING_SINGLE 1u /* the node's own messages, not those that come in */
#define REQUESTERS 0x10000
#define DEPTH_MAX 3
#define MAPPINGS_MAX 4096

enum { NODE_ITS_GROUP, NODE_NAMED, NODE_ROOT_COMPLEX, NODE_SMMU, NODE_SMMU3 };

struct reader {
    const struct acpi_table *table;
    struct hw_draft *draft;
    struct hw_pci_host *host;
    unsigned looked; /* at how many mappings */
};

struct run { /* requesters from `first` on that come in as numbers from `id` on */
    uint32_t first, id;
    uint64_t count;
};

/* Return: the node's bytes, all of `*size` in the table; NULL: there is none. */
static const uint8_t *node_at(const struct acpi_table *t, uint32_t at, uint32_t *size)
{
    if (at < ACPI_HEADER_BYTES || at > t->size || t->size - at < NODE_BYTES)
        return NULL;
    *size = acpi_u16(t->bytes + at + NODE_LENGTH);
    return *size >= NODE_BYTES && *size <= t->size - at ? t->bytes + at : NULL;
}

/* How many mappings of the node lie in it. */
static uint32_t mapping_count(struct reader *r, uint32_t at, const uint8_t *node, uint32_t size)
{
    uint32_t count = acpi_u32(node + NODE_MAPPINGS), from = acpi_u32(node + NODE_MAPPINGS_AT);
    uint32_t room = count == 0 || from < NODE_BYTES || from > size ? 0 : (size - from) / MAPPING_BYTES;

    if (count > room)
        hw_complain(r->draft, at, "a node of %u bytes with %u mappings at %u", size, count, from);
    return MIN(count, room);
}

/* What is left of a run when only [start, start + count) comes through.  Return: whether anything is. */
static bool run_clip(struct run *run, uint32_t start, uint64_t count)
{
    uint64_t low = MAX(run->id, start), high = MIN(run->id + run->count, start + count);

    if (low >= high)
        return false;
    run->first += (uint32_t)(low - run->id);
    run->id = (uint32_t)low;
    run->count = high - low;
    return true;
}

/* An ITS of the group, any: the first. */
static void group_reached(struct reader *r, uint32_t at, const uint8_t *node, uint32_t size,
                          const struct run *run)
{
    struct hw_msi_map m = { .first = run->first, .count = (uint32_t)MIN(run->count, UINT32_MAX),
                            .device = run->id };

    if (size < GROUP_IDS + 4 || acpi_u32(node + GROUP_COUNT) == 0)
        hw_complain(r->draft, at, "a group without an ITS");
    else
        hw_msi_map_add(r->draft, at, r->host, acpi_u32(node + GROUP_IDS), &m);
}

static void node_enter(struct reader *r, uint32_t at, struct run run, unsigned depth);

/* One mapping of the node at `at`: input, count - 1, output, whose, flags. */
static void mapping_follow(struct reader *r, uint32_t at, const uint8_t *map, struct run run,
                           unsigned depth)
{
    uint32_t input = acpi_u32(map), more = acpi_u32(map + 4), output = acpi_u32(map + 8);

    if ((acpi_u32(map + 16) & MAPPING_SINGLE) || !run_clip(&run, input, more + 1ull))
        return;
    if (more > UINT32_MAX - input || more > UINT32_MAX - output) {
        hw_complain(r->draft, at, "a mapping of %#x and %#x more onto %#x", input, more, output);
        return;
    }
    run.id = output + (run.id - input);
    node_enter(r, acpi_u32(map + 12), run, depth + 1);
}

static void mappings_follow(struct reader *r, uint32_t at, const uint8_t *node, uint32_t size,
                            const struct run *run, unsigned depth)
{
    uint32_t count = mapping_count(r, at, node, size);
    const uint8_t *map = node + acpi_u32(node + NODE_MAPPINGS_AT);

    for (uint32_t i = 0; i < count; i++, map += MAPPING_BYTES) {
        if (r->looked++ == MAPPINGS_MAX)
            hw_complain(r->draft, at, "more than %u mappings", MAPPINGS_MAX);
        if (r->looked > MAPPINGS_MAX)
            return;
        mapping_follow(r, at, map, *run, depth);
    }
}

static void node_enter(struct reader *r, uint32_t at, struct run run, unsigned depth)
{
    uint32_t size;
    const uint8_t *node = node_at(r->table, at, &size);

    if (!node || depth > DEPTH_MAX)
        hw_complain(r->draft, at, node ? "mappings lead on and on" : "a mapping leads to no node");
    else if (node[0] == NODE_ITS_GROUP)
        group_reached(r, at, node, size, &run);
    else if (node[0] == NODE_SMMU || node[0] == NODE_SMMU3)
        mappings_follow(r, at, node, size, &run, depth);
    else
        hw_complain(r->draft, at, "messages lead to a node of type %u", node[0]);
}

static void complex_read(struct reader *r, uint32_t at, const uint8_t *node, uint32_t size)
{
    struct hardware_info *info = r->draft->info;
    struct run all = { .count = REQUESTERS };

    if (size < COMPLEX_BYTES) {
        hw_complain(r->draft, at, "a root complex of %u bytes", size);
        return;
    }
    for (uint32_t i = 0; i < info->pci_host_count; i++) {
        r->host = &info->pci_hosts[i];
        if (r->host->segment == acpi_u32(node + COMPLEX_SEGMENT))
            mappings_follow(r, at, node, size, &all, 0);
    }
}

static void nodes_read(struct reader *r)
{
    uint32_t at = acpi_u32(r->table->bytes + IORT_NODES), size;

    for (uint32_t left = acpi_u32(r->table->bytes + IORT_COUNT); left > 0; left--, at += size) {
        const uint8_t *node = node_at(r->table, at, &size);

        if (!node) {
            hw_complain(r->draft, at, "a node that is none: the rest is left out");
            return;
        }
        if (node[0] == NODE_ROOT_COMPLEX)
            complex_read(r, at, node, size);
    }
}

void acpi_read_iort(const struct acpi_table *t, struct hw_draft *d)
{
    struct hardware_info *info = d->info;
    struct reader r = { .table = t, .draft = d };
    struct hw_msi_map all = { .count = REQUESTERS };

    for (uint32_t i = 0; i < info->pci_host_count; i++)
        info->pci_hosts[i].msi_mask = UINT16_MAX;
    if (t && t->size >= IORT_BYTES) {
        nodes_read(&r);
        return;
    }
    if (t)
        hw_complain(d, 0, "the table has %u bytes", t->size);
    for (uint32_t i = 0; i < info->pci_host_count; i++)
        hw_msi_map_add(d, 0, &info->pci_hosts[i], info->gic.its[0].id, &all);
}
