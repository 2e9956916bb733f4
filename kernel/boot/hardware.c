// SPDX-License-Identifier: CC0-1.0
/* Purpose: see <boot/hardware.h>. */
#define LOG_TAG "hardware"
#include <boot/hardware.h>

#include <core/hardware.h>
#include <core/log.h>
#include <core/panic.h>
#include <core/params.h>
#include <hal/cpu.h>
#include <lib/checked.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/numa.h>

#define LOCAL 10
#define REMOTE 20
#define ADDRESS_LIMIT BIT(52)

_Static_assert(HW_NODES_MAX <= NODE_MAX, "mm has room for every node");
_Static_assert(HW_CPUS_MAX <= CPU_MAX, "so has struct cpu for every CPU");

/* --- complaints --- */

void hw_table_begin(struct hw_draft *d, const char *name)
{
    d->table = name;
    d->complaints = 0;
}

void hw_complain(struct hw_draft *d, uint64_t offset, const char *format, ...)
{
    char text[128];
    va_list ap;

    if (d->complaints++ >= HW_COMPLAINTS_MAX)
        return;
    va_start(ap, format);
    fmt_vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    log_warn("%s at offset %#llx: %s", d->table, (unsigned long long)offset, text);
}

void hw_table_end(struct hw_draft *d)
{
    if (d->complaints > HW_COMPLAINTS_MAX)
        log_warn("%s: %u more complaints", d->table, d->complaints - HW_COMPLAINTS_MAX);
}

/* --- CPUs --- */

struct hw_cpu hw_cpu_make(uint64_t hw_id, uint32_t uid, enum hw_cpu_start start)
{
    return (struct hw_cpu){ .hw_id = hw_id, .uid = uid, .node = HW_NODE_NONE, .start = start,
                            .package = UINT32_MAX, .cluster = UINT32_MAX, .core = UINT32_MAX,
                            .thread = UINT32_MAX };
}

struct hw_cpu *hw_cpu_by_id(struct hardware_info *info, uint64_t hw_id)
{
    for (uint32_t i = 0; i < info->cpu_count; i++)
        if (info->cpus[i].hw_id == hw_id)
            return &info->cpus[i];
    return NULL;
}

struct hw_cpu *hw_cpu_by_uid(struct hardware_info *info, uint32_t uid)
{
    for (uint32_t i = 0; i < info->cpu_count; i++)
        if (info->cpus[i].uid == uid)
            return &info->cpus[i];
    return NULL;
}

void hw_cpu_add(struct hw_draft *d, uint64_t offset, const struct hw_cpu *cpu)
{
    struct hardware_info *info = d->info;

    if (hw_cpu_by_id(info, cpu->hw_id)) {
        hw_complain(d, offset, "CPU %#llx is there twice", (unsigned long long)cpu->hw_id);
        return;
    }
    if (cpu->hw_id > d->cpu_id_max && cpu->hw_id != d->boot_id) {
        hw_complain(d, offset, "CPU %#llx cannot be addressed", (unsigned long long)cpu->hw_id);
        return;
    }
    if (info->cpu_count == HW_CPUS_MAX) {
        if (info->cpus_dropped++ == 0)
            hw_complain(d, offset, "more than %u CPUs", HW_CPUS_MAX);
        if (cpu->hw_id == d->boot_id)
            info->cpus[HW_CPUS_MAX - 1] = *cpu;
        return;
    }
    info->cpus[info->cpu_count++] = *cpu;
}

/* Moves the CPU that runs to the front; puts it there when no table knows it. */
static void boot_cpu_first(struct hw_draft *d)
{
    struct hardware_info *info = d->info;
    struct hw_cpu *at = hw_cpu_by_id(info, d->boot_id), boot;

    if (at) {
        boot = *at;
    } else {
        boot = hw_cpu_make(d->boot_id, UINT32_MAX, HW_START_NONE);
        if (info->cpu_count > 0)
            log_warn("no table names CPU %#llx, which runs", (unsigned long long)d->boot_id);
        if (info->cpu_count == HW_CPUS_MAX)
            info->cpus_dropped++;
        else
            info->cpu_count++;
        at = &info->cpus[info->cpu_count - 1];
    }
    memmove(&info->cpus[1], &info->cpus[0], (size_t)(at - info->cpus) * sizeof boot);
    boot.start = HW_START_NONE;
    info->cpus[0] = boot;
}

