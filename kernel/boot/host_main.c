// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: kmain of the host binary: starts the layers on the host's arena, runs the unit tests and
 * ends with `N passed, N failed`.
 *
 * Model: the same order as on the machines, with the host's clock, timer and interrupts in the place
 * of drivers.  What entry/ does on the machines stands here as weak functions, for a binary that is
 * linked without it.
 */
#define LOG_TAG "host"
#include <arch/host.h>
#include <boot/explore.h>
#include <core/irq.h>
#include <core/smp.h>
#include <core/ktest.h>
#include <core/log.h>
#include <core/panic.h>
#include <core/params.h>
#include <hal/boot.h>
#include <hal/cpu.h>
#include <hal/upcall.h>
#include <lib/fmt.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/numa.h>
#include <mm/vmap.h>
#include <sched/clock.h>
#include <sched/sched.h>
#include <sched/timer.h>
#include <svc/boot_info.h>
#include <svc/subsystem.h>
#include <vm/space.h>

/* --- console --- */

static void stdout_write(struct log_sink *sink, const char *text, size_t n)
{
    (void)sink;
    host_write(text, n);
}

static struct log_sink stdout_sink = { .name = "stdout", .write = stdout_write, .level = LOG_DEBUG };

static void test_line(const char *line)
{
    host_write(line, strlen(line));
}

static void host_end(bool reboot)
{
    (void)reboot;
    host_backtrace();
    host_exit(1);
}

/* --- interrupts, clock and timer --- */

static void chip_nothing(unsigned irq)
{
    (void)irq;
}

static int chip_claim(unsigned hint)
{
    if (hint >= HOST_IRQ_IPI && hint < HOST_IRQ_IPI + IPI_COUNT)
        return (int)(IRQ_IPI + hint - HOST_IRQ_IPI);
    return (int)hint;
}

static void chip_ipi(struct cpu *cpu, enum ipi ipi)
{
    if (ipi == IPI_RESCHED && host_faults & HOST_FAULT_NO_RESCHED_IPI)
        return;
    host_irq_raise(cpu, HOST_IRQ_IPI + (unsigned)ipi);
}

static const struct irqchip host_chip = { .name = "host", .mask = chip_nothing, .unmask = chip_nothing,
                                          .claim = chip_claim, .end = chip_nothing, .ipi = chip_ipi };

static uint64_t source_read(void)
{
    return host_clock_ns();
}

static struct clock_source host_source = { .name = "host", .rating = 1, .read = source_read,
                                           .hz = NS_PER_SEC, .mask = UINT64_MAX };

/* The clock's nanoseconds start at its registration, the host's before that. */
static void event_set(struct clock_event *dev, ns_t now, ns_t deadline)
{
    (void)dev;
    host_timer_set(deadline == NS_NEVER ? NS_NEVER
                                        : host_clock_ns() + (deadline > now ? deadline - now : 0));
}

static struct clock_event host_event = { .name = "host", .rating = 1, .per_cpu = true,
                                         .set_deadline = event_set };

static void timer_handler(unsigned irq, void *arg)
{
    (void)irq, (void)arg;
    timer_interrupt();
}

/* --- what entry/ defines on the machines --- */

__attribute__((weak)) void upcall_irq(struct hal_regs *r, unsigned irq)
{
    (void)r;
    cpu_current()->irq_depth++;
    hal_current()->preempt_count++;
    irq_dispatch(irq);
    hal_current()->preempt_count--;
    cpu_current()->irq_depth--;
    if (hal_current()->preempt_count == 0 && (hal_current()->pending & PENDING_RESCHED))
        sched_preempt_irq();
}

__attribute__((weak)) bool upcall_fault(struct hal_regs *r, vaddr_t addr, unsigned access)
{
    (void)r, (void)addr, (void)access;
    return false;
}

__attribute__((weak)) void upcall_syscall(struct hal_regs *r)
{
    regs_set_return(r, -ENOSYS);
}

__attribute__((weak)) void upcall_user_return(struct hal_regs *r)
{
    (void)r;
    atomic_fetch_and(&hal_current()->pending, 0);
}

__attribute__((weak)) void upcall_fatal(struct hal_regs *r, const char *what, vaddr_t addr,
                                        uint64_t info)
{
    panic_regs(r, "%s at %#lx (%#llx)", what, addr, (unsigned long long)info);
}

/* --- start --- */

static void mm_start(const struct boot_record *rec)
{
    static const uint8_t distance[] = { 10, 20, 20, 10 }; /* the record's two nodes */

    if (numa_set(2, distance) != 0)
        panic("the host's memory nodes are unsound");
    frame_init(rec);
    if (mmu_kernel_init(rec) != 0)
        panic("no memory for the kernel's page tables");
    heap_init();
    vmap_init();
    vm_init();
}

static void time_start(void)
{
    irq_chip_set(&host_chip);
    if (irq_register(HOST_IRQ_TIMER, "timer", timer_handler, NULL) != 0)
        panic("the host's interrupts cannot be registered");
    clock_source_register(&host_source);
    log_set_clock(clock_monotonic);
    clock_event_register(&host_event);
}

/* The tests run in a thread of their own, so they may sleep. */
static void tests_main(void *arg)
{
    unsigned ran, failed;
    char line[64];

    (void)arg;
    failed = subsystems_init_early() + subsystems_init_late();
    if (failed != 0)
        panic("%u subsystems failed to start", failed);
    if (host_explore_wanted())
        explore_run(&stdout_sink);
    failed = ktest_run(host_test_pattern(), test_line, &ran);
    fmt_snprintf(line, sizeof(line), "%u passed, %u failed\n", ran - failed, failed);
    test_line(line);
    host_exit(failed != 0 || ran == 0);
}

/* --- further CPUs: DEVINE_CPUS --- */

static void secondary_idles(void)
{
    tick_start();
    cpu_set_online(cpu_current());
}

void kmain_secondary(struct cpu *cpu)
{
    sched_start_cpu(cpu, secondary_idles);
}

static void cpus_start(void)
{
    unsigned count = host_cpu_wanted();

    for (unsigned id = 1; id < count; id++) {
        struct cpu *cpu = kzalloc(sizeof(*cpu));
        uintptr_t stack = vmap_stack_alloc();

        if (cpu == NULL || stack == 0)
            panic("no memory for CPU %u", id);
        cpu->id = id;
        cpu->hw_id = id;
        irq_init_cpu(cpu, kzalloc(irq_counts_size()));
        frame_init_cpu(cpu);
        heap_init_cpu(cpu);
        if (sched_init_cpu(cpu) != 0)
            panic("no memory for the scheduler of CPU %u", id);
        host_cpu_start(cpu, stack);
    }
}

/* On the idle thread, interrupts off. */
static void kmain_threads(void)
{
    time_start();
    tick_start();
    cpus_start();
    if (kthread_start("tests", LEVEL_NORMAL, tests_main, NULL) == NULL)
        panic("no memory for the thread of the tests");
}

void kmain(const struct loader_handoff *h)
{
    static struct boot_record rec;

    (void)h;
    log_sink_add(&stdout_sink, true);
    panic_set_action(host_end);
    host_boot_record(&rec);
    params_parse(rec.cmdline);
    boot_info_set(&rec);
    mm_start(&rec);
    sched_start(kmain_threads);
}
