// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: /sys: CPUs, memory nodes, clock sources and event devices, as lscpu, nproc and numactl look
 * for them.
 * Model: files of single CPUs and nodes are added at start, one set for each; their argument is the
 * number, for a cache 256 times its index more.  Only CPUs that run have a topology and caches, as on
 * Linux.
 * Source: Documentation/ABI/stable/sysfs-devices-system-cpu, sysfs-devices-node,
 * testing/sysfs-devices-system-cpu; Documentation/admin-guide/{cputopology,numastat}.
 */
#include <fs/procfs.h>

#include <core/smp.h>
#include <fs/proc_format.h>
#include <hal/cpu.h>
#include <lib/bitmap.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/numa.h>
#include <sched/clock.h>
#include <svc/subsystem.h>

#include <linux/stat.h>

#define CLOCK_NAME_MAX 32

static unsigned number_of(void *arg)
{
    return (unsigned)(uintptr_t)arg;
}

/* ---- sets ---- */

/* Sets of CPUs and nodes by number; the largest number of either is below 256. */
struct number_set {
    uint64_t bits[BITMAP_WORDS(MAX(CPU_MAX, NODE_MAX))];
};

static struct number_set numbers_below(unsigned n)
{
    struct number_set s = { { 0 } };

    bitmap_set_range(s.bits, 0, n);
    return s;
}

/* The CPUs that run and of which same(cpu, of) is true. */
static struct number_set cpus_like(const struct cpu *of,
                                   bool (*same)(const struct cpu *a, const struct cpu *b))
{
    struct number_set s = { { 0 } };

    for (unsigned i = 0; i < cpu_count; i++)
        if (cpu_online(i) && same(cpus[i], of))
            bitmap_set(s.bits, i);
    return s;
}

static void show_cpu_list(struct textbuf *out, struct number_set s)
{
    format_list(out, s.bits, cpu_count);
}

static void show_cpu_mask(struct textbuf *out, struct number_set s)
{
    format_mask(out, s.bits, cpu_count);
}

/* ---- CPUs ---- */

static bool any_cpu(const struct cpu *a, const struct cpu *b)
{
    return true;
}

static void show_online(struct textbuf *out, void *arg)
{
    show_cpu_list(out, cpus_like(NULL, any_cpu));
}
PSEUDO_FILE(cpu_online, "sysfs", "devices/system/cpu/online", 0444, show_online, NULL);

static void show_all_cpus(struct textbuf *out, void *arg)
{
    format_list(out, numbers_below(cpus_present).bits, cpus_present);
}
PSEUDO_FILE(cpu_possible, "sysfs", "devices/system/cpu/possible", 0444, show_all_cpus, NULL);
PSEUDO_FILE(cpu_present, "sysfs", "devices/system/cpu/present", 0444, show_all_cpus, NULL);

static void show_offline(struct textbuf *out, void *arg)
{
    struct number_set s = numbers_below(cpus_present);

    for (unsigned i = 0; i < cpu_count; i++)
        if (cpu_online(i))
            bitmap_clear(s.bits, i);
    format_list(out, s.bits, cpus_present);
}
PSEUDO_FILE(cpu_offline, "sysfs", "devices/system/cpu/offline", 0444, show_offline, NULL);

static void show_no_cpu(struct textbuf *out, void *arg)
{
    text_append(out, "\n", 1);
}
PSEUDO_FILE(cpu_isolated, "sysfs", "devices/system/cpu/isolated", 0444, show_no_cpu, NULL);

static void show_kernel_max(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", CPU_MAX - 1);
}
PSEUDO_FILE(cpu_kernel_max, "sysfs", "devices/system/cpu/kernel_max", 0444, show_kernel_max, NULL);

static void show_is_online(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", cpu_online(number_of(arg)));
}

/* ---- topology ---- */

static bool same_package(const struct cpu *a, const struct cpu *b)
{
    return a->topology.package == b->topology.package;
}