/* --- PCI host bridges --- */

static bool buses_overlap(const struct hw_pci_host *a, unsigned segment, unsigned first, unsigned last)
{
    return a->segment == segment && first <= a->bus_last && a->bus_first <= last;
}

struct hw_pci_host *hw_pci_host_add(struct hw_draft *d, uint64_t offset, paddr_t ecam, uint64_t size,
                                    unsigned segment, unsigned bus_first, unsigned bus_last)
{
    struct hardware_info *info = d->info;
    struct hw_pci_host *host = &info->pci_hosts[info->pci_host_count];
    uint64_t buses = size / MiB;

    if (bus_first > bus_last || bus_last > 255 || segment > 0xffff || buses == 0 || ecam == 0 ||
        ecam % MiB != 0 || ecam > (1ull << 52) - 256 * MiB) {
        hw_complain(d, offset, "PCI buses %u-%u at %#llx", bus_first, bus_last,
                    (unsigned long long)ecam);
        return NULL;
    }
    bus_last = (unsigned)MIN((uint64_t)bus_last, bus_first + buses - 1);
    for (uint32_t i = 0; i < info->pci_host_count; i++)
        if (buses_overlap(&info->pci_hosts[i], segment, bus_first, bus_last)) {
            hw_complain(d, offset, "PCI buses %u-%u are there twice", bus_first, bus_last);
            return NULL;
        }
    if (info->pci_host_count == HW_PCI_HOSTS_MAX) {
        hw_complain(d, offset, "more than %u PCI host bridges", HW_PCI_HOSTS_MAX);
        return NULL;
    }
    *host = (struct hw_pci_host){ .ecam = ecam, .segment = (uint16_t)segment,
                                  .bus_first = (uint8_t)bus_first, .bus_last = (uint8_t)bus_last };
    info->pci_host_count++;
    return host;
}

/* --- messages --- */

#define ITS_ALIGN (64 * KiB)

void hw_its_add(struct hw_draft *d, uint64_t offset, paddr_t base, uint32_t id)
{
    struct hw_gic *gic = &d->info->gic;
    bool twice = false;

    for (uint32_t i = 0; i < gic->its_count; i++)
        twice |= gic->its[i].base == base || gic->its[i].id == id;
    if (base == 0 || base % ITS_ALIGN != 0 || base >= 1ull << 52)
        hw_complain(d, offset, "an ITS at %#llx", (unsigned long long)base);
    else if (twice)
        hw_complain(d, offset, "ITS %#x is there twice", id);
    else if (gic->its_count == HW_ITS_MAX)
        hw_complain(d, offset, "more than %u ITSs", HW_ITS_MAX);
    else
        gic->its[gic->its_count++] = (struct hw_its){ base, id };
}

void hw_msi_map_add(struct hw_draft *d, uint64_t offset, struct hw_pci_host *host, uint32_t its_id,
                    const struct hw_msi_map *map)
{
    const struct hw_gic *gic = &d->info->gic;
    struct hw_msi_map m = *map;

    for (m.its = 0; m.its < gic->its_count && gic->its[m.its].id != its_id;)
        m.its++;
    if (m.its == gic->its_count)
        hw_complain(d, offset, "messages to ITS %#x, which is not there", its_id);
    else if (m.count == 0 || m.first > UINT16_MAX || m.count - 1 > UINT16_MAX - m.first ||
             m.count - 1 > UINT32_MAX - m.device)
        hw_complain(d, offset, "messages of %#x and %#x more as devices from %#x on", m.first, m.count,
                    m.device);
    else if (host->msi_map_count == HW_MSI_MAPS_MAX)
        hw_complain(d, offset, "more than %u runs of messages", HW_MSI_MAPS_MAX);
    else
        host->msi_maps[host->msi_map_count++] = m;
}

/* --- memory --- */

static bool memory_joins(const struct hw_memory *a, const struct hw_memory *b)
{
    return a->start + a->size == b->start && a->node == b->node;
}

static void memory_remove(struct hardware_info *info, uint32_t i)
{
    info->memory_count--;
    memmove(&info->memory[i], &info->memory[i + 1],
            (info->memory_count - i) * sizeof info->memory[0]);
}

