// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the kernel's start, from the loader's record to process 1.
 *
 * Model: three stages, each with more under it:
 *     kmain       boot stack, early page tables     record, parameters, memory
 *     boot_early  thread 0, interrupts off          early_init of the subsystems, consoles, tick
 *     boot_late   a kernel thread                   further CPUs, late_init, unit tests, process 1
 * Thread 0 becomes the idle thread after the second.
 */
#define LOG_TAG "boot"
#include <hal/boot.h>
#include <hal/abi.h>
#include <hal/upcall.h>

#include <boot/hardware.h>
#include <boot/record.h>
#include <boot/smp.h>
#include <core/irq.h>
#include <core/ktest.h>
#include <core/log.h>
#include <core/panic.h>
#include <core/params.h>
#include <lib/string.h>
#include <mm/frame.h>
#include <mm/heap.h>
#include <mm/vmap.h>
#include <proc/process.h>
#include <sched/clock.h>
#include <sched/sched.h>
#include <sched/timer.h>
#include <svc/boot_info.h>
#include <svc/console.h>
#include <svc/power.h>
#include <svc/subsystem.h>
#include <vm/space.h>

static struct boot_record record;
static char ktest_pattern[64];

static err_t set_ktest(const char *value)
{
    str_copy(ktest_pattern, value && *value ? value : "*", sizeof ktest_pattern);
    return 0;
}
PARAM(ktest, "run the unit tests that match the pattern (SUITE.NAME, * and ?), then power off",
      set_ktest);

static void log_record(const struct boot_record *rec)
{
    for (unsigned i = 0; i < rec->range_count; i++) {
        const struct mem_range *r = &rec->ranges[i];

        log_debug("memory %#012llx-%#012llx %s", (unsigned long long)r->start,
                  (unsigned long long)(r->start + r->size), mem_kind_name(r->kind));
    }
    for (unsigned i = 0; i < rec->module_count; i++)
        log_debug("module %u: %llu KiB at %#llx %s", i,
                  (unsigned long long)rec->modules[i].size / 1024,
                  (unsigned long long)rec->modules[i].start, rec->modules[i].name);
}

static void ktest_put(const char *line)
{
    static const struct console_service *console;

    if (!console && service_find_console(NULL, &console))
        return;
    (void)console->write(console, line, strlen(line));
}

/* The KTAP text goes to the console as it is; the log may be quiet. */
static __noreturn void run_ktests(void)
{
    unsigned ran, failed = ktest_run(ktest_pattern, ktest_put, &ran);

    log_notice("unit tests: %u ran, %u failed", ran, failed);
    power_off();
}

static void boot_late(void *arg __maybe_unused)
{
    unsigned failed;

    smp_start();
    failed = subsystems_init_late();
    console_log_attach();
    console_check_wanted();
    if (failed)
        log_warn("%u subsystems failed to start", failed);
    if (ktest_pattern[0])
        run_ktests();
    log_info("starting process 1 after %llu us, the cycle counter at %llu",
             (unsigned long long)(clock_monotonic() / NS_PER_USEC),
             (unsigned long long)hal_cycles());
    proc_start_init();
}

static void boot_early(void)
{
    subsystems_init_early();
    console_log_attach();
    if (!irq_chip())
        panic("no interrupt controller that this kernel drives");
    if (!clock_source_nth(0))
        panic("no clock that this kernel drives");
    clock_events_check();
    clock_source_check_wanted();
    tick_start();
    if (!kthread_start("boot", LEVEL_NORMAL, boot_late, NULL))
        panic("no memory for the first thread");
    hal_irq_enable();
}

void kmain(const struct loader_handoff *h)
{
    err_t err;

    log_notice("Devine on %s", ABI_UNAME_MACHINE);
    err = boot_parse(h, &record);
    if (err)
        panic("loader protocol %d gave no usable record: error %d", h->protocol, err);
    params_parse(record.cmdline);
    log_info("loader %s%s%s, command line: %s", record.loader, record.loader_version[0] ? " " : "",
             record.loader_version, params_cmdline());
    hardware_find(h, &record);
    log_record(&record);
    frame_init(&record);
    heap_init();
    if (mmu_kernel_init(&record))
        panic("no memory for the kernel's page tables");
    vmap_init();
    vm_init();
    boot_info_set(&record);
    sched_start(boot_early);
}
