// SPDX-License-Identifier: CC0-1.0
/*
 * Purpose: the first C: the boot CPU's record and context, then the hand-over to kmain.
 */
#include <boot/start.h>

#include <cpu/feature.h>
#include <hal/boot.h>
#include <hal/cpu.h>
#include <hal/upcall.h>
#include <mm/tables.h>

struct cpu *cpus[CPU_MAX];
unsigned cpu_count;

static struct cpu boot_cpu;
static struct hal_context boot_context;
static uint8_t boot_ist[IST_COUNT][IST_STACK_SIZE] __aligned(IST_STACK_SIZE);

void boot_start(unsigned protocol, uint32_t info, uint64_t offset)
{
    struct loader_handoff handoff = {
        .protocol = protocol,
        .info = info,
        .early_start = EARLY_DIRECT_START,
        .early_end = EARLY_DIRECT_END,
    };

    tables_start(offset);
    handoff.image_start = image_to_phys(__image_start);
    handoff.image_end = image_to_phys(__image_end);

    boot_context.stack_top = (uintptr_t)boot_stack_top;
    boot_context.cpu = &boot_cpu;
    boot_context.preempt_count = 1;
    boot_cpu.current = &boot_context;
    boot_cpu.arch.ist = boot_ist;
    cpus[0] = &boot_cpu;
    cpu_count = 1;
    feature_detect();
    hal_cpu_init(&boot_cpu);
    kmain(&handoff);
}