void hw_memory_add(struct hw_draft *d, uint64_t offset, paddr_t start, uint64_t size, uint32_t id)
{
    struct hardware_info *info = d->info;
    struct hw_memory *m = info->memory;
    uint32_t at = 0;

    if (size == 0 || !range_fits(start, size, ADDRESS_LIMIT)) {
        hw_complain(d, offset, "memory at %#llx with %#llx bytes cannot be",
                    (unsigned long long)start, (unsigned long long)size);
        return;
    }
    while (at < info->memory_count && m[at].start < start)
        at++;
    if ((at > 0 && m[at - 1].start + m[at - 1].size > start) ||
        (at < info->memory_count && start + size > m[at].start)) {
        hw_complain(d, offset, "memory at %#llx overlaps an earlier entry",
                    (unsigned long long)start);
        return;
    }
    if (info->memory_count == HW_MEMORY_MAX) {
        hw_complain(d, offset, "more than %u stretches of memory", HW_MEMORY_MAX);
        return;
    }
    memmove(&m[at + 1], &m[at], (info->memory_count - at) * sizeof m[0]);
    m[at] = (struct hw_memory){ .start = start, .size = size, .node = id };
    info->memory_count++;
    if (at + 1 < info->memory_count && memory_joins(&m[at], &m[at + 1])) {
        m[at].size += m[at + 1].size;
        memory_remove(info, at + 1);
    }
    if (at > 0 && memory_joins(&m[at - 1], &m[at])) {
        m[at - 1].size += m[at].size;
        memory_remove(info, at);
    }
}

void hw_memory_place(const struct hardware_info *info, struct boot_record *rec)
{
    paddr_t from = 0;

    if (info->memory_count == 0 || info->node_count < 2)
        return;
    for (uint32_t i = 0; i < info->memory_count; i++) {
        bool last = i + 1 == info->memory_count;
        paddr_t to = last ? ADDRESS_LIMIT : info->memory[i + 1].start & PAGE_MASK;

        if (to <= from)
            continue;
        record_set_node(rec, from, to - from, info->memory[i].node);
        from = to;
    }
}

/* --- nodes --- */

/* Puts a firmware id where it belongs among the ascending ones. */
static void node_note(struct hw_draft *d, uint32_t id)
{
    struct hardware_info *info = d->info;
    uint32_t *ids = info->node_firmware_id, at = 0;

    while (at < info->node_count && ids[at] < id)
        at++;
    if (id == HW_NODE_NONE || (at < info->node_count && ids[at] == id))
        return;
    if (info->node_count == HW_NODES_MAX) {
        hw_complain(d, 0, "more than %u nodes: %u is left out", HW_NODES_MAX, id);
        return;
    }
    memmove(&ids[at + 1], &ids[at], (info->node_count - at) * sizeof ids[0]);
    ids[at] = id;
    info->node_count++;
}

uint32_t hw_node_index(const struct hardware_info *info, uint32_t id)
{
    for (uint32_t i = 0; i < info->node_count; i++)
        if (info->node_firmware_id[i] == id)
            return i;
    return HW_NODE_NONE;
}

static void distances_default(struct hardware_info *info)
{
    for (uint32_t i = 0; i < info->node_count; i++)
        for (uint32_t k = 0; k < info->node_count; k++)
            info->distance[i * info->node_count + k] = i == k ? LOCAL : REMOTE;
}

/* The node of one that has none, or whose node did not fit: the first. */
static uint32_t node_of(const struct hardware_info *info, uint32_t id)
{
    uint32_t node = id == HW_NODE_NONE ? 0 : hw_node_index(info, id);

    return node == HW_NODE_NONE ? 0 : node;
}

void hw_nodes_finish(struct hw_draft *d)
{
    struct hardware_info *info = d->info;

    info->node_count = 0;
    for (uint32_t i = 0; d->use_numa && i < info->cpu_count; i++)
        node_note(d, info->cpus[i].node);
    for (uint32_t i = 0; d->use_numa && i < info->memory_count; i++)
        node_note(d, info->memory[i].node);
    if (info->node_count == 0) {
        info->memory_count = 0;
        info->node_count = 1;
        info->node_firmware_id[0] = 0;
    }
    for (uint32_t i = 0; i < info->cpu_count; i++)
        info->cpus[i].node = node_of(info, info->cpus[i].node);
    for (uint32_t i = 0; i < info->memory_count; i++)
        info->memory[i].node = node_of(info, info->memory[i].node);
    distances_default(info);
    d->nodes_done = true;
}

