// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files of /proc about memory.
 * Model: only numbers that somebody counts; lines of Linux's that have none here (Active, Mapped,
 * AnonPages...) are absent.  All files live in memory, so every page of the page cache is "Shmem"
 * in Linux's words: it cannot be dropped.
 * Source: proc(5), Documentation/filesystems/proc.
 */
#include <fs/blockdev.h>
#include <fs/procfs.h>

#include <fs/internal.h>
#include <fs/proc_format.h>
#include <hal/context.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/vmap.h>
#include <vm/object.h>

struct memory_use { /* pages */
    uint64_t total, free, available, buffers, cached, slab, reclaimable, stacks, tables;
};

static void memory_use_get(struct memory_use *m)
{
    uint64_t reserve = frame_reserve();

    m->total = frame_total();
    m->free = frame_free_count();
    m->buffers = cache_pages();
    m->cached = object_pages_total();
    m->cached -= MIN(m->cached, m->buffers);
    m->slab = heap_frames();
    m->reclaimable = MIN(dentry_cache_unused() * sizeof(struct dentry) / PAGE_SIZE, m->slab);
    m->stacks = vmap_stacks() * (KERNEL_STACK_SIZE / PAGE_SIZE);
    m->tables = frame_tables();
    m->available = m->free + m->reclaimable + m->buffers - MIN(m->buffers, object_dirty_total());
    m->available -= MIN(m->available, reserve);
}

static void show_meminfo(struct textbuf *out, void *arg)
{
    const struct proc_pid_ops *ops = procfs_pid_ops();
    struct memory_use m;

    memory_use_get(&m);
    format_kib(out, "MemTotal", m.total);
    format_kib(out, "MemFree", m.free);
    format_kib(out, "MemAvailable", m.available);
    format_kib(out, "Buffers", m.buffers);
    format_kib(out, "Cached", m.cached);
    format_kib(out, "SwapCached", 0);
    format_kib(out, "SwapTotal", 0);
    format_kib(out, "SwapFree", 0);
    format_kib(out, "Dirty", object_dirty_total());
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

static void show_vmstat(struct textbuf *out, void *arg)
{
    struct memory_use m;

    memory_use_get(&m);
    const struct {
        const char *name;
        uint64_t value;
    } all[] = {
        { "nr_free_pages", m.free },
        { "nr_page_table_pages", m.tables },
        { "nr_file_pages", m.cached + m.buffers },
        { "nr_dirty", object_dirty_total() },
        { "nr_writeback", 0 },
        { "nr_shmem", m.cached },
        { "nr_slab_reclaimable", m.reclaimable },
        { "nr_slab_unreclaimable", m.slab - m.reclaimable },
        { "nr_kernel_stack", m.stacks * (PAGE_SIZE / KiB) },
        { "pgpgin", 0 },
        { "pgpgout", 0 },
        { "pswpin", 0 },
        { "pswpout", 0 },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
        text_printf(out, "%s %llu\n", all[i].name, (unsigned long long)all[i].value);
}
PROC_FILE(vmstat, "vmstat", 0444, show_vmstat);

static void show_swaps(struct textbuf *out, void *arg)
{
    text_printf(out, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}
PROC_FILE(swaps, "swaps", 0444, show_swaps);
