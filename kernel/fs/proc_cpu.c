// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: files of /proc about the CPUs: who they are, what they did, who interrupted them.
 * Source: proc(5); the texts are Linux 6.1's.
 */
#include <fs/procfs.h>

#include <core/irq.h>
#include <core/smp.h>
#include <fs/proc_format.h>
#include <hal/cpu.h>
#include <lib/bitmap.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/heap.h>
#include <sched/clock.h>
#include <sched/sched.h>
#include <svc/subsystem.h>

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

/* --- /proc/interrupts -------------------------------------------------------------------------- */

static void show_row_counts(struct textbuf *out, unsigned irq)
{
    for (unsigned i = 0; i < cpu_count; i++)
        text_printf(out, "%10u ", irq_count_on(irq, cpus[i]));
}

static void show_between_cpus(struct textbuf *out, enum ipi ipi, const char *label, const char *text)
{
    text_printf(out, "%s: ", label);
    show_row_counts(out, IRQ_IPI + ipi);
    text_printf(out, "  %s\n", text);
}

static const char *chip_name(const struct irqchip *chip, unsigned irq)
{
    if (!chip)
        return "-";
    return irq >= IRQ_MSI && chip->message_name ? chip->message_name : chip->name;
}

/* A column for each CPU.  Lines that each CPU has of its own show where their driver named them. */
static void show_interrupts(struct textbuf *out, void *arg)
{
    const struct irqchip *chip = irq_chip();
    char names[96];
    const char *name;
    uint64_t count;

    text_printf(out, "%*s", 3 + 8, "");
    for (unsigned i = 0; i < cpu_count; i++)
        text_printf(out, "CPU%-8u", i);
    text_append(out, "\n", 1);
    for (unsigned i = 0; i < IRQ_MAX; i++) {
        const char *label = chip && chip->label ? chip->label(i) : NULL;

        if (!irq_info(i, &count, &name))
            continue;
        irq_names(i, names, sizeof names);
        if (label)
            text_printf(out, "%3s: ", label);
        else
            text_printf(out, "%3u: ", i);
        show_row_counts(out, i);
        if (label)
            text_printf(out, "  %s\n", names);
        else
            text_printf(out, " %8s %4u      %s\n", chip_name(chip, i), i, names);
    }
    if (chip && chip->ipi) {
        show_between_cpus(out, IPI_RESCHED, "RES", "Rescheduling interrupts");
        show_between_cpus(out, IPI_CALL, "CAL", "Function call interrupts");
    }
    text_printf(out, "SPU: ");
    for (unsigned i = 0; i < cpu_count; i++)
        text_printf(out, "%10u ", irq_spurious_on(cpus[i]));
    text_printf(out, "  Spurious interrupts\n");
    text_printf(out, "%3s: %10llu\n", "ERR", (unsigned long long)irq_spurious());
}
PROC_FILE(interrupts, "interrupts", 0444, show_interrupts);

/* --- /proc/irq/N ------------------------------------------------------------------------------- */

static unsigned line_of(void *arg)
{
    return (unsigned)(uintptr_t)arg;
}

static void line_cpus(unsigned irq, uint64_t set[CPU_MAX / 64])
{
    memset(set, 0, CPU_MAX / 8);
    bitmap_set(set, irq_routed_to(irq));
}

static void show_affinity(struct textbuf *out, void *arg)
{
    uint64_t set[CPU_MAX / 64];

    line_cpus(line_of(arg), set);
    format_mask(out, set, cpu_count);
}

static void show_affinity_list(struct textbuf *out, void *arg)
{
    uint64_t set[CPU_MAX / 64];

    line_cpus(line_of(arg), set);
    format_list(out, set, cpu_count);
}

