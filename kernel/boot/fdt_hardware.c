// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: CPUs, interrupt controller, timer, firmware calls and memory nodes from the device tree.
 * Model: bindings as Linux documents them (cpus.yaml, cpu-topology.txt, psci.yaml, arm,gic*.yaml,
 * arm,arch_timer.yaml, numa.txt).  A complaint's offset is the node's place in the blob.
 */
#define LOG_TAG "fdt"
#include <boot/fdt_pci.h>

#include <core/log.h>
#include <lib/string.h>

#define MPIDR_AFFINITY 0xff00ffffffull
#define MEMORY_REGS 32
#define ITS_BYTES (128 * KiB)
#define OFFSET(v, n) ((uint64_t)(v)->node[n].offset)

static uint32_t be32(const void *p)
{
    const uint8_t *b = p;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint32_t numa_id(const struct fdt_view *v, unsigned node)
{
    uint64_t id;

    return fdt_u64(v, node, "numa-node-id", &id) && id < HW_NODE_NONE ? (uint32_t)id : HW_NODE_NONE;
}

/* --- CPUs --- */

static bool is_cpu(const struct fdt_view *v, unsigned node, unsigned cpus)
{
    const char *type, *name = fdt_name(v, node);

    if (v->node[node].parent != cpus || node == cpus)
        return false;
    type = fdt_text(v, node, "device_type");
    return (type && strcmp(type, "cpu") == 0) || strcmp(name, "cpu") == 0 ||
           str_starts_with(name, "cpu@");
}

/* reg: the affinity fields of MPIDR in one or two cells.  Return: whether it makes sense. */
static bool cpu_id(const struct fdt_view *v, unsigned node, uint64_t *id)
{
    struct fdt_cells cells;
    size_t size;
    const uint8_t *reg = fdt_property_get(v, node, "reg", &size);

    if (fdt_cells(v, v->node[node].parent, &cells) != 0 || !reg || size < 4 * cells.address)
        return false;
    *id = be32(reg);
    if (cells.address == 2)
        *id = *id << 32 | be32(reg + 4);
    return (*id & ~MPIDR_AFFINITY) == 0;
}

/* How to start it.  Return: whether that is known; complains when not. */
static bool cpu_start(const struct fdt_view *v, unsigned node, struct hw_draft *d, struct hw_cpu *cpu)
{
    const char *method = fdt_text(v, node, "enable-method");

    if (cpu->hw_id == d->boot_id)
        return true;
    if (!method) {
        hw_complain(d, OFFSET(v, node), "%s has no enable-method", fdt_name(v, node));
        return false;
    }
    if (strcmp(method, "psci") == 0) {
        cpu->start = HW_START_PSCI;
        if (!d->info->power.psci)
            hw_complain(d, OFFSET(v, node), "%s needs PSCI, which is not there",
                        fdt_name(v, node));
        return d->info->power.psci;
    }
    cpu->start = HW_START_SPIN_TABLE;
    if (strcmp(method, "spin-table") != 0)
        hw_complain(d, OFFSET(v, node), "%s has the enable-method %.32s", fdt_name(v, node),
                    method);
    else if (!fdt_u64(v, node, "cpu-release-addr", &cpu->release_addr) || !cpu->release_addr ||
             cpu->release_addr % 8 != 0)
        hw_complain(d, OFFSET(v, node), "%s has no cpu-release-addr", fdt_name(v, node));
    else
        return true;
    return false;
}

/* "disabled" means asleep until enable-method wakes it (Devicetree Specification 3.8.1). */
static bool cpu_failed(const struct fdt_view *v, unsigned node)
{
    const char *status = fdt_text(v, node, "status");

    return status && str_starts_with(status, "fail");
}

static void read_cpu(const struct fdt_view *v, unsigned node, struct hw_draft *d)
{
    struct hw_cpu cpu = hw_cpu_make(0, UINT32_MAX, HW_START_NONE);

    if (cpu_failed(v, node))
        return;
    if (!cpu_id(v, node, &cpu.hw_id)) {
        hw_complain(d, OFFSET(v, node), "%s: reg makes no sense", fdt_name(v, node));
        return;
    }
    cpu.node = numa_id(v, node);
    if (cpu_start(v, node, d, &cpu))
        hw_cpu_add(d, OFFSET(v, node), &cpu);
}

static bool read_cpus(const struct fdt_view *v, struct hw_draft *d)
{
    int cpus = fdt_top_find(v, "cpus");

    for (unsigned i = 1; cpus > 0 && i < v->count; i++)
        if (is_cpu(v, i, (unsigned)cpus))
            read_cpu(v, i, d);
    return d->info->cpu_count != 0;
}

/* --- cpu-map --- */

struct map {
    const struct fdt_view *view;
    struct hw_draft *draft;
    unsigned cpus; /* node */
    uint32_t packages, clusters, cores; /* numbered so far */
};

/* The nth child of `parent` behind index *at that is called prefix0, prefix1 ...; 0: none. */
static unsigned child_next(const struct map *m, unsigned parent, const char *prefix, unsigned *at)
{
    size_t n = strlen(prefix);

    while (++*at < m->view->count) {
        const char *name = fdt_name(m->view, *at);

        if (m->view->node[*at].parent == parent && strncmp(name, prefix, n) == 0 &&
            name[n] >= '0' && name[n] <= '9')
            return *at;
    }
    return 0;
}

#define map_for_each(m, parent, prefix, child)                                                     \
    for (unsigned at_ = (parent), child;                                                           \
         (child = child_next((m), (parent), (prefix), &at_)) != 0;)

/* Of a core or thread: the CPU that its `cpu` points to gets its place. */
static void map_cpu(const struct map *m, unsigned leaf, uint32_t cluster, uint32_t thread)
{
    uint64_t phandle, id;
    struct hw_cpu *cpu = NULL;
    int node;

    if (!fdt_u64(m->view, leaf, "cpu", &phandle))
        return;
    node = fdt_phandle_find(m->view, (uint32_t)phandle);
    if (node < 0 || !is_cpu(m->view, (unsigned)node, m->cpus)) {
        hw_complain(m->draft, OFFSET(m->view, leaf), "%s of cpu-map points to no CPU",
                    fdt_name(m->view, leaf));
        return;
    }
    if (cpu_id(m->view, (unsigned)node, &id))
        cpu = hw_cpu_by_id(m->draft->info, id);
    if (!cpu)
        return; /* left out before */
    if (cpu->package != UINT32_MAX) {
        hw_complain(m->draft, OFFSET(m->view, leaf), "%s of cpu-map: its CPU has a place already",
                    fdt_name(m->view, leaf));
        return;
    }
    cpu->package = m->packages;
    cpu->cluster = cluster;
    cpu->core = m->cores;
    cpu->thread = thread;
}

static void map_cores(struct map *m, unsigned parent, uint32_t cluster)
{
    map_for_each(m, parent, "core", core) {
        uint32_t threads = 0;

        map_for_each(m, core, "thread", thread)
            map_cpu(m, thread, cluster, threads++);
        if (threads == 0)
            map_cpu(m, core, cluster, UINT32_MAX);
        m->cores++;
    }
}

/* Clusters nest; fdt_open() has bounded how deep.  The innermost ones count. */
static void map_clusters(struct map *m, unsigned parent)
{
    map_for_each(m, parent, "cluster", cluster) {
        map_clusters(m, cluster);
        map_cores(m, cluster, m->clusters++);
    }
}

static void map_package(struct map *m, unsigned parent)
{
    m->clusters = m->cores = 0;
    map_clusters(m, parent);
    map_cores(m, parent, UINT32_MAX);
    m->packages++;
}

static void read_cpu_map(const struct fdt_view *v, struct hw_draft *d)
{
    int cpus = fdt_top_find(v, "cpus");
    struct map m = { .view = v, .draft = d, .cpus = (unsigned)cpus };

    for (unsigned i = 1; cpus > 0 && i < v->count; i++) {
        if (v->node[i].parent != m.cpus || strcmp(fdt_name(v, i), "cpu-map") != 0)
            continue;
        map_for_each(&m, i, "socket", socket)
            map_package(&m, socket);
        if (m.packages == 0)
            map_package(&m, i);
        return;
    }
}

/* --- PSCI --- */

static int find_first(const struct fdt_view *v, const char *const *names)
{
    for (; *names; names++)
        for (unsigned i = 1; i < v->count; i++)
            if (fdt_compatible(v, i, *names) && fdt_enabled(v, i))
                return (int)i;
    return -1;
}

/* Version 0.1 lets the tree choose the function ids; later ones have them fixed. */
static void read_psci(const struct fdt_view *v, struct hw_draft *d)
{
    static const char *const names[] = { "arm,psci-1.0", "arm,psci-0.2", "arm,psci", NULL };
    struct hw_power *power = &d->info->power;
    int node = find_first(v, names);
    const char *method;
    uint64_t id = 0;
    bool fixed;

    if (node < 0)
        return;
    fixed = fdt_compatible(v, (unsigned)node, names[0]) || fdt_compatible(v, (unsigned)node, names[1]);
    method = fdt_text(v, (unsigned)node, "method");
    if (!method || (strcmp(method, "hvc") != 0 && strcmp(method, "smc") != 0)) {
        hw_complain(d, OFFSET(v, node), "psci: no method");
        return;
    }
    if (!fixed && (!fdt_u64(v, (unsigned)node, "cpu_on", &id) || id == 0 || id > UINT32_MAX)) {
        hw_complain(d, OFFSET(v, node), "psci 0.1: no cpu_on");
        return;
    }
    power->psci = true;
    power->psci_hvc = method[0] == 'h';
    power->psci_cpu_on = fixed ? 0 : (uint32_t)id;
}

/* --- interrupt controller --- */

static void read_gic_v2(const struct fdt_view *v, unsigned node, struct hw_draft *d)
{
    struct hw_gic *gic = &d->info->gic;
    struct fdt_reg regs[2];

    if (fdt_regs(v, node, regs, 2) != 2) {
        hw_complain(d, OFFSET(v, node), "%s: reg makes no sense", fdt_name(v, node));
        return;
    }
    gic->version = 2;
    gic->dist = regs[0].start;
    gic->dist_size = regs[0].size;
    gic->cpu = regs[1].start;
    gic->cpu_size = regs[1].size;
}

/* Functions name the one that they send to by its phandle. */
static void read_its(const struct fdt_view *v, unsigned gic_node, struct hw_draft *d)
{
    for (unsigned i = gic_node + 1; i < v->count; i++) {
        struct fdt_reg reg;

        if (!fdt_compatible(v, i, "arm,gic-v3-its") || !fdt_enabled(v, i))
            continue;
        if (fdt_regs(v, i, &reg, 1) == 1 && reg.size >= ITS_BYTES)
            hw_its_add(d, OFFSET(v, i), reg.start, v->node[i].phandle);
        else
            hw_complain(d, OFFSET(v, i), "%s: reg makes no sense", fdt_name(v, i));
    }
}

static void read_gic_v3(const struct fdt_view *v, unsigned node, struct hw_draft *d)
{
    struct hw_gic *gic = &d->info->gic;
    struct fdt_reg regs[HW_GIC_REGIONS_MAX + 1];
    uint64_t regions = 1, stride = 0;
    int n;

    (void)fdt_u64(v, node, "#redistributor-regions", &regions);
    (void)fdt_u64(v, node, "redistributor-stride", &stride);
    if (regions == 0 || regions > HW_GIC_REGIONS_MAX || stride > UINT32_MAX ||
        stride % (64 * KiB) != 0) {
        hw_complain(d, OFFSET(v, node), "%s: %llu regions with a stride of %#llx",
                    fdt_name(v, node), (unsigned long long)regions, (unsigned long long)stride);
        return;
    }
    n = fdt_regs(v, node, regs, (unsigned)regions + 1);
    if (n < (int)regions + 1) {
        hw_complain(d, OFFSET(v, node), "%s: reg makes no sense", fdt_name(v, node));
        return;
    }
    gic->version = 3;
    gic->dist = regs[0].start;
    gic->dist_size = regs[0].size;
    for (int i = 1; i < n; i++)
        gic->redist[i - 1] = (struct hw_region){ regs[i].start, regs[i].size };
    gic->redist_count = (uint32_t)regions;
    gic->redist_stride = (uint32_t)stride;
    read_its(v, node, d);
}

static void read_gic(const struct fdt_view *v, struct hw_draft *d)
{
    static const char *const v3[] = { "arm,gic-v3", "qcom,msm8996-gic-v3", NULL };
    static const char *const v2[] = { "arm,gic-400", "arm,cortex-a15-gic", "arm,cortex-a7-gic",
                                      "arm,cortex-a9-gic", "arm,cortex-a5-gic", "arm,pl390",
                                      "arm,arm1176jzf-devchip-gic", "arm,arm11mp-gic",
                                      "arm,eb11mp-gic", "qcom,msm-8660-qgic", "qcom,msm-qgic2",
                                      NULL };
    int node = find_first(v, v3);

    if (node >= 0) {
        read_gic_v3(v, (unsigned)node, d);
        return;
    }
    node = find_first(v, v2);
    if (node >= 0)
        read_gic_v2(v, (unsigned)node, d);
}

/* --- timer --- */

#define PPI_FIRST 16
#define PPI_COUNT 16
#define TYPE_PPI 1
#define FLAGS_EDGE 3

/* The place of an interrupt: by interrupt-names, else the binding's. */
static unsigned timer_index(const struct fdt_view *v, unsigned node, const char *name, unsigned usual)
{
    size_t size, at = 0;
    const char *names = fdt_property_get(v, node, "interrupt-names", &size);

    for (unsigned i = 0; names && at < size; i++) {
        size_t n = strnlen(names + at, size - at);

        if (n == strlen(name) && memcmp(names + at, name, n) == 0)
            return i;
        at += n + 1;
    }
    return names ? UINT16_MAX : usual;
}

static uint32_t timer_irq(const struct fdt_view *v, unsigned node, struct hw_draft *d, unsigned index,
                          enum hw_trigger *trigger)
{
    unsigned cells = fdt_interrupt_cells(v, node);
    size_t size, at = (size_t)index * cells * 4;
    const uint8_t *p = fdt_property_get(v, node, "interrupts", &size);

    if (cells < 3 || cells > 4 || !p || size < at || size - at < cells * 4)
        return 0;
    p += at;
    if (be32(p) != TYPE_PPI || be32(p + 4) >= PPI_COUNT) {
        hw_complain(d, OFFSET(v, node), "%s: interrupt %u of type %u is not private to a CPU",
                    fdt_name(v, node), be32(p + 4), be32(p));
        return 0;
    }
    *trigger = be32(p + 8) & FLAGS_EDGE ? HW_EDGE : HW_LEVEL;
    return be32(p + 4) + PPI_FIRST;
}

static void read_timer(const struct fdt_view *v, struct hw_draft *d)
{
    static const char *const names[] = { "arm,armv8-timer", "arm,armv7-timer", NULL };
    struct hw_arch_timer *timer = &d->info->arch_timer;
    int found = find_first(v, names);
    unsigned node = (unsigned)found, before = d->complaints;
    uint64_t hz = 0;
    size_t size;

    if (found < 0)
        return;
    timer->phys_irq = timer_irq(v, node, d, timer_index(v, node, "phys", 1), &timer->phys_trigger);
    timer->virt_irq = timer_irq(v, node, d, timer_index(v, node, "virt", 2), &timer->virt_trigger);
    if (timer->phys_irq == 0 && timer->virt_irq == 0 && d->complaints == before)
        hw_complain(d, OFFSET(v, node), "%s: no interrupt of use", fdt_name(v, node));
    timer->always_on = fdt_property_get(v, node, "always-on", &size) != NULL;
    if (fdt_u64(v, node, "clock-frequency", &hz) && hz <= UINT32_MAX)
        timer->hz = (uint32_t)hz;
}

/* --- memory nodes --- */

static void read_memory(const struct fdt_view *v, struct hw_draft *d)
{
    struct fdt_reg regs[MEMORY_REGS];

    for (unsigned i = 1; i < v->count; i++) {
        uint32_t id = numa_id(v, i);
        int n;

        if (v->node[i].parent != 0 || id == HW_NODE_NONE || !fdt_is_memory(v, i))
            continue;
        n = fdt_regs(v, i, regs, MEMORY_REGS);
        for (int k = 0; k < n; k++)
            hw_memory_add(d, OFFSET(v, i), regs[k].start, regs[k].size, id);
    }
}

/* Triples of two ids and a distance; the way back is as long unless the tree says otherwise. */
static void read_distances(const struct fdt_view *v, struct hw_draft *d)
{
    static const char *const names[] = { "numa-distance-map-v1", NULL };
    int node = find_first(v, names);
    const uint8_t *p;
    size_t size;

    if (node < 0)
        return;
    p = fdt_property_get(v, (unsigned)node, "distance-matrix", &size);
    if (!p || size % 12 != 0) {
        hw_complain(d, OFFSET(v, node), "distance-matrix makes no sense");
        return;
    }
    for (; size != 0; size -= 12, p += 12) {
        uint32_t from = be32(p), to = be32(p + 4), distance = be32(p + 8);

        hw_distance_set(d, OFFSET(v, node), from, to, distance);
        if (to > from)
            hw_distance_set(d, OFFSET(v, node), to, from, distance);
    }
    hw_distances_end(d, OFFSET(v, node), 0);
}

err_t fdt_read_hardware(const struct fdt_view *v, struct hw_draft *d)
{
    struct hardware_info *info = d->info;

    hw_table_begin(d, "device tree");
    if (v->left_out != 0)
        hw_complain(d, v->left_out_at, "%u nodes are too deep or too many: left out", v->left_out);
    info->source = HW_FROM_FDT;
    info->has_pic = info->has_8042 = info->has_vga = info->has_rtc = false;
    read_psci(v, d);
    read_gic(v, d);
    read_timer(v, d);
    if (!read_cpus(v, d))
        hw_complain(d, 0, "no CPUs");
    read_cpu_map(v, d);
    fdt_read_pci(v, d);
    if (d->use_numa)
        read_memory(v, d);
    hw_nodes_finish(d);
    if (d->use_numa)
        read_distances(v, d);
    hw_table_end(d);
    return 0;
}