static bool same_die(const struct cpu *a, const struct cpu *b)
{
    return same_package(a, b) && a->topology.die == b->topology.die;
}

static bool same_core(const struct cpu *a, const struct cpu *b)
{
    return same_die(a, b) && a->topology.core == b->topology.core;
}

static void show_core_mask(struct textbuf *out, void *arg)
{
    show_cpu_mask(out, cpus_like(cpus[number_of(arg)], same_core));
}

static void show_core_list(struct textbuf *out, void *arg)
{
    show_cpu_list(out, cpus_like(cpus[number_of(arg)], same_core));
}

static void show_die_mask(struct textbuf *out, void *arg)
{
    show_cpu_mask(out, cpus_like(cpus[number_of(arg)], same_die));
}

static void show_die_list(struct textbuf *out, void *arg)
{
    show_cpu_list(out, cpus_like(cpus[number_of(arg)], same_die));
}

static void show_package_mask(struct textbuf *out, void *arg)
{
    show_cpu_mask(out, cpus_like(cpus[number_of(arg)], same_package));
}

static void show_package_list(struct textbuf *out, void *arg)
{
    show_cpu_list(out, cpus_like(cpus[number_of(arg)], same_package));
}

static void show_core_id(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", cpus[number_of(arg)]->topology.core);
}

static void show_die_id(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", cpus[number_of(arg)]->topology.die);
}

static void show_package_id(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", cpus[number_of(arg)]->topology.package);
}

/* ---- caches ---- */

static void *cache_arg(unsigned cpu, unsigned index)
{
    return (void *)(uintptr_t)(cpu + CPU_MAX * index);
}

static const struct cpu *cache_cpu(void *arg)
{
    return cpus[number_of(arg) % CPU_MAX];
}

static const struct cpu_cache *cache_of(void *arg)
{
    return &cache_cpu(arg)->topology.caches[number_of(arg) / CPU_MAX];
}

static bool shares_cache(const struct cpu *a, const struct cpu *b, const struct cpu_cache *c)
{
    return same_package(a, b) && (c->sharing >= 32 || a->hw_id >> c->sharing == b->hw_id >> c->sharing);
}

static struct number_set cache_cpus(void *arg)
{
    struct number_set s = { { 0 } };

    for (unsigned i = 0; i < cpu_count; i++)
        if (cpu_online(i) && shares_cache(cpus[i], cache_cpu(arg), cache_of(arg)))
            bitmap_set(s.bits, i);
    return s;
}

static void show_cache_mask(struct textbuf *out, void *arg)
{
    show_cpu_mask(out, cache_cpus(arg));
}

static void show_cache_list(struct textbuf *out, void *arg)
{
    show_cpu_list(out, cache_cpus(arg));
}

static void show_cache_level(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", cache_of(arg)->level);
}

static void show_cache_type(struct textbuf *out, void *arg)
{
    static const char *const names[] = { [CACHE_NONE] = "Unknown", [CACHE_DATA] = "Data",
                                         [CACHE_INSTRUCTION] = "Instruction",
                                         [CACHE_UNIFIED] = "Unified" };

    text_printf(out, "%s\n", names[cache_of(arg)->type]);
}

static void show_cache_size(struct textbuf *out, void *arg)
{
    text_printf(out, "%uK\n", cache_of(arg)->size / (unsigned)KiB);
}

static void show_cache_line(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", cache_of(arg)->line);
}

static void show_cache_sets(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", cache_of(arg)->sets);
}

static void show_cache_ways(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", cache_of(arg)->ways);
}

