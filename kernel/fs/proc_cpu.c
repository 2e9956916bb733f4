// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files of /proc about the CPUs: who they are, what they did, who interrupted them.
 * Source: proc(5); the texts are Linux 6.1's.
 */
#include <fs/procfs.h>

#include <core/irq.h>
#include <fs/proc_format.h>
#include <hal/cpu.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/sched.h>

#define CPUINFO_BYTES 4096

static void show_cpuinfo(struct textbuf *out, void *arg)
{
    char *buf = kmalloc(CPUINFO_BYTES);

    if (!buf) {
        out->error = -ENOMEM;
        return;
    }
    for (unsigned i = 0; i < cpu_count; i++) {
        size_t n = hal_cpuinfo(cpus[i], buf, CPUINFO_BYTES);

        text_append(out, buf, MIN(n, CPUINFO_BYTES - 1));
    }
    kfree(buf);
}
PROC_FILE(cpuinfo, "cpuinfo", 0444, show_cpuinfo);

static unsigned long long ticks(ns_t ns)
{
    return ns / (NS_PER_SEC / USER_HZ);
}

/* user nice system idle iowait irq softirq steal guest guest_nice */
static void show_times(struct textbuf *out, const struct cpu_times *t)
{
    text_printf(out, " %llu %llu %llu %llu 0 %llu 0 0 0 0\n", ticks(t->user), ticks(t->nice),
                ticks(t->system), ticks(t->idle), ticks(t->irq));
}

static void show_cpus(struct textbuf *out)
{
    struct cpu_times sum = { 0 }, t;

    for (unsigned i = 0; i < cpu_count; i++) {
        sched_cpu_times(i, &t);
        sum.user += t.user;
        sum.nice += t.nice;
        sum.system += t.system;
        sum.idle += t.idle;
        sum.irq += t.irq;
    }
    text_printf(out, "cpu ");
    show_times(out, &sum);
    for (unsigned i = 0; i < cpu_count; i++) {
        sched_cpu_times(i, &t);
        text_printf(out, "cpu%u", i);
        show_times(out, &t);
    }
}

/* All of them, then each line up to the last that is used. */
static void show_interrupt_counts(struct textbuf *out)
{
    const char *name;
    uint64_t count;
    unsigned last = IRQ_MAX;

    while (last > 0 && !irq_info(last - 1, &count, &name))
        last--;
    text_printf(out, "intr %llu", (unsigned long long)irq_total());
    for (unsigned i = 0; i < last; i++) {
        irq_info(i, &count, &name);
        text_printf(out, " %llu", (unsigned long long)count);
    }
    text_append(out, "\n", 1);
}

static void show_stat(struct textbuf *out, void *arg)
{
    struct sched_stats s;

    sched_get_stats(&s);
    show_cpus(out);
    show_interrupt_counts(out);
    text_printf(out,
                "ctxt %llu\nbtime %lld\nprocesses %llu\nprocs_running %u\nprocs_blocked %u\n",
                (unsigned long long)s.switches,
                (long long)(clock_realtime_offset() / (int64_t)NS_PER_SEC),
                (unsigned long long)s.forks, s.running, s.blocked);
}
PROC_FILE(stat, "stat", 0444, show_stat);

/* The counts are of all CPUs together, so there is one column; with one CPU it is Linux's text. */
static void show_interrupts(struct textbuf *out, void *arg)
{
    const struct irqchip *chip = irq_chip();
    const char *name;
    uint64_t count;

    text_printf(out, "%*sCPU%-8u%s\n", 3 + 8, "", 0u, cpu_count > 1 ? "(all)" : "");
    for (unsigned i = 0; i < IRQ_MAX; i++)
        if (irq_info(i, &count, &name))
            text_printf(out, "%3u: %10llu  %8s %4u      %s\n", i, (unsigned long long)count,
                        chip ? chip->name : "-", i, name);
    text_printf(out, "%3s: %10llu\n", "ERR", (unsigned long long)irq_spurious());
}
PROC_FILE(interrupts, "interrupts", 0444, show_interrupts);
