// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the PPTT (ACPI 6.5, 5.2.30): where each CPU sits, by uid.
 * Model: nodes point to their parents by offset.  From a CPU's leaf the way leads up over its core
 * (for a thread), a cluster, and the package; the offsets found there serve as ids until
 * ranks_make() makes them small.  A way longer than WAY_MAX is a cycle.
 */
#define LOG_TAG "acpi"
#include <boot/acpi.h>

#include <core/log.h>

#define TYPE_PROCESSOR 0
#define NODE_BYTES 20
#define NODE_FLAGS 4
#define NODE_PARENT 8
#define NODE_UID 12
#define FLAG_PACKAGE 1u
#define FLAG_UID 2u
#define FLAG_THREAD 4u
#define FLAG_LEAF 8u
#define REVISION_LEAF 2
#define WAY_MAX 16

static const uint8_t *node_at(const struct acpi_table *t, uint32_t offset)
{
    const uint8_t *p = t->bytes + offset;

    if (offset < ACPI_HEADER_BYTES || offset > t->size || t->size - offset < NODE_BYTES)
        return NULL;
    return p[0] == TYPE_PROCESSOR && p[1] >= NODE_BYTES ? p : NULL;
}

/* Offsets from the leaf up to its package, or to the last node.  Return: how many; 0: broken. */
static unsigned way_up(const struct acpi_table *t, struct hw_draft *d, uint32_t leaf,
                       uint32_t way[WAY_MAX])
{
    unsigned n = 0;

    for (uint32_t at = leaf; at != 0;) {
        const uint8_t *node = node_at(t, at);

        if (!node || n == WAY_MAX) {
            hw_complain(d, leaf, node ? "parents lead round in a circle" : "a parent is no node");
            return 0;
        }
        way[n++] = at;
        if (acpi_u32(node + NODE_FLAGS) & FLAG_PACKAGE)
            break;
        at = acpi_u32(node + NODE_PARENT);
    }
    return n;
}

static void cpu_place(const struct acpi_table *t, struct hw_draft *d, uint32_t leaf,
                      struct hw_cpu *cpu)
{
    bool thread = acpi_u32(t->bytes + leaf + NODE_FLAGS) & FLAG_THREAD;
    uint32_t way[WAY_MAX];
    unsigned n = way_up(t, d, leaf, way), core = thread ? 1 : 0;

    if (n <= core)
        return;
    cpu->package = way[n - 1];
    cpu->core = way[core];
    cpu->thread = thread ? leaf : UINT32_MAX;
    cpu->cluster = core + 2 < n ? way[core + 1] : UINT32_MAX;
}

/* A leaf is marked since revision 2; before, nobody else has a uid that is a CPU's. */
static bool is_leaf(const struct acpi_table *t, const struct acpi_entries *e)
{
    uint32_t flags = acpi_u32(e->bytes + NODE_FLAGS);

    return (flags & FLAG_UID) && (t->bytes[8] < REVISION_LEAF || (flags & FLAG_LEAF));
}

/* --- small numbers --- */

#define FIELD(cpu, which) (*(uint32_t *)((uintptr_t)(cpu) + (which)))
#define MACHINE SIZE_MAX /* all CPUs together */

/* Numbers count from 0 in order of appearance, among CPUs that agree in `within`. */
static uint32_t rank_of(const struct hardware_info *info, const uint32_t *rank, uint32_t i,
                        size_t field, size_t within)
{
    const struct hw_cpu *cpu = &info->cpus[i];
    uint32_t next = 0;

    if (FIELD(cpu, field) == UINT32_MAX)
        return UINT32_MAX;
    for (uint32_t k = 0; k < i; k++) {
        const struct hw_cpu *other = &info->cpus[k];

        if (rank[k] == UINT32_MAX ||
            (within != MACHINE && FIELD(other, within) != FIELD(cpu, within)))
            continue;
        if (FIELD(other, field) == FIELD(cpu, field))
            return rank[k];
        next = MAX(next, rank[k] + 1);
    }
    return next;
}

static void ranks_make(struct hardware_info *info, size_t field, size_t within)
{
    static uint32_t rank[HW_CPUS_MAX];

    for (uint32_t i = 0; i < info->cpu_count; i++)
        rank[i] = rank_of(info, rank, i, field, within);
    for (uint32_t i = 0; i < info->cpu_count; i++)
        FIELD(&info->cpus[i], field) = rank[i];
}

void acpi_read_pptt(const struct acpi_table *t, struct hw_draft *d)
{
    acpi_for_each_entry(e, t, d, ACPI_HEADER_BYTES) {
        struct hw_cpu *cpu;

        if (e.type != TYPE_PROCESSOR || !acpi_entry_has(&e, NODE_BYTES) || !is_leaf(t, &e))
            continue;
        cpu = hw_cpu_by_uid(d->info, acpi_u32(e.bytes + NODE_UID));
        if (cpu && cpu->package == UINT32_MAX)
            cpu_place(t, d, e.offset, cpu);
    }
    ranks_make(d->info, offsetof(struct hw_cpu, thread), offsetof(struct hw_cpu, core));
    ranks_make(d->info, offsetof(struct hw_cpu, core), offsetof(struct hw_cpu, package));
    ranks_make(d->info, offsetof(struct hw_cpu, cluster), offsetof(struct hw_cpu, package));
    ranks_make(d->info, offsetof(struct hw_cpu, package), MACHINE);
}
