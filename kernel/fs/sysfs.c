// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: /sys: CPUs, memory nodes and clock sources, as lscpu, nproc and numactl look for them.
 * Model: files of single CPUs and nodes are added at start, one set for each; their argument is the
 * number.  Topology: all CPUs are cores of one package.
 * Source: Documentation/ABI/stable/sysfs-devices-system-cpu, sysfs-devices-node,
 * testing/sysfs-devices-system-cpu; Documentation/admin-guide/cputopology.
 */
#include <fs/procfs.h>

#include <fs/proc_format.h>
#include <hal/cpu.h>
#include <lib/bitmap.h>
#include <lib/fmt.h>
#include <mm/frame.h>
#include <mm/numa.h>
#include <sched/clock.h>
#include <svc/subsystem.h>

static unsigned number_of(void *arg)
{
    return (unsigned)(uintptr_t)arg;
}

/* ---- CPUs ---- */

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

static struct number_set number_alone(unsigned n)
{
    struct number_set s = { { 0 } };

    bitmap_set(s.bits, n);
    return s;
}

static void show_all_cpus(struct textbuf *out, void *arg)
{
    struct number_set s = numbers_below(cpu_count);

    format_list(out, s.bits, cpu_count);
}
PSEUDO_FILE(cpu_online, "sysfs", "devices/system/cpu/online", 0444, show_all_cpus, NULL);
PSEUDO_FILE(cpu_possible, "sysfs", "devices/system/cpu/possible", 0444, show_all_cpus, NULL);
PSEUDO_FILE(cpu_present, "sysfs", "devices/system/cpu/present", 0444, show_all_cpus, NULL);

static void show_no_cpu(struct textbuf *out, void *arg)
{
    text_append(out, "\n", 1);
}
PSEUDO_FILE(cpu_offline, "sysfs", "devices/system/cpu/offline", 0444, show_no_cpu, NULL);

static void show_kernel_max(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", CPU_MAX - 1);
}
PSEUDO_FILE(cpu_kernel_max, "sysfs", "devices/system/cpu/kernel_max", 0444, show_kernel_max, NULL);

static void show_number(struct textbuf *out, void *arg)
{
    text_printf(out, "%u\n", number_of(arg));
}

static void show_zero(struct textbuf *out, void *arg)
{
    text_printf(out, "0\n");
}

static void show_self_mask(struct textbuf *out, void *arg)
{
    struct number_set s = number_alone(number_of(arg));

    format_mask(out, s.bits, cpu_count);
}

static void show_all_mask(struct textbuf *out, void *arg)
{
    struct number_set s = numbers_below(cpu_count);

    format_mask(out, s.bits, cpu_count);
}

/* ---- nodes ---- */

static void show_all_nodes(struct textbuf *out, void *arg)
{
    struct number_set s = numbers_below(numa.count);

    format_list(out, s.bits, numa.count);
}
PSEUDO_FILE(node_online, "sysfs", "devices/system/node/online", 0444, show_all_nodes, NULL);
PSEUDO_FILE(node_possible, "sysfs", "devices/system/node/possible", 0444, show_all_nodes, NULL);

static struct number_set node_cpus(unsigned node)
{
    struct number_set s = { { 0 } };

    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i]->node == node)
            bitmap_set(s.bits, i);
    return s;
}

static void show_node_list(struct textbuf *out, void *arg)
{
    struct number_set s = node_cpus(number_of(arg));

    format_list(out, s.bits, cpu_count);
}

static void show_node_mask(struct textbuf *out, void *arg)
{
    struct number_set s = node_cpus(number_of(arg));

    format_mask(out, s.bits, cpu_count);
}

static void show_distance(struct textbuf *out, void *arg)
{
    for (unsigned to = 0; to < numa.count; to++)
        text_printf(out, "%s%u", to ? " " : "", numa_distance(number_of(arg), to));
    text_append(out, "\n", 1);
}

static void show_node_meminfo(struct textbuf *out, void *arg)
{
    unsigned node = number_of(arg);
    uint64_t total = frame_node_total(node), free = MIN(frame_node_free(node), total);
    const struct {
        const char *name;
        uint64_t pages;
    } all[] = { { "MemTotal:", total }, { "MemFree:", free }, { "MemUsed:", total - free } };

    for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
        text_printf(out, "Node %u %-14s %8llu kB\n", node, all[i].name,
                    (unsigned long long)(all[i].pages * (PAGE_SIZE / KiB)));
}

/* ---- clock sources ---- */

static void show_current_clock(struct textbuf *out, void *arg)
{
    text_printf(out, "%s\n", clock_source_name());
}
PSEUDO_FILE(current_clock, "sysfs",
            "devices/system/clocksource/clocksource0/current_clocksource", 0444, show_current_clock,
            NULL);

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

/* ---- start ---- */

struct numbered_file {
    const char *name;
    void (*show)(struct textbuf *out, void *arg);
};

static const struct numbered_file cpu_files[] = {
    { "topology/core_id", show_number },
    { "topology/physical_package_id", show_zero },
    { "topology/thread_siblings", show_self_mask },
    { "topology/thread_siblings_list", show_number },
    { "topology/core_siblings", show_all_mask },
    { "topology/core_siblings_list", show_all_cpus },
    { "topology/core_cpus", show_self_mask },
    { "topology/core_cpus_list", show_number },
    { "topology/package_cpus", show_all_mask },
    { "topology/package_cpus_list", show_all_cpus },
};

static const struct numbered_file node_files[] = {
    { "cpulist", show_node_list },
    { "cpumap", show_node_mask },
    { "distance", show_distance },
    { "meminfo", show_node_meminfo },
};

/* Adds the files of one CPU or node: devices/system/KIND/KINDn/... */
static err_t add_numbered(const char *kind, unsigned n, const struct numbered_file *files,
                          size_t count)
{
    err_t err = 0;

    for (size_t i = 0; i < count && err == 0; i++) {
        char path[96];
        struct pseudo_file f = { .path = path, .mode = 0444, .show = files[i].show,
                                 .arg = (void *)(uintptr_t)n };

        fmt_snprintf(path, sizeof path, "devices/system/%s/%s%u/%s", kind, kind, n, files[i].name);
        err = pseudo_add("sysfs", &f);
    }
    return err;
}

static err_t sysfs_start(struct subsystem *self)
{
    err_t err = 0;

    for (unsigned i = 0; i < cpu_count && err == 0; i++)
        err = add_numbered("cpu", i, cpu_files, ARRAY_SIZE(cpu_files));
    for (unsigned i = 0; i < numa.count && err == 0; i++)
        err = add_numbered("node", i, node_files, ARRAY_SIZE(node_files));
    return err;
}

static const char *const sysfs_needs[] = { "procfs", NULL };
static struct subsystem sysfs_subsystem = { .name = "sysfs",
                                            .privilege = PRIV_KERNEL,
                                            .needs = sysfs_needs,
                                            .late_init = sysfs_start };
REGISTER_SUBSYSTEM(sysfs_subsystem);