static void show_cache_id(struct textbuf *out, void *arg)
{
    const struct cpu *cpu = cache_cpu(arg);
    const struct cpu_cache *c = cache_of(arg);
    uint64_t id = c->sharing >= 32 ? 0 : cpu->hw_id >> c->sharing;

    /* Where ids do not tell packages apart, the cache's is that of its first CPU. */
    for (unsigned i = 0; i < cpu_count; i++)
        if (!same_package(cpus[i], cpu) && (c->sharing >= 32 || cpus[i]->hw_id >> c->sharing == id)) {
            id = bitmap_find_set(cache_cpus(arg).bits, cpu_count, 0);
            break;
        }
    text_printf(out, "%llu\n", (unsigned long long)id);
}

/* ---- nodes ---- */

static void show_all_nodes(struct textbuf *out, void *arg)
{
    struct number_set s = numbers_below(numa.count);

    format_list(out, s.bits, numa.count);
}
PSEUDO_FILE(node_online, "sysfs", "devices/system/node/online", 0444, show_all_nodes, NULL);
PSEUDO_FILE(node_possible, "sysfs", "devices/system/node/possible", 0444, show_all_nodes, NULL);

static void show_memory_nodes(struct textbuf *out, void *arg)
{
    uint64_t set = frame_nodes();

    format_list(out, &set, numa.count);
}
PSEUDO_FILE(node_has_memory, "sysfs", "devices/system/node/has_memory", 0444, show_memory_nodes,
            NULL);
PSEUDO_FILE(node_has_normal, "sysfs", "devices/system/node/has_normal_memory", 0444,
            show_memory_nodes, NULL);

static void show_cpu_nodes(struct textbuf *out, void *arg)
{
    struct number_set s = { { 0 } };

    for (unsigned i = 0; i < cpu_count; i++)
        if (cpu_online(i))
            bitmap_set(s.bits, cpus[i]->node);
    format_list(out, s.bits, numa.count);
}
PSEUDO_FILE(node_has_cpu, "sysfs", "devices/system/node/has_cpu", 0444, show_cpu_nodes, NULL);

static struct number_set node_cpus(unsigned node)
{
    struct number_set s = { { 0 } };

    for (unsigned i = 0; i < cpu_count; i++)
        if (cpu_online(i) && cpus[i]->node == node)
            bitmap_set(s.bits, i);
    return s;
}

static void show_node_list(struct textbuf *out, void *arg)
{
    show_cpu_list(out, node_cpus(number_of(arg)));
}

static void show_node_mask(struct textbuf *out, void *arg)
{
    show_cpu_mask(out, node_cpus(number_of(arg)));
}

static void show_distance(struct textbuf *out, void *arg)
{
    for (unsigned to = 0; to < numa.count; to++)
        text_printf(out, "%s%u", to ? " " : "", numa_distance(number_of(arg), to));
    text_append(out, "\n", 1);
}

static void show_node_meminfo(struct textbuf *out, void *arg)
{
    format_node_meminfo(out, number_of(arg));
}

static void show_node_vmstat(struct textbuf *out, void *arg)
{
    format_node_vmstat(out, number_of(arg));
}

static void show_numastat(struct textbuf *out, void *arg)
{
    static const char *const names[NUMA_STATS] = { "numa_hit", "numa_miss", "numa_foreign",
                                                   "interleave_hit", "local_node", "other_node" };
    uint64_t n[NUMA_STATS];

    frame_node_stats(number_of(arg), n);
    for (unsigned i = 0; i < NUMA_STATS; i++)
        text_printf(out, "%s %llu\n", names[i], (unsigned long long)n[i]);
}

/* ---- clock sources ---- */

static void show_current_clock(struct textbuf *out, void *arg)
{
    text_printf(out, "%s\n", clock_source_name());
}

/* A name with at most one newline behind it. */
static err_t clock_name(const char *text, size_t n, char name[CLOCK_NAME_MAX])
{
    if (n > 0 && text[n - 1] == '\n')
        n--;
    if (n == 0 || n >= CLOCK_NAME_MAX)
        return -EINVAL;
    memcpy(name, text, n);
    name[n] = '\0';
    return 0;
}