/* A line goes to one CPU: the first that runs. */
static err_t route_to_first(unsigned irq, const uint64_t set[CPU_MAX / 64])
{
    for (unsigned i = 0; i < cpu_count; i++)
        if (bitmap_test(set, i) && cpu_online(i))
            return irq_route(irq, i);
    return -EINVAL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hexadecimal digits, the lowest last; commas between words are skipped. */
static err_t parse_mask(const char *text, size_t n, uint64_t set[CPU_MAX / 64])
{
    unsigned bit = 0;

    memset(set, 0, CPU_MAX / 8);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    if (n == 0)
        return -EINVAL;
    for (; n > 0; n--) {
        int digit = hex_digit(text[n - 1]);

        if (text[n - 1] == ',')
            continue;
        if (digit < 0)
            return -EINVAL;
        if (bit >= CPU_MAX && digit != 0)
            return -EOVERFLOW;
        if (bit < CPU_MAX)
            set[bit / 64] |= (uint64_t)digit << (bit % 64);
        bit += 4;
    }
    return 0;
}

static err_t store_affinity(const char *text, size_t n, void *arg)
{
    uint64_t set[CPU_MAX / 64];
    err_t err = parse_mask(text, n, set);

    return err ? err : route_to_first(line_of(arg), set);
}

/* Numbers and ranges with commas: "0-3,8". */
static err_t parse_list(const char *text, size_t n, uint64_t set[CPU_MAX / 64])
{
    const char *s = text, *end = text + n;

    memset(set, 0, CPU_MAX / 8);
    for (;;) {
        uint64_t low, high;
        err_t err = str_to_u64(&s, 10, &low);

        high = low;
        if (!err && s < end && *s == '-') {
            s++;
            err = str_to_u64(&s, 10, &high);
        }
        if (err)
            return err;
        if (low > high || high >= CPU_MAX)
            return -EINVAL;
        for (; low <= high; low++)
            bitmap_set(set, (unsigned)low);
        if (s >= end || *s != ',')
            break;
        s++;
    }
    return s >= end || *s == '\n' || *s == '\0' ? 0 : -EINVAL;
}

static err_t store_affinity_list(const char *text, size_t n, void *arg)
{
    uint64_t set[CPU_MAX / 64];
    err_t err = parse_list(text, n, set);

    return err ? err : route_to_first(line_of(arg), set);
}

static err_t line_files_add(unsigned irq)
{
    struct pseudo_file mask = { .mode = 0644, .show = show_affinity, .store = store_affinity,
                                .arg = (void *)(uintptr_t)irq, .removable = true };
    struct pseudo_file list = { .mode = 0644, .show = show_affinity_list,
                                .store = store_affinity_list, .arg = (void *)(uintptr_t)irq,
                                .removable = true };
    char path[40];
    err_t err;

    fmt_snprintf(path, sizeof path, "irq/%u/smp_affinity", irq);
    mask.path = path;
    err = pseudo_add("proc", &mask);
    if (err)
        return err;
    fmt_snprintf(path, sizeof path, "irq/%u/smp_affinity_list", irq);
    list.path = path;
    return pseudo_add("proc", &list);
}

static void line_files_remove(unsigned irq)
{
    char path[40];

    fmt_snprintf(path, sizeof path, "irq/%u", irq);
    pseudo_remove("proc", path);
}

/* Of a line that can go to any CPU. */
static void line_changed(unsigned irq, bool used)
{
    if (!used)
        line_files_remove(irq);
    else if (irq_route(irq, irq_routed_to(irq)) == 0)
        (void)line_files_add(irq);
}

/* For the lines that have a handler now, and can go to any CPU; later ones as they come. */
static err_t proc_irq_start(struct subsystem *self)
{
    const struct irqchip *chip = irq_chip();
    const char *name;
    uint64_t count;
    err_t err = 0;

    if (!chip)
        return -ENODEV;
    irq_watch(line_changed);
    for (unsigned i = 0; i < IRQ_MAX && !err; i++)
        if (irq_info(i, &count, &name) && *name && irq_route(i, 0) == 0)
            err = line_files_add(i);
    return err;
}

static const char *const needs[] = { "procfs", NULL };
static struct subsystem proc_irq_subsystem = {
    .name = "proc_irq", .privilege = PRIV_KERNEL, .needs = needs, .late_init = proc_irq_start
};
REGISTER_SUBSYSTEM(proc_irq_subsystem);