void hw_distance_set(struct hw_draft *d, uint64_t offset, uint32_t from, uint32_t to,
                     uint32_t distance)
{
    struct hardware_info *info = d->info;
    uint32_t i = hw_node_index(info, from), k = hw_node_index(info, to);

    if (d->distances_bad || !d->use_numa || i == HW_NODE_NONE || k == HW_NODE_NONE)
        return;
    if (distance > UINT8_MAX || (i == k ? distance != LOCAL : distance <= LOCAL)) {
        hw_complain(d, offset, "node %u to %u cannot be %u away: no distance is believed", from,
                    to, distance);
        d->distances_bad = true;
        distances_default(info);
        return;
    }
    info->distance[i * info->node_count + k] = (uint8_t)distance;
}

/* The firmware's ids of nodes `i` and `k`, between which the two ways differ. */
static void complain_one_way(struct hw_draft *d, uint64_t base, uint64_t row, uint32_t i, uint32_t k)
{
    const struct hardware_info *info = d->info;
    uint32_t from = info->node_firmware_id[i], to = info->node_firmware_id[k];

    hw_complain(d, base + (row != 0 ? from * row + to : 0),
                "node %u to %u is %u away, and %u on the way back", from, to,
                info->distance[i * info->node_count + k], info->distance[k * info->node_count + i]);
}

void hw_distances_end(struct hw_draft *d, uint64_t base, uint64_t row)
{
    const struct hardware_info *info = d->info;
    uint32_t n = info->node_count;

    if (d->distances_bad || !d->use_numa)
        return;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < i; k++)
            if (info->distance[i * n + k] != info->distance[k * n + i]) {
                complain_one_way(d, base, row, i, k);
                return;
            }
}

/* --- the whole --- */

void hw_draft_init(struct hw_draft *d, struct hardware_info *info, uint64_t boot_id)
{
    *info = (struct hardware_info){ .node_count = 1, .distance = { LOCAL }, .has_pic = true,
                                    .has_8042 = true, .has_vga = true, .has_rtc = true };
    *d = (struct hw_draft){ .info = info, .boot_id = boot_id, .cpu_id_max = UINT64_MAX,
                            .use_acpi = true, .use_numa = true, .table = "probe" };
}

void hw_draft_finish(struct hw_draft *d)
{
    boot_cpu_first(d);
    if (!d->nodes_done)
        hw_nodes_finish(d);
    for (uint32_t i = 0; i < d->info->cpu_count; i++)
        if (d->info->cpus[i].node == HW_NODE_NONE)
            d->info->cpus[i].node = 0;
    for (uint32_t i = 0; i < d->info->pci_root_count; i++)
        d->info->pci_roots[i].node = hw_node_index(d->info, d->info->pci_roots[i].node);
    if (d->info->cpus_dropped != 0)
        log_warn("%u CPUs are left out: there is room for %u", d->info->cpus_dropped, HW_CPUS_MAX);
}

static const struct hardware_source *source_next(const struct hardware_source *after)
{
    const struct hardware_source *best = NULL;

    registry_for_each(hardware_source, s)
        if ((!after || (*s)->rank > after->rank) && (!best || (*s)->rank < best->rank))
            best = *s;
    return best;
}

static bool param_is(const char *name, const char *wanted)
{
    const char *value = params_find(name);

    return value && strcmp(value, wanted) == 0;
}

/* A device tree comes first where it describes the machine, unless ACPI is asked for. */
static bool acpi_wanted(const struct boot_record *rec)
{
    if (param_is("acpi", "off"))
        return false;
    return !rec->fdt_is_machine || param_is("acpi", "force") || param_is("acpi", "on");
}

static err_t set_acpi(const char *value)
{
    bool known = value && (strcmp(value, "off") == 0 || strcmp(value, "force") == 0 ||
                           strcmp(value, "on") == 0);

    return known ? 0 : -EINVAL;
}
PARAM(acpi, "off: ACPI's tables are not read; force, on: also where a device tree describes the machine",
      set_acpi);

