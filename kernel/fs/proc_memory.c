// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files of /proc about memory, and what /sys says of a node's.
 * Model: only numbers that somebody counts; lines of Linux's that have none here (Active, Mapped,
 * AnonPages...) are absent; of huge pages for programs there are none.  Files live in memory, so every page
 * of theirs is "Shmem" in Linux's words: it cannot be dropped.  Pages of block devices are "Buffers".
 * Source: proc(5), Documentation/filesystems/proc.
 */
#include <fs/procfs.h>

#include <fs/internal.h>
#include <fs/proc_format.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/numa.h>
#include <mm/vmap.h>

#define ALL_NODES NODE_MAX

struct memory_use { /* pages */
    uint64_t total, free, buffers, cached, dirty, slab, reclaimable, stacks, tables;
};

static uint64_t used(unsigned node, enum frame_use use)
{
    return node == ALL_NODES ? frame_used(use) : frame_node_used(node, use);
}

/* Of one node, or of ALL_NODES. */
static void memory_use_get(struct memory_use *m, unsigned node)
{
    bool all = node == ALL_NODES;
    size_t names = all ? dentry_cache_unused() : dentry_cache_unused_of(node);

    m->total = all ? frame_total() : frame_node_total(node);
    m->free = all ? frame_free_count() : frame_node_free(node);
    m->free = MIN(m->free, m->total);
    m->buffers = used(node, USE_BUFFERS);
    m->cached = used(node, USE_PAGES);
    m->cached -= MIN(m->cached, m->buffers);
    m->dirty = used(node, USE_DIRTY);
    m->slab = all ? heap_frames() : heap_node_frames(node);
    m->reclaimable = MIN(names * sizeof(struct dentry) / PAGE_SIZE, m->slab);
    m->stacks = used(node, USE_STACKS);
    m->tables = used(node, USE_TABLES);
}

static uint64_t available(const struct memory_use *m)
{
    uint64_t sum = m->free + m->reclaimable + m->buffers - MIN(m->buffers, m->dirty);

    return sum - MIN(sum, frame_reserve());
}

static void show_meminfo(struct textbuf *out, void *arg)
{
    const struct proc_pid_ops *ops = procfs_pid_ops();
    struct memory_use m;

    memory_use_get(&m, ALL_NODES);
    format_kib(out, "MemTotal", m.total);
    format_kib(out, "MemFree", m.free);
    format_kib(out, "MemAvailable", available(&m));
    format_kib(out, "Buffers", m.buffers);
    format_kib(out, "Cached", m.cached);
    format_kib(out, "SwapCached", 0);
    format_kib(out, "SwapTotal", 0);
    format_kib(out, "SwapFree", 0);
    format_kib(out, "Dirty", m.dirty);
    format_kib(out, "Writeback", 0);
    format_kib(out, "Shmem", m.cached);
    format_kib(out, "KReclaimable", m.reclaimable);
    format_kib(out, "Slab", m.slab);
    format_kib(out, "SReclaimable", m.reclaimable);
    format_kib(out, "SUnreclaim", m.slab - m.reclaimable);
    format_kib(out, "KernelStack", m.stacks);
    format_kib(out, "PageTables", m.tables);
    if (ops && ops->committed)
        format_kib(out, "Committed_AS", ops->committed() + m.cached);
    format_kib(out, "VmallocTotal", (VMAP_END - VMAP_BASE) / PAGE_SIZE);
    format_kib(out, "VmallocUsed", m.stacks);
    for (unsigned i = 0; i < 4; i++)
        text_printf(out, "HugePages_%s    0\n",
                    (const char *const[]){ "Total:   ", "Free:    ", "Rsvd:    ", "Surp:    " }[i]);
    format_kib(out, "Hugepagesize", 2 * MiB / PAGE_SIZE);
    format_kib(out, "Hugetlb", 0);
}
PROC_FILE(meminfo, "meminfo", 0444, show_meminfo);