static err_t store_current_clock(const char *text, size_t n, void *arg)
{
    char name[CLOCK_NAME_MAX];
    err_t err = clock_name(text, n, name);

    return err ? err : clock_source_select(name);
}
PSEUDO_FILE(current_clock, "sysfs",
            "devices/system/clocksource/clocksource0/current_clocksource", 0644, show_current_clock,
            store_current_clock);

static err_t store_unbind_clock(const char *text, size_t n, void *arg)
{
    char name[CLOCK_NAME_MAX];
    err_t err = clock_name(text, n, name);

    return err ? err : clock_source_unbind(name);
}
PSEUDO_FILE(unbind_clock, "sysfs", "devices/system/clocksource/clocksource0/unbind_clocksource",
            0200, NULL, store_unbind_clock);

static void show_available_clocks(struct textbuf *out, void *arg)
{
    const char *name;

    for (unsigned n = 0; (name = clock_source_nth(n)) != NULL; n++)
        text_printf(out, "%s ", name);
    text_append(out, "\n", 1);
}
PSEUDO_FILE(available_clocks, "sysfs",
            "devices/system/clocksource/clocksource0/available_clocksource", 0444,
            show_available_clocks, NULL);

static void show_event_device(struct textbuf *out, void *arg)
{
    const struct clock_event *e = clock_event_current();

    if (e != NULL)
        text_printf(out, "%s\n", e->name);
}

/* ---- start ---- */

struct numbered_file {
    const char *name;
    void (*show)(struct textbuf *out, void *arg);
};

static const struct numbered_file topology_files[] = {
    { "topology/core_id", show_core_id },
    { "topology/physical_package_id", show_package_id },
    { "topology/thread_siblings", show_core_mask },
    { "topology/thread_siblings_list", show_core_list },
    { "topology/core_cpus", show_core_mask },
    { "topology/core_cpus_list", show_core_list },
    { "topology/core_siblings", show_package_mask },
    { "topology/core_siblings_list", show_package_list },
    { "topology/package_cpus", show_package_mask },
    { "topology/package_cpus_list", show_package_list },
};

static const struct numbered_file die_files[] = {
    { "topology/die_id", show_die_id },
    { "topology/die_cpus", show_die_mask },
    { "topology/die_cpus_list", show_die_list },
};

static const struct numbered_file cluster_files[] = {
    { "topology/cluster_id", show_die_id },
    { "topology/cluster_cpus", show_die_mask },
    { "topology/cluster_cpus_list", show_die_list },
};

static const struct numbered_file cache_files[] = {
    { "level", show_cache_level },
    { "type", show_cache_type },
    { "size", show_cache_size },
    { "coherency_line_size", show_cache_line },
    { "number_of_sets", show_cache_sets },
    { "ways_of_associativity", show_cache_ways },
    { "id", show_cache_id },
    { "shared_cpu_map", show_cache_mask },
    { "shared_cpu_list", show_cache_list },
};

static const struct numbered_file node_files[] = {
    { "cpulist", show_node_list },
    { "cpumap", show_node_mask },
    { "distance", show_distance },
    { "meminfo", show_node_meminfo },
    { "numastat", show_numastat },
    { "vmstat", show_node_vmstat },
};

static err_t add_file(const char *dir, const struct numbered_file *file, void *arg)
{
    char path[96];
    struct pseudo_file f = { .path = path, .mode = 0444, .show = file->show, .arg = arg };

    fmt_snprintf(path, sizeof path, "devices/system/%s/%s", dir, file->name);
    return pseudo_add("sysfs", &f);
}

static err_t add_files(const char *dir, const struct numbered_file *files, size_t count, void *arg)
{
    err_t err = 0;

    for (size_t i = 0; i < count && err == 0; i++)
        err = add_file(dir, &files[i], arg);
    return err;
}