static err_t set_numa(const char *value)
{
    return value && strcmp(value, "off") == 0 ? 0 : -EINVAL;
}
PARAM(numa, "off: all memory is one node", set_numa);

static void log_cpus(const struct hardware_info *info)
{
    static const char *const starts[] = { "none", "SIPI", "PSCI", "spin-table" };

    for (uint32_t i = 0; i < info->cpu_count; i++) {
        const struct hw_cpu *c = &info->cpus[i];

        log_debug("CPU    %3u  id %#-8llx uid %-4d node %-2u start %s", i,
                  (unsigned long long)c->hw_id, (int)c->uid, c->node, starts[c->start]);
    }
}

static void log_nodes(const struct hardware_info *info)
{
    char line[4 * HW_NODES_MAX + 1];

    for (uint32_t i = 0; i < info->memory_count; i++)
        log_debug("memory 0x%012llx-0x%012llx node %u", (unsigned long long)info->memory[i].start,
                  (unsigned long long)(info->memory[i].start + info->memory[i].size),
                  info->memory[i].node);
    for (uint32_t i = 0; info->node_count > 1 && i < info->node_count; i++) {
        int used = 0;

        for (uint32_t k = 0; k < info->node_count; k++)
            used += fmt_scnprintf(line + used, sizeof line - (size_t)used, "%4u",
                                  info->distance[i * info->node_count + k]);
        log_debug("node   %3u  firmware's %-5u distances%s", i, info->node_firmware_id[i], line);
    }
}

static void log_chips(const struct hardware_info *info)
{
    if (info->lapic)
        log_debug("LAPIC       at %#llx", (unsigned long long)info->lapic);
    for (uint32_t i = 0; i < info->ioapic_count; i++)
        log_debug("IOAPIC %3u  at %#llx  GSI from %u", info->ioapics[i].id,
                  (unsigned long long)info->ioapics[i].addr, info->ioapics[i].gsi_base);
    for (uint32_t i = 0; i < info->override_count; i++)
        log_debug("ISA    %3u  is GSI %u", info->overrides[i].irq, info->overrides[i].gsi);
    if (info->gic.version)
        log_debug("GICv%u       at %#llx  CPU interface %#llx  redistributors %u  ITS %#llx",
                  info->gic.version, (unsigned long long)info->gic.dist,
                  (unsigned long long)info->gic.cpu, info->gic.redist_count,
                  (unsigned long long)(info->gic.its_count ? info->gic.its[0].base : 0));
    if (info->arch_timer.virt_irq)
        log_debug("timer       interrupts %u (physical) and %u (virtual)",
                  info->arch_timer.phys_irq, info->arch_timer.virt_irq);
    if (info->console.compatible)
        log_debug("console     at %#llx  interrupt %u  %s", (unsigned long long)info->console.addr,
                  info->console.irq, info->console.compatible);
    if (info->hpet)
        log_debug("HPET        at %#llx", (unsigned long long)info->hpet);
    if (info->pm_timer.space != HW_SPACE_NONE)
        log_debug("PM timer    at %#llx, %u bits", (unsigned long long)info->pm_timer.addr,
                  info->pm_timer.bits);
}

void hardware_find(const struct loader_handoff *h, struct boot_record *rec)
{
    static struct hardware_info info;
    static struct hw_draft draft;

    hw_draft_init(&draft, &info, cpu_current()->hw_id);
    draft.use_acpi = acpi_wanted(rec);
    draft.use_numa = !param_is("numa", "off");
    for (const struct hardware_source *s = source_next(NULL); s; s = source_next(s))
        if (s->read(h, rec, &draft) == 0)
            log_debug("described by %s", s->name);
    hw_draft_finish(&draft);
    hw_memory_place(&info, rec);
    if (numa_set(info.node_count, info.distance) != 0)
        panic("distances of %u nodes were not checked", info.node_count);
    cpu_current()->node = info.cpus[0].node;
    hardware_set(&info);
    log_info("%u CPUs, %u nodes", info.cpu_count, info.node_count);
    log_cpus(&info);
    log_nodes(&info);
    log_chips(&info);
}