void format_node_meminfo(struct textbuf *out, unsigned node)
{
    struct memory_use m;

    memory_use_get(&m, node);
    const struct {
        const char *name;
        uint64_t pages;
    } all[] = {
        { "MemTotal:", m.total },
        { "MemFree:", m.free },
        { "MemUsed:", m.total - m.free },
        { "SwapCached:", 0 },
        { "Dirty:", m.dirty },
        { "Writeback:", 0 },
        { "FilePages:", m.cached + m.buffers },
        { "Shmem:", m.cached },
        { "KernelStack:", m.stacks },
        { "PageTables:", m.tables },
        { "SecPageTables:", 0 },
        { "NFS_Unstable:", 0 },
        { "Bounce:", 0 },
        { "WritebackTmp:", 0 },
        { "KReclaimable:", m.reclaimable },
        { "Slab:", m.slab },
        { "SReclaimable:", m.reclaimable },
        { "SUnreclaim:", m.slab - m.reclaimable },
        { "AnonHugePages:", 0 },
        { "ShmemHugePages:", 0 },
        { "ShmemPmdMapped:", 0 },
        { "FileHugePages:", 0 },
        { "FilePmdMapped:", 0 },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
        text_printf(out, "Node %u %-15s %8llu kB\n", node, all[i].name,
                    (unsigned long long)(all[i].pages * (PAGE_SIZE / KiB)));
    text_printf(out, "Node %u HugePages_Total:     0\nNode %u HugePages_Free:      0\n"
                "Node %u HugePages_Surp:      0\n", node, node, node);
}

/* What vmstat says of a node and of all. */
static void format_use(struct textbuf *out, const struct memory_use *m)
{
    const struct {
        const char *name;
        uint64_t value;
    } all[] = {
        { "nr_slab_reclaimable", m->reclaimable },
        { "nr_slab_unreclaimable", m->slab - m->reclaimable },
        { "nr_file_pages", m->cached + m->buffers },
        { "nr_dirty", m->dirty },
        { "nr_writeback", 0 },
        { "nr_shmem", m->cached },
        { "nr_kernel_stack", m->stacks * (PAGE_SIZE / KiB) },
        { "nr_page_table_pages", m->tables },
        { "nr_swapcached", 0 },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
        text_printf(out, "%s %llu\n", all[i].name, (unsigned long long)all[i].value);
}

/* numastat's counters by other names. */
static void format_numa(struct textbuf *out, const uint64_t n[NUMA_STATS])
{
    static const char *const names[NUMA_STATS] = { "numa_hit", "numa_miss", "numa_foreign",
                                                   "numa_interleave", "numa_local", "numa_other" };

    for (unsigned i = 0; i < NUMA_STATS; i++)
        text_printf(out, "%s %llu\n", names[i], (unsigned long long)n[i]);
}

void format_node_vmstat(struct textbuf *out, unsigned node)
{
    uint64_t numa_stats[NUMA_STATS];
    struct memory_use m;

    memory_use_get(&m, node);
    frame_node_stats(node, numa_stats);
    text_printf(out, "nr_free_pages %llu\n", (unsigned long long)m.free);
    format_numa(out, numa_stats);
    format_use(out, &m);
}

static void show_vmstat(struct textbuf *out, void *arg)
{
    uint64_t sum[NUMA_STATS] = { 0 }, numa_stats[NUMA_STATS];
    struct memory_use m;

    memory_use_get(&m, ALL_NODES);
    for (unsigned node = 0; node < numa.count; node++) {
        frame_node_stats(node, numa_stats);
        for (unsigned i = 0; i < NUMA_STATS; i++)
            sum[i] += numa_stats[i];
    }
    text_printf(out, "nr_free_pages %llu\n", (unsigned long long)m.free);
    format_numa(out, sum);
    format_use(out, &m);
    text_printf(out, "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\n");
}
PROC_FILE(vmstat, "vmstat", 0444, show_vmstat);

static void show_swaps(struct textbuf *out, void *arg)
{
    text_printf(out, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}
PROC_FILE(swaps, "swaps", 0444, show_swaps);