/* A link devices/system/FROM -> TO, which stays for ever. */
static err_t add_link(const char *from, const char *to)
{
    char path[96];
    struct pseudo_file f = { .path = path, .mode = S_IFLNK | 0777, .link = kstrdup(to) };
    err_t err;

    if (f.link == NULL)
        return -ENOMEM;
    fmt_snprintf(path, sizeof path, "devices/system/%s", from);
    err = pseudo_add("sysfs", &f);
    if (err)
        kfree((char *)f.link);
    return err;
}

static err_t add_caches(const struct cpu *cpu)
{
    char dir[48];
    err_t err = 0;

    for (unsigned i = 0; i < CPU_CACHES_MAX && err == 0; i++) {
        if (cpu->topology.caches[i].type == CACHE_NONE)
            continue;
        fmt_snprintf(dir, sizeof dir, "cpu/cpu%u/cache/index%u", cpu->id, i);
        err = add_files(dir, cache_files, ARRAY_SIZE(cache_files), cache_arg(cpu->id, i));
    }
    return err;
}

/* The links between a CPU and its node. */
static err_t add_cpu_links(const struct cpu *cpu)
{
    char from[48], to[48];
    err_t err;

    fmt_snprintf(from, sizeof from, "cpu/cpu%u/node%u", cpu->id, cpu->node);
    fmt_snprintf(to, sizeof to, "../../node/node%u", cpu->node);
    err = add_link(from, to);
    if (err)
        return err;
    fmt_snprintf(from, sizeof from, "node/node%u/cpu%u", cpu->node, cpu->id);
    fmt_snprintf(to, sizeof to, "../../cpu/cpu%u", cpu->id);
    return add_link(from, to);
}

static const struct numbered_file online_file = { "online", show_is_online };

/* One that is there, but was not started. */
static err_t add_absent_cpu(unsigned id)
{
    char dir[48];

    fmt_snprintf(dir, sizeof dir, "cpu/cpu%u", id);
    return add_file(dir, &online_file, (void *)(uintptr_t)id);
}

static err_t add_cpu(const struct cpu *cpu)
{
    static const struct numbered_file event = { "current_device", show_event_device };
    void *arg = (void *)(uintptr_t)cpu->id;
    char dir[48];
    err_t err;

    fmt_snprintf(dir, sizeof dir, "cpu/cpu%u", cpu->id);
    err = add_file(dir, &online_file, arg);
    if (err || !cpu_online(cpu->id))
        return err;
    err = add_files(dir, topology_files, ARRAY_SIZE(topology_files), arg);
    if (err == 0)
        err = add_files(dir, hal_die_is_cluster ? cluster_files : die_files, ARRAY_SIZE(die_files), arg);
    if (err == 0)
        err = add_caches(cpu);
    if (err == 0)
        err = add_cpu_links(cpu);
    fmt_snprintf(dir, sizeof dir, "clockevents/clockevent%u", cpu->id);
    return err ? err : add_file(dir, &event, arg);
}

static err_t add_node(unsigned node)
{
    char dir[48];

    fmt_snprintf(dir, sizeof dir, "node/node%u", node);
    return add_files(dir, node_files, ARRAY_SIZE(node_files), (void *)(uintptr_t)node);
}

static err_t sysfs_start(struct subsystem *self)
{
    err_t err = 0;

    for (unsigned i = 0; i < numa.count && err == 0; i++)
        err = add_node(i);
    for (unsigned i = 0; i < cpu_count && err == 0; i++)
        err = add_cpu(cpus[i]);
    for (unsigned i = cpu_count; i < cpus_present && err == 0; i++)
        err = add_absent_cpu(i);
    return err;
}

static const char *const sysfs_needs[] = { "procfs", NULL };
static struct subsystem sysfs_subsystem = { .name = "sysfs",
                                            .privilege = PRIV_KERNEL,
                                            .needs = sysfs_needs,
                                            .late_init = sysfs_start };
REGISTER_SUBSYSTEM(sysfs_subsystem);
